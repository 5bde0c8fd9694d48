"""What crosses the off-chip border, in which order: the program of the DMA engine.

An *epoch* of a tensor is a run of phases with one tile on the near side of the border (the
outermost memory on the chip that keeps it, or the MACs). The order of transfers is fixed before the
run, by the phase that makes room for them: it depends on the mapping alone, never on timing, so
that no machine gets slower by a faster part.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import tee

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.lookups import Tables, find_entries, most_words, total_words
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.tree import I, O, W
from arraysmith.sim.cycle.turns import next_turn

LOOK_AHEAD = 1024
"""Phases examined in one batch; bounds memory, never shows in a result."""

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


def epochs(machine: Machine, tensor: int) -> Iterator[Epoch]:
    """Yield the epochs of ``tensor`` in order."""
    tree, e = machine.tree, machine.borders[tensor]
    edge = tree.edges[e]
    times, buses = len(tree.time), len(edge.fanouts)
    again = np.zeros(times, np.bool_)
    again[[j for j, _ in edge.again]] = True
    index, limits = np.zeros(times, np.int64), machine.limits()
    state = np.array([0, -1, 0], np.int64)  # phase, loop that has turned, whether all is over
    number = 0
    while not state[2]:
        table = np.empty((LOOK_AHEAD, ROW + 2 * buses + times), np.int64)
        many = _scan(
            e, tensor == O, (edge.depth, tree.phase_loops, len(tree.architecture.fanouts), buses),
            (tree.loops, tree.many, tree.size), again, machine.ragged, machine.amounts.tables,
            index, limits, state, table,
        )  # fmt: skip
        for row in table[:many]:
            phase, turned, words, most, up, tiles, sent = row[:ROW].tolist()
            down_buses, up_buses = row[ROW : ROW + buses], row[ROW + buses : ROW + 2 * buses]
            total = words if tensor == O else sent
            yield Epoch(
                number, phase, turned, row[ROW + 2 * buses :], words, most, total, up, tiles, sent,
                down_buses, up_buses,
            )  # fmt: skip
            number += 1


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


def program(
    machine: Machine, streams: dict[int, Iterator[Epoch]], *, inward: bool, outward: bool
) -> Iterator[Order]:
    """Yield the transfers of a DMA channel in the order in which it does them.

    Args:
        machine: the mapped design.
        streams: epochs per tensor code.
        inward: the channel brings tiles in.
        outward: the channel takes results out.
    """
    parts = []
    for tensor, stream in streams.items():
        coming, leaving = tee(stream)
        if tensor == O and outward:
            parts.append(_results(machine.phases, leaving))
        if inward:
            parts.append(_tiles(tensor, coming, ahead=machine.ahead[tensor]))
    return heapq.merge(*parts, key=lambda x: x.key)


def _tiles(tensor: int, stream: Iterator[Epoch], *, ahead: bool) -> Iterator[Order]:
    rank = {O: 1, I: 2, W: 3}[tensor]
    before = 0
    for epoch in stream:
        release = (before if ahead else epoch.first) - 1
        before = epoch.first
        if epoch.words:
            yield Order(release, rank, tensor, False, epoch)


def _results(phases: int, stream: Iterator[Epoch]) -> Iterator[Order]:
    last = None
    for epoch in stream:
        if last is not None:
            yield Order(epoch.first - 1, 0, O, True, last)
        last = epoch
    assert last is not None
    yield Order(phases - 1, 0, O, True, last)
