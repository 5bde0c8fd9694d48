"""Off-chip memory as SimPy sees it: a channel that takes transfers and says when they are done.

A model of DRAM banks replaces ``FixedRate`` behind ``OffChip``: a transfer can name every burst.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from arraysmith.arch.architecture import Memory
from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.network import whole_cycles
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


@dataclass(frozen=True)
class Transfer:
    """A tile's words on their way over the border.

    Attributes:
        tensor: tensor name.
        outward: to off-chip memory, else from it.
        words: words that cross, at least 1.
        read_first: of an outward transfer, words that have to be read, added to and written back.
        near_cycles: cycles that the near side (memory port, buses, scratchpads) needs for them.
        near_latency_cycles: cycles between near side and channel.
        tile: number of the tile in its stream.
        bursts: gives the requests; None if nobody observes.
    """

    tensor: str
    outward: bool
    words: int
    read_first: int
    near_cycles: int
    near_latency_cycles: int
    tile: int
    bursts: Callable[[], Bursts] | None


@dataclass(frozen=True, slots=True)
class Timing:
    """When the words of a transfer moved.

    Attributes:
        start: cycle of the first request.
        busy: cycles for which it held the channel.
        latency: cycles from a request to its response.
    """

    start: int
    busy: int
    latency: int

    @property
    def left(self) -> int:
        """Cycle in which the last word has left the sender of an outward transfer."""
        return self.start + self.busy

    @property
    def arrived(self) -> int:
        """Cycle in which the last word has arrived."""
        return self.start + self.busy + self.latency

    def spread(self, words: Int, *, delayed: bool = True) -> tuple[Int, Int]:
        """Return (request, response) cycles of requests that end after ``words`` of the transfer.

        Words move evenly over the busy cycles.
        """
        before = np.concatenate((np.zeros(1, np.int64), words[:-1]))
        total = int(words[-1])
        latency = self.latency if delayed else 0
        request = self.start + before * self.busy // total
        response = self.start + latency - (-(words * self.busy) // total)
        return request, response


class OffChip(Protocol):
    """A channel to off-chip memory; it does one transfer after the other, responses in order."""

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer`` from now on; ends when the channel can take the next one.

        Returns:
            Its timing; ``arrived`` may lie in the future.
        """
        ...


class FixedRate:
    """A fixed latency and a fixed number of words per cycle; requests are issued back to back."""

    def __init__(self, env: simpy.Environment, memory: Memory, probe: Probe | None) -> None:
        self._env = env
        self._memory = memory
        self._probe = probe

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer``: see ``OffChip``."""
        memory = self._memory
        out = memory.write_words_per_cycle if transfer.outward else memory.read_words_per_cycle
        start = int(self._env.now)
        latency = memory.latency_cycles + transfer.near_latency_cycles
        if transfer.read_first:
            busy = whole_cycles(transfer.read_first, memory.read_words_per_cycle)
            before = Timing(start, busy, latency)
            start = before.arrived
        busy = max(whole_cycles(transfer.words, out), transfer.near_cycles)
        timing = Timing(start, busy, latency)
        watched = self._probe is not None and self._probe.wants(self._memory.name)
        if watched and transfer.bursts is not None:
            bursts = transfer.bursts()
            if transfer.read_first:
                self._tell(transfer, "read", before, bursts, transfer.read_first)
            self._tell(
                transfer, "write" if transfer.outward else "read", timing, bursts, transfer.words
            )
        yield self._env.timeout(timing.left - int(self._env.now))
        return timing

    def _tell(
        self, transfer: Transfer, direction: str, timing: Timing, bursts: Bursts, words: int
    ) -> None:
        assert self._probe is not None
        # Words read first are the last ones written: those that come to a place a second time.
        chosen = bursts.words > transfer.words - words
        moved = bursts.words[chosen] - (transfer.words - words)
        request, response = timing.spread(moved)
        self._probe.requests(
            f"{self._memory.name}/{transfer.tensor}/{direction}",
            request,
            response,
            bursts.address[chosen],
            bursts.size[chosen],
            np.full(len(moved), transfer.tile, np.uint32),
            np.zeros(len(moved), np.uint16),
        )
