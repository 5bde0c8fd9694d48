"""Ways of packets that fork or join: trees along the routes of single packets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.sim.noc.routing import RouteTable
from arraysmith.sim.noc.state import Int
from arraysmith.sim.noc.topology import Topology

MOST_PORTS = 62
"""Ports of a router in which packets fork: a bit each of a word."""


@dataclass
class Trees:
    """Trees of one network, each made once.

    A packet that forks takes, to each of its targets, the way that a single packet would take. A
    reduction does so from each of its sources; where ways meet, partial sums are added.

    Attributes:
        topology: of the network.
        table: its routes.
    """

    topology: Topology
    table: RouteTable
    _known: dict[tuple[str, tuple[int, ...], tuple[int, ...]], int] = field(default_factory=dict)
    _ports: list[Int] = field(default_factory=list)
    _slots: list[Int] = field(default_factory=list)
    _expected: list[Int] = field(default_factory=list)

    def multicast(self, source: int, targets: tuple[int, ...]) -> int:
        """Return the number of the tree from a terminal to several.

        Raises:
            InputError: no targets or one twice; no single way to a target.
        """
        self._check("targets", targets)
        key = ("multicast", (source,), tuple(sorted(targets)))
        if key in self._known:
            return self._known[key]
        ports = np.zeros(self.topology.routers, np.int64)
        entered: dict[int, int] = {}
        for target in targets:
            for router, entry, out in self.way(source, target):
                if entered.setdefault(router, entry) != entry:
                    where = self.topology.name_router(router)
                    rule = f"ways to its targets meet again in router {where}"
                    raise InputError([Fault("targets", str(targets), rule)])
                if self.topology.ports[router] > MOST_PORTS:
                    rule = f"packets fork in routers of at most {MOST_PORTS} ports"
                    raise InputError([Fault("targets", str(targets), rule)])
                ports[router] |= 1 << out
        empty = np.zeros_like(ports)
        return self._keep(key, ports, empty, empty)

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
            for router, entry, out in self.way(source, target):
                entered.setdefault(router, set()).add(entry)
                if left.setdefault(router, out) != out:
                    where = self.topology.name_router(router)
                    rule = f"ways from its sources part again in router {where}"
                    raise InputError([Fault("sources", str(sources), rule)])
        slots = np.zeros(self.topology.routers, np.int64)
        expected = np.zeros_like(slots)
        for slot, (router, entries) in enumerate(entered.items()):
            slots[router], expected[router] = slot, len(entries)
        return self._keep(key, np.zeros_like(slots), slots, expected)

    def joins(self, tree: int) -> int:
        """Return the number of routers on the ways of a reduction."""
        return int(np.count_nonzero(self._expected[tree]))

    def table_of_trees(self) -> Int:
        """Return int64 [trees, routers, columns] for the kernel."""
        if not self._ports:
            return np.zeros((1, self.topology.routers, 3), np.int64)
        columns = [np.stack(x) for x in (self._ports, self._slots, self._expected)]
        return np.ascontiguousarray(np.stack(columns, axis=-1))

    def way(self, source: int, target: int) -> list[tuple[int, int, int]]:
        """Return (router, input port, output port) from terminal to terminal.

        Raises:
            InputError: the routing has several ways, or keeps virtual channels apart.
        """
        if not self.table.single_path or len(set(self.table.vc_masks.tolist())) > 1:
            rule = "packets that fork or join need a routing with one way and all virtual channels"
            raise InputError([Fault("routing", "", rule, "for example xy or up_down")])
        topology = self.topology
        router, goal = topology.terminals[source], topology.terminals[target]
        entry = topology.terminal_ports[source]
        found = []
        while router != goal:
            column = entry if self.table.port.shape[2] > 1 else 0
            out = int(self.table.port[0, router, column, goal, 0])
            found.append((router, entry, out))
            link = topology.links[topology.link_at[router, out]]
            router, entry = link.target, link.target_port
        found.append((goal, entry, topology.terminal_ports[target]))
        return found

    def _check(self, name: str, terminals: tuple[int, ...]) -> None:
        if not terminals or len(set(terminals)) < len(terminals):
            raise InputError([Fault(name, str(terminals), "must be terminals, each once")])

    def _keep(
        self,
        key: tuple[str, tuple[int, ...], tuple[int, ...]],
        ports: Int,
        slots: Int,
        expected: Int,
    ) -> int:
        self._ports.append(ports)
        self._slots.append(slots)
        self._expected.append(expected)
        self._known[key] = len(self._ports) - 1
        return self._known[key]
