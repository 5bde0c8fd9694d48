"""The time of any mapping on any chain of memories and fan-outs, against a twin in plain Python."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from cases import Case
from chip_trees import changed, tree_case
from time_twin import Twin

from arraysmith.sim.cycle.model import CycleModel

RATES = (None, *(Fraction(*x) for x in ((1, 3), (1, 2), (2, 3), (1,), (3, 2), (5, 3), (2,), (4,))))


def same_time(design: Case, seed: int) -> int:
    """Compare cycles and causes with the twin's; return the cycles."""
    report = CycleModel().evaluate(*design)
    cycles, stalls = Twin(*design).run()
    assert report.cycles == cycles, f"seed {seed}"
    assert dict(report.stall_cycles) == stalls, f"seed {seed}"
    return cycles


@pytest.mark.parametrize("block", range(4))
def test_cycles_and_causes_are_those_of_the_twin(block: int) -> None:
    for seed in range(6000 + 50 * block, 6050 + 50 * block):
        same_time(tree_case(seed), seed)


@pytest.mark.parametrize("block", range(2))
def test_ports_and_buses_of_all_widths_take_as_long_as_in_the_twin(block: int) -> None:
    for seed in range(7000 + 50 * block, 7050 + 50 * block):
        architecture, problem, mapping = tree_case(seed)
        random = Random(seed)
        wide = changed(
            architecture,
            memory=lambda x, draw=random.choice: replace(
                x, read_words_per_cycle=draw(RATES), write_words_per_cycle=draw(RATES)
            ),
            bus=lambda x, draw=random.choice: replace(x, words_per_cycle=draw(RATES)),
        )
        same_time((wide, problem, mapping), seed)


def test_sums_that_an_outer_memory_has_held_come_back_to_macs_without_a_scratchpad() -> None:
    # Two loops in time, four memories that keep the sums: only off-chip memory has all of them.
    # Border and chip divide a port, of which the chip has 7 of 16 cycles: 140 if each had all.
    assert same_time(tree_case(6165), 6165) == 157
