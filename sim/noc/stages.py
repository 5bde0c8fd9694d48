"""What the kernel does to one lane: enlist it, begin a packet, route it, push and send flits."""

from __future__ import annotations

from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.state import (
    ACTIVE,
    AT,
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
    EVENTS,
    EXPECTED,
    FIRST,
    FIRST_PORT,
    FLIT,
    FLITS,
    FORKING,
    FREE,
    IDLE,
    INDEX_BITS,
    JOIN_SLOT,
    JOINING,
    LAST_MOVE,
    LIST,
    LISTED,
    LISTS,
    LOADS,
    MASK,
    MULTICAST,
    NOW,
    OUT,
    OUT_VC,
    OWNER,
    P_FLITS,
    P_GROUP,
    P_GROUP_FLITS,
    P_KIND,
    P_ROUTE_CLASS,
    P_SOURCE,
    P_TAG,
    P_TARGET,
    P_TREE,
    P_VALUE_AT,
    P_VIA,
    PLACE,
    POPPED,
    REDUCTION,
    RETURNS,
    ROUTING,
    SEEN,
    STAGE,
    SUMS,
    T_PORT,
    T_ROUTER,
    TREE_PORTS,
    VC,
    W_LATENCY,
    W_LATENCY_IN,
    W_ROUTER_OF,
    W_SOURCE,
    W_TARGET,
    WAITING,
    Int,
    Settings,
    Small,
)


