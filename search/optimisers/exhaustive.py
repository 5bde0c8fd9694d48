"""Every legal genome once: the optimum, where the space is small enough.

The legal space is what repair leaves as it is. Genomes come in the order of an odometer whose last
gene turns fastest. A space with more genomes than ``most`` is refused before anything is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from math import prod

import numpy as np
from pydantic import Field

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.space import Genome


class ExhaustiveSettings(Spec):
    """Effort of an enumeration."""

    population: int = Field(default=256, ge=1, le=10**6, description="genomes per batch")
    most: int = Field(
        default=1_000_000, ge=1, le=10**9, description="genomes of the largest space to enumerate"
    )


@register("optimiser", "exhaustive")
class Exhaustive(Optimiser[float]):
    """See the module; ``repaired`` counts the genomes outside the budget, which are left out."""

    settings_type = ExhaustiveSettings
    settings: ExhaustiveSettings
    revisable = True

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: ExhaustiveSettings | None = None
    ) -> None:
        """Begin with the first genome.

        Raises:
            InputError: the space is larger than ``settings.most``.
        """
        super().__init__(domain, rng, settings)
        genomes = prod(domain.sizes)
        if genomes > self.settings.most:
            rule = (
                f"the space has {genomes:,} genomes, which must be at most {self.settings.most:,}"
            )
            hint = "narrow the space, raise most, or choose another optimiser"
            raise InputError([Fault("optimiser.most", str(self.settings.most), rule, hint)])
        self._left = self._legal_genomes()
        self._asked: list[Genome] = []

    def ask(self) -> list[Genome]:
        """Return the next genomes; the last batch may be smaller."""
        if not self._asked:
            self._asked = list(islice(self._left, self.settings.population))
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[float]) -> None:
        """Go on; losses do not matter to an enumeration."""
        del genomes, losses
        self._asked = []

    def _legal_genomes(self) -> Iterator[Genome]:
        for genome in product(*(range(size) for size in self.domain.sizes)):
            if self._legal(genome) == genome:
                yield genome
