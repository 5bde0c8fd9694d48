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
from arraysmith.sim.cycle.offchip import Bursts, Stamps, Timing, Transfer
from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.controller import Completions, Controller
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
        first: number of the first request.
        issue: int64 [n], cycle in which each is issued.
        offered: int64 [n], cycle in which the memory is asked: of a write, with its words.
        back: int64 [n], cycle in which each has come back.
        event: succeeds when all have come back.
        landed: how many have.
        passed: when the last of them had passed to the near side, in parts of a cycle.
    """

    transfer: Transfer
    bursts: Bursts
    outward: bool
    near_cycles: int
    first: int
    issue: Int
    offered: Int
    back: Int
    event: simpy.Event
    landed: int = 0
    passed: int = 0

    def words(self, k: int) -> int:
        """Return the words of a request."""
        ends = self.bursts.words
        return int(ends[k] - ends[k - 1]) if k else int(ends[0])

    @property
    def total(self) -> int:
        """Words of all requests; times inside a transfer are exact in that part of a cycle."""
        return int(self.bursts.words[-1])

    def near_stamps(self) -> Stamps:
        """Return when the words of each request passed the near side, once all have landed."""
        ends = self.bursts.words
        sizes = np.diff(ends, prepend=0)
        busy = -(-sizes * self.near_cycles // self.total)
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
        self._backs = [0] * memory.requests_in_flight  # of the last that came back, a ring
        self._issued = 0
        self._landed = 0
        self._returned: dict[int, int] = {}
        self._flights: deque[_Flight] = deque()
        self._near_free = 0  # cycle from which words can enter the near side
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
        count, most = len(bursts.words), len(self._backs)
        flight = _Flight(
            transfer, bursts, outward, near_cycles, self._issued,
            np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64),
            self._env.event(),
        )  # fmt: skip
        self._flights.append(flight)
        total = flight.total
        now = start * total  # in parts of a cycle
        offered: list[int] = []
        for k in range(count):
            awaited = self._issued + len(offered) - most
            if awaited >= self._landed:
                self._submit(flight, offered)
                while awaited >= self._landed:
                    self._collect(self._controller.advance_to_completion())
            if awaited >= 0:
                now = max(now, self._backs[awaited % most] * total)
            flight.issue[k] = now // total
            if outward:
                now += flight.words(k) * near_cycles
            flight.offered[k] = -(-now // total)
            offered.append(-(-now // total))
        self._submit(flight, offered)
        return flight, int(flight.offered[-1]) + 1

    def _submit(self, flight: _Flight, cycles: list[int]) -> None:
        """Offer the next requests of ``flight`` to the memory, one per cycle given."""
        if not cycles:
            return
        begin = self._issued - flight.first
        chosen = slice(begin, begin + len(cycles))
        address, size = flight.bursts.address[chosen], flight.bursts.size[chosen]
        self._controller.submit(address.astype(np.int64), size, flight.outward, cycles)
        self._issued += len(cycles)
        cycles.clear()

    def _collect(self, back: Completions) -> None:
        """Take what the memory returns; let requests land in their order."""
        self._returned.update(zip(back.ident.tolist(), back.returned.tolist(), strict=True))
        while self._landed in self._returned:
            self._land(self._flights[0], self._returned.pop(self._landed))

    def _land(self, flight: _Flight, returned: int) -> None:
        """Let the next request come back, its data being there in cycle ``returned``."""
        k, total = flight.landed, flight.total
        near = returned
        if not flight.outward:
            # Whole requests follow each other at the near side's pace.
            begun = self._near_free * total if k == 0 else flight.passed
            flight.passed = max(returned * total, begun) + flight.words(k) * flight.near_cycles
            near = -(-flight.passed // total)
        back = near + flight.transfer.near_latency_cycles
        if self._landed:
            back = max(back, self._backs[(self._landed - 1) % len(self._backs)])
        flight.back[k] = self._backs[self._landed % len(self._backs)] = back
        flight.landed += 1
        self._landed += 1
        if flight.landed == len(flight.back):
            self._flights.popleft()
            if not flight.outward:
                self._near_free = near
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
        return self._backs[(self._landed - 1) % len(self._backs)] if self._landed else 0

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
