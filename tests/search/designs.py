"""A small design for tests that need one, and a space around it."""

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.budget import Budget
from arraysmith.search.space import FixedProduct, IntegerChoice, Space

ALL = ("ifmap", "weight", "ofmap")

DESIGN = Architecture(
    name="small",
    clock_hz=10**9,
    technology="65nm",
    levels=(
        Memory("dram", "lpddr4", ALL, 64, 8),
        Memory("glb", "sram", ("ifmap", "ofmap"), 64, 8, depth=64),
        Fanout("array", 3, 4),
        Memory("weight_spad", "regfile", ("weight",), 16, 8, depth=6),
    ),
)


def space(limit_bits=DESIGN.storage_bits, template=DESIGN):
    return Space(
        template,
        (
            FixedProduct(("array.mesh_x", "array.mesh_y"), 12),
            IntegerChoice("glb.depth", (16, 32, 64, 128)),
            IntegerChoice("glb.width_bits", (32, 64)),
            IntegerChoice("weight_spad.depth", (1, 2, 4, 6, 12)),
        ),
        Budget(storage_bits=limit_bits),
    )
