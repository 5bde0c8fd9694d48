"""Dimension order on rings and tori, with datelines."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import (
    Choice,
    RouteTable,
    Routing,
    all_vcs,
    require_family,
    split_vcs,
    table_of,
)
from arraysmith.sim.noc.topology import Topology


@register("routing", "dateline")
@dataclass(frozen=True)
class Dateline(Routing):
    """The shorter way round each dimension, x first.

    A ring's dateline lies between its last and its first router. A packet takes the lower half of
    the virtual channels as long as it has to pass the dateline, and the upper half after it or
    without it, so that neither half closes a circle (Dally and Seitz, IEEE ToC 1987). Half way
    round, packets of even routers go up.
    """

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("dateline", topology, ("ring", "torus"))
        before, after = split_vcs("dateline", num_vcs, 2)

        def choices(router: int, target: int) -> list[Choice]:
            here, there = topology.coordinates[router], topology.coordinates[target]
            for axis, count in enumerate(topology.shape):
                if here[axis] == there[axis]:
                    continue
                ahead = (there[axis] - here[axis]) % count
                up = 2 * ahead < count or (2 * ahead == count and here[axis] % 2 == 0)
                passes = there[axis] < here[axis] if up else there[axis] > here[axis]
                return [(2 * axis + (not up), before if passes else after)]
            return []

        return table_of(topology, choices, all_vcs(num_vcs))
