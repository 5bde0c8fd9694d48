"""Which words a turn moves, instance by instance. Compiled.

As ``listing``, from whose boxes the runs are cut; in addition everything says which instance of a
memory it is for (parents: whose transfer it is).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.nest.boxes import AXES, Int
from arraysmith.sim.cycle.nest.groups import (
    G_FIRST,
)
from arraysmith.sim.cycle.nest.listing import (
    ROWS,
    Scratch,
    View,
    add_runs,
    find_boxes,
    find_groups,
    new_boxes,
    next_choice,
)
from arraysmith.sim.cycle.nest.passing import L_DIM, L_WAY, N_PLACE
from arraysmith.sim.cycle.nest.turns import (
    EXTENT,
    KEYS,
    LEADS,
    WAITING,
    find_places,
    leave_out_moved,
    many_places,
)

Room = tuple[Int, Int, Int]
"""Int64 [3, n], numbers of the instances that dims which do not move the tensor tell apart, whether
each leads, and room to make them; int64 [instances], words of each and words before."""

NO_LOOPS = -1, -1, -1
"""``between`` of ``list_instance_runs`` where all tiles are meant."""

# Columns of a run: its first address and words, whose it is; who passes it on, and which way.
T_ADDRESS, T_WORDS, T_INSTANCE, T_FROM, T_WAY, RUN = range(6)


def room_of(view: View, instances: int) -> Room:
    """Return room for a view, for a memory with so many instances."""
    most = 1
    for d in view[5]:
        most *= many_places(view[0][d, : view[1][d]], view[6])
    return (
        np.zeros((4, most), np.int64),
        np.zeros(instances, np.int64),
        np.zeros(instances, np.int64),
    )


@njit(cache=True, nogil=True)
def find_copies(
    view: View, tiles: Int, index: Int, turned: int, numbers: Int, scratch: Scratch, found: Int
) -> int:
    """Write the number of every instance with work in the dims that do not move the tensor.

    Args:
        view: what moves.
        tiles: modes by which the first of equal tiles is known, see ``amounts.modes_of``.
        index: int64 [loops in time], turns.
        turned: the loop that has turned.
        numbers: see ``instances.instance_numbers``.
        scratch: see ``listing.Scratch``.
        found: int64 [4, n], written: in row 0 the numbers, in row 1 whether it is the first of
            those that have equal tiles.

    Returns:
        How many.
    """
    loops, loops_of, size, others, child, modes = (
        view[0], view[1], view[2], view[5], view[6], view[7],
    )  # fmt: skip
    first, second = scratch[1], scratch[2]
    found[0, 0], found[1, 0] = 0, 1
    count = 1
    for d in others:
        rows = loops[d, : loops_of[d]]
        many = find_places(rows, size[d], child, index, turned, modes, 1, first)
        find_places(rows, size[d], child, index, turned, tiles, 1, second)
        made = 0
        for i in range(count):
            for c in range(many):
                if first[c, EXTENT] > 0 and first[c, LEADS]:
                    found[2, made] = found[0, i] + numbers[d, c]
                    found[3, made] = found[1, i] * second[c, LEADS]
                    made += 1
        found[:2, :made] = found[2:, :made]
        count = made
    return count


@njit(cache=True, nogil=True)
def find_moved(view: View, index: Int, between: Int, moved: Int) -> None:
    """Write which places some loop in time between two numbers has moved.

    Args:
        view: what moves.
        index: int64 [loops in time], turns.
        between: int64 [3]: loops inside the first number and outside of the second (third) one;
            -1: none.
        moved: int64 [2, dims, most places], written for the second and the third number.
    """
    loops, loops_of, size, child = view[0], view[1], view[2], view[6]
    places = np.zeros((moved.shape[2], KEYS), np.int64)
    for n in range(2):
        for d in range(len(size)):
            rows = loops[d, : loops_of[d]]
            many = many_places(rows, child)
            places[:many, EXTENT] = 1
            if between[1 + n] > 0:
                leave_out_moved(rows, size[d], child, index, between[0], between[1 + n], places)
            for c in range(many):
                moved[n, d, c] = places[c, EXTENT] == WAITING


@njit(cache=True, nogil=True)
def list_instance_runs(
    view: View,
    tiles: Int,
    between: Int,
    again: bool,
    index: Int,
    turned: int,
    frame: Int,
    numbers: Int,
    scratch: Scratch,
    copies: Int,
    out: Int,
) -> int:
    """List runs of consecutive addresses of what a turn moves, ended by rows.

    Args:
        view: what moves.
        tiles: see ``find_copies``.
        between: only tiles that no loop has moved between the first two of these numbers and some
            loop has between the first and the third, see ``find_moved``.
        again: only what is not the first of equal tiles.
        index: int64 [loops in time], turns.
        turned: the loop that has turned, -1 for the first turn of all.
        frame: int64 [AXES], lengths of the frame that addresses are taken in.
        numbers: see ``instances.instance_numbers``.
        scratch: see ``listing.Scratch``.
        copies: see ``find_copies``.
        out: int64 [n, ..], written as far as there is room: of words that neighbours pass on all
            columns, see ``T_ADDRESS``, of others the first three.

    Returns:
        Number of runs.
    """
    many = np.empty(AXES, np.int64)
    find_groups(view, index, turned, scratch, many)
    often = find_copies(view, tiles, index, turned, numbers, scratch, copies)
    groups, near, of, axes, links = scratch[0], scratch[3], scratch[5], view[3], view[9]
    boxes = new_boxes(scratch)
    ways = boxes[1]
    place = np.zeros((AXES, 2), np.int64)
    row = np.empty(AXES, np.int64)
    count = 0
    if many.min() == 0:
        return 0
    others = np.ones(AXES, np.int64)
    for a in range(AXES):
        d = axes[a, 1]
        if axes[a, 0] >= 0 and d >= 0:
            others[a] = many_places(view[0][d, : view[1][d]], view[6])
    moved = np.zeros((2, numbers.shape[0], numbers.shape[1]), np.int64)
    if between[1] >= 0:
        find_moved(view, index, between, moved)
    for copy in range(often):
        if again and copies[1, copy]:
            continue
        chosen = np.zeros(AXES, np.int64)
        while True:
            mine, kept, further = copies[0, copy], True, between[2] < 0
            for a in range(AXES):
                if axes[a, 0] >= 0:
                    both = groups[a, chosen[a], G_FIRST]
                    one = both // others[a]
                    place[a, 0], place[a, 1] = one, both % others[a]
                    mine += numbers[axes[a, 0], one]
                    kept = kept and not moved[0, axes[a, 0], one]
                    further = further or moved[1, axes[a, 0], one] > 0
                    if axes[a, 1] >= 0:
                        mine += numbers[axes[a, 1], place[a, 1]]
            pieces = 0
            if kept and further:
                pieces = find_boxes(view, turned >= 0, scratch, chosen, boxes)
            for b in range(pieces):
                before = count
                count = add_runs(boxes[0][b], frame, ROWS, row, out, len(out), count)
                out[before:count, T_INSTANCE] = mine
                if view[10]:
                    link = links[ways[b, 1]]
                    here = place[ways[b, 0], of[ways[b, 0], ways[b, 1]]]
                    there = near[ways[b, 1], here, N_PLACE]
                    out[before:count, T_FROM] = (
                        mine + numbers[link[L_DIM], there] - numbers[link[L_DIM], here]
                    )
                    out[before:count, T_WAY] = link[L_WAY]
            if not next_choice(chosen, many):
                break
    return count
