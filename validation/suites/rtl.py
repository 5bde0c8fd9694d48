"""Random layers and arrays against the arrays in SystemVerilog: cycles and every result.

A case is simulated with traces and values, the trace file alone is turned into commands, and the
array in SystemVerilog has to show every result in the cycle and at the port at which the trace
writes it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random

from tqdm import tqdm

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, Systolic
from arraysmith.arch.dataflows import systolic_mapping
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.layout import AXES, INTERLEAVES, LINE, Layout
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import (
    TENSORS,
    Layer,
    Problem,
    WordBits,
    conv,
    matmul,
)
from arraysmith.arch.registry import register
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.recording import simulate_layer
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.rtl.replay import replay_layer

CASES = 30
"""Cases of a run that is not told otherwise."""

SHAPES = (
    *((1, 1), (1, 8), (7, 1), (2, 3), (3, 2), (4, 4), (5, 9), (8, 8)),
    *((16, 5), (6, 16), (13, 11), (16, 16)),
)
"""Rows and columns of the arrays: each takes a build, which is then kept."""

MOST_MACS, MOST_STEPS = 30_000, 96
"""Largest problem of a case, and longest fold."""

SIZES = (1, 1, 2, 3, 4, 5, 7, 9, 12, 16, 20, 24, 33, 40, 48, 96)
RATES = (None, None, None, Fraction(1, 2), Fraction(1), Fraction(3, 2), Fraction(2), Fraction(5))
OFFCHIP_RATES = (None, Fraction(1, 3), Fraction(1), Fraction(3, 2), Fraction(4), Fraction(32))
DEPTHS = (8, 12, 20, 33, 64, 150, 400, 1 << 20)


@dataclass(frozen=True, slots=True)
class Case:
    """One random configuration.

    Attributes:
        name: says seed and number, so that it can be made again, and what it is.
        architecture: the array and its memories.
        problem: the layer.
        mapping: of the dataflow.
    """

    name: str
    architecture: Architecture
    problem: Problem
    mapping: Mapping


@register("suite", "rtl")
def rtl(count: int = CASES, seed: int = 0) -> Outcome:
    """Compare ``count`` random cases; case n of a ``seed`` is always the same one."""
    found: list[Comparison] = []
    bar = tqdm(random_cases(count, seed), total=count, unit="case", disable=None)
    with tempfile.TemporaryDirectory() as folder:
        for case in bar:
            found += compare(case, Path(folder) / "case.h5")
    return Outcome("rtl", tuple(found), {}, {})


def compare(case: Case, path: Path) -> Iterator[Comparison]:
    """Simulate a case with its trace at ``path``, replay that, and yield the numbers of both."""
    with TraceWriter(path, {"case": case.name}) as writer:
        report = simulate_layer(
            case.architecture, Layer(case.problem), case.mapping, writer, values_seed=0
        )
    with TraceFile(path) as traces:
        seen = replay_layer(traces.layers[0])
    yield Comparison(case.name, "cycles", seen.rtl_cycles, report.cycles)
    yield Comparison(case.name, "cycles in the trace", seen.trace_cycles, report.cycles)
    # The first complaint is part of the name, so that it is seen where the case is named.
    name = case.name + "".join(f": {x}" for x in seen.complaints[:1])
    yield Comparison(
        name if seen.wrong else case.name, "outputs", seen.words, seen.words - seen.wrong
    )


def random_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield ``count`` cases: arrays of ``SHAPES`` in turn, all else at random."""
    for number in range(count):
        random = Random(f"rtl {seed} {number}")  # noqa: S311 - cases to try, nothing secret
        shape = SHAPES[(number + seed) % len(SHAPES)]
        while True:
            case = _case(f"seed {seed} case {number}", random, *shape)
            if case is not None:
                yield case
                break


def _case(title: str, random: Random, rows: int, columns: int) -> Case | None:
    """Return a case, or None when the draw is too large or does not fit its memories."""
    dataflow = random.choice(("os", "ws", "is"))
    wiring = Systolic(
        drain=random.choice(("shift", "bus", "free")),
        fold_overlap=random.choice(("none", "weights", "accumulators")),
        partial_folds=random.choice(("used", "full")),
        partial_sums=random.choice(("accumulate", "accumulate", "spill")),
    )
    problem = random.choice((_gemm, _gemm, _conv))(random)
    architecture = _architecture(random, rows, columns, wiring)
    mapping = systolic_mapping(dataflow, architecture, problem)
    steps = {"os": "RSC", "ws": "NPQ", "is": "K"}[dataflow]
    length = 1
    for dim in steps:
        length *= problem.size[dim]
    if length > MOST_STEPS or problem.macs > MOST_MACS:
        return None
    try:
        AnalyticalModel().evaluate(architecture, problem, mapping)
    except ArraysmithError:
        return None  # an SRAM smaller than one step
    words = " ".join(f"{dim}{size}" for dim, size in problem.size.items() if size > 1)
    name = (
        f"{title}: {rows}x{columns} {dataflow} {wiring.drain} {wiring.fold_overlap}"
        f" {wiring.partial_folds} {wiring.partial_sums} {problem.operator} {words}"
    )
    for sram in architecture.memories[1:]:
        if len(sram.holds) > 1:
            name += f" {sram.name}"
        if any(sram.banked(tensor) for tensor in sram.holds):
            name += f" {sram.banks} banks"
    return Case(name, architecture, problem, mapping)


