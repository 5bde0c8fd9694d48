"""One cycle of one router: allocations on the state it began with, then the moves they allow."""

from __future__ import annotations

from arraysmith.sim.noc.forking import copy_flit, join
from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.lists import (
    enlist,
    strike,
)
from arraysmith.sim.noc.sending import (
    may_send,
    send_first,
)
from arraysmith.sim.noc.stages import (
    begin,
)
from arraysmith.sim.noc.state import (
    ACTIVE,
    BRANCH,
    BRANCH_VC,
    BY_FORK,
    BY_JOIN,
    BY_ROUTE,
    BY_SWITCH,
    BY_VC,
    DUE,
    FIRST,
    FIRST_PORT,
    FORKING,
    FREE,
    INDEX_BITS,
    LAST_MOVE,
    LIST,
    LISTED,
    NOW,
    OUT,
    OUT_VC,
    OWNER,
    PORT_OF,
    STAGE,
    SWITCH_VC,
    W_ROUTER_OF,
    WAITING,
    WON,
    Int,
    Settings,
    Small,
)
from arraysmith.sim.noc.switch_allocation import (
    gather_bids,
    match_switch,
)
from arraysmith.sim.noc.vc_allocation import (
    allocate_vcs,
)


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
        allocate_vcs(
            settings, lanes, gates, nodes, ends, scratch, ways, masks, table, trees, router
        )
    pairs = 0
    if nodes[router, LISTED + BY_SWITCH] or nodes[router, LISTED + BY_FORK]:
        pairs = gather_bids(
            settings, lanes, gates, entries, nodes, scratch, table, trees, joins, router
        )
    won = match_switch(settings, gates, entries, nodes, scratch, router, pairs) if pairs else 0
    routing = nodes[router, LISTED + BY_ROUTE]
    joining = nodes[router, LISTED + BY_JOIN]
    if bids:
        settle_vcs(settings, now, lanes, gates, nodes, base, router)
    if joining:
        join(
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
        settle_switch(
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
        settle_routes(
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
            routing,
        )


@part
def settle_routes(
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
    known: int,
) -> None:
    """Let heads whose route is computed bid for a virtual channel from the next cycle on.

    ``known`` entries were on the list when the cycle began; later ones begin in the next cycle.
    """
    cycle, start = now[NOW], base * settings.vcs
    for i in range(known - 1, -1, -1):
        lane = lanes[start + i, LIST + BY_ROUTE]
        if lanes[lane, DUE] < 0:
            lanes[lane, DUE] = cycle + settings.routing - 1
        if lanes[lane, DUE] == cycle:
            lanes[lane, DUE] = -1
            strike(settings, lanes, nodes, BY_ROUTE, lane)
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
def settle_vcs(
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
        strike(settings, lanes, nodes, BY_VC, lane)
        if not settings.speculative:
            enlist(settings, lanes, nodes, BY_SWITCH, lane)
        now[LAST_MOVE] = cycle
    for i in range(nodes[router, LISTED + BY_FORK]):
        lane = lanes[start + i, LIST + BY_FORK]
        for port in range(nodes[router + 1, FIRST_PORT] - base):
            vc = lanes[lane, BRANCH + 2 * port + BRANCH_VC]
            if vc < -1:
                lanes[lane, BRANCH + 2 * port + BRANCH_VC] = -2 - vc
                now[LAST_MOVE] = cycle


@part
def settle_switch(
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
            taken |= 1 << (scratch[3, i] & ((1 << settings.port_bits) - 1))
    for i in range(won):
        pair = scratch[3, i]
        lane = scratch[0, pair]
        port = lanes[lane, PORT_OF]
        vc = lane - port * vcs
        entries[base * speedup + (pair >> settings.port_bits), SWITCH_VC] = (
            vc + speedup - (vcs if vc + speedup >= vcs else 0)
        )
        if lanes[lane, STAGE] == FORKING:
            taken = copy_flit(
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
                pair & ((1 << settings.port_bits) - 1),
                taken,
            )
            continue
        if lanes[lane, STAGE] == WAITING:
            continue  # bid early, and got no virtual channel
        if settings.switch_allocation > 1:
            lanes[lane, DUE] = cycle + settings.switch_allocation - 1
        elif may_send(settings, lanes, table, trees, joins, lane):
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
