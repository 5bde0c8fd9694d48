"""The queues of the banks, and how requests get there (kernels).

Per channel a queue of reads and a buffer of writes, per bank a queue. Banks with entries form a
list, so that nobody looks at the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.dram.columns import (
    ADDRESS,
    AFTER,
    BANK,
    BANK_QUEUE,
    BUSY,
    CHANNEL,
    COMMAND_AT,
    DRAIN_ABOVE,
    DRAINING,
    FCFS,
    FIRST_READ,
    FIRST_WRITE,
    FLUSH,
    HELD_READS,
    HELD_WRITES,
    HIT_LIMIT,
    HITS,
    IN_QUEUES,
    OPEN_ROW,
    QUEUED,
    READS,
    ROW,
    SENDABLE_READS,
    SENDABLE_WRITES,
    STIRRED,
    WAITS,
    WANT_PRE,
    WRITE,
    WRITE_QUEUE,
    WRITES,
)
from arraysmith.sim.dram.compiled import kernel
from arraysmith.sim.dram.requests import find

Int = NDArray[np.int64]


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
                        # has not even been sent, goes first, neither would ever go. Writes
                        # before this one would still go when their banks have room.
                        again = before == 0 and i == 0 and slot[read, WAITS] == 1
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
