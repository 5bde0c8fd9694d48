"""The cycle of a network: events, terminals, routers.

Within a cycle t, in this order: what arrives at terminals is delivered; flits and credits that
arrive at routers are taken in; terminals send; then every router that holds a flit works for itself,
since nothing leaves a router for another within a cycle. In a router the allocations of a cycle all
see the state that the cycle began with; then winners move on:

    t      head buffered and, with its route known, allowed to bid for a virtual channel
    t + 1  allowed to bid for the switch (in t already, if speculative); a credit leaves with a win
    t + 2  through the switch, then on the link: in the next router at t + 3 + link latency

A credit is used 1 + link latency + credit delay after the win; by a terminal without the delay.
"""

from __future__ import annotations

from arraysmith.sim.noc.allocation import (
    allocate_vcs,
    fork_ready,
    gather_bids,
    match_switch,
)
from arraysmith.sim.noc.jit import kernel, part
from arraysmith.sim.noc.stages import (
    begin,
    drop_first,
    enlist,
    flow_of,
    join_flit,
    kept_vc,
    launch,
    may_send,
    push,
    send_first,
    strike,
)
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
    D_CYCLE,
    D_PACKET,
    D_TERMINAL,
    DELIVERED,
    DONE,
    DUE,
    EVENTS,
    FIRST,
    FIRST_PORT,
    FLIT,
    FLITS,
    FLITS_IN,
    FORKING,
    FREE,
    FULL,
    INDEX_BITS,
    LAST_MOVE,
    LAST_VC,
    LIST,
    LISTED,
    LISTS,
    MULTICAST,
    NOW,
    OUT,
    OUT_VC,
    OWNER,
    P_FLITS,
    P_FOLLOWING,
    P_KIND,
    P_RELEASE,
    P_ROUTE_CLASS,
    P_STARTED,
    POPPED,
    QUEUE,
    QUEUED,
    RETURNS,
    SEND_CREDITS,
    SEND_FREE,
    SEND_VC,
    SENT,
    STAGE,
    STUCK,
    SWITCH_VC,
    T_PORT,
    VC,
    W_ROUTER_OF,
    WAITING,
    WON,
    Int,
    Settings,
    Small,
)


@kernel
def advance(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    entries: Int,
    nodes: Int,
    ends: Int,
    wheel: Int,
    scratch: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    values: Int,
    arrived: Int,
    joins: Int,
    deliveries: Int,
    hops: Int,
    until: int,
) -> int:
    """Run to the beginning of cycle ``until``.

    Returns:
        DONE; FULL when there may be no room for the deliveries of a cycle (to be called again with
        more); STUCK when nothing moves and nothing ever will.
    """
    routers = len(nodes) - 1
    terminals = len(ends)
    while now[NOW] < until:
        if now[DELIVERED] + terminals > len(deliveries):
            return FULL
        if now[EVENTS]:
            _take_in(
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
                deliveries,
            )
        if now[QUEUED]:
            for terminal in range(terminals):
                if ends[terminal, QUEUE] >= 0:
                    _send(settings, now, ends, wheel, masks, table, terminal)
        busy = False
        for router in range(routers):
            if nodes[router, LISTED + LISTS]:
                busy = True
                work(
                    settings,
                    now,
                    lanes,
                    gates,
                    entries,
                    nodes,
                    ends,
                    wheel,
                    scratch,
                    ways,
                    masks,
                    table,
                    trees,
                    values,
                    arrived,
                    joins,
                    hops,
                    router,
                )
        cycle = now[NOW] + 1
        if not busy and not now[EVENTS]:
            cycle = max(cycle, _next_release(ends, table, until))
        elif not now[EVENTS] and cycle - now[LAST_MOVE] > settings.patience:
            return STUCK
        now[NOW] = cycle
    return DONE


@part
def _next_release(ends: Int, table: Int, until: int) -> int:
    """Return the first cycle in which a terminal of an empty network has something to send."""
    found = until
    for terminal in range(len(ends)):
        if ends[terminal, QUEUE] >= 0:
            found = min(found, table[ends[terminal, QUEUE], P_RELEASE])
    return found


