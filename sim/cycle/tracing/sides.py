"""What a probe is told of one memory when an edge's transfers pass it, or MACs work with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arraysmith.sim.cycle.array.columns import (
    AT_MACS,
    CHILD,
    COMPUTED,
    E_LEFT,
    E_READY,
    ENDED,
    EPOCH,
    PARENT,
    R_AGAIN,
    R_BEGIN,
    R_EDGE,
    R_FROM,
    R_TILE,
    R_TURNED,
    R_UP,
    RECORD,
    RING,
    SENT,
    SLOTS,
    TENSOR,
    Clocks,
)
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.instance_runs import Room, room_of
from arraysmith.sim.cycle.nest.instances import instance_numbers, instances_of
from arraysmith.sim.cycle.nest.listing import Scratch, View, scratch_of, view_of
from arraysmith.sim.cycle.nest.ports import DRAIN, READ, UPDATE
from arraysmith.sim.cycle.nest.tree import Edge, O, Tree
from arraysmith.sim.cycle.tracing.coming_back import Back, ways_back
from arraysmith.sim.cycle.tracing.mac_words import MacWords, find_mac_words
from arraysmith.sim.cycle.tracing.memory_runs import REQUEST, find_requests
from arraysmith.sim.cycle.tracing.merging import LAST
from arraysmith.sim.cycle.tracing.network_runs import find_transfers

Listed = Iterator[tuple[Int, int]]
"""Requests in words, int64 [n, REQUEST], and the cycle before which none will follow."""


class Side(Protocol):
    """One of the sources of a stream."""

    def chosen(self, records: Int) -> Int:
        """Return those of the kernel's records that it tells of."""
        ...

    def first(self, records: Int) -> Int:
        """Return int64 [n], a cycle before which nothing of each record is requested."""
        ...

    def frontier(self, clocks: Clocks) -> int:
        """Return a cycle before which nothing of later records will be requested."""
        ...

    def listed(self, records: Int, room: int) -> Listed:
        """Yield the requests of its records, about ``room`` at a time."""
        ...


@dataclass(frozen=True, eq=False)
class Moves:
    """The words of one tensor that pass a memory's instances.

    Attributes:
        view: what moves.
        tiles: modes by which the first of equal tiles is known.
        between: see ``instance_runs.list_instance_runs``.
        numbers: see ``instances.instance_numbers``.
        scratch: room to list it in.
        room: more room.
    """

    view: View
    tiles: Int
    between: Int
    numbers: Int
    scratch: Scratch
    room: Room

    @classmethod
    def of(
        cls,
        tree: Tree,
        edge: Edge,
        level: int,
        *,
        up: bool,
        tiles: bool,
        split: int | None = None,
        between: tuple[int, int, int] = (-1, -1, -1),
        passed: bool = False,
    ) -> Moves:
        """Return what passes the instances of ``level``: parent, child or fan-out of an edge.

        Args:
            tree: the mapped problem.
            edge: over which it moves.
            level: whose instances are told apart.
            up: results on their way up.
            tiles: each different result tile once.
            split: see ``listing.view_of``.
            between: see ``instance_runs.list_instance_runs``.
            passed: see ``listing.view_of``.
        """
        view = view_of(tree, edge, up=up, tiles=tiles, split=split, passed=passed)
        first = view_of(tree, edge, tiles=True)[7]
        numbers = instance_numbers(tree, edge.child, level)
        return cls(
            view,
            first,
            np.array(between, np.int64),
            numbers,
            scratch_of(view),
            room_of(view, instances_of(tree.architecture, level)),
        )


def sums_that_come_back(tree: Tree, edge: Edge, level: int) -> list[tuple[Moves, Back]]:
    """Return the partial sums that come down over an edge, by instances of a level."""
    return [
        (Moves.of(tree, edge, level, up=False, tiles=True, split=x.split, between=x.between), x)
        for x in ways_back(tree, edge)
    ]


