"""No port and no bus on the chip moves more words in any cycle than its rate.

Once for whole runs, from the records that the engine keeps of every transfer; once for transfers in
any order, from the clocks that the kernels keep of every port and bus.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
import simpy
from bank_trees import bank_case
from cases import Case
from chip_trees import of_all_widths, register_cases, tree_case
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.sim.cycle.array import columns
from arraysmith.sim.cycle.array.holding import ALONE
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.array.transfers import pass_down, pass_up
from arraysmith.sim.cycle.banks.bank_lookups import EMPTY
from arraysmith.sim.cycle.engine import SpatialRun
from arraysmith.sim.cycle.nest.lookups import find_entries, most_words
from arraysmith.sim.cycle.nest.portions import PARTS
from arraysmith.sim.cycle.nest.ports import DRAIN, FILL, READ, UPDATE
from arraysmith.sim.cycle.nest.turns import count_rounds
from arraysmith.sim.cycle.offchip.border import BorderRequests
from arraysmith.sim.cycle.offchip.channel import offchip_channel
from arraysmith.sim.cycle.offchip.protocol import Timing
from arraysmith.sim.cycle.offchip.schedule import Epoch
from arraysmith.sim.cycle.tracing.streams import address_map


class Keeper:
    """Keeps the records of a run in place of the streams of a probe.

    Attributes:
        records: of transfers on the chip.
        border: of those over the border: (tensor, outward, words at a port, first cycle at the near
            side, cycles).
    """

    steps = True

    def __init__(self, machine: Machine) -> None:
        rows = 4 * max(1, len(machine.inner)) * (columns.RING + 2) + 1024
        self.room = np.empty((rows, columns.RECORD + len(machine.tree.time)), np.int64)
        self.records: list[list[int]] = []
        self.border: list[tuple[int, bool, int, int, int]] = []

    def tell_inner(self, records: np.ndarray, clocks: columns.Clocks) -> None:
        del clocks
        self.records += records.tolist()

    def finish(self) -> None:
        """Hold nothing back."""

    def tell_border(self, tensor: int, epoch: Epoch, timing: Timing, *, outward: bool) -> None:
        start = timing.start + (0 if outward else timing.latency)
        self.border.append((tensor, outward, epoch.most, start, timing.busy))


def recorded(case: Case) -> tuple[Machine, Keeper]:
    """The machine of a case, and the records of its run in the order of the run."""
    architecture, problem, _ = case
    machine = Machine.of(*case)
    base = {name: x.base for name, x in address_map(problem, architecture).items()}
    env, keeper = simpy.Environment(), Keeper(machine)
    channel = offchip_channel(env, architecture, None)
    border = BorderRequests(problem, machine, base)
    SpatialRun(env, machine, channel, border, streams=keeper).run()
    return machine, keeper


class Clock:
    """A port or bus walked through: how much of which cycle words have taken."""

    def __init__(self) -> None:
        self.free = Fraction(0)
        self.taken: dict[int, Fraction] = defaultdict(Fraction)

    def take(self, words: int, per_word: Fraction, begin: Fraction, part: Fraction) -> Fraction:
        """Move words from ``begin`` on, one after the other; return when the last one has moved.

        They have a part of every cycle.
        """
        self.free = begin + words * per_word
        whole = range(ceil(begin), floor(self.free))  # no arithmetic of fractions for these
        for cycle in range(int(begin), ceil(self.free) if per_word else 0):
            if cycle in whole:
                here = part
            else:
                here = (min(self.free, Fraction(cycle + 1)) - max(begin, Fraction(cycle))) * part
            before = self.taken.get(cycle)
            self.taken[cycle] = here if before is None else before + here
        return self.free

    def spread(self, work: Fraction, begin: Fraction, end: Fraction) -> None:
        """Take so many cycles, evenly from ``begin`` to ``end``."""
        for cycle in range(int(begin), ceil(end) if work else 0):
            here = min(end, Fraction(cycle + 1)) - max(begin, Fraction(cycle))
            self.taken[cycle] += here * work / (end - begin)


def walk_records(case: Case) -> int:
    """Walk through every port and bus; return the cycles in which one was used in full."""
    machine, keeper = recorded(case)
    tables, ticks = machine.amounts.tables, machine.ticks
    wires = machine.clocks()[7]
    ports, per_word, access, bus_ticks, bus_clock = (wires[x] for x in (1, 2, 3, 5, 7))
    fanouts = len(machine.tree.architecture.fanouts)
    served = machine.service.any(axis=1)
    clocks: dict[tuple[str, int], Clock] = defaultdict(Clock)
    portions, memories = machine.portions, machine.tree.architecture.memories
    entries = np.zeros(16, np.int64)

    def work(memory: int, port: int, words: int) -> tuple[int, Fraction, Fraction]:
        """Words that are taken, the cycles of each, and the part of every cycle that they have."""
        taken = -(-words // int(access[memory])) * int(access[memory])
        part = Fraction(portions.at_port(memory, port, border=False), PARTS)
        return taken, Fraction(int(per_word[memory, port]), ticks), part

    def at_parent(memory: int, port: int, words: int, begin: int, left: int) -> None:
        """Move words through a port towards children, from tick ``begin`` on."""
        clock, start = clocks["port", ports[memory, port]], Fraction(begin, ticks)
        taken, each, part = work(memory, port, words)
        assert start >= clock.free, "a port takes two transfers at a time"
        assert clock.take(taken, each, start, part) <= left, "more words than there was time for"

    def at_child(memory: int, port: int, words: int, record: list[int]) -> None:
        """Move words through a port towards the parent while it is at them, as a trace says."""
        taken, each, part = work(memory, port, words)
        begin, end = (Fraction(record[x], ticks) for x in (columns.R_FROM, columns.R_TO))
        assert taken * each <= end - begin, "more words than there was time for"
        clocks["port", ports[memory, port]].spread(taken * each * part, begin, end)

    def at_macs(record: list[int]) -> None:
        """Feed MACs evenly over a step."""
        tree, index = machine.tree, np.array(record[columns.RECORD :], np.int64)
        macs = count_rounds(tree.loops, tree.many, tree.size, index, tree.step_loops)
        begin, end = (Fraction(record[x]) for x in (columns.R_BEGIN, columns.R_LEFT))
        for memory, way in zip(*machine.service.nonzero(), strict=True):
            words = int(macs) * int(machine.service[memory, way])
            taken = -(-words // int(access[memory])) * int(access[memory])
            busy = Fraction(taken * int(wires[20][memory, way]), ticks)
            part = Fraction(int(portions.macs[memory, way]), PARTS)
            clocks["port", ports[memory, way]].spread(busy * part, begin, end)

    for record in keeper.records:
        if record[columns.R_EDGE] == len(machine.edges):
            at_macs(record)
            continue
        edge = machine.edges[record[columns.R_EDGE]]
        number, index = int(edge[columns.NUMBER]), np.array(record[columns.RECORD :], np.int64)
        find_entries(tables, number, index, record[columns.R_TURNED], entries)
        factors = int(tables[2][number])
        parent, child = int(edge[columns.PARENT]), int(edge[columns.CHILD])
        begin, left = record[columns.R_BEGIN], record[columns.R_LEFT]
        first = begin // ticks

        def most(column: int, factors: int = factors) -> int:
            return most_words(tables, factors, column, entries)

        if record[columns.R_UP]:
            up, tiles = most(fanouts + 1), most(0)
            if up > tiles:
                again = record[columns.R_AGAIN]
                at_parent(parent, READ, up - tiles, again, left)
            at_parent(parent, UPDATE, up, begin, left)
            if child >= 0:
                at_child(child, DRAIN, most(fanouts), record)
            continue
        if not served[parent]:
            at_parent(parent, READ, most(0), begin, left)
        if child >= 0:
            at_child(child, FILL, most(fanouts), record)
        for i in range(int(edge[columns.BUSES])):
            bus = int(edge[columns.FIRST_BUS]) + i
            clock, each = clocks["bus", int(bus_clock[bus])], Fraction(int(bus_ticks[bus]), ticks)
            start = max(clock.free, Fraction(first))
            whole = Fraction(1)
            assert clock.take(most(i), each, start, whole) <= left, "a bus had no time"
    for tensor, outward, words, start, busy in keeper.border:
        child = machine.tree.edges[machine.borders[tensor]].child
        if child > len(machine.tree.architecture.levels) or not words:
            continue
        memory = memories.index(machine.tree.memory(child))
        port = DRAIN if outward else FILL
        alone = Fraction(portions.at_port(memory, port, border=False), PARTS)
        each = Fraction(int(per_word[memory, port]), ticks) * alone
        taken = -(-words // int(access[memory])) * int(access[memory])
        here, clock = taken * each / max(1, busy), clocks["port", ports[memory, port]]
        for cycle in range(start, start + busy):
            clock.taken[cycle] += here
    full = 0
    for clock in clocks.values():
        assert all(part <= 1 for part in clock.taken.values())
        full += sum(part == 1 for part in clock.taken.values())
    return full


@pytest.mark.parametrize(
    ("seeds", "banks"), [(range(9500, 9540), True), (range(7000, 7200), False)]
)
def test_no_port_and_no_bus_is_over_its_rate_in_any_cycle_of_a_run(
    seeds: range, banks: bool
) -> None:
    full = 0
    for seed in seeds:
        case = bank_case(seed)[1] if banks else tree_case(seed)
        full += walk_records(of_all_widths(case, seed))
    assert full > 1000


def test_macs_and_registers_do_not_take_more_from_a_port_than_it_has() -> None:
    assert sum(walk_records(case) for _, case in register_cases(range(7000, 7300))) > 1000


def test_results_leave_through_one_port_when_what_was_asked_for_has_come() -> None:
    waited = 0
    for seed in range(7000, 7200):
        machine, keeper = recorded(of_all_widths(tree_case(seed), seed))
        if not any(machine.one_port):
            continue
        landed = 0
        for tensor, outward, words, start, busy in keeper.border:
            if not machine.one_port[tensor] or not words:
                continue
            assert start >= landed, f"seed {seed}: the port takes words of both ways"
            landed = start + busy
            waited += outward
    assert waited > 100


def test_a_port_that_border_and_chip_share_is_not_over_its_rate_either() -> None:
    shared = 0
    for seed in range(4000, 4300):
        case = tree_case(seed)
        if (Machine.of(*case).portions.ports < PARTS).any():
            walk_records(case)
            shared += 1
    assert shared > 30


PARENT, CHILD = range(2)
TICKS = 12


@st.composite
def transfers(draw):
    """Two memories, two buses each way, and what goes over them."""
    ticks = st.sampled_from((0, 3, 4, 6, 12, 18, 24))
    shared = draw(st.booleans())
    ports = np.arange(8).reshape(2, 4)
    if shared:
        ports[:, UPDATE], ports[:, DRAIN] = ports[:, READ], ports[:, FILL]
    per_word = np.array([[draw(ticks) for _ in range(4)] for _ in range(2)], np.int64)
    whole = np.array([draw(st.sampled_from((1, 1, 4))) for _ in range(2)], np.int64)
    buses = np.array([draw(ticks) for _ in range(4)], np.int64)
    none = np.empty(0, np.int64)
    wires = (
        np.zeros(8, np.int64), ports, per_word, whole, np.zeros(4, np.int64), buses, TICKS,
        np.arange(4), np.zeros(4, np.int64), np.zeros((4, 0), np.int64),
        np.full((1, 4), -1, np.int64), np.zeros((0, 4), np.int64), none,
        (np.zeros((2, 0), np.int64), np.full((1, 2), -1, np.int64),
         np.full(2, EMPTY, np.int64), np.zeros((2, 2), np.int64)),
        np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64), np.zeros(4, np.int64),
        np.full((2, 4), TICKS), np.full(2, ALONE), np.zeros(2, np.int64),
        np.zeros((2, 2), np.int64),
    )  # fmt: skip
    count = st.integers(1, 9)
    turns = st.integers(0, 4)
    moves = [
        (draw(st.booleans()), draw(st.integers(0, 30)), [draw(count) for _ in range(4)],
         [draw(turns) for _ in range(3)])
        for _ in range(draw(st.integers(1, 8)))
    ]  # fmt: skip
    return wires, moves


def side_by_side(first: int, second: int) -> tuple[int, int]:
    """When 10 words of each of two edges have come, over buses of so many ticks a word."""
    ports, none = np.arange(8).reshape(2, 4), np.empty(0, np.int64)
    per_word = np.zeros((2, 4), np.int64)
    per_word[CHILD, FILL] = TICKS
    users = np.array([ports[CHILD, FILL], ALONE, ports[CHILD, FILL], ALONE])
    wires = (
        np.zeros(12, np.int64), ports, per_word, np.ones(2, np.int64), np.zeros(2, np.int64),
        np.array([first, second]), TICKS, np.arange(2), np.zeros(2, np.int64),
        np.zeros((2, 0), np.int64), np.full((1, 2), -1, np.int64), np.zeros((0, 4), np.int64), none,
        (np.zeros((2, 0), np.int64), np.full((1, 2), -1, np.int64),
         np.full(2, EMPTY, np.int64), np.zeros((2, 2), np.int64)),
        np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64), np.zeros(2, np.int64),
        np.full((2, 4), TICKS), users, np.zeros(4, np.int64), np.zeros((2, 2), np.int64),
    )  # fmt: skip
    words = np.full(3, 10)
    return tuple(
        pass_down(wires, 0, PARENT, CHILD, edge, 1, words, (0, 0), 2 * edge)[1] for edge in (0, 1)
    )


def test_buses_as_fast_as_their_port_together_do_not_wait_for_each_other() -> None:
    assert side_by_side(2 * TICKS, 2 * TICKS) == (20 * TICKS, 20 * TICKS)
    assert side_by_side(3 * TICKS, 3 * TICKS // 2) == (30 * TICKS, 15 * TICKS)
    assert side_by_side(TICKS, TICKS) == (10 * TICKS, 20 * TICKS)


def test_a_wider_bus_may_make_another_one_wait_for_their_port() -> None:
    assert side_by_side(2 * TICKS, 3 * TICKS // 2) == (20 * TICKS, 35 * TICKS)


@given(transfers())
@settings(deadline=None, max_examples=300)
def test_every_clock_goes_on_by_the_time_that_its_words_and_banks_take(drawn) -> None:
    wires, moves = drawn
    ports, buses = wires[0], wires[4]
    for up, at, (top, bottom, first, second), turns in moves:
        before, on_bus = ports.copy(), buses.copy()
        through = np.array([top, bottom, first, second], np.int64)
        again = (top - 1) // 2 if up else 0
        if up:
            _, finish, *_ = pass_up(
                wires, at, PARENT, CHILD, 2, 2, through, again, np.array(turns, np.int64), 1
            )
        else:
            _, finish, *_ = pass_down(
                wires, at, PARENT, CHILD, 0, 2, through, (turns[0], turns[2]), 0
            )
        held: dict[int, int] = defaultdict(int)
        asked = (
            ((PARENT, UPDATE, top, turns[0]), (CHILD, DRAIN, bottom, turns[2]))
            if up
            else ((PARENT, READ, top, turns[0]), (CHILD, FILL, bottom, turns[2]))
        )
        if again:
            asked = (*asked, (PARENT, READ, again, turns[1]))
        for memory, port, words, lines in asked:
            taken = -(-words // int(wires[3][memory])) * int(wires[3][memory])
            each = taken * int(wires[2][memory, port])
            held[int(wires[1][memory, port])] += max(each, lines * TICKS if lines > 1 else 0)
        for clock in range(8):
            if clock not in held:
                assert ports[clock] == before[clock]
                continue
            assert ports[clock] >= max(before[clock], at * TICKS) + held[clock]
            assert ports[clock] <= finish
        for i, words in enumerate((first, second)):
            bus = i + 2 * up
            assert buses[bus] == finish
            assert finish >= max(on_bus[bus], at * TICKS) + words * int(wires[5][bus])
