"""The exact mapper's CPU time and proof, the genetic mapper's and Marvel's gap to the optimum.

Twelve layers: six (3 x 3 convolutions of ResNet-18 with padding, a depthwise and a 1 x 1 layer of
MobileNetV2, a product and an attention matrix of BERT) on a machine with two levels of memory and
on one with three. Per layer: CPU seconds, partial mappings looked at, mappings scored, proven or
not, and the least energy x delay. Beside it the genetic mapper over some seeds, and Marvel's
decomposition with the model evaluations that it took.

Then AccelForge's layers on its two machines, rebuilt from ``reference/zigzag/README.md``, with the
CPU seconds that it needed for its optimum. The machines are not the same in all: AccelForge cuts
each tensor's tile at a loop of its own and lets a tensor pass by a memory; nothing ever waits for a
second half of a buffer in it; it uses no factor twice on one axis. Ours waits (``default`` setting)
and cuts all tensors of a memory at one place. CPU seconds of different processors, too.

    python validation/bench_exact.py [--seeds N] [--evaluations N] [--only NAME]

Kernels are compiled before the clock starts, once per machine that runs this.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from arraysmith.arch.architecture import Architecture, Compute, Energy, Fanout, Memory, Ports
from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.problem import TENSORS, Problem, conv, matmul
from arraysmith.arch.registry import lookup
from arraysmith.search.mappers.base import Found, LayerTask
from arraysmith.search.mappers.exact import Exact, ExactFound
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mappers.marvel import Marvel, MarvelFound
from arraysmith.search.mapping_space import splits
from arraysmith.sim.tables import text_table

ACCELFORGE = Path(__file__).parent / "reference" / "zigzag" / "accelforge_edp_search.csv"
"""Its optimal mappings, with CPU seconds."""

UNLIMITED = 10**9
"""Evaluations of a task that ends by itself."""

WITHIN = 0.01
"""Gap to the optimum that the genetic mapper may have."""

FREE = Dataflow("free", "no constraint", ())

DRAM = Memory(
    "dram",
    "lpddr4",
    TENSORS,
    128,
    8,
    read_words_per_cycle=Fraction(16),
    write_words_per_cycle=Fraction(16),
    ports=Ports.SHARED,
    energy=Energy(1280.0, 1280.0),
)
BUFFER = Memory(
    "buffer",
    "sram",
    TENSORS,
    512,
    8,
    depth=4096,
    read_words_per_cycle=Fraction(64),
    write_words_per_cycle=Fraction(64),
    energy=Energy(40.0, 44.0),
)
MAC = Compute(energy=Energy(0.1, 0.1))

TWO = Architecture("two levels", 10**9, "65nm", (DRAM, BUFFER, Fanout("array", 16, 16)), MAC)
THREE = Architecture(
    "three levels",
    10**9,
    "65nm",
    (
        DRAM,
        BUFFER,
        Fanout("array", 16, 16),
        Memory("spad", "regfile", TENSORS, 8, 8, depth=64, energy=Energy(0.06, 0.06)),
    ),
    MAC,
)
LAYERS = {
    "conv 3x3 64, 56": conv(
        "c56", height=56, width=56, in_channels=64, out_channels=64, window=(3, 3), padding=(1, 1)
    ),
    "conv 3x3 256, 14": conv(
        "c14", height=14, width=14, in_channels=256, out_channels=256, window=(3, 3), padding=(1, 1)
    ),
    "depthwise 576, 14": conv(
        "dw",
        height=14,
        width=14,
        in_channels=576,
        out_channels=576,
        groups=576,
        window=(3, 3),
        padding=(1, 1),
    ),
    "1x1 24 to 144, 56": conv(
        "pw", height=56, width=56, in_channels=24, out_channels=144, window=(1, 1)
    ),
    "GEMM 128x768x768": matmul("qkv", m=128, n=768, k=768),
    "attention 12 x 128x128x64": matmul("qk", m=128, n=128, k=64, batch=12),
}

TRI16 = Architecture(
    "tri16_af",
    10**9,
    "65nm",
    (
        DRAM,
        BUFFER,
        Fanout("array", 16, 16),
        Memory("register", "regfile", ("weight",), 8, 8, depth=1, energy=Energy(0.01, 0.01)),
    ),
    MAC,
)
EYERISS = Architecture(
    "eyeriss_af",
    10**9,
    "65nm",
    (
        Memory(
            "dram",
            "lpddr4",
            TENSORS,
            64,
            8,
            read_words_per_cycle=Fraction(8),
            write_words_per_cycle=Fraction(8),
            ports=Ports.SHARED,
            energy=Energy(800.0, 800.0),
        ),
        Memory(
            "buffer",
            "sram",
            TENSORS,
            256,
            8,
            depth=3456,
            read_words_per_cycle=Fraction(32),
            write_words_per_cycle=Fraction(32),
            ports=Ports.SHARED,
            energy=Energy(96.0, 96.0),
        ),
        Fanout("array", 14, 12),
        Memory("input_spad", "regfile", ("ifmap",), 8, 8, depth=12, energy=Energy(0.5, 0.5)),
        Memory("weight_spad", "regfile", ("weight",), 8, 8, depth=224, energy=Energy(0.5, 0.5)),
        Memory("output_spad", "regfile", ("ofmap",), 8, 8, depth=48, energy=Energy(0.5, 0.5)),
    ),
    Compute(energy=Energy(0.5, 0.5)),
)
MACHINES = {
    # One axis shares inputs or weights, the other adds results up.
    "tri16_af": (TRI16, Dataflow("af", "", (LevelRule("array", x=("K",), y=("C", "R", "S")),))),
    "eyeriss_af": (
        EYERISS,
        Dataflow("af", "", (LevelRule("array", x=("N", "P", "Q"), y=("C", "R", "S")),)),
    ),
}


@dataclass(frozen=True)
class Case:
    """A layer on a machine; ``peer`` has AccelForge's row, if it is one of its layers."""

    name: str
    architecture: Architecture
    problem: Problem
    dataflow: Dataflow
    peer: dict[str, str] | None = None

    def task(self, evaluations: int = UNLIMITED) -> LayerTask:
        """Return what a mapper is asked."""
        return LayerTask(
            self.architecture, self.problem, self.dataflow, "default", "edp", evaluations
        )