def _gemm(random: Random) -> Problem:
    m, n, k = (random.choice(SIZES) for _ in range(3))
    batch = random.choice((1, 1, 1, 2, 3))
    return matmul("gemm", m=m, n=n, k=k, batch=batch, bits=_bits(random))


def _conv(random: Random) -> Problem:
    window = random.choice((1, 2, 3)), random.choice((1, 2, 3))
    groups = random.choice((1, 1, 1, 2, 3))
    dilation = random.choice((1, 1, 2)), random.choice((1, 1, 2))
    return conv(
        "conv",
        height=dilation[0] * (window[0] - 1) + random.randint(1, 7),
        width=dilation[1] * (window[1] - 1) + random.randint(1, 7),
        in_channels=groups * random.choice((1, 2, 3, 5)),
        out_channels=groups * random.choice((1, 1, 2, 4, 7, 18)),
        window=window,
        stride=(random.choice((1, 1, 2, 3)), random.choice((1, 1, 2))),
        padding=(random.choice((0, 0, 1, 2)), random.choice((0, 0, 1, 3))),
        dilation=dilation,
        groups=groups,
        batch=random.choice((1, 1, 2)),
        bits=_bits(random),
    )


def _bits(random: Random) -> WordBits:
    ifmap, weight, ofmap = (random.choice((8, 8, 16)) for _ in range(3))
    return WordBits(ifmap, weight, ofmap)


def _architecture(random: Random, rows: int, columns: int, wiring: Systolic) -> Architecture:
    ample = random.random() < 0.3  # nothing ever waits but for the first word
    offchip = None if ample else random.choice(OFFCHIP_RATES)
    srams = [
        Memory(
            name=f"{tensor}_sram",
            device="sram",
            holds=(tensor,),
            width_bits=8,
            word_bits=8,
            depth=1 << 20 if ample else random.choice(DEPTHS) + 2 * max(rows, columns),
            read_words_per_cycle=None if ample else random.choice(RATES),
            write_words_per_cycle=None if ample else random.choice(RATES),
            ports=random.choice((1, 2)),
            double_buffered=random.random() < 0.7,
            latency_cycles=random.choice((0, 0, 2)),
        )
        for tensor in TENSORS
    ]
    if random.random() < 0.3:
        srams = _shared(random, srams)
    srams = [_banked(random, sram) if random.random() < 0.2 else sram for sram in srams]
    return Architecture(
        name="random",
        clock_hz=10**9,
        technology="45nm",
        levels=(
            Memory(
                name="dram",
                device="lpddr4",
                holds=TENSORS,
                width_bits=64,
                word_bits=8,
                read_words_per_cycle=offchip,
                write_words_per_cycle=offchip,
                ports=random.choice((1, 2)),
                latency_cycles=0 if ample else random.choice((0, 1, 9, 40)),
                request_bytes=random.choice((5, 64)),
                requests_in_flight=None if ample else random.choice((None, None, 1, 4)),
            ),
            *srams,
            Fanout("array", columns, rows, wiring),
        ),
        compute=Compute(),
    )


def _shared(random: Random, srams: Sequence[Memory]) -> list[Memory]:
    """Put two or three tensors into one SRAM, a part each."""
    mine = random.sample(range(len(srams)), random.choice((2, 3)))
    parts = [srams[place] for place in mine]
    shared = replace(
        parts[0],
        name="_".join((*(part.holds[0] for part in parts), "sram")),
        holds=tuple(part.holds[0] for part in parts),
        depth=sum(part.depth or 0 for part in parts),
        partition=tuple((part.holds[0], part.depth or 0) for part in parts),
    )
    return [shared, *(sram for place, sram in enumerate(srams) if place not in mine)]


def _banked(random: Random, sram: Memory) -> Memory:
    """Give an SRAM of one word a line lines of several words, a layout and banks."""
    words = random.choice((1, 2, 4))
    parts = tuple((tensor, (sram.lines(tensor) or 0) // words) for tensor in sram.holds)
    depth = sum(lines for _, lines in parts)
    interleave = random.choice(INTERLEAVES)
    parted = depth if interleave == LINE else words
    return replace(
        sram,
        width_bits=sram.word_bits * words,
        depth=depth,
        partition=parts if sram.partition else (),
        banks=random.choice([n for n in (1, 2, 3, 4) if parted % n == 0 and n <= depth]),
        layouts=tuple((x, _layout(random, x, words, interleave)) for x in sram.holds),
    )


def _layout(random: Random, tensor: str, words: int, interleave: str) -> Layout:
    if random.random() < 0.5:
        return Layout(interleave=interleave)
    (first, second), order = random.sample(AXES[tensor], 2), random.sample(AXES[tensor], 2)
    many = random.choice([n for n in (1, 2, 4) if words % n == 0])
    return Layout(((first, many), (second, words // many)), tuple(order), interleave)
