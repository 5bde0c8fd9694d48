"""Which instances one transfer serves, along one axis of a tensor; see ``turns``. Compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.nest.boxes import Int, clipped
from arraysmith.sim.cycle.nest.turns import (
    BASE,
    EXTENT,
    KEYS,
    LEADS,
    OF_FAMILY,
    OF_TRANSFER,
    OLD_BASE,
    OLD_EXTENT,
    find_places,
)

# Columns of a group: its family, the interval of its tile, and what all of it had of that before.
G_FAMILY, G_LOW, G_HIGH, G_OLD_LOW, G_OLD_HIGH, G_TRANSFER, G_FIRST, G_KEYS = range(8)


@njit(cache=True, nogil=True)
def set_turns(number: int, inside: Int, counts: Int, index: Int) -> None:
    """Write the turns of the loops ``inside`` that make the entry of a number; the first is fast.

    Args:
        number: of the entry.
        inside: int64 [n], numbers of loops in time.
        counts: int64 [loops in time], most turns of each.
        index: int64 [loops in time], written at these loops.
    """
    for j in inside:
        index[j] = number % counts[j]
        number //= counts[j]


@njit(cache=True, nogil=True)
def find_axis_groups(
    rows: tuple[Int, Int],
    sizes: tuple[int, int],
    child: int,
    index: Int,
    turned: int,
    modes: Int,
    by: Int,
    stored: tuple[int, int],
    many: int,
    places: tuple[Int, Int],
    groups: Int,
) -> int:
    """Write the groups of one axis, given the places of its first dim; return how many.

    Args:
        rows: loops of both dims, see ``turns.find_places``; none of the second if there is none.
        sizes: extents of both.
        child: see there.
        index: see there.
        turned: see there.
        modes: see there.
        by: int64 [2], coefficients of the dims.
        stored: first index along the axis, words stored along it.
        many: places of the first dim.
        places: of the first dim; of the second one, written.
        groups: see ``group_axis``.
    """
    first, second = places
    beside = 1
    if len(rows[1]):
        beside = find_places(rows[1], sizes[1], child, index, turned, modes, by[1], second)
    else:
        second[0] = 0
        second[0, EXTENT] = second[0, OLD_EXTENT] = 1
    count: int = group_axis(first, many, second, beside, by, stored[0], stored[1], groups)
    return count


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
