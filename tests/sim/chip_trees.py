"""Random chains of 2 to 5 memories and 1 to 3 fan-outs, with every switch thrown, and a mapping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random

import tiny
from cases import Case, any_memory, any_rate

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, XyBus
from arraysmith.arch.problem import TENSORS

HOLDS = (("ifmap", "ofmap"), ("weight",), ("ifmap", "weight"), TENSORS, ("ofmap",), TENSORS)
MESHES = ((4, 3), (2, 2), (2, 1))
MOST_MACS = 1000
"""Larger problems are drawn again: the twins count word by word."""


def _bus(random: Random, *, inner: bool) -> XyBus:
    return XyBus(
        words_per_cycle=None if inner else any_rate(random),  # of inner ones: ``tree_case``
        latency_cycles=random.choice((0, 0, 2)),
        multicast=random.random() < 0.8,
        diagonal=random.random() < 0.6,
        reduction=random.random() < 0.7,
        adds_above=True,
    )


def _levels(random: Random) -> tuple[Memory | Fanout, ...]:
    levels: list[Memory | Fanout] = [any_memory(random, "dram", TENSORS, None)]
    for i in range(random.randint(1, 3)):
        for k in range(random.choice((0, 1, 1, 2) if i == 0 else (0, 1))):
            depth = 1 << random.choice((7, 12))
            levels.append(any_memory(random, f"m{i}{k}", random.choice(HOLDS), depth))
        levels.append(Fanout(f"f{i}", *MESHES[i], _bus(random, inner=i > 0)))
    if random.random() < 0.7:
        levels.append(any_memory(random, "spad", random.choice(HOLDS), 1 << 12))
    memories = sum(isinstance(level, Memory) for level in levels)
    return tuple(levels) if memories <= 5 else _levels(random)


def tree_case(seed: int) -> Case:
    """A random design, problem and legal mapping; tiles do not divide for odd seeds."""
    random = Random(seed)
    architecture = Architecture(
        "tree",
        10**9,
        "45nm",
        _levels(random),
        Compute(energy=tiny.COST, pipeline_cycles=random.choice((1, 3))),
    )
    problem = tiny.problem(random)
    while problem.macs > MOST_MACS:
        problem = tiny.problem(random)
    inner = Random(f"inner {seed}")
    levels = tuple(
        replace(x, network=replace(x.network, words_per_cycle=any_rate(inner)))
        if isinstance(x, Fanout) and x.name != "f0"
        else x
        for x in architecture.levels
    )
    architecture = replace(architecture, levels=levels)
    choose = tiny.ragged_mapping if seed % 2 else tiny.mapping
    return architecture, problem, choose(random, architecture, problem)


RATES = (None, *(Fraction(*x) for x in ((1, 3), (1, 2), (2, 3), (1,), (3, 2), (5, 3), (2,), (4,))))


def of_all_widths(case: Case, seed: int) -> Case:
    """The case with ports and buses of random rates."""
    draw, (architecture, problem, mapping) = Random(seed).choice, case
    wide = changed(
        architecture,
        memory=lambda x: replace(
            x, read_words_per_cycle=draw(RATES), write_words_per_cycle=draw(RATES)
        ),
        bus=lambda x: replace(x, words_per_cycle=draw(RATES)),
    )
    return wide, problem, mapping


def register_cases(seeds: range) -> Iterator[tuple[int, Case]]:
    """Cases of all widths whose MACs work with a memory and with registers that it feeds."""
    for seed in seeds:
        architecture, problem, _ = tree_case(seed)
        above, random = architecture.levels[-1], Random(f"registers {seed}")
        if isinstance(above, Fanout) or len(above.holds) < 2:
            continue
        registers = any_memory(random, "registers", (random.choice(above.holds),), 128)
        architecture = replace(architecture, levels=(*architecture.levels, registers))
        choose = tiny.ragged_mapping if seed % 2 else tiny.mapping
        mapping = choose(random, architecture, problem)
        yield seed, of_all_widths((architecture, problem, mapping), seed)


def changed(architecture: Architecture, *, memory=None, bus=None, compute=None) -> Architecture:
    """The design with ``memory(level)``, ``bus(network)`` in place of every memory and network."""
    levels: list[Memory | Fanout] = []
    for level in architecture.levels:
        if isinstance(level, Memory):
            levels.append(memory(level) if memory else level)
        else:
            levels.append(replace(level, network=bus(level.network)) if bus else level)
    return replace(architecture, levels=tuple(levels), compute=compute or architecture.compute)


def unlimited(architecture: Architecture) -> Architecture:
    """The design with all the bandwidth there could be, and no latency."""
    return changed(
        architecture,
        memory=lambda x: replace(
            x, read_words_per_cycle=None, write_words_per_cycle=None, latency_cycles=0
        ),
        bus=lambda x: replace(x, words_per_cycle=None, latency_cycles=0),
        compute=replace(architecture.compute, pipeline_cycles=1),
    )