def twelve() -> tuple[Case, ...]:
    """Return the twelve layers."""
    return tuple(
        Case(f"{name}, {machine.name}", machine, problem, FREE)
        for machine in (TWO, THREE)
        for name, problem in LAYERS.items()
    )


def accelforge() -> Iterator[Case]:
    """Yield AccelForge's layers on its machines."""
    with ACCELFORGE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            machine, dataflow = MACHINES[row["arch"]]
            yield Case(f"{row['layer']}, {row['arch']}", machine, _problem(row), dataflow, row)


def _problem(row: dict[str, str]) -> Problem:
    b, g, k, c, oy, ox, fy, fx, stride = (
        int(row[x]) for x in ("B", "G", "K", "C", "OY", "OX", "FY", "FX", "stride")
    )
    if row["kind"] in {"gemm", "bmm"}:
        return matmul(row["layer"], m=b, n=k, k=c, batch=g)
    return conv(
        row["layer"],
        height=(oy - 1) * stride + fy,
        width=(ox - 1) * stride + fx,
        in_channels=c * g,
        out_channels=k * g,
        window=(fy, fx),
        stride=(stride, stride),
        groups=g,
        batch=b,
    )


def factorisations(case: Case) -> int:
    """Return the points of the exact space, loop orders not counted."""
    space = ExactSpace.of(case.architecture, case.problem, case.dataflow, "default")
    homes = [sum(d in dims for dims in space.open) for d in range(len(case.problem.sizes))]
    total = 0
    for split in space.spreads:
        left = np.array(case.problem.sizes) // space.spread_of(split).prod(axis=0)
        total += math.prod(len(splits(int(x), n)) for x, n in zip(left, homes, strict=True))
    return total


def exact(case: Case) -> tuple[ExactFound, float]:
    """Return what the exact mapper finds, and its CPU seconds."""
    start = process_time()
    found = Exact().find(case.task(), np.random.default_rng(0))
    return found, process_time() - start


