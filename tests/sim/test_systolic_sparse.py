"""Structured sparsity of weights on systolic arrays: values, counts, time and traces."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_designs import (
    Kept,
    any_design,
    right_in_both_models,
    stationary,
    systolic,
)
from test_sparse_words import sparse_problem

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import conv, matmul
from arraysmith.arch.sparsity import StructuredSparsity
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.carrying.reference import Drop, random_operands, reference_output
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic
from arraysmith.sim.cycle.systolic.values import systolic_values

TWO_OF_FOUR = StructuredSparsity(2, 4)


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=80)
def test_results_equal_the_masked_reference_and_both_models_count_alike(seed):
    random = Random(seed)
    architecture, problem = any_design(random), sparse_problem(random)
    mapping = stationary(random.choice(("os", "ws")))
    exact, report = right_in_both_models(architecture, problem, mapping, seed)
    assert report.macs == exact.macs
    assert report.utilization <= 1


@pytest.mark.parametrize("dataflow", ["os", "ws"])
@pytest.mark.parametrize("rows", [4, 3])
def test_time_is_that_of_a_dense_product_of_the_kept_length(dataflow, rows):
    sparse = matmul("m", m=9, n=7, k=22, weight_sparsity=TWO_OF_FOUR)
    short = matmul("m", m=9, n=7, k=12)
    design, mapping = systolic(rows, 5), stationary(dataflow)
    for model in (evaluate_systolic, simulate_systolic):
        reports = [model(design, problem, mapping) for problem in (sparse, short)]
        assert reports[0].cycles == reports[1].cycles
        assert reports[0].macs == reports[1].macs == 9 * 7 * 12


def ifmap_reads(problem, dataflow, rows, columns):
    """Every (group, fold, step or lane, word) from the definition, each word of a block once."""
    sparsity, length = problem.weight_sparsity, problem.reduction
    size = problem.size
    slots = [
        range(block, min(block + sparsity.block, length))
        for block in range(0, length, sparsity.block)
        for _ in range(min(sparsity.kept, length - block))
    ]
    pixels = size["N"] * size["P"] * size["Q"]
    if dataflow == "os":
        turns = -(-size["K"] // columns)
        needed = [list({block[0]: block for block in slots}.values())] * 1
    else:
        turns = -(-size["K"] // columns)
        folds = [slots[i : i + rows] for i in range(0, len(slots), rows)]
        needed = [list({block[0]: block for block in fold}.values()) for fold in folds]
    found = Counter()
    for fold, blocks in enumerate(needed):
        for block in blocks:
            for index in block:
                found[fold, index] += turns * pixels * size["G"]
    return found


@pytest.mark.parametrize("dataflow", ["os", "ws"])
@pytest.mark.parametrize("sparsity", [(1, 4), (2, 4), (3, 5), (4, 4), (1, 1)])
def test_every_word_of_a_block_is_read_once_per_fold_and_step(dataflow, sparsity):
    problem = matmul("m", m=6, n=5, k=23, batch=2, weight_sparsity=StructuredSparsity(*sparsity))
    probe = Kept()
    report = simulate_systolic(systolic(3, 4), problem, stationary(dataflow), probe)
    reads = probe.stream("ifmap_sram/ifmap/read")
    expected = ifmap_reads(problem, dataflow, 3, 4)
    assert len(reads) == sum(expected.values()) == report.words("ifmap_sram", "ifmap", "read")
    by_index = Counter()
    for (_, index), count in expected.items():
        by_index[index] += count
    assert Counter((reads[:, 2] % 23).tolist()) == by_index
    # At most one access per port and cycle, and in order.
    assert len({(row[0], row[-1]) for row in reads.tolist()}) == len(reads)
    assert reads[:, [0, -1]].tolist() == sorted(reads[:, [0, -1]].tolist())


def test_the_words_of_a_block_come_together_with_its_first_slot():
    problem = matmul("m", m=2, n=1, k=8, weight_sparsity=TWO_OF_FOUR)
    probe = Kept()
    simulate_systolic(systolic(4, 1), problem, stationary("ws"), probe)
    reads = probe.stream("ifmap_sram/ifmap/read")
    # Rows 0 and 1 hold the slots of block 0, rows 2 and 3 those of block 1; 4 cycles of loading.
    assert [(row[0], row[2]) for row in reads.tolist()] == sorted(
        (4 + step + 2 * block, step * 8 + block * 4 + i)
        for step in range(2)
        for block in range(2)
        for i in range(4)
    )
    probe = Kept()
    simulate_systolic(systolic(2, 1), problem, stationary("os"), probe)
    reads = probe.stream("ifmap_sram/ifmap/read")
    assert sorted((row[0], row[2]) for row in reads.tolist()) == sorted(
        (lane + 2 * block, lane * 8 + block * 4 + i)
        for lane in range(2)
        for block in range(2)
        for i in range(4)
    )


def test_a_port_of_one_word_makes_the_array_wait_for_blocks():
    problem = matmul("m", m=1, n=1, k=8, weight_sparsity=TWO_OF_FOUR)
    ideal, narrow = (
        simulate_systolic(systolic(1, 1, sram=rate), problem, stationary("os"))
        for rate in (None, Fraction(1))
    )
    # Four steps; in each of the two blocks' first steps four words share the port.
    assert narrow.stall_cycles["sram_ifmap"] == 2 * 3
    assert narrow.compute_cycles == ideal.compute_cycles


def test_weights_travel_with_their_positions():
    problem = matmul("m", m=4, n=6, k=16, weight_sparsity=TWO_OF_FOUR)
    probe = Kept()
    report = simulate_systolic(systolic(4, 4), problem, stationary("ws"), probe)
    loads = probe.stream("dram/weight/read")
    # 48 kept weights of 8 + 2 bits.
    assert report.words("dram", "weight", "read") == 6 * 8
    covered = {byte for row in loads.tolist() for byte in range(row[2], row[2] + row[3])}
    assert len(covered) == 48 * 10 // 8


def test_windows_of_convolutions_are_picked_from_blocks_across_channels():
    problem = conv(
        "c", height=6, width=5, in_channels=3, out_channels=4, window=(3, 2), stride=(1, 2),
        padding=(1, 0), batch=2, weight_sparsity=StructuredSparsity(2, 5),
    )  # fmt: skip
    ifmap, weight = random_operands(problem, 5)
    want = reference_output(problem, ifmap, weight)
    for dataflow in ("os", "ws"):
        design = systolic(3, 3, depth=(70, 24, 16))
        got = systolic_values(design, problem, stationary(dataflow), ifmap, weight)
        assert np.array_equal(got, want)
        for tensor in (0, 1):
            drop = Drop(tensor, 1)
            got = systolic_values(design, problem, stationary(dataflow), ifmap, weight, drop)
            assert not np.array_equal(got, want)


@pytest.mark.parametrize("model", [evaluate_systolic, simulate_systolic])
def test_what_cannot_skip_weights_is_refused_in_words(model):
    problem = conv(
        "c", height=6, width=5, in_channels=4, out_channels=4, window=(3, 2),
        weight_sparsity=TWO_OF_FOUR,
    )  # fmt: skip
    with pytest.raises(ArraysmithError, match="every filter keeps other rows"):
        model(systolic(3, 3), problem, stationary("is"))
    levels = (
        LevelMapping("dram", temporal=(Loop("G", 1),)),
        LevelMapping("array", x=(Loop("K", 1),), y=tuple(Loop(d, 1) for d in "CRS")),
        LevelMapping("mac", temporal=tuple(Loop(d, 1) for d in "NPQ")),
    )
    with pytest.raises(ArraysmithError, match="order the loops R S C"):
        model(systolic(3, 3), problem, Mapping(levels))
    tiny = systolic(3, 3, depth=(20, 200, 200))
    with pytest.raises(ArraysmithError, match="one step of ifmap takes 12"):
        model(tiny, replace(problem), stationary("os"))
