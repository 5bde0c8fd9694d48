"""Random oblivious routing by a router on the way: Valiant's, and ROMM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import Int, RouteTable, Routing, require_family, split_vcs
from arraysmith.sim.noc.routings.dimension_order import ordered_ports
from arraysmith.sim.noc.topology import Topology


def two_phases(name: str, topology: Topology, num_vcs: int) -> RouteTable:
    """Return XY to the router on the way, then XY from there on virtual channels of its own."""
    require_family(name, topology, ("mesh",))
    masks = np.array(split_vcs(name, num_vcs, 2), np.int64)
    port = np.stack([ordered_ports(topology, x_first=True)] * 2)
    shaped = port.astype(np.int16)[:, :, None, :, None]
    group = np.zeros_like(shaped)
    group[1] = 1
    return RouteTable(shaped, group, masks, masks, two_phase=True)


@register("routing", "valiant")
@dataclass(frozen=True)
class Valiant(Routing):
    """By any router, each as likely as the other (Valiant and Brebner, STOC 1981)."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table: class 0 up to the router on the way."""
        return two_phases("valiant", topology, num_vcs)

    def draw(
        self, rng: np.random.Generator, topology: Topology, sources: Int, targets: Int
    ) -> tuple[Int, Int]:
        """Return the router on the way of every packet, uniform over all."""
        del targets
        return np.zeros_like(sources), rng.integers(0, topology.routers, len(sources))


@register("routing", "romm")
@dataclass(frozen=True)
class Romm(Routing):
    """By a router in the rectangle between source and target (Nesson and Johnsson, SPAA 1995).

    Two phases; every way is a shortest one.
    """

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table: class 0 up to the router on the way."""
        return two_phases("romm", topology, num_vcs)

    def draw(
        self, rng: np.random.Generator, topology: Topology, sources: Int, targets: Int
    ) -> tuple[Int, Int]:
        """Return the router on the way of every packet, uniform over the rectangle."""
        places = np.array(topology.coordinates, np.int64)
        low = np.minimum(places[sources], places[targets])
        high = np.maximum(places[sources], places[targets])
        drawn = rng.integers(low, high + 1)
        return np.zeros_like(sources), drawn[:, 1] * topology.shape[0] + drawn[:, 0]
