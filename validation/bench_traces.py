"""Traces as affine segments against dense columns: size, and speed of writing and expanding.

Simulates a network on a systolic array (ResNet-50 on 128 x 128 PEs, output stationary, unless told
otherwise) once without a probe and once with each recorder, in one process. Dense columns are what
schema version 1 stored: every column of every stream, gzip 1 after shuffling, in the same chunks.
Times are CPU seconds, because the machine may be shared; kernels are compiled before the clock
starts. The last line reads everything back and compares it with the dense columns.

    python validation/bench_traces.py [NETWORK [SIDE [DATAFLOW]]]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Layer
from arraysmith.sim.cli import Mappings
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.layers import distinct_layers
from arraysmith.sim.probe import Chains, Folds, Probe
from arraysmith.traces.columns import ColumnTable
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.recording import address_document
from arraysmith.traces.schema import CHUNK_RECORDS, COLUMNS

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Work:
    """What to simulate.

    Attributes:
        architecture: on this.
        layers: different layers with their mappings.
    """

    architecture: Architecture
    layers: list[tuple[Layer, Mapping]]


class Requests:
    """A probe of every request, and of nothing else: both recorders store that alike."""

    def wants(self, memory: str) -> bool:
        """Return True: the traces are to be complete."""
        return bool(memory)

    def stalls(
        self,
        clock_cycle: Int,
        cycles: Int,
        cause: Int,
        names: tuple[str, ...],
        chains: Chains | None = None,
    ) -> None:
        """Keep nothing."""

    def folds(self, folds: Folds) -> None:
        """Keep nothing."""

    def step_cycle(self, tau: Int) -> None:
        """Keep nothing."""


@dataclass
class Dense(Requests):
    """A probe that writes every request of a layer into dense columns."""

    group: h5py.Group

    def __post_init__(self) -> None:
        """Start without streams."""
        self.tables: dict[str, ColumnTable] = {}

    def requests(self, stream: str, *columns: NDArray[np.generic]) -> None:
        """Write requests."""
        if stream not in self.tables:
            self.tables[stream] = ColumnTable(self.group.create_group(stream), COLUMNS)
        names = [column.name for column in COLUMNS]
        self.tables[stream].append(dict(zip(names, columns, strict=True)))


class Counting(Requests):
    """A probe that has requests worked out and only counts them."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.count = 0

    def requests(self, _: str, request_cycle: Int, *__: NDArray[np.generic]) -> None:
        """Count."""
        self.count += len(request_cycle)


def square(side: int) -> Architecture:
    """Return the preset ``scalesim-default`` with ``side`` x ``side`` PEs and ports as wide."""
    preset = load_architecture("scalesim-default")
    levels: list[Memory | Fanout] = []
    for level in preset.levels:
        if isinstance(level, Fanout):
            levels.append(replace(level, mesh_x=side, mesh_y=side))
        elif isinstance(level, Memory) and level is not preset.memories[0]:
            levels.append(replace(level, width_bits=side * level.word_bits))
        else:
            levels.append(level)
    return replace(preset, name=f"square-{side}", levels=tuple(levels))


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds that ``work`` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def simulate(work: Work, probe_of: Callable[[Layer], Probe | None]) -> int:
    """Simulate all layers, each with its probe; return their cycles."""
    cycles = 0
    for layer, mapping in work.layers:
        model = CycleModel(probe_of(layer))
        cycles += model.evaluate(work.architecture, layer.problem, mapping).cycles
    return cycles


def write_segments(work: Work, path: Path) -> None:
    """Simulate into a trace file."""
    with TraceWriter(path, {}) as writer:
        mapping = dict(work.layers)

        def probe(layer: Layer) -> Probe:
            addresses = address_document(work.architecture, layer.problem)
            return writer.layer(
                layer.name, work.architecture, layer.problem, mapping[layer], addresses
            )

        simulate(work, probe)


def write_dense(work: Work, path: Path) -> None:
    """Simulate into dense columns."""
    with h5py.File(path, "w", libver="earliest") as file:
        probes: list[Dense] = []

        def probe(layer: Layer) -> Probe:
            for stream in probes[-1].tables.values() if probes else ():
                stream.flush()
            probes.append(Dense(file.create_group(layer.name)))
            return probes[-1]

        simulate(work, probe)
        for stream in probes[-1].tables.values():
            stream.flush()


