"""What crosses between off-chip memory and the SRAMs of a systolic array, in program order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import COLUMNS, ROWS
from arraysmith.arch.problem import OFMAP
from arraysmith.sim.cycle.systolic.words import Range
from arraysmith.sim.fold_times import FoldTimes
from arraysmith.sim.folding import Fold, Folding
from arraysmith.sim.residency import (
    Operand,
    half_words,
    halves,
    partial_sums_stay,
    require_room_for_results,
    room_words,
)
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Load:
    """One load of an operand.

    Attributes:
        number: counted from 0 per operand.
        fold: the fold that needs it first.
        steps: [start, stop) of the steps that it serves.
        epoch: loads of one epoch stay together; a later one finds nothing of an earlier one.
            Counted from 0.
    """

    number: int
    fold: Fold
    steps: Range
    epoch: int


class LoadOrder:
    """The order of an operand's loads, from the rules of ``sim.residency``."""

    def __init__(self, folding: Folding, operand: Operand) -> None:
        self._folding = folding
        self.operand = operand
        self._by_row = operand.lanes == ROWS or operand.stationary
        self._by_column = operand.lanes == COLUMNS

    def loads(self) -> Iterator[Load]:
        """Yield all loads in order."""
        number = 0
        for fold in self._folding.folds():
            if not self.news(fold):
                continue
            for steps in self.operand.pieces(self._folding, fold.row, fold.column):
                yield Load(number, fold, steps, self._epoch(fold, number))
                number += 1

    def _epoch(self, fold: Fold, number: int) -> int:
        if not self.operand.whole:
            return number
        return fold.group if self.operand.grouped and not self.operand.resident else 0

    def news(self, fold: Fold) -> bool:
        """Return whether ``fold`` asks for loads: one per piece of its block."""
        if self.operand.whole:
            return not (
                (fold.row > 0 and not self._by_row)
                or (fold.column > 0 and not self._by_column)
                or (fold.group > 0 and not self.operand.grouped)
            )
        if self._several(fold):
            return True
        before = self._before(fold)
        return before is None or not self._same(before, fold)

    def _several(self, fold: Fold) -> bool:
        """Return whether the block of ``fold`` comes in more than one piece."""
        if not self.operand.stationary:
            return len(self.operand.chunks) > 1
        first, stop = self._folding.block(ROWS, fold.row, fold.column)
        return stop - first > self.operand.chunk_rows

    def keeps_place(self, fold: Fold) -> bool:
        """Return whether what ``fold`` frees as it uses a block is no place of words, but a turn.

        A whole operand keeps its words; words for at most as many folds as there are halves are on
        their way, so the next load waits until lane 0 has used a piece. Words of a group that makes
        room for another one have to have passed the last lane.
        """
        return self.operand.whole and (self.operand.resident or not self._leaves(fold))

    def _leaves(self, fold: Fold) -> bool:
        after = self._after(fold)
        return after is None or (self.operand.grouped and after.group != fold.group)

    def frees(self, fold: Fold) -> bool:
        """Return whether loads get their turn as ``fold`` uses the pieces of its block."""
        if self.operand.whole:
            last = (fold.row == self._folding.row_folds - 1 or not self._by_row) and (
                fold.column == self._folding.column_folds - 1 or not self._by_column
            )
            return self._leaves(fold) or (self.news(fold) and not last)
        if self._several(fold):
            return True
        after = self._after(fold)
        return after is None or self.news(after)

    def key(self, fold: Fold) -> Fold:
        """Return the fold of group 0 that has the same block of the operand."""
        return Fold(0, fold.row if self._by_row else 0, fold.column if self._by_column else 0)

    def _same(self, one: Fold, other: Fold) -> bool:
        return (
            (one.row == other.row or not self._by_row)
            and (one.column == other.column or not self._by_column)
            and (one.group == other.group or not self.operand.grouped)
        )

    def _before(self, fold: Fold) -> Fold | None:
        if fold.row:
            return Fold(fold.group, fold.row - 1, fold.column)
        if fold.column:
            return Fold(fold.group, self._folding.row_folds - 1, fold.column - 1)
        if fold.group:
            last_column = self._folding.column_folds - 1
            return Fold(fold.group - 1, self._folding.row_folds - 1, last_column)
        return None

    def _after(self, fold: Fold) -> Fold | None:
        if fold.row + 1 < self._folding.row_folds:
            return Fold(fold.group, fold.row + 1, fold.column)
        if fold.column + 1 < self._folding.column_folds:
            return Fold(fold.group, 0, fold.column + 1)
        if fold.group + 1 < self._folding.groups:
            return Fold(fold.group + 1, 0, 0)
        return None


