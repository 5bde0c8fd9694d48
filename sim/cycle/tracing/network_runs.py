"""Transfers over the network of a fan-out, one by one: requests of networks. Compiled.

A transfer is all that one turn moves of one tensor through one instance of the network; it begins
with the first word at the parent and is over when the last one has arrived.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.array.columns import R_BEGIN, R_DONE, R_TILE, R_TURNED, RECORD
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.instance_runs import Room, list_instance_runs
from arraysmith.sim.cycle.nest.listing import Scratch, View
from arraysmith.sim.cycle.tracing.memory_runs import (
    Q_ADDRESS,
    Q_PORT,
    Q_REQUEST,
    Q_RESPONSE,
    Q_SIZE,
    Q_TILE,
)


@njit(cache=True, nogil=True)
def add_by_instance(table: Int, totals: Int, first: Int) -> None:
    """Add up runs by instance.

    Args:
        table: int64 [n, 3], address, words and instance of every run.
        totals: int64 [instances], written: words of each.
        first: int64 [instances], written: address of its first word.
    """
    totals[:] = 0
    for i in range(len(table)):
        mine = table[i, 2]
        if totals[mine] == 0:
            first[mine] = table[i, 0]
        totals[mine] += table[i, 1]


@njit(cache=True, nogil=True)
def find_transfers(
    start: int,
    records: Int,
    view: View,
    tiles: Int,
    between: Int,
    frame: Int,
    numbers: Int,
    scratch: Scratch,
    room: Room,
    ticks: int,
    table: Int,
    out: Int,
) -> tuple[int, int]:
    """List the transfers of the records from ``start`` on, as far as there is room.

    Args:
        start: first record.
        records: int64 [n, ..], see ``columns.RECORD``.
        view: what moves through the network.
        tiles: see ``instance_runs.find_copies``.
        between: see ``instance_runs.list_instance_runs``.
        frame: int64 [AXES], of the parent.
        numbers: of the network's instances.
        scratch: see ``listing.Scratch``.
        room: see ``instance_runs.Room``.
        ticks: of a cycle.
        table: int64 [n, 3], room.
        out: int64 [m, REQUEST], written; address and size are words.

    Returns:
        (first record that is not listed, transfers listed); the same record as ``start`` if it
        alone asks for more room.
    """
    copies, total, first = room
    count = 0
    while start < len(records) and count + len(total) <= len(out):
        record = records[start]
        index, turned = record[RECORD:], record[R_TURNED]
        many = list_instance_runs(
            view, tiles, between, False, index, turned, frame, numbers, scratch, copies, table
        )
        if many > len(table):
            return start, count
        add_by_instance(table[:many], total, first)
        for i in range(len(total)):
            if total[i] == 0:
                continue
            row = out[count]
            row[Q_REQUEST], row[Q_RESPONSE] = record[R_BEGIN] // ticks, record[R_DONE]
            row[Q_ADDRESS], row[Q_SIZE] = first[i], total[i]
            row[Q_TILE], row[Q_PORT] = record[R_TILE], i
            count += 1
        start += 1
    return start, count
