"""Neighbours that pass words on, in the simulator: words, values, time."""

from __future__ import annotations

import pytest
from forwarding_cases import counting_case, timed_case
from time_twin import Twin
from walker import walk

from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.values import verify_values
from arraysmith.sim.report import FORWARD


@pytest.mark.parametrize("block", range(4))
def test_simulated_words_are_those_that_the_walker_counts(block):
    for seed in range(60 * block, 60 * block + 60):
        design = timed_case(seed)
        report = CycleModel().evaluate(*design)
        got = {(x.level, x.tensor, x.direction): x.words for x in report.accesses}
        assert got == walk(*design), seed


@pytest.mark.parametrize("block", range(4))
def test_cycles_and_causes_are_those_of_the_twin(block):
    links = 0
    for seed in range(60 * block, 60 * block + 60):
        design = timed_case(seed)
        report = CycleModel().evaluate(*design)
        cycles, stalls = Twin(*design).run()
        assert report.cycles == cycles, f"seed {seed}"
        assert dict(report.stall_cycles) == stalls, f"seed {seed}"
        links += any(x.kind == FORWARD for x in report.traffic)
    assert links > 8


@pytest.mark.parametrize("block", range(4))
def test_results_are_right_with_words_from_the_frames_of_neighbours(block):
    for seed in range(60 * block, 60 * block + 60):
        verify_values(*timed_case(seed), seed)
        verify_values(*counting_case(seed), seed)
