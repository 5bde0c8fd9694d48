"""Random search: the baseline that every other optimiser has to beat.

Sizes of memories and meshes matter by their ratio, so a gene whose choices span a wide range of
numbers is drawn evenly in the logarithm: a choice gets the stretch between the geometric means to
its neighbours. Where choices double anyway, that is an even draw of choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.space import Genome

TRIES = 20
"""Draws for a genome not asked before, until one asked before is accepted (a small space)."""

WIDE = 10.0
"""Least ratio of largest to least choice that a gene is drawn evenly in the logarithm for."""


class RandomSettings(Spec):
    """Effort of a random search."""

    population: int = Field(default=64, ge=1, le=10**6, description="genomes per batch")
    generations: int = Field(default=40, ge=1, le=10**6, description="batches")
    scale: Literal["log", "uniform"] = Field(
        default="log", description="evenly in the logarithm where ranges are wide, or in choices"
    )


@register("optimiser", "random")
class RandomSearch(Optimiser[float]):
    """Genomes drawn independently, repeated ones drawn again."""

    settings_type = RandomSettings
    settings: RandomSettings
    revisable = True

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: RandomSettings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        self._batch = 0
        self._asked: list[Genome] = []
        self._seen: set[Genome] = set()
        magnitudes = domain.magnitudes or ((),) * len(domain.sizes)
        logarithmic = self.settings.scale == "log"
        self._edges = [log_edges(x) if logarithmic else None for x in magnitudes]

    @property
    def expected(self) -> int:
        """Population x generations."""
        return self.settings.population * self.settings.generations

    def ask(self) -> list[Genome]:
        """Return the next batch."""
        if not self._asked and self._batch < self.settings.generations:
            for _ in range(self.settings.population):
                for _ in range(TRIES):
                    genome = self._drawn()
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

    def _drawn(self) -> Genome:
        pairs = zip(self.domain.sizes, self._edges, strict=True)
        return self._legal(tuple(self._gene(size, edges) for size, edges in pairs))

    def _gene(self, size: int, edges: NDArray[np.float64] | None) -> int:
        if edges is None:
            return int(self._rng.integers(size))
        return int(np.searchsorted(edges, self._rng.random(), side="right"))


def log_edges(magnitudes: tuple[float, ...]) -> NDArray[np.float64] | None:
    """Return where, from 0 to 1, each choice but the first begins; None for an even draw.

    Args:
        magnitudes: rising and positive, or nothing.
    """
    if len(magnitudes) < 2 or magnitudes[-1] < WIDE * magnitudes[0]:
        return None
    logs = np.log(np.array(magnitudes, np.float64))
    between = (logs[1:] + logs[:-1]) / 2
    # The outer choices reach out as far as they reach in.
    first, last = 2 * logs[0] - between[0], 2 * logs[-1] - between[-1]
    return np.asarray((between - first) / (last - first), np.float64)
