"""A small spatial design and layers, shared by the tests of this folder."""

from __future__ import annotations

from fractions import Fraction

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, Systolic, XyBus
from arraysmith.arch.problem import TENSORS, conv

DRAM = Memory("dram", "lpddr4", TENSORS, 64, 8)
GLB = Memory("glb", "sram", ("ifmap", "ofmap"), 64, 8, 16, Fraction(16), Fraction(16))
ARRAY = Fanout("array", 4, 3, XyBus())
IFMAP_SPAD = Memory("ifmap_spad", "regfile", ("ifmap",), 16, 8, 2)
WEIGHT_SPAD = Memory("weight_spad", "regfile", ("weight",), 16, 8, 3)
PSUM_SPAD = Memory("psum_spad", "regfile", ("ofmap",), 16, 16, 4)

SPATIAL = Architecture(
    "small",
    10**9,
    "65nm",
    (DRAM, GLB, ARRAY, IFMAP_SPAD, WEIGHT_SPAD, PSUM_SPAD),
    Compute(),
)
"""12 MACs; capacities in words: glb 128, ifmap_spad 4, weight_spad 6, psum_spad 4."""

SYSTOLIC = Architecture(
    "square",
    10**9,
    "45nm",
    (
        DRAM,
        Memory("ifmap_sram", "sram", ("ifmap",), 32, 8, 64),
        Memory("weight_sram", "sram", ("weight",), 32, 8, 64),
        Memory("ofmap_sram", "sram", ("ofmap",), 32, 8, 64),
        Fanout("array", 4, 4, Systolic()),
    ),
)

LAYER = conv("layer", height=6, width=6, in_channels=2, out_channels=4, window=(3, 3))
"""K 4, C 2, P 4, Q 4, R 3, S 3."""
