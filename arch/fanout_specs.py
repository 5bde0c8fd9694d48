"""What a file may say about the network of a fan-out, as strict models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from arraysmith.arch.spec_fields import (
    Bits,
    Cycles,
    Length,
    Name,
    Picojoules,
    PipelineCycles,
    TensorName,
    WordBandwidth,
)
from arraysmith.arch.spec_reader import Spec


class WiresSpec(Spec):
    """What moving words between neighbours takes: the length of a hop, or its energy."""

    hop: Length | None = Field(default=None, description="from a child to its neighbour")
    routers: bool = Field(default=False, description="each hop passes a router")
    energy: Picojoules | None = Field(
        default=None, description="per bit and hop, in place of the technology's"
    )


class ForwardingSpec(Spec):
    """Links between neighbours: children pass on words of the ifmap that they hold."""

    ifmap: Annotated[
        tuple[Literal["x", "y", "-x", "+x", "-y", "+y"], ...],
        Field(min_length=1, description="where words move; x and y are both ways"),
    ]
    rate: WordBandwidth | None = Field(
        default=None, description="words that a child takes from neighbours; no limit when left out"
    )
    latency: Cycles = 0


class XyBusSpec(Spec):
    """Buses along rows and columns, one per tensor."""

    bandwidth: WordBandwidth | None = Field(default=None, description="no limit when left out")
    bandwidths: dict[TensorName, WordBandwidth] = Field(
        default={}, description="per tensor, where its bus is not as wide as the others"
    )
    latency: Cycles = 0
    multicast: bool = True
    diagonal: bool = True
    reduction: bool = True
    adds_above: bool = Field(
        default=False, description="without reduction, the memory above adds the partial sums"
    )
    wires: WiresSpec | None = Field(default=None, description="no energy when left out")
    forwarding: ForwardingSpec | None = Field(
        default=None, description="links between neighbours; none when left out"
    )


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


class TreeSpec(Spec):
    """A distribution tree down and a reduction tree up; all tensors share their roots."""

    arity: int = Field(default=2, ge=2, le=2**20, description="children of a node")
    down: WordBandwidth | None = Field(default=None, description="into the root; else no limit")
    up: WordBandwidth | None = Field(default=None, description="out of the root; else no limit")
    leaf: WordBandwidth | None = Field(default=None, description="into a child; else no limit")
    stage: Cycles = Field(default=1, description="latency of a stage")
    multicast: bool = True
    reduction: bool = True
    adds_above: bool = Field(
        default=False, description="without reduction, the memory above adds the partial sums"
    )
    wires: WiresSpec | None = Field(default=None, description="no energy when left out")


Side = Annotated[int, Field(ge=1, le=2**10)]


class RoutedSpec(Spec):
    """Routers and links, simulated flit by flit; names and parameters as of ``arraysmith noc``."""

    topology: Name = Field(description="mesh, torus, ring, tree ...")
    size: Annotated[tuple[Side, ...], Field(min_length=1)] = Field(description="its sizes")
    options: dict[Name, int] = Field(default={}, description="its options")
    routing: Name = Field(default="xy", description="xy, dateline, up_down ...")
    router: dict[Name, int | Name] = Field(
        default={}, description="parameters of every router, where not the default"
    )
    flit: Bits = Field(default=64, description="bits of words in a flit")
    packet: int = Field(default=4, ge=1, le=2**16, description="most flits of a packet")
    memory: int = Field(default=0, ge=0, le=2**20, description="terminal of the memory above")
    multicast: bool = True
    reduction: bool = True
    adds_above: bool = Field(
        default=False, description="without reduction, the memory above adds the partial sums"
    )
    wires: WiresSpec | None = Field(default=None, description="no energy when left out")


class WirelessSpec(Spec):
    """One broadcast channel on the air; the memory sends, and a token lets the children answer."""

    access: Literal["token", "contention"] = Field(
        default="token", description="contention is refused: it has a history"
    )
    flit: Bits = Field(default=64, description="bits of words in a flit")
    on_air: PipelineCycles = Field(default=1, description="of a flit")
    token: Cycles = Field(default=1, description="from one child to the next")
    latency: Cycles = Field(default=0, description="from the air to the taker's port")
    reduction: bool = Field(default=False, description="nothing is added on the air")
    adds_above: bool = Field(default=False, description="the memory above adds the partial sums")
    energy: Picojoules | None = Field(
        default=None, description="per bit that all hear; no energy when left out"
    )


class NetworkSpec(Spec):
    """The network of a fan-out; exactly one of its keys."""

    xy_bus: XyBusSpec | None = None
    tree: TreeSpec | None = None
    routed: RoutedSpec | None = None
    wireless: WirelessSpec | None = None
    systolic: SystolicSpec | None = None
    scale_out: ScaleOutSpec | None = None
