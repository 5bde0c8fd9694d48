"""Cores of any kind, clock and word length on one off-chip memory, be it a rate or a DRAM."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
import simpy
from cases import case
from engine_twin import program_of, serve, stepped
from systolic_designs import DATAFLOWS, Kept, any_design, side_by_side, stationary, unless_refused
from test_cores import Listener, cores_of, with_memory
from test_dram_channel import off_chip
from test_dram_designs import on
from tiny import problem

from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.sim.cycle.chip import cores as cores_module
from arraysmith.sim.cycle.chip.clocks import ClockDomain, tick_hz
from arraysmith.sim.cycle.chip.cores import Core, core_regions, simulate_cores
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.offchip.dram_channel import DramChannel
from arraysmith.sim.cycle.offchip.dram_memory import DramMemory
from arraysmith.sim.dram.device_file import load_device

SHARED = (
    *("read_words_per_cycle", "write_words_per_cycle", "ports", "latency_cycles"),
    *("double_buffered", "device", "width_bits", "word_bits", "energy", "requests_in_flight"),
)


def systolic_core(seed: int, name: str = "s", *, scale_out: bool = True) -> Core:
    """A systolic array, or several side by side, that is not refused."""
    random = Random(f"systolic {seed}")
    while True:
        design, of = any_design(random), problem(random)
        if scale_out and random.random() < 0.3:
            design = side_by_side(design, 2, 1)
        mapping = stationary(random.choice(DATAFLOWS))
        design = replace(design, clock_hz=10**9)
        if unless_refused(CycleModel().evaluate, design, of, mapping) is not None:
            return Core(name, design, of, mapping)


def mixed(seed: int, **fields) -> list[Core]:
    """A systolic and a spatial core on the memory of the first, with ``fields`` changed."""
    design, of, mapping = case(seed)
    found = [
        systolic_core(seed),
        Core("c", replace(design, clock_hz=10**9), of, mapping),
    ]
    return sharing(found, **fields)


def sharing(cores: list[Core], **fields) -> list[Core]:
    """The cores on the memory of the first, with ``fields`` changed."""
    first = cores[0].architecture.memories[0]
    shared = {name: getattr(first, name) for name in SHARED} | fields
    return [replace(x, architecture=with_memory(x.architecture, **shared)) for x in cores]


def on_dram(cores, name: str, most: int | None = None):
    return [replace(x, architecture=on(x.architecture, name, most)) for x in cores]


def alone(core, probe=None):
    return CycleModel(probe).evaluate(core.architecture, core.problem, core.mapping)


def at_clock(core: Core, clock_hz: int) -> Core:
    """The core under another clock; its memory stays as fast as it is in bytes per second."""
    design = core.architecture
    ratio = Fraction(design.clock_hz, clock_hz)
    memory = design.memories[0]
    rates = {
        name: None if getattr(memory, name) is None else getattr(memory, name) * ratio
        for name in ("read_words_per_cycle", "write_words_per_cycle")
    }
    latency = -(-memory.latency_cycles // ratio)
    changed = with_memory(replace(design, clock_hz=clock_hz), **rates, latency_cycles=int(latency))
    return replace(core, architecture=changed)


def same(report, other, memory="dram"):
    """Equal but for the energy of the off-chip memory: with a DRAM it is the chip's."""

    def free(x):
        accesses = tuple(replace(a, energy_pj=0.0) if a.level == memory else a for a in x.accesses)
        return replace(x, accesses=accesses, dram=None)

    return free(report) == free(other)


def test_a_systolic_core_alone_on_a_chip_is_the_ordinary_simulation():
    for seed in range(6):
        core = systolic_core(seed)
        listener, ordinary = Kept(), Kept()
        (found,) = simulate_cores([core], {"s": listener}).cores
        assert found.report == found.alone == alone(core, ordinary)
        assert sorted(listener.parts) == sorted(ordinary.parts)
        for stream in listener.parts:
            assert (listener.stream(stream) == ordinary.stream(stream)).all()


def test_arrays_of_both_kinds_on_a_channel_without_limits_run_as_alone():
    for seed in range(8):
        fields = {"read_words_per_cycle": None, "write_words_per_cycle": None}
        cores = mixed(seed, **fields, requests_in_flight=None)
        for core, found in zip(cores, simulate_cores(cores).cores, strict=True):
            assert found.report == found.alone == alone(core), seed


def test_arrays_of_both_kinds_slow_each_other_down_and_move_the_same_words():
    slower = 0
    for seed in range(12):
        rate, most = Fraction(Random(seed).choice((1, 2, 5)), 2), Random(seed).choice((None, 4))
        fields = {"read_words_per_cycle": rate, "write_words_per_cycle": rate}
        result = simulate_cores(mixed(seed, **fields, requests_in_flight=most))
        for found in result.cores:
            assert found.report.cycles >= found.alone.cycles, seed
            assert found.report.accesses == found.alone.accesses
            slower += found.report.cycles > found.alone.cycles
        assert result.offchip_bytes == result.offchip_words  # of 8 bit
    assert slower > 10


