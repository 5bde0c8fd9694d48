"""One operator as an einsum, and a network of them.

Dimension names are the same for every operator, so that a dataflow written once applies to all:
``G`` groups or batch of matrices, ``N`` batch, ``K`` output channels, ``C`` input channels,
``P`` output rows, ``Q`` output columns, ``R`` filter rows, ``S`` filter columns. A matrix product
[m, k] x [k, n] has P = m, C = k, K = n. Timeloop writes M for our K; MAESTRO writes Y', X' for
P, Q.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from arraysmith.arch.sparsity import StructuredSparsity

DIMS = ("G", "N", "K", "C", "P", "Q", "R", "S")
"""Dimension names, in the order in which a problem lists them."""

IFMAP, WEIGHT, OFMAP = "ifmap", "weight", "ofmap"
TENSORS = (IFMAP, WEIGHT, OFMAP)
"""Tensor names, in the order in which a problem lists them; the last one is the output."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a tensor: index = offset + sum(coefficient * dim index).

    Attributes:
        terms: (dim, coefficient) pairs, coefficients positive; at most two (a window and its tap).
        extent: words stored along the axis. An index outside [0, extent) is padding: it reads as
            zero and is never fetched.
        offset: minus the padding before the first word, so zero or negative.
    """

    terms: tuple[tuple[str, int], ...]
    extent: int
    offset: int = 0

    def reach(self, sizes: dict[str, int]) -> int:
        """Return the number of consecutive indices touched by ``sizes`` steps of each dim."""
        return 1 + sum(coef * (sizes[dim] - 1) for dim, coef in self.terms)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One operand: row-major over ``axes`` (the last axis is contiguous), ``word_bits`` a word."""

    name: str
    axes: tuple[Axis, ...]
    word_bits: int

    @property
    def words(self) -> int:
        """Words stored: the footprint of the tensor, padding not included."""
        return prod(axis.extent for axis in self.axes)

    @property
    def dims(self) -> frozenset[str]:
        """Names of the dims that move this tensor's index."""
        return frozenset(dim for axis in self.axes for dim, _ in axis.terms)


@dataclass(frozen=True)
class Problem:
    """One operator: for every point of ``dims``, ofmap[...] += ifmap[...] * weight[...].

    Attributes:
        name: layer name.
        operator: ``conv``, ``depthwise``, ``gemm``, ``matmul`` or ``fc``: for people and reports;
            the einsum alone decides every number.
        sizes: extent of each dim, in the order of ``DIMS``; all at least 1.
        ifmap: first operand.
        weight: second operand.
        ofmap: result.
        weight_sparsity: structure of the weights' zeros, which are neither stored nor multiplied;
            None if all weights are.
    """

    name: str
    operator: str
    sizes: tuple[int, ...]
    ifmap: Tensor
    weight: Tensor
    ofmap: Tensor
    weight_sparsity: StructuredSparsity | None = None

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """The tensors in the order of ``TENSORS``."""
        return (self.ifmap, self.weight, self.ofmap)

    def tensor(self, name: str) -> Tensor:
        """Return the tensor called ``name``; KeyError if there is none."""
        return dict(zip(TENSORS, self.tensors, strict=True))[name]

    @cached_property
    def size(self) -> dict[str, int]:
        """Extent of each dim by name."""
        return dict(zip(DIMS, self.sizes, strict=True))

    @property
    def reduction(self) -> int:
        """Products that are added up to one output: channels x window of a group."""
        return self.size["C"] * self.size["R"] * self.size["S"]

    @property
    def kept_reduction(self) -> int:
        """Products of ``reduction`` whose weights are stored; all of them without sparsity."""
        sparsity = self.weight_sparsity
        return self.reduction if sparsity is None else sparsity.slots(self.reduction)

    @property
    def macs(self) -> int:
        """Multiply-accumulates: points of the iteration space, taps on padding included.

        Weights that sparsity leaves out are not multiplied.
        """
        return prod(self.sizes) // self.reduction * self.kept_reduction

    @cached_property
    def stored_weight(self) -> Tensor:
        """The weights as they lie in memory.

        With sparsity the axes of C, R and S become one of slots, named by C, and a word holds a
        weight and its position in the block.
        """
        if self.weight_sparsity is None:
            return self.weight
        reduced = {"C", "R", "S"}
        axes = tuple(
            axis for axis in self.weight.axes if reduced.isdisjoint(dim for dim, _ in axis.terms)
        )
        return Tensor(
            self.weight.name,
            (*axes, Axis((("C", 1),), self.kept_reduction)),
            self.weight.word_bits + self.weight_sparsity.position_bits,
        )

    def stored(self, name: str) -> Tensor:
        """Return the tensor called ``name`` as it lies in memory; KeyError if there is none."""
        return dict(zip(TENSORS, self.stored_tensors, strict=True))[name]

    @property
    def stored_tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """The tensors as they lie in memory, in the order of ``TENSORS``."""
        return (self.ifmap, self.stored_weight, self.ofmap)

    @property
    def flops(self) -> int:
        """Operations: two per MAC, less one per output, whose first product is not an addition."""
        return 2 * self.macs - self.ofmap.words

    def renamed(self, name: str) -> Problem:
        """Return the same problem under another name (equal layers are found by renaming)."""
        return replace(self, name=name)


