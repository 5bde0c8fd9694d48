"""Energy, leakage and area of the components of an architecture, from the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from arraysmith.arch.architecture import Compute, Energy, Memory
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.technology.arithmetic import mac
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.dram import dram, standards
from arraysmith.arch.technology.node import Node, node_of, nodes
from arraysmith.arch.technology.regfile import regfile
from arraysmith.arch.technology.sram import sram

_ON_CHIP: dict[str, Callable[[int, int, Node], ComponentCost]] = {"sram": sram, "regfile": regfile}

TECHNOLOGIES = tuple(nodes())
"""Names of the tables: ``65nm``, ``45nm``, ``32nm``."""

DEVICES = (*_ON_CHIP, *standards())
"""Names a memory's ``device`` may have: on-chip kinds, then the off-chip standards."""


@lru_cache(maxsize=65536)
def memory_cost(memory: Memory, technology: str) -> ComponentCost:
    """Return the cost of one instance of ``memory``, per access of its whole width.

    ``memory.energy`` replaces the energies of the tables; leakage and area stay theirs.

    Args:
        memory: on the chip it needs a depth; off the chip the depth does not matter.
        technology: one of ``TECHNOLOGIES``.

    Raises:
        InputError: unknown technology or device, an on-chip memory without depth, or a shape that
            the tables cannot be stretched to.
    """
    node = node_of(technology)
    if memory.device in standards():
        cost = dram(memory.device, memory.width_bits)
    elif memory.device not in DEVICES:
        hint = nearest(memory.device, DEVICES)
        raise _fault(memory, "device", memory.device, "unknown device", hint)
    elif memory.depth is None:
        raise _fault(memory, "depth", "", f"a memory made of {memory.device} needs a depth")
    else:
        cost = _on_chip(memory, memory.depth, node)
    return _with_energy(cost, memory.energy)


@lru_cache(maxsize=4096)
def mac_cost(compute: Compute, technology: str) -> ComponentCost:
    """Return the cost of one MAC unit, per multiply-accumulate.

    ``compute.energy`` replaces the energy of the tables; the area stays theirs.

    Args:
        compute: gives the bits of multiplier and adder.
        technology: one of ``TECHNOLOGIES``.

    Raises:
        InputError: unknown technology.
    """
    cost = mac(compute.multiply_bits, compute.accumulate_bits, node_of(technology))
    return _with_energy(cost, compute.energy)


def _on_chip(memory: Memory, depth: int, node: Node) -> ComponentCost:
    try:
        return _ON_CHIP[memory.device](depth, memory.width_bits, node)
    except InputError as error:
        faults = [replace(fault, field=f"{memory.name}.{fault.field}") for fault in error.faults]
        raise InputError(faults) from None


def _with_energy(cost: ComponentCost, energy: Energy | None) -> ComponentCost:
    if energy is None:
        return cost
    source = f"energy as stated in the architecture; leakage and area: {cost.source}"
    return replace(cost, read_pj=energy.read_pj, write_pj=energy.write_pj, source=source)


def _fault(memory: Memory, field: str, value: str, rule: str, hint: str = "") -> InputError:
    return InputError([Fault(f"{memory.name}.{field}", value, rule, hint)])
