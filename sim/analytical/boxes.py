"""Tiles as boxes: their words, and how many of them stay when a loop turns."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import TEMPORAL, Int, NestTuple, ProblemTuple


@njit(cache=True, nogil=True)
def tile_words(problem: ProblemTuple, t: int, sizes: Int) -> int:
    """Return the words of the bounding box of tensor ``t`` over ``sizes`` of each dim."""
    axes, dim, coef, _, _, _ = problem
    words = 1
    for a in range(axes[t]):
        words *= axis_reach(dim[t, a], coef[t, a], sizes)
    return words


@njit(cache=True, nogil=True)
def axis_reach(dim: Int, coef: Int, sizes: Int) -> int:
    """Return the consecutive indices along one axis touched by ``sizes`` of each dim."""
    reach = 1
    for k in range(2):
        if dim[k] >= 0:
            reach += coef[k] * (sizes[dim[k]] - 1)
    return reach


@njit(cache=True, nogil=True)
def coefficient(dim: Int, coef: Int, d: int) -> int:
    """Return by how much one index of dim ``d`` moves along the axis; 0 if it does not."""
    moved = 0
    for k in range(2):
        if dim[k] == d:
            moved += coef[k]
    return moved


@njit(cache=True, nogil=True)
def relevant(problem: ProblemTuple, t: int, d: int) -> bool:
    """Return whether dim ``d`` moves the index of tensor ``t``."""
    axes, dim, coef, _, _, _ = problem
    moved = 0
    for a in range(axes[t]):
        moved += coefficient(dim[t, a], coef[t, a], d)
    return moved > 0


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
    reach: int,
    offsets: Int,
    size: int,
) -> tuple[int, int]:
    """Sum along axis ``a``, over all turns of loop ``j``, the tile's words and those kept.

    ``j`` is the slot of the temporal loop that turns; -1 stands for the first tile, -2 for the sum
    over all turns of all temporal loops above the child. The tile is ``reach`` long; the transfers'
    tiles lie at ``offsets[:size]``.

    Returns (words of the new tiles, words they share with the tiles before).
    """
    level, axis, dim, turns, step, _ = nest
    _, axis_dim, axis_coef, axis_extent, axis_offset, _ = problem
    extent, origin = axis_extent[t, a], axis_offset[t, a]
    loop_stride = np.empty(len(level), np.int64)
    loop_turns = np.empty(len(level), np.int64)
    loops = 0
    combinations = 1
    move = 0  # how far the tile moves when loop j turns
    first = 0  # position at the first turn of j
    for s in range(len(level)):
        if axis[s] != TEMPORAL or level[s] >= child:
            continue
        coef = coefficient(axis_dim[t, a], axis_coef[t, a], dim[s])
        if not coef:
            continue
        stride = coef * step[s]
        if j == -2 or s < j:
            loop_stride[loops], loop_turns[loops] = stride, turns[s]
            loops += 1
            combinations *= turns[s]
        elif s == j:
            loop_stride[loops], loop_turns[loops] = stride, turns[s] - 1
            loops += 1
            combinations *= turns[s] - 1
            move += stride
            first = stride
        elif j >= 0:
            move -= (turns[s] - 1) * stride
    overlap = max(0, reach - abs(move))
    if origin == 0:  # no padding: every position is whole
        return combinations * size * reach, combinations * size * overlap
    index = np.zeros(len(level), np.int64)
    new, shared = 0, 0
    position = origin + first
    for _ in range(combinations):
        for o in range(size):
            low = position + offsets[o]
            new += words_inside(low, reach, extent)
            if overlap:
                shared += words_inside(max(low, low - move), overlap, extent)
        for i in range(loops - 1, -1, -1):
            index[i] += 1
            position += loop_stride[i]
            if index[i] < loop_turns[i]:
                break
            position -= loop_turns[i] * loop_stride[i]
            index[i] = 0
    return new, shared
