"""What a network is made of: routers, terminals, and links between ports of routers.

A topology is a plug-in of the kind ``topology``: a frozen dataclass in ``sim/noc/topologies`` whose
fields are its sizes and whose ``build`` returns a ``Topology``:

    @register("topology", "ring")
    @dataclass(frozen=True)
    class Ring: ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from math import prod
from typing import Any, Protocol

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.registry import declare_kind, lookup, registered

declare_kind("topology", "arraysmith.sim.noc.topologies")

MOST_ROUTERS = 65_536
"""Routers or terminals of a network, and cycles of a link: more would come to no end."""


@dataclass(frozen=True, slots=True)
class Link:
    """Wires from one router to another, one flit per cycle.

    Attributes:
        source, target: routers.
        source_port: output port of the source.
        target_port: input port of the target.
        latency_cycles: cycles on the wires, at least 1; credits take as long back.
    """

    source: int
    target: int
    source_port: int
    target_port: int
    latency_cycles: int = 1


@dataclass(frozen=True)
class Topology:
    """Routers, terminals and links; a value.

    Attributes:
        family: what routings ask for, for example ``mesh``.
        shape: sizes along the axes of the coordinates, as the family defines them.
        coordinates: of every router.
        terminals: router of every terminal; a terminal has an input and an output port there, the
            first ones that no link takes.
        links: in any order.
    """

    family: str
    shape: tuple[int, ...]
    coordinates: tuple[tuple[int, ...], ...]
    terminals: tuple[int, ...]
    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        faults = []
        taken_out: set[tuple[int, int]] = set()
        taken_in: set[tuple[int, int]] = set()
        for i, link in enumerate(self.links):
            if not (0 <= link.source < self.routers and 0 <= link.target < self.routers):
                rule = f"routers are numbered 0 to {self.routers - 1}"
                faults.append(Fault(f"links[{i}]", str(link), rule))
            if link.latency_cycles < 1:
                value = str(link.latency_cycles)
                faults.append(Fault(f"links[{i}].latency_cycles", value, "must be at least 1"))
            for taken, port in (
                (taken_out, (link.source, link.source_port)),
                (taken_in, (link.target, link.target_port)),
            ):
                if port in taken:
                    rule = f"router {port[0]} has another link at this port"
                    faults.append(Fault(f"links[{i}]", str(link), rule))
                taken.add(port)
        for i, router in enumerate(self.terminals):
            if not 0 <= router < self.routers:
                rule = f"routers are numbered 0 to {self.routers - 1}"
                faults.append(Fault(f"terminals[{i}]", str(router), rule))
        if not self.terminals:
            faults.append(Fault("terminals", "", "must have a terminal"))
        if faults:
            raise InputError(faults)

    @property
    def routers(self) -> int:
        """Number of routers."""
        return len(self.coordinates)

    @cached_property
    def router_at(self) -> dict[tuple[int, ...], int]:
        """Router by its coordinates."""
        return {place: router for router, place in enumerate(self.coordinates)}

    @cached_property
    def link_at(self) -> dict[tuple[int, int], int]:
        """Index of the link by its source and the output port there."""
        return {(link.source, link.source_port): i for i, link in enumerate(self.links)}

    @cached_property
    def link_ports(self) -> tuple[int, ...]:
        """Ports of every router that links may take: one more than the highest that one takes."""
        found = [0] * self.routers
        for link in self.links:
            found[link.source] = max(found[link.source], link.source_port + 1)
            found[link.target] = max(found[link.target], link.target_port + 1)
        return tuple(found)

    @cached_property
    def terminal_ports(self) -> tuple[int, ...]:
        """Port of every terminal, for input and output, at its router."""
        following = list(self.link_ports)
        found = []
        for router in self.terminals:
            found.append(following[router])
            following[router] += 1
        return tuple(found)

    @cached_property
    def ports(self) -> tuple[int, ...]:
        """Ports of every router, terminals' with them; some may lead nowhere."""
        found = list(self.link_ports)
        for router in self.terminals:
            found[router] += 1
        return tuple(found)

    def name_link(self, index: int) -> str:
        """Return a link for people, as ``(3,4)->(4,4)``."""
        link = self.links[index]
        return f"{self.name_router(link.source)}->{self.name_router(link.target)}"

    def name_router(self, router: int) -> str:
        """Return a router for people: its coordinates."""
        return "(" + ",".join(map(str, self.coordinates[router])) + ")"

    def distances(self, source: int) -> list[int]:
        """Return links on a shortest way from ``source`` to every router; -1 is unreachable."""
        following: list[list[int]] = [[] for _ in range(self.routers)]
        for link in self.links:
            following[link.source].append(link.target)
        found = [-1] * self.routers
        found[source] = 0
        frontier = [source]
        while frontier:
            reached = []
            for router in frontier:
                for target in following[router]:
                    if found[target] < 0:
                        found[target] = found[router] + 1
                        reached.append(target)
            frontier = reached
        return found

    def check_connected(self) -> None:
        """Refuse a topology in which a terminal cannot reach another.

        Raises:
            InputError: naming the first pair.
        """
        for source in dict.fromkeys(self.terminals):
            found = self.distances(source)
            for terminal, router in enumerate(self.terminals):
                if found[router] < 0:
                    start = self.terminals.index(source)
                    value = f"terminal {start} to terminal {terminal}"
                    rule = (
                        f"no links lead from router {self.name_router(source)}"
                        f" to router {self.name_router(router)}"
                    )
                    raise InputError([Fault("topology", value, rule, "add a link")])


