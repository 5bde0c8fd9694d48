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

from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.stages import (
    choose_route,
    flow_of,
    kept_vc,
    lowest,
    may_send,
    roomy,
)
from arraysmith.sim.noc.state import (
    BRANCH,
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
    FIRST_PORT,
    FORKING,
    FREE,
    INDEX_BITS,
    LIST,
    LISTED,
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
    Int,
    Settings,
    Small,
)


@part
def pick_vc(mask: int, pointer: int) -> int:
    """Return the virtual channel of a mask that comes first from ``pointer`` on, round."""
    above = mask >> pointer
    return pointer + lowest(above) if above else lowest(mask)


@part
def usable_vcs(
    settings: Settings, lanes: Int, gates: Int, table: Int, lane: int, out: int, packet: int
) -> int:
    """Return the virtual channels that a head may take now, as a mask."""
    mask = lanes[lane, MASK] & gates[out, FREE]
    if settings.cut_through and mask:
        mask = roomy(settings, lanes, out, mask, table[packet, P_FLITS])
    return mask


@part
def _bid_for_vc(
    settings: Settings,
    lanes: Int,
    scratch: Int,
    base: int,
    ports: int,
    lane: int,
    out: int,
    mask: int,
    n: int,
) -> int:
    """Let a lane pick a virtual channel of an output, and the output keep the best bidder.

    Returns:
        The number of output lanes that somebody has bid for.
    """
    vcs = settings.vcs
    pointer = lanes[lane, VC_IN] - (out - base) * vcs
    vc = pick_vc(mask, pointer) if 0 < pointer < vcs else lowest(mask)
    out_lane = (out - base) * vcs + vc
    distance = lane - base * vcs - lanes[base * vcs + out_lane, VC_OUT]
    if distance < 0:
        distance += ports * vcs
    if scratch[0, out_lane] < 0:
        scratch[2, n] = out_lane
        n += 1
    elif distance >= scratch[1, out_lane]:
        return n
    scratch[0, out_lane] = lane
    scratch[1, out_lane] = distance
    return n


@part
def _take_vc(
    settings: Settings, lanes: Int, gates: Int, scratch: Int, base: int, lane: int, out_lane: int
) -> None:
    """Note that a lane has won an output lane."""
    vcs = settings.vcs
    out, vc = base + out_lane // vcs, out_lane % vcs
    if lanes[lane, STAGE] == FORKING:
        lanes[lane, BRANCH + 2 * (out - base) + BRANCH_VC] = -2 - vc  # from the next cycle on
        gates[out, FREE] &= ~(1 << vc)
        lanes[out * vcs + vc, OWNER] = lane
    else:
        lanes[lane, WON] = vc
        if settings.islip:
            scratch[6, out_lane] = 1


@part
def allocate_vcs(
    settings: Settings,
    lanes: Int,
    gates: Int,
    nodes: Int,
    ends: Int,
    scratch: Int,
    ways: Small,
    masks: Int,
    table: Int,
    router: int,
) -> None:
    """Match heads with free virtual channels; what a lane wins stands in ``won``.

    ``scratch[0]`` and ``[1]`` hold every output's choice and its rank, ``[2]`` the outputs bid for,
    ``[3]`` every input's choice, ``[6]`` what is matched; rows are left as found.
    """
    base = nodes[router, FIRST_PORT]
    ports = nodes[router + 1, FIRST_PORT] - base
    vcs = settings.vcs
    start = base * vcs
    adaptive = ways.shape[4] > 1
    iterations = settings.iterations if settings.islip else 1
    for iteration in range(iterations):
        touched = 0
        for i in range(nodes[router, LISTED + BY_VC]):
            lane = lanes[start + i, LIST + BY_VC]
            if lanes[lane, DUE] >= 0 or lanes[lane, WON] >= 0:
                continue
            packet = lanes[lane, settings.buffer + lanes[lane, FIRST]] >> INDEX_BITS
            if adaptive and iteration == 0:
                choose_route(settings, lanes, gates, nodes, ends, ways, masks, table, lane, packet)
            out = lanes[lane, OUT]
            mask = usable_vcs(settings, lanes, gates, table, lane, out, packet)
            if mask and settings.islip:
                touched = _offer(settings, lanes, scratch, base, ports, lane, out, mask, touched)
            elif mask:
                touched = _bid_for_vc(
                    settings, lanes, scratch, base, ports, lane, out, mask, touched
                )
        for i in range(nodes[router, LISTED + BY_FORK] if iteration == 0 else 0):
            lane = lanes[start + i, LIST + BY_FORK]
            packet = lanes[lane, settings.buffer + lanes[lane, FIRST]] >> INDEX_BITS
            for port in range(ports):
                if (
                    not lanes[lane, BRANCHES] >> port & 1
                    or lanes[lane, BRANCH + 2 * port + BRANCH_VC] != -1
                ):
                    continue
                out = base + port
                mask = gates[out, FREE]
                if settings.in_order:
                    mask &= kept_vc((1 << vcs) - 1, flow_of(table, packet))
                mask = roomy(settings, lanes, out, mask, table[packet, P_FLITS])
                if mask:
                    touched = _bid_for_vc(
                        settings, lanes, scratch, base, ports, lane, out, mask, touched
                    )
        if not touched:
            break
        if settings.islip:
            _accept(settings, lanes, gates, scratch, base, ports, touched, iteration == 0)
            continue
        for i in range(touched):
            out_lane = scratch[2, i]
            lane = scratch[0, out_lane]
            scratch[0, out_lane] = -1
            lanes[lane, VC_IN] = (out_lane + 1) % (ports * vcs)
            lanes[start + out_lane, VC_OUT] = (lane - start + 1) % (ports * vcs)
            _take_vc(settings, lanes, gates, scratch, base, lane, out_lane)
    if settings.islip:
        for i in range(nodes[router, LISTED + BY_VC]):
            lane = lanes[start + i, LIST + BY_VC]
            if lanes[lane, WON] >= 0:
                scratch[6, (lanes[lane, OUT] - base) * vcs + lanes[lane, WON]] = -1


