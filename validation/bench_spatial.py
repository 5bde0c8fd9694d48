"""CPU time and memory of the simulator on spatial arrays: a network's convolutions, one by one.

The mapper chooses the mappings (not timed). Kernels are compiled before the clock starts. Times are
CPU seconds, because the machine may be shared. The last line says whether all layers together took
less than a minute and a gigabyte, which VGG-16 on the 168 PEs of Eyeriss has to.

    python validation/bench_spatial.py [DESIGN [NETWORK [DATAFLOW]]]
"""

from __future__ import annotations

import resource
import sys
import time

from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.networks import load_network
from arraysmith.sim.cli import Mappings
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.layers import distinct_layers

DEFAULTS = ("eyeriss", "vgg16", "row_stationary")
SAMPLES = 2000
MOST_SECONDS, MOST_BYTES = 60.0, 10**9


def main(arguments: list[str]) -> int:
    """Print a line per convolution; return 1 if the limits are not kept."""
    design, network, dataflow = (*arguments, *DEFAULTS[len(arguments) :])
    architecture = load_architecture(design)
    mappings = Mappings(architecture, None, dataflow, "default", SAMPLES)
    layers = [x for x in distinct_layers(load_network(network)) if x.problem.operator == "conv"]
    chosen = [(layer, mappings.of(layer.problem)) for layer in layers]
    first, mapping = chosen[0]
    CycleModel().evaluate(architecture, first.problem, mapping)  # compiles
    total = 0.0
    print(f"{'layer':<16}{'times':>6}{'CPU s each':>12}{'cycles':>14}{'PEs used':>10}")
    for layer, mapping in chosen:
        begin = time.process_time()
        report = CycleModel().evaluate(architecture, layer.problem, mapping)
        took = time.process_time() - begin
        total += layer.repeat * took
        print(
            f"{layer.name:<16}{layer.repeat:>6}{took:>12.2f}{report.cycles:>14,}"
            f"{report.active_pes:>10}"
        )
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = total < MOST_SECONDS and peak < MOST_BYTES
    print(
        f"all layers: {total:.1f} CPU s, peak {peak / 1e6:.0f} MB: {'ok' if kept else 'too much'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
