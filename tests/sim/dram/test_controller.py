"""The controller against a judge of its commands, and what must hold for every trace."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from command_checker import COLUMNS, check_log, check_service, commands, place
from drawn_devices import DEVICES, dense, devices, run, traces, with_policy
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.controller import Controller, DramError
from arraysmith.sim.dram.device import PAGES
from arraysmith.sim.dram.use import REASONS


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_request_is_served_once_and_no_rule_is_broken(data):
    device = data.draw(devices())
    address, write, arrive = data.draw(traces(device))
    controller, accepted, returned = run(device, (address, write, arrive))
    log = commands(controller)
    check_log(device, log)
    requests = list(zip(address.tolist(), write.tolist(), strict=True))
    check_service(device, log, requests, accepted, returned)
    assert (accepted >= arrive).all()
    assert (np.diff(accepted) >= 0).all()
    assert np.bincount(accepted).max() <= device.policy.requests_per_cycle
    stats = controller.stats()
    column = [x for x in log if x.name in COLUMNS]
    assert len(column) == stats.read_commands + stats.write_commands
    assert len(column) == len(address) - stats.merged - stats.forwarded
    assert stats.reads == len(address) - write.sum()
    if device.policy.refresh:
        due = stats.cycles // (device.timing.t_refi // device.organisation.ranks)
        assert 0 <= due * device.organisation.channels - stats.refreshes <= 2 * len(log)
    else:
        assert stats.refreshes == 0


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", sorted(DEVICES))
def test_no_rule_is_broken_when_every_bank_is_busy(name, page):
    device = with_policy(DEVICES[name], page=page, requests_per_cycle=8)
    controller, accepted, returned = run(device, dense(device))
    log = commands(controller)
    check_log(device, log)
    address, write, _ = dense(device)
    requests = list(zip(address.tolist(), write.tolist(), strict=True))
    check_service(device, log, requests, accepted, returned)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_first_come_first_served_keeps_the_order_in_each_channel(data):
    device = with_policy(data.draw(devices()), scheduler="fcfs")
    trace = data.draw(traces(device))
    controller, _, _ = run(device, trace)
    asked = [(place(device, a), bool(w)) for a, w, _ in zip(*map(list, trace), strict=True)]
    for channel in range(device.organisation.channels):
        served = [
            ((x.channel, x.rank, x.group, x.bank, x.row, x.column), x.name.startswith("write"))
            for x in commands(controller)
            if x.name in COLUMNS and x.channel == channel
        ]
        assert served == [x for x in asked if x[0][0] == channel]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_skipping_cycles_changes_nothing(data):
    device = data.draw(devices())
    address, write, arrive = data.draw(traces(device))
    quick, accepted, returned = run(device, (address, write, arrive), flush=False)
    slow = Controller(device, log=True)
    slow.submit(address, device.organisation.burst_bytes, write, arrive)
    found = {}
    for cycle in range(quick.stats().cycles):
        # Whatever the controller thinks is next, it looks at everything now.
        slow._channel[:, [at.WAKE, at.COMMAND_AT]] = cycle
        slow._channel[:, at.STIRRED] = 1
        back = slow.advance(cycle + 1)
        rows = zip(back.ident, back.accepted, back.returned, strict=True)
        found |= {int(i): (a, r) for i, a, r in rows}
    assert slow.log().tolist() == quick.log().tolist()
    assert [found[i][0] for i in range(len(address))] == accepted.tolist()
    assert [found[i][1] for i in range(len(address))] == returned.tolist()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_requests_may_come_while_it_runs_in_steps_of_any_length(data):
    device = data.draw(devices())
    address, write, arrive = data.draw(traces(device))
    whole, _, returned = run(device, (address, write, arrive), flush=False)
    parts = Controller(device, log=True)
    size = device.organisation.burst_bytes
    found = {}
    for i in range(len(address)):
        back = parts.advance(int(arrive[i]))
        found |= dict(zip(back.ident.tolist(), back.returned.tolist(), strict=True))
        assert parts.submit(int(address[i]), size, bool(write[i]), int(arrive[i])).tolist() == [i]
    while parts.pending:
        before = parts.next_event
        back = parts.advance_to_completion()
        assert parts.now >= before
        assert len(back) > 0
        found |= dict(zip(back.ident.tolist(), back.returned.tolist(), strict=True))
    assert [found[i] for i in range(len(address))] == returned.tolist()
    assert parts.log().tolist() == whole.log()[: len(parts.log())].tolist()


@settings(max_examples=40, deadline=None)
@given(st.data(), st.fractions(Fraction(1, 9), Fraction(9), max_denominator=100))
def test_another_clock_sees_the_same_cycles_at_its_own_edges(data, ratio):
    device = data.draw(devices())
    address, write, arrive = data.draw(traces(device))
    size = device.organisation.burst_bytes
    own = Controller(device, ratio, log=True)
    own.submit(address, size, write, arrive)
    seen = own.finish()
    edges = np.array([-(-int(x) * ratio.numerator // ratio.denominator) for x in arrive])
    same = Controller(device, log=True)
    same.submit(address, size, write, edges)
    back = same.finish()
    assert own.log().tolist() == same.log().tolist()
    exact = [int(-(-Fraction(int(x)) // ratio)) for x in back.returned]
    assert seen.returned.tolist() == exact


def test_the_ratio_of_two_clocks_is_exact():
    device = DEVICES["ddr4_2400"]
    assert device.cycles_per(200_000_000) == Fraction(500, 83)
    controller = Controller(device, device.cycles_per(200_000_000))
    assert controller.advance(10**9).ident.tolist() == []
    assert controller.stats().cycles == -(-500 * 10**9 // 83)


def test_idle_time_costs_refreshes_only():
    device = DEVICES["hbm2_8ch"]
    controller = Controller(device)
    controller.advance(3900 * 1000 + 1)
    stats = controller.stats()
    assert stats.refreshes == 8000
    assert stats.activates == stats.precharges == stats.active_cycles == 0
    assert Controller(with_policy(device, refresh=False)).next_event is None


def test_a_request_of_many_bursts_is_back_with_its_last_one():
    device = DEVICES["ddr4_2400"]
    big, small = Controller(device), Controller(device)
    big.submit([32, 4096], [200, 64], False, 7)
    back = big.finish()
    small.submit(np.array([0, 64, 128, 192, 4096]), 64, False, 7)
    bursts = small.finish()
    ends = bursts.returned[np.argsort(bursts.ident)]
    order = np.argsort(back.ident)
    assert back.returned[order].tolist() == [ends[:4].max(), ends[4]]
    assert back.accepted[order].tolist() == [7, 11]
    assert big.stats().bytes_moved == 5 * 64


@pytest.mark.parametrize("write", [False, True])
def test_more_channels_never_move_fewer_bytes_a_cycle_on_a_stream(write):
    rates = []
    for channels in (1, 2, 4, 8):
        base = DEVICES["hbm2_8ch"]
        device = with_policy(
            replace(base, organisation=replace(base.organisation, channels=channels)),
            requests_per_cycle=channels,
        )
        controller = Controller(device)
        controller.submit(np.arange(4000) * 64, 64, write, 0)
        controller.finish(flush=True)
        stats = controller.stats()
        assert stats.bytes_moved == sum(stats.channel_bytes) == 4000 * 64
        rates.append(stats.bytes_moved / stats.last_column)
        assert rates[-1] <= device.peak_bytes_per_cycle
    assert rates == sorted(rates)
    assert rates[-1] > 5 * rates[0]


def test_a_closed_page_that_waits_for_queued_hits_streams_nearly_like_an_open_one():
    cycles = {}
    for page in PAGES:
        controller = Controller(with_policy(DEVICES["ddr4_2400"], page=page))
        controller.submit(np.arange(1000) * 64, 64, False, 0)
        controller.finish()
        cycles[page] = controller.stats().cycles
    assert cycles["closed_after_hits"] < 1.3 * cycles["open"] < 0.2 * cycles["closed"]


def test_an_idle_controller_that_drains_everything_keeps_no_write():
    controller = Controller(with_policy(DEVICES["ddr4_2400"], drain_above=0))
    controller.submit(np.arange(5) * 64, 64, True, 0)
    controller.advance(200)
    assert controller.stats().write_commands == 5
    lazy = Controller(DEVICES["ddr4_2400"])
    lazy.submit(np.arange(5) * 64, 64, True, 0)
    assert len(lazy.advance(200)) == 5
    assert lazy.stats().write_commands == 0
    lazy.finish(flush=True)
    assert lazy.stats().write_commands == 5


def test_a_read_of_buffered_data_comes_from_the_buffer_and_equal_ones_share_a_command():
    controller = Controller(DEVICES["ddr4_2400"])
    controller.submit(64, 64, True, 0)
    controller.submit([64, 128, 128], 64, False, [5, 6, 7])
    back = controller.finish()
    order = np.argsort(back.ident)
    assert (back.returned - back.accepted)[order].tolist() == [2, 2, 40, 39]
    stats = controller.stats()
    assert (stats.forwarded, stats.merged, stats.read_commands) == (1, 1, 1)


def test_a_write_that_waits_for_a_read_not_yet_sent_lets_it_go_first():
    device = with_policy(DEVICES["ddr4_2400"], read_queue=1, write_queue=1, bank_queue=1)
    row = 1 << 18  # bytes between two rows of a bank
    assert place(device, row)[:4] == place(device, 0)[:4]
    controller = Controller(device, log=True)
    controller.submit([0, row, row], 64, [False, False, True], 0)
    assert len(controller.finish(flush=True)) == 3
    columns = [(x.name, x.row) for x in commands(controller) if x.name in COLUMNS]
    assert columns == [("read", 0), ("read", 1), ("write", 1)]


def test_such_a_read_waits_while_earlier_writes_may_still_go():
    device = with_policy(
        DEVICES["ddr4_2400"], read_queue=2, write_queue=2, bank_queue=1, drain_above=2
    )
    row, other = 1 << 18, 1 << 13  # the next row of the bank; another bank
    assert place(device, other)[:4] != place(device, 0)[:4] == place(device, row)[:4]
    controller = Controller(device, log=True)
    controller.submit([0, row, other, other], 64, [True, True, False, True], 0)
    controller.finish()
    # The drain is stopped in cycle 4. The second write goes to its bank when the first has left it
    # in 20; only then the buffer has room, and reads have a turn. DRAMsim3 issues the same.
    assert [(x.name, x.cycle) for x in commands(controller)] == [
        ("activate", 3),
        ("write", 20),
        ("activate", 23),
        ("read", 40),
    ]


def test_energy_is_that_of_the_data_sheet():
    device = DEVICES["lpddr4_2400"]
    controller = Controller(device)
    controller.submit(0, 128, [False, True], 0)
    controller.finish(flush=True)
    controller.advance(10_000)
    stats, pj = controller.stats(), 1.2 * 0.83 * 4  # V x ns x chips
    assert stats.energy.activate_pj == pytest.approx(pj * (80 * 47 - 47 * 32 - 34 * 15))
    assert stats.energy.read_pj == pytest.approx(pj * 8 * (243 - 47))
    assert stats.energy.write_pj == pytest.approx(pj * 8 * (228 - 47))
    assert stats.refreshes == 2
    assert stats.energy.refresh_pj == pytest.approx(2 * pj * (280 - 47) * 392)
    idle = 2 * 10_000 - stats.active_cycles
    assert stats.energy.background_pj == pytest.approx(pj * (47 * stats.active_cycles + 34 * idle))
    parts = stats.energy
    assert parts.total_pj == pytest.approx(
        parts.activate_pj + parts.read_pj + parts.write_pj + parts.refresh_pj + parts.background_pj
    )


@pytest.mark.parametrize(
    ("address", "size", "words"),
    [
        (-64, 64, "address -0x40 is outside of ddr4_2400, which has 17,179,869,184 bytes"),
        (1 << 34, 64, "address 0x400000000 is outside"),
        ((1 << 34) - 64, 65, "is outside"),
        (0, 0, "a request must move at least 1 byte, not 0"),
    ],
)
def test_requests_that_cannot_be_served_are_refused(address, size, words):
    controller = Controller(DEVICES["ddr4_2400"])
    with pytest.raises(DramError, match=words):
        controller.submit(address, size, False, 0)
    assert controller.pending == 0


def test_a_clock_that_stands_still_is_refused():
    with pytest.raises(DramError, match="must be above 0, not 0"):
        Controller(DEVICES["ddr4_2400"], 0)


def test_a_controller_that_does_not_get_on_says_who_waits():
    controller = Controller(DEVICES["ddr4_2400"])
    controller.submit(0, 64, False, 0)
    controller._bank[:, at.B_ACT] = at.NEVER // 2  # no device that is read can do this
    with pytest.raises(
        DramError, match=r"no progress, DRAM cycle .*: channel 0: 0 reads, 0 writes, 1"
    ):
        controller.finish()


def test_many_requests_under_way_find_room():
    device = DEVICES["ddr4_2400"]
    controller = Controller(device, log=True)
    for _ in range(3):
        controller.submit(np.arange(3000) * 64, 64, False, 0)
    assert len(controller.finish()) == 9000
    assert len(controller.log()) > 9000 - controller.stats().merged


def reasons_of(device, address, *, write=0, cycle=0, size=64):
    """What each request waited for last, in order; and the channels."""
    controller = Controller(device)
    controller.submit(address, size, write, cycle)
    back = controller.finish()
    order = np.argsort(back.ident)
    return [REASONS[x] for x in back.reason[order]], back.channel[order].tolist()


def test_what_a_request_waited_for_is_told_by_name():
    device = DEVICES["ddr4_2400"]
    row_bytes = device.organisation.columns * device.organisation.bus_width_bits // 8
    # A row is opened, and then hit long after.
    assert reasons_of(device, [0, 64], cycle=[0, 500])[0] == ["row", "latency"]
    # Bursts of one row wait for each other; those beyond the queue got into it late, but waited
    # for the burst before in the end.
    stream, _ = reasons_of(device, np.arange(100) * 64)
    assert stream[0] == "row"
    assert stream.count("bus") >= 90
    # Each wants another row of the same bank.
    rows, _ = reasons_of(device, np.arange(20) * row_bytes * device.organisation.banks)
    assert set(rows) == {"row"}
    # A read behind a write to an open row waits for the bus to turn. The write is sent at once.
    prompt = with_policy(device, drain_above=0)
    turned, _ = reasons_of(prompt, [0, 64, 128], write=[0, 1, 0], cycle=[0, 100, 108])
    assert turned == ["row", "latency", "turnaround"]
    # A refresh closes the row.
    late = device.timing.t_refi // device.organisation.ranks
    refreshed, _ = reasons_of(device, [0, 64], cycle=[late - 100, late + 2])
    assert refreshed == ["row", "refresh"]
    # More writes than the buffer takes; what is posted in time waited for nothing.
    small = with_policy(device, write_queue=2, drain_above=0)
    posted, _ = reasons_of(small, np.arange(12) * row_bytes * 64, write=1)
    assert set(posted) == {"latency", "queue"}
    two = DEVICES["ddr4_2400_2ch"]
    address = np.arange(64) * 64
    expected = [place(two, x)[0] for x in address.tolist()]
    assert reasons_of(two, address)[1] == expected
    assert set(expected) == {0, 1}


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_who_waited_for_nothing_came_back_as_fast_as_can_be(data):
    device = data.draw(devices())
    address, write, cycle = data.draw(traces(device))
    controller = Controller(device)
    controller.submit(address, device.organisation.burst_bytes, write, cycle)
    back = controller.finish(flush=True)
    by = [REASONS[x] for x in back.reason]
    shortest = device.unloaded_cycles + device.organisation.burst_cycles - device.timing.t_rcd_read
    for k, reason in enumerate(by):
        took = back.returned[k] - back.accepted[k]
        if write[back.ident[k]]:
            assert reason in {"latency", "queue"}
        elif reason == "latency":
            assert took <= shortest  # a hit; from the buffer or with another's command at most
        elif took > shortest:
            assert reason in {"queue", "row", "refresh", "turnaround", "bus"}
    refreshes = controller.stats().refreshes
    assert refreshes or "refresh" not in by
    assert write.any() or device.organisation.ranks > 1 or "turnaround" not in by
