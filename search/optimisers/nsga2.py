"""NSGA-II: many objectives at once (Deb, Pratap, Agarwal and Meyarivan, IEEE TEVC 2002).

Parents and children compete; survivors are taken front by front, and of the front that does not fit
whole those that stand most alone (crowding distance). Parents are picked by tournaments of two on
(front, crowding). Told vectors of length one it is an elitist genetic algorithm.

Ours, since genes are choices: crossover takes each gene from either parent; a gene mutates as in
``genetic``, to a neighbouring choice or any other; a child that was asked before is mutated again.
Genomes without legal mapping have infinite losses: they form the last front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.optimisers.base import Domain, Losses, Optimiser
from arraysmith.search.optimisers.genetic import mutated
from arraysmith.search.pareto import crowding, fronts
from arraysmith.search.space import Genome

TRIES = 20
"""Draws of a child until one that was asked before is accepted."""


class Nsga2Settings(Spec):
    """Effort and shape of the search."""

    population: int = Field(default=64, ge=2, le=10**5, description="survivors, and children")
    generations: int = Field(
        default=40, ge=1, le=10**6, description="scored generations, the random one included"
    )
    crossover: float = Field(
        default=0.9, ge=0, le=1, description="share of children of two parents"
    )
    sigma: float = Field(default=0.2, gt=0, le=1, description="probability that a gene mutates")
    local: float = Field(
        default=0.5, ge=0, le=1, description="share of mutations that go to a neighbouring choice"
    )


@register("optimiser", "nsga2")
class Nsga2(Optimiser[Losses]):
    """See the module."""

    settings_type = Nsga2Settings
    settings: Nsga2Settings
    revisable = True

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: Nsga2Settings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        self._generation = 0
        self._asked: list[Genome] = []
        self._parents: list[tuple[Genome, Losses]] = []  # best first
        self._rank: NDArray[np.int64] = np.zeros(0, np.int64)
        self._alone: NDArray[np.float64] = np.zeros(0)
        self._seen: set[Genome] = set()

    @classmethod
    def takes_vectors(cls, settings: Any) -> bool:
        """It does."""
        del settings
        return True

    @property
    def expected(self) -> int:
        """Population x generations."""
        return self.settings.population * self.settings.generations

    def ask(self) -> list[Genome]:
        """Return the next children; random genomes first."""
        if not self._asked and self._generation < self.settings.generations:
            self._asked = [self._fresh() for _ in range(self.settings.population)]
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[Losses]) -> None:
        """Let the children compete with their parents."""
        rivals = dict(self._parents)
        rivals.update(zip(genomes, losses, strict=True))
        pool = list(rivals.items())
        ranks, alone = _ranked([vector for _, vector in pool])
        # Stable: of equals the one that was asked first survives.
        order = np.lexsort((-alone, ranks))[: self.settings.population]
        self._parents = [pool[i] for i in order]
        self._rank, self._alone = ranks[order], alone[order]
        self._asked = []
        self._generation += 1

    def revise(self, loss_of: Callable[[Genome], Losses]) -> None:
        """Give the parents other losses: they compete with the next children."""
        self._parents = [(genome, loss_of(genome)) for genome, _ in self._parents]

    def _fresh(self) -> Genome:
        """Return a child, or at first a random genome; one not seen if possible."""
        for _ in range(TRIES):
            genome = self._child() if self._parents else self._random()
            if genome not in self._seen:
                break
        self._seen.add(genome)
        return genome

    def _child(self) -> Genome:
        mother = self._picked()
        father = self._picked() if self._rng.random() < self.settings.crossover else mother
        from_mother = self._rng.random(len(mother)) < 0.5
        mutates = self._rng.random(len(mother)) < self.settings.sigma
        genes = [
            mutated(m if hers else f, size, self.settings.local, self._rng)
            if changes
            else (m if hers else f)
            for m, f, size, hers, changes in zip(
                mother, father, self.domain.sizes, from_mother, mutates, strict=True
            )
        ]
        return self._legal(tuple(genes))

    def _picked(self) -> Genome:
        """Return the winner of a tournament of two."""
        one, other = (int(x) for x in self._rng.integers(len(self._parents), size=2))
        key = [(self._rank[i], -self._alone[i]) for i in (one, other)]
        return self._parents[one if key[0] <= key[1] else other][0]


def _ranked(vectors: Sequence[Losses]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return front (0 is the best) and crowding distance of every vector."""
    values = np.array(vectors, np.float64)
    ranks = np.zeros(len(values), np.int64)
    alone = np.zeros(len(values))
    for rank, members in enumerate(fronts(values)):
        ranks[members] = rank
        alone[members] = crowding(values[members])
    return ranks, alone