@part
def enlist(settings: Settings, lanes: Int, gates: Int, nodes: Int, which: int, lane: int) -> None:
    """Add a lane to a list of its router."""
    router = gates[lane // settings.vcs, W_ROUTER_OF]
    place = nodes[router, FIRST_PORT] * settings.vcs + nodes[router, LISTED + which]
    lanes[place, LIST + which] = lane
    lanes[lane, PLACE + which] = place
    nodes[router, LISTED + which] += 1
    nodes[router, LISTED + LISTS] += 1


@part
def strike(settings: Settings, lanes: Int, gates: Int, nodes: Int, which: int, lane: int) -> None:
    """Take a lane off a list; the last one there takes its place."""
    router = gates[lane // settings.vcs, W_ROUTER_OF]
    nodes[router, LISTED + which] -= 1
    nodes[router, LISTED + LISTS] -= 1
    end = nodes[router, FIRST_PORT] * settings.vcs + nodes[router, LISTED + which]
    place = lanes[lane, PLACE + which]
    other = lanes[end, LIST + which]
    lanes[place, LIST + which] = other
    lanes[other, PLACE + which] = place
    lanes[lane, PLACE + which] = -1


@part
def lowest(mask: int) -> int:
    """Return the place of the lowest bit of a mask that has one."""
    place = 0
    while not mask & 1:
        mask >>= 1
        place += 1
    return place


@part
def kept_vc(mask: int, flow: int) -> int:
    """Return the one virtual channel of a mask that a flow keeps to, as a mask."""
    count = 0
    rest = mask
    while rest:
        rest &= rest - 1
        count += 1
    skip = flow % count
    for _ in range(skip):
        mask &= mask - 1
    return mask & -mask


@part
def flow_of(table: Int, packet: int) -> int:
    """Return a number that packets from one terminal to one target share."""
    return table[packet, P_SOURCE] + table[packet, P_TARGET]


@part
def roomy(settings: Settings, lanes: Int, out: int, mask: int, flits: int) -> int:
    """Return the virtual channels of ``mask`` with room for ``flits`` behind port ``out``."""
    found = 0
    rest = mask
    while rest:
        bit = rest & -rest
        if lanes[out * settings.vcs + lowest(bit), CREDITS] >= flits:
            found |= bit
        rest ^= bit
    return found


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
    first if none has one.
    """
    port = lane // settings.vcs
    router = gates[port, W_ROUTER_OF]
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
        best, most = 0, -1
        if choices.shape[0] > 1:
            for i in range(choices.shape[0]):
                if choices[i, 0] < 0:
                    break
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
        router = gates[lane // settings.vcs, W_ROUTER_OF]
        lanes[lane, STAGE] = FORKING
        lanes[lane, POPPED] = 0
        lanes[lane, BRANCHES] = trees[table[packet, P_TREE], router, TREE_PORTS]
        for port in range(settings.most_ports):
            lanes[lane, BRANCH + 2 * port + BRANCH_VC] = -1
            lanes[lane, BRANCH + 2 * port + BRANCH_SENT] = 0
        enlist(settings, lanes, gates, nodes, BY_FORK, lane)
        return
    if kind == REDUCTION:
        router = gates[lane // settings.vcs, W_ROUTER_OF]
        tree = table[packet, P_TREE]
        joins = table[packet, P_GROUP] + trees[tree, router, JOIN_SLOT]
        arrived[joins] += 1
        if arrived[joins] < trees[tree, router, EXPECTED]:
            lanes[lane, STAGE] = JOINING
            lanes[lane, POPPED] = 0
            enlist(settings, lanes, gates, nodes, BY_JOIN, lane)
            return
    choose_route(settings, lanes, gates, nodes, ends, ways, masks, table, lane, packet)
    lanes[lane, STAGE] = WAITING
    enlist(settings, lanes, gates, nodes, BY_VC, lane)
    if settings.speculative:
        enlist(settings, lanes, gates, nodes, BY_SWITCH, lane)


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
        enlist(settings, lanes, gates, nodes, BY_ROUTE, lane)
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
        enlist(settings, lanes, gates, nodes, BY_SWITCH, lane)


@part
def give_credit(settings: Settings, now: Int, gates: Int, wheel: Int, lane: int) -> None:
    """Send a credit for one place of an input's lane to what feeds it."""
    port = lane // settings.vcs
    vc = lane - port * settings.vcs
    upstream = gates[port, W_SOURCE]
    when = now[NOW] + 1 + gates[port, W_LATENCY_IN]
    if upstream >= 0:
        when += settings.credit
        code = upstream * settings.vcs + vc
    else:
        code = -1 - ((-1 - upstream) * settings.vcs + vc)
    slot = when % settings.slots
    wheel[slot, settings.returns + wheel[slot, RETURNS]] = code
    wheel[slot, RETURNS] += 1
    now[EVENTS] += 1


@part
def launch(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    wheel: Int,
    table: Int,
    hops: Int,
    out: int,
    vc: int,
    flit: int,
) -> None:
    """Send a flit through the switch and over the link behind output ``out``."""
    when = now[NOW] + 1 + settings.traversal + gates[out, W_LATENCY]
    slot = when % settings.slots
    entry = wheel[slot, FLITS]
    wheel[slot, 2 + 3 * entry + AT] = gates[out, W_TARGET]
    wheel[slot, 2 + 3 * entry + VC] = vc
    wheel[slot, 2 + 3 * entry + FLIT] = flit
    wheel[slot, FLITS] += 1
    now[EVENTS] += 1
    now[LAST_MOVE] = now[NOW]
    lanes[out * settings.vcs + vc, CREDITS] -= 1
    packet = flit >> INDEX_BITS
    kind = table[packet, P_KIND]
    gates[out, LOADS + kind] += 1
    if gates[out, W_TARGET] >= 0:
        hops[table[packet, P_TAG], kind] += 1
    if (flit & ((1 << INDEX_BITS) - 1)) == table[packet, P_FLITS] - 1:
        gates[out, FREE] |= 1 << vc
        lanes[out * settings.vcs + vc, OWNER] = -1


@part
def drop_first(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    wheel: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    arrived: Int,
    lane: int,
    which: int,
) -> None:
    """Take the first flit out of a lane on list ``which``, and go on to what follows it."""
    place = lanes[lane, FIRST]
    flit = lanes[lane, settings.buffer + place]
    lanes[lane, FIRST] = place + 1 if place + 1 < settings.depth else 0
    lanes[lane, COUNT] -= 1
    give_credit(settings, now, gates, wheel, lane)
    packet = flit >> INDEX_BITS
    last = (flit & ((1 << INDEX_BITS) - 1)) == table[packet, P_FLITS] - 1
    if last or (which == BY_SWITCH and lanes[lane, COUNT] == 0):
        strike(settings, lanes, gates, nodes, which, lane)
    if last:
        lanes[lane, STAGE] = IDLE
        if lanes[lane, COUNT]:
            following = lanes[lane, settings.buffer + lanes[lane, FIRST]] >> INDEX_BITS
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
                following,
            )


@part
def join_flit(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    wheel: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    values: Int,
    arrived: Int,
    joins: Int,
    lane: int,
) -> None:
    """Add the first flit of a lane to the sum of its group at this router, and drop it."""
    flit = lanes[lane, settings.buffer + lanes[lane, FIRST]]
    packet = flit >> INDEX_BITS
    index = flit & ((1 << INDEX_BITS) - 1)
    tree = table[packet, P_TREE]
    router = gates[lane // settings.vcs, W_ROUTER_OF]
    slot = trees[tree, router, JOIN_SLOT]
    entry = table[packet, P_GROUP_FLITS] + slot * table[packet, P_FLITS] + index
    joins[entry, SEEN] += 1
    joins[entry, SUMS] += values[table[packet, P_VALUE_AT] + index]
    now[LAST_MOVE] = now[NOW]
    drop_first(
        settings,
        now,
        lanes,
        gates,
        nodes,
        ends,
        wheel,
        ways,
        masks,
        table,
        trees,
        arrived,
        lane,
        BY_JOIN,
    )


@part
def joined_entry(
    settings: Settings, gates: Int, table: Int, trees: Int, joins: Int, lane: int, flit: int
) -> int:
    """Return where the sum for a flit of the last packet of a group stands; -1 is not complete."""
    packet = flit >> INDEX_BITS
    index = flit & ((1 << INDEX_BITS) - 1)
    tree = table[packet, P_TREE]
    router = gates[lane // settings.vcs, W_ROUTER_OF]
    slot = trees[tree, router, JOIN_SLOT]
    entry = table[packet, P_GROUP_FLITS] + slot * table[packet, P_FLITS] + index
    if joins[entry, SEEN] < trees[tree, router, EXPECTED] - 1:
        return -1
    return int(entry)


@part
def may_send(
    settings: Settings, lanes: Int, gates: Int, table: Int, trees: Int, joins: Int, lane: int
) -> bool:
    """Return whether the first flit of an active lane has room, and its sum, if any, is complete."""
    flit = lanes[lane, settings.buffer + lanes[lane, FIRST]]
    if lanes[lanes[lane, OUT] * settings.vcs + lanes[lane, OUT_VC], CREDITS] <= 0:
        return False
    if table[flit >> INDEX_BITS, P_KIND] != REDUCTION:
        return True
    return bool(joined_entry(settings, gates, table, trees, joins, lane, flit) >= 0)


@part
def send_first(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    wheel: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    values: Int,
    arrived: Int,
    joins: Int,
    hops: Int,
    lane: int,
) -> None:
    """Send the first flit of a lane that has won the switch."""
    flit = lanes[lane, settings.buffer + lanes[lane, FIRST]]
    packet = flit >> INDEX_BITS
    if table[packet, P_KIND] == REDUCTION:
        entry = joined_entry(settings, gates, table, trees, joins, lane, flit)
        index = flit & ((1 << INDEX_BITS) - 1)
        values[table[packet, P_VALUE_AT] + index] += joins[entry, SUMS]
        joins[entry, SUMS] = 0
    launch(
        settings, now, lanes, gates, wheel, table, hops, lanes[lane, OUT], lanes[lane, OUT_VC], flit
    )
    drop_first(
        settings,
        now,
        lanes,
        gates,
        nodes,
        ends,
        wheel,
        ways,
        masks,
        table,
        trees,
        arrived,
        lane,
        BY_SWITCH,
    )
