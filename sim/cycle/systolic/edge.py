"""Which word passes which lane of the array's edge in which array cycle: straight from a kernel.

Words come in the order of the port, by cycle and lane; in any cycle the lanes of a later fold lie
before those of an earlier one, so with each array of several in lockstep. Padding is not listed,
but keeps its turn.

The words of a block of sparse weights come together: weight stationary with the first row that
holds one of its slots, output stationary for every lane with the first step of the block. ``lane``
then counts the words that a fold can take in a cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import STREAM
from arraysmith.arch.problem import IFMAP, OFMAP
from arraysmith.sim.cycle.systolic.schedule import Placed
from arraysmith.sim.cycle.systolic.wave import Passing, Wave
from arraysmith.sim.cycle.systolic.words import WordView
from arraysmith.sim.folding import LANES_AND_STEPS, Fold, Folding

Int = NDArray[np.int64]

_ORIGIN, _AT, _COUNT, _SKEW, _LANE, _LANES, _STEP, _GROUP, _NUMBER, _FETCH = range(10)
_PORT, _STRIDE, _STEPS = 10, 11, 12
"""Columns of the table of folds that ``_list`` takes; a row per fold and ``Share``."""

_PLAIN, _BY_LANE, _BY_STEP = range(3)
"""What a lane takes with a step: one word; the words of the block of sparse weights that begins in
this lane; or those of the block that begins with this step."""

_NO_FETCHES = np.zeros((1, 2), np.int64)

_Geometry = tuple[Int, Int, Int, Int, Int, Int, Int, Int]


class Records(NamedTuple):
    """Words of one stream in the order of the port; columns of equal length.

    Attributes:
        word: int64 [n], index of the stored word.
        clock: int64 [n], clock cycle.
        tile: int64 [n], number of the fold.
        lane: int64 [n].
        counts: int64 [cycles], words of each array cycle of the whole listing.
    """

    word: Int
    clock: Int
    tile: Int
    lane: Int
    counts: Int


@dataclass(frozen=True)
class Listing:
    """The words of one tensor that pass the edge in some array cycles.

    Attributes:
        begin: first array cycle.
        stop: array cycle after the last one.
        table: int64 [rows, 13], see ``_ORIGIN`` and what follows it; by ports, later folds first.
        step_of: int64 [n], the steps by cycle of all folds, see ``Passing``; -1 in a gap.
        geometry: see ``_geometry``.
        bound: at most so many words.
        mode: what a lane takes with a step, see ``_PLAIN``; and the most words of it.
        fetches: int64 [n, 2], unless plain: [start, stop) of the words that come with each lane or
            step, see ``Folding.fetches``; a fold's begin at its ``_FETCH``.
    """

    begin: int
    stop: int
    table: Int
    step_of: Int
    geometry: _Geometry
    bound: int
    mode: tuple[int, int] = (_PLAIN, 1)
    fetches: Int = field(default_factory=lambda: _NO_FETCHES)

    @cached_property
    def lanes(self) -> int:
        """Most words of a cycle; a lane passes one (or a block) in a cycle, whatever its fold."""
        most: dict[int, int] = {}
        for port, lanes in self.table[:, (_PORT, _LANES)].tolist():
            most[port] = max(lanes, most.get(port, 0))
        return sum(most.values()) * self.mode[1]

    def records(
        self, clock: Int, rate: tuple[int, int], taken: Int, room: int
    ) -> Iterator[Records]:
        """Yield the words, at most about ``room`` at a time.

        Args:
            clock: int64 [cycles], clock cycle of each array cycle.
            rate: words per clock cycle as numerator and denominator; numerator 0: unlimited.
            taken: int64 [cycles], what others have taken of each array cycle before, in units of
                1 / numerator of a clock cycle; empty: nothing.
            room: at least the lanes of the array; ``bound`` and ``lanes`` more yield all at once.
        """
        most = self.lanes
        cycle, room = self.begin, min(self.bound + most, max(room, most))
        counts = np.zeros(self.stop - self.begin, np.int64)
        while cycle < self.stop:
            word, stamp, tile, lane = (np.empty(room, np.int64) for _ in range(4))
            cycle, count = _list(
                cycle, self.stop, self.begin, self.table, self.step_of, self.geometry,
                clock, rate, taken, self.mode, most, self.fetches, word, stamp, tile, lane, counts,
            )  # fmt: skip
            if count:
                yield Records(word[:count], stamp[:count], tile[:count], lane[:count], counts)

    def words(self) -> tuple[Int, Int]:
        """Return the words, int64 [n], and how many each array cycle has, int64 [cycles]."""
        word, empty = np.empty(self.bound, np.int64), np.empty(0, np.int64)
        counts = np.zeros(self.stop - self.begin, np.int64)
        _, count = _list(
            self.begin, self.stop, self.begin, self.table, self.step_of, self.geometry,
            empty, (0, 1), empty, self.mode, 0, self.fetches, word, empty, empty, empty, counts,
        )  # fmt: skip
        return word[:count], counts


class Edge:
    """Lists what passes the edge of the array."""

    def __init__(self, folding: Folding, views: dict[str, WordView]) -> None:
        self._folding = folding
        self._views = views
        self._geometry = {tensor: _geometry(view) for tensor, view in views.items()}

    def listing(self, tensor: str, alive: Sequence[Placed], begin: int, stop: int) -> Listing:
        """Return the words of ``tensor`` in the array cycles [begin, stop).

        Args:
            tensor: its name.
            alive: folds that move in them, later ones first; at least one.
            begin: first array cycle.
            stop: array cycle after the last one.
        """
        tables, steps_of, at, bound = [], [], 0, 0
        mode = self._mode(tensor)
        fetches: list[Int] = []
        for placed in alive:
            moved = placed.plan.wave.passing[tensor]
            origin = placed.start + moved.first
            tables.append(self._rows(tensor, placed.fold, placed.number, moved, origin, at))
            steps_of.append(moved.step_of)
            at += len(moved.step_of)
            bound += moved.ports * min(len(moved.step_of), stop - begin) * mode[1]
            if mode[0] != _PLAIN:
                tables[-1][:, _FETCH] = sum(len(one) for one in fetches)
                fold, folding = placed.fold, self._folding
                block = folding.block(folding.reduction, fold.row, fold.column)
                fetches.append(folding.fetches(block))
        step_of = steps_of[0] if len(steps_of) == 1 else np.concatenate(steps_of)
        fetched = np.concatenate(fetches) if fetches else _NO_FETCHES
        table, geometry = np.concatenate(tables), self._geometry[tensor]
        table = table[np.argsort(table[:, _PORT], kind="stable")]
        return Listing(begin, stop, table, step_of, geometry, bound, mode, fetched)

    def _mode(self, tensor: str) -> tuple[int, int]:
        sparsity = self._folding.sparsity
        if sparsity is None or tensor != IFMAP:
            return _PLAIN, 1
        return (_BY_STEP if self._folding.reduction == STREAM else _BY_LANE), sparsity.block

    def results(self, fold: Fold, wave: Wave, cycles: tuple[int, int]) -> Int:
        """Return the words of a fold's results in [start, stop) of their cycles, ascending."""
        moved = wave.passing[OFMAP]
        rows = self._rows(OFMAP, fold, 0, moved, 0, 0)
        bound = int(moved.words[slice(*cycles)].sum())
        listing = Listing(*cycles, rows, moved.step_of, self._geometry[OFMAP], bound)
        return np.sort(listing.words()[0])

    def _rows(
        self, tensor: str, fold: Fold, number: int, moved: Passing, origin: int, at: int
    ) -> Int:
        """Return the rows of the table of ``_list`` for a fold."""
        lanes, steps = (
            self._folding.block(side, fold.row, fold.column)
            for side in LANES_AND_STEPS[self._folding.dataflow, tensor]
        )
        rows = np.zeros((len(moved.shares), 13), np.int64)
        rows[:, (_ORIGIN, _AT, _COUNT)] = origin, at, len(moved.step_of)
        rows[:, (_SKEW, _GROUP, _NUMBER)] = moved.skew, fold.group, number
        for row, share in zip(rows, moved.shares, strict=True):
            row[_PORT], row[_LANE], row[_LANES] = share.port, lanes[0] + share.lane, share.lanes
            row[_STEP], row[_STRIDE] = steps[0] + share.step, share.stride
            row[_STEPS] = share.steps
        return rows


