"""The genetic mapper beside GAMMA, random mappings and black-box optimisers, by GAMMA's rules.

Layers, hardware, limits, guard and budgets are those of ``reference/gamma``; mappings are scored by
our rules of MAESTRO, which the suite ``gamma`` compares with the tool. Every method runs with every
seed; medians over the seeds, then geometric means over the layers of a point (hardware and
objective). The black-box optimisers see the flat view of the same space, with the same repair;
mappings that they ask again cost them nothing.

Columns: ``at 100`` and ``at N``, N the budget, are GAMMA's best after 1,000 evaluator calls / the
method's best after that many evaluations; ``most`` is what MACs / PEs and every word once through
L2 leave to win, ``worst`` the layer of the least ratio at the end, ``reached`` the evaluations to
GAMMA's best (geometric mean of medians; the number of layers where the median run did not is behind
it), ``rejected`` the share of evaluations that the guard refuses. ``genetic, physical`` refuses
more: mappings that the rules finish in fewer cycles than the PE with most work computes, or that
move less than every word once.

    python validation/bench_gamma.py [--seeds N] [--budget N] [--ablate] [--jobs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import exp, inf, log
from pathlib import Path
from statistics import median

import numpy as np

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.registry import lookup
from arraysmith.search.mappers.random_search import draw_until_spent
from arraysmith.search.mapping_directives import DRAWN_PER_SEED
from arraysmith.search.mapping_evolution import Effort, Evolution
from arraysmith.search.mapping_genes import FlatView
from arraysmith.search.mapping_scores import Scorer
from arraysmith.sim.tables import text_table
from arraysmith.validation.gamma_reference import Case, cases

EARLY = 100
"""Evaluations at which a search is looked at early."""

BATCH = 20
"""Genomes per batch of a black-box optimiser: GAMMA's population."""

PATIENCE = 20
"""Batches per budget's worth that an optimiser may repeat itself before it counts as done."""

UNCOUNTED = (
    f"An evaluation is a mapping scored by the rules. Not counted: both rows of the genetic mapper "
    f"begin with seeds chosen out of {DRAWN_PER_SEED} times as many mappings by a rough guess from "
    f"steps and words (DirectiveSpace.promise), which the other rows do not have."
)
"""What stands below the table."""

OURS, PHYSICAL, RANDOM = "genetic", "genetic, physical", "random"

BLACK_BOX = {
    "nevergrad DE": ("nevergrad", {"algorithm": "DE"}),
    "nevergrad PSO": ("nevergrad", {"algorithm": "PSO"}),
    "nevergrad TBPSA": ("nevergrad", {"algorithm": "TBPSA"}),
    "nevergrad (1+1)": ("nevergrad", {"algorithm": "OnePlusOne"}),
    "cma": ("cma", {}),
    "pymoo GA": ("pymoo", {"algorithm": "GA"}),
    "annealing": ("annealing", {}),
}
"""Methods -> optimiser and its settings."""

Method = Callable[[Scorer, np.random.Generator], None]


@dataclass(frozen=True)
class Run:
    """One method on one case with one seed.

    Attributes:
        early: loss after ``EARLY`` evaluations; infinite without a valid mapping.
        loss: at the end.
        reached: evaluations until it was no worse than GAMMA's best; infinite if never.
        evaluations: mappings scored.
        rejected: how many of them the guard refused.
        repaired: share of candidates drawn that had to be repaired.
    """

    early: float
    loss: float
    reached: float
    evaluations: int
    rejected: int
    repaired: float


def methods(*, ablate: bool) -> tuple[str, ...]:
    """Return the methods to compare; with ``ablate`` the genetic mapper, a part off at a time."""
    if ablate:
        operators = Effort().operators
        parts = ("heuristic seeds", "adaptive rates", "restarts", *operators)
        return (OURS, *(f"without {part}" for part in parts))
    there = [
        name for name, (package, _) in BLACK_BOX.items()
        if not lookup("optimiser", package).missing_packages()
    ]  # fmt: skip
    return (OURS, PHYSICAL, RANDOM, *there)


def _method(name: str) -> Method:
    if name == RANDOM:
        return lambda scorer, rng: draw_until_spent(scorer, rng, 64)
    if name in BLACK_BOX:
        return lambda scorer, rng: _black_box(name, scorer, rng)
    effort = Effort()
    part = name.removeprefix("without ")
    if part == "heuristic seeds":
        effort = replace(effort, seeded=0.0)
    elif part == "adaptive rates":
        effort = replace(effort, adaptive=False)
    elif part == "restarts":
        effort = replace(effort, patience=0)
    elif part in effort.operators:
        effort = replace(effort, operators=tuple(x for x in effort.operators if x != part))
    elif name not in {OURS, PHYSICAL}:
        raise ArraysmithError(f"no method {name}")
    return lambda scorer, rng: Evolution(scorer, rng, effort).run()


