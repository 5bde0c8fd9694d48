"""Which command of a channel is ready (kernel).

Times at which a command may go out are kept where they apply: bank, bank group, rank. The larger of
them counts, so a rule between bank groups may stand for the whole rank: it is never the longer one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.dram.columns import (
    ACTIVATE,
    AFTER,
    B_ACT,
    B_PRE,
    B_READ,
    B_WRITE,
    BUSY,
    FCFS,
    FIRST_READ,
    FIRST_WRITE,
    G_ACT,
    G_READ,
    G_WRITE,
    IN_QUEUES,
    NEVER,
    NONE,
    OPEN_ROW,
    OWN_GROUP,
    OWN_RANK,
    PRECHARGE,
    QUEUED,
    R_ACT,
    R_PRE,
    R_READ,
    R_WRITE,
    READ,
    SERIAL,
    SERVED,
    TURN,
    WANT_PRE,
    WRITE_,
)
from arraysmith.sim.dram.compiled import kernel

Int = NDArray[np.int64]

ANY, ROW_COMMAND, COLUMN_COMMAND = range(3)
"""What a slot for commands may take."""


@kernel
def ready(
    t: int,
    c: int,
    takes: int,
    skip: int,
    slot: Int,
    queue: Int,
    bank: Int,
    group: Int,
    rank: Int,
    channel: Int,
    par: Int,
) -> tuple[int, int, int, int]:
    """Return (command, bank, entry, cycle) of the first command that is ready in cycle ``t``.

    Banks take turns, beginning after the one served last; within a bank the order of its queue
    counts. Without a ready command, ``cycle`` is the next in which there may be one.

    Args:
        t: the cycle.
        c: the channel.
        takes: kind of command wanted. The first ready one is offered whatever it is, and the turn
            goes on; if it is of the other kind there is none.
        skip: rank (among those of all channels) that is about to be refreshed, or -1.
        slot: see ``columns``, as everything after it.
        queue: entries of the banks.
        bank: their state.
        group: earliest cycles by bank group.
        rank: earliest cycles by rank.
        channel: whose turn it is; updated.
        par: parameters.
    """
    first = channel[c, BUSY]
    b = first
    turn = channel[c, TURN]
    while 0 <= b <= turn:
        b = bank[b, AFTER]
    soonest = NEVER
    left = channel[c, IN_QUEUES]
    while left > 0:
        if b < 0:
            b = first
        here = b
        b = bank[here, AFTER]
        left -= bank[here, QUEUED]
        r = bank[here, OWN_RANK]
        if r == skip:
            continue
        g = bank[here, OWN_GROUP]
        command, entry, at = NONE, 0, NEVER
        if bank[here, OPEN_ROW] < 0:
            at = max(bank[here, B_ACT], group[g, G_ACT], rank[r, R_ACT])
            command = ACTIVATE
        else:
            if bank[here, WANT_PRE]:
                at = max(bank[here, B_PRE], rank[r, R_PRE])
                command = PRECHARGE
            i, j = bank[here, FIRST_READ], bank[here, FIRST_WRITE]
            if (
                par[FCFS]
                and (i >= 0 or j >= 0)
                and slot[queue[here, 0], SERIAL] != channel[c, SERVED]
            ):
                i, j = -1, -1
            if at > t and i >= 0:
                when = max(bank[here, B_READ], group[g, G_READ], rank[r, R_READ])
                if when < at:
                    command, entry, at = READ, i, when
            if j >= 0 and (at > t or (command == READ and j < entry)):
                when = max(bank[here, B_WRITE], group[g, G_WRITE], rank[r, R_WRITE])
                if when <= t or when < at:
                    command, entry, at = WRITE_, j, when
        if at <= t:
            channel[c, TURN] = here
            is_column = command in (READ, WRITE_)
            if (takes == ROW_COMMAND and is_column) or (takes == COLUMN_COMMAND and not is_column):
                return NONE, 0, 0, t + 1
            return command, here, entry, t
        soonest = min(soonest, at)
    return NONE, 0, 0, soonest
