"""MAESTRO's language: data-centric directives, networks of layers, hardware files (``.m``).

    Network vgg16 {
      Layer conv1_1 {
        Type: CONV
        Stride { X: 1, Y: 1 }
        Dimensions { K: 64, C: 3, R: 3, S: 3, Y: 224, X: 224 }
        Dataflow {
          SpatialMap(1,1) K;
          TemporalMap(64,64) C;
          ...
          Cluster(64,P);
          SpatialMap(1,1) C;
        }
      }
    }

A dataflow is a list of directives, outermost first; ``Cluster(n,P)`` opens the inside of a group of
n units, so that there is a level more than clusters. A size or offset is a whole number, ``Sz(D)``,
the extent of a dim in the layer, or sums and multiples of them; a constant declared above by
``Constant NAME n;`` stands for its number.

Y and X are rows and columns of the *input*, which holds its padding; Y' and X' those of the output.

This module holds the values and how they are written; ``maestro_reader`` reads them,
``maestro_levels`` completes and checks them, ``maestro_convert`` turns them into ours and back.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, field

from arraysmith.arch.errors import ArraysmithError

CONVOLUTION_DIMS = ("N", "K", "C", "R", "S", "Y", "X")
PRODUCT_DIMS = ("B", "M", "N", "K")
OUTPUT_DIMS = {"Y'": "Y", "X'": "X"}
"""Output rows and columns -> the dim of the input that they are windows on."""

FILTER_OF = {"Y": "R", "X": "S"}
"""A dim that windows slide along -> the dim of the window."""

TYPES = {
    "CONV": CONVOLUTION_DIMS,
    "DSCONV": CONVOLUTION_DIMS,
    "GEMM": PRODUCT_DIMS[1:],
    "BMM": PRODUCT_DIMS,
}
"""Types of layers -> their dims. DSCONV is depthwise: K is 1 and C counts the channels; GEMM is
[M, K] x [K, N], BMM a batch of B of them."""

OPTIONAL_DIMS = ("N", "B")
"""Dims that a layer need not state; their extent is then 1. (N of a product has to be stated.)"""

HARDWARE_KEYS = {
    "num_pes": "pes",
    "NumPEs": "pes",
    "l1_size_cstr": "l1_elements",
    "L1Size": "l1_elements",
    "l2_size_cstr": "l2_elements",
    "L2Size": "l2_elements",
    "noc_bw_cstr": "noc_elements_per_cycle",
    "NoC_BW": "noc_elements_per_cycle",
    "NoC_NumHops": "noc_hops",
    "offchip_bw_cstr": "offchip_elements_per_cycle",
}
"""Keys of a hardware file, of either generation of the tool -> field of ``Hardware``."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A whole number plus multiples of extents: ``8+Sz(S)-1`` is 7 + 1 x Sz(S).

    Attributes:
        number: the number.
        extents: (dim, multiple) pairs sorted by dim; no multiple is 0.
    """

    number: int
    extents: tuple[tuple[str, int], ...] = ()

    def value(self, sizes: Dict[str, int]) -> int:
        """Return the amount for a layer of ``sizes``; KeyError for a dim that it lacks."""
        return self.number + sum(multiple * sizes[dim] for dim, multiple in self.extents)

    def __str__(self) -> str:
        terms = [(abs(multiple), f"Sz({dim})", multiple < 0) for dim, multiple in self.extents]
        words = [
            ("-" if minus else "+", text if count == 1 else f"{count}*{text}")
            for count, text, minus in terms
        ]
        if self.number or not words:
            words.append(("-" if self.number < 0 else "+", str(abs(self.number))))
        text = "".join(sign + word for sign, word in words)
        return text.removeprefix("+")


@dataclass(frozen=True, slots=True)
class Map:
    """``TemporalMap(size,offset) dim`` or ``SpatialMap(size,offset) dim``.

    Attributes:
        spatial: whether units share the dim, instead of time steps.
        size: indices that one unit holds at a time.
        offset: distance to what the next step, or the next unit, holds.
        dim: name of the dim; ``Y'`` and ``X'`` count outputs.
        line: line of the text it was read from, from 1; 0 when it was not read.
        column: column in that line.
    """

    spatial: bool
    size: Amount
    offset: Amount
    dim: str
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        kind = "SpatialMap" if self.spatial else "TemporalMap"
        return f"{kind}({self.size},{self.offset}) {self.dim}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """``Cluster(size,P)``: what follows describes the inside of a group of ``size`` units."""

    size: Amount
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"Cluster({self.size},P)"


@dataclass(frozen=True, slots=True)
class Directives:
    """A dataflow: directives, outermost first."""

    items: tuple[Map | Cluster, ...]

    @property
    def levels(self) -> tuple[tuple[Map, ...], ...]:
        """The maps of each level, outermost level first; one more than clusters."""
        levels: list[list[Map]] = [[]]
        for item in self.items:
            if isinstance(item, Cluster):
                levels.append([])
            else:
                levels[-1].append(item)
        return tuple(map(tuple, levels))

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The clusters, outermost first."""
        return tuple(item for item in self.items if isinstance(item, Cluster))

    def __str__(self) -> str:
        return " ".join(f"{item};" for item in self.items)


