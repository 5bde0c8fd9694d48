"""Access counts in closed form, batched: one kernel for every problem and every memory chain.

For every tensor the memories that keep it form a chain from off-chip memory to the MACs. Between
neighbours of a chain, parent p and child c, the kernel counts the words that cross over a whole
run, by the rules of a named setting (``rules_default``, ``rules_timeloop``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.sim.analytical.boxes import tile_words
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
        (problem.axes, problem.dim, problem.coef, problem.extent, problem.offset, problem.words),
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
    level: Int,
    axis: Int,
    dims: Int,
    counts: Int,
    words: Int,
    instances: Int,
    tiles: Int,
    steps: Int,
) -> None:
    memory_level, _, network = chain
    most = 1
    for i in range(len(dims)):
        spread = 1
        for s in range(len(level)):
            if axis[s] != TEMPORAL:
                spread *= counts[i, s]
        most = max(most, spread)
    scratch = np.empty((2, MAX_AXES + 1, most), np.int64)
    macs_level = len(network)
    for i in range(len(dims)):
        dim, turns = dims[i], counts[i]
        step = np.ones(len(level), np.int64)
        inner = np.ones((macs_level + 1, 8), np.int64)
        reach = np.ones(8, np.int64)
        position = len(level) - 1
        for lev in range(macs_level - 1, -1, -1):
            while position >= 0 and level[position] == lev:
                step[position] = reach[dim[position]]
                reach[dim[position]] *= turns[position]
                position -= 1
            inner[lev] = reach
        for s in range(len(level)):
            if axis[s] == TEMPORAL:
                steps[i] *= turns[s]
            else:
                for m in range(len(memory_level)):
                    if level[s] < memory_level[m]:
                        instances[i, m] *= turns[s]
                instances[i, -1] *= turns[s]
        for m in range(len(memory_level)):
            for t in range(3):
                tiles[i, m, t] = tile_words(problem, t, inner[memory_level[m]])
        nest = (level, axis, dim, turns, step, inner)
        for t in range(3):
            if timeloop:
                count_timeloop(problem, chain, nest, t, instances[i], steps[i], words[i], scratch)
            elif t == OFMAP:
                count_results(problem, chain, nest, instances[i], steps[i], words[i])
            else:
                count_operand(problem, chain, nest, t, words[i], scratch)