@part
def _take_in(
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
    deliveries: Int,
) -> None:
    """Handle what arrives in this cycle."""
    cycle = now[NOW]
    slot = cycle % settings.slots
    due = wheel[slot, FLITS]
    for i in range(due):
        goal, vc, flit = (
            wheel[slot, 2 + 3 * i + AT],
            wheel[slot, 2 + 3 * i + VC],
            wheel[slot, 2 + 3 * i + FLIT],
        )
        if goal >= 0:
            push(
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
                goal * settings.vcs + vc,
                flit,
            )
            continue
        terminal = -1 - goal
        now[FLITS_IN] -= 1
        packet = flit >> INDEX_BITS
        if (flit & ((1 << INDEX_BITS) - 1)) == table[packet, P_FLITS] - 1:
            entry = now[DELIVERED]
            deliveries[entry, D_PACKET] = packet
            deliveries[entry, D_CYCLE] = cycle
            deliveries[entry, D_TERMINAL] = terminal
            now[DELIVERED] += 1
        when = cycle + 1 + settings.terminal + settings.credit
        back = when % settings.slots
        code = ends[terminal, T_PORT] * settings.vcs + vc
        wheel[back, settings.returns + wheel[back, RETURNS]] = code
        wheel[back, RETURNS] += 1
        now[EVENTS] += 1
    returned = wheel[slot, RETURNS]
    for i in range(returned):
        code = wheel[slot, settings.returns + i]
        if code >= 0:
            lanes[code, CREDITS] += 1
        else:
            terminal, vc = (-1 - code) // settings.vcs, (-1 - code) % settings.vcs
            ends[terminal, SEND_CREDITS + vc] += 1
    wheel[slot, FLITS] = 0
    wheel[slot, RETURNS] = 0
    now[EVENTS] -= due + returned
    if due + returned:
        now[LAST_MOVE] = cycle


@part
def _send(
    settings: Settings, now: Int, ends: Int, wheel: Int, masks: Int, table: Int, terminal: int
) -> None:
    """Let a terminal send a flit of the first packet in its queue."""
    cycle, vcs = now[NOW], settings.vcs
    packet = ends[terminal, QUEUE]
    if table[packet, P_RELEASE] > cycle:
        return
    if ends[terminal, SEND_VC] < 0:
        mask = masks[1, table[packet, P_ROUTE_CLASS]] & ends[terminal, SEND_FREE]
        if settings.in_order:
            mask &= kept_vc(masks[1, table[packet, P_ROUTE_CLASS]], flow_of(table, packet))
        whole = settings.cut_through or table[packet, P_KIND] == MULTICAST
        room = table[packet, P_FLITS] if whole else 1
        for step in range(1, vcs + 1):
            vc = (ends[terminal, LAST_VC] + step) % vcs
            if mask >> vc & 1 and ends[terminal, SEND_CREDITS + vc] >= room:
                ends[terminal, SEND_VC] = ends[terminal, LAST_VC] = vc
                ends[terminal, SEND_FREE] &= ~(1 << vc)
                break
    vc = ends[terminal, SEND_VC]
    if vc < 0 or ends[terminal, SEND_CREDITS + vc] <= 0:
        return
    index = ends[terminal, SENT]
    if index == 0:
        table[packet, P_STARTED] = cycle
    slot = (cycle + 1 + settings.terminal) % settings.slots
    entry = wheel[slot, FLITS]
    wheel[slot, 2 + 3 * entry + AT] = ends[terminal, T_PORT]
    wheel[slot, 2 + 3 * entry + VC] = vc
    wheel[slot, 2 + 3 * entry + FLIT] = packet << INDEX_BITS | index
    wheel[slot, FLITS] += 1
    now[EVENTS] += 1
    now[FLITS_IN] += 1
    ends[terminal, SEND_CREDITS + vc] -= 1
    ends[terminal, SENT] = index + 1
    if index + 1 == table[packet, P_FLITS]:
        ends[terminal, SEND_FREE] |= 1 << vc
        ends[terminal, SEND_VC] = -1
        ends[terminal, SENT] = 0
        ends[terminal, QUEUE] = table[packet, P_FOLLOWING]
        now[QUEUED] -= 1


