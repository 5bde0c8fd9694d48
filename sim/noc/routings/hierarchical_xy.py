"""XY on each level of a mesh of meshes."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import (
    Choice,
    RouteTable,
    Routing,
    all_vcs,
    require_family,
    table_of,
)
from arraysmith.sim.noc.topologies.hierarchical_mesh import GATE
from arraysmith.sim.noc.topologies.mesh import EAST, NORTH, SOUTH, WEST
from arraysmith.sim.noc.topology import Topology


@register("routing", "hierarchical_xy")
@dataclass(frozen=True)
class HierarchicalXy(Routing):
    """XY to the gateway, XY over the package, XY from the gateway; within a chiplet XY.

    Free of deadlock with any number of virtual channels, since a gateway is in the corner: what
    comes from the package goes up in x and y only and never reaches a gateway again.
    """

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("hierarchical_xy", topology, ("hierarchical_mesh",))
        mask = all_vcs(num_vcs)

        def choices(router: int, target: int) -> list[Choice]:
            here, there = topology.coordinates[router], topology.coordinates[target]
            on_package, same_chip = here[2] < 0, here[:2] == there[:2]
            if on_package and same_chip:
                return [(GATE, mask)]
            if on_package:
                return [(_step(here[:2], there[:2]), mask)]
            goal = there[2:] if same_chip and there[2] >= 0 else (0, 0)
            if here[2:] == goal:
                return [(GATE, mask)]
            return [(_step(here[2:], goal), mask)]

        return table_of(topology, choices, mask)


def _step(here: tuple[int, ...], there: tuple[int, ...]) -> int:
    if here[0] != there[0]:
        return EAST if there[0] > here[0] else WEST
    return NORTH if there[1] > here[1] else SOUTH
