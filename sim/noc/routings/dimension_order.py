"""Dimension order on a mesh: XY and YX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import (
    Int,
    RouteTable,
    Routing,
    all_vcs,
    grid_steps,
    require_family,
    single_table,
)
from arraysmith.sim.noc.topologies.mesh import EAST, NORTH, SOUTH, WEST
from arraysmith.sim.noc.topology import Topology


def ordered_ports(topology: Topology, *, x_first: bool) -> Int:
    """Return int64 [routers, routers]: ports in dimension order; -1 at the target."""
    steps_x, steps_y = grid_steps(topology)
    along_x = np.where(steps_x > 0, EAST, WEST)
    along_y = np.where(steps_y > 0, NORTH, SOUTH)
    if x_first:
        port = np.where(steps_x != 0, along_x, along_y)
    else:
        port = np.where(steps_y != 0, along_y, along_x)
    port[(steps_x == 0) & (steps_y == 0)] = -1
    return port


@register("routing", "xy")
@dataclass(frozen=True)
class Xy(Routing):
    """Along x, then along y: no turn from y to x, so no cycle (Dally and Seitz, 1987)."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("xy", topology, ("mesh",))
        return single_table(ordered_ports(topology, x_first=True), all_vcs(num_vcs))


@register("routing", "yx")
@dataclass(frozen=True)
class Yx(Routing):
    """Along y, then along x."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("yx", topology, ("mesh",))
        return single_table(ordered_ports(topology, x_first=False), all_vcs(num_vcs))
