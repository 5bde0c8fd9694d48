"""Freedom from deadlock: channels whose packets wait for each other make no cycle.

A channel is a link's virtual channel. Channel a depends on b if some packet can hold a and ask for
b next. Without a cycle there is no deadlock (Dally and Seitz, IEEE ToC 1987). An adaptive routing
with escape channels may have cycles, if every packet can always ask for an escape channel, and the
escape channels alone have none, where one also depends on those that a packet asks for after
travelling on others (the extended dependencies of Duato, IEEE TPDS 1993).

Injection and ejection are no part of a cycle: nothing waits for a terminal to inject, and terminals
take what arrives.
"""

from __future__ import annotations

from itertools import pairwise

from arraysmith.arch.errors import Fault, InputError
from arraysmith.sim.noc.routing import RouteTable
from arraysmith.sim.noc.topology import Topology

Channel = tuple[int, int]
"""Link and virtual channel (one for all that always go together)."""


def check_deadlock_free(topology: Topology, table: RouteTable, num_vcs: int) -> None:
    """Refuse a routing whose packets can wait for each other in a circle.

    Raises:
        InputError: with the circle, or with a place from which a packet does not reach its target
            or cannot escape.
    """
    _refuse_cycle(topology, dependencies(topology, table, num_vcs))


def _refuse_cycle(topology: Topology, graph: dict[Channel, set[Channel]]) -> None:
    cycle = find_cycle(graph)
    if cycle:
        named = [f"{topology.name_link(link)} vc {vc}" for link, vc in cycle]
        value = " > ".join([*named, named[0]])
        rule = "packets that hold these channels can wait for each other for ever"
        raise InputError(
            [Fault("routing", value, rule, "give classes virtual channels of their own")]
        )


def dependencies(
    topology: Topology, table: RouteTable, num_vcs: int
) -> dict[Channel, set[Channel]]:
    """Return the channels that each channel depends on; with escape channels, those alone.

    Raises:
        InputError: a packet would leave by a port without link, come back to a channel it has left,
            or stand where it cannot ask for an escape channel.
    """
    masks = [int(mask) for mask in table.vc_masks]
    standing = [vcs[0] for vcs in vc_classes(table, num_vcs)]  # one for all that go together
    usable = [[vc for vc in standing if mask >> vc & 1] for mask in masks]
    found: dict[Channel, set[Channel]] = {}
    classes = table.port.shape[0]
    by_entry = table.port.shape[2] > 1
    goals = sorted(set(topology.terminals))
    link_at, links = topology.link_at, topology.links
    starts = sorted({*zip(topology.terminals, topology.terminal_ports, strict=True)})
    ends = range(topology.routers) if table.two_phase else goals
    port, group = table.port, table.group
    for route_class in range(classes):
        second = table.two_phase and route_class == 1
        for goal in goals if not table.two_phase or second else ends:
            columns = port[route_class, :, :, goal].tolist()
            groups = group[route_class, :, :, goal].tolist()

            def options(
                router: int,
                entry: int,
                columns: list[list[list[int]]] = columns,
                groups: list[list[list[int]]] = groups,
                goal: int = goal,
            ) -> list[Channel]:
                row = columns[router][entry if by_entry else 0]
                asked = groups[router][entry if by_entry else 0]
                return [
                    (_link(topology, link_at, router, out, goal), vc)
                    for out, kind in zip(row, asked, strict=True)
                    if out >= 0
                    for vc in usable[kind]
                ]

            frontier: list[tuple[int, int, Channel | None]] = [
                (router, entry, None) for router, entry in starts if router != goal
            ]
            local: dict[Channel, set[Channel]] = {}
            seen: set[Channel] = set()
            while frontier:
                router, entry, holding = frontier.pop()
                if router == goal:
                    continue
                choices = options(router, entry)
                if not choices:
                    where = f"router {topology.name_router(router)}"
                    rule = f"has no way to router {topology.name_router(goal)}"
                    raise InputError([Fault("routing", where, rule)])
                if table.escape and not any(table.escape >> vc & 1 for _, vc in choices):
                    where = f"router {topology.name_router(router)}"
                    rule = f"has no escape channel to router {topology.name_router(goal)}"
                    raise InputError([Fault("routing", where, rule)])
                if holding is not None:
                    local.setdefault(holding, set()).update(choices)
                for channel in choices:
                    if channel not in seen:
                        seen.add(channel)
                        link = links[channel[0]]
                        frontier.append((link.target, link.target_port, channel))
            for holding, asked in (
                _extended(local, table.escape) if table.escape else local
            ).items():
                found.setdefault(holding, set()).update(asked)
    if table.two_phase:
        _join_phases(topology, table, found, usable)
    return found


