from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil
from random import Random

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_designs import Kept

from arraysmith.arch.architecture import Memory
from arraysmith.arch.dram import Dram
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.offchip.dram_channel import DramChannel
from arraysmith.sim.cycle.offchip.dram_feed import TOLD_CYCLES
from arraysmith.sim.cycle.offchip.protocol import Bursts, FixedRate, Transfer
from arraysmith.sim.dram.controller import Controller, DramError
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.device_file import device_names, load_device
from arraysmith.sim.dram.use import REASONS

seeds = st.integers(0, 10**9)
DDR4 = load_device("ddr4_2400")
CLOCK_HZ = 1_000_000_000


def off_chip(device: Device, *, clock_hz: int = CLOCK_HZ, most: int | None = None) -> Memory:
    """A DRAM of words of 8 bit."""
    memory = Memory("dram", "lpddr4", TENSORS, 64, 8, requests_in_flight=most)
    return replace(memory, dram=Dram(device.name, device)).with_dram_rates(clock_hz)


def transfer_of(requests, *, outward=False, near=0, latency=0, read_first=0) -> Transfer:
    """A transfer of requests (address, bytes)."""
    address, size = np.array(requests, np.int64).reshape(-1, 2).T
    bursts = Bursts(address.astype(np.uint64), size.astype(np.uint32), np.cumsum(size))
    tensor, words = ("ofmap" if outward else "ifmap"), int(size.sum())
    return Transfer(tensor, outward, words, read_first, near, latency, 0, lambda: bursts)


def run(channel_of, transfers):
    """Serve transfers that may begin from a cycle on; return timings, cycles, the channel."""
    env, timings = simpy.Environment(), []
    channel = channel_of(env)

    def serve():
        for release, transfer in transfers:
            yield env.timeout(max(0, release - env.now))
            timings.append((yield from channel.transfer(transfer)))

    env.process(serve())
    env.run()
    return timings, channel


def on_dram(memory, transfers, *, clock_hz=CLOCK_HZ, probe=None):
    timings, channel = run(
        lambda env: DramChannel(env, memory, clock_hz, probe, one_way=False), transfers
    )
    end = channel.flush(max(timing.arrived for timing in timings))
    return timings, end, channel.use(end)


def stepped(memory: Memory, clock_hz: int, transfers) -> list[tuple[int, int]]:
    """Issue and return of every request, by looking at every cycle and asking for one at a time."""
    device = memory.dram.device
    controller = Controller(device, device.cycles_per(clock_hz))
    returned, backs, found = {}, [], []
    near_free = {}
    now = 0

    def look(cycle):
        back = controller.advance(cycle)
        returned.update(zip(back.ident.tolist(), back.returned.tolist(), strict=True))
        while len(backs) in returned and returned[len(backs)] <= cycle:
            transfer, words, last, issue = found[len(backs)]
            end = Fraction(returned[len(backs)])
            if not transfer.outward:
                share = Fraction(words * transfer.near_cycles, transfer.words)
                end = max(end, near_free.get("in", Fraction(0))) + share
                near_free["in"] = Fraction(ceil(end)) if last else end
            back_cycle = ceil(end) + transfer.near_latency_cycles
            found[len(backs)] = (issue, max([back_cycle, *(x for x in backs[-1:])]))
            backs.append(found[len(backs)][1])

    for release, transfer in transfers:
        now = max(now, release)
        pace = Fraction(now)
        sizes = transfer.bursts().size.tolist()
        for k, (address, size) in enumerate(
            zip(transfer.bursts().address.tolist(), sizes, strict=True)
        ):
            awaited = len(found) - memory.requests_in_flight
            while True:
                look(now)
                if awaited < 0 or (len(backs) > awaited and backs[awaited] <= now):
                    break
                now += 1
            if awaited >= 0:
                pace = max(pace, backs[awaited])
            issue = int(pace)
            if transfer.outward:
                pace += Fraction(size * transfer.near_cycles, transfer.words)
            while now < ceil(pace):
                now += 1
                look(now)
            controller.submit(int(address), size, transfer.outward, now)
            found.append((transfer, size, k == len(sizes) - 1, issue))
        now += 1
    while len(backs) < len(found):
        now += 1
        look(now)
    return found


