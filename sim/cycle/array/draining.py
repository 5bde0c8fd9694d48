"""Results on their way up on the chip, compiled; and the records of transfers, either way."""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.array.blame import why_left
from arraysmith.sim.cycle.array.columns import (
    ABOVE,
    BELOW,
    BUSES,
    CHILD,
    E_ABOVE,
    E_DRAINED,
    E_LATE,
    E_LEFT,
    E_READY,
    E_ROOM,
    E_THROUGH,
    E_TILES,
    E_TURNED,
    E_TURNS,
    E_WHY,
    FIRST_BUS,
    LANDED,
    LATENCY,
    PARENT,
    PARENT_SERIAL,
    R_AGAIN,
    R_BEGIN,
    R_DONE,
    R_EDGE,
    R_FROM,
    R_LEFT,
    R_TILE,
    R_TO,
    R_TURNED,
    R_UP,
    RECORD,
    RING,
    SENT,
    SERIAL,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.array.transfers import ROUTED, pass_up
from arraysmith.sim.cycle.nest.boxes import Int


@njit(cache=True, nogil=True)
def drain(k: int, plan: Plan, clocks: Clocks, records: Int, recorded: int) -> int:
    """Send the results of the next epoch that is over up to the parent."""
    edges = plan[4]
    edge = edges[k]
    known, epochs, memories, wires = clocks[3], clocks[4], clocks[6], clocks[7]
    epoch = known[k, SENT]
    known[k, SENT] += 1
    row = epochs[k, epoch % RING]
    at = row[E_READY]
    if edge[BELOW] >= 0:
        at = known[edge[BELOW], LANDED]
        if edge[SERIAL]:
            at = max(at, memories[edge[CHILD], 1])
    if edge[ABOVE] >= 0:
        at = max(at, epochs[edge[ABOVE], row[E_ABOVE] % RING, E_ROOM])
    if edge[PARENT_SERIAL]:
        at = max(at, memories[edge[PARENT], 0])
    through, sends = row[E_THROUGH:], at * wires[6]
    near = edge[FIRST_BUS] + 2 * edge[BUSES] - 1
    if edge[BUSES] and wires[5][near] != ROUTED:  # what has no place on the bus stays in the child
        sends = max(sends, wires[4][wires[7][near]])
    begin, finish, read, sent = pass_up(
        wires, at, edge[PARENT], edge[CHILD], edge[FIRST_BUS] + edge[BUSES], edge[BUSES],
        through, through[0] - row[E_TILES], row[E_TURNS:], 2 * k + 1,
    )  # fmt: skip
    sends = max(sends, sent)
    left = -(-finish // wires[6])
    row[E_WHY] = why_left(k, at, left, row, plan, clocks)
    done = left + edge[LATENCY] + row[E_LATE]
    row[E_LEFT], row[E_DRAINED] = left, done
    known[k, LANDED] = done
    if edge[BELOW] >= 0 and edge[SERIAL]:
        memories[edge[CHILD], 0] = max(memories[edge[CHILD], 0], left)
    memories[edge[PARENT], 1] = max(memories[edge[PARENT], 1], done)
    if len(records) > 0:
        turns = row[len(row) - len(clocks[1]) :]
        times = begin, left, done
        note(records[recorded], k, times, (sends, finish), epoch, row[E_TURNED], turns)
        records[recorded, R_UP], records[recorded, R_AGAIN] = 1, read
        recorded += 1
    return recorded


@njit(cache=True, nogil=True)
def note(
    row: Int,
    k: int,
    times: tuple[int, int, int],
    child: tuple[int, int],
    tile: int,
    turned: int,
    index: Int,
) -> None:
    """Write a record.

    Args:
        row: written.
        k: the edge on the chip.
        times: begin in ticks, left and done in cycles.
        child: ticks from which and to which the port of a child is at it.
        tile: number.
        turned: the loop that has turned.
        index: int64 [loops in time], turns.
    """
    row[:RECORD] = 0
    row[R_FROM], row[R_TO] = child
    row[R_EDGE], row[R_TILE], row[R_TURNED] = k, tile, turned
    row[R_BEGIN], row[R_LEFT], row[R_DONE] = times
    for j in range(len(index)):
        row[RECORD + j] = index[j]
