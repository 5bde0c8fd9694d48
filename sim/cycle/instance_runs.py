"""Which words a turn moves, instance by instance, and when: requests of memories. Compiled.

As ``listing``, from whose boxes the runs are cut; in addition everything says which instance of a
memory it is for (parents: whose transfer it is). The words that one instance takes (gives) in a
turn are spread evenly over the time in which the transfer passes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import AXES, Int
from arraysmith.sim.cycle.columns import (
    R_AGAIN,
    R_BEGIN,
    R_DONE,
    R_FROM,
    R_LEFT,
    R_TILE,
    R_TO,
    R_TURNED,
    RECORD,
)
from arraysmith.sim.cycle.groups import (
    G_FIRST,
)
from arraysmith.sim.cycle.listing import (
    ROWS,
    Scratch,
    View,
    add_runs,
    find_boxes,
    find_groups,
    new_boxes,
    next_choice,
)
from arraysmith.sim.cycle.passing import L_DIM, L_WAY, N_PLACE
from arraysmith.sim.cycle.turns import (
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

# Columns of a request.
Q_REQUEST, Q_RESPONSE, Q_ADDRESS, Q_SIZE, Q_TILE, Q_PORT, REQUEST = range(7)


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


@njit(cache=True, nogil=True)
def spread(begin: int, end: int, total: int, moved: int, words: int, ticks: int, row: Int) -> None:
    """Write the cycles of some of ``total`` words that move evenly between two ticks."""
    scale, long = total * ticks, end - begin
    row[Q_REQUEST] = (begin * total + moved * long) // scale
    row[Q_RESPONSE] = -(-(begin * total + (moved + words) * long) // scale)


@njit(cache=True, nogil=True)
def find_requests(
    start: int,
    records: Int,
    view: View,
    tiles: Int,
    between: Int,
    parent: bool,
    again: bool,
    up: bool,
    frame: Int,
    numbers: Int,
    scratch: Scratch,
    room: Room,
    per_word: int,
    ticks: int,
    table: Int,
    out: Int,
) -> tuple[int, int]:
    """List the requests of the records from ``start`` on, as far as there is room.

    At a parent, words are asked for as fast as its port goes, and they move on at the pace of the
    whole transfer; at a child they take the time for which its port is at the transfer.

    Args:
        start: first record.
        records: int64 [n, ..], see ``columns.RECORD``.
        view: what moves.
        tiles: see ``find_copies``.
        between: see ``list_instance_runs``.
        parent: whether the memory is the parent, else the child.
        again: what the parent reads to add to it.
        up: whether results come up.
        frame: int64 [AXES].
        numbers: of the memory's instances.
        scratch: see ``listing.Scratch``.
        room: see ``Room``.
        per_word: ticks that a word takes at the parent's port.
        ticks: of a cycle.
        table: int64 [n, 3], room.
        out: int64 [n, REQUEST], written; address and size are words.

    Returns:
        (first record that is not listed, requests listed).
    """
    copies, total, moved = room
    count = 0
    while start < len(records):
        record = records[start]
        index, turned = record[RECORD:], record[R_TURNED]
        free = len(out) - count
        more = list_instance_runs(
            view, tiles, between, again, index, turned, frame, numbers, scratch, copies,
            table[:free],
        )  # fmt: skip
        if more > free:
            return start, count
        for i in range(more):
            total[table[i, 2]] = moved[table[i, 2]] = 0
        for i in range(more):
            total[table[i, 2]] += table[i, 1]
        begin = record[R_AGAIN] if again else record[R_BEGIN]
        first = begin // ticks
        # Results leave a child at once and arrive after the latency; operands the other way round.
        delay = record[R_DONE] - record[R_LEFT] if parent or not up else 0
        busy = record[R_LEFT] - first
        for i in range(more):
            mine, row = table[i, 2], out[count]
            if parent:
                row[Q_REQUEST] = (begin + moved[mine] * per_word) // ticks
                done = moved[mine] + table[i, 1]
                row[Q_RESPONSE] = first - (-(done * busy) // total[mine]) + delay
            else:
                ends = record[R_FROM], record[R_TO]
                spread(ends[0], ends[1], total[mine], moved[mine], table[i, 1], ticks, row)
                row[Q_REQUEST] += delay
                row[Q_RESPONSE] += delay
            moved[mine] += table[i, 1]
            row[Q_ADDRESS], row[Q_SIZE] = table[i, 0], table[i, 1]
            row[Q_TILE], row[Q_PORT] = record[R_TILE], mine
            count += 1
        start += 1
    return start, count
