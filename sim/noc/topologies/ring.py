"""Ring with links both ways."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.topology import Link, Topology, both_ways, require_sizes


@register("topology", "ring")
@dataclass(frozen=True)
class Ring:
    """Routers in a circle, one terminal each; port 0 leads up, port 1 down."""

    routers: int
    link_cycles: int = 1

    def build(self) -> Topology:
        """Return the ring."""
        require_sizes(3, routers=self.routers)
        require_sizes(1, link_cycles=self.link_cycles)
        count = self.routers
        links: list[Link] = []
        for router in range(count):
            links += both_ways(router, (router + 1) % count, 0, 1, self.link_cycles)
        places = tuple((router,) for router in range(count))
        return Topology("ring", (count,), places, tuple(range(count)), tuple(links))
