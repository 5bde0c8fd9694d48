"""The clock of a controller: from one cycle in which something happens to the next (kernel).

In a cycle each channel first issues commands (a refresh that is due goes first), then sends one
request to the queue of its bank; then requests are accepted. Cycles in which none of this can
happen are skipped, which changes nothing: what becomes ready is known by its cycle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.dram.choice import ANY, COLUMN_COMMAND, ROW_COMMAND
from arraysmith.sim.dram.columns import (
    ARRIVE,
    CHANNELS,
    COMMAND_AT,
    FLUSH,
    IN_FIRST,
    IN_QUEUES,
    INTERVAL,
    LAST_ACCEPT,
    LAST_COLUMN,
    N_DONE,
    N_LOG,
    NEVER,
    NONE,
    NOW,
    PENDING,
    RANKS,
    READ,
    READS,
    REFRESH,
    REFRESH_AT,
    REFRESH_DUE,
    REFRESH_RANK,
    STIRRED,
    STUCK,
    TWO_COMMANDS,
    WAKE,
    WRITE_,
    WRITES,
)
from arraysmith.sim.dram.commands import issue, refresh
from arraysmith.sim.dram.compiled import kernel
from arraysmith.sim.dram.queues import schedule
from arraysmith.sim.dram.requests import accept, room

Int = NDArray[np.int64]

AT_CYCLE, AT_COMPLETION, AT_LAST, AT_EMPTY = range(4)
"""When to stop: at a cycle; at a completion; when all is completed; when all writes are out too."""

REACHED, LOG_FULL, NO_PROGRESS = range(3)
"""Why it stopped."""


@kernel
def next_event(slot: Int, channel: Int, whole: Int, par: Int) -> int:
    """Return the next cycle in which anything can happen; ``NEVER`` if there is none."""
    t = NEVER
    for c in range(par[CHANNELS]):
        t = min(t, channel[c, WAKE])
    k = whole[IN_FIRST]
    if k >= 0 and slot[k, ARRIVE] < t and room(k, channel, slot, par):
        t = slot[k, ARRIVE]
    return int(max(t, whole[NOW]))


@kernel
def advance(
    until: int,
    stop: int,
    slot: Int,
    ask: Int,
    done: Int,
    waiting: Int,
    queue: Int,
    bank: Int,
    group: Int,
    rank: Int,
    channel: Int,
    table: Int,
    log: Int,
    whole: Int,
    par: Int,
) -> int:
    """Simulate the cycles before ``until``, or fewer, and return why it stopped.

    Args:
        until: first cycle that is left.
        stop: ``AT_CYCLE`` ... ``AT_EMPTY``.
        slot: see ``columns``, as everything after it.
        ask: updated.
        done: written from row ``N_DONE`` on.
        waiting: updated.
        queue: updated.
        bank: updated.
        group: updated.
        rank: updated.
        channel: updated.
        table: updated.
        log: written from row ``N_LOG`` on; no rows: nothing is logged.
        whole: updated.
        par: parameters.
    """
    while True:
        if stop == AT_COMPLETION and whole[N_DONE] > 0:
            return REACHED
        if stop >= AT_LAST and whole[PENDING] == 0:
            held = 0
            if stop == AT_EMPTY:
                for c in range(par[CHANNELS]):
                    held += channel[c, READS] + channel[c, WRITES] + channel[c, IN_QUEUES]
            if held == 0:
                return REACHED
        t = next_event(slot, channel, whole, par)
        if t >= until:
            whole[NOW] = max(whole[NOW], until)
            return REACHED
        if len(log) > 0 and len(log) - whole[N_LOG] < 2 * par[CHANNELS]:
            return LOG_FULL
        for c in range(par[CHANNELS]):
            if channel[c, WAKE] > t:
                continue
            if channel[c, REFRESH_AT] == t:
                channel[c, REFRESH_AT] += par[INTERVAL]
                channel[c, REFRESH_DUE] += 1
                channel[c, COMMAND_AT] = t
                waits = channel[c, IN_QUEUES] > 0 or channel[c, READS] > 0
                waits = waits or (whole[FLUSH] == 1 and channel[c, WRITES] > 0)
                if waits and t - max(whole[LAST_ACCEPT], whole[LAST_COLUMN]) > par[STUCK]:
                    whole[NOW] = t
                    return NO_PROGRESS
            if channel[c, COMMAND_AT] <= t:
                channel[c, COMMAND_AT] = NEVER
                first, skip = NONE, -1
                if channel[c, REFRESH_DUE] > 0:
                    skip = c * par[RANKS] + channel[c, REFRESH_RANK]
                    first = refresh(t, c, slot, queue, bank, group, rank, channel, log, whole, par)
                    if first == REFRESH:
                        skip = -1
                if first == NONE:
                    first = issue(
                        t, c, ANY, skip, slot, ask, done, queue, bank, group, rank, channel,
                        table, log, whole, par,
                    )  # fmt: skip
                if first != NONE:
                    if par[TWO_COMMANDS]:
                        other = ROW_COMMAND if first in (READ, WRITE_) else COLUMN_COMMAND
                        issue(
                            t, c, other, skip, slot, ask, done, queue, bank, group, rank, channel,
                            table, log, whole, par,
                        )  # fmt: skip
                    channel[c, COMMAND_AT] = t + 1
            if channel[c, STIRRED]:
                schedule(t, c, slot, waiting, queue, bank, channel, table, whole, par)
            wake = min(channel[c, REFRESH_AT], channel[c, COMMAND_AT])
            channel[c, WAKE] = min(wake, t + 1) if channel[c, STIRRED] else wake
        accept(t, slot, ask, done, waiting, bank, channel, table, whole, par)
        whole[NOW] = t + 1
