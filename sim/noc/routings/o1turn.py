"""O1TURN: XY or YX, tossed for every packet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import Int, RouteTable, Routing, require_family, split_vcs
from arraysmith.sim.noc.routings.dimension_order import ordered_ports
from arraysmith.sim.noc.topology import Topology


@register("routing", "o1turn")
@dataclass(frozen=True)
class O1Turn(Routing):
    """XY on the lower half of the virtual channels or YX on the upper (Seo et al., ISCA 2005)."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table: class 0 is XY."""
        require_family("o1turn", topology, ("mesh",))
        masks = np.array(split_vcs("o1turn", num_vcs, 2), np.int64)
        port = np.stack([ordered_ports(topology, x_first=first) for first in (True, False)])
        shaped = port.astype(np.int16)[:, :, None, :, None]
        group = np.zeros_like(shaped)
        group[1] = 1
        return RouteTable(shaped, group, masks, masks)

    def draw(
        self, rng: np.random.Generator, topology: Topology, sources: Int, targets: Int
    ) -> tuple[Int, Int]:
        """Return the order of every packet, each with probability 1/2."""
        del topology, targets
        return rng.integers(0, 2, len(sources)), np.full_like(sources, -1)
