"""Looking up what a turn moves over an edge, in the tables of ``amounts``. Compiled."""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.nest.boxes import Int

Tables = tuple[Int, Int, Int, Int, Int, Int, Int, Int, Int]
"""What is looked up: base, stride, factors, words, known, first, many, pairs, passed."""


@njit(cache=True, nogil=True)
def find_entries(tables: Tables, edge: int, index: Int, turned: int, entries: Int) -> None:
    """Write the entry of every factor for a turn: int64 [factors].

    Args:
        tables: see ``Amounts.tables``.
        edge: its number.
        index: int64 [loops in time], turns.
        turned: the outermost loop that has turned; -1 for the first turn of all.
        entries: written.
    """
    base, stride, factors = tables[0], tables[1], tables[2]
    last = len(index) if turned < 0 else turned + 1
    for f in range(factors[edge]):
        at = base[edge, f, turned]
        for j in range(last):
            at += index[j] * stride[edge, f, j]
        entries[f] = at


@njit(cache=True, nogil=True)
def total_words(tables: Tables, factors: int, column: int, entries: Int) -> int:
    """Return the words that all families together move."""
    words, known, passed = 1, 1, 0
    for f in range(factors):
        mine = tables[4][column, entries[f]]
        passed = passed * mine + known * tables[8][column, entries[f]]
        words *= tables[3][column, entries[f]]
        known *= mine
    return words - known - passed


@njit(cache=True, nogil=True)
def most_words(tables: Tables, factors: int, column: int, entries: Int) -> int:
    """Return the words of the family that moves most."""
    first, many, pairs = tables[5], tables[6], tables[7]
    combinations = 1
    words, known, passed = 1, 1, 0
    for f in range(factors):
        n = many[column, entries[f]]
        if n == 0:
            return 0
        combinations *= n
        row = first[column, entries[f]]
        words *= pairs[row, 0]
        passed = passed * pairs[row, 1] + known * pairs[row, 2]
        known *= pairs[row, 1]
    if combinations == 1:
        return words - known - passed
    most = 0
    for c in range(combinations):
        rest = c
        words, known, passed = 1, 1, 0
        for f in range(factors):
            n = many[column, entries[f]]
            row = first[column, entries[f]] + rest % n
            rest //= n
            words *= pairs[row, 0]
            passed = passed * pairs[row, 1] + known * pairs[row, 2]
            known *= pairs[row, 1]
        most = max(most, words - known - passed)
    return most


@njit(cache=True, nogil=True)
def passed_words(tables: Tables, factors: int, column: int, entries: Int) -> tuple[int, int]:
    """Return the words that neighbours pass on: to all children, and to the one that gets most.

    The column has, in place of (words, known), those (known, passed on) along each axis.
    """
    first, many, pairs = tables[5], tables[6], tables[7]
    known, passed, combinations = 1, 0, 1
    for f in range(factors):
        mine = tables[3][column, entries[f]]
        passed = passed * mine + known * tables[4][column, entries[f]]
        known *= mine
        combinations *= many[column, entries[f]]
    most = 0
    for c in range(combinations if passed else 0):
        rest, kept, found = c, 1, 0
        for f in range(factors):
            n = many[column, entries[f]]
            row = first[column, entries[f]] + rest % n
            rest //= n
            found = found * pairs[row, 0] + kept * pairs[row, 1]
            kept *= pairs[row, 0]
        most = max(most, found)
    return passed, most


@njit(cache=True, nogil=True)
def kept_words(tables: Tables, factors: int, columns: Int, entries: Int) -> int:
    """Return the words that come back, given the ``Amounts.kept`` of the loop that turned last."""
    words = 0
    for k in range(len(columns)):
        if columns[k, 0] >= 0:
            words += total_words(tables, factors, columns[k, 0], entries)
        if columns[k, 1] >= 0:
            words -= total_words(tables, factors, columns[k, 1], entries)
    return words
