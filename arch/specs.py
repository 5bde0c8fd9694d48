"""What the architecture, mapping and budget files may hold, as strict models (file-facing only).

The frozen types of ``architecture`` and ``mapping`` are what the rest of the project uses; these
models exist for reading, for error messages and for the JSON schema that editors use. Quantities
are written with units (``128 KiB``, ``16 words/cycle``), see ``units``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from arraysmith.arch.architecture import REQUEST_BYTES, Ports
from arraysmith.arch.errors import nearest
from arraysmith.arch.layout import INTERLEAVES, LINE
from arraysmith.arch.problem import DIMS, TENSORS
from arraysmith.arch.spec_reader import Spec, SpecError
from arraysmith.arch.units import (
    Rate,
    parse_area_um2,
    parse_bits,
    parse_clock,
    parse_cycles,
    parse_energy_pj,
    parse_length_um,
    parse_power_mw,
    parse_rate,
    parse_size,
)


def _text(example: str, *, bare: bool = False) -> WithJsonSchema:
    """Return the schema of a quantity: text with a unit, or a bare integer where allowed."""
    text: dict[str, Any] = {"type": "string", "examples": [example]}
    return WithJsonSchema({"anyOf": [text, {"type": "integer", "minimum": 0}]} if bare else text)


def _one_of(known: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise SpecError(f"must be one of {', '.join(known)}", nearest(name, known))
        return name

    return AfterValidator(check)


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise SpecError("must name each once", "remove the repetition")
    return names


def _technology(name: str) -> str:
    # The tables are files; only reading an architecture needs them.
    from arraysmith.arch.technology.estimate import TECHNOLOGIES

    if name not in TECHNOLOGIES:
        raise SpecError("unknown technology", nearest(name, TECHNOLOGIES))
    return name


def _device(name: str) -> str:
    from arraysmith.arch.technology.estimate import devices

    if name not in devices():
        raise SpecError("unknown device", nearest(name, devices()))
    return name


def _number(name: str) -> str:
    from arraysmith.arch.technology.estimate import numbers

    if name not in numbers():
        raise SpecError("unknown type of numbers", nearest(name, numbers()))
    return name


def _identifier(name: str) -> str:
    if not (name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()):
        raise SpecError("must be a name of letters, digits, _ and -", "for example glb")
    return name


def _filled(text: str) -> str:
    if not text.strip():
        raise SpecError("must not be empty", "say where the numbers come from")
    return text


Name = Annotated[str, AfterValidator(_identifier)]
Text = Annotated[str, AfterValidator(_filled)]
TensorName = Annotated[
    str, _one_of(TENSORS), WithJsonSchema({"type": "string", "enum": list(TENSORS)})
]
Tensors = Annotated[tuple[TensorName, ...], AfterValidator(_once)]
Count = Annotated[int, Field(ge=1, le=2**48)]
Mesh = Annotated[int, Field(ge=1, le=2**20)]
Bits = Annotated[
    int, BeforeValidator(parse_bits), Field(ge=1, le=2**20), _text("64 bit", bare=True)
]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1, le=2**53), _text("128 KiB")]
Clock = Annotated[
    int, BeforeValidator(parse_clock), Field(ge=1, le=10**12), _text("200 MHz", bare=True)
]
Cycles = Annotated[
    int, BeforeValidator(parse_cycles), Field(ge=0, le=10**9), _text("100 cycles", bare=True)
]
PipelineCycles = Annotated[Cycles, Field(ge=1)]
Picojoules = Annotated[float, BeforeValidator(parse_energy_pj), Field(ge=0), _text("0.39 pJ")]
Length = Annotated[int, BeforeValidator(parse_length_um), Field(ge=1, le=10**6), _text("100 um")]
SquareMicrometres = Annotated[float, BeforeValidator(parse_area_um2), Field(gt=0), _text("2 mm2")]


Milliwatts = Annotated[float, BeforeValidator(parse_power_mw), Field(gt=0), _text("450 mW")]


def _positive_rate(value: Any) -> Rate:
    rate = parse_rate(value)
    if rate.amount == 0:
        raise SpecError("must be greater than 0", "leave the key out for no limit")
    return rate


Bandwidth = Annotated[Rate, PlainValidator(_positive_rate), _text("16 words/cycle")]


def _words_only(value: Any) -> Rate:
    rate = _positive_rate(value)
    if rate.per != "words/cycle":
        raise SpecError("must be in words/cycle", "words of each tensor differ in bits here")
    return rate


def _per_second(value: Any) -> Rate:
    rate = _positive_rate(value)
    if rate.per != "bits/s":
        raise SpecError("must be per second", "for example 25.6 GB/s")
    return rate


PinBandwidth = Annotated[Rate, PlainValidator(_per_second), _text("25.6 GB/s")]
WordBandwidth = Annotated[Rate, PlainValidator(_words_only), _text("4 words/cycle")]


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
AxisName = Annotated[str, _one_of(DIMS), WithJsonSchema({"type": "string", "enum": list(DIMS)})]


class LayoutSpec(Spec):
    """Where the words of a tensor lie; row-major when the keys are left out."""

    in_line: tuple[BlockSpec, ...] = Field(
        default=(), description="indices of each axis in one line, slowest axis first"
    )
    line_order: Annotated[tuple[AxisName, ...], AfterValidator(_once)] = Field(
        default=(), description="axes in the order in which lines follow, slowest first"
    )
    interleave: Annotated[
        str,
        _one_of(INTERLEAVES),
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
    device: Annotated[str, AfterValidator(_device)] = Field(
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
        default=None, description="DRAM, a name or file, in place of rates and latency; off-chip"
    )


class WiresSpec(Spec):
    """What moving words between neighbours takes: the length of a hop, or its energy."""

    hop: Length | None = Field(default=None, description="from a child to its neighbour")
    routers: bool = Field(default=False, description="each hop passes a router")
    energy: Picojoules | None = Field(
        default=None, description="per bit and hop, in place of the technology's"
    )


class XyBusSpec(Spec):
    """Buses along rows and columns, one per tensor."""

    bandwidth: WordBandwidth | None = Field(default=None, description="no limit when left out")
    latency: Cycles = 0
    multicast: bool = True
    diagonal: bool = True
    reduction: bool = True
    adds_above: bool = Field(
        default=False, description="without reduction, the memory above adds the partial sums"
    )
    wires: WiresSpec | None = Field(default=None, description="no energy when left out")


class SystolicSpec(Spec):
    """Store-and-forward neighbours."""

    drain: Literal["shift", "bus", "free"] = "shift"
    fold_overlap: Literal["none", "weights", "accumulators"] = "none"
    partial_folds: Literal["used", "full"] = "used"
    partial_sums: Literal["accumulate", "spill"] = "accumulate"
    wires: WiresSpec | None = Field(default=None, description="no energy when left out")


class ScaleOutSpec(Spec):
    """Systolic arrays side by side: which flattened index each axis of the mesh cuts."""

    y: Literal["rows", "columns", "stream"] = "rows"
    x: Literal["rows", "columns", "stream"] = "columns"


class NetworkSpec(Spec):
    """The network of a fan-out; exactly one of its keys."""

    xy_bus: XyBusSpec | None = None
    systolic: SystolicSpec | None = None
    scale_out: ScaleOutSpec | None = None


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
    number: Annotated[str, AfterValidator(_number)] = Field(
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
    technology: Annotated[str, AfterValidator(_technology)] = Field(
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
