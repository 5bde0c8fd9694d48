"""Access counts in closed form, batched: one kernel for every problem and every memory chain.

For every tensor the memories that keep it form a chain from off-chip memory to the MACs. Between
neighbours of a chain, parent p and child c, the kernel counts the words that cross over a whole
run, by the rules of a named setting (``rules_default``, ``rules_timeloop``).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import (
    AXIS,
    DIM,
    LEVEL,
    MAX_AXES,
    NEST_ROWS,
    OFMAP,
    TEMPORAL,
    TILE,
    TURNS,
    BoxTuple,
    ChainArrays,
    ChainTuple,
    Int,
    MappingArrays,
    ProblemArrays,
    ProblemTuple,
)
from arraysmith.sim.analytical.rules_default import count_tensor
from arraysmith.sim.analytical.rules_timeloop import count_timeloop
from arraysmith.sim.analytical.runs import RUN_ROWS
from arraysmith.sim.analytical.tally import tally

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
    problem: ProblemArrays,
    chain: ChainArrays,
    mappings: MappingArrays,
    setting: str,
    threads: int = 1,
) -> Counts:
    """Return the access counts of a batch of legal mappings.

    Room is linear in the batch: callers with many mappings bring them in chunks.

    Args:
        problem: the operator.
        chain: memories, networks and kept tensors.
        mappings: loops, n mappings. Under ``timeloop`` their tiles have to divide.
        setting: one of ``SETTINGS``.
        threads: threads to count with; they change nothing but the time.
    """
    n, m = len(mappings.dim), len(chain.memory_level)
    result = Counts(
        np.zeros((n, m, 3, 4), np.int64),
        np.ones((n, m + 1), np.int64),
        np.ones((n, m, 3), np.int64),
        np.ones(n, np.int64),
    )

    def fill(rows: slice) -> None:
        part = mappings.take(rows)
        _count_batch(
            setting == "timeloop",
            problem.kernel,
            (chain.memory_level, chain.keeps, chain.network),
            part.level,
            part.axis,
            part.dim,
            part.count,
            np.zeros((0, 0), np.int64) if part.tile is None else part.tile,
            result.words[rows],
            result.instances[rows],
            result.tiles[rows],
            result.steps[rows],
        )

    if threads == 1:
        fill(slice(0, n))
        return result
    cuts = [n * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:  # the kernel runs outside the interpreter's lock
        list(pool.map(fill, map(slice, cuts[:-1], cuts[1:])))
    return result


@njit(cache=True, nogil=True)
def _count_batch(
    timeloop: bool,
    problem: ProblemTuple,
    chain: ChainTuple,
    slot_level: Int,
    slot_axis: Int,
    dims: Int,
    counts: Int,
    slot_tiles: Int,
    words: Int,
    instances: Int,
    tiles: Int,
    steps: Int,
) -> None:
    memory_level, keeps, network = chain
    axes, coef, sizes, terms = problem[0], problem[1], problem[5], problem[8]
    slots, macs_level = len(slot_level), len(network)
    divide = len(slot_tiles) == 0
    most = 1
    for i in range(len(dims)):
        used = 1
        for s in range(slots):
            if slot_axis[s] != TEMPORAL:
                used *= counts[i, s]
        most = max(most, used)
    nest = np.zeros((NEST_ROWS, max(slots, MAX_AXES) + 1), np.int64)
    reach = np.empty(macs_level + 1, np.int64)
    inside = np.empty((macs_level + 1, 9), np.int64)
    around = np.empty(9, np.int64)
    scratch = np.empty((2, MAX_AXES, most if timeloop else 0), np.int64)
    boxes = (
        np.empty((3, MAX_AXES, slots), np.int64),
        np.empty((3, slots), np.int64),
        np.empty((3, MAX_AXES, macs_level + 1), np.int64),
        np.empty((3, macs_level + 1), np.int64),
    )
    runs = np.empty((2, 2, RUN_ROWS, sizes.max() + 1), np.int64)
    offsets = np.empty((MAX_AXES + 1, most), np.int64)
    plain, slides, footprint = problem[6], problem[7], problem[4][OFMAP]
    for i in range(len(dims)):
        # The loops that turn, outermost first, and what is left of every dim inside each level.
        loops = 0
        for s in range(slots):
            loops += counts[i, s] > 1
        at = loops
        inside[macs_level] = 1
        for s in range(slots - 1, -1, -1):
            turns = counts[i, s]
            if turns > 1:
                at -= 1
                d = dims[i, s]
                nest[LEVEL, at], nest[AXIS, at], nest[DIM, at] = slot_level[s], slot_axis[s], d
                nest[TURNS, at] = turns
                if divide:
                    nest[TILE, at] = inside[macs_level, d]
                    inside[macs_level, d] *= turns
                else:
                    nest[TILE, at] = slot_tiles[i, s]
        around[:] = sizes
        uneven = 0
        at = 0
        for lev in range(macs_level + 1):
            reach[lev] = at
            inside[lev] = around
            while at < loops and nest[LEVEL, at] == lev:
                d, tile = nest[DIM, at], nest[TILE, at]
                if not divide and around[d] % tile:
                    uneven |= 1 << d
                around[d] = tile
                at += 1
        reach[macs_level] = loops
        inside[macs_level] = 1
        for d in range(8):
            if uneven >> d & 1:
                steps[i] *= tally(nest, d, sizes[d], loops, loops, 0, False, -1)
        for s in range(loops):
            turns = nest[TURNS, s]
            if nest[AXIS, s] != TEMPORAL:
                for m in range(len(memory_level)):
                    if nest[LEVEL, s] < memory_level[m]:
                        instances[i, m] *= turns
                instances[i, len(memory_level)] *= turns
            elif not uneven >> nest[DIM, s] & 1:
                steps[i] *= turns
        for m in range(len(memory_level)):
            for t in range(3):
                held = 1
                for a in range(axes[t]):
                    long = 1
                    for k in range(2):
                        d = terms[t, a, k]
                        long += coef[t, a, d] * (inside[memory_level[m], d] - 1)
                    held *= long
                tiles[i, m, t] = held
        if timeloop:
            fill_boxes(problem, loops, nest, macs_level, boxes)
            for t in range(3):
                count_timeloop(
                    problem, chain, loops, nest, boxes, t, instances[i], steps[i], words[i], scratch
                )
            continue
        for t in range(3):
            count_tensor(
                sizes,
                plain,
                slides,
                footprint,
                memory_level,
                keeps,
                network,
                t,
                loops,
                nest,
                uneven,
                reach,
                inside,
                i,
                words,
                runs,
                offsets,
            )


@njit(cache=True, nogil=True)
def fill_boxes(
    problem: ProblemTuple, loops: int, nest: Int, macs_level: int, boxes: BoxTuple
) -> None:
    """Fill in what the loops of a nest do to every tensor; the tiles divide."""
    axes, coef = problem[0], problem[1]
    level, dim, turns, tile = nest[LEVEL], nest[DIM], nest[TURNS], nest[TILE]
    stride, moves, reach, words = boxes
    reach[:] = 1
    at = loops - 1
    for lev in range(macs_level, -1, -1):
        if lev < macs_level:
            reach[:, :, lev] = reach[:, :, lev + 1]
        while at >= 0 and level[at] == lev:
            for t in range(3):
                moves[t, at] = 0
                for a in range(axes[t]):
                    by = coef[t, a, dim[at]] * tile[at]
                    stride[t, a, at] = by
                    moves[t, at] |= by > 0
                    reach[t, a, lev] += (turns[at] - 1) * by
            at -= 1
    for t in range(3):
        for lev in range(macs_level + 1):
            words[t, lev] = 1
            for a in range(axes[t]):
                words[t, lev] *= reach[t, a, lev]
