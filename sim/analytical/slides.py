"""Sums along an axis that slides: two dims move it, or part of it is padding.

A tile along the axis is an interval that begins at offset + p a + r b, a and b being the first
indices of the two dims. Where tiles divide, a loop is an arithmetic series of first indices, and
loops without a gap between them are one series. With padding, the words of all tiles of a series
are a difference of two sums of clamped series, in closed form; without, they are a product.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import (
    AXIS,
    DIM,
    INSIDE,
    MAX_AXES,
    OWN,
    SERIES,
    SHARED,
    SLIDES,
    TEMPORAL,
    TILE,
    TURNS,
    Int,
)

FIRST, SECOND, BY, TIMES, OFFSET, EXTENT, PADDED, WHOLE = 0, 1, 2, 3, 4, 5, 6, 7
"""Columns of ``ProblemArrays.slides``."""


@njit(cache=True, nogil=True, _nrt=False)
def _clamped(first: int, step: int, number: int, extent: int) -> int:
    """Return the sum of min(max(first + i step, 0), extent) over i < number."""
    last = first + (number - 1) * step
    if first >= 0 and last <= extent:
        series: int = number * (first + last) // 2
        return series
    if last <= 0:
        return 0
    if first >= extent:
        return number * extent
    low = 0 if first >= 0 else -(first // step)  # the first that is not below 0
    high = number if last < extent else -((first - extent) // step)  # the first at the end or past
    inside: int = high - low
    return inside * (2 * first + (low + high - 1) * step) // 2 + (number - high) * extent


@njit(cache=True, nogil=True, _nrt=False)
def stored(low: int, high: int, step: int, number: int, extent: int) -> int:
    """Return the words of [0, extent) in [low, high), summed over ``number`` such intervals.

    Each begins ``step`` after the one before.
    """
    words: int = number * (high - low)
    if low < 0 or high + (number - 1) * step > extent:
        words = _clamped(high, step, number, extent) - _clamped(low, step, number, extent)
    return words


@njit(cache=True, nogil=True, _nrt=False)
def slide(
    nest: Int,
    t: int,
    a: int,
    child: int,
    above: int,
    cut: int,
    offset: int,
) -> int:
    """Sum along a sliding axis the words of all tiles, or those they share with the tile before.

    Args:
        nest: the mapping. Spatial loops that ``SHARED`` names are left out.
        t: the tensor.
        a: which of its sliding axes; all tiles of its dims divide.
        child: level of the tiles.
        above: number of loops that cut the dims into the tiles.
        cut: the loop that turns, its first turn left out. Loops in time before it take every turn;
            those after it stand at their first turn, and stood at their last one before. Words
            shared with the tile before are then summed. ``above`` for the words of all tiles.
        offset: how far along the axis all tiles lie.
    """
    row = SLIDES + MAX_AXES * t + a
    first, by, times = nest[row, FIRST], nest[row, BY], nest[row, TIMES]
    padded, extent, shared = nest[row, PADDED], nest[row, EXTENT], nest[SHARED, a]
    high = by * (nest[INSIDE + child, first] - 1) + 1
    high += times * (nest[INSIDE + child, nest[row, SECOND]] - 1)
    low, number = 0, 1
    start = nest[row, OFFSET] + offset
    if cut < above:
        # How far the tile moves: a step of the loop that turns, back by what the later ones did.
        shift = 0
        for k in range(nest[OWN + a, 0], 0, -1):
            s = nest[OWN + a, k]
            if s < cut:
                break
            if s < above and nest[AXIS, s] == TEMPORAL:
                step = nest[TILE, s] * (by if nest[DIM, s] == first else times)
                shift += -step if s == cut else (nest[TURNS, s] - 1) * step
        low, high = max(0, shift), min(high, high + shift)
        if high <= low:
            return 0
    found, last_first, last_second = 0, -1, -1
    for k in range(1, nest[OWN + a, 0] + 1):
        s = nest[OWN + a, k]
        if s >= above:
            break
        if shared >> s & 1:
            continue
        is_first = nest[DIM, s] == first
        step = nest[TILE, s] * (by if is_first else times)
        many = nest[TURNS, s]
        if nest[AXIS, s] == TEMPORAL:
            if s > cut:
                continue
            if s == cut:
                many -= 1
                start += step
        number *= many
        if padded and many > 1:
            last = last_first if is_first else last_second
            if last >= 0 and nest[SERIES, last] == step * many:
                nest[SERIES, last] = step
                nest[SERIES + 1, last] *= many
            else:
                nest[SERIES, found], nest[SERIES + 1, found] = step, many
                last = found
                found += 1
            if is_first:
                last_first = last
            else:
                last_second = last
    if not padded:
        total: int = number * (high - low)
        return total
    # The longest series in closed form, one by one the members of the others.
    step, many, at = 0, 1, -1
    for k in range(found):
        if nest[SERIES + 1, k] > many:
            step, many, at = nest[SERIES, k], nest[SERIES + 1, k], k
    if at >= 0:
        found -= 1
        nest[SERIES, at], nest[SERIES + 1, at] = nest[SERIES, found], nest[SERIES + 1, found]
    for k in range(found):
        nest[SERIES + 2, k] = 0
    total = 0
    while True:
        total += stored(start + low, start + high, step, many, extent)
        k = 0
        while k < found:
            nest[SERIES + 2, k] += 1
            start += nest[SERIES, k]
            if nest[SERIES + 2, k] < nest[SERIES + 1, k]:
                break
            start -= nest[SERIES, k] * nest[SERIES + 1, k]
            nest[SERIES + 2, k] = 0
            k += 1
        if k == found:
            return total
