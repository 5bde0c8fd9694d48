"""What evaluated designs cost under a correction that becomes better during the search.

Evaluations hold cycles by cause as rehearsed, so that a new correction changes the losses of all of
them alike: old and new ones stay comparable, and nothing has to be evaluated again. A layer that
was simulated with the mapping in question costs what the simulation said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from arraysmith.search.evaluate import figures_of, mapped_by
from arraysmith.search.ledger import Evaluation
from arraysmith.search.mapper import rank_of
from arraysmith.search.objective import Cost
from arraysmith.search.rehearsed import Rehearsed, Simulated
from arraysmith.search.run import Run
from arraysmith.search.space import Genome
from arraysmith.sim.calibration import Correction

FOLDS = 10
"""Parts of the simulated designs, of which each is left out in turn to choose the fit."""

DIGITS = 6
"""Decimals that are kept of a fit: more are noise, and differ between machines."""


@dataclass(frozen=True, slots=True)
class Costed:
    """One mapping of a layer under a correction.

    Attributes:
        row: the mapping, as rehearsed.
        cycles: of it.
        energy_pj: of it.
        simulated: whether they are those of a simulation.
    """

    row: Rehearsed
    cycles: int
    energy_pj: float
    simulated: bool


def cost_of(row: Rehearsed, correction: Correction, energy: float) -> Costed:
    """Return what a mapping costs by a correction of cycles, and a factor for energy."""
    said = np.array([row.said])
    cycles = max(row.least, round(float(correction.cycles(said).sum())))
    return Costed(row, cycles, energy * (row.fixed_pj + row.leak_pj * cycles), False)


@dataclass
class Judge:
    """Losses under the present correction.

    Attributes:
        run: the search; its ``calibration`` is set.
        baseline: what losses are relative to.
        correction: of cycles by cause; at first the rehearsals as they are.
        energy: what energies are multiplied with; 1 where both models count alike.
        points: what was simulated, by genome, then by layer and variant.
    """

    run: Run
    baseline: Cost
    correction: Correction = field(default_factory=Correction.none)
    energy: float = 1.0
    points: dict[Genome, dict[tuple[int, int], Simulated]] = field(default_factory=dict)
    _known: dict[Genome, Evaluation] = field(default_factory=dict, repr=False)
    _chosen: dict[Genome, tuple[Costed, ...]] = field(default_factory=dict, repr=False)

    def costed(self, row: Rehearsed) -> Costed:
        """Return what a mapping costs by the correction, simulated or not."""
        return cost_of(row, self.correction, self.energy)

    def chosen(
        self,
        options: Sequence[Sequence[Rehearsed]],
        objective: str,
        points: dict[tuple[int, int], Simulated] | None = None,
    ) -> tuple[Costed, ...]:
        """Return the best mapping of every layer.

        Args:
            options: per layer, mappings to choose from.
            objective: what they are compared by.
            points: what of them was simulated.
        """
        found = []
        for layer, rows in enumerate(options):
            costs = []
            for row in rows:
                point = (points or {}).get((layer, row.variant))
                if point is not None:
                    costs.append(Costed(row, point.total, point.energy_pj, True))
                else:
                    costs.append(self.costed(row))
            found.append(min(costs, key=lambda x: rank_of(objective, x.cycles, x.energy_pj)))
        return tuple(found)

    def choice(self, evaluation: Evaluation) -> tuple[Costed, ...]:
        """Return the best mapping of every layer of a design that has one."""
        genome = evaluation.genome
        if genome not in self._chosen:
            objective = mapped_by(self.run, genome)
            self._chosen[genome] = self.chosen(
                evaluation.options, objective, self.points.get(genome)
            )
        return self._chosen[genome]

    def revised(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation with losses, cycles and energy under the correction."""
        if math.isinf(evaluation.loss):
            return evaluation
        known = self._known.get(evaluation.genome)
        if known is None:
            run = self.run
            architecture = run.space.architecture(evaluation.genome)
            figures = figures_of(run, architecture, self.choice(evaluation))
            known = replace(
                evaluation,
                loss=run.objective.loss(figures, self.baseline),
                losses=tuple(x.loss(figures, self.baseline) for x in run.front),
                cycles=figures.cycles,
                energy_pj=figures.energy_pj,
            )
            self._known[evaluation.genome] = known
        return known

    def learn(self, genome: Genome, layers: Sequence[Simulated]) -> None:
        """Take in what was simulated of a design; ``fit`` then uses it."""
        self.points.setdefault(genome, {}).update((x.key, x) for x in layers)
        self._known.pop(genome, None)
        self._chosen.pop(genome, None)

    def fit(self, evaluations: dict[Genome, Evaluation]) -> None:
        """Fit the correction to all that was simulated; losses follow it from now on.

        Args:
            evaluations: of the designs simulated.
        """
        said: list[list[tuple[float, ...]]] = []
        measured: list[list[tuple[int, ...]]] = []
        ratios = []
        for number, (genome, layers) in enumerate(self.points.items()):
            if number < FOLDS:
                said.append([])
                measured.append([])
            for (layer, variant), point in layers.items():
                rows = evaluations[genome].options[layer]
                row = next(x for x in rows if x.variant == variant)
                said[number % FOLDS].append(row.said)
                measured[number % FOLDS].append(point.cycles)
                ratios.append(point.energy_pj / (row.fixed_pj + row.leak_pj * point.total))
        fitted = Correction.fitted(
            [np.array(x, np.float64) for x in said], [np.array(x, np.float64) for x in measured]
        )
        weights = (tuple(round(x, DIGITS) for x in row) for row in fitted.weights)
        self.correction = Correction(tuple(weights))
        self.energy = round(float(np.exp(np.mean(np.log(ratios)))), DIGITS)
        self._known.clear()
        self._chosen.clear()
