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
* An instance without work in a dim of the tensor holds an empty tile; without work in another dim
  it keeps what it has. A loop turns for all instances below its memory together.

Source: derivation above; a loop walker in the tests counts the same words one by one.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import (
    AXIS,
    DIM,
    DRAIN,
    FILL,
    GROUPS,
    LEVEL,
    MAX_AXES,
    OFMAP,
    OWN,
    RAGGED,
    READ,
    SHARED,
    SLIDING,
    TEMPORAL,
    TURNS,
    UPDATE,
    Int,
)
from arraysmith.sim.analytical.groups import group_offsets, grouped_slide, shared_loops
from arraysmith.sim.analytical.runs import uneven_slide
from arraysmith.sim.analytical.slides import slide
from arraysmith.sim.analytical.tally import tally

MULTICAST, REDUCTION = 0, 2
"""Flags of a network."""


@njit(cache=True, nogil=True)
def _own_loops(slides: Int, t: int, loops: int, nest: Int, uneven: int) -> int:
    """Note the loops of every sliding axis of tensor ``t``; return the number of axes."""
    found = 0
    while found < MAX_AXES and slides[t, found, 0] >= 0:
        first, second = slides[t, found, 0], slides[t, found, 1]
        count = 0
        for s in range(loops):
            if nest[DIM, s] == first or nest[DIM, s] == second:
                count += 1
                nest[OWN + found, count] = s
        nest[OWN + found, 0] = count
        nest[RAGGED, found] = (uneven >> first | uneven >> second) & 1
        found += 1
    return found


@njit(cache=True, nogil=True)
def _share(
    slides: Int,
    network: Int,
    nest: Int,
    t: int,
    parent: int,
    above: int,
    grouped: bool,
    sliding: int,
    offsets: Int,
) -> bool:
    """Find which instances share tiles along the sliding axes; return whether any do."""
    any_shared = False
    for a in range(sliding):
        nest[GROUPS, a] = 1
        offsets[a, 0] = 0
        shared = shared_loops(network, nest, a, parent, above) if grouped else 0
        nest[SHARED, a] = shared
        if shared:
            any_shared = True
            if not nest[RAGGED, a]:
                nest[GROUPS, a] = group_offsets(
                    slides[t, a], network, nest, parent, above, shared, offsets[a : a + 2]
                )
    return any_shared


@njit(cache=True, nogil=True)
def _ragged(
    sizes: Int,
    slides: Int,
    network: Int,
    nest: Int,
    t: int,
    a: int,
    parent: int,
    above: int,
    cut: int,
    kept: bool,
    runs: Int,
) -> int:
    """Return the sum along sliding axis ``a`` whose tiles do not divide, see ``slides.slide``."""
    words: int
    if nest[SHARED, a]:
        words = grouped_slide(slides[t, a], network, nest, sizes, parent, above, cut, kept)
    else:
        words = uneven_slide(slides[t, a], nest, sizes, above, cut, kept, runs)
    return words


@njit(cache=True, nogil=True)
def _crossing(
    sizes: Int,
    plain: Int,
    slides: Int,
    network: Int,
    nest: Int,
    uneven: int,
    inside: Int,
    t: int,
    parent: int,
    child: int,
    above: int,
    words: int,
    turned: int,
    single: int,
    sliding: int,
    runs: Int,
    offsets: Int,
) -> int:
    """Return the words of tensor ``t`` that change below a parent over the run.

    Per transfer of one instance of the dims that divide and do not move the tensor. The MACs, child
    past the last level, keep nothing: every step takes its word anew.

    Args:
        sizes: this and the next two as in ``ProblemArrays``.
        plain: see there.
        slides: see there.
        network: flags of the fan-outs.
        nest: the loops; those from ``above`` on are at the child and inside.
        uneven: a bit per dim whose tiles do not divide, sliding axes left out.
        inside: int64 [levels + 1, 9], extent of each dim in a full tile of each level.
        t: the tensor.
        parent: level of the parent.
        child: level of the child.
        above: number of loops above the child.
        words: words of the tiles of all instances along plain axes that divide.
        turned: turns in time, of dims that divide and do not slide.
        single: a bit per level, 1 for fan-outs that serve equal tiles with one transfer.
        sliding: number of sliding axes.
        runs: room, see ``runs.uneven_slide``.
        offsets: see ``slides.slide``.
    """
    total = words * turned
    if uneven:
        for d in range(8):
            if uneven >> d & 1:
                one = 0 if plain[t, d] else single
                total *= tally(nest, d, sizes[d], above, above, plain[t, d], False, one)
    for a in range(sliding):
        if nest[RAGGED, a]:
            total *= _ragged(sizes, slides, network, nest, t, a, parent, above, above, False, runs)
        else:
            total *= slide(slides, t, a, nest, inside, child, above, above, False, offsets)
    if child == len(network):
        return total
    for j in range(above - 1, -1, -1):
        if nest[AXIS, j] != TEMPORAL:
            continue
        here = nest[DIM, j]
        role = plain[t, here]
        same = words * turned
        if role != SLIDING and not uneven >> here & 1:
            if role > 0:
                break  # this loop and all outside it bring tiles without a word of the last ones
            turned //= nest[TURNS, j]
            same -= words * turned
        if uneven:
            for d in range(8):
                if not uneven >> d & 1:
                    continue
                if plain[t, d]:
                    same *= (
                        0 if d == here else tally(nest, d, sizes[d], above, j, plain[t, d], True, 0)
                    )
                    continue
                number = tally(nest, d, sizes[d], above, j, 0, False, single)
                if d == here:
                    number -= tally(nest, d, sizes[d], above, j - 1, 0, False, single)
                same *= number
        for a in range(sliding):
            if same == 0:
                break
            if nest[RAGGED, a]:
                same *= _ragged(sizes, slides, network, nest, t, a, parent, above, j, True, runs)
            else:
                same *= slide(slides, t, a, nest, inside, child, above, j, True, offsets)
        total -= same
    return total


