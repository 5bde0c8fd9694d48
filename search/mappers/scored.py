"""From a task to a space of genes, and from its scores to what a mapper returns."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from arraysmith.search.mappers.base import Found, LayerTask
from arraysmith.search.mapping_nests import NestSpace, NothingFitsError
from arraysmith.search.mapping_scores import Scorer

JOULES_PER_PJ = 1e-12

NOTHING = Found(None, 0, 0.0, inf, 0, 0, 0, ())
"""What is found where nothing fits."""


def nest_space(task: LayerTask, *, bypass: bool) -> NestSpace:
    """Return the mappings of a task; ``NestSpace`` says what it raises."""
    return NestSpace(task.architecture, task.problem, task.dataflow, task.setting, bypass=bypass)


def search(task: LayerTask, *, bypass: bool, run: Callable[[NestSpace, Scorer], None]) -> Found:
    """Return what a search finds; nothing, where no mapping fits the design.

    Args:
        task: the layer.
        bypass: whether tensors may pass by memories.
        run: spends the budget of the scorer.

    Raises:
        ArraysmithError: see ``NestSpace``.
    """
    try:
        space = nest_space(task, bypass=bypass)
    except NothingFitsError:
        return NOTHING
    scorer = Scorer(space, task.objective, task.evaluations)
    run(space, scorer)
    return found_of(space, scorer)


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
