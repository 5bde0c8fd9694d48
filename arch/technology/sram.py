"""SRAM buffers of any depth and width, interpolated in a table made with CACTI 7.

The table has depths 64 to 32768 (powers of two; narrow rows start deeper) and widths 16 to 512
bits. Energies, leakage and area are interpolated bilinearly in the logarithms of depth and width,
first along the depths that each of the two neighbouring widths has. Outside the table:

- shallower than a width's first depth: all quantities go with depth^0.78, the exponent with which
  Accelergy 0.4 scales small memories;
- narrower than 16 bits: all go linearly with width (the same rule);
- wider than 512 bits: slices side by side, all go linearly with width;
- deeper than 32768 lines: banks. Leakage and area go linearly with the number of banks; energy
  with its square root, as the wires to a bank get longer with the side of the array (between 4096
  and 32768 lines of 512 bits the table itself goes with a power of 0.4 to 0.6).

Every rule meets the table at its edge without a step.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache
from math import exp, log

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.technology.arithmetic import address_pj
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.node import Node
from arraysmith.arch.technology.tables import rows

DEPTH_EXPONENT = 0.78
"""Power of depth below the table."""

BANK_ENERGY_EXPONENT = 0.5
"""Power of the number of banks with which energy grows above the table."""

DEEPEST_LINES, WIDEST_BITS = 2**23, 2**15
"""Largest shape that is extrapolated; what lies beyond is refused."""

Quantities = tuple[float, float, float, float]
"""Logarithms of read energy (pJ), write energy (pJ), leakage (mW) and area (um2)."""

_ENERGIES = (True, True, False, False)


@lru_cache(maxsize=65536)
def sram(depth: int, width_bits: int, node: Node) -> ComponentCost:
    """Return a single-port SRAM of ``depth`` lines that moves ``width_bits`` per access.

    Address logic is added to both energies. A second port is not priced: the table has none.

    Args:
        depth: lines, 1 to 2^23.
        width_bits: bits per line, 1 to 2^15.
        node: the node asked for, one that the table has.

    Raises:
        InputError: a shape too far outside the table to be extrapolated.
    """
    faults = [
        Fault(field, str(value), f"an SRAM estimate needs 1 to {most}", hint)
        for field, value, most, hint in (
            ("depth", depth, DEEPEST_LINES, "split the memory into smaller ones"),
            ("width", width_bits, WIDEST_BITS, "split the memory into narrower ones"),
        )
        if not 1 <= value <= most
    ]
    if faults:
        raise InputError(faults)
    table = _table(node.nm)
    widths = sorted(table)
    inside = min(max(width_bits, widths[0]), widths[-1])
    high = min(bisect_right(widths, inside), len(widths) - 1)
    below, above = widths[high - 1], widths[high]
    part = (log(inside) - log(below)) / (log(above) - log(below))
    logs = _mix(_at_depth(table[below], depth), _at_depth(table[above], depth), part)
    slices = width_bits / inside
    read_pj, write_pj, leakage_mw, area_um2 = (slices * exp(value) for value in logs)
    address = address_pj(depth, node)
    source = f"CACTI 7 low-standby-power table at {node.nm} nm, interpolated in depth and width"
    return ComponentCost(read_pj + address, write_pj + address, leakage_mw, area_um2, source)


@cache
def _table(nm: int) -> dict[int, tuple[tuple[int, Quantities], ...]]:
    """Return (depth, quantities) in order of depth, by width, for one node."""
    table: dict[int, list[tuple[int, Quantities]]] = {}
    for row in rows("sram_cacti7_lstp"):
        if int(row["tech_nm"]) == nm and row["valid"] == "1":
            logs = (
                log(float(row["read_energy_pJ"])),
                log(float(row["write_energy_pJ"])),
                log(float(row["leakage_mW"])),
                log(float(row["area_um2"])),
            )
            table.setdefault(int(row["width_bits"]), []).append((int(row["depth"]), logs))
    return {width: tuple(sorted(points)) for width, points in table.items()}


def _at_depth(points: tuple[tuple[int, Quantities], ...], depth: int) -> Quantities:
    """Return the quantities of one width at ``depth``, inside the table or beyond its ends."""
    first, last = points[0], points[-1]
    if depth <= first[0]:
        shift = DEPTH_EXPONENT * log(depth / first[0])
        return _shifted(first[1], (shift,) * 4)
    if depth >= last[0]:
        banks = log(depth / last[0])
        return _shifted(
            last[1], tuple(BANK_ENERGY_EXPONENT * banks if e else banks for e in _ENERGIES)
        )
    high = bisect_right(points, depth, key=lambda point: point[0])
    (below, low), (above, up) = points[high - 1], points[high]
    return _mix(low, up, log(depth / below) / log(above / below))


def _mix(low: Quantities, high: Quantities, part: float) -> Quantities:
    a, b, c, d = (x + part * (y - x) for x, y in zip(low, high, strict=True))
    return a, b, c, d


def _shifted(logs: Quantities, shifts: tuple[float, ...]) -> Quantities:
    a, b, c, d = (x + y for x, y in zip(logs, shifts, strict=True))
    return a, b, c, d