@part
def work(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    entries: Int,
    nodes: Int,
    ends: Int,
    wheel: Int,
    scratch: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    values: Int,
    arrived: Int,
    joins: Int,
    hops: Int,
    router: int,
) -> None:
    """Let one router do a cycle."""
    base = nodes[router, FIRST_PORT]
    ports = nodes[router + 1, FIRST_PORT] - base
    bids = nodes[router, LISTED + BY_VC] + nodes[router, LISTED + BY_FORK]
    if bids:
        allocate_vcs(settings, lanes, gates, nodes, ends, scratch, ways, masks, table, router)
    pairs = 0
    if nodes[router, LISTED + BY_SWITCH] or nodes[router, LISTED + BY_FORK]:
        pairs = gather_bids(
            settings, lanes, gates, entries, nodes, scratch, table, trees, joins, router
        )
    won = match_switch(settings, gates, entries, nodes, scratch, router, pairs) if pairs else 0
    routing = nodes[router, LISTED + BY_ROUTE]
    joining = nodes[router, LISTED + BY_JOIN]
    if bids:
        _settle_vcs(settings, now, lanes, gates, nodes, base, router)
    if joining:
        _join(
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
            values,
            arrived,
            joins,
            base,
            router,
        )
    if won or settings.switch_allocation > 1:
        _settle_switch(
            settings,
            now,
            lanes,
            gates,
            entries,
            nodes,
            ends,
            wheel,
            scratch,
            ways,
            masks,
            table,
            trees,
            values,
            arrived,
            joins,
            hops,
            base,
            ports,
            won,
        )
    for i in range(pairs):
        scratch[0, scratch[2, i]] = -1
    if routing:
        _settle_routes(
            settings,
            now,
            lanes,
            gates,
            nodes,
            ends,
            ways,
            masks,
            table,
            trees,
            arrived,
            base,
            router,
            routing,
        )


@part
def _settle_routes(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    arrived: Int,
    base: int,
    router: int,
    known: int,
) -> None:
    """Let heads whose route is computed bid for a virtual channel from the next cycle on.

    Args:
        known: entries of the list when the cycle began; later ones begin in the next cycle.
    """
    cycle, start = now[NOW], base * settings.vcs
    for i in range(known - 1, -1, -1):
        lane = lanes[start + i, LIST + BY_ROUTE]
        if lanes[lane, DUE] < 0:
            lanes[lane, DUE] = cycle + settings.routing - 1
        if lanes[lane, DUE] == cycle:
            lanes[lane, DUE] = -1
            strike(settings, lanes, gates, nodes, BY_ROUTE, lane)
            packet = lanes[lane, settings.buffer + lanes[lane, FIRST]] >> INDEX_BITS
            begin(
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
                packet,
            )
            now[LAST_MOVE] = cycle


@part
def _settle_vcs(
    settings: Settings, now: Int, lanes: Int, gates: Int, nodes: Int, base: int, router: int
) -> None:
    """Give the virtual channels won in this cycle (or as many before as allocation takes)."""
    cycle, vcs = now[NOW], settings.vcs
    start = base * vcs
    for i in range(nodes[router, LISTED + BY_VC] - 1, -1, -1):
        lane = lanes[start + i, LIST + BY_VC]
        vc = lanes[lane, WON]
        if settings.vc_allocation > 1:
            if lanes[lane, DUE] < 0:
                lanes[lane, DUE] = cycle + settings.vc_allocation - 1
            if lanes[lane, DUE] > cycle:
                continue
            lanes[lane, DUE] = -1
        if vc < 0:
            continue
        lanes[lane, WON] = -1
        out = lanes[lane, OUT]
        if not gates[out, FREE] >> vc & 1:
            continue  # somebody who began earlier has it
        gates[out, FREE] &= ~(1 << vc)
        lanes[out * vcs + vc, OWNER] = lane
        lanes[lane, OUT_VC] = vc
        lanes[lane, STAGE] = ACTIVE
        strike(settings, lanes, gates, nodes, BY_VC, lane)
        if not settings.speculative:
            enlist(settings, lanes, gates, nodes, BY_SWITCH, lane)
        now[LAST_MOVE] = cycle
    for i in range(nodes[router, LISTED + BY_FORK]):
        lane = lanes[start + i, LIST + BY_FORK]
        for port in range(nodes[router + 1, FIRST_PORT] - base):
            vc = lanes[lane, BRANCH + 2 * port + BRANCH_VC]
            if vc < -1:
                lanes[lane, BRANCH + 2 * port + BRANCH_VC] = -2 - vc
                now[LAST_MOVE] = cycle