@njit(cache=True, nogil=True)
def count_tensor(
    sizes: Int,
    plain: Int,
    slides: Int,
    from_zero: int,
    memory_level: Int,
    keeps: Int,
    network: Int,
    t: int,
    loops: int,
    nest: Int,
    uneven: int,
    reach: Int,
    inside: Int,
    i: int,
    words: Int,
    runs: Int,
    offsets: Int,
) -> None:
    """Count a tensor of a mapping along its chain of memories.

    Args:
        sizes: this and the next two as in ``ProblemArrays``.
        plain: see there.
        slides: see there.
        from_zero: words of the results.
        memory_level: this and the next two as in ``ChainArrays``.
        keeps: see there.
        network: see there.
        t: the tensor.
        loops: number of loops.
        nest: the loops.
        uneven: a bit per dim whose tiles do not all divide.
        reach: int64 [levels + 1], number of loops above each level; of all for the MACs.
        inside: int64 [levels + 1, 9], extent of each dim in a full tile of each level.
        i: which mapping.
        words: int64 [n, memories, 3, 4], where to count.
        runs: room, see ``runs.uneven_slide``.
        offsets: room, see ``slides.slide``.
    """
    memories = len(memory_level)
    flag = REDUCTION if t == OFMAP else MULTICAST
    sliding = _own_loops(slides, t, loops, nest, uneven)
    still = 0  # dims that do not move the tensor and do not divide
    if uneven:
        for d in range(8):
            if plain[t, d] == SLIDING:
                uneven &= ~(1 << d)
            elif plain[t, d] == 0:
                still |= uneven & 1 << d
    parent, s = 0, 0
    turned, spread, instances = 1, 1, 1
    for m in range(1, memories + 1):
        at_macs = m == memories
        if not at_macs and not keeps[m, t]:
            continue
        child = len(network) if at_macs else memory_level[m]
        top, above = memory_level[parent], reach[child]
        copies, served, single = 1, 1, 0  # instances with equal tiles, transfers to them
        for lev in range(top, child):
            single |= network[lev, flag] << lev
        while s < above:
            role = plain[t, nest[DIM, s]]
            if role != SLIDING and not uneven >> nest[DIM, s] & 1:
                turns = nest[TURNS, s]
                if nest[AXIS, s] == TEMPORAL:
                    turned *= turns
                elif role:
                    spread *= turns
                else:
                    copies *= turns
                    if not single >> nest[LEVEL, s] & 1:
                        served *= turns
            s += 1
        tile = spread
        for d in range(8):
            if plain[t, d] > 0 and not uneven >> d & 1:
                tile *= plain[t, d] * (inside[child, d] - 1) + 1
        grouped = t != OFMAP
        apart = _share(slides, network, nest, t, top, above, grouped, sliding, offsets)
        sent, each, alone = 0, 0, 0
        # Once per transfer; then, where that differs in more than copies, per instance and,
        # for results, per different tile.
        for case in range(3):
            if case and (at_macs or not (still or apart)):
                break
            if case == 2 and (t != OFMAP or not still):
                break
            if case == 1 and apart:
                _share(slides, network, nest, t, top, above, False, sliding, offsets)
            serve = single if case == 0 else (0 if case == 1 else -1 << top)
            found = _crossing(
                sizes,
                plain,
                slides,
                network,
                nest,
                uneven,
                inside,
                t,
                top,
                child,
                above,
                tile,
                turned,
                serve,
                sliding,
                runs,
                offsets,
            )
            if case == 0:
                each = sent = alone = found
            elif case == 1:
                sent = found
            else:
                alone = found
        crossing = instances * served * each
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
