"""Access counts of the simulator against the walker, which counts words in sets."""

from __future__ import annotations

import pytest
from cases import case
from walker import walk

from arraysmith.sim.cycle.model import CycleModel


@pytest.mark.parametrize("block", range(8))
def test_simulated_words_are_those_that_the_walker_counts(block: int) -> None:
    for seed in range(40 * block, 40 * block + 40):
        architecture, problem, mapping = case(seed)
        report = CycleModel().evaluate(architecture, problem, mapping)
        got = {(x.level, x.tensor, x.direction): x.words for x in report.accesses}
        assert got == walk(architecture, problem, mapping), f"seed {seed}"


def test_the_random_cases_throw_every_switch() -> None:
    seen = set()
    for seed in range(400):
        architecture, problem, mapping = case(seed)
        report = CycleModel().evaluate(architecture, problem, mapping)
        seen |= {(x.level, x.tensor, x.direction) for x in report.accesses}
        for memory in architecture.memories:
            seen.add((memory.name, memory.double_buffered, memory.ports))
        bus = architecture.fanouts[0].network
        seen |= {("multicast", bus.multicast), ("diagonal", bus.diagonal)}
        seen |= {("reduction", bus.reduction), ("operator", problem.operator)}
        seen |= {("stride", axis.terms[0][1]) for axis in problem.ifmap.axes}
        seen |= {("padding", axis.offset) for axis in problem.ifmap.axes}
        seen |= {("dilation", axis.terms[-1][1]) for axis in problem.ifmap.axes}
    wanted = {
        ("dram", "ofmap", "read"),  # partial sums that left the chip come back
        ("glb", "ofmap", "read"),
        ("glb", "ofmap", "fill"),
        ("psum_spad", "ofmap", "fill"),
        ("spad", "ofmap", "fill"),
        ("multicast", False),
        ("diagonal", False),
        ("reduction", False),
        ("glb", False, 1),
        ("glb", True, 2),
        ("psum_spad", False, 2),
        ("operator", "matmul"),
        ("operator", "gemm"),
        ("stride", 3),
        ("padding", -2),
        ("dilation", 2),
    }
    assert wanted <= seen
