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

from numba import njit

from arraysmith.sim.noc.allocation import (
    allocate_vcs,
    fork_ready,
    gather_bids,
    match_switch,
)
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
    FLIT,
    FLITS,
    FLITS_IN,
    FORKING,
    FREE,
    FULL,
    INDEX_BITS,
    LAST_MOVE,
    LAST_VC,
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
    Packets,
    Settings,
    State,
    Wiring,
)


@njit(cache=True, nogil=True)
def advance(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, until: int
) -> int:
    """Run to the beginning of cycle ``until``.

    Returns:
        DONE; FULL when there may be no room for the deliveries of a cycle (to be called again with
        more); STUCK when nothing moves and nothing ever will.
    """
    routers = len(wiring.first_port) - 1
    terminals = len(wiring.terminal)
    while state.now[NOW] < until:
        if state.now[DELIVERED] + terminals > len(packets.deliveries):
            return FULL
        if state.now[EVENTS]:
            _take_in(wiring, settings, state, packets)
        if state.now[QUEUED]:
            for terminal in range(terminals):
                if state.terminal[terminal, QUEUE] >= 0:
                    _send(wiring, settings, state, packets, terminal)
        busy = False
        for router in range(routers):
            if state.listed[LISTS, router]:
                busy = True
                work(wiring, settings, state, packets, router)
        now = state.now[NOW] + 1
        if not busy and not state.now[EVENTS]:
            now = max(now, _next_release(state, packets, until))
        elif not state.now[EVENTS] and now - state.now[LAST_MOVE] > settings.patience:
            return STUCK
        state.now[NOW] = now
    return DONE


@njit(cache=True, nogil=True)
def _next_release(state: State, packets: Packets, until: int) -> int:
    """Return the first cycle in which a terminal of an empty network has something to send."""
    found = until
    for terminal in range(len(state.terminal)):
        if state.terminal[terminal, QUEUE] >= 0:
            found = min(found, packets.table[state.terminal[terminal, QUEUE], P_RELEASE])
    return found


@njit(cache=True, nogil=True)
def _take_in(wiring: Wiring, settings: Settings, state: State, packets: Packets) -> None:
    """Handle what arrives in this cycle."""
    now = state.now[NOW]
    slot = now % settings.slots
    due = state.due[slot, FLITS]
    for i in range(due):
        goal, vc, flit = state.arrivals[slot, i, AT], state.arrivals[slot, i, VC], state.arrivals[slot, i, FLIT]
        if goal >= 0:
            push(wiring, settings, state, packets, goal * settings.vcs + vc, flit)
            continue
        terminal = -1 - goal
        state.now[FLITS_IN] -= 1
        packet = flit >> INDEX_BITS
        if (flit & ((1 << INDEX_BITS) - 1)) == packets.table[packet, P_FLITS] - 1:
            entry = state.now[DELIVERED]
            packets.deliveries[entry, D_PACKET] = packet
            packets.deliveries[entry, D_CYCLE] = now
            packets.deliveries[entry, D_TERMINAL] = terminal
            state.now[DELIVERED] += 1
        when = now + 1 + settings.terminal + settings.credit
        back = when % settings.slots
        code = wiring.terminal[terminal, T_PORT] * settings.vcs + vc
        state.returns[back, state.due[back, RETURNS]] = code
        state.due[back, RETURNS] += 1
        state.now[EVENTS] += 1
    returned = state.due[slot, RETURNS]
    for i in range(returned):
        code = state.returns[slot, i]
        if code >= 0:
            state.lane[code, CREDITS] += 1
        else:
            terminal, vc = (-1 - code) // settings.vcs, (-1 - code) % settings.vcs
            state.terminal[terminal, SEND_CREDITS + vc] += 1
    state.due[slot, FLITS] = 0
    state.due[slot, RETURNS] = 0
    state.now[EVENTS] -= due + returned
    if due + returned:
        state.now[LAST_MOVE] = now


