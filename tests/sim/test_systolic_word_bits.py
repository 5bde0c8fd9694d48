"""Words of every width on systolic arrays: time, energy, footprint and byte addresses."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systolic_designs import DATAFLOWS, Kept, any_design, stationary, systolic, unless_refused
from tiny import problem as any_problem

from arraysmith.arch.problem import WordBits, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic
from arraysmith.sim.folding import Folding
from arraysmith.sim.operand_words import fitted
from arraysmith.sim.residency import Operand
from arraysmith.sim.systolic_machine import SystolicMachine

BOTH = pytest.mark.parametrize("model", [evaluate_systolic, simulate_systolic])


def accesses(report):
    return {(x.level, x.tensor, x.direction): (x.words, x.accesses) for x in report.accesses}


def with_bits(problem, ifmap, weight, ofmap):
    tensors = {
        name: replace(problem.tensor(name), word_bits=bits)
        for name, bits in (("ifmap", ifmap), ("weight", weight), ("ofmap", ofmap))
    }
    return replace(problem, **tensors)


def with_ofmap_words(architecture, bits):
    """The design with an ofmap SRAM of as many words of ``bits``."""
    levels = tuple(
        replace(x, word_bits=bits, width_bits=bits) if x.name == "ofmap_sram" else x
        for x in architecture.levels
    )
    return replace(architecture, levels=levels)


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=60)
def test_both_models_count_words_and_accesses_of_any_width_alike(seed):
    random = Random(seed)
    bits = [random.choice((4, 8, 12, 16, 32)) for _ in range(3)]
    problem = with_bits(any_problem(random), *bits)
    design = with_ofmap_words(any_design(random), random.choice((8, 16, 24, 32)))
    mapping = stationary(random.choice(DATAFLOWS))
    exact = unless_refused(evaluate_systolic, design, problem, mapping)
    assume(exact is not None)
    report = simulate_systolic(design, problem, mapping)
    assert accesses(report) == accesses(exact)
    assert report.energy_pj > 0


@BOTH
def test_two_words_of_four_bits_share_a_byte_offchip(model):
    # 16 x 16 words each way: half the bytes, half the accesses of 8 bits, half the time.
    wide = matmul("m", m=16, n=16, k=16)
    narrow = matmul("m", m=16, n=16, k=16, bits=WordBits(4, 4, 4))
    design = systolic(16, 16, offchip=Fraction(1, 4))
    reports = [model(design, problem, stationary("os")) for problem in (wide, narrow)]
    for tensor, direction in (("ifmap", "read"), ("weight", "read"), ("ofmap", "update")):
        counts = [accesses(report)["dram", tensor, direction] for report in reports]
        assert counts == [(256, 256), (256, 128)]
    assert reports[1].cycles < reports[0].cycles
    moved = 2 * 256 * 4  # reads of two operands at a word in four cycles
    assert reports[0].cycles >= moved
    assert moved // 2 <= reports[1].cycles < moved


def test_byte_addresses_of_four_bit_words_name_both_words_of_a_byte():
    problem = matmul("m", m=6, n=5, k=7, bits=WordBits(4, 4, 8))
    probe = Kept()
    simulate_systolic(systolic(4, 4), problem, stationary("os"), probe)
    reads = probe.stream("ifmap_sram/ifmap/read")
    found, times = np.unique(reads[:, 2], return_counts=True)
    assert found.tolist() == list(range(21))  # 42 words in 21 bytes
    assert set(times.tolist()) == {2 * 2}  # two words, two column folds
    assert set(reads[:, 3].tolist()) == {1}
    loads = probe.stream("dram/ifmap/read")
    assert {b for row in loads.tolist() for b in range(row[2], row[2] + row[3])} == set(range(21))


@BOTH
def test_partial_sums_that_spill_are_as_wide_as_the_sram_keeps_them(model):
    problem = matmul("m", m=40, n=4, k=12)
    results, passes = 40 * 4, 3  # three row folds of four; two spills, two returns
    reports = []
    for bits in (8, 32):
        design = with_ofmap_words(systolic(4, 4, depth=(4096, 4096, 64), offchip=1), bits)
        reports.append(model(design, problem, stationary("ws")))
    for report, wide in zip(reports, (1, 4), strict=True):
        spilled = (passes - 1) * results
        assert accesses(report)["dram", "ofmap", "read"] == (spilled, spilled * wide)
        assert accesses(report)["dram", "ofmap", "update"] == (
            spilled + results,
            spilled * wide + results,
        )
    assert reports[1].cycles >= (passes - 1) * results * 4 > reports[0].cycles / 2


def test_requests_for_spilled_sums_have_a_place_and_the_size_of_a_sum():
    problem = matmul("m", m=40, n=4, k=12)
    design = with_ofmap_words(systolic(4, 4, depth=(4096, 4096, 64)), 32)
    probe = Kept()
    simulate_systolic(design, problem, stationary("ws"), probe)
    reads, writes = (probe.stream(f"dram/ofmap/{way}") for way in ("read", "write"))
    sums = {b for row in reads.tolist() for b in range(row[2], row[2] + row[3])}
    written = {b for row in writes.tolist() for b in range(row[2], row[2] + row[3])}
    assert len(sums) == 160 * 4
    assert len(written - sums) == 160  # the results, elsewhere
    assert sums <= written
    assert reads[:, 3].sum() == 2 * 160 * 4
    assert writes[:, 3].sum() == 2 * 160 * 4 + 160


def test_a_word_wider_than_the_memory_s_takes_its_own_bits_of_room_and_time():
    memory = systolic(4, 4, sram=Fraction(6)).levels[1]
    assert fitted(memory, 8) is memory
    assert fitted(memory, 4) is memory
    wide = fitted(memory, 16)
    assert wide.capacity_words == memory.capacity_words // 2
    assert wide.read_words_per_cycle == 3
    problem = matmul("m", m=4, n=4, k=16, bits=WordBits(16, 8, 8))
    design = systolic(4, 4, depth=(200, 200, 200), sram=Fraction(4))
    narrow, fp16 = (
        simulate_systolic(design, one, stationary("os"))
        for one in (matmul("m", m=4, n=4, k=16), problem)
    )
    assert "sram_ifmap" not in narrow.stall_cycles
    assert fp16.stall_cycles["sram_ifmap"] > 0
    assert accesses(fp16)["ifmap_sram", "ifmap", "read"] == (64, 128)
    # 64 words of 8 bits fit a half of 100 words, those of 16 bits do not.
    machine, folding = {}, {}
    for one in (matmul("m", m=4, n=4, k=16), problem):
        bits = one.ifmap.word_bits
        machine[bits] = SystolicMachine.of(design, stationary("os"), one)
        folding[bits] = Folding.of(machine[bits], one, stationary("os"))
        operand = Operand.of(machine[bits], folding[bits], one, "ifmap")
        assert operand.whole == (bits == 8)
