"""Fat tree (k-ary n-tree)."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.topology import Link, Topology, both_ways, require_sizes


@register("topology", "fat_tree")
@dataclass(frozen=True)
class FatTree:
    """A k-ary n-tree (Petrini and Vanneschi, IPPS 1997): k^n terminals, n levels of k^(n-1).

    The same bandwidth at every level: each router has ``arity`` ports down (0 to ``arity - 1``)
    and, below the top, as many up. Level 0 is the top; terminal t is at router ``t // arity`` of
    the lowest level. Router w at level l leads down to those routers of level l + 1 whose label,
    n - 1 digits of base k, differs from w's in digit l at most (digit 0 the highest).
    """

    arity: int
    levels: int
    link_cycles: int = 1

    def build(self) -> Topology:
        """Return the fat tree."""
        require_sizes(2, arity=self.arity)
        require_sizes(1, levels=self.levels, link_cycles=self.link_cycles)
        require_sizes(1, terminals=self.arity**self.levels)
        k, n = self.arity, self.levels
        width = k ** (n - 1)
        places = tuple((level, label) for level in range(n) for label in range(width))
        links: list[Link] = []
        for level in range(n - 1):
            weight = k ** (n - 2 - level)  # of the digit in which neighbours may differ
            for label in range(width):
                digit = label // weight % k
                for child_digit in range(k):
                    child = label + (child_digit - digit) * weight
                    upper, lower = level * width + label, (level + 1) * width + child
                    links += both_ways(upper, lower, child_digit, k + digit, self.link_cycles)
        terminals = tuple((n - 1) * width + t // k for t in range(k**n))
        return Topology("fat_tree", (k, n), places, terminals, tuple(links))
