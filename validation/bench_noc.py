"""Simulated cycles per CPU second of an 8x8 mesh with 4 virtual channels, beside BookSim 2.

    python validation/bench_noc.py [--booksim BINARY] [--cycles N]

Both simulate uniform traffic on the same routers (dimension order, buffers of 8 flits, separable
allocators) at several loads, in turn, on one core. CPU time of our side is of drawing the traffic
and simulating it, the kernel compiled before; of the other side it is of the whole program, whose
start takes a few milliseconds, divided by the cycles that it says it took.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.router import Router
from arraysmith.sim.noc.routing import build_routing
from arraysmith.sim.noc.topology import build_topology
from arraysmith.sim.noc.traffic import Traffic

SIDE = 8
LOADS = ((0.05, 1), (0.1, 1), (0.2, 1), (0.3, 1), (0.4, 1), (0.2, 5), (0.3, 5))
"""Flits per terminal and cycle, and flits per packet."""

CHUNK = 250
"""Cycles of traffic drawn at a time."""


def ours(rate: float, flits: int, cycles: int) -> tuple[float, float]:
    """Return cycles per CPU second, and the mean latency."""
    mesh = build_topology("mesh", (SIDE, SIDE))
    network = Network(mesh, build_routing("xy"), Router())
    traffic = Traffic("uniform", flits)
    rng = np.random.default_rng(7)
    latencies = []
    start = time.process_time()
    while network.now < cycles:
        now = network.now
        sources, targets, when = traffic.packets(mesh, rate, now, now + CHUNK, rng)
        network.inject(sources, targets, flits, when)
        latencies.append(network.latencies(network.advance(now + CHUNK))[0])
    took = time.process_time() - start
    return cycles / took, float(np.concatenate(latencies).mean())


def theirs(binary: Path, rate: float, flits: int, cycles: int) -> tuple[float, float]:
    """Return cycles per CPU second, and the mean latency."""
    settings = {
        "topology": "mesh", "k": SIDE, "n": 2, "routing_function": "dor", "num_vcs": 4,
        "vc_buf_size": 8, "wait_for_tail_credit": 0, "vc_allocator": "separable_input_first",
        "sw_allocator": "separable_input_first", "credit_delay": 1, "routing_delay": 0,
        "vc_alloc_delay": 1, "sw_alloc_delay": 1, "st_final_delay": 1, "input_speedup": 1,
        "output_speedup": 1, "internal_speedup": 1.0, "sim_type": "latency", "traffic": "uniform",
        "packet_size": flits, "injection_rate": rate, "injection_rate_uses_flits": 1, "seed": 7,
        "sample_period": cycles // 4, "warmup_periods": 3, "max_samples": 10,
    }  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write("".join(f"{key} = {value};\n" for key, value in settings.items()))
        file.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([str(binary), file.name], capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    latency = re.findall(r"Packet latency average = ([0-9.]+)", done.stdout)
    simulated = re.findall(r"Time taken is (\d+) cycles", done.stdout)
    if not simulated:
        raise SystemExit(f"{binary} did not say how many cycles it took:\n{done.stdout[-500:]}")
    return int(simulated[-1]) / took, float(latency[-1])


def main() -> None:
    """Print a row per load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--booksim", type=Path, help="that program's binary")
    parser.add_argument("--cycles", type=int, default=8000)
    options = parser.parse_args()
    ours(0.1, 1, CHUNK)  # compiles, or reads what was compiled
    print("load  flits  cycles/s  latency" + "  BookSim  latency  ratio" * bool(options.booksim))
    for rate, flits in LOADS:
        speed, latency = ours(rate, flits, options.cycles)
        line = f"{rate:4.2f}  {flits:5d}  {speed:8,.0f}  {latency:7.2f}"
        if options.booksim:
            other, other_latency = theirs(options.booksim, rate, flits, options.cycles)
            line += f"  {other:7,.0f}  {other_latency:7.2f}  {speed / other:5.1f}"
        print(line)


if __name__ == "__main__":
    main()
