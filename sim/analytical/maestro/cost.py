"""Candidates as arrays for the kernel, and its results with their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, XyBus
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.notation.maestro import FILTER_OF, Directives, Hardware, MaestroLayer
from arraysmith.arch.notation.maestro_convert import problem_of
from arraysmith.arch.notation.maestro_levels import Level, resolve
from arraysmith.sim.analytical.maestro import kernel
from arraysmith.sim.analytical.maestro.shapes import Ints

UNLIMITED = 2**40
"""Elements per cycle of a network that has no limit."""

MEMBERS = {
    "CONV": ("NCYX", "KCRS", "NKYX"),
    "DSCONV": ("NCYX", "CRS", "NCYX"),
    "GEMM": ("MK", "KN", "MN"),
}
"""Dims of input, filter and output by type of layer; outputs by the rows they are windows on."""

ORDER = {"CONV": "NKCYXRS", "DSCONV": "NKCYXRS", "GEMM": "MNK"}

L1_UNITS, L2_UNITS = 1.68, 18.61
"""Energy of an access to a PE's buffer and to the shared buffer, in energies of a MAC (the tool's
constants; its authors say that they come from an early CACTI study whose data are lost)."""

UNIT_PJ = 0.23
"""Energy of a MAC in picojoules (the tool's factor of 0.00023 nJ)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the rules know of hardware.

    Attributes:
        pes: processing elements.
        noc_elements_per_cycle: rate of the network of each level.
        hop_cycles: cycles from a buffer to a unit, at least 1.
        offchip_elements_per_cycle: rate of the off-chip memory.
        macs_per_cycle: MACs of a PE in a cycle.
    """

    pes: int
    noc_elements_per_cycle: int = UNLIMITED
    hop_cycles: int = 1
    offchip_elements_per_cycle: int = UNLIMITED
    macs_per_cycle: int = 1

    @classmethod
    def of_hardware(cls, hardware: Hardware) -> Machine:
        """Return the machine of a hardware file; what it leaves open is unlimited."""
        return cls(
            hardware.pes,
            hardware.noc_elements_per_cycle or UNLIMITED,
            hardware.noc_hops or 1,
            hardware.offchip_elements_per_cycle or UNLIMITED,
        )

    @classmethod
    def of(cls, architecture: Architecture) -> Machine:
        """Return what the rules see of an architecture.

        The PEs, the slowest bus among the fan-outs and the reads of the off-chip memory; rates
        below an element a cycle count as one, as the tool has whole numbers only.

        Raises:
            ArraysmithError: a systolic array or forwarding, which the rules do not know.
        """
        buses = [x.network for x in architecture.levels if isinstance(x, Fanout)]
        if architecture.systolic or not all(isinstance(bus, XyBus) for bus in buses):
            raise ArraysmithError(f"{architecture.name}: MAESTRO does not know systolic arrays")
        if any(isinstance(bus, XyBus) and bus.forwarding is not None for bus in buses):
            raise ArraysmithError(f"{architecture.name}: MAESTRO's rules have no such forwarding")
        rates = [
            bus.words_per_cycle
            for bus in buses
            if isinstance(bus, XyBus) and bus.words_per_cycle is not None
        ]
        hops = [bus.latency_cycles for bus in buses if isinstance(bus, XyBus)]
        offchip = architecture.memories[0].read_words_per_cycle
        return cls(
            architecture.pes,
            max(1, int(min(rates))) if rates else UNLIMITED,
            max(1, *hops, 1),
            UNLIMITED if offchip is None else max(1, int(offchip)),
        )


@dataclass(frozen=True, slots=True)
class MaestroCost:
    """What the rules say of one dataflow on one layer. Elements and cycles are whole numbers.

    Attributes:
        cycles: runtime.
        macs: multiply-accumulates as counted; that of the layer, unless a defect shows.
        input_reads: elements read from L2, fan-out not multiplied in.
        filter_reads: the same of weights.
        output_writes: partial sums and results written to L2.
        tensors: elements of input, filter and output.
        first: elements into (input, filter) and out of (output) L2 in the first case.
        tile: elements of each tensor in one PE.
        active_pes: PEs with work in the first case.
    """

    cycles: int
    macs: int
    input_reads: int
    filter_reads: int
    output_writes: int
    tensors: tuple[int, int, int]
    first: tuple[int, int, int]
    tile: tuple[int, int, int]
    active_pes: int

    @property
    def l2_elements(self) -> int:
        """Shared buffer needed: the first case twice, for double buffering."""
        return 2 * sum(self.first)

    @property
    def l1_elements(self) -> int:
        """Buffer of a PE needed: its tile twice."""
        return 2 * sum(self.tile)

    @property
    def l1_accesses(self) -> int:
        """Accesses of all PEs' buffers: operands and sums of every MAC, and fills."""
        return 4 * self.macs + self.input_reads + self.filter_reads

    @property
    def l2_accesses(self) -> int:
        """Accesses of the shared buffer: what it sends and takes, and every tensor once."""
        return self.input_reads + self.filter_reads + self.output_writes + sum(self.tensors)

    @property
    def energy_units(self) -> float:
        """Energy in energies of a MAC, as the tool prints it on the screen."""
        return self.macs + L1_UNITS * self.l1_accesses + L2_UNITS * self.l2_accesses


def count(directives: Directives, layer: MaestroLayer, machine: Machine) -> MaestroCost:
    """Return the cost of one dataflow on one layer: a batch of one.

    Raises:
        InputError: directives without a meaning on the layer.
        ArraysmithError: a type of layer whose rules are not known.
    """
    return count_batch([resolve(directives, layer, machine.pes)], layer, machine)[0]


def count_batch(
    candidates: Sequence[tuple[Level, ...]], layer: MaestroLayer, machine: Machine
) -> tuple[MaestroCost, ...]:
    """Return the costs of candidates that all have the same number of levels.

    Raises:
        ArraysmithError: a type of layer whose rules are not known.
    """
    if layer.type not in ORDER:
        raise ArraysmithError(f"{layer.name}: the setting maestro has no rules for {layer.type}")
    dims = ORDER[layer.type]
    index = {dim: i for i, dim in enumerate(dims)}
    levels = len(candidates[0])
    program = np.empty((len(candidates), levels, len(dims), 4), np.int64)
    units = np.empty((len(candidates), levels), np.int64)
    extents = np.empty((len(candidates), len(dims)), np.int64)
    for i, candidate in enumerate(candidates):
        top = candidate[0].extent
        extents[i] = [top[dim] for dim in dims]
        for number, level in enumerate(candidate):
            units[i, number] = level.units
            for row, each in enumerate(level.maps):
                program[i, number, row] = each.spatial, index[each.dim], each.size, each.offset
    member = np.array([[dim in owners for dim in dims] for owners in MEMBERS[layer.type]], np.int64)
    window = np.array([index[FILTER_OF[dim]] if dim in FILTER_OF else -1 for dim in dims], np.int64)
    rates = np.array(
        [
            machine.noc_elements_per_cycle,
            machine.hop_cycles,
            machine.offchip_elements_per_cycle,
            machine.macs_per_cycle,
            *layer.stride,
        ],
        np.int64,
    )
    out = np.zeros((len(candidates), kernel.COLUMNS), np.int64)
    kernel.count(program, units, extents, member, window, rates, out)
    unit = problem_of(replace(layer, stride=(1, 1)))  # defect 8: sizes of results without stride
    words = (unit.ifmap.words, unit.weight.words, unit.ofmap.words)
    return tuple(_named(row, words) for row in out)


def _named(row: Ints, tensors: tuple[int, int, int]) -> MaestroCost:
    values = [int(value) for value in row]
    first = kernel.FIRST_INPUT
    tile = kernel.L1_INPUT
    return MaestroCost(
        cycles=values[kernel.RUNTIME],
        macs=values[kernel.MACS],
        input_reads=values[kernel.INPUT_READS],
        filter_reads=values[kernel.FILTER_READS],
        output_writes=values[kernel.OUTPUT_WRITES],
        tensors=tensors,
        first=(values[first], values[first + 1], values[first + 2]),
        tile=(values[tile], values[tile + 1], values[tile + 2]),
        active_pes=values[kernel.ACTIVE],
    )
