"""Fully adaptive shortest ways with an escape channel."""

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
    split_vcs,
)
from arraysmith.sim.noc.topologies.mesh import EAST, NORTH, SOUTH, WEST
from arraysmith.sim.noc.topology import Topology


@register("routing", "adaptive_escape")
@dataclass(frozen=True)
class AdaptiveEscape(Routing):
    """Any shortest way on the upper virtual channels; virtual channel 0 by XY (Duato, 1993)."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table; the first choice is the one of XY."""
        require_family("adaptive_escape", topology, ("mesh",))
        split_vcs("adaptive_escape", num_vcs, 2)
        steps_x, steps_y = grid_steps(topology)
        along_x = np.where(steps_x > 0, EAST, WEST)
        along_y = np.where(steps_y > 0, NORTH, np.where(steps_y < 0, SOUTH, -1))
        first = np.where(steps_x != 0, along_x, along_y)
        second = np.where(steps_x != 0, along_y, -1)
        port = np.stack([first, second], axis=-1).astype(np.int16)[None, :, None]
        group = np.zeros_like(port)
        group[..., 1] = 1
        everything = all_vcs(num_vcs)
        masks = np.array([everything, everything & ~1], np.int64)
        return RouteTable(port, group, masks, masks[:1], escape=1)
