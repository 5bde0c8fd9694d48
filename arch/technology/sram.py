"""SRAM of any depth and width, interpolated in a table made with CACTI 7.

The table (``tables/sram_cacti7_lstp.csv``): CACTI 7 at commit 1ffd8dfb, low-standby-power cells,
300 K, one bank, one read-write port, one word per access, optimised for leakage.

Between tabulated depths and widths the logarithm is linear in the logarithms of depth and width. A
depth below the least tabulated one of a width costs (depth / least)^0.78 of it, a width below 16
bits in proportion. Larger memories are built of tabulated ones: wider than 512 bits, of equal macros
side by side that are all accessed; deeper than 32,768 lines, of equal banks of which one is accessed. The
wiring between them is not priced.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from math import exp, log

from arraysmith.arch.technology.address import address_pj
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.nodes import FEATURE_NM

SOURCE = "SRAM: CACTI 7, low-standby-power cells, one bank, interpolated in depth and width"

SMALL_DEPTH_EXPONENT = 0.78
"""How energy, leakage and area shrink below the least tabulated depth (Accelergy v0.4's rule)."""

Values = tuple[float, float, float, float]
"""Read pJ, write pJ, leakage mW, area um2."""


def sram_cost(depth: int, width_bits: int, technology: str) -> ComponentCost:
    """Return the cost of an SRAM of ``depth`` lines of ``width_bits``, address logic included."""
    grid = _grid(FEATURE_NM[technology])
    macros = -(-width_bits // max(grid))
    banks = -(-depth // max(grid[max(grid)]))
    read, write, leakage, area = _at(grid, depth / banks, width_bits / macros)
    address = address_pj(depth, technology)
    return ComponentCost(
        read_pj=macros * read + address,
        write_pj=macros * write + address,
        leakage_mw=macros * banks * leakage,
        area_um2=macros * banks * area,
        source=SOURCE,
    )


@cache
def _grid(feature_nm: int) -> dict[int, dict[int, Values]]:
    """Return width -> depth -> values of one node, both in rising order."""
    grid: dict[int, dict[int, Values]] = {}
    table = resources.files("arraysmith.arch.technology.tables") / "sram_cacti7_lstp.csv"
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if int(row["tech_nm"]) == feature_nm and row["valid"] == "1":
                values = (
                    float(row["read_energy_pJ"]),
                    float(row["write_energy_pJ"]),
                    float(row["leakage_mW"]),
                    float(row["area_um2"]),
                )
                grid.setdefault(int(row["width_bits"]), {})[int(row["depth"])] = values
    return {width: dict(sorted(grid[width].items())) for width in sorted(grid)}


def _at(grid: dict[int, dict[int, Values]], depth: float, width: float) -> Values:
    """Return the values at any depth and width up to the largest tabulated ones."""
    widths = list(grid)
    if width <= widths[0]:
        share = width / widths[0]
        first = _in_column(grid[widths[0]], depth)
        return (first[0] * share, first[1] * share, first[2] * share, first[3] * share)
    upper = next(w for w in widths if w >= width)
    if upper == width:
        return _in_column(grid[upper], depth)
    lower = widths[widths.index(upper) - 1]
    return _between(
        (lower, _in_column(grid[lower], depth)), (upper, _in_column(grid[upper], depth)), width
    )


def _in_column(column: dict[int, Values], depth: float) -> Values:
    """Return the values at any depth up to the largest of one width."""
    depths = list(column)
    if depth <= depths[0]:
        share = (depth / depths[0]) ** SMALL_DEPTH_EXPONENT
        read, write, leakage, area = column[depths[0]]
        return (read * share, write * share, leakage * share, area * share)
    upper = next(d for d in depths if d >= depth)
    if upper == depth:
        return column[upper]
    lower = depths[depths.index(upper) - 1]
    return _between((lower, column[lower]), (upper, column[upper]), depth)


def _between(low: tuple[float, Values], high: tuple[float, Values], at: float) -> Values:
    """Return what lies on the straight line in log-log between two points."""
    share = log(at / low[0]) / log(high[0] / low[0])
    a, b, c, d = (
        exp(log(x) + share * (log(y) - log(x))) for x, y in zip(low[1], high[1], strict=True)
    )
    return (a, b, c, d)
