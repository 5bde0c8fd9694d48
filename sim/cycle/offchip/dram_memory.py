"""A DRAM and the requests of the DMA engines that ask it.

The memory is simulated up to the next event of the simulation, whoever's it is, and never beyond,
so that nobody can ask it too late. What is to be told by then, an engine hears: that all requests
of its transfer are issued, and when requests have come back.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf
from typing import Any, Protocol

import numpy as np
import simpy

from arraysmith.arch.architecture import Memory
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.offchip import dram_feed as feed
from arraysmith.sim.cycle.offchip.protocol import Bursts, Stamps, Transfer
from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.controller import Controller, DramError
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.use import DramUse, channel_link, reason_link

_TOLD_ROWS = 4096


class Engine(Protocol):
    """What the memory tells a DMA engine."""

    def arrive(self, told: Int) -> None:
        """Take requests that have come back, in their order, int64 [n, TOLD]: see ``dram_feed``."""
        ...

    def issued(self, issue: Int, offered: Int, held: Int) -> None:
        """Take when the requests of the transfer were issued, all of which are now.

        Args:
            issue: int64 [at least n], cycle in which each was issued.
            offered: int64 [at least n], cycle in which the memory was asked.
            held: int64 [channels x reasons], see ``dram_feed.serve``.
        """
        ...


@dataclass(slots=True, eq=False)
class Flight:
    """Requests of one transfer in one direction.

    Attributes:
        transfer: whose they are.
        bursts: the requests.
        outward: whether they write.
        near_cycles: cycles that the near side takes for all words.
        issue: int64 [n], cycle in which each is issued.
        offered: int64 [n], cycle in which the memory is asked: of a write, with its words.
        told: int64 [n, TOLD], of each that has come back.
        event: succeeds when all have come back.
        out: succeeds when all are issued, with the cycle from which the engine can go on.
        held: int64 [channels x reasons], how long they could not be issued, see ``dram_feed``.
        landed: how many have come back.
    """

    transfer: Transfer
    bursts: Bursts
    outward: bool
    near_cycles: int
    issue: Int
    offered: Int
    told: Int
    event: simpy.Event
    out: simpy.Event
    held: Int
    landed: int = 0

    @property
    def back(self) -> Int:
        """Cycle in which each has come back: int64 [n]."""
        return self.told[:, feed.TOLD_BACK]

    def near_stamps(self) -> Stamps:
        """Return when the words of each request passed the near side, once all have landed."""
        ends = self.bursts.words
        sizes = np.diff(ends, prepend=0)
        busy = -(-sizes * self.near_cycles // ends[-1])
        issue, back = self.issue, self.issue + busy
        if not self.outward:
            issue, back = self.back - busy, self.back
        return Stamps(ends, issue, back, int(back[-1]))


class DramMemory:
    """All channels of a DRAM, and the DMA engines that ask it.

    Attributes:
        device: what it is.
        controller: the controllers of all channels.
        codes: channels x reasons for which requests wait.
    """

    def __init__(self, env: simpy.Environment, memory: Memory, tick_hz: int, engines: int) -> None:
        """Begin with a memory at rest, all rows closed.

        Args:
            env: simulated time, in ticks.
            memory: an off-chip memory with a DRAM.
            tick_hz: ticks per second.
            engines: how many will ask.
        """
        assert memory.dram is not None, "no DRAM"
        assert memory.requests_in_flight is not None, "see Memory.with_dram_rates"
        device = memory.dram.device
        assert isinstance(device, Device), "what reads devices gave something else"
        self.device = device
        self.controller = Controller(device, device.cycles_per(tick_hz), owners=engines)
        self._env = env
        self._memory = memory
        most = memory.requests_in_flight
        self._engines = np.zeros((engines, feed.ENGINE), np.int64)
        self._engines[:, feed.MOST] = most
        self._engines[:, feed.MASK] = np.arange(engines) << at.OWNER_BITS
        self._engines[:, [feed.MANY, feed.PER]] = 1
        self._table = np.zeros((engines, 1, feed.TABLE), np.int64)
        self._rings = np.zeros((engines, most, feed.RING), np.int64)
        self._rings[:, :, feed.RETURNED] = -1
        self.codes = device.organisation.channels * at.REASONS
        self._held = np.zeros((engines, self.codes), np.int64)
        self._told = np.zeros((_TOLD_ROWS + 2 * engines * most, feed.TOLD), np.int64)
        self._turn = 0
        self._under_way = 0  # transfers, until all of their requests are back
        self._told_to: list[Engine] = []
        self._wake: simpy.Event | None = None
        env.process(self._follow())

    def join(self, channel: Engine, cycles_per_own: Fraction) -> tuple[int, Int]:
        """Take an engine; return its number and its state, see ``dram_feed``."""
        number = len(self._told_to)
        self._told_to.append(channel)
        mine: Int = self._engines[number]
        mine[feed.MANY], mine[feed.PER] = cycles_per_own.as_integer_ratio()
        return number, mine

    def begin(self, number: int, flight: Flight, start: int, *, settle: bool) -> None:
        """Let an engine issue the requests of a transfer from ``start`` on."""
        bursts, count = flight.bursts, len(flight.bursts.words)
        burst, many = self.controller.place(
            bursts.address.astype(np.int64), bursts.size.astype(np.int64)
        )
        if count > self._table.shape[1]:
            grown = np.zeros((len(self._engines), 2 * count, feed.TABLE), np.int64)
            grown[:, : self._table.shape[1]] = self._table
            self._table = grown
        rows, mine = self._table[number, :count], self._engines[number]
        rows[:, feed.BURST], rows[:, feed.BURSTS], rows[:, feed.END] = burst, many, bursts.words
        total = int(bursts.words[-1])
        mine[feed.NEXT], mine[feed.COUNT], mine[feed.MOVED] = 0, count, 0
        mine[feed.START], mine[feed.TOTAL], mine[feed.PACE] = start, total, start * total
        mine[feed.NEAR], mine[feed.LATE] = flight.near_cycles, flight.transfer.near_latency_cycles
        mine[feed.OUT], mine[feed.SETTLE] = flight.outward, settle
        self._held[number] = 0
        self._under_way += 1
        if self._wake is not None:
            self._wake.succeed()
            self._wake = None

    def flush(self, tick: int) -> None:
        """Write what is still buffered, from ``tick`` on, when nobody asks any more."""
        self._reach(tick)
        self.controller.finish(flush=True)

    def begin_flush(self) -> None:
        """From now on write what is buffered whenever nothing waits to be read."""
        self._reach(int(self._env.now))
        self.controller.begin_flush()

    def use(self, ticks: int) -> DramUse:
        """Return what the memory did in a run of so many ticks."""
        self._reach(ticks)
        stats = self.controller.stats()
        energy = stats.energy
        return DramUse(
            memory=self._memory.name,
            device=self.device.name,
            cycles=stats.cycles,
            reads=stats.reads,
            writes=stats.writes,
            read_commands=stats.read_commands,
            write_commands=stats.write_commands,
            activates=stats.activates,
            refreshes=stats.refreshes,
            row_hits=stats.read_hits + stats.write_hits,
            conflicts=stats.conflicts,
            forwarded=stats.forwarded,
            merged=stats.merged,
            read_latency_sum=stats.read_latency_sum,
            read_latency_max=stats.read_latency_max,
            channel_bytes=stats.channel_bytes,
            energy_pj=(
                energy.activate_pj, energy.read_pj, energy.write_pj, energy.refresh_pj,
                energy.background_pj,
            ),
        )  # fmt: skip

    def at(self, tick: int) -> simpy.Event:
        """Return an event of a tick, which must not have passed."""
        wait = tick - int(self._env.now)
        assert wait >= 0, "the memory has been simulated too late"
        return self._env.timeout(wait)

    def end(self) -> None:
        """Note that all requests of a transfer are back."""
        self._under_way -= 1

    def link(self, code: int) -> tuple[str, str]:
        """Return channel and reason as a chain of waiting names them."""
        channel, reason = divmod(code, at.REASONS)
        return channel_link(self._memory.name, channel), reason_link(self._memory.name, reason)

    def _reach(self, tick: int) -> None:
        """Simulate what begins before ``tick``."""
        while self._under_way and self._serve(tick):
            pass
        if not self._under_way:
            back = self.controller.advance(tick)
            assert len(back) == 0, "something came back that nobody waits for"

    def _serve(self, limit: int | None) -> bool:
        """Serve all engines, but not beyond tick ``limit``; return whether it may not be there."""
        controller = self.controller
        end = at.NEVER - 1 if limit is None else ceil(limit * controller.cycles_per_own)
        status, count, self._turn = feed.serve(
            end, self._turn, self._engines, self._table, self._rings, self._held, self._told,
            controller.state,
        )  # fmt: skip
        if status == feed.STUCK:
            raise controller.stuck()
        if status == feed.TOO_LONG:
            raise DramError(
                f"{self._memory.name}: cycles of {self.device.name} per cycle, "
                f"{controller.cycles_per_own}, cannot be counted exactly in so long a run: choose "
                "a clock of whole MHz"
            )
        told = self._told[:count]
        for number, channel in enumerate(self._told_to):
            if count:
                channel.arrive(told[told[:, feed.TOLD_ENGINE] == number])
            mine = self._engines[number]
            if mine[feed.NEXT] == mine[feed.COUNT] > 0:
                mine[feed.NEXT] = mine[feed.COUNT] = 0
                rows = self._table[number]
                channel.issued(rows[:, feed.ISSUE], rows[:, feed.OFFERED], self._held[number])
        return bool(status == feed.TELLS)

    def _follow(self) -> Generator[simpy.Event, Any, None]:
        """Let the memory run up to the next event of the simulation."""
        env = self._env
        while True:
            if not self._under_way:
                self._wake = env.event()
                yield self._wake
                continue
            until = env.peek()  # nobody can ask before that
            if until <= env.now:
                yield env.timeout(0)
                continue
            if not self._serve(None if until == inf else int(until)):
                yield env.timeout(until - env.now)