@part
def _offer(
    settings: Settings,
    lanes: Int,
    scratch: Int,
    base: int,
    ports: int,
    lane: int,
    out: int,
    mask: int,
    n: int,
) -> int:
    """Let a lane bid for every virtual channel of a mask, and each output keep its choice."""
    vcs = settings.vcs
    while mask:
        bit = mask & -mask
        mask ^= bit
        out_lane = (out - base) * vcs + lowest(bit)
        if scratch[6, out_lane] >= 0:
            continue  # matched in an earlier iteration of this cycle
        distance = lane - base * vcs - lanes[base * vcs + out_lane, VC_OUT]
        if distance < 0:
            distance += ports * vcs
        if scratch[0, out_lane] < 0:
            scratch[2, n] = out_lane
            n += 1
        elif distance >= scratch[1, out_lane]:
            continue
        scratch[0, out_lane] = lane
        scratch[1, out_lane] = distance
    return n


@part
def _accept(
    settings: Settings,
    lanes: Int,
    gates: Int,
    scratch: Int,
    base: int,
    ports: int,
    touched: int,
    first: bool,
) -> None:
    """Let every lane accept one of the outputs that granted it."""
    vcs = settings.vcs
    start, size = base * vcs, ports * vcs
    for i in range(touched):
        lane = scratch[0, scratch[2, i]]
        scratch[3, lane - start] = -1
    for i in range(touched):
        out_lane = scratch[2, i]
        lane = scratch[0, out_lane]
        best = scratch[3, lane - start]
        pointer = lanes[lane, VC_IN]
        if best < 0 or (out_lane - pointer) % size < (best - pointer) % size:
            scratch[3, lane - start] = out_lane
    for i in range(touched):
        out_lane = scratch[2, i]
        lane = scratch[0, out_lane]
        scratch[0, out_lane] = -1
        if lanes[lane, STAGE] != FORKING and scratch[3, lane - start] != out_lane:
            continue
        if first:
            lanes[lane, VC_IN] = (out_lane + 1) % size
            lanes[start + out_lane, VC_OUT] = (lane - start + 1) % size
        _take_vc(settings, lanes, gates, scratch, base, lane, out_lane)


