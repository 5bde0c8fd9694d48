"""Allocation of virtual channels and of the switch of one router, in one cycle.

Both allocators match what bids ("inputs") with what is bid for ("outputs") and go round-robin:

- separable, input first: every input picks one output, then every output picks one of those inputs;
  an arbiter moves on behind its choice only if the match is made. Bids of higher priority go first.
- iSLIP (McKeown, IEEE/ACM ToN 1999): every free output grants an input, every input accepts one
  output; arbiters move on behind what was accepted in the first iteration.

Inputs of the allocation of virtual channels are a router's input lanes, outputs its output lanes.
Inputs of the switch are input ports (times speed-up), outputs the output ports; where several lanes
of an input bid for one output, one stands for them, round-robin as well.
A lane whose packet forks bids for several outputs at once; whatever it wins, it takes.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.noc.stages import (
    choose_route,
    flow_of,
    kept_vc,
    lowest,
    may_send,
    roomy,
)
from arraysmith.sim.noc.state import (
    BRANCH_SENT,
    BRANCH_VC,
    BRANCHES,
    BY_FORK,
    BY_SWITCH,
    BY_VC,
    COUNT,
    CREDITS,
    DUE,
    FIRST,
    FORKING,
    FREE,
    INDEX_BITS,
    MASK,
    OUT,
    OWNER,
    P_FLITS,
    POPPED,
    STAGE,
    SWITCH_IN,
    SWITCH_OUT,
    SWITCH_VC,
    VC_IN,
    VC_OUT,
    WAITING,
    WON,
    Packets,
    Settings,
    State,
    Wiring,
)


@njit(cache=True, nogil=True)
def pick_vc(mask: int, pointer: int) -> int:
    """Return the virtual channel of a mask that comes first from ``pointer`` on, round."""
    above = mask >> pointer
    return pointer + lowest(above) if above else lowest(mask)


@njit(cache=True, nogil=True)
def usable_vcs(
    settings: Settings, state: State, packets: Packets, lane: int, out: int, packet: int
) -> int:
    """Return the virtual channels that a head may take now, as a mask."""
    mask = state.lane[lane, MASK] & state.port[out, FREE]
    if settings.cut_through and mask:
        mask = roomy(settings, state, out, mask, packets.table[packet, P_FLITS])
    return mask


@njit(cache=True, nogil=True)
def _bid_for_vc(
    settings: Settings, state: State, base: int, ports: int, lane: int, out: int, mask: int, n: int
) -> int:
    """Let a lane pick a virtual channel of an output, and the output keep the best bidder.

    Returns:
        The number of output lanes that somebody has bid for.
    """
    vcs = settings.vcs
    pointer = state.lane[lane, VC_IN] - (out - base) * vcs
    vc = pick_vc(mask, pointer) if 0 < pointer < vcs else lowest(mask)
    out_lane = (out - base) * vcs + vc
    distance = lane - base * vcs - state.lane[base * vcs + out_lane, VC_OUT]
    if distance < 0:
        distance += ports * vcs
    if state.scratch[0, out_lane] < 0:
        state.scratch[2, n] = out_lane
        n += 1
    elif distance >= state.scratch[1, out_lane]:
        return n
    state.scratch[0, out_lane] = lane
    state.scratch[1, out_lane] = distance
    return n


@njit(cache=True, nogil=True)
def _take_vc(settings: Settings, state: State, base: int, lane: int, out_lane: int) -> None:
    """Note that a lane has won an output lane."""
    vcs = settings.vcs
    out, vc = base + out_lane // vcs, out_lane % vcs
    if state.lane[lane, STAGE] == FORKING:
        state.branch[lane, out - base, BRANCH_VC] = vc
        state.port[out, FREE] &= ~(1 << vc)
        state.lane[out * vcs + vc, OWNER] = lane
    else:
        state.lane[lane, WON] = vc
        if settings.islip:
            state.scratch[6, out_lane] = 1


@njit(cache=True, nogil=True)
def allocate_vcs(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, router: int
) -> None:
    """Match heads with free virtual channels; what a lane wins stands in ``won``.

    ``scratch[0]`` and ``[1]`` hold every output's choice and its rank, ``[2]`` the outputs bid for,
    ``[3]`` every input's choice, ``[6]`` what is matched; rows are left as found.
    """
    base = wiring.first_port[router]
    ports = wiring.first_port[router + 1] - base
    vcs = settings.vcs
    start = base * vcs
    adaptive = wiring.route_port.shape[4] > 1
    iterations = settings.iterations if settings.islip else 1
    for iteration in range(iterations):
        touched = 0
        for i in range(state.listed[BY_VC, router]):
            lane = state.lists[BY_VC, start + i]
            if state.lane[lane, DUE] >= 0 or state.lane[lane, WON] >= 0:
                continue
            packet = state.buffer[lane, state.lane[lane, FIRST]] >> INDEX_BITS
            if adaptive and iteration == 0:
                choose_route(wiring, settings, state, packets, lane, packet)
            out = state.lane[lane, OUT]
            mask = usable_vcs(settings, state, packets, lane, out, packet)
            if mask and settings.islip:
                touched = _offer(settings, state, base, ports, lane, out, mask, touched)
            elif mask:
                touched = _bid_for_vc(settings, state, base, ports, lane, out, mask, touched)
        for i in range(state.listed[BY_FORK, router] if iteration == 0 else 0):
            lane = state.lists[BY_FORK, start + i]
            packet = state.buffer[lane, state.lane[lane, FIRST]] >> INDEX_BITS
            for port in range(ports):
                if not state.lane[lane, BRANCHES] >> port & 1 or state.branch[lane, port, BRANCH_VC] >= 0:
                    continue
                out = base + port
                mask = state.port[out, FREE]
                if settings.in_order:
                    mask &= kept_vc((1 << vcs) - 1, flow_of(packets, packet))
                mask = roomy(settings, state, out, mask, packets.table[packet, P_FLITS])
                if mask:
                    touched = _bid_for_vc(settings, state, base, ports, lane, out, mask, touched)
        if not touched:
            break
        if settings.islip:
            _accept(settings, state, base, ports, touched, iteration == 0)
            continue
        for i in range(touched):
            out_lane = state.scratch[2, i]
            lane = state.scratch[0, out_lane]
            state.scratch[0, out_lane] = -1
            state.lane[lane, VC_IN] = (out_lane + 1) % (ports * vcs)
            state.lane[start + out_lane, VC_OUT] = (lane - start + 1) % (ports * vcs)
            _take_vc(settings, state, base, lane, out_lane)
    if settings.islip:
        for i in range(state.listed[BY_VC, router]):
            lane = state.lists[BY_VC, start + i]
            if state.lane[lane, WON] >= 0:
                state.scratch[6, (state.lane[lane, OUT] - base) * vcs + state.lane[lane, WON]] = -1


@njit(cache=True, nogil=True)
def _offer(
    settings: Settings, state: State, base: int, ports: int, lane: int, out: int, mask: int, n: int
) -> int:
    """Let a lane bid for every virtual channel of a mask, and each output keep its choice."""
    vcs = settings.vcs
    while mask:
        bit = mask & -mask
        mask ^= bit
        out_lane = (out - base) * vcs + lowest(bit)
        if state.scratch[6, out_lane] >= 0:
            continue  # matched in an earlier iteration of this cycle
        distance = lane - base * vcs - state.lane[base * vcs + out_lane, VC_OUT]
        if distance < 0:
            distance += ports * vcs
        if state.scratch[0, out_lane] < 0:
            state.scratch[2, n] = out_lane
            n += 1
        elif distance >= state.scratch[1, out_lane]:
            continue
        state.scratch[0, out_lane] = lane
        state.scratch[1, out_lane] = distance
    return n


@njit(cache=True, nogil=True)
def _accept(
    settings: Settings, state: State, base: int, ports: int, touched: int, first: bool
) -> None:
    """Let every lane accept one of the outputs that granted it."""
    vcs = settings.vcs
    start, size = base * vcs, ports * vcs
    for i in range(touched):
        lane = state.scratch[0, state.scratch[2, i]]
        state.scratch[3, lane - start] = -1
    for i in range(touched):
        out_lane = state.scratch[2, i]
        lane = state.scratch[0, out_lane]
        best = state.scratch[3, lane - start]
        pointer = state.lane[lane, VC_IN]
        if best < 0 or (out_lane - pointer) % size < (best - pointer) % size:
            state.scratch[3, lane - start] = out_lane
    for i in range(touched):
        out_lane = state.scratch[2, i]
        lane = state.scratch[0, out_lane]
        state.scratch[0, out_lane] = -1
        if state.lane[lane, STAGE] != FORKING and state.scratch[3, lane - start] != out_lane:
            continue
        if first:
            state.lane[lane, VC_IN] = (out_lane + 1) % size
            state.lane[start + out_lane, VC_OUT] = (lane - start + 1) % size
        _take_vc(settings, state, base, lane, out_lane)


@njit(cache=True, nogil=True)
def _bid_for_switch(
    settings: Settings, state: State, base: int, ports: int, lane: int, out: int, low: int, n: int
) -> int:
    """Enter the bid of a lane for an output, if no other lane of its input stands before it.

    Args:
        low: 1 for a speculative bid, which loses against others.
        n: pairs of input and output that somebody has bid for.
    """
    vcs, speedup = settings.vcs, settings.speedup
    port = lane // vcs
    vc = lane - port * vcs
    entry = (port - base) * speedup + vc % speedup
    pair = entry * ports + out - base
    rank = (vc - state.entry[base * speedup + entry, SWITCH_VC]) % vcs + low * vcs
    if state.scratch[0, pair] < 0:
        state.scratch[2, n] = pair
        n += 1
    elif rank >= state.scratch[1, pair]:
        return n
    state.scratch[0, pair] = lane
    state.scratch[1, pair] = rank
    return n


@njit(cache=True, nogil=True)
def gather_bids(
    wiring: Wiring, settings: Settings, state: State, packets: Packets, router: int
) -> int:
    """Enter every bid for the switch of a router; return the pairs bid for."""
    base = wiring.first_port[router]
    ports = wiring.first_port[router + 1] - base
    start = base * settings.vcs
    pairs = 0
    for i in range(state.listed[BY_SWITCH, router]):
        lane = state.lists[BY_SWITCH, start + i]
        out = state.lane[lane, OUT]
        if state.lane[lane, STAGE] == WAITING:
            flit = state.buffer[lane, state.lane[lane, FIRST]]
            mask = usable_vcs(settings, state, packets, lane, out, flit >> INDEX_BITS)
            if roomy(settings, state, out, mask, 1):
                pairs = _bid_for_switch(settings, state, base, ports, lane, out, 1, pairs)
            continue
        if state.lane[lane, DUE] < 0 and may_send(wiring, settings, state, packets, lane):
            pairs = _bid_for_switch(settings, state, base, ports, lane, out, 0, pairs)
    for i in range(state.listed[BY_FORK, router]):
        lane = state.lists[BY_FORK, start + i]
        for port in range(ports):
            if fork_ready(settings, state, lane, base, port):
                out = base + port
                pairs = _bid_for_switch(settings, state, base, ports, lane, out, 0, pairs)
    return pairs


@njit(cache=True, nogil=True)
def fork_ready(settings: Settings, state: State, lane: int, base: int, port: int) -> bool:
    """Return whether a branch of a packet has a flit to send and room for it."""
    vc = state.branch[lane, port, BRANCH_VC]
    if vc < 0 or not state.lane[lane, BRANCHES] >> port & 1:
        return False
    if state.branch[lane, port, BRANCH_SENT] - state.lane[lane, POPPED] >= state.lane[lane, COUNT]:
        return False
    return bool(state.lane[(base + port) * settings.vcs + vc, CREDITS] > 0)


@njit(cache=True, nogil=True)
def match_switch(
    wiring: Wiring, settings: Settings, state: State, router: int, pairs: int
) -> int:
    """Match inputs of the switch with outputs among the pairs bid for.

    Returns:
        The number of winners; ``scratch[3, :winners]`` holds their pairs, whose lanes stand in
        ``scratch[0]``; ``[4]`` and ``[5]`` hold the choices of inputs and of outputs.
    """
    base = wiring.first_port[router]
    ports = wiring.first_port[router + 1] - base
    speedup, vcs = settings.speedup, settings.vcs
    start = base * speedup
    entries = ports * speedup
    won = 0
    for i in range(pairs):
        pair = state.scratch[2, i]
        state.scratch[4, pair // ports] = -1
        state.scratch[5, pair % ports] = -1
    if not settings.islip:
        for i in range(pairs):
            pair = state.scratch[2, i]
            entry, out = pair // ports, pair % ports
            best = state.scratch[4, entry]
            if best >= 0:
                pointer = state.entry[start + entry, SWITCH_IN]
                rank = (out - pointer) % ports + state.scratch[1, pair] // vcs * ports
                other = (best % ports - pointer) % ports + state.scratch[1, best] // vcs * ports
                if rank >= other:
                    continue
            state.scratch[4, entry] = pair
        for i in range(pairs):
            pair = state.scratch[2, i]
            entry, out = pair // ports, pair % ports
            if state.scratch[4, entry] != pair:
                continue
            best = state.scratch[5, out]
            if best >= 0:
                pointer = state.port[base + out, SWITCH_OUT]
                rank = (entry - pointer) % entries + state.scratch[1, pair] // vcs * entries
                other = (best // ports - pointer) % entries
                if rank >= other + state.scratch[1, best] // vcs * entries:
                    continue
            state.scratch[5, out] = pair
        for i in range(pairs):
            pair = state.scratch[2, i]
            entry, out = pair // ports, pair % ports
            if state.scratch[5, out] != pair:
                continue
            state.entry[start + entry, SWITCH_IN] = (out + 1) % ports
            state.port[base + out, SWITCH_OUT] = (entry + 1) % entries
            state.scratch[3, won] = pair
            won += 1
        for i in range(pairs):
            state.scratch[5, state.scratch[2, i] % ports] = -1
        return won
    return _islip_switch(settings, state, base, ports, pairs)


@njit(cache=True, nogil=True)
def _islip_switch(settings: Settings, state: State, base: int, ports: int, pairs: int) -> int:
    """Match inputs of the switch with outputs by iSLIP; see ``match_switch``."""
    speedup = settings.speedup
    start, entries = base * speedup, ports * speedup
    won = 0
    for iteration in range(settings.iterations):
        for i in range(pairs):
            pair = state.scratch[2, i]
            state.scratch[6, pair % ports] = -1
            state.scratch[7, pair // ports] = -1
        for i in range(pairs):
            pair = state.scratch[2, i]
            entry, out = pair // ports, pair % ports
            if state.scratch[4, entry] >= 0 or state.scratch[5, out] >= 0:
                continue
            best, pointer = state.scratch[6, out], state.port[base + out, SWITCH_OUT]
            if best < 0 or (entry - pointer) % entries < (best // ports - pointer) % entries:
                state.scratch[6, out] = pair
        for i in range(pairs):
            pair = state.scratch[2, i]
            entry, out = pair // ports, pair % ports
            if state.scratch[6, out] != pair:
                continue
            best, pointer = state.scratch[7, entry], state.entry[start + entry, SWITCH_IN]
            if best < 0 or (out - pointer) % ports < (best % ports - pointer) % ports:
                state.scratch[7, entry] = pair
        for i in range(pairs):
            pair = state.scratch[2, i]
            entry, out = pair // ports, pair % ports
            if state.scratch[7, entry] != pair:
                continue
            state.scratch[4, entry] = state.scratch[5, out] = pair
            if iteration == 0:
                state.port[base + out, SWITCH_OUT] = (entry + 1) % entries
                state.entry[start + entry, SWITCH_IN] = (out + 1) % ports
            state.scratch[3, won] = pair
            won += 1
    for i in range(pairs):
        pair = state.scratch[2, i]
        state.scratch[5, pair % ports] = -1
        state.scratch[6, pair % ports] = -1
        state.scratch[7, pair // ports] = -1
    return won
