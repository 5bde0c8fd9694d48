"""Words from neighbours, on the chip of a spatial design: when they are there. Compiled.

They move when the tile that neighbours had has come to all of them and there is room for the next;
the memory above has no part in it.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.array.blame import chained
from arraysmith.sim.cycle.array.columns import (
    AFTER,
    ARRIVED,
    BEHIND,
    BLAME,
    CHILD,
    COMPUTED,
    DRAIN_WORDS,
    EARLIEST,
    EPOCH,
    FANOUTS,
    FILL_WORDS,
    LATENCY,
    LINK,
    LINK_CAUSE,
    LINK_LATENCY,
    LONGEST,
    NUMBER,
    OPENING,
    R_AGAIN,
    R_TO,
    R_UP,
    ROOM_CAUSE,
    SIDEWAYS,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.array.draining import note
from arraysmith.sim.cycle.array.transfers import NOT_YET, pass_sideways
from arraysmith.sim.cycle.banks.bank_lookups import ALL_LINES, AT_CHILD_SIDE, LEAVING, bank_turns
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.lookups import passed_words
from arraysmith.sim.cycle.nest.ports import FILL


@njit(cache=True, nogil=True)
def note_extremes(state: Int, at: int, took: int) -> None:
    """Note a transfer down that could move from cycle ``at`` on and took so many cycles."""
    state[EARLIEST] = min(state[EARLIEST], at)
    if state[OPENING]:
        state[LONGEST] = max(state[LONGEST], took)


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
) -> tuple[int, int]:
    """Take words from neighbours, and note when they have come and why not before.

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

    Returns:
        (records written so far, tick of the last word on links; 0 without any).
    """
    numbers, edge, tables = plan[3], plan[4][k], plan[7]
    if edge[LINK] < 0:
        return recorded, 0
    known, memories, wires = clocks[3], clocks[6], clocks[7]
    number = edge[NUMBER]
    column = numbers[FANOUTS] + 1
    moved, most = passed_words(tables, tables[2][number], column, entries)
    if moved == 0:
        return recorded, 0
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
    _, sent = passed_words(tables, tables[2][number], column + 1, entries)
    late = edge[LINK_LATENCY] - edge[LATENCY]
    factors = tables[2][number]
    turns = (
        bank_turns(wires[13], number, AT_CHILD_SIDE, LEAVING, factors, entries),
        bank_turns(wires[13], number, AT_CHILD_SIDE, ALL_LINES, factors, entries),
    )
    begin, first, finish, entry, entered = pass_sideways(
        wires, at, edge[CHILD], edge[LINK], (sent, most), turns, late, beside
    )
    arrived = -(-finish // wires[6]) + edge[LINK_LATENCY]
    if entered != NOT_YET:
        arrived = max(arrived, -(-entered // wires[6]) + edge[LATENCY])
    note_extremes(clocks[0], at, arrived - at)
    if at == start or at - clocks[0][COMPUTED] <= arrived - at:
        blame = chained(edge[LINK_CAUSE], blame if at > clocks[0][COMPUTED] else 0)
    known[k, ARRIVED], known[k, BLAME] = arrived, blame
    memories[edge[CHILD], 0] = max(memories[edge[CHILD], 0], arrived)
    if len(records) > 0:
        row, times = records[recorded], (begin, finish, arrived)
        note(row, k, times, (entry, entered), known[k, EPOCH], turned, clocks[1])
        row[R_UP], row[R_AGAIN] = SIDEWAYS, first
        recorded += 1
    return recorded, finish


@njit(cache=True, nogil=True)
def enter_beside(
    edge: Int, finish: int, passed: int, clocks: Clocks, records: Int, recorded: int
) -> None:
    """Let nothing else into children before all words of a turn are in, whoever they come from.

    Args:
        edge: the edge on the chip, with links.
        finish: tick of the last word from the parent.
        passed: tick of the last word on links, 0 without any.
        clocks: updated.
        records: see ``spatial.run_phase``; the last one is completed.
        recorded: how many.
    """
    wires = clocks[7]
    slot, entered = wires[1][edge[CHILD], FILL], finish
    if passed:
        entered = max(entered, passed + (edge[LINK_LATENCY] - edge[LATENCY]) * wires[6])
        wires[0][slot] = max(wires[0][slot], entered)
    if len(records) > 0:
        row = records[recorded - 1]
        row[R_TO], row[R_AGAIN] = entered, passed > 0
