"""Adders, multipliers, registers and comparators, and the MAC made of them.

Blocks come from a table for one width. Everything is linear in bits but the multiplier, whose
array of partial products makes it quadratic (the rule of the Accelergy plug-in for Aladdin).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.node import Node, nodes
from arraysmith.arch.technology.tables import rows

DELAY_NS = 1
"""Delay the blocks are synthesised for: 1 ns fits every clock up to 1 GHz (Accelergy 0.4)."""

ADDRESS_PJ_PER_BIT_32NM = 0.00203
"""Energy of the address logic of a memory per address bit at 32 nm: fitted to the adders that
NeuroSim gives Accelergy 0.4; exact for every buffer of the poster's experiment."""


@dataclass(frozen=True, slots=True)
class Block:
    """Energy (pJ per operation) and area (um2) of a block at 45 nm."""

    energy_pj: float
    area_um2: float


@cache
def block(name: str, bits: int, delay_ns: int = DELAY_NS) -> Block:
    """Return ``register``, ``adder``, ``comparator`` or ``multiplier`` of ``bits`` at 45 nm.

    Args:
        name: row of the table ``logic``; KeyError if there is none.
        bits: width, at least 0.
        delay_ns: 1 or 5, the delays of the table.
    """
    for row in rows("logic"):
        if row["block"] == name and int(row["delay_ns"]) == delay_ns:
            scale = bits / int(row["bits"])
            if name == "multiplier":
                scale *= scale
            return Block(float(row["energy_pj"]) * scale, float(row["area_um2"]) * scale)
    raise KeyError(f"{name} at {delay_ns} ns")


def address_bits(depth: int) -> int:
    """Return ceil(log2(depth)): bits that tell ``depth`` lines apart; 0 for a single line."""
    return (depth - 1).bit_length()


def address_pj(depth: int, node: Node) -> float:
    """Return the energy of addressing one of ``depth`` (at least 1) lines at ``node``."""
    scale = node.energy_factor / nodes()["32nm"].energy_factor
    return ADDRESS_PJ_PER_BIT_32NM * address_bits(depth) * scale


def mac(
    multiply_bits: int, accumulate_bits: int, node: Node, delay_ns: int = DELAY_NS
) -> ComponentCost:
    """Return a multiplier of two ``multiply_bits`` factors and an adder of ``accumulate_bits``.

    Pipeline registers are not counted; the source gives no leakage.
    """
    multiplier = block("multiplier", multiply_bits, delay_ns)
    adder = block("adder", accumulate_bits, delay_ns)
    energy_pj = node.energy_factor * (multiplier.energy_pj + adder.energy_pj)
    area_um2 = node.area_factor * (multiplier.area_um2 + adder.area_um2)
    source = f"Aladdin multiplier and adder at {delay_ns} ns, 45 nm scaled to {node.nm} nm"
    return ComponentCost(energy_pj, energy_pj, 0.0, area_um2, source)
