"""Random small cases of the cycle simulator: every switch of a design is thrown."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import tiny

from arraysmith.arch.architecture import Architecture, Memory, XyBus
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import TENSORS, Problem

Case = tuple[Architecture, Problem, Mapping]

MOST_MACS = 1200
"""Larger problems are drawn again: the twins count word by word."""


def case(seed: int) -> Case:
    """A random design with a random problem and a legal mapping; equal seeds, equal cases."""
    random = Random(seed)
    problem = tiny.problem(random)
    while problem.macs > MOST_MACS:
        problem = tiny.problem(random)
    keep = {"glb": tuple(x for x in TENSORS if random.random() < 0.7)}
    names = ("ifmap_spad", "weight_spad", "psum_spad")
    for name, tensor in zip(names, TENSORS, strict=True):
        keep[name] = () if random.random() < 0.15 else (tensor,)
    spads = tuple(
        any_memory(random, name, (tensor,), random.choice((60, 4096)))
        for name, tensor in zip(names, TENSORS, strict=True)
    )
    if random.random() < 0.15:  # one register file for everything
        spads = (any_memory(random, "spad", TENSORS, random.choice((200, 4096))),)
        keep = {"glb": keep["glb"]}
    architecture = tiny.spatial(
        dram=any_memory(random, "dram", TENSORS, None),
        glb=any_memory(random, "glb", TENSORS, random.choice((400, 4096))),
        bus=XyBus(
            words_per_cycle=any_rate(random),
            latency_cycles=random.choice((0, 0, 2)),
            multicast=random.random() < 0.8,
            diagonal=random.random() < 0.6,
            reduction=random.random() < 0.7,
            adds_above=True,
        ),
        spads=spads,
        pipeline=random.choice((1, 3)),
    )
    return architecture, problem, tiny.mapping(random, architecture, problem, keep)


def any_rate(random: Random) -> Fraction | None:
    """A rate of words, or none that limits."""
    return random.choice((None, Fraction(1), Fraction(2), Fraction(1, 2), Fraction(3, 2)))


def any_memory(random: Random, name: str, holds: tuple[str, ...], depth: int | None) -> Memory:
    """A memory with every switch thrown at random."""
    return tiny.memory(
        name,
        holds,
        depth=depth,
        read=any_rate(random),
        write=any_rate(random),
        ports=random.choice((1, 2)),
        double_buffered=random.random() < 0.7,
        latency=0 if depth else random.choice((0, 5, 30)),
    )
