"""What the kernel does to one lane: enlist it, begin a packet, route it, push and send flits."""

from __future__ import annotations

from numba import njit

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
    DUE,
    EVENTS,
    EXPECTED,
    FIRST,
    FLIT,
    FLITS,
    FORKING,
    FREE,
    IDLE,
    INDEX_BITS,
    JOIN_SLOT,
    JOINING,
    LAST_MOVE,
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
    Packets,
    Settings,
    State,
    Wiring,
)


@njit(cache=True, nogil=True)
def enlist(wiring: Wiring, settings: Settings, state: State, which: int, lane: int) -> None:
    """Add a lane to a list of its router."""
    router = wiring.port[lane // settings.vcs, W_ROUTER_OF]
    place = wiring.first_port[router] * settings.vcs + state.listed[which, router]
    state.lists[which, place] = lane
    state.places[which, lane] = place
    state.listed[which, router] += 1
    state.listed[LISTS, router] += 1


@njit(cache=True, nogil=True)
def strike(wiring: Wiring, settings: Settings, state: State, which: int, lane: int) -> None:
    """Take a lane off a list; the last one there takes its place."""
    router = wiring.port[lane // settings.vcs, W_ROUTER_OF]
    state.listed[which, router] -= 1
    state.listed[LISTS, router] -= 1
    end = wiring.first_port[router] * settings.vcs + state.listed[which, router]
    place = state.places[which, lane]
    other = state.lists[which, end]
    state.lists[which, place] = other
    state.places[which, other] = place
    state.places[which, lane] = -1


@njit(cache=True, nogil=True)
def lowest(mask: int) -> int:
    """Return the place of the lowest bit of a mask that has one."""
    place = 0
    while not mask & 1:
        mask >>= 1
        place += 1
    return place


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def flow_of(packets: Packets, packet: int) -> int:
    """Return a number that packets from one terminal to one target share."""
    return packets.table[packet, P_SOURCE] + packets.table[packet, P_TARGET]


@njit(cache=True, nogil=True)
def roomy(settings: Settings, state: State, out: int, mask: int, flits: int) -> int:
    """Return the virtual channels of ``mask`` with room for ``flits`` behind port ``out``."""
    found = 0
    rest = mask
    while rest:
        bit = rest & -rest
        if state.lane[out * settings.vcs + lowest(bit), CREDITS] >= flits:
            found |= bit
        rest ^= bit
    return found


@njit(cache=True, nogil=True)
def choose_route(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int, packet: int
) -> None:
    """Set the port and virtual channels that a head bids for.

    Of several choices the one with most free buffers among those with a free virtual channel; the
    first if none has one.
    """
    port = lane // settings.vcs
    router = wiring.port[port, W_ROUTER_OF]
    first_port = wiring.first_port[router]
    place = packets.table[packet, P_ROUTE_CLASS]
    goal = wiring.terminal[packets.table[packet, P_TARGET], T_ROUTER]
    if settings.two_phase and place == 0:
        if packets.table[packet, P_VIA] == router:
            packets.table[packet, P_ROUTE_CLASS] = place = 1
        else:
            goal = packets.table[packet, P_VIA]
    everything = (1 << settings.vcs) - 1
    if goal == router:
        state.lane[lane, OUT] = wiring.terminal[packets.table[packet, P_TARGET], T_PORT]
        mask = everything
    else:
        entry = port - first_port if wiring.route_port.shape[2] > 1 else 0
        choices = wiring.route_port[place, router, entry, goal]
        groups = wiring.route_group[place, router, entry, goal]
        best, most = 0, -1
        if choices.shape[0] > 1:
            for i in range(choices.shape[0]):
                if choices[i] < 0:
                    break
                out = first_port + choices[i]
                usable = wiring.vc_masks[groups[i]] & state.port[out, FREE]
                room = 0
                while usable:
                    bit = usable & -usable
                    room += 1 + state.lane[out * settings.vcs + lowest(bit), CREDITS]
                    usable ^= bit
                if room > most:
                    best, most = i, room
        state.lane[lane, OUT] = first_port + choices[best]
        mask = wiring.vc_masks[groups[best]]
    if settings.in_order:
        mask = kept_vc(mask, flow_of(packets, packet))
    state.lane[lane, MASK] = mask


@njit(cache=True, nogil=True)
def begin(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int, packet: int
) -> None:
    """Let the routed packet at the front of a lane bid for what it needs next."""
    kind = packets.table[packet, P_KIND]
    if kind == MULTICAST:
        router = wiring.port[lane // settings.vcs, W_ROUTER_OF]
        state.lane[lane, STAGE] = FORKING
        state.lane[lane, POPPED] = 0
        state.lane[lane, BRANCHES] = packets.trees[packets.table[packet, P_TREE], router, TREE_PORTS]
        state.branch[lane, :, BRANCH_VC] = -1
        state.branch[lane, :, BRANCH_SENT] = 0
        enlist(wiring, settings, state, BY_FORK, lane)
        return
    if kind == REDUCTION:
        router = wiring.port[lane // settings.vcs, W_ROUTER_OF]
        tree = packets.table[packet, P_TREE]
        joins = packets.table[packet, P_GROUP] + packets.trees[tree, router, JOIN_SLOT]
        packets.arrived[joins] += 1
        if packets.arrived[joins] < packets.trees[tree, router, EXPECTED]:
            state.lane[lane, STAGE] = JOINING
            state.lane[lane, POPPED] = 0
            enlist(wiring, settings, state, BY_JOIN, lane)
            return
    choose_route(wiring, settings, state, packets, lane, packet)
    state.lane[lane, STAGE] = WAITING
    enlist(wiring, settings, state, BY_VC, lane)
    if settings.speculative:
        enlist(wiring, settings, state, BY_SWITCH, lane)


@njit(cache=True, nogil=True)
def meet(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int, packet: int
) -> None:
    """Take up a packet whose head has come to the front of a lane."""
    if settings.routing:
        state.lane[lane, STAGE] = ROUTING
        state.lane[lane, DUE] = -1
        enlist(wiring, settings, state, BY_ROUTE, lane)
    else:
        begin(wiring, settings, state, packets, lane, packet)


@njit(cache=True, nogil=True)
def push(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int, flit: int
) -> None:
    """Buffer a flit that arrives."""
    place = state.lane[lane, FIRST] + state.lane[lane, COUNT]
    if place >= settings.depth:
        place -= settings.depth
    state.buffer[lane, place] = flit
    state.lane[lane, COUNT] += 1
    if state.lane[lane, STAGE] == IDLE:
        meet(wiring, settings, state, packets, lane, flit >> INDEX_BITS)
    elif state.lane[lane, STAGE] == ACTIVE and state.lane[lane, COUNT] == 1:
        enlist(wiring, settings, state, BY_SWITCH, lane)


@njit(cache=True, nogil=True)
def give_credit(wiring: Wiring, settings: Settings, state: State, lane: int) -> None:
    """Send a credit for one place of an input's lane to what feeds it."""
    port = lane // settings.vcs
    vc = lane - port * settings.vcs
    upstream = wiring.port[port, W_SOURCE]
    when = state.now[NOW] + 1 + wiring.port[port, W_LATENCY_IN]
    if upstream >= 0:
        when += settings.credit
        code = upstream * settings.vcs + vc
    else:
        code = -1 - ((-1 - upstream) * settings.vcs + vc)
    slot = when % settings.slots
    state.returns[slot, state.due[slot, RETURNS]] = code
    state.due[slot, RETURNS] += 1
    state.now[EVENTS] += 1


@njit(cache=True, nogil=True)
def launch(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, out: int, vc: int, flit: int
) -> None:
    """Send a flit through the switch and over the link behind output ``out``."""
    when = state.now[NOW] + 1 + settings.traversal + wiring.port[out, W_LATENCY]
    slot = when % settings.slots
    entry = state.due[slot, FLITS]
    state.arrivals[slot, entry, AT] = wiring.port[out, W_TARGET]
    state.arrivals[slot, entry, VC] = vc
    state.arrivals[slot, entry, FLIT] = flit
    state.due[slot, FLITS] += 1
    state.now[EVENTS] += 1
    state.now[LAST_MOVE] = state.now[NOW]
    state.lane[out * settings.vcs + vc, CREDITS] -= 1
    packet = flit >> INDEX_BITS
    kind = packets.table[packet, P_KIND]
    state.port[out, LOADS + kind] += 1
    if wiring.port[out, W_TARGET] >= 0:
        state.tag_hops[packets.table[packet, P_TAG], kind] += 1
    if (flit & ((1 << INDEX_BITS) - 1)) == packets.table[packet, P_FLITS] - 1:
        state.port[out, FREE] |= 1 << vc
        state.lane[out * settings.vcs + vc, OWNER] = -1


@njit(cache=True, nogil=True)
def drop_first(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int, which: int
) -> None:
    """Take the first flit out of a lane on list ``which``, and go on to what follows it."""
    place = state.lane[lane, FIRST]
    flit = state.buffer[lane, place]
    state.lane[lane, FIRST] = place + 1 if place + 1 < settings.depth else 0
    state.lane[lane, COUNT] -= 1
    give_credit(wiring, settings, state, lane)
    packet = flit >> INDEX_BITS
    last = (flit & ((1 << INDEX_BITS) - 1)) == packets.table[packet, P_FLITS] - 1
    if last or (which == BY_SWITCH and state.lane[lane, COUNT] == 0):
        strike(wiring, settings, state, which, lane)
    if last:
        state.lane[lane, STAGE] = IDLE
        if state.lane[lane, COUNT]:
            following = state.buffer[lane, state.lane[lane, FIRST]] >> INDEX_BITS
            meet(wiring, settings, state, packets, lane, following)


@njit(cache=True, nogil=True)
def join_flit(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int
) -> None:
    """Add the first flit of a lane to the sum of its group at this router, and drop it."""
    flit = state.buffer[lane, state.lane[lane, FIRST]]
    packet = flit >> INDEX_BITS
    index = flit & ((1 << INDEX_BITS) - 1)
    tree = packets.table[packet, P_TREE]
    router = wiring.port[lane // settings.vcs, W_ROUTER_OF]
    slot = packets.trees[tree, router, JOIN_SLOT]
    entry = packets.table[packet, P_GROUP_FLITS] + slot * packets.table[packet, P_FLITS] + index
    packets.joins[entry, SEEN] += 1
    packets.joins[entry, SUMS] += packets.values[packets.table[packet, P_VALUE_AT] + index]
    state.now[LAST_MOVE] = state.now[NOW]
    drop_first(wiring, settings, state, packets, lane, BY_JOIN)


@njit(cache=True, nogil=True)
def joined_entry(wiring: Wiring, settings: Settings, packets: Packets, lane: int, flit: int) -> int:
    """Return where the sum for a flit of the last packet of a group stands; -1 is not complete."""
    packet = flit >> INDEX_BITS
    index = flit & ((1 << INDEX_BITS) - 1)
    tree = packets.table[packet, P_TREE]
    router = wiring.port[lane // settings.vcs, W_ROUTER_OF]
    slot = packets.trees[tree, router, JOIN_SLOT]
    entry = packets.table[packet, P_GROUP_FLITS] + slot * packets.table[packet, P_FLITS] + index
    if packets.joins[entry, SEEN] < packets.trees[tree, router, EXPECTED] - 1:
        return -1
    return int(entry)


@njit(cache=True, nogil=True)
def may_send(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int
) -> bool:
    """Return whether the first flit of an active lane has room, and its sum, if any, is complete."""
    flit = state.buffer[lane, state.lane[lane, FIRST]]
    if state.lane[state.lane[lane, OUT] * settings.vcs + state.lane[lane, OUT_VC], CREDITS] <= 0:
        return False
    if packets.table[flit >> INDEX_BITS, P_KIND] != REDUCTION:
        return True
    return bool(joined_entry(wiring, settings, packets, lane, flit) >= 0)


@njit(cache=True, nogil=True)
def send_first(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, lane: int
) -> None:
    """Send the first flit of a lane that has won the switch."""
    flit = state.buffer[lane, state.lane[lane, FIRST]]
    packet = flit >> INDEX_BITS
    if packets.table[packet, P_KIND] == REDUCTION:
        entry = joined_entry(wiring, settings, packets, lane, flit)
        index = flit & ((1 << INDEX_BITS) - 1)
        packets.values[packets.table[packet, P_VALUE_AT] + index] += packets.joins[entry, SUMS]
        packets.joins[entry, SUMS] = 0
    launch(wiring, settings, state, packets, state.lane[lane, OUT], state.lane[lane, OUT_VC], flit)
    drop_first(wiring, settings, state, packets, lane, BY_SWITCH)
