"""Words from neighbours, on the chip of a spatial design: when they are there. Compiled.

They move when the tile that neighbours had has come to all of them and there is room for the next;
the memory above has no part in it.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.blame import chained
from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.columns import (
    AFTER,
    ARRIVED,
    BEHIND,
    BLAME,
    CHILD,
    COMPUTED,
    DRAIN_WORDS,
    EPOCH,
    FANOUTS,
    FILL_WORDS,
    LINK,
    LINK_CAUSE,
    LINK_LATENCY,
    NUMBER,
    R_AGAIN,
    R_UP,
    ROOM_CAUSE,
    SIDEWAYS,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.draining import note
from arraysmith.sim.cycle.lookups import passed_words
from arraysmith.sim.cycle.transfers import pass_sideways


@njit(cache=True, nogil=True)
def pass_on(
    k: int,
    turned: int,
    room: int,
    start: int,
    cause: int,
    plan: Plan,
    clocks: Clocks,
    words: Int,
    entries: Int,
    beside: bool,
    records: Int,
    recorded: int,
) -> int:
    """Take words from neighbours, and note when they have come and why not before.

    Returns the records written so far.

    Args:
        k: the edge on the chip.
        turned: the loop that has turned.
        room: cycle from which there is room for the tile.
        start: see ``spatial.run_phase``, as the next four.
        cause: chain of waiting.
        plan: what stays.
        clocks: updated.
        words: added to.
        entries: of the turn, see ``lookups.find_entries``.
        beside: whether words come from the parent as well.
        records: see ``spatial.run_phase``.
        recorded: records written so far.
    """
    numbers, edge, tables = plan[3], plan[4][k], plan[7]
    if edge[LINK] < 0:
        return recorded
    known, memories, wires = clocks[3], clocks[6], clocks[7]
    number = edge[NUMBER]
    column = numbers[FANOUTS] + 1
    moved, most = passed_words(tables, tables[2][number], column, entries)
    if moved == 0:
        return recorded
    words[number, DRAIN_WORDS] += moved
    if not beside:
        words[number, FILL_WORDS] += moved
    at, blame = start, cause
    if room > at:
        at, blame = room, chained(edge[ROOM_CAUSE], known[k, BEHIND])
    if edge[AFTER] >= 0 and memories[edge[AFTER], 0] > at:
        at, blame = memories[edge[AFTER], 0], edge[ROOM_CAUSE]
    if known[k, ARRIVED] > at:
        at, blame = known[k, ARRIVED], known[k, BLAME]
    begin, first, finish = pass_sideways(wires, at, edge[CHILD], edge[LINK], most, beside)
    left = -(-finish // wires[6])
    arrived = left + edge[LINK_LATENCY]
    if at == start or at - clocks[0][COMPUTED] <= arrived - at:
        blame = chained(edge[LINK_CAUSE], blame if at > clocks[0][COMPUTED] else 0)
    known[k, ARRIVED], known[k, BLAME] = arrived, blame
    memories[edge[CHILD], 0] = max(memories[edge[CHILD], 0], arrived)
    if len(records) > 0:
        note(records[recorded], k, (begin, left, arrived), known[k, EPOCH], turned, clocks[1])
        records[recorded, R_UP], records[recorded, R_AGAIN] = SIDEWAYS, first
        recorded += 1
    return recorded
