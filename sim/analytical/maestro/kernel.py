"""The rules of MAESTRO as one compiled kernel: cases of a level, their traffic, their delay.

No loop of a mapping is walked. A level's cases are the product of what each directive can be in
(init, steady, edge), each case with the number of times it occurs; levels below are solved for the
extents that a case hands them. The rules, and the defects among them, are listed in the README.

A *row* is one directive of a level, outermost first: ``[spatial, dim, size, offset]``. Every level
lists every dim. Extents come in two kinds: ``table``, by which mapped and unique sizes and active
units are tabulated, and ``actual``, which decide what cases there are. They differ only below a
level with edges: the tool tabulates there for a whole tile (defect 1).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.maestro.shapes import (
    ACTIVE_EDGE,
    ACTIVE_INIT,
    DIM,
    EDGE,
    EDGE_MAPPED,
    FILTER,
    HAS_EDGE,
    INIT,
    INPUT,
    OUTPUT,
    SIZE,
    SPATIAL,
    Ints,
    cases,
    part_of,
    products,
    tabulate,
)
from arraysmith.sim.analytical.maestro.traffic import traffic

(
    RUNTIME,
    MACS,
    INPUT_READS,
    FILTER_READS,
    OUTPUT_WRITES,
    FIRST_INPUT,
    FIRST_FILTER,
    FIRST_OUTPUT,
    L1_INPUT,
    L1_FILTER,
    L1_OUTPUT,
    ACTIVE,
) = range(12)
"""Columns of a result: cycles, MACs, elements over the layer; elements into and out of the first
case; elements of a tile in one PE; PEs with work in the first case."""

COLUMNS = 12

_LARGEST = 4611686018427387904


@njit(cache=True, nogil=True, error_model="numpy")
def count(
    program: Ints, units: Ints, extents: Ints, member: Ints, window: Ints, rates: Ints, out: Ints
) -> None:
    """Count candidates that share an operator and a machine.

    Args:
        program: [candidates, levels, dims, 4] rows, outermost level first, outermost row first.
        units: [candidates, levels] units of each level.
        extents: [candidates, dims] extents of the layer.
        member: [3, dims] 1 where a tensor is indexed by a dim; outputs by the dim of their window.
        window: [dims] of a dim that slides, the dim of its filter; -1 for the others.
        rates: elements per cycle of a network, latency of a hop, elements per cycle off-chip, MACs
            per PE and cycle, stride of rows and stride of columns.
        out: [candidates, COLUMNS] receives the results.
    """
    for i in range(program.shape[0]):
        offchip = 0
        # Once to learn the first case, whose size bounds the off-chip time of all of them.
        for _ in range(2):
            for column in range(COLUMNS):
                out[i, column] = 0
            _solve(program[i], units[i], extents[i], member, window, rates, offchip, out[i])
            halves_in = 2 * (out[i, FIRST_INPUT] + out[i, FIRST_FILTER]) // rates[2] // 2
            halves_out = 2 * out[i, FIRST_OUTPUT] // rates[2] // 2
            offchip = max(halves_in, halves_out)
        _innermost(program[i], units[i], extents[i], member, out[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(
    program: Ints,
    units: Ints,
    extents: Ints,
    member: Ints,
    window: Ints,
    rates: Ints,
    offchip: int,
    out: Ints,
) -> None:
    """Fill the totals of one candidate; ``offchip`` cycles are the least of a case of level 0.

    A level is left for the one below when a case needs a delay that is not known yet, and taken up
    again at the same case: a recursion written as a loop, since compiled recursion is not cached
    reliably.
    """
    levels, dims = program.shape[0], program.shape[1]
    table_extents = np.zeros((levels, dims), np.int64)
    actual = np.zeros((levels, dims), np.int64)
    for dim in range(dims):
        table_extents[0, dim] = extents[dim]
        actual[0, dim] = extents[dim]
    tables = np.zeros((levels, dims, 9), np.int64)
    turns = np.zeros((levels, dims, 4), np.int64)
    wholes = np.zeros((levels, dims, 4), np.int64)
    states = np.zeros((levels, dims), np.int64)
    known = np.zeros((levels, 2 << dims), np.int64)
    waiting = np.zeros(levels, np.int64)
    runtime = np.zeros(levels, np.int64)
    # Extents of one unit's tile by dim, and of the last unit's where it has less; their products.
    tiles = np.zeros((2, dims), np.int64)
    sums = np.zeros(2, np.int64)
    moved = np.zeros(3, np.int64)
    level = 0
    entered = True
    while True:
        rows, state, n = program[level], states[level], units[level]
        if entered:
            tabulate(rows, n, table_extents[level], tables[level])
            cases(rows, n, actual[level], turns[level])
            cases(rows, n, table_extents[level], wholes[level])
            for i in range(dims):
                state[i] = 0
            for key in range(2 << dims):
                known[level, key] = -1
            runtime[level] = 0
            entered = False
        table, turn = tables[level], turns[level]
        occurs, changing, active, part, ragged, spatials, mask = _case(
            rows, n, table, turn, state, tiles
        )
        for variant in range(2):
            sums[variant] = products(tiles[variant], window, rates)
        macs = sums[0] * (active - 1) + sums[1 if part else 0]
        if macs > 0:
            compute = 0
            for variant in range(2):
                # The slower of the whole units and the partial one.
                if (variant == 0 and part and active == 1) or (variant == 1 and not part):
                    continue
                if level + 1 == levels:
                    compute = max(compute, -(-sums[variant] // rates[3]))
                    continue
                key = 2 * mask + variant
                if known[level, key] < 0:
                    waiting[level] = key
                    for i in range(dims):
                        dim = rows[i, DIM]
                        actual[level + 1, dim] = tiles[variant, dim]
                        whole = min(rows[i, SIZE], table_extents[level, dim])
                        table_extents[level + 1, dim] = whole  # defect 1: not that of the case
                    entered = True
                    break
                compute = max(compute, known[level, key])
            if entered:
                level += 1
                continue
            for tensor in range(3):
                moved[tensor] = traffic(
                    tensor, rows, table, turn, wholes[level], state, tiles[0], changing, active,
                    part, ragged, spatials, member, window, rates,
                )  # fmt: skip
            ingress = delay(moved[INPUT] + moved[FILTER], rates)
            egress = delay(moved[OUTPUT], rates)
            cycles = compute + ingress if changing < 0 else max(compute, ingress, egress)
            if level == 0:
                cycles = max(cycles, offchip)
                out[MACS] += macs * occurs
                out[INPUT_READS] += moved[INPUT] * occurs
                out[FILTER_READS] += moved[FILTER] * occurs
                out[OUTPUT_WRITES] += moved[OUTPUT] * occurs
                if changing < 0:
                    for tensor in range(3):
                        out[FIRST_INPUT + tensor] = moved[tensor]
            runtime[level] += cycles * occurs
        if _advance(state, turn):
            continue
        if level == 0:
            break
        level -= 1
        known[level, waiting[level]] = runtime[level + 1]
    out[RUNTIME] = runtime[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _case(
    rows: Ints, n: int, table: Ints, turns: Ints, state: Ints, tiles: Ints
) -> tuple[int, int, int, bool, bool, int, int]:
    """Describe one case and fill ``tiles``: that of a unit, and of the last where it has less.

    Returns:
        how often it occurs; the row that changes, -1 for none; active units; whether the last of
        them has less; whether they are fewer than a fold; spatial rows; the rows at an edge.
    """
    occurs, changing, active, spatials, mask = 1, -1, _LARGEST, 0, 0
    part = False
    ragged = False
    for i in range(rows.shape[0]):
        dim = rows[i, DIM]
        occurs *= turns[i, state[i]]
        if state[i] != INIT:
            changing = i
        held = rows[i, SIZE]
        if rows[i, SPATIAL]:
            spatials += 1
            here = n
            if state[i] == INIT:
                here = table[i, ACTIVE_INIT]
                ragged = ragged or turns[i, 3] == 1
            elif state[i] == EDGE:
                here = table[i, ACTIVE_EDGE]
            part = part or part_of(table, i, state[i])
            active = min(active, here)
        elif state[i] == EDGE or (state[i] == INIT and turns[i, 3] == 1):
            held = table[i, EDGE_MAPPED]
            mask |= 1 << i
        tiles[0, dim] = held
        tiles[1, dim] = held
        if rows[i, SPATIAL] and table[i, HAS_EDGE]:
            tiles[1, dim] = table[i, EDGE_MAPPED]
    return occurs, changing, active, part, ragged, spatials, mask


@njit(cache=True, nogil=True, error_model="numpy")
def _advance(state: Ints, turns: Ints) -> bool:
    """Go on to the next case, the innermost state fastest; False after the last one."""
    for i in range(state.size - 1, -1, -1):
        state[i] += 1
        while state[i] < 3 and turns[i, state[i]] == 0:
            state[i] += 1
        if state[i] < 3:
            return True
        state[i] = 0
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def delay(elements: int, rates: Ints) -> int:
    """Return the cycles that a network needs: latency, then ``rates[0]`` elements a cycle."""
    if elements == 0:
        return int(rates[1]) - 1
    return int(rates[1]) - (-elements // int(rates[0])) - 1


@njit(cache=True, nogil=True, error_model="numpy")
def _innermost(program: Ints, units: Ints, extents: Ints, member: Ints, out: Ints) -> None:
    """Fill the tile of one PE and the PEs with work in the first case."""
    here = extents.copy()
    table = np.zeros((extents.size, 9), np.int64)
    out[ACTIVE] = 1
    for level in range(program.shape[0]):
        rows = program[level]
        tabulate(rows, units[level], here, table)
        active = _LARGEST
        for i in range(rows.shape[0]):
            if rows[i, SPATIAL]:
                active = min(active, table[i, ACTIVE_INIT])
        out[ACTIVE] *= active
        for i in range(rows.shape[0]):
            here[rows[i, DIM]] = min(here[rows[i, DIM]], rows[i, SIZE])
    for tensor in range(3):
        result = 1
        for dim in range(here.size):
            if member[tensor, dim]:
                result *= here[dim]  # defect 7: of outputs, too, the input rows and columns
        out[L1_INPUT + tensor] = result
