"""Requests before they wait for a bank: offered, accepted, told to be back (kernels).

One list of offered requests in order. A table of addresses finds the request that waits with the
same address.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.dram.columns import (
    A_ACCEPT,
    A_IDENT,
    A_LEFT,
    A_NEXT,
    A_RETURN,
    A_WHERE,
    ACCEPT,
    ACCEPTED,
    ADDRESS,
    ARRIVE,
    ASKED,
    AT_BANK,
    AT_CHANNEL,
    AT_COLUMN,
    AT_GROUP,
    AT_RANK,
    AT_ROW,
    BANK,
    BANK_QUEUE,
    BUFFERED,
    BY_NOTHING,
    BY_QUEUE,
    CHAIN,
    CHANNEL,
    COLUMN,
    DONE_ACCEPT,
    DONE_IDENT,
    DONE_RETURN,
    DONE_WHERE,
    FCFS,
    FREE,
    FREE_ASK,
    FREE_SLOTS,
    GROUPS,
    HELD_READS,
    IN_FIRST,
    IN_LAST,
    LAST_ACCEPT,
    LAST_RETURN,
    N_DONE,
    N_FORWARDED,
    N_MERGED,
    NEXT,
    NEXT_IDENT,
    OF_OWNER,
    OWNER,
    OWNER_BITS,
    PENDING,
    PER_GROUP,
    POSTED,
    QUEUED,
    RANKS,
    READ_LATENCY,
    READ_QUEUE,
    READS,
    READS_DONE,
    REASONS,
    ROW,
    SENDABLE_READS,
    SERIAL,
    STIRRED,
    WAITS,
    WAKE,
    WHOLE_COLUMNS,
    WIDTH,
    WORST_LATENCY,
    WRITE,
    WRITE_QUEUE,
    WRITES,
    WRITES_DONE,
)
from arraysmith.sim.dram.compiled import kernel

Int = NDArray[np.int64]


@kernel
def submit(
    first: Int,
    bursts: Int,
    write: Int,
    arrive: Int,
    slot: Int,
    ask: Int,
    whole: Int,
    par: Int,
) -> None:
    """Append requests to those that are offered; there must be free slots for their bursts.

    Args:
        first: int64 [n], number of the first burst: byte address over burst bytes.
        bursts: int64 [n], bursts that follow each other.
        write: int64 [n], 1 for a write.
        arrive: int64 [n], cycle from which each is offered.
        slot: see ``columns``, as everything after it.
        ask: updated.
        whole: updated.
        par: parameters.
    """
    for i in range(len(first)):
        row = whole[FREE_ASK]
        whole[FREE_ASK] = ask[row, A_NEXT]
        ask[row, A_IDENT] = whole[NEXT_IDENT]
        ask[row, A_LEFT] = bursts[i]
        ask[row, A_ACCEPT] = -1
        ask[row, A_RETURN] = -1
        owner = whole[NEXT_IDENT] >> OWNER_BITS
        whole[NEXT_IDENT] += 1
        whole[PENDING] += bursts[i]
        whole[FREE_SLOTS] -= bursts[i]
        for number in range(first[i], first[i] + bursts[i]):
            k = whole[FREE]
            whole[FREE] = slot[k, NEXT]
            slot[k, ADDRESS] = number
            slot[k, WRITE] = write[i]
            slot[k, ARRIVE] = arrive[i]
            c = (number >> par[AT_CHANNEL]) & par[AT_CHANNEL + 1]
            rank = (number >> par[AT_RANK]) & par[AT_RANK + 1]
            group = (number >> par[AT_GROUP]) & par[AT_GROUP + 1]
            bank = (number >> par[AT_BANK]) & par[AT_BANK + 1]
            slot[k, CHANNEL] = c
            slot[k, BANK] = ((c * par[RANKS] + rank) * par[GROUPS] + group) * par[PER_GROUP] + bank
            slot[k, ROW] = (number >> par[AT_ROW]) & par[AT_ROW + 1]
            slot[k, COLUMN] = (number >> par[AT_COLUMN]) & par[AT_COLUMN + 1]
            slot[k, ASKED] = row
            slot[k, OWNER] = owner
            slot[k, NEXT] = -1
            if whole[IN_FIRST] < 0:
                whole[IN_FIRST] = k
            else:
                slot[whole[IN_LAST], NEXT] = k
            whole[IN_LAST] = k


@kernel
def complete(
    k: int, cycle: int, why: int, slot: Int, ask: Int, done: Int, channel: Int, whole: Int
) -> None:
    """Note that the burst in slot ``k`` comes back in ``cycle``; with the last one, its request.

    ``why`` is what it waited for, ``BY_NOTHING`` and so on.
    """
    row = slot[k, ASKED]
    if cycle >= ask[row, A_RETURN]:
        ask[row, A_RETURN] = cycle
        ask[row, A_WHERE] = slot[k, CHANNEL] * REASONS + why
    ask[row, A_LEFT] -= 1
    if ask[row, A_LEFT] == 0:
        place = whole[N_DONE]
        done[place, DONE_IDENT] = ask[row, A_IDENT]
        done[place, DONE_ACCEPT] = ask[row, A_ACCEPT]
        done[place, DONE_RETURN] = ask[row, A_RETURN]
        done[place, DONE_WHERE] = ask[row, A_WHERE]
        whole[N_DONE] = place + 1
        ask[row, A_NEXT] = whole[FREE_ASK]
        whole[FREE_ASK] = row
    whole[PENDING] -= 1
    whole[LAST_RETURN] = max(whole[LAST_RETURN], cycle)
    c = slot[k, CHANNEL]
    if slot[k, WRITE]:
        channel[c, WRITES_DONE] += 1
    else:
        channel[c, READS_DONE] += 1
        latency = cycle - slot[k, ACCEPT]
        channel[c, READ_LATENCY] += latency
        channel[c, WORST_LATENCY] = max(channel[c, WORST_LATENCY], latency)


@kernel
def release(k: int, slot: Int, whole: Int) -> None:
    """Give the slot ``k`` back."""
    slot[k, NEXT] = whole[FREE]
    whole[FREE] = k
    whole[FREE_SLOTS] += 1


@kernel
def _place(burst: int, table: Int) -> int:
    return int(((burst * 0x9E3779B1) >> 15) & (len(table) - 1))


@kernel
def find(burst: int, write: int, slot: Int, table: Int) -> int:
    """Return the slot of the waiting read (or write) with this address, or -1."""
    k = table[_place(burst, table)]
    while k >= 0 and (slot[k, ADDRESS] != burst or slot[k, WRITE] != write):
        k = slot[k, CHAIN]
    return int(k)


@kernel
def forget(k: int, slot: Int, table: Int) -> None:
    """Take the request in slot ``k`` out of the table of addresses."""
    at = _place(slot[k, ADDRESS], table)
    if table[at] == k:
        table[at] = slot[k, CHAIN]
        return
    before = table[at]
    while slot[before, CHAIN] != k:
        before = slot[before, CHAIN]
    slot[before, CHAIN] = slot[k, CHAIN]


@kernel
def room(k: int, channel: Int, slot: Int, par: Int) -> bool:
    """Tell whether the channel of the request in slot ``k`` can accept it."""
    c = slot[k, CHANNEL]
    if par[FCFS]:
        return bool(channel[c, READS] < par[READ_QUEUE] + par[WRITE_QUEUE])
    if slot[k, WRITE]:
        return bool(channel[c, WRITES] < par[WRITE_QUEUE])
    return bool(channel[c, READS] < par[READ_QUEUE])


@kernel
def accept(
    t: int,
    slot: Int,
    ask: Int,
    done: Int,
    waiting: Int,
    bank: Int,
    channel: Int,
    table: Int,
    whole: Int,
    par: Int,
) -> None:
    """Accept requests in cycle ``t``, in their order, as many as may be and find room.

    A write is told to be done at once. A read of an address that waits to be written is answered
    from there; one of an address that is about to be read shares that command. First come, first
    served has none of this: every request has a command of its own.

    Args:
        t: the cycle.
        slot: see ``columns``.
        ask: updated.
        done: written.
        waiting: int64 [channels, 2, places], slots in the queues of reads and of writes.
        bank: updated.
        channel: updated.
        table: int64 [power of 2], first slot of each chain of addresses.
        whole: updated.
        par: parameters.
    """
    fcfs = par[FCFS] == 1
    for _ in range(par[WIDTH]):
        k = whole[IN_FIRST]
        if k < 0 or slot[k, ARRIVE] > t or not room(k, channel, slot, par):
            return
        whole[IN_FIRST] = slot[k, NEXT]
        slot[k, NEXT] = -1
        slot[k, ACCEPT] = t
        row = slot[k, ASKED]
        if ask[row, A_ACCEPT] < 0:
            ask[row, A_ACCEPT] = t
        whole[LAST_ACCEPT] = t
        c, burst, write = slot[k, CHANNEL], slot[k, ADDRESS], slot[k, WRITE]
        why = BY_QUEUE if t > slot[k, ARRIVE] else BY_NOTHING
        if not fcfs:
            if find(burst, 1, slot, table) >= 0:
                channel[c, N_MERGED if write else N_FORWARDED] += 1
                complete(k, t + par[POSTED], why, slot, ask, done, channel, whole)
                release(k, slot, whole)
                continue
            if not write:
                same = find(burst, 0, slot, table)
                if same >= 0:
                    channel[c, N_MERGED] += 1
                    slot[k, NEXT] = slot[same, NEXT]
                    slot[same, NEXT] = k
                    continue
            at = _place(burst, table)
            slot[k, CHAIN] = table[at]
            table[at] = k
        if write:
            complete(k, t + par[POSTED], why, slot, ask, done, channel, whole)
            whole[WHOLE_COLUMNS + OF_OWNER * slot[k, OWNER] + BUFFERED] += 1
        slot[k, WAITS] = 1
        slot[k, SERIAL] = channel[c, ACCEPTED]
        channel[c, ACCEPTED] += 1
        queue = 0 if fcfs else write
        waiting[c, queue, channel[c, READS + queue]] = k
        channel[c, READS + queue] += 1
        b = slot[k, BANK]
        bank[b, HELD_READS + queue] += 1
        if bank[b, QUEUED] < par[BANK_QUEUE]:
            channel[c, SENDABLE_READS + queue] += 1
        channel[c, STIRRED] = 1
        channel[c, WAKE] = min(channel[c, WAKE], t + 1)
