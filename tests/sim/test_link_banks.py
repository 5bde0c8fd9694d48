"""Banks above and below links between neighbours: transfers take as long as in the twin."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from bank_trees import banked, lined
from cases import Case
from chip_trees import changed
from forwarding_cases import timed_case
from test_time_twin import same_time
from test_trace_words import PASSING

from arraysmith.arch.architecture import Memory
from arraysmith.sim.cycle.model import CycleModel

CHILDREN = [(15, "spad"), (22, "spad"), (33, "spad"), (35, "spad"), (74, "local"), (31, "local"),
            (51, "local"), (64, "local"), (71, "local"), (77, "local")]  # fmt: skip
"""Seeds, and a memory whose words neighbours pass on."""


def with_banks(case: Case, name: str, random: Random, *, wide: bool = False) -> Case:
    """The case with banks in one memory; ``wide``: nothing but them has a limit."""
    architecture, problem, mapping = case
    if wide:
        architecture = changed(
            architecture,
            memory=lambda x: replace(x, read_words_per_cycle=None, write_words_per_cycle=None),
            bus=lambda x: replace(x, words_per_cycle=None),
        )
    levels = tuple(
        banked(lined(x, random), random) if isinstance(x, Memory) and x.name == name else x
        for x in architecture.levels
    )
    return replace(architecture, levels=levels), problem, mapping


@pytest.mark.parametrize("seed", PASSING)
def test_a_parent_with_banks_sends_what_no_neighbour_has_as_in_the_twin(seed: int) -> None:
    for n in range(4):
        same_time(with_banks(timed_case(seed), "glb", Random(f"{seed} {n}"), wide=n > 1), seed)


def test_banks_that_hold_words_up_are_named() -> None:
    waited = set()
    for seed in PASSING:
        case = with_banks(timed_case(seed), "glb", Random(f"{seed} 2"), wide=True)
        waited |= set(CycleModel().evaluate(*case).stall_cycles)
    assert "bank_ifmap" in waited


@pytest.mark.parametrize(("seed", "name"), CHILDREN)
def test_children_with_banks_send_and_take_as_in_the_twin(seed: int, name: str) -> None:
    for n in range(4):
        same_time(with_banks(timed_case(seed), name, Random(f"{seed} {n}"), wide=n > 1), seed)


def test_banks_of_children_cost_cycles() -> None:
    slower = 0
    for seed, name in CHILDREN:
        slow = CycleModel().evaluate(*with_banks(timed_case(seed), name, Random(seed), wide=True))
        fast = CycleModel().evaluate(*with_banks(timed_case(seed), "", Random(seed), wide=True))
        assert slow.cycles >= fast.cycles
        slower += slow.cycles > fast.cycles
    assert slower > 2
