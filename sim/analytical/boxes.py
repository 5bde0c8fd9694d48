"""Tiles as boxes: how many of their words stay when a loop turns."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import TEMPORAL, Int, NestTuple, ProblemTuple


@njit(cache=True, nogil=True)
def words_inside(low: int, size: int, extent: int) -> int:
    """Return how many of ``size`` indices from ``low`` lie in [0, extent)."""
    return max(0, min(low + size, extent) - max(low, 0))


@njit(cache=True, nogil=True)
def axis_sums(
    problem: ProblemTuple,
    nest: NestTuple,
    t: int,
    a: int,
    child: int,
    j: int,
    offsets: Int,
    size: int,
) -> tuple[int, int]:
    """Sum along axis ``a``, over all turns of loop ``j``, the tile's words and those kept.

    ``j`` is the temporal loop that turns; -1 stands for the first tile, -2 for the sum over all
    turns of all temporal loops above the child. The transfers' tiles lie at ``offsets[:size]``.

    Returns (words of the new tiles, words they share with the tiles before).
    """
    loops, level, axis, turns, stride, _, reaches, _ = nest
    extent, origin = problem[2][t, a], problem[3][t, a]
    reach = reaches[t, a, child]
    loop_stride = np.empty(loops, np.int64)
    loop_turns = np.empty(loops, np.int64)
    varying = 0
    combinations = 1
    move = 0  # how far the tile moves when loop j turns
    first = 0  # position at the first turn of j
    for s in range(loops):
        by = stride[t, a, s]
        if by == 0 or axis[s] != TEMPORAL or level[s] >= child:
            continue
        if j == -2 or s < j:
            loop_stride[varying], loop_turns[varying] = by, turns[s]
            varying += 1
            combinations *= turns[s]
        elif s == j:
            loop_stride[varying], loop_turns[varying] = by, turns[s] - 1
            varying += 1
            combinations *= turns[s] - 1
            move += by
            first = by
        elif j >= 0:
            move -= (turns[s] - 1) * by
    overlap = max(0, reach - abs(move))
    if origin == 0:  # no padding: every position is whole
        return combinations * size * reach, combinations * size * overlap
    index = np.zeros(loops, np.int64)
    new, shared = 0, 0
    position = origin + first
    for _ in range(combinations):
        for o in range(size):
            low = position + offsets[o]
            new += words_inside(low, reach, extent)
            if overlap:
                shared += words_inside(max(low, low - move), overlap, extent)
        for i in range(varying - 1, -1, -1):
            index[i] += 1
            position += loop_stride[i]
            if index[i] < loop_turns[i]:
                break
            position -= loop_turns[i] * loop_stride[i]
            index[i] = 0
    return new, shared
