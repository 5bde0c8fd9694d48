"""From a task to a space of genes, and from its scores to what a mapper returns."""

from __future__ import annotations

from arraysmith.search.mappers.base import Found, LayerTask
from arraysmith.search.mapping_nests import NestSpace
from arraysmith.search.mapping_scores import Scorer

JOULES_PER_PJ = 1e-12


def nest_space(task: LayerTask, *, bypass: bool) -> NestSpace:
    """Return the mappings of a task; ``NestSpace`` says what it raises."""
    return NestSpace(task.architecture, task.problem, task.dataflow, task.setting, bypass=bypass)


def found_of(space: NestSpace, scorer: Scorer) -> Found:
    """Return the best that was scored; losses of ``edp`` in joules x cycles."""
    unit = JOULES_PER_PJ if scorer.objective == "edp" else 1.0
    return Found(
        mapping=None if scorer.best is None else space.mapping(scorer.best),
        cycles=scorer.cycles,
        energy_pj=scorer.energy,
        loss=scorer.loss * unit,
        evaluations=scorer.evaluations,
        drawn=scorer.drawn,
        repaired=scorer.repaired,
        curve=tuple((count, loss * unit) for count, loss in scorer.curve),
    )
