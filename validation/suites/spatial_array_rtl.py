"""Random layers on the row-stationary array in SystemVerilog, against the simulator.

A case is simulated, its mapping alone is turned into a program (``validation.spatial_rtl``), and
the array in SystemVerilog has to take as many cycles as the simulator says and to leave every
result of the layer in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from pathlib import Path
from random import Random

from tqdm import tqdm

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, XyBus
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import Mapping, from_factors
from arraysmith.arch.problem import DIMS, TENSORS, Problem, conv
from arraysmith.arch.registry import register
from arraysmith.sim.cycle.carrying.reference import random_operands, reference_output
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.spatial_rtl.bench import build, run
from arraysmith.validation.spatial_rtl.compiler import compile_layer
from arraysmith.validation.spatial_rtl.loops import NoProgramError
from arraysmith.validation.spatial_rtl.program import (
    COLUMNS,
    DEPTH,
    GLB_WORDS,
    ROWS,
    Program,
)

CASES = 100
"""Cases of a run that is not told otherwise."""

MOST_MACS = 12_000
"""Largest problem of a case."""

SPADS = ("ifmap_spad", "weight_spad", "psum_spad")
RATES = (Fraction(1, 3), Fraction(1, 2), *(Fraction(x) for x in (1, 1, 2, 3, 4)))
WIDE = (Fraction(2), Fraction(3), Fraction(4))
"""Rates of the global buffer and of the buses in every fourth case: there transfers begin late in a
cycle, with fewer words in it than the next part could pass."""

ADDED_UP = ("C", "R", "S")


@dataclass(frozen=True, slots=True)
class Case:
    """One random configuration.

    Attributes:
        name: says seed and number, so that it can be made again, and what it is.
        architecture: the array and its memories.
        problem: the layer.
        mapping: of rows of the window over rows of PEs.
        program: of the array in SystemVerilog.
    """

    name: str
    architecture: Architecture
    problem: Problem
    mapping: Mapping
    program: Program


@register("suite", "spatial-array-rtl")
def spatial_array_rtl(count: int = CASES, seed: int = 0) -> Outcome:
    """Compare ``count`` random cases; case n of a ``seed`` is always the same one."""
    found: list[Comparison] = []
    bench = build()
    bar = tqdm(random_cases(count, seed), total=count, unit="case", disable=None)
    with tempfile.TemporaryDirectory() as folder:
        for case in bar:
            found += compare(case, bench, Path(folder) / "case")
    return Outcome("spatial-array-rtl", tuple(found), {}, {})


def compare(case: Case, bench: Path, prefix: Path) -> Iterator[Comparison]:
    """Run a case in both and yield cycles, and results; files go to ``prefix.NAME.hex``."""
    report = CycleModel().evaluate(case.architecture, case.problem, case.mapping)
    case.program.write(prefix)
    seen = run(bench, prefix)
    yield Comparison(case.name, "cycles", seen.cycles, report.cycles)
    # The first complaint is part of the name, so that it is seen where the case is named.
    name = case.name + "".join(f": {x}" for x in seen.complaints[:1])
    words = case.program.results
    yield Comparison(name, "outputs", words, words - seen.wrong)


def random_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield ``count`` cases, all at random."""
    for number in range(count):
        random = Random(f"spatial-array-rtl {seed} {number}")  # noqa: S311 - cases, no secret
        while True:
            case = _case(f"seed {seed} case {number}", random, wide=number % 4 == 3)
            if case is not None:
                yield case
                break


def _case(title: str, random: Random, *, wide: bool) -> Case | None:
    """Return a case, or None when the draw is too large, illegal or none for this array."""
    problem, architecture = _problem(random), _architecture(random, wide=wide)
    if problem.macs > MOST_MACS:
        return None
    mapping = _mapping(random, architecture, problem)
    if check_mapping(architecture, problem, mapping):
        return None
    operands = random_operands(problem, seed=random.randrange(1 << 30))
    results = reference_output(problem, *operands)
    try:
        program = compile_layer(architecture, problem, mapping, operands, results)
    except NoProgramError:
        return None
    sizes = " ".join(f"{dim}{size}" for dim, size in problem.size.items() if size > 1)
    used = [f"{x.dim}{x.tile}" for y in mapping.levels for x in (*y.y, *y.x)]
    name = f"{title}: {sizes} stride {problem.ifmap.axes[3].terms[0][1]} array {' '.join(used)}"
    return Case(name, architecture, problem, mapping, program)


