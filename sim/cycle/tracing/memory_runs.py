"""When the words of a transfer pass a memory: its requests. Compiled.

The words that one instance takes (gives) in a turn are spread evenly over the time in which the
transfer passes.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.array.columns import (
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
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.instance_runs import Room, list_instance_runs
from arraysmith.sim.cycle.nest.listing import (
    Scratch,
    View,
)

# Columns of a request.
Q_REQUEST, Q_RESPONSE, Q_ADDRESS, Q_SIZE, Q_TILE, Q_PORT, REQUEST = range(7)


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
        tiles: see ``instance_runs.find_copies``.
        between: see ``instance_runs.list_instance_runs``.
        parent: whether the memory is the parent, else the child.
        again: what the parent reads to add to it.
        up: whether results come up.
        frame: int64 [AXES].
        numbers: of the memory's instances.
        scratch: see ``listing.Scratch``.
        room: see ``instance_runs.Room``.
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
