"""A whole search: tables, generations, ledger, simulation of the best.

The result depends on the run alone: not on the number of workers, on the machine's speed, or on
whether the search was interrupted on its way.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.registry import lookup
from arraysmith.search.baseline import Baselines, score_baselines
from arraysmith.search.evaluate import (
    Evaluator,
    MappedDesign,
    best_candidates,
    build_tables,
    evaluate_design,
    meshes_of,
)
from arraysmith.search.found import Generation, Ranked, SearchResult
from arraysmith.search.ledger import LEDGER, Evaluation, Ledger
from arraysmith.search.mapper import MappingTable
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.rescore import simulate_designs
from arraysmith.search.result import provenance_of, write_results
from arraysmith.search.run import Run
from arraysmith.search.space import Genome
from arraysmith.search.verify import TRACES, Verification, record_traces, submit_checks
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.pool import process_pool

LOOKED_AT = 20
"""Designs per place among the best that are looked at for different mappings."""


class Progress(Protocol):
    """Hears how far a search is."""

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Begin a stage of ``total`` units (None: unknown); the one before is over."""
        ...

    def step(self, count: int = 1, **facts: Any) -> None:
        """Note ``count`` more units done; ``facts`` are for people."""
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

    def note(self, text: str) -> None:
        """Ignore it."""


