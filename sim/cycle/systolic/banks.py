"""The banked SRAMs around a systolic array: what their banks make of the words at the edge.

What words pass depends on the fold, not only on its shape, so nothing here is kept: a window is
worked through piece by piece, and again when somebody observes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Memory
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Tensor
from arraysmith.sim.cycle.banks.conflicts import Banks, Port, Service
from arraysmith.sim.cycle.offchip.rates import rate_row
from arraysmith.sim.cycle.systolic.edge import Edge, Listing, Records
from arraysmith.sim.cycle.systolic.schedule import Placed
from arraysmith.sim.systolic_machine import SystolicMachine

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


def port_rates(machine: SystolicMachine) -> dict[Stream, tuple[int, int]]:
    """Return per stream its words per cycle as numerator and denominator; (0, 1) is unlimited.

    Streams that share a port have one numerator, so that what they ask adds up in units of its
    inverse.
    """
    found = {}
    for stream in STREAMS:
        name = machine.buffer(stream.tensor).name
        alike = [
            s
            for s in STREAMS
            if s.written == stream.written and machine.buffer(s.tensor).name == name
        ]
        rows = {s: rate_row(_rate(machine.buffer(s.tensor), s)) for s in alike}
        common = lcm(*(numerator for numerator, _ in rows.values()))
        numerator, denominator = rows[stream]
        found[stream] = (common, denominator * common // numerator) if common else (0, 1)
    return found


def _rate(memory: Memory, stream: Stream) -> Fraction | None:
    return memory.write_words_per_cycle if stream.written else memory.read_words_per_cycle


class BankedMemory:
    """One SRAM with banks and all that the array asks of it.

    Attributes:
        name: of the memory.
        streams: what the array reads from it, then what it writes.
    """

    def __init__(
        self,
        machine: SystolicMachine,
        streams: Sequence[Stream],
        edge: Edge,
        tensors: dict[str, Tensor],
    ) -> None:
        """Take the parts; ``tensors`` as they lie in memory."""
        self.name = machine.buffer(streams[0].tensor).name
        self.streams = tuple(streams)
        self._edge = edge
        rates = port_rates(machine)
        read, written = (
            [
                Port(machine.buffer(s.tensor), tensors[s.tensor], rates[s])
                for s in streams
                if s.written == way
            ]
            for way in (False, True)
        )
        self._banks = Banks(read, written)

    def pieces(
        self, alive: Sequence[Placed], begin: int, stop: int, ready: Int | None
    ) -> Iterator[Piece]:
        """Yield the array cycles [begin, stop) in order, so many at a time as memory is bounded.

        Args:
            alive: folds that move in them, later ones first.
            begin: first array cycle.
            stop: array cycle after the last one.
            ready: int64 [cycles], clock cycle of each array cycle from which it writes; None: the
                array only reads.
        """
        lanes = 0
        for stream in self.streams:
            lanes += sum(placed.plan.wave.passing[stream.tensor].ports for placed in alive)
        length = max(1, PIECE_WORDS // max(1, lanes))
        for first in range(begin, stop, length):
            last = min(first + length, stop)
            late = None if ready is None else ready[first - begin : last - begin]
            yield self._piece(alive, first, last, late)

    def _piece(self, alive: Sequence[Placed], begin: int, stop: int, ready: Int | None) -> Piece:
        demand = demand_of(alive, begin, stop)
        listings: list[tuple[Stream, Listing | None]] = []
        words, counts = [], []
        for stream in self.streams:
            moving = [] if stream.written and ready is None else stream.moving(alive)
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
        if ready is None:
            slots[[stream.written for stream in self.streams]] = 0
            ready = np.zeros(stop - begin, np.int64)
        return Piece(begin, self._banks.serve(asked, np.stack(counts), slots, ready), listings)


class BankedPorts:
    """The SRAMs of a systolic design that have banks.

    Attributes:
        memories: they, in the order of the tensors that they keep.
    """

    def __init__(self, machine: SystolicMachine, edge: Edge, tensors: dict[str, Tensor]) -> None:
        """Take the parts, and the tensors as they lie in memory."""
        self.memories: list[BankedMemory] = []
        for name in dict.fromkeys(machine.buffer(tensor).name for tensor in TENSORS):
            streams = [s for s in STREAMS if machine.buffer(s.tensor).name == name]
            if any(machine.buffer(s.tensor).banked(s.tensor) for s in streams):
                self.memories.append(BankedMemory(machine, streams, edge, tensors))
        self._names = {banked.name for banked in self.memories}

    def banked(self, memory: Memory) -> bool:
        """Return whether accesses to ``memory`` meet banks."""
        return memory.name in self._names