@dataclass(frozen=True, slots=True)
class MaestroLayer:
    """One layer of a network file.

    Attributes:
        name: its name.
        type: one of ``TYPES``.
        sizes: (dim, extent) of every dim of the type, in the order of ``TYPES``.
        stride: of output rows and columns on the input.
        dataflow: how it runs; None in a file of shapes only.
        line: line of the text that its name stands in; 0 when it was not read.
        column: column in that line.
    """

    name: str
    type: str
    sizes: tuple[tuple[str, int], ...]
    stride: tuple[int, int] = (1, 1)
    dataflow: Directives | None = None
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    @property
    def size(self) -> dict[str, int]:
        """Extent of each dim by name."""
        return dict(self.sizes)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        size = self.size
        count = 1
        for dim, extent in self.sizes:
            count *= extent if dim not in FILTER_OF else outputs(self, dim, extent, size)
        return count


def outputs(layer: MaestroLayer, dim: str, extent: int, size: Dict[str, int]) -> int:
    """Return how many windows fit ``extent`` rows (Y) or columns (X) of the input."""
    return (extent - size[FILTER_OF[dim]]) // layer.stride["YX".index(dim)] + 1


@dataclass(frozen=True, slots=True)
class MaestroNetwork:
    """The layers of a file."""

    name: str
    layers: tuple[MaestroLayer, ...]


@dataclass(frozen=True, slots=True)
class Hardware:
    """A hardware file; sizes and rates in elements, None where the file says nothing.

    Attributes:
        pes: processing elements.
        l1_elements: buffer of one PE.
        l2_elements: shared buffer.
        noc_elements_per_cycle: rate of the network of every level.
        noc_hops: hops from a buffer to a unit.
        offchip_elements_per_cycle: rate of the off-chip memory.
    """

    pes: int
    l1_elements: int | None = None
    l2_elements: int | None = None
    noc_elements_per_cycle: int | None = None
    noc_hops: int | None = None
    offchip_elements_per_cycle: int | None = None


def format_directives(directives: Directives, indent: str = "") -> str:
    """Return the text of a dataflow file, one directive a line, that reads back equal."""
    lines = ["Dataflow {", *(f"  {item};" for item in directives.items), "}"]
    return "\n".join(indent + line for line in lines) + "\n"


def format_network(network: MaestroNetwork) -> str:
    """Return the text of a network file that reads back equal.

    Raises:
        ArraysmithError: a name that the language has no way to write.
    """
    lines = [f"Network {_word(network.name)} {{"]
    for layer in network.layers:
        sizes = ", ".join(f"{dim}: {extent}" for dim, extent in layer.sizes)
        lines += [f"  Layer {_word(layer.name)} {{", f"    Type: {layer.type}"]
        if layer.stride != (1, 1):
            lines.append(f"    Stride {{ X: {layer.stride[1]}, Y: {layer.stride[0]} }}")
        lines.append(f"    Dimensions {{ {sizes} }}")
        if layer.dataflow is not None:
            lines.append(format_directives(layer.dataflow, "    ").rstrip("\n"))
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def format_hardware(hardware: Hardware) -> str:
    """Return the text of a hardware file that reads back equal."""
    lines = []
    written = set()
    for key, name in HARDWARE_KEYS.items():
        value = getattr(hardware, name)
        if name not in written and value is not None:
            lines.append(f"{key}: {value}")
            written.add(name)
    return "\n".join(lines) + "\n"


def _word(name: str) -> str:
    if not name or any(letter.isspace() or letter in "{};" for letter in name) or "//" in name:
        raise ArraysmithError(f"{name!r} cannot be written: a name is one word without {{ }} ;")
    return name