@njit(cache=True, nogil=True)
def _send(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, terminal: int
) -> None:
    """Let a terminal send a flit of the first packet in its queue."""
    now, vcs = state.now[NOW], settings.vcs
    packet = state.terminal[terminal, QUEUE]
    if packets.table[packet, P_RELEASE] > now:
        return
    if state.terminal[terminal, SEND_VC] < 0:
        mask = wiring.inject_vcs[packets.table[packet, P_ROUTE_CLASS]] & state.terminal[terminal, SEND_FREE]
        if settings.in_order:
            mask &= kept_vc(wiring.inject_vcs[packets.table[packet, P_ROUTE_CLASS]], flow_of(packets, packet))
        whole = settings.cut_through or packets.table[packet, P_KIND] == MULTICAST
        room = packets.table[packet, P_FLITS] if whole else 1
        for step in range(1, vcs + 1):
            vc = (state.terminal[terminal, LAST_VC] + step) % vcs
            if mask >> vc & 1 and state.terminal[terminal, SEND_CREDITS + vc] >= room:
                state.terminal[terminal, SEND_VC] = state.terminal[terminal, LAST_VC] = vc
                state.terminal[terminal, SEND_FREE] &= ~(1 << vc)
                break
    vc = state.terminal[terminal, SEND_VC]
    if vc < 0 or state.terminal[terminal, SEND_CREDITS + vc] <= 0:
        return
    index = state.terminal[terminal, SENT]
    if index == 0:
        packets.table[packet, P_STARTED] = now
    slot = (now + 1 + settings.terminal) % settings.slots
    entry = state.due[slot, FLITS]
    state.arrivals[slot, entry, AT] = wiring.terminal[terminal, T_PORT]
    state.arrivals[slot, entry, VC] = vc
    state.arrivals[slot, entry, FLIT] = packet << INDEX_BITS | index
    state.due[slot, FLITS] += 1
    state.now[EVENTS] += 1
    state.now[FLITS_IN] += 1
    state.terminal[terminal, SEND_CREDITS + vc] -= 1
    state.terminal[terminal, SENT] = index + 1
    if index + 1 == packets.table[packet, P_FLITS]:
        state.terminal[terminal, SEND_FREE] |= 1 << vc
        state.terminal[terminal, SEND_VC] = -1
        state.terminal[terminal, SENT] = 0
        state.terminal[terminal, QUEUE] = packets.table[packet, P_FOLLOWING]
        state.now[QUEUED] -= 1


@njit(cache=True, nogil=True)
def work(wiring: Wiring, settings: Settings, state: State, packets: Packets, router: int) -> None:
    """Let one router do a cycle."""
    base = wiring.first_port[router]
    ports = wiring.first_port[router + 1] - base
    bids = state.listed[BY_VC, router] + state.listed[BY_FORK, router]
    if bids:
        allocate_vcs(wiring, settings, state, packets, router)
    pairs = 0
    if state.listed[BY_SWITCH, router] or state.listed[BY_FORK, router]:
        pairs = gather_bids(wiring, settings, state, packets, router)
    won = match_switch(wiring, settings, state, router, pairs) if pairs else 0
    routing = state.listed[BY_ROUTE, router]
    joining = state.listed[BY_JOIN, router]
    if bids:
        _settle_vcs(wiring, settings, state, base, router)
    if joining:
        _join(wiring, settings, state, packets, base, router)
    if won or settings.switch_allocation > 1:
        _settle_switch(wiring, settings, state, packets, base, ports, won)
    for i in range(pairs):
        state.scratch[0, state.scratch[2, i]] = -1
    if routing:
        _settle_routes(wiring, settings, state, packets, base, router, routing)


@njit(cache=True, nogil=True)
def _settle_routes(
    wiring: Wiring,
    settings: Settings,
    state: State,
    packets: Packets,
    base: int,
    router: int,
    known: int,
) -> None:
    """Let heads whose route is computed bid for a virtual channel from the next cycle on.

    Args:
        known: entries of the list when the cycle began; later ones begin in the next cycle.
    """
    now, start = state.now[NOW], base * settings.vcs
    for i in range(known - 1, -1, -1):
        lane = state.lists[BY_ROUTE, start + i]
        if state.lane[lane, DUE] < 0:
            state.lane[lane, DUE] = now + settings.routing - 1
        if state.lane[lane, DUE] == now:
            state.lane[lane, DUE] = -1
            strike(wiring, settings, state, BY_ROUTE, lane)
            packet = state.buffer[lane, state.lane[lane, FIRST]] >> INDEX_BITS
            begin(wiring, settings, state, packets, lane, packet)
            state.now[LAST_MOVE] = now


