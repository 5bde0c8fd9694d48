"""One layer as SCALE-Sim 3.0.0 sees it, and the machine that runs it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.importers.scalesim_config import BankedPort, ScaleSimConfig
from arraysmith.arch.importers.scalesim_layout import ScaleSimLayout
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import OFMAP, TENSORS, Problem
from arraysmith.sim.folding import Folding
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]

CALC_FILL_WORDS = 10
"""Words per cycle at which the first half of a read buffer is filled in the mode CALC."""


class UnsupportedByScaleSimError(UnsupportedDesignError):
    """A layer or a machine that the tool's rules cannot run, with what to do instead."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A convolution as the tool's topology file states it; batch 1, no padding, one group.

    Attributes:
        ifmap_height: rows of the input, padding included.
        ifmap_width: columns of the input, padding included.
        filter_height: rows of the window.
        filter_width: columns of the window.
        channels: input channels.
        filters: output channels.
        stride: (rows, columns).
        kept: weights kept of every block.
        block: weights of a block; equal to ``kept`` for a dense layer.
        sparse: the tool's sparsity switch; on, even a dense layer is counted in its own way.
    """

    ifmap_height: int
    ifmap_width: int
    filter_height: int
    filter_width: int
    channels: int
    filters: int
    stride: tuple[int, int] = (1, 1)
    kept: int = 1
    block: int = 1
    sparse: bool = False

    @property
    def output(self) -> tuple[int, int]:
        """Output rows and columns: ceil((H - F + s) / s).

        Defect 7: the quotient is rounded up, so windows that stick out of the input count.
        """
        extents = ((self.ifmap_height, self.filter_height), (self.ifmap_width, self.filter_width))
        rows, columns = (
            -(-(h - f + s) // s) for (h, f), s in zip(extents, self.stride, strict=True)
        )
        return rows, columns

    @property
    def pixels(self) -> int:
        """Outputs per filter."""
        return self.output[0] * self.output[1]

    @property
    def window(self) -> int:
        """Weights of a filter, zeros included."""
        return self.filter_height * self.filter_width * self.channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates as the tool counts them: dense (defect 19), overhang included."""
        return self.pixels * self.window * self.filters

    @property
    def sticks_out(self) -> bool:
        """Whether a window reaches beyond the input."""
        rows, columns = self.output
        return (rows - 1) * self.stride[0] + self.filter_height > self.ifmap_height or (
            (columns - 1) * self.stride[1] + self.filter_width > self.ifmap_width
        )

    @property
    def kept_window(self) -> Int:
        """Indices of the weights that are not zero, the same for all filters: int64, ascending."""
        index = np.arange(self.window, dtype=np.int64)
        return index[index % self.block < self.kept]


def shape_of(problem: Problem, *, sparsity: bool) -> tuple[Shape, int]:
    """Return one group of a problem as the tool runs it, and how many groups run in turn.

    Padding counts as stored words: users of the tool write it into the input's extents. Groups run
    one after the other, each cold, as the tool's depthwise convention has it.

    Args:
        problem: a convolution, matrix product or fully connected layer with batch 1.
        sparsity: the tool's sparsity switch; off, the weights of a sparse problem count in full.

    Raises:
        UnsupportedByScaleSimError: a batch or a dilation.
    """
    size = problem.size
    if size["N"] > 1:
        raise UnsupportedByScaleSimError(
            f"{problem.name}: batch {size['N']}: the tool runs batch 1 only; run the layer "
            "once and multiply"
        )
    ratio = problem.weight_sparsity
    kept, block = (ratio.kept, ratio.block) if ratio is not None and sparsity else (1, 1)
    spatial = [axis for axis in problem.ifmap.axes if any(dim in "PQ" for dim, _ in axis.terms)]
    if len(spatial) == 1:  # a product [m, k] x [k, n]: the tool's ifmap is m x k, one channel
        shape = Shape(
            size["P"], size["C"], 1, size["C"], 1, size["K"], (1, 1), kept, block, sparsity
        )
        return shape, size["G"]
    extents, strides = [], []
    for axis, window in zip(spatial, (size["R"], size["S"]), strict=True):
        (_, stride), (_, dilation) = axis.terms
        if dilation > 1 and window > 1:
            raise UnsupportedByScaleSimError(
                f"{problem.name}: dilation {dilation}: the tool has none; use the default setting"
            )
        extents.append(axis.extent - 2 * axis.offset)
        strides.append(stride)
    shape = Shape(
        extents[0],
        extents[1],
        size["R"],
        size["S"],
        size["C"],
        size["K"],
        (strides[0], strides[1]),
        kept,
        block,
        sparsity,
    )
    return shape, size["G"]


