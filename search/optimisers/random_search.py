"""Random search: the baseline that every other optimiser has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.space import Genome

TRIES = 20
"""Draws for a genome not asked before, until one asked before is accepted (a small space)."""


class RandomSettings(Spec):
    """Effort of a random search."""

    population: int = Field(default=64, ge=1, le=10**6, description="genomes per batch")
    generations: int = Field(default=40, ge=1, le=10**6, description="batches")


@register("optimiser", "random")
class RandomSearch(Optimiser):
    """Genomes drawn uniformly and independently, repeated ones drawn again."""

    settings_type = RandomSettings
    settings: RandomSettings

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: RandomSettings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        self._batch = 0
        self._asked: list[Genome] = []
        self._seen: set[Genome] = set()

    @property
    def expected(self) -> int:
        """Population x generations."""
        return self.settings.population * self.settings.generations

    def ask(self) -> list[Genome]:
        """Return the next batch."""
        if not self._asked and self._batch < self.settings.generations:
            for _ in range(self.settings.population):
                for _ in range(TRIES):
                    genome = self._random()
                    if genome not in self._seen:
                        break
                self._seen.add(genome)
                self._asked.append(genome)
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[float]) -> None:
        """Go on to the next batch; losses do not matter to a random search."""
        del genomes, losses
        self._asked = []
        self._batch += 1
