"""Who waits for what in a network where nothing moves."""

from __future__ import annotations

import numpy as np

from arraysmith.sim.noc.state import (
    ACTIVE,
    BRANCH_VC,
    BRANCHES,
    COUNT,
    CREDITS,
    FIRST,
    FORKING,
    INDEX_BITS,
    JOINING,
    MASK,
    OUT,
    OUT_VC,
    OWNER,
    P_SOURCE,
    P_TARGET,
    STAGE,
    W_ROUTER_OF,
    W_SOURCE,
    W_TARGET,
    Packets,
    Settings,
    State,
    Wiring,
)
from arraysmith.sim.noc.topology import Topology


def waiting_chain(
    topology: Topology, wiring: Wiring, settings: Settings, state: State, packets: Packets
) -> tuple[str, ...]:
    """Return a sentence per packet that waits, each for the next, until one is named twice."""
    lanes = [int(lane) for lane in np.flatnonzero(state.lane[:, COUNT])]
    if not lanes:
        return ("nothing is buffered",)
    seen: list[int] = []
    said: list[str] = []
    lane: int | None = lanes[0]
    while lane is not None and lane not in seen:
        seen.append(lane)
        sentence, lane = _waits(topology, wiring, settings, state, packets, lane)
        said.append(sentence)
    if lane is not None:
        said.append(f"which is the {_ordinal(seen.index(lane) + 1)} of this chain")
    return tuple(said)


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if 10 <= number % 100 <= 20 else endings.get(number % 10, "th")
    return f"{number}{ending}"


def _waits(
    topology: Topology,
    wiring: Wiring,
    settings: Settings,
    state: State,
    packets: Packets,
    lane: int,
) -> tuple[str, int | None]:
    """Return what the packet in front of a lane waits for, and the lane that it waits for."""
    vcs = settings.vcs
    port, vc = divmod(lane, vcs)
    router = int(wiring.port[port, W_ROUTER_OF])
    stage = int(state.lane[lane, STAGE])
    where = f"router {topology.name_router(router)}, input {port - wiring.first_port[router]}"
    if not state.lane[lane, COUNT]:
        return f"{where}, virtual channel {vc} waits for flits", _feeder(wiring, state, lane, vcs)
    packet = int(state.buffer[lane, state.lane[lane, FIRST]]) >> INDEX_BITS
    name = (
        f"packet {packet} (terminal {packets.table[packet, P_SOURCE]} to {packets.table[packet, P_TARGET]})"
        f" in {where}, virtual channel {vc}"
    )
    if stage == JOINING:
        return f"{name} is being added", None
    if stage == ACTIVE:
        out, out_vc = int(state.lane[lane, OUT]), int(state.lane[lane, OUT_VC])
        goal = _goal(topology, wiring, out)
        if state.lane[out * vcs + out_vc, CREDITS] <= 0:
            following = int(wiring.port[out, W_TARGET])
            text = f"{name} waits for room behind {goal}, virtual channel {out_vc}"
            return text, following * vcs + out_vc if following >= 0 else None
        return f"{name} waits for the other addends of its sum", None
    if stage == FORKING:
        first = int(wiring.first_port[router])
        for branch in range(int(wiring.first_port[router + 1]) - first):
            if int(state.lane[lane, BRANCHES]) >> branch & 1 and state.branch[lane, branch, BRANCH_VC] < 0:
                out = first + branch
                return _for_vc(topology, wiring, settings, state, name, out, (1 << vcs) - 1)
        return f"{name} waits for room behind one of its branches", None
    return _for_vc(
        topology, wiring, settings, state, name, int(state.lane[lane, OUT]), int(state.lane[lane, MASK])
    )


def _for_vc(
    topology: Topology,
    wiring: Wiring,
    settings: Settings,
    state: State,
    name: str,
    out: int,
    mask: int,
) -> tuple[str, int | None]:
    """Return that a packet waits for a virtual channel, and who holds one of them."""
    wanted = [vc for vc in range(settings.vcs) if mask >> vc & 1]
    channels = ", ".join(map(str, wanted))
    text = f"{name} waits for {_goal(topology, wiring, out)}, virtual channel {channels}"
    for vc in wanted:
        if state.lane[out * settings.vcs + vc, OWNER] >= 0:
            return text, int(state.lane[out * settings.vcs + vc, OWNER])
    following = int(wiring.port[out, W_TARGET])
    return text, following * settings.vcs + wanted[0] if following >= 0 else None


def _feeder(wiring: Wiring, state: State, lane: int, vcs: int) -> int | None:
    """Return the lane that holds the channel into a lane."""
    port, vc = divmod(lane, vcs)
    upstream = int(wiring.port[port, W_SOURCE])
    if upstream < 0 or state.lane[upstream * vcs + vc, OWNER] < 0:
        return None
    return int(state.lane[upstream * vcs + vc, OWNER])


def _goal(topology: Topology, wiring: Wiring, out: int) -> str:
    """Return the link behind an output, for people."""
    router = int(wiring.port[out, W_ROUTER_OF])
    if wiring.port[out, W_TARGET] < 0:
        return f"terminal {-1 - wiring.port[out, W_TARGET]}"
    link = topology.link_at[router, out - int(wiring.first_port[router])]
    return f"link {topology.name_link(link)}"
