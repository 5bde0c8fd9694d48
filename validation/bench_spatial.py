"""CPU time and memory of the simulator on spatial arrays: a network's convolutions, one by one.

The mapper chooses the mappings (not timed). Kernels are compiled before the clock starts. Times are
CPU seconds, because the machine may be shared. Every layer is simulated twice, skipping iterations
that repeat and with every step (``simulate --no-skip``); the reports must be equal. Then a large
matrix product, of which a small part is simulated both ways and the whole one only with skipping;
what every step of it would take is told from the part's time per step.

The last line says whether all layers together took less than a minute and a gigabyte, with every
step simulated, which VGG-16 on the 168 PEs of Eyeriss has to.

    python validation/bench_spatial.py [DESIGN [NETWORK [DATAFLOW]]]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from math import prod

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Problem, matmul
from arraysmith.sim.cli import Mappings
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tree import Tree
from arraysmith.sim.layers import distinct_layers
from arraysmith.sim.report import Report

SAMPLES = 2000
MOST_SECONDS, MOST_BYTES = 60.0, 10**9
SMALL, LARGE = 256, 4096
"""Rows, columns and depth of the matrix products."""


def timed(
    architecture: Architecture, problem: Problem, mapping: Mapping, *, skip: bool
) -> tuple[Report, float]:
    """Return the Report of a layer and the CPU seconds that it took."""
    begin = time.process_time()
    model = CycleModel(None, CycleParameters(skip=skip))
    report = model.evaluate(architecture, problem, mapping)
    return report, time.process_time() - begin


def steps_of(architecture: Architecture, problem: Problem, mapping: Mapping) -> int:
    """Return the steps of a layer at most: where tiles do not divide there are fewer."""
    tree = Tree.of(architecture, problem, mapping)
    return prod(loop.count for loop in tree.time[: tree.step_loops])


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Print a line per convolution; return 1 if the limits are not kept or reports differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("design", nargs="?", default="eyeriss")
    parser.add_argument("network", nargs="?", default="vgg16")
    parser.add_argument("dataflow", nargs="?", default="row_stationary")
    asked = parser.parse_args()
    architecture = load_architecture(asked.design)
    mappings = Mappings(architecture, None, asked.dataflow, "default", SAMPLES)
    layers = [
        x for x in distinct_layers(load_network(asked.network)) if x.problem.operator == "conv"
    ]
    chosen = [(layer, mappings.of(layer.problem)) for layer in layers]
    first, mapping = chosen[0]
    timed(architecture, first.problem, mapping, skip=True)  # compiles
    equal, totals = True, [0.0, 0.0]
    print(
        f"{'layer':<12}{'times':>6}{'steps':>12}{'every s':>10}{'skip s':>9}{'ratio':>8}"
        f"{'cycles':>15}{'PEs used':>10}"
    )
    for layer, mapping in chosen:
        every, took = timed(architecture, layer.problem, mapping, skip=False)
        report, less = timed(architecture, layer.problem, mapping, skip=True)
        equal = equal and report == every
        totals = [totals[0] + layer.repeat * took, totals[1] + layer.repeat * less]
        print(
            f"{layer.name:<12}{layer.repeat:>6}"
            f"{steps_of(architecture, layer.problem, mapping):>12,}{took:>10.3f}{less:>9.3f}"
            f"{took / less:>8.1f}{report.cycles:>15,}{report.active_pes:>10}"
        )
    kept = totals[0] < MOST_SECONDS and peak_bytes() < MOST_BYTES
    print(
        f"all layers: {totals[0]:.1f} CPU s, skipping {totals[1]:.2f} s "
        f"(ratio {totals[0] / totals[1]:.1f}), peak {peak_bytes() / 1e6:.0f} MB: "
        f"{'ok' if kept else 'too much'}"
    )
    per_step = 0.0
    for size in (SMALL, LARGE):
        problem = matmul(f"gemm {size}^3", m=size, n=size, k=size)
        mapping = mappings.of(problem)
        steps = steps_of(architecture, problem, mapping)
        report, less = timed(architecture, problem, mapping, skip=True)
        if size == SMALL:
            every, took = timed(architecture, problem, mapping, skip=False)
            equal, per_step = equal and report == every, took / steps
        print(
            f"{problem.name}: {steps:,} steps, {report.cycles:,} cycles: {less:.2f} CPU s; every "
            f"step {'took' if size == SMALL else 'would take about'} {per_step * steps:,.2f} s "
            f"(ratio {per_step * steps / less:,.0f}); peak {peak_bytes() / 1e6:.0f} MB"
        )
    print(f"reports with and without skipping are {'equal' if equal else 'DIFFERENT'}")
    return 0 if kept and equal else 1


if __name__ == "__main__":
    sys.exit(main())
