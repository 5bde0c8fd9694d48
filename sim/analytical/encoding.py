"""From descriptions to arrays: what the counting kernel reads, one structure for any problem.

A batch shares problem, architecture and kept tensors; its mappings differ in loops. Loops stand in
*slots*, outermost first, each with a fixed level and axis; a slot that a mapping does not need
turns once.

An axis of a tensor is *plain* when one dim of more than one index moves it and it has no padding:
different tiles along it have no word in common. It *slides* when two dims move it (a window and its
tap) or when it has padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping, kept_tensors, placed_loops
from arraysmith.arch.problem import DIMS, TENSORS, Problem

Int = NDArray[np.int64]

MAX_AXES = 5
"""Axes of the widest tensor (a grouped convolution's)."""

TEMPORAL, COLUMN, ROW = 0, 1, 2
"""Axis codes of a slot: in time, over mesh_x, over mesh_y."""

IFMAP, OFMAP = 0, 2
"""Indices of the inputs and of the results in ``TENSORS``."""

READ, FILL, UPDATE, DRAIN = 0, 1, 2, 3
"""Direction codes, in the order of ``sim.report``."""

ProblemTuple = tuple[Int, Int, Int, Int, Int, Int, Int, Int, Int]
"""(axes, coef, extent, offset, words, sizes, plain, slides, terms) of ``ProblemArrays``."""

ChainTuple = tuple[Int, Int, Int]
"""(memory_level, keeps, network) of ``ChainArrays``."""

LoopsTuple = tuple[Int, Int, Int, Int, Int]
"""(level, axis, dim, count, tile) of ``MappingArrays``; no row of tiles when all of them divide."""

LEVEL, AXIS, DIM, TURNS, TILE = 0, 1, 2, 3, 4
"""Rows of a *nest* that hold the loops that turn more than once, a column each.

Outermost first: level index, axis code, dim, turns, and the indices that a turn covers. A nest is
one int64 array with all that kernels read about a mapping, because handing over several arrays
costs a kernel more than using them.
"""

OWN, SERIES, CLASSES, SHARED, GROUPS, RAGGED = 5, 10, 13, 15, 16, 17
"""Rows that kernels write.

``OWN`` + a: number of loops of sliding axis a of the tensor in hand, then their indices. ``SERIES``
(3 rows), ``CLASSES`` (2 rows): room. Per sliding axis: the loops that share tiles as bits, the
number of different offsets among them, and whether tiles of the axis do not divide.
"""

PLAIN, SLIDES, SIZES, NETWORK, MEMORIES, KEEPS = 18, 21, 36, 37, 41, 42
"""Rows that are the same for all mappings of a batch: ``ProblemArrays`` and ``ChainArrays``.

``PLAIN`` + t: role of each dim; ``SLIDES`` + MAX_AXES t + a: a sliding axis; extents of dims;
``NETWORK`` + flag: the flag of every level (and, for the MACs, ``PASSES`` of any); level of every
memory, the MACs last; ``KEEPS`` + t: the memories that keep a tensor.
"""

PASSES = 3
"""Flag of a network that holds 1 + ``Forwarding.mask`` at fan-outs, 0 at memories."""

TURNED = 45
"""Row that kernels write: turns in time of all loops outside each, as the tensor in hand sees them.
"""

REACH, INSIDE = 46, 47
"""Rows by level: the number of loops above it, all for the MACs; ``INSIDE`` + level: extent of each
dim in a full tile of the level."""

RoomTuple = tuple[Int, Int, Int, Int, Int, Int, Int]
"""Room of a batch beside the nest: kernels that are called for every mapping allocate nothing.

(offsets [MAX_AXES + 1, instances]: where along each sliding axis shared tiles lie; known
[3 MAX_AXES, 2, KNOWN]: by extents of a tile along each axis, these and the words of all such tiles,
which the same few extents ask for again and again; and, for tiles
that do not divide, runs [2, 2, RUN_ROWS, indices + 1], points [2, 2, rows, indices + 1], pairs
[rows, pairs of indices] of ``runs`` and ``groups``; tracks [2, 2, rows, indices + 1] and marks
[MARK_ROWS, words of a tile along an axis] of ``forwarding``)
"""

KNOWN = 256
"""Extents of tiles along an axis that are remembered at a time; a power of two."""

BoxTuple = tuple[Int, Int, Int, Int]
"""What the loops of a nest whose tiles divide do to every tensor, for the ``timeloop`` rules.

(stride [3, MAX_AXES, L], moves [3, L], reach [3, MAX_AXES, levels + 1], tile [3, levels + 1]):
``stride`` is how far a turn moves a tensor along an axis, ``moves`` is 1 where it moves it at all;
``reach`` the indices along an axis that the loops at a level and inside cover, ``tile`` their
product: the words of the bounding box, in which indices in the padding have their place.
"""

NO_DIM = len(DIMS)
"""Index of a dim that no loop names: the second one of a sliding axis that one dim moves."""

SLIDING = -1
"""Stands in ``ProblemArrays.plain`` for a dim of a sliding axis."""

AXIS_CODES = {"t": TEMPORAL, "x": COLUMN, "y": ROW}


@dataclass(frozen=True)
class ProblemArrays:
    """A problem as arrays; tensors and dims in the order of ``TENSORS`` and ``DIMS``.

    Attributes:
        axes: int64 [3], axes of each tensor.
        coef: int64 [3, MAX_AXES, 9], how far one index of each dim moves along the axis.
        extent: int64 [3, MAX_AXES], words stored along the axis.
        offset: int64 [3, MAX_AXES], minus the padding.
        words: int64 [3], footprints.
        sizes: int64 [9], extent of each dim, and 1 for ``NO_DIM``.
        plain: int64 [3, 8], coefficient of a dim on its plain axis; 0 for a dim that does not move
            the tensor, ``SLIDING`` for one that moves a sliding axis.
        slides: int64 [3, MAX_AXES, 8], the sliding axes: both dims (the one with more indices
            first), their coefficients, offset, extent, 1 if it has padding, and how many pairs of
            indices do not hit padding; the first dim is -1 past the last axis.
        terms: int64 [3, MAX_AXES, 2], the dims of each axis, ``NO_DIM`` in place of one too few.
    """

    axes: Int
    coef: Int
    extent: Int
    offset: Int
    words: Int
    sizes: Int
    plain: Int
    slides: Int
    terms: Int

    @classmethod
    def of(cls, problem: Problem) -> ProblemArrays:
        """Return the arrays of ``problem``."""
        axes = np.zeros(3, np.int64)
        coef = np.zeros((3, MAX_AXES, len(DIMS) + 1), np.int64)
        extent = np.ones((3, MAX_AXES), np.int64)
        offset = np.zeros((3, MAX_AXES), np.int64)
        terms = np.full((3, MAX_AXES, 2), NO_DIM, np.int64)
        for t, tensor in enumerate(problem.tensors):
            axes[t] = len(tensor.axes)
            for a, axis in enumerate(tensor.axes):
                extent[t, a], offset[t, a] = axis.extent, axis.offset
                for k, (name, coefficient) in enumerate(axis.terms):
                    terms[t, a, k] = DIMS.index(name)
                    coef[t, a, DIMS.index(name)] = coefficient
        words = np.array([tensor.words for tensor in problem.tensors], np.int64)
        sizes = np.array([*problem.sizes, 1], np.int64)
        plain, slides = _roles(problem)
        return cls(axes, coef, extent, offset, words, sizes, plain, slides, terms)

    @property
    def kernel(self) -> ProblemTuple:
        """What kernels take."""
        return (
            self.axes,
            self.coef,
            self.extent,
            self.offset,
            self.words,
            self.sizes,
            self.plain,
            self.slides,
            self.terms,
        )


def _roles(problem: Problem) -> tuple[Int, Int]:
    """Return ``plain`` and ``slides`` of a problem's ``ProblemArrays``."""
    plain = np.zeros((3, len(DIMS)), np.int64)
    slides = np.full((3, MAX_AXES, 8), -1, np.int64)
    for t, tensor in enumerate(problem.tensors):
        rows = []
        if sum(len(axis.terms) for axis in tensor.axes) > len(tensor.dims):
            raise ArraysmithError(f"{problem.name}: a dim moves two axes of {tensor.name}")
        for axis in tensor.axes:
            turning = [(DIMS.index(d), by) for d, by in axis.terms if problem.size[d] > 1]
            padded = axis.offset < 0 or axis.offset + axis.reach(problem.size) > axis.extent
            if len(turning) == 1 and not padded:
                plain[t, turning[0][0]] = turning[0][1]
            elif turning or padded:
                if len(turning) > 2 or t == OFMAP:
                    raise ArraysmithError(
                        f"{problem.name}: an axis of {tensor.name} must have at most "
                        + ("one dim and no padding" if t == OFMAP else "two dims")
                    )
                turning += [(DIMS.index(d), by) for d, by in axis.terms if problem.size[d] == 1]
                turning.sort(key=lambda x: -problem.sizes[x[0]])
                (first, by), (second, times) = [*turning, (NO_DIM, 0)][:2]
                index = axis.offset + np.add.outer(
                    by * np.arange(problem.sizes[first]),
                    times * np.arange((*problem.sizes, 1)[second]),
                )
                whole = np.count_nonzero((index >= 0) & (index < axis.extent))
                limits = (axis.offset, axis.extent, int(padded), whole)
                rows.append((first, second, by, times, *limits))
                plain[t, [d for d, _ in turning]] = SLIDING
        slides[t, : len(rows)] = np.array(rows, np.int64).reshape(len(rows), 8)
    return plain, slides


@dataclass(frozen=True)
class ChainArrays:
    """An architecture and a choice of kept tensors as arrays.

    Attributes:
        levels: number of levels; the MACs come after the last.
        memory_level: int64 [m], level index of each memory.
        keeps: int64 [m, 3], 1 where the memory keeps the tensor.
        network: int64 [levels, 4], per level (multicast, diagonal, reduction) flags and ``PASSES``;
            0 at memories.
    """

    levels: int
    memory_level: Int
    keeps: Int
    network: Int

    @property
    def kernel(self) -> ChainTuple:
        """What kernels take."""
        return self.memory_level, self.keeps, self.network

    @classmethod
    def of(cls, architecture: Architecture, mapping: Mapping) -> ChainArrays:
        """Return the arrays of ``architecture`` with the tensors that ``mapping`` keeps."""
        levels = architecture.levels
        memory_level = [i for i, level in enumerate(levels) if isinstance(level, Memory)]
        keeps = np.zeros((len(memory_level), 3), np.int64)
        for m, memory in enumerate(architecture.memories):
            kept = kept_tensors(memory, mapping.at(memory.name))
            keeps[m] = [tensor in kept for tensor in TENSORS]
        network = np.zeros((len(levels), 4), np.int64)
        for i, level in enumerate(levels):
            bus = level.bus if isinstance(level, Fanout) else None
            if bus is not None:
                links = 0 if bus.forwarding is None else bus.forwarding.mask
                network[i] = (bus.multicast, bus.diagonal, bus.reduction, 1 + links)
        return cls(len(levels), np.array(memory_level, np.int64), keeps, network)


@dataclass(frozen=True)
class MappingArrays:
    """Loops of a batch of n mappings over L slots.

    Attributes:
        level: int64 [L], level index of each slot, never falling.
        axis: int64 [L], axis code of each slot; temporal slots of a level before spatial ones.
        dim: int64 [n, L], dim index of each loop.
        count: int64 [n, L], turns of each loop.
        tile: int64 [n, L], indices that a turn of each loop covers; None when all tiles divide, so
            that a tile is the product of the turns inside it.
    """

    level: Int
    axis: Int
    dim: Int
    count: Int
    tile: Int | None = None

    @classmethod
    def of(cls, architecture: Architecture, problem: Problem, mapping: Mapping) -> MappingArrays:
        """Return a batch of one; the mapping must be legal."""
        loops = placed_loops(architecture, problem.size, mapping)
        return cls(
            np.array([loop.level for loop in loops], np.int64),
            np.array([AXIS_CODES[loop.axis] for loop in loops], np.int64),
            np.array([[DIMS.index(loop.dim) for loop in loops]], np.int64).reshape(1, -1),
            np.array([[loop.count for loop in loops]], np.int64).reshape(1, -1),
            np.array([[loop.tile for loop in loops]], np.int64).reshape(1, -1),
        )

    @property
    def kernel(self) -> LoopsTuple:
        """What kernels take."""
        tile = np.zeros((0, 0), np.int64) if self.tile is None else self.tile
        return self.level, self.axis, self.dim, self.count, tile

    def take(self, rows: slice) -> MappingArrays:
        """Return some of the mappings."""
        tile = None if self.tile is None else self.tile[rows]
        return MappingArrays(self.level, self.axis, self.dim[rows], self.count[rows], tile)
