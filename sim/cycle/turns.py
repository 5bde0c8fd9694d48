"""What a turn of a loop brings to all instances of a memory, dim by dim. Compiled, no state.

A tile is a product of intervals over the axes of its tensor, and axes have no dim in common. So the
words that a turn moves are products over axes of sums over instances, which are found here: per
axis, which interval every instance has now and which it had when it last took part; per dim that
does not move the tensor, how many instances take part.

The rules are those of ``arch.mapping`` for tiles that do not divide: an instance *waits* when a
loop in time has ended for it already, and is *absent* when a loop in space leaves nothing for it.
It then keeps what it has; absent in a dim of the tensor it holds nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import Int, clipped
from arraysmith.sim.cycle.tree import AXIS, COUNT, IN_TIME, LEVEL, NUMBER, TILE

FAMILY, ALONE, TOGETHER, BY_AXIS = -1, 0, 1, 2
"""Modes of a level: its digits tell families apart, or transfers; or those of equal tiles are one
transfer, recognised over the whole mesh, or along its rows and columns."""

WAITING, ABSENT = -1, 0
"""In place of an extent, see above."""

# Columns of a place.
BASE, EXTENT, OLD_BASE, OLD_EXTENT, OF_FAMILY, OF_TRANSFER, LEADS, KEYS = range(8)

# Columns of a group: its family, the interval of its tile, and what all of it had of that before.
G_FAMILY, G_LOW, G_HIGH, G_OLD_LOW, G_OLD_HIGH, G_TRANSFER, G_FIRST, G_KEYS = range(8)


@njit(cache=True, nogil=True)
def many_places(rows: Int, child: int) -> int:
    """Return the instances that the loops of one dim (rows of ``Tree.loops``) tell apart."""
    found = 1
    for k in range(len(rows)):
        if rows[k, LEVEL] < child and not rows[k, IN_TIME]:
            found *= rows[k, COUNT]
    return found


@njit(cache=True, nogil=True)
def find_places(
    rows: Int, size: int, child: int, index: Int, turned: int, mode: Int, by: int, out: Int
) -> int:
    """Write what every instance has of one dim; return how many instances there are.

    Args:
        rows: int64 [loops, 6], the dim's loops, see ``Tree.loops``.
        size: extent of the dim.
        child: level of the memory.
        index: int64 [loops in time], turns; zero inside ``turned``.
        turned: the loop in time that has just turned (those inside it start again); -1: the first
            turn of all.
        mode: int64 [levels, 2], mode of each level and its place among the keys.
        by: coefficient of the dim along its axis.
        out: int64 [instances, KEYS + 2 x keys], written: extent and first index now and at the last
            time when the instance took part; digits of family and of lone transfers; whether all
            other digits are zero; what recognises equal tiles.
    """
    total: int = many_places(rows, child)
    for c in range(total):
        out[c] = 0
        out[c, EXTENT] = out[c, OLD_EXTENT] = size
        out[c, LEADS] = 1
        if turned < 0:
            out[c, OLD_EXTENT] = 0
        stride, rest = total, c
        for k in range(len(rows)):
            level, tile, number = rows[k, LEVEL], rows[k, TILE], rows[k, NUMBER]
            if level >= child:
                break
            if rows[k, IN_TIME]:
                now = index[number]
                before = now
                if number == turned:
                    before = now - 1
                elif number > turned:
                    before = (out[c, OLD_EXTENT] - 1) // tile
                gone = WAITING
            else:
                stride //= rows[k, COUNT]
                now = rest // stride
                rest %= stride
                before, gone = now, ABSENT
                if mode[level, 0] == FAMILY:
                    out[c, OF_FAMILY] = out[c, OF_FAMILY] * rows[k, COUNT] + now
                elif mode[level, 0] == ALONE:
                    out[c, OF_TRANSFER] = out[c, OF_TRANSFER] * rows[k, COUNT] + now
                else:
                    if now > 0:
                        out[c, LEADS] = 0
                    column = KEYS + 2 * mode[level, 1]
                    if mode[level, 0] == BY_AXIS:
                        column += rows[k, AXIS]
                    out[c, column] += now * tile * by
            if out[c, EXTENT] > 0:
                left = out[c, EXTENT] - now * tile
                out[c, BASE] += now * tile
                out[c, EXTENT] = min(tile, left) if left > 0 else gone
            if out[c, OLD_EXTENT] > 0:
                left = out[c, OLD_EXTENT] - before * tile
                out[c, OLD_BASE] += before * tile
                out[c, OLD_EXTENT] = max(0, min(tile, left))
    return total


@njit(cache=True, nogil=True)
def leave_out_moved(
    rows: Int, size: int, child: int, index: Int, low: int, high: int, places: Int
) -> None:
    """Let instances wait for which some loop in time between two numbers turns more than once.

    Args:
        rows: see ``find_places``, as the next three.
        size: extent.
        child: level.
        index: turns.
        low: loops inside this one ...
        high: ... and outside that one.
        places: changed.
    """
    total = many_places(rows, child)
    for c in range(total):
        stride, rest, extent = total, c, size
        for k in range(len(rows)):
            if rows[k, LEVEL] >= child or extent <= 0:
                break
            tile, number = rows[k, TILE], rows[k, NUMBER]
            if rows[k, IN_TIME]:
                if low < number < high and extent > tile:
                    places[c, EXTENT] = WAITING
                turn = index[number]
            else:
                stride //= rows[k, COUNT]
                turn = rest // stride
                rest %= stride
            extent = min(tile, extent - turn * tile)


@njit(cache=True, nogil=True)
def which_group(
    groups: Int, count: int, low: int, high: int, first: Int, second: Int, stride: int
) -> int:
    """Return which of ``count`` groups has the tile of two places; ``count`` if none has.

    Args:
        groups: see ``group_axis``.
        count: how many.
        low: first index of the tile along the axis.
        high: the index behind its last one.
        first: place of the axis's first dim.
        second: place of its second one.
        stride: more than any number of a family or transfer in the second dim.
    """
    family = first[OF_FAMILY] * stride + second[OF_FAMILY]
    transfer = first[OF_TRANSFER] * stride + second[OF_TRANSFER]
    for g in range(count):
        same = groups[g, G_LOW] == low and groups[g, G_HIGH] == high
        same = same and groups[g, G_FAMILY] == family and groups[g, G_TRANSFER] == transfer
        for c in range(len(first) - KEYS):
            same = same and groups[g, G_KEYS + c] == first[KEYS + c] + second[KEYS + c]
        if same:
            return g
    return count


@njit(cache=True, nogil=True)
def group_axis(
    first: Int, many: int, second: Int, others: int, by: Int, offset: int, extent: int, out: Int
) -> int:
    """Write the groups of instances that one transfer serves, along one axis; return how many.

    A transfer brings the words of a tile that some member of its group lacks.

    Args:
        first: int64 [.., columns], places of the axis's first dim.
        many: how many.
        second: those of its second dim; one place of extent 1 if it has none.
        others: how many.
        by: int64 [2], coefficients of the dims.
        offset: first index along the axis.
        extent: words stored along it.
        out: int64 [many x others, columns], written, see ``G_FAMILY`` and the following;
            ``G_FIRST`` is the instance that it was found with, first dim major.
    """
    keys = first.shape[1] - KEYS
    several = many > 1 and others > 1  # in one dim, no two instances have the same tile
    count, stride = 0, many * others
    for i in range(many):
        if first[i, EXTENT] <= 0:
            continue
        for k in range(others):
            if second[k, EXTENT] <= 0:
                continue
            low = offset + by[0] * first[i, BASE] + by[1] * second[k, BASE]
            high = low + by[0] * (first[i, EXTENT] - 1) + by[1] * (second[k, EXTENT] - 1) + 1
            low, high = max(low, 0), min(high, extent)
            old_low = offset + by[0] * first[i, OLD_BASE] + by[1] * second[k, OLD_BASE]
            old_high = old_low
            if first[i, OLD_EXTENT] > 0 and second[k, OLD_EXTENT] > 0:
                old_high += by[0] * (first[i, OLD_EXTENT] - 1)
                old_high += by[1] * (second[k, OLD_EXTENT] - 1) + 1
            old_low, old_high = max(old_low, 0), min(old_high, extent)
            found = count
            if several:
                found = which_group(out, count, low, high, first[i], second[k], stride)
            if found < count:
                out[found, G_OLD_LOW] = max(out[found, G_OLD_LOW], old_low)
                out[found, G_OLD_HIGH] = min(out[found, G_OLD_HIGH], old_high)
                continue
            out[count, G_FAMILY] = first[i, OF_FAMILY] * stride + second[k, OF_FAMILY]
            out[count, G_TRANSFER] = first[i, OF_TRANSFER] * stride + second[k, OF_TRANSFER]
            out[count, G_LOW], out[count, G_HIGH] = low, high
            out[count, G_OLD_LOW], out[count, G_OLD_HIGH] = old_low, old_high
            out[count, G_FIRST] = i * others + k
            for c in range(keys):
                out[count, G_KEYS + c] = first[i, KEYS + c] + second[k, KEYS + c]
            count += 1
    return count


@njit(cache=True, nogil=True)
def _keep_best(pairs: Int, count: int) -> int:
    """Drop pairs that another one beats (more words, fewer known or passed on); return the rest."""
    kept = 0
    for i in range(count):
        beaten = False
        for k in range(count):
            if k == i:
                continue
            better = pairs[k, 0] >= pairs[i, 0] and pairs[k, 1] <= pairs[i, 1]
            better = better and pairs[k, 2] <= pairs[i, 2]
            equal = pairs[k, 0] == pairs[i, 0] and pairs[k, 1] == pairs[i, 1]
            equal = equal and pairs[k, 2] == pairs[i, 2]
            beaten = beaten or (better and (not equal or k < i))
        if not beaten:
            # Of those before ``i`` only beaten ones are overwritten, which beat nobody that their
            # better does not beat as well.
            pairs[kept, 0], pairs[kept, 1] = pairs[i, 0], pairs[i, 1]
            pairs[kept, 2] = pairs[i, 2]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def sum_groups(
    groups: Int, count: int, whole: bool, keeps: bool, extent: int, passed: Int, pairs: Int
) -> tuple[int, int, int, int]:
    """Return (words of all groups, of these known before, passed on, best pairs of a family).

    Args:
        groups: see ``group_axis``.
        count: how many.
        whole: whether a tile counts as known only if it did not change at all (results).
        keeps: whether anything is kept from before.
        extent: words stored along the axis.
        passed: int64 [count], words of each group that neighbours pass on along the axis.
        pairs: int64 [count, 3], written: (words, known, passed on) of every family.
    """
    families = np.empty(count, np.int64)
    made, words, known, gone = 0, 0, 0, 0
    for g in range(count):
        low, high = groups[g, G_LOW], groups[g, G_HIGH]
        here = clipped(low, high, extent)
        both = 0
        if keeps and whole:
            both = here if low == groups[g, G_OLD_LOW] and high == groups[g, G_OLD_HIGH] else 0
        elif keeps:
            both = max(0, min(high, groups[g, G_OLD_HIGH]) - max(low, groups[g, G_OLD_LOW]))
        more = passed[g] if keeps else 0
        words += here
        known += both
        gone += more
        at = made
        for f in range(made - 1, -1, -1):
            if families[f] == groups[g, G_FAMILY]:
                at = f
                break
        if at == made:
            families[made] = groups[g, G_FAMILY]
            pairs[made] = 0
            made += 1
        pairs[at, 0] += here
        pairs[at, 1] += both
        pairs[at, 2] += more
    return words, known, gone, made


@njit(cache=True, nogil=True)
def best_pairs(pairs: Int, count: int) -> int:
    """Leave each different pair once, and only those that no other beats; return how many."""
    kept = 0
    for i in range(count):
        known = False
        for k in range(kept):
            same = pairs[k, 0] == pairs[i, 0] and pairs[k, 1] == pairs[i, 1]
            known = known or (same and pairs[k, 2] == pairs[i, 2])
        if not known:
            pairs[kept, 0], pairs[kept, 1] = pairs[i, 0], pairs[i, 1]
            pairs[kept, 2] = pairs[i, 2]
            kept += 1
    left: int = _keep_best(pairs, kept)
    return left


@njit(cache=True, nogil=True)
def count_taking_part(places: Int, many: int) -> tuple[int, int]:
    """Return (transfers told apart by a dim that moves no tile, most of one family)."""
    total, most = 0, 0
    per_family = np.zeros(many, np.int64)
    for c in range(many):
        if places[c, EXTENT] <= 0 or not places[c, LEADS]:
            continue
        total += 1
        at = places[c, OF_FAMILY] % many
        per_family[at] += 1
        most = max(most, per_family[at])
    return total, most


@njit(cache=True, nogil=True)
def find_limits(loops: Int, many: Int, size: Int, index: Int, limits: Int) -> None:
    """Write how often every loop in time turns for the leading instance, given those outside it.

    Args:
        loops: see ``Tree.loops``.
        many: see ``Tree.many``.
        size: int64 [dims].
        index: int64 [loops in time], turns.
        limits: int64 [loops in time], written.
    """
    for d in range(len(size)):
        extent = size[d]
        for k in range(many[d]):
            tile = loops[d, k, TILE]
            if loops[d, k, IN_TIME]:
                number = loops[d, k, NUMBER]
                limits[number] = -(-extent // tile)
                extent = min(tile, extent - index[number] * tile)
            else:
                extent = min(tile, extent)


@njit(cache=True, nogil=True)
def _rounds(rows: Int, k: int, extent: int) -> int:
    """Return the turns of the leading instance's loops in time from row ``k`` of a dim on."""
    if k == len(rows):
        return 1
    tile = rows[k, TILE]
    if not rows[k, IN_TIME]:
        found: int = _rounds(rows, k + 1, min(tile, extent))
        return found
    turns = -(-extent // tile)
    last: int = _rounds(rows, k + 1, extent - (turns - 1) * tile)
    if turns > 1:
        last += (turns - 1) * _rounds(rows, k + 1, tile)
    return last


@njit(cache=True, nogil=True)
def count_rounds(loops: Int, many: Int, size: Int, index: Int, turned: int) -> int:
    """Return the turns of all loops in time from number ``turned`` on, given those outside."""
    total = 1
    for d in range(len(size)):
        extent = size[d]
        for k in range(many[d]):
            number, tile = loops[d, k, NUMBER], loops[d, k, TILE]
            if loops[d, k, IN_TIME]:
                if number >= turned:
                    total *= _rounds(loops[d, : many[d]], k, extent)
                    break
                extent = min(tile, extent - index[number] * tile)
            else:
                extent = min(tile, extent)
    return total


@njit(cache=True, nogil=True)
def next_turn(
    loops: Int, many: Int, size: Int, index: Int, limits: Int, last: int, ragged: bool
) -> int:
    """Turn the innermost of the first ``last`` loops in time that can; return its number.

    Loops inside it start again. -1 if all have ended. ``limits`` belong to ``index`` before and
    after; where tiles divide they never change.
    """
    for j in range(last - 1, -1, -1):
        if index[j] + 1 < limits[j]:
            index[j] += 1
            for k in range(j + 1, len(index)):
                index[k] = 0
            if ragged:
                find_limits(loops, many, size, index, limits)
            return j
    return -1
