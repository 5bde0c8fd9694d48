"""Machines in the notation of ZigZag's hardware files: memories, their ports, and who is served.

    memories:
      glb: {size: 65536, r_cost: 10, w_cost: 15, operands: [I1, O], served_dimensions: [D1, D2],
            ports: [{name: r, type: read, bandwidth_min: 64, bandwidth_max: 64,
                     allocation: [I1, tl, O, tl, O, th]}, ...]}
    operational_array: {unit_energy: 0.5, dimensions: [D1, D2], sizes: [14, 12]}

Sizes and bandwidths are bits, energies picojoules per access of the full width; memories stand
from the innermost out. An allocation is a list of pairs, operand and direction: ``tl`` read to the
level below, ``fl`` written from below, ``th`` read to the level above, ``fh`` written from above.
Operands I1, I2 and O are our ifmap, weight and ofmap. A dimension that a memory serves is shared by
it; along the others there is an instance for every index. ``systolic_dimensions``
names those along which operands travel a unit a cycle (our key: the tool knows it of its shipped
systolic designs).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.arch.spec_reader import Spec, spec_of
from arraysmith.arch.yaml_positions import Positions, read_document

OPERANDS = {"I1": IFMAP, "I2": WEIGHT, "O": OFMAP}
"""Operands of their hardware files -> our tensors."""

DIRECTIONS = ("tl", "fl", "th", "fh")
"""Read to below, written from below, read to above, written from above."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a memory.

    Attributes:
        bits_min: least bits that one access may move.
        bits: most bits of an access, and bits per cycle.
        serves: (tensor, direction) that pass it, in order.
    """

    bits_min: int
    bits: int
    serves: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ZigzagMemory:
    """A memory.

    Attributes:
        name: of the memory.
        bits: capacity of an instance.
        read_pj: energy of a read of the full width.
        write_pj: energy of a write of the full width.
        tensors: tensors it holds.
        serves: dimensions of the array that share an instance.
        ports: its ports.
    """

    name: str
    bits: int
    read_pj: float
    write_pj: float
    tensors: tuple[str, ...]
    serves: tuple[str, ...]
    ports: tuple[Port, ...]

    def port(self, tensor: str, direction: str) -> Port | None:
        """Return the port that ``tensor`` passes in ``direction``; None if there is none."""
        for port in self.ports:
            if (tensor, direction) in port.serves:
                return port
        return None


@dataclass(frozen=True, slots=True)
class ZigzagMachine:
    """A machine.

    Attributes:
        name: of the machine.
        memories: innermost first.
        array: (dimension, units) of the array.
        mac_pj: energy of a multiply-accumulate.
        systolic: dimensions along which operands travel a unit a cycle.
    """

    name: str
    memories: tuple[ZigzagMemory, ...]
    array: tuple[tuple[str, int], ...]
    mac_pj: float
    systolic: tuple[str, ...] = ()

    def chain(self, tensor: str) -> tuple[ZigzagMemory, ...]:
        """Return the memories that hold ``tensor``, innermost first."""
        return tuple(memory for memory in self.memories if tensor in memory.tensors)


class PortSpec(Spec):
    """A port of a memory."""

    name: str
    type: Literal["read", "write", "read_write"]
    bandwidth_min: int = Field(ge=1, le=2**20)
    bandwidth_max: int = Field(ge=1, le=2**20)
    allocation: tuple[Literal["I1", "I2", "O", "tl", "fl", "th", "fh"], ...]


class MemorySpec(Spec):
    """A memory; area and latency are read and not used, as in the tool."""

    size: int = Field(ge=1, le=2**53)
    r_cost: float = Field(ge=0)
    w_cost: float = Field(ge=0)
    area: float = 0.0
    latency: int = 1
    operands: tuple[Literal["I1", "I2", "O"], ...] = Field(min_length=1)
    ports: tuple[PortSpec, ...] = Field(min_length=1)
    served_dimensions: tuple[str, ...]


class ArraySpec(Spec):
    """The array of multipliers."""

    unit_energy: float = Field(ge=0)
    unit_area: float = 0.0
    dimensions: tuple[str, ...]
    sizes: tuple[int, ...]
    systolic_dimensions: tuple[str, ...] = ()


class MachineSpec(Spec):
    """A hardware file."""

    name: str = ""
    memories: dict[str, MemorySpec]
    operational_array: ArraySpec


class MachinesSpec(Spec):
    """Several machines in one file."""

    architectures: dict[str, MachineSpec]


def machine_of(
    name: str, spec: MachineSpec, path: str, positions: Positions
) -> tuple[ZigzagMachine | None, list[Fault]]:
    """Return the machine of a model, or None and what its fields break together.

    Args:
        name: of the machine.
        spec: the model.
        path: path of the machine in its file; empty when it is the whole file.
        positions: where its fields stand.
    """
    dot = f"{path}." if path else ""
    array = spec.operational_array
    faults = []
    if len(array.dimensions) != len(array.sizes):
        rule = f"must be {len(array.dimensions)} numbers, one per dimension"
        faults.append(positions.fault(f"{dot}operational_array.sizes", rule))
    memories = []
    for title, memory in spec.memories.items():
        where = f"{dot}memories.{title}"
        for dim in memory.served_dimensions:
            if dim not in array.dimensions:
                hint = nearest(dim, array.dimensions)
                faults.append(positions.fault(f"{where}.served_dimensions", f"no {dim}", hint))
        ports = []
        for index, port in enumerate(memory.ports):
            pairs = tuple(zip(port.allocation[::2], port.allocation[1::2], strict=False))
            if len(port.allocation) % 2 or any(
                operand not in memory.operands or way not in DIRECTIONS for operand, way in pairs
            ):
                rule = "must be pairs of an operand held here and a direction"
                hint = "for example [I1, tl, O, th]"
                faults.append(positions.fault(f"{where}.ports[{index}].allocation", rule, hint))
                continue
            if port.bandwidth_min > port.bandwidth_max:
                rule = f"must not be more than bandwidth_max, {port.bandwidth_max}"
                faults.append(positions.fault(f"{where}.ports[{index}].bandwidth_min", rule))
            serves = tuple((OPERANDS[operand], way) for operand, way in pairs)
            ports.append(Port(port.bandwidth_min, port.bandwidth_max, serves))
        memories.append(
            ZigzagMemory(
                title,
                memory.size,
                memory.r_cost,
                memory.w_cost,
                tuple(OPERANDS[operand] for operand in memory.operands),
                memory.served_dimensions,
                tuple(ports),
            )
        )
    for operand, tensor in OPERANDS.items():
        if not any(tensor in memory.tensors for memory in memories):
            rule = f"no memory holds {operand}"
            faults.append(positions.fault(f"{dot}memories", rule))
    if faults:
        return None, faults
    sizes = tuple(zip(array.dimensions, array.sizes, strict=True))
    systolic = array.systolic_dimensions
    return ZigzagMachine(name, tuple(memories), sizes, array.unit_energy, systolic), []


def read_machines(path: str | Path) -> dict[str, ZigzagMachine]:
    """Return the machines of a file: one, as that tool has it, or several ``architectures``.

    Raises:
        InputError: the file cannot be read, or breaks a rule; carries all faults.
    """
    document = read_document(path)
    if isinstance(document.data, dict) and "architectures" in document.data:
        spec, positions = spec_of(document, MachinesSpec)
        named = {name: (one, f"architectures.{name}") for name, one in spec.architectures.items()}
    else:
        one, positions = spec_of(document, MachineSpec)
        named = {one.name or Path(path).stem: (one, "")}
    machines, faults = {}, []
    for name, (entry, where) in named.items():
        machine, found = machine_of(name, entry, where, positions)
        faults += found
        if machine is not None:
            machines[name] = machine
    if faults:
        raise InputError(faults)
    return machines
