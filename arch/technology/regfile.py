"""Small memories made of registers: the scratchpads of a PE.

Energy is the formula of Accelergy 0.4, which fits its stored tables within 0.1 %: the cost of a
file of at least 64 lines of at least 32 bits, scaled down for anything smaller.
"""

from __future__ import annotations

from arraysmith.arch.registry import register
from arraysmith.arch.technology.arithmetic import DELAY_NS, address_bits, address_pj, block
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import MEMORY_DEVICE, MemoryDevice, Shape
from arraysmith.arch.technology.node import Node

LINE_PJ = 0.02947
"""pJ per line at 45 nm: the comparators that select one (Accelergy 0.4, fitted)."""

DEPTH_EXPONENT = 0.78
"""Energy of a memory below 64 lines goes with depth to this power (Accelergy 0.4)."""

SMALLEST_DEPTH, SMALLEST_WIDTH_BITS = 64, 32
"""Shape below which the formula scales down instead of computing."""


def regfile(depth: int, width_bits: int, node: Node, delay_ns: int = DELAY_NS) -> ComponentCost:
    """Return a register file with one line of ``width_bits`` moved per access.

    Energy, W = max(32, width), D = max(64, depth), s = (width / W) (depth / D)^0.78:
    read = node factor x s (0.009 W + 0.02947 D) + address; write = read without 0.009 W.

    Area: a register per stored bit, a comparator per line, an address adder. (The Accelergy table
    of 2022 counts the registers of one line only; a search would deepen such a file for nothing.)
    Leakage: a register per stored bit and the adder; the source gives none for comparators. (That
    of Accelergy 0.4 is lower by two orders: it scales down the leakage of one line.)

    Args:
        depth: lines, at least 1.
        width_bits: bits per line, at least 1.
        node: the node asked for.
        delay_ns: which blocks the area is made of.
    """
    full_width = max(SMALLEST_WIDTH_BITS, width_bits)
    full_depth = max(SMALLEST_DEPTH, depth)
    scale = (width_bits / full_width) * (depth / full_depth) ** DEPTH_EXPONENT
    address = address_pj(depth, node)
    line_pj = block("register", full_width, delay_ns).energy_pj
    select_pj = LINE_PJ * full_depth
    read_pj = node.energy_factor * scale * (line_pj + select_pj) + address
    write_pj = node.energy_factor * scale * select_pj + address
    area_um2 = node.area_factor * (
        block("register", depth * width_bits, delay_ns).area_um2
        + depth * block("comparator", address_bits(depth), delay_ns).area_um2
        + block("adder", 32, delay_ns).area_um2
    )
    source = f"Accelergy 0.4 register file, Aladdin blocks, 45 nm scaled to {node.nm} nm"
    leakage_mw = node.energy_factor * (
        block("register", depth * width_bits, delay_ns).leakage_mw
        + block("adder", 32, delay_ns).leakage_mw
    )
    return ComponentCost(read_pj, write_pj, leakage_mw, area_um2, source)


def _estimate(shape: Shape, node: Node) -> ComponentCost:
    assert shape.depth is not None  # memory_cost refuses a memory on the chip without one
    return regfile(shape.depth, shape.width_bits, node)


register(MEMORY_DEVICE, "regfile")(MemoryDevice(_estimate, logic=True))
