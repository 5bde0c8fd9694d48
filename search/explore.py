"""The loop of a search: an optimiser asks, the ledger or an evaluator answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, Protocol

import numpy as np

from arraysmith.search.found import Generation
from arraysmith.search.ledger import Evaluation, Ledger
from arraysmith.search.optimisers.base import Optimiser
from arraysmith.search.pareto import Values, front, hypervolume
from arraysmith.search.space import Genome

Score = Callable[[Sequence[Genome]], list[Evaluation]]
"""Evaluates genomes, in their order."""


class Progress(Protocol):
    """Hears how far a search is."""

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Begin a stage of ``total`` units (None: unknown); the one before is over."""
        ...

    def step(self, count: int = 1, **facts: Any) -> None:
        """Note ``count`` more units done; ``facts`` are for people."""
        ...

    def scored(self, count: int, compared: int) -> None:
        """Note that so many mappings were scored in full, and so many compared in all."""
        ...

    def note(self, text: str) -> None:
        """Tell something that does not belong to the progress."""
        ...


class Silence:
    """A ``Progress`` for nobody."""

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Ignore it."""

    def step(self, count: int = 1, **facts: Any) -> None:
        """Ignore it."""

    def scored(self, count: int, compared: int) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""


class Correcting(Protocol):
    """Makes losses better while a search goes on; see ``rounds``."""

    def after(
        self, evaluations: Sequence[Evaluation], generation: int, tell: Callable[[str], None]
    ) -> bool:
        """Take in what a generation met; return whether losses are others from now on.

        Args:
            evaluations: of the genomes asked, as the ledger has them.
            generation: number of it, from 1, in its search.
            tell: hears how far a round of simulations is.
        """
        ...

    def revised(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation with the losses that hold now."""
        ...

    @property
    def told(self) -> str:
        """How much was simulated, for people."""
        ...


def explore(
    optimiser: Optimiser[Any],
    score: Score,
    ledger: Ledger,
    progress: Progress,
    *,
    vectors: bool,
    correcting: Correcting | None = None,
) -> list[list[Genome]]:
    """Run an optimiser to its end; what the ledger knows is not evaluated again.

    Args:
        optimiser: asks; with ``correcting`` one that is ``revisable``.
        score: evaluates what the ledger does not know.
        ledger: gets everything that was evaluated, a generation at a time.
        progress: hears of every generation.
        vectors: whether the optimiser is told vectors of losses.
        correcting: makes losses better on the way; None tells them as they were evaluated.

    Returns:
        the genomes of every generation.
    """
    progress.stage("search", optimiser.expected, "design")
    batches: list[list[Genome]] = []
    asked = legal = 0

    def final(genome: Genome) -> Evaluation:
        found = ledger.evaluations[genome]
        return found if correcting is None else correcting.revised(found)

    def loss_of(genome: Genome) -> Any:
        found = final(genome)
        return (found.losses or (found.loss,)) if vectors else found.loss

    best = math.inf
    while genomes := optimiser.ask():
        fresh = [x for x in dict.fromkeys(genomes) if x not in ledger.evaluations]
        evaluations = score(fresh)
        ledger.append(evaluations)
        progress.scored(sum(x.scored for x in evaluations), sum(x.compared for x in evaluations))
        batches.append(genomes)
        if correcting is not None:
            facts = {"generation": len(batches)}

            def tell(text: str, facts: dict[str, Any] = facts) -> None:
                progress.step(0, **facts, simulated=text)

            found = [ledger.evaluations[x] for x in genomes]
            if correcting.after(found, len(batches), tell):
                optimiser.revise(loss_of)
                best = min(final(x).loss for batch in batches for x in batch)
        best = min([best, *(final(x).loss for x in genomes)])
        optimiser.tell(genomes, [loss_of(genome) for genome in genomes])
        asked += len(genomes)
        legal += sum(not math.isinf(ledger.evaluations[x].loss) for x in genomes)
        more = {} if correcting is None else {"simulated": correcting.told}
        progress.step(
            len(genomes),
            generation=len(batches),
            best=best,
            feasible=f"{100 * legal / asked:.0f}%",
            **more,
        )
    return batches


def generations_of(
    batches: Sequence[Sequence[Genome]], evaluations: Mapping[Genome, Evaluation]
) -> tuple[list[Generation], list[Values]]:
    """Return the convergence of a search, and the vectors of each generation where there are any.

    Args:
        batches: genomes of every generation.
        evaluations: of them, all by the same model.
    """
    generations: list[Generation] = []
    told: list[Values] = []
    best = math.inf
    for genomes in batches:
        found = [evaluations[genome] for genome in genomes]
        finite = [x.loss for x in found if not math.isinf(x.loss)]
        best = min([best, *finite])
        generations.append(
            Generation(best, min(finite, default=math.inf), median(finite) if finite else math.inf)
        )
        told.append(np.array([x.losses for x in found], np.float64))
    return generations, told


def with_hypervolumes(
    generations: Sequence[Generation], told: Sequence[Values], corner: Sequence[float], box: float
) -> tuple[Generation, ...]:
    """Return the generations with the share of ``box`` that the front met so far covers.

    Args:
        generations: in their order.
        told: vectors of each.
        corner: worst value of every objective.
        box: volume between the corner and the best value of every objective.
    """
    archive = np.empty((0, len(corner)))
    rows = []
    for generation, vectors in zip(generations, told, strict=True):
        archive = np.vstack([archive, vectors])
        archive = archive[front(archive)]
        share = hypervolume(archive, corner) / box if box else 0.0
        rows.append(replace(generation, hypervolume=share))
    return tuple(rows)


def front_of(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the evaluations that no other dominates, by their first objective, then the others."""
    if not evaluations or not evaluations[0].losses:
        return []
    values = np.array([x.losses for x in evaluations], np.float64)
    found = [evaluations[row] for row in front(values)]
    return sorted(found, key=lambda x: (x.losses, x.genome))


def bounds_of(evaluations: Sequence[Evaluation]) -> tuple[tuple[float, ...], float]:
    """Return the worst value of every objective, a tenth beyond, and the volume up to the best.

    What is best and worst is taken over all legal designs of the search.
    """
    values = np.array([x.losses for x in evaluations if not math.isinf(x.loss)], np.float64)
    least, most = values.min(axis=0), values.max(axis=0)
    corner = most + 0.1 * np.where(most > least, most - least, np.abs(most))
    return tuple(map(float, corner)), float(np.prod(corner - least))
