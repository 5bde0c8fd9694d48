"""Whether two models order the same mappings alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def kendall_tau(one: Sequence[Float], other: Sequence[Float]) -> float | None:
    """Return Kendall's tau over the pairs within each group; None where no pair is to be ordered.

    Pairs equal in ``other`` do not count; those equal in ``one`` alone count half.
    """
    right, pairs = 0.0, 0
    for x, y in zip(one, other, strict=True):
        first, second = np.triu_indices(len(x), 1)
        order = np.sign(y[first] - y[second])
        agree = np.sign(x[first] - x[second]) * order
        right += float(agree[order != 0].sum())
        pairs += int((order != 0).sum())
    return right / pairs if pairs else None
