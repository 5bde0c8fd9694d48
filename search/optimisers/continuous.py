"""Genes as numbers from 0 to 1, for optimisers of other projects that know nothing else.

A gene of n choices takes the unit interval in n equal parts; choices are sorted, so near numbers
are near designs. Genes with one choice have no coordinate. Losses told on are finite: a genome
without legal mapping counts a little worse than the worst met so far.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from arraysmith.search.optimisers.base import Domain
from arraysmith.search.space import Genome

LEAST_COORDINATES = 2
"""Fewest coordinates: some methods need two. What is beyond the genes changes nothing."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings back: those packages warn of how they call each other, and of flat losses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class UnitCube:
    """The coordinates of a domain.

    Attributes:
        coordinates: how many, at least ``LEAST_COORDINATES``.
    """

    def __init__(self, domain: Domain) -> None:
        self._sizes = domain.sizes
        self._open = [i for i, size in enumerate(domain.sizes) if size > 1]
        self.coordinates = max(LEAST_COORDINATES, len(self._open))

    def genome(self, point: Sequence[float] | NDArray[np.float64]) -> Genome:
        """Return the genome, before repair, at a point; coordinates outside 0 to 1 are taken in."""
        genes = [0] * len(self._sizes)
        for i, x in zip(self._open, point, strict=False):
            genes[i] = min(self._sizes[i] - 1, max(0, math.floor(float(x) * self._sizes[i])))
        return tuple(genes)


class FiniteLosses:
    """Puts a finite number in the place of an infinite loss."""

    def __init__(self) -> None:
        self._best = math.inf
        self._worst = -math.inf

    def finite(self, losses: Sequence[float]) -> list[float]:
        """Return the losses, infinite ones a tenth of the range met so far behind the worst."""
        known = [loss for loss in losses if not math.isinf(loss)]
        self._best = min([self._best, *known])
        self._worst = max([self._worst, *known])
        if math.isinf(self._best):
            return [1.0] * len(losses)
        margin = 0.1 * (self._worst - self._best) or 0.1 * abs(self._worst) or 1.0
        return [self._worst + margin if math.isinf(loss) else loss for loss in losses]
