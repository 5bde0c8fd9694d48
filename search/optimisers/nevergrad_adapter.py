"""Optimisers of nevergrad (Rapin and Teytaud, 2018), to be compared with. Extra ``baselines``.

Several algorithms behind one name, chosen by ``algorithm``. All see the genes as numbers from 0 to
1 (``continuous``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.optimisers.continuous import FiniteLosses, UnitCube, quiet
from arraysmith.search.space import Genome


class NevergradSettings(Spec):
    """Which algorithm, and its effort."""

    algorithm: Literal[
        "CMA",
        "DE",
        "DiscreteOnePlusOne",
        "OnePlusOne",
        "PSO",
        "Portfolio",
        "TBPSA",
        "TwoPointsDE",
    ] = Field(default="DE", description="as nevergrad names it")
    population: int = Field(default=64, ge=1, le=10**6, description="genomes per batch")
    generations: int = Field(default=40, ge=1, le=10**6, description="batches")


@register("optimiser", "nevergrad")
class Nevergrad(Optimiser[float]):
    """See the module."""

    settings_type = NevergradSettings
    settings: NevergradSettings
    requires = ("nevergrad",)

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: NevergradSettings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        # Not at the top: an extra, and slow to import.
        import nevergrad

        self._cube = UnitCube(domain)
        box = nevergrad.p.Array(init=np.full(self._cube.coordinates, 0.5), lower=0.0, upper=1.0)
        # It knows the older generator only.
        box.random_state = np.random.RandomState(int(rng.integers(2**32)))
        with quiet():
            self._inner: Any = nevergrad.optimizers.registry[self.settings.algorithm](
                parametrization=box, budget=self.expected, num_workers=self.settings.population
            )
        self._finite = FiniteLosses()
        self._batch = 0
        self._points: list[Any] = []
        self._asked: list[Genome] = []

    @property
    def expected(self) -> int:
        """Population x generations."""
        return self.settings.population * self.settings.generations

    def ask(self) -> list[Genome]:
        """Return the next batch."""
        if not self._asked and self._batch < self.settings.generations:
            with quiet():
                self._points = [self._inner.ask() for _ in range(self.settings.population)]
            self._asked = [self._legal(self._cube.genome(x.value)) for x in self._points]
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[float]) -> None:
        """Tell it on."""
        del genomes
        with quiet():
            for point, loss in zip(self._points, self._finite.finite(losses), strict=True):
                self._inner.tell(point, loss)
        self._asked = []
        self._batch += 1
