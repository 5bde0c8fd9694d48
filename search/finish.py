"""The best designs of a search: better mappings, simulations, ranks, proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from arraysmith.search.baseline import Baselines
from arraysmith.search.evaluate import MappedDesign, Scored, evaluate_design
from arraysmith.search.found import Ranked
from arraysmith.search.ledger import Evaluation
from arraysmith.search.refine import Chosen, Refiner, gaps_of
from arraysmith.search.rescore import simulate_designs


@dataclass(frozen=True)
class Finished:
    """What is known of the best designs.

    Attributes:
        baselines: by the closed forms.
        simulated: the same, simulated.
        stated: rivals with a stated mapping, simulated.
        estimated: (label, by the closed forms) of the others.
        ranked: best simulated loss first.
        gaps: of the first one's layers, see ``Candidate.gap``; None everywhere without tables.
    """

    baselines: Baselines
    simulated: Baselines
    stated: tuple[Scored, ...]
    estimated: tuple[tuple[str, Scored], ...]
    ranked: tuple[Ranked, ...]
    gaps: tuple[float | None, ...]


def finish(
    refiner: Refiner,
    best: Sequence[tuple[Evaluation, MappedDesign]],
    baselines: Baselines,
    stated: Sequence[Scored],
    estimated: tuple[tuple[str, Scored], ...],
) -> Finished:
    """Return the best designs with better mappings, simulated and ranked; see ``refine``.

    Args:
        refiner: of the run.
        best: designs to simulate.
        baselines: as the tables map them.
        stated: rivals with a stated mapping.
        estimated: (label, design) of the rivals that name a dataflow, in their order.
    """
    run, executor, step = refiner.run, refiner.executor, refiner.progress.step
    closed = [evaluate_design(refiner.model, design, run.layers) for _, design in best]
    before = [baselines.remapped, *closed]
    remapped, closed, estimated = _refined(refiner, baselines, best, closed, estimated)
    after = [remapped, *closed]
    # A design simulated on the way has to come out as good: both its mappings are simulated.
    both = [] if refiner.corrected is None else before
    designs = [x.design for x in (baselines.original, *stated, *after, *both)]
    refiner.progress.stage("simulation", len(set(designs)) * len(run.layers), "layer")
    original, *cycle = simulate_designs(designs, run.layers, executor, step)
    simulated, cycle = cycle[: len(stated)], cycle[len(stated) :]
    if both:
        loss = partial(run.objective.loss, baseline=original.total)
        for i, (old, new) in enumerate(zip(cycle[len(after) :], cycle[: len(after)], strict=True)):
            if loss(old.total) < loss(new.total):
                after[i], cycle[i] = before[i], old
    remapped, *closed = after
    again, *cycle = cycle[: len(after)]
    baselines = baselines.remapped_as(remapped)
    ranked = [
        Ranked(
            found.genome,
            analytical,
            rescored,
            found.loss if analytical.design == design else refiner.loss(analytical),
            run.objective.loss(rescored.total, original.total),
        )
        for (found, design), analytical, rescored in zip(best, closed, cycle, strict=True)
    ]
    ranked.sort(key=lambda x: x.cycle_loss)
    winner, baselines, simulated_baselines, gaps = _proven(
        refiner, ranked[0], baselines, Baselines(original, again)
    )
    reference = simulated_baselines.original.total
    others = (
        replace(x, cycle_loss=run.objective.loss(x.cycle.total, reference)) for x in ranked[1:]
    )
    return Finished(
        baselines,
        simulated_baselines,
        tuple(simulated),
        estimated,
        (winner, *others),
        gaps,
    )


def _refined(
    refiner: Refiner,
    baselines: Baselines,
    best: Sequence[tuple[Evaluation, MappedDesign]],
    closed: Sequence[Scored],
    estimated: tuple[tuple[str, Scored], ...],
) -> tuple[Scored, list[Scored], tuple[tuple[str, Scored], ...]]:
    """Return the remapped template, the best designs and rivals with better mappings."""
    run = refiner.run
    flows = [x.dataflow for x in run.rivals if x.dataflow is not None]
    chosen = [Chosen.of(run, baselines.remapped)]
    chosen += [Chosen.of(run, x, found.genome) for (found, _), x in zip(best, closed, strict=True)]
    chosen += [
        Chosen(x.design, (flow,) * len(run.layers))
        for (_, x), flow in zip(estimated, flows, strict=True)
    ]
    remapped, *others = refiner.refined(chosen)
    labels = (label for label, _ in estimated)
    rivals = tuple(zip(labels, others[len(closed) :], strict=True))
    return remapped, others[: len(closed)], rivals


def _proven(
    refiner: Refiner, winner: Ranked, baselines: Baselines, simulated: Baselines
) -> tuple[Ranked, Baselines, Baselines, tuple[float | None, ...]]:
    """Return winner and baselines, simulated anew where a proof found better mappings; the gaps.

    A winner whose better mappings simulate worse stays as it was.
    """
    run = refiner.run
    chosen = [
        Chosen.of(run, baselines.remapped),
        Chosen.of(run, winner.analytical, winner.genome),
    ]
    (remapped, _), (better, bounds) = refiner.proven(chosen)
    baselines = baselines.remapped_as(remapped)
    designs = [x.design for x in (baselines.original, remapped, better)]
    known = {x.design: x for x in (simulated.original, simulated.remapped, winner.cycle)}
    missing = [x for x in dict.fromkeys(designs) if x not in known]
    if missing:
        refiner.progress.stage("simulation", len(missing) * len(run.layers), "layer")
        done = refiner.progress.step
        found = simulate_designs(missing, run.layers, refiner.executor, done)
        known |= dict(zip(missing, found, strict=True))
    original, again, cycle = (known[x] for x in designs)
    loss = run.objective.loss
    winner = replace(winner, cycle_loss=loss(winner.cycle.total, original.total))
    cycle_loss = loss(cycle.total, original.total)
    if cycle_loss < winner.cycle_loss:
        winner = Ranked(winner.genome, better, cycle, refiner.loss(better), cycle_loss)
    return winner, baselines, Baselines(original, again), gaps_of(run, winner.analytical, bounds)
