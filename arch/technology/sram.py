"""SRAM buffers of any depth, width and number of banks, from tables made with CACTI 7.

``sram`` is built of low-standby-power cells: depths 64 to 32768 (powers of two; narrow rows start
deeper) and widths 16 to 512 bits. ``sram_hp`` is built of high-performance cells: 1 KiB to 8 MiB by
16 to 512 bits. It is about three times as fast and leaks thousands of times as much. Between and
beyond the rows the rules of ``grid`` hold; at a node smaller than those tabled, the smallest one is
scaled by the factors of logic (table ``nodes``).

Banks: a memory of B banks of depth D / B costs, relative to one bank, B^0.48 per read, B^0.41 per
write, B times the leakage and B times the area. The exponents are the medians over the 132 rows of
the table ``sram_cacti7_hp`` with 2, 4 and 8 banks, which come out within 12 % (read), 14 % (write),
8 % (leakage) and 11 % (area) in the mean. One bank is the table itself.
"""

from __future__ import annotations

from functools import cache, lru_cache

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.registry import register
from arraysmith.arch.technology.arithmetic import address_pj
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import MEMORY_DEVICE, MemoryDevice, Shape
from arraysmith.arch.technology.grid import Grid, Quantities
from arraysmith.arch.technology.node import Node, nodes
from arraysmith.arch.technology.tables import rows

BANK_READ_EXPONENT, BANK_WRITE_EXPONENT = 0.48, 0.41
"""Powers of the number of banks with which read and write energy grow."""

DEEPEST_LINES, WIDEST_BITS = 2**23, 2**15
"""Largest shape that is extrapolated; what lies beyond is refused."""

CELLS = {"lstp": "low-standby-power", "hp": "high-performance"}
"""Types of cells by the end of their table's name."""


@lru_cache(maxsize=65536)
def sram(
    depth: int, width_bits: int, node: Node, banks: int = 1, cells: str = "lstp"
) -> ComponentCost:
    """Return a single-port SRAM of ``depth`` lines that moves ``width_bits`` per access.

    Address logic is added to both energies. A second port is not priced: the tables have none.

    Args:
        depth: lines over all banks, 1 to 2^23.
        width_bits: bits per line, 1 to 2^15.
        node: the node asked for.
        banks: parts side by side, at most one per line.
        cells: ``lstp`` or ``hp``.

    Raises:
        InputError: a shape too far outside the table to be extrapolated.
    """
    faults = [
        Fault(field, str(value), f"an SRAM estimate needs 1 to {most}", hint)
        for field, value, most, hint in (
            ("depth", depth, DEEPEST_LINES, "split the memory into smaller ones"),
            ("width", width_bits, WIDEST_BITS, "split the memory into narrower ones"),
            ("banks", banks, max(1, depth), "a bank has at least one line"),
        )
        if not 1 <= value <= most
    ]
    if faults:
        raise InputError(faults)
    tabled = _tabled_node(node, cells)
    one_bank = _grid(cells, tabled.nm).at(depth if banks == 1 else depth / banks, width_bits)
    read_pj, write_pj, leakage_mw, area_um2 = banked(one_bank, banks)
    source = f"CACTI 7 {CELLS[cells]} table at {tabled.nm} nm, interpolated in depth and width"
    if tabled != node:
        energy = node.energy_factor / tabled.energy_factor
        area = node.area_factor / tabled.area_factor
        read_pj, write_pj, leakage_mw = read_pj * energy, write_pj * energy, leakage_mw * energy
        area_um2 *= area
        source += f", scaled to {node.nm} nm like logic"
    if banks > 1:
        source += f", {banks} banks by fitted powers"
    address = address_pj(depth, node)
    return ComponentCost(read_pj + address, write_pj + address, leakage_mw, area_um2, source)


def banked(one_bank: Quantities, banks: int) -> Quantities:
    """Return the quantities of ``banks`` (at least 1) of which one has ``one_bank``."""
    read_pj, write_pj, leakage_mw, area_um2 = one_bank
    return (
        read_pj * banks**BANK_READ_EXPONENT,
        write_pj * banks**BANK_WRITE_EXPONENT,
        leakage_mw * banks,
        area_um2 * banks,
    )


@cache
def _tabled_node(node: Node, cells: str) -> Node:
    """Return the node itself if it is tabled, else the smallest of the larger ones that are."""
    known = {int(row["tech_nm"]) for row in rows(f"sram_cacti7_{cells}")}
    at_least = min(nm for nm in known if nm >= node.nm and f"{nm}nm" in nodes())
    return nodes()[f"{at_least}nm"]


@cache
def _grid(cells: str, nm: int) -> Grid:
    """Return the one-bank rows of one node."""
    found = [
        row
        for row in rows(f"sram_cacti7_{cells}")
        if int(row["tech_nm"]) == nm and row["valid"] == "1"
    ]
    if cells == "lstp":
        return Grid.of(
            (
                int(row["depth"]),
                int(row["width_bits"]),
                (
                    float(row["read_energy_pJ"]),
                    float(row["write_energy_pJ"]),
                    float(row["leakage_mW"]),
                    float(row["area_um2"]),
                ),
            )
            for row in found
        )
    return Grid.of(
        (
            8 * int(row["capacity_bytes"]) // int(row["word_bits"]),
            int(row["word_bits"]),
            (
                float(row["read_energy_pJ"]),
                float(row["write_energy_pJ"]),
                float(row["leakage_mW_per_bank"]) + float(row["gate_leakage_mW_per_bank"]),
                1e6 * float(row["array_area_mm2"]),
            ),
        )
        for row in found
        if row["banks"] == "1"
    )


def _device(cells: str) -> MemoryDevice:
    def estimate(shape: Shape, node: Node) -> ComponentCost:
        assert shape.depth is not None  # memory_cost refuses a memory on the chip without one
        return sram(shape.depth, shape.width_bits, node, shape.banks, cells)

    return MemoryDevice(estimate)


register(MEMORY_DEVICE, "sram")(_device("lstp"))
register(MEMORY_DEVICE, "sram_hp")(_device("hp"))
