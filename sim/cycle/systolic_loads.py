"""What crosses between off-chip memory and the SRAMs of a systolic array, in program order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.problem import OFMAP
from arraysmith.sim.cycle.systolic_words import Range
from arraysmith.sim.folding import COLUMNS, ROWS, Fold, Folding, SystolicMachine
from arraysmith.sim.residency import (
    Operand,
    half_words,
    partial_sums_stay,
    require_room_for_results,
)

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
            for steps in self.pieces(fold):
                if self.operand.whole:
                    epoch = fold.group if self.operand.grouped else 0
                else:
                    epoch = number
                yield Load(number, fold, steps, epoch)
                number += 1

    def pieces(self, fold: Fold) -> list[Range]:
        """Return the steps of each load that ``fold`` asks for, in the order of use."""
        pieces = self.operand.pieces(self._folding, fold.row, fold.column)
        if self.operand.whole:
            seen = (
                (fold.row > 0 and not self._by_row)
                or (fold.column > 0 and not self._by_column)
                or (fold.group > 0 and not self.operand.grouped)
            )
            return [] if seen else pieces
        before = self._before(fold)
        stays = len(pieces) == 1 and before is not None and self._same(before, fold)
        return [] if stays else pieces

    def frees(self, fold: Fold) -> bool:
        """Return whether places become free as ``fold`` has used the pieces of its block.

        Of a streamed block each piece frees its place, so this does not say. A whole operand keeps
        its words; what becomes free is the place in the queue: words for at most as many folds as
        there are halves are on their way, and none of a group that has no half.
        """
        after = self._after(fold)
        if self.operand.whole:
            last = (fold.row == self._folding.row_folds - 1 or not self._by_row) and (
                fold.column == self._folding.column_folds - 1 or not self._by_column
            )
            leaves = after is None or (self.operand.grouped and after.group != fold.group)
            return leaves or (bool(self.pieces(fold)) and not last)
        return after is None or bool(self.pieces(after))

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
        stays: whether it stays open over all row folds of its column fold.
    """

    number: int
    fold: Fold
    cycles: Range
    words: int
    returns: bool
    stays: bool


class ResultOrder:
    """The order of the ofmap's chunks, from the rules of ``sim.residency``."""

    def __init__(self, machine: SystolicMachine, folding: Folding) -> None:
        self._machine = machine
        self._folding = folding
        self._half = half_words(machine.buffer(OFMAP))
        require_room_for_results(machine, folding)

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
            for cycles, words in self.pieces(out_words(fold)):
                yield ResultChunk(number, fold, cycles, words, self.returns(fold), stays)
                number += 1

    def pieces(self, out_words: Int) -> list[tuple[Range, int]]:
        """Return ([start, stop) of the cycles, words) of the chunks of a fold's results."""
        total = np.cumsum(out_words)
        if self._half is None or total[-1] <= self._half:
            return [((0, len(out_words)), int(total[-1]))]
        found, start, before = [], 0, 0
        while start < len(out_words):
            stop = int(np.searchsorted(total, before + self._half, side="right"))
            found.append(((start, stop), int(total[stop - 1]) - before))
            start, before = stop, int(total[stop - 1])
        return found
