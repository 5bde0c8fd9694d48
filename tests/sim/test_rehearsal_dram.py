"""Requests that a rehearsal asks a DRAM for: those of the simulator, and what they tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from cases import case

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dram import Dram
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal import seen
from arraysmith.sim.analytical.rehearsal.plan import Plan
from arraysmith.sim.analytical.rehearsal.requests import (
    ADDRESS,
    CLASS,
    MINE,
    PHASE,
    REQUEST,
    SIZE,
    TENSOR_OF,
    TRANSFER,
    UP,
    WORDS,
    list_phases,
)
from arraysmith.sim.analytical.rehearsal.run import rehearse
from arraysmith.sim.analytical.rehearsal.seen import Seen, far_of
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.dram import in_order
from arraysmith.sim.dram.controller import Controller
from arraysmith.sim.dram.device_file import load_device
from arraysmith.sim.dram.in_order import ASK, OPENS, USED, WRITE, Turns, times_in_order
from arraysmith.sim.waits import WaitTotals

MOST = 200_000


def on(architecture: Architecture, name: str) -> Architecture:
    """The design with a DRAM in place of its rate."""
    memory = replace(architecture.levels[0], dram=Dram(name, load_device(name)))
    memory = replace(memory, requests_in_flight=None).with_dram_rates(architecture.clock_hz)
    return replace(architecture, levels=(memory, *architecture.levels[1:]))


class OffChip(WaitTotals):
    """Keeps what crosses the border."""

    def __init__(self, name):
        super().__init__()
        self.name, self.kept = name, {}

    def wants(self, memory):
        return memory == self.name

    def requests(self, stream, request, response, address, size, tile, port):
        _, tensor, way = stream.split("/")
        rows = zip(address.tolist(), size.tolist(), strict=True)
        self.kept.setdefault((tensor, way), Counter()).update(rows)


def listed(design):
    """Requests of a whole run by tensor and way, and the words of its transfers."""
    problem = design[1]
    asks = Plan.of(*design, AnalyticalModel().evaluate(*design)).questions
    loops = int(asks.border.depth.max())
    found = {}
    requests = np.empty((MOST, REQUEST), np.int64)
    transfers = np.empty((MOST, TRANSFER), np.int64)
    count, many = list_phases(asks.border, loops, -1, 1.0, requests, transfers)
    assert count < MOST
    # A run lists all but the results that are left when it is over.
    rest, last = (np.empty((MOST, x), np.int64) for x in (REQUEST, TRANSFER))
    more, one = list_phases(asks.border, loops, loops, 1.0, rest, last)
    for rows, moves in ((requests[:count], transfers[:many]), (rest[:more], last[:one])):
        for row in rows:
            move = moves[row[MINE]]
            way = "write" if move[CLASS] == UP else "read"
            key = problem.tensors[move[TENSOR_OF]].name, way
            found.setdefault(key, Counter())[int(row[ADDRESS]), int(row[SIZE])] += 1
    assert (transfers[:many, WORDS] > 0).all()
    assert (np.diff(transfers[:many, PHASE]) >= 0).all()
    return found


@pytest.mark.parametrize("first", [0, 30])
def test_requests_of_a_whole_run_are_those_that_are_simulated(first):
    compared = 0
    for seed in range(first, first + 30):
        architecture, problem, mapping = case(seed)
        design = on(architecture, "ddr4_2400"), problem, mapping
        if not all(x.bus.reduction and x.bus.multicast for x in architecture.fanouts):
            continue  # equal words cross several times
        probe = OffChip(architecture.levels[0].name)
        CycleModel(probe).evaluate(*design)
        assert listed(design) == probe.kept
        compared += 1
    assert compared > 5


def asked(addresses, write=0):
    found = np.zeros((len(addresses), ASK), np.int64)
    found[:, 0], found[:, 1], found[:, WRITE] = addresses, 64, write
    return found


def times(requests, most, near=0.0, late=0.0):
    controller = Controller(load_device("ddr4_2400"), 1)
    each = np.full(len(requests), near)
    return times_in_order(controller, requests, each, np.full(len(requests), late), most)


def test_requests_come_back_in_order_and_no_more_are_under_way():
    addresses = np.random.default_rng(1).integers(0, 1 << 20, 300) * 64
    for most in (1, 3, 32):
        issued, back = times(asked(addresses), most)
        assert (np.diff(issued) >= 0).all()
        assert (np.diff(back) >= 0).all()
        assert (back > issued).all()
        assert (issued[most:] >= back[:-most]).all()


def test_a_stream_runs_at_the_near_side_where_that_is_slower():
    addresses = np.arange(500) * 64
    free = times(asked(addresses), 32)[1][-1]
    slow = times(asked(addresses), 32, near=20.0)[1][-1]
    assert 4 * 500 <= free < 8 * 500  # bursts of four cycles, six in one bank group
    assert 20 * 500 <= slow < 20 * 500 + 100


def test_who_waits_for_few_requests_waits_for_the_way_back_as_well():
    addresses = np.arange(50) * 64
    near, far = (times(asked(addresses), 1, late=x)[1][-1] for x in (0.0, 10.0))
    assert far == near + 10 * 50


def test_a_transfer_begins_a_cycle_after_the_one_before():
    requests = asked(np.arange(6) * 64)
    requests[3, OPENS] = 1
    issued, _ = times(requests, 32)
    assert issued.tolist() == [0, 0, 0, 1, 1, 1]


def test_who_works_with_words_asks_for_more_when_that_is_over():
    requests = asked(np.arange(8) * 64)
    requests[:, OPENS] = 1
    requests[:, in_order.PHASE] = np.arange(8)
    requests[1:, USED] = np.arange(1, 8)  # each phase needs the request before
    each, none = np.zeros(8), np.zeros(8)
    controller = Controller(load_device("ddr4_2400"), 1)
    turns = Turns(50.0, 200.0, np.full(8, 10.0))
    issued, back = times_in_order(controller, requests, each, none, 32, turns)
    assert issued[0] == 10
    assert (issued[1:] == back[:-1] + 200 + 10).all()
    controller = Controller(load_device("ddr4_2400"), 1)
    issued, _ = times_in_order(controller, requests, each, none, 32, Turns(1000.0, 0.0, none))
    assert (np.diff(issued) == 1000).all()


def rows_of(*transfers):
    """Rows of one tensor without loops: (place, words, issued, first, before, end)."""
    found = np.zeros((len(transfers), seen.SEEN))
    columns = (seen.PLACE, seen.MOVED, seen.ISSUED, seen.FIRST, seen.BEFORE, seen.END)
    for row, values in zip(found, transfers, strict=True):
        row[list(columns)] = values
    found[:, seen.HELD] = np.inf
    return found


def test_a_transfer_takes_what_it_ends_later_than_possible():
    rows = rows_of(
        (0, 10, 100, 120, 90, 150), (0, 10, 100, 160, 150, 170), (1, 5, 300, 305, 170, 320)
    )
    far = far_of([Seen(rows, 7.0, np.array([100.0, 900.0, 1000.0]))], np.array([[10.0, 5.0]]))
    assert far.late.tolist() == [20]
    assert far.words.tolist() == [[(30 + 20) / 20, 20 / 5]]
    assert (far.held > 1e12).all()
    assert far.rest == 7
    assert far.refresh.tolist() == [100, 1 / 900, 1000]


def test_what_is_not_seen_of_a_long_transfer_goes_on_like_its_second_half():
    rows = rows_of((0, 10, 100, 120, 90, 150))
    rows[0, seen.LATER], rows[0, seen.LATER_WORDS] = 5, 5
    far = far_of([Seen(rows, 0.0, np.zeros(3))], np.array([[100.0, 0.0]]))
    assert far.words[0, 0] == (30 + 90 * 1) / 100


@pytest.mark.parametrize("first", [0, 20])
def test_rehearsals_behind_a_dram_come_near_simulations(first):
    errors = []
    for seed in range(first, first + 20):
        architecture, problem, mapping = case(seed)
        design = on(architecture, "ddr4_2400"), problem, mapping
        report = AnalyticalModel().evaluate(*design)
        simulated = CycleModel().evaluate(*design).cycles
        errors.append(abs(sum(rehearse(*design, report).cycles) / simulated - 1))
    assert np.mean(errors) < 0.06
