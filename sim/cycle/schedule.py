"""What crosses the off-chip border, in which order: the program of the DMA engine.

An *epoch* of a tensor is a run of phases with one tile on the near side of the border (the shared
memory, or the scratchpads for a tensor that passes it by). The order of transfers is fixed before
the run, by the phase that makes room for them: it depends on the mapping alone, never on timing, so
that no machine gets slower by a faster part.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import tee

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import AXES, Int, fresh_words, most_fresh_words, place
from arraysmith.sim.cycle.nest import Flags, I, Nest, O, W

LOOK_AHEAD = 1024
"""Turns examined in one batch; bounds memory, never shows in a result."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One tile of one tensor on the near side of the border.

    Attributes:
        number: counted from 0.
        first: first phase.
        words: words that cross the border for it (once per multicast).
        most: most words that one receiver takes of them.
        total: words that all receivers take together.
    """

    number: int
    first: int
    words: int
    most: int
    total: int


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


@dataclass(frozen=True)
class Border:
    """Tiles of one tensor on the near side, as arrays.

    Attributes:
        stride: int64 [AXES, loops]; see ``Nest`` for this and the next.
        reach: int64 [AXES].
        retains: whether the near side keeps words from tile to tile.
        groups: (shifts, sizes, copies) of the tiles with a transfer each.
        everyone: the same for every receiver.
        again: bool [loops], loops whose later turns bring result tiles back.
    """

    stride: Int
    reach: Int
    retains: bool
    groups: tuple[Int, Int, int]
    everyone: tuple[Int, Int, int]
    again: Flags

    @classmethod
    def of(cls, nest: Nest, tensor: int, *, shared: bool) -> Border:
        """Return the border of ``tensor`` in front of the shared memory, or of the scratchpads."""
        if shared:
            one = (np.zeros((AXES, 1), np.int64), np.ones(AXES, np.int64), 1)
            return cls(
                nest.shared_stride[tensor],
                nest.shared_reach[tensor],
                True,
                one,
                one,
                nest.shared_again,
            )
        return cls(
            nest.child_stride[tensor],
            nest.child_reach[tensor],
            bool(nest.retains[tensor]),
            (nest.shifts[tensor], nest.shift_sizes[tensor], int(nest.copies[tensor])),
            (nest.every_shift[tensor], nest.every_sizes[tensor], int(nest.every_copies[tensor])),
            nest.child_again,
        )

    def turned(self, nest: Nest) -> int:
        """Phase loops down to the innermost that moves the tile."""
        if not self.retains:
            return nest.phase_loops
        moving = np.flatnonzero(self.stride[:, : nest.phase_loops].any(0))
        return int(moving[-1]) + 1 if len(moving) else 0


def epochs(nest: Nest, tensor: int, border: Border) -> Iterator[Epoch]:
    """Yield the epochs of ``tensor`` in order."""
    turned = border.turned(nest)
    turns = int(np.prod(nest.counts[:turned]))
    phases_per_turn = nest.phases // turns
    number = 0
    for begin in range(0, turns, LOOK_AHEAD):
        table = _examine(
            begin,
            min(turns, begin + LOOK_AHEAD),
            turned,
            nest.counts,
            border.stride,
            nest.offset[tensor],
            nest.extent[tensor],
            border.reach,
            border.retains,
            border.groups,
            border.everyone,
            border.again,
            tensor == O,
        )
        for turn, words, most, total in table.tolist():
            yield Epoch(number, turn * phases_per_turn, words, most, total)
            number += 1


@njit(cache=True, nogil=True)
def turns_of(turn: int, counts: Int, turned: int) -> Int:
    """Return int64 [loops]: the index of each of the ``turned`` outer loops in turn ``turn``."""
    index = np.zeros(len(counts), np.int64)
    for j in range(turned - 1, -1, -1):
        index[j] = turn % counts[j]
        turn //= counts[j]
    return index


@njit(cache=True, nogil=True)
def _examine(
    begin: int,
    end: int,
    turned: int,
    counts: Int,
    stride: Int,
    offset: Int,
    extent: Int,
    reach: Int,
    retains: bool,
    groups: tuple[Int, Int, int],
    everyone: tuple[Int, Int, int],
    again: Flags,
    results: bool,
) -> Int:
    """Return int64 [epochs, 4]: turn, words, most, total of the turns that bring another tile."""
    shifts, sizes, copies = groups
    every_shift, every_sizes, every_copies = everyone
    table = np.empty((end - begin, 4), np.int64)
    count = 0
    for turn in range(begin, end):
        index = turns_of(turn, counts, turned)
        now = place(stride, offset, index, turned)
        old = now
        keeps = retains and turn > 0
        if turn > 0:
            old = place(stride, offset, turns_of(turn - 1, counts, turned), turned)
        if keeps and (now == old).all():
            continue
        words, most, total = 0, 0, 0
        if results:
            for j in range(turned):
                if again[j] and index[j] > 0:
                    most = 1
            for a in range(AXES):
                most *= reach[a]
            words = most
            for a in range(AXES):
                words *= sizes[a]
            total = words
        else:
            words = copies * fresh_words(now, old, keeps, reach, extent, shifts, sizes)
            most = most_fresh_words(now, old, keeps, reach, extent, shifts, sizes)
            total = every_copies * fresh_words(
                now, old, keeps, reach, extent, every_shift, every_sizes
            )
        table[count, 0], table[count, 1], table[count, 2], table[count, 3] = (
            turn,
            words,
            most,
            total,
        )
        count += 1
    return table[:count]


def program(
    nest: Nest, streams: dict[int, Iterator[Epoch]], *, ahead: tuple[bool, ...], inward: bool,
    outward: bool,
) -> Iterator[Order]:  # fmt: skip
    """Yield the transfers of a DMA channel in the order in which it does them.

    Args:
        nest: the mapped problem.
        streams: epochs per tensor code.
        ahead: per tensor, whether a tile may come in while its predecessor is worked on.
        inward: the channel brings tiles in.
        outward: the channel takes results out.
    """
    parts = []
    for tensor, stream in streams.items():
        coming, leaving = tee(stream)
        if tensor == O and outward:
            parts.append(_results(nest, leaving))
        if inward:
            parts.append(_tiles(tensor, coming, ahead=ahead[tensor]))
    return heapq.merge(*parts, key=lambda x: x.key)


def _tiles(tensor: int, stream: Iterator[Epoch], *, ahead: bool) -> Iterator[Order]:
    rank = {O: 1, I: 2, W: 3}[tensor]
    before = 0
    for epoch in stream:
        release = (before if ahead else epoch.first) - 1
        before = epoch.first
        if epoch.words:
            yield Order(release, rank, tensor, False, epoch)


def _results(nest: Nest, stream: Iterator[Epoch]) -> Iterator[Order]:
    last = None
    for epoch in stream:
        if last is not None:
            yield Order(epoch.first - 1, 0, O, True, last)
        last = epoch
    assert last is not None
    yield Order(nest.phases - 1, 0, O, True, last)
