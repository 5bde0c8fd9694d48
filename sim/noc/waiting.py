"""Who waits for what in a network where nothing moves."""

from __future__ import annotations

import numpy as np

from arraysmith.sim.noc.state import (
    ACTIVE,
    BRANCH,
    BRANCH_VC,
    BRANCHES,
    COUNT,
    CREDITS,
    FIRST,
    FIRST_PORT,
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
    Settings,
    State,
)
from arraysmith.sim.noc.topology import Topology


def waiting_chain(topology: Topology, settings: Settings, state: State) -> tuple[str, ...]:
    """Return a sentence per packet that waits, each for the next, until one is named twice."""
    lanes = [int(lane) for lane in np.flatnonzero(state.lanes[:, COUNT])]
    if not lanes:
        return ("nothing is buffered",)
    seen: list[int] = []
    said: list[str] = []
    lane: int | None = lanes[0]
    while lane is not None and lane not in seen:
        seen.append(lane)
        sentence, lane = _waits(topology, settings, state, lane)
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
    settings: Settings,
    state: State,
    lane: int,
) -> tuple[str, int | None]:
    """Return what the packet in front of a lane waits for, and the lane that it waits for."""
    vcs = settings.vcs
    port, vc = divmod(lane, vcs)
    router = int(state.gates[port, W_ROUTER_OF])
    stage = int(state.lanes[lane, STAGE])
    where = f"router {topology.name_router(router)}, input {port - state.nodes[router, FIRST_PORT]}"
    if not state.lanes[lane, COUNT]:
        return f"{where}, virtual channel {vc} waits for flits", _feeder(state, lane, vcs)
    packet = int(state.lanes[lane, settings.buffer + state.lanes[lane, FIRST]]) >> INDEX_BITS
    name = (
        f"packet {packet} (terminal {state.table[packet, P_SOURCE]}"
        f" to {state.table[packet, P_TARGET]})"
        f" in {where}, virtual channel {vc}"
    )
    if stage == JOINING:
        return f"{name} is being added", None
    if stage == ACTIVE:
        out, out_vc = int(state.lanes[lane, OUT]), int(state.lanes[lane, OUT_VC])
        goal = _goal(topology, state, out)
        if state.lanes[out * vcs + out_vc, CREDITS] <= 0:
            following = int(state.gates[out, W_TARGET])
            text = f"{name} waits for room behind {goal}, virtual channel {out_vc}"
            return text, following * vcs + out_vc if following >= 0 else None
        return f"{name} waits for the other addends of its sum", None
    if stage == FORKING:
        first = int(state.nodes[router, FIRST_PORT])
        for branch in range(int(state.nodes[router + 1, FIRST_PORT]) - first):
            if (
                int(state.lanes[lane, BRANCHES]) >> branch & 1
                and state.lanes[lane, BRANCH + 2 * branch + BRANCH_VC] < 0
            ):
                out = first + branch
                return _for_vc(topology, settings, state, name, out, (1 << vcs) - 1)
        return f"{name} waits for room behind one of its branches", None
    return _for_vc(
        topology,
        settings,
        state,
        name,
        int(state.lanes[lane, OUT]),
        int(state.lanes[lane, MASK]),
    )


def _for_vc(
    topology: Topology,
    settings: Settings,
    state: State,
    name: str,
    out: int,
    mask: int,
) -> tuple[str, int | None]:
    """Return that a packet waits for a virtual channel, and who holds one of them."""
    wanted = [vc for vc in range(settings.vcs) if mask >> vc & 1]
    channels = ", ".join(map(str, wanted))
    text = f"{name} waits for {_goal(topology, state, out)}, virtual channel {channels}"
    for vc in wanted:
        if state.lanes[out * settings.vcs + vc, OWNER] >= 0:
            return text, int(state.lanes[out * settings.vcs + vc, OWNER])
    following = int(state.gates[out, W_TARGET])
    return text, following * settings.vcs + wanted[0] if following >= 0 else None


def _feeder(state: State, lane: int, vcs: int) -> int | None:
    """Return the lane that holds the channel into a lane."""
    port, vc = divmod(lane, vcs)
    upstream = int(state.gates[port, W_SOURCE])
    if upstream < 0 or state.lanes[upstream * vcs + vc, OWNER] < 0:
        return None
    return int(state.lanes[upstream * vcs + vc, OWNER])


def _goal(topology: Topology, state: State, out: int) -> str:
    """Return the link behind an output, for people."""
    router = int(state.gates[out, W_ROUTER_OF])
    if state.gates[out, W_TARGET] < 0:
        return f"terminal {-1 - state.gates[out, W_TARGET]}"
    link = topology.link_at[router, out - int(state.nodes[router, FIRST_PORT])]
    return f"link {topology.name_link(link)}"
