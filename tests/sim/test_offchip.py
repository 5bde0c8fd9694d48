from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil
from random import Random

import numpy as np
import simpy
from cases import case
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systolic_designs import DATAFLOWS, Kept, any_design, faster, stationary, unless_refused
from tiny import problem

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.offchip.protocol import Bursts, FixedRate, Transfer

seeds = st.integers(0, 10**9)


def requests_of(sizes: list[int]) -> Bursts:
    words = np.cumsum(np.array(sizes, np.int64))
    begin = (words - np.array(sizes)).astype(np.uint64)
    return Bursts(begin, np.array(sizes, np.uint32), words)


def transfer_of(sizes: list[int], *, outward=False, read_first=0, near=0, latency=0) -> Transfer:
    return Transfer(
        "ofmap" if outward else "ifmap",
        outward,
        sum(sizes),
        read_first,
        near,
        latency,
        0,
        lambda: requests_of(sizes),
    )


def run(chip: Memory, transfers: list[tuple[int, Transfer]]):
    """Timings, and the stamps that a probe sees, of transfers that may begin from a cycle on."""
    env, probe = simpy.Environment(), Kept()
    channel, timings = FixedRate(env, chip, probe), []

    def serve(mine):
        for release, transfer in mine:
            yield env.timeout(max(0, release - env.now))
            timings.append((yield from channel.transfer(transfer)))

    ways = [[x for x in transfers if x[1].outward == way] for way in (False, True)]
    for mine in [transfers] if chip.ports == 1 else ways:
        env.process(serve(mine))
    env.run()
    return timings, probe


def stepped(chip: Memory, transfers: list[tuple[int, Transfer]]) -> list[tuple[int, int]]:
    """Issue and return cycle of every request of one channel, by stepping through time.

    Time goes in steps so small that words and cycles are whole numbers of them. In every step the
    channel moves on by one if the request it has open may go on, and opens one if the request that
    had its place before has come back; places are given out in turn.
    """
    most, found = chip.requests_in_flight, []
    now, backs = Fraction(0), []
    for release, transfer in transfers:
        rate = chip.write_words_per_cycle if transfer.outward else chip.read_words_per_cycle
        busy = max(ceil(transfer.words / rate) if rate else 0, transfer.near_cycles)
        step = Fraction(1, transfer.words)  # a word takes ``busy`` of them
        now = Fraction(max(release, ceil(now)))
        for words in transfer.bursts().size.tolist():
            while most is not None and len(backs) >= most and backs[-most] > now:
                now += step
            issue = int(now)
            for _ in range(words * busy):
                now += step
            back = ceil(now) + chip.latency_cycles + transfer.near_latency_cycles
            backs.append(back)
            found.append((issue, back))
    return found


def any_memory(random: Random) -> Memory:
    return Memory(
        "dram",
        "lpddr4",
        TENSORS,
        64,
        8,
        None,
        random.choice((None, Fraction(1, 3), Fraction(4, 3), Fraction(2), Fraction(7, 2))),
        random.choice((None, Fraction(2, 3), Fraction(3))),
        random.choice((1, 2)),
        latency_cycles=random.choice((0, 1, 5, 13)),
        requests_in_flight=random.choice((None, 1, 2, 3, 7)),
    )


def any_transfers(random: Random, *, both: bool) -> list[tuple[int, Transfer]]:
    found, release = [], 0
    for _ in range(random.randint(1, 4)):
        sizes = [random.randint(1, 6) for _ in range(random.randint(1, 8))]
        release += random.choice((0, 0, 3, 20))
        near, latency = random.choice((0, 9)), random.choice((0, 2))
        outward = both and random.random() < 0.5
        found.append((release, transfer_of(sizes, outward=outward, near=near, latency=latency)))
    return found


@given(seeds)
@settings(deadline=None, max_examples=120)
def test_requests_are_issued_and_come_back_as_stepping_through_time_says(seed):
    random = Random(seed)
    chip, transfers = any_memory(random), any_transfers(random, both=False)
    timings, probe = run(chip, transfers)
    expected = stepped(chip, transfers)
    seen = probe.stream("dram/ifmap/read")
    assert [tuple(x) for x in seen[:, :2].tolist()] == expected
    assert [timing.arrived for timing in timings] == [
        max(back for _, back in expected[begin:end])
        for begin, end in _parts([len(x.bursts().size) for _, x in transfers])
    ]


