"""Mappings counted per second: by setting, memory levels, dims, padding, batch and threads.

    python -m arraysmith.validation.bench_counting [--mappings N] [--rounds N]

Counting is what a search waits for: the words of every memory, tensor and direction, instances,
tiles and steps of a mapping. Mappings are drawn before the clock starts: every prime factor of
every dim goes to a random place (in time at a memory, over columns or rows of the mesh), loops in
random order. Kernels are compiled before the clock starts, too. Rates of one thread are per second
of its CPU time, because the machine may be shared; rates of several are per second of wall-clock
time. Each is the best of some rounds.

Other tools belong beside ``OURS``: a function that takes the options and yields rows of the table.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator

import numpy as np

from arraysmith.arch.architecture import Architecture, Compute, Energy, Fanout, Memory, XyBus
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import DIMS, TENSORS, Problem, conv, matmul
from arraysmith.search.mapper import build_table, mapping_of
from arraysmith.search.mapping_space import MappingSpace
from arraysmith.sim.analytical.counting import count
from arraysmith.sim.analytical.encoding import (
    COLUMN,
    ROW,
    TEMPORAL,
    ChainArrays,
    MappingArrays,
    ProblemArrays,
)
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.tables import text_table

Row = tuple[str, ...]

COST = Energy(1.0, 1.0)
CHUNK = 1 << 14
"""Mappings at a time in the rows about problems and trees."""

LAYERS = {
    "conv, 7 dims, padded": conv(
        "padded",
        height=56,
        width=56,
        in_channels=128,
        out_channels=256,
        window=(3, 3),
        padding=(1, 1),
        batch=4,
    ),
    "conv, 7 dims": conv(
        "plain", height=58, width=58, in_channels=128, out_channels=256, window=(3, 3), batch=4
    ),
    "conv, 7 dims, stride 2, padded": conv(
        "strided",
        height=112,
        width=112,
        in_channels=64,
        out_channels=128,
        window=(7, 7),
        stride=(2, 2),
        padding=(3, 3),
        batch=4,
    ),
    "conv 1 x 1, 5 dims": conv(
        "pointwise", height=56, width=56, in_channels=128, out_channels=256, window=(1, 1), batch=4
    ),
    "matrix product, 3 dims": matmul("product", m=512, n=512, k=512),
}


def tree(memories: int) -> Architecture:
    """Return off-chip memory, shared buffers, a mesh of 16 x 16, and a register file in each PE."""

    def memory(name: str, depth: int | None) -> Memory:
        return Memory(
            name, "sram" if depth else "lpddr4", TENSORS, 8, 8, depth, None, None, 2, energy=COST
        )

    shared = tuple(memory(f"buffer{i}", 1 << 20) for i in range(memories - 2))
    inner = (memory("registers", 1 << 10),) if memories > 1 else ()
    levels = (memory("dram", None), *shared, Fanout("mesh", 16, 16, XyBus()), *inner)
    return Architecture(f"tree{memories}", 10**9, "45nm", levels, Compute(energy=COST))


def draw(architecture: Architecture, problem: Problem, number: int, seed: int) -> MappingArrays:
    """Return random mappings whose tiles divide and that fit the mesh, capacities aside."""
    rng = np.random.default_rng(seed)
    active = [d for d, size in enumerate(problem.sizes) if size > 1]
    places: list[tuple[int, int, int]] = []  # level, axis, most instances
    for index, level in enumerate(architecture.levels):
        if isinstance(level, Fanout):
            places += [(index, COLUMN, level.mesh_x), (index, ROW, level.mesh_y)]
        else:
            places.append((index, TEMPORAL, 0))
    turns = np.ones((number, len(places), len(DIMS)), np.int64)
    rows = np.arange(number)
    for d in active:
        for prime in primes(problem.sizes[d]):
            place = rng.integers(len(places), size=number)
            for p, (_, axis, most) in enumerate(places):
                full = turns[:, p].prod(axis=1) * prime > most
                place[(place == p) & (axis != TEMPORAL) & full] = 0
            turns[rows, place, d] *= prime
    dims, counts, level_of, axis_of = [], [], [], []
    for p, (index, axis, _) in enumerate(places):
        order = rng.permuted(np.tile(np.array(active), (number, 1)), axis=1)
        dims.append(order)
        counts.append(np.take_along_axis(turns[:, p], order, axis=1))
        level_of += [index] * len(active)
        axis_of += [axis] * len(active)
    return MappingArrays(
        np.array(level_of, np.int64),
        np.array(axis_of, np.int64),
        np.concatenate(dims, axis=1),
        np.concatenate(counts, axis=1),
    )


def primes(number: int) -> list[int]:
    """Return the prime factors of ``number``, repeated as often as they divide it."""
    found, prime = [], 2
    while number > 1:
        while number % prime == 0:
            found.append(prime)
            number //= prime
        prime += 1
    return found


def rate(
    architecture: Architecture,
    problem: Problem,
    options: argparse.Namespace,
    *,
    setting: str = "default",
    batch: int = CHUNK,
    threads: int = 1,
) -> float:
    """Return mappings per second, counted ``batch`` at a time."""
    number = max(options.mappings, batch)
    mappings = draw(architecture, problem, number, seed=0)
    arrays, chain = ProblemArrays.of(problem), ChainArrays.of(architecture, Mapping(()))
    chunks = [mappings.take(slice(i, i + batch)) for i in range(0, number, batch)]
    count(arrays, chain, chunks[0], setting, threads)
    clock: Callable[[], float] = time.process_time if threads == 1 else time.perf_counter
    times = []
    for _ in range(options.rounds):
        start = clock()
        for chunk in chunks:
            count(arrays, chain, chunk, setting, threads)
        times.append(clock() - start)
    best: float = number / min(times)
    return best


def by_problem(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rates of every layer on three levels, by setting."""
    for name, problem in LAYERS.items():
        for setting in ("default", "timeloop"):
            found = rate(tree(3), problem, options, setting=setting)
            yield name, "3", setting, f"{CHUNK:,}", "1", f"{found:,.0f}"


