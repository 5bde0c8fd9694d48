"""Better mappings for the best designs of a calibrated search, by its corrected scores.

The genetic mapper scores by closed forms, which see no second half of a memory. It is therefore
asked as the search asked its tables (``alternatives``): on the design, on the design with half the
room, and so on, each time going on from the mapping known. What it finds is rehearsed on the design
as it is, and the best by the last correction is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.search.alternatives import candidate_of, rehearsed
from arraysmith.search.corrected import Costed, cost_of
from arraysmith.search.evaluate import MappedDesign, figures_of
from arraysmith.search.mapper import Candidate, rank_of
from arraysmith.search.mappers.base import LayerTask
from arraysmith.search.objective import Cost
from arraysmith.search.run import Run
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.calibration import Correction

REFINED = -2
"""In place of a variant: a mapping that no table holds."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """The scores that a calibrated search ended with.

    Attributes:
        correction: of cycles by cause.
        energy: what energies are multiplied with.
        mappings: ways to ask for a mapping of a layer.
        baseline: what losses are relative to.
    """

    correction: Correction
    energy: float
    mappings: int
    baseline: Cost

    def cost(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> Costed:
        """Return what a legal mapping costs."""
        report = AnalyticalModel().evaluate(architecture, problem, mapping)
        row = rehearsed(architecture, problem, mapping, report, REFINED, report.cycles)
        return cost_of(row, self.correction, self.energy)

    def loss(self, run: Run, design: MappedDesign) -> float:
        """Return the loss of a design by the run's objective."""
        costs = [
            self.cost(design.architecture, layer.problem, mapping)
            for layer, mapping in zip(run.layers, design.mappings, strict=True)
        ]
        return run.objective.loss(figures_of(run, design.architecture, costs), self.baseline)


def refine_corrected(
    task: LayerTask, known: Mapping, entropy: tuple[int, ...], by: Corrected
) -> Mapping:
    """Return the best mapping by corrected scores that the genetic mapper finds, or ``known``.

    Args:
        task: its evaluations limit every way to ask.
        known: a legal mapping.
        entropy: of everything random.
        by: the scores.
    """
    # Here, not above: only the best designs are refined, and kernels take time to load.
    from arraysmith.search.mappers.genetic import GeneticMapper, GeneticMapperSettings

    mapper = GeneticMapper(GeneticMapperSettings(bypass=False))
    rng = np.random.default_rng(entropy)

    def find(architecture: Architecture, objective: str) -> Candidate | None:
        asked = replace(task, architecture=architecture, objective=objective)
        try:
            found = mapper.find(asked, rng, known=[known])
        except ArraysmithError:  # nothing fits a design with less room
            return None
        if found.mapping is None:
            return None
        return Candidate(found.mapping, found.cycles, found.energy_pj)

    answers = (
        candidate_of(find, task.architecture, task.objective, variant)
        for variant in range(by.mappings)
    )
    options = dict.fromkeys((known, *(x.mapping for x in answers if x is not None)))

    def rank(mapping: Mapping) -> tuple[float, float]:
        cost = by.cost(task.architecture, task.problem, mapping)
        return rank_of(task.objective, cost.cycles, cost.energy_pj)

    return min(options, key=rank)
