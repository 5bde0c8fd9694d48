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
    CLASSES,
    DIM,
    INSIDE,
    KEEPS,
    KNOWN,
    LEVEL,
    MAX_AXES,
    MEMORIES,
    NETWORK,
    OFMAP,
    PASSES,
    PLAIN,
    REACH,
    SIZES,
    SLIDES,
    TEMPORAL,
    TILE,
    TURNS,
    BoxTuple,
    ChainArrays,
    ChainTuple,
    Int,
    LoopsTuple,
    MappingArrays,
    ProblemArrays,
    ProblemTuple,
    RoomTuple,
)
from arraysmith.sim.analytical.forwarding import MARK_ROWS, TRACK_ROWS
from arraysmith.sim.analytical.groups import PAIR_ROWS, POINT_ROWS
from arraysmith.sim.analytical.rules_default import count_tensor
from arraysmith.sim.analytical.rules_timeloop import count_timeloop
from arraysmith.sim.analytical.runs import RUN_ROWS
from arraysmith.sim.analytical.tally import tally

SETTINGS = ("default", "timeloop")
"""Named rule sets."""


WorkTuple = tuple[Int, Int, BoxTuple, RoomTuple]
"""(nest, scratch, boxes, room) of ``workspace``."""

CountsTuple = tuple[Int, Int, Int, Int, Int]
"""(words, instances, tiles, steps, macs) of ``Counts``."""