@part
def _bid_for_switch(
    settings: Settings,
    entries: Int,
    scratch: Int,
    base: int,
    ports: int,
    lane: int,
    out: int,
    low: int,
    n: int,
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
    rank = (vc - entries[base * speedup + entry, SWITCH_VC]) % vcs + low * vcs
    if scratch[0, pair] < 0:
        scratch[2, n] = pair
        n += 1
    elif rank >= scratch[1, pair]:
        return n
    scratch[0, pair] = lane
    scratch[1, pair] = rank
    return n


@part
def gather_bids(
    settings: Settings,
    lanes: Int,
    gates: Int,
    entries: Int,
    nodes: Int,
    scratch: Int,
    table: Int,
    trees: Int,
    joins: Int,
    router: int,
) -> int:
    """Enter every bid for the switch of a router; return the pairs bid for."""
    base = nodes[router, FIRST_PORT]
    ports = nodes[router + 1, FIRST_PORT] - base
    start = base * settings.vcs
    pairs = 0
    for i in range(nodes[router, LISTED + BY_SWITCH]):
        lane = lanes[start + i, LIST + BY_SWITCH]
        out = lanes[lane, OUT]
        if lanes[lane, STAGE] == WAITING:
            flit = lanes[lane, settings.buffer + lanes[lane, FIRST]]
            mask = usable_vcs(settings, lanes, gates, table, lane, out, flit >> INDEX_BITS)
            if roomy(settings, lanes, out, mask, 1):
                pairs = _bid_for_switch(
                    settings, entries, scratch, base, ports, lane, out, 1, pairs
                )
            continue
        if lanes[lane, DUE] < 0 and may_send(settings, lanes, gates, table, trees, joins, lane):
            pairs = _bid_for_switch(settings, entries, scratch, base, ports, lane, out, 0, pairs)
    for i in range(nodes[router, LISTED + BY_FORK]):
        lane = lanes[start + i, LIST + BY_FORK]
        for port in range(ports):
            if fork_ready(settings, lanes, table, lane, base, port):
                out = base + port
                pairs = _bid_for_switch(
                    settings, entries, scratch, base, ports, lane, out, 0, pairs
                )
    return pairs


@part
def fork_ready(settings: Settings, lanes: Int, table: Int, lane: int, base: int, port: int) -> bool:
    """Return whether a branch of a packet has a flit to send and room for it."""
    vc = lanes[lane, BRANCH + 2 * port + BRANCH_VC]
    if vc < 0 or not lanes[lane, BRANCHES] >> port & 1:
        return False
    sent = lanes[lane, BRANCH + 2 * port + BRANCH_SENT]
    packet = lanes[lane, settings.buffer + lanes[lane, FIRST]] >> INDEX_BITS
    if sent == table[packet, P_FLITS] or sent - lanes[lane, POPPED] >= lanes[lane, COUNT]:
        return False
    return bool(lanes[(base + port) * settings.vcs + vc, CREDITS] > 0)


@part
def match_switch(
    settings: Settings, gates: Int, entries: Int, nodes: Int, scratch: Int, router: int, pairs: int
) -> int:
    """Match inputs of the switch with outputs among the pairs bid for.

    Returns:
        The number of winners; ``scratch[3, :winners]`` holds their pairs, whose lanes stand in
        ``scratch[0]``; ``[4]`` and ``[5]`` hold the choices of inputs and of outputs.
    """
    base = nodes[router, FIRST_PORT]
    ports = nodes[router + 1, FIRST_PORT] - base
    speedup, vcs = settings.speedup, settings.vcs
    start = base * speedup
    width = ports * speedup
    won = 0
    for i in range(pairs):
        pair = scratch[2, i]
        scratch[4, pair // ports] = -1
        scratch[5, pair % ports] = -1
    if not settings.islip:
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair // ports, pair % ports
            best = scratch[4, entry]
            if best >= 0:
                pointer = entries[start + entry, SWITCH_IN]
                rank = (out - pointer) % ports + scratch[1, pair] // vcs * ports
                other = (best % ports - pointer) % ports + scratch[1, best] // vcs * ports
                if rank >= other:
                    continue
            scratch[4, entry] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair // ports, pair % ports
            if scratch[4, entry] != pair:
                continue
            best = scratch[5, out]
            if best >= 0:
                pointer = gates[base + out, SWITCH_OUT]
                rank = (entry - pointer) % width + scratch[1, pair] // vcs * width
                other = (best // ports - pointer) % width
                if rank >= other + scratch[1, best] // vcs * width:
                    continue
            scratch[5, out] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair // ports, pair % ports
            if scratch[5, out] != pair:
                continue
            entries[start + entry, SWITCH_IN] = (out + 1) % ports
            gates[base + out, SWITCH_OUT] = (entry + 1) % width
            scratch[3, won] = pair
            won += 1
        for i in range(pairs):
            scratch[5, scratch[2, i] % ports] = -1
        return won
    return _islip_switch(settings, gates, entries, scratch, base, ports, pairs)


@part
def _islip_switch(
    settings: Settings, gates: Int, entries: Int, scratch: Int, base: int, ports: int, pairs: int
) -> int:
    """Match inputs of the switch with outputs by iSLIP; see ``match_switch``."""
    speedup = settings.speedup
    start, width = base * speedup, ports * speedup
    won = 0
    for iteration in range(settings.iterations):
        for i in range(pairs):
            pair = scratch[2, i]
            scratch[6, pair % ports] = -1
            scratch[7, pair // ports] = -1
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair // ports, pair % ports
            if scratch[4, entry] >= 0 or scratch[5, out] >= 0:
                continue
            best, pointer = scratch[6, out], gates[base + out, SWITCH_OUT]
            if best < 0 or (entry - pointer) % width < (best // ports - pointer) % width:
                scratch[6, out] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair // ports, pair % ports
            if scratch[6, out] != pair:
                continue
            best, pointer = scratch[7, entry], entries[start + entry, SWITCH_IN]
            if best < 0 or (out - pointer) % ports < (best % ports - pointer) % ports:
                scratch[7, entry] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair // ports, pair % ports
            if scratch[7, entry] != pair:
                continue
            scratch[4, entry] = scratch[5, out] = pair
            if iteration == 0:
                gates[base + out, SWITCH_OUT] = (entry + 1) % width
                entries[start + entry, SWITCH_IN] = (out + 1) % ports
            scratch[3, won] = pair
            won += 1
    for i in range(pairs):
        pair = scratch[2, i]
        scratch[5, pair % ports] = -1
        scratch[6, pair % ports] = -1
        scratch[7, pair // ports] = -1
    return won
