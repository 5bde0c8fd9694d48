"""Words that neighbours pass on, along one axis of a tensor.

A neighbour stands one turn of a loop in space further on, and that loop moves one axis: its tile
and a child's own of the turn before differ along that axis alone. So a child has a word, from
itself or from a neighbour, if the word lies in its own last tile along all axes but one, and along
that one in its own or a neighbour's. Where several children share a transfer, the parent need not
send a word that all of them have; those sets are products over axes like the tiles.

Along an axis with a group's own last intervals O (those that all of it had) and U (those that every
member had or a neighbour of it), ``passed_along`` sums what U holds of the new tile and O does not,
over all groups and turns; ``rules_default`` multiplies. Only windows and their taps (or padding)
bring neighbours the same words: tiles along any other axis have none in common.

Source: derivation above; a loop walker in the tests counts the same words one by one.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.along import along
from arraysmith.sim.analytical.encoding import (
    AXIS,
    COLUMN,
    DIM,
    LEVEL,
    MAX_AXES,
    NETWORK,
    PASSES,
    PLAIN,
    ROW,
    SHARED,
    SIZES,
    SLIDES,
    SLIDING,
    TEMPORAL,
    TILE,
    TURNED,
    TURNS,
    Int,
    RoomTuple,
)
from arraysmith.sim.analytical.groups import compare, sort_columns
from arraysmith.sim.analytical.slides import BY, EXTENT, FIRST, OFFSET, PADDED, TIMES
from arraysmith.sim.analytical.tally import tally_uneven

MOST_LINKS = 4
"""Neighbours of a child: two along columns, two along rows."""

BASE, NOW, FIXED, TRACKS = 0, 1, 2, 3
"""Rows of a tile of one dim: first index and extent; first index without the loops in space between
parent and child; then, of the child itself and of each neighbour, how far from the first index the
tile before began, and its extent, 0 if there was none; then keys as in ``groups``."""

TRACK_ROWS = TRACKS + 2 * (1 + MOST_LINKS)

GROUP, MEMBER, LINKS, MARK_ROWS = 0, 1, 2, 3
"""Rows of marks: words along the axis that a group has, that a member has; the links: how many,
then loop and step of each."""


@njit(cache=True, nogil=True, _nrt=False)
def find_links(nest: Int, parent: int, child: int, above: int, marks: Int) -> int:
    """Note over which loops the children of the fan-out right above a child pass words on.

    Args:
        nest: the mapping.
        parent: level of the memory above.
        child: level of the memory below.
        above: number of loops above the child.
        marks: ``LINKS`` is written.

    Returns:
        How many links a child has.
    """
    lev = child - 1
    while lev > parent and nest[NETWORK + PASSES, lev] == 0:  # memories beside the child
        lev -= 1
    mask = nest[NETWORK + PASSES, lev] - 1
    found = 0
    if mask > 0:
        for part in (COLUMN, ROW):
            at = -1
            for s in range(above):
                if nest[LEVEL, s] == lev and nest[AXIS, s] == part:
                    at = s
            ways = mask >> (0 if part == COLUMN else 2)
            for way in range(2):
                if at >= 0 and ways >> way & 1:
                    # Words that move to the lower one come from the higher.
                    marks[LINKS, 1 + 2 * found] = at
                    marks[LINKS, 2 + 2 * found] = 1 - 2 * way
                    found += 1
    marks[LINKS, 0] = found
    return found


@njit(cache=True, nogil=True, _nrt=False)
def _tiles(
    row: Int, which: int, nest: Int, parent: int, above: int, cut: int, levels: int,
    links: Int, room: Int,
) -> tuple[int, int]:  # fmt: skip
    """Note the tiles of one dim of an axis at every turn; return (half of ``room``, how many)."""
    d, by = row[FIRST + which], row[BY + which]
    tracks = 1 + links[0]
    rows = TRACK_ROWS + 2 * levels
    for k in range(rows):
        room[0, k, 0] = 0
    room[0, NOW, 0] = nest[SIZES, d]
    for k in range(tracks):
        room[0, TRACKS + 2 * k + 1, 0] = nest[SIZES, d]
    half, found = 0, 1
    for s in range(above):
        if nest[DIM, s] != d:
            continue
        t, lev = nest[TILE, s], nest[LEVEL, s]
        in_time = nest[AXIS, s] == TEMPORAL
        made, other = 0, 1 - half
        for c in range(found):
            for i in range(nest[TURNS, s]):
                now = room[half, NOW, c] - i * t
                if now <= 0 or (in_time and ((s > cut and i > 0) or (s == cut and i == 0))):
                    continue
                for k in range(rows):
                    room[other, k, made] = room[half, k, c]
                room[other, BASE, made] += i * t
                room[other, NOW, made] = min(now, t)
                for k in range(tracks):
                    at = TRACKS + 2 * k
                    was, before = room[half, at + 1, c], i
                    if in_time and s == cut:
                        before = i - 1
                    elif in_time and s > cut:
                        before = (was - 1) // t
                    elif not in_time and k > 0 and links[2 * k - 1] == s:
                        before = i + links[2 * k]
                    if before < 0 or was == 0:
                        room[other, at + 1, made] = 0
                        continue
                    room[other, at, made] += (before - i) * t
                    room[other, at + 1, made] = max(0, min(t, was - before * t))
                if in_time or lev < parent:
                    room[other, FIXED, made] += i * t
                else:
                    key = which
                    if nest[NETWORK, lev]:
                        key = 0 if nest[NETWORK + 1, lev] else nest[AXIS, s] - 1
                    room[other, TRACK_ROWS + 2 * lev + key, made] += i * t * by
                made += 1
        half, found = other, made
    return half, found


@njit(cache=True, nogil=True, _nrt=False)
def passed_along(
    nest: Int,
    t: int,
    axis: int,
    parent: int,
    levels: int,
    above: int,
    cut: int,
    room: RoomTuple,
) -> int:
    """Sum along a sliding axis what neighbours had of all tiles, and the children had not.

    Args:
        nest: the mapping; loops from ``above`` on are inside the tiles. ``SHARED`` tells whether
            instances share transfers along the axis.
        t: the tensor.
        axis: which of its sliding axes.
        parent: level of the parent.
        levels: number of levels.
        above: number of loops that cut the dims into the tiles.
        cut: the loop in time that turns, as for ``slides.slide``.
        room: see ``encoding``; links have been found.
    """
    row = nest[SLIDES + MAX_AXES * t + axis]
    marks, links = room[6], room[6][LINKS]
    mine = 0
    for k in range(links[0]):
        d = nest[DIM, links[1 + 2 * k]]
        mine += d == row[FIRST] or d == row[FIRST + 1]
    if mine == 0:
        return 0
    half, many = _tiles(row, 0, nest, parent, above, cut, levels, links, room[5][0])
    a = room[5][0, half]
    half, inner = _tiles(row, 1, nest, parent, above, cut, levels, links, room[5][1])
    b = room[5][1, half]
    grouped = nest[SHARED, axis] != 0
    rows = 3 + 2 * levels
    keys, order = room[4][:rows], room[4][rows]
    if grouped:
        for i in range(many * inner):
            p, r = i // inner, i % inner
            low, high = _interval(row, a, p, b, r, -1, -1)
            keys[0, i] = high - low
            keys[1, i], keys[2, i] = a[FIXED, p], b[FIXED, r]
            for k in range(2 * levels):
                keys[3 + k, i] = a[TRACK_ROWS + k, p] + b[TRACK_ROWS + k, r]
            order[i] = i
        sort_columns(order, many * inner, keys)
    total: int = 0
    kept_low, kept_high, length = 0, 0, 0
    for n in range(many * inner):
        i = order[n] if grouped else n
        p, r = i // inner, i % inner
        low, high = _interval(row, a, p, b, r, -1, -1)
        own_low, own_high = _interval(row, a, p, b, r, 0, 0)
        own_low, own_high = max(low, own_low), min(high, own_high)
        same = grouped and n > 0 and compare(keys, order[n - 1], i) == 0
        if not same:
            total += _gain(marks[GROUP], length, kept_high - kept_low)
            kept_low, kept_high, length = 0, 0, high - low
        for x in range(high - low):
            marks[MEMBER, x] = own_low <= low + x < own_high
        for k in range(1, 1 + links[0]):
            d = nest[DIM, links[2 * k - 1]]
            if d != row[FIRST] and d != row[FIRST + 1]:
                continue
            first = k if d == row[FIRST] else 0
            begin, end = _interval(row, a, p, b, r, first, k - first)
            for x in range(max(begin, low) - low, min(end, high) - low):
                marks[MEMBER, x] = 1
        for x in range(high - low):
            marks[GROUP, x] = marks[MEMBER, x] & (marks[GROUP, x] if same else 1)
        if same:
            # What they have is told from where their tiles begin, which is the same.
            kept_low, kept_high = max(kept_low, own_low), min(kept_high, own_high)
        else:
            kept_low, kept_high = own_low, own_high
    total += _gain(marks[GROUP], length, kept_high - kept_low)
    return total


@njit(cache=True, nogil=True, _nrt=False)
def _gain(marked: Int, length: int, kept: int) -> int:
    """Return the marked words that are not among the kept ones."""
    found = 0
    for x in range(length):
        found += marked[x]
    gain: int = found - max(0, kept)
    return gain


@njit(cache=True, nogil=True, _nrt=False)
def _interval(row: Int, a: Int, p: int, b: Int, r: int, one: int, two: int) -> tuple[int, int]:
    """Return the words along the axis of two tiles of its dims, padding left out.

    Args:
        row: the axis, of ``ProblemArrays.slides``.
        a: tiles of the first dim, see ``_tiles``.
        p: which of them.
        b: tiles of the second dim.
        r: which of them.
        one: track of the first dim's tile; -1 for the tile now.
        two: track of the second's.
    """
    low = row[OFFSET] + row[BY] * a[BASE, p] + row[TIMES] * b[BASE, r]
    long, wide = a[NOW, p], b[NOW, r]
    if one >= 0:
        low += row[BY] * a[TRACKS + 2 * one, p] + row[TIMES] * b[TRACKS + 2 * two, r]
        long, wide = a[TRACKS + 2 * one + 1, p], b[TRACKS + 2 * two + 1, r]
        if long == 0 or wide == 0:
            return low, low
    high = low + row[BY] * (long - 1) + row[TIMES] * (wide - 1) + 1
    if row[PADDED]:
        low = max(low, 0)
        high = max(low, min(high, row[EXTENT]))
    return low, high


@njit(cache=True, nogil=True, _nrt=False)
def passed_words(
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
    """Return the words that neighbours pass on; arguments as of ``rules_default._crossing``.

    A tile has a word from a neighbour if it lacks it along one axis alone, see ``forwarding``: a
    sum over axes of what is passed along one, times what is kept along the others.
    """
    total = 0
    for j in range(above - 1, -1, -1):
        if nest[AXIS, j] != TEMPORAL:
            continue
        here = nest[DIM, j]
        role = nest[PLAIN + t, here]
        same = words * turned
        if role != SLIDING and not uneven >> here & 1:
            if role > 0:
                break
            turned = nest[TURNED, j]
            same -= words * turned
        if uneven:
            same *= tally_uneven(nest, uneven, t, above, j, single)
        if same == 0:
            continue
        for a in range(sliding):
            kept = same
            for b in range(sliding):
                if b != a and kept:
                    kept *= along(nest, t, b, parent, levels, child, above, j, room)
            if kept:
                total += kept * passed_along(nest, t, a, parent, levels, above, j, room)
    return total
