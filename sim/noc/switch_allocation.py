"""Allocation of the switch of one router in one cycle; see ``vc_allocation``."""

from __future__ import annotations

from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.lists import (
    after,
    behind,
    roomy,
)
from arraysmith.sim.noc.sending import (
    may_send,
)
from arraysmith.sim.noc.state import (
    BRANCH,
    BRANCH_SENT,
    BRANCH_VC,
    BRANCHES,
    BY_FORK,
    BY_SWITCH,
    COUNT,
    CREDITS,
    DUE,
    FIRST,
    FIRST_PORT,
    INDEX_BITS,
    LIST,
    LISTED,
    OUT,
    P_FLITS,
    POPPED,
    PORT_OF,
    STAGE,
    SWITCH_IN,
    SWITCH_OUT,
    SWITCH_VC,
    WAITING,
    Int,
    Settings,
)
from arraysmith.sim.noc.vc_allocation import (
    usable_vcs,
)


@part
def _bid_for_switch(
    settings: Settings,
    lanes: Int,
    entries: Int,
    scratch: Int,
    base: int,
    lane: int,
    out: int,
    low: int,
    n: int,
) -> int:
    """Enter the bid of a lane for an output, if no other lane of its input stands before it.

    ``low`` is 1 for a speculative bid, which loses against others; ``n`` counts the pairs of input
    and output that somebody has bid for; returned, with this one in it.
    """
    vcs, speedup = settings.vcs, settings.speedup
    port = lanes[lane, PORT_OF]
    vc = lane - port * vcs
    entry = port - base if speedup == 1 else (port - base) * speedup + vc % speedup
    pair = entry << settings.port_bits | out - base
    rank = behind(vc, entries[base * speedup + entry, SWITCH_VC], vcs) + low * vcs
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
                    settings, lanes, entries, scratch, base, lane, out, 1, pairs
                )
            continue
        if lanes[lane, DUE] < 0 and may_send(settings, lanes, table, trees, joins, lane):
            pairs = _bid_for_switch(settings, lanes, entries, scratch, base, lane, out, 0, pairs)
    for i in range(nodes[router, LISTED + BY_FORK]):
        lane = lanes[start + i, LIST + BY_FORK]
        for port in range(ports):
            if fork_ready(settings, lanes, table, lane, base, port):
                out = base + port
                pairs = _bid_for_switch(
                    settings, lanes, entries, scratch, base, lane, out, 0, pairs
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
    won, bits = 0, settings.port_bits
    low = (1 << bits) - 1
    for i in range(pairs):
        pair = scratch[2, i]
        scratch[4, pair >> bits] = -1
        scratch[5, pair & low] = -1
    if not settings.islip:
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair >> bits, pair & low
            best = scratch[4, entry]
            if best >= 0:
                pointer = entries[start + entry, SWITCH_IN]
                rank = behind(out, pointer, ports) + (scratch[1, pair] >= vcs) * ports
                other = behind((best & low), pointer, ports) + (scratch[1, best] >= vcs) * ports
                if rank >= other:
                    continue
            scratch[4, entry] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair >> bits, pair & low
            if scratch[4, entry] != pair:
                continue
            best = scratch[5, out]
            if best >= 0:
                pointer = gates[base + out, SWITCH_OUT]
                rank = behind(entry, pointer, width) + (scratch[1, pair] >= vcs) * width
                other = behind((best >> bits), pointer, width)
                if rank >= other + (scratch[1, best] >= vcs) * width:
                    continue
            scratch[5, out] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair >> bits, pair & low
            if scratch[5, out] != pair:
                continue
            entries[start + entry, SWITCH_IN] = after(out, ports)
            gates[base + out, SWITCH_OUT] = after(entry, width)
            scratch[3, won] = pair
            won += 1
        for i in range(pairs):
            scratch[5, scratch[2, i] & low] = -1
        return won
    return int(_islip_switch(settings, gates, entries, scratch, base, ports, pairs))


@part
def _islip_switch(
    settings: Settings, gates: Int, entries: Int, scratch: Int, base: int, ports: int, pairs: int
) -> int:
    """Match inputs of the switch with outputs by iSLIP; see ``match_switch``."""
    speedup = settings.speedup
    start, width = base * speedup, ports * speedup
    won, bits = 0, settings.port_bits
    low = (1 << bits) - 1
    for iteration in range(settings.iterations):
        for i in range(pairs):
            pair = scratch[2, i]
            scratch[6, pair & low] = -1
            scratch[7, pair >> bits] = -1
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair >> bits, pair & low
            if scratch[4, entry] >= 0 or scratch[5, out] >= 0:
                continue
            best, pointer = scratch[6, out], gates[base + out, SWITCH_OUT]
            if best < 0 or behind(entry, pointer, width) < behind((best >> bits), pointer, width):
                scratch[6, out] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair >> bits, pair & low
            if scratch[6, out] != pair:
                continue
            best, pointer = scratch[7, entry], entries[start + entry, SWITCH_IN]
            if best < 0 or behind(out, pointer, ports) < behind((best & low), pointer, ports):
                scratch[7, entry] = pair
        for i in range(pairs):
            pair = scratch[2, i]
            entry, out = pair >> bits, pair & low
            if scratch[7, entry] != pair:
                continue
            scratch[4, entry] = scratch[5, out] = pair
            if iteration == 0:
                gates[base + out, SWITCH_OUT] = after(entry, width)
                entries[start + entry, SWITCH_IN] = after(out, ports)
            scratch[3, won] = pair
            won += 1
    for i in range(pairs):
        pair = scratch[2, i]
        scratch[5, pair & low] = -1
        scratch[6, pair & low] = -1
        scratch[7, pair >> bits] = -1
    return won
