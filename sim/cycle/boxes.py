"""Boxes of indices: how many words are new, which runs of words they are. Compiled, no state.

A tile is a box: a half-open interval [low, high) along every axis of its tensor. All tensors are
seen with ``AXES`` axes; those that a tensor lacks stand in front and hold one word. A box may reach
outside the stored extents (padding); ``clip`` takes that away.

The values path, the off-chip requests and the scratchpad fills all take their words from
``fresh_boxes``, so that equal results prove the addresses in the traces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Int = NDArray[np.int64]

AXES = 5
"""Axes of the widest tensor (a grouped convolution's)."""


@njit(cache=True, nogil=True)
def place(stride: Int, offset: Int, index: Int, turned: int) -> Int:
    """Return the first index along each axis after ``turned`` loops took their ``index``.

    Args:
        stride: int64 [AXES, loops], by how much one turn of a loop moves the tile.
        offset: int64 [AXES], where the first tile begins.
        index: int64 [loops], turn of each loop.
        turned: loops that count, from the outermost.
    """
    start = offset.copy()
    for a in range(AXES):
        for j in range(turned):
            start[a] += index[j] * stride[a, j]
    return start


@njit(cache=True, nogil=True)
def clipped(low: int, high: int, extent: int) -> int:
    """Return the words of [low, high) that lie in [0, extent)."""
    return max(0, min(high, extent) - max(low, 0))


@njit(cache=True, nogil=True)
def fresh_words(
    now: Int, old: Int, keeps: bool, reach: Int, extent: Int, shifts: Int, sizes: Int
) -> int:
    """Return the words of all tiles of a group together that their predecessors did not hold.

    A tile per combination of one shift per axis; boxes are products over axes, so the sum over all
    combinations is the product over axes of sums: prod(sum new box) - prod(sum overlap).

    Args:
        now: int64 [AXES], first index of the tile without shift.
        old: int64 [AXES], the same of its predecessor.
        keeps: whether the predecessor is still there.
        reach: int64 [AXES], length of the box.
        extent: int64 [AXES], words stored.
        shifts: int64 [AXES, most], shifts along each axis.
        sizes: int64 [AXES], how many of them.
    """
    total = 1
    shared = 1
    for a in range(AXES):
        words = 0
        common = 0
        low, high = max(now[a], old[a]), min(now[a], old[a]) + reach[a]
        for i in range(sizes[a]):
            shift = shifts[a, i]
            words += clipped(now[a] + shift, now[a] + shift + reach[a], extent[a])
            common += clipped(low + shift, high + shift, extent[a])
        total *= words
        shared *= common
    return total - shared if keeps else total


@njit(cache=True, nogil=True)
def most_fresh_words(
    now: Int, old: Int, keeps: bool, reach: Int, extent: Int, shifts: Int, sizes: Int
) -> int:
    """Return the new words of the one tile of the group that has most; see ``fresh_words``.

    Along an axis that does not move, the longest box is best whatever the others are; only shifts
    along moving axes have to be tried against each other.
    """
    words = np.empty((AXES, shifts.shape[1]), np.int64)
    common = np.empty((AXES, shifts.shape[1]), np.int64)
    count = np.zeros(AXES, np.int64)
    for a in range(AXES):
        low, high = max(now[a], old[a]), min(now[a], old[a]) + reach[a]
        for i in range(sizes[a]):
            shift = shifts[a, i]
            here = clipped(now[a] + shift, now[a] + shift + reach[a], extent[a])
            both = clipped(low + shift, high + shift, extent[a]) if keeps else 0
            if now[a] == old[a] or not keeps:
                if count[a] == 0:
                    words[a, 0], common[a, 0], count[a] = here, both, 1
                elif here > words[a, 0]:
                    words[a, 0], common[a, 0] = here, both
                continue
            known = False
            for k in range(count[a]):
                known = known or (words[a, k] == here and common[a, k] == both)
            if not known:
                words[a, count[a]], common[a, count[a]] = here, both
                count[a] += 1
    most = 0
    index = np.zeros(AXES, np.int64)
    while True:
        total = 1
        shared = 1
        for a in range(AXES):
            total *= words[a, index[a]]
            shared *= common[a, index[a]]
        most = max(most, total - shared)
        a = AXES - 1
        while a >= 0:
            index[a] += 1
            if index[a] < count[a]:
                break
            index[a] = 0
            a -= 1
        if a < 0:
            return most


@njit(cache=True, nogil=True)
def fresh_boxes(now: Int, old: Int, keeps: bool, reach: Int, extent: Int, boxes: Int) -> int:
    """Write the boxes whose union is the clipped new part of a tile; return how many.

    The new part is cut axis by axis: box k holds what is new along axis k and known along the axes
    before. Two boxes of equal reach differ in one interval per axis, so there are at most AXES.

    Args:
        now: int64 [AXES], first index of the tile.
        old: int64 [AXES], first index of its predecessor.
        keeps: whether the predecessor's words are still there.
        reach: int64 [AXES], length of both boxes.
        extent: int64 [AXES], words stored.
        boxes: int64 [AXES, AXES, 2], written: low and high per box and axis.
    """
    count = 0
    for k in range(AXES):
        empty = False
        for a in range(AXES):
            low, high = now[a], now[a] + reach[a]
            if a < k:
                low, high = max(low, old[a]), min(high, old[a] + reach[a])
            elif a == k and keeps:
                if old[a] <= low:
                    low = max(low, old[a] + reach[a])
                else:
                    high = min(high, old[a])
            low, high = max(low, 0), min(high, extent[a])
            empty = empty or low >= high
            boxes[count, a, 0], boxes[count, a, 1] = low, high
        if not empty:
            count += 1
        if not keeps:
            break
    return count


@njit(cache=True, nogil=True)
def next_row(row: Int, box: Int) -> bool:
    """Step ``row`` (int64 [AXES]) to the next row of ``box``; return False after the last one.

    A row runs along the last axis; ``row`` holds its first index.
    """
    for a in range(AXES - 2, -1, -1):
        row[a] += 1
        if row[a] < box[a, 1]:
            return True
        row[a] = box[a, 0]
    return False


@njit(cache=True, nogil=True)
def frame_address(row: Int, frame: Int) -> int:
    """Return where the word ``row`` stands in a frame of ``frame`` words per axis.

    A tile is kept in place: the word of index i stands at i modulo the frame's length, axis by
    axis, row-major. Two words of one tile never share a place; a new word takes that of one that
    the tile has left behind.
    """
    address = 0
    for a in range(AXES):
        position = row[a]
        if position >= frame[a]:  # divisions are slow, and often not needed
            position = 0 if frame[a] == 1 else position % frame[a]
        address = address * frame[a] + position
    return address


def padded(values: Any, fill: int) -> Int:
    """Return ``values`` (one per axis of a tensor) as int64 [AXES], ``fill`` in front."""
    row = np.full(AXES, fill, np.int64)
    row[AXES - len(values) :] = values
    return row