def test_tensors_and_sums_of_systolic_cores_lie_apart():
    for seed in range(5):
        cores = sharing([systolic_core(seed, "a"), systolic_core(seed + 50, "b")])
        heard = {"a": Listener(), "b": Listener()}
        simulate_cores(cores, heard)
        start = min(x.base for x in core_regions(cores)["b"].values())
        for row in (row for rows in heard["a"].rows.values() for row in rows):
            assert row[2] + row[3] <= start
        for row in (row for rows in heard["b"].rows.values() for row in rows):
            assert row[2] >= start


def test_one_core_on_a_dram_is_the_ordinary_simulation_to_the_cycle():
    for seed in range(8):
        one = mixed(seed)[seed % 2]
        name, most = Random(seed).choice(("ddr4_2400", "hbm2_8ch")), (None, 1, 3)[seed % 3]
        (core,) = on_dram([one], name, most)
        listener, ordinary = Listener(), Listener()
        result = simulate_cores([core], {core.name: listener})
        expected = alone(core, ordinary)
        assert same(result.cores[0].report, expected)
        assert result.cores[0].alone == expected
        assert result.dram == expected.dram
        assert listener.rows == ordinary.rows
        assert listener.chains == ordinary.chains
        assert result.cycles == expected.cycles
        assert result.energy_pj == pytest.approx(expected.energy_pj)