def any_transfers(random: Random):
    found, release = [], 0
    for _ in range(random.randint(1, 4)):
        base = random.randrange(1 << 20)
        step = random.choice((16, 64, 64, 100, 8192, 1 << 17))
        size = random.choice((1, 64, 64, 130))
        requests = [(base + i * step, size) for i in range(random.randint(1, 14))]
        near, latency = random.choice((0, 0, 7, 60)), random.choice((0, 2))
        outward = random.random() < 0.4
        release += random.choice((0, 0, 9, 700))
        found.append((release, transfer_of(requests, outward=outward, near=near, latency=latency)))
    return found


@given(seeds)
@settings(deadline=None, max_examples=40)
def test_requests_come_back_as_asking_the_memory_cycle_by_cycle_says(seed):
    random = Random(seed)
    device = load_device(random.choice(("ddr4_2400", "ddr4_2400_2ch", "lpddr4_2400", "hbm2_8ch")))
    clock_hz = random.choice((200_000_000, 1_000_000_000, 2_000_000_000))
    memory = off_chip(device, clock_hz=clock_hz, most=random.choice((1, 2, 5, 32)))
    transfers = any_transfers(random)
    timings, _, _ = on_dram(memory, transfers, clock_hz=clock_hz)
    seen = [
        pair
        for timing in timings
        for pair in zip(timing.stamps.issue.tolist(), timing.stamps.back.tolist(), strict=True)
    ]
    assert seen == stepped(memory, clock_hz, transfers)


@given(seeds)
@settings(deadline=None, max_examples=30)
def test_every_burst_is_moved_once_and_no_bus_is_faster_than_its_pins(seed):
    random = Random(seed)
    device = load_device(random.choice(device_names()))
    memory, transfers = off_chip(device), any_transfers(random)
    _, end, use = on_dram(memory, transfers)
    shape = device.organisation
    bursts = {False: 0, True: 0}
    for _, transfer in transfers:
        requests = transfer.bursts()
        first = requests.address.astype(np.int64) // shape.burst_bytes
        last = (requests.address.astype(np.int64) + requests.size - 1) // shape.burst_bytes
        bursts[transfer.outward] += int((last - first + 1).sum())
    assert (use.reads, use.writes) == (bursts[False], bursts[True])
    moved = use.read_commands + use.write_commands
    assert moved + use.forwarded + use.merged == use.reads + use.writes
    assert use.bytes_moved == moved * shape.burst_bytes
    assert use.bytes_moved <= use.cycles * device.peak_bytes_per_cycle
    assert use.cycles >= end * device.cycles_per(CLOCK_HZ)
    assert use.row_hits + use.activates >= moved
    assert use.total_energy_pj == pytest.approx(sum(x for *_, x in use.actions))


def test_a_read_alone_takes_the_unloaded_latency_that_closed_forms_know():
    for name in device_names():
        device = load_device(name)
        controller = Controller(device)
        controller.submit(0, 1, write=False, cycle=0)
        back = controller.finish()
        took = int(back.returned[0] - back.accepted[0])
        assert took == device.unloaded_cycles + device.organisation.burst_cycles


def sequential(count: int, *, step: int = 64):
    return [(0, transfer_of([(i * step, 64) for i in range(count)]))]