@part
def _settle_switch(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    entries: Int,
    nodes: Int,
    ends: Int,
    wheel: Int,
    scratch: Int,
    ways: Small,
    masks: Int,
    table: Int,
    trees: Int,
    values: Int,
    arrived: Int,
    joins: Int,
    hops: Int,
    base: int,
    ports: int,
    won: int,
) -> None:
    """Send the flits that have won the switch, with copies where a packet forks."""
    speedup, vcs = settings.speedup, settings.vcs
    cycle = now[NOW]
    taken = 0
    if nodes[gates[base, W_ROUTER_OF], LISTED + BY_FORK]:
        for i in range(won):
            taken |= 1 << (scratch[3, i] % ports)
    for i in range(won):
        pair = scratch[3, i]
        lane = scratch[0, pair]
        port = lane // vcs
        vc = lane - port * vcs
        entries[base * speedup + pair // ports, SWITCH_VC] = (vc + speedup) % vcs
        if lanes[lane, STAGE] == FORKING:
            taken = _copy(
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
                hops,
                lane,
                base,
                ports,
                pair % ports,
                taken,
            )
            continue
        if lanes[lane, STAGE] == WAITING:
            continue  # bid early, and got no virtual channel
        if settings.switch_allocation > 1:
            lanes[lane, DUE] = cycle + settings.switch_allocation - 1
        elif may_send(settings, lanes, gates, table, trees, joins, lane):
            send_first(
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
                values,
                arrived,
                joins,
                hops,
                lane,
            )
    if settings.switch_allocation > 1:
        router = gates[base, W_ROUTER_OF]
        start = base * vcs
        for i in range(nodes[router, LISTED + BY_SWITCH] - 1, -1, -1):
            lane = lanes[start + i, LIST + BY_SWITCH]
            if lanes[lane, DUE] == cycle:
                lanes[lane, DUE] = -1
                send_first(
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
                    values,
                    arrived,
                    joins,
                    hops,
                    lane,
                )


@part
def _copy(
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
    hops: Int,
    lane: int,
    base: int,
    ports: int,
    won: int,
    taken: int,
) -> int:
    """Send a flit by the branch that has won, and by every other that is free and needs it, too.

    Returns:
        The outputs that are taken in this cycle, as bits.
    """
    index = lanes[lane, BRANCH + 2 * won + BRANCH_SENT]
    place = lanes[lane, FIRST] + index - lanes[lane, POPPED]
    if place >= settings.depth:
        place -= settings.depth
    flit = lanes[lane, settings.buffer + place]
    packet = flit >> INDEX_BITS
    least = table[packet, P_FLITS]
    for port in range(ports):
        if not lanes[lane, BRANCHES] >> port & 1:
            continue
        if port == won or (
            not taken >> port & 1
            and lanes[lane, BRANCH + 2 * port + BRANCH_SENT] == index
            and fork_ready(settings, lanes, table, lane, base, port)
        ):
            taken |= 1 << port
            lanes[lane, BRANCH + 2 * port + BRANCH_SENT] += 1
            vc = lanes[lane, BRANCH + 2 * port + BRANCH_VC]
            launch(settings, now, lanes, gates, wheel, table, hops, base + port, vc, flit)
            now[FLITS_IN] += 1
        least = min(least, lanes[lane, BRANCH + 2 * port + BRANCH_SENT])
    now[FLITS_IN] -= 1 if least > lanes[lane, POPPED] else 0
    if least > lanes[lane, POPPED]:
        lanes[lane, POPPED] += 1
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
            BY_FORK,
        )
    return taken


@part
def _join(
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
    base: int,
    router: int,
) -> None:
    """Let every lane that joins a sum add a flit to it."""
    start = base * settings.vcs
    for i in range(nodes[router, LISTED + BY_JOIN] - 1, -1, -1):
        lane = lanes[start + i, LIST + BY_JOIN]
        if lanes[lane, COUNT]:
            now[FLITS_IN] -= 1
            join_flit(
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
                values,
                arrived,
                joins,
                lane,
            )
