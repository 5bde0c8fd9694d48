"""Small architectures, requests and Reports made by hand for the tests of this folder."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, Memory, XyBus
from arraysmith.arch.loader import dump_architecture, dump_mapping
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.networks import dump_network
from arraysmith.arch.problem import Layer, Network, conv
from arraysmith.sim.report import Access, Component, Report, Traffic
from arraysmith.traces.recorder import TraceWriter

TENSORS = ("ifmap", "weight", "ofmap")
DESIGN = Architecture(
    "tiny",
    200_000_000,
    "65nm",
    (
        Memory("dram", "lpddr4", TENSORS, 64, 8, latency_cycles=10),
        Memory("glb", "sram", TENSORS, 64, 8, 128, Fraction(16), Fraction(31, 3)),
        Fanout("array", 4, 2, XyBus(Fraction(2))),
        Memory("spad", "regfile", TENSORS, 16, 8, 64),
    ),
)
LAYER = conv("one", height=6, width=6, in_channels=2, out_channels=4, window=(3, 3))
MAPPING = from_factors(
    DESIGN,
    (
        ("dram", "t", "P", 4),
        ("glb", "t", "C", 2),
        ("array", "x", "Q", 4),
        ("array", "y", "K", 2),
        ("spad", "t", "K", 2),
        ("spad", "t", "R", 3),
        ("spad", "t", "S", 3),
    ),
)


def report(cycles: int = 1000, scale: float = 1.0, fidelity: str = "analytical") -> Report:
    """Return a Report with a tenth of its cycles stalled and energies times ``scale``."""
    stall = cycles // 10
    return Report(
        fidelity=fidelity,
        setting="default",
        macs=4 * cycles,
        flops=8 * cycles - 64,
        pes=8,
        clock_hz=200_000_000,
        compute_cycles=cycles - stall,
        stalls=(("fill", stall - stall // 2), ("drain", stall // 2)),
        active_pes=6,
        accesses=(
            Access("dram", "ifmap", "read", 300, 38, 1000.5 * scale),
            Access("dram", "weight", "read", 100, 13, 250.25 * scale),
            Access("glb", "ofmap", "update", 900, 120, 77.125 * scale),
        ),
        traffic=(Traffic("array", "ifmap", "multicast", 100, 300),),
        mac_energy_pj=33.0 * scale,
        leakage_energy_pj=5.5,
        area=(Component("glb", 1, 1e4), Component("mac", 8, 90.0)),
    )


def regular(lanes: int, turns: int, taps: int, wait: int = 0) -> dict[str, np.ndarray]:
    """Return columns of lanes that walk the same nest, each a cycle after its neighbour.

    Args:
        lanes: ports 0 to lanes - 1, with starts 7 bytes apart.
        turns: of the outer loop, 100 bytes each.
        taps: of the inner loop, 4 bytes each.
        wait: cycles for which everything stands still halfway.
    """
    lane, turn, tap = (x.ravel() for x in np.mgrid[:lanes, :turns, :taps])
    time = lane + turn * taps + tap
    order = np.lexsort((lane, time))
    cycle = 11 + time + wait * (time > turns)
    columns = {
        "request_cycle": cycle.astype(np.int64),
        "response_cycle": (cycle + 3).astype(np.int64),
        "address": (1000 + 7 * lane + 100 * turn + 4 * tap).astype(np.uint64),
        "size": np.full(len(lane), 4, np.uint32),
        "tile": np.full(len(lane), 5, np.uint32),
        "port": lane.astype(np.uint16),
    }
    return {name: column[order] for name, column in columns.items()}


def requests(count: int, seed: int, top: int = 2**64) -> dict[str, np.ndarray]:
    """Return columns of ``count`` plausible requests at even addresses below ``top``."""
    random = np.random.default_rng(seed)
    issued = np.cumsum(random.integers(0, 5, count)).astype(np.int64)
    return {
        "request_cycle": issued,
        "response_cycle": issued + random.integers(1, 200, count),
        "address": random.integers(0, top // 2, count, dtype=np.uint64) * np.uint64(2),
        "size": random.integers(1, 65, count).astype(np.uint32),
        "tile": np.sort(random.integers(0, 9, count)).astype(np.uint32),
        "port": random.integers(0, 4, count).astype(np.uint16),
    }


STREAMS = ("dram/ifmap/read", "glb/ofmap/write", "glb/ifmap/read")


def fill(
    writer: TraceWriter, name: str = "one", count: int = 500, batch: int = 100, **more
) -> None:
    """Record ``count`` requests in each of ``STREAMS``, ``batch`` at a time."""
    probe = writer.layer(name, DESIGN, LAYER, MAPPING, {"dram": {"ifmap": 0}}, **more)
    for start in range(0, count, batch):
        for seed, stream in enumerate(STREAMS):
            columns = requests(count, seed)
            probe.requests(stream, *(x[start : start + batch] for x in columns.values()))


def simulate_command(folder: Path) -> list[str]:
    """Write the tiny design, mapping and layer to files; return the command that simulates them."""
    (folder / "design.yaml").write_text(dump_architecture(DESIGN))
    (folder / "mapping.yaml").write_text(dump_mapping(MAPPING))
    (folder / "network.yaml").write_text(dump_network(Network("tiny", (Layer(LAYER),))))
    files = [str(folder / name) for name in ("design.yaml", "network.yaml")]
    return ["simulate", *files, "--mapping", str(folder / "mapping.yaml")]
