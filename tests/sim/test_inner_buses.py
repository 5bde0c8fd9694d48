"""Fan-outs inside others: their buses are there once per instance, in every closed form."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import tiny
from chip_trees import tree_case, unlimited

from arraysmith.arch.architecture import Architecture, Compute, Fanout, XyBus
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import TENSORS, matmul
from arraysmith.sim.analytical.encoding import ChainArrays, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.scores import score
from arraysmith.sim.analytical.scoring import Entries, Machine
from arraysmith.sim.cycle.model import CycleModel


def test_two_inner_buses_share_the_words_that_one_would_take_twice_as_long_for() -> None:
    bus = XyBus(words_per_cycle=Fraction(1, 4), reduction=True)
    architecture = Architecture(
        "nested",
        10**9,
        "45nm",
        (
            tiny.memory("dram", TENSORS),
            Fanout("outer", 2, 1, XyBus()),
            tiny.memory("glb", TENSORS, depth=1 << 12),
            Fanout("inner", 2, 1, bus),
            tiny.memory("spad", TENSORS, depth=1 << 12),
        ),
        Compute(energy=tiny.COST),
    )
    problem = matmul("mm", m=4, n=4, k=4)
    loops = (("dram", "t", "C", 4), ("outer", "x", "K", 2), ("inner", "x", "K", 2))
    loops += (("spad", "t", "P", problem.size["P"]), ("spad", "t", "N", problem.size["N"]))
    mapping = from_factors(architecture, loops)
    report = AnalyticalModel().evaluate(architecture, problem, mapping)
    words = max(x.words for x in report.traffic if x.network == "inner")
    assert report.stalls == (("bandwidth_inner", report.cycles - report.compute_cycles),)
    assert report.cycles == words * 4 // 2  # four cycles a word, two buses
    assert CycleModel().evaluate(architecture, problem, mapping).cycles >= report.cycles


def slow_inside(architecture: Architecture) -> Architecture:
    """The design with a word in so many cycles on all buses but the outermost ones."""
    slow = XyBus(words_per_cycle=Fraction(1, 40), reduction=True)
    levels = tuple(
        replace(x, network=slow) if isinstance(x, Fanout) and x.name != "f0" else x
        for x in architecture.levels
    )
    return replace(architecture, levels=levels)


def test_a_batch_of_mappings_is_scored_by_the_same_rule() -> None:
    compared = bound = 0
    for seed in range(8000, 8120, 2):
        architecture, problem, mapping = tree_case(seed)
        if len(architecture.fanouts) < 2:
            continue
        architecture = slow_inside(unlimited(architecture))
        mapping = replace(mapping, levels=tuple(replace(x, keep=None) for x in mapping.levels))
        try:
            report = AnalyticalModel().evaluate(architecture, problem, mapping)
            machine = Machine.of(architecture, "default")
        except ArraysmithError:
            continue  # it kept less where all does not fit, or adds sums in a memory
        chain = ChainArrays.of(architecture, mapping)
        found = score(
            ProblemArrays.of(problem), problem.macs, chain, Entries.of(chain), machine,
            MappingArrays.of(architecture, problem, mapping),
        )  # fmt: skip
        assert int(found.cycles[0]) == report.cycles, f"seed {seed}"
        compared += 1
        bound += any(cause in {"bandwidth_f1", "bandwidth_f2"} for cause, _ in report.stalls)
    assert compared > 15
    assert bound