def _geometry(view: WordView) -> _Geometry:
    """Return what ``_list`` takes of a view: linear parts, then the axes that have padding."""
    padded = view.padded
    lane_part, step_part, group_part = (
        np.ascontiguousarray(part[padded])
        for part in (view.lane_part, view.step_part, view.group_part)
    )
    return (*view.linear, lane_part, step_part, group_part, view.extent[padded], padded)


@njit(cache=True, nogil=True)
def _list(
    first: int,
    stop: int,
    begin: int,
    table: Int,
    step_of: Int,
    geometry: _Geometry,
    clock: Int,
    rate: tuple[int, int],
    taken: Int,
    mode: tuple[int, int],
    most: int,
    fetches: Int,
    words: Int,
    stamps: Int,
    tile: Int,
    port: Int,
    counts: Int,
) -> tuple[int, int]:
    """List the words of one stream by cycle and lane, from cycle ``first`` on, as far as they fit.

    Args:
        first: array cycle to begin with.
        stop: array cycle to end before.
        begin: array cycle of ``clock[0]``.
        table: int64 [rows, 13], see ``_ORIGIN`` and what follows it; by ports, later folds first.
        step_of: int64 [n], the steps by cycle of all folds, see ``Passing``; -1 in a gap.
        geometry: see ``_geometry``.
        clock: int64 [cycles], clock cycle of each array cycle.
        rate: words per clock cycle as numerator and denominator; numerator 0: unlimited.
        taken: int64 [cycles], what others have taken of each array cycle before, in units of
            1 / numerator of a clock cycle; empty: nothing.
        mode: see ``Listing``.
        most: words that a cycle has at most.
        fetches: int64 [n, 2], see ``Listing``.
        words: int64 [room], written: index of each stored word.
        stamps: int64 [room], written: clock cycle. Empty: neither it nor the next two are asked
            for, and ``words`` has room for all.
        tile: int64 [room], written: number of the fold.
        port: int64 [room], written: lane.
        counts: int64 [cycles], written: words listed of each array cycle.

    Returns:
        (first cycle that is not listed, words listed).
    """
    lane_sum, step_sum, group_sum, lane_part, step_part, group_part, extent, padded = geometry
    told = len(stamps) > 0
    count = 0
    for u in range(first, stop):
        if count > 0 and count + most > len(words) and told:
            return u, count
        turn = taken[u - begin] if len(taken) > 0 else 0  # units of 1 / numerator
        so_far = count
        for f in range(len(table)):
            row = table[f]
            k = u - row[_ORIGIN]
            if k < 0:
                continue
            low, high = 0, row[_LANES]
            if row[_SKEW] == 0:
                if k >= row[_COUNT]:
                    continue
            else:
                low = max(low, k - row[_COUNT] + 1)
                high = min(high, k + 1)
            group = row[_GROUP]
            base = group_sum[group]
            for lane in range(low, high):
                step = step_of[row[_AT] + k - row[_SKEW] * lane]
                if step < 0 or step >= row[_STEPS]:
                    continue
                one, last, port_of = 0, 1, row[_PORT] + lane
                if mode[0] == _BY_LANE:
                    one, last = fetches[row[_FETCH] + lane]
                    port_of = -fetches[row[_FETCH], 0]
                elif mode[0] == _BY_STEP:
                    one, last = fetches[row[_FETCH] + step]
                    port_of = lane * mode[1] - one
                step = row[_STEP] + step * row[_STRIDE]
                here = row[_LANE] + lane
                for word in range(one, last):
                    if mode[0] == _BY_LANE:
                        here = word
                    elif mode[0] == _BY_STEP:
                        step = word
                    inside = True
                    for a in range(len(padded)):
                        index = lane_part[a, here] + step_part[a, step] + group_part[a, group]
                        inside = inside and 0 <= index < extent[a]
                    if inside:
                        words[count] = base + lane_sum[here] + step_sum[step]
                        if told:
                            stamps[count] = clock[u - begin]
                            if rate[0] > 0:
                                stamps[count] += turn // rate[0]
                            tile[count] = row[_NUMBER]
                            port[count] = port_of + (word if mode[0] != _PLAIN else 0)
                        count += 1
                    turn += rate[1]
        counts[u - begin] = count - so_far
    return stop, count
