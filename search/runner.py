"""A whole search: tables, generations, ledger, simulation of the best.

The result depends on the run alone: not on the number of workers, on the machine's speed, or on
whether the search was interrupted on its way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from arraysmith.arch.errors import InputError
from arraysmith.arch.mapping import Mapping
from arraysmith.search.baseline import Baselines, score_baselines, why_unmappable
from arraysmith.search.corrected import Judge
from arraysmith.search.evaluate import (
    Evaluator,
    MappedDesign,
    Scored,
    build_tables,
    evaluate_design,
)
from arraysmith.search.executors import Workers, workers_of
from arraysmith.search.explore import (
    Progress,
    Score,
    Silence,
    bounds_of,
    explore,
    front_of,
    generations_of,
    with_hypervolumes,
)
from arraysmith.search.finish import finish
from arraysmith.search.folder import check_folder, locked
from arraysmith.search.found import Ranked, SearchResult
from arraysmith.search.ledger import LEDGER, Evaluation, Ledger
from arraysmith.search.objective import Figures
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.refine import Refiner
from arraysmith.search.remote import Job, evaluate_apart, make_evaluator
from arraysmith.search.result import provenance_of, write_results
from arraysmith.search.rounds import Rounds
from arraysmith.search.run import Run
from arraysmith.search.run_spec import TABLE, optimiser_class
from arraysmith.search.sensitivity import sensitivities
from arraysmith.search.space import Genome
from arraysmith.search.verify import TRACES, Verification, record_traces, submit_checks
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.calibration import CalibratedModel
from arraysmith.sim.wait_profile import WaitProfile
from arraysmith.traces.levels import SHARED, traced_levels

RIVAL_SAMPLES = 50_000
"""Mappings looked at for a design to compare with, when the run's mapper has no table."""

LOOKED_AT = 20
"""Designs per place among the best that are looked at for different mappings."""


