"""Off-chip memory as SimPy sees it: a channel that takes transfers and says when they are done.

A transfer is a list of requests. They are issued evenly over the cycles that its words take, unless
only so many may be under way: then a request waits until the one that many before it has come back,
and everything behind it waits as well. Requests of one channel count together, whatever transfers
they belong to.

``FixedRate`` is one model behind ``OffChip``, a DRAM another (``dram_channel``). Of a transfer it
takes the addresses and sizes of the requests (``Bursts``) all at once, and answers with the cycles
in which each is issued and comes back (``Stamps``), the latter perhaps later: the engines know
nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import simpy
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import Memory
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.offchip.rates import whole_cycles
from arraysmith.sim.dram.use import DramUse
from arraysmith.sim.probe import Probe


@dataclass(frozen=True)
class Bursts:
    """Requests of one transfer, in the order in which they are issued.

    Attributes:
        address: uint64 [n], byte address.
        size: uint32 [n], bytes.
        words: int64 [n], words of the transfer up to and with each request.
    """

    address: NDArray[np.uint64]
    size: NDArray[np.uint32]
    words: Int

    def last(self, words: int) -> Bursts:
        """Return those that move the last ``words``."""
        before = int(self.words[-1]) - words
        chosen = self.words > before
        return Bursts(self.address[chosen], self.size[chosen], self.words[chosen] - before)


@dataclass(frozen=True)
class Transfer:
    """A tile's words on their way over the border.

    Attributes:
        tensor: tensor name.
        outward: to off-chip memory, else from it.
        words: words that cross, at least 1.
        read_first: of an outward transfer, words that have to be read, added to and written back:
            the last ones, which come to their places a second time.
        near_cycles: cycles that the near side (memory port, buses, scratchpads) needs for them.
        near_latency_cycles: cycles between near side and channel.
        tile: number of the tile in its stream.
        bursts: gives the requests; None if nobody observes or counts them.
        word_bits: bits of a word; None: as many as the off-chip memory's words have.
        begun: told its timing when it begins, by a channel that knows all of it by then.
    """

    tensor: str
    outward: bool
    words: int
    read_first: int
    near_cycles: int
    near_latency_cycles: int
    tile: int
    bursts: Callable[[], Bursts] | None
    word_bits: int | None = None
    begun: Callable[[Timing], None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """When each request of a transfer was under way.

    Attributes:
        words: int64 [n], words of the transfer up to and with each request.
        issue: int64 [n], cycle in which it is issued; never falls.
        back: int64 [n], cycle in which its last word has arrived.
        left: cycle from which the channel can issue the next one.
    """

    words: Int
    issue: Int
    back: Int
    left: int


@dataclass(frozen=True, slots=True)
class Timing:
    """When the words of a transfer moved.

    Attributes:
        start: cycle of the first request, if none waited.
        busy: cycles for which its words hold the channel.
        latency: cycles from a request to its response.
        stamps: of its requests, when they are not spread evenly.
        landed: succeeds when the last word has arrived, where that is not known before: the
            ``back`` of the stamps are complete by then only. None: all is known.
        near: gives the stamps at the near side when all is known, where they do not follow from
            those of the requests and the latency.
        blame: gives what its words waited for at the memory, as links of a chain of waiting: of an
            outward transfer when they have left, else when they have landed. None: nothing has a
            name.
    """

    start: int
    busy: int
    latency: int
    stamps: Stamps | None = None
    landed: simpy.Event | None = None
    near: Callable[[], Stamps] | None = None
    blame: Callable[[], tuple[str, ...]] | None = None

    @property
    def left(self) -> int:
        """Cycle in which the last word has left the sender of an outward transfer."""
        return self.start + self.busy if self.stamps is None else self.stamps.left

    @property
    def arrived(self) -> int:
        """Cycle in which the last word has arrived."""
        if self.stamps is None:
            return self.start + self.busy + self.latency
        return int(self.stamps.back.max())

    def spread(self, words: Int, *, delayed: bool = True) -> tuple[Int, Int]:
        """Return (request, response) cycles of requests that end after ``words`` of the transfer.

        Words move evenly over the busy cycles; over those of their request when it has stamps.

        Args:
            words: int64 [n], ascending; the last is the number of all words.
            delayed: whether responses come after the latency; else at the near side.
        """
        if self.near is not None and not delayed:
            return replace(self, stamps=self.near(), near=None).spread(words)
        before = np.concatenate((np.zeros(1, np.int64), words[:-1]))
        total = int(words[-1])
        latency = self.latency if delayed else 0
        if self.stamps is None:
            request = self.start + before * self.busy // total
            response = self.start + latency - (-(words * self.busy) // total)
            return request, response
        ends = self.stamps.words
        first, last = (np.searchsorted(ends, at, side="left") for at in (before + 1, words))
        inside = before - np.where(first > 0, ends[first - 1], 0)
        request = self.stamps.issue[first] + inside * self.busy // total
        response = self.stamps.back[last] - (ends[last] - words) * self.busy // total
        return request, response - self.latency + latency


class OffChip(Protocol):
    """A channel to off-chip memory; it does one transfer after the other, responses in order."""

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer`` from now on; ends when the channel can take the next one.

        Returns:
            Its timing; ``arrived`` may lie in the future, or not be known before ``landed``.
        """
        ...

    def flush(self, cycle: int) -> int:
        """Write what rests in buffers, from ``cycle`` on, when no transfer will follow.

        Returns:
            Cycle in which the last word has been written; ``cycle`` if there was nothing to do.
        """
        ...

    def use(self, cycles: int) -> DramUse | None:
        """Return what a run of ``cycles`` did to a DRAM; None if there is none."""
        ...


