"""The default rules: what a machine moves that keeps every word it still needs.

* The child's tile is the bounding box of the tensor over all loops at the child and inside, of the
  indices that are there: the last tile of a dim is as long as what is left.
* Whenever temporal loop j above the child turns, the loops inside it wrap. The words fetched are
  those of the new box that the old box had not. Boxes are products over axes and a loop moves one
  axis of a tensor, so the sum over all turns of j is a product over axes: once of the words of the
  new boxes, less once of those shared with the old ones. The first products add up, over all j, to
  the words of all tiles. The second ones vanish once a loop inside j moves a plain axis: only the
  innermost loops are looked at.
* One transfer serves all children with the same tile (per ``XyBus``), each word that one of them
  lacks once.
* Partial sums: an epoch is a run of steps with one output tile. At its end all children that had
  work drain their tile, the network adds equal tiles, the parent is updated; when an output tile
  comes back its partial sums are read from the parent, the first time it starts from zero.
* The MACs hold no operand: every MAC reads its operands, none for padding.
* Where neighbours pass words of the ifmap on, words that one of them held before do not come from
  the parent: ``forwarding``.
* An instance without work in a dim of the tensor holds an empty tile; without work in another dim
  it keeps what it has. A loop turns for all instances below its memory together.

Source: derivation above; a loop walker in the tests counts the same words one by one.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.along import along, own_loops, share
from arraysmith.sim.analytical.encoding import (
    AXIS,
    DIM,
    DRAIN,
    FILL,
    IFMAP,
    INSIDE,
    KEEPS,
    LEVEL,
    MEMORIES,
    NETWORK,
    OFMAP,
    PASSES,
    PLAIN,
    REACH,
    READ,
    SLIDING,
    TEMPORAL,
    TURNED,
    TURNS,
    UPDATE,
    Int,
    RoomTuple,
)
from arraysmith.sim.analytical.forwarding import find_links, passed_words
from arraysmith.sim.analytical.tally import tally, tally_uneven

MULTICAST, REDUCTION = 0, 2
"""Flags of a network."""


@njit(inline="always")
def _crossing(
    nest: Int,
    uneven: int,
    t: int,
    parent: int,
    child: int,
    levels: int,
    above: int,
    words: int,
    turned: int,
    single: int,
    sliding: int,
    room: RoomTuple,
) -> int:
    """Return the words of tensor ``t`` that change below a parent over the run.

    Per transfer of one instance of the dims that divide and do not move the tensor. The MACs, child
    past the last level, keep nothing: every step takes its word anew.

    Args:
        nest: the mapping; loops from ``above`` on are at the child and inside.
        uneven: a bit per dim whose tiles do not divide, sliding axes left out.
        t: the tensor.
        parent: level of the parent.
        child: level of the child.
        levels: number of levels.
        above: number of loops above the child.
        words: words of the tiles of all instances along plain axes that divide.
        turned: turns in time, of dims that divide and do not slide.
        single: a bit per level, 1 for fan-outs that serve equal tiles with one transfer.
        sliding: number of sliding axes.
        room: see ``encoding``.
    """
    total = words * turned
    if uneven:
        for d in range(8):
            if uneven >> d & 1:
                role = nest[PLAIN + t, d]
                total *= tally(nest, d, above, above, role, single)
    for a in range(sliding):
        total *= along(nest, t, a, parent, levels, child, above, above, room)
    if child == levels:
        return total
    for j in range(above - 1, -1, -1):
        if nest[AXIS, j] != TEMPORAL:
            continue
        here = nest[DIM, j]
        role = nest[PLAIN + t, here]
        same = words * turned
        if role != SLIDING and not uneven >> here & 1:
            if role > 0:
                break  # this loop and all outside it bring tiles without a word of the last ones
            turned = nest[TURNED, j]
            same -= words * turned
        if uneven:
            same *= tally_uneven(nest, uneven, t, above, j, single)
        for a in range(sliding):
            if same == 0:
                break
            same *= along(nest, t, a, parent, levels, child, above, j, room)
        total -= same
    return total


@njit(inline="always")
def count_tensor(
    nest: Int,
    t: int,
    memories: int,
    levels: int,
    loops: int,
    uneven: int,
    from_zero: int,
    i: int,
    words: Int,
    room: RoomTuple,
) -> None:
    """Count a tensor of a mapping along its chain of memories.

    Args:
        nest: the mapping.
        t: the tensor.
        memories: number of memories.
        levels: number of levels.
        loops: number of loops.
        uneven: a bit per dim whose tiles do not all divide.
        from_zero: words of the results.
        i: which mapping.
        words: int64 [n, memories, 3, 4], where to count.
        room: see ``encoding``.
    """
    flag = REDUCTION if t == OFMAP else MULTICAST
    sliding = own_loops(nest, t, loops, uneven)
    still = 0  # dims that do not move the tensor and do not divide
    if uneven:
        for d in range(8):
            if nest[PLAIN + t, d] == SLIDING:
                uneven &= ~(1 << d)
            elif nest[PLAIN + t, d] == 0:
                still |= uneven & 1 << d
    parent, s = 0, 0
    turned, spread, instances = 1, 1, 1
    for m in range(1, memories + 1):
        at_macs = m == memories
        if not at_macs and not nest[KEEPS + t, m]:
            continue
        child, top = nest[MEMORIES, m], nest[MEMORIES, parent]
        above = nest[REACH, child]
        copies, served, single = 1, 1, 0  # instances with equal tiles, transfers to them
        for lev in range(top, child):
            single |= nest[NETWORK + flag, lev] << lev
        while s < above:
            # Factors of 1 rather than branches, which nobody can foresee.
            d = nest[DIM, s]
            role, turns = nest[PLAIN + t, d], nest[TURNS, s]
            turns = 1 if (role == SLIDING) | (uneven >> d & 1) else turns
            in_time = nest[AXIS, s] == TEMPORAL
            nest[TURNED, s] = turned
            turned *= turns if in_time else 1
            side = 1 if in_time else turns
            copy = 1 if role else side
            spread *= side if role else 1
            copies *= copy
            served *= 1 if single >> nest[LEVEL, s] & 1 else copy
            s += 1
        tile = spread
        for d in range(8):
            role = nest[PLAIN + t, d]
            if role > 0 and not uneven >> d & 1:
                tile *= role * (nest[INSIDE + child, d] - 1) + 1
        apart = False
        if sliding and t != OFMAP:
            apart = share(nest, t, top, levels, above, single != 0, sliding, room)
        sent, each, alone = 0, 0, 0
        # Once per transfer; then, where that differs in more than copies, per instance and,
        # for results, per different tile.
        for case in range(3):
            if case and (at_macs or not (still or apart)):
                break
            if case == 2 and (t != OFMAP or not still):
                break
            if case == 1 and apart:
                apart = share(nest, t, top, levels, above, False, sliding, room)
            serve = single if case == 0 else (0 if case == 1 else -1 << top)
            found = _crossing(
                nest,
                uneven,
                t,
                top,
                child,
                levels,
                above,
                tile,
                turned,
                serve,
                sliding,
                room,
            )
            if case == 0:
                each = sent = alone = found
            elif case == 1:
                sent = found
            else:
                alone = found
        crossing = instances * served * each
        if t == IFMAP and nest[NETWORK + PASSES, levels] and not at_macs:
            if find_links(nest, top, child, above, room[6]):
                apart = share(nest, t, top, levels, above, single != 0, sliding, room)
                found = passed_words(
                    nest, uneven, t, top, child, levels, above, tile, turned, single, sliding, room
                )
                crossing -= instances * served * found
                if still or apart:
                    share(nest, t, top, levels, above, False, sliding, room)
                    found = passed_words(
                        nest, uneven, t, top, child, levels, above, tile, turned, 0, sliding, room
                    )
                words[i, m, t, DRAIN] = instances * copies * found
            else:
                words[i, m, t, DRAIN] = 0
        if t != OFMAP:
            words[i, parent, t, READ] = crossing
            if not at_macs:
                words[i, m, t, FILL] = instances * copies * sent
        else:
            words[i, parent, t, UPDATE] = crossing
            words[i, parent, t, READ] = crossing - from_zero
            if not at_macs:
                # What the parent reads only to add to an unreduced arrival does not go down.
                words[i, m, t, FILL] = instances * alone - from_zero
                words[i, m, t, DRAIN] = instances * copies * sent
                from_zero = words[i, m, t, DRAIN] - words[i, m, t, FILL]
        instances *= copies
        parent = m
