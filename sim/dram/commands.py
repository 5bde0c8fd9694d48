"""Commands of one channel and what they change (kernels): rows, columns, refresh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.dram.choice import ready
from arraysmith.sim.dram.columns import (
    ACCEPT,
    ACTIVATE,
    ACTIVE_CYCLES,
    ARRIVE,
    B_ACT,
    B_PRE,
    B_READ,
    B_WRITE,
    BUFFERED,
    BY_BUS,
    BY_NOTHING,
    BY_QUEUE,
    BY_REFRESH,
    BY_ROW,
    BY_TURN,
    CLOSED,
    CLOSED_AFTER_HITS,
    COLUMN,
    COMMAND_AT,
    FCFS,
    G_ACT,
    G_READ,
    G_WRITE,
    GROUPS,
    HITS,
    LAST_COLUMN,
    LAST_RANK,
    LAST_WROTE,
    LOG_BANK,
    LOG_CHANNEL,
    LOG_COLUMN,
    LOG_COMMAND,
    LOG_CYCLE,
    LOG_GROUP,
    LOG_RANK,
    LOG_ROW,
    N_ACT,
    N_CONFLICTS,
    N_LOG,
    N_PRE,
    N_READ,
    N_READ_HITS,
    N_REFRESH,
    N_WRITE,
    N_WRITE_HITS,
    NEXT,
    NONE,
    OF_OWNER,
    OPEN_BANKS,
    OPEN_ROW,
    OPEN_SINCE,
    OPENED_AFTER,
    OWN_GROUP,
    OWN_RANK,
    OWNER,
    PAGE,
    PER_GROUP,
    PRECHARGE,
    QUEUED,
    R_ACT,
    R_PRE,
    R_READ,
    R_REFRESH,
    R_WRITE,
    RANKS,
    READ,
    READ_CLOSE,
    READ_CLOSE_ACT,
    READ_CLOSE_REFRESH,
    READ_DELAY,
    READ_PRE,
    READ_READ_L,
    READ_READ_O,
    READ_READ_S,
    READ_WRITE,
    READ_WRITE_O,
    REFRESH,
    REFRESH_DUE,
    REFRESH_RANK,
    REFRESHED,
    ROW,
    SERVED,
    T_FAW,
    T_PPD,
    T_RAS,
    T_RC,
    T_RCD_READ,
    T_RCD_WRITE,
    T_RFC,
    T_RP,
    T_RRD_L,
    T_RRD_S,
    WHOLE_COLUMNS,
    WINDOW,
    WINDOW_AT,
    WRITE,
    WRITE_,
    WRITE_CLOSE,
    WRITE_CLOSE_ACT,
    WRITE_PRE,
    WRITE_READ_L,
    WRITE_READ_O,
    WRITE_READ_S,
    WRITE_WRITE_L,
    WRITE_WRITE_O,
    WRITE_WRITE_S,
    WRITTEN,
)
from arraysmith.sim.dram.compiled import kernel
from arraysmith.sim.dram.queues import look, take
from arraysmith.sim.dram.requests import complete, forget, release

Int = NDArray[np.int64]


@kernel
def _note(
    t: int, command: int, b: int, row: int, column: int, log: Int, whole: Int, par: Int
) -> None:
    if len(log) == 0:
        return
    i = whole[N_LOG]
    whole[N_LOG] = i + 1
    log[i, LOG_CYCLE] = t
    log[i, LOG_COMMAND] = command
    log[i, LOG_BANK] = b % par[PER_GROUP]
    b //= par[PER_GROUP]
    log[i, LOG_GROUP] = b % par[GROUPS]
    b //= par[GROUPS]
    log[i, LOG_RANK] = b % par[RANKS]
    log[i, LOG_CHANNEL] = b // par[RANKS]
    log[i, LOG_ROW] = row
    log[i, LOG_COLUMN] = column


@kernel
def _closed(t: int, b: int, r: int, bank: Int, rank: Int) -> None:
    """Note that the row of bank ``b`` is closed."""
    bank[b, OPEN_ROW] = -1
    bank[b, HITS] = 0
    bank[b, OPENED_AFTER] = BY_ROW
    rank[r, OPEN_BANKS] -= 1
    if rank[r, OPEN_BANKS] == 0:
        rank[r, ACTIVE_CYCLES] += t - rank[r, OPEN_SINCE]


@kernel
def issue_row(
    t: int,
    c: int,
    command: int,
    b: int,
    slot: Int,
    queue: Int,
    bank: Int,
    group: Int,
    rank: Int,
    channel: Int,
    log: Int,
    whole: Int,
    par: Int,
) -> None:
    """Open the row that the first entry of bank ``b`` needs, or close the one that is open."""
    r, g = bank[b, OWN_RANK], bank[b, OWN_GROUP]
    if command == ACTIVATE:
        row = slot[queue[b, 0], ROW]
        others = max(bank[b, B_ACT], group[g, G_ACT], rank[r, R_ACT])
        if rank[r, REFRESHED] >= max(others, slot[queue[b, 0], ACCEPT] + 1):
            bank[b, OPENED_AFTER] = BY_REFRESH
        bank[b, OPEN_ROW] = row
        bank[b, B_ACT] = max(bank[b, B_ACT], t + par[T_RC])
        bank[b, B_PRE] = max(bank[b, B_PRE], t + par[T_RAS])
        bank[b, B_READ] = max(bank[b, B_READ], t + par[T_RCD_READ])
        bank[b, B_WRITE] = max(bank[b, B_WRITE], t + par[T_RCD_WRITE])
        group[g, G_ACT] = max(group[g, G_ACT], t + par[T_RRD_L])
        at = rank[r, WINDOW_AT]
        rank[r, WINDOW + at] = t
        at = (at + 1) & 3
        rank[r, WINDOW_AT] = at
        fifth = rank[r, WINDOW + at] + par[T_FAW]
        rank[r, R_ACT] = max(rank[r, R_ACT], t + par[T_RRD_S], fifth)
        if rank[r, OPEN_BANKS] == 0:
            rank[r, OPEN_SINCE] = t
        rank[r, OPEN_BANKS] += 1
        channel[c, N_ACT] += 1
    else:
        row = bank[b, OPEN_ROW]
        bank[b, B_ACT] = max(bank[b, B_ACT], t + par[T_RP])
        rank[r, R_REFRESH] = max(rank[r, R_REFRESH], t + par[T_RP])
        rank[r, R_PRE] = max(rank[r, R_PRE], t + par[T_PPD])
        _closed(t, b, r, bank, rank)
        channel[c, N_PRE] += 1
    _note(t, command, b, row, -1, log, whole, par)
    look(b, slot, queue, bank, par)


@kernel
def _waited_for(k: int, t: int, c: int, b: int, slot: Int, bank: Int, group: Int, rank: Int,
    channel: Int) -> int:  # fmt: skip
    """Return what the read in slot ``k`` of bank ``b`` waited for last, if it goes in cycle ``t``.

    That is what allowed it last; what lies before it could have had a command does not count.
    """
    r, accepted = bank[b, OWN_RANK], slot[k, ACCEPT]
    opened = bank[b, B_READ]
    freed = max(group[bank[b, OWN_GROUP], G_READ], rank[r, R_READ])
    first = accepted + 2
    if max(opened, freed) <= first:
        return BY_QUEUE if t > first or accepted > slot[k, ARRIVE] else BY_NOTHING
    if opened >= freed:
        return int(bank[b, OPENED_AFTER])
    return BY_TURN if channel[c, LAST_WROTE] or channel[c, LAST_RANK] != r else BY_BUS


@kernel
def issue_column(
    t: int,
    c: int,
    b: int,
    entry: int,
    slot: Int,
    ask: Int,
    done: Int,
    queue: Int,
    bank: Int,
    group: Int,
    rank: Int,
    channel: Int,
    table: Int,
    log: Int,
    whole: Int,
    par: Int,
) -> None:
    """Read or write for an entry of the queue of bank ``b``, which leaves it."""
    ranks = par[RANKS]
    r, g = bank[b, OWN_RANK], bank[b, OWN_GROUP]
    k = queue[b, entry]
    write = slot[k, WRITE]
    row = slot[k, ROW]
    close = par[PAGE] == CLOSED
    if par[PAGE] == CLOSED_AFTER_HITS:
        close = True
        for i in range(bank[b, QUEUED]):
            close = close and (i == entry or slot[queue[b, i], ROW] != row)
    take(b, entry, c, queue, bank, channel, par)
    channel[c, SERVED] += 1
    why = BY_NOTHING if write else _waited_for(k, t, c, b, slot, bank, group, rank, channel)
    channel[c, LAST_WROTE], channel[c, LAST_RANK] = write, r
    hit = bank[b, HITS] > 0
    bank[b, HITS] += 1
    whole[LAST_COLUMN] = t
    if write:
        channel[c, N_WRITE] += 1
        channel[c, N_WRITE_HITS] += hit
        group[g, G_READ] = max(group[g, G_READ], t + par[WRITE_READ_L])
        group[g, G_WRITE] = max(group[g, G_WRITE], t + par[WRITE_WRITE_L])
        to_pre, to_act, to_refresh = par[WRITE_PRE], par[WRITE_CLOSE_ACT], par[WRITE_CLOSE_ACT]
        own_read, own_write = par[WRITE_READ_S], par[WRITE_WRITE_S]
        other_read, other_write = par[WRITE_READ_O], par[WRITE_WRITE_O]
        command = WRITE_CLOSE if close else WRITE_
    else:
        channel[c, N_READ] += 1
        channel[c, N_READ_HITS] += hit
        group[g, G_READ] = max(group[g, G_READ], t + par[READ_READ_L])
        group[g, G_WRITE] = max(group[g, G_WRITE], t + par[READ_WRITE])
        to_pre, to_act = par[READ_PRE], par[READ_CLOSE_ACT]
        to_refresh = par[READ_CLOSE_REFRESH]
        own_read, own_write = par[READ_READ_S], par[READ_WRITE]
        other_read, other_write = par[READ_READ_O], par[READ_WRITE_O]
        command = READ_CLOSE if close else READ
    for i in range(c * ranks, (c + 1) * ranks):
        own = i == r
        rank[i, R_READ] = max(rank[i, R_READ], t + (own_read if own else other_read))
        rank[i, R_WRITE] = max(rank[i, R_WRITE], t + (own_write if own else other_write))
    if close:
        bank[b, B_ACT] = max(bank[b, B_ACT], t + to_act)
        rank[r, R_REFRESH] = max(rank[r, R_REFRESH], t + to_refresh)
        _closed(t, b, r, bank, rank)
    else:
        bank[b, B_PRE] = max(bank[b, B_PRE], t + to_pre)
    _note(t, command, b, row, slot[k, COLUMN], log, whole, par)
    if not par[FCFS]:
        forget(k, slot, table)
    if write:
        own = WHOLE_COLUMNS + OF_OWNER * slot[k, OWNER]
        whole[own + BUFFERED] -= 1
        whole[own + WRITTEN] = t
        release(k, slot, whole)
    while not write and k >= 0:
        after = slot[k, NEXT]
        complete(k, t + par[READ_DELAY], why, slot, ask, done, channel, whole)
        release(k, slot, whole)
        k = after
    look(b, slot, queue, bank, par)


@kernel
def issue(
    t: int,
    c: int,
    takes: int,
    skip: int,
    slot: Int,
    ask: Int,
    done: Int,
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
    """Issue the first command that is ready and return it, or ``NONE``: see ``ready``."""
    command, b, entry, at = ready(t, c, takes, skip, slot, queue, bank, group, rank, channel, par)
    channel[c, COMMAND_AT] = min(channel[c, COMMAND_AT], at)
    if command in (ACTIVATE, PRECHARGE):
        channel[c, N_CONFLICTS] += command == PRECHARGE
        issue_row(t, c, command, b, slot, queue, bank, group, rank, channel, log, whole, par)
    elif command != NONE:
        issue_column(
            t,
            c,
            b,
            entry,
            slot,
            ask,
            done,
            queue,
            bank,
            group,
            rank,
            channel,
            table,
            log,
            whole,
            par,
        )
    return int(command)


@kernel
def refresh(
    t: int,
    c: int,
    slot: Int,
    queue: Int,
    bank: Int,
    group: Int,
    rank: Int,
    channel: Int,
    log: Int,
    whole: Int,
    par: Int,
) -> int:
    """Work on the refresh that is due: close a row of the rank, or refresh it.

    Returns:
        The command issued, or ``NONE``; then ``COMMAND_AT`` may have come nearer.
    """
    in_rank = par[GROUPS] * par[PER_GROUP]
    r = c * par[RANKS] + channel[c, REFRESH_RANK]
    if rank[r, OPEN_BANKS] == 0:
        at = rank[r, R_REFRESH]
        if t < at:
            channel[c, COMMAND_AT] = min(channel[c, COMMAND_AT], at)
            return NONE
        rank[r, R_ACT] = max(rank[r, R_ACT], t + par[T_RFC])
        rank[r, R_REFRESH] = t + par[T_RFC]
        rank[r, REFRESHED] = t + par[T_RFC]
        channel[c, REFRESH_DUE] -= 1
        channel[c, REFRESH_RANK] = (channel[c, REFRESH_RANK] + 1) % par[RANKS]
        channel[c, N_REFRESH] += 1
        _note(t, REFRESH, r * in_rank, -1, -1, log, whole, par)
        return REFRESH
    for b in range(r * in_rank, (r + 1) * in_rank):
        if bank[b, OPEN_ROW] >= 0:
            at = max(bank[b, B_PRE], rank[r, R_PRE])
            if at <= t:
                issue_row(
                    t, c, PRECHARGE, b, slot, queue, bank, group, rank, channel, log, whole, par
                )
                bank[b, OPENED_AFTER] = BY_REFRESH
                return PRECHARGE
            channel[c, COMMAND_AT] = min(channel[c, COMMAND_AT], at)
    return NONE
