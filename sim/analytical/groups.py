"""Which instances share a transfer along a sliding axis.

Two dims spread over one mesh may bring the same interval of the axis to different instances, as
on the diagonals of a row-stationary array. Where tiles divide, the different intervals are known by
their offsets. Where they do not, tiles that begin together may end apart, and instances that now
hold the same tile may have held different ones: all tiles are looked at, sorted by what tells
transfers apart. A transfer brings its group every word that some member lacks.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import (
    AXIS,
    DIM,
    LEVEL,
    MAX_AXES,
    NETWORK,
    OWN,
    SHARED,
    SIZES,
    SLIDES,
    TEMPORAL,
    TILE,
    TURNS,
    Int,
    RoomTuple,
)
from arraysmith.sim.analytical.slides import (
    BY,
    EXTENT,
    FIRST,
    OFFSET,
    PADDED,
    TIMES,
    stored,
)

POINT_ROWS = 5
"""Rows of a point before its keys: first index, extent, shift and extent of the tile before, and
the first index without the spatial loops between parent and child."""


PAIR_ROWS = 6
"""Rows of a pair beside its keys."""


@njit(cache=True, nogil=True, _nrt=False)
def shared_loops(nest: Int, a: int, parent: int, above: int) -> int:
    """Return a bit per loop: 1 for spatial loops of an axis whose instances may share tiles.

    They stand at a fan-out that multicasts, between parent and child, where both dims are spread
    over the part of the mesh (all, its columns, its rows) in which equal tiles are recognised.
    """
    found = 0
    count = nest[OWN + a, 0]
    for k in range(1, count + 1):
        s = nest[OWN + a, k]
        if s >= above:
            break
        lev = nest[LEVEL, s]
        if nest[AXIS, s] == TEMPORAL or lev < parent or nest[NETWORK, lev] == 0:
            continue
        for o in range(k + 1, count + 1):
            x = nest[OWN + a, o]
            if nest[LEVEL, x] != lev or x >= above:
                break
            if nest[DIM, x] == nest[DIM, s] or nest[AXIS, x] == TEMPORAL:
                continue
            if nest[NETWORK + 1, lev] == 1 or nest[AXIS, x] == nest[AXIS, s]:
                found |= 1 << s | 1 << x
    return found


@njit(cache=True, nogil=True, _nrt=False)
def _greatest_divisor(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


@njit(cache=True, nogil=True, _nrt=False)
def _spread(row: Int, nest: Int, lev: int, part: int, above: int, shared: int, out: Int) -> int:
    """Write the different offsets of one part of a fan-out; 0 when nothing is shared there."""
    loops_here, p, r = 0, 0, 0
    for s in range(above):
        if shared >> s & 1 and nest[LEVEL, s] == lev and (part == 0 or part == nest[AXIS, s]):
            loops_here += 1
            if nest[DIM, s] == row[FIRST]:
                p = s
            else:
                r = s
    if loops_here == 0:
        return 0
    count = 0
    if loops_here == 2:
        # (i, k) and (i + b', k - a') lie together, with a' and b' without common divisor: of each
        # set the member of least i counts.
        a, b = row[BY] * nest[TILE, p], row[TIMES] * nest[TILE, r]
        divisor = _greatest_divisor(a, b)
        for k in range(nest[TURNS, r]):
            many = (
                nest[TURNS, p]
                if k >= nest[TURNS, r] - a // divisor
                else min(nest[TURNS, p], b // divisor)
            )
            for i in range(many):
                out[count] = i * a + k * b
                count += 1
        return count
    out[0] = 0
    count = 1
    for s in range(above):
        if shared >> s & 1 and nest[LEVEL, s] == lev and (part == 0 or part == nest[AXIS, s]):
            by = nest[TILE, s] * (row[BY] if nest[DIM, s] == row[FIRST] else row[TIMES])
            for i in range(1, nest[TURNS, s]):
                for v in range(count):
                    out[i * count + v] = out[v] + i * by
            count *= nest[TURNS, s]
    different = 0
    for v in range(count):
        known = False
        for o in range(different):
            known = known or out[o] == out[v]
        if not known:
            out[different] = out[v]
            different += 1
    return different


@njit(cache=True, nogil=True, _nrt=False)
def group_offsets(
    nest: Int, t: int, a: int, parent: int, above: int, levels: int, room: Int
) -> int:
    """Write to ``room[0]`` where along the axis the tiles of marked loops lie; tiles divide.

    Returns how many.
    """
    row, shared = nest[SLIDES + MAX_AXES * t + a], nest[SHARED, a]
    room[0, 0] = 0
    count = 1
    for lev in range(parent, levels):
        for part in range(3):
            if (part == 0) != (nest[NETWORK + 1, lev] == 1):
                continue
            many = _spread(row, nest, lev, part, above, shared, room[1])
            if many == 0:
                continue
            for v in range(many - 1, -1, -1):  # downwards: room[0, :count] is read until the end
                for o in range(count):
                    room[0, v * count + o] = room[0, o] + room[1, v]
            count *= many
    return count


@njit(cache=True, nogil=True, _nrt=False)
def _points(
    row: Int, which: int, nest: Int, parent: int, above: int, cut: int, levels: int, room: Int
) -> tuple[int, int]:
    """Note the tiles of one dim of the axis one by one; return (half of the room, how many).

    ``room`` is int64 [2, POINT_ROWS + keys, indices + 1].
    Two keys per fan-out, by which instances between parent and child are told apart: the offset
    along the axis over the mesh, or over columns and rows, or by dim where nothing is recognised.
    """
    d, by = row[FIRST + which], row[BY + which]
    size = nest[SIZES, d]
    rows = POINT_ROWS + 2 * levels
    for k in range(rows):
        room[0, k, 0] = size if k in (1, 3) else 0
    half, found = 0, 1
    for s in range(above):
        if nest[DIM, s] != d:
            continue
        t, lev = nest[TILE, s], nest[LEVEL, s]
        in_time = nest[AXIS, s] == TEMPORAL
        made, other = 0, 1 - half
        for c in range(found):
            for i in range(nest[TURNS, s]):
                now, was = room[half, 1, c] - i * t, room[half, 3, c] - i * t
                if now <= 0 or (in_time and ((s > cut and i > 0) or (s == cut and i == 0))):
                    continue
                for k in range(rows):
                    room[other, k, made] = room[half, k, c]
                room[other, 0, made] += i * t
                room[other, 1, made] = min(now, t)
                if in_time and s == cut:
                    room[other, 2, made], room[other, 3, made] = -t, t
                elif not in_time or s < cut:
                    room[other, 3, made] = max(0, min(t, was))
                elif room[half, 3, c]:
                    last = (room[half, 3, c] - 1) // t * t
                    room[other, 2, made] += last
                    room[other, 3, made] -= last
                if in_time or lev < parent:
                    room[other, 4, made] += i * t
                else:
                    key = which
                    if nest[NETWORK, lev]:
                        key = 0 if nest[NETWORK + 1, lev] else nest[AXIS, s] - 1
                    room[other, POINT_ROWS + 2 * lev + key, made] += i * t * by
                made += 1
        half, found = other, made
    return half, found


@njit(cache=True, nogil=True, _nrt=False)
def compare(keys: Int, one: int, other: int) -> int:
    """Return -1, 0 or 1: how column ``one`` of ``keys`` stands to ``other``, row by row."""
    for k in range(len(keys)):
        if keys[k, one] != keys[k, other]:
            return -1 if keys[k, one] < keys[k, other] else 1
    return 0


@njit(cache=True, nogil=True, _nrt=False)
def sort_columns(order: Int, size: int, keys: Int) -> None:
    """Sort column numbers by their columns (Shell's method with Ciura's gaps)."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, size):
            moving, at = order[i], i
            while at >= gap and compare(keys, order[at - gap], moving) > 0:
                order[at] = order[at - gap]
                at -= gap
            order[at] = moving


