"""A DRAM behind ``OffChip``: DMA engines that ask it, and the memory controller.

An engine does one transfer after the other, in the order of its program, both ways through one
queue. It splits nothing: a transfer's requests are those of its ``Bursts``. At most
``requests_in_flight`` are under way: the k-th is issued no earlier than the one that many before it
has come back. They come back in the order of the program as well: what the memory returns early
waits in the engine for those before it.

- **Reads** are issued as soon as there is room for them. A request is passed on to the near side
  when all of it is there, word by word at the near side's pace.
- **Writes** leave the near side at its pace; a request goes to the memory when all of it is in the
  engine, and is back when the memory's write buffer has it.
- From the last request of a transfer to the first of the next one a cycle passes.

Cores of a chip have an engine each, and a clock each: their requests meet in the queues of the one
controller, in the order of time (``dram_memory``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from math import ceil
from typing import Any

import numpy as np
import simpy

from arraysmith.arch.architecture import Memory
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.offchip import dram_feed as feed
from arraysmith.sim.cycle.offchip.dram_memory import DramMemory, Flight
from arraysmith.sim.cycle.offchip.protocol import Bursts, Stamps, Timing, Transfer
from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.parameters import parameters
from arraysmith.sim.dram.use import DramUse
from arraysmith.sim.probe import Probe


class DramChannel:
    """A DMA engine before a DRAM; see the module."""

    def __init__(
        self,
        env: simpy.Environment,
        memory: Memory,
        clock_hz: int,
        probe: Probe | None,
        *,
        one_way: bool,
        shared: DramMemory | None = None,
    ) -> None:
        """Take what asks, and the memory.

        Args:
            env: simulated time, in cycles of the design.
            memory: an off-chip memory with a DRAM.
            clock_hz: of the design.
            probe: told of every request; None: nobody.
            one_way: words of one direction leave or enter the near side only when none of the other
                does, as ports that both share ask for.
            shared: the memory, if others ask it, too; it waits for as many engines as it was told.
        """
        self.dram = shared or DramMemory(env, memory, clock_hz, 1)
        self._env = env
        self._memory = memory
        self._probe = probe
        self._one_way = one_way
        self._ratio = self.dram.device.cycles_per(clock_hz)
        ticks = self._ratio / self.dram.controller.cycles_per_own
        assert ticks.denominator == 1, "a cycle is not a whole number of ticks"
        self._ticks = int(ticks)
        self._number, self._engine = self.dram.join(self, self._ratio)
        self._queue = simpy.Resource(env)
        self._flights: deque[Flight] = deque()
        self._issuing: Flight | None = None
        self._latest: Flight | None = None
        self._outward = False  # direction of the last requests
        values = parameters(self.dram.device)
        self._channel_of = int(values[at.AT_CHANNEL]), int(values[at.AT_CHANNEL + 1])
        self.bytes_asked = [0, 0]  # read, written

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer``: see ``OffChip``."""
        env = self._env
        assert transfer.bursts is not None, "requests have to be known to a DRAM"
        with self._queue.request() as turn:
            yield turn
            bursts, start = transfer.bursts(), int(env.now)
            if not len(bursts.words):  # nothing leaves where a tile is kept
                yield env.timeout(transfer.near_cycles)
                return Timing(start, transfer.near_cycles, 0)
            read_first = transfer.read_first
            if read_first:
                first = self._begin(transfer, bursts.last(read_first), False, 0, start)
                yield first.out
            near, out = transfer.near_cycles, transfer.outward
            flight = self._begin(transfer, bursts, out, near, start, settle=bool(read_first))
            left = yield flight.out
            if left > env.now:
                yield env.timeout(left - int(env.now))
        stamps = Stamps(bursts.words, flight.issue, flight.back, left)
        return Timing(
            start, near, 0, stamps, flight.event, flight.near_stamps, lambda: self._blame(flight)
        )

    def flush(self, cycle: int) -> int:
        """Write what is still buffered from ``cycle`` on: see ``OffChip``."""
        dram = self.dram
        dram.flush(cycle * self._ticks)
        written, timing = dram.controller.written(self._number), dram.device.timing
        if written < 0:
            return cycle
        # The data of the last write follow its command.
        data = timing.al + timing.cwl + dram.device.organisation.burst_cycles
        return max(cycle, ceil((written + data) / self._ratio))

    def settle(self) -> Generator[simpy.Event, Any, None]:
        """Wait until all requests are back."""
        if self._latest is not None and not self._latest.event.processed:
            yield self._latest.event  # requests come back in order

    def use(self, cycles: int) -> DramUse:
        """Return what the memory did in a run of so many cycles: see ``OffChip``."""
        return self.dram.use(cycles * self._ticks)

    def arrive(self, told: Int) -> None:
        """Take requests that have come back, in their order: see ``dram_feed``."""
        while len(told):
            flight = self._flights[0]
            mine = told[: len(flight.told) - flight.landed]
            flight.told[flight.landed : flight.landed + len(mine)] = mine
            flight.landed += len(mine)
            told = told[len(mine) :]
            if flight.landed == len(flight.told):
                self._flights.popleft()
                self.dram.end()
                self._finish(flight)

    def issued(self, issue: Int, offered: Int, held: Int) -> None:
        """Take when the requests of the transfer were issued, all of which are now."""
        flight = self._issuing
        assert flight is not None
        count = len(flight.issue)
        flight.issue[:], flight.offered[:] = issue[:count], offered[:count]
        flight.held[:] = held
        flight.out.succeed(int(flight.offered[-1]) + 1)
        self._issuing = None

    def _begin(
        self,
        transfer: Transfer,
        bursts: Bursts,
        outward: bool,
        near_cycles: int,
        start: int,
        *,
        settle: bool = False,
    ) -> Flight:
        """Issue requests from ``start`` on, or when all before are back."""
        settle = settle or (self._one_way and outward != self._outward)
        self._outward = outward
        count, env = len(bursts.words), self._env
        flight = Flight(
            transfer, bursts, outward, near_cycles, np.empty(count, np.int64),
            np.empty(count, np.int64), np.empty((count, feed.TOLD), np.int64), env.event(),
            env.event(), np.zeros(self.dram.codes, np.int64),
        )  # fmt: skip
        self.bytes_asked[outward] += int(bursts.size.sum())
        self._flights.append(flight)
        self._issuing = self._latest = flight
        self.dram.begin(self._number, flight, start, settle=settle)
        return flight

    def _finish(self, flight: Flight) -> None:
        """Tell of requests that have all come back, now that it is known when."""
        arrival = self.dram.at(int(flight.back[-1]) * self._ticks)
        arrival.callbacks.append(lambda _: flight.event.succeed())
        if self._probe is None or not self._probe.wants(self._memory.name):
            return
        low, mask = self._channel_of
        burst = self.dram.device.organisation.burst_bytes
        address = flight.bursts.address
        port = (address.astype(np.int64) // burst >> low & mask).astype(np.uint16)
        order = np.lexsort((port, flight.offered))  # stable
        self._probe.requests(
            f"{self._memory.name}/{flight.transfer.tensor}/{'write' if flight.outward else 'read'}",
            flight.offered[order],
            flight.back[order],
            address[order],
            flight.bursts.size[order],
            np.full(len(address), flight.transfer.tile, np.uint32),
            port[order],
        )

    def _blame(self, flight: Flight) -> tuple[str, ...]:
        """Return which channel a transfer waited for most, and what that waited for.

        Of a read that is what made its requests come back later, of a write what kept them from
        being issued. Nothing where the near side took longer than the memory.
        """
        if flight.outward:
            by_code, near = flight.held, 0
        else:
            by_code = np.zeros(self.dram.codes, np.int64)
            cycles = flight.told[:, feed.TOLD_CYCLES]
            np.add.at(by_code, flight.told[:, feed.TOLD_WHERE], cycles)
            near = int(flight.told[:, feed.TOLD_LATER].sum()) - int(cycles.sum())
        most = int(by_code.argmax())
        if int(by_code.sum()) <= near:
            return ()
        return self.dram.link(most)
