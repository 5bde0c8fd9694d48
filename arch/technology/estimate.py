"""Energy, leakage and area of the components of an architecture, from the tables."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import cast

from arraysmith.arch.architecture import Compute, Energy, Memory
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.registry import lookup, registered
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import (
    ARITHMETIC,
    MEMORY_DEVICE,
    Arithmetic,
    MemoryDevice,
    Shape,
)
from arraysmith.arch.technology.node import node_of, nodes

TECHNOLOGIES = tuple(nodes())
"""Names of the nodes: ``65nm``, ``45nm`` ..."""


def devices() -> tuple[str, ...]:
    """Return the names a memory's ``device`` may have, plug-ins included, sorted."""
    return registered(MEMORY_DEVICE)


def numbers() -> tuple[str, ...]:
    """Return the names the ``number`` of the MACs may have, plug-ins included, sorted."""
    return registered(ARITHMETIC)


def device_of(name: str) -> MemoryDevice:
    """Return the estimator called ``name``, one of ``devices()``."""
    return cast(MemoryDevice, lookup(MEMORY_DEVICE, name))


def arithmetic_of(name: str) -> Arithmetic:
    """Return the estimator called ``name``, one of ``numbers()``."""
    return cast(Arithmetic, lookup(ARITHMETIC, name))


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
    if memory.device not in devices():
        hint = nearest(memory.device, devices())
        raise _fault(memory, "device", memory.device, "unknown device", hint)
    device = device_of(memory.device)
    if device.on_chip and memory.depth is None:
        raise _fault(memory, "depth", "", f"a memory made of {memory.device} needs a depth")
    shape = Shape(memory.depth, memory.width_bits, memory.banks)
    try:
        cost = device.estimate(shape, node)
    except InputError as error:
        raise _named(memory.name, error) from None
    return _with_energy(cost, memory.energy)


@lru_cache(maxsize=4096)
def mac_cost(compute: Compute, technology: str) -> ComponentCost:
    """Return the cost of one MAC unit, per multiply-accumulate.

    ``compute.energy`` replaces the energy of the tables; the area stays theirs.

    Args:
        compute: gives the type of its numbers, and the bits of multiplier and adder.
        technology: one of ``TECHNOLOGIES``.

    Raises:
        InputError: unknown technology or type, or bits that the type does not have.
    """
    node = node_of(technology)
    if compute.number not in numbers():
        hint = nearest(compute.number, numbers())
        raise InputError(
            [Fault(f"{compute.name}.number", compute.number, "unknown type of numbers", hint)]
        )
    unit = arithmetic_of(compute.number)
    try:
        cost = unit.estimate(compute.multiply_bits, compute.accumulate_bits, node)
    except InputError as error:
        raise _named(compute.name, error) from None
    return _with_energy(cost, compute.energy)


def _named(name: str, error: InputError) -> InputError:
    return InputError(replace(fault, field=f"{name}.{fault.field}") for fault in error.faults)


def _with_energy(cost: ComponentCost, energy: Energy | None) -> ComponentCost:
    if energy is None:
        return cost
    source = f"energy as stated in the architecture; leakage and area: {cost.source}"
    return replace(cost, read_pj=energy.read_pj, write_pj=energy.write_pj, source=source)


def _fault(memory: Memory, field: str, value: str, rule: str, hint: str = "") -> InputError:
    return InputError([Fault(f"{memory.name}.{field}", value, rule, hint)])
