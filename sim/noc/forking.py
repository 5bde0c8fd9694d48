"""Packets that fork send copies of their flits; packets that join are added up."""

from __future__ import annotations

from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.sending import drop_first, join_flit, launch
from arraysmith.sim.noc.state import (
    BRANCH,
    BRANCH_SENT,
    BRANCH_VC,
    BRANCHES,
    BY_FORK,
    BY_JOIN,
    COUNT,
    FIRST,
    FLITS_IN,
    INDEX_BITS,
    LIST,
    LISTED,
    P_FLITS,
    POPPED,
    Int,
    Settings,
    Small,
)
from arraysmith.sim.noc.switch_allocation import fork_ready


@part
def copy_flit(
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
def join(
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
