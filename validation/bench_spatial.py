"""CPU time and memory of the simulator on spatial arrays: a network's convolutions, one by one.

The mapper chooses the mappings (not timed). Kernels are compiled before the clock starts. Times are
CPU seconds, because the machine may be shared. Every layer is simulated in three ways: every step
(``simulate --no-skip``), skipping iterations of loops that repeat, and recalling phases that begin
as earlier ones did as well; the reports must be equal. Then a large matrix product, of which a
small part is simulated with every step, too; what that would take for all of it is told from the
part's time per step. Then two cases whose loops hardly repeat, or cannot be skipped: a matrix
product in long phases, and a layer behind a DRAM.

The last line says whether all layers together took less than a minute and a gigabyte, with every
step simulated, which VGG-16 on the 168 PEs of Eyeriss has to.

    python validation/bench_spatial.py [DESIGN [NETWORK [DATAFLOW]]]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import replace
from math import prod

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.dram import Dram
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Problem, matmul
from arraysmith.sim.cli import Mappings
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.nest.tree import Tree
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.dram.device_file import load_device
from arraysmith.sim.layers import distinct_layers
from arraysmith.sim.report import Report

SAMPLES = 2000
MOST_SECONDS, MOST_BYTES = 60.0, 10**9
SMALL, LARGE = 256, 4096
"""Rows, columns and depth of the matrix products."""

EVERY_STEP, LOOPS, ALL = (
    CycleParameters(skip=False),
    CycleParameters(recalled_phases=0),
    CycleParameters(),
)

PHASES = matmul("gemm 2048^3", m=2048, n=2048, k=2048)


def timed(
    architecture: Architecture, problem: Problem, mapping: Mapping, how: CycleParameters
) -> tuple[Report, float]:
    """Return the Report of a layer and the CPU seconds that it took."""
    begin = time.process_time()
    report = CycleModel(None, how).evaluate(architecture, problem, mapping)
    return report, time.process_time() - begin


def timed_in_all_ways(
    architecture: Architecture, problem: Problem, mapping: Mapping
) -> tuple[Report, bool, list[float]]:
    """Return the Report of a layer, whether all ways give it, and what each took."""
    runs = [timed(architecture, problem, mapping, how) for how in (EVERY_STEP, LOOPS, ALL)]
    report = runs[0][0]
    return report, all(other == report for other, _ in runs), [took for _, took in runs]


def behind_dram(architecture: Architecture, device: str) -> Architecture:
    """Return the design with a DRAM in place of its off-chip memory's rate."""
    memory = replace(architecture.memories[0], dram=Dram(device, load_device(device)))
    memory = memory.with_dram_rates(architecture.clock_hz)
    return replace(architecture, levels=(memory, *architecture.levels[1:]))


def where_loops_do_not_repeat() -> bool:
    """Print a line per case; return whether all ways give the same reports."""
    layers = {x.name: x.problem for x in distinct_layers(load_network("vgg16"))}
    cases = (
        ("nvdla-like", "nvdla_like", PHASES, None),
        ("eyeriss", "row_stationary", layers["conv3_2"], "ddr4_2400"),
    )
    equal = True
    for name, dataflow, problem, device in cases:
        architecture = load_architecture(name)
        if device:
            architecture = behind_dram(architecture, device)
        mapping = Mappings(architecture, None, dataflow, "default", SAMPLES).of(problem)
        report, same, took = timed_in_all_ways(architecture, problem, mapping)
        equal = equal and same
        print(
            f"{problem.name} on {name}{f' behind {device}' if device else ''}: "
            f"{steps_of(architecture, problem, mapping):,} steps, {report.cycles:,} cycles: every "
            f"step {took[0]:.2f} CPU s, skipping loops {took[1]:.2f} s, recalling phases "
            f"{took[2]:.2f} s (ratio {took[0] / took[2]:.1f})"
        )
    return equal


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
    timed_in_all_ways(architecture, first.problem, mapping)  # compiles
    equal, totals = True, [0.0, 0.0, 0.0]
    print(
        f"{'layer':<12}{'times':>6}{'steps':>12}{'every s':>10}{'loops s':>9}{'skip s':>9}"
        f"{'ratio':>8}{'cycles':>15}{'PEs used':>10}"
    )
    for layer, mapping in chosen:
        report, same, took = timed_in_all_ways(architecture, layer.problem, mapping)
        equal = equal and same
        totals = [x + layer.repeat * y for x, y in zip(totals, took, strict=True)]
        print(
            f"{layer.name:<12}{layer.repeat:>6}"
            f"{steps_of(architecture, layer.problem, mapping):>12,}{took[0]:>10.3f}{took[1]:>9.3f}"
            f"{took[2]:>9.3f}{took[0] / took[2]:>8.1f}{report.cycles:>15,}{report.active_pes:>10}"
        )
    kept = totals[0] < MOST_SECONDS and peak_bytes() < MOST_BYTES
    print(
        f"all layers: {totals[0]:.1f} CPU s, skipping loops {totals[1]:.2f} s, recalling phases "
        f"{totals[2]:.2f} s (ratio {totals[0] / totals[2]:.1f}), peak {peak_bytes() / 1e6:.0f} MB: "
        f"{'ok' if kept else 'too much'}"
    )
    per_step = 0.0
    for size in (SMALL, LARGE):
        problem = matmul(f"gemm {size}^3", m=size, n=size, k=size)
        mapping = mappings.of(problem)
        steps = steps_of(architecture, problem, mapping)
        report, less = timed(architecture, problem, mapping, ALL)
        if size == SMALL:
            every, whole = timed(architecture, problem, mapping, EVERY_STEP)
            equal, per_step = equal and report == every, whole / steps
        print(
            f"{problem.name}: {steps:,} steps, {report.cycles:,} cycles: {less:.2f} CPU s; every "
            f"step {'took' if size == SMALL else 'would take about'} {per_step * steps:,.2f} s "
            f"(ratio {per_step * steps / less:,.0f}); peak {peak_bytes() / 1e6:.0f} MB"
        )
    equal = where_loops_do_not_repeat() and equal
    print(f"reports with and without skipping are {'equal' if equal else 'DIFFERENT'}")
    return 0 if kept and equal else 1


if __name__ == "__main__":
    sys.exit(main())
