"""Adders, multipliers, registers and comparators, and the MAC made of them.

Blocks come from a table for one width. Everything is linear in bits but the multiplier, whose
array of partial products makes it quadratic (the rule of the Accelergy plug-in for Aladdin).
Floating-point units of 32 bits have rows of their own; those of 16 bits are fractions of them
(table ``number_types``). Leakage moves between nodes as energy does (the rule of Accelergy 0.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.registry import register
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import ARITHMETIC, Arithmetic
from arraysmith.arch.technology.node import Node, nodes
from arraysmith.arch.technology.tables import rows

DELAY_NS = 1
"""Delay the blocks are synthesised for: 1 ns fits every clock up to 1 GHz (Accelergy 0.4)."""

ADDRESS_PJ_PER_BIT_32NM = 0.00203
"""Energy of the address logic of a memory per address bit at 32 nm: fitted to the adders that
NeuroSim gives Accelergy 0.4; exact for every buffer of the poster's experiment."""


@dataclass(frozen=True, slots=True)
class Block:
    """Energy (pJ per operation), area (um2) and leakage (mW) of a block at 45 nm.

    The leakage is 0 where the source gives none.
    """

    energy_pj: float
    area_um2: float
    leakage_mw: float = 0.0


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
            leakage_mw = float(row["leakage_mw"] or 0) * scale
            return Block(
                float(row["energy_pj"]) * scale, float(row["area_um2"]) * scale, leakage_mw
            )
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
    """Return an integer multiplier of two ``multiply_bits`` factors and an adder.

    Pipeline registers are not counted.

    Args:
        multiply_bits: bits of each factor.
        accumulate_bits: bits of the adder.
        node: the node asked for.
        delay_ns: which blocks it is made of; leakage is known for 1 ns only, and 0 otherwise.
    """
    multiplier = block("multiplier", multiply_bits, delay_ns)
    adder = block("adder", accumulate_bits, delay_ns)
    source = f"Aladdin multiplier and adder at {delay_ns} ns, 45 nm scaled to {node.nm} nm"
    return _unit(multiplier, adder, node, source)


FLOAT_BITS = {"fp16": 16, "bf16": 16, "fp32": 32}
"""Floating-point types and their bits."""


def float_mac(number: str, multiply_bits: int, accumulate_bits: int, node: Node) -> ComponentCost:
    """Return a floating-point multiplier and an adder of the same type or of fp32.

    Args:
        number: one of ``FLOAT_BITS``.
        multiply_bits: the type's bits.
        accumulate_bits: the type's bits, or 32 for sums in fp32.
        node: the node asked for.

    Raises:
        InputError: other bits.
    """
    bits = FLOAT_BITS[number]
    faults = []
    if multiply_bits != bits:
        rule = f"factors of {number} have {bits} bit"
        faults.append(Fault("multiply", f"{multiply_bits} bit", rule, f"multiply: {bits} bit"))
    if accumulate_bits not in {bits, 32}:
        rule = (
            f"sums of {number} have {bits} or 32 bit" if bits < 32 else "sums of fp32 have 32 bit"
        )
        faults.append(Fault("accumulate", f"{accumulate_bits} bit", rule, "accumulate: 32 bit"))
    if faults:
        raise InputError(faults)
    multiplier = _float_block("multiplier", number)
    adder = _float_block("adder", number if accumulate_bits == bits else "fp32")
    source = f"Aladdin fp32 at {DELAY_NS} ns, 45 nm scaled to {node.nm} nm"
    for row in rows("number_types"):
        if row["number"] == number:
            source += f"; {number} {row['unit']}: {row['source']}"
    return _unit(multiplier, adder, node, source)


def _float_block(unit: str, number: str) -> Block:
    whole = block(f"fp32_{unit}", 32)
    for row in rows("number_types"):
        if (row["number"], row["unit"]) == (number, unit):
            energy, area = float(row["energy_of_fp32"]), float(row["area_of_fp32"])
            return Block(whole.energy_pj * energy, whole.area_um2 * area, whole.leakage_mw * area)
    return whole


def _unit(multiplier: Block, adder: Block, node: Node, source: str) -> ComponentCost:
    energy_pj = node.energy_factor * (multiplier.energy_pj + adder.energy_pj)
    area_um2 = node.area_factor * (multiplier.area_um2 + adder.area_um2)
    leakage_mw = node.energy_factor * (multiplier.leakage_mw + adder.leakage_mw)
    return ComponentCost(energy_pj, energy_pj, leakage_mw, area_um2, source)


register(ARITHMETIC, "int")(Arithmetic(mac))
for _number, _bits in FLOAT_BITS.items():
    _pairs = tuple(dict.fromkeys(((_bits, _bits), (_bits, 32))))
    register(ARITHMETIC, _number)(Arithmetic(partial(float_mac, _number), _pairs))
