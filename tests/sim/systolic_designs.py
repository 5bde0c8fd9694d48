"""Small systolic designs, and a probe that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random

import numpy as np
from hypothesis import assume
from tiny import COST, memory

from arraysmith.arch.architecture import Architecture, Compute, Fanout, ScaleOut, Systolic
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.carrying.reference import random_operands, reference_output
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic
from arraysmith.sim.cycle.systolic.values import systolic_values

DATAFLOWS = ("os", "ws", "is")
PLACES = {
    "os": ("NPQ", "K", "RSC"),
    "ws": ("RSC", "K", "NPQ"),
    "is": ("RSC", "NPQ", "K"),
}
SRAMS = {"ifmap": "ifmap_sram", "weight": "weight_sram", "ofmap": "ofmap_sram"}


INDICES = ("rows", "columns", "stream")


def side_by_side(
    architecture: Architecture,
    mesh_y: int,
    mesh_x: int,
    y: str = "rows",
    x: str = "columns",
    *,
    shared: bool = False,
) -> Architecture:
    """The design with a mesh of its arrays, each with its own SRAMs or all with the same."""
    dram, *srams, array = architecture.levels
    mesh = Fanout("arrays", mesh_x, mesh_y, ScaleOut(y, x))
    levels = (dram, *srams, mesh, array) if shared else (dram, mesh, *srams, array)
    return replace(architecture, levels=levels)


def unless_refused(run, *arguments):
    """Return what ``run`` returns; None when a buffer is too small, its only reason to refuse."""
    try:
        return run(*arguments)
    except ArraysmithError as error:
        if "half of it holds" not in str(error):
            raise
        return None


def words_by_place(report):
    return {(x.level, x.tensor, x.direction): x.words for x in report.accesses}


def right_in_both_models(architecture, problem, mapping, seed):
    """Return (closed form, simulation), checked: results of random operands, words, least time.

    Cases that a buffer is too small for are not for hypothesis to count.
    """
    exact = unless_refused(evaluate_systolic, architecture, problem, mapping)
    assume(exact is not None)
    ifmap, weight = random_operands(problem, seed)
    got = systolic_values(architecture, problem, mapping, ifmap, weight)
    assert np.array_equal(got, reference_output(problem, ifmap, weight))
    report = simulate_systolic(architecture, problem, mapping)
    assert words_by_place(report) == words_by_place(exact)
    assert report.cycles >= exact.compute_cycles
    assert report.cycles * report.pes >= report.macs == problem.macs
    return exact, report


def systolic(
    rows: int,
    columns: int,
    *,
    depth: tuple[int, int, int] = (1 << 20,) * 3,
    offchip: Fraction | int | None = None,
    latency: int = 0,
    offchip_ports: int = 2,
    sram: Fraction | int | None = None,
    ports: int = 2,
    double_buffered: bool = True,
    drain: str = "shift",
    partial_folds: str = "used",
    fold_overlap: str = "none",
    partial_sums: str = "accumulate",
    network: Systolic | None = None,
) -> Architecture:
    """One SRAM of ``depth`` words per tensor; everything else unlimited unless said."""
    return Architecture(
        name="tiny-systolic",
        clock_hz=200_000_000,
        technology="45nm",
        levels=(
            memory(
                "dram", TENSORS, read=offchip, write=offchip, latency=latency, ports=offchip_ports
            ),
            *(
                memory(
                    SRAMS[tensor],
                    (tensor,),
                    depth=words,
                    read=sram,
                    write=sram,
                    ports=ports,
                    double_buffered=double_buffered,
                )
                for tensor, words in zip(TENSORS, depth, strict=True)
            ),
            Fanout(
                "array",
                columns,
                rows,
                network or Systolic(drain, fold_overlap, partial_folds, partial_sums),
            ),
        ),
        compute=Compute(energy=COST),
    )


def stationary(dataflow: str) -> Mapping:
    """The mapping of a systolic dataflow, with loops over dims of extent 1, too."""
    y, x, stream = (tuple(Loop(dim, 1) for dim in dims) for dims in PLACES[dataflow])
    return Mapping(
        (
            LevelMapping("dram", temporal=(Loop("G", 1),)),
            LevelMapping("array", x=x, y=y),
            LevelMapping("mac", temporal=stream),
        )
    )


def faster(architecture: Architecture, level: str, factor: int) -> Architecture:
    """The same design with ``factor`` times the words per cycle at one memory."""
    levels = []
    for one in architecture.levels:
        if one.name == level:
            one = replace(  # noqa: PLW2901 - the copy stands for the original
                one,
                read_words_per_cycle=one.read_words_per_cycle * factor,
                write_words_per_cycle=one.write_words_per_cycle * factor,
            )
        levels.append(one)
    return replace(architecture, levels=tuple(levels))


def any_design(random: Random) -> Architecture:
    """A random design with tight buffers and ports; a few are too small for one step."""
    rows, columns = random.randint(1, 5), random.randint(1, 5)
    return systolic(
        rows,
        columns,
        depth=tuple(random.choice((8, 10, 14, 24, 60, 200, 4000)) for _ in range(3)),
        offchip=random.choice((None, Fraction(1, 3), 1, Fraction(3, 2), 4, 100)),
        latency=random.choice((0, 1, 7)),
        offchip_ports=random.choice((1, 2)),
        sram=random.choice((None, Fraction(1, 2), 1, 3)),
        ports=random.choice((1, 2)),
        double_buffered=random.random() < 0.7,
        drain=random.choice(("shift", "bus", "free")),
        partial_folds=random.choice(("used", "full")),
        fold_overlap=random.choice(("none", "weights", "accumulators")),
        partial_sums=random.choice(("accumulate", "accumulate", "spill")),
    )


@dataclass
class Kept:
    """A probe that keeps what it is told; requests per stream, a row each, in their order."""

    parts: dict[str, list[np.ndarray]] = field(default_factory=dict)
    waits: list[np.ndarray] = field(default_factory=list)
    causes: tuple[str, ...] = ()
    taken: list = field(default_factory=list)
    tau: np.ndarray | None = None

    def wants(self, memory):
        return True

    def requests(self, stream, request_cycle, response_cycle, address, size, tile, port):
        columns = (request_cycle, response_cycle, address, size, tile, port)
        rows = np.stack([np.asarray(x, np.int64) for x in columns], axis=1)
        assert len(rows)
        self.parts.setdefault(stream, []).append(rows)

    def stalls(self, clock_cycle, cycles, cause, names, chains=None):
        rows = np.stack([np.asarray(x, np.int64) for x in (clock_cycle, cycles, cause)], axis=1)
        self.waits.append(rows)
        self.causes = names

    def folds(self, folds):
        self.taken.append(folds)

    def step_cycle(self, tau):
        self.tau = np.asarray(tau, np.int64)

    def stream(self, name: str) -> np.ndarray:
        parts = self.parts.get(name)
        return np.concatenate(parts) if parts else np.zeros((0, 6), np.int64)
