"""When a pattern may enter a routed network, by the channels that it takes. Compiled.

A channel is a link between two routers, or between one and a terminal, in one direction. From rest,
a pattern takes each of its channels from one cycle to another (its *span*), and some of the virtual
channels there, each from its first flit until there is room for a packet again. A pattern enters
when every channel will be free before its own span, and as many virtual channels will be ready as
it takes, each by the time it takes it; so it meets nothing of those before it, whatever way they
came, and takes as long as from rest. Everything is relative to when it enters: the later the
others did, the later it does, and nothing that gets faster makes it enter later.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.nest.boxes import Int

BUSY, LATE, FIRST_SPAN, LAST_SPAN, COSTS = range(5)
"""Columns of the costs of a pattern: cycles, see ``Crossing``; its rows in the table of spans."""

CHANNEL, BEGIN, END, VCS, TAKEN = range(5)
"""Columns of a span: channel; first cycle, and that after the last one; virtual channels that there
are, and that it takes. After them, per virtual channel in order of time: the cycle in which it is
taken, and as many columns later that in which another packet may take it."""

FREE, READY = 0, 1
"""Columns of the clocks of a channel: cycle from which it is free; from READY on, in order, those
from which each virtual channel has room for a packet."""


@njit(cache=True, nogil=True)
def enter(costs: Int, spans: Int, clocks: Int, pattern: int, at: int) -> int:
    """Return the cycle, ``at`` or later, in which a pattern enters.

    Args:
        costs: int64 [patterns, COSTS].
        spans: int64 [rows, TAKEN + 1 + 2 x virtual channels].
        clocks: int64 [channels, READY + virtual channels].
        pattern: its number.
        at: cycle from which its words are there.
    """
    start: int = at
    for row in range(costs[pattern, FIRST_SPAN], costs[pattern, LAST_SPAN]):
        clock = clocks[spans[row, CHANNEL]]
        start = max(start, clock[FREE] - spans[row, BEGIN])
        for v in range(spans[row, TAKEN]):
            start = max(start, clock[READY + v] - spans[row, TAKEN + 1 + v])
    return start


@njit(cache=True, nogil=True)
def leave(costs: Int, spans: Int, clocks: Int, pattern: int, start: int) -> None:
    """Note what a pattern that enters in cycle ``start`` takes; arguments as of ``enter``."""
    most = clocks.shape[1] - READY
    for row in range(costs[pattern, FIRST_SPAN], costs[pattern, LAST_SPAN]):
        clock = clocks[spans[row, CHANNEL]]
        clock[FREE] = max(clock[FREE], start + spans[row, END])
        vcs, taken = spans[row, VCS], spans[row, TAKEN]
        for v in range(taken, vcs):  # those that were ready first are taken
            clock[READY + v - taken] = clock[READY + v]
        for v in range(taken):
            ready = start + spans[row, TAKEN + 1 + most + v]
            place = vcs - taken + v
            while place > 0 and clock[READY + place - 1] > ready:
                clock[READY + place] = clock[READY + place - 1]
                place -= 1
            clock[READY + place] = ready
