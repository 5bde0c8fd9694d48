"""Random small designs whose children pass words on, with problems and mappings."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import tiny
from cases import Case, any_memory, any_rate

from arraysmith.arch.architecture import Architecture, Compute, Fanout, XyBus
from arraysmith.arch.interconnect import DIRECTIONS, Forwarding
from arraysmith.arch.mapping import Mapping, placed_loops
from arraysmith.arch.problem import TENSORS, Problem, conv

MOST_MACS = 1500
"""Larger problems are drawn again: the twins count word by word."""


def links(random: Random) -> Forwarding:
    """Links in some directions, of any rate and latency."""
    chosen = tuple(x for x in DIRECTIONS if random.random() < 0.6) or ("-x",)
    rate = random.choice((None, Fraction(1), Fraction(1, 2), Fraction(3, 2), Fraction(2)))
    return Forwarding(chosen, rate, random.choice((0, 0, 1, 3)))


def windows(random: Random) -> Problem:
    """A convolution of windows that overlap, or not quite."""
    while True:
        found = conv(
            "conv",
            height=random.randint(5, 8),
            width=random.randint(5, 8),
            in_channels=random.choice((1, 1, 2)),
            out_channels=random.choice((1, 1, 2)),
            window=(random.randint(1, 3), random.randint(2, 3)),
            stride=(random.choice((1, 1, 2)), random.choice((1, 1, 2))),
            padding=(random.randint(0, 2), random.randint(0, 2)),
            dilation=(random.choice((1, 1, 2)), random.choice((1, 1, 2))),
            batch=random.choice((1, 1, 2)),
        )
        if found.macs <= MOST_MACS:
            return found


def chain(random: Random) -> Architecture:
    """A chain of memories; the children of one or two fan-outs pass words on."""
    some = [("ifmap", "ofmap"), ("ifmap",), ("ifmap", "weight"), TENSORS]
    levels = [tiny.memory("dram", TENSORS)]
    if random.random() < 0.7:
        levels.append(tiny.memory("glb", random.choice(some), depth=1 << 20))
    levels.append(Fanout("array", *random.choice(((4, 3), (5, 2), (8, 1))), _bus(random)))
    if random.random() < 0.4:
        levels.append(tiny.memory("local", random.choice(some), depth=1 << 20))
        levels.append(Fanout("lanes", 2, 2, _bus(random)))
    levels.append(tiny.memory("spad", random.choice(some), depth=1 << 20))
    return Architecture("chain", 10**9, "45nm", tuple(levels), Compute())


def _bus(random: Random) -> XyBus:
    return XyBus(
        multicast=random.random() < 0.8,
        diagonal=random.random() < 0.6,
        reduction=random.random() < 0.7,
        adds_above=True,
        forwarding=links(random) if random.random() < 0.8 else None,
    )


def counting_case(seed: int) -> Case:
    """A design to count words on; tiles do not divide for odd seeds."""
    random = Random(seed)
    problem = windows(random) if random.random() < 0.8 else tiny.problem(random)
    while problem.macs > MOST_MACS:
        problem = tiny.problem(random)
    architecture = chain(random)
    choose = tiny.ragged_mapping if seed % 2 else tiny.mapping
    mapping = choose(random, architecture, problem)
    for _ in range(8):
        if _slides(architecture, problem, mapping):
            break
        mapping = choose(random, architecture, problem)
    return architecture, problem, mapping


def _slides(architecture: Architecture, problem: Problem, mapping: Mapping) -> bool:
    """Whether windows are spread over neighbours and move in time above them."""
    loops = [x for x in placed_loops(architecture, problem.size, mapping) if x.count > 1]
    return any(
        x.axis != "t" and x.dim in pair and any(y.axis == "t" and y.dim in pair for y in loops[1:])
        for pair in ("PR", "QS")
        for x in loops
    )


def timed_case(seed: int) -> Case:
    """A design with every switch thrown and links on the chip; ragged tiles for odd seeds."""
    random = Random(f"links {seed}")
    problem = windows(random)
    some = [("ifmap", "ofmap"), ("ifmap",), ("ifmap", "weight"), TENSORS]
    levels = [
        any_memory(random, "dram", TENSORS, None),
        any_memory(random, "glb", random.choice((TENSORS, some[0])), random.choice((300, 4096))),
        Fanout("array", *random.choice(((4, 3), (5, 2), (8, 1))), _timed_bus(random)),
    ]
    if random.random() < 0.3:
        levels.append(any_memory(random, "local", random.choice(some), 4096))
        levels.append(Fanout("lanes", 2, 2, _timed_bus(random)))
    levels.append(any_memory(random, "spad", random.choice(some), random.choice((60, 4096))))
    compute = Compute(energy=tiny.COST, pipeline_cycles=random.choice((1, 3)))
    architecture = Architecture("links", 10**9, "45nm", tuple(levels), compute)
    choose = tiny.ragged_mapping if seed % 2 else tiny.mapping
    mapping = choose(random, architecture, problem)
    for _ in range(12):
        if _slides(architecture, problem, mapping):
            break
        mapping = choose(random, architecture, problem)
    return architecture, problem, mapping


def _timed_bus(random: Random) -> XyBus:
    return replace(
        _bus(random),
        words_per_cycle=any_rate(random),
        latency_cycles=random.choice((0, 0, 2)),
        forwarding=links(random),
    )