class EdgeSide:
    """Transfers over an edge on the chip, as its parent or its child sees them."""

    def __init__(
        self, machine: Machine, k: int, level: int, moves: Moves, frame: Int, *, up: bool,
        again: bool = False, back: Back | None = None,
    ) -> None:  # fmt: skip
        """Take the edge's number on the chip, the memory, what moves, and the memory's frame.

        Args:
            machine: the mapped design.
            k: number of the edge on the chip.
            level: of the memory.
            moves: what moves.
            frame: int64 [AXES], of the memory.
            up: results on their way up.
            again: what the parent reads to add to it.
            back: which partial sums come back; None: others words.
        """
        edge = machine.tree.edges[machine.inner[k]]
        wires = machine.clocks()[7]
        parent = machine.edges[k, PARENT]
        self._k, self._up, self._again, self._back = k, up, again, back
        self._edge = machine.edges[k]
        self._parent, self._child = level == edge.parent, level == edge.child
        self._moves, self._frame = moves, frame
        self._ticks = machine.ticks
        port = UPDATE if up and not again else READ
        self._clock = int(wires[1][parent, port])
        if up and self._child:
            self._clock = int(wires[1][machine.edges[k, CHILD], DRAIN])
        self._per_word = int(wires[2][parent, port]) if self._parent else 0

    def chosen(self, records: Int) -> Int:
        """Return the edge's records: see ``Side``."""
        found: Int = records[(records[:, R_EDGE] == self._k) & (records[:, R_UP] == self._up)]
        if self._back is not None:
            found = found[self._back.matches(found[:, RECORD:])]
        return found

    def first(self, records: Int) -> Int:
        """Return the cycle in which each begins: see ``Side``."""
        column = R_FROM if self._child else R_AGAIN if self._again else R_BEGIN
        begins: Int = records[:, column] // self._ticks
        return begins

    def frontier(self, clocks: Clocks) -> int:
        """Return when the parent's port is free, or results are done or have left."""
        state, known, past = clocks[0], clocks[3][self._k], clocks[4][self._k]
        free = int(clocks[7][0][self._clock]) // self._ticks
        if self._edge[TENSOR] != O:
            return free
        epoch = int(known[SENT])
        if not self._up:  # old results have to leave before sums come back into their place
            epoch = int(known[EPOCH]) + 1 - int(self._edge[SLOTS])
            if epoch < 0 or self._edge[AT_MACS]:
                return free
        done = int(state[COMPUTED])
        if known[ENDED] > epoch:
            left = not self._up and known[SENT] > epoch
            done = int(past[epoch % RING, E_LEFT if left else E_READY])
        return max(free, done)

    def listed(self, records: Int, room: int) -> Listed:
        """Yield requests: see ``Side``."""
        after = np.append(np.minimum.accumulate(self.first(records)[::-1])[::-1], LAST)
        start = 0
        while start < len(records):
            out = np.empty((room, REQUEST), np.int64)
            following, count = self._find(start, records, out)
            if following == start:
                room *= 2  # one transfer alone asks for more
                continue
            start = following
            yield out[:count], int(after[start])

    def _find(self, start: int, records: Int, out: Int) -> tuple[int, int]:
        """Write requests from a record on; return which one to go on with, and how many."""
        moves, table = self._moves, np.empty((len(out), 3), np.int64)
        found: tuple[int, int] = find_requests(
            start, records, moves.view, moves.tiles, moves.between, self._parent, self._again,
            self._up, self._frame, moves.numbers, moves.scratch, moves.room, self._per_word,
            self._ticks, table, out,
        )  # fmt: skip
        return found


class NetworkSide(EdgeSide):
    """Transfers through one of the fan-outs of an edge."""

    def listed(self, records: Int, room: int) -> Listed:
        """Yield a request per transfer and instance of the network: see ``Side``."""
        return super().listed(records, max(room, len(self._moves.room[1])))

    def _find(self, start: int, records: Int, out: Int) -> tuple[int, int]:
        moves, table = self._moves, np.empty((len(out), 3), np.int64)
        found: tuple[int, int] = find_transfers(
            start, records, moves.view, moves.tiles, moves.between, self._frame, moves.numbers,
            moves.scratch, moves.room, self._ticks, table, out,
        )  # fmt: skip
        return found


class MacSide:
    """Words between a memory and the MACs right below it."""

    def __init__(self, machine: Machine, edge: Edge, words: MacWords) -> None:
        """Take the design, the last edge of the tensor, and what is listed."""
        self._steps = len(machine.inner)
        self._depth = edge.depth
        self._words = words
        self._tiles = 0

    def chosen(self, records: Int) -> Int:
        """Return the steps, numbered by the tile in the memory: see ``Side``."""
        steps: Int = records[records[:, R_EDGE] == self._steps].copy()
        tiles = self._tiles + np.cumsum(steps[:, R_TURNED] < self._depth)
        steps[:, R_TILE] = tiles - 1
        if len(steps):
            self._tiles = int(tiles[-1])
        return steps

    def first(self, records: Int) -> Int:
        """Return the cycle in which each begins: see ``Side``."""
        begins: Int = records[:, R_BEGIN] + self._words.late
        return begins

    def frontier(self, clocks: Clocks) -> int:
        """Return when the MACs are free: see ``Side``."""
        return int(clocks[0][COMPUTED]) + self._words.late

    def listed(self, records: Int, room: int) -> Listed:
        """Yield requests: see ``Side``."""
        words, position = self._words, np.zeros(2, np.int64)
        begins = np.append(self.first(records), LAST)
        room = max(room, len(words.who[1]))
        while position[0] < len(records):
            out = np.empty((room, REQUEST), np.int64)
            count = find_mac_words(
                records, position, words.nest, words.who, words.what, words.sums, words.late, out
            )
            step = int(position[0])
            following = int(begins[step])
            if position[1] and count:  # the next rounds of a step are no earlier than the last one
                following = max(following, int(out[count - 1, 0]))
            yield out[:count], following
