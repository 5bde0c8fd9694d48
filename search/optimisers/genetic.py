"""The genetic algorithm of the poster that this project started from.

Population x_1 .. x_N at random. Each generation: score; keep the top K as parents; draw N - 1
children from the parents; mutate each dimension of a child independently with probability sigma;
the next generation is the children and the best of the present one, unchanged. No crossover.

What the poster leaves open, and what is done here:

* A mutated gene takes a neighbouring choice with probability ``local``, otherwise any other choice,
  uniformly. Choices are sorted, so neighbours are alike: steps refine, redraws escape.
* Drawing "with probability sigma" often leaves a child unchanged, and in a small space often
  repeats an old one. Such a child is mutated again, up to ``TRIES`` times, before a repetition is
  accepted (it costs nothing: the runner evaluates no genome twice).
* Genomes outside the budget are repaired before they are asked, never punished.
* A loss may be infinite (no legal mapping). Such genomes become parents only when there are not K
  better ones; when a whole generation is infinite the next one is drawn at random.
* Of equal losses the one that was asked first is better, so the elite changes only for the better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec, SpecError
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.space import Genome

TRIES = 20
"""Mutations of a child until one that was asked before is accepted."""


class GeneticSettings(Spec):
    """Effort and shape of the search."""

    population: int = Field(default=64, ge=2, le=10**6, description="N")
    parents: int = Field(default=16, ge=1, le=10**6, description="K, at most the population")
    generations: int = Field(
        default=40, ge=1, le=10**6, description="scored generations, the random one included"
    )
    sigma: float = Field(default=0.2, gt=0, le=1, description="probability that a gene mutates")
    local: float = Field(
        default=0.5, ge=0, le=1, description="share of mutations that go to a neighbouring choice"
    )

    @model_validator(mode="after")
    def _parents_within_population(self) -> Self:
        if self.parents > self.population:
            rule = f"parents, {self.parents}, must be at most the population, {self.population}"
            raise SpecError(rule, "lower parents or raise population")
        return self


@register("optimiser", "genetic")
class Genetic(Optimiser[float]):
    """See the module."""

    settings_type = GeneticSettings
    settings: GeneticSettings
    revisable = True  # the elite is asked, and so told, again

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: GeneticSettings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        self._generation = 0
        self._asked: list[Genome] = []
        self._scored: list[tuple[Genome, float]] = []  # the generation told last, best first
        self._seen: set[Genome] = set()

    @property
    def expected(self) -> int:
        """Population x generations."""
        return self.settings.population * self.settings.generations

    def ask(self) -> list[Genome]:
        """Return the whole next generation, its elite first."""
        if not self._asked and self._generation < self.settings.generations:
            parents = [genome for genome, _ in self._scored[: self.settings.parents]]
            elite = parents[:1]
            count = self.settings.population - len(elite)
            self._asked = elite + [self._fresh(parents) for _ in range(count)]
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[float]) -> None:
        """Rank the generation; parents of the next one are its first K."""
        ranked = sorted(zip(genomes, losses, strict=True), key=lambda scored: scored[1])
        anything = not math.isinf(ranked[0][1])
        self._scored = ranked if anything else []
        self._asked = []
        self._generation += 1

    def _fresh(self, parents: list[Genome]) -> Genome:
        """Return a child of one of ``parents``, or a random genome; one not seen if possible."""
        for _ in range(TRIES):
            genome = self._child(parents) if parents else self._random()
            if genome not in self._seen:
                break
        self._seen.add(genome)
        return genome

    def _child(self, parents: list[Genome]) -> Genome:
        parent = parents[int(self._rng.integers(len(parents)))]
        mutates = self._rng.random(len(parent)) < self.settings.sigma
        pairs = zip(parent, self.domain.sizes, mutates, strict=True)
        return self._legal(
            tuple(self._mutated(gene, size) if yes else gene for gene, size, yes in pairs)
        )

    def _mutated(self, gene: int, size: int) -> int:
        return mutated(gene, size, self.settings.local, self._rng)


def mutated(gene: int, size: int, local: float, rng: np.random.Generator) -> int:
    """Return another choice of a gene that has ``size`` choices (the same when it has one).

    A neighbouring choice with probability ``local``, otherwise any other, uniformly.
    """
    if size == 1:
        return gene
    if rng.random() < local:
        up = rng.random() < 0.5
        step = 1 if (up and gene + 1 < size) or gene == 0 else -1
        return gene + step
    other = int(rng.integers(size - 1))
    return other + (other >= gene)