@dataclass(frozen=True, slots=True)
class ReadPort:
    """One operand's read buffer.

    Attributes:
        words: size of the SRAM; half of it is active.
        offset: address of the operand's first word.
        bandwidth: words per cycle from off-chip memory; acts in the mode USER.
        banks: banks of a line; acts with a layout.
        ports: ports of a bank.
        factors: extents of a line per axis of the operand's layout; empty for no layout.
        order: order of the axes between lines, then inside a line; see ``ScaleSimLayout``.
    """

    words: int
    offset: int
    bandwidth: int = CALC_FILL_WORDS
    banks: int = 1
    ports: int = 2
    factors: tuple[int, ...] = ()
    order: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolMachine:
    """What the tool simulates.

    Attributes:
        rows: of the array.
        columns: of the array.
        dataflow: ``os``, ``ws`` or ``is``.
        user: the mode USER (given bandwidths, stalls) instead of CALC (estimated bandwidths).
        ifmap: read buffer of the inputs.
        filter: read buffer of the weights.
        ofmap_words: size of the write buffer.
        ofmap_offset: address of the first output.
        ofmap_bandwidth: words per line of the write buffer and per cycle to off-chip memory; the
            columns of the array in CALC.
        representation: of sparse weights, ``csr``, ``csc`` or ``ellpack_block``; empty when the
            tool's sparsity switch is off.
    """

    rows: int
    columns: int
    dataflow: str
    user: bool
    ifmap: ReadPort
    filter: ReadPort
    ofmap_words: int
    ofmap_offset: int
    ofmap_bandwidth: int
    representation: str = ""

    @classmethod
    def of_config(cls, config: ScaleSimConfig, layout: ScaleSimLayout | None = None) -> ToolMachine:
        """Return the machine of a configuration file.

        Defect of the bandwidth keys: in USER the operands are read at the banks' bandwidths of
        [layout]; ``Bandwidth`` (its first number) is used for writes only.

        Args:
            config: the file.
            layout: of the operands whose custom layout is switched on; else it has no effect.

        Raises:
            UnsupportedByScaleSimError: what the tool takes from other programs or draws at random.
        """
        if config.ramulator:
            raise UnsupportedByScaleSimError(
                "UseRamulatorTrace: latencies measured by another program are not modelled; "
                "set it to False"
            )
        sparsity = config.sparsity
        if sparsity is not None and sparsity.optimized_mapping:
            raise UnsupportedByScaleSimError(
                "OptimizedMapping: row-wise random sparsity is not modelled; set it to false for "
                "the N:M ratios of the topology file"
            )
        if sparsity is not None and config.filter_offset == 0:
            raise UnsupportedByScaleSimError(
                "FilterOffset 0: with sparsity the tool takes a weight at address 0 for a zero; "
                "give the weights another offset"
            )
        ifmap = _port(config.ifmap_kib, config.ifmap_offset, config.ifmap_banks)
        filters = _port(config.filter_kib, config.filter_offset, config.filter_banks)
        if layout is not None and config.interface_user:
            if config.ifmap_banks.custom_layout:
                ifmap = _with_layout(ifmap, layout.ifmap_factors, layout.ifmap_order)
            if config.filter_banks.custom_layout:
                filters = _with_layout(filters, layout.filter_factors, layout.filter_order)
        return cls(
            config.rows,
            config.columns,
            config.dataflow,
            config.interface_user,
            ifmap,
            filters,
            1024 * config.ofmap_kib,
            config.ofmap_offset,
            config.bandwidths[0] if config.interface_user else config.columns,
            sparsity.representation if sparsity is not None else "",
        )

    @classmethod
    def of_architecture(
        cls, architecture: Architecture, problem: Problem, mapping: Mapping
    ) -> ToolMachine:
        """Return the machine for an architecture of ours: its array, SRAM sizes and dataflow.

        The mode is CALC when off-chip memory has no bandwidth limit, else USER, in which the two
        read ports share the read rate and every rate is rounded down to whole words. Operands lie
        one behind the other.

        Raises:
            ArraysmithError: not a systolic array with an SRAM per tensor of one-byte words.
        """
        parts = SystolicMachine.of(architecture, mapping)
        if parts.mesh is not None:
            raise UnsupportedByScaleSimError(
                f"{parts.mesh.name}: the tool has one array, not several side by side"
            )
        # The tool has rules of its own for sparse weights, in every dataflow.
        folding = Folding.of(parts, replace(problem, weight_sparsity=None), mapping)
        sizes = [_capacity(parts.buffer(tensor), tensor) for tensor in TENSORS]
        read, write = parts.offchip.read_words_per_cycle, parts.offchip.write_words_per_cycle
        user = read is not None
        if user != (write is not None):
            raise UnsupportedByScaleSimError(
                f"{parts.offchip.name}: the tool needs both a read and a write rate, or neither"
            )
        each = max(1, int(read / 2)) if read is not None else CALC_FILL_WORDS
        words = {tensor.name: tensor.words for tensor in problem.tensors}
        bases = [0, words[TENSORS[0]], words[TENSORS[0]] + words[TENSORS[1]]]
        columns = parts.array.mesh_x
        return cls(
            parts.array.mesh_y,
            columns,
            folding.dataflow,
            user,
            ReadPort(sizes[0], bases[0], each),
            ReadPort(sizes[1], bases[1], each),
            sizes[2],
            bases[2],
            max(1, int(write)) if write is not None else columns,
            "ellpack_block" if problem.weight_sparsity is not None else "",
        )


def _port(kib: int, offset: int, banks: BankedPort) -> ReadPort:
    return ReadPort(1024 * kib, offset, banks.bandwidth, banks.banks, banks.ports)


def _with_layout(port: ReadPort, factors: tuple[int, ...], order: tuple[int, ...]) -> ReadPort:
    return ReadPort(port.words, port.offset, port.bandwidth, port.banks, port.ports, factors, order)


def _capacity(memory: Memory, tensor: str) -> int:
    words = memory.capacity_words
    least = 200  # two lines of a hundredth of the buffer each
    if words is None or words < least:
        raise UnsupportedByScaleSimError(
            f"{memory.name}: {words} words of {tensor}: the tool cuts a buffer into hundredths and "
            f"needs at least {least} words"
        )
    if memory.word_bits != 8 and tensor != OFMAP:
        raise UnsupportedByScaleSimError(
            f"{memory.name}: words of {memory.word_bits} bits: the tool knows one-byte words only"
        )
    return words