def _problem(random: Random) -> Problem:
    window = random.choice((1, 2, 3, 3)), random.choice((1, 2, 3))
    dilation = random.choice((1, 1, 1, 2)), random.choice((1, 1, 1, 2))
    padding = random.choice((0, 0, 1, 2)), random.choice((0, 0, 1, 2))
    stride = random.choice((1, 1, 2, 3)), random.choice((1, 1, 2))
    rows, columns = random.choice((1, 2, 3, 4, 6, 8)), random.choice((1, 2, 4, 5, 6))
    return conv(
        "conv",
        height=max(1, (rows - 1) * stride[0] + dilation[0] * (window[0] - 1) + 1 - 2 * padding[0]),
        width=max(
            1, (columns - 1) * stride[1] + dilation[1] * (window[1] - 1) + 1 - 2 * padding[1]
        ),
        in_channels=random.choice((1, 2, 3, 4, 6)),
        out_channels=random.choice((1, 2, 3, 4, 6, 8)),
        window=window,
        stride=stride,
        padding=padding,
        dilation=dilation,
        batch=random.choice((1, 1, 1, 2)),
    )


def _architecture(random: Random, *, wide: bool) -> Architecture:
    """Draw a design shrunk to the size of the array, with rates and latencies."""
    near = WIDE if wide else RATES

    def memory(
        name: str, tensors: tuple[str, ...], depth: int | None, ported: bool, latency: int = 0
    ) -> Memory:
        rates = [random.choice(RATES if depth is None else near) if ported else None for _ in "io"]
        device = "lpddr4" if depth is None else "sram" if ported else "regfile"
        return Memory(
            name,
            device,
            tensors,
            8,
            8,
            depth,
            read_words_per_cycle=rates[0],
            write_words_per_cycle=rates[1],
            latency_cycles=latency,
        )

    bus = XyBus(random.choice((None, *near)), latency_cycles=random.choice((0, 0, 1, 2, 5)))
    return Architecture(
        name="row-stationary",
        clock_hz=10**9,
        technology="45nm",
        levels=(
            memory("dram", TENSORS, None, True, random.choice((0, 0, 1, 7, 30))),
            memory("glb", TENSORS, GLB_WORDS, True),
            Fanout("array", COLUMNS, ROWS, bus),
            *(
                memory(name, (tensor,), 2 * DEPTH, False)
                for name, tensor in zip(SPADS, TENSORS, strict=True)
            ),
        ),
        compute=Compute(pipeline_cycles=random.choice((1, 1, 2, 3, 4))),
    )


def _mapping(random: Random, architecture: Architecture, problem: Problem) -> Mapping:
    """Draw a mapping: rows of the window on rows of PEs, mostly; the rest anywhere."""
    places = [("dram", "t"), ("glb", "t"), *((spad, "t") for spad in SPADS)]
    turns: dict[tuple[str, str, str], int] = {}
    room = {"x": COLUMNS, "y": ROWS}
    for dim in random.sample(DIMS, len(DIMS)):
        left = problem.size[dim]
        for prime in _primes(left):
            axes = ["y"] if dim in ADDED_UP else ["x", "y"]
            fitting = [axis for axis in axes if prime <= room[axis]]
            eager = 0.9 if dim in {"R", "P"} else 0.4
            if fitting and random.random() < eager:
                axis = random.choice(fitting)
                room[axis] //= prime
                key = ("array", axis, dim)
            else:
                key = (*random.choice(places), dim)
            turns[key] = turns.get(key, 1) * prime
    order = [level.name for level in architecture.levels]
    factors = [(*key, count) for key, count in turns.items()]
    random.shuffle(factors)
    factors.sort(key=lambda x: (order.index(x[0]), "txy".index(x[1])))
    assert prod(x[3] for x in factors) == problem.macs
    return from_factors(architecture, tuple(factors))


def _primes(number: int) -> Iterator[int]:
    """Yield the prime factors of a small number."""
    for prime in range(2, number + 1):
        while number % prime == 0:
            number //= prime
            yield prime
