"""Several systolic arrays side by side: closed form, contention, sums over arrays, traces."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_designs import (
    DATAFLOWS,
    INDICES,
    Kept,
    any_design,
    right_in_both_models,
    side_by_side,
    stationary,
    systolic,
)
from test_sparse_words import sparse_problem
from tiny import problem as any_problem

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import conv, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic


def any_mesh(random: Random) -> Architecture:
    return side_by_side(
        any_design(random),
        random.randint(1, 3),
        random.randint(1, 3),
        random.choice(INDICES),
        random.choice(INDICES),
    )


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=120)
def test_values_equal_the_reference_and_both_models_count_alike(seed):
    random = Random(seed)
    architecture = any_mesh(random)
    sparse = random.random() < 0.3
    problem = sparse_problem(random) if sparse else any_problem(random)
    mapping = stationary(random.choice(("os", "ws") if sparse else DATAFLOWS))
    _, report = right_in_both_models(architecture, problem, mapping, seed)
    assert report.active_pes <= report.pes


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_one_array_side_by_side_is_that_array(dataflow):
    problem = conv("c", height=6, width=6, in_channels=4, out_channels=8, window=(3, 3))
    single = systolic(4, 4, depth=(60, 60, 40), offchip=2, latency=3)
    for model in (evaluate_systolic, simulate_systolic):
        one, other = (
            model(design, problem, stationary(dataflow))
            for design in (single, side_by_side(single, 1, 1))
        )
        assert one == other


def test_more_bandwidth_may_cost_cycles_because_another_array_comes_first():
    problem, cycles, order = matmul("m", m=3, n=3, k=3), {}, {}
    for rate in (2, 4):
        chip = systolic(2, 2, depth=(16, 64, 64), offchip=rate, sram=1)
        probe = Kept()
        report = simulate_systolic(side_by_side(chip, 1, 2), problem, stationary("os"), probe)
        cycles[rate] = report.cycles
        weights = probe.stream("dram/weight/read")
        words = weights[:, 2] - weights[:, 2].min()
        order[rate] = (words // 3 == 2).tolist()  # the last filter is the second array's
    # The second array has its ifmap earlier, and its weights come between those of the first, which
    # is the one that is through last.
    assert order[2][:5] == [False, False, False, False, True]
    assert order[4][:5] == [False, False, True, False, False]
    assert cycles == {2: 30, 4: 31}


def closed_form(sizes, array, partitions):
    """Samajdar et al., ISPASS 2020: (2 R + C + T - 2) per fold, folds of the largest part."""
    (rows, columns, steps), (high, wide) = sizes, array
    down, across = (-(-n // p) for n, p in zip((rows, columns), partitions, strict=True))
    return (2 * high + wide + steps - 2) * -(-down // high) * -(-across // wide)


def ideal(array, partitions):
    return side_by_side(systolic(*array, partial_folds="full"), *partitions)


def test_scale_out_of_ncf0_is_54_times_faster_than_scale_up_at_2_to_the_14():
    # M 2048, K 128, N 1: 2048 outputs over the rows, 128 steps.
    sizes, ncf0 = (2048, 1, 128), matmul("ncf0", m=2048, n=1, k=128)
    up, out = ((128, 128), (1, 1)), ((8, 8), (256, 1))
    assert [closed_form(sizes, *x) for x in (up, out)] == [8160, 150]
    for array, partitions in (up, out):
        design = ideal(array, partitions)
        assert design.pes == 2**14
        exact = evaluate_systolic(design, ncf0, stationary("os"))
        assert exact.cycles == closed_form(sizes, array, partitions)
    assert round(8160 / 150, 1) == 54.4


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("partitions", [(1, 1), (2, 3), (4, 1), (5, 2)])
def test_with_ideal_memories_the_slowest_array_takes_the_closed_form(dataflow, partitions):
    problem = matmul("m", m=13, n=11, k=17)
    sizes = {"os": (13, 11, 17), "ws": (17, 11, 13), "is": (17, 13, 11)}[dataflow]
    design = ideal((3, 2), partitions)
    report = simulate_systolic(design, problem, stationary(dataflow))
    assert report.compute_cycles == closed_form(sizes, (3, 2), partitions)
    assert report.compute_cycles == evaluate_systolic(design, problem, stationary(dataflow)).cycles


def test_arrays_fetch_what_they_share_once_each():
    problem = matmul("m", m=8, n=8, k=5)
    report = simulate_systolic(side_by_side(systolic(4, 4), 2, 2), problem, stationary("os"))
    # Rows of the mesh cut m: two columns of arrays read the same ifmap, and the other way round.
    assert report.words("dram", "ifmap", "read") == 2 * 8 * 5
    assert report.words("dram", "weight", "read") == 2 * 8 * 5
    assert report.words("dram", "ofmap", "update") == 64
    assert report.active_pes == report.pes == 64


def test_arrays_share_the_rate_of_the_channel():
    problem = matmul("m", m=64, n=4, k=64)
    one = systolic(4, 4, offchip=Fraction(1))
    reports = [
        simulate_systolic(side_by_side(one, n, 1), problem, stationary("os")) for n in (1, 4)
    ]
    # Everything crosses a channel of a word per cycle, however many arrays wait for it.
    for report in reports:
        assert report.cycles >= report.words("dram", direction="read")
    assert reports[1].compute_cycles < reports[0].compute_cycles
    # Four copies of the weights instead of one.
    assert reports[1].words("dram", "weight", "read") == 4 * reports[0].words(
        "dram", "weight", "read"
    )


@pytest.mark.parametrize(("dataflow", "cut"), [("os", "stream"), ("ws", "rows"), ("is", "rows")])
def test_sums_that_arrays_share_are_read_added_to_and_written_once_per_further_array(dataflow, cut):
    problem = matmul("m", m=6, n=5, k=24)
    design = side_by_side(systolic(8, 8, offchip=4, latency=2), 3, 1, cut)
    probe = Kept()
    report = simulate_systolic(design, problem, stationary(dataflow), probe)
    assert report.words("dram", "ofmap", "update") == 3 * 30
    assert report.words("dram", "ofmap", "read") == 2 * 30
    reads, writes = (probe.stream(f"dram/ofmap/{way}") for way in ("read", "write"))
    results = {byte for row in writes.tolist() for byte in range(row[2], row[2] + row[3])}
    assert len(results) == 2 * 30  # sums in one place, results in another
    times = Counter(byte for row in writes.tolist() for byte in range(row[2], row[2] + row[3]))
    assert sorted(times.values()) == [1] * 30 + [2] * 30
    # A sum is read back after it was written.
    first = {}
    for cycle, _, address, size, *_ in writes.tolist():
        for byte in range(address, address + size):
            first.setdefault(byte, cycle)
    for cycle, _, address, size, *_ in reads.tolist():
        assert all(first[byte] < cycle for byte in range(address, address + size))


@pytest.mark.parametrize("dataflow", ["ws", "is"])
def test_cutting_the_stream_of_stationary_operands_adds_nothing_up(dataflow):
    problem = matmul("m", m=6, n=5, k=24)
    design = side_by_side(systolic(8, 8), 3, 1, "stream")
    report = simulate_systolic(design, problem, stationary(dataflow))
    assert report.words("dram", "ofmap", "read") == 0
    assert report.words("dram", "ofmap", "update") == 30


def test_every_array_has_streams_of_its_own():
    problem = matmul("m", m=7, n=8, k=5)
    probe = Kept()
    report = simulate_systolic(side_by_side(systolic(4, 4), 2, 2), problem, stationary("os"), probe)
    names = {f"ifmap_sram[{y},{x}]/ifmap/read" for y in range(2) for x in range(2)}
    assert names <= set(probe.parts)
    assert sum(len(probe.stream(name)) for name in names) == report.words(
        "ifmap_sram", "ifmap", "read"
    )
    for name in probe.parts:
        stamps = probe.stream(name)[:, 0]
        assert (np.diff(stamps) >= 0).all(), name


def test_the_setting_of_a_tool_with_one_array_refuses_several():
    from arraysmith.sim.cycle.scalesim.layer import ToolMachine

    with pytest.raises(ArraysmithError, match="arrays: the tool has one array"):
        ToolMachine.of_architecture(
            side_by_side(systolic(4, 4), 2, 1), matmul("m", m=7, n=8, k=5), stationary("os")
        )
