"""Register files: the scratchpads of a PE.

Energy: the register-file estimator of Accelergy v0.4. A register read costs 0.009 pJ a bit, the
select logic grows with depth; both were synthesised for at least 32 bits and 64 words and scale
down from there linearly in width and with depth^0.78. Equals that tool's stored tables to 0.1 %.

Area: storage bits x a register bit, a comparator per line as wide as the address, one adder
(Aladdin's 45 nm library at 1 ns). That tool counts the bits of one line only; a file of depth lines
has depth times as many, and so do we.
"""

from __future__ import annotations

from arraysmith.arch.technology.address import address_bits, address_pj
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.nodes import AREA_FACTOR, ENERGY_FACTOR

REGISTER_BIT_PJ = 0.009
SELECT_LINE_PJ = 0.02947
REGISTER_BIT_UM2 = 5.98
COMPARATOR_BIT_UM2 = 71 / 32
ADDER_UM2 = 278.0

SOURCE = "register file: Accelergy v0.4 estimator, Aladdin 45 nm library, Stillmaker-Baas scaling"


def regfile_cost(depth: int, width_bits: int, technology: str) -> ComponentCost:
    """Return the cost of a register file of ``depth`` lines of ``width_bits``; no leakage data."""
    built_width, built_depth = max(32, width_bits), max(64, depth)
    scale = width_bits / built_width * (depth / built_depth) ** 0.78
    node = ENERGY_FACTOR[technology]
    address = address_pj(depth, technology)
    select = SELECT_LINE_PJ * built_depth
    area = (
        depth * width_bits * REGISTER_BIT_UM2
        + depth * COMPARATOR_BIT_UM2 * address_bits(depth)
        + ADDER_UM2
    )
    return ComponentCost(
        read_pj=node * scale * (REGISTER_BIT_PJ * built_width + select) + address,
        write_pj=node * scale * select + address,
        leakage_mw=0.0,
        area_um2=area * AREA_FACTOR[technology],
        source=SOURCE,
    )
