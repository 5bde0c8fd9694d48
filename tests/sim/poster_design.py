"""VGG-16 conv1_1 on the poster's original design, mapped as its tool maps it."""

from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import conv

DESIGN = load_architecture("eyeriss-poster-original")
LAYER = conv("conv1_1", height=226, width=226, in_channels=3, out_channels=64, window=(3, 3))
MAPPING = from_factors(
    DESIGN,
    (
        ("dram", "t", "P", 8),
        ("dram", "t", "Q", 2),
        ("dram", "t", "K", 4),
        ("dram", "t", "R", 3),
        ("glb", "t", "P", 28),
        ("glb", "t", "Q", 28),
        ("array", "x", "K", 2),
        ("array", "x", "Q", 4),
        ("array", "y", "K", 4),
        ("array", "y", "S", 3),
        ("weight_spad", "t", "C", 3),
        ("psum_spad", "t", "K", 2),
    ),
)