@dataclass(frozen=True)
class Counts:
    """Counts of a batch of n mappings on m memories.

    Attributes:
        words: int64 [n, m, 3, 4], words by memory, tensor and direction over all used instances.
        instances: int64 [n, m + 1], used copies of each memory; of the MACs in the last column.
        tiles: int64 [n, m, 3], words of each tensor's tile in one instance, kept or not.
        steps: int64 [n], steps in time of the instance with most work: cycles of computing.
        macs: int64 [n], multiply-accumulates of all instances.
    """

    words: Int
    instances: Int
    tiles: Int
    steps: Int
    macs: Int


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
        np.ones(n, np.int64),
    )

    def fill(rows: slice) -> None:
        _count_batch(
            setting == "timeloop",
            problem.kernel,
            chain.kernel,
            mappings.take(rows).kernel,
            (
                result.words[rows],
                result.instances[rows],
                result.tiles[rows],
                result.steps[rows],
                result.macs[rows],
            ),
        )

    if threads == 1:
        fill(slice(0, n))
        return result
    cuts = [n * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:  # the kernel runs outside the interpreter's lock
        list(pool.map(fill, map(slice, cuts[:-1], cuts[1:])))
    return result


@njit(cache=True, nogil=True)
def _fixed_rows(nest: Int, problem: ProblemTuple, chain: ChainTuple) -> None:
    """Fill in the rows of a nest that are the same for all mappings."""
    memory_level, keeps, network = chain
    sizes, plain, slides = problem[5], problem[6], problem[7]
    for d in range(len(sizes)):
        nest[SIZES, d] = sizes[d]
    for t in range(3):
        for d in range(plain.shape[1]):
            nest[PLAIN + t, d] = plain[t, d]
        nest[PLAIN + t, plain.shape[1]] = 0  # a slot without a dim
        for a in range(MAX_AXES):
            for k in range(8):
                nest[SLIDES + MAX_AXES * t + a, k] = slides[t, a, k]
        for m in range(len(memory_level)):
            nest[KEEPS + t, m] = keeps[m, t]
        for lev in range(len(network)):
            nest[NETWORK + t, lev] = network[lev, t]
    nest[NETWORK + PASSES, len(network)] = 0
    for lev in range(len(network)):
        nest[NETWORK + PASSES, lev] = network[lev, PASSES]
        if network[lev, PASSES] > 1:
            nest[NETWORK + PASSES, len(network)] = 1
    for m in range(len(memory_level)):
        nest[MEMORIES, m] = memory_level[m]
    nest[MEMORIES, len(memory_level)] = len(network)


@njit(inline="always")
def _read_loops(
    nest: Int, slot_level: Int, slot_axis: Int, dims: Int, counts: Int, slot_tiles: Int, i: int
) -> int:
    """Note the loops of mapping ``i`` that turn, outermost first; return how many they are."""
    divide = len(slot_tiles) == 0
    loops = 0
    for s in range(len(slot_level)):
        # What turns once is written over by the next: without a branch that nobody can foresee.
        turns = counts[i, s]
        nest[LEVEL, loops], nest[AXIS, loops] = slot_level[s], slot_axis[s]
        nest[DIM, loops], nest[TURNS, loops] = dims[i, s], turns
        if not divide:
            nest[TILE, loops] = slot_tiles[i, s]
        loops += turns > 1
    if divide:
        for d in range(8):
            nest[CLASSES, d] = 1
        for s in range(loops - 1, -1, -1):
            nest[TILE, s] = nest[CLASSES, nest[DIM, s]]
            nest[CLASSES, nest[DIM, s]] *= nest[TURNS, s]
    return loops


@njit(inline="always")
def _read_levels(nest: Int, macs: int, loops: int, instances: Int, i: int) -> int:
    """Note what is left of every dim inside each memory, and count its instances.

    Returns a bit per dim: 1 where some tile does not divide the one around it.
    """
    for d in range(9):
        nest[CLASSES, d] = nest[SIZES, d]
    uneven, used, at, memory = 0, 1, 0, 0
    for lev in range(macs + 1):
        nest[REACH, lev] = at
        if lev == nest[MEMORIES, memory]:
            for d in range(9):
                nest[INSIDE + lev, d] = nest[CLASSES, d] if lev < macs else 1
            instances[i, memory] = used
            memory += 1
        while at < loops and nest[LEVEL, at] == lev:
            d, tile = nest[DIM, at], nest[TILE, at]
            turns = nest[TURNS, at]
            uneven |= (nest[CLASSES, d] != turns * tile) << d
            nest[CLASSES, d] = tile
            used *= 1 if nest[AXIS, at] == TEMPORAL else turns
            at += 1
    nest[REACH, macs] = loops
    return uneven


@njit(cache=True, nogil=True)
def workspace(
    timeloop: bool, problem: ProblemTuple, chain: ChainTuple, batch: LoopsTuple
) -> WorkTuple:
    """Return the room in which ``count_rows`` counts the mappings of a batch."""
    _, slot_axis, _, counts, slot_tiles = batch
    macs, slots, divide = len(chain[2]), len(slot_axis), len(slot_tiles) == 0
    most = 1
    for i in range(len(counts)):
        used = 1
        for s in range(slots):
            used *= 1 if slot_axis[s] == TEMPORAL else counts[i, s]
        most = max(most, used)
    nest = np.zeros((INSIDE + macs + 1, max(slots, macs, 9) + 1), np.int64)
    _fixed_rows(nest, problem, chain)
    scratch = np.empty((2, MAX_AXES, most if timeloop else 0), np.int64)
    boxes = (
        np.empty((3, MAX_AXES, slots), np.int64),
        np.empty((3, slots), np.int64),
        np.empty((3, MAX_AXES, macs + 1), np.int64),
        np.empty((3, macs + 1), np.int64),
    )
    indices, pairs, rows = 1, 1, POINT_ROWS + 2 * macs
    passes = nest[NETWORK + PASSES, macs] > 0
    tracked, marked = 1, 1
    if passes or not divide:
        slides = problem[7]
        for t in range(3):
            for a in range(MAX_AXES):
                if slides[t, a, 0] >= 0:
                    long, wide = nest[SIZES, slides[t, a, 0]], nest[SIZES, slides[t, a, 1]]
                    indices, pairs = max(indices, long, wide), max(pairs, long * wide)
                    if passes:
                        reach = slides[t, a, 2] * long + slides[t, a, 3] * wide
                        tracked, marked = indices, max(marked, reach)
    room = (
        np.zeros((MAX_AXES + 1, most), np.int64),
        np.zeros((3 * MAX_AXES, 2, KNOWN), np.int64),
        np.empty((2, 2, RUN_ROWS, indices + 1), np.int64),
        np.empty((2, 2, rows, indices + 1), np.int64),
        np.empty((PAIR_ROWS + 2 * macs, pairs), np.int64),
        np.empty((2, 2, TRACK_ROWS + 2 * macs, tracked + 1), np.int64),
        np.empty((MARK_ROWS, marked + 16), np.int64),
    )
    return nest, scratch, boxes, room


@njit(cache=True, nogil=True)
def _count_batch(
    timeloop: bool,
    problem: ProblemTuple,
    chain: ChainTuple,
    batch: LoopsTuple,
    found: CountsTuple,
) -> None:
    work = workspace(timeloop, problem, chain, batch)
    count_rows(timeloop, problem, chain, batch, work, 0, len(batch[2]), found)


@njit(cache=True, nogil=True, _nrt=False)
def count_rows(
    timeloop: bool,
    problem: ProblemTuple,
    chain: ChainTuple,
    batch: LoopsTuple,
    work: WorkTuple,
    first: int,
    past: int,
    found: CountsTuple,
) -> None:
    """Count some mappings of a batch.

    Args:
        timeloop: whether by the rules of ``timeloop``.
        problem: the operator.
        chain: memories, networks and kept tensors.
        batch: loops of n mappings.
        work: room, see ``workspace``.
        first: the first mapping to count.
        past: past the last one.
        found: counts, whose first rows are written. Words of tensors that a memory does not keep
            are not.
    """
    axes, coef, footprint, terms = problem[0], problem[1], problem[4][OFMAP], problem[8]
    memories, macs = len(chain[0]), len(chain[2])
    slot_level, slot_axis, dims, counts, slot_tiles = batch
    words, instances, tiles, steps, macs_done = found
    nest, scratch, boxes, room = work
    for i in range(past - first):
        loops = _read_loops(nest, slot_level, slot_axis, dims, counts, slot_tiles, first + i)
        uneven = _read_levels(nest, macs, loops, instances, i)
        step, done = 1, 1
        for s in range(loops):
            turns = 1 if uneven >> nest[DIM, s] & 1 else nest[TURNS, s]
            done *= turns
            step *= turns if nest[AXIS, s] == TEMPORAL else 1
        for d in range(8):
            if uneven >> d & 1:
                step *= tally(nest, d, loops, loops, 0, -1)
                done *= tally(nest, d, loops, loops, 0, 0)
        steps[i], macs_done[i] = step, done
        for m in range(memories):
            row = INSIDE + nest[MEMORIES, m]
            for t in range(3):
                held = 1
                for a in range(axes[t]):
                    one, two = terms[t, a, 0], terms[t, a, 1]
                    long = 1 + coef[t, a, one] * (nest[row, one] - 1)
                    held *= long + coef[t, a, two] * (nest[row, two] - 1)
                tiles[i, m, t] = held
        if timeloop:
            fill_boxes(problem, loops, nest, macs, boxes)
        for t in range(3):
            if timeloop:
                count_timeloop(
                    problem, chain, loops, nest, boxes, t, instances[i], step, words[i], scratch
                )
            else:
                count_tensor(nest, t, memories, macs, loops, uneven, footprint, i, words, room)


@njit(cache=True, nogil=True, _nrt=False)
def fill_boxes(
    problem: ProblemTuple, loops: int, nest: Int, macs_level: int, boxes: BoxTuple
) -> None:
    """Fill in what the loops of a nest do to every tensor; the tiles divide."""
    axes, coef = problem[0], problem[1]
    level, dim, turns, tile = nest[LEVEL], nest[DIM], nest[TURNS], nest[TILE]
    stride, moves, reach, words = boxes
    at = loops - 1
    for lev in range(macs_level, -1, -1):
        for t in range(3):
            for a in range(axes[t]):
                reach[t, a, lev] = reach[t, a, lev + 1] if lev < macs_level else 1
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
