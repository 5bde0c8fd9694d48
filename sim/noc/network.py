"""A network that can be driven: inject packets, advance the clock, take deliveries."""

from __future__ import annotations

import numpy as np

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.sim.noc.collectives import Trees
from arraysmith.sim.noc.deadlock import check_deadlock_free, vc_classes
from arraysmith.sim.noc.deliveries import (
    Deliveries,
    NoProgressError,
    append_to_queues,
    check_packets,
    check_terminals,
    longer,
)
from arraysmith.sim.noc.kernel import advance
from arraysmith.sim.noc.occupancy import Span, count_channels, spans_of
from arraysmith.sim.noc.router import Router
from arraysmith.sim.noc.routing import Routing
from arraysmith.sim.noc.state import (
    D_CYCLE,
    D_PACKET,
    D_TERMINAL,
    DELIVERED,
    DONE,
    EVENTS,
    FIRST_PORT,
    FLITS_IN,
    FULL,
    KINDS,
    LOADS,
    MULTICAST,
    NOW,
    P_FLITS,
    P_FOLLOWING,
    P_GROUP,
    P_GROUP_FLITS,
    P_KIND,
    P_RELEASE,
    P_ROUTE_CLASS,
    P_SOURCE,
    P_STARTED,
    P_TAG,
    P_TARGET,
    P_TREE,
    P_VALUE_AT,
    P_VIA,
    QUEUED,
    REDUCTION,
    ROOM,
    T_PORT,
    UNICAST,
    Int,
    fresh_state,
    settings_of,
)
from arraysmith.sim.noc.topology import Topology
from arraysmith.sim.noc.waiting import waiting_chain


