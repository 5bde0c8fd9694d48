"""A DRAM behind ``OffChip``: the DMA engine that asks it, and the memory controller.

The engine does one transfer after the other, in the order of its program, both ways through one
queue. It splits nothing: a transfer's requests are those of its ``Bursts``. At most
``requests_in_flight`` are under way: the k-th is issued no earlier than the one that many before it
has come back. They come back in the order of the program as well: what the memory returns early
waits in the engine for those before it.

- **Reads** are issued as soon as there is room for them. A request is passed on to the near side
  when all of it is there, word by word at the near side's pace.
- **Writes** leave the near side at its pace; a request goes to the memory when all of it is in the
  engine, and is back when the memory's write buffer has it.
- From the last request of a transfer to the first of the next one a cycle passes.

The memory is simulated only as far as nobody can ask it for anything more: while the engine issues
a transfer, nobody else can, so that the memory runs along until the last request is out; afterwards
until the next event of the simulation, whoever's it is. So requests meet in the queues of the
controller as in the machine, and when a request is back is known in time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import numpy as np
import simpy

from arraysmith.arch.architecture import Memory
from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.dram_feed import (
    LAST_BACK,
    REQUEST,
    RETURNED,
    STATE,
    STUCK,
    TOO_LONG,
    feed,
    land,
)
from arraysmith.sim.cycle.offchip import Bursts, Stamps, Timing, Transfer
from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.controller import Completions, Controller, DramError
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.parameters import parameters
from arraysmith.sim.dram.use import DramUse
from arraysmith.sim.probe import Probe


@dataclass(slots=True, eq=False)
class _Flight:
    """Requests of one transfer in one direction.

    Attributes:
        transfer: whose they are.
        bursts: the requests.
        outward: whether they write.
        near_cycles: cycles that the near side takes for all words.
        issue: int64 [n], cycle in which each is issued.
        offered: int64 [n], cycle in which the memory is asked: of a write, with its words.
        back: int64 [n], cycle in which each has come back.
        event: succeeds when all have come back.
        landed: how many have.
    """

    transfer: Transfer
    bursts: Bursts
    outward: bool
    near_cycles: int
    issue: Int
    offered: Int
    back: Int
    event: simpy.Event
    landed: int = 0

    def near_stamps(self) -> Stamps:
        """Return when the words of each request passed the near side, once all have landed."""
        ends = self.bursts.words
        sizes = np.diff(ends, prepend=0)
        busy = -(-sizes * self.near_cycles // ends[-1])
        issue, back = self.issue, self.issue + busy
        if not self.outward:
            issue, back = self.back - busy, self.back
        return Stamps(ends, issue, back, int(back[-1]))


class DramChannel:
    """All channels of a DRAM behind one DMA engine; see the module."""

    def __init__(
        self,
        env: simpy.Environment,
        memory: Memory,
        clock_hz: int,
        probe: Probe | None,
        *,
        one_way: bool,
    ) -> None:
        """Begin with a memory at rest, all rows closed.

        Args:
            env: simulated time, in cycles of the design.
            memory: an off-chip memory with a DRAM.
            clock_hz: of the design.
            probe: told of every request; None: nobody.
            one_way: words of one direction leave or enter the near side only when none of the other
                does, as ports that both share ask for.
        """
        assert memory.dram is not None, "no DRAM"
        assert memory.requests_in_flight is not None, "see Memory.with_dram_rates"
        device = memory.dram.device
        assert isinstance(device, Device), "what reads devices gave something else"
        self._env = env
        self._memory = memory
        self._probe = probe
        self._one_way = one_way
        self._device = device
        self._controller = Controller(device, device.cycles_per(clock_hz))
        self._turn = simpy.Resource(env)
        self._requests = np.zeros((memory.requests_in_flight, REQUEST), np.int64)
        self._requests[:, RETURNED] = -1
        self._state = np.zeros(STATE, np.int64)
        self._flights: deque[_Flight] = deque()
        self._outward = False  # direction of the last requests
        self._wake: simpy.Event | None = None
        values = parameters(device)
        self._channel_of = int(values[at.AT_CHANNEL]), int(values[at.AT_CHANNEL + 1])
        env.process(self._follow())

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer``: see ``OffChip``."""
        env = self._env
        assert transfer.bursts is not None, "requests have to be known to a DRAM"
        with self._turn.request() as turn:
            yield turn
            bursts, start = transfer.bursts(), int(env.now)
            if transfer.read_first:
                self._issue(transfer, bursts.last(transfer.read_first), False, 0, start)
                start = max(start, self._settled())
            near, out = transfer.near_cycles, transfer.outward
            flight, left = self._issue(transfer, bursts, out, near, start)
            self._collect(self._controller.advance(left))
            if self._wake is not None:
                self._wake.succeed()
                self._wake = None
            if left > env.now:
                yield env.timeout(left - int(env.now))
        stamps = Stamps(bursts.words, flight.issue, flight.back, left)
        return Timing(start, near, 0, stamps, flight.event, flight.near_stamps)

    def flush(self, cycle: int) -> int:
        """Write what is still buffered from ``cycle`` on: see ``OffChip``."""
        controller, timing = self._controller, self._device.timing
        self._collect(controller.advance(cycle))
        controller.finish(flush=True)
        stats = controller.stats()
        if not stats.write_commands:
            return cycle
        # The data of the last write follow its command.
        data = timing.al + timing.cwl + self._device.organisation.burst_cycles
        return max(cycle, ceil((stats.last_column + data) / controller.cycles_per_own))

    def use(self, cycles: int) -> DramUse:
        """Return what the memory did in a run of so many cycles: see ``OffChip``."""
        self._collect(self._controller.advance(cycles))
        stats = self._controller.stats()
        energy = stats.energy
        return DramUse(
            memory=self._memory.name,
            device=self._device.name,
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

    def _issue(
        self, transfer: Transfer, bursts: Bursts, outward: bool, near_cycles: int, start: int
    ) -> tuple[_Flight, int]:
        """Issue requests from ``start`` on; return them and when the engine can go on."""
        if self._one_way and outward != self._outward:
            start = max(start, self._settled())
        self._outward = outward
        controller, count = self._controller, len(bursts.words)
        flight = _Flight(
            transfer, bursts, outward, near_cycles,
            np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64),
            self._env.event(),
        )  # fmt: skip
        self._flights.append(flight)
        burst, many = controller.place(
            bursts.address.astype(np.int64), bursts.size.astype(np.int64)
        )
        back = np.empty(count + len(self._requests), np.int64)
        ratio = controller.cycles_per_own
        landed = feed(
            burst, many, bursts.words, outward, near_cycles, transfer.near_latency_cycles, start,
            (ratio.numerator, ratio.denominator), self._requests, self._state, flight.issue,
            flight.offered, back, controller.state,
        )  # fmt: skip
        if landed == STUCK:
            raise controller.stuck()
        if landed == TOO_LONG:
            raise DramError(
                f"{self._memory.name}: cycles of {self._device.name} per cycle, {ratio}, cannot be "
                "counted exactly in so long a run: choose a clock of whole MHz"
            )
        self._arrive(back[:landed])
        return flight, int(flight.offered[-1]) + 1

    def _collect(self, back: Completions) -> None:
        """Take what the memory returns; let requests come back in their order."""
        requests = self._requests
        requests[back.ident % len(requests), RETURNED] = back.returned
        cycles = np.empty(len(requests), np.int64)
        self._arrive(cycles[: land(requests, self._state, cycles, 0)])

    def _arrive(self, back: Int) -> None:
        """Give the next requests the cycles in which they have come back."""
        while len(back):
            flight = self._flights[0]
            mine = back[: len(flight.back) - flight.landed]
            flight.back[flight.landed : flight.landed + len(mine)] = mine
            flight.landed += len(mine)
            back = back[len(mine) :]
            if flight.landed == len(flight.back):
                self._flights.popleft()
                self._finish(flight)

    def _finish(self, flight: _Flight) -> None:
        """Tell of requests that have all come back, now that it is known when."""
        wait = int(flight.back[-1]) - int(self._env.now)
        assert wait >= 0, "the memory has been simulated too late"
        arrival = self._env.timeout(wait)
        arrival.callbacks.append(lambda _: flight.event.succeed())
        if self._probe is None or not self._probe.wants(self._memory.name):
            return
        low, mask = self._channel_of
        burst = self._device.organisation.burst_bytes
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

    def _settled(self) -> int:
        """Run the memory until all requests have come back; return when the last one has."""
        while self._flights:
            self._collect(self._controller.advance_to_completion())
        return int(self._state[LAST_BACK])

    def _follow(self) -> Generator[simpy.Event, Any, None]:
        """Let the memory run while the engine has nothing to ask for."""
        env = self._env
        while True:
            if not self._flights:
                self._wake = env.event()
                yield self._wake
                continue
            until = env.peek()  # nobody can ask before that
            if until <= env.now:
                yield env.timeout(0)
                continue
            limit = None if until == inf else int(until)
            back = self._controller.advance_to_completion(limit)
            self._collect(back)
            if not len(back):
                yield env.timeout(until - env.now)
