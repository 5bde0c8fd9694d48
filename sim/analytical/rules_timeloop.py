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

from arraysmith.sim.analytical.boxes import axis_reach, coefficient, relevant, tile_words
from arraysmith.sim.analytical.encoding import (
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
from arraysmith.sim.analytical.sharing import mesh_offsets


@njit(cache=True, nogil=True)
def moves_of(problem: ProblemTuple, nest: NestTuple, t: int, child: int, tile: int) -> int:
    """Return the words of tensor ``t`` that one child instance takes, by the timeloop rules.

    Take the innermost loop n above the child: every turn of n after its first fetches what n's own
    move brings anew; every wrap of n comes with a turn of some outer loop j, and fetches a full
    tile unless j's move equals n's.
    """
    level, axis, dim, turns, step, inner = nest
    axes, axis_dim, axis_coef, _, _, _ = problem
    last = -1
    others = 1  # turns of all loops but the innermost
    for s in range(len(level)):
        if axis[s] == TEMPORAL and level[s] < child and turns[s] > 1:
            if last >= 0:
                others *= turns[last]
            last = s
    if last < 0:
        return tile
    kept = 1
    for a in range(axes[t]):
        move = coefficient(axis_dim[t, a], axis_coef[t, a], dim[last]) * step[last]
        kept *= max(0, axis_reach(axis_dim[t, a], axis_coef[t, a], inner[child]) - abs(move))
    fresh = tile - kept
    moves: int = others * (turns[last] - 1) * fresh + tile
    outer = 1
    for j in range(last):
        if axis[j] != TEMPORAL or level[j] >= child or turns[j] == 1:
            continue
        repeats = True
        for a in range(axes[t]):
            dims, coefs = axis_dim[t, a], axis_coef[t, a]
            move = coefficient(dims, coefs, dim[j]) * step[j]
            for s in range(j + 1, last + 1):
                if axis[s] == TEMPORAL and level[s] < child and turns[s] > 1:
                    move -= coefficient(dims, coefs, dim[s]) * step[s]
            if move != coefficient(dims, coefs, dim[last]) * step[last]:
                repeats = False
        moves += outer * (turns[j] - 1) * (fresh if repeats else tile)
        outer *= turns[j]
    return moves


@njit(cache=True, nogil=True)
def count_timeloop(
    problem: ProblemTuple,
    chain: ChainTuple,
    nest: NestTuple,
    t: int,
    instances: Int,
    steps: int,
    words: Int,
    scratch: Int,
) -> None:
    """Count a tensor along its chain by the timeloop rules."""
    memory_level, keeps, network = chain
    level, axis, dim, turns, _, inner = nest
    parent = 0
    for m in range(1, len(memory_level) + 1):
        at_macs = m == len(memory_level)
        if not at_macs and not keeps[m, t]:
            continue
        child = len(network) if at_macs else memory_level[m]
        tile = tile_words(problem, t, inner[child])
        moves = steps if at_macs else moves_of(problem, nest, t, child, tile)
        crossing = instances[parent] * moves
        for lev in range(memory_level[parent], child):
            for a in range(problem[0][t]):
                scratch[0, a, 0] = 0
                crossing *= mesh_offsets(
                    problem, network, nest, t, a, lev, True, scratch[0, a], 1, scratch[1, 0]
                )
            for s in range(len(level)):
                alone = level[s] == lev and not network[lev, 0] and axis[s] != TEMPORAL
                if alone and not relevant(problem, t, dim[s]):
                    crossing *= turns[s]
        if t == OFMAP:
            # words of the tensor that one parent instance sees: spatial loops above share them out
            shares = 1
            for s in range(len(level)):
                spatial_above = axis[s] != TEMPORAL and level[s] < memory_level[parent]
                if spatial_above and relevant(problem, t, dim[s]):
                    shares *= turns[s]
            words[parent, t, UPDATE] = crossing
            words[parent, t, READ] = crossing - instances[parent] * (problem[5][t] // shares)
        else:
            words[parent, t, READ] = crossing
        if not at_macs:
            words[m, t, FILL] = instances[m] * moves
            parent = m
