"""From descriptions to arrays: what the counting kernel reads, one structure for any problem.

A batch shares problem, architecture and kept tensors; its mappings differ in loops. Loops stand in
*slots*, outermost first, each with a fixed level and axis; a slot that a mapping does not need
turns once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout, Memory, XyBus
from arraysmith.arch.mapping import Mapping, kept_tensors, placed_loops
from arraysmith.arch.problem import DIMS, TENSORS, Problem

Int = NDArray[np.int64]

MAX_AXES = 5
"""Axes of the widest tensor (a grouped convolution's)."""

TEMPORAL, COLUMN, ROW = 0, 1, 2
"""Axis codes of a slot: in time, over mesh_x, over mesh_y."""

OFMAP = 2
"""Index of the results in ``TENSORS``."""

READ, FILL, UPDATE, DRAIN = 0, 1, 2, 3
"""Direction codes, in the order of ``sim.report``."""

ProblemTuple = tuple[Int, Int, Int, Int, Int]
"""Fields of ``ProblemArrays`` in order: what kernels take."""

ChainTuple = tuple[Int, Int, Int]
"""(memory_level, keeps, network) of ``ChainArrays``."""

NestTuple = tuple[int, Int, Int, Int, Int, Int, Int, Int]
"""The loops of one mapping that turn more than once, as the kernels read it.

(loops, level [L], axis [L], turns [L], stride [3, MAX_AXES, L], moves [3, L],
reach [3, MAX_AXES, levels + 1], tile [3, levels + 1]): ``stride`` is how far a turn moves a tensor
along an axis, ``moves`` is 1 where it moves it at all; ``reach`` the indices along an axis that the
loops at a level and inside cover, ``tile`` their product: the words of the bounding box, in which
indices in the padding have their place.
"""

AXIS_CODES = {"t": TEMPORAL, "x": COLUMN, "y": ROW}


@dataclass(frozen=True)
class ProblemArrays:
    """A problem as arrays; tensors and dims in the order of ``TENSORS`` and ``DIMS``.

    Attributes:
        axes: int64 [3], axes of each tensor.
        coef: int64 [3, MAX_AXES, 8], how far one index of each dim moves along the axis.
        extent: int64 [3, MAX_AXES], words stored along the axis.
        offset: int64 [3, MAX_AXES], minus the padding.
        words: int64 [3], footprints.
    """

    axes: Int
    coef: Int
    extent: Int
    offset: Int
    words: Int

    @classmethod
    def of(cls, problem: Problem) -> ProblemArrays:
        """Return the arrays of ``problem``."""
        axes = np.zeros(3, np.int64)
        coef = np.zeros((3, MAX_AXES, len(DIMS)), np.int64)
        extent = np.ones((3, MAX_AXES), np.int64)
        offset = np.zeros((3, MAX_AXES), np.int64)
        for t, tensor in enumerate(problem.tensors):
            axes[t] = len(tensor.axes)
            for a, axis in enumerate(tensor.axes):
                extent[t, a], offset[t, a] = axis.extent, axis.offset
                for name, coefficient in axis.terms:
                    coef[t, a, DIMS.index(name)] = coefficient
        words = np.array([tensor.words for tensor in problem.tensors], np.int64)
        return cls(axes, coef, extent, offset, words)


@dataclass(frozen=True)
class ChainArrays:
    """An architecture and a choice of kept tensors as arrays.

    Attributes:
        levels: number of levels; the MACs come after the last.
        memory_level: int64 [m], level index of each memory.
        keeps: int64 [m, 3], 1 where the memory keeps the tensor.
        network: int64 [levels, 3], per level (multicast, diagonal, reduction) flags; 0 at memories.
    """

    levels: int
    memory_level: Int
    keeps: Int
    network: Int

    @classmethod
    def of(cls, architecture: Architecture, mapping: Mapping) -> ChainArrays:
        """Return the arrays of ``architecture`` with the tensors that ``mapping`` keeps."""
        levels = architecture.levels
        memory_level = [i for i, level in enumerate(levels) if isinstance(level, Memory)]
        keeps = np.zeros((len(memory_level), 3), np.int64)
        for m, memory in enumerate(architecture.memories):
            kept = kept_tensors(memory, mapping.at(memory.name))
            keeps[m] = [tensor in kept for tensor in TENSORS]
        network = np.zeros((len(levels), 3), np.int64)
        for i, level in enumerate(levels):
            if isinstance(level, Fanout) and isinstance(level.network, XyBus):
                bus = level.network
                network[i] = (bus.multicast, bus.diagonal, bus.reduction)
        return cls(len(levels), np.array(memory_level, np.int64), keeps, network)


@dataclass(frozen=True)
class MappingArrays:
    """Loops of a batch of n mappings over L slots.

    Attributes:
        level: int64 [L], level index of each slot, never falling.
        axis: int64 [L], axis code of each slot; temporal slots of a level before spatial ones.
        dim: int64 [n, L], dim index of each loop.
        count: int64 [n, L], turns of each loop.
    """

    level: Int
    axis: Int
    dim: Int
    count: Int

    @classmethod
    def of(cls, architecture: Architecture, problem: Problem, mapping: Mapping) -> MappingArrays:
        """Return a batch of one; the mapping must be legal."""
        loops = placed_loops(architecture, problem.size, mapping)
        return cls(
            np.array([loop.level for loop in loops], np.int64),
            np.array([AXIS_CODES[loop.axis] for loop in loops], np.int64),
            np.array([[DIMS.index(loop.dim) for loop in loops]], np.int64).reshape(1, -1),
            np.array([[loop.count for loop in loops]], np.int64).reshape(1, -1),
        )
