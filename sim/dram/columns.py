"""Columns of the arrays that hold a controller's state: one name per number, for the kernels.

Everything is int64. A *slot* is the row of a request; places that hold no slot hold -1.
"""

from __future__ import annotations

NEVER = 1 << 62
"""A cycle that does not come."""

# slot [slots, 14]: one request (one burst)
(
    ADDRESS,  # number of the burst: byte address over burst bytes
    WRITE,  # 1 for a write
    ARRIVE,  # cycle from which it is offered
    ACCEPT,  # cycle in which it was accepted
    CHANNEL,
    BANK,  # in its channel: (rank x bank groups + group) x banks of a group + bank
    ROW,
    COLUMN,
    NEXT,  # slot after it: of those offered, of those free, of reads that one command serves
    CHAIN,  # slot after it in the same place of the table of addresses
    ASKED,  # row of ``ask`` that it is part of
    WAITS,  # 1 while it is in a transaction queue, 0 once it is in a bank's queue
    SERIAL,  # number among the accepted of its channel
    OWNER,  # whose it is, see ``OWNER_BITS``
) = range(14)
SLOT_COLUMNS = 14

# bank [channels x banks of a channel, 16]; banks by their number among all channels
(
    OPEN_ROW,  # -1: closed
    HITS,  # column commands since the row was opened
    B_ACT,  # earliest cycle of an activate, as far as this bank says; and so on
    B_PRE,
    B_READ,
    B_WRITE,
    QUEUED,  # entries of its queue
    WANT_PRE,  # 1 if the first entry needs another row and may have the open one closed
    FIRST_READ,  # entry of the first read that hits the open row, or -1
    FIRST_WRITE,  # the same of writes
    HELD_READS,  # entries of the transaction queues that are for this bank
    HELD_WRITES,
    AFTER,  # next bank of the channel with entries in its queue, ascending; -1 after the last
    OWN_RANK,  # its rank, among those of all channels
    OWN_GROUP,  # its bank group, likewise
    OPENED_AFTER,  # why its row had to be opened: ``BY_ROW``, or ``BY_REFRESH``
) = range(16)
BANK_COLUMNS = 16

# group [channels x ranks x bank groups, 3]
G_ACT, G_READ, G_WRITE = range(3)
GROUP_COLUMNS = 3

# rank [channels x ranks, 14]
(
    R_ACT,  # no fifth activate in a window included
    R_PRE,
    R_READ,
    R_WRITE,
    R_REFRESH,
    WINDOW,  # and the three after it: cycles of the last four activates, a ring
    _,
    _,
    _,
    WINDOW_AT,  # oldest of them
    OPEN_BANKS,
    OPEN_SINCE,  # cycle of the activate that made the rank active
    ACTIVE_CYCLES,  # up to the last time that all its banks were closed
    REFRESHED,  # cycle in which the last refresh ends
) = range(14)
RANK_COLUMNS = 14

# channel [channels, 32]
(
    WAKE,  # next cycle in which anything can happen
    COMMAND_AT,  # next cycle in which a command may be ready
    STIRRED,  # 1 if the transaction queues have to be looked at
    TURN,  # bank whose queue was served last
    BUSY,  # first bank with entries in its queue, or -1
    IN_QUEUES,  # entries of all its banks' queues
    READS,  # entries of its transaction queues
    WRITES,
    SENDABLE_READS,  # those of them whose bank has room in its queue
    SENDABLE_WRITES,
    DRAINING,  # writes still to be sent to the banks before reads again
    REFRESH_AT,  # next cycle in which a refresh falls due
    REFRESH_DUE,  # refreshes that are due
    REFRESH_RANK,  # rank of the first of them
    ACCEPTED,  # serial number of the next request
    SERVED,  # serial number of the request that is served next (first come, first served)
    N_ACT,
    N_PRE,
    N_READ,
    N_WRITE,
    N_REFRESH,
    N_READ_HITS,
    N_WRITE_HITS,
    N_CONFLICTS,  # rows closed for another one
    N_FORWARDED,  # reads answered from the write buffer
    N_MERGED,  # reads served by another's command, and writes replaced by a later one
    READS_DONE,
    WRITES_DONE,
    READ_LATENCY,  # sum over reads, accepted to returned
    WORST_LATENCY,
    LAST_WROTE,  # 1 if the last column command wrote
    LAST_RANK,  # its rank, among those of all channels
) = range(32)
CHANNEL_COLUMNS = 32

