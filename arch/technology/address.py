"""Address logic in front of a storage: one adder bit per address bit."""

from __future__ import annotations

from arraysmith.arch.technology.nodes import ENERGY_FACTOR

ADDER_BIT_PJ_32NM = 0.00203
"""Picojoules per address bit at 32 nm (fit to the reference tables of Accelergy v0.4)."""


def address_bits(depth: int) -> int:
    """Return ceil(log2 depth): bits that tell ``depth`` lines apart."""
    return (depth - 1).bit_length()


def address_pj(depth: int, technology: str) -> float:
    """Return the picojoules of making one address of ``depth`` lines."""
    bit_pj = ADDER_BIT_PJ_32NM * ENERGY_FACTOR[technology] / ENERGY_FACTOR["32nm"]
    return bit_pj * address_bits(depth)
