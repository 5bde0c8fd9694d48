"""Requests on their way to the banks: offered, accepted, sent to a bank's queue (kernels).

One list of offered requests in order; per channel a queue of reads and a buffer of writes; per bank
a queue. A table of addresses finds the request that waits with the same address.
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
    ACCEPT,
    ACCEPTED,
    ADDRESS,
    AFTER,
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
    BUSY,
    CHAIN,
    CHANNEL,
    COLUMN,
    COMMAND_AT,
    DONE_ACCEPT,
    DONE_IDENT,
    DONE_RETURN,
    DRAIN_ABOVE,
    DRAINING,
    FCFS,
    FIRST_READ,
    FIRST_WRITE,
    FLUSH,
    FREE,
    FREE_ASK,
    FREE_SLOTS,
    GROUPS,
    HELD_READS,
    HELD_WRITES,
    HIT_LIMIT,
    HITS,
    IN_FIRST,
    IN_LAST,
    IN_QUEUES,
    LAST_ACCEPT,
    LAST_RETURN,
    N_DONE,
    N_FORWARDED,
    N_MERGED,
    NEXT,
    NEXT_IDENT,
    OPEN_ROW,
    PENDING,
    PER_GROUP,
    POSTED,
    QUEUED,
    RANKS,
    READ_LATENCY,
    READ_QUEUE,
    READS,
    READS_DONE,
    ROW,
    SENDABLE_READS,
    SENDABLE_WRITES,
    SERIAL,
    STIRRED,
    WAITS,
    WAKE,
    WANT_PRE,
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
            slot[k, NEXT] = -1
            if whole[IN_FIRST] < 0:
                whole[IN_FIRST] = k
            else:
                slot[whole[IN_LAST], NEXT] = k
            whole[IN_LAST] = k


@kernel
def complete(k: int, cycle: int, slot: Int, ask: Int, done: Int, channel: Int, whole: Int) -> None:
    """Note that the burst in slot ``k`` comes back in ``cycle``; with the last one, its request."""
    row = slot[k, ASKED]
    ask[row, A_RETURN] = max(ask[row, A_RETURN], cycle)
    ask[row, A_LEFT] -= 1
    if ask[row, A_LEFT] == 0:
        place = whole[N_DONE]
        done[place, DONE_IDENT] = ask[row, A_IDENT]
        done[place, DONE_ACCEPT] = ask[row, A_ACCEPT]
        done[place, DONE_RETURN] = ask[row, A_RETURN]
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
        if not fcfs:
            if find(burst, 1, slot, table) >= 0:
                channel[c, N_MERGED if write else N_FORWARDED] += 1
                complete(k, t + par[POSTED], slot, ask, done, channel, whole)
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
            complete(k, t + par[POSTED], slot, ask, done, channel, whole)
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


@kernel
def look(b: int, slot: Int, queue: Int, bank: Int, par: Int) -> None:
    """Work out again what the queue of bank ``b`` asks for.

    Entries that hit the open row come in their order. The row is closed for the first entry when
    no entry hits it, or when it has been hit often enough.

    Args:
        b: the bank, among those of all channels.
        slot: see ``columns``.
        queue: int64 [banks, places], slots in the queues of the banks.
        bank: updated.
        par: parameters.
    """
    row = bank[b, OPEN_ROW]
    read, write = -1, -1
    if row >= 0:
        for i in range(bank[b, QUEUED]):
            k = queue[b, i]
            if slot[k, ROW] == row:
                if slot[k, WRITE]:
                    if write < 0:
                        write = i
                elif read < 0:
                    read = i
            if par[FCFS]:
                break  # nobody overtakes
    bank[b, FIRST_READ], bank[b, FIRST_WRITE] = read, write
    other = row >= 0 and bank[b, QUEUED] > 0 and slot[queue[b, 0], ROW] != row
    unhit = read < 0 and write < 0
    bank[b, WANT_PRE] = other and (unhit or bank[b, HITS] >= par[HIT_LIMIT])


@kernel
def _send(k: int, which: int, slot: Int, queue: Int, bank: Int, channel: Int, par: Int) -> None:
    """Put the request in slot ``k`` into the queue of its bank."""
    c, b = slot[k, CHANNEL], slot[k, BANK]
    slot[k, WAITS] = 0
    bank[b, HELD_READS + which] -= 1
    channel[c, SENDABLE_READS + which] -= 1
    if bank[b, QUEUED] == 0:  # comes into the list of busy banks
        before, after = -1, channel[c, BUSY]
        while 0 <= after < b:
            before, after = after, bank[after, AFTER]
        bank[b, AFTER] = after
        if before < 0:
            channel[c, BUSY] = b
        else:
            bank[before, AFTER] = b
    queue[b, bank[b, QUEUED]] = k
    bank[b, QUEUED] += 1
    channel[c, IN_QUEUES] += 1
    if bank[b, QUEUED] == par[BANK_QUEUE]:
        channel[c, SENDABLE_READS] -= bank[b, HELD_READS]
        channel[c, SENDABLE_WRITES] -= bank[b, HELD_WRITES]
    look(b, slot, queue, bank, par)


@kernel
def take(b: int, entry: int, c: int, queue: Int, bank: Int, channel: Int, par: Int) -> None:
    """Take an entry out of the queue of bank ``b`` of channel ``c``."""
    if bank[b, QUEUED] == par[BANK_QUEUE]:
        channel[c, SENDABLE_READS] += bank[b, HELD_READS]
        channel[c, SENDABLE_WRITES] += bank[b, HELD_WRITES]
    for i in range(entry + 1, bank[b, QUEUED]):
        queue[b, i - 1] = queue[b, i]
    bank[b, QUEUED] -= 1
    channel[c, IN_QUEUES] -= 1
    channel[c, STIRRED] = 1
    if bank[b, QUEUED] == 0:
        if channel[c, BUSY] == b:
            channel[c, BUSY] = bank[b, AFTER]
            return
        before = channel[c, BUSY]
        while bank[before, AFTER] != b:
            before = bank[before, AFTER]
        bank[before, AFTER] = bank[b, AFTER]


@kernel
def schedule(
    t: int,
    c: int,
    slot: Int,
    waiting: Int,
    queue: Int,
    bank: Int,
    channel: Int,
    table: Int,
    whole: Int,
    par: Int,
) -> None:
    """Send one request of channel ``c`` to the queue of its bank in cycle ``t``.

    It is the first whose bank has room. Reads go before writes, except while writes are drained:
    that begins when the buffer is full, or holds more than so many while no bank has anything to
    do, and takes all writes that are there then. A write whose address is still to be read ends it.

    Args:
        t: the cycle.
        c: the channel.
        slot: see ``columns``, as everything after it.
        waiting: updated.
        queue: updated.
        bank: updated.
        channel: updated.
        table: addresses.
        whole: for the wish to flush.
        par: parameters.
    """
    before = channel[c, DRAINING]
    left = before
    if left == 0 and not par[FCFS]:
        writes = channel[c, WRITES]
        idle = channel[c, IN_QUEUES] == 0
        flush = whole[FLUSH] and writes > 0 and channel[c, READS] == 0
        if writes >= par[WRITE_QUEUE] or (writes > par[DRAIN_ABOVE] and idle) or flush:
            left = writes
    which = 1 if left > 0 else 0
    moved = False
    while True:
        again = False
        length = channel[c, READS + which]
        if channel[c, SENDABLE_READS + which] == 0:
            length = 0
        for i in range(length):
            k = waiting[c, which, i]
            b = slot[k, BANK]
            if bank[b, QUEUED] < par[BANK_QUEUE]:
                if which == 1:
                    read = find(slot[k, ADDRESS], 0, slot, table)
                    if read >= 0:
                        left = 0
                        # Drained again next time, and blocked again: unless that read, which
                        # has not even been sent, goes first, neither would ever go.
                        again = before == 0 and slot[read, WAITS] == 1
                        break
                    left -= 1
                for j in range(i + 1, length):
                    waiting[c, which, j - 1] = waiting[c, which, j]
                channel[c, READS + which] = length - 1
                _send(k, which, slot, queue, bank, channel, par)
                moved = True
                break
            if par[FCFS]:
                break
        if not again:
            break
        which = 0
    channel[c, DRAINING] = left
    channel[c, STIRRED] = moved or left != before
    if moved:
        channel[c, COMMAND_AT] = t + 1
