"""A mapped problem on a chain of memories and fan-outs: loops and edges as arrays.

An *edge* is one tensor between two neighbouring memories that keep it, parent and child; the
multiply-accumulate units are the last child. Over an edge the child's tile is brought (and taken
back, for results) whenever a loop in time above the child turns that moves the tile.

Every instance of a memory is told from the others by its place in the loops in space above it, dim
by dim (its *digits*). The instance of digits zero has the longest tiles and leads: it has work
whenever any other has. All instances work in lock step with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout, FlitWiring, Memory, XyBus
from arraysmith.arch.architecture import Tree as TreeNetwork
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.legality import division_violations
from arraysmith.arch.mapping import Mapping, PlacedLoop, kept_tensors, placed_loops
from arraysmith.arch.problem import DIMS, TENSORS, Problem
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.routed import require_networks

I, W, O = range(3)  # noqa: E741 - named as in every formula of the field; positions in TENSORS
"""Tensor codes: ifmap, weight, ofmap."""

# Columns of ``Tree.loops``.
IN_TIME, NUMBER, TILE, LEVEL, COUNT, AXIS = range(6)


Flags = NDArray[np.bool_]


def require_buses(architecture: Architecture) -> Architecture:
    """Return the design, or refuse one whose networks are not between a memory and children.

    Raises:
        UnsupportedDesignError: a systolic array, or arrays side by side.
        InputError: a routed network that cannot do what the design says.
    """
    for fanout in architecture.fanouts:
        if fanout.bus is None:
            raise UnsupportedDesignError(
                f"{fanout.name}: its network must be X and Y buses, trees, routed or wireless"
            )
    require_networks(architecture)
    return architecture


@dataclass(frozen=True, slots=True)
class Edge:
    """One tensor between two neighbouring memories that keep it.

    Attributes:
        tensor: tensor code.
        parent: index of the parent's level.
        child: index of the child's level; one past the MACs' own for the MACs, so that loops at the
            MACs are outside of their word.
        fanouts: indices of the levels of the fan-outs between them, outermost first.
        at_macs: whether the child is the MACs, which keep nothing.
        above: loops in time above the child; they are the first ones.
        depth: of these, loops down to the innermost that moves the tile; all at the MACs.
        again: loops in time a later turn of which comes back to result tiles of before, each with
            the memory above that held them in between: 0 the parent, 1 the next one above that
            keeps the results, and so on.
    """

    tensor: int
    parent: int
    child: int
    fanouts: tuple[int, ...]
    at_macs: bool
    above: int
    depth: int
    again: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Tree:
    """The loops of a legal mapping and the edges that its tensors cross.

    Attributes:
        architecture: the design.
        problem: the operator.
        mapping: its loops.
        size: int64 [dims], extent of each dim.
        time: loops in time that turn more than once, outermost first.
        space: loops in space that turn more than once, outermost first.
        loops: int64 [dims, most, 6], per dim its loops in time and space, outermost first: whether
            in time, its number among those of its kind, tile, level, count, axis (0 x, 1 y).
        many: int64 [dims], how many loops each dim has.
        keepers: per tensor, indices of the levels that keep it, outermost first.
        edges: per tensor outermost first: ifmap, weight, ofmap. Edges from a memory straight to
            MACs are left out: those MACs take their words in the cycle in which they use them.
    """

    architecture: Architecture
    problem: Problem
    mapping: Mapping
    size: Int
    time: tuple[PlacedLoop, ...]
    space: tuple[PlacedLoop, ...]
    loops: Int
    many: Int
    keepers: tuple[tuple[int, ...], ...]
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, architecture: Architecture, problem: Problem, mapping: Mapping) -> Tree:
        """Return the tree of a legal mapping.

        Raises:
            UnsupportedDesignError, InputError: see ``require_buses``.
        """
        require_buses(architecture)
        placed = [x for x in placed_loops(architecture, problem.size, mapping) if x.count > 1]
        time = tuple(x for x in placed if x.axis == "t")
        space = tuple(x for x in placed if x.axis != "t")
        mine = [[x for x in placed if x.dim == dim] for dim in DIMS]
        loops = np.zeros((len(DIMS), max(1, *map(len, mine)), 6), np.int64)
        for d, rows in enumerate(mine):
            for k, x in enumerate(rows):
                kind = time if x.axis == "t" else space
                number = next(n for n, y in enumerate(kind) if y is x)
                loops[d, k] = (x.axis == "t", number, x.tile, x.level, x.count, x.axis == "y")
        keepers = tuple(
            tuple(
                i
                for i, level in enumerate(architecture.levels)
                if isinstance(level, Memory) and name in kept_tensors(level, mapping.at(level.name))
            )
            for name in TENSORS
        )
        macs = len(architecture.levels) + 1
        edges = []
        for t, row in enumerate(keepers):
            for parent, child in pairwise([*row, macs]):
                between = tuple(
                    i
                    for i in range(parent, min(child, macs - 1))
                    if isinstance(architecture.levels[i], Fanout)
                )
                if parent == 0 or child < macs or between:
                    edges.append(_edge(problem, time, t, row, parent, child, between, macs))
        return cls(
            architecture,
            problem,
            mapping,
            np.array(problem.sizes, np.int64),
            time,
            space,
            loops,
            np.array([len(rows) for rows in mine], np.int64),
            keepers,
            tuple(edges),
        )

    @property
    def counts(self) -> Int:
        """Int64 [loops in time]: most turns of each."""
        return np.array([x.count for x in self.time], np.int64)

    @property
    def phase_loops(self) -> int:
        """Loops in time down to the innermost that moves a tile over the off-chip border."""
        return max(edge.depth for edge in self.edges if edge.parent == 0)

    @property
    def step_loops(self) -> int:
        """Loops in time down to the innermost that moves a tile over any edge."""
        return max(edge.depth for edge in self.edges)

    @property
    def ragged(self) -> bool:
        """Whether some tile does not divide the one around it."""
        return bool(division_violations(self.architecture, self.problem, self.mapping))

    def depth(self, tensor: int, level: int) -> int:
        """Return how many loops in time there are down to the innermost that moves a tile."""
        return _depth(self.time, self.problem.tensors[tensor].dims, level)

    @property
    def instances(self) -> int:
        """MACs at work."""
        return prod(x.count for x in self.space)

    def keepers_above(self, edge: Edge) -> list[int]:
        """Return the levels that keep an edge's tensor above its child, innermost first."""
        return [level for level in reversed(self.keepers[edge.tensor]) if level <= edge.parent]

    def copies(self, level: int) -> int:
        """Return the instances of the level that take part."""
        return prod(x.count for x in self.space if x.level < level)

    def memory(self, level: int) -> Memory:
        """Return the memory at a level."""
        found = self.architecture.levels[level]
        assert isinstance(found, Memory)
        return found

    def bus(self, level: int) -> XyBus:
        """Return what the network of the fan-out at a level counts like."""
        found = self.architecture.levels[level]
        assert isinstance(found, Fanout)
        assert found.bus is not None
        return found.bus

    def network(self, level: int) -> XyBus | TreeNetwork | FlitWiring:
        """Return the network of the fan-out at a level."""
        found = self.architecture.levels[level]
        assert isinstance(found, Fanout)
        assert isinstance(found.network, XyBus | TreeNetwork | FlitWiring)
        return found.network


def _edge(
    problem: Problem,
    time: tuple[PlacedLoop, ...],
    t: int,
    keepers: tuple[int, ...],
    parent: int,
    child: int,
    fanouts: tuple[int, ...],
    macs: int,
) -> Edge:
    dims = problem.tensors[t].dims
    above = sum(x.level < child for x in time)
    at_macs = child == macs
    depth = above if at_macs else _depth(time, dims, child)
    again = []
    for j in range(depth if t == O else 0):
        if time[j].dim not in dims:
            # Memories up from the parent whose own tile has moved in between.
            left = [level for level in keepers if level <= parent and j < _depth(time, dims, level)]
            again.append((j, len(left)))
    return Edge(t, parent, child, fanouts, at_macs, above, depth, tuple(again))


def _depth(time: tuple[PlacedLoop, ...], dims: frozenset[str], level: int) -> int:
    """Return how many loops there are down to the innermost that moves the tile at a level."""
    moving = [j for j, x in enumerate(time) if x.level < level and x.dim in dims]
    return max(moving, default=-1) + 1
