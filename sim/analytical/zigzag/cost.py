"""Word accesses, energy and cycles of a mapping by the rules of ZigZag; see the README here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.notation.zigzag import OPERANDS, ZigzagMapping, check_mapping
from arraysmith.arch.notation.zigzag_machine import DIRECTIONS, Port, ZigzagMachine
from arraysmith.arch.problem import Problem
from arraysmith.sim.analytical.transfers import Transfer, port_wait
from arraysmith.sim.analytical.zigzag.edges import first_fill, last_drain
from arraysmith.sim.analytical.zigzag.moves import Move, OperandMoves, operand_moves, spread

TENSORS = tuple(OPERANDS.values())
PARTIAL_BITS = 16

Key = tuple[str, str, str]
"""(memory, tensor, direction)."""


@dataclass(frozen=True, slots=True)
class ZigzagCost:
    """The cost of a mapping.

    Attributes:
        accesses: of the full width, over all instances, per memory, tensor and direction.
        energy_pj: of all accesses and MACs.
        compute_cycles: turns of the nest.
        stall_cycles: waits of the port that waits most.
        fill_cycles: first fill; a fraction where it is spread over the run.
        drain_cycles: last drain of results.
        skew_cycles: that the wavefront of a systolic array takes, once.
        assumptions: what had to be assumed.
    """

    accesses: dict[Key, int]
    energy_pj: float
    compute_cycles: int
    stall_cycles: int
    fill_cycles: Fraction
    drain_cycles: Fraction
    skew_cycles: int
    assumptions: tuple[str, ...]

    @property
    def cycles(self) -> Fraction:
        """Cycles of the layer."""
        waits = self.stall_cycles + self.fill_cycles + self.drain_cycles
        return self.compute_cycles + waits + self.skew_cycles


def evaluate(
    machine: ZigzagMachine,
    problem: Problem,
    mapping: ZigzagMapping,
    partial_bits: int = PARTIAL_BITS,
) -> ZigzagCost:
    """Return the cost of ``mapping``.

    Args:
        machine: memories and ports.
        problem: the layer; padding and sparsity are unknown to that tool.
        mapping: cut for as many memories as hold each operand.
        partial_bits: bits of a partial sum; results have those of the problem.

    Raises:
        InputError: a mapping that does not cover the layer, that names a dimension the machine
            lacks, or is cut for other memories.
    """
    assumptions = _checked(machine, problem, mapping)
    even = spread(mapping, problem)
    whole = {name: {d: Fraction(int(n)) for d, n in of.items()} for name, of in even.items()}
    counted, timed = (
        {x: operand_moves(machine, problem, mapping, x, over, partial_bits) for x in TENSORS}
        for over in (even, whole)
    )
    if even != whole:
        assumptions += ("extents that the array does not divide are counted as fractions of it",)
    accesses = _accesses(machine, counted)
    prices = {memory.name: (memory.read_pj, memory.write_pj) for memory in machine.memories}
    energy = problem.macs * machine.mac_pj + sum(
        count * prices[memory][0 if way in {"tl", "th"} else 1]
        for (memory, _, way), count in accesses.items()
    )
    compute = prod(turns for _, turns in mapping.nest)
    doubled = _doubled(machine, counted)
    stall = max(
        0,
        *(
            port_wait(_transfers(machine, timed, doubled, memory.name, port))
            for memory in machine.memories
            for port in memory.ports
        ),
    )
    skew = sum(int(prod(of.values())) - 1 for name, of in whole.items() if name in machine.systolic)
    return ZigzagCost(
        accesses,
        energy,
        compute,
        stall,
        first_fill(machine, timed, compute + stall),
        last_drain(machine, timed, compute + stall),
        skew,
        assumptions,
    )


def _checked(machine: ZigzagMachine, problem: Problem, mapping: ZigzagMapping) -> tuple[str, ...]:
    faults = [x for x in check_mapping(mapping, problem) if x.rule.startswith("must")]
    sizes = dict(machine.array)
    for name, loops in mapping.spatial:
        used = prod(count for _, count in loops)
        if name not in sizes:
            hint = nearest(name, sizes)
            faults.append(Fault(f"spatial.{name}", name, "no such dimension", hint))
        elif used > sizes[name]:
            rule = f"must not be more than its {sizes[name]} units"
            faults.append(Fault(f"spatial.{name}", str(used), rule))
    for tensor, cuts in mapping.cuts:
        memories = [memory.name for memory in machine.chain(tensor)]
        if len(cuts) != len(memories):
            rule = f"must be cut for {len(memories)} memories"
            faults.append(Fault(f"temporal.{tensor}", str(len(cuts)), rule, ", ".join(memories)))
    if faults:
        raise InputError(faults)
    surplus = check_mapping(mapping, problem)
    return tuple(f"{x.value}: {x.rule}; all turns are counted" for x in surplus)


def _accesses(machine: ZigzagMachine, moves: dict[str, OperandMoves]) -> dict[Key, int]:
    """Return accesses: whole ones per transfer, at least ``bits_min`` wide, in full widths."""
    found = {}
    for tensor in TENSORS:
        for m, memory in enumerate(machine.chain(tensor)):
            for way in DIRECTIONS:
                move, port = moves[tensor].moves[m].get(way), memory.port(tensor, way)
                count = Fraction(0)
                if move is not None and port is not None:
                    part = Fraction(port.bits_min, port.bits)
                    count = move.cycles(port.bits_min) * part * move.count
                found[memory.name, tensor, way] = int(count * moves[tensor].instances[m + 1])
    return found


def _doubled(machine: ZigzagMachine, moves: dict[str, OperandMoves]) -> dict[tuple[str, int], bool]:
    """Return per (tensor, level) whether new words have a place beside the old; level 0 the MAC.

    They have when what changes at a time fills at most half a memory, or fits beside the rest; the
    first operand to find room takes it.
    """
    alone = {
        (tensor, m): Fraction(moves[tensor].changing_bits[m + 1], memory.bits)
        for tensor in TENSORS
        for m, memory in enumerate(machine.chain(tensor))
    }
    used = {
        memory.name: sum(
            (
                alone[tensor, machine.chain(tensor).index(memory)]
                for tensor in TENSORS
                if tensor in memory.tensors
            ),
            Fraction(0),
        )
        for memory in machine.memories
    }
    doubled = {(tensor, 0): False for tensor in TENSORS}
    for tensor in TENSORS:
        for m, memory in enumerate(machine.chain(tensor)):
            filled, mine = used[memory.name], alone[tensor, m]
            half = filled <= Fraction(1, 2)
            doubled[tensor, m + 1] = half or mine <= 1 - filled
            if not half and doubled[tensor, m + 1]:
                used[memory.name] += mine
    return doubled


def _transfers(
    machine: ZigzagMachine,
    moves: dict[str, OperandMoves],
    doubled: dict[tuple[str, int], bool],
    memory: str,
    port: Port,
) -> list[Transfer]:
    found = []
    for tensor, way in port.serves:
        m = [x.name for x in machine.chain(tensor)].index(memory)
        move: Move | None = moves[tensor].moves[m].get(way)
        if move is None:
            continue
        level = m if way in {"tl", "fl"} else m + 1
        window = move.period if doubled[tensor, level] else move.window
        found.append(Transfer(move.cycles(port.bits), window, move.period, move.count))
    return found