def test_an_average_rate_misses_what_bank_groups_and_rows_cost():
    # Neighbouring bursts share a bank group: column commands come every tCCD_L, 6 cycles, and not
    # every 4 (10.7 bytes a cycle), but for where two rows meet, which lie in different groups.
    clock_hz = 1_204_819_277  # the memory's own, to a millionth
    memory = off_chip(DDR4, clock_hz=clock_hz)
    stream = sequential(4096)
    timings, _, use = on_dram(memory, stream, clock_hz=clock_hz)
    average, _ = run(lambda env: FixedRate(env, memory, None), stream)
    assert use.conflicts <= 2
    per_cycle = 4096 * 64 / timings[0].arrived
    assert 4096 * 64 / average[0].arrived == pytest.approx(16, rel=0.01)
    assert 10 < per_cycle < 13
    # With the bank group among the low bits a stream goes round the groups; refresh is left.
    low = off_chip(load_device("ddr4_2400_bglow"), clock_hz=clock_hz)
    assert 4096 * 64 / on_dram(low, stream, clock_hz=clock_hz)[0][0].arrived > 14.5
    # Every request another row of one bank: the average is wrong by an order of magnitude.
    row_bytes = DDR4.organisation.columns * DDR4.organisation.bus_width_bits // 8
    rows = sequential(256, step=row_bytes * DDR4.organisation.banks)
    timings, _, use = on_dram(memory, rows, clock_hz=clock_hz)
    assert 256 <= use.activates < 260  # refreshes close rows, too
    average, _ = run(lambda env: FixedRate(env, memory, None), rows)
    assert timings[0].arrived > 10 * average[0].arrived


def test_larger_timings_and_fewer_channels_make_a_stream_slower():
    slower = replace(
        DDR4,
        timing=replace(
            DDR4.timing,
            **{
                name: 2 * getattr(DDR4.timing, name)
                for name in DDR4.timing.__dataclass_fields__
                if name.startswith("t_") and name not in {"t_ck_ns", "t_refi"}
            },
            cl=2 * DDR4.timing.cl,
            cwl=2 * DDR4.timing.cwl,
        ),
    )
    low, two = load_device("ddr4_2400_bglow"), load_device("ddr4_2400_2ch")
    for step in (64, 256, 8192, 1 << 17):
        stream = sequential(300, step=step)
        one, _, _ = on_dram(off_chip(DDR4, most=64), stream)
        assert on_dram(off_chip(slower, most=64), stream)[0][0].arrived > one[0].arrived
        # Strides of whole rows leave all requests on one of two channels, and still lose nothing.
        narrow, _, _ = on_dram(off_chip(low, most=64), stream)
        assert on_dram(off_chip(two, most=64), stream)[0][0].arrived <= narrow[0].arrived
        peak, _ = run(lambda env, s=stream: FixedRate(env, off_chip(DDR4), None), stream)
        assert one[0].arrived >= peak[0].arrived


def test_buffered_writes_are_flushed_before_a_run_ends():
    memory = off_chip(DDR4)
    timings, end, use = on_dram(
        memory, [(0, transfer_of([(i * 64, 64) for i in range(6)], outward=True))]
    )
    assert use.write_commands == 6
    posted = timings[0].arrived
    assert posted < 10  # safe in the buffer
    ratio = DDR4.cycles_per(CLOCK_HZ)
    shortest = DDR4.timing.t_rcd_write + DDR4.timing.cwl + 6 * DDR4.organisation.burst_cycles
    assert end >= shortest / ratio


def test_partial_sums_are_read_before_they_are_written_over():
    memory, probe = off_chip(DDR4), Kept()
    requests = [(i * 64, 64) for i in range(8)]
    on_dram(memory, [(0, transfer_of(requests, outward=True, read_first=256))], probe=probe)
    read, written = probe.stream("dram/ofmap/read"), probe.stream("dram/ofmap/write")
    assert read[:, 2].tolist() == [256, 320, 384, 448]
    assert len(written) == 8
    assert written[:, 0].min() >= read[:, 1].max()


def test_a_tile_that_stays_asks_for_nothing():
    memory = off_chip(load_device("ddr4_2400"))
    nothing, some = transfer_of([], outward=True), transfer_of([(0, 64)])
    alone, *_ = on_dram(memory, [(0, some)])
    told, _, use = on_dram(memory, [(0, nothing), (0, some)])
    assert (told[0].left, told[0].arrived) == (0, 0)
    assert told[1].arrived == alone[0].arrived
    assert (use.reads, use.writes) == (1, 0)


def test_cycles_that_outgrow_exact_clocks_are_refused():
    awkward, late = 1_204_819_277, 200_000_000
    transfers = [(late, transfer_of([(0, 64)]))]
    with pytest.raises(DramError, match="choose a clock of whole MHz"):
        on_dram(off_chip(DDR4, clock_hz=awkward), transfers, clock_hz=awkward)
    timings, _, _ = on_dram(off_chip(DDR4), transfers)
    assert late + 30 < timings[0].arrived < late + 40


