"""The cycle of a network: events, terminals, routers.

Within a cycle t, in this order: what arrives at terminals is delivered; flits and credits that
arrive at routers are taken in; terminals send; then every router that holds a flit works for
itself, since nothing leaves a router for another within a cycle. In a router the allocations of a
cycle all see the state that the cycle began with; then winners move on:

    t      head buffered and, with its route known, allowed to bid for a virtual channel
    t + 1  allowed to bid for the switch (in t already, if speculative); a credit leaves with a win
    t + 2  through the switch, then on the link: in the next router at t + 3 + link latency

A credit is used 1 + link latency + credit delay after the win; by a terminal without the delay.
"""

from __future__ import annotations

from arraysmith.sim.noc.jit import kernel, part
from arraysmith.sim.noc.lists import (
    flow_of,
    kept_vc,
)
from arraysmith.sim.noc.stages import (
    push,
)
from arraysmith.sim.noc.state import (
    AT,
    CREDITS,
    D_CYCLE,
    D_PACKET,
    D_TERMINAL,
    DELIVERED,
    DONE,
    EVENTS,
    FLIT,
    FLITS,
    FLITS_IN,
    FULL,
    INDEX_BITS,
    LAST_MOVE,
    LAST_VC,
    LISTED,
    LISTS,
    MULTICAST,
    NOW,
    P_FLITS,
    P_FOLLOWING,
    P_KIND,
    P_RELEASE,
    P_ROUTE_CLASS,
    P_STARTED,
    QUEUE,
    QUEUED,
    RETURNS,
    ROOM,
    SEND_CREDITS,
    SEND_FREE,
    SEND_VC,
    SENT,
    STUCK,
    T_LAST,
    T_PORT,
    V_READY,
    VC,
    Int,
    Settings,
    Small,
)
from arraysmith.sim.noc.work import (
    work,
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
    slot = cycle & (settings.slots - 1)
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
        back = when & (settings.slots - 1)
        code = ends[terminal, T_PORT] * settings.vcs + vc
        wheel[back, settings.returns + wheel[back, RETURNS]] = code
        wheel[back, RETURNS] += 1
        now[EVENTS] += 1
    returned = wheel[slot, RETURNS]
    for i in range(returned):
        code = wheel[slot, settings.returns + i]
        if code >= 0:
            lanes[code, CREDITS] += 1
            if settings.recorded is not None and lanes[code, CREDITS] == now[ROOM]:
                lanes[code, V_READY] = cycle
        else:
            terminal, vc = (-1 - code) // settings.vcs, (-1 - code) % settings.vcs
            ends[terminal, SEND_CREDITS + vc] += 1
            if settings.recorded is not None and ends[terminal, SEND_CREDITS + vc] == now[ROOM]:
                ends[terminal, SEND_CREDITS + 2 * settings.vcs + vc] = cycle
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
    slot = (cycle + 1 + settings.terminal) & (settings.slots - 1)
    entry = wheel[slot, FLITS]
    wheel[slot, 2 + 3 * entry + AT] = ends[terminal, T_PORT]
    wheel[slot, 2 + 3 * entry + VC] = vc
    wheel[slot, 2 + 3 * entry + FLIT] = packet << INDEX_BITS | index
    wheel[slot, FLITS] += 1
    now[EVENTS] += 1
    now[FLITS_IN] += 1
    ends[terminal, SEND_CREDITS + vc] -= 1
    if settings.recorded is not None:
        ends[terminal, T_LAST] = cycle
        if ends[terminal, SEND_CREDITS + vcs + vc] < 0:
            ends[terminal, SEND_CREDITS + vcs + vc] = cycle
    ends[terminal, SENT] = index + 1
    if index + 1 == table[packet, P_FLITS]:
        ends[terminal, SEND_FREE] |= 1 << vc
        ends[terminal, SEND_VC] = -1
        ends[terminal, SENT] = 0
        ends[terminal, QUEUE] = table[packet, P_FOLLOWING]
        now[QUEUED] -= 1