def marvel(case: Case) -> tuple[MarvelFound, float]:
    """Return what the decomposition finds, and its CPU seconds."""
    start = process_time()
    found = Marvel().find(case.task(), np.random.default_rng(0))
    return found, process_time() - start


def genetic(case: Case, evaluations: int, seeds: int) -> tuple[Found, ...]:
    """Return what the genetic mapper finds with each seed."""
    mapper = lookup("mapper", "genetic")
    task = case.task(evaluations)
    return tuple(mapper().find(task, np.random.default_rng(seed)) for seed in range(seeds))


def _proof(found: ExactFound) -> str:
    return "proven" if found.proven else f"gap {found.gap:.2%}"


def _twelve_table(cases: tuple[Case, ...], evaluations: int, seeds: int) -> str:
    rows, near = [], 0
    for case in cases:
        best, seconds = exact(case)
        split, split_seconds = marvel(case)
        others = genetic(case, evaluations, seeds) if seeds else ()
        gaps = sorted(max(0.0, x.loss / best.loss - 1) for x in others)
        below = sum(x.loss < best.loss * (1 - 1e-9) for x in others)
        within = sum(gap <= WITHIN for gap in gaps)
        near += bool(gaps) and within >= 0.9 * len(gaps)
        rows.append(
            (
                case.name,
                f"{seconds:.2f}",
                f"{best.nodes:,}",
                f"{best.evaluations:,}",
                _proof(best),
                f"{best.loss:.6g}",
                f"{factorisations(case):.2g}",
                f"{split.loss / best.loss - 1:.2%}",
                f"{split.evaluations:,}",
                f"{split_seconds:.2f}",
                f"{within}/{len(gaps)} ({below} below)" if gaps else "",
                f"{median(x.loss / best.loss - 1 for x in others):+.2%}" if others else "",
                f"{max(x.loss / best.loss - 1 for x in others):+.2%}" if others else "",
            )
        )
        print(" | ".join(rows[-1]), flush=True)
    heads = (
        "layer",
        "CPU s",
        "nodes",
        "scored",
        "proof",
        "EDP, J x cycle",
        "factorisations",
        "Marvel: gap",
        "scored",
        "CPU s",
        f"genetic, {evaluations:,}: within {WITHIN:.0%}",
        "median, beside the optimum",
        "worst",
    )
    note = (
        f"genetic mapper within {WITHIN:.0%} of the proven optimum in 9 of 10 seeds on {near} of "
        f"{len(cases)} layers. Its tiles may be ragged and tensors may pass by memories, so that "
        "it can end below the optimum of the space of whole factors: a gap of 0."
    )
    return text_table(heads, rows, labels=1) + ("\n" + note if seeds else "")


def _accelforge_table(cases: tuple[Case, ...]) -> str:
    rows = []
    for case in cases:
        assert case.peer is not None
        best, seconds = exact(case)
        theirs = float(case.peer["EDP"]) * case.architecture.clock_hz
        spent = float(case.peer["cpu_s"])
        rows.append(
            (
                case.name,
                f"{seconds:.2f}",
                f"{spent:.2f}",
                f"{spent / seconds:.1f}",
                f"{best.nodes:,}",
                _proof(best),
                f"{best.loss:.5g}",
                f"{theirs:.5g}",
                f"{best.loss / theirs:.3f}",
            )
        )
    heads = (
        "layer",
        "CPU s",
        "AccelForge",
        "ratio",
        "nodes",
        "proof",
        "EDP, J x cycle",
        "AccelForge",
        "ratio",
    )
    return text_table(heads, rows, labels=1)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=10, help="of the genetic mapper; 0 leaves out")
    parser.add_argument("--evaluations", type=int, default=5000, help="of the genetic mapper")
    parser.add_argument("--only", default="", help="layers whose name holds this")
    options = parser.parse_args()
    exact(Case("warm", THREE, matmul("warm", m=4, n=4, k=4), FREE))  # compiled and loaded
    own = tuple(x for x in twelve() if options.only in x.name)
    peers = tuple(x for x in accelforge() if options.only in x.name)
    if own:
        print(_twelve_table(own, options.evaluations, options.seeds))
    if peers:
        print(_accelforge_table(peers))


if __name__ == "__main__":
    main()
