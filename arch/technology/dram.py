"""Off-chip memories: a flat energy per bit moved, and no area on the chip."""

from __future__ import annotations

from functools import cache

from arraysmith.arch.registry import register
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import MEMORY_DEVICE, MemoryDevice, Shape
from arraysmith.arch.technology.node import Node
from arraysmith.arch.technology.tables import rows


@cache
def standards() -> dict[str, tuple[float, str]]:
    """Return (picojoules per bit, source) of every off-chip device by name."""
    return {row["device"]: (float(row["pj_per_bit"]), row["source"]) for row in rows("dram")}


def dram(device: str, width_bits: int) -> ComponentCost:
    """Return an off-chip memory that moves ``width_bits`` per access.

    Reads cost what writes cost; row activation and refresh are inside the flat number. KeyError
    for an unknown device.
    """
    pj_per_bit, source = standards()[device]
    access_pj = pj_per_bit * width_bits
    return ComponentCost(access_pj, access_pj, 0.0, 0.0, source)


def _device(name: str) -> MemoryDevice:
    def estimate(shape: Shape, node: Node) -> ComponentCost:
        del node  # the chip is another one
        return dram(name, shape.width_bits)

    return MemoryDevice(estimate, on_chip=False)


for _name in standards():
    register(MEMORY_DEVICE, _name)(_device(_name))
