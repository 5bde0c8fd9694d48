"""ZigZag's machines and mappings as ours, where a chain of levels can say them.

A memory that several operands share, each with a cut of its own, becomes a level per operand; the
cut of an operand moves down past loops that do not move it, which changes nothing. What is left has
to stand in one order, in time as along the array: a level above another keeps its words at least as
long and is shared by at least as many units.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from arraysmith.arch.architecture import (
    Architecture,
    Compute,
    Energy,
    Fanout,
    Level,
    Memory,
    XyBus,
)
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping, from_factors
from arraysmith.arch.notation.zigzag import OPERANDS, ZigzagMapping
from arraysmith.arch.notation.zigzag_machine import ZigzagMachine, ZigzagMemory
from arraysmith.arch.problem import OFMAP, TENSORS, Problem

CLOCK_HZ = 10**9
TECHNOLOGY = "45nm"


@dataclass(frozen=True, slots=True)
class _Part:
    """A memory as one operand sees it: it may be cut anywhere from ``least`` to ``most`` loops."""

    memory: ZigzagMemory
    tensor: str
    least: int
    most: int


def level_name(machine: ZigzagMachine, memory: str, tensor: str) -> str:
    """Return the name of the level that ``memory`` is for ``tensor``."""
    found = next(x for x in machine.memories if x.name == memory)
    if len(found.tensors) == 1 or found == machine.memories[-1]:
        return memory
    return f"{memory}_{tensor}"


def to_mapping(
    machine: ZigzagMachine, problem: Problem, mapping: ZigzagMapping, partial_bits: int = 16
) -> tuple[Architecture, Mapping, tuple[str, ...]]:
    """Return the machine as a chain of levels, the mapping on it, and the assumptions made.

    Raises:
        ArraysmithError: no chain says this; the message tells why.
    """
    if set(machine.memories[-1].tensors) != set(TENSORS):
        raise ArraysmithError(f"{machine.memories[-1].name} does not hold every operand")
    dims = _order(machine)
    parts = _parts(machine, problem, mapping)
    parts.sort(key=lambda part: (_depth(part, dims), -part.most))
    cuts = []
    limit = len(mapping.nest)
    for part in parts:
        limit = min(limit, part.most)
        if limit < part.least:
            raise ArraysmithError(
                f"{part.memory.name} keeps {part.tensor} longer than a level above it keeps its own"
            )
        cuts.append(limit)
    factors: list[tuple[str, str, str, int]] = []
    levels: list[Level] = [_memory(machine, machine.memories[-1], TENSORS, _dram_bits(problem))]
    ends = [*cuts, 0]
    factors += _loops(levels[0].name, mapping, len(mapping.nest), ends[0])
    placed = 0
    for index, part in enumerate(parts):
        placed = _fan_out(dims[: _depth(part, dims)], placed, machine, mapping, levels, factors)
        bits = problem.tensor(part.tensor).word_bits
        if part.tensor == OFMAP and _partial(part, cuts[index], problem, mapping):
            bits = partial_bits
        name = level_name(machine, part.memory.name, part.tensor)
        levels.append(_memory(machine, part.memory, (part.tensor,), bits, name))
        factors += _loops(name, mapping, cuts[index], ends[index + 1])
    _fan_out(dims, placed, machine, mapping, levels, factors)
    energy = Energy(machine.mac_pj, machine.mac_pj)
    architecture = Architecture(
        machine.name, CLOCK_HZ, TECHNOLOGY, tuple(levels), Compute(energy=energy)
    )
    return architecture, from_factors(architecture, tuple(factors)), _assumptions(machine)


def _assumptions(machine: ZigzagMachine) -> tuple[str, ...]:
    shared = [x.name for x in machine.memories[:-1] if len(x.tensors) > 1]
    made = [
        f"each operand in {name} has a level of its own, of the whole size and with all its ports"
        for name in shared
    ]
    made.append("networks carry any number of words, share what is equal, and add partial sums")
    made.append(f"clock {CLOCK_HZ // 10**6} MHz, what is not stated by the {TECHNOLOGY} tables")
    return tuple(made)


def _order(machine: ZigzagMachine) -> tuple[str, ...]:
    """Return the dimensions of the array, outermost first: fewer memories are shared along it."""
    names = [name for name, _ in machine.array]
    names.sort(key=lambda name: sum(name in memory.serves for memory in machine.memories))
    for memory in machine.memories:
        served = [name in memory.serves for name in names]
        if served != sorted(served):
            crossing = " and ".join(names)
            raise ArraysmithError(f"{memory.name}: memories are shared crosswise along {crossing}")
    return tuple(names)


def _depth(part: _Part, dims: tuple[str, ...]) -> int:
    """Return how many fan-outs stand above ``part``."""
    return sum(name not in part.memory.serves for name in dims)


def _parts(machine: ZigzagMachine, problem: Problem, mapping: ZigzagMapping) -> list[_Part]:
    parts = []
    cuts = dict(mapping.cuts)
    for tensor in OPERANDS.values():
        moving = problem.tensor(tensor).dims
        for memory, most in zip(machine.chain(tensor)[:-1], cuts[tensor], strict=False):
            least = most
            while least and mapping.nest[least - 1][0] not in moving:
                least -= 1
            parts.append(_Part(memory, tensor, least, most))
        # Levels of one operand keep their order: memories are listed from the innermost out.
    return parts[::-1]


def _partial(part: _Part, cut: int, problem: Problem, mapping: ZigzagMapping) -> bool:
    """Return whether sums at ``part`` are unfinished: something above adds to them."""
    moving = problem.tensor(part.tensor).dims
    above = [dim for dim, _ in mapping.nest[cut:]]
    for name, loops in mapping.spatial:
        if name not in part.memory.serves:
            above += [dim for dim, _ in loops]
    return any(dim not in moving for dim in above)


def _dram_bits(problem: Problem) -> int:
    return max(tensor.word_bits for tensor in problem.tensors)


def _memory(
    machine: ZigzagMachine,
    memory: ZigzagMemory,
    tensors: tuple[str, ...],
    word_bits: int,
    name: str | None = None,
) -> Memory:
    reads = max(port.bits for port in memory.ports)
    rate = Fraction(reads, word_bits)
    return Memory(
        name or memory.name,
        "lpddr4" if memory == machine.memories[-1] else "sram",  # energies are stated
        tensors,
        reads,
        word_bits,
        None if memory == machine.memories[-1] else max(1, memory.bits // reads),
        rate,
        rate,
        ports=1 if len(memory.ports) == 1 else 2,
        energy=Energy(memory.read_pj, memory.write_pj),
    )


def _loops(
    level: str, mapping: ZigzagMapping, upper: int, lower: int
) -> list[tuple[str, str, str, int]]:
    return [(level, "t", dim, turns) for dim, turns in reversed(mapping.nest[lower:upper])]


def _fan_out(
    dims: tuple[str, ...],
    placed: int,
    machine: ZigzagMachine,
    mapping: ZigzagMapping,
    levels: list[Level],
    factors: list[tuple[str, str, str, int]],
) -> int:
    """Add the fan-outs of ``dims`` from number ``placed`` on, two at a time; return their number.

    Dimensions with no memory between them are columns and rows of one mesh, on which units that
    need the same words are found across both.
    """
    sizes, spatial = dict(machine.array), dict(mapping.spatial)
    for start in range(placed, len(dims), 2):
        pair = dims[start : min(start + 2, len(dims))]
        name = "_".join(pair)
        mesh = [sizes[dim] for dim in pair] + [1]
        levels.append(Fanout(name, mesh[0], mesh[1], XyBus()))
        for dim, axis in zip(pair, "xy", strict=False):
            factors += [(name, axis, loop, count) for loop, count in spatial.get(dim, ())]
    return len(dims)