class Network:
    """Routers and links of one clock, simulated flit by flit; attributes as the arguments."""

    def __init__(
        self,
        topology: Topology,
        routing: Routing,
        router: Router,
        *,
        seed: int = 0,
        check_deadlock: bool = True,
        room: int | None = None,
    ) -> None:
        """Make an empty network at cycle 0.

        Args:
            topology: to build.
            routing: of all packets.
            router: parameters of all routers.
            seed: of what a routing draws per packet.
            check_deadlock: refuse a routing that can deadlock. Without, such a network runs until
                it does, and says so.
            room: free places that a packet needs, for ``spans``; None where nobody asks for spans,
                which then are not noted and cost no time.

        Raises:
            InputError: the topology does not connect its terminals; the routing does not fit, or
                can deadlock.
        """
        topology.check_connected()
        self.topology, self.routing, self.router = topology, routing, router
        self._table = routing.compile(topology, router.num_vcs)
        if check_deadlock:
            check_deadlock_free(topology, self._table, router.num_vcs)
        self._classes = vc_classes(self._table, router.num_vcs)
        self._settings = settings_of(topology, self._table, router, recorded=room is not None)
        self._state = fresh_state(topology, self._table, self._settings, router)
        self._state.now[ROOM] = room or 0
        self._rng = np.random.default_rng(seed)
        self._trees = Trees(topology, self._table, router.num_vcs, check_deadlock)
        self._count = 0
        self._values = 0
        self._joins = 0
        self._known_trees = 0
        self._join_flits = 0
        self._degrees: dict[int, int] = {}

    @property
    def now(self) -> int:
        """Cycle that comes next."""
        return int(self._state.now[NOW])

    @property
    def flits_inside(self) -> int:
        """Flits between the terminals, those on links with them."""
        return int(self._state.now[FLITS_IN])

    @property
    def flits_delivered(self) -> int:
        """Flits that terminals have received so far."""
        ports = self._state.ends[:, T_PORT]
        return int(self._state.gates[ports, LOADS:].sum())

    @property
    def idle(self) -> bool:
        """Whether nothing is inside and nothing is queued at a terminal."""
        return not self._state.now[FLITS_IN] and not self._state.now[QUEUED]

    def inject(
        self,
        sources: Int,
        targets: Int,
        flits: Int | int,
        release: Int | int | None = None,
        *,
        tag: int = 0,
    ) -> Int:
        """Queue packets with one target each.

        A terminal sends its packets in the order in which they are injected, one flit a cycle and
        none before its release.

        Args:
            sources: int64 [n], terminals.
            targets: int64 [n], terminals; a packet may be for its own source.
            flits: of each, at least 1.
            release: first cycle in which the head may leave; None is the present one.
            tag: counted apart in ``flit_hops``.

        Returns:
            int64 [n], numbers of the packets.

        Raises:
            InputError: a terminal that is not there, or flits out of range.
        """
        sources = np.asarray(sources, np.int64)
        targets = np.asarray(targets, np.int64)
        place = np.array(self.topology.terminals, np.int64)
        check_terminals(self.topology, "sources", sources)
        check_terminals(self.topology, "targets", targets)
        classes, via = self.routing.draw(self._rng, self.topology, place[sources], place[targets])
        return self._queue(
            sources,
            targets,
            flits,
            release,
            kind=UNICAST,
            classes=classes,
            via=via,
            tag=tag,
        )

    def multicast(
        self,
        source: int,
        targets: tuple[int, ...],
        flits: int,
        release: int | None = None,
        *,
        tag: int = 0,
    ) -> int:
        """Queue one packet for several terminals; routers copy it where their ways part.

        A copy takes a virtual channel only where there is room for the whole packet, so a packet
        that waits for one branch never holds another.

        Returns:
            The number of the packet; it is delivered once at every target.

        Raises:
            InputError: no targets or one twice, a packet longer than a buffer (cut it), a routing
                without a single way per target, or in which packets that fork can deadlock.
        """
        check_terminals(self.topology, "targets", np.array(targets, np.int64))
        if flits > self.router.vc_buffer_flits:
            rule = f"a packet that forks has to fit a buffer of {self.router.vc_buffer_flits} flits"
            raise InputError([Fault("flits", str(flits), rule)])
        tree = self._trees.multicast(source, targets)
        self._degrees[len(targets)] = self._degrees.get(len(targets), 0) + 1
        found = self._queue(
            np.array([source]),
            np.array(targets[:1]),
            flits,
            release,
            kind=MULTICAST,
            tree=tree,
            tag=tag,
        )
        return int(found[0])

    def reduce(
        self,
        sources: tuple[int, ...],
        target: int,
        flits: int,
        release: int | None = None,
        *,
        values: Int | None = None,
        tag: int = 0,
    ) -> Int:
        """Queue one packet at each source; they are added up where their ways join.

        Args:
            sources: terminals, each once.
            target: terminal that gets one packet, the sum of all.
            flits: of each.
            release: first cycle in which heads may leave; None is the present one.
            values: int64 [sources, flits] to be added; None is all ones, so that the sum counts.
            tag: counted apart in ``flit_hops``.

        Returns:
            int64 [sources], numbers of the packets; one of them is delivered.

        Raises:
            InputError: no sources or one twice, a routing without a single way per target.
        """
        check_terminals(self.topology, "sources", np.array(sources, np.int64))
        tree = self._trees.reduction(sources, target)
        if values is None:
            values = np.ones((len(sources), flits), np.int64)
        return self._queue(
            np.array(sources),
            np.full(len(sources), target),
            flits,
            release,
            kind=REDUCTION,
            tree=tree,
            joins=self._trees.joins(tree),
            values=values,
            tag=tag,
        )

    def value_of(self, packet: int) -> Int:
        """Return int64 [flits]: what a packet of a reduction carries now."""
        start, flits = self._state.table[packet, [P_VALUE_AT, P_FLITS]].tolist()
        return self._state.values[start : start + flits].copy()

    def latencies(self, deliveries: Deliveries) -> tuple[Int, Int]:
        """Return cycles of each delivery since its release, and since its head left."""
        packets = self._state
        return (
            deliveries.cycle - packets.table[deliveries.packet, P_RELEASE],
            deliveries.cycle - packets.table[deliveries.packet, P_STARTED],
        )

    def advance(self, until: int) -> Deliveries:
        """Run to the beginning of cycle ``until`` and return what was delivered.

        Raises:
            NoProgressError: nothing moves and nothing ever will.
        """
        while True:
            said = advance(self._settings, *self._state, until)
            if said != FULL:
                break
            room = 2 * len(self._state.deliveries)
            grown = longer(self._state.deliveries, room)
            self._state = self._state._replace(deliveries=grown)
        if said != DONE:
            chain = waiting_chain(self.topology, self._settings, self._state)
            raise NoProgressError(self.now, chain)
        rows = self._state.deliveries[: self._state.now[DELIVERED]].copy()
        found = Deliveries(rows[:, D_PACKET], rows[:, D_TERMINAL], rows[:, D_CYCLE])
        self._state.now[DELIVERED] = 0
        return found

    def drain(self, limit: int = 1 << 40) -> Deliveries:
        """Run until everything queued is delivered, or to cycle ``limit``.

        Raises:
            NoProgressError: nothing moves and nothing ever will.
        """
        found = []
        step = 64
        while not self.idle and self.now < limit:
            found.append(self.advance(min(limit, self.now + step)))
            step = min(2 * step, 1 << 16)
        return Deliveries.joined(found)

    def link_loads(self) -> dict[str, dict[str, int]]:
        """Return flits that passed each link, by its name and kind of traffic."""
        first = self._state.nodes[:, FIRST_PORT]
        return {
            self.topology.name_link(i): {
                kind: int(self._state.gates[first[link.source] + link.source_port, LOADS + k])
                for k, kind in enumerate(KINDS)
            }
            for i, link in enumerate(self.topology.links)
        }

    def flit_hops(self) -> dict[str, tuple[int, ...]]:
        """Return flits times links by kind of traffic, an entry per tag."""
        return {kind: tuple(int(x) for x in self._state.hops[:, k]) for k, kind in enumerate(KINDS)}

    def degrees(self) -> dict[int, int]:
        """Return packets that fork by the number of their targets."""
        return dict(sorted(self._degrees.items()))

    def spans(self) -> list[Span]:
        """Return what packets took of every channel, when the last credit is back.

        Raises:
            ArraysmithError: the network was made without ``room``.
        """
        if self._settings.recorded is None:
            raise ArraysmithError("only a network that is given ``room`` notes spans")
        while self._state.now[EVENTS]:
            self.advance(self.now + 1)
        return spans_of(self._state, self.router.num_vcs, self._classes)

    @property
    def channels(self) -> int:
        """Channels that ``spans`` tells apart."""
        return count_channels(self.topology, self._classes)

    def _queue(
        self,
        sources: Int,
        targets: Int,
        flits: Int | int,
        release: Int | int | None,
        *,
        kind: int,
        tag: int,
        classes: Int | None = None,
        via: Int | None = None,
        tree: int = 0,
        joins: int = 0,
        values: Int | None = None,
    ) -> Int:
        """Enter packets and append them to the queues of their terminals."""
        count = len(sources)
        lengths = np.broadcast_to(np.asarray(flits, np.int64), (count,))
        check_packets(lengths, tag)
        when = np.broadcast_to(
            np.asarray(self.now if release is None else release, np.int64), (count,)
        )
        if tag >= len(self._state.hops):
            hops = np.zeros((tag + 1, len(KINDS)), np.int64)
            hops[: len(self._state.hops)] = self._state.hops
            self._state = self._state._replace(hops=hops)
        first, end = self._count, self._count + count
        packets = self._state._replace(table=longer(self._state.table, end))
        if kind != UNICAST and tree >= self._known_trees:
            packets = packets._replace(trees=self._trees.table_of_trees())
            self._known_trees = len(packets.trees)
        if values is not None:
            each = int(lengths[0])
            packets = packets._replace(
                values=longer(packets.values, self._values + values.size),
                arrived=longer(packets.arrived, self._joins + joins),
                joins=longer(packets.joins, self._join_flits + joins * each),
            )
            packets.values[self._values : self._values + values.size] = values.ravel()
            packets.table[first:end, P_VALUE_AT] = self._values + each * np.arange(count)
        part = slice(first, end)
        packets.table[part, P_SOURCE] = sources
        packets.table[part, P_TARGET] = targets
        packets.table[part, P_FLITS] = lengths
        packets.table[part, P_RELEASE] = when
        packets.table[part, P_KIND] = kind
        packets.table[part, P_ROUTE_CLASS] = 0 if classes is None else classes
        packets.table[part, P_VIA] = -1 if via is None else via
        packets.table[part, P_TREE] = tree
        packets.table[part, P_GROUP] = self._joins
        packets.table[part, P_GROUP_FLITS] = self._join_flits
        packets.table[part, P_TAG] = tag
        packets.table[part, P_FOLLOWING] = -1
        packets.table[part, P_STARTED] = -1
        self._state = packets
        self._count = end
        if kind == REDUCTION:
            self._values += count * int(lengths[0])
            self._joins += joins
            self._join_flits += joins * int(lengths[0])
        append_to_queues(self._state, sources, np.arange(first, end))
        return np.arange(first, end)
