"""Ways of packets that fork or join: trees along the routes of single packets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.sim.noc.deadlock import ForkGraph
from arraysmith.sim.noc.routing import RouteTable
from arraysmith.sim.noc.state import Int, empty_trees
from arraysmith.sim.noc.topology import Topology

MOST_PORTS = 62
"""Ports of a router in which packets fork: a bit each of a word."""

Hop = tuple[int, int, int, int]
"""Router, input port, output port, virtual channels there (a bit each)."""


@dataclass
class Trees:
    """Trees of one network, each made once.

    A packet that forks takes, to each of its targets, the way that a single packet would take. A
    reduction does so from each of its sources; where ways meet, partial sums are added.

    Where single packets for its targets would take different virtual channels of a link, a packet
    that forks takes the lowest of these: on a ring, those for packets that have yet to pass the
    dateline, as long as one of its targets lies behind it.

    Attributes:
        topology: of the network.
        table: its routes.
        num_vcs: of its routers.
        check_deadlock: refuse packets that fork if they can wait for each other in a circle.
    """

    topology: Topology
    table: RouteTable
    num_vcs: int
    check_deadlock: bool = True
    _forks: ForkGraph | None = field(default=None, init=False)
    _known: dict[tuple[str, tuple[int, ...], tuple[int, ...]], int] = field(default_factory=dict)
    _ports: list[Int] = field(default_factory=list)
    _vcs: list[Int] = field(default_factory=list)
    _slots: list[Int] = field(default_factory=list)
    _expected: list[Int] = field(default_factory=list)

    def multicast(self, source: int, targets: tuple[int, ...]) -> int:
        """Return the number of the tree from a terminal to several.

        Raises:
            InputError: no targets or one twice; no single way to a target; a circle of waiting.
        """
        self._check("targets", targets)
        key = ("multicast", (source,), tuple(sorted(targets)))
        if key in self._known:
            return self._known[key]
        ports = np.zeros(self.topology.routers, np.int64)
        vcs = np.full((len(ports), max(self.topology.ports)), (1 << self.num_vcs) - 1, np.int64)
        entered: dict[int, int] = {}
        for target in targets:
            for router, entry, out, mask in self.way(source, target):
                if entered.setdefault(router, entry) != entry:
                    where = self.topology.name_router(router)
                    rule = f"ways to its targets meet again in router {where}"
                    raise InputError([Fault("targets", str(targets), rule)])
                if self.topology.ports[router] > MOST_PORTS:
                    rule = f"packets fork in routers of at most {MOST_PORTS} ports"
                    raise InputError([Fault("targets", str(targets), rule)])
                ports[router] |= 1 << out
                vcs[router, out] = min(vcs[router, out], mask)
        if self.check_deadlock and len(set(self.table.vc_masks.tolist())) > 1:
            if self._forks is None:
                self._forks = ForkGraph(self.topology, self.table, self.num_vcs)
            self._forks.add(
                source, [self.way(source, x) for x in range(len(self.topology.terminals))]
            )
        empty = np.zeros_like(ports)
        return self._keep(key, ports, vcs, empty, empty)

    def reduction(self, sources: tuple[int, ...], target: int) -> int:
        """Return the number of the tree from several terminals to one.

        Raises:
            InputError: no sources or one twice; no single way from a source.
        """
        self._check("sources", sources)
        key = ("reduction", tuple(sorted(sources)), (target,))
        if key in self._known:
            return self._known[key]
        entered: dict[int, set[int]] = {}
        left: dict[int, int] = {}
        for source in sources:
            for router, entry, out, _ in self.way(source, target):
                entered.setdefault(router, set()).add(entry)
                if left.setdefault(router, out) != out:
                    where = self.topology.name_router(router)
                    rule = f"ways from its sources part again in router {where}"
                    raise InputError([Fault("sources", str(sources), rule)])
        slots = np.zeros(self.topology.routers, np.int64)
        expected = np.zeros_like(slots)
        for slot, (router, entries) in enumerate(entered.items()):
            slots[router], expected[router] = slot, len(entries)
        return self._keep(key, np.zeros_like(slots), None, slots, expected)

    def joins(self, tree: int) -> int:
        """Return the number of routers on the ways of a reduction."""
        return int(np.count_nonzero(self._expected[tree]))

    def table_of_trees(self) -> Int:
        """Return int64 [trees, routers, columns] for the kernel."""
        if not self._ports:
            return empty_trees(self.topology)
        columns = [np.stack(x) for x in (self._ports, self._slots, self._expected)]
        return np.concatenate([np.stack(columns, axis=-1), np.stack(self._vcs)], axis=2)

    def way(self, source: int, target: int) -> list[Hop]:
        """Return the routers from terminal to terminal.

        Raises:
            InputError: the routing has several ways.
        """
        if not self.table.single_path:
            rule = "packets that fork or join need a routing with one way"
            raise InputError([Fault("routing", "", rule, "for example xy or up_down")])
        topology = self.topology
        router, goal = topology.terminals[source], topology.terminals[target]
        entry = topology.terminal_ports[source]
        found = []
        while router != goal:
            column = entry if self.table.port.shape[2] > 1 else 0
            out = int(self.table.port[0, router, column, goal, 0])
            group = int(self.table.group[0, router, column, goal, 0])
            found.append((router, entry, out, int(self.table.vc_masks[group])))
            link = topology.links[topology.link_at[router, out]]
            router, entry = link.target, link.target_port
        found.append((goal, entry, topology.terminal_ports[target], (1 << self.num_vcs) - 1))
        return found

    def _check(self, name: str, terminals: tuple[int, ...]) -> None:
        if not terminals or len(set(terminals)) < len(terminals):
            raise InputError([Fault(name, str(terminals), "must be terminals, each once")])

    def _keep(
        self,
        key: tuple[str, tuple[int, ...], tuple[int, ...]],
        ports: Int,
        vcs: Int | None,
        slots: Int,
        expected: Int,
    ) -> int:
        self._ports.append(ports)
        none = np.zeros((len(ports), max(self.topology.ports)), np.int64)
        self._vcs.append(none if vcs is None else vcs)
        self._slots.append(slots)
        self._expected.append(expected)
        self._known[key] = len(self._ports) - 1
        return self._known[key]
