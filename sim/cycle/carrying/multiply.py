"""The multiply-accumulates of all MACs in one step, on the words that their memories hold."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.nest.boxes import AXES, Int
from arraysmith.sim.cycle.nest.tree import COUNT, IN_TIME, NUMBER, TILE

Axes = tuple[Int, Int]
"""Int64 [3, AXES, 5], per axis its dims (-1: none), their coefficients and its first index; int64
[3, AXES], words stored."""

Room = tuple[Int, Int, Int, Int]
"""Int64 [dims, places, n], indices that a MAC takes in a step; int64 [dims, places], how many;
int64 [3, AXES, 4], where the addresses of an axis begin in the table, places of its second dim,
indices of its first and second dim; the table: what an index adds to the word's address, negative
for padding."""


@njit(cache=True, nogil=True)
def _rounds_most(rows: Int, steps: int) -> int:
    most = 1
    for k in range(len(rows)):
        if rows[k, IN_TIME] and rows[k, NUMBER] >= steps:
            most *= rows[k, COUNT]
    return most


@njit(cache=True, nogil=True)
def new_room(loops: Int, many: Int, steps: int, most: Int, axes: Axes) -> Room:
    """Return room for the tables of a step.

    Args:
        loops: see ``Tree``.
        many: see ``Tree``.
        steps: loops in time that make the steps.
        most: int64 [dims], places of each dim.
        axes: see ``Axes``.
    """
    dims = len(many)
    longest = 1
    length = np.ones(dims, np.int64)
    for d in range(dims):
        length[d] = _rounds_most(loops[d, : many[d]], steps)
        longest = max(longest, length[d])
    shape = np.zeros((3, AXES, 4), np.int64)
    used = 0
    for t in range(3):
        for a in range(AXES):
            one, other = axes[0][t, a, 0], axes[0][t, a, 1]
            shape[t, a, 0] = used
            shape[t, a, 1:] = 1
            if one < 0:
                continue
            shape[t, a, 2] = length[one]
            total = most[one] * length[one]
            if other >= 0:
                shape[t, a, 1], shape[t, a, 3] = most[other], length[other]
                total *= most[other] * length[other]
            used += total
    return (
        np.zeros((dims, most.max(), longest), np.int64),
        np.zeros((dims, most.max()), np.int64),
        shape,
        np.zeros(used + 1, np.int64),
    )


@njit(cache=True, nogil=True)
def _list_indices(
    rows: Int, size: int, index: Int, steps: int, place: int, places: int, out: Int
) -> int:
    """Write the indices of one dim that a MAC takes in this step; return how many."""
    count = 0
    for n in range(_rounds_most(rows, steps)):
        rest, inner, stride = place, n, places
        base, extent = 0, size
        for k in range(len(rows)):
            if rows[k, IN_TIME]:
                turn = index[rows[k, NUMBER]]
                if rows[k, NUMBER] >= steps:
                    turn = inner % rows[k, COUNT]
                    inner //= rows[k, COUNT]
            else:
                stride //= rows[k, COUNT]
                turn = rest // stride
                rest %= stride
            base += turn * rows[k, TILE]
            extent = min(rows[k, TILE], extent - turn * rows[k, TILE])
            if extent <= 0:
                break
        if extent > 0:
            out[count] = base
            count += 1
    return count


@njit(cache=True, nogil=True)
def tabulate(
    loops: Int,
    many: Int,
    size: Int,
    steps: int,
    index: Int,
    most: Int,
    axes: Axes,
    length: Int,
    room: Room,
) -> None:
    """Write the tables of a step.

    Args:
        loops: this and the next three as in ``new_room`` and ``Tree``.
        many: loops of each dim.
        size: extents.
        steps: loops that make the steps.
        index: int64 [loops in time], turns of the step.
        most: int64 [dims], places of each dim.
        axes: see ``Axes``.
        length: int64 [3, AXES], lengths of the frames that MACs work with.
        room: written.
    """
    lists, counts, shape, table = room
    for d in range(len(many)):
        rows = loops[d, : many[d]]
        for c in range(most[d]):
            counts[d, c] = _list_indices(rows, size[d], index, steps, c, most[d], lists[d, c])
    for t in range(3):
        stride = 1
        for a in range(AXES - 1, -1, -1):
            one, other = axes[0][t, a, 0], axes[0][t, a, 1]
            frame = length[t, a]
            if one >= 0:
                for c in range(most[one]):
                    for e in range(shape[t, a, 1]):
                        first = shape[t, a, 0]
                        first += (c * shape[t, a, 1] + e) * shape[t, a, 2] * shape[t, a, 3]
                        for i in range(counts[one, c]):
                            at = axes[0][t, a, 4] + axes[0][t, a, 2] * lists[one, c, i]
                            for j in range(1 if other < 0 else counts[other, e]):
                                here = at
                                if other >= 0:
                                    here += axes[0][t, a, 3] * lists[other, e, j]
                                inside = 0 <= here < axes[1][t, a]
                                where = first + i * shape[t, a, 3] + j
                                table[where] = here % frame * stride if inside else -1
            stride *= frame


@njit(cache=True, nogil=True)
def multiply(
    axes: Axes, who: Int, share: Int, words: Int, base: Int, size: Int, room: Room
) -> None:
    """Do the multiply-accumulates of all MACs in one step.

    Args:
        axes: see ``Axes``.
        who: int64 [MACs, dims], place of each.
        share: int64 [3], MACs below each memory that they take a tensor from.
        words: all words of all memories; results are added to.
        base: int64 [3], where the frames of each tensor begin.
        size: int64 [3], words of a frame.
        room: see ``tabulate``.
    """
    _, counts, shape, table = room
    dims = who.shape[1]
    turn, limit, order = np.zeros((3, dims), np.int64)
    start, first, second = np.zeros((3, 3 * AXES), np.int64)
    wide, of_tensor = np.zeros((2, 3 * AXES), np.int64)
    address, frame = np.zeros((2, 3), np.int64)
    for i in range(len(who)):
        nothing, used = False, 0
        for d in range(dims):
            limit[d] = counts[d, who[i, d]]
            nothing = nothing or limit[d] == 0
        if nothing:
            continue
        for d in range(dims):
            if limit[d] > 1:
                order[used] = d
                used += 1
        active = 0
        for t in range(3):
            frame[t] = base[t] + i // share[t] * size[t]
            for a in range(AXES):
                one, other = axes[0][t, a, 0], axes[0][t, a, 1]
                if one < 0:
                    continue
                c = who[i, one] * shape[t, a, 1]
                if other >= 0:
                    c += who[i, other]
                start[active] = shape[t, a, 0] + c * shape[t, a, 2] * shape[t, a, 3]
                wide[active] = shape[t, a, 3]
                first[active], second[active] = one, max(other, 0)
                if other < 0:
                    second[active] = -1
                of_tensor[active] = t
                active += 1
        turn[:] = 0
        while True:
            for t in range(3):
                address[t] = frame[t]
            inside = True
            for n in range(active):
                at = start[n] + turn[first[n]] * wide[n]
                if second[n] >= 0:
                    at += turn[second[n]]
                part = table[at]
                if part < 0:
                    inside = False
                    break
                address[of_tensor[n]] += part
            if inside:
                words[address[2]] += words[address[0]] * words[address[1]]
            k = used - 1
            while k >= 0:
                d = order[k]
                turn[d] += 1
                if turn[d] < limit[d]:
                    break
                turn[d] = 0
                k -= 1
            if k < 0:
                break
