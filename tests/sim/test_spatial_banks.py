"""Banks of SRAMs beside spatial arrays: the time against the twin, and what banks never do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
import tiny
from bank_trees import bank_case, may_have_banks
from cases import Case
from chip_trees import RATES, changed
from test_cycle_streams import Listener
from test_time_twin import same_time

from arraysmith.arch.architecture import Memory
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.layout import LINE, WORD, Layout
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import TENSORS, conv
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.report import Report


def cycles(case: Case) -> int:
    return CycleModel().evaluate(*case).cycles


@pytest.mark.parametrize("block", range(3))
def test_cycles_and_causes_with_banks_are_those_of_the_twin(block: int) -> None:
    waited = set()
    for seed in range(8000 + 30 * block, 8030 + 30 * block):
        _, case = bank_case(seed)
        same_time(case, seed)
        waited |= set(CycleModel().evaluate(*case).stall_cycles)
    assert waited & {"bank_ifmap", "bank_weight", "bank_ofmap"}


@pytest.mark.parametrize("block", range(2))
def test_ports_of_all_widths_that_banks_share_both_ways_take_as_long_as_in_the_twin(block) -> None:
    for seed in range(9000 + 15 * block, 9015 + 15 * block):
        (architecture, problem, mapping), random = bank_case(seed)[1], Random(seed)
        wide = changed(
            architecture,
            memory=lambda x, draw=random.choice: replace(
                x,
                ports=1,
                read_words_per_cycle=draw(RATES),
                write_words_per_cycle=draw(RATES),
            ),
            bus=lambda x, draw=random.choice: replace(
                x, words_per_cycle=draw(RATES), reduction=draw((False, False, True))
            ),
        )
        same_time((wide, problem, mapping), seed)


def test_banks_cost_cycles_and_change_no_count() -> None:
    slower = 0
    for seed in range(8200, 8260):
        before, after = (CycleModel().evaluate(*case) for case in bank_case(seed))
        assert after.cycles >= before.cycles, f"seed {seed}"
        assert after.accesses == before.accesses
        assert after.compute_cycles == before.compute_cycles
        assert after.compute_cycles + sum(after.stall_cycles.values()) == after.cycles
        slower += after.cycles > before.cycles
    assert slower > 12


def test_the_analytical_model_stays_a_lower_bound_and_counts_the_same_words() -> None:
    for seed in range(8300, 8360, 2):  # tiles that divide
        case = bank_case(seed)[1]
        closed, report = AnalyticalModel().evaluate(*case), CycleModel().evaluate(*case)
        assert closed.cycles <= report.cycles, f"seed {seed}"
        assert closed.accesses == report.accesses


def with_banks(case: Case, banks: Callable[[Memory], int], names: set[str]) -> Case:
    architecture, problem, mapping = case
    return (
        changed(
            architecture,
            memory=lambda x: replace(x, banks=banks(x)) if x.name in names else x,
        ),
        problem,
        mapping,
    )


@pytest.mark.parametrize("interleave", [LINE, WORD])
def test_twice_the_banks_are_never_slower(interleave: str) -> None:
    gained = 0
    for seed in range(8400, 8430):
        plain, case = bank_case(seed, interleave)
        names = {x.name for x in case[0].memories if x.layouts or x.banks > 1}
        last = None
        for banks in (2, 4, 8) if interleave == LINE else (1, 2, 4):
            if interleave == WORD:
                names = {x.name for x in case[0].memories if x.layouts and x.width_bits == 32}
            found = cycles(with_banks(case, lambda _, n=banks: n, names))
            assert last is None or found <= last, f"seed {seed} banks {banks}"
            gained += last is not None and found < last
            last = found
        assert last is not None
        assert last >= cycles(plain)
    assert gained > 2 or interleave == WORD  # where words go round, whole lines take all banks


def skipping(banks: int, **fields: object) -> Report:
    """Four PEs that take every fourth word of a row, row by row, from lines of one word."""
    problem = conv(
        "skips", height=8, width=13, in_channels=1, out_channels=1, window=(1, 1), stride=(1, 4)
    )
    glb = replace(tiny.memory("glb", TENSORS, depth=4096), banks=banks, **fields)
    architecture = tiny.spatial(glb=glb)
    mapping = from_factors(architecture, (("glb", "t", "P", 8), ("array", "x", "Q", 4)))
    return CycleModel().evaluate(architecture, problem, mapping)


def test_words_in_one_bank_come_one_after_the_other() -> None:
    # Words 0, 4, 8 and 12 of every row are all in one of four banks: a row takes four cycles, a
    # step one. All 104 words come in, 32 results leave through four banks; nothing else limits.
    stalls = skipping(4).stall_cycles
    assert stalls == {"fill": 104 // 4 + 4, "bank_ifmap": 7 * (4 - 1), "drain": 32 // 4}


def test_an_odd_number_of_banks_or_blocks_of_columns_take_such_words_apart() -> None:
    # Five banks: words 0, 4, 8 and 12 are in banks 0, 4, 3 and 2.
    assert "bank_ifmap" not in skipping(5).stall_cycles
    # Lines of four columns, four of them a row, go round four banks.
    layout = Layout((("Q", 4),), (), LINE)
    assert "bank_ifmap" not in skipping(4, width_bits=32, layouts=(("ifmap", layout),)).stall_cycles


def test_four_banks_may_hold_words_up_that_three_do_not() -> None:
    # Of words 0, 4, 8 and 12 three banks have two in one, four banks all.
    assert [skipping(n).stall_cycles["bank_ifmap"] for n in (3, 4)] == [7 * 1, 7 * 3]


def test_a_bank_for_every_line_is_a_memory_without_banks() -> None:
    for seed in range(8500, 8540):
        case = bank_case(seed)[0]
        names = may_have_banks(case)
        many = with_banks(case, lambda x: x.depth or 1, names)
        one, other = CycleModel().evaluate(*many), CycleModel().evaluate(*case)
        assert (one.cycles, one.stalls) == (other.cycles, other.stalls), f"seed {seed}"
        assert (one.accesses, one.traffic) == (other.accesses, other.traffic)


def test_what_is_not_simulated_is_refused_with_the_reason() -> None:
    shared = tiny.memory("spad", TENSORS, depth=4096)
    architecture = tiny.spatial(glb=tiny.memory("glb", TENSORS, depth=4096), spads=(shared,))
    problem = conv("c", height=4, width=4, in_channels=1, out_channels=1, window=(1, 1))
    mapping = from_factors(architecture, (("glb", "t", "P", 4), ("array", "x", "Q", 4)))

    def refused(name: str, rule: str, **fields: object) -> None:
        levels = tuple(replace(x, **fields) if x.name == name else x for x in architecture.levels)
        with pytest.raises(UnsupportedDesignError, match=f"{name}: {rule}"):
            CycleModel().evaluate(replace(architecture, levels=levels), problem, mapping)

    parts = tuple((name, 1024) for name in TENSORS)
    refused("glb", "a partition is simulated beside a systolic array only", partition=parts)
    refused("dram", "banks are simulated on the chip only", banks=2)
    refused("spad", "MACs take words of 3 tensors from its banks", banks=2)


def test_requests_from_banks_carry_the_words_counted() -> None:
    for seed in range(8600, 8620):
        (architecture, problem, mapping), listener = bank_case(seed)[1], Listener()
        report = CycleModel(listener).evaluate(architecture, problem, mapping)
        assert report == CycleModel().evaluate(architecture, problem, mapping)
        for memory in architecture.memories[1:]:
            for t in memory.holds:
                for way, directions in (("read", ("read", "drain")), ("write", ("fill", "update"))):
                    name = f"{memory.name}/{t}/{way}"
                    rows = listener.stream(name) if name in listener.parts else None
                    moved = 0 if rows is None else int(rows["size"].sum())
                    want = sum(report.words(memory.name, t, x) for x in directions)
                    assert moved == want, f"seed {seed} {name}"
                    if rows is not None:
                        assert rows["response"].max() <= report.cycles