def test_addresses_beyond_the_memory_are_refused():
    beyond = DDR4.organisation.capacity_bytes
    with pytest.raises(DramError, match="is outside of ddr4_2400"):
        on_dram(off_chip(DDR4), [(0, transfer_of([(beyond, 1)]))])


def test_ports_in_a_trace_are_the_channels_of_the_address():
    device = load_device("ddr4_2400_2ch")
    probe = Kept()
    on_dram(off_chip(device), sequential(64, step=128), probe=probe)
    rows = probe.stream("dram/ifmap/read")
    controller = Controller(device, log=True)
    for address, port in zip(rows[:, 2].tolist(), rows[:, 5].tolist(), strict=True):
        controller.submit(address, 64, write=False, cycle=controller.now)
        controller.finish()
        assert controller.log()[-1][2] == port
    assert set(rows[:, 5].tolist()) == {0, 1}


def test_cycles_that_the_memory_made_reads_later_add_up_to_their_time():
    for seed in range(20):
        random = Random(seed)
        device = load_device(random.choice(device_names()))
        transfers = [(r, replace(t, outward=False)) for r, t in any_transfers(random)]
        transfers = [
            (release, replace(t, near_cycles=0, near_latency_cycles=0)) for release, t in transfers
        ]
        env, found = simpy.Environment(), []
        channel = DramChannel(env, off_chip(device), CLOCK_HZ, None, one_way=False)
        arrive = channel.arrive
        channel.arrive = lambda told, arrive=arrive, found=found: (
            found.extend(told.tolist()),
            arrive(told),
        )
        timings, _ = run(lambda _, channel=channel: channel, [])  # nothing in another simulation

        def serve(env=env, channel=channel, transfers=transfers, timings=timings):
            for release, transfer in transfers:
                yield env.timeout(max(0, release - env.now))
                timings.append((yield from channel.transfer(transfer)))

        env.process(serve())
        env.run()
        ends, told = 0, iter(found)
        for timing in timings:
            mine = [next(told) for _ in timing.stamps.issue]
            waited = timing.arrived - max(ends, timing.start)
            assert sum(row[TOLD_CYCLES] for row in mine) == max(0, waited)
            names = {
                (f"dram_channel_{c}", f"dram_{reason}")
                for c in range(device.channels)
                for reason in REASONS
            }
            assert timing.blame() in (names if waited > 0 else {()})
            ends = timing.arrived


def test_the_busiest_channel_and_what_it_waited_for_is_named():
    device = load_device("ddr4_2400_2ch")
    low, high = device_field(device, "channel")
    rows = 1 << 25
    for channel in (0, 1):
        # Rows of one bank, of one channel: each closes the one before.
        same = [(channel * low + i * rows, 64) for i in range(30)]
        timings, _, _ = on_dram(off_chip(device), [(0, transfer_of(same))])
        assert timings[0].blame() == (f"dram_channel_{channel}", "dram_row")
    assert high == 2
    stream, _, _ = on_dram(off_chip(DDR4), sequential(200))
    assert stream[0].blame() == ("dram_channel_0", "dram_bus")
    # A near side that takes longer than the memory is not the memory's fault.
    slow, _, _ = on_dram(off_chip(DDR4), [(0, transfer_of([(0, 64), (64, 64)], near=5000))])
    assert slow[0].blame() == ()
    # Writes leave when the buffer has room.
    thrash = [(i * rows, 64) for i in range(200)]
    posted, _, _ = on_dram(off_chip(DDR4, most=4), [(0, transfer_of(thrash, outward=True))])
    assert posted[0].blame() == ("dram_channel_0", "dram_queue")


def device_field(device: Device, field: str) -> tuple[int, int]:
    """Bytes from one value of a field of the address to the next, and how many values it has."""
    step = device.organisation.burst_bytes
    for name in reversed(device.address_map):
        if name == field:
            return step, device.organisation.size(name)
        step *= device.organisation.size(name)
    raise AssertionError(field)
