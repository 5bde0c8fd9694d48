"""Simulated annealing (Kirkpatrick et al., Science 1983), several walkers side by side.

Every walker stands on a genome; each step it looks at one that differs in one gene (sometimes in
more) and goes there when it is better, or with probability exp(-worse / T) when it is not. That is
in units of the typical loss: the median magnitude of the first batch. T falls from ``start`` to
``end`` by a constant ratio per step.

Ours: a walker whose best has not improved for ``patience`` steps goes back to the best genome that
any walker has met; without it, walkers that end in a poor valley are lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec, SpecError
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.optimisers.genetic import mutated
from arraysmith.search.space import Genome

TRIES = 20
"""Draws of a neighbour until one that equals its origin (after repair) is accepted."""


class AnnealingSettings(Spec):
    """Effort and schedule."""

    population: int = Field(default=16, ge=1, le=10**6, description="walkers")
    generations: int = Field(default=160, ge=1, le=10**6, description="steps, the first included")
    start: float = Field(default=0.1, gt=0, le=1e6, description="T of the first step")
    end: float = Field(default=1e-4, gt=0, le=1e6, description="T of the last step")
    local: float = Field(
        default=0.7, ge=0, le=1, description="share of moves that go to a neighbouring choice"
    )
    more: float = Field(
        default=0.3, ge=0, lt=1, description="probability that one more gene changes, repeatedly"
    )
    patience: int = Field(
        default=25, ge=1, le=10**6, description="steps without gain until a walker starts anew"
    )

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.end > self.start:
            rule = f"end, {self.end}, must be at most start, {self.start}"
            raise SpecError(rule, "temperatures fall")
        return self


@register("optimiser", "annealing")
class Annealing(Optimiser[float]):
    """See the module."""

    settings_type = AnnealingSettings
    settings: AnnealingSettings
    revisable = True

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: AnnealingSettings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        self._step = 0
        self._asked: list[Genome] = []
        self._at: list[tuple[Genome, float]] = []  # where each walker stands
        self._own: list[tuple[Genome, float]] = []  # best of each walker since it started
        self._idle: list[int] = []  # steps since then
        self._best: tuple[Genome, float] | None = None
        self._unit = 0.0

    @property
    def expected(self) -> int:
        """Walkers x steps."""
        return self.settings.population * self.settings.generations

    def ask(self) -> list[Genome]:
        """Return a neighbour of every walker's place; random genomes first."""
        if not self._asked and self._step < self.settings.generations:
            if self._at:
                self._asked = [self._neighbour(genome) for genome, _ in self._at]
            else:
                self._asked = [self._random() for _ in range(self.settings.population)]
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[float]) -> None:
        """Let every walker go or stay."""
        scored = list(zip(genomes, losses, strict=True))
        finite = sorted(abs(loss) for loss in losses if not math.isinf(loss))
        if not self._unit and finite:
            self._unit = finite[len(finite) // 2] or 1.0
        for genome, loss in scored:
            if not math.isinf(loss) and (self._best is None or loss < self._best[1]):
                self._best = (genome, loss)
        if not self._at:
            self._at = scored
            self._own = list(scored)
            self._idle = [0] * len(scored)
        else:
            for walker, found in enumerate(scored):
                self._move(walker, found)
        self._asked = []
        self._step += 1

    def revise(self, loss_of: Callable[[Genome], float]) -> None:
        """Give places and bests other losses; the unit of the temperature stays."""

        def again(scored: tuple[Genome, float]) -> tuple[Genome, float]:
            return scored[0], loss_of(scored[0])

        self._at = [again(x) for x in self._at]
        self._own = [again(x) for x in self._own]
        self._best = self._best and again(self._best)

    def _move(self, walker: int, found: tuple[Genome, float]) -> None:
        genome, loss = found
        draw = self._rng.random()  # always drawn: what is told must not shift what is drawn later
        worse = loss - self._at[walker][1]
        lost = math.isinf(self._at[walker][1])
        if lost or worse <= 0 or draw < math.exp(-worse / (self._unit * self._temperature())):
            self._at[walker] = (genome, loss)
        self._idle[walker] += 1
        if loss < self._own[walker][1]:
            self._own[walker], self._idle[walker] = found, 0
        elif self._idle[walker] >= self.settings.patience and self._best is not None:
            self._at[walker] = self._best
            self._own[walker], self._idle[walker] = self._best, 0

    def _temperature(self) -> float:
        start, end = self.settings.start, self.settings.end
        share = self._step / max(1, self.settings.generations - 1)
        return start * math.exp(math.log(end / start) * share)

    def _neighbour(self, genome: Genome) -> Genome:
        near = genome
        open_genes = [i for i, size in enumerate(self.domain.sizes) if size > 1]
        for _ in range(TRIES):
            changed = list(genome)
            for _ in range(len(open_genes)):
                gene = open_genes[int(self._rng.integers(len(open_genes)))]
                size = self.domain.sizes[gene]
                changed[gene] = mutated(changed[gene], size, self.settings.local, self._rng)
                if self._rng.random() >= self.settings.more:
                    break
            near = self._legal(tuple(changed))
            if near != genome:
                break
        return near
