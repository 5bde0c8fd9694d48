"""How a packet begins at a lane: its route, and what it bids for."""

from __future__ import annotations

from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.lists import (
    enlist,
    flow_of,
    kept_vc,
    lowest,
)
from arraysmith.sim.noc.state import (
    ACTIVE,
    BRANCH,
    BRANCH_SENT,
    BRANCH_VC,
    BRANCHES,
    BY_FORK,
    BY_JOIN,
    BY_ROUTE,
    BY_SWITCH,
    BY_VC,
    COUNT,
    CREDITS,
    DUE,
    EXPECTED,
    FIRST,
    FIRST_PORT,
    FORKING,
    FREE,
    IDLE,
    INDEX_BITS,
    JOIN_SLOT,
    JOINING,
    MASK,
    MULTICAST,
    OUT,
    P_GROUP,
    P_KIND,
    P_ROUTE_CLASS,
    P_TARGET,
    P_TREE,
    P_VIA,
    POPPED,
    PORT_OF,
    REDUCTION,
    ROUTER_OF,
    ROUTING,
    STAGE,
    T_PORT,
    T_ROUTER,
    TREE_PORTS,
    WAITING,
    Int,
    Settings,
    Small,
)


@part
def choose_route(
    settings: Settings,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    ways: Small,
    masks: Int,
    table: Int,
    lane: int,
    packet: int,
) -> None:
    """Set the port and virtual channels that a head bids for.

    Of several choices the one with most free buffers among those with a free virtual channel; the
    first if none has one. Of equal ones, inputs side by side prefer different ones.
    """
    port = lanes[lane, PORT_OF]
    router = lanes[lane, ROUTER_OF]
    first_port = nodes[router, FIRST_PORT]
    place = table[packet, P_ROUTE_CLASS]
    goal = ends[table[packet, P_TARGET], T_ROUTER]
    if settings.two_phase and place == 0:
        if table[packet, P_VIA] == router:
            table[packet, P_ROUTE_CLASS] = place = 1
        else:
            goal = table[packet, P_VIA]
    everything = (1 << settings.vcs) - 1
    if goal == router:
        lanes[lane, OUT] = ends[table[packet, P_TARGET], T_PORT]
        mask = everything
    else:
        entry = port - first_port if ways.shape[2] > 1 else 0
        choices = ways[place, router, entry, goal]
        best, most, many = 0, 0, 1
        while many < choices.shape[0] and choices[many, 0] >= 0:
            many += 1
        if many > 1:
            for step in range(many):
                i = (port - first_port + step) % many
                out = first_port + choices[i, 0]
                usable = masks[0, choices[i, 1]] & gates[out, FREE]
                room = 0
                while usable:
                    bit = usable & -usable
                    room += 1 + lanes[out * settings.vcs + lowest(bit), CREDITS]
                    usable ^= bit
                if room > most:
                    best, most = i, room
        lanes[lane, OUT] = first_port + choices[best, 0]
        mask = masks[0, choices[best, 1]]
    if settings.in_order:
        mask = kept_vc(mask, flow_of(table, packet))
    lanes[lane, MASK] = mask


@part
def begin(
    settings: Settings,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    arrived: Int,
    lane: int,
    packet: int,
) -> None:
    """Let the routed packet at the front of a lane bid for what it needs next."""
    kind = table[packet, P_KIND]
    if kind == MULTICAST:
        router = lanes[lane, ROUTER_OF]
        lanes[lane, STAGE] = FORKING
        lanes[lane, POPPED] = 0
        lanes[lane, BRANCHES] = trees[table[packet, P_TREE], router, TREE_PORTS]
        for port in range(settings.most_ports):
            lanes[lane, BRANCH + 2 * port + BRANCH_VC] = -1
            lanes[lane, BRANCH + 2 * port + BRANCH_SENT] = 0
        enlist(settings, lanes, nodes, BY_FORK, lane)
        return
    if kind == REDUCTION:
        router = lanes[lane, ROUTER_OF]
        tree = table[packet, P_TREE]
        joins = table[packet, P_GROUP] + trees[tree, router, JOIN_SLOT]
        arrived[joins] += 1
        if arrived[joins] < trees[tree, router, EXPECTED]:
            lanes[lane, STAGE] = JOINING
            lanes[lane, POPPED] = 0
            enlist(settings, lanes, nodes, BY_JOIN, lane)
            return
    choose_route(settings, lanes, gates, nodes, ends, ways, masks, table, lane, packet)
    lanes[lane, STAGE] = WAITING
    enlist(settings, lanes, nodes, BY_VC, lane)
    if settings.speculative:
        enlist(settings, lanes, nodes, BY_SWITCH, lane)


@part
def meet(
    settings: Settings,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    arrived: Int,
    lane: int,
    packet: int,
) -> None:
    """Take up a packet whose head has come to the front of a lane."""
    if settings.routing:
        lanes[lane, STAGE] = ROUTING
        lanes[lane, DUE] = -1
        enlist(settings, lanes, nodes, BY_ROUTE, lane)
    else:
        begin(settings, lanes, gates, nodes, ends, ways, masks, table, trees, arrived, lane, packet)


@part
def push(
    settings: Settings,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    arrived: Int,
    lane: int,
    flit: int,
) -> None:
    """Buffer a flit that arrives."""
    place = lanes[lane, FIRST] + lanes[lane, COUNT]
    if place >= settings.depth:
        place -= settings.depth
    lanes[lane, settings.buffer + place] = flit
    lanes[lane, COUNT] += 1
    if lanes[lane, STAGE] == IDLE:
        meet(
            settings,
            lanes,
            gates,
            nodes,
            ends,
            ways,
            masks,
            table,
            trees,
            arrived,
            lane,
            flit >> INDEX_BITS,
        )
    elif lanes[lane, STAGE] == ACTIVE and lanes[lane, COUNT] == 1:
        enlist(settings, lanes, nodes, BY_SWITCH, lane)
