"""A slow, obvious judge of command logs: every pair of commands against every rule of the standard.

It knows nothing of how the simulator keeps time. Rules are stated once more, from the names in the
data sheets; two that the simulator takes from DRAMsim3 are looser or stricter there, see the README
of ``validation/reference/dram``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

from arraysmith.sim.dram.controller import COMMANDS

READS, WRITES = {"read", "read_precharge"}, {"write", "write_precharge"}
COLUMNS = READS | WRITES
CLOSING = {"read_precharge", "write_precharge"}


@dataclass(frozen=True)
class Command:
    cycle: int
    name: str
    channel: int
    rank: int
    group: int
    bank: int
    row: int
    column: int


def commands(controller):
    return [Command(row[0], COMMANDS[row[1]], *row[2:]) for row in controller.log().tolist()]


def place(device, address):
    """Return (channel, rank, group, bank, row, column) of a byte address, by division."""
    burst = address // device.organisation.burst_bytes
    found = {}
    for field in reversed(device.address_map):
        burst, found[field] = divmod(burst, device.organisation.size(field))
    assert burst == 0
    return tuple(
        found.get(x, 0) for x in ("channel", "rank", "bank_group", "bank", "row", "column")
    )


def least_distance(device, a, b):
    """Return the cycles that have to lie between command ``a`` and a later ``b`` of its channel."""
    t, burst = device.timing, device.organisation.burst_cycles
    read, write = t.al + t.cl, t.al + t.cwl
    same_rank = a.rank == b.rank
    same_group = same_rank and a.group == b.group and device.organisation.bank_groups > 1
    same_bank = same_rank and a.group == b.group and a.bank == b.bank
    least = 0
    if a.name in COLUMNS and b.name in COLUMNS:
        ccd = t.t_ccd_l if same_group else t.t_ccd_s
        wtr = t.t_wtr_l if same_group else t.t_wtr_s
        if same_rank and (a.name in READS) == (b.name in READS):
            least = max(burst, ccd)
        elif same_rank and a.name in WRITES:
            least = write + burst + wtr
        elif a.name in READS and b.name in WRITES:
            least = read + burst + t.t_rtrs - write
        elif a.name in WRITES and b.name in READS:
            least = write + burst + t.t_rtrs - read
        elif a.name in READS:
            least = burst + t.t_rtrs
        else:
            least = burst
    if not same_rank:
        return least
    if a.name == b.name == "activate":
        least = t.t_rrd_l if same_group else t.t_rrd_s
    if a.name == b.name == "precharge" and not same_bank:
        least = t.t_ppd
    recovery = {
        "precharge": t.t_rp,
        "read_precharge": t.al + t.t_rtp + t.t_rp,
        "write_precharge": write + burst + t.t_wr + t.t_rp,
        "refresh": t.t_rfc,
    }
    if a.name in recovery and (
        b.name == "refresh" or (b.name == "activate" and (same_bank or a.name == "refresh"))
    ):
        least = recovery[a.name]
    if not same_bank:
        return least
    if a.name == "activate":
        least = {
            "activate": t.t_rc,
            "precharge": t.t_ras,
            "refresh": t.t_ras,
            **dict.fromkeys(READS, t.t_rcd_read - t.al),
            **dict.fromkeys(WRITES, t.t_rcd_write - t.al),
        }[b.name]
    if b.name == "precharge" and a.name in READS:
        least = t.al + t.t_rtp
    if b.name == "precharge" and a.name in WRITES:
        least = write + burst + t.t_wr
    return least


def check_log(device, log):
    """Assert that the commands of a log are allowed, in their states and at their times."""
    t = device.timing
    longest = max(t.t_rfc, t.t_rc, t.t_faw, t.cl + t.cwl + 2 * t.t_wr + t.t_rp + t.t_wtr_l)
    for channel in range(device.organisation.channels):
        mine = [x for x in log if x.channel == channel]
        assert all(a.cycle <= b.cycle for a, b in pairwise(mine))
        _check_states(mine)
        _check_buses(device, mine)
        for i, b in enumerate(mine):
            for a in reversed(mine[:i]):
                if b.cycle - a.cycle > longest:
                    break
                assert b.cycle - a.cycle >= least_distance(device, a, b), (a, b)
        for rank in range(device.organisation.ranks):
            opened = [x.cycle for x in mine if x.name == "activate" and x.rank == rank]
            assert all(
                fifth - first >= t.t_faw for first, fifth in zip(opened, opened[4:], strict=False)
            )


def _check_states(log):
    """Rows are opened when closed, accessed and closed when open, refreshed when all are closed."""
    rows = {}
    for x in log:
        bank = (x.rank, x.group, x.bank)
        if x.name == "activate":
            assert bank not in rows, x
            rows[bank] = x.row
        elif x.name == "refresh":
            assert all(rank != x.rank for rank, _, _ in rows), x
        else:
            assert rows[bank] == x.row, x
            if x.name == "precharge" or x.name in CLOSING:
                del rows[bank]


def _check_buses(device, log):
    """One command a cycle (HBM: one for rows and one for columns), one burst on the data bus."""
    split = device.standard == "HBM2"
    used = Counter((x.cycle, split and x.name in COLUMNS) for x in log)
    assert max(used.values(), default=0) <= 1
    t, burst = device.timing, device.organisation.burst_cycles
    taken = set()
    for x in log:
        if x.name in COLUMNS:
            start = x.cycle + t.al + (t.cl if x.name in READS else t.cwl)
            cycles = set(range(start, start + burst))
            assert not cycles & taken, x
            taken |= cycles


def check_service(device, log, requests, accepted, returned):
    """Assert that every request was served once, by a command for its place, in a sane order.

    Args:
        device: the memory.
        log: its commands, all writes flushed.
        requests: (address, writes) of each, one burst.
        accepted: cycle of each.
        returned: cycle of each.
    """
    t, burst = device.timing, device.organisation.burst_cycles
    at = defaultdict(list)
    for x in log:
        if x.name in COLUMNS:
            where = (x.channel, x.rank, x.group, x.bank, x.row, x.column)
            at[where, x.name in WRITES].append(x.cycle)
    used = set()
    for (address, writes), begun, ended in zip(requests, accepted, returned, strict=True):
        where = place(device, address)
        if writes:
            assert ended == begun + 2
            assert any(cycle > begun for cycle in at[where, True]), "never written"
            used.add((where, True))
            continue
        if (
            ended == begun + 2
        ):  # from the write buffer: the write was accepted, and is still to come
            assert any(cycle > begun for cycle in at[where, True])
            continue
        issued = ended - t.al - t.cl - burst
        assert issued in at[where, False], "returned without a command"
        assert issued > begun
        used.add((where, False))
        # What was to be written before had been written, and nothing overtook the read. (First
        # come, first served has its own test.)
        if device.policy.scheduler != "fcfs":
            assert not any(begun < cycle < issued for cycle in at[where, True])
    assert used == {key for key, cycles in at.items() if cycles}, "commands that nobody asked for"
