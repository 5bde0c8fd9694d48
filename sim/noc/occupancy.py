"""Which channels packets took, from when to when: what others have to keep clear of.

A channel is what an output port of a router sends over, or a terminal to its router. Where a
routing keeps classes of virtual channels apart, each class of a port is one, and the first of them
stands for the link besides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.sim.noc.state import (
    SEND_CREDITS,
    T_LAST,
    V_FIRST,
    V_READY,
    W_LAST,
    Int,
    State,
)
from arraysmith.sim.noc.topology import Topology


@dataclass(frozen=True, slots=True)
class Span:
    """What was taken of one channel.

    Attributes:
        channel: ports of all routers first, class by class, then terminals.
        begin: cycle of its first flit.
        end: cycle after that of its last flit.
        vcs: virtual channels that it has.
        taken: cycle of the first flit on every virtual channel that had one, in order.
        ready: cycles from which these have room for another packet, in order.
    """

    channel: int
    begin: int
    end: int
    vcs: int
    taken: tuple[int, ...]
    ready: tuple[int, ...]


def count_channels(topology: Topology, classes: list[list[int]]) -> int:
    """Return the channels of a network with these classes of virtual channels."""
    return (sum(topology.ports) + len(topology.terminals)) * len(classes)


def spans_of(state: State, vcs: int, classes: list[list[int]]) -> list[Span]:
    """Return the spans of all channels that flits passed, of a network at rest.

    A virtual channel has room for another packet from the credit on that makes it as many free
    places as ``now[ROOM]`` says, or from its last flit on if there were always as many.

    Args:
        state: of the network.
        vcs: virtual channels of a port.
        classes: of these.
    """
    gates, ends, found = state.gates, state.ends, []
    for port in np.flatnonzero(gates[:, W_LAST] >= 0).tolist():
        of_vcs = state.lanes[port * vcs : (port + 1) * vcs, [V_FIRST, V_READY]]
        found += _spans(port, int(gates[port, W_LAST]), of_vcs, classes)
    for terminal in np.flatnonzero(ends[:, T_LAST] >= 0).tolist():
        of_vcs = ends[terminal, SEND_CREDITS + vcs :].reshape(2, vcs).T
        found += _spans(len(gates) + terminal, int(ends[terminal, T_LAST]), of_vcs, classes)
    return found


def _spans(place: int, last: int, of_vcs: Int, classes: list[list[int]]) -> list[Span]:
    """Return the spans of one port or terminal.

    Args:
        place: its number.
        last: cycle of its last flit.
        of_vcs: int64 [virtual channels, 2], cycles of the first flit and in which it was ready.
        classes: of virtual channels.
    """
    first = int(of_vcs[of_vcs[:, 0] >= 0, 0].min())
    found = []
    for number, members in enumerate(classes):
        used = of_vcs[members][of_vcs[members, 0] >= 0]
        taken = tuple(sorted(used[:, 0].tolist()))
        ready = tuple(sorted((used[:, 1] + 1).tolist()))
        if taken or not number:
            begin, end = (taken[0], taken[0]) if number else (first, last + 1)
            channel = place * len(classes) + number
            found.append(Span(channel, begin, end, len(members), taken, ready))
    return found
