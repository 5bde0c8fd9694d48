"""An off-chip memory that several arrays share: what of it is common, and what each sees of it.

A memory of a fixed rate takes one transfer after the other, in the order in which the cores ask for
them (those of one tick in the order of the simulation): nobody waits for ever, and nobody is
preferred. With a port for each direction reads and writes have a queue each, unless some core has
one channel for both. A channel without limits serves everybody at once. Cores of other clocks begin
a transfer with a cycle of their own.

A core whose memory or buses are slower than the channel does not hold the others up: its words wait
on the way, and only its own next transfer waits for them. Where ``requests_in_flight`` limits the
channel, it does: the requests are issued at the pace of the near side.

A DRAM has queues of its own: every core has a DMA engine, and what they ask for meets there.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any, Protocol

import simpy

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.sim.cycle.chip.array_runs import ArrayRun
from arraysmith.sim.cycle.chip.clocks import ClockDomain
from arraysmith.sim.cycle.offchip.channel import goes_one_way
from arraysmith.sim.cycle.offchip.protocol import FixedRate, OffChip, Timing, Transfer
from arraysmith.sim.dram.use import DramUse
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import Report


class Machined(Protocol):
    """A mapped design, as far as its channels are concerned."""

    @property
    def one_channel(self) -> bool:
        """Whether off-chip reads and writes take turns."""
        ...


class SharedRate:
    """A memory of a fixed rate; build it, let all cores ``join`` before the simulation runs."""

    def __init__(
        self, env: simpy.Environment, memory: Memory, machines: Sequence[Machined]
    ) -> None:
        """Take the simulation, in ticks, the memory, and who will share it."""
        inward, one = simpy.Resource(env), any(machine.one_channel for machine in machines)
        rates = memory.read_words_per_cycle, memory.write_words_per_cycle
        self.limited = memory.requests_in_flight is not None
        self._free = len(machines) == 1 or (rates == (None, None) and not self.limited)
        self.ways = inward, inward if memory.ports == 1 or one else simpy.Resource(env)
        self._first: FixedRate | None = None
        self._memories: list[Memory] = []

    def join(
        self, env: simpy.Environment, architecture: Architecture, probe: Probe | None
    ) -> OffChip:
        """Return the channel of one core, in its time."""
        memory = architecture.memories[0]
        self._memories.append(memory)
        ticks = env.ticks if isinstance(env, ClockDomain) else 1
        rate = FixedRate(env, memory, probe, self._first, ticks)
        self._first = self._first or rate
        return rate if self._free else _Channel(env, self, rate)

    def watch(self, env: simpy.Environment, run: ArrayRun) -> None:
        """Do nothing: nothing is buffered."""

    def bytes_moved(self, reports: Sequence[Report]) -> list[int]:
        """Return, per core, the bytes of the words over the border."""
        return [
            ceil(Fraction(report.words(memory.name) * memory.word_bits, 8))
            for report, memory in zip(reports, self._memories, strict=True)
        ]

    def use(self, ticks: int) -> None:
        """Return None: there are no banks."""
        del ticks


class _Channel:
    """The shared channel as one core sees it: an ``OffChip``."""

    def __init__(self, env: simpy.Environment, shared: SharedRate, rate: FixedRate) -> None:
        self._env = env
        self._shared = shared
        self._rate = rate

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer`` when those before it are through: see ``OffChip``."""
        env, shared = self._env, self._shared
        near = 0 if shared.limited else transfer.near_cycles
        passed = transfer if shared.limited else replace(transfer, near_cycles=0)
        with shared.ways[int(transfer.outward)].request() as turn:
            yield turn
            if isinstance(env, ClockDomain):
                yield from env.align()
            timing = yield from self._rate.transfer(passed)
        if timing.busy >= near:
            return timing
        slow = replace(timing, busy=near)
        if slow.left > env.now:
            yield env.timeout(slow.left - int(env.now))
        return slow

    def flush(self, cycle: int) -> int:
        """Return ``cycle``: nothing is buffered."""
        return cycle

    def use(self, cycles: int) -> None:
        """Return None: there are no banks."""
        del cycles


class SharedDram:
    """A DRAM; build it, let all cores ``join`` and be watched before the simulation runs."""

    def __init__(self, env: simpy.Environment, memory: Memory, tick_hz: int, cores: int) -> None:
        """Take the simulation, in ticks, the memory, and how many will share it."""
        # Imported when needed: its kernels take time to load.
        from arraysmith.sim.cycle.offchip.dram_channel import DramChannel
        from arraysmith.sim.cycle.offchip.dram_memory import DramMemory

        self._dram = DramMemory(env, memory, tick_hz, cores)
        self._channels: list[DramChannel] = []

    def join(
        self, env: simpy.Environment, architecture: Architecture, probe: Probe | None
    ) -> OffChip:
        """Return the DMA engine of one core, in its time."""
        from arraysmith.sim.cycle.offchip.dram_channel import DramChannel

        channel = DramChannel(
            env,
            architecture.memories[0],
            architecture.clock_hz,
            probe,
            one_way=goes_one_way(architecture),
            shared=self._dram,
        )
        self._channels.append(channel)
        return channel

    def watch(self, env: simpy.Environment, run: ArrayRun) -> None:
        """Take the core that joined last: when it is through, buffered writes begin to go out."""
        env.process(self._end(env, run, len(self._channels) - 1))

    def _end(
        self, env: simpy.Environment, run: ArrayRun, number: int
    ) -> Generator[simpy.Event, Any, None]:
        yield from run.ended()
        yield from self._channels[number].settle()
        if run.through > env.now:
            yield env.timeout(run.through - int(env.now))
        self._dram.begin_flush()

    def bytes_moved(self, reports: Sequence[Report]) -> list[int]:
        """Return, per core, the bytes that its requests asked for."""
        del reports
        return [sum(channel.bytes_asked) for channel in self._channels]

    def use(self, ticks: int) -> DramUse:
        """Return what the memory did in so many ticks."""
        return self._dram.use(ticks)