def by_levels(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rates of the padded convolution on trees of one to five memories."""
    name = "conv, 7 dims, padded"
    for memories in (1, 2, 4, 5):
        found = rate(tree(memories), LAYERS[name], options)
        yield name, str(memories), "default", f"{CHUNK:,}", "1", f"{found:,.0f}"


def by_batch(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rates of the padded convolution by batch, on all cores from 1,024 on."""
    name = "conv, 7 dims, padded"
    cores = os.cpu_count() or 1
    for batch in (1, 32, 1024, 1 << 15, 1 << 17):
        for threads in sorted({1, cores if batch >= 1024 else 1}):
            less = argparse.Namespace(**vars(options))
            if batch < 1024:
                less.mappings = 256 * batch
            found = rate(tree(3), LAYERS[name], less, batch=batch, threads=threads)
            yield name, "3", "default", f"{batch:,}", str(threads), f"{found:,.0f}"


OURS = (by_problem, by_levels, by_batch)
"""What is measured: functions that yield rows."""


def one_report_at_a_time(options: argparse.Namespace) -> Iterator[Row]:
    """Yield rates of Reports against those of a mapper's table, on VGG-16 conv1_1."""
    architecture = load_architecture("eyeriss-poster-original")
    problem = load_network("vgg16:conv1_1").layers[0].problem
    dataflow = load_dataflow("row_stationary")
    mesh = [(architecture.fanouts[0].mesh_x, architecture.fanouts[0].mesh_y)]
    few = 100
    for setting in ("timeloop", "default"):
        space = MappingSpace.of(architecture, problem, dataflow, mesh)
        points = next(space.points(np.random.default_rng(0), few))
        model = AnalyticalModel(setting)
        mappings = [mapping_of(space, points.take(slice(i, i + 1))) for i in range(few)]
        legal = [x for x in mappings if not check_mapping(architecture, problem, x)]
        model.evaluate(architecture, problem, legal[0])
        start = time.process_time()
        for mapping in legal:
            model.evaluate(architecture, problem, mapping)
        single = len(legal) / (time.process_time() - start)
        samples = options.mappings
        for _ in range(2):  # compiled the first time
            start = time.process_time()
            table = build_table(
                problem,
                architecture,
                dataflow,
                setting=setting,
                meshes=mesh,
                seed=0,
                samples=samples,
            )
            table.best(architecture, "edp")
            table_rate = min(samples, space.factorisations) / (time.process_time() - start)
        yield setting, f"{single:,.0f}", f"{table_rate:,.0f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mappings", type=int, default=1 << 17, help="mappings a row")
    parser.add_argument("--rounds", type=int, default=3, help="rounds a row; the best counts")
    options = parser.parse_args()
    rows = [row for measure in OURS for row in measure(options)]
    print(text_table(("layer", "memories", "setting", "batch", "threads", "mappings/s"), rows))
    print()
    columns = ("setting", "Reports/s", "mapper's table, mappings/s")
    print(text_table(columns, list(one_report_at_a_time(options))))


if __name__ == "__main__":
    main()