class FixedRate:
    """A fixed latency, a fixed number of words per cycle and a number of requests under way."""

    def __init__(
        self,
        env: simpy.Environment,
        memory: Memory,
        probe: Probe | None,
        beside: FixedRate | None = None,
        ticks: int = 1,
    ) -> None:
        """Take the memory and who observes.

        Args:
            env: simulated time, in cycles.
            memory: the memory.
            probe: told of every request; None: nobody.
            beside: another one whose requests count as under way here, too; None: nobody's do.
            ticks: of a cycle, where ``beside`` has cycles of another length.
        """
        self._env = env
        self._memory = memory
        self._probe = probe
        self._ticks = ticks
        self.under_way: tuple[Int | None, Int | None]
        if beside is not None:
            self.under_way = beside.under_way
            return
        most = memory.requests_in_flight
        inward, outward = (None if most is None else np.zeros(most + 1, np.int64) for _ in range(2))
        self.under_way = inward, inward if memory.ports == 1 else outward

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer``: see ``OffChip``."""
        timing = self.timing(transfer, int(self._env.now))
        if transfer.begun:
            transfer.begun(timing)
        yield self._env.timeout(timing.left - int(self._env.now))
        return timing

    def flush(self, cycle: int) -> int:
        """Return ``cycle``: nothing is buffered."""
        return cycle

    def use(self, cycles: int) -> None:
        """Return None: there are no banks."""
        del cycles

    def timing(self, transfer: Transfer, start: int) -> Timing:
        """Do ``transfer`` from cycle ``start`` on and return its timing.

        Nothing but the start and the transfers before decides, so that a caller which keeps the
        order needs no simulated time.
        """
        parts = []
        watched = self._probe is not None and self._probe.wants(self._memory.name)
        bursts = None
        if transfer.bursts is not None and (watched or self._memory.requests_in_flight is not None):
            bursts = transfer.bursts()
        latency = self._memory.latency_cycles + transfer.near_latency_cycles
        if transfer.read_first:
            busy = whole_cycles(transfer.read_first, self._memory.read_words_per_cycle)
            part = None if bursts is None else bursts.last(transfer.read_first)
            before = self._timing(Timing(start, busy, latency), part, outward=False)
            parts.append(("read", before, part))
            start = before.arrived
        out = transfer.outward
        rate = self._memory.write_words_per_cycle if out else self._memory.read_words_per_cycle
        if rate is not None and transfer.word_bits is not None:
            rate = rate * self._memory.word_bits / transfer.word_bits
        busy = max(whole_cycles(transfer.words, rate), transfer.near_cycles)
        timing = self._timing(Timing(start, busy, latency), bursts, outward=out)
        parts.append(("write" if out else "read", timing, bursts))
        for direction, told, part in parts if watched else ():
            if part is not None and len(part.words):  # nothing leaves where a tile is kept
                self._tell(transfer, direction, told, part)
        return timing

    def _timing(self, even: Timing, bursts: Bursts | None, *, outward: bool) -> Timing:
        """Return the timing of requests that would be spread evenly if none had to wait."""
        under_way = self.under_way[int(outward)]
        if under_way is None or (bursts is not None and not len(bursts.words)):
            return even
        assert bursts is not None, "requests have to be known to count them"
        issue, back = np.empty((2, len(bursts.words)), np.int64)
        left = _issue(
            bursts.words, even.start, even.busy, even.latency, self._ticks, under_way, issue, back
        )
        return replace(even, stamps=Stamps(bursts.words, issue, back, left))

    def _tell(self, transfer: Transfer, direction: str, timing: Timing, bursts: Bursts) -> None:
        assert self._probe is not None
        request, response = timing.spread(bursts.words)
        self._probe.requests(
            f"{self._memory.name}/{transfer.tensor}/{direction}",
            request,
            response,
            bursts.address,
            bursts.size,
            np.full(len(request), transfer.tile, np.uint32),
            np.zeros(len(request), np.uint16),
        )


@njit(cache=True, nogil=True)
def _issue(
    ends: Int, start: int, busy: int, latency: int, ticks: int, under_way: Int, issue: Int,
    back: Int,
) -> int:  # fmt: skip
    """Issue requests one after the other; return the cycle from which the channel is free.

    Times are exact, in parts of 1 / words of a cycle; a response comes at the end of a cycle.

    Args:
        ends: int64 [n], words up to and with each request.
        start: first cycle.
        busy: cycles that all words take.
        latency: cycles from the last word of a request to its response.
        ticks: of a cycle.
        under_way: int64 [most + 1], updated: ticks in which the last ``most`` requests come back, a
            ring, and in the last entry where it goes on.
        issue: int64 [n], written: cycle in which each request is issued.
        back: int64 [n], written: cycle in which it has come back.
    """
    total, most = ends[-1], len(under_way) - 1
    at = under_way[most]
    now = 0  # from start on, in 1 / total of a cycle
    before = 0
    for k in range(len(ends)):
        if under_way[at] > start * ticks:
            now = max(now, (-(-under_way[at] // ticks) - start) * total)
        issue[k] = start + now // total
        now += (ends[k] - before) * busy
        before = ends[k]
        back[k] = start - (-now // total) + latency
        under_way[at] = back[k] * ticks
        at = (at + 1) % most
    under_way[most] = at
    return int(start - (-now // total))
