"""What the units of a level take from the network and give to it in one case."""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.maestro.shapes import (
    DIM,
    EDGE,
    EDGE_MAPPED,
    EDGE_UNIQUE,
    HAS_EDGE,
    INIT,
    OUTPUT,
    SIZE,
    SPATIAL,
    STEADY,
    UNIQUE,
    WHOLE,
    Ints,
    outputs,
    part_of,
)

_FIRST, _OTHER, _LAST = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def traffic(
    tensor: int,
    rows: Ints,
    table: Ints,
    turns: Ints,
    wholes: Ints,
    state: Ints,
    mapped: Ints,
    changing: int,
    active: int,
    part: bool,
    ragged: bool,
    spatials: int,
    member: Ints,
    window: Ints,
    rates: Ints,
) -> int:
    """Return the elements of a tensor that all units of a level take or give in one case."""
    spread = False
    wraps = False
    for i in range(rows.shape[0]):
        if not member[tensor, rows[i, DIM]]:
            continue
        spread = spread or rows[i, SPATIAL] == 1
        if changing >= 0 and i > changing:
            wraps = wraps or wholes[i, STEADY] > 0 or wholes[i, EDGE] > 0
    if changing >= 0 and tensor != OUTPUT and not member[tensor, rows[changing, DIM]]:
        return 0
    arguments = (rows, table, turns, state, mapped, changing, active, part, ragged, wraps)
    lone = not spread or active == 1 or (tensor == OUTPUT and spatials == 2)
    total = 0
    for unit in range(3):
        times = 1
        if unit != _FIRST and lone:
            times = 0
        elif unit == _OTHER:
            times = active - 2 if part or ragged else active - 1
        elif unit == _LAST and not (part or ragged):
            times = 0
        if times:
            total += times * _volume(tensor, unit, arguments, member, window, rates)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _volume(
    tensor: int,
    unit: int,
    arguments: tuple[Ints, Ints, Ints, Ints, Ints, int, int, bool, bool, bool],
    member: Ints,
    window: Ints,
    rates: Ints,
) -> int:
    """Return the elements of a tensor that the first, another or the last unit moves in a case."""
    rows, table, turns, state, mapped, changing, active, part, ragged, wraps = arguments
    result = 1
    seen = 0
    for dim in range(window.size):
        if window[dim] >= 0:
            seen += 1
        if not member[tensor, dim]:
            continue
        i = 0
        while rows[i, DIM] != dim:
            i += 1
        spatial = rows[i, SPATIAL] == 1
        new = i == changing and not wraps
        if unit != _FIRST and spatial:
            inside = changing >= 0 and i > changing and state[i] == INIT
            slides = tensor == OUTPUT and (changing < 0 or window[dim] >= 0)
            new = new or inside or slides
        size, left = rows[i, SIZE], table[i, EDGE_MAPPED]
        ends = spatial and table[i, HAS_EDGE] == 1
        short = not spatial and (state[i] == EDGE or turns[i, 3] == 1)
        if tensor == OUTPUT and window[dim] >= 0:
            stride = rates[3 + seen]
            last = ends and part_of(table, i, state[i]) and (unit == _LAST or active == 1)
            value = outputs(left if last else mapped[dim], mapped[window[dim]], stride)
            if new and stride > 1 and spatial and unit != _FIRST and not last:
                value = table[i, WHOLE]  # defect 6: the step in inputs taken for one in outputs
            elif new:
                value = min(value, table[i, WHOLE])
        elif tensor == OUTPUT:
            value = mapped[dim]
            if new and short and state[i] == EDGE:
                value = table[i, EDGE_UNIQUE]
            elif new and table[i, UNIQUE] > 0:
                value = min(value, table[i, UNIQUE])
            if spatial and unit == _LAST:
                value = table[i, EDGE_UNIQUE]  # defect 4: nothing where the last unit is full
        elif new:
            value = table[i, UNIQUE]
            if spatial and unit == _FIRST:
                value = size if i == changing else table[i, UNIQUE]
            elif spatial and unit == _LAST and (part or ragged):
                value = table[i, EDGE_UNIQUE]
        else:
            value = left if short and state[i] == INIT else size  # defect 5: a whole tile at edges
            if spatial and unit == _LAST and ends:
                value = left
        result *= value
    return result
