"""What the architecture, mapping and budget files may hold, as strict models (file-facing only).

The frozen types of ``architecture`` and ``mapping`` are what the rest of the project uses; these
models exist for reading, for error messages and for the JSON schema that editors use. Quantities
are written with units (``128 KiB``, ``16 words/cycle``), see ``units``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from arraysmith.arch.architecture import REQUEST_BYTES, Ports
from arraysmith.arch.errors import nearest
from arraysmith.arch.fanout_specs import NetworkSpec, XyBusSpec
from arraysmith.arch.layout import INTERLEAVES, LINE
from arraysmith.arch.problem import DIMS
from arraysmith.arch.spec_fields import (
    Bandwidth,
    Bits,
    Clock,
    Count,
    Cycles,
    Mesh,
    Milliwatts,
    Name,
    Picojoules,
    PinBandwidth,
    PipelineCycles,
    Size,
    SquareMicrometres,
    TensorName,
    Tensors,
    Text,
    known_device,
    known_number,
    known_technology,
    once,
    one_of,
)
from arraysmith.arch.spec_reader import Spec, SpecError


class EnergySpec(Spec):
    """Energy per access of the whole width, in place of the technology's."""

    read: Picojoules
    write: Picojoules


def _count_of_dim(text: Any, what: str, example: str) -> tuple[str, int]:
    """Return (dim, count) of ``K:16``."""
    if isinstance(text, dict) and len(text) == 1:
        text = ":".join(str(part) for part in next(iter(text.items())))  # written K: 16
    dim, colon, count = str(text).partition(":")
    dim, count = dim.strip(), count.strip()
    if not isinstance(text, str) or not colon or not (count.isascii() and count.isdigit()):
        raise SpecError(f"must be {what}", f"for example {example}")
    if dim not in DIMS:
        raise SpecError(f"dim must be one of {', '.join(DIMS)}", nearest(dim, DIMS))
    word = what.rpartition(":")[2]
    if len(count) > 15 or int(count) < 1:
        raise SpecError(f"{word} must be at least 1 and below 10^15", f"for example {example}")
    return dim, int(count)


def _dim_schema(example: str) -> WithJsonSchema:
    pattern = "^[GNKCPQRS]:[1-9][0-9]*$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


BlockSpec = Annotated[
    tuple[str, int],
    PlainValidator(lambda text: _count_of_dim(text, "a part of a line, axis:words", "C:4")),
    _dim_schema("C:4"),
]
AxisName = Annotated[str, one_of(DIMS), WithJsonSchema({"type": "string", "enum": list(DIMS)})]


class LayoutSpec(Spec):
    """Where the words of a tensor lie; row-major when the keys are left out."""

    in_line: tuple[BlockSpec, ...] = Field(
        default=(), description="indices of each axis in one line, slowest axis first"
    )
    line_order: Annotated[tuple[AxisName, ...], AfterValidator(once)] = Field(
        default=(), description="axes in the order in which lines follow, slowest first"
    )
    interleave: Annotated[
        str,
        one_of(INTERLEAVES),
        WithJsonSchema({"type": "string", "enum": list(INTERLEAVES)}),
    ] = Field(default=LINE, description="what goes round the banks: lines, or words of a line")


def _ports(value: Any) -> int:
    """Return a name of ``Ports`` as its value; 1 and 2, the numbers of ports, are read as well."""
    names = {ports.name.lower(): int(ports) for ports in Ports}
    if isinstance(value, str) and value in names:
        return names[value]
    if type(value) is int and value in {Ports.SHARED, Ports.DEDICATED}:
        return value
    raise SpecError(f"must be one of {', '.join(names)}", "1 port is shared, 2 are dedicated")


PortsName = Annotated[
    int,
    PlainValidator(_ports),
    WithJsonSchema({"enum": [*(ports.name.lower() for ports in Ports), 1, 2]}),
]


