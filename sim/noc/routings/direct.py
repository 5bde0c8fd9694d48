"""One router: nothing to route."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import RouteTable, Routing, all_vcs, require_family, table_of
from arraysmith.sim.noc.topology import Topology


@register("routing", "direct")
@dataclass(frozen=True)
class Direct(Routing):
    """From a crossbar's input to its output."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table, which is empty."""
        require_family("direct", topology, ("crossbar",))
        return table_of(topology, lambda _router, _target: [], all_vcs(num_vcs))
