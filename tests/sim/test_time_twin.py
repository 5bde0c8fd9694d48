"""The time of any mapping on any chain of memories and fan-outs, against a twin in plain Python."""

from __future__ import annotations

import pytest
from cases import Case
from chip_trees import of_all_widths, register_cases, tree_case
from time_twin import Twin

from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.nest.portions import PARTS


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
        same_time(of_all_widths(tree_case(seed), seed), seed)


def test_registers_and_macs_at_one_port_take_as_long_as_in_the_twin() -> None:
    waits = 0
    for seed, case in register_cases(range(8000, 8120)):
        same_time(case, seed)
        waits += (Machine.of(*case).portions.macs < PARTS).any()
    assert waits > 20


def test_sums_that_an_outer_memory_has_held_come_back_to_macs_without_a_scratchpad() -> None:
    # Two loops in time, four memories that keep the sums: only off-chip memory has all of them.
    # Border and chip divide a port, of which the chip has 7 of 16 cycles: 140 if each had all.
    assert same_time(tree_case(6165), 6165) == 157
