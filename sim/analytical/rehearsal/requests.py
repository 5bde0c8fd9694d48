"""The requests of transfers over the off-chip border, some phases of a run in order. Compiled.

A transfer moves the words of a tile that the near side does not have: a box of indices less the one
before, row by row as the tensor lies in memory, a request per run of neighbouring words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal.loops import NONE, SPATIAL, find_turns

ADDRESS, SIZE, WRITE, MINE, REQUEST = range(5)
"""Columns of requests: bytes, bytes, 1 for a write, number of their transfer."""

TENSOR_OF, CLASS, WORDS, AFTER, PHASE, TRANSFER = range(6)
"""Columns of transfers: tensor; the loop that turned, -1 at the start, or ``UP``; words; requests
that have to be back for the phase before, whose end makes it possible; phases listed before."""

UP = -2

LOW, HIGH, OLD_LOW, OLD_HIGH = range(4)


class Border(NamedTuple):
    """What lies on the near side of the border, tensor by tensor.

    Attributes:
        cuts: as in ``plan.Plan``.
        part: int64 [tensors, dims, most + 1], ``Plan.part`` of the border's links.
        depth: int64 [tensors], loops down to the innermost that moves the tile.
        again: int64 [tensors, loops], ``Plan.again`` of them.
        serial: [tensors], whether there is room for one tile only.
        whole: [tensors], whether all of a tile comes, whatever was there.
        axes: int64 [tensors, axes, 6], per axis of the tensor two dims and their coefficients, the
            first index and the words stored; without dims where there are fewer axes.
        bits: int64 [tensors], of a word.
        base: int64 [tensors], byte address of the first word.
        request_bits: most bits of a request.
        places: most children along an axis.
    """

    cuts: Int
    part: Int
    depth: Int
    again: Int
    serial: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    axes: Int
    bits: Int
    base: Int
    request_bits: int
    places: int


@njit(cache=True, nogil=True)
def _places(cuts: Int, part: Int, index: Int, before: Int, out: Int) -> int:
    """Write (first, length) of a dim in the tile of each child, now and before; return how many."""
    out[0] = 0
    out[0, 1] = out[0, 3] = cuts[0, 0]
    count = 1
    for i in range(1, len(cuts)):
        number, tile = cuts[i, 0], cuts[i, 1]
        if number == NONE or part[i] == 0:
            break
        many = 1 if number != SPATIAL else -(-cuts[i, 2] // tile)
        for n in range(count - 1, -1, -1):
            now, length, old, old_length = out[n]
            for digit in range(many - 1, -1, -1):
                at, was = digit, digit
                if number != SPATIAL:
                    at, was = index[number], before[number]
                row = out[n * many + digit]
                row[0], row[1] = now + at * tile, min(tile, length - at * tile)
                row[2], row[3] = old + was * tile, min(tile, old_length - was * tile)
        count *= many
    return count


@njit(cache=True, nogil=True)
def _groups(axis: Int, first: Int, many: int, second: Int, beside: int, out: Int) -> int:
    """Write the different ranges of an axis, see ``LOW`` and the following; return how many."""
    count = 0
    for i in range(many):
        for j in range(beside):
            one, other = first[i], second[j]
            if one[1] <= 0 or other[1] <= 0:
                continue
            row = out[count]
            for side in (0, 2):
                low = axis[4] + axis[1] * one[side] + axis[3] * other[side]
                reach = axis[1] * (one[side + 1] - 1) + axis[3] * (other[side + 1] - 1) + 1
                row[side], row[side + 1] = max(0, low), min(axis[5], low + reach)
            if one[3] <= 0 or other[3] <= 0:
                row[OLD_HIGH] = row[OLD_LOW]
            known = row[LOW] >= row[HIGH]
            for n in range(count):
                known = known or (out[n, LOW] == row[LOW] and out[n, HIGH] == row[HIGH])
            if not known:
                count += 1
    return count


@njit(cache=True, nogil=True)
def _find_ranges(border: Border, t: int, index: Int, before: Int, groups: Int, many: Int) -> float:
    """Write the different ranges of every axis and how many; return the requests of whole tiles.

    Args:
        border: see ``Border``.
        t: tensor.
        index: int64 [loops], turns.
        before: int64 [loops], turns before.
        groups: int64 [axes, places, 4], written.
        many: int64 [axes], written.
    """
    first, second = np.zeros((2, border.places, 4), np.int64)
    last = len(many) - 1
    found = 1.0
    for a in range(last + 1):
        axis = border.axes[t, a]
        many[a] = 1
        groups[a, 0] = 0
        groups[a, 0, HIGH] = groups[a, 0, OLD_HIGH] = 1
        if axis[5]:
            beside = 1
            count = _places(border.cuts[axis[0]], border.part[t, axis[0]], index, before, first)
            second[0] = 0
            second[0, 1] = second[0, 3] = 1
            if axis[3]:
                cuts, part = border.cuts[axis[2]], border.part[t, axis[2]]
                beside = _places(cuts, part, index, before, second)
            many[a] = _groups(axis, first, count, second, beside, groups[a])
        length = 0.0
        for n in range(many[a]):
            row = groups[a, n, HIGH] - groups[a, n, LOW]
            length += row if a < last else -(-row * border.bits[t] // border.request_bits)
        found *= length
    return found


@njit(cache=True, nogil=True)
def first_requests(border: Border, t: int) -> float:
    """Return the requests of the first tile of a tensor, about."""
    groups = np.empty((border.axes.shape[1], border.places, 4), np.int64)
    many = np.empty(border.axes.shape[1], np.int64)
    index = np.zeros(border.again.shape[1], np.int64)
    return float(_find_ranges(border, t, index, index, groups, many))


@njit(cache=True, nogil=True)
def _list(
    border: Border,
    t: int,
    index: Int,
    before: Int,
    whole: bool,
    share: float,
    requests: Int,
    start: int,
) -> tuple[int, int]:
    """Write the first requests of a transfer; return how many there are then, and their words.

    Args:
        border: see ``Border``.
        t: tensor.
        index: int64 [loops], turns.
        before: int64 [loops], turns before; what was there then does not come again.
        whole: all of the tile moves.
        share: of the tile's requests that are wanted, about; one at least.
        requests: int64 [most, REQUEST], written from ``start`` on, as far as there is room.
        start: requests that are there.
    """
    axes, bits = border.axes[t], border.bits[t]
    many_axes = len(axes)
    groups = np.empty((many_axes, border.places, 4), np.int64)
    many = np.empty(many_axes, np.int64)
    wanted = min(1e18, 1.0 + share * _find_ranges(border, t, index, before, groups, many))
    if many.min() == 0:
        return start, 0
    chosen, at = np.zeros((2, many_axes), np.int64)
    box = np.empty((many_axes, 4), np.int64)
    last = many_axes - 1
    count, words, most = start, 0, min(len(requests), start + int(wanted))
    while True:
        fresh = whole
        for a in range(many_axes):
            box[a] = groups[a, chosen[a]]
            at[a] = box[a, LOW]
            fresh = fresh or box[a, LOW] < box[a, OLD_LOW] or box[a, HIGH] > box[a, OLD_HIGH]
        while fresh:
            inside, row = not whole, 0
            for a in range(last):
                inside = inside and box[a, OLD_LOW] <= at[a] < box[a, OLD_HIGH]
                row = row * max(1, axes[a, 5]) + at[a]
            row *= max(1, axes[last, 5])
            for half in range(2):
                low, high = box[last, LOW], box[last, HIGH]
                if inside and half == 0:
                    high = min(high, max(low, box[last, OLD_LOW]))
                elif inside:
                    low = max(low, box[last, OLD_HIGH])
                elif half == 1:
                    break
                while low < high:
                    if count == most:
                        return count, words
                    bit = (row + low) * bits
                    length = min(high - low, max(1, (border.request_bits - bit % 8) // bits))
                    end = -(-(bit + length * bits) // 8)
                    requests[count, ADDRESS] = border.base[t] + bit // 8
                    requests[count, SIZE] = end - bit // 8
                    count += 1
                    words += length
                    low += length
            a = last - 1
            while a >= 0:
                at[a] += 1
                if at[a] < box[a, HIGH]:
                    break
                at[a] = box[a, LOW]
                a -= 1
            if a < 0:
                break
        a = last
        while a >= 0:
            chosen[a] += 1
            if chosen[a] < many[a]:
                break
            chosen[a] = 0
            a -= 1
        if a < 0:
            return count, words


@njit(cache=True, nogil=True)
def _next_tile(border: Border, t: int, index: Int, turns: Int, later: Int) -> int:
    """Write the turns at which the next tile of a tensor begins; return its loop, -1 if none."""
    later[:] = index
    turn = border.depth[t] - 1
    find_turns(border.cuts, index, turns)
    while turn >= 0 and index[turn] + 1 == turns[turn]:
        turn -= 1
    if turn >= 0:
        later[turn] += 1
        later[turn + 1 :] = 0
    return int(turn)


@njit(cache=True, nogil=True)
def list_phases(
    border: Border, loops: int, opening: int, share: float, requests: Int, transfers: Int
) -> tuple[int, int]:
    """Write what crosses the border from the middle of a run on; return requests and transfers.

    In the order of ``moves.cross_border``: at the end of a phase, results of tiles that
    are over, then what is needed first.

    Args:
        border: see ``Border``.
        loops: in time that move something over the border, the first ones.
        opening: loop that turns first; -1: from the start of the run; ``loops``: what is left when
            the run is over.
        share: of the requests of every transfer that are wanted, its first ones; in (0, 1].
        requests: int64 [most, REQUEST], written; full: the last transfer may not be whole.
        transfers: int64 [most, TRANSFER], written.
    """
    index, turns = np.zeros((2, border.again.shape[1]), np.int64)
    for j in range(min(loops, opening + 1)):
        find_turns(border.cuts, index, turns)
        index[j] = (turns[j] - 1) // 2
        if opening == loops:
            index[j] = turns[j] - 1
        elif j == opening:
            index[j] = turns[j] // 2
    if opening == loops:
        count, words = _list(border, 2, index, index, True, share, requests, 0)
        requests[:count, WRITE], requests[:count, MINE] = 1, 0
        transfers[0] = (2, UP, words, 0, 0)
        return count, 1
    before, turned = index.copy(), opening
    if opening >= 0:
        if index[opening] == 0:
            return 0, 0
        before[opening] -= 1
        for j in range(opening + 1, loops):
            find_turns(border.cuts, before, turns)
            before[j] = turns[j] - 1
    count = moved = phase = 0
    later = np.empty_like(index)
    fetched = np.zeros((3, 2), np.int64)  # requests up to the last tile, and the one before
    jobs = np.empty((6, 3), np.int64)
    while True:
        used, many = 0, 0
        find_turns(border.cuts, index, turns)
        for rank in range(3):
            t = (2, 0, 1)[rank]
            used = max(used, fetched[t, 0 if border.serial[t] else 1])
            if turned >= border.depth[t]:
                continue
            if t == 2 and turned >= 0:
                jobs[many] = -1, t, UP
                many += 1
            if turned < 0 or border.serial[t]:
                jobs[many] = 0, t, turned
                many += 1
            if not border.serial[t]:
                need = 1
                for j in range(border.depth[t], loops):
                    need *= turns[j]
                jobs[many] = need, t, 0
                many += 1
        for _ in range(many):
            first = -1
            for i in range(many):
                if jobs[i, 1] >= 0 and (first < 0 or jobs[i, 0] < jobs[first, 0]):
                    first = i
            need, t, turn = jobs[first]
            jobs[first, 1] = -1
            if count == len(requests) or moved == len(transfers):
                return count, moved
            held, words = count, 0
            if turn == UP:
                count, words = _list(border, t, before, before, True, share, requests, count)
            else:
                last = before
                later[:] = index
                if need:
                    last = index
                    turn = _next_tile(border, t, index, turns, later)
                    if turn < 0:
                        continue
                moves = t != 2
                for j in range(border.depth[t]):
                    moves = moves or (border.again[t, j] == 1 and later[j] > 0)
                if moves:
                    whole = turn < 0 or t == 2 or border.whole[t]
                    count, words = _list(border, t, later, last, whole, share, requests, count)
                fetched[t, 1], fetched[t, 0] = fetched[t, 0], count
            if words:
                requests[held:count, WRITE] = turn == UP
                requests[held:count, MINE] = moved
                transfers[moved] = (t, turn, words, used, phase)
                moved += 1
        before[:] = index
        turned = _next_tile(border, int(np.argmax(border.depth)), index, turns, later)
        if turned < 0:
            return count, moved
        index[:] = later
        phase += 1
