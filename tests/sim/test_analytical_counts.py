"""Closed forms against a walker that counts every word one by one."""

from __future__ import annotations

from random import Random

import pytest
from tiny import mapping, memory, problem, spatial
from walker import walk

from arraysmith.arch.architecture import Architecture, Compute, Fanout, XyBus
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.analytical.model import AnalyticalModel

BUSES = [
    XyBus(multicast=multicast, diagonal=diagonal, reduction=reduction)
    for multicast in (True, False)
    for diagonal in (True, False)
    for reduction in (True, False)
]


def chains(random: Random) -> Architecture:
    """A chain of one to four memories, tensors bypassing some of them, one or two fan-outs."""
    some = [("ifmap", "ofmap"), ("weight",), ("ifmap", "weight"), TENSORS, ("ofmap",)]
    levels = [memory("dram", TENSORS)]
    if random.random() < 0.7:
        levels.append(memory("glb", random.choice(some), depth=1 << 20))
    levels.append(Fanout("array", 4, 3, random.choice(BUSES)))
    if random.random() < 0.4:
        levels.append(memory("local", random.choice(some), depth=1 << 20))
        levels.append(Fanout("lanes", 2, 2, random.choice(BUSES)))
    if random.random() < 0.7:
        levels.append(memory("spad", random.choice(some), depth=1 << 20))
    return Architecture("chain", 10**9, "45nm", tuple(levels), Compute())


def counted(architecture, layer, loops, setting="default"):
    report = AnalyticalModel(setting).evaluate(architecture, layer, loops)
    return {(a.level, a.tensor, a.direction): a.words for a in report.accesses}


@pytest.mark.parametrize("seed", range(24))
def test_counts_equal_the_walker_on_row_stationary_designs(seed):
    random = Random(seed)
    for _ in range(6):
        glb = memory("glb", ("ifmap", "ofmap"), depth=1 << 20) if random.random() < 0.8 else None
        architecture = spatial(glb=glb, bus=random.choice(BUSES))
        layer = problem(random)
        if layer.macs > 6000:
            continue
        loops = mapping(random, architecture, layer)
        assert counted(architecture, layer, loops) == walk(architecture, layer, loops), loops


@pytest.mark.parametrize("seed", range(24))
def test_counts_equal_the_walker_on_any_chain_of_memories(seed):
    random = Random(1000 + seed)
    for _ in range(6):
        architecture = chains(random)
        layer = problem(random)
        if layer.macs > 6000:
            continue
        loops = mapping(random, architecture, layer)
        assert counted(architecture, layer, loops) == walk(architecture, layer, loops), loops
