"""Access counts in closed form, batched: one kernel for every problem and every memory chain.

For every tensor the memories that keep it form a chain from off-chip memory to the MACs. Between
neighbours of a chain, parent p and child c, the kernel counts the words that cross over a whole
run, by the rules of a named setting (``rules_default``, ``rules_timeloop``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import (
    MAX_AXES,
    OFMAP,
    TEMPORAL,
    ChainArrays,
    ChainTuple,
    Int,
    MappingArrays,
    ProblemArrays,
    ProblemTuple,
)
from arraysmith.sim.analytical.rules_default import count_operand, count_results
from arraysmith.sim.analytical.rules_timeloop import count_timeloop

SETTINGS = ("default", "timeloop")
"""Named rule sets."""


@dataclass(frozen=True)
class Counts:
    """Counts of a batch of n mappings on m memories.

    Attributes:
        words: int64 [n, m, 3, 4], words by memory, tensor and direction over all used instances.
        instances: int64 [n, m + 1], used copies of each memory; of the MACs in the last column.
        tiles: int64 [n, m, 3], words of each tensor's tile in one instance, kept or not.
        steps: int64 [n], product of all temporal turns: cycles of computing.
    """

    words: Int
    instances: Int
    tiles: Int
    steps: Int


def count(
    problem: ProblemArrays, chain: ChainArrays, mappings: MappingArrays, setting: str
) -> Counts:
    """Return the access counts of a batch of legal mappings whose tiles divide.

    Args:
        problem: the operator.
        chain: memories, networks and kept tensors.
        mappings: loops, n mappings.
        setting: one of ``SETTINGS``.
    """
    n, m = len(mappings.dim), len(chain.memory_level)
    words = np.zeros((n, m, 3, 4), np.int64)
    instances = np.ones((n, m + 1), np.int64)
    tiles = np.ones((n, m, 3), np.int64)
    steps = np.ones(n, np.int64)
    _count_batch(
        setting == "timeloop",
        (problem.axes, problem.coef, problem.extent, problem.offset, problem.words),
        (chain.memory_level, chain.keeps, chain.network),
        mappings.level,
        mappings.axis,
        mappings.dim,
        mappings.count,
        words,
        instances,
        tiles,
        steps,
    )
    return Counts(words, instances, tiles, steps)


@njit(cache=True, nogil=True)
def _count_batch(
    timeloop: bool,
    problem: ProblemTuple,
    chain: ChainTuple,
    slot_level: Int,
    slot_axis: Int,
    dims: Int,
    counts: Int,
    words: Int,
    instances: Int,
    tiles: Int,
    steps: Int,
) -> None:
    memory_level, _, network = chain
    axes, coef = problem[0], problem[1]
    slots, macs_level = len(slot_level), len(network)
    most = 1
    for i in range(len(dims)):
        instances_used = 1
        for s in range(slots):
            if slot_axis[s] != TEMPORAL:
                instances_used *= counts[i, s]
        most = max(most, instances_used)
    scratch = np.empty((2, MAX_AXES, most), np.int64)
    level = np.empty(slots, np.int64)
    axis = np.empty(slots, np.int64)
    turns = np.empty(slots, np.int64)
    stride = np.empty((3, MAX_AXES, slots), np.int64)
    moves = np.empty((3, slots), np.int64)
    reach = np.empty((3, MAX_AXES, macs_level + 1), np.int64)
    tile = np.empty((3, macs_level + 1), np.int64)
    covered = np.empty(8, np.int64)
    for i in range(len(dims)):
        loops = 0
        for s in range(slots):
            loops += counts[i, s] > 1
        covered[:] = 1
        reach[:] = 1
        at = loops
        s = slots - 1
        for lev in range(macs_level - 1, -1, -1):
            reach[:, :, lev] = reach[:, :, lev + 1]
            while s >= 0 and slot_level[s] == lev:
                count_here = counts[i, s]
                if count_here > 1:
                    at -= 1
                    d = dims[i, s]
                    level[at], axis[at], turns[at] = lev, slot_axis[s], count_here
                    for t in range(3):
                        moves[t, at] = 0
                        for a in range(axes[t]):
                            by = coef[t, a, d] * covered[d]
                            stride[t, a, at] = by
                            moves[t, at] |= by > 0
                            reach[t, a, lev] += (count_here - 1) * by
                    covered[d] *= count_here
                s -= 1
        for s in range(loops):
            if axis[s] == TEMPORAL:
                steps[i] *= turns[s]
            else:
                for m in range(len(memory_level)):
                    if level[s] < memory_level[m]:
                        instances[i, m] *= turns[s]
                instances[i, -1] *= turns[s]
        for t in range(3):
            for lev in range(macs_level + 1):
                tile[t, lev] = 1
                for a in range(axes[t]):
                    tile[t, lev] *= reach[t, a, lev]
        nest = (loops, level, axis, turns, stride, moves, reach, tile)
        for m in range(len(memory_level)):
            for t in range(3):
                tiles[i, m, t] = tile[t, memory_level[m]]
        for t in range(3):
            if timeloop:
                count_timeloop(problem, chain, nest, t, instances[i], steps[i], words[i], scratch)
            elif t == OFMAP:
                count_results(problem, chain, nest, instances[i], steps[i], words[i])
            else:
                count_operand(problem, chain, nest, t, instances[i], steps[i], words[i], scratch)
