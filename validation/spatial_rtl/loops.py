"""A mapping seen from its loops: tiles, what is new in them, who shares them. Made word by word.

Nothing here comes from a simulator: only the loops of the mapping and the axes of the tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping, PlacedLoop, placed_loops
from arraysmith.arch.problem import Problem, Tensor

IFMAP, WEIGHT, RESULT = range(3)

Point = tuple[int, ...]


class NoProgramError(ArraysmithError):
    """A design or mapping that the array in SystemVerilog cannot run; says why."""


@dataclass(frozen=True)
class Box:
    """Indices of a tile along the axes of a tensor.

    Attributes:
        start: first index along each axis.
        reach: indices along each axis.
    """

    start: Point
    reach: Point

    def __contains__(self, point: Point) -> bool:
        return all(s <= p < s + r for p, s, r in zip(point, self.start, self.reach, strict=True))

    def points(self) -> Iterator[Point]:
        """Yield the indices, last axis fastest."""
        spans = (range(s, s + r) for s, r in zip(self.start, self.reach, strict=True))
        return product(*spans)

    def place(self, point: Point) -> int:
        """Return the place of an index in the tile, last axis fastest."""
        found = 0
        for p, s, r in zip(point, self.start, self.reach, strict=True):
            found = found * r + p - s
        return found


@dataclass(frozen=True)
class Nest:
    """The loops of a mapping on off-chip memory, one buffer, one mesh and a scratchpad a tensor.

    Attributes:
        problem: the layer.
        time: temporal loops, outermost first.
        space: spatial loops.
        buffer: level index of the buffer.
        spads: level index of the scratchpad of each tensor.
    """

    problem: Problem
    time: tuple[PlacedLoop, ...]
    space: tuple[PlacedLoop, ...]
    buffer: int
    spads: Point

    @classmethod
    def of(cls, architecture: Architecture, problem: Problem, mapping: Mapping) -> Nest:
        """Return the loops; raises NoProgramError when turns do not divide or levels are others."""
        levels = architecture.levels
        kinds = [isinstance(level, Fanout) for level in levels]
        if kinds != [False, False, True, False, False, False]:
            raise NoProgramError(f"{architecture.name}: not buffer, mesh and three scratchpads")
        spads = []
        for tensor in problem.tensors:
            holding = [
                i
                for i, level in enumerate(levels)
                if i > 2 and isinstance(level, Memory) and level.holds == (tensor.name,)
            ]
            if len(holding) != 1:
                raise NoProgramError(f"{tensor.name}: needs a scratchpad of its own")
            spads += holding
        if any(mapping.at(level.name).keep is not None for level in levels):
            raise NoProgramError("keep: every tensor is kept in all memories that hold it")
        placed = placed_loops(architecture, problem.size, mapping)
        covered = dict(problem.size)
        for loop in placed:
            if loop.count * loop.tile != covered[loop.dim]:
                raise NoProgramError(f"{loop.dim}: tile {loop.tile} does not divide")
            covered[loop.dim] = loop.tile
        turning = [loop for loop in placed if loop.count > 1]
        time = tuple(x for x in turning if x.axis == "t")
        return cls(problem, time, tuple(x for x in turning if x.axis != "t"), 1, tuple(spads))

    def tensor(self, which: int) -> Tensor:
        """Return a tensor of the problem."""
        return self.problem.tensors[which]

    def move(self, which: int, loop: PlacedLoop) -> Point:
        """Return by how much a turn of a loop moves a tensor's indices, per axis."""
        axes = self.tensor(which).axes
        return tuple(dict(axis.terms).get(loop.dim, 0) * loop.tile for axis in axes)

    def moves_tile(self, which: int, loop: PlacedLoop, level: int) -> bool:
        """Return whether a turn of a loop brings another tile at ``level``."""
        return loop.level < level and any(self.move(which, loop))

    def reach(self, which: int, level: int) -> Point:
        """Return the indices along each axis of a tile at ``level``."""
        inner = [x for x in (*self.time, *self.space) if x.level >= level]
        sizes = {dim: prod(x.count for x in inner if x.dim == dim) for dim in self.problem.size}
        return tuple(axis.reach(sizes) for axis in self.tensor(which).axes)

    def tile(self, which: int, level: int, turns: Point, shift: Point | None = None) -> Box:
        """Return the tile at ``level`` when the temporal loops stand at ``turns``."""
        start = [axis.offset for axis in self.tensor(which).axes]
        for loop, turn in zip(self.time, turns, strict=False):
            if loop.level < level:
                start = [s + turn * m for s, m in zip(start, self.move(which, loop), strict=True)]
        if shift is not None:
            start = [s + m for s, m in zip(start, shift, strict=True)]
        return Box(tuple(start), self.reach(which, level))

    def shifts(self, which: int) -> dict[tuple[int, int], Point]:
        """Return, by (row, column) of the PEs in use, how far their tile is shifted."""
        found = {(0, 0): (0,) * len(self.tensor(which).axes)}
        for loop in self.space:
            move = self.move(which, loop)
            found = {
                (
                    row * loop.count + turn if loop.axis == "y" else row,
                    column * loop.count + turn if loop.axis == "x" else column,
                ): tuple(s + turn * m for s, m in zip(shift, move, strict=True))
                for (row, column), shift in found.items()
                for turn in range(loop.count)
            }
        return found

    @property
    def phase_loops(self) -> int:
        """Loops down to the innermost one that brings the buffer another tile."""
        return self._down_to((self.buffer,) * 3)

    @property
    def step_loops(self) -> int:
        """Loops down to the innermost one that brings a scratchpad another tile."""
        return max(self.phase_loops, self._down_to(self.spads))

    def _down_to(self, levels: Point) -> int:
        """Return the loops down to the innermost that moves a tensor's tile at its level."""
        found = [
            j + 1
            for j, loop in enumerate(self.time)
            for t, level in enumerate(levels)
            if self.moves_tile(t, loop, level)
        ]
        return max(found, default=0)

    def turns(self, loops: int) -> Iterator[Point]:
        """Yield the turns of the outermost ``loops`` temporal loops, in order."""
        return product(*(range(x.count) for x in self.time[:loops]))

    def comes_back(self, level: int, turns: Point) -> bool:
        """Return whether the result tile at ``level`` was there before."""
        moving = [j for j, x in enumerate(self.time) if self.moves_tile(RESULT, x, level)]
        last = max(moving, default=-1)
        return any(
            turn and x.level < level and j not in moving and j < last
            for j, (x, turn) in enumerate(zip(self.time, turns, strict=False))
        )

    def stored(self, which: int, point: Point) -> bool:
        """Return whether an index is a word in memory, not padding."""
        axes = self.tensor(which).axes
        return all(0 <= p < axis.extent for p, axis in zip(point, axes, strict=True))

    def address(self, which: int, point: Point) -> int:
        """Return the place of a word in its tensor, last axis fastest."""
        found = 0
        for p, axis in zip(point, self.tensor(which).axes, strict=True):
            found = found * axis.extent + p
        return found

    def fresh(self, which: int, now: Box, old: Box | None) -> list[Point]:
        """Return the stored words of a tile that the one before did not hold."""
        return [x for x in now.points() if self.stored(which, x) and (old is None or x not in old)]
