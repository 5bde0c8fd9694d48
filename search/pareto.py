"""Fronts: who is beaten by nobody, how lonely they stand, and what volume they cover.

Every objective is minimised. A vector dominates another when it is nowhere larger and somewhere
smaller; equal vectors do not dominate each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def dominates(values: Values, point: Values) -> NDArray[np.bool_]:
    """Return [n], which rows of ``values`` [n, objectives] dominate ``point`` [objectives]."""
    return np.asarray((values <= point).all(axis=1) & (values < point).any(axis=1))


def front(values: Values) -> NDArray[np.int64]:
    """Return the rows of ``values`` [n, objectives] that none dominates and that are finite.

    In the order of the rows; of equal rows the first stands for all.
    """
    # In lexical order whatever dominates a row stands before it.
    order = np.lexsort(values.T[::-1])
    kept: list[int] = []
    best = np.empty((0, values.shape[1]))
    for row in order:
        point = values[row]
        if not np.isfinite(point).all() or (best <= point).all(axis=1).any():
            continue
        kept.append(int(row))
        best = np.vstack([best, point])
    return np.array(sorted(kept), np.int64)


def fronts(values: Values) -> list[NDArray[np.int64]]:
    """Return all rows of ``values``, front by front: the second is what only the first beats."""
    one, other = values[:, None, :], values[None, :, :]
    beats = np.asarray((one <= other).all(axis=2) & (one < other).any(axis=2))
    left = np.ones(len(values), np.bool_)
    found = []
    while left.any():
        members = np.flatnonzero(left & ~beats[left].any(axis=0))
        found.append(members)
        left[members] = False
    return found


def crowding(values: Values) -> Values:
    """Return [n], the sum over objectives of the distance between the neighbours of each row.

    In shares of the front's extent; infinite at the ends of every objective.
    """
    n, objectives = values.shape
    alone = np.zeros(n)
    for k in range(objectives):
        column = values[:, k]
        order = np.argsort(column, kind="stable")
        least, most = column[order[0]], column[order[-1]]
        alone[order[[0, -1]]] = np.inf
        if n > 2 and np.isfinite(most) and most > least:
            gaps = (column[order[2:]] - column[order[:-2]]) / (most - least)
            alone[order[1:-1]] += gaps
    return alone


def hypervolume(values: Values, reference: Sequence[float]) -> float:
    """Return the volume that the rows dominate below ``reference``.

    Exact, by slicing along the last objective (Fonseca, Paquete and Lopez-Ibanez, CEC 2006, without
    their data structures): of order n squared for three objectives.

    Args:
        values: [n, objectives], any rows; those not below the reference add nothing.
        reference: the corner that bounds the volume, larger is worse.
    """
    corner = np.array(reference, np.float64)
    inside = values[(values < corner).all(axis=1)] if len(values) else values
    return _volume(inside, corner)


def _volume(values: Values, corner: Values) -> float:
    if not len(values):
        return 0.0
    if values.shape[1] == 1:
        return float(corner[0] - values[:, 0].min())
    kept = values[front(values)]
    if values.shape[1] == 2:
        order = np.argsort(kept[:, 0], kind="stable")
        x, y = kept[order, 0], kept[order, 1]
        above = np.concatenate([[corner[1]], y[:-1]])
        return float(((corner[0] - x) * (above - y)).sum())
    order = np.argsort(kept[:, -1], kind="stable")
    kept = kept[order]
    tops = np.append(kept[1:, -1], corner[-1])
    return sum(
        _volume(kept[: i + 1, :-1], corner[:-1]) * float(top - kept[i, -1])
        for i, top in enumerate(tops)
        if top > kept[i, -1]
    )
