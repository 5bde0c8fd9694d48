"""Boxes of indices and the frames in which tiles are kept. Compiled, no state.

A tile is a box: a half-open interval [low, high) along every axis of its tensor. All tensors are
seen with ``AXES`` axes; those that a tensor lacks stand in front and hold one word.
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
def clipped(low: int, high: int, extent: int) -> int:
    """Return the words of [low, high) that lie in [0, extent)."""
    return max(0, min(high, extent) - max(low, 0))


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
