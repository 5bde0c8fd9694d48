"""The default rules: what a machine moves that keeps every word it still needs.

* The child's tile is the bounding box of the tensor over all loops at the child and inside.
* Whenever temporal loop j above the child turns, the loops inside it wrap, and the tile moves by
  t = step(j) - sum over inner l of (turns(l) - 1) step(l), per axis. The words fetched are those of
  the new box that the old box had not. Boxes are products over axes and every loop moves one axis
  of a tensor, so the sum over all turns is a product over axes of sums over that axis' loops; an
  axis with padding is summed position by position, so that padding is never fetched.
* One transfer serves all children with the same tile (per ``XyBus``).
* Partial sums: an epoch is a run of steps with one output tile. At its end all children drain their
  tile, the network adds equal tiles, the parent is updated; when an output tile comes back its
  partial sums are read from the parent, the first time it starts from zero.
* The MACs hold no operand: every MAC reads its operands, none for padding.

Source: derivation above; a loop walker in the tests counts the same words one by one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.boxes import axis_sums
from arraysmith.sim.analytical.encoding import (
    DRAIN,
    FILL,
    OFMAP,
    READ,
    TEMPORAL,
    UPDATE,
    ChainTuple,
    Int,
    NestTuple,
    ProblemTuple,
)
from arraysmith.sim.analytical.sharing import copies, result_groups, spread, tile_groups


@njit(cache=True, nogil=True)
def _transfers(
    problem: ProblemTuple,
    network: Int,
    nest: NestTuple,
    t: int,
    parent: int,
    child: int,
    grouped: bool,
    scratch: Int,
) -> int:
    """Return the words of tensor ``t`` that cross from parent to child over the run.

    Counted once per transfer if ``grouped``, once per child instance otherwise. The MACs (child
    past the last level) keep nothing: every step takes its word anew.
    """
    loops, level, axis, turns, _, moves, _, _ = nest
    axes = problem[0][t]
    sizes = np.empty(axes, np.int64)
    for a in range(axes):
        sizes[a] = spread(network, nest, t, a, parent, child, grouped, scratch[0, a], scratch[1, 0])
    same = copies(network, nest, t, parent, child, grouped)
    keeps_nothing = child == len(network)
    total = 0
    for j in range(-2, loops):
        if (j == -2) != keeps_nothing:
            continue
        if j >= 0 and (axis[j] != TEMPORAL or level[j] >= child):
            continue
        repeats = same
        for s in range(loops):
            if axis[s] != TEMPORAL or level[s] >= child or moves[t, s]:
                continue
            if j == -2 or s < j:
                repeats *= turns[s]
            elif s == j:
                repeats *= turns[s] - 1
        new, shared = 1, 1
        for a in range(axes):
            words, kept = axis_sums(problem, nest, t, a, child, j, scratch[0, a], sizes[a])
            new *= words
            shared *= kept
        total += repeats * (new - shared if j >= 0 else new)
    return total


@njit(cache=True, nogil=True)
def _fresh_words(axes: int, nest: NestTuple, t: int, child: int) -> int:
    """Return the words of a tensor without padding that one child instance takes over the run."""
    loops, level, axis, turns, stride, _, reach, tiles = nest
    tile: int = tiles[t, child]
    total, outer = tile, 1
    for j in range(loops):
        if axis[j] != TEMPORAL or level[j] >= child:
            continue
        kept = 1
        for a in range(axes):
            move = stride[t, a, j]
            for s in range(j + 1, loops):
                if axis[s] == TEMPORAL and level[s] < child:
                    move -= (turns[s] - 1) * stride[t, a, s]
            kept *= max(0, reach[t, a, child] - abs(move))
        total += outer * (turns[j] - 1) * (tile - kept)
        outer *= turns[j]
    return total


@njit(cache=True, nogil=True)
def count_operand(
    problem: ProblemTuple,
    chain: ChainTuple,
    nest: NestTuple,
    t: int,
    instances: Int,
    steps: int,
    words: Int,
    scratch: Int,
) -> None:
    """Count an operand along its chain; ``words`` [memories, 3, 4] is filled in."""
    memory_level, keeps, network = chain
    axes = problem[0][t]
    padded = False
    for a in range(axes):
        padded = padded or problem[3][t, a] != 0
    parent = 0
    for m in range(1, len(memory_level) + 1):
        at_macs = m == len(memory_level)
        if not at_macs and not keeps[m, t]:
            continue
        child = len(network) if at_macs else memory_level[m]
        above = memory_level[parent]
        if padded:  # tiles differ in what lies in the padding: sum over all of them
            read = _transfers(problem, network, nest, t, above, child, True, scratch)
            fill = _transfers(problem, network, nest, t, above, child, False, scratch)
        else:
            each = steps if at_macs else _fresh_words(axes, nest, t, child)
            groups = tile_groups(axes, network, nest, t, above, child, scratch)
            read, fill = instances[parent] * groups * each, instances[m] * each
        words[parent, t, READ] = read
        if not at_macs:
            words[m, t, FILL] = fill
            parent = m


@njit(cache=True, nogil=True)
def _epochs(nest: NestTuple, t: int, child: int) -> int:
    """Return how often the tile of tensor ``t`` at the child is entered over the run."""
    loops, level, axis, turns, _, moves, _, _ = nest
    entered, inside = 1, 1
    for s in range(loops):
        if axis[s] == TEMPORAL and level[s] < child:
            inside *= turns[s]
            if moves[t, s]:
                entered = inside
    return entered


@njit(cache=True, nogil=True)
def count_results(
    problem: ProblemTuple,
    chain: ChainTuple,
    nest: NestTuple,
    instances: Int,
    steps: int,
    words: Int,
) -> None:
    """Count the results along their chain; ``words`` [memories, 3, 4] is filled in."""
    memory_level, keeps, network = chain
    t = OFMAP
    parent = 0
    from_zero = problem[4][t]  # words that start from zero at the parent
    for m in range(1, len(memory_level) + 1):
        at_macs = m == len(memory_level)
        if not at_macs and not keeps[m, t]:
            continue
        child = len(network) if at_macs else memory_level[m]
        epochs = steps if at_macs else _epochs(nest, t, child)
        above = memory_level[parent]
        different, arriving, sent = result_groups(network, nest, above, child)
        each = instances[parent] * epochs * nest[7][t, child]
        words[parent, t, UPDATE] = each * arriving
        words[parent, t, READ] = words[parent, t, UPDATE] - from_zero
        if not at_macs:
            # What the parent reads only to add to an unreduced arrival does not go down.
            words[m, t, FILL] = words[parent, t, READ] - each * (arriving - different)
            words[m, t, DRAIN] = each * sent
            from_zero = words[m, t, DRAIN] - words[m, t, FILL]
            parent = m