def _parts(lengths: list[int]) -> list[tuple[int, int]]:
    ends = np.cumsum(lengths).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


@given(seeds)
@settings(deadline=None, max_examples=80)
def test_never_are_more_requests_of_a_channel_under_way_than_allowed(seed):
    random = Random(seed)
    chip, transfers = any_memory(random), any_transfers(random, both=True)
    assume(chip.requests_in_flight is not None)
    _, probe = run(chip, transfers)
    ways = [probe.stream("dram/ifmap/read"), probe.stream("dram/ofmap/write")]
    for rows in [np.concatenate(ways)] if chip.ports == 1 else ways:
        for cycle in rows[:, 0].tolist():
            assert ((rows[:, 0] <= cycle) & (rows[:, 1] > cycle)).sum() <= chip.requests_in_flight


@given(seeds)
@settings(deadline=None, max_examples=100)
def test_more_under_way_or_more_words_a_cycle_never_come_later(seed):
    random = Random(seed)
    chip, transfers = any_memory(random), any_transfers(random, both=True)
    more = chip.requests_in_flight and chip.requests_in_flight + random.randint(1, 3)
    rate = chip.read_words_per_cycle and chip.read_words_per_cycle * random.choice((1, 2, 5))
    faster = replace(chip, requests_in_flight=more, read_words_per_cycle=rate)
    for other in (replace(chip, requests_in_flight=more), faster):
        (slow, before), (quick, after) = (run(x, transfers) for x in (chip, other))
        assert sorted(x.arrived for x in quick) <= sorted(x.arrived for x in slow)
        for stream in before.parts:
            assert (after.stream(stream)[:, :2] <= before.stream(stream)[:, :2]).all()


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_a_limit_that_is_never_reached_changes_no_stamp(seed):
    random = Random(seed)
    chip, transfers = any_memory(random), any_transfers(random, both=True)
    free, roomy = (replace(chip, requests_in_flight=most) for most in (None, 1000))
    (one, seen), (other, same) = (run(x, transfers) for x in (free, roomy))
    assert [x.arrived for x in one] == [x.arrived for x in other]
    assert [x.left for x in one] == [x.left for x in other]
    for stream in seen.parts:
        assert (seen.stream(stream) == same.stream(stream)).all()
    for mine, yours in zip(one, other, strict=True):
        words = yours.stamps.words
        assert [x.tolist() for x in mine.spread(words)] == [x.tolist() for x in yours.spread(words)]


def test_a_round_trip_per_request_is_what_one_under_way_takes():
    chip = Memory("dram", "lpddr4", TENSORS, 64, 8, None, Fraction(4), latency_cycles=10)
    for most, arrived in ((1, 5 * 12), (2, 3 * 12), (6, 12 + 4 * 2), (None, 12 + 4 * 2)):
        limited = replace(chip, requests_in_flight=most)
        timings, _ = run(limited, [(0, transfer_of([8] * 5))])
        assert timings[0].arrived == arrived


def test_words_read_first_are_requests_of_their_own():
    chip = Memory(
        "dram", "lpddr4", TENSORS, 64, 8, None, Fraction(4), Fraction(4), 1,
        latency_cycles=10, requests_in_flight=1,
    )  # fmt: skip
    _, probe = run(chip, [(0, transfer_of([8, 8, 8], outward=True, read_first=12))])
    assert probe.stream("dram/ofmap/read")[:, :2].tolist() == [[0, 11], [11, 23]]
    assert probe.stream("dram/ofmap/write")[:, :2].tolist() == [[23, 35], [35, 47], [47, 59]]


def test_words_inside_a_request_move_with_it():
    chip = Memory(
        "dram", "lpddr4", TENSORS, 64, 8, None, Fraction(2), latency_cycles=10,
        requests_in_flight=1,
    )  # fmt: skip
    (timing,), _ = run(chip, [(0, transfer_of([8, 4]))])
    # The second request waits for the first, which is back in cycle 14.
    request, response = timing.spread(np.array([2, 8, 10, 12]))
    assert request.tolist() == [0, 1, 14, 15]
    assert response.tolist() == [11, 14, 25, 26]
    request, response = timing.spread(np.array([2, 8, 10, 12]), delayed=False)
    assert response.tolist() == [1, 4, 15, 16]


