"""What a file of kind ``dram`` may hold, as strict models (file-facing only); see ``device``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, RootModel, WithJsonSchema

from arraysmith.arch.errors import nearest
from arraysmith.arch.spec_reader import Spec, SpecError
from arraysmith.sim.dram.device import FIELDS

Count = Annotated[int, Field(ge=1, le=1 << 30)]
Cycles = Annotated[int, Field(ge=1, le=10**6)]
FewCycles = Annotated[int, Field(ge=0, le=10**6)]
Entries = Annotated[int, Field(ge=1, le=4096)]
Current = Annotated[float, Field(ge=0, le=10**5, description="mA of one chip")]
Word = Annotated[str, Field(min_length=1)]


def _field(name: str) -> str:
    if name not in FIELDS:
        raise SpecError(f"must be one of {', '.join(FIELDS)}", nearest(name, FIELDS))
    return name


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise SpecError("must name each field once", "remove the repetition")
    return names


AddressField = Annotated[
    str, AfterValidator(_field), WithJsonSchema({"type": "string", "enum": list(FIELDS)})
]
AddressMap = Annotated[
    tuple[AddressField, ...],
    AfterValidator(_once),
    Field(description="fields of an address, most significant first"),
]


def _jedec(name: str) -> str:
    """Return the name that standards and data sheets use: ``t_ccd_s`` -> ``tCCD_S``."""
    return f"t{name[2:].upper()}" if name.startswith("t_") else name.upper()


class _JedecSpec(Spec):
    model_config = ConfigDict(alias_generator=_jedec)


class OrganisationSpec(Spec):
    """How much there is of everything; powers of two."""

    channels: Count = 1
    ranks: Count = Field(default=1, description="of a channel")
    bank_groups: Count = Field(description="of a rank")
    banks_per_group: Count
    rows: Count = Field(description="of a bank")
    columns: Count = Field(description="of a row, each as wide as the data bus")
    device_width_bits: Count = Field(description="data pins of a chip")
    bus_width_bits: Count = Field(description="data pins of a channel")
    burst_length: Count = Field(description="transfers of a burst, two per cycle")


class TimingSpec(_JedecSpec):
    """Times by the names of the standards, in cycles of tCK."""

    t_ck_ns: Annotated[float, Field(gt=0, le=1000)] = Field(
        alias="tCK_ns", description="nanoseconds of a cycle"
    )
    al: FewCycles = Field(default=0, description="additive latency")
    cl: Cycles = Field(description="read latency")
    cwl: Cycles = Field(description="write latency")
    t_rcd: Cycles | None = Field(default=None, description="activate to column command")
    t_rcdrd: Cycles | None = Field(default=None, description="activate to read (HBM2)")
    t_rcdwr: Cycles | None = Field(default=None, description="activate to write (HBM2)")
    t_rp: Cycles = Field(description="precharge to activate")
    t_ras: Cycles = Field(description="activate to precharge")
    t_rc: Cycles | None = Field(
        default=None, description="activate to activate of a bank; tRAS + tRP if left out"
    )
    t_ccd_s: Cycles = Field(description="column command to the next one")
    t_ccd_l: Cycles = Field(description="the same in one bank group")
    t_rrd_s: Cycles = Field(description="activate to activate of another bank")
    t_rrd_l: Cycles = Field(description="the same in one bank group")
    t_faw: Cycles = Field(description="window that holds four activates")
    t_wtr_s: Cycles = Field(description="end of write data to read")
    t_wtr_l: Cycles = Field(description="the same in one bank group")
    t_rtp: Cycles = Field(description="read to precharge")
    t_wr: Cycles = Field(description="end of write data to precharge")
    t_rtrs: FewCycles = Field(description="turnaround of the data bus")
    t_ppd: FewCycles = Field(default=0, description="precharge to precharge (LPDDR4)")
    t_rfc: Cycles = Field(description="refresh to activate")
    t_refi: Annotated[int, Field(ge=1, le=10**9)] = Field(description="refresh to refresh")


class PowerSpec(_JedecSpec):
    """Supply and currents of one chip by the names of its data sheet."""

    vdd: Annotated[float, Field(gt=0, le=10)] = Field(description="volts")
    idd0: Current
    idd2n: Current
    idd3n: Current
    idd4r: Current
    idd4w: Current
    idd5ab: Current


class ControllerSpec(Spec):
    """How the controller works."""

    scheduler: Literal["fr_fcfs", "fcfs"] = "fr_fcfs"
    page: Literal["open", "closed", "closed_after_hits"] = "open"
    read_queue: Entries = Field(default=32, description="reads that wait, per channel")
    write_queue: Entries = Field(default=32, description="buffered writes, per channel")
    bank_queue: Annotated[int, Field(ge=1, le=64)] = Field(default=8, description="per bank")
    requests_per_cycle: Entries = Field(default=1, description="accepted, over all channels")
    drain_above: Annotated[int, Field(ge=0, le=4096)] = Field(
        default=8, description="writes that may stay buffered while the banks have nothing to do"
    )
    row_hits_limit: Entries = Field(
        default=4, description="accesses after which a row may be closed in spite of more hits"
    )
    refresh: bool = True


class DeviceSpec(Spec):
    """A DRAM and its controller, whole."""

    kind: Literal["dram"]
    name: Word
    standard: Literal["DDR4", "LPDDR4", "HBM2"]
    source: Word = Field(description="where the numbers come from")
    organisation: OrganisationSpec
    address_map: AddressMap
    timing: TimingSpec
    power: PowerSpec
    controller: ControllerSpec = ControllerSpec()


class VariantSpec(Spec):
    """What differs from another device; a section holds only what it changes.

    Whether the values are right is seen when they stand in the whole.
    """

    kind: Literal["dram"]
    name: Word
    base: Word = Field(description="a device that ships, or a file beside this one")
    standard: Any = None
    source: Any = None
    organisation: Any = None
    address_map: Any = None
    timing: Any = None
    power: Any = None
    controller: Any = None


class DramFile(RootModel[DeviceSpec | VariantSpec]):
    """A device, or a variant of one: for the JSON schema."""
