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

Arrays side by side that share their SRAMs run in lockstep, as one wide array: a fold is a block of
i times a block of j as large as all arrays together, of which each array has a ``Share``. Where
arrays cut i (or j), array a takes the values [a R, (a + 1) R) of the block; where they cut the
stream, they take its values in turn, so that array a of p has those with t mod p = a. A word that
several arrays need in the same cycle is read once; results that are parts of one sum are added by a
tree of adders on the way to the SRAM, in the cycle in which they leave.

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
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.mapping import Loop, Mapping
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT, Problem
from arraysmith.arch.sparsity import StructuredSparsity
from arraysmith.sim.dataflows import dataflow_of, require_sparse_order
from arraysmith.sim.scale_out import across
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


@dataclass(frozen=True, slots=True)
class Share:
    """What passes the edge of one array in a fold; of all arrays that take or make the same words.

    Attributes:
        port: number of its first lane among the ports of all arrays.
        lane: its first lane in the block of the fold.
        lanes: its lanes.
        step: its first step in the block of the fold.
        stride: from one of its steps to the next one.
        steps: its steps.
    """

    port: int
    lane: int
    lanes: int
    step: int
    stride: int
    steps: int


@dataclass(frozen=True)
class Folding:
    """How one problem folds over one array; see the head of the module.

    Attributes:
        dataflow: ``os``, ``ws`` or ``is``.
        groups: number of groups.
        rows: index over the rows.
        columns: index over the columns.
        stream: index in time.
        array_rows: rows of an array.
        array_columns: columns of an array.
        wiring: systolic switches.
        sparsity: of the weights: the reduction index (stream of ``os``, rows of ``ws``) then counts
            slots of kept weights; None without.
        reduced: the whole reduction index when it is not counted in slots but in words of the
            ifmap; that of ``stream`` or ``rows`` without sparsity.
        keeper: number of the array among those that have sums of the same outputs, and how many
            they are.
        across: arrays in lockstep that cut rows, columns and stream.
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
    across: tuple[int, int, int] = (1, 1, 1)

    @classmethod
    def of(cls, machine: SystolicMachine, problem: Problem, mapping: Mapping) -> Folding:
        """Read a legal mapping; UnsupportedDesignError for one that is no systolic dataflow."""
        array, offchip = machine.array, machine.offchip
        for entry in mapping.levels:
            for loop in (*entry.temporal, *entry.x, *entry.y):
                if loop.tile != 1:
                    raise UnsupportedDesignError(
                        f"{entry.level}.{loop.dim}: tile {loop.tile}: loops of a systolic array "
                        "are not split: each dim stands once, with tile 1"
                    )
            dims = {loop.dim for loop in entry.temporal}
            if entry.level != machine.macs and dims - (
                {"G"} if entry.level == offchip.name else set()
            ):
                raise UnsupportedDesignError(
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
            across=across(machine.lockstep),
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

    @property
    def fold_rows(self) -> int:
        """Rows of a fold: those of all arrays that cut them."""
        return self.across[0] * self.array_rows

    @property
    def fold_columns(self) -> int:
        """Columns of a fold: those of all arrays that cut them."""
        return self.across[1] * self.array_columns

    @property
    def steps(self) -> int:
        """Steps of an array in a fold: the stream, or the longest share of it."""
        return -(-self.stream.size // self.across[2])

    @property
    def active_pes(self) -> int:
        """PEs that the largest fold uses."""
        return prod(self.used(0, 0)) * min(self.across[2], self.stream.size)

    @cached_property
    def row_folds(self) -> int:
        """Blocks of rows."""
        return -(-self.rows.size // self.fold_rows)

    @cached_property
    def column_folds(self) -> int:
        """Blocks of columns."""
        return -(-self.columns.size // self.fold_columns)

    def side(self, name: str) -> Side:
        """Return the index called ``rows``, ``columns`` or ``stream``."""
        return {ROWS: self.rows, COLUMNS: self.columns, STREAM: self.stream}[name]

    def block(self, name: str, row: int, column: int) -> tuple[int, int]:
        """Return [start, stop) of the index ``name`` in a fold; all of it for the stream."""
        if name == STREAM:
            return 0, self.stream.size
        if name == ROWS:
            first = row * self.fold_rows
            return first, min(first + self.fold_rows, self.rows.size)
        first = column * self.fold_columns
        return first, min(first + self.fold_columns, self.columns.size)

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
        """Return the rows and columns of an array that a fold's time is counted with."""
        return (
            self.most_used(used)
            if self.wiring.partial_folds == "used"
            else (self.array_rows, self.array_columns)
        )

    def most_used(self, used: tuple[int, int]) -> tuple[int, int]:
        """Return the rows and columns in use of the array that has most, when a fold has ``used``.

        Shares are filled one after the other, so that the first array has most of both.
        """
        return min(used[0], self.array_rows), min(used[1], self.array_columns)

    def ports(self, tensor: str) -> int:
        """Return the ports of ``tensor`` of all arrays in lockstep."""
        lanes, steps = LANES_AND_STEPS[self.dataflow, tensor]
        many = dict(zip((ROWS, COLUMNS, STREAM), self.across, strict=True))
        wide = self.array_rows if lanes == ROWS else self.array_columns
        return many[lanes] * many[steps] * wide

    def shares(self, tensor: str, used: tuple[int, int]) -> list[Share]:
        """Return what passes the edge of each array in a fold with ``used``, by ports.

        Arrays along the index that picks no word of ``tensor`` take the same words, or make parts
        of the same sums: they have one share together.
        """
        lanes, steps = LANES_AND_STEPS[self.dataflow, tensor]
        size = {ROWS: used[0], COLUMNS: used[1], STREAM: self.stream.size}
        many = dict(zip((ROWS, COLUMNS, STREAM), self.across, strict=True))
        wide = {ROWS: self.array_rows, COLUMNS: self.array_columns, STREAM: self.steps}
        found = []
        for s in range(many[steps]):
            # Arrays that cut the stream take its values in turn, others a block each.
            first, stride = (s, many[steps]) if steps == STREAM else (s * wide[steps], 1)
            count = min(wide[steps], -(-(size[steps] - first) // stride))
            for a in range(many[lanes]) if count > 0 else ():
                lane = a * wide[lanes]
                if lane < size[lanes]:
                    port = s * many[lanes] * wide[lanes] + lane
                    own = min(wide[lanes], size[lanes] - lane)
                    found.append(Share(port, lane, own, first, stride, count))
        return found

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
