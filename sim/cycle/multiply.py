"""The multiply-accumulates of one PE in one step, on the words that its frames hold."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import AXES, Int

Plan = tuple[Int, Int, Int, Int, Int, Int]
"""What ``multiply`` needs to know about the nest, see ``plan``."""


@njit(cache=True, nogil=True)
def plan(reach: Int, extent: Int, offset: Int, whole: Int, stride: Int) -> Plan:
    """Return the few axes that matter, so that the innermost loop looks at no other.

    Args:
        reach: int64 [3, AXES], tiles of the scratchpads.
        extent: int64 [3, AXES], words stored.
        offset: int64 [3, AXES], first index.
        whole: int64 [3, AXES], indices that the whole problem touches.
        stride: int64 [3, AXES, loops], by how much a loop moves the MAC's word.

    Returns:
        (long axes, how many per tensor: those along which a tile holds more than one word;
        ifmap axes with padding, how many; per loop (tensor, axis, move) of the axes it moves, how
        many).
    """
    loops = stride.shape[2]
    long, longs = np.zeros((3, AXES), np.int64), np.zeros(3, np.int64)
    edge, edges = np.zeros(AXES, np.int64), np.zeros(1, np.int64)
    moves, moved = np.zeros((loops, 3 * AXES, 3), np.int64), np.zeros(loops, np.int64)
    for t in range(3):
        for a in range(AXES):
            if reach[t, a] > 1:
                long[t, longs[t]] = a
                longs[t] += 1
            if t == 0 and (offset[t, a] < 0 or offset[t, a] + whole[t, a] > extent[t, a]):
                edge[edges[0]] = a
                edges[0] += 1
            for j in range(loops):
                if stride[t, a, j]:
                    moves[j, moved[j], 0] = t
                    moves[j, moved[j], 1] = a
                    moves[j, moved[j], 2] = stride[t, a, j]
                    moved[j] += 1
    return long, longs, edge, edges, moves, moved


@njit(cache=True, nogil=True)
def multiply(
    counts: Int,
    step_loops: int,
    extent: Int,
    reach: Int,
    tile: Int,
    word: Int,
    shifts: Int,
    pe: int,
    ifmap: Int,
    weight: Int,
    ofmap: Int,
    where: Plan,
    scratch: tuple[Int, Int, Int],
) -> None:
    """Do the multiply-accumulates of one PE in one step.

    Args:
        counts: int64 [loops], turns; loops from ``step_loops`` on are turned here.
        step_loops: loops that make the steps.
        extent: int64 [3, AXES].
        reach: int64 [3, AXES].
        tile: int64 [3, AXES], tiles of this step without the PE's shift.
        word: int64 [3, AXES], first word of this step without it.
        shifts: int64 [3, instances, AXES].
        pe: number of the PE.
        ifmap: int64 [instances, words], frames.
        weight: the same.
        ofmap: the same; added to.
        where: see ``plan``.
        scratch: room: int64 [3, AXES] twice; int64 [loops], zeros before and after.
    """
    long, longs, edge, edges, moves, moved = where
    at, frame, index = scratch
    for t in range(3):
        for a in range(AXES):
            at[t, a] = word[t, a] + shifts[t, pe, a]
        # A tile wraps around its frame at most once: from here on no division is needed.
        for k in range(longs[t]):
            a = long[t, k]
            frame[t, a] = (tile[t, a] + shifts[t, pe, a]) // reach[t, a] * reach[t, a]
    while True:
        inside = True
        for k in range(edges[0]):
            a = edge[k]
            inside = inside and 0 <= at[0, a] < extent[0, a]
        if inside:
            left, right, result = 0, 0, 0
            for t in range(3):
                address = 0
                for k in range(longs[t]):
                    a = long[t, k]
                    position = at[t, a] - frame[t, a]
                    if position >= reach[t, a]:
                        position -= reach[t, a]
                    address = address * reach[t, a] + position
                if t == 0:
                    left = address
                elif t == 1:
                    right = address
                else:
                    result = address
            ofmap[pe, result] += ifmap[pe, left] * weight[pe, right]
        j = len(counts) - 1
        while j >= step_loops:
            index[j] += 1
            turns = 1
            if index[j] == counts[j]:
                index[j] = 0
                turns = 1 - counts[j]
            for k in range(moved[j]):
                at[moves[j, k, 0], moves[j, k, 1]] += turns * moves[j, k, 2]
            if turns == 1:
                break
            j -= 1
        if j < step_loops:
            return
