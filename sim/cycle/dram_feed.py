"""Requests in order, so many under way, before a memory controller (kernels).

What ``DramChannel`` does with one request after the other, compiled. Rings have a place for each
request that may be under way: request j is at j mod their length.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.dram.columns import DONE_IDENT, DONE_RETURN, N_DONE, NEVER, NOW
from arraysmith.sim.dram.controller import ControllerState
from arraysmith.sim.dram.kernel import AT_COMPLETION, NO_PROGRESS, advance
from arraysmith.sim.dram.requests import submit

# requests [most, 7]: what a request under way is
(
    RETURNED,  # cycle in which the memory returns it; -1: not known
    BACK,  # cycle in which it, or the one before it at this place, has come back
    TOTAL,  # words of its transfer; times are exact in that part of a cycle
    PART,  # what it takes to pass to the near side, in these parts
    LATENCY,  # cycles from there
    FIRST,  # 1: the first of its transfer
    OUTWARD,
) = range(7)
REQUEST = 7

# state
(
    ISSUED,  # requests so far
    LANDED,  # of them, those that have come back
    LAST_BACK,  # cycle in which the last of them has
    NEAR_FREE,  # cycle from which words can enter the near side
    PASSED,  # the same in parts of a cycle, inside a transfer
) = range(5)
STATE = 5


STUCK, TOO_LONG = -1, -2
"""What ``feed`` returns when the controller does not get on, or cycles outgrow their numbers."""


@njit(cache=True, nogil=True)
def land(requests: Int, state: Int, back: Int, count: int) -> int:
    """Let requests come back in their order as far as it is known when.

    Args:
        requests: int64 [most, REQUEST], updated.
        state: int64 [STATE], updated.
        back: int64 [n], written from ``count`` on: cycles in which they have come back.
        count: entries of ``back`` that are written.

    Returns:
        Entries that are written now.
    """
    while True:
        request = requests[state[LANDED] % len(requests)]
        near = request[RETURNED]
        if near < 0:
            return count
        request[RETURNED] = -1
        if not request[OUTWARD]:
            # Whole requests follow each other at the near side's pace.
            total = request[TOTAL]
            begun = state[NEAR_FREE] * total if request[FIRST] else state[PASSED]
            state[PASSED] = max(near * total, begun) + request[PART]
            near = -(-state[PASSED] // total)
            state[NEAR_FREE] = near
        state[LAST_BACK] = max(state[LAST_BACK], near + request[LATENCY])
        request[BACK] = back[count] = state[LAST_BACK]
        state[LANDED] += 1
        count += 1


@njit(cache=True, nogil=True)
def feed(
    burst: Int,
    bursts: Int,
    ends: Int,
    outward: bool,
    near_cycles: int,
    latency: int,
    start: int,
    ratio: tuple[int, int],
    requests: Int,
    state: Int,
    issue: Int,
    offered: Int,
    back: Int,
    memory: ControllerState,
) -> int:
    """Issue the requests of a transfer; let those that are under way come back meanwhile.

    Args:
        burst: int64 [n], number of the first burst of each.
        bursts: int64 [n], bursts of each; there is room for them in the memory.
        ends: int64 [n], words of the transfer up to and with each.
        outward: whether they write.
        near_cycles: cycles that the near side takes for all words.
        latency: cycles between near side and channel.
        start: first cycle.
        ratio: cycles of the memory per cycle, numerator and denominator.
        requests: see ``land``.
        state: see ``land``.
        issue: int64 [n], written: cycle in which each is issued.
        offered: int64 [n], written: cycle in which the memory is asked.
        back: int64 [n + most], written: see ``land``.
        memory: state of the controller.

    Returns:
        Entries of ``back`` that are written, or ``STUCK``, or ``TOO_LONG``.
    """
    slot, ask, done, waiting, queue, bank, group, rank, channel, table, log, whole, par = memory
    many, per = ratio
    most, total = len(requests), ends[-1]
    one = np.empty((4, 1), np.int64)
    one[2, 0] = outward
    now = start * total  # in parts of a cycle
    before = count = 0
    for k in range(len(ends)):
        awaited = state[ISSUED] - most
        while awaited >= state[LANDED]:
            status = advance(
                NEVER - 1, AT_COMPLETION, slot, ask, done, waiting, queue, bank, group, rank,
                channel, table, log, whole, par,
            )  # fmt: skip
            if status == NO_PROGRESS:
                return STUCK
            if whole[NOW] > NEVER // per // 2:
                return TOO_LONG
            for i in range(whole[N_DONE]):
                returned = -(-done[i, DONE_RETURN] * per // many)
                requests[done[i, DONE_IDENT] % most, RETURNED] = returned
            whole[N_DONE] = 0
            count = land(requests, state, back, count)
        request = requests[state[ISSUED] % most]
        if awaited >= 0:
            now = max(now, request[BACK] * total)
        issue[k] = now // total
        part = (ends[k] - before) * near_cycles
        before = ends[k]
        if outward:
            now += part
        offered[k] = -(-now // total)
        if offered[k] > NEVER // many // 2:
            return TOO_LONG
        request[TOTAL], request[PART], request[LATENCY] = total, part, latency
        request[FIRST], request[OUTWARD] = k == 0, outward
        one[0, 0], one[1, 0] = burst[k], bursts[k]
        one[3, 0] = -(-offered[k] * many // per)
        submit(one[0], one[1], one[2], one[3], slot, ask, whole, par)
        state[ISSUED] += 1
    return count