def test_cores_share_the_queues_of_a_dram_and_all_their_bursts_are_moved():
    slower, faster = 0, 0
    for seed in range(8):
        random = Random(seed)
        name, most = random.choice(("ddr4_2400_2ch", "lpddr4_2400")), random.choice((None, 2))
        cores = on_dram(sharing([*mixed(seed), *cores_of(seed)]), name, most)
        heard = {core.name: Listener() for core in cores}
        result = simulate_cores(cores, heard)
        burst = cores[0].architecture.memories[0].dram.device.organisation.burst_bytes
        asked = {"read": 0, "write": 0}
        for core, found in zip(cores, result.cores, strict=True):
            rows = heard[core.name].rows
            assert found.offchip_bytes == sum(row[3] for way in rows.values() for row in way)
            for way, mine in rows.items():
                asked[way] += sum((a + n - 1) // burst - a // burst + 1 for _, _, a, n in mine)
                assert all(row[1] <= found.report.cycles for row in mine)
            stalls = {cause: n for cause, n in found.report.stalls if n}
            told = {k: n for k, n in stalls.items() if not k.startswith("gap_")}
            assert heard[core.name].cycles == told
            assert found.report.compute_cycles + sum(stalls.values()) == found.report.cycles
            slower += found.slowdown > 1
            faster += found.slowdown < 1
        assert (result.dram.reads, result.dram.writes) == (asked["read"], asked["write"])
        assert result.dram.bytes_moved == sum(result.dram.channel_bytes)
        assert result.cycles == max(x.report.cycles for x in result.cores)
    assert slower > 15
    assert faster <= 1


def test_a_chain_of_waiting_names_the_channel_that_other_cores_keep_busy():
    named = set()
    for seed in range(6):
        cores = on_dram(cores_of(seed), "ddr4_2400_2ch", 8)
        heard = {core.name: Listener() for core in cores}
        simulate_cores(cores, heard)
        for listener in heard.values():
            named |= {link for chain in listener.chains for link in chain.links}
    assert {"dram_channel_0", "dram_row", "dram_bus", "dram_latency"} <= named


def test_several_engines_meet_in_the_queues_as_asking_cycle_by_cycle_says():
    for seed in range(20):
        random = Random(seed)
        device = load_device(random.choice(("ddr4_2400", "ddr4_2400_2ch", "hbm2_8ch")))
        clock_hz = random.choice((200_000_000, 1_000_000_000))
        memory = off_chip(device, clock_hz=clock_hz, most=random.choice((1, 2, 5)))
        programs = [program_of(random) for _ in range(random.randint(2, 3))]
        env = simpy.Environment()
        shared = DramMemory(env, memory, clock_hz, len(programs))
        seen = []
        for program in programs:
            channel = DramChannel(env, memory, clock_hz, None, one_way=False, shared=shared)
            timings = []
            seen.append(timings)
            env.process(serve(env, channel, program, timings))
        env.run()
        found = [
            [
                pair
                for timing in timings
                for pair in zip(
                    timing.stamps.issue.tolist(), timing.stamps.back.tolist(), strict=True
                )
            ]
            for timings in seen
        ]
        assert found == stepped(memory, clock_hz, programs), seed


def test_a_core_in_cycles_of_many_ticks_is_the_ordinary_simulation(monkeypatch):
    monkeypatch.setattr(cores_module, "tick_hz", lambda clocks: 6 * tick_hz(clocks))
    for seed in range(4):
        core = mixed(seed, requests_in_flight=(None, 3)[seed % 2])[seed // 2 % 2]
        (found,) = simulate_cores([core]).cores
        assert found.report == alone(core)
        (core,) = on_dram([core], "ddr4_2400_2ch")
        result = simulate_cores([core])
        assert same(result.cores[0].report, alone(core))
        assert result.dram == alone(core).dram


def test_cores_of_other_clocks_run_as_alone_where_nothing_limits_them():
    for seed in range(6):
        fields = {"read_words_per_cycle": None, "write_words_per_cycle": None}
        cores = mixed(seed, **fields, requests_in_flight=None, latency_cycles=0)
        cores = [at_clock(cores[0], 700_000_000), at_clock(cores[1], 300_000_000)]
        result = simulate_cores(cores)
        for core, found in zip(cores, result.cores, strict=True):
            assert found.report == alone(core), seed
        seconds = max(x.report.cycles / x.report.clock_hz for x in result.cores)
        assert result.clock_hz == 700_000_000
        assert (result.cycles - 1) / result.clock_hz < seconds <= result.cycles / result.clock_hz


@pytest.mark.parametrize("most", [None, 3])
def test_cores_of_other_clocks_share_bytes_per_second(most):
    slower = 0
    for seed in range(7):
        rate = Fraction(3, 2)
        fields = {"read_words_per_cycle": rate, "write_words_per_cycle": rate, "ports": 1}
        cores = mixed(seed, **fields, requests_in_flight=most, latency_cycles=0)
        cores = [cores[0], at_clock(cores[1], 700_000_000)]
        heard = {core.name: Listener() for core in cores}
        result = simulate_cores(cores, heard)
        rows = []
        for core, found in zip(cores, result.cores, strict=True):
            assert found.report.cycles >= found.alone.cycles, seed
            slower += found.report.cycles > found.alone.cycles
            hz = core.architecture.clock_hz
            rows += [
                (begin / hz, back / hz, size)
                for way in heard[core.name].rows.values()
                for begin, back, _, size in way
            ]
        # No span of time sees more bytes than the rate, but for the cycles at its ends.
        begin, end, size = np.array(sorted(rows)).T
        for k in range(0, len(rows), 1 + len(rows) // 30):
            inside = begin >= begin[k]
            order = np.argsort(end[inside], kind="stable")
            moved = np.cumsum(size[inside][order])
            limit = float(rate) * 1e9 * (end[inside][order] - begin[k] + 3 / 700_000_000)
            assert (moved <= limit + 1e-6).all(), seed
    assert slower > 4


def test_cores_of_other_clocks_meet_in_a_dram():
    for seed in range(6):
        cores = [replace(x) for x in mixed(seed)]
        cores = [
            cores[0],
            replace(cores[1], architecture=replace(cores[1].architecture, clock_hz=600_000_000)),
        ]
        cores = on_dram(cores, "ddr4_2400", 4)
        heard = {core.name: Listener() for core in cores}
        result = simulate_cores(cores, heard)
        device = cores[0].architecture.memories[0].dram.device
        assert result.dram.bytes_moved <= result.dram.cycles * device.peak_bytes_per_cycle
        seconds = max(Fraction(x.report.cycles, x.report.clock_hz) for x in result.cores)
        assert seconds * device.clock_hz <= result.dram.cycles < seconds * device.clock_hz + 1
        for found in result.cores:
            # A neighbour may have opened the row.
            assert found.alone.cycles - found.report.cycles < 30


def test_words_of_other_lengths_share_the_same_bytes():
    for seed in range(6):
        fields = {"read_words_per_cycle": Fraction(1), "write_words_per_cycle": Fraction(1)}
        one, other = mixed(seed, **fields, requests_in_flight=None)
        wide = with_memory(
            other.architecture,
            word_bits=16,
            read_words_per_cycle=Fraction(1, 2),
            write_words_per_cycle=Fraction(1, 2),
        )
        other = replace(other, architecture=wide)
        result = simulate_cores([one, other])
        words = [x.report.words("dram") for x in result.cores]
        assert [x.offchip_bytes for x in result.cores] == [words[0], 2 * words[1]]
        assert all(x.report.cycles >= x.alone.cycles for x in result.cores)
        assert simulate_cores([other]).cores[0].report == alone(other)


@pytest.mark.parametrize(
    "fields",
    [
        {"read_words_per_cycle": Fraction(7, 5)},
        {"latency_cycles": 99},
        {"word_bits": 4},
        {"request_bytes": 32},
    ],
)
def test_memories_that_are_not_one_are_refused(fields):
    rate = {"read_words_per_cycle": Fraction(1), "write_words_per_cycle": Fraction(1)}
    one, other = mixed(1, **rate)
    with pytest.raises(UnsupportedDesignError, match="c: its off-chip memory is not that of s"):
        simulate_cores(
            [one, replace(other, architecture=with_memory(other.architecture, **fields))]
        )


def test_a_clock_domain_counts_its_own_cycles():
    below = simpy.Environment()
    domain, seen = ClockDomain(below, 7), []

    def runs():
        yield domain.timeout(2)
        seen.append((domain.now, below.now))
        yield below.timeout(3)
        seen.append((domain.now, below.now))
        yield from domain.align()
        seen.append((domain.now, below.now))
        yield domain.timeout(1)
        yield from domain.align()
        seen.append((domain.now, below.now))

    domain.process(runs())
    below.run()
    assert seen == [(2, 14), (3, 17), (3, 21), (4, 28)]
    assert tick_hz([6, 4]) == 12
