"""What happens on the chip of a spatial design, compiled: fills, lock-step computing, drains.

``run_phase`` takes the steps of one phase, in order. It is a max-plus recurrence over clocks that
are kept from phase to phase (with minima at ports that several use, see ``holding``): whatever
waits, waits for the latest of several times, and the order in which transfers take turns depends on
the mapping alone. So nothing that gets earlier makes the run longer. Everything it decides lies at
or after the phase's start, so the event engine may run it at that moment and schedule what follows
from it.

Per step: what every edge has to bring, parents before children, ifmap, weight, partial sums; then
the results of epochs that ended with the step before, children before parents; then the step
itself. Partial sums are last because their room is the last to be free: it comes with the drain of
two epochs ago. Results go before the next step's words where their place is needed for it; those of
MACs that keep nothing go as many steps later as the MACs have stages.

Times are cycles, the clocks of ports and buses ticks (parts of a cycle, see ``Machine``): transfers
share a cycle of a port as long as their words fit; what has arrived is there from the next whole
cycle on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.array.blame import add_wait, chained
from arraysmith.sim.cycle.array.columns import (
    ABOVE,
    ARRIVED,
    AT_MACS,
    BEHIND,
    BELOW,
    BLAME,
    BUSES,
    COMPUTED,
    DEPTH,
    DOWN_WORDS,
    DRAIN_WORDS,
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
    ENDED,
    EPOCH,
    FANOUTS,
    FILL_CAUSE,
    FILL_WORDS,
    LATENCY,
    NOTING,
    NUMBER,
    OPENING,
    OVER,
    OWN,
    PHASE_LOOPS,
    PIPELINE,
    PORT_CAUSES,
    RAGGED,
    READ_LEFT,
    RING,
    ROOM_CAUSE,
    ROUNDS,
    SENT,
    SERIAL,
    SLOTS,
    STARTED,
    STEP,
    STEP_LOOPS,
    TENSOR,
    TILE_WORDS,
    TURNED,
    UP_WORDS,
    VISITS,
    WAITS,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.array.draining import drain, note
from arraysmith.sim.cycle.array.routes import cross
from arraysmith.sim.cycle.array.sending import move_down, send_operand
from arraysmith.sim.cycle.array.transfers import serve_macs
from arraysmith.sim.cycle.banks.bank_lookups import (
    AGAIN,
    ALL_LINES,
    AT_CHILD_SIDE,
    AT_PARENT,
    bank_turns,
)
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.lookups import (
    find_entries,
    kept_words,
    most_words,
    total_words,
)
from arraysmith.sim.cycle.nest.turns import count_rounds, next_turn

NOWHERE = 1 << 30
"""Ancestor that has held a result tile before, if none has: more than there are memories."""


@njit(cache=True, nogil=True)
def run_phase(
    start: int,
    cause: int,
    plan: Plan,
    clocks: Clocks,
    stalls: Int,
    words: Int,
    records: Int,
    waits: Int,
) -> int:
    """Run the steps of one phase, or as many as there is room for records.

    Args:
        start: cycle from which the chip may work on the phase: all its off-chip words are in.
        cause: chain of waiting, see ``blame``, if it has to wait for ``start``.
        plan: see ``Plan``.
        clocks: see ``Clocks``; updated. ``state[OVER]`` tells whether the phase is over.
        stalls: int64 [causes], added to.
        words: int64 [edges of the tree, WORDS], added to.
        records: int64 [n, RECORD + loops in time], written; [0, ..]: none are kept.
        waits: see ``add_wait``; ``state[WAITS]`` of them are there.

    Returns:
        Records written.
    """
    loops, many, size, numbers, edges, _, service, _, _ = plan
    state, index, limits, known, epochs, _, _, wires = clocks
    count, recorded = len(edges), 0
    recording = len(records) > 0
    while True:
        full = recording and recorded + (count + 1) * (RING + 2) > len(records)
        if full or (len(waits) > 0 and state[WAITS] + 3 > len(waits)):
            state[OVER] = 0
            return recorded
        turned = state[TURNED]
        best, binding = -1, cause
        for k in range(count):
            if turned < edges[k, DEPTH]:
                known[k, EPOCH] += 1
                if edges[k, TENSOR] == 2:
                    recorded = _send_sums(
                        k, turned, start, cause, plan, clocks, words, records, recorded
                    )
                else:
                    recorded = send_operand(
                        k, turned, start, cause, plan, clocks, words, records, recorded
                    )
            if edges[k, BELOW] < 0 and known[k, ARRIVED] > best:
                best, binding = known[k, ARRIVED], known[k, BLAME]
        waiting = False
        for k in range(count):
            waiting = waiting or (not edges[k, AT_MACS] and known[k, ENDED] > known[k, SENT])
        for k in range(count - 1, -1, -1):
            keep = min(numbers[PIPELINE], RING - 2) - 1 if edges[k, AT_MACS] and not waiting else 0
            while known[k, ENDED] - known[k, SENT] > keep:
                recorded = drain(k, plan, clocks, records, recorded)
        begin, waited = max(state[COMPUTED], best), 0
        if state[OPENING]:
            begin = max(begin, start)
            waited = max(0, start - state[COMPUTED])
        if not state[STARTED]:
            why = chained(numbers[FILL_CAUSE], binding)
            add_wait(stalls, waits, state, state[COMPUTED], begin - state[COMPUTED], why)
            state[STARTED] = 1
        else:
            free = state[COMPUTED] + waited
            add_wait(stalls, waits, state, state[COMPUTED], waited, cause)
            add_wait(stalls, waits, state, free, begin - free, binding)
        macs = numbers[ROUNDS]
        if numbers[RAGGED]:
            macs = count_rounds(loops, many, size, index, numbers[STEP_LOOPS])
        end, slow = begin + macs, -1
        for m in range(len(service)):
            if service[m, 0] or service[m, 1]:
                done = serve_macs(wires, m, begin, macs * service[m, 0], macs * service[m, 1])
                if done > end:
                    end, slow = done, m
        if slow >= 0:
            why = numbers[PORT_CAUSES] + slow
            add_wait(stalls, waits, state, begin + macs, end - begin - macs, why)
        if recording and state[NOTING]:
            note(records[recorded], count, (begin, end, end), (0, 0), 0, turned, index)
            recorded += 1
        state[COMPUTED], state[OPENING] = end, 0
        state[STEP] += 1
        turned = next_turn(
            loops, many, size, index, limits, numbers[STEP_LOOPS], numbers[RAGGED] == 1
        )
        state[TURNED] = turned
        over = turned < numbers[PHASE_LOOPS]
        early = over
        first = 0
        for k in range(count):
            if edges[k, TENSOR] == 2 and turned < edges[k, DEPTH]:
                epoch = known[k, EPOCH]
                known[k, ENDED] = epoch + 1
                epochs[k, epoch % RING, E_READY] = end + numbers[PIPELINE] - 1
                if not early and edges[k, SERIAL]:
                    early, first = True, k
        for k in range(count - 1, first - 1 if early else count, -1):
            while known[k, ENDED] > known[k, SENT]:  # from the inside out
                recorded = drain(k, plan, clocks, records, recorded)
        if over:
            state[OVER] = state[OPENING] = 1
            return recorded


@njit(cache=True, nogil=True)
def _send_sums(
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
    """Find room for a result tile and bring its partial sums down, if it was there before."""
    numbers, edge, again, tables = plan[3], plan[4][k], plan[5][k], plan[7]
    index, known, epochs, visits = clocks[1], clocks[3], clocks[4][k], clocks[5][k]
    entries = np.empty(16, np.int64)
    number, fanouts, epoch = edge[NUMBER], numbers[FANOUTS], known[k, EPOCH]
    factors = tables[2][number]
    find_entries(tables, number, index, turned, entries)
    held, last = NOWHERE, 0
    for j in range(len(index)):
        if again[j] >= 0 and index[j] > 0:
            held = min(held, again[j])
            last = j
    row = epochs[epoch % RING]
    row[E_TURNED] = turned
    row[E_TILES] = most_words(tables, factors, 0, entries)
    up = fanouts + 1
    row[E_THROUGH] = most_words(tables, factors, up, entries)
    row[E_THROUGH + 1] = most_words(tables, factors, fanouts, entries)
    for i in range(edge[BUSES]):
        row[E_THROUGH + 2 + i] = most_words(tables, factors, up + i, entries)
    table = clocks[7][13]
    row[E_TURNS] = bank_turns(table, number, AT_PARENT, ALL_LINES, factors, entries)
    row[E_TURNS + 1] = bank_turns(table, number, AT_PARENT, AGAIN, factors, entries)
    row[E_TURNS + 2] = bank_turns(table, number, AT_CHILD_SIDE, ALL_LINES, factors, entries)
    row[E_LATE] = cross(clocks[7], number, 1, edge[BUSES], factors, entries, row[E_THROUGH:])
    for j in range(len(index)):
        row[E_THROUGH + 2 + fanouts + j] = index[j]
    words[number, UP_WORDS] += total_words(tables, factors, up, entries)
    words[number, TILE_WORDS] += total_words(tables, factors, 0, entries)
    words[number, DRAIN_WORDS] += total_words(tables, factors, fanouts, entries)
    room = 0
    behind = epoch - edge[SLOTS]
    if edge[AT_MACS]:
        behind = epoch - min(numbers[PIPELINE] + 2, RING - 1)
    if behind >= 0:
        room = epochs[behind % RING, E_LEFT]
        known[k, BEHIND] = epochs[behind % RING, E_WHY]
    if edge[AT_MACS]:
        room = max(0, room - edge[LATENCY])  # the way there has room for what is under way
    row[E_ABOVE] = -1 if edge[ABOVE] < 0 else known[edge[ABOVE], EPOCH]
    tile = 0
    for f in range(edge[OWN]):
        tile = tile * 31 + entries[f] - tables[0][number, f, turned]
    tile %= VISITS
    if held == NOWHERE:
        known[k, ARRIVED] = room
        known[k, BLAME] = chained(edge[ROOM_CAUSE], known[k, BEHIND])
    else:
        # What comes back has to be there; what MACs add to passes their adder, which forwards it.
        before = max(visits[tile], epoch - RING + 1)
        if before >= 0 and not edge[AT_MACS]:
            while known[k, SENT] <= before:
                recorded = drain(k, plan, clocks, records, recorded)
            room = max(room, epochs[before % RING, E_DRAINED])
        if plan[8][k, last, 0, 0] >= 0:
            back = kept_words(tables, factors, plan[8][k, last], entries)
        else:
            back = total_words(tables, factors, 2 * fanouts + 1 + held, entries)
        words[number, DOWN_WORDS] += back
        words[number, FILL_WORDS] += back
        begin, opened, finish = move_down(k, room, start, cause, plan, clocks, entries)
        if len(records) > 0:
            times = begin, known[k, READ_LEFT], known[k, ARRIVED]
            note(records[recorded], k, times, (opened, finish), epoch, turned, index)
            recorded += 1
    visits[tile] = epoch
    row[E_ROOM] = known[k, ARRIVED]
    return recorded
