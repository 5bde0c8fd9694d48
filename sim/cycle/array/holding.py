"""Words at a port: from when on and until when it takes them, and what comes out of it. Compiled.

The port of a child that several edges use may be at several transfers at a time. Each has the part
of its cycles that its words need at the pace of the bus next to it, from when it begins there to
its last word, and begins when those before it leave it that much. The part follows from the mapping
and the rates, the order from the mapping, and neither from time.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.banks.bank_lookups import BankTable
from arraysmith.sim.cycle.nest.boxes import Int

Wires = tuple[
    Int, Int, Int, Int, Int, Int, int, Int, Int, Int, Int, Int, Int,
    BankTable, Int, Int, Int, Int, Int, Int, Int,
]  # fmt: skip
"""Per clock of a port, and then of each of its users, the tick from which it is free; int64
[memories, 4], clock of each port; int64 [memories, 4], ticks that a word takes there; int64
[memories], words of an access if each transfer takes whole ones, else 1; per clock of a bus, the
tick from which it is free; per bus, ticks that a word takes on it (``transfers.ROUTED``: see
``channels``); ticks of a cycle; per bus, its clock, and ticks that a word takes into a child;
``Crossings``: code, base and costs of patterns, and how often each was used; ``BankTurns.table``;
spans of patterns; clocks of channels; per bus, when the last pattern entered; int64 [memories, 4],
ticks of a turn in banks at each port; per user of a child's port (two per edge on the chip: its way
down, and up) the clock of that port, ALONE where there is no other; the part of the port that its
last transfer has; int64 [memories, 2], ticks that a word takes to (from) MACs right below."""

ALL = 1 << 40
"""Words that are early enough: all of them."""

PORT_PARTS = 720720
"""What parts of a port are counted in; all numbers up to 16 divide it."""

ALONE, EVERYBODY = -1, -2
"""In place of a user: nobody else ever is at the port; nobody else may be."""


@njit(cache=True, nogil=True)
def waits_for_banks(wires: Wires, memory: int, port: int, words: int, turns: int) -> bool:
    """Return whether banks hold a transfer up: they take turns, longer than words at the port."""
    access = wires[3][memory]
    taken = -(-words // access) * access
    return turns > 1 and turns * wires[17][memory, port] > taken * wires[2][memory, port]


@njit(cache=True, nogil=True)
def _part(busy: int, whole: int) -> int:
    """Return the part of a port, rounded up, that is busy so many ticks of a whole number."""
    one, other = busy, whole
    while other:
        one, other = other, one % other
    return int(-(-(busy // one) * PORT_PARTS // (whole // one))) if busy else 0


@njit(cache=True, nogil=True)
def _begin_beside(wires: Wires, user: int, part: int, at: int) -> int:
    """Return the tick, from ``at`` on, from which the others leave a user a part of its port."""
    clock, users, parts = wires[0], wires[18], wires[19]
    own = len(clock) - len(users)
    begin = max(at, clock[users[user]], clock[own + user])
    while True:
        taken, soonest = part, begin
        for other in range(len(users)):
            until = clock[own + other]
            if other != user and users[other] == users[user] and until > begin:
                taken += parts[other]
                soonest = until if soonest == begin else min(soonest, until)
        if taken <= PORT_PARTS:
            break
        begin = soonest
    parts[user] = part
    return int(begin)


@njit(cache=True, nogil=True)
def leave_port(wires: Wires, user: int, finish: int) -> None:
    """Let a user have its part of a port until tick ``finish``."""
    if wires[18][user] != ALONE:
        wires[0][len(wires[0]) - len(wires[18]) + user] = finish


@njit(cache=True, nogil=True)
def hold_port(
    wires: Wires, memory: int, port: int, words: int, turns: int, at: int, early: int, user: int,
    pace: int,
) -> tuple[int, int]:  # fmt: skip
    """Take ``words`` through a port from tick ``at`` on; return (first tick, tick of the end).

    Where some bank opens several lines for them, the port is taken for as many cycles at least.

    Args:
        wires: clocks; updated.
        memory: whose port.
        port: which one.
        words: that go through.
        turns: lines that the busiest bank opens for them; 0 without banks.
        at: tick in which the first word is there.
        early: words that are there in the same cycle; the others come in the next ones.
        user: of the port; or ALONE, or EVERYBODY.
        pace: ticks that the words take next to the port.
    """
    clock, ports, per_word, access, ticks = wires[0], wires[1], wires[2], wires[3], wires[6]
    slot, users = ports[memory, port], wires[18]
    whole = access[memory]
    taken = -(-words // whole) * whole
    in_banks = turns * wires[17][memory, port] if turns > 1 else 0
    busy = max(taken * per_word[memory, port], in_banks)
    begin = max(clock[slot], at)
    if user >= 0 and users[user] != ALONE:
        pace = max(pace, busy)
        begin = _begin_beside(wires, user, _part(busy, pace), at)
    elif user == EVERYBODY:
        pace = 0
        for other in range(len(users)):
            if users[other] == slot:
                begin = max(begin, clock[len(clock) - len(users) + other])
    else:
        pace = 0
    end = last_word(begin, taken, per_word[memory, port], at, early, ticks)
    end = max(end, begin + in_banks, begin + pace)
    if user < 0 or users[user] == ALONE:
        clock[slot] = end
    return begin, end


@njit(cache=True, nogil=True)
def last_word(begin: int, words: int, per_word: int, at: int, early: int, ticks: int) -> int:
    """Return the tick of the end of ``words`` that begin to pass at tick ``begin``.

    Only ``early`` of them are there in the cycle of ``at``: what it has room for besides is lost.
    """
    end: int = begin + words * per_word
    if words > early:
        end = max(end, (at // ticks + 1) * ticks + (words - early) * per_word)
    return end


@njit(cache=True, nogil=True)
def hand_on(begin: int, per_word: int, at: int, early: int, ticks: int) -> tuple[int, int]:
    """Return from which tick on the next part may take words, and how many come in that cycle.

    A part that begins in a later cycle than its words have found them waiting.

    Args:
        begin: tick from which a part passes words.
        per_word: ticks that each of them takes there.
        at: tick in which the first word is there.
        early: words that are there in the same cycle.
        ticks: of a cycle.
    """
    here = begin // ticks * ticks
    known = early if here == at // ticks * ticks else ALL
    if per_word > 0:
        known = min(known, -((begin - here - ticks) // per_word))
    return here, known
