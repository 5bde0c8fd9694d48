"""CMA-ES of the package ``cma`` (Hansen, 2019), to be compared with. Extra ``baselines``.

It sees the genes as numbers from 0 to 1 (``continuous``). When it has converged or lost its way it
starts anew from a random point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.optimisers.continuous import FiniteLosses, UnitCube, quiet
from arraysmith.search.space import Genome


class CmaSettings(Spec):
    """Effort and first step."""

    population: int = Field(default=64, ge=3, le=10**6, description="genomes per batch")
    generations: int = Field(default=40, ge=1, le=10**6, description="batches")
    step: float = Field(default=0.3, gt=0, le=1, description="first standard deviation, of 1")


@register("optimiser", "cma")
class Cma(Optimiser[float]):
    """See the module."""

    settings_type = CmaSettings
    settings: CmaSettings
    requires = ("cma",)
    revisable = True  # it compares within a batch

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: CmaSettings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        self._cube = UnitCube(domain)
        self._finite = FiniteLosses()
        self._batch = 0
        self._points: list[NDArray[np.float64]] = []
        self._asked: list[Genome] = []
        self._inner = self._started(np.full(self._cube.coordinates, 0.5))

    @property
    def expected(self) -> int:
        """Population x generations."""
        return self.settings.population * self.settings.generations

    def ask(self) -> list[Genome]:
        """Return the next batch."""
        if not self._asked and self._batch < self.settings.generations:
            with quiet():
                if self._inner.stop():
                    self._inner = self._started(self._rng.random(self._cube.coordinates))
                self._points = self._inner.ask()
            self._asked = [self._legal(self._cube.genome(x)) for x in self._points]
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[float]) -> None:
        """Tell it on."""
        del genomes
        with quiet():
            self._inner.tell(self._points, self._finite.finite(losses))
        self._asked = []
        self._batch += 1

    def _started(self, point: NDArray[np.float64]) -> Any:
        # Not at the top: an extra, and slow to import.
        import cma

        options = {
            "bounds": [0.0, 1.0],
            "popsize": self.settings.population,
            "randn": self._normal,  # in place of the global generator
            "seed": math.nan,  # which it leaves alone then
            "verbose": -9,
        }
        with quiet():
            return cma.CMAEvolutionStrategy(point, self.settings.step, options)

    def _normal(self, *shape: int) -> NDArray[np.float64]:
        return np.asarray(self._rng.standard_normal(shape))
