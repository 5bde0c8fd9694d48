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
    T_FIRST,
    T_LAST,
    V_FIRST,
    V_READY,
    W_FIRST,
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
    for port in np.flatnonzero(gates[:, W_FIRST] >= 0).tolist():
        for number, members in enumerate(classes):
            lanes = state.lanes[[port * vcs + vc for vc in members]]
            of_link = int(gates[port, W_FIRST]), int(gates[port, W_LAST]) + 1
            span = _span(
                port * len(classes) + number, number, of_link, lanes[:, [V_FIRST, V_READY]]
            )
            found += [span] if span.taken or not number else []
    for terminal in np.flatnonzero(ends[:, T_FIRST] >= 0).tolist():
        of_link = int(ends[terminal, T_FIRST]), int(ends[terminal, T_LAST]) + 1
        of_vcs = ends[terminal, SEND_CREDITS + vcs :].reshape(2, vcs).T
        for number, members in enumerate(classes):
            channel = (len(gates) + terminal) * len(classes) + number
            span = _span(channel, number, of_link, of_vcs[members])
            found += [span] if span.taken or not number else []
    return found


def _span(channel: int, number: int, of_link: tuple[int, int], of_vcs: Int) -> Span:
    """Return the span of a class; ``of_vcs``: first flit and ready, -1 is never."""
    used = of_vcs[of_vcs[:, 0] >= 0]
    taken = tuple(sorted(used[:, 0].tolist()))
    ready = tuple(sorted((used[:, 1] + 1).tolist()))
    begin, end = (min(taken, default=0),) * 2 if number else of_link
    return Span(channel, begin, end, len(of_vcs), taken, ready)