@njit(cache=True, nogil=True, _nrt=False)
def grouped_slide(
    nest: Int,
    t: int,
    axis: int,
    parent: int,
    levels: int,
    above: int,
    cut: int,
    room: RoomTuple,
) -> int:
    """Return what ``slides.slide`` does, tiles that need not divide, equal ones counted once.

    Args:
        nest: the mapping; loops from ``above`` on are inside the tiles.
        t: the tensor.
        axis: which of its sliding axes.
        parent: level from which on equal tiles are recognised.
        levels: number of levels.
        above: number of loops that cut the dims into the tiles.
        cut: the loop that turns, words that all of a group held before are then summed; ``above``
            for the words of all tiles.
        room: see ``encoding``.
    """
    row = nest[SLIDES + MAX_AXES * t + axis]
    by, times, extent = row[BY], row[TIMES], row[EXTENT]
    points, pairs = room[3], room[4]
    many, inner, one, other = 0, 0, 0, 0
    for which in range(2):
        many, one = inner, other
        other, inner = _points(row, which, nest, parent, above, cut, levels, points[which])
    a, b = points[0, one], points[1, other]
    rows = 3 + 2 * levels
    keys, begins, ends, order = pairs[:rows], pairs[rows], pairs[rows + 1], pairs[rows + 2]
    i = 0
    for p in range(many):
        for r in range(inner):
            start = row[OFFSET] + by * a[0, p] + times * b[0, r]
            end = start + by * (a[1, p] - 1) + times * (b[1, r] - 1) + 1
            # Tiles that begin together are equal if they hold as many words.
            keys[0, i] = stored(start, end, 1, 1, extent) if row[PADDED] else end - start
            keys[1, i], keys[2, i] = a[4, p], b[4, r]
            for k in range(3, rows):
                keys[k, i] = a[POINT_ROWS - 3 + k, p] + b[POINT_ROWS - 3 + k, r]
            if cut < above:
                before = start + by * a[2, p] + times * b[2, r]
                after = before + by * (a[3, p] - 1) + times * (b[3, r] - 1) + 1
                start, end = max(start, before), min(end, after)
                if a[3, p] == 0 or b[3, r] == 0:
                    end = start
            if row[PADDED]:
                start, end = max(start, 0), min(end, extent)
            begins[i], ends[i] = start, end  # of what counts
            order[i] = i
            i += 1
    sort_columns(order, many * inner, keys)
    total, low, high = 0, 0, 0
    for i in range(many * inner):
        start, end = begins[order[i]], ends[order[i]]
        if i and compare(keys, order[i - 1], order[i]) == 0:
            start, end = max(start, low), min(end, high)
            total -= max(0, high - low)
        low, high = start, end
        total += max(0, high - low)
    return total
