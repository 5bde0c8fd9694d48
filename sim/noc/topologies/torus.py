"""Two-dimensional torus, one terminal per router."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.topologies.mesh import EAST, NORTH, SOUTH, WEST
from arraysmith.sim.noc.topology import Link, Topology, both_ways, require_sizes


@register("topology", "torus")
@dataclass(frozen=True)
class Torus:
    """A mesh whose rows and columns close to rings, from 3 routers on; ports as of the mesh.

    A folded layout has wires of equal length, so all links take the same time (Dally and Towles,
    Principles and Practices of Interconnection Networks, 5.3).
    """

    width: int
    height: int
    link_cycles: int = 1

    def build(self) -> Topology:
        """Return the torus."""
        require_sizes(3, width=self.width, height=self.height)
        require_sizes(1, link_cycles=self.link_cycles)
        places = tuple((x, y) for y in range(self.height) for x in range(self.width))
        links: list[Link] = []
        for router, (x, y) in enumerate(places):
            right = y * self.width + (x + 1) % self.width
            above = (y + 1) % self.height * self.width + x
            links += both_ways(router, right, EAST, WEST, self.link_cycles)
            links += both_ways(router, above, NORTH, SOUTH, self.link_cycles)
        terminals = tuple(range(len(places)))
        return Topology("torus", (self.width, self.height), places, terminals, tuple(links))