class MemorySpec(Spec):
    """One memory; exactly one of depth and capacity, none of them off-chip."""

    memory: Name = Field(description="name of the level")
    device: Annotated[str, AfterValidator(known_device)] = Field(
        description="what it is built of: lpddr4, sram, regfile ..."
    )
    holds: Annotated[Tensors, Field(min_length=1)] = Field(description="tensors it may keep")
    width: Bits = Field(description="bits moved by one access")
    word: Bits = Field(description="bits of one word of any tensor here")
    depth: Count | None = Field(default=None, description="lines of width bits")
    capacity: Size | None = Field(default=None, description="depth x width, in place of depth")
    read: Bandwidth | None = Field(default=None, description="no limit when left out")
    write: Bandwidth | None = Field(default=None, description="no limit when left out")
    ports: PortsName = Field(default=Ports.DEDICATED, description="how reads and writes share time")
    whole_words: bool = Field(default=False, description="a transfer takes whole accesses")
    double_buffered: bool = Field(default=True, description="one half works, the other fills")
    tiles_in_flight: int = Field(
        default=2, ge=2, le=32, description="tiles held at a time, as far as they fit"
    )
    fills_after: Name | None = Field(
        default=None, description="a memory that takes its words before this one"
    )
    latency: Cycles = Field(default=0, description="from request to first word")
    energy: EnergySpec | None = None
    banks: int = Field(default=1, ge=1, le=2**16, description="parts accessed side by side")
    layout: dict[TensorName, LayoutSpec] = Field(
        default={}, description="per tensor, which word lies in which line and bank"
    )
    partition: dict[TensorName, Count] = Field(
        default={}, description="lines of each tensor; left out: they share all lines"
    )
    request: Size = Field(
        default=8 * REQUEST_BYTES, description="most bytes of a DMA request; off-chip only"
    )
    requests_in_flight: Count | None = Field(
        default=None, description="DMA requests under way per channel; off-chip only"
    )
    dram: Text | None = Field(
        default=None,
        description="DRAM device, a name or a file, in place of rates and latency; off-chip only",
    )


class FanoutSpec(Spec):
    """A mesh of mesh_x columns by mesh_y rows of everything below."""

    fanout: Name = Field(description="name of the level")
    mesh_x: Mesh = Field(description="columns")
    mesh_y: Mesh = Field(description="rows")
    network: NetworkSpec = Field(default=NetworkSpec(xy_bus=XyBusSpec()))


class ComputeSpec(Spec):
    """The MAC unit at the bottom."""

    name: Name = "mac"
    multiply: Bits = 8
    accumulate: Bits = 16
    pipeline: PipelineCycles = 1
    energy: Picojoules | None = Field(default=None, description="per multiply-accumulate")
    number: Annotated[str, AfterValidator(known_number)] = Field(
        default="int", description="type of its numbers, for energy and area: int, fp16 ..."
    )


def _level_kind(value: Any) -> str | None:
    if isinstance(value, MemorySpec) or (isinstance(value, dict) and "memory" in value):
        return "<memory>"
    if isinstance(value, FanoutSpec) or (isinstance(value, dict) and "fanout" in value):
        return "<fanout>"
    return None


LevelSpec = Annotated[
    Annotated[MemorySpec, Tag("<memory>")] | Annotated[FanoutSpec, Tag("<fanout>")],
    Discriminator(
        _level_kind,
        custom_error_type="level",
        custom_error_message="a level must be a memory (memory: NAME) or a fan-out (fanout: NAME)",
    ),
]


class ArchitectureSpec(Spec):
    """A hardware design: a chain of levels, off-chip memory first, and the MAC below."""

    kind: Literal["architecture"]
    name: Name
    source: Text = Field(description="where the numbers come from")
    clock: Clock
    technology: Annotated[str, AfterValidator(known_technology)] = Field(
        description="name of the energy and area table, such as 65nm"
    )
    levels: tuple[LevelSpec, ...] = Field(min_length=2)
    compute: ComputeSpec = ComputeSpec()
    leakage: Literal["sram", "all"] = Field(
        default="sram", description="what leaks: memories not made of gates, or all"
    )


LoopSpec = Annotated[
    tuple[str, int],
    PlainValidator(lambda text: _count_of_dim(text, "a loop, dim:tile", "K:16")),
    _dim_schema("K:16"),
]


class LevelLoopsSpec(Spec):
    """Loops of one level, outermost first."""

    temporal: tuple[LoopSpec, ...] = ()
    x: tuple[LoopSpec, ...] = ()
    y: tuple[LoopSpec, ...] = ()
    keep: Tensors | None = None


class MappingSpec(Spec):
    """How a layer runs on an architecture."""

    kind: Literal["mapping"]
    architecture: Text | None = Field(default=None, description="design it was made for")
    note: str | None = Field(default=None, description="for people")
    levels: dict[Name, LevelLoopsSpec]


class BudgetSpec(Spec):
    """Limits of a design; every one may be left out."""

    pes: Count | None = Field(default=None, description="exactly this many MAC units")
    max_pes: Count | None = Field(default=None, description="at most this many MAC units")
    storage: Size | None = Field(default=None, description="on-chip storage, at most")
    area: SquareMicrometres | None = Field(default=None, description="chip area, at most")
    power: Milliwatts | None = Field(default=None, description="chip at full work, at most")
    bandwidth: PinBandwidth | None = Field(default=None, description="off-chip, both ways, at most")