def run_search(
    run: Run,
    out: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a whole search into the folder ``out`` and return the content of its result.json.

    Args:
        run: what to search.
        out: folder; made when it does not exist, after everything was checked.
        workers: threads and processes; at least 1.
        resume: continue the search that ``out`` holds; an empty ``out`` starts one.
        progress: hears how far it is.

    Raises:
        InputError: ``out`` holds something and ``resume`` is not set, or the run cannot be met; no
            folder is made then.
        LedgerError: ``out`` holds another run, or a damaged ledger.
        WrongValuesError: the simulator computes something else than the layer: a bug.
    """
    progress = progress or Silence()
    digest = run.digest()
    _check_folder(out, resume=resume)
    if resume and (out / LEDGER).exists():
        Ledger.resume(
            out / LEDGER, digest, run.space.values
        ).close()  # refuse before the work, not after it
    with process_pool(workers) as executor:
        result = _search(run, out, digest, executor, workers, progress)
        verification = _verify(result, out, executor, progress)
    progress.stage("report", None, "file")
    return write_results(result, verification, out)


def _search(
    run: Run, out: Path, digest: str, executor: Executor, workers: int, progress: Progress
) -> SearchResult:
    """Explore the space and simulate the best."""
    search_seed, table_seed, baseline_seed = np.random.SeedSequence(run.seed).spawn(3)
    model = AnalyticalModel(run.setting)
    progress.stage("mappings", len(run.layers), "layer")
    tables = []
    for table in build_tables(
        run,
        table_seed,
        meshes=meshes_of(run.space),
        samples=run.mapper.samples,
        threads=workers,
    ):
        tables.append(table)
        progress.step()
    baselines = score_baselines(run, model, tables, baseline_seed)
    out.mkdir(parents=True, exist_ok=True)
    evaluator = Evaluator(run, tuple(tables), baselines.original.total)
    optimiser: Optimiser[Any] = lookup("optimiser", run.optimiser)(
        Domain(run.space.sizes, run.space.repair),
        np.random.default_rng(search_seed),
        run.settings,
    )
    with _open_ledger(out / LEDGER, run, digest, progress) as ledger:
        generations = _explore(evaluator, optimiser, ledger, workers, progress)
        evaluations = list(ledger.evaluations.values())
    best = _best(run, tables, evaluations)
    closed = [evaluate_design(model, design, run.layers) for _, design in best]
    rivals = [
        evaluate_design(model, MappedDesign(x.architecture, (x.mapping,)), run.layers)
        for x in run.rivals
    ]
    designs = [x.design for x in (baselines.original, baselines.remapped, *rivals, *closed)]
    progress.stage("simulation", len(set(designs)) * len(run.layers), "layer")
    original, remapped, *cycle = simulate_designs(designs, run.layers, executor, progress.step)
    ranked = [
        Ranked(
            found.genome,
            analytical,
            simulated,
            found.loss,
            run.objective.loss(simulated.total, original.total),
        )
        for (found, _), analytical, simulated in zip(
            best, closed, cycle[len(rivals) :], strict=True
        )
    ]
    return SearchResult(
        run=run,
        baselines=baselines,
        baselines_cycle=Baselines(original, remapped),
        rivals=tuple(zip(rivals, cycle[: len(rivals)], strict=True)),
        top=tuple(sorted(ranked, key=lambda x: x.cycle_loss)),
        generations=generations,
        evaluations=len(evaluations),
        drawn=optimiser.drawn,
        repaired=optimiser.repaired,
        mappings=sum(len(table) for table in tables),
    )


def _verify(
    result: SearchResult, out: Path, executor: Executor, progress: Progress
) -> Verification:
    """Check values and store the winner's traces, as far as the run asks for it."""
    run = result.run
    rivals = zip(run.rivals, result.rivals, strict=True)
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
    if stored:
        progress.stage("traces", len(run.layers), "layer")
        offchip = frozenset({run.template.memories[0].name})
        record_traces(
            out / TRACES,
            result.winner.cycle,
            run.layers,
            provenance_of(result),
            offchip if run.traces == "offchip" else None,
            progress.step,
        )
    progress.stage("values", len(checks), "layer")
    values = []
    for check in checks:
        values.append(check.result())
        progress.step()
    return Verification(tuple(values), TRACES if stored else None)


def _check_folder(out: Path, *, resume: bool) -> None:
    """Refuse a folder whose content a new search would mix with, or a file in its place."""
    if out.exists() and not out.is_dir():
        raise InputError([Fault("--out", str(out), "is a file, not a folder")])
    if out.is_dir() and any(out.iterdir()) and not resume:
        rule = "folder is not empty"
        hint = "continue what it holds with --resume, or name another folder"
        raise InputError([Fault("--out", str(out), rule, hint)])
    if resume and out.is_dir() and any(out.iterdir()) and not (out / LEDGER).exists():
        rule = f"holds no search to resume ({LEDGER} is missing)"
        raise InputError([Fault("--out", str(out), rule, "name another folder")])
    # Told now: a search that cannot store anything must not work first.
    ground = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not ground.is_dir():
        rule = f"cannot be made: {ground} is a file, not a folder"
        raise InputError([Fault("--out", str(out), rule, "name another folder")])
    if not os.access(ground, os.W_OK | os.X_OK):
        rule = f"cannot be written: {ground} allows it to nobody like you"
        raise InputError([Fault("--out", str(out), rule, "name another folder")])


def _open_ledger(path: Path, run: Run, digest: str, progress: Progress) -> Ledger:
    if not path.exists():
        return Ledger.create(path, digest, run.space.values)
    ledger = Ledger.resume(path, digest, run.space.values)
    if ledger.dropped:
        progress.note(f"{path.name}: cut off a torn last line of {ledger.dropped} bytes")
    progress.note(f"resuming with {len(ledger.evaluations):,} evaluations")
    return ledger


def _explore(
    evaluator: Evaluator,
    optimiser: Optimiser[Any],
    ledger: Ledger,
    workers: int,
    progress: Progress,
) -> tuple[Generation, ...]:
    """Run the optimiser to its end; what the ledger knows is not evaluated again."""
    progress.stage("search", optimiser.expected, "design")
    generations: list[Generation] = []
    best = math.inf
    with ThreadPoolExecutor(workers) as threads:
        while genomes := optimiser.ask():
            fresh = [x for x in dict.fromkeys(genomes) if x not in ledger.evaluations]
            ledger.append(_evaluated(evaluator, fresh, threads if workers > 1 else None))
            losses = [ledger.evaluations[genome].loss for genome in genomes]
            optimiser.tell(genomes, losses)
            finite = [loss for loss in losses if not math.isinf(loss)]
            best = min([best, *finite])
            generations.append(
                Generation(
                    best, min(finite, default=math.inf), median(finite) if finite else math.inf
                )
            )
            progress.step(len(genomes), generation=len(generations), best=best)
    return tuple(generations)


def _evaluated(
    evaluator: Evaluator, genomes: Sequence[Genome], threads: ThreadPoolExecutor | None
) -> list[Evaluation]:
    apply: Callable[..., Any] = threads.map if threads else map
    return list(apply(evaluator.evaluate, genomes))


def _best(
    run: Run, tables: Sequence[MappingTable], evaluations: Sequence[Evaluation]
) -> list[tuple[Evaluation, MappedDesign]]:
    """Return the best ``run.top`` designs, one per mapping.

    Designs that are mapped alike differ in room to spare and simulate alike: one stands for all.
    Of equal losses the one with less storage comes first, then the smaller genome. Where mappings
    do not suffice the next designs follow.

    Raises:
        ArraysmithError: no design has a legal mapping of every layer.
    """
    finite = [x for x in evaluations if not math.isinf(x.loss)]
    if not finite:
        raise ArraysmithError(
            f"none of {len(evaluations)} designs has a legal mapping of every layer: "
            "widen the space or raise the optimiser's effort"
        )
    finite.sort(key=lambda x: (x.loss, run.space.architecture(x.genome).storage_bits, x.genome))
    chosen: dict[tuple[Mapping, ...], tuple[Evaluation, MappedDesign]] = {}
    alike = []
    for found in finite[: LOOKED_AT * run.top]:
        design = _mapped(run, tables, found.genome)
        if design.mappings in chosen:
            alike.append((found, design))
            continue
        chosen[design.mappings] = (found, design)
        if len(chosen) == run.top:
            break
    return [*chosen.values(), *alike][: run.top]


def _mapped(run: Run, tables: Sequence[MappingTable], genome: Genome) -> MappedDesign:
    architecture = run.space.architecture(genome)
    found = best_candidates(run, tables, architecture)
    assert found is not None  # its loss was finite
    return MappedDesign(architecture, tuple(candidate.mapping for candidate in found))
