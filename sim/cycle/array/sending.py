"""Words on their way down an edge, from the parent and from neighbours. Compiled.

See ``spatial``, whose turns call this.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.array.blame import chained
from arraysmith.sim.cycle.array.columns import (
    ABOVE,
    AFTER,
    ARRIVED,
    AT_MACS,
    BANK_CAUSE,
    BEHIND,
    BELOW,
    BLAME,
    BUS_CAUSE,
    BUSES,
    CHILD,
    COMPUTED,
    DOWN_WORDS,
    E_LEFT,
    EPOCH,
    FANOUTS,
    FILL_WORDS,
    FIRST_BUS,
    LATENCY,
    LINK,
    NUMBER,
    PARENT,
    PARENT_SERIAL,
    PORT_CAUSE,
    READ_LEFT,
    RING,
    ROOM_CAUSE,
    SERIAL,
    SLOTS,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.array.draining import note
from arraysmith.sim.cycle.array.holding import ALONE
from arraysmith.sim.cycle.array.routes import cross
from arraysmith.sim.cycle.array.sideways import enter_beside, note_extremes, pass_on
from arraysmith.sim.cycle.array.transfers import IN_BANKS, ON_BUS, ROUTED, pass_down
from arraysmith.sim.cycle.banks.bank_lookups import ALL_LINES, AT_CHILD_SIDE, AT_PARENT, bank_turns
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.lookups import find_entries, most_words, total_words
from arraysmith.sim.cycle.nest.ports import FILL


@njit(cache=True, nogil=True)
def send_operand(
    k: int,
    turned: int,
    start: int,
    cause: int,
    plan: Plan,
    clocks: Clocks,
    words: Int,
    records: Int,
    recorded: int,
) -> int:
    """Bring the new words of an operand's tile down; return the records written so far."""
    edge, tables = plan[4][k], plan[7]
    state, index, known, memories = clocks[0], clocks[1], clocks[3], clocks[6]
    entries = np.empty(16, np.int64)
    number, factors = edge[NUMBER], tables[2][edge[NUMBER]]
    find_entries(tables, number, index, turned, entries)
    last = state[COMPUTED] if edge[BELOW] < 0 else known[edge[BELOW], READ_LEFT]
    past = clocks[4][k]
    past[known[k, EPOCH] % RING, E_LEFT] = last  # the tile before is of no more use
    room = past[(known[k, EPOCH] - edge[SLOTS] + 1) % RING, E_LEFT]
    if edge[SERIAL]:
        room = max(last, memories[edge[CHILD], 1])
    if edge[AT_MACS]:
        room = max(0, room - edge[LATENCY])  # the way there has room for what is under way
    moved = total_words(tables, factors, 0, entries)
    recorded, passed = pass_on(
        k, turned, room, start, cause, plan, clocks, words, entries, moved > 0, records, recorded
    )
    if moved == 0:
        return recorded
    words[number, DOWN_WORDS] += moved
    words[number, FILL_WORDS] += total_words(tables, factors, plan[3][FANOUTS], entries)
    came, blame = known[k, ARRIVED], known[k, BLAME]
    begin, opened, finish = move_down(k, room, start, cause, plan, clocks, entries)
    if len(records) > 0:
        times = begin, known[k, READ_LEFT], known[k, ARRIVED]
        note(records[recorded], k, times, (opened, finish), known[k, EPOCH], turned, index)
        recorded += 1
    if edge[LINK] >= 0:
        enter_beside(edge, finish, passed, clocks, records, recorded)
        if came > known[k, ARRIVED]:  # what neighbours pass on comes last
            known[k, ARRIVED], known[k, BLAME] = came, blame
    return recorded


@njit(cache=True, nogil=True)
def move_down(
    k: int, room: int, start: int, cause: int, plan: Plan, clocks: Clocks, entries: Int
) -> tuple[int, int, int]:
    """Take a transfer down, and note when it has arrived and why not before.

    Returns:
        (tick of the first word at the parent; ticks from which and to which children take them).
    """
    edges, tables = plan[4], plan[7]
    state, known, memories, wires = clocks[0], clocks[3], clocks[6], clocks[7]
    edge = edges[k]
    factors, buses = tables[2][edge[NUMBER]], edge[BUSES]
    through = np.empty(8, np.int64)
    through[0] = most_words(tables, factors, 0, entries)
    through[1] = most_words(tables, factors, plan[3][FANOUTS], entries)
    for i in range(buses):
        through[2 + i] = most_words(tables, factors, i, entries)
    at, blame = start, cause
    if room > at:
        at, blame = room, chained(edge[ROOM_CAUSE], known[k, BEHIND])
    if edge[AFTER] >= 0 and memories[edge[AFTER], 0] > at:
        at, blame = memories[edge[AFTER], 0], edge[ROOM_CAUSE]
    above = edge[ABOVE]
    if above >= 0 and known[above, ARRIVED] > at:
        at, blame = known[above, ARRIVED], known[above, BLAME]
    if edge[PARENT_SERIAL] and memories[edge[PARENT], 0] > at:
        at, blame = memories[edge[PARENT], 0], edge[PORT_CAUSE]
    late = cross(wires, edge[NUMBER], 0, buses, factors, entries, through) + edge[LATENCY]
    opened, ticks = 0, wires[6]
    if edge[CHILD] >= 0:  # from when the port is free, and the bus, whichever is later
        opened = wires[0][wires[1][edge[CHILD], FILL]]
        if buses and edge[LINK] < 0 and wires[5][edge[FIRST_BUS] + buses - 1] != ROUTED:
            opened = max(opened, wires[4][wires[7][edge[FIRST_BUS] + buses - 1]])
    begin, finish, slowest, entry = pass_down(
        wires, at, edge[PARENT], edge[CHILD], edge[FIRST_BUS], buses, through,
        (bank_turns(wires[13], edge[NUMBER], AT_PARENT, ALL_LINES, factors, entries),
         bank_turns(wires[13], edge[NUMBER], AT_CHILD_SIDE, ALL_LINES, factors, entries)),
        2 * k,
    )  # fmt: skip
    if edge[CHILD] >= 0 and wires[18][2 * k] != ALONE:
        opened = entry
    else:
        opened = max(opened, begin // ticks * ticks)
        if edge[CHILD] >= 0:  # in the cycle that the words before end in, from when these begin
            whole = wires[3][edge[CHILD]]
            busy = -(-through[1] // whole) * whole * wires[2][edge[CHILD], FILL]
            opened = max(opened, min(begin, finish - busy))
    left = -(-finish // ticks)
    note_extremes(state, at, left + late - at)
    # Of waiting for words and moving them, what took longer is to blame.
    if at == start or at - state[COMPUTED] <= left + late - at:
        behind = blame if at > state[COMPUTED] else 0
        blame = edge[PORT_CAUSE]
        if slowest >= ON_BUS:
            blame = edge[BUS_CAUSE] + slowest - ON_BUS
        elif slowest == IN_BANKS:
            blame = edge[BANK_CAUSE]
        blame = chained(blame, behind)
    known[k, READ_LEFT] = left
    known[k, ARRIVED] = left + late
    known[k, BLAME] = blame
    memories[edge[PARENT], 1] = max(memories[edge[PARENT], 1], left)
    if edge[CHILD] >= 0:
        memories[edge[CHILD], 0] = max(memories[edge[CHILD], 0], left + late)
    return begin, opened, finish
