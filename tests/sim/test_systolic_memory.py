"""Memory around a systolic array: what moves, when, and what it costs; both models side by side."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product
from math import ceil
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systolic_designs import (
    DATAFLOWS,
    SRAMS,
    Kept,
    any_design,
    faster,
    stationary,
    systolic,
    unless_refused,
)
from tiny import problem as any_problem

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import DIMS, Problem, conv, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.systolic.arrays import CAUSES, simulate_systolic
from arraysmith.sim.cycle.tracing.streams import address_map

seeds = st.integers(0, 10**9)

# What may happen to a result's word after what: made once, then read and made again any number of
# times, off-chip and back in between.
FOLLOWS = {
    "sram write": ("sram read", "dram write"),
    "sram read": ("sram write",),
    "dram write": ("dram read",),
    "dram read": ("sram read",),
}


def _case(seed: int, *, probe: Kept | None = None):
    """A random design, problem and dataflow with the simulated report; None if it is refused."""
    random = Random(seed)
    architecture, of = any_design(random), any_problem(random)
    mapping = stationary(random.choice(DATAFLOWS))
    report = unless_refused(simulate_systolic, architecture, of, mapping, probe)
    if report is None:
        with pytest.raises(ArraysmithError):
            evaluate_systolic(architecture, of, mapping)
        return None
    return architecture, of, mapping, report


@given(seeds)
@settings(deadline=None, max_examples=150)
def test_both_models_count_the_same_words_and_the_closed_form_is_never_slower(seed):
    case = _case(seed)
    assume(case is not None)
    architecture, of, mapping, simulated = case
    estimated = evaluate_systolic(architecture, of, mapping)
    for report in (simulated, estimated):
        assert report.macs == of.macs
    counted = {
        (report.fidelity, a.level, a.tensor, a.direction): a.words
        for report in (simulated, estimated)
        for a in report.accesses
    }
    for (_, level, tensor, direction), words in counted.items():
        assert simulated.words(level, tensor, direction) == words
        assert estimated.words(level, tensor, direction) == words
    assert simulated.compute_cycles == estimated.compute_cycles
    assert simulated.cycles >= estimated.cycles
    assert set(simulated.stall_cycles) <= set(CAUSES)
    assert all(cycles > 0 for cycles in simulated.stall_cycles.values())


def _footprint(of: Problem, name: str) -> set[int]:
    """Row-major indices of the words of a tensor that some MAC takes, by walking all MACs."""
    tensor = of.tensor(name)
    used = set()
    for point in product(*(range(of.size[dim]) for dim in DIMS)):
        at = dict(zip(DIMS, point, strict=True))
        index = [axis.offset + sum(c * at[d] for d, c in axis.terms) for axis in tensor.axes]
        if all(0 <= i < axis.extent for i, axis in zip(index, tensor.axes, strict=True)):
            word = 0
            for i, axis in zip(index, tensor.axes, strict=True):
                word = word * axis.extent + i
            used.add(word)
    return used


def _touched(rows: np.ndarray, base: int) -> set[int]:
    return {x - base + k for _, _, x, size, *_ in rows.tolist() for k in range(size)}


@given(seeds)
@settings(deadline=None, max_examples=25)
def test_offchip_addresses_are_the_used_footprint_and_their_number_the_counted_words(seed):
    probe = Kept()
    case = _case(seed, probe=probe)
    assume(case is not None and case[1].macs < 20_000)
    architecture, of, _, report = case
    for name, region in address_map(of, architecture).items():
        used = _footprint(of, name)
        for direction, way in (("read", "read"), ("write", "update")):
            rows = probe.stream(f"dram/{name}/{direction}")
            assert rows[:, 3].sum() == report.words("dram", name, way)
            assert all(0 < size <= 64 for size in rows[:, 3].tolist())
            if (name == "ofmap") == (direction == "write"):
                assert _touched(rows, region.base) == used
            else:
                assert _touched(rows, region.base) <= (used if name == "ofmap" else set())


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_no_word_is_used_before_it_came_nor_sent_before_it_was_made(seed):
    probe = Kept()
    case = _case(seed, probe=probe)
    assume(case is not None)
    _, _, _, report = case
    for name, rows in ((n, probe.stream(n)) for n in probe.parts):
        assert (np.diff(rows[:, 0]) >= 0).all(), name
        assert (rows[:, 0] >= 0).all()
        assert (rows[:, 1] >= rows[:, 0]).all()
        assert (rows[:, 1] <= report.cycles).all()
    for tensor in ("ifmap", "weight"):
        came: dict[int, int] = {}
        for _, response, address, size, *_ in probe.stream(f"dram/{tensor}/read").tolist():
            for byte in range(address, address + size):
                came[byte] = min(response, came.get(byte, response))
        for asked, _, address, *_ in probe.stream(f"{SRAMS[tensor]}/{tensor}/read").tolist():
            assert came[address] <= asked
    sram, dram = "ofmap_sram/ofmap/", "dram/ofmap/"
    events: dict[int, list[tuple[int, int, str]]] = {}
    # In one cycle: sums made before may leave, come back at once, be added to, and be made again.
    order = ("dram write", "dram read", "sram read", "sram write")
    for what, stream, when in (
        ("dram read", f"{dram}read", 1),
        ("sram read", f"{sram}read", 0),
        ("sram write", f"{sram}write", 0),
        ("dram write", f"{dram}write", 0),
    ):
        for row in probe.stream(stream).tolist():
            for byte in range(row[2], row[2] + row[3]):
                events.setdefault(byte, []).append((row[when], order.index(what), what))
    for history in events.values():
        kinds = [what for _, _, what in sorted(history)]
        assert (kinds[0], kinds[-1]) == ("sram write", "dram write")
        for before, after in pairwise(kinds):
            assert after in FOLLOWS[before]


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_no_port_moves_more_words_in_a_cycle_than_it_has(seed):
    probe = Kept()
    case = _case(seed, probe=probe)
    assume(case is not None)
    architecture, *_ = case
    for tensor, level in SRAMS.items():
        memory = architecture.level(level)
        if memory.read_words_per_cycle is None:
            continue
        streams = [probe.stream(f"{level}/{tensor}/{way}") for way in ("read", "write")]
        for rows in streams:
            if len(rows):
                most = np.unique(rows[:, 0], return_counts=True)[1].max()
                assert most <= ceil(memory.read_words_per_cycle)
        if memory.ports == 1:
            assert not set(streams[0][:, 0].tolist()) & set(streams[1][:, 0].tolist())


@given(seeds, st.sampled_from(["dram", *SRAMS.values()]), st.integers(2, 9))
@settings(deadline=None, max_examples=120)
def test_a_faster_memory_never_makes_a_run_slower(seed, level, factor):
    case = _case(seed)
    assume(case is not None and case[0].level(level).read_words_per_cycle is not None)
    architecture, of, mapping, before = case
    after = simulate_systolic(faster(architecture, level, factor), of, mapping)
    assert after.cycles <= before.cycles
    assert after.compute_cycles == before.compute_cycles


def test_partial_sums_that_do_not_fit_go_offchip_and_come_back():
    problem = matmul("mm", m=20, n=4, k=12)
    for depth, stays in ((160, True), (158, False)):
        architecture = systolic(4, 4, depth=(4096, 4096, depth), offchip=4)
        report = simulate_systolic(architecture, problem, stationary("ws"))
        # Three row folds of 20 x 4 partial sums; half of the memory has to hold 80.
        assert report.words("dram", "ofmap", "update") == (80 if stays else 3 * 80)
        assert report.words("dram", "ofmap", "read") == (0 if stays else 2 * 80)
        assert report.words("ofmap_sram", "ofmap", "update") == 3 * 80
        assert report.words("ofmap_sram", "ofmap", "read") == 2 * 80
        assert report.words("ofmap_sram", "ofmap", "drain") == (80 if stays else 3 * 80)
        assert ("offchip_ofmap" in report.stall_cycles) is not stays


def test_an_operand_that_fits_a_half_is_fetched_once_and_one_that_does_not_per_column_fold():
    problem = matmul("mm", m=8, n=12, k=6)
    for depth, times in ((96, 1), (94, 3)):
        architecture = systolic(4, 4, depth=(depth, 4096, 4096))
        report = simulate_systolic(architecture, problem, stationary("os"))
        assert report.words("dram", "ifmap", "read") == times * 48
        assert report.words("ifmap_sram", "ifmap", "read") == 3 * 48


def test_overlapping_windows_are_fetched_once_per_fold():
    # Four neighbouring pixels of a row, window 3 x 3: rows of 6 words, not 4 x 9.
    problem = conv("c", height=5, width=6, in_channels=1, out_channels=9, window=(3, 3))
    architecture = systolic(4, 4, depth=(40, 4096, 4096))
    report = simulate_systolic(architecture, problem, stationary("os"))
    assert report.words("dram", "ifmap", "read") == 3 * 3 * (3 * 6)
    assert report.words("ifmap_sram", "ifmap", "read") == 3 * 3 * (4 * 9)


def test_chunks_shorter_than_the_skew_cost_gaps_even_with_unlimited_bandwidth():
    problem = matmul("mm", m=8, n=8, k=24)
    roomy, tight = (
        simulate_systolic(systolic(8, 8, depth=(depth, 4096, 4096)), problem, stationary("os"))
        for depth in (4096, 32)
    )
    assert roomy.stalls == ()
    # Chunks of 2 steps, 8 lanes: the chunk in cycles n, n + 1 has passed lane 7 in n + 8, so that
    # the next but one comes in n + 9, not n + 4; so with every second of the 12 but the first.
    assert tight.stall_cycles == {"gap_ifmap": 5 * 5}


def test_a_port_of_half_the_lanes_doubles_the_cycles_in_which_more_are_active():
    problem = matmul("mm", m=4, n=1, k=10)
    report = simulate_systolic(systolic(4, 4, sram=2), problem, stationary("os"))
    # 13 cycles with 1 2 3 4 4 4 4 4 4 4 3 2 1 ifmap words.
    assert report.stall_cycles["sram_ifmap"] == 9
    assert "sram_weight" not in report.stall_cycles


def test_first_fill_and_last_drain_have_their_own_causes():
    problem = matmul("mm", m=4, n=4, k=4)
    report = simulate_systolic(
        systolic(4, 4, offchip=Fraction(1), latency=10), problem, stationary("os")
    )
    # Four ifmap words, four weights and so on for four steps, and the latency: the first step can
    # start in cycle 18, each later one 8 cycles after the one before. 16 results and the latency.
    assert report.stall_cycles == {
        "fill": 18,
        "offchip_ifmap": 3 * 3,
        "offchip_weight": 3 * 4,
        "drain": 26,
    }
    assert report.cycles == 18 + 21 + (4 + 4 + 4 + 4 - 2) + 26


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_loads_hide_behind_computing_when_bandwidth_suffices(dataflow):
    problem = matmul("mm", m=32, n=32, k=32)
    architecture = systolic(4, 4, depth=(512, 512, 512), offchip=64)
    report = simulate_systolic(architecture, problem, stationary(dataflow))
    assert set(report.stall_cycles) <= {"fill", "drain"}


@pytest.mark.parametrize("depth", [1 << 14, 900])
def test_a_long_stream_of_results_leaves_while_it_runs(depth):
    problem = matmul("mm", m=600, n=4, k=8)
    probe = Kept()
    architecture = systolic(4, 4, depth=(1 << 14, 4096, depth), offchip=16, sram=16)
    report = simulate_systolic(architecture, problem, stationary("ws"), probe)
    # The last part of 600 + 3 cycles' results is an eighth of them: 304 words, 19 cycles.
    assert report.stall_cycles["drain"] <= 19
    made = probe.stream("ofmap_sram/ofmap/write")
    sent = probe.stream("dram/ofmap/write")
    assert sent[0, 0] < made[-1, 0]
    assert sent[:, 3].sum() == report.words("dram", "ofmap", "update")
    last_made = {address: cycle for cycle, _, address, *_ in made.tolist()}
    last_sent = {
        byte: cycle
        for cycle, _, address, size, *_ in sent.tolist()
        for byte in range(address, address + size)
    }
    assert last_sent.keys() == last_made.keys()
    assert all(last_made[byte] < last_sent[byte] for byte in last_made)


def test_the_choices_of_the_model_reach_a_systolic_array():
    probe = Kept()
    chosen = CycleParameters(region_align_bytes=1 << 20)
    chip = systolic(4, 4, offchip=4).with_values({"dram.request_bytes": 2})
    CycleModel(probe, chosen).evaluate(chip, matmul("gemm", m=9, n=7, k=33), stationary("os"))
    assert probe.stream("dram/ifmap/read")[:, 3].max() == 2
    assert probe.stream("dram/ofmap/write")[:, 2].min() % (1 << 20) == 0
