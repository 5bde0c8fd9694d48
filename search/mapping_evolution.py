"""The genetic mapper's engine: any space of genes, any model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.search.mapping_genes import Bool, Float, Genes, GeneSpace, Int, joined
from arraysmith.search.mapping_operators import OPERATORS
from arraysmith.search.mapping_scores import Scorer


@dataclass(frozen=True)
class Effort:
    """Shape of an evolution.

    Attributes:
        population: parents kept.
        children: mappings scored a generation.
        first: mappings of the first generation, a share of them from heuristics.
        seeded: that share.
        operators: names of those in use.
        adaptive: whether rates follow success.
        patience: evaluations without a gain after which the population is drawn anew; 0 for never.
    """

    population: int = 12
    children: int = 16
    first: int = 32
    seeded: float = 0.75
    operators: tuple[str, ...] = tuple(OPERATORS)
    adaptive: bool = True
    patience: int = 400


LEAST_RATE = 0.04
"""Least probability of an operator: what failed so far may be what is needed next."""

MEMORY = 0.96
"""Share of an operator's record that is kept from one generation to the next."""

TWICE = 0.35
"""Share of children that a second operator changes, too."""

DRAWS = 2
"""Candidates drawn for each that is scored; repeated ones are left out."""


class Evolution:
    """One run; see the module and ``Effort``."""

    def __init__(self, scorer: Scorer, rng: np.random.Generator, effort: Effort) -> None:
        self.scorer, self.rng, self.effort = scorer, rng, effort
        self.space: GeneSpace = scorer.space
        self._names = effort.operators
        self._gains = np.ones(len(self._names))
        self._tries = np.full(len(self._names), 2.0)
        self._genes: Genes | None = None
        self._losses: Float = np.zeros(0)

    def run(self, known: Genes | None = None) -> None:
        """Search until the budget is spent or nothing new is found."""
        stale, idle, loss = self.scorer.evaluations, 0, np.inf
        self._begin(known)
        while self.scorer.left > 0 and idle < 50:
            before = self.scorer.evaluations
            self._generation()
            idle = idle + 1 if self.scorer.evaluations == before else 0
            if self.scorer.loss < loss:
                loss, stale = self.scorer.loss, self.scorer.evaluations
            patience = self.effort.patience
            if (patience and self.scorer.evaluations - stale >= patience) or idle == 10:
                stale = self.scorer.evaluations
                self._begin(None)

    def _begin(self, known: Genes | None) -> None:
        effort, space = self.effort, self.space
        seeded = round(effort.first * effort.seeded)
        parts = [] if known is None else [known]
        if seeded:
            parts.append(space.seeds(self.rng, seeded, self.scorer.objective))
        parts.append(space.random(self.rng, effort.first - seeded))
        legal = self.scorer.legal(joined(parts))
        genes = legal.take(self._fresh(legal, effort.first))
        self._genes, self._losses = None, np.zeros(0)
        self._keep(genes, self.scorer.losses(genes))

    def _fresh(self, genes: Genes, most: int) -> Int:
        """Return the first rows of mappings that were never scored, each once."""
        rows: list[int] = []
        seen: set[bytes] = set()
        for row, key in enumerate(genes.keys()):
            if len(rows) == most:
                break
            if key not in seen and not self.scorer.knows(key):
                seen.add(key)
                rows.append(row)
        return np.array(rows, np.int64)

    def _keep(self, genes: Genes, losses: Float) -> None:
        """Let the best of parents and children become parents."""
        scored = np.flatnonzero(np.isfinite(losses))
        genes, losses = genes.take(scored), losses[scored]
        if self._genes is not None:
            genes = joined([self._genes, genes])
            losses = np.concatenate([self._losses, losses])
        best = np.argsort(losses, kind="stable")[: self.effort.population]
        self._genes, self._losses = genes.take(best), losses[best]

    def _rates(self) -> Float:
        if not self.effort.adaptive:
            return np.full(len(self._names), 1 / len(self._names))
        success = self._gains / self._tries
        rates = success / success.sum()
        spare = LEAST_RATE * len(rates)
        return (
            LEAST_RATE + (1 - spare) * rates if spare < 1 else np.full(len(rates), 1 / len(rates))
        )

    def _generation(self) -> None:
        parents = self._genes
        if parents is None or not len(parents):
            self._begin(None)
            return
        rng, effort = self.rng, self.effort
        n = DRAWS * effort.children
        mothers = self._ranked(n)
        which = rng.choice(len(self._names), size=n, p=self._rates())
        first = parents.take(mothers)
        mates = parents.take(self._ranked(n))
        children = self._applied(which, first, mates)
        twice = np.flatnonzero(rng.random(n) < TWICE)
        again = rng.choice(len(self._names), size=len(twice), p=self._rates())
        second = self._applied(again, children.take(twice), mates.take(twice))
        children.tiles[twice], children.orders[twice] = second.tiles, second.orders
        children.picks[twice] = second.picks
        legal = self.scorer.legal(children)
        taken = self._fresh(legal, effort.children)
        children = legal.take(taken)
        losses = self.scorer.losses(children)
        better = np.zeros(n, np.bool_)
        better[taken] = losses < self._losses[mothers[taken]]
        used = np.zeros(n, np.bool_)
        used[taken] = True
        self._credit(which[used], better[used])
        self._credit(again[used[twice]], better[twice][used[twice]])
        self._keep(children, losses)

    def _credit(self, which: Int, better: Bool) -> None:
        """Note which operators made better children than their mothers."""
        self._gains *= MEMORY
        self._tries *= MEMORY
        np.add.at(self._gains, which, better)
        np.add.at(self._tries, which, 1.0)

    def _applied(self, which: Int, parents: Genes, mates: Genes) -> Genes:
        tiles, orders, picks = parents.tiles.copy(), parents.orders.copy(), parents.picks.copy()
        for number, name in enumerate(self._names):
            rows = np.flatnonzero(which == number)
            if len(rows):
                made = OPERATORS[name](self.space, parents.take(rows), mates.take(rows), self.rng)
                tiles[rows], orders[rows], picks[rows] = made.tiles, made.orders, made.picks
        return Genes(tiles, orders, picks)

    def _ranked(self, count: int) -> Int:
        """Return parents, the best more often: the better of two drawn at random."""
        drawn = self.rng.integers(len(self._losses), size=(2, count))
        better: Int = np.minimum(drawn[0], drawn[1])
        return better
