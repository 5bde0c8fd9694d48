"""A DRAM device and its controller as plain data; times in cycles of the DRAM's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

FIELDS = ("row", "channel", "rank", "bank", "bank_group", "column")
"""Fields of an address."""

SCHEDULERS = ("fr_fcfs", "fcfs")
PAGES = ("open", "closed", "closed_after_hits")


@dataclass(frozen=True, slots=True)
class Organisation:
    """What there is of everything; powers of two.

    Attributes:
        channels: channels, each with buses and a controller of its own.
        ranks: ranks of a channel.
        bank_groups: bank groups of a rank.
        banks_per_group: banks of a group.
        rows: rows of a bank.
        columns: columns of a row; one is as wide as the data bus.
        device_width_bits: data pins of a chip.
        bus_width_bits: data pins of a channel.
        burst_length: transfers of a burst, two per cycle.
    """

    channels: int
    ranks: int
    bank_groups: int
    banks_per_group: int
    rows: int
    columns: int
    device_width_bits: int
    bus_width_bits: int
    burst_length: int

    @property
    def burst_bytes(self) -> int:
        """Bytes of one column command."""
        return self.bus_width_bits * self.burst_length // 8

    @property
    def burst_cycles(self) -> int:
        """Cycles for which a burst holds the data bus."""
        return self.burst_length // 2

    @property
    def banks(self) -> int:
        """Banks of a channel."""
        return self.ranks * self.bank_groups * self.banks_per_group

    @property
    def chips(self) -> int:
        """Chips of a rank, which work together."""
        return self.bus_width_bits // self.device_width_bits

    @property
    def capacity_bytes(self) -> int:
        """Bytes of all channels."""
        return self.channels * self.banks * self.rows * self.columns * self.bus_width_bits // 8

    def size(self, field: str) -> int:
        """Return how many values a field of the address has; a column is a burst there."""
        return {
            "row": self.rows,
            "channel": self.channels,
            "rank": self.ranks,
            "bank": self.banks_per_group,
            "bank_group": self.bank_groups,
            "column": self.columns // self.burst_length,
        }[field]


@dataclass(frozen=True, slots=True)
class Timing:
    """Times by the names of the JEDEC standards, in cycles; ``_s`` to another bank group.

    Attributes:
        t_ck_ns: nanoseconds of a cycle.
        al: additive latency.
        cl: read latency.
        cwl: write latency.
        t_rcd_read: activate to read.
        t_rcd_write: activate to write.
        t_rp: precharge to activate.
        t_ras: activate to precharge.
        t_rc: activate to activate of the same bank.
        t_ccd_s: column command to the next one.
        t_ccd_l: the same in one bank group.
        t_rrd_s: activate to activate of another bank.
        t_rrd_l: the same in one bank group.
        t_faw: window that holds at most four activates of a rank.
        t_wtr_s: end of write data to read.
        t_wtr_l: the same in one bank group.
        t_rtp: read to precharge.
        t_wr: end of write data to precharge.
        t_rtrs: turnaround of the data bus between ranks, and from read to write.
        t_ppd: precharge to precharge of a rank.
        t_rfc: refresh to activate.
        t_refi: refresh to refresh of a rank.
    """

    t_ck_ns: Fraction
    al: int
    cl: int
    cwl: int
    t_rcd_read: int
    t_rcd_write: int
    t_rp: int
    t_ras: int
    t_rc: int
    t_ccd_s: int
    t_ccd_l: int
    t_rrd_s: int
    t_rrd_l: int
    t_faw: int
    t_wtr_s: int
    t_wtr_l: int
    t_rtp: int
    t_wr: int
    t_rtrs: int
    t_ppd: int
    t_rfc: int
    t_refi: int


@dataclass(frozen=True, slots=True)
class Power:
    """Supply and currents of one chip, by the names of its data sheet: volts and milliamperes."""

    vdd: float
    idd0: float
    idd2n: float
    idd3n: float
    idd4r: float
    idd4w: float
    idd5ab: float


@dataclass(frozen=True, slots=True)
class Policy:
    """How the controller works.

    Attributes:
        scheduler: ``fr_fcfs`` (row hits first, then the oldest, per bank; reads before buffered
            writes) or ``fcfs`` (column commands in the order of the requests).
        page: what happens to a row after an access: ``open`` leaves it, ``closed`` precharges it
            with every access, ``closed_after_hits`` unless the bank's queue holds another hit.
        read_queue: reads that wait in a channel for their banks.
        write_queue: buffered writes of a channel.
        bank_queue: requests in the queue of a bank.
        requests_per_cycle: accepted, over all channels.
        drain_above: writes that may stay buffered while the banks have nothing to do.
        row_hits_limit: accesses to a row after which a request for another row may close it.
        refresh: whether rows are refreshed, rank after rank.
    """

    scheduler: str = "fr_fcfs"
    page: str = "open"
    read_queue: int = 32
    write_queue: int = 32
    bank_queue: int = 8
    requests_per_cycle: int = 1
    drain_above: int = 8
    row_hits_limit: int = 4
    refresh: bool = True


@dataclass(frozen=True, slots=True)
class Device:
    """A DRAM with its controller.

    Attributes:
        name: of the device.
        standard: ``DDR4``, ``LPDDR4`` or ``HBM2``, whose rules hold.
        source: where the numbers come from.
        organisation: channels, ranks, banks, rows.
        address_map: fields of an address, most significant first.
        timing: cycles.
        power: currents.
        policy: of the controller.
    """

    name: str
    standard: str
    source: str
    organisation: Organisation
    address_map: tuple[str, ...]
    timing: Timing
    power: Power
    policy: Policy

    @property
    def clock_hz(self) -> Fraction:
        """Cycles per second."""
        return 10**9 / self.timing.t_ck_ns

    @property
    def peak_bytes_per_cycle(self) -> Fraction:
        """Bytes that all data buses move in a cycle."""
        shape = self.organisation
        return Fraction(shape.channels * shape.burst_bytes, shape.burst_cycles)

    @property
    def unloaded_cycles(self) -> int:
        """Cycles from a read of a closed row, alone in the memory, to its first bytes.

        A cycle to its bank's queue and one to the first command, then tRCD and the read latency.
        """
        return 2 + self.timing.t_rcd_read + self.timing.cl

    @property
    def channels(self) -> int:
        """Channels, each with a data bus of its own."""
        return self.organisation.channels

    @property
    def read_places(self) -> int:
        """Reads that can wait in the queues of all channels."""
        return self.organisation.channels * self.policy.read_queue

    def cycles_per(self, clock_hz: int) -> Fraction:
        """Return cycles of the DRAM per cycle of another clock, exactly."""
        return self.clock_hz / clock_hz


def broken_rules(
    organisation: Organisation | None,
    timing: Timing | None,
    power: Power | None,
    policy: Policy | None,
) -> Iterator[tuple[str, str]]:
    """Yield (path of a field by its name in a file, rule) of everything that cannot be.

    What needs a part that is None is not looked at.
    """
    if organisation is not None:
        yield from _organisation_rules(organisation)
    if organisation is not None and timing is not None:
        yield from _timing_rules(organisation, timing)
    if timing is not None and power is not None:
        yield from _power_rules(timing, power)
    if policy is not None and policy.drain_above > policy.write_queue:
        yield "controller.drain_above", "must be at most write_queue: more are never buffered"


def _organisation_rules(shape: Organisation) -> Iterator[tuple[str, str]]:
    for name in (
        "channels", "ranks", "bank_groups", "banks_per_group", "rows", "columns",
        "device_width_bits", "bus_width_bits", "burst_length",
    ):  # fmt: skip
        value = getattr(shape, name)
        if value & (value - 1):
            yield f"organisation.{name}", "must be a power of two: addresses are cut by bits"
    if shape.device_width_bits > shape.bus_width_bits:
        yield "organisation.device_width_bits", "must be at most bus_width_bits: chips share a bus"
    if shape.bus_width_bits < 8:
        yield "organisation.bus_width_bits", "must be at least 8: addresses count bytes"
    if shape.burst_length < 2:
        yield "organisation.burst_length", "must be at least 2: two transfers take a cycle"
    if shape.columns < shape.burst_length:
        yield "organisation.columns", "must be at least burst_length: a burst stays in its row"
    if shape.capacity_bytes >= 1 << 62:
        yield "organisation.rows", "must leave addresses of at most 62 bits"


def _timing_rules(shape: Organisation, timing: Timing) -> Iterator[tuple[str, str]]:
    if timing.t_ras < max(timing.t_rcd_read, timing.t_rcd_write):
        yield "timing.tRAS", "must be at least tRCD: a row is not closed before it is accessed"
    if timing.t_rc < timing.t_ras + timing.t_rp:
        yield "timing.tRC", "must be at least tRAS + tRP: a row opens, closes, and opens again"
    for short, long in (("tCCD", "t_ccd"), ("tRRD", "t_rrd"), ("tWTR", "t_wtr")):
        if getattr(timing, f"{long}_l") < getattr(timing, f"{long}_s"):
            yield f"timing.{short}_L", f"must be at least {short}_S: one bank group is never faster"
    rrd = timing.t_rrd_l if shape.bank_groups > 1 else timing.t_rrd_s
    if timing.t_faw < rrd:
        yield "timing.tFAW", "must be at least tRRD: four activates take longer than two"
    if timing.t_rc < rrd:
        yield "timing.tRRD_L", "must be at most tRC: one bank is never faster than two"
    if timing.t_ppd > timing.t_ras:
        yield "timing.tPPD", "must be at most tRAS"
    if timing.al >= min(timing.t_rcd_read, timing.t_rcd_write):
        yield "timing.AL", "must be less than tRCD: a column command follows its activate"
    if timing.cl + shape.burst_cycles + timing.t_rtrs <= timing.cwl:
        yield "timing.CWL", "must be less than CL + burst + tRTRS: read data come before write data"
    if timing.t_rfc >= timing.t_refi:
        yield "timing.tRFC", "must be less than tREFI: a refresh ends before the next one begins"
    elif timing.t_refi < shape.ranks:
        yield "timing.tREFI", "must be at least the number of ranks: they take turns"


def _power_rules(timing: Timing, power: Power) -> Iterator[tuple[str, str]]:
    if power.idd3n < power.idd2n:
        yield "power.IDD3N", "must be at least IDD2N: open rows take more than closed ones"
    for name in ("idd4r", "idd4w", "idd5ab"):
        if getattr(power, name) < power.idd3n:
            yield f"power.{name.upper()}", "must be at least IDD3N, which it includes"
    if power.idd0 * timing.t_rc < power.idd3n * timing.t_ras + power.idd2n * timing.t_rp:
        rule = "must be at least the mean of IDD3N over tRAS and IDD2N over tRP, which it includes"
        yield "power.IDD0", rule
