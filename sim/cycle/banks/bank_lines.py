"""Counting the lines that the busiest bank opens for one transfer: see ``bank_turns``. Compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.banks.conflicts import open_lines
from arraysmith.sim.cycle.nest.boxes import AXES, Int, frame_address, next_row
from arraysmith.sim.cycle.nest.groups import (
    G_FAMILY,
    G_LOW,
    count_taking_part,
)
from arraysmith.sim.cycle.nest.instance_runs import (
    NO_LOOPS,
    RUN,
    T_ADDRESS,
    T_FROM,
    T_WORDS,
    list_instance_runs,
)
from arraysmith.sim.cycle.nest.listing import (
    Scratch,
    View,
    find_boxes,
    find_groups,
    moved_boxes,
    new_boxes,
)
from arraysmith.sim.cycle.nest.turns import (
    find_places,
)

Side = tuple[View, Int, Int, Int, bool, Int]
"""What passes one port: the view of it; int64 [AXES], the frame; numbers and axes of ``Places``;
whether some words come more than once; int64 [2], of the shape of a bank's lines: banks and rows.
"""


@njit(cache=True, nogil=True)
def count_turns(
    index: Int, turned: int, side: Side, scratch: Scratch, stamp: int, seen: Int, lines: Int,
    turns: Int,
) -> int:  # fmt: skip
    """Count the turns of what one turn of the loops moves.

    Args:
        index: int64 [loops in time], turns.
        turned: the loop that has turned.
        side: see ``Side``.
        scratch: see ``listing.Scratch``.
        stamp: the last one used.
        seen: see ``banks.open_lines``.
        lines: see ``banks.open_lines``; overwritten.
        turns: int64 [2], written: see ``bank_lookups``.

    Returns:
        The last stamp used.
    """
    view, _, _, _, adds, _ = side
    many = np.empty(AXES, np.int64)
    often = find_groups(view, index, turned, scratch, many)
    turns[:] = 0
    if often == 0 or many.min() == 0:
        return stamp
    most = _most_taking_part(view, index, turned, scratch) if adds else 1
    groups = scratch[0]
    # The groups of every axis, family by family.
    members = np.empty((AXES, many.max()), np.int64)
    ends = np.zeros((AXES, many.max() + 1), np.int64)
    families = np.zeros(AXES, np.int64)
    for a in range(AXES):
        count = 0
        for g in range(many[a]):
            family, known = groups[a, g, G_FAMILY], False
            for h in range(g):
                known = known or groups[a, h, G_FAMILY] == family
            if known:
                continue
            for h in range(g, many[a]):
                if groups[a, h, G_FAMILY] == family:
                    members[a, count] = h
                    count += 1
            families[a] += 1
            ends[a, families[a]] = count
    pick = np.zeros(AXES, np.int64)
    low, high = np.empty(AXES, np.int64), np.empty(AXES, np.int64)
    while True:
        for a in range(AXES):
            low[a], high[a] = ends[a, pick[a]], ends[a, pick[a] + 1]
        for least in range(1, 3 if adds else 2):
            stamp += 1
            lines[:] = 0
            _open_family(turned, side, scratch, members, low, high, least, most, stamp, seen, lines)
            turns[least - 1] = max(turns[least - 1], lines.max())
        if not _step(pick, np.zeros(AXES, np.int64), families):
            return stamp


@njit(cache=True, nogil=True)
def _most_taking_part(view: View, index: Int, turned: int, scratch: Scratch) -> int:
    """Return how many transfers of one family dims that move no tile tell apart, at most."""
    most = 1
    for d in view[5]:
        rows = view[0][d, : view[1][d]]
        count = find_places(rows, view[2][d], view[6], index, turned, view[7], 1, scratch[1])
        most *= count_taking_part(scratch[1], count)[1]
    return most


@njit(cache=True, nogil=True)
def _step(chosen: Int, low: Int, high: Int) -> bool:
    """Step to the next choice, low <= choice < high on every axis; return False after the last."""
    for a in range(AXES - 1, -1, -1):
        chosen[a] += 1
        if chosen[a] < high[a]:
            return True
        chosen[a] = low[a]
    return False


@njit(cache=True, nogil=True)
def _open_family(
    turned: int, side: Side, scratch: Scratch, members: Int, low: Int, high: Int, least: int,
    most: int, stamp: int, seen: Int, lines: Int,
) -> None:  # fmt: skip
    """Open the lines of all words that move at one memory ``least`` times or more."""
    view, frame, numbers, axes, _, _ = side
    boxes = new_boxes(scratch)
    chosen, row, at = np.empty(AXES, np.int64), np.empty(AXES, np.int64), low.copy()
    last = AXES - 1
    while True:
        for a in range(AXES):
            chosen[a] = members[a, at[a]]
        count = find_boxes(view, turned >= 0, scratch, chosen, boxes)
        if count and least > 1:
            arrivals = _arrivals(turned, view[8], scratch[0], members, low, high, chosen) * most
            count = count if arrivals >= least else 0
        for b in range(count):
            part = boxes[0][b]
            row[:] = part[:, 0]
            while True:
                position, end = part[last, 0], part[last, 1]
                while position < end:
                    row[last] = position
                    length = min(end - position, frame[last] - position % frame[last])
                    word = frame_address(row, frame)
                    open_lines(word, length, numbers, axes, stamp, seen, lines)
                    position += length
                row[last] = part[last, 0]
                if not next_row(row, part):
                    break
        if not _step(at, low, high):
            return


@njit(cache=True, nogil=True)
def _arrivals(
    turned: int, kind: int, groups: Int, members: Int, low: Int, high: Int, mine: Int
) -> int:
    """Return how many transfers of one family bring the tile of the groups ``mine``."""
    box, old = np.empty((AXES, 2), np.int64), np.empty((AXES, 2), np.int64)
    boxes = np.empty((2 * AXES, AXES, 2), np.int64)
    chosen, at = np.empty(AXES, np.int64), low.copy()
    found = 0
    while True:
        same = True
        for a in range(AXES):
            chosen[a] = members[a, at[a]]
            same = same and groups[a, chosen[a], G_LOW] == groups[a, mine[a], G_LOW]
        if same and moved_boxes(kind, turned >= 0, groups, chosen, box, old, boxes):
            found += 1
        if not _step(at, low, high):
            return found


Leaving = tuple[View, Int, Int, int]
"""What neighbours pass on: the view of it; modes by which the first of equal tiles is known (see
``instance_runs.find_copies``); numbers of the children; how many runs to begin with."""


@njit(cache=True, nogil=True)
def count_leaving(
    index: Int, turned: int, side: Side, leaving: Leaving, scratch: Scratch, copies: Int,
    stamp: int, seen: Int, lines: Int, turns: Int,
) -> int:  # fmt: skip
    """Count the turns of what children pass on to neighbours in one turn of the loops.

    Args:
        index: see ``count_turns``, as others that are not told of.
        turned: see there.
        side: of the child.
        leaving: see ``Leaving``.
        scratch: of its view.
        copies: see ``instance_runs.find_copies``.
        stamp: see there.
        seen: see there.
        lines: see there.
        turns: int64 [2], the second is written.

    Returns:
        The last stamp used.
    """
    view, tiles, numbers, room = leaving
    between = np.array(NO_LOOPS, np.int64)
    table = np.empty((room, RUN), np.int64)
    count = room + 1
    while count > len(table):
        table = np.empty((count, RUN), np.int64)
        count = list_instance_runs(
            view, tiles, between, False, index, turned, side[1], numbers, scratch, copies, table
        )
    turns[1] = 0
    last = -1
    for i in np.argsort(table[:count, T_FROM], kind="mergesort"):
        if table[i, T_FROM] != last:
            last = table[i, T_FROM]
            stamp += 1
            lines[:] = 0
        first, words = table[i, T_ADDRESS], table[i, T_WORDS]
        open_lines(first, words, side[2], side[3], stamp, seen, lines)
        turns[1] = max(turns[1], lines.max())
    return stamp
