"""Looking up what a transfer asks of banks, in the table of ``bank_turns``. Compiled."""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.nest.boxes import Int

BankTable = tuple[Int, Int, Int, Int]
"""``BankTurns``: code, base, keys and turns."""

AT_PARENT, AT_CHILD_SIDE = range(2)
"""Whose banks."""

ALL_LINES, AGAIN, LEAVING = 0, 1, 1
"""Turns for all words of a transfer; for those that a parent reads again to add to them; for those
that a child passes on to its neighbours."""

EMPTY = -1


@njit(cache=True, nogil=True)
def find_key(keys: Int, code: int) -> int:
    """Return where a code stands in a table with open addressing, or the free place for it."""
    last = len(keys) - 1
    k = (code * 0x9E3779B1) & last
    while keys[k] != EMPTY and keys[k] != code:
        k = (k + 1) & last
    return k


@njit(cache=True, nogil=True)
def bank_turns(
    table: BankTable, edge: int, side: int, what: int, factors: int, entries: Int
) -> int:
    """Return the lines that the busiest bank opens for a transfer; 0 where there are no banks.

    Args:
        table: see ``BankTable``.
        edge: its number in the tree.
        side: ``AT_PARENT`` or ``AT_CHILD_SIDE``.
        what: ``ALL_LINES``, of a parent ``AGAIN``, of a child ``LEAVING``.
        factors: of the edge.
        entries: int64 [factors], of the turn.
    """
    code = table[1][edge, side]
    if code < 0:
        return 0
    for f in range(factors):
        code += table[0][side, entries[f]]
    turns: int = table[3][find_key(table[2], code), what]
    return turns
