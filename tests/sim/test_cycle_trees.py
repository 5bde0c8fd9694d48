"""Any mapping on any chain of memories and fan-outs: words, values, time, requests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chip_trees import changed, tree_case, unlimited
from test_cycle_streams import Listener
from walker import walk, work

from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.values import verify_values


@pytest.mark.parametrize("block", range(6))
def test_words_and_steps_are_those_that_the_walker_counts(block: int) -> None:
    for seed in range(30 * block, 30 * block + 30):
        design = tree_case(seed)
        report = CycleModel().evaluate(*design)
        got = {(x.level, x.tensor, x.direction): x.words for x in report.accesses}
        assert got == walk(*design), f"seed {seed}"
        assert report.compute_cycles == work(*design)[0], f"seed {seed}"


@pytest.mark.parametrize("block", range(4))
def test_both_models_count_the_same_and_the_simulation_is_never_faster(block: int) -> None:
    for seed in range(1000 + 40 * block, 1040 + 40 * block):
        design = tree_case(seed)
        closed, simulated = AnalyticalModel().evaluate(*design), CycleModel().evaluate(*design)
        assert sorted(simulated.accesses, key=str) == sorted(closed.accesses, key=str)
        assert simulated.cycles >= closed.cycles, f"seed {seed}"
        assert simulated.compute_cycles == closed.compute_cycles
        assert all(cycles > 0 for _, cycles in simulated.stalls)
        assert simulated.cycles == simulated.compute_cycles + sum(simulated.stall_cycles.values())


@pytest.mark.parametrize("block", range(4))
def test_values_through_all_memories_are_those_of_the_operator(block: int) -> None:
    for seed in range(2000 + 50 * block, 2050 + 50 * block):
        verify_values(*tree_case(seed), seed)


def test_with_all_the_bandwidth_there_could_be_only_computing_takes_time() -> None:
    for seed in range(3000, 3120):
        architecture, problem, mapping = tree_case(seed)
        report = CycleModel().evaluate(unlimited(architecture), problem, mapping)
        assert report.stalls == (), f"seed {seed}"
        closed = AnalyticalModel().evaluate(architecture, problem, mapping)
        assert report.cycles == closed.compute_cycles


def _twice(rate):
    return None if rate is None else 2 * rate


FASTER = {
    "reads": lambda x: changed(
        x,
        memory=lambda m: replace(m, read_words_per_cycle=_twice(m.read_words_per_cycle)),
    ),
    "writes": lambda x: changed(
        x,
        memory=lambda m: replace(m, write_words_per_cycle=_twice(m.write_words_per_cycle)),
    ),
    "buses": lambda x: changed(
        x, bus=lambda b: replace(b, words_per_cycle=_twice(b.words_per_cycle))
    ),
    "no latency": lambda x: changed(
        x,
        memory=lambda m: replace(m, latency_cycles=0),
        bus=lambda b: replace(b, latency_cycles=0),
    ),
}


@pytest.mark.parametrize("what", FASTER)
def test_nothing_that_gets_faster_makes_a_run_slower(what: str) -> None:
    gained = 0
    for seed in range(4000, 4070):
        architecture, problem, mapping = tree_case(seed)
        before = CycleModel().evaluate(architecture, problem, mapping)
        after = CycleModel().evaluate(FASTER[what](architecture), problem, mapping)
        assert after.cycles <= before.cycles, f"seed {seed}"
        assert after.accesses == before.accesses
        gained += after.cycles < before.cycles
    assert gained > 10


def test_requests_carry_the_words_counted_and_no_port_is_over_its_rate() -> None:
    limited = 0
    for seed in range(5000, 5070):
        architecture, problem, mapping = tree_case(seed)
        listener = Listener()
        report = CycleModel(listener).evaluate(architecture, problem, mapping)
        assert CycleModel().evaluate(architecture, problem, mapping) == report
        memories = {m.name: m for m in architecture.memories}
        want: dict[str, int] = {}
        for x in report.accesses:
            way = "read" if x.direction in ("read", "drain") else "write"
            name = f"{x.level}/{x.tensor}/{way}"
            want[name] = want.get(name, 0) + x.words
        names = [name for name in listener.parts if not name.startswith("network/")]
        got = {name: int(listener.stream(name)["size"].sum()) for name in names}
        got = {name: size for name, size in got.items() if name in want or size}
        assert got == want, f"seed {seed}"
        for name in names:
            level, _, way = name.split("/")
            rows, memory = listener.stream(name), memories[level]
            rate = memory.read_words_per_cycle if way == "read" else memory.write_words_per_cycle
            assert (rows["response"] >= rows["request"]).all()
            assert rows["response"].max() <= report.cycles
            if rate is None or memory.depth is None:
                continue
            # Words of all cycles up to one are at most what the port takes in these and, in the
            # halves of the memory, twice: towards parent and towards children.
            for port in np.unique(rows["port"]).tolist():
                mine = {x: column[rows["port"] == port] for x, column in rows.items()}
                order = np.argsort(mine["response"], kind="stable")
                moved = np.cumsum(mine["size"][order].astype(np.int64))
                room = 2 * (mine["response"][order] + 1) * rate
                assert (moved <= room).all(), f"seed {seed} {name} {port}"
            limited += 1
    assert limited > 30
