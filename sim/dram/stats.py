"""What a controller did, and the energy of it.

Energy per command is what the data sheet's currents leave after the standby current is taken off,
times supply, time and chips of a rank: the method of Micron's technical notes TN-46-03 and TN-40-07
in the form DRAMsim3 gives it. With I in mA and t in ns, V x I x t is in pJ.

| command | energy |
|---|---|
| activate with its precharge | V (IDD0 tRC - IDD3N tRAS - IDD2N tRP) |
| read, write | V (IDD4R - IDD3N) burst, V (IDD4W - IDD3N) burst |
| refresh of a rank | V (IDD5AB - IDD3N) tRFC |
| background, per cycle | V IDD3N while a bank of the rank is open, else V IDD2N |

I/O, termination and the pump supply VPP are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.device import Device


@dataclass(frozen=True, slots=True)
class Energy:
    """Picojoules by cause."""

    activate_pj: float
    read_pj: float
    write_pj: float
    refresh_pj: float
    background_pj: float

    @property
    def total_pj(self) -> float:
        """All of it."""
        return (
            self.activate_pj + self.read_pj + self.write_pj + self.refresh_pj + self.background_pj
        )


@dataclass(frozen=True, slots=True)
class Stats:
    """What a controller did up to a cycle; counts are of bursts and commands.

    Attributes:
        cycles: DRAM cycles simulated.
        reads: reads that came back (their data may still be under way).
        writes: writes accepted.
        activates: activate commands.
        precharges: precharge commands; those that go with a column command are not counted.
        read_commands: column commands that read.
        write_commands: column commands that write.
        refreshes: refreshes of a rank.
        read_hits: reads of a row that had been accessed since it was opened.
        write_hits: the same of writes.
        conflicts: rows closed because another one was asked for.
        forwarded: reads answered from the write buffer.
        merged: reads that shared a command, writes that replaced a buffered one.
        read_latency_sum: cycles from accepting to returning, over all reads.
        read_latency_max: largest of them.
        active_cycles: cycles with an open bank, over all ranks.
        last_accept: cycle of the last request accepted, -1 if none.
        last_return: cycle of the last return, -1 if none.
        last_column: cycle of the last column command, -1 if none.
        bytes_moved: bytes over the data buses.
        energy: picojoules.
        channel_bytes: bytes over the bus of each channel.
    """

    cycles: int
    reads: int
    writes: int
    activates: int
    precharges: int
    read_commands: int
    write_commands: int
    refreshes: int
    read_hits: int
    write_hits: int
    conflicts: int
    forwarded: int
    merged: int
    read_latency_sum: int
    read_latency_max: int
    active_cycles: int
    last_accept: int
    last_return: int
    last_column: int
    bytes_moved: int
    energy: Energy
    channel_bytes: tuple[int, ...]

    @property
    def read_latency_mean(self) -> float:
        """Mean cycles from accepting a read to returning it; 0 without reads."""
        return self.read_latency_sum / self.reads if self.reads else 0.0


def energy(device: Device, cycles: int, active: int, counts: tuple[int, int, int, int]) -> Energy:
    """Return the energy of a run.

    Args:
        device: timings and currents.
        cycles: DRAM cycles, of every rank.
        active: cycles with an open bank, over all ranks.
        counts: activates, reads, writes, refreshes.
    """
    t, p, shape = device.timing, device.power, device.organisation
    # V x mA x cycles of all chips of a rank -> pJ
    scale = p.vdd * float(t.t_ck_ns) * shape.chips
    activates, reads, writes, refreshes = counts
    idle = cycles * shape.channels * shape.ranks - active
    return Energy(
        activates * scale * (p.idd0 * t.t_rc - p.idd3n * t.t_ras - p.idd2n * t.t_rp),
        reads * scale * (p.idd4r - p.idd3n) * shape.burst_cycles,
        writes * scale * (p.idd4w - p.idd3n) * shape.burst_cycles,
        refreshes * scale * (p.idd5ab - p.idd3n) * t.t_rfc,
        scale * (p.idd3n * active + p.idd2n * idle),
    )


def stats_of(
    device: Device, rank: NDArray[np.int64], channel: NDArray[np.int64], whole: NDArray[np.int64]
) -> Stats:
    """Return what the state of a controller says it did."""
    now = int(whole[at.NOW])
    open_ = rank[:, at.OPEN_BANKS] > 0
    active = int(rank[:, at.ACTIVE_CYCLES].sum() + (now - rank[open_, at.OPEN_SINCE]).sum())
    sums = [int(x) for x in channel.sum(axis=0)]
    burst = device.organisation.burst_bytes
    moved = channel[:, at.N_READ] + channel[:, at.N_WRITE]
    counts = sums[at.N_ACT], sums[at.N_READ], sums[at.N_WRITE], sums[at.N_REFRESH]
    return Stats(
        cycles=now,
        reads=sums[at.READS_DONE],
        writes=sums[at.WRITES_DONE],
        activates=sums[at.N_ACT],
        precharges=sums[at.N_PRE],
        read_commands=sums[at.N_READ],
        write_commands=sums[at.N_WRITE],
        refreshes=sums[at.N_REFRESH],
        read_hits=sums[at.N_READ_HITS],
        write_hits=sums[at.N_WRITE_HITS],
        conflicts=sums[at.N_CONFLICTS],
        forwarded=sums[at.N_FORWARDED],
        merged=sums[at.N_MERGED],
        read_latency_sum=sums[at.READ_LATENCY],
        read_latency_max=int(channel[:, at.WORST_LATENCY].max()),
        active_cycles=active,
        last_accept=int(whole[at.LAST_ACCEPT]),
        last_return=int(whole[at.LAST_RETURN]),
        last_column=int(whole[at.LAST_COLUMN]),
        bytes_moved=int(moved.sum()) * burst,
        energy=energy(device, now, active, counts),
        channel_bytes=tuple(int(x) * burst for x in moved),
    )