def _limited(architecture: Architecture, most: int | None, request_bytes: int = 64) -> Architecture:
    dram = replace(architecture.levels[0], requests_in_flight=most, request_bytes=request_bytes)
    return replace(architecture, levels=(dram, *architecture.levels[1:]))


@given(seeds)
@settings(deadline=None, max_examples=50)
def test_a_systolic_array_is_never_slower_with_more_requests_under_way(seed):
    random = Random(seed)
    architecture, of = any_design(random), problem(random)
    mapping = stationary(random.choice(DATAFLOWS))
    size = random.choice((2, 8, 64))
    few, many = random.randint(1, 3), random.randint(4, 9)
    reports = [
        unless_refused(CycleModel().evaluate, _limited(architecture, most, size), of, mapping)
        for most in (few, many, None)
    ]
    assume(None not in reports)
    assert reports[0].cycles >= reports[1].cycles >= reports[2].cycles
    assert len({report.accesses for report in reports}) == 1
    if architecture.levels[0].read_words_per_cycle is not None:
        quick = faster(_limited(architecture, few, size), "dram", 3)
        assert CycleModel().evaluate(quick, of, mapping).cycles <= reports[0].cycles


@given(seeds)
@settings(deadline=None, max_examples=30)
def test_observing_a_limited_run_changes_none_of_its_cycles(seed):
    random = Random(seed)
    architecture, of = _limited(any_design(random), random.randint(1, 4), 4), problem(random)
    mapping, probe = stationary(random.choice(DATAFLOWS)), Kept()
    try:
        report = CycleModel(probe).evaluate(architecture, of, mapping)
    except ArraysmithError:
        return
    assert CycleModel().evaluate(architecture, of, mapping) == report
    most, one = architecture.levels[0].requests_in_flight, architecture.levels[0].ports == 1
    reads = np.concatenate([probe.stream(f"dram/{tensor}/read") for tensor in TENSORS])
    writes = probe.stream("dram/ofmap/write")
    for rows in [np.concatenate([reads, writes])] if one else [reads, writes]:
        issued, back = np.sort(rows[:, 0]), np.sort(rows[:, 1])
        under_way = np.arange(1, len(rows) + 1) - np.searchsorted(back, issued, side="right")
        assert len(rows) == 0 or under_way.max() <= most


@given(seeds, st.booleans())
@settings(deadline=None, max_examples=40)
def test_no_request_is_larger_than_the_limit_whatever_a_word_takes(seed, spatial):
    random, probe = Random(seed), Kept()
    if spatial:
        architecture, of, mapping = case(seed)
    else:
        architecture, of = any_design(random), problem(random)
        mapping = stationary(random.choice(DATAFLOWS))
    narrow = {x.name: replace(x, word_bits=random.choice((4, 4, 8, 12))) for x in of.tensors}
    of = replace(of, **narrow)
    most = random.choice((2, 3, 7))
    design = _limited(architecture, None, most)
    assume(unless_refused(CycleModel(probe).evaluate, design, of, mapping) is not None)
    for stream in probe.parts:
        if stream.startswith("dram/"):
            assert probe.stream(stream)[:, 3].max() <= most


def test_a_spatial_design_is_never_slower_with_more_requests_under_way():
    slower = 0
    for seed in range(60):
        architecture, of, mapping = case(seed)
        few, many, free = (
            CycleModel().evaluate(_limited(architecture, most, 4), of, mapping)
            for most in (1, 3, None)
        )
        assert few.cycles >= many.cycles >= free.cycles
        assert few.accesses == many.accesses == free.accesses
        assert CycleModel().evaluate(_limited(architecture, 10**6, 4), of, mapping) == free
        assert few.cycles == few.compute_cycles + sum(few.stall_cycles.values())
        slower += few.cycles > free.cycles
    assert slower > 10, "the limit must be felt"


def test_what_a_spatial_design_is_told_of_limited_requests_agrees_on_both_sides_of_the_border():
    for seed in range(40):
        architecture, of, mapping = case(seed)
        limited, probe = _limited(architecture, 2, 4), Kept()
        report = CycleModel(probe).evaluate(limited, of, mapping)
        assert CycleModel().evaluate(limited, of, mapping) == report
        for stream in probe.parts:
            rows = probe.stream(stream)
            assert (rows[:, 1] >= rows[:, 0]).all()
            assert (rows[:, 1] <= report.cycles).all()
            if stream.startswith("dram/"):
                assert (np.diff(rows[:, 0]) >= 0).all()
