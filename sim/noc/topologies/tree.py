"""Tree of routers, for distribution from the root and reduction to it."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.topology import Link, Topology, both_ways, require_sizes


@register("topology", "tree")
@dataclass(frozen=True)
class Tree:
    """Complete tree; terminal 0 at the root, then one at each leaf, from left to right.

    Routers are numbered from the root by level; (level, place) are the coordinates. Ports 0 to
    ``arity - 1`` lead to the children, port ``arity`` to the parent.

    Attributes:
        arity: children of a router, 2 for the binary trees of MAERI (Kwon et al., ASPLOS 2018).
        levels: links between root and leaf.
        link_cycles: of every link.
    """

    arity: int
    levels: int
    link_cycles: int = 1

    def build(self) -> Topology:
        """Return the tree."""
        require_sizes(2, arity=self.arity)
        require_sizes(1, levels=self.levels, link_cycles=self.link_cycles)
        require_sizes(1, terminals=self.arity**self.levels)
        places = tuple(
            (level, place) for level in range(self.levels + 1) for place in range(self.arity**level)
        )
        router_at = {place: router for router, place in enumerate(places)}
        links: list[Link] = []
        for (level, place), router in router_at.items():
            if level:
                parent = router_at[level - 1, place // self.arity]
                links += both_ways(parent, router, place % self.arity, self.arity, self.link_cycles)
        leaves = range(len(places) - self.arity**self.levels, len(places))
        shape = (self.arity, self.levels)
        return Topology("tree", shape, places, (0, *leaves), tuple(links))
