"""The space of the poster, enumerated as far as possible, and how often its optimum is found.

    python validation/bench_poster.py [--seeds 20] [--depths 8] [--workers 2] [--samples 30000]

The whole space of the run ``poster`` has 3.7 x 10^8 genomes. Here the widths of the scratchpads and
the depths of two of them are fixed; mesh, buffer and weight scratchpad are free as in the run, with
at most so many depths of a memory. Every legal design is scored with its best mapping, once; then
every seed runs the ``genetic`` optimiser with the run's own settings on the same space, from the
same scores. Every genome that is asked for is checked against the budget.

Exit code 3 when a seed misses the optimum, or a design outside the budget was asked for.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from arraysmith.search.evaluate import Evaluator
from arraysmith.search.ledger import Evaluation
from arraysmith.search.objective import Figures
from arraysmith.search.optimisers.base import Domain
from arraysmith.search.optimisers.exhaustive import Exhaustive, ExhaustiveSettings
from arraysmith.search.optimisers.genetic import Genetic, GeneticSettings
from arraysmith.search.remote import Job, evaluate_apart, make_evaluator
from arraysmith.search.run import Run
from arraysmith.search.run_file import load_run
from arraysmith.search.space import Genome, IntegerChoice, Space
from arraysmith.sim.pool import process_pool

FREE = ("array.mesh_x", "glb.width_bits", "glb.depth", "weight_spad.depth")
"""First paths of the parameters that stay free."""

FIXED = {
    "ifmap_spad.width_bits": 32,
    "ifmap_spad.depth": 4,
    "weight_spad.width_bits": 32,
    "psum_spad.width_bits": 64,
    "psum_spad.depth": 4,
}
"""The other parameters: sizes that leave the free ones room on both sides of the budget."""


def narrowed(run: Run, depths: int) -> Run:
    """Return the run with the space of this script; at most ``depths`` depths of a memory."""
    parameters = []
    for parameter in run.space.parameters:
        if parameter.paths[0] not in FREE:
            continue
        kept = parameter
        if isinstance(parameter, IntegerChoice) and len(parameter.values) > depths:
            rows = np.linspace(0, len(parameter.values) - 1, depths).round().astype(int)
            kept = replace(parameter, values=tuple(parameter.values[i] for i in rows))
        parameters.append(kept)
    template = run.space.template.with_values(FIXED)
    return replace(run, space=Space(template, tuple(parameters), run.space.budget))


def enumerated(
    evaluator: Evaluator, domain: Domain, workers: int
) -> tuple[dict[Genome, Evaluation], int]:
    """Return the evaluation of every legal design, and how many genomes are outside the budget."""
    optimiser = Exhaustive(domain, np.random.default_rng(0), ExhaustiveSettings(population=512))
    found: dict[Genome, Evaluation] = {}
    begun = time.monotonic()
    with TemporaryDirectory() as scratch, process_pool(workers) as executor:
        job = Job.stored(evaluator, Path(scratch))
        while genomes := optimiser.ask():
            for evaluation in evaluate_apart(executor, job, genomes, 2 * workers):
                found[evaluation.genome] = evaluation
            optimiser.tell(genomes, [0.0] * len(genomes))
            rate = len(found) / (time.monotonic() - begun)
            print(f"\r{len(found):,} designs, {rate:,.0f} a second", end="", file=sys.stderr)
    print(file=sys.stderr)
    return found, optimiser.repaired


def searched(
    run: Run, domain: Domain, known: dict[Genome, Evaluation], seed: int
) -> tuple[float, int, int, int]:
    """Return (best loss, distinct designs until it, distinct designs, asked outside the budget)."""
    assert isinstance(run.settings, GeneticSettings)  # of the run poster
    optimiser = Genetic(domain, np.random.default_rng(seed), run.settings)
    seen: set[Genome] = set()
    best, when, outside = math.inf, 0, 0
    while genomes := optimiser.ask():
        for genome in genomes:
            outside += genome not in seen and not run.space.fits(genome)
            seen.add(genome)
            if known[genome].loss < best:
                best, when = known[genome].loss, len(seen)
        optimiser.tell(genomes, [known[genome].loss for genome in genomes])
    return best, when, len(seen), outside


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--depths", type=int, default=8, help="depths of a memory, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--samples", type=int, default=30_000)
    arguments = parser.parse_args()
    run = narrowed(load_run("poster"), arguments.depths)
    run = replace(run, mapper=replace(run.mapper, samples=arguments.samples))
    unknown = Figures(1, 1.0, 1, 1, 1, 1)  # the objective is EDP, relative to nothing
    seed = np.random.SeedSequence(run.seed)
    evaluator = make_evaluator(run, seed, unknown, threads=arguments.workers)
    domain = Domain(run.space.sizes, run.space.repair, 1, run.space.magnitudes)
    known, outside = enumerated(evaluator, domain, arguments.workers)
    violations = sum(not run.space.fits(genome) for genome in known)
    optimum = min(known.values(), key=lambda x: x.loss)
    least = optimum.loss
    ties = sum(x.loss == least for x in known.values())
    print(
        f"space: {run.space.genomes:,} genomes, {len(known):,} within the budget, {outside:,} not"
    )
    print(
        f"optimum: {least:.4f} J x cycle, {optimum.cycles:,} cycles, "
        f"{optimum.energy_pj * 1e-6:.2f} uJ, {ties} design(s): {run.space.values(optimum.genome)}"
    )
    hits, efforts = 0, []
    for number in range(1, arguments.seeds + 1):
        best, when, distinct, broken = searched(run, domain, known, number)
        violations += broken
        hits += best == least
        efforts.append(when)
        print(
            f"seed {number:3}: {best:.4f}, {100 * (best / least - 1):+.3f} % of the optimum, after "
            f"{when:,} of {distinct:,} distinct designs"
        )
    share = 100 * float(np.median(efforts)) / len(known)
    print(f"optimum found by {hits} of {arguments.seeds} seeds, median after {share:.1f} % of them")
    print(f"designs outside the budget that were evaluated: {violations}")
    return 0 if hits == arguments.seeds and not violations else 3


if __name__ == "__main__":
    sys.exit(main())
