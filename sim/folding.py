"""A mapped problem on a systolic array: a matrix product folded over the array.

Both models read a mapping through this module, so that they speak of the same folds; what a fold
costs each works out by itself.

One group of the problem is a product with three indices: i over the rows of the array, j over its
columns, t streams. A fold is a block of i times a block of j, at most the size of the array, with
all of t. Column folds are the outer loop, row folds the inner one; groups run one after the other.

| dataflow | rows i | columns j | stream t | stays in the PEs | enters left | enters top |
| --- | --- | --- | --- | --- | --- | --- |
| ``os`` | N P Q | K | R S C | ofmap | ifmap | weight |
| ``ws`` | R S C | K | N P Q | weight | ifmap | partial sums leave below |
| ``is`` | R S C | N P Q | K | ifmap | weight | partial sums leave below |

When the folds begin and end is in ``sim.fold_times``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import COLUMNS, ROWS, STREAM, Systolic
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Loop, Mapping
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT, Problem
from arraysmith.arch.sparsity import StructuredSparsity
from arraysmith.sim.dataflows import dataflow_of, require_sparse_order
from arraysmith.sim.side import Side
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]

LANES_AND_STEPS = {
    ("os", IFMAP): (ROWS, STREAM),
    ("os", WEIGHT): (COLUMNS, STREAM),
    ("os", OFMAP): (COLUMNS, ROWS),
    ("ws", IFMAP): (ROWS, STREAM),
    ("ws", WEIGHT): (COLUMNS, ROWS),
    ("ws", OFMAP): (COLUMNS, STREAM),
    ("is", IFMAP): (COLUMNS, ROWS),
    ("is", WEIGHT): (ROWS, STREAM),
    ("is", OFMAP): (COLUMNS, STREAM),
}
"""Per dataflow and tensor: the index that picks the lane (the row or column of the array through
which a word passes) and the one that orders the words of a lane."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold of one group.

    Attributes:
        group: number of the group.
        row: number of the row fold.
        column: number of the column fold.
    """

    group: int
    row: int
    column: int


@dataclass(frozen=True)
class Folding:
    """How one problem folds over one array; see the head of the module.

    Attributes:
        dataflow: ``os``, ``ws`` or ``is``.
        groups: number of groups.
        rows: index over the rows.
        columns: index over the columns.
        stream: index in time.
        array_rows: rows of the array.
        array_columns: columns of the array.
        wiring: systolic switches.
        sparsity: of the weights: the reduction index (stream of ``os``, rows of ``ws``) then counts
            slots of kept weights; None without.
        reduced: the whole reduction index when it is not counted in slots but in words of the
            ifmap; that of ``stream`` or ``rows`` without sparsity.
        keeper: number of the array among those that have sums of the same outputs, and how many
            they are.
    """

    dataflow: str
    groups: int
    rows: Side
    columns: Side
    stream: Side
    array_rows: int
    array_columns: int
    wiring: Systolic
    sparsity: StructuredSparsity | None
    reduced: Side
    keeper: tuple[int, int] = (0, 1)

    @classmethod
    def of(cls, machine: SystolicMachine, problem: Problem, mapping: Mapping) -> Folding:
        """Read a legal mapping; raises ArraysmithError for one that is no systolic dataflow."""
        array, offchip = machine.array, machine.offchip
        for entry in mapping.levels:
            for loop in (*entry.temporal, *entry.x, *entry.y):
                if loop.tile != 1:
                    raise ArraysmithError(
                        f"{entry.level}.{loop.dim}: tile {loop.tile}: loops of a systolic array "
                        "are not split: each dim stands once, with tile 1"
                    )
            dims = {loop.dim for loop in entry.temporal}
            if entry.level != machine.macs and dims - (
                {"G"} if entry.level == offchip.name else set()
            ):
                raise ArraysmithError(
                    f"{entry.level}: temporal loops {' '.join(sorted(dims))}: on a systolic array "
                    f"only G may stand at {offchip.name}, what streams at {machine.macs}, the rest "
                    f"on {array.name}"
                )
        spatial, stream = mapping.at(array.name), mapping.at(machine.macs).temporal
        dataflow = dataflow_of(problem, spatial.y, spatial.x, stream)
        sides = {
            name: _side(problem, loops)
            for name, loops in ((ROWS, spatial.y), (COLUMNS, spatial.x), (STREAM, stream))
        }
        reduced = STREAM if dataflow == "os" else ROWS
        dense = sides[reduced]
        if problem.weight_sparsity is not None:
            require_sparse_order(problem, dataflow, dense)
            sides[reduced] = Side(("C",), (problem.kept_reduction,))
        return cls(
            dataflow,
            problem.size["G"],
            sides[ROWS],
            sides[COLUMNS],
            sides[STREAM],
            array.mesh_y,
            array.mesh_x,
            machine.wiring,
            problem.weight_sparsity,
            dense,
        )

    @property
    def reduction(self) -> str:
        """Name of the index over which products are added up: ``stream`` or ``rows``."""
        return STREAM if self.dataflow == "os" else ROWS

    @property
    def results(self) -> int:
        """Outputs that the array computes, or its part of each."""
        return self.groups * prod(count for _, count in self.outputs)

    @property
    def outputs(self) -> tuple[tuple[int, int], ...]:
        """The outputs of the array, as (first, count) of the indices that number them."""
        names = (name for name in (ROWS, COLUMNS, STREAM) if name != self.reduction)
        return tuple((side.first, side.size) for side in map(self.side, names))

    def words_side(self, tensor: str, name: str) -> Side:
        """Return the index ``name`` as it counts the words of ``tensor``: see ``needed``."""
        if self.sparsity is not None and tensor == IFMAP and name == self.reduction:
            return self.reduced
        return self.side(name)

    def needed(self, tensor: str, name: str, block: tuple[int, int]) -> tuple[int, int]:
        """Return the range of ``words_side`` that [start, stop) of the index ``name`` needs.

        The same range but for the ifmap of sparse weights, whose slots need all words of their
        blocks, because filters pick different ones.
        """
        if self.sparsity is None or tensor != IFMAP or name != self.reduction:
            return block
        first = self.side(name).first
        return self.sparsity.covered(first + block[0], first + block[1], self.reduced.size)

    @cached_property
    def row_folds(self) -> int:
        """Blocks of rows."""
        return -(-self.rows.size // self.array_rows)

    @cached_property
    def column_folds(self) -> int:
        """Blocks of columns."""
        return -(-self.columns.size // self.array_columns)

    def side(self, name: str) -> Side:
        """Return the index called ``rows``, ``columns`` or ``stream``."""
        return {ROWS: self.rows, COLUMNS: self.columns, STREAM: self.stream}[name]

    def block(self, name: str, row: int, column: int) -> tuple[int, int]:
        """Return [start, stop) of the index ``name`` in a fold; all of it for the stream."""
        if name == STREAM:
            return 0, self.stream.size
        if name == ROWS:
            first = row * self.array_rows
            return first, min(first + self.array_rows, self.rows.size)
        first = column * self.array_columns
        return first, min(first + self.array_columns, self.columns.size)

    def fetches(self, block: tuple[int, int]) -> Int:
        """Return the words of the ifmap that come with each of the slots [start, stop).

        The words of a block of sparse weights come with the first of its slots, for all of them.

        Returns:
            int64 [slots, 2], [start, stop) of ``words_side``; empty ranges where nothing comes.
        """
        first = self.side(self.reduction).first
        found = np.zeros((block[1] - block[0], 2), np.int64)
        for slot in range(*block):
            if self.sparsity is None:
                found[slot - block[0]] = slot, slot + 1
            elif slot == block[0] or (first + slot) % self.sparsity.kept == 0:
                one = first + slot, first + slot + 1
                found[slot - block[0]] = self.sparsity.covered(*one, self.reduced.size)
        return found

    def used(self, row: int, column: int) -> tuple[int, int]:
        """Return the rows and columns that a fold uses."""
        first, stop = self.block(ROWS, row, column)
        left, right = self.block(COLUMNS, row, column)
        return stop - first, right - left

    def extent(self, used: tuple[int, int]) -> tuple[int, int]:
        """Return the rows and columns that a fold's time is counted with."""
        return (
            used if self.wiring.partial_folds == "used" else (self.array_rows, self.array_columns)
        )

    def spills(self, fold: Fold) -> bool:
        """Return whether more is added later to the sums of ``fold``, in another row fold."""
        return self.dataflow != "os" and fold.row + 1 < self.row_folds

    def folds(self) -> Iterator[Fold]:
        """Yield all folds in the order in which they run."""
        for group in range(self.groups):
            for column in range(self.column_folds):
                for row in range(self.row_folds):
                    yield Fold(group, row, column)

    def shapes(self) -> list[tuple[tuple[int, int], int]]:
        """Return the distinct (used rows, used columns) of a group's folds and how many of each."""
        found: dict[tuple[int, int], int] = {}
        for row, many in _ends(self.row_folds):
            for column, times in _ends(self.column_folds):
                used = self.used(row, column)
                found[used] = found.get(used, 0) + many * times
        return list(found.items())


def _ends(folds: int) -> list[tuple[int, int]]:
    """Return (a fold, how many are like it): all but the last are alike."""
    return [(0, folds - 1), (folds - 1, 1)] if folds > 1 else [(0, 1)]


def _side(problem: Problem, loops: tuple[Loop, ...]) -> Side:
    return Side(tuple(x.dim for x in loops), tuple(problem.size[x.dim] for x in loops))
