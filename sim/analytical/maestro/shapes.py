"""Rows of a level as tables: sizes, what is new in a step, active units; and their cases."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SPATIAL, DIM, SIZE, OFFSET = 0, 1, 2, 3
"""Columns of a row."""

INPUT, FILTER, OUTPUT = 0, 1, 2
"""Tensors, as rows of ``member``."""

INIT, STEADY, EDGE = 0, 1, 2
"""What a row can be in."""

EDGE_MAPPED, EDGE_UNIQUE, HAS_EDGE, UNIQUE, WHOLE = 0, 1, 2, 3, 4
ACTIVE_INIT, PART_INIT, ACTIVE_EDGE, PART_EDGE = 5, 6, 7, 8
"""Columns of a table: size at an edge, new there, whether there is one, new in a step (0 for what
is held whole), the smaller of size and offset; active units of init and of edge, and whether the
last of them has less."""


@njit(cache=True, nogil=True, error_model="numpy")
def tabulate(rows: Ints, n: int, extents: Ints, table: Ints) -> None:
    """Fill [dims, 9] what a row maps: sizes at an edge, what is new in a step, active units."""
    for i in range(rows.shape[0]):
        size, offset = rows[i, SIZE], rows[i, OFFSET]
        extent = extents[rows[i, DIM]]
        for column in range(table.shape[1]):
            table[i, column] = 0
        steps = max((extent - size) // offset, 0)
        left = extent - (steps + 1) * offset
        if left < 0:
            left = extent
        table[i, EDGE_MAPPED] = left
        table[i, EDGE_UNIQUE] = max(offset - (size - left), 0)
        table[i, HAS_EDGE] = 1 if steps * offset + size < extent or size > extent else 0
        table[i, WHOLE] = min(size, offset)
        table[i, UNIQUE] = min(size, offset)
        if not rows[i, SPATIAL]:
            if extent <= size:
                table[i, UNIQUE] = 0
            continue
        table[i, ACTIVE_INIT] = n
        if extent < size + offset * (n - 1):
            if extent < size:
                table[i, ACTIVE_INIT] = 1
                table[i, PART_INIT] = 1
            else:
                rest = 1 if (extent - size) % offset else 0
                table[i, ACTIVE_INIT] = (extent - size) // offset + 1 + rest
                table[i, PART_INIT] = rest
        folds = max(((extent - size) // offset + 1) // n - 1, 0)
        beyond = extent - (folds + 1) * offset * n
        if beyond < size:
            table[i, ACTIVE_EDGE] = 1
            table[i, PART_EDGE] = 1
        else:
            table[i, ACTIVE_EDGE] = (beyond - size) // offset + 1  # defect 3: no partial unit more
            table[i, PART_EDGE] = 1 if (beyond - size) % offset else 0


@njit(cache=True, nogil=True, error_model="numpy")
def cases(rows: Ints, n: int, extents: Ints, turns: Ints) -> None:
    """Fill [dims, 4] how often a row is in init, steady and edge; and 1 if init is an edge."""
    for i in range(rows.shape[0]):
        size, offset = rows[i, SIZE], rows[i, OFFSET]
        extent = extents[rows[i, DIM]]
        turns[i, INIT] = 1
        turns[i, STEADY] = 0
        turns[i, EDGE] = 0
        if rows[i, SPATIAL]:
            covered = size + offset * (n - 1)
            turns[i, 3] = 1 if extent < covered else 0
            folds = max(((extent - size) // offset + 1) // n - 1, 0)
            turns[i, STEADY] = folds
            if folds * offset * n + covered < extent:
                turns[i, EDGE] = 1
        else:
            turns[i, 3] = 1 if extent < size else 0
            steps = max((extent - size) // offset, 0)
            turns[i, STEADY] = steps
            if steps * offset + size < extent:
                turns[i, EDGE] = 1


@njit(cache=True, nogil=True, error_model="numpy")
def outputs(extent: int, taps: int, stride: int) -> int:
    """Return the outputs of a window of ``taps`` over ``extent``; not positive if it exceeds."""
    return (extent - taps) // stride + 1


@njit(cache=True, nogil=True, error_model="numpy")
def products(mapped: Ints, window: Ints, rates: Ints) -> int:
    """Return the partial sums of a tile; extents that are negative multiply (defect 2)."""
    result = 1
    seen = 0
    for dim in range(mapped.size):
        if window[dim] >= 0:
            result *= outputs(mapped[dim], mapped[window[dim]], rates[4 + seen])
            seen += 1
        else:
            result *= mapped[dim]
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def part_of(table: Ints, i: int, state: int) -> bool:
    """Tell whether the last active unit of a spatial row has less than the others."""
    if state == INIT:
        return bool(table[i, PART_INIT] == 1)
    return bool(state == EDGE and table[i, PART_EDGE] == 1)
