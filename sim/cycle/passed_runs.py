"""Requests of words that neighbours pass on, at both ends and on the links between. Compiled.

As ``instance_runs``. A run of words that one child takes from one neighbour is a request at each of
the two, at the same address, and one of the link between them.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.columns import R_AGAIN, R_BEGIN, R_DONE, R_LEFT, R_TILE, R_TURNED, RECORD
from arraysmith.sim.cycle.instance_runs import (
    Q_ADDRESS,
    Q_PORT,
    Q_REQUEST,
    Q_RESPONSE,
    Q_SIZE,
    Q_TILE,
    T_ADDRESS,
    T_FROM,
    T_INSTANCE,
    T_WAY,
    T_WORDS,
    Room,
    list_instance_runs,
)
from arraysmith.sim.cycle.listing import Scratch, View

LEAVE, ON_LINK, ENTER = range(3)
"""Whose requests: of the neighbour that the words leave, of links, of the child that they enter."""


@njit(cache=True, nogil=True)
def find_passed(
    start: int,
    records: Int,
    view: View,
    tiles: Int,
    between: Int,
    place: int,
    way: int,
    frame: Int,
    numbers: Int,
    scratch: Scratch,
    room: Room,
    ticks: int,
    table: Int,
    out: Int,
) -> tuple[int, int]:
    """List the requests of the records from ``start`` on, as far as there is room.

    Args:
        start: first record.
        records: int64 [n, ..], see ``columns.RECORD``.
        view: words that neighbours pass on.
        tiles: see ``instance_runs.find_copies``.
        between: see ``instance_runs.list_instance_runs``.
        place: ``LEAVE``, ``ON_LINK`` or ``ENTER``.
        way: of links, the only direction that is listed.
        frame: int64 [AXES], of the children.
        numbers: of the children.
        scratch: see ``listing.Scratch``.
        room: see ``instance_runs.Room``.
        ticks: of a cycle.
        table: int64 [n, RUN], room.
        out: int64 [n, REQUEST], written; address and size are words, the port of a link is the
            child that it leads to.

    Returns:
        (first record that is not listed, requests listed).
    """
    copies, total, moved = room
    owner = T_FROM if place == LEAVE else T_INSTANCE
    count = 0
    while start < len(records):
        record = records[start]
        index, turned = record[RECORD:], record[R_TURNED]
        free = len(out) - count
        more = list_instance_runs(
            view, tiles, between, False, index, turned, frame, numbers, scratch, copies,
            table[:free],
        )  # fmt: skip
        if more > free:
            return start, count
        for i in range(more):
            total[table[i, owner]] = moved[table[i, owner]] = 0
        for i in range(more):
            total[table[i, owner]] += table[i, T_WORDS]
        first = record[R_BEGIN if place == LEAVE else R_AGAIN] // ticks
        late = record[R_DONE] - record[R_LEFT]
        busy = record[R_LEFT] - first
        for i in range(more):
            mine, row = table[i, owner], out[count]
            row[Q_REQUEST] = first + moved[mine] * busy // total[mine]
            moved[mine] += table[i, T_WORDS]
            row[Q_RESPONSE] = first - (-(moved[mine] * busy) // total[mine])
            if place == ENTER:
                row[Q_REQUEST] += late
            if place != LEAVE:
                row[Q_RESPONSE] += late
            row[Q_ADDRESS], row[Q_SIZE] = table[i, T_ADDRESS], table[i, T_WORDS]
            row[Q_TILE], row[Q_PORT] = record[R_TILE], mine
            count += place != ON_LINK or table[i, T_WAY] == way
        start += 1
    return start, count
