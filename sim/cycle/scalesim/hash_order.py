"""The order in which a hash set of CPython hands out whole numbers.

The tool keeps addresses in such sets and writes them out in their order, which is part of its
traces and of its bank conflicts. The set is a table with open addressing: a number is its own hash,
ten neighbours are probed before a jump, and a table that is three fifths full is rebuilt four times
as large (twice beyond 50,000 entries). (CPython, Objects/setobject.c, versions 3.7 to 3.14.)
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_PROBES, _SHIFT, _LEAST = 9, 5, 8


@njit(cache=True, nogil=True)
def hash_order(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of ``numbers`` in the order in which their set would list them.

    Args:
        numbers: int64, distinct, not negative, below 2^61 - 1, in the order of being added.
    """
    mask = _LEAST - 1
    table = np.full(_LEAST, -1, np.int64)
    for position in range(numbers.size):
        _insert(table, mask, numbers, position)
        filled = position + 1
        if filled * 5 < mask * 3:
            continue
        least = filled * 2 if filled > 50_000 else filled * 4
        size = _LEAST
        while size <= least:
            size *= 2
        old = table
        table = np.full(size, -1, np.int64)
        mask = size - 1
        for slot in range(old.size):
            if old[slot] >= 0:
                _insert(table, mask, numbers, old[slot])
    return table[table >= 0]


@njit(cache=True, nogil=True)
def _insert(table: NDArray[np.int64], mask: int, numbers: NDArray[np.int64], position: int) -> None:
    perturb = numbers[position]
    slot = perturb & mask
    while True:
        probes = _PROBES if slot + _PROBES <= mask else 0
        for near in range(probes + 1):
            if table[slot + near] < 0:
                table[slot + near] = position
                return
        perturb >>= _SHIFT
        slot = (slot * 5 + 1 + perturb) & mask