def run_search(
    run: Run,
    out: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    progress: Progress | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """Run a whole search into the folder ``out`` and return the content of its result.json.

    Args:
        run: what to search.
        out: folder; made when it does not exist.
        workers: threads and processes; at least 1.
        resume: continue the search that ``out`` holds; an empty ``out`` starts one.
        progress: hears how far it is.
        address: of a Dask scheduler, in place of processes and of the run's own ``cluster``.

    Raises:
        InputError: ``out`` holds something and ``resume`` is not set, another search works in it,
            the run cannot be met, or the cluster not reached; no folder is left then.
        LedgerError: ``out`` holds another run, or a damaged ledger.
        WrongValuesError: the simulator computes something else than the layer: a bug.
    """
    progress = progress or Silence()
    digest = run.digest()
    check_folder(out, resume=resume)
    made = [path for path in (out, *out.absolute().parents) if not path.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out, progress.note):
            if (out / LEDGER).exists():  # refuse before the work, not after it
                Ledger.resume(out / LEDGER, digest, run.space.values).close()
            with workers_of(workers, address, run.cluster) as places:
                result = _search(run, out, digest, places, workers, progress)
                verification = _verify(result, out, places.executor, progress)
            progress.stage("report", None, "file")
            return write_results(result, verification, out)
    except InputError as error:
        for path in made:  # nothing was found wrong before the folder was there
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        unplaced = [x for x in error.faults if x.field.startswith("cluster") and not x.line]
        if unplaced:
            place = run.positions.fault
            raise InputError([place(x.field, x.rule, x.hint) for x in unplaced]) from None
        raise


def _search(
    run: Run, out: Path, digest: str, workers: Workers, threads: int, progress: Progress
) -> SearchResult:
    """Explore the space and simulate the best."""
    seeds = np.random.SeedSequence(run.seed).spawn(5)
    search_seed, table_seed, baseline_seed, rival_seed, refine_seed = seeds
    model = AnalyticalModel(run.setting)
    progress.stage("mappings", None if run.dataflows else len(run.layers), "layer")
    unknown = Figures(1, 1.0, 1, 1, 1, 1)  # what losses are relative to follows from the mappings
    evaluator = make_evaluator(run, table_seed, unknown, threads=threads, done=progress.step)
    tables = evaluator.tables
    baselines = score_baselines(run, model, tables, baseline_seed)
    stated = [
        evaluate_design(model, MappedDesign(x.architecture, (x.mapping,)), run.layers)
        for x in run.rivals
        if x.mapping is not None
    ]
    estimated = _best_under_dataflows(run, model, rival_seed, threads)
    evaluator = replace(evaluator, baseline=baselines.original.total)
    search_seeds = [search_seed, *search_seed.spawn(run.repeats - 1)]
    batches = []
    drawn = repaired = 0
    with (
        TemporaryDirectory(prefix="arraysmith-") as scratch,
        _open_ledger(out / LEDGER, run, digest, progress) as ledger,
    ):
        score = _score_with(evaluator, table_seed, workers, Path(scratch))
        rounds = _rounds(run, evaluator, baselines, ledger, workers.executor)
        for seed in search_seeds:
            optimiser = _optimiser(run, seed)
            if rounds is not None:
                rounds.begin()
            batches.append(
                explore(
                    optimiser,
                    score,
                    ledger,
                    progress,
                    vectors=optimiser.takes_vectors(run.settings),
                    correcting=rounds,
                )
            )
            drawn, repaired = drawn + optimiser.drawn, repaired + optimiser.repaired
        evaluations = list(ledger.evaluations.values())
    if rounds is not None:  # all by the last correction
        evaluations = [rounds.revised(x) for x in evaluations]
        baselines = rounds.remapped(baselines)
    mapped = partial(_mapped, evaluator) if rounds is None else rounds.mapped
    by_genome = {x.genome: x for x in evaluations}
    searches = [generations_of(x, by_genome) for x in batches]
    proven = None if rounds is None else rounds.best_simulated()
    best = _best(run, evaluator, evaluations, mapped, proven)
    corner, box = bounds_of(evaluations) if run.front else ((), 0.0)
    curves = [
        with_hypervolumes(generations, told, corner, box) if run.front else tuple(generations)
        for generations, told in searches
    ]
    entropy = tuple(refine_seed.generate_state(4).tolist())
    corrected = None if rounds is None else rounds.corrected
    refiner = Refiner(
        run, model, evaluator.baseline, workers.executor, entropy, progress, corrected
    )
    done = finish(refiner, best, baselines, stated, estimated)
    winner = done.ranked[0]
    gaps: tuple[float | None, ...] = done.gaps
    notes: tuple[tuple[str, ...], ...] = ()
    if run.mapper.name != TABLE:
        gaps, notes = _said(evaluator, winner)
    progress.stage("sensitivity", None, "design")

    def loss_of(genome: Genome) -> float:
        progress.step()
        found = evaluator.evaluate(genome)
        return (found if rounds is None else rounds.revised(found)).loss

    return SearchResult(
        run=run,
        baselines=done.baselines,
        baselines_cycle=done.simulated,
        rivals=tuple(zip(stated, done.stated, strict=True)),
        estimated=done.estimated,
        top=done.ranked,
        generations=curves[0],
        evaluations=len(evaluations),
        drawn=drawn,
        repaired=repaired,
        mappings=sum(len(table) for table in tables),
        repeats=tuple(enumerate(curves)),
        front=tuple(front_of(evaluations)),
        corner=corner,
        scored=sum(x.scored for x in evaluations),
        compared=sum(x.compared for x in evaluations),
        sensitivity=sensitivities(run.space, winner.genome, loss_of),
        gaps=gaps,
        notes=notes,
        rounds=() if rounds is None else tuple(rounds.rounds),
        correction=None if rounds is None else rounds.judge.correction,
        energy=1.0 if rounds is None else rounds.judge.energy,
    )


def _verify(
    result: SearchResult, out: Path, executor: Executor, progress: Progress
) -> Verification:
    """Check values and store the winner's traces, as far as the run asks for it."""
    run = result.run
    rivals = zip(run.stated_rivals, result.rivals, strict=True)
    designs = [
        ("best", result.winner.cycle),
        ("baseline", result.baselines_cycle.original),
        *((rival.label, cycle) for rival, (_, cycle) in rivals),
    ]
    # Values run in the processes while traces are written here.
    checks = submit_checks(
        designs, run.layers, most_macs=run.values_macs, seed=run.seed, executor=executor
    )
    stored = run.traces != "none"
    waiting: tuple[WaitProfile, ...] = ()
    if stored:
        progress.stage("traces", len(run.layers), "layer")
        levels = SHARED if run.traces == "all" else run.traces
        waiting = record_traces(
            out / TRACES,
            result.winner.cycle,
            run.layers,
            provenance_of(result),
            traced_levels(run.template, (levels,)),
            progress.step,
        )
    progress.stage("values", len(checks), "layer")
    values = []
    for check in checks:
        values.append(check.result())
        progress.step()
    return Verification(tuple(values), TRACES if stored else None, waiting)


def _rounds(
    run: Run, evaluator: Evaluator, baselines: Baselines, ledger: Ledger, executor: Executor
) -> Rounds | None:
    """Return what simulates and corrects on the way; None where the run does without."""
    if run.calibration is None:
        return None
    design = baselines.original.design
    baseline = evaluate_design(CalibratedModel(), design, run.layers).total
    return Rounds(Judge(run, baseline), evaluator, ledger, executor, run.calibration)


def _open_ledger(path: Path, run: Run, digest: str, progress: Progress) -> Ledger:
    if not path.exists():
        return Ledger.create(path, digest, run.space.values)
    ledger = Ledger.resume(path, digest, run.space.values)
    if ledger.dropped:
        progress.note(f"{path.name}: cut off a torn last line of {ledger.dropped} bytes")
    progress.note(f"resuming with {len(ledger.evaluations):,} evaluations")
    return ledger


def _score_with(
    evaluator: Evaluator, seed: np.random.SeedSequence, workers: Workers, scratch: Path
) -> Score:
    """Return what evaluates a generation, in this process or by the workers."""
    if not workers.remote and workers.count == 1:
        return lambda genomes: [evaluator.evaluate(genome) for genome in genomes]
    if workers.remote:
        job = Job.travelling(evaluator.run, seed, evaluator.baseline)
    else:
        job = Job.stored(evaluator, scratch)
    return lambda genomes: evaluate_apart(workers.executor, job, genomes, 4 * workers.count)


def _optimiser(run: Run, seed: np.random.SeedSequence) -> Optimiser[Any]:
    space = run.space
    objectives = max(1, len(run.front))
    domain = Domain(space.sizes, space.repair, objectives, space.magnitudes)
    return optimiser_class(run.optimiser)(domain, np.random.default_rng(seed), run.settings)


def _best(
    run: Run,
    evaluator: Evaluator,
    evaluations: Sequence[Evaluation],
    mapped: Callable[[Genome], MappedDesign],
    proven: Genome | None = None,
) -> list[tuple[Evaluation, MappedDesign]]:
    """Return the best ``run.top`` designs, one per mapping.

    Designs that are mapped alike differ in room to spare and simulate alike: one stands for all.
    Of equal losses the one with less storage comes first, then the smaller genome. Where mappings
    do not suffice the next designs follow. The best one simulated on the way, ``proven``, comes on
    top of them if it is not among them: scores of others may promise too much.

    Raises:
        InputError: no design has a legal mapping of every layer.
    """
    finite = [x for x in evaluations if not math.isinf(x.loss)]
    if not finite:
        rule = f"none of {len(evaluations)} designs has a legal mapping of every layer"
        rule += f"; the first of them: {_why(evaluator, evaluations[0].genome)}"
        hint = "widen the space or raise the optimiser's effort"
        raise InputError([run.positions.fault("space", rule, hint)])
    finite.sort(key=lambda x: (x.loss, run.space.architecture(x.genome).storage_bits, x.genome))
    chosen: dict[tuple[Mapping, ...], tuple[Evaluation, MappedDesign]] = {}
    alike = []
    for found in finite[: LOOKED_AT * run.top]:
        design = mapped(found.genome)
        if design.mappings in chosen:
            alike.append((found, design))
            continue
        chosen[design.mappings] = (found, design)
        if len(chosen) == run.top:
            break
    best = [*chosen.values(), *alike][: run.top]
    if proven is not None and all(x.genome != proven for x, _ in best):
        best.append((next(x for x in finite if x.genome == proven), mapped(proven)))
    return best


def _why(evaluator: Evaluator, genome: Genome) -> str:
    """Return why a design has no mapping of the first layer that it has none of."""
    run = evaluator.run
    architecture, objective = run.space.architecture(genome), run.mapper.objective
    pairs = zip(run.layers, evaluator.finders(genome), strict=True)
    reasons = (why_unmappable(x, y.problem, architecture, objective) for y, x in pairs)
    return next((x for x in reasons if x is not None), "a mapper found none of some layer")


def _said(
    evaluator: Evaluator, winner: Ranked
) -> tuple[tuple[float | None, ...], tuple[tuple[str, ...], ...]]:
    """Return how far the winner's mappings may be from the optimum, and what else is said of them.

    None where its mapper does not know.
    """
    # What is proven of the closed forms says nothing of corrected ones.
    if evaluator.run.calibration is not None:
        return (None,) * len(evaluator.run.layers), ()
    found = evaluator.found(winner.genome, winner.analytical.design.architecture)
    assert found is not None  # it was simulated
    return tuple(x.gap for x in found), tuple(x.notes for x in found)


def _mapped(evaluator: Evaluator, genome: Genome) -> MappedDesign:
    architecture = evaluator.run.space.architecture(genome)
    found = evaluator.found(genome, architecture)
    assert found is not None  # its loss was finite
    return MappedDesign(architecture, tuple(candidate.mapping for candidate in found))


def _best_under_dataflows(
    run: Run, model: AnalyticalModel, seed: np.random.SeedSequence, threads: int
) -> tuple[tuple[str, Scored], ...]:
    """Return (label, design with its best mappings) of the rivals that name a dataflow."""
    found = []
    for rival, child in zip(run.rivals, seed.spawn(len(run.rivals)), strict=True):
        if rival.mapping is not None:
            continue
        sides = (side for x in rival.architecture.fanouts for side in (x.mesh_x, x.mesh_y))
        tables = build_tables(
            run,
            child,
            meshes=(tuple(sides),),
            samples=run.mapper.samples if run.mapper.name == TABLE else RIVAL_SAMPLES,
            threads=threads,
            rival=rival,
        )
        mappings = []
        for layer, table in zip(run.layers, tables, strict=True):
            best = table.best(rival.architecture, run.mapper.objective)
            if best is None:
                place = f"compare[{run.rivals.index(rival)}].dataflow"
                rule = f"{layer.name} has no legal mapping on {rival.architecture.name}"
                raise InputError([run.positions.fault(place, rule, "remove it")])
            mappings.append(best.mapping)
        design = MappedDesign(rival.architecture, tuple(mappings))
        found.append((rival.label, evaluate_design(model, design, run.layers)))
    return tuple(found)
