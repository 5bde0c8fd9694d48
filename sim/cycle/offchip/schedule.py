"""What crosses the off-chip border, in which order: the program of the DMA engine.

An *epoch* of a tensor is a run of phases with one tile on the near side of the border (the
outermost memory on the chip that keeps it, or the MACs). The order of transfers is fixed before the
run, by the phase that makes room for them: it depends on the mapping alone, never on timing, so
that no machine gets slower by a faster part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.lookups import Tables, find_entries, most_words, total_words
from arraysmith.sim.cycle.nest.tree import I, O, W
from arraysmith.sim.cycle.nest.turns import find_limits, next_turn

LOOK_AHEAD = 1024
"""Most epochs found in one batch; bounds memory, never shows in a result."""

FIRST_LOOK = 4
"""Epochs in the first batch; each has twice as many as the one before."""

# Columns of a row of ``_scan``; then words per bus down, words per bus up, turns of all loops.
PHASE, TURNED, DOWN, EACH, UP, TILES, SENT, ROW = range(8)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One tile of one tensor on the near side of the border.

    Attributes:
        number: counted from 0.
        first: first phase.
        turned: the loop in time that turned to it; -1 for the first of all.
        index: int64 [loops in time], turns.
        words: words that cross the border inwards for it (once per multicast).
        most: words that the receiver (sender) that has most takes (sends) of them.
        total: words that all receivers take together.
        up: words of results that arrive in off-chip memory at its end.
        tiles: words of its different tiles; the others are added to those off-chip.
        sent: words that the near side sends for them.
        down_buses: int64 [fan-outs], words that one bus of each fan-out brings down.
        up_buses: int64 [fan-outs], words that it takes up.
    """

    number: int
    first: int
    turned: int
    index: Int
    words: int
    most: int
    total: int
    up: int
    tiles: int
    sent: int
    down_buses: Int
    up_buses: Int


@dataclass(frozen=True, slots=True)
class Order:
    """One transfer over the border.

    Attributes:
        release: phase whose end makes it possible; -1 for the start of the run.
        rank: order among those of one release and need: partial sums back, ifmap, weight.
        tensor: tensor code.
        outward: results out, else a tile in.
        epoch: the tile.
    """

    release: int
    rank: int
    tensor: int
    outward: bool
    epoch: Epoch

    @property
    def key(self) -> tuple[int, bool, int, int]:
        """Place in the program: results go first, then what is needed first."""
        return (self.release, not self.outward, self.epoch.first, self.rank)


@dataclass(frozen=True, slots=True)
class Jump:
    """Turns of a loop that are not simulated, see ``repeats``: what lies in them moves on by them.

    Attributes:
        loop: in time.
        outer: turns of the loops outside; epochs of other turns stay what they are.
        turns: that it jumps.
        phases: that they have.
        epochs: per tensor, epochs that they have; 0 for a tensor that the loop does not move.
    """

    loop: int
    outer: tuple[int, ...]
    turns: int
    phases: int
    epochs: tuple[int, ...]

    def moves(self, tensor: int, epoch: Epoch) -> bool:
        """Return whether an epoch of ``tensor`` has another take its place."""
        inside = tuple(epoch.index[: self.loop].tolist()) == self.outer
        return inside and self.epochs[tensor] > 0

    def epoch(self, tensor: int, epoch: Epoch) -> Epoch:
        """Return the epoch that takes the place of one of ``tensor``."""
        if not self.moves(tensor, epoch):
            return epoch
        index = epoch.index.copy()
        index[self.loop] += self.turns
        number, first = epoch.number + self.epochs[tensor], epoch.first + self.phases
        return replace(epoch, number=number, first=first, index=index)

    def order(self, order: Order) -> Order:
        """Return the transfer that takes the place of another."""
        if not self.moves(order.tensor, order.epoch):
            return order
        return replace(
            order,
            release=order.release + self.phases,
            epoch=self.epoch(order.tensor, order.epoch),
        )


class Epochs:
    """The epochs of a tensor, in order.

    Attributes:
        tensor: its code.
        last: the epoch that was yielded last.
    """

    def __init__(self, machine: Machine, tensor: int) -> None:
        """Take the design; nothing is examined yet."""
        tree = machine.tree
        self.tensor = tensor
        self.last: Epoch | None = None
        self._machine, self._edge = machine, machine.borders[tensor]
        self._again = np.zeros(len(tree.time), np.bool_)
        self._again[[j for j, _ in tree.edges[self._edge].again]] = True
        self._index, self._limits = np.zeros(len(tree.time), np.int64), machine.limits()
        self._state = np.array([0, -1, 0], np.int64)  # phase, loop that turned, whether all is over
        self._rows: Iterator[Int] = iter(())
        self._many = FIRST_LOOK

    def __iter__(self) -> Epochs:
        """Return itself."""
        return self

    def __next__(self) -> Epoch:
        """Return the next epoch."""
        row = next(self._rows, None)
        if row is None:
            if self._state[2]:
                raise StopIteration
            self._rows = iter(self._scanned())
            return self.__next__()
        phase, turned, words, most, up, tiles, sent = row[:ROW].tolist()
        buses = len(self._machine.tree.edges[self._edge].fanouts)
        self.last = Epoch(
            0 if self.last is None else self.last.number + 1,
            phase,
            turned,
            row[ROW + 2 * buses :],
            words,
            most,
            words if self.tensor == O else sent,
            up,
            tiles,
            sent,
            row[ROW : ROW + buses],
            row[ROW + buses : ROW + 2 * buses],
        )
        return self.last

    def jump(self, jump: Jump) -> None:
        """Go on after the epoch that takes the place of the last one."""
        assert self.last is not None
        if not jump.moves(self.tensor, self.last):
            return
        tree, last = self._machine.tree, jump.epoch(self.tensor, self.last)
        self.last, self._rows, self._many = last, iter(()), FIRST_LOOK
        self._index[:] = last.index
        if self._machine.ragged:
            find_limits(tree.loops, tree.many, tree.size, self._index, self._limits)
        turned = next_turn(
            tree.loops, tree.many, tree.size, self._index, self._limits, tree.phase_loops,
            self._machine.ragged,
        )  # fmt: skip
        self._state[:] = last.first + 1, turned, turned < 0

    def _scanned(self) -> Int:
        machine, tree = self._machine, self._machine.tree
        edge, times = tree.edges[self._edge], len(tree.time)
        buses = len(edge.fanouts)
        table = np.empty((self._many, ROW + 2 * buses + times), np.int64)
        self._many = min(2 * self._many, LOOK_AHEAD)
        many = _scan(
            self._edge, self.tensor == O,
            (edge.depth, tree.phase_loops, len(tree.architecture.fanouts), buses),
            (tree.loops, tree.many, tree.size), self._again, machine.ragged,
            machine.amounts.tables, self._index, self._limits, self._state, table,
        )  # fmt: skip
        return table[:many]


