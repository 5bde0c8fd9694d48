"""How a flit leaves a lane: over the switch, or into a sum."""

from __future__ import annotations

from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.lists import (
    strike,
)
from arraysmith.sim.noc.stages import (
    meet,
)
from arraysmith.sim.noc.state import (
    AT,
    BY_JOIN,
    BY_SWITCH,
    COUNT,
    CREDITS,
    EVENTS,
    EXPECTED,
    FIRST,
    FLIT,
    FLITS,
    FREE,
    IDLE,
    INDEX_BITS,
    JOIN_SLOT,
    LAST_MOVE,
    LOADS,
    NOW,
    OUT,
    OUT_VC,
    OWNER,
    P_FLITS,
    P_GROUP_FLITS,
    P_KIND,
    P_TAG,
    P_TREE,
    P_VALUE_AT,
    PORT_OF,
    REDUCTION,
    RETURNS,
    ROUTER_OF,
    SEEN,
    STAGE,
    SUMS,
    V_FIRST,
    VC,
    W_LAST,
    W_LATENCY,
    W_LATENCY_IN,
    W_SOURCE,
    W_TARGET,
    Int,
    Settings,
    Small,
)


@part
def give_credit(
    settings: Settings, now: Int, lanes: Int, gates: Int, wheel: Int, lane: int
) -> None:
    """Send a credit for one place of an input's lane to what feeds it."""
    port = lanes[lane, PORT_OF]
    vc = lane - port * settings.vcs
    upstream = gates[port, W_SOURCE]
    when = now[NOW] + 1 + gates[port, W_LATENCY_IN]
    if upstream >= 0:
        when += settings.credit
        code = upstream * settings.vcs + vc
    else:
        code = -1 - ((-1 - upstream) * settings.vcs + vc)
    slot = when & (settings.slots - 1)
    wheel[slot, settings.returns + wheel[slot, RETURNS]] = code
    wheel[slot, RETURNS] += 1
    now[EVENTS] += 1


@part
def launch(
    settings: Settings,
    now: Int,
    lanes: Int,
    gates: Int,
    wheel: Int,
    table: Int,
    hops: Int,
    out: int,
    vc: int,
    flit: int,
) -> None:
    """Send a flit through the switch and over the link behind output ``out``."""
    when = now[NOW] + 1 + settings.traversal + gates[out, W_LATENCY]
    slot = when & (settings.slots - 1)
    entry = wheel[slot, FLITS]
    wheel[slot, 2 + 3 * entry + AT] = gates[out, W_TARGET]
    wheel[slot, 2 + 3 * entry + VC] = vc
    wheel[slot, 2 + 3 * entry + FLIT] = flit
    wheel[slot, FLITS] += 1
    now[EVENTS] += 1
    now[LAST_MOVE] = now[NOW]
    lanes[out * settings.vcs + vc, CREDITS] -= 1
    if settings.recorded is not None:
        gates[out, W_LAST] = now[NOW]
        if lanes[out * settings.vcs + vc, V_FIRST] < 0:
            lanes[out * settings.vcs + vc, V_FIRST] = now[NOW]
    packet = flit >> INDEX_BITS
    kind = table[packet, P_KIND]
    gates[out, LOADS + kind] += 1
    if gates[out, W_TARGET] >= 0:
        hops[table[packet, P_TAG], kind] += 1
    if (flit & ((1 << INDEX_BITS) - 1)) == table[packet, P_FLITS] - 1:
        gates[out, FREE] |= 1 << vc
        lanes[out * settings.vcs + vc, OWNER] = -1


@part
def drop_first(
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
    lane: int,
    which: int,
) -> None:
    """Take the first flit out of a lane on list ``which``, and go on to what follows it."""
    place = lanes[lane, FIRST]
    flit = lanes[lane, settings.buffer + place]
    lanes[lane, FIRST] = place + 1 if place + 1 < settings.depth else 0
    lanes[lane, COUNT] -= 1
    give_credit(settings, now, lanes, gates, wheel, lane)
    packet = flit >> INDEX_BITS
    last = (flit & ((1 << INDEX_BITS) - 1)) == table[packet, P_FLITS] - 1
    if last or (which == BY_SWITCH and lanes[lane, COUNT] == 0):
        strike(settings, lanes, nodes, which, lane)
    if last:
        lanes[lane, STAGE] = IDLE
        if lanes[lane, COUNT]:
            following = lanes[lane, settings.buffer + lanes[lane, FIRST]] >> INDEX_BITS
            meet(
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
                following,
            )


@part
def join_flit(
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
    lane: int,
) -> None:
    """Add the first flit of a lane to the sum of its group at this router, and drop it."""
    flit = lanes[lane, settings.buffer + lanes[lane, FIRST]]
    packet = flit >> INDEX_BITS
    index = flit & ((1 << INDEX_BITS) - 1)
    tree = table[packet, P_TREE]
    router = lanes[lane, ROUTER_OF]
    slot = trees[tree, router, JOIN_SLOT]
    entry = table[packet, P_GROUP_FLITS] + slot * table[packet, P_FLITS] + index
    joins[entry, SEEN] += 1
    joins[entry, SUMS] += values[table[packet, P_VALUE_AT] + index]
    now[LAST_MOVE] = now[NOW]
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
        BY_JOIN,
    )


@part
def joined_entry(lanes: Int, table: Int, trees: Int, joins: Int, lane: int, flit: int) -> int:
    """Return where the sum for a flit of the last packet of a group stands; -1 is not complete."""
    packet = flit >> INDEX_BITS
    index = flit & ((1 << INDEX_BITS) - 1)
    tree = table[packet, P_TREE]
    router = lanes[lane, ROUTER_OF]
    slot = trees[tree, router, JOIN_SLOT]
    entry = table[packet, P_GROUP_FLITS] + slot * table[packet, P_FLITS] + index
    if joins[entry, SEEN] < trees[tree, router, EXPECTED] - 1:
        return -1
    return int(entry)


@part
def may_send(settings: Settings, lanes: Int, table: Int, trees: Int, joins: Int, lane: int) -> bool:
    """Return whether the first flit of an active lane has room, and its sum is complete."""
    flit = lanes[lane, settings.buffer + lanes[lane, FIRST]]
    if lanes[lanes[lane, OUT] * settings.vcs + lanes[lane, OUT_VC], CREDITS] <= 0:
        return False
    if table[flit >> INDEX_BITS, P_KIND] != REDUCTION:
        return True
    return bool(joined_entry(lanes, table, trees, joins, lane, flit) >= 0)


@part
def send_first(
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
    hops: Int,
    lane: int,
) -> None:
    """Send the first flit of a lane that has won the switch."""
    flit = lanes[lane, settings.buffer + lanes[lane, FIRST]]
    packet = flit >> INDEX_BITS
    if table[packet, P_KIND] == REDUCTION:
        entry = joined_entry(lanes, table, trees, joins, lane, flit)
        index = flit & ((1 << INDEX_BITS) - 1)
        values[table[packet, P_VALUE_AT] + index] += joins[entry, SUMS]
        joins[entry, SUMS] = 0
    launch(
        settings, now, lanes, gates, wheel, table, hops, lanes[lane, OUT], lanes[lane, OUT_VC], flit
    )
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
        BY_SWITCH,
    )
