"""Which words MACs take from the memories right above them and give back, per cycle. Compiled.

Within a step the leading MAC does one multiply-accumulate per cycle (fewer where a port is slow:
they are then spread evenly over the step); the others do theirs in the same cycles, or wait.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.arch.problem import DIMS
from arraysmith.sim.cycle.array.columns import R_BEGIN, R_LEFT, R_TILE, RECORD
from arraysmith.sim.cycle.nest.amounts import modes_of
from arraysmith.sim.cycle.nest.boxes import AXES, Int, frame_address, padded
from arraysmith.sim.cycle.nest.instances import instance_numbers
from arraysmith.sim.cycle.nest.tree import COUNT, IN_TIME, LEVEL, NUMBER, TILE, Edge, Tree
from arraysmith.sim.cycle.nest.turns import (
    BASE,
    EXTENT,
    KEYS,
    LEADS,
    WAITING,
    count_rounds,
    find_limits,
    find_places,
    leave_out_moved,
    many_places,
    next_turn,
)
from arraysmith.sim.cycle.tracing.coming_back import ANY, ways_back
from arraysmith.sim.cycle.tracing.memory_runs import (
    Q_ADDRESS,
    Q_PORT,
    Q_REQUEST,
    Q_RESPONSE,
    Q_SIZE,
    Q_TILE,
)

OPERAND, SUM_READ, SUM_WRITE = range(3)
"""What is listed."""

Nest = tuple[Int, Int, Int, int, bool]
"""Loops, how many per dim, sizes (see ``Tree``); loops in time that make the steps; whether tiles
are ragged."""

Who = tuple[Int, Int, Int, Int]
"""Int64 [MACs, dims], place of every MAC in every dim; int64 [MACs], instance of the memory that it
belongs to, ascending; int64 [dims, most places, keys], room for what places have; the dims in which
there is more than one place."""

What = tuple[int, Int, Int, Int]
"""``OPERAND`` ...; int64 [AXES, 5], see ``listing.View``; int64 [AXES], words stored; int64 [AXES],
frame."""

Sums = tuple[int, int, Int, Int, Int, Int, Int]
"""Level of the memory; loops in time down to the innermost that moves its tile; int64 [loops in
time], whether each adds to the same sums, and ``Edge.again``; of each of ``coming_back.ways_back``
the modes by which the first of equal tiles is known, ``between``, and (ancestor, last)."""


@dataclass(frozen=True)
class MacWords:
    """What one stream between MACs and the memory right above them needs.

    Attributes:
        nest: see ``Nest``.
        who: see ``Who``.
        what: see ``What``.
        sums: see ``Sums``.
        late: cycles by which words move after the MAC has begun.
    """

    nest: Nest
    who: Who
    what: What
    sums: Sums
    late: int

    @classmethod
    def of(cls, tree: Tree, edge: Edge, kind: int, frame: Int) -> MacWords:
        """Return the words of a tensor.

        Args:
            tree: the mapped problem.
            edge: the tensor's last one; its child is the memory.
            kind: ``OPERAND``, ``SUM_READ`` or ``SUM_WRITE``.
            frame: int64 [AXES], in which the memory keeps the tensor.
        """
        levels, tensor = len(tree.architecture.levels), tree.problem.tensors[edge.tensor]
        macs = levels + 1
        numbers = instance_numbers(tree, macs, edge.child)
        many = [many_places(tree.loops[d, : tree.many[d]], macs) for d in range(len(DIMS))]
        place = np.indices(many).reshape(len(DIMS), -1).T.astype(np.int64)
        owner = numbers[np.arange(len(DIMS)), place].sum(axis=1)
        order = np.argsort(owner, kind="stable")
        ways = ways_back(tree, edge) if kind == SUM_READ else []
        modes = np.zeros((max(1, len(ways)), levels + 1, 2), np.int64)
        for k, way in enumerate(ways):
            modes[k] = modes_of(tree, edge, way.split, up=False, tiles=True)
        keys = KEYS + 2 * (1 + max(1, int(modes[:, :, 1].max())))
        axes = np.full((AXES, 5), -1, np.int64)
        axes[:, 2:] = 0
        for a, axis in enumerate(tensor.axes, AXES - len(tensor.axes)):
            axes[a, 4] = axis.offset
            for k, (dim, by) in enumerate(axis.terms):
                axes[a, k], axes[a, 2 + k] = DIMS.index(dim), by
        again = np.full(len(tree.time), ANY, np.int64)
        for j, ancestor in edge.again:
            again[j] = ancestor
        sums: Sums = (
            edge.child,
            edge.depth,
            np.array([x.dim not in tensor.dims for x in tree.time], np.int64),
            again,
            modes,
            np.array([x.between for x in ways], np.int64).reshape(-1, 3),
            np.array([(x.ancestor, x.last) for x in ways], np.int64).reshape(-1, 2),
        )
        return cls(
            (tree.loops, tree.many, tree.size, tree.step_loops, tree.ragged),
            (
                place[order].copy(),
                owner[order].copy(),
                np.zeros((len(DIMS), max(many), keys), np.int64),
                np.flatnonzero(np.array(many) > 1),
            ),
            (kind, axes, padded([x.extent for x in tensor.axes], 1), frame),
            sums,
            tree.architecture.compute.pipeline_cycles - 1 if kind == SUM_WRITE else 0,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def find_mac_words(
    records: Int,
    position: Int,
    nest: Nest,
    who: Who,
    what: What,
    sums: Sums,
    late: int,
    out: Int,
) -> int:
    """List the words of steps, round by round, as far as there is room for a whole round.

    Args:
        records: int64 [n, ..], steps: ``R_BEGIN``, ``R_LEFT`` (their end) and ``R_TILE`` count.
        position: int64 [2], step and round to go on with; updated.
        nest: see ``Nest``.
        who: see ``Who``.
        what: see ``What``.
        sums: see ``Sums``.
        late: cycles by which words move after the MAC has begun.
        out: int64 [n, REQUEST], written; ``n`` is at least the number of MACs; sizes are words.

    Returns:
        Requests listed.
    """
    loops, many, size, first_round, ragged = nest
    count, macs = 0, len(who[1])
    held = np.zeros((2, macs), np.int64)
    while position[0] < len(records):
        record = records[position[0]]
        index = record[RECORD:].copy()
        limits = np.zeros(len(index), np.int64)
        find_limits(loops, many, size, index, limits)
        rounds = count_rounds(loops, many, size, index, first_round)
        begin, cycles = record[R_BEGIN], record[R_LEFT] - record[R_BEGIN]
        if what[0] == SUM_READ:
            _find_held(index, nest, who, what[1], sums, held)
        for done in range(rounds):
            if done >= position[1]:
                if count + macs > len(out):
                    position[1] = done
                    return count
                cycle = begin + done * cycles // rounds + late
                count += _round(
                    cycle, record[R_TILE], index, nest, who, what, sums, held, out[count:]
                )
            next_turn(loops, many, size, index, limits, len(index), ragged)
        position[0], position[1] = position[0] + 1, 0
    return count


@njit(cache=True, nogil=True)
def _find_held(index: Int, nest: Nest, who: Who, axes: Int, sums: Sums, held: Int) -> None:
    """Write which loop last moved the tile that each MAC adds to, and whether it came back.

    Args:
        index: int64 [loops in time], turns.
        nest: see ``Nest``.
        who: see ``Who``.
        axes: of the results.
        sums: see ``Sums``.
        held: int64 [2, MACs], written.
    """
    loops, many, size, _, ragged = nest
    where, _, places, _ = who
    level, depth, _, again, modes, between, which = sums
    dims, macs = len(size), where.shape[0]
    own = np.zeros(dims, np.int64)
    for a in range(AXES):
        if axes[a, 0] >= 0:
            own[axes[a, 0]] = 1
    held[0], held[1] = depth - 1, 0
    moved = np.zeros((2, dims, places.shape[1]), np.int64)
    if ragged:
        for d in range(dims):
            if own[d]:
                _find_last(loops[d, : many[d]], size[d], level, index, moved[0, d])
        for i in range(macs):
            held[0, i] = -1
            for d in range(dims):
                if own[d]:
                    held[0, i] = max(held[0, i], moved[0, d, where[i, d]])
    ancestor, last = 1 << 30, ANY
    for j in range(len(index)):
        if again[j] >= 0 and index[j] > 0:
            ancestor, last = min(ancestor, again[j]), j
    for k in range(len(which)):
        if (which[k, 0] != ANY and which[k, 0] != ancestor) or (
            which[k, 1] != ANY and which[k, 1] != last
        ):
            continue
        moved[:] = 0
        for d in range(dims):
            rows = loops[d, : many[d]]
            find_places(rows, size[d], len(modes[k]), index, 0, modes[k], 1, places[d])
            for n in range(2 if own[d] else 0):
                if between[k, 1 + n] > 0:
                    leave_out_moved(
                        rows, size[d], level, index, between[k, 0], between[k, 1 + n], places[d]
                    )
                for c in range(many_places(rows, level)):
                    moved[n, d, c] = places[d, c, EXTENT] == WAITING
        for i in range(macs):
            leads, kept, further = True, True, between[k, 2] < 0
            for d in range(dims):
                if own[d]:
                    kept = kept and not moved[0, d, where[i, d]]
                    further = further or moved[1, d, where[i, d]] > 0
                else:
                    leads = leads and places[d, where[i, d], LEADS] > 0
            if leads and kept and further:
                held[1, i] = 1


@njit(cache=True, nogil=True)
def _find_last(rows: Int, size: int, level: int, index: Int, last: Int) -> None:
    """Write the innermost loop in time above a level that turns more than once, per place."""
    total = many_places(rows, level)
    for c in range(total):
        stride, rest, extent = total, c, size
        last[c] = -1
        for k in range(len(rows)):
            if rows[k, LEVEL] >= level or extent <= 0:
                break
            tile, number = rows[k, TILE], rows[k, NUMBER]
            if rows[k, IN_TIME]:
                if extent > tile:
                    last[c] = number
                turn = index[number]
            else:
                stride //= rows[k, COUNT]
                turn = rest // stride
                rest %= stride
            extent = min(tile, extent - turn * tile)


@njit(cache=True, nogil=True)
def _round(
    cycle: int,
    tile: int,
    index: Int,
    nest: Nest,
    who: Who,
    what: What,
    sums: Sums,
    held: Int,
    out: Int,
) -> int:
    """List the words of all MACs in one cycle; return how many."""
    loops, many, size = nest[0], nest[1], nest[2]
    where, owner, places, spread = who
    kind, axes, extent, frame = what
    modes = sums[4][0]
    added = -1
    for j in range(len(index)):
        if sums[2][j] and index[j] > 0:
            added = j
    for d in range(len(size)):
        find_places(loops[d, : many[d]], size[d], len(modes), index, 0, modes, 1, places[d])
        if places[d, 0, EXTENT] <= 0:
            return 0  # the first of all places has most work
    word, varies = np.zeros(AXES, np.int64), np.zeros(AXES, np.int64)
    for a in range(AXES):
        word[a] = axes[a, 4]
        for k in range(2):
            if axes[a, k] >= 0:
                word[a] += axes[a, 2 + k] * places[axes[a, k], 0, BASE]
                for d in spread:
                    varies[a] = max(varies[a], 1 if d == axes[a, k] else 0)
        if not varies[a] and not 0 <= word[a] < extent[a]:
            return 0
    count = 0
    for i in range(len(owner)):
        works = kind != SUM_READ or added > held[0, i] or held[1, i] > 0
        for d in spread:
            works = works and places[d, where[i, d], EXTENT] > 0
        for a in range(AXES):
            if works and varies[a]:
                at = axes[a, 4] + axes[a, 2] * places[axes[a, 0], where[i, axes[a, 0]], BASE]
                if axes[a, 1] >= 0:
                    at += axes[a, 3] * places[axes[a, 1], where[i, axes[a, 1]], BASE]
                word[a] = at
                works = 0 <= at < extent[a]
        if not works:
            continue
        row = out[count]
        row[Q_REQUEST], row[Q_RESPONSE] = cycle, cycle + 1
        row[Q_ADDRESS], row[Q_SIZE] = frame_address(word, frame), 1
        row[Q_TILE], row[Q_PORT] = tile, owner[i]
        count += 1
    return count
