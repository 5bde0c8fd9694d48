"""Trees: up to the first router above both, then down."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from arraysmith.arch.registry import register
from arraysmith.sim.noc.routing import (
    Choice,
    RouteTable,
    Routing,
    all_vcs,
    require_family,
    table_of,
)
from arraysmith.sim.noc.topology import Topology


def _tree_choices(topology: Topology, router: int, target: int, mask: int) -> list[Choice]:
    arity, _ = topology.shape
    level, place = topology.coordinates[router]
    target_level, target_place = topology.coordinates[target]
    below = target_level - level
    if below > 0 and target_place // arity**below == place:
        return [(target_place // arity ** (below - 1) % arity, mask)]
    return [(arity, mask)]


def _fat_choices(topology: Topology, router: int, target: int, mask: int) -> list[Choice]:
    k, n = topology.shape
    level, label = topology.coordinates[router]
    target_level, target_label = topology.coordinates[target]
    weight = k ** (n - 2 - level) if level < n - 1 else 1
    span = k ** (n - 1 - level)  # labels that are reached without going up
    # A router that is no leaf is no target; its row is not used, but stays connected.
    if level < min(target_level, n - 1) and label // span == target_label // span:
        return [(target_label // weight % k, mask)]
    if not level:
        return [(0, mask)]
    return [(k + digit, mask) for digit in range(k)]


@register("routing", "up_down")
@dataclass(frozen=True)
class UpDown(Routing):
    """The one way of a tree; in a fat tree the way up that the source's digits say.

    A packet that enters a router of a fat tree by the i-th port from below leaves by the i-th port
    up, so the terminals of a router share its ports up evenly (source-based routing of k-ary
    n-trees).
    """

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("up_down", topology, ("tree", "fat_tree"))
        mask = all_vcs(num_vcs)
        if topology.family == "tree":
            return table_of(topology, lambda r, t: _tree_choices(topology, r, t, mask), mask)
        table = table_of(topology, lambda r, t: _fat_choices(topology, r, t, mask), mask)
        arity = topology.shape[0]
        by_port = []
        for port in range(max(topology.ports)):
            up = table.port[:, :, 0, :, 1:2] >= 0  # several choices: any way up
            by_port.append(np.where(up, arity + port % arity, table.port[:, :, 0, :, :1]))
        port_table = np.stack(by_port, axis=2).astype(np.int16)
        return replace(table, port=port_table, group=np.zeros_like(port_table))


@register("routing", "up_adaptive")
@dataclass(frozen=True)
class UpAdaptive(Routing):
    """Any way up a fat tree, then the one way down (Petrini and Vanneschi, IPPS 1997)."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("up_adaptive", topology, ("fat_tree",))
        mask = all_vcs(num_vcs)
        return table_of(topology, lambda r, t: _fat_choices(topology, r, t, mask), mask)


@register("routing", "up_by_target")
@dataclass(frozen=True)
class UpByTarget(Routing):
    """Up a fat tree by the digits of the target's router (D-mod-k: Zahavi, JPDC 2012).

    All ways to a target meet as early as they can, so that results are added low in the tree.
    """

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table."""
        require_family("up_by_target", topology, ("fat_tree",))
        mask = all_vcs(num_vcs)
        arity, levels = topology.shape

        def choices(router: int, target: int) -> list[Choice]:
            found = _fat_choices(topology, router, target, mask)
            if len(found) == 1:
                return found
            level, label = topology.coordinates[router][0], topology.coordinates[target][1]
            return [found[label // arity ** (levels - 1 - level) % arity]]

        return table_of(topology, choices, mask)