@njit(cache=True, nogil=True)
def _scan(
    edge: int,
    results: bool,
    shape: tuple[int, int, int, int],
    nest: tuple[Int, Int, Int],
    again: Int,
    ragged: bool,
    tables: Tables,
    index: Int,
    limits: Int,
    state: Int,
    table: Int,
) -> int:
    """Write the turns that bring another tile over the border; return how many."""
    depth, phase_loops, fanouts, buses = shape
    entries = np.empty(16, np.int64)
    factors = tables[2][edge]
    count = 0
    while count < len(table) and not state[2]:
        turned = state[1]
        if turned < depth:
            row = table[count]
            count += 1
            find_entries(tables, edge, index, turned, entries)
            row[PHASE], row[TURNED] = state[0], turned
            words = total_words(tables, factors, 0, entries)
            if results:
                back = False
                for j in range(len(index)):
                    back = back or (again[j] and index[j] > 0)
                row[TILES] = words
                row[UP] = total_words(tables, factors, fanouts + 1, entries)
                words = words if back else 0
            else:
                row[UP] = row[TILES] = 0
            row[DOWN] = words
            row[EACH] = most_words(tables, factors, fanouts, entries)
            row[SENT] = total_words(tables, factors, fanouts, entries)
            for i in range(buses):
                row[ROW + i] = most_words(tables, factors, i, entries)
                row[ROW + buses + i] = most_words(tables, factors, fanouts + 1 + i, entries)
            for j in range(len(index)):
                row[ROW + 2 * buses + j] = index[j]
        state[1] = next_turn(nest[0], nest[1], nest[2], index, limits, phase_loops, ragged)
        state[0] += 1
        state[2] = state[1] < 0
    return count


class Tiles:
    """The transfers that bring the tiles of a tensor in, one after the other.

    Attributes:
        epochs: of the tensor.
        head: the next transfer; None: there is none.
    """

    def __init__(self, epochs: Epochs, *, ahead: bool) -> None:
        """Take the epochs and whether a tile may come while the one before is in use."""
        self.epochs = epochs
        self._ahead = ahead
        self.head: Order | None = None
        self.advance()

    def advance(self) -> None:
        """Go on to the next transfer."""
        tensor, before = self.epochs.tensor, self.epochs.last
        for epoch in self.epochs:
            first = before.first if before else 0
            release = (first if self._ahead else epoch.first) - 1
            if epoch.words:
                self.head = Order(release, {O: 1, I: 2, W: 3}[tensor], tensor, False, epoch)
                return
            before = epoch
        self.head = None


class Results:
    """The transfers that take results out, one after the other; attributes as of ``Tiles``."""

    def __init__(self, epochs: Epochs, phases: int) -> None:
        """Take the epochs of the results and how many phases there are."""
        self.epochs = epochs
        self._phases = phases
        self._over = False
        self.head: Order | None = None
        next(epochs)
        self.advance()

    def advance(self) -> None:
        """Go on to the next transfer."""
        last, epoch = self.epochs.last, next(self.epochs, None)
        assert last is not None
        release = self._phases - 1 if epoch is None else epoch.first - 1
        self.head = None if self._over else Order(release, 0, O, True, last)
        self._over = epoch is None


class Program:
    """The transfers of a DMA channel in the order in which it does them.

    Attributes:
        parts: what it merges.
    """

    def __init__(self, machine: Machine, *, inward: bool, outward: bool) -> None:
        """Take the design and whether the channel brings tiles in and takes results out."""
        self.parts: list[Tiles | Results] = []
        for tensor in range(3):
            if tensor == O and outward:
                self.parts.append(Results(Epochs(machine, tensor), machine.phases))
            if inward:
                ahead = machine.ahead[tensor]
                self.parts.append(Tiles(Epochs(machine, tensor), ahead=ahead))

    def __iter__(self) -> Program:
        """Return itself."""
        return self

    def __next__(self) -> Order:
        """Return the next transfer."""
        heads = [(part.head.key, n) for n, part in enumerate(self.parts) if part.head]
        if not heads:
            raise StopIteration
        part = self.parts[min(heads)[1]]
        found = part.head
        assert found is not None
        part.advance()
        return found

    def jump(self, jump: Jump) -> None:
        """Go on behind the turns that are not simulated."""
        for part in self.parts:
            part.epochs.jump(jump)
            part.head = None if part.head is None else jump.order(part.head)