class TopologyPlugin(Protocol):
    """A family of topologies; fields without default are its sizes, in order."""

    def build(self) -> Topology:
        """Return the topology."""
        ...


def both_ways(
    first: int, second: int, port_there: int, port_back: int, latency_cycles: int
) -> tuple[Link, Link]:
    """Return links between two routers, out and in by the same port at each end.

    Args:
        first: router.
        second: router.
        port_there: of the first router.
        port_back: of the second router.
        latency_cycles: of each.
    """
    return (
        Link(first, second, port_there, port_back, latency_cycles),
        Link(second, first, port_back, port_there, latency_cycles),
    )


def build_topology(name: str, size: Sequence[int], **options: Any) -> Topology:
    """Return a topology by name, checked to be connected.

    Args:
        name: of a plug-in.
        size: its sizes, in the order of its fields without default.
        options: its other fields.

    Raises:
        InputError: no such name, another number of sizes, a size or option that it refuses.
    """
    known = registered("topology")
    if name not in known:
        raise InputError([Fault("topology", name, "no such topology", nearest(name, known))])
    plugin = lookup("topology", name)
    needed = [x.name for x in fields(plugin) if x.default is MISSING]
    if len(size) != len(needed):
        rule = f"{name} takes {len(needed)} sizes"
        hint = "x".join(needed)
        raise InputError([Fault("size", "x".join(map(str, size)), rule, hint)])
    if prod(size) > MOST_ROUTERS:
        rule = f"their product must be at most {MOST_ROUTERS}"
        raise InputError([Fault("size", "x".join(map(str, size)), rule)])
    optional = [x.name for x in fields(plugin) if x.default is not MISSING]
    unknown = [key for key in options if key not in optional]
    if unknown:
        raise InputError(
            Fault(key, str(options[key]), f"{name} has no such option", nearest(key, optional))
            for key in unknown
        )
    built: TopologyPlugin = plugin(**dict(zip(needed, size, strict=True)), **options)
    topology = built.build()
    topology.check_connected()
    return topology


def require_sizes(least: int, **sizes: int) -> None:
    """Refuse sizes below ``least`` or above ``MOST_ROUTERS``.

    Raises:
        InputError: naming each.
    """
    faults = [
        Fault(
            name,
            str(value),
            f"must be at least {least}" if value < least else f"must be at most {MOST_ROUTERS}",
        )
        for name, value in sizes.items()
        if not least <= value <= MOST_ROUTERS
    ]
    if faults:
        raise InputError(faults)