@dataclass(frozen=True, slots=True)
class Layer:
    """A problem in a network.

    Attributes:
        problem: the operator.
        repeat: how many times it runs in one inference of the network; at least 1.
        inputs: names of the layers whose results it reads; empty for the network's own input.
    """

    problem: Problem
    repeat: int = 1
    inputs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the layer: that of its problem."""
        return self.problem.name


@dataclass(frozen=True, slots=True)
class Network:
    """A graph of layers in an order in which every layer comes after its inputs."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.problem.macs * layer.repeat for layer in self.layers)


@dataclass(frozen=True, slots=True)
class WordBits:
    """Bits of a stored word of each tensor."""

    ifmap: int = 8
    weight: int = 8
    ofmap: int = 8


def output_extent(extent: int, window: int, stride: int, padding: int, dilation: int) -> int:
    """Return floor((extent + 2 padding - dilation (window - 1) - 1) / stride) + 1.

    The standard convolution arithmetic (Dumoulin and Visin, arXiv 1603.07285, relationship 14);
    zero or negative when the window does not fit.
    """
    return (extent + 2 * padding - dilation * (window - 1) - 1) // stride + 1


def conv(
    name: str,
    *,
    height: int,
    width: int,
    in_channels: int,
    out_channels: int,
    window: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    batch: int = 1,
    bits: WordBits | None = None,
    operator: str | None = None,
    weight_sparsity: StructuredSparsity | None = None,
) -> Problem:
    """Return a 2-D convolution; pairs are (rows, columns), channels are totals over all groups.

    Raises:
        ValueError: a window that does not fit its input, or channels that groups do not divide.
    """
    bits = bits or WordBits()
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"{name}: groups {groups} must divide channels")
    rows = output_extent(height, window[0], stride[0], padding[0], dilation[0])
    columns = output_extent(width, window[1], stride[1], padding[1], dilation[1])
    if rows < 1 or columns < 1:
        raise ValueError(f"{name}: window {window} does not fit input {height}x{width}")
    k, c = out_channels // groups, in_channels // groups
    depthwise = groups > 1 and k == 1 and c == 1
    return Problem(
        name=name,
        operator=operator or ("depthwise" if depthwise else "conv"),
        sizes=(groups, batch, k, c, rows, columns, window[0], window[1]),
        ifmap=Tensor(
            IFMAP,
            (
                Axis((("N", 1),), batch),
                Axis((("G", 1),), groups),
                Axis((("C", 1),), c),
                Axis((("P", stride[0]), ("R", dilation[0])), height, -padding[0]),
                Axis((("Q", stride[1]), ("S", dilation[1])), width, -padding[1]),
            ),
            bits.ifmap,
        ),
        weight=Tensor(
            WEIGHT,
            (
                Axis((("G", 1),), groups),
                Axis((("K", 1),), k),
                Axis((("C", 1),), c),
                Axis((("R", 1),), window[0]),
                Axis((("S", 1),), window[1]),
            ),
            bits.weight,
        ),
        ofmap=Tensor(
            OFMAP,
            (
                Axis((("N", 1),), batch),
                Axis((("G", 1),), groups),
                Axis((("K", 1),), k),
                Axis((("P", 1),), rows),
                Axis((("Q", 1),), columns),
            ),
            bits.ofmap,
        ),
        weight_sparsity=weight_sparsity,
    )


def matmul(
    name: str,
    *,
    m: int,
    n: int,
    k: int,
    batch: int = 1,
    bits: WordBits | None = None,
    operator: str | None = None,
    weight_sparsity: StructuredSparsity | None = None,
) -> Problem:
    """Return batch independent products [m, k] x [k, n]; both operands differ per batch.

    P = m, C = k, K = n, G = batch. ``weight`` is the right operand, stored [G, K, C].
    """
    bits = bits or WordBits()
    return Problem(
        name=name,
        operator=operator or ("gemm" if batch == 1 else "matmul"),
        sizes=(batch, 1, n, k, m, 1, 1, 1),
        ifmap=Tensor(
            IFMAP,
            (Axis((("G", 1),), batch), Axis((("P", 1),), m), Axis((("C", 1),), k)),
            bits.ifmap,
        ),
        weight=Tensor(
            WEIGHT,
            (Axis((("G", 1),), batch), Axis((("K", 1),), n), Axis((("C", 1),), k)),
            bits.weight,
        ),
        ofmap=Tensor(
            OFMAP,
            (Axis((("G", 1),), batch), Axis((("P", 1),), m), Axis((("K", 1),), n)),
            bits.ofmap,
        ),
        weight_sparsity=weight_sparsity,
    )
