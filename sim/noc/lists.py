"""Small helpers of the kernels: lists of lanes, masks of virtual channels."""

from __future__ import annotations

from arraysmith.sim.noc.jit import part
from arraysmith.sim.noc.state import (
    CREDITS,
    FIRST_PORT,
    LIST,
    LISTED,
    LISTS,
    P_SOURCE,
    P_TARGET,
    PLACE,
    ROUTER_OF,
    Int,
    Settings,
)


@part
def enlist(settings: Settings, lanes: Int, nodes: Int, which: int, lane: int) -> None:
    """Add a lane to a list of its router."""
    router = lanes[lane, ROUTER_OF]
    place = nodes[router, FIRST_PORT] * settings.vcs + nodes[router, LISTED + which]
    lanes[place, LIST + which] = lane
    lanes[lane, PLACE + which] = place
    nodes[router, LISTED + which] += 1
    nodes[router, LISTED + LISTS] += 1


@part
def strike(settings: Settings, lanes: Int, nodes: Int, which: int, lane: int) -> None:
    """Take a lane off a list; the last one there takes its place."""
    router = lanes[lane, ROUTER_OF]
    nodes[router, LISTED + which] -= 1
    nodes[router, LISTED + LISTS] -= 1
    end = nodes[router, FIRST_PORT] * settings.vcs + nodes[router, LISTED + which]
    place = lanes[lane, PLACE + which]
    other = lanes[end, LIST + which]
    lanes[place, LIST + which] = other
    lanes[other, PLACE + which] = place
    lanes[lane, PLACE + which] = -1


@part
def lowest(mask: int) -> int:
    """Return the place of the lowest bit of a mask that has one."""
    place = 0
    while not mask & 1:
        mask >>= 1
        place += 1
    return place


@part
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
    return int(mask & -mask)


@part
def flow_of(table: Int, packet: int) -> int:
    """Return a number that packets from one terminal to one target share."""
    return int(table[packet, P_SOURCE] + table[packet, P_TARGET])


@part
def roomy(settings: Settings, lanes: Int, out: int, mask: int, flits: int) -> int:
    """Return the virtual channels of ``mask`` with room for ``flits`` behind port ``out``."""
    found = 0
    rest = mask
    while rest:
        bit = rest & -rest
        if lanes[out * settings.vcs + lowest(bit), CREDITS] >= flits:
            found |= bit
        rest ^= bit
    return found


@part
def after(place: int, size: int) -> int:
    """Return the place after one of ``size`` in a circle."""
    return place + 1 if place + 1 < size else 0


@part
def behind(place: int, pointer: int, size: int) -> int:
    """Return how far a place lies behind a pointer in a circle of ``size``."""
    distance = place - pointer
    return distance if distance >= 0 else distance + size
