"""Systolic arrays side by side that share their SRAMs, against arrays of registers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from register_array import operand_stationary, output_stationary
from systolic_designs import (
    DATAFLOWS,
    INDICES,
    SRAMS,
    Kept,
    any_design,
    right_in_both_models,
    side_by_side,
    stationary,
    systolic,
    unless_refused,
    words_by_place,
)
from test_sparse_words import sparse_problem
from tiny import problem as any_problem

from arraysmith.arch.architecture import Architecture, Fanout, Memory, ScaleOut, Systolic, Wires
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic
from arraysmith.sim.cycle.tracing.streams import address_map

SIZES = {"os": "mnk", "ws": "knm", "is": "kmn"}
"""Sizes of a product behind rows, columns and stream."""


def lockstep(architecture: Architecture, across: tuple[int, int, int]) -> Architecture:
    """The design with arrays in lockstep that cut two of the three indices at most."""
    cut = [(name, many) for name, many in zip(INDICES, across, strict=True) if many > 1]
    cut += [("rows", 1), ("columns", 1)]
    (y, mesh_y), (x, mesh_x), *_ = cut
    return side_by_side(architecture, mesh_y, mesh_x, y, x, shared=True)


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=150)
def test_values_equal_the_reference_and_both_models_count_alike(seed):
    random = Random(seed)
    mesh = random.randint(1, 3), random.randint(1, 3)
    cut = random.choice(INDICES), random.choice(INDICES)
    architecture = side_by_side(any_design(random), *mesh, *cut, shared=True)
    problem, mapping = any_problem(random), stationary(random.choice(DATAFLOWS))
    exact, report = right_in_both_models(architecture, problem, mapping, seed)
    assert report.active_pes <= report.pes
    assert report.active_pes == exact.active_pes


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_one_array_with_the_sram_above_a_mesh_is_that_array(dataflow):
    problem = matmul("m", m=9, n=7, k=11)
    single = systolic(4, 4, depth=(60, 60, 60), offchip=2, latency=3, sram=3)
    for model in (evaluate_systolic, simulate_systolic):
        one, other = (
            model(design, problem, stationary(dataflow))
            for design in (single, lockstep(single, (1, 1, 1)))
        )
        assert one == other


def share_of_block(index, many, wide, size, fold):
    """Per array the values of an index in a fold: blocks of one array next to each other."""
    first = fold * many * wide
    return [
        range(min(size, first + a * wide), min(size, first + (a + 1) * wide)) for a in range(many)
    ]


def arrays_of_registers(dataflow, size, array, across, network, starts):
    """What all arrays pass, as {(stream, cycle, port, place, fold)}, and the cycles that they take.

    Every array runs by itself on the blocks that are its own, filled up with zeros to what the
    first array has, and is told nothing but the starts of the folds.
    """
    (rows, columns, steps), (R, C), (down, over, turns) = size, array, across
    rng = np.random.default_rng(1)
    left, top = rng.integers(1, 9, (steps, rows)), rng.integers(1, 9, (rows, columns))
    if dataflow == "os":
        top = rng.integers(1, 9, (steps, columns))
    expected = left.T @ top if dataflow == "os" else (left @ top).T
    longest = -(-steps // turns)
    passed, sums, cycles = set(), np.zeros_like(expected), set()
    folds = [
        (i, j) for j in range(-(-columns // (over * C))) for i in range(-(-rows // (down * R)))
    ]
    for a, b, p in product(range(down), range(over), range(turns)):
        blocks, own = [], []
        time = range(p, steps, turns)
        for i, j in folds:
            high = share_of_block("rows", down, R, rows, i)
            wide = share_of_block("columns", over, C, columns, j)
            full = network.partial_folds == "full"
            r, c = (R, C) if full else (len(high[0]), len(wide[0]))
            mine = np.zeros((longest, r), int)
            mine[: len(time), : len(high[a])] = left[np.ix_(time, high[a])]
            other = time if dataflow == "os" else high[a]
            stays = np.zeros((longest if dataflow == "os" else r, c), int)
            stays[: len(other), : len(wide[b])] = top[np.ix_(other, wide[b])]
            blocks.append((mine.T if dataflow == "os" else mine, stays))
            own.append((high[a], wide[b]))
        if dataflow == "os":
            twice = network.fold_overlap == "accumulators"
            run = output_stationary(blocks, starts, network.drain, twice=twice)
        else:
            run = operand_stationary(blocks, starts, twice=network.fold_overlap == "weights")
        cycles.add(run.cycles)
        for fold, (high, wide) in enumerate(own):
            # An array that has no work for a fold takes nothing.
            works = len(time) and len(high) and len(wide)
            for cycle, number, lane, step in run.left if works else ():
                if number == fold and lane < len(high) and step < len(time):
                    port = (p * down + a) * R + lane
                    passed.add(("left", cycle, port, (high[lane], time[step]), fold))
            for cycle, number, lane, step in run.top if works else ():
                place, s = (time, p) if dataflow == "os" else (high, a)
                if number == fold and lane < len(wide) and step < len(place):
                    port = (s * over + b) * C + lane
                    passed.add(("top", cycle, port, (wide[lane], place[step]), fold))
            for cycle, number, lane, step in run.out if works else ():
                place, s = (high, a) if dataflow == "os" else (time, p)
                if number == fold and lane < len(wide) and step < len(place):
                    port = (s * over + b) * C + lane
                    at = (
                        (place[step], wide[lane]) if dataflow == "os" else (wide[lane], place[step])
                    )
                    passed.add(("out", cycle, port, at, fold))
                    value = run.outputs[fold][step][lane]
                    sums[at] += value
                    if dataflow != "os" and folds[fold][0] > 0:
                        passed.add(("old", cycle, port, at, fold))
    assert np.array_equal(sums, expected)
    return passed, cycles


switches = st.builds(
    Systolic,
    drain=st.sampled_from(("shift", "bus", "free")),
    fold_overlap=st.sampled_from(("none", "weights", "accumulators")),
    partial_folds=st.sampled_from(("used", "full")),
)
small = st.integers(1, 13)
meshes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)).filter(
    lambda across: 1 in across
)


@given(small, small, small, st.integers(1, 3), st.integers(1, 3), meshes, switches)
@settings(deadline=None, max_examples=60)
def test_every_word_passes_once_when_any_array_of_registers_takes_or_makes_it(
    m, n, k, R, C, across, network
):
    problem, sizes = matmul("mm", m=m, n=n, k=k), {"m": m, "n": n, "k": k}
    architecture = lockstep(systolic(R, C, network=network), across)
    base = {name: region.base for name, region in address_map(problem, architecture).items()}
    for dataflow in DATAFLOWS:
        probe = Kept()
        report = simulate_systolic(architecture, problem, stationary(dataflow), probe)
        assert report.stalls == ()
        starts = np.concatenate([f.start for f in probe.taken]).tolist()
        size = tuple(sizes[name] for name in SIZES[dataflow])
        passed, cycles = arrays_of_registers(dataflow, size, (R, C), across, network, starts)
        assert cycles == {report.cycles}
        # (stream of the SRAM, word at a place (lane's index, step's index)) of each side.
        place = {
            "os": {
                "left": ("ifmap", "read", lambda i, t: i * k + t),
                "top": ("weight", "read", lambda j, t: j * k + t),
                "out": ("ofmap", "write", lambda i, j: i * n + j),
            },
            "ws": {
                "left": ("ifmap", "read", lambda i, t: t * k + i),
                "top": ("weight", "read", lambda j, i: j * k + i),
                "out": ("ofmap", "write", lambda j, t: t * n + j),
                "old": ("ofmap", "read", lambda j, t: t * n + j),
            },
            "is": {
                "left": ("weight", "read", lambda i, t: t * k + i),
                "top": ("ifmap", "read", lambda j, i: j * k + i),
                "out": ("ofmap", "write", lambda j, t: j * n + t),
                "old": ("ofmap", "read", lambda j, t: j * n + t),
            },
        }[dataflow]
        for side, (tensor, way, word) in place.items():
            expected = sorted(
                [cycle, port, base[tensor] + word(*at), fold]
                for one, cycle, port, at, fold in passed
                if one == side
            )
            seen = probe.stream(f"{SRAMS[tensor]}/{tensor}/{way}")
            # Kept rows: request, response, address, size, tile, port. The order is told, too.
            assert seen[:, [0, 5, 2, 4]].tolist() == expected
            assert len(seen) == report.words(
                SRAMS[tensor], tensor, {"write": "update"}.get(way, way)
            )


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=60)
def test_arrays_that_cut_rows_and_columns_read_what_one_array_as_large_as_all_reads(seed):
    random = Random(seed)
    down, over = random.randint(1, 3), random.randint(1, 3)
    R, C = random.randint(1, 3), random.randint(1, 3)
    problem, mapping = any_problem(random), stationary(random.choice(DATAFLOWS))
    many = evaluate_systolic(lockstep(systolic(R, C), (down, over, 1)), problem, mapping)
    one = evaluate_systolic(systolic(down * R, over * C), problem, mapping)
    assert words_by_place(many) == words_by_place(one)
    assert many.cycles <= one.cycles
    assert many.active_pes == one.active_pes


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("across", [(1, 1, 1), (2, 3, 1), (4, 1, 1), (1, 2, 3), (3, 1, 2)])
@pytest.mark.parametrize("extents", ["full", "used"])
def test_arrays_that_share_srams_take_as_long_as_arrays_with_their_own(dataflow, across, extents):
    array, part = (3, 2), (6, 4, 7)
    ragged = extents == "full"  # blocks are as many then, whoever has the last one
    sizes = [n * many for n, many in zip(part, across, strict=True)]
    if ragged:
        sizes = [sizes[0] - 1, sizes[1] - 1, sizes[2] - (across[2] > 1)]
    size = dict(zip(SIZES[dataflow], sizes, strict=True))
    problem = matmul("m", **size)
    single = systolic(*array, partial_folds=extents)
    shared = lockstep(single, across)
    mesh = shared.scale_out
    cut = (mesh.network.y, mesh.network.x)
    own = side_by_side(single, mesh.mesh_y, mesh.mesh_x, *cut)
    reports = [
        model(design, problem, stationary(dataflow))
        for design in (shared, own)
        for model in (evaluate_systolic, simulate_systolic)
    ]
    cycles = {report.compute_cycles for report in reports}
    height, width = (-(-n // e) for n, e in zip(part[:2], array, strict=True))
    assert cycles == {(2 * array[0] + array[1] + part[2] - 2) * height * width}
    assert len({report.macs for report in reports}) == 1
    # What several arrays need is fetched and read once.
    for tensor, level in SRAMS.items():
        assert reports[1].words(level, tensor, "read") <= reports[3].words(level, tensor, "read")


@pytest.mark.parametrize(("dataflow", "cut"), [("os", "stream"), ("ws", "rows"), ("is", "rows")])
def test_parts_of_a_sum_are_added_on_the_way_and_written_once(dataflow, cut):
    problem = matmul("m", m=6, n=5, k=24)
    design = side_by_side(systolic(8, 8), 3, 1, cut, shared=True)
    report = simulate_systolic(design, problem, stationary(dataflow))
    assert report.words("ofmap_sram", "ofmap", "update") == 30
    assert report.words("ofmap_sram", "ofmap", "read") == 0
    assert report.words("dram", "ofmap", "update") == 30
    assert report.words("dram", "ofmap", "read") == 0


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("across", [(2, 3, 1), (1, 2, 2)])
def test_ports_as_wide_as_all_arrays_never_wait_and_narrower_ones_freeze_all(dataflow, across):
    problem = matmul("m", m=24, n=24, k=24)
    free = simulate_systolic(lockstep(systolic(2, 2), across), problem, stationary(dataflow))
    assert free.stalls == ()
    before = None
    for rate in (24, 2, 1):
        design = lockstep(systolic(2, 2, sram=rate), across)
        probe = Kept()
        report = simulate_systolic(design, problem, stationary(dataflow), probe)
        waits = dict(report.stalls)
        assert report.compute_cycles == free.compute_cycles
        assert words_by_place(report) == words_by_place(free)
        if rate == 24:
            assert not any(name.startswith("sram_") for name in waits)
        else:
            assert sum(n for name, n in waits.items() if name.startswith("sram_")) > 0
            assert before < report.cycles
            for name in probe.parts:
                if not name.startswith("dram"):
                    _, many = np.unique(probe.stream(name)[:, 0], return_counts=True)
                    assert many.max() <= rate
        before = report.cycles


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=40)
def test_requests_come_in_the_order_of_cycles_and_ports_and_add_up(seed):
    random = Random(seed)
    across = random.choice(((2, 3, 1), (1, 2, 2), (3, 1, 2), (4, 1, 1), (1, 3, 1), (1, 1, 3)))
    design = any_design(random)
    banks = random.choice((1, 1, 2, 4))
    levels = [
        replace(x, banks=banks) if isinstance(x, Memory) and x.name in SRAMS.values() else x
        for x in design.levels
    ]
    design = lockstep(replace(design, levels=tuple(levels)), across)
    problem, mapping = any_problem(random), stationary(random.choice(DATAFLOWS))
    probe = Kept()
    report = unless_refused(simulate_systolic, design, problem, mapping, probe)
    assume(report is not None)
    for name in probe.parts:
        rows = probe.stream(name)
        assert (np.diff(rows[:, 0]) >= 0).all(), name
        if name.startswith("dram"):
            continue
        memory, tensor, way = name.split("/")
        assert len(rows) == report.words(memory, tensor, {"write": "update"}.get(way, way))
        # A port of an array asks for one word in a cycle.
        cycle_and_port = rows[:, 0] * (1 << 16) + rows[:, 5]
        assert (np.diff(cycle_and_port) > 0).all(), name


def test_a_slow_port_of_what_one_operand_needs_freezes_every_array():
    problem = matmul("m", m=8, n=8, k=10)
    # Four words of the ifmap a cycle, whatever the columns of arrays; two pass.
    dram, ifmap, *rest = systolic(2, 2, partial_folds="full").levels
    slow = replace(ifmap, read_words_per_cycle=Fraction(2))
    single = replace(systolic(2, 2), levels=(dram, slow, *rest))
    reports = [
        simulate_systolic(lockstep(single, (2, over, 1)), problem, stationary("os"))
        for over in (1, 2, 4)
    ]
    per_fold = [
        dict(report.stalls)["sram_ifmap"] // folds
        for report, folds in zip(reports, (8, 4, 2), strict=True)
    ]
    # All four lanes are active in 9 of the 11 cycles in which the ifmap enters.
    assert per_fold == [9, 9, 9]


@pytest.mark.parametrize("model", [evaluate_systolic, simulate_systolic])
def test_srams_of_which_some_are_shared_are_refused_in_words(model):
    dram, ifmap, *rest = systolic(4, 4).levels
    mesh = Fanout("arrays", 2, 2, ScaleOut())
    mixed = replace(systolic(4, 4), levels=(dram, ifmap, mesh, *rest))
    with pytest.raises(ArraysmithError, match=r"ifmap_sram: stands above arrays, weight_sram"):
        model(mixed, matmul("m", m=7, n=8, k=5), stationary("os"))


@pytest.mark.parametrize("model", [evaluate_systolic, simulate_systolic])
def test_what_arrays_in_lockstep_cannot_do_is_refused_in_words(model):
    design = lockstep(systolic(4, 4), (2, 1, 1))
    with pytest.raises(ArraysmithError, match="skip no weights"):
        model(design, sparse_problem(Random(1)), stationary("ws"))
    small = lockstep(systolic(4, 4, depth=(1000, 32, 1000)), (2, 1, 1))
    with pytest.raises(ArraysmithError, match="weight takes 32, and arrays that share it load all"):
        model(small, matmul("m", m=4, n=8, k=16), stationary("ws"))


def test_more_ports_than_a_trace_numbers_are_refused_only_when_traced():
    design = lockstep(systolic(1, 257), (256, 1, 1))
    problem = matmul("m", m=256, n=257, k=2)
    report = simulate_systolic(design, problem, stationary("os"))
    assert report.active_pes == report.pes == 256 * 257
    with pytest.raises(ArraysmithError, match="65,792 ports of ofmap"):
        simulate_systolic(design, problem, stationary("os"), Kept())


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("across", [(2, 3, 1), (1, 2, 3), (3, 1, 2)])
@pytest.mark.parametrize("drain", ["shift", "bus"])
def test_words_go_as_far_inside_arrays_that_share_srams_as_in_those_with_their_own(
    dataflow, across, drain
):
    sizes = [n * many for n, many in zip((6, 4, 7), across, strict=True)]
    problem = matmul("m", **dict(zip(SIZES[dataflow], sizes, strict=True)))
    network = Systolic(drain=drain, wires=Wires(hop_pj_per_bit=0.5))
    shared = lockstep(systolic(3, 2, network=network), across)
    mesh = shared.scale_out
    cut = (mesh.network.y, mesh.network.x)
    own = side_by_side(systolic(3, 2, network=network), mesh.mesh_y, mesh.mesh_x, *cut)
    for model in (evaluate_systolic, simulate_systolic):
        moved = [
            {
                x.tensor: (x.deliveries, x.hops)
                for x in model(design, problem, stationary(dataflow)).traffic
            }
            for design in (shared, own)
        ]
        assert len(moved[0]) == 3
        assert moved[0] == moved[1]
