"""Two-dimensional mesh, one terminal per router."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.topology import Link, Topology, both_ways, require_sizes

EAST, WEST, NORTH, SOUTH = range(4)
"""Ports towards larger x, smaller x, larger y and smaller y."""


@register("topology", "mesh")
@dataclass(frozen=True)
class Mesh:
    """Routers at (x, y), numbered ``y * width + x``; neighbours linked both ways.

    Ports 0 to 3 lead to larger x, smaller x, larger y, smaller y; at the border they lead nowhere.
    """

    width: int
    height: int
    link_cycles: int = 1

    def build(self) -> Topology:
        """Return the mesh."""
        require_sizes(1, width=self.width, height=self.height, link_cycles=self.link_cycles)
        places = tuple((x, y) for y in range(self.height) for x in range(self.width))
        links: list[Link] = []
        for router, (x, y) in enumerate(places):
            if x + 1 < self.width:
                links += both_ways(router, router + 1, EAST, WEST, self.link_cycles)
            if y + 1 < self.height:
                links += both_ways(router, router + self.width, NORTH, SOUTH, self.link_cycles)
        terminals = tuple(range(len(places)))
        return Topology("mesh", (self.width, self.height), places, terminals, tuple(links))
