"""Skipping iterations that repeat: the same numbers, to the cycle, for every cause and word."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
import tiny
from bank_trees import banked, lined, may_have_banks
from cases import Case
from chip_trees import changed
from forwarding_cases import links
from long_cases import long_case, queued
from test_dram_designs import NAMES, on
from test_shared_networks import some_routed, some_tree, with_networks
from time_twin import Twin

from arraysmith.arch.architecture import Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import TENSORS, matmul
from arraysmith.sim.cycle import engine, recall, repeats
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.chip.cores import Core, simulate_cores
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.recall import Recall
from arraysmith.sim.cycle.repeats import Repeats, alike_turns, tile_drift, understood
from arraysmith.sim.report import Report
from arraysmith.sim.waits import WaitTotals

RATES = (None, *(Fraction(*x) for x in ((1, 3), (1, 2), (2, 3), (1,), (3, 2), (5, 3), (2,), (4,))))
EVERY_STEP = CycleParameters(skip=False)


class Watched:
    """Remembers what the runs since then have skipped and recalled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[Repeats] = []
        self.recalls: list[Recall] = []

        def made(*arguments) -> Repeats:
            self.runs.append(Repeats(*arguments))
            return self.runs[-1]

        def kept(*arguments) -> Recall:
            self.recalls.append(Recall(*arguments))
            return self.recalls[-1]

        monkeypatch.setattr(engine, "Repeats", made)
        monkeypatch.setattr(engine, "Recall", kept)
        monkeypatch.setattr(recall, "LEAST_STEPS", 2)  # phases of the cases are short

    @property
    def skipped(self) -> int:
        """Runs that have skipped something."""
        return sum(x.skipped_cycles > 0 for x in self.runs)

    @property
    def recalled(self) -> int:
        """Runs that have recalled a phase."""
        return sum(x.recalled > 0 for x in self.recalls)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def both(design: Case) -> Report | None:
    """The Report of a run that skips, which must be that of one that does not; None if refused."""
    try:
        every = CycleModel(None, EVERY_STEP).evaluate(*design)
    except ArraysmithError:
        return None
    found = CycleModel().evaluate(*design)
    assert found == every
    return found


def by_recall_only(design: Case, monkeypatch: pytest.MonkeyPatch, kept: int = 64) -> Report:
    """The Report of a run that recalls phases and skips none."""
    with monkeypatch.context() as patch:
        patch.setattr(Repeats, "look", lambda *_: None)
        return CycleModel(None, CycleParameters(recalled_phases=kept)).evaluate(*design)


def plain(random: Random, case: Case) -> Case:
    del random
    return case


def with_rates(random: Random, case: Case) -> Case:
    """Ports and buses of all widths, so that transfers end within cycles."""
    draw = random.choice
    wide = changed(
        case[0],
        memory=lambda x: replace(
            x, read_words_per_cycle=draw(RATES), write_words_per_cycle=draw(RATES)
        ),
        bus=lambda x: replace(x, words_per_cycle=draw(RATES)),
    )
    return wide, *case[1:]


def shared(random: Random, case: Case) -> Case:
    """Trees or routed networks in place of buses."""
    trees = random.random() < 0.5
    made = with_networks(
        case[0], lambda x: some_tree(random) if trees else some_routed(random, x.instances)
    )
    return made, *case[1:]


def whole_words(random: Random, case: Case) -> Case:
    """Memories on the chip move whole accesses of several words."""
    return changed(
        case[0],
        memory=lambda x: (
            replace(x, width_bits=8 * random.choice((1, 2, 4)), whole_words=True) if x.depth else x
        ),
    ), *case[1:]


def with_banks(random: Random, case: Case) -> Case:
    """Memories with lines, banks and layouts."""
    names = may_have_banks(case)
    levels = tuple(
        banked(lined(x, random), random) if isinstance(x, Memory) and x.name in names else x
        for x in case[0].levels
    )
    return replace(case[0], levels=levels), *case[1:]


def with_links(random: Random, case: Case) -> Case:
    """Children pass words on to their neighbours."""
    return changed(case[0], bus=lambda x: replace(x, forwarding=links(random))), *case[1:]


def on_dram(random: Random, case: Case) -> Case:
    """Off-chip words come from the banks and rows of a DRAM."""
    return on(case[0], random.choice(NAMES), random.choice((None, 1, 2, 5))), *case[1:]


def counted(random: Random, case: Case) -> Case:
    """Requests under way are counted."""
    memory = replace(
        case[0].levels[0], requests_in_flight=random.choice((1, 2, 3)), request_bytes=8
    )
    return replace(case[0], levels=(memory, *case[0].levels[1:])), *case[1:]


