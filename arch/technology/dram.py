"""Off-chip memory: energy per bit by standard.

Source: the CACTI plug-in of Accelergy, which credits Malladi et al., ISCA 2012 (LPDDR, DDR3) and
Chatterjee et al., MICRO 2017 (graphics and stacked parts); it names no source for LPDDR4.
"""

from __future__ import annotations

from arraysmith.arch.technology.cost import ComponentCost

BIT_PJ = {
    "lpddr4": 8.0,
    "lpddr": 40.0,
    "ddr3": 70.0,
    "gddr5": 14.0,
    "hbm2": 3.9,
    "hmc": 4.2,
}
"""Picojoules per bit read or written."""

SOURCE = "DRAM: picojoules per bit of Accelergy's CACTI plug-in"


def dram_cost(standard: str, width_bits: int) -> ComponentCost:
    """Return the cost of accesses of ``width_bits``; it takes no area of the chip."""
    access_pj = BIT_PJ[standard] * width_bits
    return ComponentCost(access_pj, access_pj, 0.0, 0.0, SOURCE)
