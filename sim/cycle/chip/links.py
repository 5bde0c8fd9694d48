"""A network between the cores of a chip and their off-chip memory: who waits for which link.

Words of a transfer follow each other over the links of their way, as fast as the slowest of sender
and links. A link passes one transfer after the other, those to the memory in the order in which
cores send them, those from it in the order in which their last words leave it. With a fixed way
from the one memory to each core, the ways form a tree: transfers that share a link share all links
before it, so that this is the order in which they come to it. On the ways to the memory a transfer
keeps its place on all links from the beginning. The network holds what waits for a link
(virtual cut-through with room for a tile), and the interface of the memory what waits for it.

Links are shared transfer by transfer and not flit by flit: a tile is thousands of flits, and what a
link does to it (rate, waiting, a hop's latency) is known when the tile before has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import simpy

from arraysmith.arch.chip_network import ChipNetwork, Place
from arraysmith.sim.cycle.chip.clocks import ClockDomain
from arraysmith.sim.cycle.offchip.protocol import OffChip, Stamps, Timing, Transfer
from arraysmith.sim.dram.use import DramUse


@dataclass(frozen=True, slots=True)
class Crossing:
    """A transfer on its way over links; times in ticks.

    Attributes:
        head: tick in which its first word has passed the last link.
        tail: the same of the last word.
        slowest: link that it waited for longest; where it waited for none, the first of its way.
            Empty: there are no links on it.
    """

    head: int
    tail: int
    slowest: str


def link_cause(link: str) -> str:
    """Return how a chain of waiting names a link."""
    return f"network {link}"


class Links:
    """The links of a chip.

    Attributes:
        bits: per link, bits that have passed.
        busy_ticks: per link, ticks that they took at its rate.
    """

    def __init__(self, network: ChipNetwork, tick_hz: int) -> None:
        """Begin with free links; ticks are 1 / ``tick_hz`` seconds."""
        self.network = network
        self.bits = dict.fromkeys(network.links, 0)
        self.busy_ticks = dict.fromkeys(network.links, 0)
        self._free = dict.fromkeys(network.links, 0)
        self._hop = ceil(network.hop_s * tick_hz)
        rate = network.bits_per_s
        self._ticks_per_bit = None if rate is None else Fraction(tick_hz) / rate

    def cross(self, way: tuple[str, ...], first: int, last: int, bits: int) -> Crossing:
        """Move a transfer over a way, behind all that were moved before.

        Args:
            way: links, in order.
            first: tick in which its first word comes to the first link.
            last: tick in which its last word does.
            bits: that it has.
        """
        head, tail, slowest, longest = first, last, way[0] if way else "", 0
        need = 0 if self._ticks_per_bit is None else ceil(bits * self._ticks_per_bit)
        for link in way:
            begin = max(head, self._free[link]) if need else head
            if begin - head > longest:
                slowest, longest = link, begin - head
            end = max(begin + need, tail)
            self._free[link] = end
            self.bits[link] += bits
            self.busy_ticks[link] += need
            head, tail = begin + self._hop, end + self._hop
        return Crossing(head, tail, slowest)


class NetworkChannel:
    """A memory behind a network as one core sees it: an ``OffChip``."""

    def __init__(
        self,
        env: simpy.Environment,
        links: Links,
        at: Place,
        word_bits: dict[str, int],
        memory: OffChip,
    ) -> None:
        """Take the ways of a core.

        Args:
            env: simulated time, in cycles of the core.
            links: of the chip.
            at: where the core stands.
            word_bits: of a word of each tensor off-chip, where a transfer does not say it.
            memory: behind the links.
        """
        network = links.network
        self._env = env
        self._below = env.below if isinstance(env, ClockDomain) else env
        self._ticks = env.ticks if isinstance(env, ClockDomain) else 1
        self._links = links
        self._out, self._in = network.way(at, network.memory), network.way(network.memory, at)
        self._word_bits = word_bits
        self._memory = memory

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer``: see ``OffChip``."""
        bits = transfer.words * (transfer.word_bits or self._word_bits[transfer.tensor])
        if transfer.outward:
            return (yield from self._send(transfer, bits))
        timing = yield from self._memory.transfer(transfer)
        if timing.landed is not None:
            return self._behind_landing(timing, bits)
        start, arrived = timing.start + timing.latency, timing.arrived
        if timing.stamps is not None:
            start = int(timing.stamps.back.min())
        crossing = self._links.cross(self._in, start * self._ticks, arrived * self._ticks, bits)
        late = self._cycle(crossing.tail) - arrived
        blame = self._blamed(timing, crossing, late, arrived - timing.start)
        if timing.stamps is None:
            return replace(timing, latency=timing.latency + late, blame=blame)
        stamps = replace(timing.stamps, back=timing.stamps.back + late)
        return replace(timing, stamps=stamps, latency=timing.latency + late, blame=blame)

    def flush(self, cycle: int) -> int:
        """See ``OffChip``."""
        return self._memory.flush(cycle)

    def use(self, cycles: int) -> DramUse | None:
        """See ``OffChip``."""
        return self._memory.use(cycles)

    def _cycle(self, tick: int) -> int:
        """Return the first cycle that begins no earlier than a tick."""
        return -(-tick // self._ticks)

    def _send(self, transfer: Transfer, bits: int) -> Generator[simpy.Event, Any, Timing]:
        """Move results over the links, and then into the memory."""
        env = self._env
        start = int(env.now)
        last = start + transfer.near_cycles
        crossing = self._links.cross(self._out, start * self._ticks, last * self._ticks, bits)
        head, tail = self._cycle(crossing.head), self._cycle(crossing.tail)
        if head > start:
            yield env.timeout(head - start)
        passed = replace(transfer, near_cycles=tail - head)
        timing = yield from self._memory.transfer(passed)
        late = tail - last
        return replace(
            timing, blame=self._blamed(timing, crossing, late, timing.left - timing.start)
        )

    def _behind_landing(self, timing: Timing, bits: int) -> Timing:
        """Return the timing of a read whose words come in later, and then cross the links."""
        assert timing.stamps is not None
        assert timing.landed is not None
        known, event = timing.stamps, self._env.event()
        stamps = Stamps(known.words, known.issue, np.empty_like(known.back), known.left)
        told: list[Callable[[], tuple[str, ...]] | None] = []
        shift = [0]

        def landed(_: simpy.Event) -> None:
            first, last = int(known.back.min()), int(known.back.max())
            crossing = self._links.cross(self._in, first * self._ticks, last * self._ticks, bits)
            shift[0] = late = self._cycle(crossing.tail) - last
            stamps.back[:] = known.back + late
            told.append(self._blamed(timing, crossing, late, last - timing.start))
            wait = (last + late) * self._ticks - int(self._below.now)
            arrival = self._below.timeout(wait)
            arrival.callbacks.append(lambda _: event.succeed())

        def near() -> Stamps:
            assert timing.near is not None
            found = timing.near()
            late = shift[0]
            return Stamps(found.words, found.issue + late, found.back + late, found.left + late)

        def blame() -> tuple[str, ...]:
            return told[0]() if told and told[0] is not None else ()

        timing.landed.callbacks.append(landed)
        return replace(timing, stamps=stamps, landed=event, near=timing.near and near, blame=blame)

    @staticmethod
    def _blamed(
        timing: Timing, crossing: Crossing, late: int, memory: int
    ) -> Callable[[], tuple[str, ...]] | None:
        """Return what to blame: the links if they took longer than the memory, else the memory."""
        if crossing.slowest and late > memory:
            return lambda: (link_cause(crossing.slowest),)
        return timing.blame
