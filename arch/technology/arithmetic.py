"""Integer multiply-accumulate units.

Source: Aladdin's 45 nm library at 1 ns for 32 bits (adder 0.21 pJ, 278 um2; multiplier 12.68 pJ,
6350 um2); adders grow linearly, multipliers with the square of their bits (Accelergy's rule).
"""

from __future__ import annotations

from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.nodes import AREA_FACTOR, ENERGY_FACTOR

ADDER_PJ, ADDER_UM2 = 0.21, 278.0
MULTIPLIER_PJ, MULTIPLIER_UM2 = 12.68, 6350.0

SOURCE = "MAC: Aladdin 45 nm library at 1 ns, Stillmaker-Baas scaling"


def mac_unit_cost(multiply_bits: int, accumulate_bits: int, technology: str) -> ComponentCost:
    """Return the cost of one multiply-accumulate; no leakage data."""
    add, multiply = accumulate_bits / 32, (multiply_bits / 32) ** 2
    energy = ENERGY_FACTOR[technology] * (ADDER_PJ * add + MULTIPLIER_PJ * multiply)
    area = AREA_FACTOR[technology] * (ADDER_UM2 * add + MULTIPLIER_UM2 * multiply)
    return ComponentCost(energy, energy, 0.0, area, SOURCE)
