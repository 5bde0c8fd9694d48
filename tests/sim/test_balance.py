"""How ports share time, how often tiles move, where a run stands, and what its edges take."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product

import pytest
import tiny
from cases import case

from arraysmith.arch.architecture import Memory, Ports
from arraysmith.arch.errors import ArraysmithError, UnsupportedDesignError
from arraysmith.arch.mapping import from_factors, kept_tensors, placed_loops
from arraysmith.arch.problem import TENSORS, matmul
from arraysmith.sim.analytical.latency import side_cycles, whole_words
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.scoring import Machine
from arraysmith.sim.analytical.visits import transfers_of
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.explain import explain
from arraysmith.sim.report import EDGES, FILL, READ, Report, total


def with_memories(architecture, **changes):
    levels = [replace(x, **changes) if isinstance(x, Memory) else x for x in architecture.levels]
    return replace(architecture, levels=tuple(levels))


def walked(architecture, problem, mapping):
    """Changes of every kept tile, step by step through the loops in time."""
    loops = [x for x in placed_loops(architecture, problem.size, mapping) if x.axis == "t"]
    seen: dict[tuple[str, str], tuple] = {}
    changes: dict[tuple[str, str], int] = {}
    for step in product(*(range(x.count) for x in loops)):
        for index, level in enumerate(architecture.levels):
            if not isinstance(level, Memory):
                continue
            for tensor in kept_tensors(level, mapping.at(level.name)):
                dims = problem.tensor(tensor).dims
                here = tuple(
                    turn
                    for turn, x in zip(step, loops, strict=True)
                    if x.level < index and x.dim in dims
                )
                if seen.get((level.name, tensor)) != here:
                    seen[level.name, tensor] = here
                    key = (level.name, tensor)
                    changes[key] = changes.get(key, 0) + 1
    return changes


@pytest.mark.parametrize("block", range(2))
def test_tiles_move_as_often_as_a_walk_through_the_loops_says(block):
    for seed in range(40 * block, 40 * block + 40):
        architecture, problem, mapping = case(seed)
        found = transfers_of(architecture, problem, mapping)
        for (memory, tensor), changes in walked(architecture, problem, mapping).items():
            assert found[memory, tensor, FILL] == changes, f"seed {seed}: {memory} {tensor}"


def test_what_a_memory_sends_moves_as_often_as_the_tile_below():
    architecture, problem, mapping = case(3)
    found = transfers_of(architecture, problem, mapping)
    for tensor in TENSORS:
        keepers = [
            x.name for x in architecture.memories if tensor in kept_tensors(x, mapping.at(x.name))
        ]
        for above, below in pairwise(keepers):
            assert found[above, tensor, READ] == found[below, tensor, FILL]


def test_one_port_adds_up_what_two_do_side_by_side():
    memory = tiny.memory("glb", TENSORS, depth=8, read=2, write=1)
    assert side_cycles(replace(memory, ports=Ports.SHARED), 20, 6, 2) == 5 + 3
    assert side_cycles(replace(memory, ports=Ports.DEDICATED), 20, 6, 2) == 5
    assert side_cycles(replace(memory, ports=Ports.AVERAGED), 20, 6, 2) == 5


def test_averaged_ports_take_the_time_of_the_setting_that_averages():
    faster = 0
    for seed in range(60):
        architecture, problem, mapping = case(seed)
        dedicated = with_memories(architecture, ports=Ports.DEDICATED)
        averaged = with_memories(architecture, ports=Ports.AVERAGED)
        mean = AnalyticalModel().evaluate(averaged, problem, mapping)
        each = AnalyticalModel().evaluate(dedicated, problem, mapping)
        assert not any(cause.startswith("serial") for cause, _ in mean.stalls)
        assert mean.accesses == each.accesses
        faster += mean.cycles < each.cycles
        rates = {
            x.name: (x.read_words_per_cycle, x.write_words_per_cycle) for x in averaged.memories
        }
        for part in mean.balance:
            if part.part not in rates:
                continue
            used = {d: mean.words(part.part, None, d) for d in ("read", "fill", "update", "drain")}
            read, write = rates[part.part]
            least = max(
                Fraction(used["read"] + used["drain"]) / read if read else 0,
                Fraction(used["fill"] + used["update"]) / write if write else 0,
            )
            assert part.cycles * architecture.instances(part.part) >= least
    assert faster


def test_whole_words_lose_the_rest_of_every_transfer():
    assert whole_words(96, 1, 12, 8) == 96  # 12 transfers of 8 words
    assert whole_words(84, 1, 12, 8) == 96  # 7 words each: one place of 8 is lost
    assert whole_words(108, 1, 12, 8) == 192  # 9 words each take two
    assert whole_words(84, 2, 6, 8) == 96  # 6 transfers of 7 words in either instance
    assert whole_words(3, 1, 100, 8) == 24  # a transfer has a word at least


def test_whole_words_never_take_less_time_and_do_at_times_take_more():
    longer = 0
    for seed in range(60):
        architecture, problem, mapping = case(seed)
        wide = with_memories(architecture, width_bits=32)
        packed = AnalyticalModel().evaluate(wide, problem, mapping)
        whole = AnalyticalModel().evaluate(with_memories(wide, whole_words=True), problem, mapping)
        assert whole.cycles >= packed.cycles
        assert whole.accesses == packed.accesses
        longer += whole.cycles > packed.cycles
    assert longer


def test_who_cannot_take_whole_words_says_so():
    architecture, problem, mapping = case(1)
    whole = with_memories(architecture, whole_words=True)
    with pytest.raises(ArraysmithError, match="a search of mappings packs words"):
        Machine.of(whole, "default")
    with pytest.raises(UnsupportedDesignError, match="whole_words of dram"):
        CycleModel().evaluate(whole, problem, mapping)


@pytest.mark.parametrize("block", range(3))
def test_edges_are_never_longer_than_those_of_the_simulation(block):
    close = 0
    for seed in range(3000 + 50 * block, 3050 + 50 * block):
        design = case(seed)
        closed, simulated = AnalyticalModel().evaluate(*design), CycleModel().evaluate(*design)
        found, stalls = dict(closed.uncounted), simulated.stall_cycles
        assert list(found) == list(EDGES)
        for edge in EDGES:
            assert found[edge] <= stalls.get(edge, 0), f"seed {seed}: {edge}"
        close += found["fill"] >= 0.8 * stalls.get("fill", 0)
    assert close >= 25


def test_demand_is_highest_when_every_tile_is_new_and_the_lowest_roof_binds():
    for seed in range(80):
        report = AnalyticalModel().evaluate(*case(seed))
        assert [x.cycles for x in report.balance if x.part == "computing"] == [
            report.compute_cycles
        ]
        assert max(x.cycles for x in report.balance) == report.cycles
        for part in report.balance[1:]:
            mean = part.words / report.compute_cycles
            assert part.peak_words_per_cycle >= mean * (1 - 1e-9), f"seed {seed}: {part}"
        for row in report.roofline:
            assert row["binds"] == (row["cycles"] == report.cycles)
            if row["reachable_macs_per_cycle"] is not None:
                assert row["reachable_macs_per_cycle"] >= report.macs / report.cycles


def test_a_report_keeps_its_balance_and_adds_it_up():
    first, second = (AnalyticalModel().evaluate(*case(seed)) for seed in (5, 5))
    assert Report.from_dict(first.to_dict()) == first
    twice = total([(first, 2), (second, 1)])
    for part, whole in zip(first.balance, twice.balance, strict=True):
        assert (whole.part, whole.cycles, whole.words) == (
            part.part,
            3 * part.cycles,
            3 * part.words,
        )
        assert whole.peak_words_per_cycle == part.peak_words_per_cycle


def test_a_product_by_hand():
    """4 x 4 outputs, sums of 8: a word of each operand per MAC, one MAC, 128 cycles."""
    architecture = tiny.spatial(
        mesh=(1, 1),
        dram=tiny.memory("dram", TENSORS, read=2, write=1),
        spads=(tiny.memory("spad", TENSORS, depth=4096),),
    )
    problem = matmul("mm", m=4, n=4, k=8)
    factors = (("spad", "t", "P", 4), ("spad", "t", "K", 4), ("spad", "t", "C", 8))
    whole = from_factors(architecture, factors)
    report = AnalyticalModel().evaluate(architecture, problem, whole)
    assert report.compute_cycles == 128
    assert dict(report.uncounted) == {"fill": 32, "drain": 16}  # 64 words at 2, 16 at 1
    rows = {row["part"]: row for row in report.roofline}
    assert rows["dram"]["words"] == 80
    assert rows["dram"]["macs_per_word"] == 128 / 80
    assert rows["dram"]["peak_words_per_cycle"] == 80 / 128  # one period: all of it
    assert "lowest roof" in explain(architecture, problem, whole, report)
