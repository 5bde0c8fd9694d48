"""Mesh of meshes: chiplets on a package."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.topologies.mesh import EAST, NORTH, SOUTH, WEST
from arraysmith.sim.noc.topology import Link, Topology, both_ways, require_sizes

GATE = 4
"""Port of a chiplet's first router to the package, and of a package router to its chiplet."""


@register("topology", "hierarchical_mesh")
@dataclass(frozen=True)
class HierarchicalMesh:
    """Chiplets in a mesh, each a mesh of its own, as of Simba (Shao et al., MICRO 2019).

    Router (0, 0) of a chiplet, its gateway, is linked with a router of the package; those make a
    mesh among themselves. Terminals are at the chiplets' routers, chiplet by chiplet, row by row;
    coordinates are (chiplet x, chiplet y, x, y), and x = y = -1 for a router of the package.

    Attributes:
        chiplets_x, chiplets_y: chiplets along each axis.
        width, height: routers of a chiplet along each axis.
        link_cycles: of a link within a chiplet.
        package_link_cycles: of a link on or to the package.
    """

    chiplets_x: int
    chiplets_y: int
    width: int
    height: int
    link_cycles: int = 1
    package_link_cycles: int = 4

    def build(self) -> Topology:
        """Return the mesh of meshes."""
        require_sizes(
            1,
            chiplets_x=self.chiplets_x,
            chiplets_y=self.chiplets_y,
            width=self.width,
            height=self.height,
            link_cycles=self.link_cycles,
            package_link_cycles=self.package_link_cycles,
        )
        chiplets = [(x, y) for y in range(self.chiplets_y) for x in range(self.chiplets_x)]
        inside = [(x, y) for y in range(self.height) for x in range(self.width)]
        places = [(*chiplet, *place) for chiplet in chiplets for place in inside]
        terminals = tuple(range(len(places)))
        places += [(*chiplet, -1, -1) for chiplet in chiplets]
        at = {place: router for router, place in enumerate(places)}
        links: list[Link] = []
        for (chip_x, chip_y, x, y), router in at.items():
            package = x < 0
            right = (chip_x + 1, chip_y, x, y) if package else (chip_x, chip_y, x + 1, y)
            above = (chip_x, chip_y + 1, x, y) if package else (chip_x, chip_y, x, y + 1)
            cycles = self.package_link_cycles if package else self.link_cycles
            if right in at:
                links += both_ways(router, at[right], EAST, WEST, cycles)
            if above in at:
                links += both_ways(router, at[above], NORTH, SOUTH, cycles)
            if package:
                gateway = at[chip_x, chip_y, 0, 0]
                links += both_ways(router, gateway, GATE, GATE, self.package_link_cycles)
        shape = (self.chiplets_x, self.chiplets_y, self.width, self.height)
        return Topology("hierarchical_mesh", shape, tuple(places), terminals, tuple(links))
