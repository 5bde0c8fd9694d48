"""How a problem runs on an architecture: loops per level, outermost first.

A loop names a dim and the *tile* that one of its iterations covers. How often it turns follows
from the tile around it, so tiles need not divide:

    K = 64   dram: K tile 16  ->  4 turns;   psum_spad: K tile 1  ->  16 turns
    K = 10   dram: K tile 4   ->  3 turns of 4, 4 and 2;   glb: K tile 3  ->  3 + 1, 3 + 1 and 2

A loop of tile t inside a tile of extent e turns ceil(e / t) times; its last turn covers what is
left, e - (turns - 1) t, and the loops inside it turn over that and no more. In space the last
instance has the shorter tile, and inside a shorter tile the last instances have none.

Temporal loops stand at memories (or at the MACs, when nothing below the fan-out stores), spatial
ones (x, y) at fan-outs. Loops of a level are outside those of the levels below it.

On a systolic array the spatial loops of an axis are flattened into one index that folds over the
array: rows P, Q of 14 x 14 on 128 rows take two folds. The loops at the MACs are what streams.
"""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.architecture import Architecture, Memory


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: every iteration (or every instance, when spatial) covers ``tile`` indices."""

    dim: str
    tile: int


@dataclass(frozen=True, slots=True)
class LevelMapping:
    """The loops of one level.

    Attributes:
        level: name of the level in the architecture.
        temporal: loops in time, outermost first; memories and the MACs.
        x: loops over the columns of a fan-out, slowest index first.
        y: loops over its rows.
        keep: tensors kept here; None keeps all that the memory may hold.
    """

    level: str
    temporal: tuple[Loop, ...] = ()
    x: tuple[Loop, ...] = ()
    y: tuple[Loop, ...] = ()
    keep: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """Loops per level, in the order of the architecture's levels; levels without loops may lack."""

    levels: tuple[LevelMapping, ...]

    def at(self, level: str) -> LevelMapping:
        """Return the loops of ``level``; an empty entry when the mapping says nothing of it."""
        for entry in self.levels:
            if entry.level == level:
                return entry
        return LevelMapping(level)


@dataclass(frozen=True, slots=True)
class PlacedLoop:
    """A loop with its place and its number of turns.

    Attributes:
        level: index of its level in the architecture; one past the last for the MACs.
        axis: ``t`` temporal, ``x`` or ``y`` spatial.
        dim: dim name.
        count: turns, or instances when spatial; at least 1.
        tile: indices covered by one turn.
    """

    level: int
    axis: str
    dim: str
    count: int
    tile: int


def placed_loops(
    architecture: Architecture, sizes: dict[str, int], mapping: Mapping
) -> tuple[PlacedLoop, ...]:
    """Return all loops outermost first; turns = ceil(tile around the loop / tile of the loop).

    Args:
        architecture: gives the order of the levels.
        sizes: extent of every dim.
        mapping: loops; levels that the architecture lacks are ignored (``check`` reports them).
    """
    around = dict(sizes)
    loops: list[PlacedLoop] = []
    for index, name in enumerate(_level_names(architecture)):
        entry = mapping.at(name)
        for axis, group in (("t", entry.temporal), ("x", entry.x), ("y", entry.y)):
            for loop in group:
                count = -(-around[loop.dim] // loop.tile)
                loops.append(PlacedLoop(index, axis, loop.dim, count, loop.tile))
                around[loop.dim] = loop.tile
    return tuple(loops)


def from_factors(
    architecture: Architecture,
    factors: tuple[tuple[str, str, str, int], ...],
    keep: dict[str, tuple[str, ...]] | None = None,
) -> Mapping:
    """Return the mapping with the given (level, axis, dim, turns), outermost first.

    The product of a dim's turns is its extent; loops that turn once are dropped.
    """
    keep = keep or {}
    inner: dict[str, int] = {}
    placed: list[tuple[str, str, Loop]] = []
    for level, axis, dim, turns in reversed(factors):
        if turns == 1:
            continue
        tile = inner.get(dim, 1)
        placed.append((level, axis, Loop(dim, tile)))
        inner[dim] = tile * turns
    placed.reverse()
    entries = []
    for target in _level_names(architecture):
        groups = {
            axis: tuple(x for name, where, x in placed if name == target and where == axis)
            for axis in ("t", "x", "y")
        }
        kept = keep.get(target)
        if any(groups.values()) or kept is not None:
            entries.append(LevelMapping(target, groups["t"], groups["x"], groups["y"], kept))
    return Mapping(tuple(entries))


def _level_names(architecture: Architecture) -> tuple[str, ...]:
    return (*(level.name for level in architecture.levels), architecture.compute.name)


def kept_tensors(memory: Memory, entry: LevelMapping) -> tuple[str, ...]:
    """Return the tensors that ``memory`` keeps under ``entry``."""
    return memory.holds if entry.keep is None else entry.keep
