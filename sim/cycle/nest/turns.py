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

from numba import njit

from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.tree import AXIS, COUNT, IN_TIME, LEVEL, NUMBER, TILE

FAMILY, ALONE, TOGETHER, BY_AXIS = -1, 0, 1, 2
"""Modes of a level: its digits tell families apart, or transfers; or those of equal tiles are one
transfer, recognised over the whole mesh, or along its rows and columns."""

WAITING, ABSENT = -1, 0
"""In place of an extent, see above."""

# Columns of a place.
BASE, EXTENT, OLD_BASE, OLD_EXTENT, OF_FAMILY, OF_TRANSFER, LEADS, KEYS = range(8)


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