@dataclass(frozen=True, slots=True)
class ResultChunk:
    """Results or partial sums that share a half of the ofmap SRAM.

    Attributes:
        number: counted from 0.
        fold: the fold that opens it.
        cycles: [start, stop) of the cycles, counted from the first result of a fold, in which its
            words are written.
        words: words of it.
        returns: whether partial sums come back from off-chip before it opens.
        after: number of the chunk whose place it takes, or whose words it brings back if that is
            the later one; it has to have left. Negative: none.
    """

    number: int
    fold: Fold
    cycles: Range
    words: int
    returns: bool
    after: int


class ResultOrder:
    """The order of the ofmap's chunks, from the rules of ``sim.residency``.

    Attributes:
        places: chunks that have a place at a time: one per half, and with overlapped folds as many
            as fit, because several folds then write at once.
    """

    def __init__(self, machine: SystolicMachine, folding: Folding) -> None:
        memory = machine.buffer(OFMAP)
        self._machine = machine
        self._folding = folding
        self._half = half_words(memory, OFMAP)
        self._halves = self.places = halves(memory)
        require_room_for_results(machine, folding)
        if FoldTimes(folding).overlapped:
            rows, columns = folding.used(0, 0)
            chunk = columns * (rows if folding.dataflow == "os" else folding.stream.size)
            # More folds than that are never alive: a fold starts at least a cycle after another.
            most = 2 + folding.array_rows + folding.array_columns
            room = room_words(memory, OFMAP)
            self.places = max(self.places, most if room is None else min(room // chunk, most))

    def stays(self, fold: Fold) -> bool:
        """Return whether the chunk of ``fold`` collects all its column fold's row folds."""
        return self._folding.dataflow != "os" and partial_sums_stay(
            self._machine, self._folding, fold.column
        )

    def returns(self, fold: Fold) -> bool:
        """Return whether the results of ``fold`` are added to partial sums that were off-chip."""
        return self._folding.dataflow != "os" and fold.row > 0 and not self.stays(fold)

    def chunks(self, out_words: Callable[[Fold], Int]) -> Iterator[ResultChunk]:
        """Yield all chunks in order; ``out_words`` tells a fold's results per cycle."""
        number = 0
        for fold in self._folding.folds():
            stays = self.stays(fold)
            if stays and fold.row:
                continue
            pieces = self.pieces(out_words(fold), stays=stays)
            returns = self.returns(fold)
            after = min(self.places, len(pieces)) if returns else self.places
            for cycles, words in pieces:
                yield ResultChunk(number, fold, cycles, words, returns, number - after)
                number += 1

    def pieces(self, out_words: Int, *, stays: bool) -> list[tuple[Range, int]]:
        """Return ([start, stop) of the cycles, words) of the chunks of a fold's results.

        Args:
            out_words: int64 [n], results per cycle, at most as many as fit a half.
            stays: whether the fold's chunk collects all row folds. Chunks that leave with every
                fold although they would fit are as many as there are halves, so that one comes back
                while another leaves.
        """
        total = np.cumsum(out_words)
        half = self._half
        fits = half is None or total[-1] <= half
        if fits and not stays and self._folding.dataflow != "os":
            half = max(-(-int(total[-1]) // self._halves), int(out_words.max()))
        if half is None or total[-1] <= half:
            return [((0, len(out_words)), int(total[-1]))]
        found, start, before = [], 0, 0
        while start < len(out_words):
            stop = int(np.searchsorted(total, before + half, side="right"))
            found.append(((start, stop), int(total[stop - 1]) - before))
            start, before = stop, int(total[stop - 1])
        return found