class ForkGraph:
    """Channels that wait for each other where packets fork, besides those of single packets.

    A branch takes a virtual channel only with room for the whole packet. So a packet that forks
    holds the one channel that it stands in, and waits for those of all its branches; which virtual
    channels it stands in and asks for depends on its targets, see ``collectives.Trees``. Every set
    of targets is counted with: that makes some dependencies that no packet has.
    """

    def __init__(self, topology: Topology, table: RouteTable, num_vcs: int) -> None:
        self._topology = topology
        self._graph = dependencies(topology, table, num_vcs)
        self._standing = [vcs[0] for vcs in vc_classes(table, num_vcs)]
        self._sources: set[int] = set()

    def add(self, source: int, ways: list[list[tuple[int, int, int, int]]]) -> None:
        """Let a terminal send packets that fork.

        Args:
            source: the terminal.
            ways: to every terminal: router, input port, output port, virtual channels (bits).

        Raises:
            InputError: naming the circle that its packets may close.
        """
        if source in self._sources:
            return
        self._sources.add(source)
        link_at = self._topology.link_at
        taken = [[(link_at[x, out], mask) for x, _, out, mask in way[:-1]] for way in ways]
        asked: dict[int, set[int]] = {}
        for hops in taken:
            for link, mask in hops:
                asked.setdefault(link, set()).add(mask)
        for hops in taken:
            for (before, most), (link, mask) in pairwise(hops):
                for lower in asked[before]:
                    if lower <= most:
                        for vc in self._usable(lower):
                            wanted = {(link, x) for x in self._usable(mask)}
                            self._graph.setdefault((before, vc), set()).update(wanted)
        _refuse_cycle(self._topology, self._graph)

    def _usable(self, mask: int) -> list[int]:
        return [vc for vc in self._standing if mask >> vc & 1]


def vc_classes(table: RouteTable, num_vcs: int) -> list[list[int]]:
    """Return the virtual channels in groups of those that always go together, lowest first."""
    masks = [int(mask) for mask in table.vc_masks]
    kinds = [*masks, *([table.escape] if table.escape else [])]
    found: dict[tuple[int, ...], list[int]] = {}
    for vc in range(num_vcs):
        found.setdefault(tuple(mask >> vc & 1 for mask in kinds), []).append(vc)
    return list(found.values())


def _link(
    topology: Topology, link_at: dict[tuple[int, int], int], router: int, out: int, goal: int
) -> int:
    """Return the link behind a port.

    Raises:
        InputError: there is none.
    """
    found = link_at.get((router, out))
    if found is None:
        where = f"router {topology.name_router(router)}, port {out}"
        rule = f"leads nowhere, on the way to router {topology.name_router(goal)}"
        raise InputError([Fault("routing", where, rule)])
    return found


def _join_phases(
    topology: Topology,
    table: RouteTable,
    found: dict[Channel, set[Channel]],
    usable: list[list[int]],
) -> None:
    """Add what packets that reach the router on their way ask for next, whatever their target."""
    groups = [sorted(set(table.group[c][table.port[c] >= 0].tolist())) for c in (0, 1)]
    of_phase = [sorted({vc for kind in kinds for vc in usable[kind]}) for kinds in groups]
    leaving: dict[int, list[int]] = {}
    for i, link in enumerate(topology.links):
        leaving.setdefault(link.source, []).append(i)
    for i, link in enumerate(topology.links):
        after = {(out, vc) for out in leaving.get(link.target, ()) for vc in of_phase[1]}
        for vc in of_phase[0]:
            found.setdefault((i, vc), set()).update(after)


def _extended(graph: dict[Channel, set[Channel]], escape: int) -> dict[Channel, set[Channel]]:
    """Return dependencies among escape channels, direct and by way of other channels."""
    found: dict[Channel, set[Channel]] = {}
    for start, following in graph.items():
        if not escape >> start[1] & 1:
            continue
        reached: set[Channel] = set()
        frontier = list(following)
        while frontier:
            channel = frontier.pop()
            if channel in reached:
                continue
            reached.add(channel)
            if not escape >> channel[1] & 1:
                frontier += graph.get(channel, set())
        found[start] = {channel for channel in reached if escape >> channel[1] & 1}
    return found


def find_cycle(graph: dict[Channel, set[Channel]]) -> list[Channel]:
    """Return channels of a cycle in order, each depending on the next; empty if there is none."""
    done: set[Channel] = set()
    for start in sorted(graph):
        if start in done:
            continue
        path: list[Channel] = []
        on_path: set[Channel] = set()
        stack = [(start, iter(sorted(graph[start])))]
        path.append(start)
        on_path.add(start)
        while stack:
            _, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                on_path.discard(path[-1])
                done.add(path.pop())
            elif following in on_path:
                return path[path.index(following) :]
            elif following not in done:
                path.append(following)
                on_path.add(following)
                stack.append((following, iter(sorted(graph.get(following, ())))))
    return []
