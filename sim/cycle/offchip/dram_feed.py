"""Requests in order, so many under way, from one or several DMA engines to a memory (kernels).

What ``DramMemory`` does with one request after the other, compiled. Every engine issues the
requests of one transfer at a time; requests of all engines reach the memory in the order of time.
Those of one DRAM cycle go round the engines. Rings have a place for each request that may be under
way: request j of an engine is at j mod their length.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.dram.columns import (
    DONE_IDENT,
    DONE_RETURN,
    DONE_WHERE,
    N_DONE,
    NEVER,
    NEXT_IDENT,
    NOW,
    OWNER_BITS,
)
from arraysmith.sim.dram.controller import ControllerState
from arraysmith.sim.dram.kernel import AT_COMPLETION, NO_PROGRESS, advance
from arraysmith.sim.dram.requests import submit

# engines [n, 19]: what an engine has done, and the transfer that it issues
(
    MOST,  # requests that may be under way
    MANY,  # cycles of the memory per own cycle: numerator
    PER,  # and denominator
    ISSUED,  # requests so far
    LANDED,  # of them, those that have come back
    LAST_BACK,  # cycle in which the last of them has
    NEAR_FREE,  # cycle from which words can enter the near side
    PASSED,  # the same in parts of a cycle, inside a transfer
    NEXT,  # request that is issued next, counted inside the transfer
    COUNT,  # requests of the transfer; all are issued when NEXT is there
    START,  # first cycle
    TOTAL,  # words of the transfer; times are exact in that part of a cycle
    PACE,  # time of the next request as far as the engine decides, in these parts
    MOVED,  # words of the transfer that the requests before the next one move
    NEAR,  # cycles that the near side takes for all words
    LATE,  # cycles between near side and channel
    OUT,  # 1: the requests write
    SETTLE,  # 1: the first one waits until all requests before are back
    MASK,  # number of its first request, as the memory knows it
) = range(19)
ENGINE = 19

# table [engines, n, 5]: requests of the transfer that an engine issues
(
    BURST,  # number of the first burst
    BURSTS,  # bursts; there is room for them in the memory
    END,  # words of the transfer up to and with it
    ISSUE,  # written: cycle in which it is issued
    OFFERED,  # written: cycle in which the memory is asked; of a write, with its words
) = range(5)
TABLE = 5

# rings [engines, most, 9]: what a request under way is
(
    RETURNED,  # cycle in which the memory returns it; -1: not known
    BACK,  # cycle in which it, or the one before it at this place, has come back
    R_TOTAL,  # words of its transfer
    PART,  # what it takes to pass to the near side, in these parts
    R_LATE,  # cycles from there
    BEGAN,  # first cycle of the transfer whose first request it is, else -1
    R_OUT,  # 1: it writes
    WHERE,  # channel that returned it and what that waited for, see ``sim.dram.columns``
    LAST,  # 1: the last of its transfer
) = range(9)
RING = 9

# told [n, 5]: requests that have come back
(
    TOLD_ENGINE,
    TOLD_BACK,  # cycle in which it has
    TOLD_WHERE,
    TOLD_LATER,  # cycles after the one before (the start of its transfer, if it is the first)
    TOLD_CYCLES,  # of them, those for which the memory had it
) = range(5)
TOLD = 5

SERVED, TELLS, STUCK, TOO_LONG = range(4)
"""Why ``serve`` ended: at its limit or with nothing left to do; with something to tell, perhaps
before; the controller does not get on; cycles outgrow their numbers."""


@njit(cache=True, nogil=True)
def _land(e: int, engine: Int, ring: Int, told: Int, count: int) -> tuple[int, bool]:
    """Let requests of an engine come back in their order as far as it is known when.

    Returns:
        Entries of ``told``, and whether the last request of a transfer is among the new ones.
    """
    last = False
    while True:
        request = ring[engine[LANDED] % engine[MOST]]
        returned = near = request[RETURNED]
        if near < 0:
            return count, last
        request[RETURNED] = -1
        if not request[R_OUT]:
            # Whole requests follow each other at the near side's pace.
            total = request[R_TOTAL]
            first = request[BEGAN] >= 0
            begun = engine[NEAR_FREE] * total if first else engine[PASSED]
            engine[PASSED] = max(near * total, begun) + request[PART]
            near = -(-engine[PASSED] // total)
            engine[NEAR_FREE] = near
        before = max(engine[LAST_BACK], request[BEGAN])
        engine[LAST_BACK] = max(engine[LAST_BACK], near + request[R_LATE])
        request[BACK] = engine[LAST_BACK]
        engine[LANDED] += 1
        row = told[count]
        row[TOLD_ENGINE], row[TOLD_BACK] = e, engine[LAST_BACK]
        row[TOLD_WHERE] = request[WHERE]
        row[TOLD_LATER] = engine[LAST_BACK] - before
        row[TOLD_CYCLES] = max(0, returned - before)
        last = last or request[LAST] == 1
        count += 1


@njit(cache=True, nogil=True)
def _pace(engine: Int, ring: Int) -> int:
    """Return when the next request of an engine is issued, in parts of a cycle; -1: not known."""
    total, now = engine[TOTAL], engine[PACE]
    if engine[NEXT] == 0 and engine[SETTLE]:
        if engine[LANDED] < engine[ISSUED]:
            return -1
        now = max(now, engine[LAST_BACK] * total)
    awaited = engine[ISSUED] - engine[MOST]
    if awaited >= engine[LANDED]:
        return -1
    if awaited >= 0:
        now = max(now, ring[awaited % engine[MOST], BACK] * total)
    return int(now)


@njit(cache=True, nogil=True)
def serve(
    limit: int, turn: int, engines: Int, table: Int, rings: Int, held: Int, told: Int,
    memory: ControllerState,
) -> tuple[int, int, int]:  # fmt: skip
    """Issue requests of all engines and let them come back.

    Ends when the last request of a transfer has been issued or has come back, when the memory has
    been simulated up to ``limit``, or when ``told`` may not have room for more.

    Args:
        limit: cycle of the memory; nothing that is issued then or later is.
        turn: engine that goes first of those that ask in the same cycle.
        engines: int64 [n, ENGINE], updated.
        table: int64 [n, requests, TABLE], updated.
        rings: int64 [n, most, RING], updated.
        held: int64 [n, channels x REASONS], added to: how long requests of the transfer that is
            issued could not be as others were under way, by what those waited for; in parts of a
            cycle.
        told: int64 [at least 2 x most x n, TOLD], written.
        memory: state of the controller.

    Returns:
        Why it ended, entries of ``told``, and the next ``turn``.
    """
    slot, ask, done, waiting, queue, bank, group, rank, channel, log_table, log, whole, par = memory
    one = np.empty((4, 1), np.int64)
    many, count, most_per = len(engines), 0, engines[:, PER].max()
    while True:
        over = False
        for i in range(whole[N_DONE]):
            e = done[i, DONE_IDENT] >> OWNER_BITS
            mine = engines[e]
            place = (done[i, DONE_IDENT] - mine[MASK]) % mine[MOST]
            rings[e, place, RETURNED] = -(-done[i, DONE_RETURN] * mine[PER] // mine[MANY])
            rings[e, place, WHERE] = done[i, DONE_WHERE]
        if whole[N_DONE] > 0:
            whole[N_DONE] = 0
            for e in range(many):
                count, last = _land(e, engines[e], rings[e], told, count)
                over = over or last
        if over or count + rings.shape[0] * rings.shape[1] > len(told):
            return TELLS, count, turn
        chosen, soonest, busy = -1, NEVER, False
        for k in range(many):
            e = (turn + k) % many
            mine = engines[e]
            busy = busy or mine[LANDED] < mine[ISSUED]
            if mine[NEXT] == mine[COUNT]:
                continue
            now = _pace(mine, rings[e])
            if now < 0:
                continue
            if mine[OUT]:
                now += (table[e, mine[NEXT], END] - mine[MOVED]) * mine[NEAR]
            offered = -(-now // mine[TOTAL])
            if offered > NEVER // mine[MANY] // 2:
                return TOO_LONG, count, turn
            arrive = -(-offered * mine[MANY] // mine[PER])
            if arrive < soonest:
                chosen, soonest = e, arrive
        if chosen < 0 and not busy:
            return SERVED, count, turn
        if whole[NOW] < min(soonest, limit):
            status = advance(
                min(soonest, limit), AT_COMPLETION, slot, ask, done, waiting, queue, bank, group,
                rank, channel, log_table, log, whole, par,
            )  # fmt: skip
            if status == NO_PROGRESS:
                return STUCK, count, turn
            if whole[NOW] > NEVER // most_per // 2:
                return TOO_LONG, count, turn
            if whole[N_DONE] > 0:
                continue
        if soonest >= limit:
            return SERVED, count, turn
        mine, ring, k = engines[chosen], rings[chosen], engines[chosen, NEXT]
        row, now = table[chosen, k], _pace(mine, ring)
        request = ring[mine[ISSUED] % mine[MOST]]
        if now > mine[PACE] and mine[ISSUED] >= mine[MOST] and now == request[BACK] * mine[TOTAL]:
            held[chosen, request[WHERE]] += now - mine[PACE]
        row[ISSUE] = now // mine[TOTAL]
        part = (row[END] - mine[MOVED]) * mine[NEAR]
        mine[MOVED] = row[END]
        if mine[OUT]:
            now += part
        mine[PACE] = now
        row[OFFERED] = -(-now // mine[TOTAL])
        request[R_TOTAL], request[PART], request[R_LATE] = mine[TOTAL], part, mine[LATE]
        request[BEGAN] = mine[START] if k == 0 else -1
        request[R_OUT], request[LAST] = mine[OUT], k + 1 == mine[COUNT]
        one[0, 0], one[1, 0], one[2, 0], one[3, 0] = row[BURST], row[BURSTS], mine[OUT], soonest
        whole[NEXT_IDENT] = mine[MASK] + mine[ISSUED]
        submit(one[0], one[1], one[2], one[3], slot, ask, whole, par)
        mine[ISSUED] += 1
        mine[NEXT] += 1
        turn = (chosen + 1) % many
        if mine[NEXT] == mine[COUNT]:
            return TELLS, count, turn
