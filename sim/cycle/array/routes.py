"""Looking up what a turn takes on routed networks, in the tables of ``crossings``. Compiled."""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.array.holding import Wires
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.networks.channels import LATE

CODE, BASE, COSTS, USES = range(9, 13)
"""Places of the tables in ``Wires``."""


@njit(cache=True, nogil=True)
def cross(
    wires: Wires, edge: int, way: int, buses: int, factors: int, entries: Int, through: Int
) -> int:
    """Look up what a turn takes on the routed networks of an edge.

    Args:
        wires: how often each pattern was used is updated.
        edge: its number in the tree.
        way: 0 down, 1 up.
        buses: fan-outs of the edge.
        factors: of the edge.
        entries: int64 [factors], of the turn.
        through: see ``transfers.pass_down``; the words on a routed network become the number of
            the pattern.

    Returns:
        Cycles from the end of those that they are busy to the last word.
    """
    code, base, costs, uses = wires[9], wires[10], wires[11], wires[12]
    late = 0
    for i in range(buses):
        column = way * (base.shape[1] // 2) + i
        at = base[edge, column]
        if at >= 0:
            for f in range(factors):
                at += code[column, entries[f]]
            through[2 + i] = at
            late += costs[at, LATE]
            uses[at] += 1
    return late