KINDS = {
    "plain": (plain, 0, 40, 20, 18),
    "rates": (with_rates, 1000, 40, 20, 18),
    "queues": (queued, 2000, 30, 10, 10),
    "networks": (shared, 3000, 25, 12, 10),
    "whole words": (whole_words, 4000, 15, 6, 5),
    "links": (with_links, 5500, 25, 4, 4),
    "banks": (with_banks, 4500, 15, 6, 5),
    "counted": (counted, 6500, 10, 0, 3),
    "dram": (on_dram, 7000, 10, 0, 3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_cycles_causes_and_words_are_those_of_every_step(
    kind: str, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, first, many, skipped, recalled = KINDS[kind]
    for seed in range(first, first + many):
        design = change(Random(seed), long_case(seed))
        try:
            every = both(design)
        except AssertionError:
            pytest.fail(f"seed {seed}")
        if every is not None:
            found = by_recall_only(design, monkeypatch, (64, 3)[seed % 2])
            assert found == every, f"seed {seed}"
    assert watched.skipped >= skipped, "hardly anything was skipped"
    assert watched.recalled >= recalled, "hardly any phase was recalled"


def rows(
    count: int,
    *,
    ports: int = 2,
    rate: Fraction = Fraction(1, 2),
    inner: int = 3,
    parts: int = 2,
    sums_outside: bool = False,
) -> Case:
    """Rows of a matrix product that all cost the same, one after the other, or part by part."""
    architecture = tiny.spatial(
        mesh=(1, 1),
        dram=tiny.memory("dram", TENSORS, read=rate, write=rate, ports=ports, latency=7),
        glb=tiny.memory("glb", TENSORS, depth=256, read=2, write=2),
        pipeline=2,
    )
    problem = matmul("mm", m=1, n=count, k=parts * inner)
    k = next(d for d in ("C", "R", "S") if problem.size[d] == parts * inner)
    n = next(d for d in ("K", "P", "Q", "N") if problem.size[d] == count)
    outer = LevelMapping("dram", (Loop(n, 1), Loop(k, inner)))
    if sums_outside:
        outer = LevelMapping("dram", (Loop(k, inner), Loop(n, 1)))
    return architecture, problem, Mapping((outer, LevelMapping("glb", (Loop(k, 1),))))


@pytest.mark.parametrize("count", [13, 29])
@pytest.mark.parametrize("ports", [1, 2])
def test_a_run_that_skips_takes_as_long_as_the_twin(
    count: int, ports: int, watched: Watched
) -> None:
    design = rows(count, ports=ports)
    cycles, stalls = Twin(*design).run()
    report = CycleModel().evaluate(*design)
    assert (report.cycles, dict(report.stall_cycles)) == (cycles, stalls)
    assert watched.skipped == 1
    assert watched.runs[0].skipped_phases > 0


def test_more_turns_of_what_repeats_take_no_more_phases(watched: Watched) -> None:
    few, many = (CycleModel().evaluate(*rows(n)) for n in (1000, 100_000))
    phases = [Machine.of(*rows(n)).phases for n in (1000, 100_000)]
    run = [n - x.skipped_phases for n, x in zip(phases, watched.runs, strict=True)]
    assert run[0] == run[1] < 40
    per_row = Fraction(many.cycles - few.cycles, 99_000)
    assert per_row.denominator == 1
    assert CycleModel(None, EVERY_STEP).evaluate(*rows(1000)) == few


def test_where_requests_matter_no_loop_is_skipped(watched: Watched) -> None:
    both(counted(Random(1), rows(60)))
    both(on_dram(Random(1), rows(60)))
    assert not watched.runs
    assert len(watched.recalls) == 2


def test_phases_of_cores_are_recalled_beside_each_other(watched: Watched) -> None:
    for seed in range(0, 12, 2):
        first, second = long_case(seed), long_case(seed + 1)
        memory = replace(first[0].levels[0], requests_in_flight=(None, 3)[seed // 2 % 2])
        cores = []
        for name, (architecture, problem, mapping) in (("a", first), ("b", second)):
            design = replace(architecture, levels=(memory, *architecture.levels[1:]))
            design = replace(design, clock_hz=10**9)
            if seed % 3 == 0:
                design = on(design, NAMES[seed % len(NAMES)], 2)
            cores.append(Core(name, design, problem, mapping))
        try:
            every = simulate_cores(cores, None, EVERY_STEP)
        except ArraysmithError:
            continue
        assert simulate_cores(cores) == every, f"seed {seed}"
    assert watched.recalled >= 3


def test_no_more_phases_are_remembered_than_asked_for(watched: Watched) -> None:
    design = on_dram(Random(2), rows(200))
    found = [
        CycleModel(None, CycleParameters(recalled_phases=kept)).evaluate(*design)
        for kept in (0, 1, 2, 64)
    ]
    assert all(report == found[0] for report in found)
    assert [x.kept for x in watched.recalls[:2]] == [1, 2]
    assert watched.recalls[-1].recalled > 100


def test_where_a_probe_observes_every_phase_is_run(watched: Watched) -> None:
    design = counted(Random(3), rows(60))
    told = WaitTotals()
    report = CycleModel(told).evaluate(*design)
    assert not watched.recalls
    assert sum(told.cycles.values()) == sum(cycles for _, cycles in report.stalls)
    assert CycleModel().evaluate(*design) == report
    assert watched.recalled == 1


@pytest.mark.parametrize(
    ("left_out", "sums_outside"), [((1,), False), ((0, 4), False), ((3,), True)]
)
def test_no_part_of_what_a_phase_ends_by_may_be_left_out(
    left_out: tuple[int, ...],
    sums_outside: bool,
    watched: Watched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the loop that turns next, or the kinds of turns of a loop, phases are mixed up."""
    design = rows(12, parts=7, rate=Fraction(4), sums_outside=sums_outside)
    every = CycleModel(None, EVERY_STEP).evaluate(*design)
    assert by_recall_only(design, monkeypatch) == every
    assert watched.recalled == 1
    begin = recall.begin_key

    def forgetful(*arguments) -> None:
        begin(*arguments)
        key = arguments[-1]
        if key[1] >= 0:  # negative before the last phase
            key[list(left_out)] = 0

    monkeypatch.setattr(recall, "begin_key", forgetful)
    with contextlib.suppress(AssertionError):  # cycles without a cause
        assert by_recall_only(design, monkeypatch) != every


def test_the_arrays_of_the_kernel_are_those_that_are_compared() -> None:
    machine = Machine.of(*rows(13))
    plan, clocks = machine.plan(), machine.clocks()
    assert understood(plan, clocks), "say in sim/cycle/repeats.py how to compare what is new"
    assert not understood((*plan, plan[0]), clocks)
    assert not understood(plan, (*clocks, clocks[0]))


def test_a_kernel_with_unknown_arrays_is_never_skipped(
    monkeypatch: pytest.MonkeyPatch, watched: Watched
) -> None:
    monkeypatch.setattr(repeats, "understood", lambda *_: False)
    monkeypatch.setattr(recall, "understood", lambda *_: False)
    both(rows(60))
    assert watched.skipped == watched.recalled == 0


def words_by_turn(machine: Machine, loop: int) -> list[set[tuple[int, ...]]]:
    """Per turn of the loop, all that any turn of it or inside it moves, looked up one by one."""
    amounts, tree = machine.amounts, machine.tree
    counts = [int(x) for x in tree.counts]
    found: list[set[tuple[int, ...]]] = [set() for _ in range(counts[loop])]
    for e, edge in enumerate(tree.edges):
        for turned in range(loop, edge.depth):
            for flat in range(int(np.prod(counts[: turned + 1]))):
                index, rest = [], flat
                for count in counts[: turned + 1]:
                    index.append(rest % count)
                    rest //= count
                others = tuple(x for j, x in enumerate(index) if j != loop)
                row = [e, turned, *others]
                for f in range(int(amounts.factors[e])):
                    at = int(amounts.base[e, f, turned])
                    at += sum(x * int(amounts.stride[e, f, j]) for j, x in enumerate(index))
                    for table in (amounts.words, amounts.known, amounts.passed):
                        row += table[:, at].tolist()
                found[index[loop]].add(tuple(row))
    return found


def test_turns_that_count_as_alike_move_the_same_whatever_the_other_loops_do() -> None:
    alike = 0
    for seed in range(6000, 6030):
        machine = Machine.of(*long_case(seed))
        if np.prod(machine.tree.counts.astype(float)) > 1500:
            continue
        for loop, last in enumerate(alike_turns(machine)):
            turns = words_by_turn(machine, loop)
            for i, end in enumerate(last.tolist()):
                assert i <= end < len(turns)
                assert all(turns[i] == turns[t] for t in range(i, end + 1)), f"seed {seed}"
                alike += end - i
    assert alike > 100


def test_numbers_of_result_tiles_drift_by_the_same_with_every_turn() -> None:
    for seed in range(6100, 6120):
        machine = Machine.of(*long_case(seed))
        drift = tile_drift(machine)
        for k, e in enumerate(machine.inner):
            stride = machine.amounts.stride[e]
            own = len(machine.tree.problem.tensors[machine.tree.edges[e].tensor].axes)
            for j in range(len(machine.tree.time)):
                tile = 0
                for f in range(own):
                    tile = tile * 31 + int(stride[f, j])
                assert drift[k, j] == tile % 1024
