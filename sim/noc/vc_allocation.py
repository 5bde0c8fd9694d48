"""Allocation of virtual channels of one router in one cycle; how both allocators work.

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
from arraysmith.sim.noc.lists import (
    after,
    behind,
    flow_of,
    kept_vc,
    lowest,
    roomy,
)
from arraysmith.sim.noc.stages import (
    choose_route,
)
from arraysmith.sim.noc.state import (
    BRANCH,
    BRANCH_VC,
    BRANCHES,
    BY_FORK,
    BY_VC,
    DUE,
    FIRST,
    FIRST_PORT,
    FORK_VCS,
    FORKING,
    FREE,
    INDEX_BITS,
    LIST,
    LISTED,
    MASK,
    OUT,
    OWNER,
    P_FLITS,
    P_TREE,
    STAGE,
    VC_IN,
    VC_OUT,
    WON,
    Int,
    Settings,
    Small,
)


@part
def pick_vc(mask: int, pointer: int) -> int:
    """Return the virtual channel of a mask that comes first from ``pointer`` on, round."""
    above = mask >> pointer
    return int(pointer + lowest(above) if above else lowest(mask))


@part
def usable_vcs(
    settings: Settings, lanes: Int, gates: Int, table: Int, lane: int, out: int, packet: int
) -> int:
    """Return the virtual channels that a head may take now, as a mask."""
    mask = lanes[lane, MASK] & gates[out, FREE]
    if settings.cut_through and mask:
        mask = roomy(settings, lanes, out, mask, table[packet, P_FLITS])
    return int(mask)


@part
def bid_for_vc(
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
def take_vc(
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
    trees: Int,
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
                touched = bid_for_vc(
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
                allowed = trees[table[packet, P_TREE], router, FORK_VCS + port]
                mask = gates[out, FREE] & allowed
                if settings.in_order:
                    mask &= kept_vc(allowed, flow_of(table, packet))
                mask = roomy(settings, lanes, out, mask, table[packet, P_FLITS])
                if mask:
                    touched = bid_for_vc(
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
            lanes[lane, VC_IN] = after(out_lane, ports * vcs)
            lanes[start + out_lane, VC_OUT] = after(lane - start, ports * vcs)
            take_vc(settings, lanes, gates, scratch, base, lane, out_lane)
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
        if best < 0 or behind(out_lane, pointer, size) < behind(best, pointer, size):
            scratch[3, lane - start] = out_lane
    for i in range(touched):
        out_lane = scratch[2, i]
        lane = scratch[0, out_lane]
        scratch[0, out_lane] = -1
        if lanes[lane, STAGE] != FORKING and scratch[3, lane - start] != out_lane:
            continue
        if first:
            lanes[lane, VC_IN] = after(out_lane, size)
            lanes[start + out_lane, VC_OUT] = after(lane - start, size)
        take_vc(settings, lanes, gates, scratch, base, lane, out_lane)
