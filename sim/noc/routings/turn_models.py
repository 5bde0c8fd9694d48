"""Adaptive routings that forbid turns: west-first and odd-even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import (
    RouteTable,
    Routing,
    all_vcs,
    grid_steps,
    require_family,
)
from arraysmith.sim.noc.topologies.mesh import EAST, NORTH, SOUTH, WEST
from arraysmith.sim.noc.topology import Topology


@register("routing", "west_first")
@dataclass(frozen=True)
class WestFirst(Routing):
    """West as far as needed, then adaptive among shortest ways (Glass and Ni, ISCA 1992)."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("west_first", topology, ("mesh",))
        steps_x, steps_y = grid_steps(topology)
        along_x = np.where(steps_x > 0, EAST, np.where(steps_x < 0, WEST, -1))
        along_y = np.where(steps_y > 0, NORTH, np.where(steps_y < 0, SOUTH, -1))
        first = np.where(steps_x != 0, along_x, along_y)
        second = np.where(steps_x > 0, along_y, -1)
        port = np.stack([first, second], axis=-1).astype(np.int16)[None, :, None]
        masks = np.array([all_vcs(num_vcs)], np.int64)
        return RouteTable(port, np.zeros_like(port), masks, masks)


@register("routing", "odd_even")
@dataclass(frozen=True)
class OddEven(Routing):
    """Shortest ways under the odd-even turn model (Chiu, IEEE TPDS 2000).

    No packet turns from east to north or south in an even column, or from north or south to west
    in an odd one. What a packet may do depends on whether it comes from the west.
    """

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("odd_even", topology, ("mesh",))
        steps_x, steps_y = grid_steps(topology)
        columns = np.array(topology.coordinates, np.int64)[:, 0]
        here, there = columns[:, None] % 2, columns[None, :] % 2
        ports = max(topology.ports)
        routers = topology.routers
        port = np.full((1, routers, ports, routers, 2), -1, np.int16)
        along_y = np.where(steps_y > 0, NORTH, np.where(steps_y < 0, SOUTH, -1))
        for source in range(ports):
            turn_east = (here == 1) | (source != WEST)
            vertical = np.select(
                [steps_x == 0, steps_x > 0], [along_y != -1, turn_east], default=(here == 0)
            )
            first = np.where(vertical, along_y, -1)
            # East only if the column before the target's is no trap: from there the packet could
            # turn in the target's column only, which has to be odd.
            east = (steps_x > 0) & ((steps_y == 0) | (there == 1) | (steps_x != 1))
            second = np.where(east, EAST, np.where(steps_x < 0, WEST, -1))
            swap = first == -1
            port[0, :, source, :, 0] = np.where(swap, second, first)
            port[0, :, source, :, 1] = np.where(swap, -1, second)
        masks = np.array([all_vcs(num_vcs)], np.int64)
        return RouteTable(port, np.zeros_like(port), masks, masks)
