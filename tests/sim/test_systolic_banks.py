"""Banks and shared SRAMs around a systolic array, against what traces without them say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import ceil
from random import Random

import numpy as np
import pytest
from bank_trees import any_layout
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systolic_designs import (
    DATAFLOWS,
    SRAMS,
    Kept,
    any_design,
    stationary,
    systolic,
    unless_refused,
)
from tiny import problem as any_problem

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.layout import LINE, WORD, Layout
from arraysmith.arch.problem import TENSORS, Problem, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.banks.conflicts import Places
from arraysmith.sim.cycle.systolic.arrays import CAUSES, simulate_systolic
from arraysmith.sim.cycle.tracing.streams import address_map

seeds = st.integers(0, 10**9)


def banked(architecture: Architecture, random: Random, *, interleave: str | None = None):
    """The same design with lines of some words, layouts and banks; capacities stay."""
    levels: list = []
    for level in architecture.levels:
        if not isinstance(level, Memory) or level.depth is None:
            levels.append(level)
            continue
        parts = [level.depth, *(lines for _, lines in level.partition)]
        words = random.choice([n for n in (1, 2, 4) if all(part % n == 0 for part in parts)])
        chosen = interleave or random.choice((LINE, WORD))
        depth = level.depth // words
        parted = depth if chosen == LINE else words
        options = [n for n in (1, 2, 3, 4) if parted % n == 0 and n <= depth]
        layouts = tuple((t, any_layout(random, t, words, chosen)) for t in level.holds)
        levels.append(
            replace(
                level,
                width_bits=8 * words,
                depth=depth,
                banks=random.choice(options),
                layouts=layouts,
                partition=tuple((t, lines // words) for t, lines in level.partition),
            )
        )
    return replace(architecture, levels=tuple(levels))


def shared(architecture: Architecture, tensors: tuple[str, ...]) -> Architecture:
    """The same design with one SRAM for ``tensors``: its parts are the SRAMs they had."""
    mine = [level for level in architecture.memories[1:] if level.holds[0] in tensors]
    together = replace(
        mine[0],
        name="shared",
        holds=tensors,
        depth=sum(memory.depth for memory in mine),
        partition=tuple((memory.holds[0], memory.depth) for memory in mine),
    )
    levels = [level for level in architecture.levels if level not in mine]
    return replace(architecture, levels=(levels[0], together, *levels[1:]))


def any_case(seed: int):
    random = Random(seed)
    architecture, of = any_design(random), any_problem(random)
    return random, architecture, of, stationary(random.choice(DATAFLOWS))


def run(architecture: Architecture, of: Problem, mapping, probe: Kept | None = None):
    """The report, or None if a buffer is too small for one step."""
    return unless_refused(simulate_systolic, architecture, of, mapping, probe)


def places(architecture: Architecture, of: Problem):
    """Per stream name: the memory, and a function from addresses to (bank, row) of each."""
    regions, found = address_map(of, architecture), {}
    for level in architecture.memories[1:]:
        for name in level.holds:
            where = Places.of(level, of.tensor(name))
            base = regions[name].base
            found[f"{level.name}/{name}"] = (
                level,
                lambda rows, where=where, base=base: where.place_words(
                    np.ascontiguousarray(rows[:, 2] - base)
                )[:, :2],
            )
    return found


@given(seeds)
@settings(deadline=None, max_examples=80)
def test_banks_cost_cycles_with_their_own_cause_and_change_no_count(seed):
    random, architecture, of, mapping = any_case(seed)
    before = run(architecture, of, mapping)
    assume(before is not None)
    chip = banked(architecture, random)
    after = run(chip, of, mapping)
    assert after.compute_cycles == before.compute_cycles
    assert after.cycles == after.compute_cycles + sum(after.stall_cycles.values())
    assert set(after.stall_cycles) <= set(CAUSES)
    assert evaluate_systolic(chip, of, mapping).cycles <= after.cycles
    for one in before.accesses:
        assert after.words(one.level, one.tensor, one.direction) == one.words
    # Single-ported banks read and write side by side; else banks can only cost.
    if all(memory.ports == 2 for memory in chip.memories):
        assert after.cycles >= before.cycles


@given(seeds, st.integers(2, 4))
@settings(deadline=None, max_examples=60)
def test_more_banks_in_a_multiple_never_make_a_run_slower(seed, factor):
    random, architecture, of, mapping = any_case(seed)
    few = banked(architecture, random, interleave=LINE)
    before = run(few, of, mapping)
    assume(before is not None)
    assume(all(x.depth is None or x.banks * factor <= x.depth for x in few.memories))
    levels = [
        replace(level, banks=level.banks * factor) if isinstance(level, Memory) else level
        for level in few.levels
    ]
    assert run(replace(few, levels=tuple(levels)), of, mapping).cycles <= before.cycles


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_a_line_for_everything_and_a_port_each_way_is_a_memory_without_banks(seed):
    _, architecture, of, mapping = any_case(seed)
    assume(max(tensor.words for tensor in of.tensors) <= 1 << 11)
    levels, plain = [], []
    for level in architecture.levels:
        if not isinstance(level, Memory) or level.depth is None:
            levels.append(level)
            plain.append(level)
            continue
        roomy = replace(level, depth=1 << 12, ports=2)
        plain.append(roomy)
        one = replace(roomy, width_bits=8 << 11, depth=2)
        levels.append(replace(one, layouts=tuple((t, Layout()) for t in level.holds)))
    free, lines = (
        simulate_systolic(replace(architecture, levels=tuple(x)), of, mapping)
        for x in (plain, levels)
    )
    assert (lines.cycles, lines.stalls) == (free.cycles, free.stalls)


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_every_access_obeys_the_ports_of_its_bank_and_is_one_that_happens_without_banks(seed):
    random, architecture, of, mapping = any_case(seed)
    if random.random() < 0.5:
        architecture = shared(architecture, tuple(random.sample(TENSORS, random.randint(2, 3))))
    chip, seen, plain = banked(architecture, random), Kept(), Kept()
    report = run(chip, of, mapping, seen)
    assume(report is not None)
    run(architecture, of, mapping, plain)
    opened: dict[tuple, set] = {}
    for stream, (memory, place) in places(chip, of).items():
        for way in ("read", "write"):
            rows = seen.stream(f"{stream}/{way}")
            assert (np.diff(rows[:, 0]) >= 0).all()
            assert (rows[:, 1] >= rows[:, 0] + memory.latency_cycles).all()
            assert (rows[:, 1] < report.cycles + memory.latency_cycles).all()
            was = plain.stream(f"{stream}/{way}")
            assert sorted(map(tuple, rows[:, 2:].tolist())) == sorted(
                map(tuple, was[:, 2:].tolist())
            )
            for (cycle, *_), (bank, row) in zip(rows.tolist(), place(rows).tolist(), strict=True):
                opened.setdefault((memory.name, bank, cycle), set()).add((way, stream, row))
            rate = memory.read_words_per_cycle if way == "read" else memory.write_words_per_cycle
            if rate is not None and len(rows):
                passed = Counter(rows[:, 1].tolist())
                assert max(passed.values()) <= ceil(rate)
    for (name, *_), lines in opened.items():
        assert len(lines) <= chip.level(name).ports
        assert len({way for way, *_ in lines}) == len(lines)


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_waits_told_of_banks_add_up_to_the_report(seed):
    random, architecture, of, mapping = any_case(seed)
    chip, probe = banked(architecture, random), Kept()
    report = run(chip, of, mapping, probe)
    assume(report is not None)
    told: Counter = Counter()
    rows = np.concatenate(probe.waits) if probe.waits else np.zeros((0, 3), np.int64)
    for _, cycles, cause in rows.tolist():
        told[probe.causes[cause]] += cycles
    gaps = {cause: n for cause, n in report.stall_cycles.items() if cause.startswith("gap_")}
    assert {**told, **gaps} == report.stall_cycles
    assert (np.diff(rows[:, 0]) >= 0).all()
    assert run(chip, of, mapping) == report


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_the_array_freezes_as_the_lines_of_every_cycle_of_a_run_without_banks_say(seed):
    random, _, of, mapping = any_case(seed)
    rows, columns = random.randint(1, 5), random.randint(1, 5)
    overlap = random.choice(("none", "weights", "accumulators"))
    free = systolic(rows, columns, fold_overlap=overlap, depth=(1 << 12,) * 3)
    if random.random() < 0.5:
        free = shared(free, tuple(random.sample(TENSORS, random.randint(2, 3))))
    plain = Kept()
    before = simulate_systolic(free, of, mapping, plain)
    assert before.stalls == ()  # so clock cycles are array cycles
    chip = banked(free, random)
    if random.random() < 0.4:
        levels = [replace(x, ports=1) if isinstance(x, Memory) else x for x in chip.levels]
        chip = replace(chip, levels=tuple(levels))
    lines: dict[str, dict[tuple, set]] = {"read": {}, "write": {}}
    for stream, (memory, place) in places(chip, of).items():
        for way, opened in lines.items():
            found = plain.stream(f"{stream}/{way}")
            for (cycle, *_), (bank, row) in zip(found.tolist(), place(found).tolist(), strict=True):
                opened.setdefault((cycle, memory.name, bank), set()).add((stream, row))
    need: dict[int, int] = {}
    for (cycle, *_), opened in lines["read"].items():
        need[cycle] = max(need.get(cycle, 1), len(opened))
    # Sums straight from adders are right when the last word has come, with the last read.
    registered = mapping.at("mac").temporal[0].dim == "R" and free.systolic.network.drain != "free"
    late = {} if registered else {cycle: cycles - 1 for cycle, cycles in need.items()}
    for (cycle, name, bank), opened in lines["write"].items():
        begin = late.get(cycle, 0)
        if chip.level(name).ports == 1:
            begin = max(begin, len(lines["read"].get((cycle, name, bank), ())))
        need[cycle] = max(need.get(cycle, 1), begin + len(opened))
    after = simulate_systolic(chip, of, mapping)
    assert after.cycles == before.cycles + sum(n - 1 for n in need.values())
    assert set(after.stall_cycles) <= {f"bank_{tensor}" for tensor in TENSORS}


def test_a_column_of_a_row_major_matrix_conflicts_and_a_blocked_one_does_not():
    # Lane i takes A[i, t - i]: four lines of eight words of four rows, all in banks 0 and 2 of 4.
    of = matmul("mm", m=4, n=4, k=16)
    chip = systolic(4, 4)
    report = simulate_systolic(chip, of, stationary("os"))

    def laid_out(layout: Layout, banks: int):
        sram = replace(
            chip.level("ifmap_sram"),
            width_bits=64,
            depth=1 << 17,
            banks=banks,
            layouts=(("ifmap", layout),),
        )
        levels = tuple(sram if x.name == sram.name else x for x in chip.levels)
        return simulate_systolic(replace(chip, levels=levels), of, stationary("os"))

    rows = laid_out(Layout(), 4)
    assert set(rows.stall_cycles) == {"bank_ifmap"}
    # Line of row i, word k: 2 i + k // 8. Rows 0 and 2, 1 and 3 share a bank while both halves of
    # their lines do: in every cycle with both in the same half, one cycle more.
    same = sum(
        any(
            0 <= u - i < 16 and 0 <= u - i - 2 < 16 and (u - i) // 8 == (u - i - 2) // 8
            for i in (0, 1)
        )
        for u in range(19)
    )
    assert rows.stall_cycles == {"bank_ifmap": same}
    columns = laid_out(Layout((("P", 4), ("C", 2)), ("C", "P")), 4)
    assert columns.cycles == report.cycles
    assert laid_out(Layout(), 8).cycles == report.cycles


def test_an_sram_of_several_tensors_has_to_be_parted():
    chip = shared(systolic(2, 2), ("ifmap", "weight"))
    levels = tuple(replace(x, partition=()) if x.name == "shared" else x for x in chip.levels)
    of = matmul("mm", m=2, n=2, k=2)
    with pytest.raises(ArraysmithError, match="shared: keeps ifmap, weight: partition must say"):
        simulate_systolic(replace(chip, levels=levels), of, stationary("os"))


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_parts_of_a_shared_memory_with_ports_to_spare_are_memories_of_their_own(seed):
    random, architecture, of, mapping = any_case(seed)
    levels = [
        replace(x, ports=2, read_words_per_cycle=None, write_words_per_cycle=None,
                double_buffered=True)
        if isinstance(x, Memory) and x.depth is not None else x
        for x in architecture.levels
    ]  # fmt: skip
    apart = replace(architecture, levels=tuple(levels))
    before = run(apart, of, mapping)
    assume(before is not None)
    together = shared(apart, tuple(random.sample(TENSORS, random.randint(2, 3))))
    after = simulate_systolic(together, of, mapping)
    assert (after.cycles, after.stalls) == (before.cycles, before.stalls)
    for tensor, level in SRAMS.items():
        name = "shared" if tensor in together.memories[1].holds else level
        for direction in ("read", "fill", "update", "drain"):
            assert after.words(name, tensor, direction) == before.words(level, tensor, direction)
    estimated = evaluate_systolic(together, of, mapping)
    assert estimated.cycles <= after.cycles
    assert estimated.compute_cycles == after.compute_cycles


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_tensors_that_share_a_port_share_its_words(seed):
    random, architecture, of, mapping = any_case(seed)
    rate, ports = random.choice((1, Fraction(3, 2), 4)), random.choice((1, 2))
    levels = [
        replace(x, ports=ports, read_words_per_cycle=Fraction(rate),
                write_words_per_cycle=Fraction(rate), double_buffered=True)
        if isinstance(x, Memory) and x.depth is not None else x
        for x in architecture.levels
    ]  # fmt: skip
    apart = replace(architecture, levels=tuple(levels))
    together, probe = shared(apart, TENSORS), Kept()
    report = run(together, of, mapping, probe)
    assume(report is not None)
    assert report.cycles >= run(apart, of, mapping).cycles
    assert evaluate_systolic(together, of, mapping).cycles <= report.cycles
    moved = {
        way: Counter(
            cycle
            for tensor in TENSORS
            for cycle in probe.stream(f"shared/{tensor}/{way}")[:, 0].tolist()
        )
        for way in ("read", "write")
    }
    for words in moved.values():
        assert max(words.values(), default=0) <= ceil(rate)
    if ports == 1:
        assert not moved["read"].keys() & moved["write"].keys()
