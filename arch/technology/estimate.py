"""Cost of the components of an architecture: which table or estimator answers for which device."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from arraysmith.arch.architecture import Compute, Energy, Memory
from arraysmith.arch.errors import ArraysmithError, nearest
from arraysmith.arch.technology.arithmetic import mac_unit_cost
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.dram import BIT_PJ, dram_cost
from arraysmith.arch.technology.nodes import ENERGY_FACTOR
from arraysmith.arch.technology.regfile import regfile_cost
from arraysmith.arch.technology.sram import sram_cost

TECHNOLOGIES = tuple(ENERGY_FACTOR)
"""Names of the technologies."""

DEVICES = (*BIT_PJ, "sram", "regfile")
"""Names of what memories are built of."""


@lru_cache(maxsize=1 << 16)
def memory_cost(memory: Memory, technology: str) -> ComponentCost:
    """Return the cost of one instance of ``memory``; its stated energies replace the table's.

    Raises:
        ArraysmithError: unknown technology or device, with the near matches.
    """
    if technology not in TECHNOLOGIES:
        raise ArraysmithError(
            f"unknown technology {technology!r}: {nearest(technology, TECHNOLOGIES)}"
        )
    if memory.device in BIT_PJ:
        cost = dram_cost(memory.device, memory.width_bits)
    elif memory.device not in DEVICES:
        raise ArraysmithError(
            f"{memory.name}: unknown device {memory.device!r}: {nearest(memory.device, DEVICES)}"
        )
    elif memory.depth is None:
        raise ArraysmithError(f"{memory.name}: a memory on the chip needs a depth")
    else:
        estimate = sram_cost if memory.device == "sram" else regfile_cost
        cost = estimate(memory.depth, memory.width_bits, technology)
    return _stated(cost, memory.energy)


@lru_cache(maxsize=1 << 12)
def mac_cost(compute: Compute, technology: str) -> ComponentCost:
    """Return the cost of one MAC unit; its stated energy replaces the table's.

    Raises:
        ArraysmithError: unknown technology, with the near matches.
    """
    if technology not in TECHNOLOGIES:
        raise ArraysmithError(
            f"unknown technology {technology!r}: {nearest(technology, TECHNOLOGIES)}"
        )
    cost = mac_unit_cost(compute.multiply_bits, compute.accumulate_bits, technology)
    return _stated(cost, compute.energy)


def _stated(cost: ComponentCost, energy: Energy | None) -> ComponentCost:
    if energy is None:
        return cost
    return replace(
        cost,
        read_pj=energy.read_pj,
        write_pj=energy.write_pj,
        source="energy as stated in the architecture; area: " + cost.source,
    )