@njit(cache=True, nogil=True)
def _settle_vcs(
    wiring: Wiring, settings: Settings, state: State, base: int, router: int
) -> None:
    """Give the virtual channels won in this cycle (or as many before as allocation takes)."""
    now, vcs = state.now[NOW], settings.vcs
    start = base * vcs
    for i in range(state.listed[BY_VC, router] - 1, -1, -1):
        lane = state.lists[BY_VC, start + i]
        vc = state.lane[lane, WON]
        if settings.vc_allocation > 1:
            if state.lane[lane, DUE] < 0:
                state.lane[lane, DUE] = now + settings.vc_allocation - 1
            if state.lane[lane, DUE] > now:
                continue
            state.lane[lane, DUE] = -1
        if vc < 0:
            continue
        state.lane[lane, WON] = -1
        out = state.lane[lane, OUT]
        if not state.port[out, FREE] >> vc & 1:
            continue  # somebody who began earlier has it
        state.port[out, FREE] &= ~(1 << vc)
        state.lane[out * vcs + vc, OWNER] = lane
        state.lane[lane, OUT_VC] = vc
        state.lane[lane, STAGE] = ACTIVE
        strike(wiring, settings, state, BY_VC, lane)
        if not settings.speculative:
            enlist(wiring, settings, state, BY_SWITCH, lane)
        state.now[LAST_MOVE] = now


@njit(cache=True, nogil=True)
def _settle_switch(
    wiring: Wiring,
    settings: Settings,
    state: State,
    packets: Packets,
    base: int,
    ports: int,
    won: int,
) -> None:
    """Send the flits that have won the switch, with copies where a packet forks."""
    speedup, vcs = settings.speedup, settings.vcs
    now = state.now[NOW]
    taken = 0
    if state.listed[BY_FORK, wiring.port[base, W_ROUTER_OF]]:
        for i in range(won):
            taken |= 1 << (state.scratch[3, i] % ports)
    for i in range(won):
        pair = state.scratch[3, i]
        lane = state.scratch[0, pair]
        port = lane // vcs
        vc = lane - port * vcs
        state.entry[base * speedup + pair // ports, SWITCH_VC] = (vc + speedup) % vcs
        if state.lane[lane, STAGE] == FORKING:
            taken = _copy(wiring, settings, state, packets, lane, base, ports, pair % ports, taken)
            continue
        if state.lane[lane, STAGE] == WAITING:
            continue  # bid early, and got no virtual channel
        if settings.switch_allocation > 1:
            state.lane[lane, DUE] = now + settings.switch_allocation - 1
        elif may_send(wiring, settings, state, packets, lane):
            send_first(wiring, settings, state, packets, lane)
    if settings.switch_allocation > 1:
        router = wiring.port[base, W_ROUTER_OF]
        start = base * vcs
        for i in range(state.listed[BY_SWITCH, router] - 1, -1, -1):
            lane = state.lists[BY_SWITCH, start + i]
            if state.lane[lane, DUE] == now:
                state.lane[lane, DUE] = -1
                send_first(wiring, settings, state, packets, lane)


@njit(cache=True, nogil=True)
def _copy(
    wiring: Wiring,
    settings: Settings,
    state: State,
    packets: Packets,
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
    index = state.branch[lane, won, BRANCH_SENT]
    place = state.lane[lane, FIRST] + index - state.lane[lane, POPPED]
    if place >= settings.depth:
        place -= settings.depth
    flit = state.buffer[lane, place]
    packet = flit >> INDEX_BITS
    least = packets.table[packet, P_FLITS]
    for port in range(ports):
        if not state.lane[lane, BRANCHES] >> port & 1:
            continue
        if port == won or (
            not taken >> port & 1
            and state.branch[lane, port, BRANCH_SENT] == index
            and fork_ready(settings, state, lane, base, port)
        ):
            taken |= 1 << port
            state.branch[lane, port, BRANCH_SENT] += 1
            vc = state.branch[lane, port, BRANCH_VC]
            launch(wiring, settings, state, packets, base + port, vc, flit)
            state.now[FLITS_IN] += 1
        least = min(least, state.branch[lane, port, BRANCH_SENT])
    state.now[FLITS_IN] -= 1 if least > state.lane[lane, POPPED] else 0
    if least > state.lane[lane, POPPED]:
        state.lane[lane, POPPED] += 1
        drop_first(wiring, settings, state, packets, lane, BY_FORK)
    return taken


@njit(cache=True, nogil=True)
def _join(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, base: int, router: int
) -> None:
    """Let every lane that joins a sum add a flit to it."""
    start = base * settings.vcs
    for i in range(state.listed[BY_JOIN, router] - 1, -1, -1):
        lane = state.lists[BY_JOIN, start + i]
        if state.lane[lane, COUNT]:
            state.now[FLITS_IN] -= 1
            join_flit(wiring, settings, state, packets, lane)
