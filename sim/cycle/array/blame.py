"""Who is to blame for a wait on the chip, compiled: chains of waiting, and the waits one by one.

A chain (see ``sim.probe.links_of``) begins with a stall cause; the codes of causes are its links.
Of waiting for something and moving words then, what took longer stands in it: first itself, then
what was behind it as far back as the array waited.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.array.columns import (
    ABOVE,
    BELOW,
    COMPUTED,
    E_ABOVE,
    E_READY,
    E_ROOM,
    E_WHY,
    PORT_CAUSE,
    RING,
    ROOM_CAUSE,
    SENT,
    STEP,
    WAITS,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.probe import LINK_BITS, MOST_LINKS

FIRST_LINK = (1 << LINK_BITS) - 1
KEPT_BEHIND = (1 << LINK_BITS * (MOST_LINKS - 1)) - 1

# Columns of a wait.
W_CYCLE, W_CYCLES, W_CHAIN, W_STEP, WAIT = range(5)


@njit(cache=True, nogil=True)
def chained(cause: int, behind: int) -> int:
    """Return the chain of a cause and of what it waited for in turn, nothing named twice in a row.

    Links beyond ``MOST_LINKS`` are dropped.
    """
    if behind & FIRST_LINK == cause:
        return behind
    return cause | (behind & KEPT_BEHIND) << LINK_BITS


@njit(cache=True, nogil=True)
def add_wait(stalls: Int, waits: Int, state: Int, cycle: int, cycles: int, chain: int) -> None:
    """Count a wait before the next step, and note it if anybody observes.

    Args:
        stalls: int64 [causes], added to.
        waits: int64 [n, WAIT], written at ``state[WAITS]``; [0, ..]: none are kept.
        state: of the machine.
        cycle: in which the array begins to wait.
        cycles: that it does; 0: it does not.
        chain: why.
    """
    stalls[chain & FIRST_LINK] += cycles
    if cycles > 0 and len(waits) > 0:
        row = waits[state[WAITS]]
        state[WAITS] += 1
        row[W_CYCLE], row[W_CYCLES], row[W_CHAIN], row[W_STEP] = cycle, cycles, chain, state[STEP]


@njit(cache=True, nogil=True)
def why_left(k: int, at: int, left: int, row: Int, plan: Plan, clocks: Clocks) -> int:
    """Return why results left their place no earlier; 0: they were not done.

    Args:
        k: their edge.
        at: cycle from which they could move.
        left: cycle in which they had.
        row: their epoch.
        plan: see ``Plan``.
        clocks: see ``Clocks``.
    """
    edges, computed, known, epochs = plan[4], clocks[0][COMPUTED], clocks[3], clocks[4]
    edge, why = edges[k], 0
    above, below = edge[ABOVE], edge[BELOW]
    if at > row[E_READY]:
        why = edge[PORT_CAUSE]
        if above >= 0 and epochs[above, row[E_ABOVE] % RING, E_ROOM] == at:
            why = edges[above, ROOM_CAUSE]
        elif below >= 0:
            why = epochs[below, (known[below, SENT] - 1) % RING, E_WHY]
    if at - computed <= left - at:
        why = chained(edge[PORT_CAUSE], why if at > computed else 0)
    return why