def _black_box(name: str, scorer: Scorer, rng: np.random.Generator) -> None:
    """Let an optimiser search the flat view until the budget is spent."""
    kind, settings = BLACK_BOX[name]
    view = FlatView(scorer.space)
    batches = PATIENCE * -(-scorer.budget // BATCH)
    plug_in = lookup("optimiser", kind)
    shape = {"population": BATCH, "generations": batches, **settings}
    optimiser = plug_in(view.domain, rng, plug_in.settings_type(**shape))
    while scorer.left and (genomes := optimiser.ask()):
        losses = scorer.losses(scorer.legal(view.decode(genomes)))
        optimiser.tell(genomes, np.where(np.isnan(losses), inf, losses).tolist())


def run(name: str, case: Case, seed: int, budget: int) -> Run:
    """Return one run."""
    scorer = Scorer(case.space(strict=name == PHYSICAL), case.objective, budget)
    _method(name)(scorer, np.random.default_rng(seed))
    return Run(
        early=min((loss for at, loss in scorer.curve if at <= EARLY), default=inf),
        loss=scorer.loss,
        reached=next((at for at, loss in scorer.curve if loss <= case.best), inf),
        evaluations=scorer.evaluations,
        rejected=scorer.rejected,
        repaired=scorer.repaired / scorer.drawn,
    )


def _same(case: Case) -> tuple[object, ...]:
    """Return what decides the runs of a case: some layers have equal shapes."""
    return case.hardware, case.objective, case.layer.type, case.layer.sizes, case.best


def compare(
    names: Sequence[str], found: Sequence[Case], *, seeds: int, budget: int, jobs: int = 1
) -> dict[str, dict[str, list[Run]]]:
    """Return the runs of every method on every case (by point and name), a run per seed."""
    distinct = {_same(case): case for case in found}
    work = [
        (name, key, seed) for name in names for key in distinct for seed in range(seeds)
    ]  # fmt: skip
    arguments = ([x[0] for x in work], [distinct[x[1]] for x in work], [x[2] for x in work])
    if jobs == 1:
        results = list(map(run, *arguments, [budget] * len(work)))
    else:
        with ProcessPoolExecutor(jobs) as pool:
            results = list(pool.map(run, *arguments, [budget] * len(work), chunksize=4))
    by: dict[tuple[str, tuple[object, ...]], list[Run]] = {}
    for (name, key, _), result in zip(work, results, strict=True):
        by.setdefault((name, key), []).append(result)
    return {
        name: {f"{case.point} {case.name}": by[name, _same(case)] for case in found}
        for name in names
    }


def mean(values: Sequence[float]) -> float:
    """Return the geometric mean; 0 if one is 0, infinite if one is."""
    if not all(0 < x < inf for x in values):
        return 0.0 if 0.0 in values else inf
    return exp(sum(map(log, values)) / len(values))


def point_rows(
    point: str, found: Sequence[Case], runs: dict[str, dict[str, list[Run]]]
) -> list[tuple[str, ...]]:
    """Return a row per method for one point."""
    members = [case for case in found if case.point == point]
    most = mean([case.best / case.bound for case in members])
    rows: list[tuple[str, ...]] = []
    for name, by_case in runs.items():
        groups = [by_case[f"{point} {case.name}"] for case in members]
        ratio = [
            case.best / median(x.loss for x in group)
            for case, group in zip(members, groups, strict=True)
        ]
        early = [
            case.best / median(x.early for x in group)
            for case, group in zip(members, groups, strict=True)
        ]
        reached = [median(x.reached for x in group) for group in groups]
        missed = sum(x == inf for x in reached)
        least = min(range(len(members)), key=lambda i: ratio[i])
        evaluations = sum(x.evaluations for group in groups for x in group)
        rejected = sum(x.rejected for group in groups for x in group) / evaluations
        rows.append(
            (
                point,
                name,
                f"{mean(early):.3f}",
                f"{mean(ratio):.3f}",
                f"{most:.3f}",
                f"{ratio[least]:.3f} {members[least].name}",
                f"{mean([x for x in reached if x < inf] or [inf]):.0f}"
                + (f" (not {missed})" if missed else ""),
                f"{rejected:.3f}",
                f"{median(x.repaired for group in groups for x in group):.2f}",
            )
        )
    return rows


def ablation_rows(
    found: Sequence[Case], runs: dict[str, dict[str, list[Run]]]
) -> list[tuple[str, ...]]:
    """Return a row per part: loss without it / loss with it, geometric means by point."""
    points = list(dict.fromkeys(case.point for case in found))
    rows = []
    for name, by_case in runs.items():
        cells = []
        for attribute in ("early", "loss"):
            for point in points:
                keys = [f"{point} {case.name}" for case in found if case.point == point]
                cells.append(
                    mean(
                        [
                            median(getattr(x, attribute) for x in by_case[key])
                            / median(getattr(x, attribute) for x in runs[OURS][key])
                            for key in keys
                        ]
                    )
                )
        rows.append((name, *(f"{x:.3f}" for x in cells)))
    return rows


def text(
    found: Sequence[Case], runs: dict[str, dict[str, list[Run]]], budget: int, *, ablate: bool
) -> str:
    """Return the table."""
    points = list(dict.fromkeys(case.point for case in found))
    if ablate:
        heads = [f"{point} at {at}" for at in (EARLY, "end") for point in points]
        return text_table(("", *heads), ablation_rows(found, runs))
    columns = (
        "point", "method", f"at {EARLY}", f"at {budget}", "most", "worst", "reached", "rejected",
        "repaired",
    )  # fmt: skip
    rows = [row for point in points for row in point_rows(point, found, runs)]
    return f"{text_table(columns, rows)}\n\n{UNCOUNTED}"


def main() -> None:
    """Print the table; write all runs where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--ablate", action="store_true", help="a part of ours off at a time")
    parser.add_argument("--only", action="append", metavar="METHOD", help="leave out all others")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file to write every run to")
    options = parser.parse_args()
    found = cases()
    names = methods(ablate=options.ablate)
    runs = compare(
        [name for name in names if name in (options.only or names)],
        found,
        seeds=options.seeds,
        budget=options.budget,
        jobs=options.jobs,
    )
    sys.stdout.write(text(found, runs, options.budget, ablate=options.ablate) + "\n")
    if options.json:
        document = {
            name: {case: [asdict(x) for x in group] for case, group in by_case.items()}
            for name, by_case in runs.items()
        }
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
