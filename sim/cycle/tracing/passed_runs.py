"""Requests of words that neighbours pass on, at both ends and on the links between. Compiled.

As ``instance_runs``. A run of words that one child takes from one neighbour is a request at each of
the two, at the same address, and one of the link between them. Words leave a child as fast as its
port goes, and pass links evenly over the time of the transfer. They enter a child, together with
those of the same turn from the parent and after them, evenly over the time for which its port is
taken.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.array.columns import (
    R_AGAIN,
    R_BEGIN,
    R_FROM,
    R_LEFT,
    R_TILE,
    R_TO,
    R_TURNED,
    R_UP,
    RECORD,
    SIDEWAYS,
)
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.instance_runs import (
    NO_LOOPS,
    T_ADDRESS,
    T_FROM,
    T_INSTANCE,
    T_WAY,
    T_WORDS,
    Room,
    list_instance_runs,
)
from arraysmith.sim.cycle.nest.listing import Scratch, View
from arraysmith.sim.cycle.tracing.memory_runs import (
    Q_ADDRESS,
    Q_PORT,
    Q_REQUEST,
    Q_RESPONSE,
    Q_SIZE,
    Q_TILE,
    spread,
)

LEAVING = -1
"""In place of a direction: words as they leave a neighbour, not those on a link."""


@njit(cache=True, nogil=True)
def find_passed(
    start: int,
    records: Int,
    view: View,
    tiles: Int,
    way: int,
    frame: Int,
    numbers: Int,
    scratch: Scratch,
    room: Room,
    per_word: int,
    latency: int,
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
        way: direction of links, a number in ``DIRECTIONS``; ``LEAVING``.
        frame: int64 [AXES], of the children.
        numbers: of the children.
        scratch: see ``listing.Scratch``.
        room: see ``instance_runs.Room``.
        per_word: ticks that a word takes at the port that it leaves by.
        latency: of links, in cycles.
        ticks: of a cycle.
        table: int64 [n, RUN], room.
        out: int64 [n, REQUEST], written; address and size are words, the port of a link is the
            child that it leads to.

    Returns:
        (first record that is not listed, requests listed).
    """
    copies, total, moved = room
    owner = T_FROM if way == LEAVING else T_INSTANCE
    between = np.array(NO_LOOPS, np.int64)
    rank = np.zeros(len(table), np.int64)
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
        # In the order in which the children take them, whoever they come from.
        add_up(table[:more], T_INSTANCE, total, moved)
        for i in range(more):
            rank[i] = moved[table[i, T_INSTANCE]]
            moved[table[i, T_INSTANCE]] += table[i, T_WORDS]
        add_up(table[:more], owner, total, moved)
        begin, end = record[R_BEGIN], record[R_LEFT]
        if way != LEAVING:
            begin = max(begin, record[R_AGAIN])
        for i in np.argsort(rank[:more], kind="mergesort"):
            mine, row = table[i, owner], out[count]
            spread(begin, end, total[mine], moved[mine], table[i, T_WORDS], ticks, row)
            if way == LEAVING:
                row[Q_REQUEST] = (begin + moved[mine] * per_word) // ticks
            else:
                row[Q_RESPONSE] += latency
            moved[mine] += table[i, T_WORDS]
            row[Q_ADDRESS], row[Q_SIZE] = table[i, T_ADDRESS], table[i, T_WORDS]
            row[Q_TILE], row[Q_PORT] = record[R_TILE], mine
            count += way == LEAVING or table[i, T_WAY] == way
        start += 1
    return start, count


@njit(cache=True, nogil=True)
def add_up(table: Int, owner: int, total: Int, moved: Int) -> None:
    """Write the words of every owner of some run; let none of them have moved."""
    for i in range(len(table)):
        total[table[i, owner]] = moved[table[i, owner]] = 0
    for i in range(len(table)):
        total[table[i, owner]] += table[i, T_WORDS]


@njit(cache=True, nogil=True)
def find_entering(
    start: int,
    records: Int,
    sent: View,
    passed: View,
    tiles: Int,
    frame: Int,
    numbers: Int,
    scratch: Scratch,
    room: Room,
    latency: int,
    ticks: int,
    table: Int,
    out: Int,
) -> tuple[int, int]:
    """List what children of an edge with links take, from the parent and from neighbours.

    Args:
        start: see ``find_passed``, as others that are not told of.
        records: no record sideways beside one down.
        sent: what comes from the parent.
        passed: what comes from neighbours.
        tiles: see there.
        frame: see there.
        numbers: see there.
        scratch: of both views.
        room: see there.
        latency: of the buses, in cycles.
        ticks: see there.
        table: see there.
        out: see there.

    Returns:
        (first record that is not listed, requests listed).
    """
    copies, total, moved = room
    between = np.array(NO_LOOPS, np.int64)
    count = 0
    while start < len(records):
        record = records[start]
        index, turned = record[RECORD:], record[R_TURNED]
        free, more = len(out) - count, 0
        if record[R_UP] != SIDEWAYS:
            more = list_instance_runs(
                sent, tiles, between, False, index, turned, frame, numbers, scratch, copies,
                table[:free],
            )  # fmt: skip
        if more <= free and (record[R_UP] == SIDEWAYS or record[R_AGAIN]):
            more += list_instance_runs(
                passed, tiles, between, False, index, turned, frame, numbers, scratch, copies,
                table[more:free],
            )  # fmt: skip
        if more > free:
            return start, count
        add_up(table[:more], T_INSTANCE, total, moved)
        begin, end = record[R_FROM], record[R_TO]
        for i in range(more):
            mine, row = table[i, T_INSTANCE], out[count]
            spread(begin, end, total[mine], moved[mine], table[i, T_WORDS], ticks, row)
            row[Q_REQUEST] += latency
            row[Q_RESPONSE] += latency
            moved[mine] += table[i, T_WORDS]
            row[Q_ADDRESS], row[Q_SIZE] = table[i, T_ADDRESS], table[i, T_WORDS]
            row[Q_TILE], row[Q_PORT] = record[R_TILE], mine
            count += 1
        start += 1
    return start, count
