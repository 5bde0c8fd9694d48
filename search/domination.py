"""Which mappings of a table another one beats whatever the hardware."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.sim.analytical.encoding import Int


@njit(cache=True, nogil=True)
def undominated(group: Int, measures: Int) -> NDArray[np.bool_]:
    """Mark the rows that no earlier kept row of their group beats or equals in every measure.

    Rows are ordered by group and, inside, by the sum of measures: whatever beats a row comes first.
    """
    keep = np.zeros(len(group), np.bool_)
    front = np.empty(len(group), np.int64)
    size = 0
    for i in range(len(group)):
        if i and group[i] != group[i - 1]:
            size = 0
        beaten = False
        for f in range(size):
            other = front[f]
            beaten = True
            for k in range(measures.shape[1]):
                if measures[other, k] > measures[i, k]:
                    beaten = False
                    break
            if beaten:
                # What beat this one will beat its neighbours: look at it first.
                front[f], front[f // 2] = front[f // 2], front[f]
                break
        if not beaten:
            keep[i] = True
            front[size] = i
            size += 1
    return keep