def expand(path: Path) -> int:
    """Read every request of a trace file; return how many there are."""
    with TraceFile(path) as traces:
        streams = [stream for layer in traces.layers for stream in layer.streams]
        return sum(len(part["port"]) for stream in streams for part in stream.chunks())


def read_dense(path: Path) -> None:
    """Read every dense column, a chunk at a time."""
    with h5py.File(path, "r") as file:
        for group in groups(file):
            for start in range(0, len(group["port"]), CHUNK_RECORDS):
                for column in COLUMNS:
                    group[column.name][start : start + CHUNK_RECORDS]


def groups(file: h5py.File) -> list[h5py.Group]:
    """Return the streams of a dense file."""
    return [
        direction
        for layer in file.values()
        for memory in layer.values()
        for tensor in memory.values()
        for direction in tensor.values()
    ]


def equal(path: Path, dense: Path) -> bool:
    """Return whether the trace file holds exactly what the dense columns hold."""
    with TraceFile(path) as traces, h5py.File(dense, "r") as file:
        found = 0
        for layer in traces.layers:
            for stream in layer.streams:
                group = file[layer.name][stream.name]
                found += 1
                if len(stream) != len(group["port"]):
                    return False
                start = 0
                for part in stream.chunks():
                    stop = start + len(part["port"])
                    for name, column in part.items():
                        if not np.array_equal(column, group[name][start:stop]):
                            return False
                    start = stop
        return found == len(groups(file))


def main() -> None:
    """Print sizes, rates and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", nargs="?", default="resnet50")
    parser.add_argument("side", nargs="?", type=int, default=128, help="rows and columns")
    parser.add_argument("dataflow", nargs="?", default="os")
    asked = parser.parse_args()
    network, side, dataflow = asked.network, asked.side, asked.dataflow
    architecture = square(side)
    mappings = Mappings(architecture, None, dataflow, "default", 100)
    layers = [(x, mappings.of(x.problem)) for x in distinct_layers(load_network(network))]
    work = Work(architecture, layers)
    counting = Counting()
    simulate(work, lambda _: counting)  # compiles, too
    with tempfile.TemporaryDirectory() as folder:
        sparse, dense = Path(folder) / "segments.h5", Path(folder) / "dense.h5"
        write_segments(Work(architecture, layers[:1]), sparse)  # compiles
        expand(sparse)
        cycles = simulate(work, lambda _: None)
        alone = timed(lambda: simulate(work, lambda _: None))
        told = timed(lambda: simulate(work, lambda _: Counting()))
        written = {
            "segments": timed(lambda: write_segments(work, sparse)),
            "columns": timed(lambda: write_dense(work, dense)),
        }
        read = {
            "segments": timed(lambda: expand(sparse)),
            "columns": timed(lambda: read_dense(dense)),
        }
        size = {"segments": sparse.stat().st_size, "columns": dense.stat().st_size}
        count = counting.count
        print(f"{network} on {side} x {side}, {dataflow}: {len(layers)} different layers")
        print(f"{cycles:,} cycles, {count:,} requests, {count / cycles:.0f} per cycle")
        print(f"simulation alone {alone:.2f} s, with requests worked out {told:.2f} s of CPU")
        for kind in ("segments", "columns"):
            print(
                f"{kind:9} {size[kind] / 1e6:8.2f} MB"
                f"   written in {written[kind]:6.2f} s: {written[kind] / cycles * 1e6:5.2f} us"
                f" a cycle, {(written[kind] - told) / count * 1e9:5.1f} ns a request for recording"
                f"   read in {read[kind]:6.2f} s: {count / read[kind] / 1e6:6.1f} M requests/s"
            )
        ratios = [x["columns"] / x["segments"] for x in (size, written, read)]
        print("columns / segments: size {:.1f}, writing {:.1f}, reading {:.1f}".format(*ratios))
        same = equal(sparse, dense)
        print("both hold the same requests" if same else "THE REQUESTS DIFFER")
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    main()
