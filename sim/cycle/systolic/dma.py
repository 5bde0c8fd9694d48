"""Transfers between off-chip memory and the SRAMs: queues that SimPy processes serve in order.

The array may be ahead of the simulated time: it orders a transfer together with the cycle from
which it may begin, and comes back to simulated time only when it has to know when one has ended.
A channel whose timing follows from the start of a transfer alone answers at once, without events:
jobs of a queue are done in order, and what a job waits for was ordered before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import simpy

from arraysmith.sim.cycle.offchip.protocol import OffChip, Timing, Transfer
from arraysmith.sim.dram.use import DramUse

Process = Generator[simpy.Event, Any, Any]


class Turn(Protocol):
    """The place of a transfer of sums among those of other arrays."""

    def begin(self) -> Generator[simpy.Event, Any, list[Transfer]]:
        """Wait for the turn; return what to move, one after the other."""
        ...

    def end(self) -> None:
        """Give the turn on: the last word has left."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """One transfer waiting for its channel, or done.

    Attributes:
        transfer: what to move; None moves nothing.
        release: cycle from which it may begin.
        after: has to have left before it begins; None: nothing.
        landed: succeeds when the last word has arrived, where that is not known before; ``arrived``
            counts from then on.
        turn: of sums that several arrays add up off-chip: waits for its turn, then reads first what
            they are added to; gives the transfers in order. None: only ``transfer``.
        blame: of the last transfer, when it has left and landed: see ``Timing``.
        left: cycle in which the last word has left its memory; -1 until then.
        arrived: cycle in which the last word arrives; known when it has left.
        event: succeeds when it has left; made when somebody waits.
    """

    transfer: Transfer | None
    release: int
    after: Job | None = None
    left: int = -1
    arrived: int = -1
    event: simpy.Event | None = None
    turn: Turn | None = None
    landed: simpy.Event | None = None
    blame: Callable[[], tuple[str, ...]] | None = None

    @property
    def done(self) -> bool:
        """Whether the last word has left."""
        return self.left >= 0


@runtime_checkable
class Predictable(OffChip, Protocol):
    """A channel that knows the timing of a transfer when it knows its start."""

    def timing(self, transfer: Transfer, start: int) -> Timing:
        """Do ``transfer`` from cycle ``start`` on, not before the last one has left."""
        ...


class _Queue:
    """Jobs of one channel."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._jobs: deque[Job] = deque()
        self._wake: simpy.Event | None = None
        self.free = 0  # cycle from which the channel is free, when it answers at once

    def put(self, job: Job) -> None:
        self._jobs.append(job)
        if self._wake is not None:
            self._wake.succeed()
            self._wake = None

    def get(self) -> Generator[simpy.Event, Any, Job]:
        if not self._jobs:
            self._wake = self._env.event()
            yield self._wake
        return self._jobs.popleft()


class SharedChannel:
    """One off-chip channel behind several arrays: first come, first served, transfer by transfer.

    Arrays that ask in the same cycle are served in the order in which they were set up. An SRAM
    that is slower than the channel does not hold the others up: its words wait on the way, and only
    its array's next transfer waits for them.
    """

    def __init__(self, env: simpy.Environment, channel: OffChip, *, one_port: bool) -> None:
        self._env = env
        self._channel = channel
        inward = simpy.Resource(env)
        self._ways = inward, inward if one_port else simpy.Resource(env)

    def flush(self, cycle: int) -> int:
        """See ``OffChip``."""
        return self._channel.flush(cycle)

    def use(self, cycles: int) -> DramUse | None:
        """See ``OffChip``."""
        return self._channel.use(cycles)

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer`` when those before it are through: see ``OffChip``."""
        with self._ways[int(transfer.outward)].request() as turn:
            yield turn
            timing = yield from self._channel.transfer(replace(transfer, near_cycles=0))
        slow = Timing(timing.start, transfer.near_cycles, timing.latency)
        if slow.arrived <= timing.arrived:
            return timing
        if slow.left > self._env.now:
            yield self._env.timeout(slow.left - int(self._env.now))
        return slow


class Dma:
    """The channels: one each way, or one for both when off-chip memory has one port.

    Attributes:
        last_write: cycle in which the last word so far was written off-chip.
    """

    def __init__(self, env: simpy.Environment, channel: OffChip, *, one_port: bool) -> None:
        self._env = env
        self._channel = channel
        self._at_once = channel if isinstance(channel, Predictable) else None
        self._inward = _Queue(env)
        self._outward = self._inward if one_port else _Queue(env)
        self.last_write = 0
        self._last: Job | None = None  # of those that go out
        if self._at_once is None:
            for queue in (self._inward,) if one_port else (self._inward, self._outward):
                env.process(self._serve(queue))

    def put(self, job: Job, *, outward: bool) -> None:
        """Order a job behind those of its channel."""
        queue = self._outward if outward else self._inward
        if outward:
            self._last = job
        if self._at_once is None:
            queue.put(job)
            return
        start = max(queue.free, job.release)
        if job.after is not None:
            start = max(start, job.after.left)
        job.left = job.arrived = start
        if job.transfer is not None:
            timing = self._at_once.timing(job.transfer, start)
            job.left, job.arrived = timing.left, self._arrived(job.transfer, timing)
        queue.free = job.left

    def settle(self) -> Process:
        """Wait until the last results ordered have left."""
        if self._last is not None:
            yield from self.wait(self._last)

    def _arrived(self, transfer: Transfer, timing: Timing) -> int:
        """Return when the last word arrives, once known; note it if it is written off-chip."""
        if transfer.outward:
            self.last_write = max(self.last_write, timing.arrived)
        return timing.arrived

    def wait(self, job: Job) -> Process:
        """Wait until the last word of ``job`` has left, and until it is known when it arrives."""
        if not job.done:
            if job.event is None:
                job.event = self._env.event()
            yield job.event
        if job.landed is not None and not job.landed.processed:
            yield job.landed

    def _land(self, job: Job, transfer: Transfer, timing: Timing) -> None:
        """Note when the last word of a transfer arrives: now, or when it is known."""
        job.blame = timing.blame
        if timing.landed is None:
            job.arrived = self._arrived(transfer, timing)
            return

        def landed(_: simpy.Event) -> None:
            job.arrived = self._arrived(transfer, timing)

        timing.landed.callbacks.append(landed)
        # Whoever waits for results to leave need not wait until they have arrived.
        job.landed = None if transfer.outward else timing.landed

    def _serve(self, queue: _Queue) -> Process:
        """Do the transfers of one channel, one after the other."""
        env = self._env
        while True:
            job = yield from queue.get()
            if job.after is not None:
                yield from self.wait(job.after)
            if job.release > env.now:
                yield env.timeout(job.release - int(env.now))
            transfers = [] if job.transfer is None else [job.transfer]
            if job.turn is not None:
                transfers = yield from job.turn.begin()
            job.arrived = int(env.now)
            for transfer in transfers:
                timing = yield from self._channel.transfer(transfer)
                self._land(job, transfer, timing)
                if job.turn is not None and not transfer.outward:
                    # What is added to has to be there.
                    if job.landed is not None:
                        yield job.landed
                    if job.arrived > env.now:
                        yield env.timeout(job.arrived - int(env.now))
            job.left = int(env.now)
            if job.turn is not None:
                job.turn.end()
            if job.event is not None:
                job.event.succeed()
