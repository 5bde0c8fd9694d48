"""What has to hold of every systolic run: random layers, arrays, memories and switches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import ceil
from random import Random
from unittest.mock import patch

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systolic_designs import DATAFLOWS, SRAMS, Kept, faster, stationary, systolic, unless_refused

from arraysmith.arch.architecture import Architecture, Memory, Systolic
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import DIMS, Problem, conv, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.offchip.protocol import FixedRate
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic
from arraysmith.sim.cycle.tracing.streams import address_map
from arraysmith.sim.folding import LANES_AND_STEPS, Folding
from arraysmith.sim.report import Report
from arraysmith.sim.systolic_machine import SystolicMachine

seeds = st.integers(0, 10**9)


def any_layer(random: Random) -> Problem:
    """A random layer of any kind."""
    kind = random.choice(("conv", "conv", "depthwise", "pointwise", "fc", "gemm", "attention"))
    if kind == "fc":
        return matmul("fc", m=1, n=random.randint(1, 9), k=random.randint(1, 12), operator="fc")
    if kind in ("gemm", "attention"):
        m, n, k = (random.randint(1, 7) for _ in range(3))
        return matmul(kind, m=m, n=n, k=k, batch=1 if kind == "gemm" else random.randint(2, 3))
    groups = random.choice((1, 1, 2))
    inner, outer = groups * random.randint(1, 3), groups * random.randint(1, 3)
    if kind == "depthwise":
        groups = inner = outer = random.randint(2, 4)
    window = (1, 1) if kind == "pointwise" else (random.randint(1, 3), random.randint(1, 3))
    return conv(
        kind,
        height=random.randint(5, 7),
        width=random.randint(5, 7),
        in_channels=inner,
        out_channels=outer,
        window=window,
        stride=(random.randint(1, 3), random.randint(1, 3)),
        padding=(random.randint(0, 2), random.randint(0, 2)),
        dilation=(random.choice((1, 2)), random.choice((1, 2))),
        groups=groups,
        batch=random.choice((1, 1, 2)),
    )


def any_network(random: Random) -> Systolic:
    """Random switches."""
    return Systolic(
        drain=random.choice(("shift", "bus", "free")),
        fold_overlap=random.choice(("none", "weights", "accumulators")),
        partial_folds=random.choice(("used", "full")),
        partial_sums=random.choice(("accumulate", "accumulate", "spill")),
    )


@dataclass
class Case:
    """A random run."""

    architecture: Architecture
    problem: Problem
    dataflow: str
    mapping: Mapping
    probe: Kept
    report: Report


def _case(seed: int) -> Case:
    random = Random(seed)
    problem, dataflow = any_layer(random), random.choice(DATAFLOWS)
    architecture = systolic(
        random.randint(1, 6),
        random.randint(1, 6),
        depth=tuple(random.choice((12, 16, 24, 60, 200, 4000)) for _ in range(3)),
        offchip=random.choice((None, Fraction(1, 3), 1, Fraction(3, 2), 4, 100)),
        latency=random.choice((0, 1, 7)),
        offchip_ports=random.choice((1, 2)),
        sram=random.choice((None, Fraction(1, 2), 1, 3)),
        ports=random.choice((1, 2)),
        double_buffered=random.random() < 0.7,
        network=any_network(random),
    )
    mapping, probe = stationary(dataflow), Kept()
    report = unless_refused(simulate_systolic, architecture, problem, mapping, probe)
    assume(report is not None)
    return Case(architecture, problem, dataflow, mapping, probe, report)


def _macs(case: Case):
    """Per MAC: fold, and (port, byte address) of ifmap (None: padding), weight and result."""
    problem = case.problem
    machine = SystolicMachine.of(case.architecture, case.mapping)
    folding = Folding.of(machine, problem, case.mapping)
    base = {name: region.base for name, region in address_map(problem, case.architecture).items()}
    for point in product(*(range(problem.size[dim]) for dim in DIMS)):
        at = dict(zip(DIMS, point, strict=True))
        index = {}
        for name in ("rows", "columns", "stream"):
            side, value = folding.side(name), 0
            for dim, size in zip(side.dims, side.sizes, strict=True):
                value = value * size + at[dim]
            index[name] = value
        row, column = index["rows"] // folding.array_rows, index["columns"] // folding.array_columns
        fold = (at["G"] * folding.column_folds + column) * folding.row_folds + row
        words = []
        for tensor in problem.tensors:
            lane = LANES_AND_STEPS[case.dataflow, tensor.name][0]
            port = index[lane] % (folding.array_rows if lane == "rows" else folding.array_columns)
            where = [axis.offset + sum(c * at[d] for d, c in axis.terms) for axis in tensor.axes]
            inside = all(0 <= i < a.extent for i, a in zip(where, tensor.axes, strict=True))
            word = 0
            for i, axis in zip(where, tensor.axes, strict=True):
                word = word * axis.extent + i
            words.append((port, base[tensor.name] + word) if inside else None)
        yield fold, *words


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_no_result_is_written_before_the_last_word_that_it_needs_was_read(seed):
    case = _case(seed)
    assume(case.problem.macs < 4000)

    def when(tensor: str, way: str) -> dict[tuple[int, int, int], int]:
        rows = case.probe.stream(f"{SRAMS[tensor]}/{tensor}/{way}").tolist()
        found = {(tile, port, address): asked for asked, _, address, _, tile, port in rows}
        assert len(found) == len(rows)  # a lane takes no word twice in a fold
        return found

    ifmap, weight = when("ifmap", "read"), when("weight", "read")
    written, added = when("ofmap", "write"), when("ofmap", "read")
    used = {"ifmap": set(), "weight": set(), "ofmap": set()}
    for fold, one, other, result in _macs(case):
        done = written[fold, *result]
        used["ofmap"].add((fold, *result))
        assert weight[fold, *other] <= done
        used["weight"].add((fold, *other))
        if one is not None:
            assert ifmap[fold, *one] <= done
            used["ifmap"].add((fold, *one))
        if (fold, *result) in added:
            assert added[fold, *result] <= done
    assert used == {"ifmap": set(ifmap), "weight": set(weight), "ofmap": set(written)}


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_what_crosses_the_border_is_what_the_layer_uses(seed):
    case = _case(seed)
    assume(case.problem.macs < 4000)
    used = {"ifmap": set(), "weight": set(), "ofmap": set()}
    for _, *words in _macs(case):
        for tensor, word in zip(used, words, strict=True):
            if word is not None:
                used[tensor].add(word[1])
    for tensor, footprint in used.items():
        way = "write" if tensor == "ofmap" else "read"
        rows = case.probe.stream(f"dram/{tensor}/{way}").tolist()
        touched = {address + k for _, _, address, size, _, _ in rows for k in range(size)}
        assert touched == footprint
        crossed = case.report.words("dram", tensor, "update" if tensor == "ofmap" else "read")
        assert sum(row[3] for row in rows) == crossed >= len(footprint)


@given(seeds)
@settings(deadline=None, max_examples=80)
def test_stamps_never_go_back_and_a_lane_moves_one_word_in_a_cycle(seed):
    case = _case(seed)
    for name in case.probe.parts:
        rows = case.probe.stream(name)
        assert (np.diff(rows[:, 0]) >= 0).all()
        assert (rows[:, 0] >= 0).all()
        assert (rows[:, 0] <= rows[:, 1]).all()
        assert rows[:, 1].max() <= case.report.cycles
        if name.startswith("dram"):
            continue
        lanes = rows[:, [0, 5]]
        assert len(np.unique(lanes, axis=0)) == len(lanes)
        assert np.array_equal(lanes, lanes[np.lexsort((lanes[:, 1], lanes[:, 0]))])


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_waits_are_told_in_order_and_add_up_to_those_of_the_report(seed):
    case = _case(seed)
    waits = np.concatenate(case.probe.waits) if case.probe.waits else np.zeros((0, 3), np.int64)
    assert (waits[:, 1] > 0).all()
    # One ends before the next begins; none outlasts the run.
    ends = np.append(waits[1:, 0], case.report.cycles)
    assert (waits[:, 0] + waits[:, 1] <= ends).all()
    told = {
        cause: int(waits[waits[:, 2] == number, 1].sum())
        for number, cause in enumerate(case.probe.causes)
    }
    reported = {cause: n for cause, n in case.report.stalls if not cause.startswith("gap_")}
    assert {cause: n for cause, n in told.items() if n} == reported
    folds = case.probe.taken
    starts = np.concatenate([part.start for part in folds])
    assert (np.diff(starts) > 0).all()
    assert np.array_equal(np.concatenate([part.number for part in folds]), np.arange(len(starts)))


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_waits_and_starts_give_the_array_cycle_of_every_streaming_word(seed):
    case = _case(seed)
    assume(case.architecture.levels[1].read_words_per_cycle is None)
    waits = np.concatenate(case.probe.waits) if case.probe.waits else np.zeros((0, 3), np.int64)
    frozen = np.zeros(case.report.cycles + 1, np.int64)
    for begin, cycles, _ in waits.tolist():
        frozen[begin : begin + cycles] = 1
    before = np.concatenate(([0], np.cumsum(frozen)))
    starts = np.concatenate([part.start for part in case.probe.taken])
    taus = set(case.probe.tau.tolist())
    for tensor in ("ifmap", "weight"):
        if LANES_AND_STEPS[case.dataflow, tensor][1] != "stream":
            continue
        for asked, _, _, _, tile, port in case.probe.stream(
            f"{SRAMS[tensor]}/{tensor}/read"
        ).tolist():
            assert not frozen[asked]
            assert asked - int(before[asked]) - int(starts[tile]) - port in taus


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_nothing_stalls_when_everything_is_resident(seed):
    random = Random(seed)
    problem, network = any_layer(random), replace(any_network(random), partial_sums="accumulate")
    architecture = systolic(random.randint(1, 6), random.randint(1, 6), network=network)
    for dataflow in DATAFLOWS:
        report = simulate_systolic(architecture, problem, stationary(dataflow))
        assert report.stalls == ()
        assert (
            report.cycles == evaluate_systolic(architecture, problem, stationary(dataflow)).cycles
        )


@given(seeds)
@settings(deadline=None, max_examples=100)
def test_no_run_beats_its_array_and_none_waits_longer_than_for_every_access_alone(seed):
    case = _case(seed)
    report = case.report
    assert report.cycles * report.pes >= report.macs
    assert report.compute_cycles * report.pes >= report.macs
    assert 0 < report.utilization <= 1
    # As if every access of the array missed: alone through its port, alone from off-chip memory.
    waiting = 0
    offchip = case.architecture.levels[0]
    for access in report.accesses:
        memory = case.architecture.level(access.level)
        assert isinstance(memory, Memory)
        slowest = max(
            ceil(1 / rate) if (rate := m.read_words_per_cycle) is not None else 0
            for m in (memory, offchip)
        )
        waiting += access.words * (1 + slowest + offchip.latency_cycles)
    assert sum(report.stall_cycles.values()) <= waiting


@given(seeds, st.sampled_from(["dram", *SRAMS.values()]), st.integers(2, 9))
@settings(deadline=None, max_examples=80)
def test_more_bandwidth_never_costs_cycles(seed, level, factor):
    case = _case(seed)
    assume(case.architecture.level(level).read_words_per_cycle is not None)
    better = faster(case.architecture, level, factor)
    assert simulate_systolic(better, case.problem, case.mapping).cycles <= case.report.cycles


@given(seeds, st.sampled_from(["ifmap", "weight", "ofmap"]), st.integers(2, 9))
@settings(deadline=None, max_examples=80)
def test_more_sram_never_moves_more_words(seed, tensor, factor):
    case = _case(seed)
    levels = tuple(
        replace(level, depth=level.depth * factor) if level.name == SRAMS[tensor] else level
        for level in case.architecture.levels
    )
    roomy = replace(case.architecture, levels=levels)
    report = simulate_systolic(roomy, case.problem, case.mapping)
    for access in report.accesses:
        if access.level == "dram":
            before = case.report.words("dram", access.tensor, access.direction)
            assert access.words <= before


def test_more_sram_may_cost_cycles_because_larger_chunks_leave_later():
    problem = matmul("mm", m=256, n=4, k=4)
    drains = []
    for depth in (16, 64, 256, 1024, 4096):
        architecture = systolic(4, 4, depth=(4096, 4096, depth), offchip=4, sram=4)
        report = simulate_systolic(architecture, problem, stationary("ws"))
        # Everything else stays. 16 weights and an eighth of the ifmap, 128 words, come at 4 words
        # a cycle; the weights take 4 array cycles to enter meanwhile.
        assert (report.compute_cycles, report.stall_cycles["fill"]) == (266, 32)
        drains.append(report.stall_cycles["drain"])
    # The last part of a chunk leaves when the array is done: half the SRAM, and of a chunk that is
    # all results an eighth or 64 cycles of it, whichever is more, at 4 words a cycle.
    assert drains == [1, 7, 31, 63, 63]


class InSimulatedTime:
    """A channel that hides that it knows its timing."""

    def __init__(self, *arguments):
        self._channel = FixedRate(*arguments)

    def transfer(self, transfer):
        return self._channel.transfer(transfer)

    def flush(self, cycle):
        return self._channel.flush(cycle)

    def use(self, cycles):
        return self._channel.use(cycles)


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_a_channel_that_answers_at_once_equals_one_in_simulated_time(seed):
    case = _case(seed)
    probe = Kept()

    with patch("arraysmith.sim.cycle.offchip.channel.FixedRate", InSimulatedTime):
        report = simulate_systolic(case.architecture, case.problem, case.mapping, probe)
    assert report == case.report
    assert probe.parts.keys() == case.probe.parts.keys()
    for name in probe.parts:
        assert np.array_equal(probe.stream(name), case.probe.stream(name))
