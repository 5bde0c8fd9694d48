"""The rules of Timeloop v2.0, for people who compare with it.

* Loops above the child are visited at two indices, 0 and 1, with weights 1 and turns - 1; a move
  fetches a full tile unless it repeats the move before, when it fetches the part that is new.
* Equal tiles share a transfer per fan-out.
* Partial sums: every epoch fills the child, also the first, and draining it is not counted.
* Padding counts as words.

Defects this reproduces on purpose: halo reuse is lost whenever an irrelevant loop turns inside a
sliding one; the first epoch's fills are charged though nothing is read.

Source: the tool's behaviour, measured; the shipped reference numbers hold 78 mappings.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import (
    AXIS,
    FILL,
    LEVEL,
    OFMAP,
    READ,
    TEMPORAL,
    TURNS,
    UPDATE,
    BoxTuple,
    ChainTuple,
    Int,
    ProblemTuple,
)
from arraysmith.sim.analytical.sharing import tile_groups


@njit(cache=True, nogil=True, _nrt=False)
def moves_of(axes: int, loops: int, nest: Int, boxes: BoxTuple, t: int, child: int) -> int:
    """Return the words of tensor ``t``, of ``axes`` axes, that one child instance takes.

    Take the innermost loop n above the child: every turn of n after its first fetches what n's own
    move brings anew; every wrap of n comes with a turn of some outer loop j, and fetches a full
    tile unless j's move equals n's.
    """
    level, axis, turns = nest[LEVEL], nest[AXIS], nest[TURNS]
    stride, _, reach, tiles = boxes
    tile: int = tiles[t, child]
    last = -1
    others = 1  # turns of all loops but the innermost
    for s in range(loops):
        if axis[s] == TEMPORAL and level[s] < child:
            if last >= 0:
                others *= turns[last]
            last = s
    if last < 0:
        return tile
    kept = 1
    for a in range(axes):
        kept *= max(0, reach[t, a, child] - stride[t, a, last])
    fresh = tile - kept
    words: int = others * (turns[last] - 1) * fresh + tile
    outer = 1
    for j in range(last):
        if axis[j] != TEMPORAL or level[j] >= child:
            continue
        repeats = True
        for a in range(axes):
            move = stride[t, a, j] - stride[t, a, last]
            for s in range(j + 1, last + 1):
                if axis[s] == TEMPORAL and level[s] < child:
                    move -= stride[t, a, s]
            if move != 0:
                repeats = False
                break
        words += outer * (turns[j] - 1) * (fresh if repeats else tile)
        outer *= turns[j]
    return words


@njit(cache=True, nogil=True, _nrt=False)
def count_timeloop(
    problem: ProblemTuple,
    chain: ChainTuple,
    loops: int,
    nest: Int,
    boxes: BoxTuple,
    t: int,
    instances: Int,
    steps: int,
    words: Int,
    scratch: Int,
) -> None:
    """Count a tensor along its chain; ``words`` [memories, 3, 4] is filled in."""
    memory_level, keeps, network = chain
    level, axis, turns = nest[LEVEL], nest[AXIS], nest[TURNS]
    moves = boxes[1]
    axes = problem[0][t]
    parent = 0
    for m in range(1, len(memory_level) + 1):
        at_macs = m == len(memory_level)
        if not at_macs and not keeps[m, t]:
            continue
        child = len(network) if at_macs else memory_level[m]
        taken = steps if at_macs else moves_of(axes, loops, nest, boxes, t, child)
        crossing = instances[parent] * taken
        above = memory_level[parent]
        crossing *= tile_groups(axes, network, loops, nest, boxes, t, above, child, scratch)
        if t == OFMAP:
            # words of the tensor that one parent instance sees: spatial loops above share them out
            shares = 1
            for s in range(loops):
                spatial_above = axis[s] != TEMPORAL and level[s] < memory_level[parent]
                if spatial_above and moves[t, s]:
                    shares *= turns[s]
            words[parent, t, UPDATE] = crossing
            words[parent, t, READ] = crossing - instances[parent] * (problem[4][t] // shares)
        else:
            words[parent, t, READ] = crossing
        if not at_macs:
            words[m, t, FILL] = instances[m] * taken
            parent = m
