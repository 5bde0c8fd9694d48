"""Sums along the sliding axes of a tensor, by whatever module can tell them.

Equal tiles are one transfer as far as networks recognise them; which instances share is found once
per edge, see ``groups``.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import (
    DIM,
    GROUPS,
    INSIDE,
    KNOWN,
    MAX_AXES,
    OWN,
    RAGGED,
    SHARED,
    SLIDES,
    Int,
    RoomTuple,
)
from arraysmith.sim.analytical.groups import group_offsets, grouped_slide, shared_loops
from arraysmith.sim.analytical.runs import uneven_slide
from arraysmith.sim.analytical.slides import FIRST, PADDED, SECOND, WHOLE, slide


@njit(inline="always")
def own_loops(nest: Int, t: int, loops: int, uneven: int) -> int:
    """Note the loops of every sliding axis of tensor ``t``; return the number of axes."""
    found = 0
    while found < MAX_AXES and nest[SLIDES + MAX_AXES * t + found, 0] >= 0:
        first = nest[SLIDES + MAX_AXES * t + found, 0]
        second = nest[SLIDES + MAX_AXES * t + found, 1]
        count = 0
        for s in range(loops):
            d = nest[DIM, s]
            nest[OWN + found, count + 1] = s  # stays if the loop is one of them
            count += (d == first) | (d == second)
        nest[OWN + found, 0] = count
        nest[RAGGED, found] = (uneven >> first | uneven >> second) & 1
        found += 1
    return found


@njit(inline="always")
def share(
    nest: Int,
    t: int,
    parent: int,
    levels: int,
    above: int,
    grouped: bool,
    sliding: int,
    room: RoomTuple,
) -> bool:
    """Find which instances share tiles along the sliding axes; return whether any do."""
    any_shared = False
    for a in range(sliding):
        nest[SHARED, a] = shared_loops(nest, a, parent, above) if grouped else 0
        if nest[SHARED, a]:
            any_shared = True
            if not nest[RAGGED, a]:
                nest[GROUPS, a] = group_offsets(
                    nest, t, a, parent, above, levels, room[0][a : a + 2]
                )
    return any_shared


@njit(inline="always")
def all_tiles(nest: Int, t: int, a: int, child: int, above: int, room: RoomTuple) -> int:
    """Return the words of all tiles along sliding axis ``a``: their extents alone decide."""
    row = SLIDES + MAX_AXES * t + a
    long = nest[INSIDE + child, nest[row, FIRST]]
    wide = nest[INSIDE + child, nest[row, SECOND]]
    known, extents = room[1], long << 24 | wide
    slot, line = (long * 31 + wide) & KNOWN - 1, MAX_AXES * t + a
    if known[line, 0, slot] != extents:
        known[line, 0, slot] = extents
        known[line, 1, slot] = slide(nest, t, a, child, above, above, room[0][a, 0])
    words: int = known[line, 1, slot]
    return words


@njit(inline="always")
def along(
    nest: Int,
    t: int,
    a: int,
    parent: int,
    levels: int,
    child: int,
    above: int,
    cut: int,
    room: RoomTuple,
) -> int:
    """Return the sum along sliding axis ``a`` of what ``slides.slide`` sums, by transfer."""
    words: int
    if child == levels and not nest[SHARED, a]:  # every MAC by itself
        words = nest[SLIDES + MAX_AXES * t + a, WHOLE]
        return words
    if nest[RAGGED, a]:
        if nest[SHARED, a]:
            words = grouped_slide(nest, t, a, parent, levels, above, cut, room)
        else:
            words = uneven_slide(nest, t, a, above, cut, room[2])
        return words
    if cut == above and not nest[SHARED, a]:
        words = all_tiles(nest, t, a, child, above, room)
        return words
    words = slide(nest, t, a, child, above, cut, room[0][a, 0])
    if nest[SHARED, a]:
        groups = nest[GROUPS, a]
        if not nest[SLIDES + MAX_AXES * t + a, PADDED]:
            words *= groups
            return words
        for g in range(1, groups):
            words += slide(nest, t, a, child, above, cut, room[0][a, g])
    return words
