"""The banked SRAMs around a systolic array: what their banks make of the words at the edge.

What words pass depends on the fold, not only on its shape, so nothing here is kept: a window is
worked through piece by piece, and again when somebody observes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Memory
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Tensor
from arraysmith.sim.cycle.banks import Banks, Service
from arraysmith.sim.cycle.systolic_edge import Edge, Listing, Records
from arraysmith.sim.cycle.systolic_schedule import Placed
from arraysmith.sim.folding import SystolicMachine

Int = NDArray[np.int64]

PIECE_WORDS = 1 << 20
"""Words of a window worked through at a time: a bound of memory, never seen in a result."""


class Stream(NamedTuple):
    """Words of one tensor on their way between its SRAM and the array.

    Attributes:
        tensor: its name.
        written: whether the array writes them, else it reads them.
    """

    tensor: str
    written: bool

    @property
    def row(self) -> int:
        """Row of ``Wave.demand``."""
        return STREAMS.index(self)

    def moving(self, alive: Sequence[Placed]) -> Sequence[Placed]:
        """Return the folds that have such words."""
        if self != Stream(OFMAP, written=False):
            return alive
        return [placed for placed in alive if placed.plan.wave.accumulates]


STREAMS = (
    Stream(IFMAP, written=False),
    Stream(WEIGHT, written=False),
    Stream(OFMAP, written=False),
    Stream(OFMAP, written=True),
)
"""In the order of the rows of ``Wave.demand``."""


def demand_of(alive: Sequence[Placed], begin: int, stop: int) -> Int:
    """Return the words that the array passes, padding too, int64 [4, cycles]; see ``STREAMS``."""
    demand = np.zeros((len(STREAMS), stop - begin), np.int64)
    for placed in alive:
        age = begin - placed.begin
        part = placed.plan.wave.demand[:, age : age + stop - begin]
        demand[:, : part.shape[1]] += part
    return demand


@dataclass(frozen=True)
class Piece:
    """Some array cycles of one memory.

    Attributes:
        begin: first array cycle.
        service: what the banks make of them.
        listings: per stream its words; None when no fold has any.
    """

    begin: int
    service: Service
    listings: list[tuple[Stream, Listing | None]]

    def records(self, clock: Int) -> Iterator[tuple[Stream, Records, Int, Int]]:
        """Yield (stream, its words, their turns, when they pass), both from their array cycle on.

        Args:
            clock: int64 [at least cycles], clock cycle in which each array cycle begins.
        """
        at = 0
        for stream, listing in self.listings:
            if listing is None:
                continue
            room = listing.bound + listing.lanes
            for found in listing.records(clock, (0, 1), np.empty(0, np.int64), room):
                words = slice(at, at + len(found.word))
                at = words.stop
                yield stream, found, self.service.turn[words], self.service.passed[words]


class BankedMemory:
    """One SRAM with banks and all that the array asks of it."""

    def __init__(
        self, memory: Memory, streams: Sequence[Stream], edge: Edge, tensors: dict[str, Tensor]
    ) -> None:
        self.memory = memory
        self.streams = tuple(streams)
        self._edge = edge
        self._banks = Banks(
            memory,
            [tensors[stream.tensor] for stream in streams if not stream.written],
            [tensors[stream.tensor] for stream in streams if stream.written],
        )

    def pieces(self, alive: Sequence[Placed], begin: int, stop: int) -> Iterator[Piece]:
        """Yield the array cycles [begin, stop) in order, so many at a time as memory is bounded.

        Args:
            alive: folds that move in them, later ones first.
            begin: first array cycle.
            stop: array cycle after the last one.
        """
        lanes = 0
        for stream in self.streams:
            lanes += sum(placed.plan.wave.passing[stream.tensor].lanes for placed in alive)
        length = max(1, PIECE_WORDS // max(1, lanes))
        for first in range(begin, stop, length):
            yield self._piece(alive, first, min(first + length, stop))

    def _piece(self, alive: Sequence[Placed], begin: int, stop: int) -> Piece:
        demand = demand_of(alive, begin, stop)
        listings: list[tuple[Stream, Listing | None]] = []
        words, counts = [], []
        for stream in self.streams:
            moving = stream.moving(alive)
            listing = self._edge.listing(stream.tensor, moving, begin, stop) if moving else None
            listings.append((stream, listing))
            if listing is None:
                counts.append(np.zeros(stop - begin, np.int64))
                continue
            found, count = listing.words()
            words.append(found)
            counts.append(count)
        asked = np.concatenate(words) if words else np.empty(0, np.int64)
        slots = demand[[stream.row for stream in self.streams]]
        return Piece(begin, self._banks.serve(asked, np.stack(counts), slots), listings)


class BankedPorts:
    """The banked SRAMs of a systolic design.

    Attributes:
        memories: one entry per SRAM of which a tensor meets banks.
    """

    def __init__(self, machine: SystolicMachine, edge: Edge, tensors: dict[str, Tensor]) -> None:
        """Take the parts, and the tensors as they lie in memory."""
        self.memories: list[BankedMemory] = []
        for memory in dict.fromkeys(machine.buffer(tensor) for tensor in TENSORS):
            streams = [s for s in STREAMS if machine.buffer(s.tensor) == memory]
            if any(memory.banked(stream.tensor) for stream in streams):
                self.memories.append(BankedMemory(memory, streams, edge, tensors))

    def banked(self, memory: Memory) -> bool:
        """Return whether accesses to ``memory`` meet banks."""
        return any(banked.memory == memory for banked in self.memories)