# ask [slots, 6]: one request of the caller: one burst or several
(
    A_IDENT,  # number that the caller knows it by
    A_LEFT,  # bursts that have not come back
    A_ACCEPT,  # cycle in which the first was accepted
    A_RETURN,  # cycle in which the last so far comes back
    A_NEXT,  # free row after it
    A_WHERE,  # channel and reason of the burst that comes back last: channel x REASONS + reason
) = range(6)
ASK_COLUMNS = 6

# whole [14 + 2 x owners]
(
    NOW,  # first cycle that has not been simulated
    IN_FIRST,  # slot that is offered next
    IN_LAST,
    FREE,  # first free slot
    FREE_SLOTS,
    FREE_ASK,  # first free row of ``ask``
    N_DONE,  # rows of ``done`` written
    N_LOG,  # rows of ``log`` written
    NEXT_IDENT,
    PENDING,  # bursts submitted and not completed
    FLUSH,  # 1: write buffers are emptied when there is nothing to read
    LAST_ACCEPT,
    LAST_RETURN,
    LAST_COLUMN,  # cycle of the last column command
) = range(14)
WHOLE_COLUMNS = 14

# behind them, per owner
BUFFERED, WRITTEN = range(2)
"""Of an owner: writes that rest in the write buffers, and the cycle of its last column command that
wrote."""
OF_OWNER = 2

OWNER_BITS = 40
"""Bits of a request's number below the number of its owner."""

# done [slots, 4]
DONE_IDENT, DONE_ACCEPT, DONE_RETURN, DONE_WHERE = range(4)
DONE_COLUMNS = 4

# log [rows, 8]
LOG_CYCLE, LOG_COMMAND, LOG_CHANNEL, LOG_RANK, LOG_GROUP, LOG_BANK, LOG_ROW, LOG_COLUMN = range(8)
LOG_COLUMNS = 8

# commands
NONE, ACTIVATE, PRECHARGE, READ, WRITE_, READ_CLOSE, WRITE_CLOSE, REFRESH = range(8)

# What a burst waited for last before its command (a write: before it was in the buffer)
(
    BY_NOTHING,  # the way there and back
    BY_QUEUE,  # room in a queue, or the turn of its bank
    BY_ROW,  # its row to be opened, and another one to be closed
    BY_REFRESH,  # its row to be opened again after a refresh
    BY_TURN,  # the data bus to change direction, or to go over to another rank
    BY_BUS,  # the burst before, of its bank group or on the data bus
) = range(6)
REASONS = 6

# page policies
OPEN, CLOSED, CLOSED_AFTER_HITS = range(3)

# parameters [55]
(
    CHANNELS,
    RANKS,
    GROUPS,  # of a rank
    PER_GROUP,  # banks of a group
    READ_QUEUE,
    WRITE_QUEUE,
    BANK_QUEUE,
    WIDTH,  # requests accepted per cycle
    FCFS,  # 1: first come, first served
    PAGE,
    HIT_LIMIT,
    DRAIN_ABOVE,
    TWO_COMMANDS,  # 1: a row and a column command may go out in one cycle
    POSTED,  # cycles from accepting a write to telling so
    INTERVAL,  # cycles between two refreshes of a channel
    STUCK,  # cycles without any progress that are an error
    READ_DELAY,  # from command to last data
    T_RC,
    T_RAS,
    T_RP,
    T_RCD_READ,
    T_RCD_WRITE,
    T_RRD_L,
    T_RRD_S,
    T_FAW,
    T_PPD,
    T_RFC,
    READ_READ_L,  # from a read to the next one in the same bank group; and so on
    READ_READ_S,  # another bank group
    READ_READ_O,  # another rank
    READ_WRITE,
    READ_WRITE_O,
    WRITE_READ_L,
    WRITE_READ_S,
    WRITE_READ_O,
    WRITE_WRITE_L,
    WRITE_WRITE_S,
    WRITE_WRITE_O,
    READ_PRE,
    READ_CLOSE_ACT,  # from a read with auto-precharge to an activate
    READ_CLOSE_REFRESH,
    WRITE_PRE,
    WRITE_CLOSE_ACT,
    AT_CHANNEL,  # lowest bit of the field in the number of a burst, and its mask after it
    _,
    AT_RANK,
    _,
    AT_GROUP,
    _,
    AT_BANK,
    _,
    AT_ROW,
    _,
    AT_COLUMN,
    _,
) = range(55)
PARAMETERS = 55
