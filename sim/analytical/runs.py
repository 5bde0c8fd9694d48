"""Sums along a sliding axis whose tiles do not divide.

Tiles of one dim with equal extents come in *runs*, arithmetic series of their first indices; what
``slides`` does for one extent is done for every pair of runs of the two dims.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import (
    AXIS,
    DIM,
    MAX_AXES,
    SIZES,
    SLIDES,
    TEMPORAL,
    TILE,
    Int,
)
from arraysmith.sim.analytical.slides import (
    BY,
    EXTENT,
    FIRST,
    OFFSET,
    PADDED,
    SECOND,
    TIMES,
    stored,
)

BASE, STEP, NUMBER, NOW, SHIFT, BEFORE = 0, 1, 2, 3, 4, 5
"""Rows of a run: first index of its first tile, distance of tiles, how many, extent of each; how
far behind (negative) or ahead the tile before began, and its extent, 0 if it was empty."""

RUN_ROWS = 6


@njit(cache=True, nogil=True, _nrt=False)
def _extend(
    room: Int,
    made: int,
    base: int,
    step: int,
    number: int,
    by: int,
    many: int,
    now: int,
    shift: int,
    before: int,
) -> int:
    """Add the run (base, step, number), ``many`` times at distance ``by``; return the new count."""
    rows = 1
    if number == 1 and many > 1:
        step, number = by, many
    elif step == by * many:
        step, number = by, number * many
    elif number < many:
        rows, by, step, number = number, step, by, many
    elif many > 1:
        rows = many
    for i in range(rows):
        room[BASE, made], room[STEP, made], room[NUMBER, made] = base + i * by, step, number
        room[NOW, made], room[SHIFT, made], room[BEFORE, made] = now, shift, before
        made += 1
    return made


@njit(cache=True, nogil=True, _nrt=False)
def _runs(
    nest: Int, d: int, size: int, above: int, cut: int, turning: bool, room: Int
) -> tuple[int, int]:
    """Collect the tiles of dim ``d`` at a turn, and those before it, as runs.

    Args:
        nest: the loops; those from ``above`` on are inside the tiles.
        d: the dim.
        size: its extent.
        above: number of loops that cut the dim into the tiles.
        cut: the loop that turns, as for ``slides.slide``.
        turning: whether ``cut`` is of this dim.
        room: int64 [2, RUN_ROWS, size + 1], twice the runs.

    Returns:
        (half of ``room`` that holds the runs, number of runs).
    """
    half, found = 0, 1
    room[0, BASE, 0], room[0, STEP, 0], room[0, NUMBER, 0] = 0, 0, 1
    room[0, NOW, 0], room[0, SHIFT, 0], room[0, BEFORE, 0] = size, 0, size
    for s in range(above):
        if nest[DIM, s] != d:
            continue
        t = nest[TILE, s]
        in_time = nest[AXIS, s] == TEMPORAL
        old, new = room[half], room[1 - half]
        made = 0
        for c in range(found):
            base, step, number = old[BASE, c], old[STEP, c], old[NUMBER, c]
            now, shift, before = old[NOW, c], old[SHIFT, c], old[BEFORE, c]
            if in_time and s > cut:
                if before:
                    last = (before - 1) // t * t
                    shift, before = shift + last, before - last
                made = _extend(new, made, base, step, number, 0, 1, min(now, t), shift, before)
            elif in_time and s == cut and turning:
                full = now // t
                if full > 1:
                    made = _extend(new, made, base + t, step, number, t, full - 1, t, -t, t)
                if full and now % t:
                    start = base + full * t
                    made = _extend(new, made, start, step, number, 0, 1, now % t, -t, t)
            else:  # every turn or every instance
                i = 0
                while i * t < now:
                    left, was = now - i * t, max(0, before - i * t)
                    many = 1
                    if left >= t and was >= t:
                        many = min(left, was) // t
                    elif left >= t and was == 0:
                        many = left // t
                    start, extent = base + i * t, min(t, left)
                    made = _extend(
                        new, made, start, step, number, t, many, extent, shift, min(t, was)
                    )
                    i += many
        half, found = 1 - half, made
    return half, found


@njit(cache=True, nogil=True, _nrt=False)
def uneven_slide(nest: Int, t: int, a: int, above: int, cut: int, rooms: Int) -> int:
    """Return what ``slides.slide`` does, every instance by itself; tiles need not divide.

    Args:
        nest: the mapping; loops from ``above`` on are inside the tiles.
        t: the tensor.
        a: which of its sliding axes.
        above: number of loops that cut the dims into the tiles.
        cut: the loop that turns, as for ``slides.slide``.
        rooms: int64 [2, 2, RUN_ROWS, most indices + 1].
    """
    row = nest[SLIDES + MAX_AXES * t + a]
    first, second, by, times = row[FIRST], row[SECOND], row[BY], row[TIMES]
    turning = nest[DIM, cut] if cut < above else -1
    size, length = nest[SIZES, first], nest[SIZES, second]
    half, many_first = _runs(nest, first, size, above, cut, turning == first, rooms[0])
    one = rooms[0, half]
    half, many_second = _runs(nest, second, length, above, cut, turning == second, rooms[1])
    other = rooms[1, half]
    total = 0
    for p in range(many_first):
        for r in range(many_second):
            high = by * (one[NOW, p] - 1) + times * (other[NOW, r] - 1) + 1
            low = 0
            if cut < above:
                if one[BEFORE, p] == 0 or other[BEFORE, r] == 0:
                    continue
                shift = by * one[SHIFT, p] + times * other[SHIFT, r]
                was = by * (one[BEFORE, p] - 1) + times * (other[BEFORE, r] - 1) + 1
                low, high = max(0, shift), min(high, shift + was)
                if high <= low:
                    continue
            number, repeat = one[NUMBER, p], other[NUMBER, r]
            if not row[PADDED]:
                total += number * repeat * (high - low)
                continue
            x = row[OFFSET] + by * one[BASE, p] + times * other[BASE, r]
            step, apart = by * one[STEP, p], times * other[STEP, r]
            if number < repeat:
                step, number, apart, repeat = apart, repeat, step, number
            for i in range(repeat):
                at = x + i * apart
                total += stored(at + low, at + high, step, number, row[EXTENT])
    return total
