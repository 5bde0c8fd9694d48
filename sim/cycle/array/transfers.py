"""One transfer over an edge on the chip: how long it holds the ports and buses it passes. Compiled.

The one place that knows what a network costs. A tree is a bus whose clock all tensors share, with a
rate of its own into each child. On a routed network the number of the transfer's pattern takes the
place of the words; it enters when its channels let it (``channels``), and is busy for some cycles.

A transfer takes its parent's port for its words and hands them on as they come: a bus begins in the
cycle in which the first word can be there, and so does the child's port. A port or bus that begins
late in a cycle hands on what it has had time for in that cycle, and no part behind it can pass more
in it (``early`` words). A bus has no place for words, so it is held until the child has taken the
last one; the parent's port is not.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.array.holding import (
    ALL,
    ALONE,
    EVERYBODY,
    Wires,
    hand_on,
    hold_port,
    last_word,
    leave_port,
    waits_for_banks,
)
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.ports import DRAIN, FILL, READ, UPDATE
from arraysmith.sim.cycle.networks.channels import BUSY, enter, leave

ROUTED = -1
"""Ticks of a word on a routed network: it depends on the pattern."""

AT_PORT, AT_CHILD, IN_BANKS, ON_BUS = range(4)
"""What a transfer was slowed by; ``ON_BUS + i`` is the i-th bus."""


NOT_YET = -1
"""In place of a tick that is not known before other words have come."""


@njit(cache=True, nogil=True)
def pass_down(
    wires: Wires,
    at: int,
    parent: int,
    child: int,
    first_bus: int,
    buses: int,
    through: Int,
    turns: tuple[int, int],
    user: int,
) -> tuple[int, int, int, int]:
    """Bring words from a parent to its children.

    Args:
        wires: clocks; updated.
        at: cycle from which the words may move.
        parent: memory.
        child: memory; -1 for the MACs.
        first_bus: clock of the first bus.
        buses: how many follow each other.
        through: int64 [2 + buses], words at the port of a parent, at a child, on a bus of each.
        turns: lines that the busiest bank opens at a parent, at a child.
        user: of the child's port.

    Returns:
        (tick of the first word, tick of the last one, what it was slowed by, tick from which the
        child's port is at it).
    """
    ticks, leaf = wires[6], wires[8]
    begin, finish = hold_port(wires, parent, READ, through[0], turns[0], at * ticks, ALL, ALONE, 0)
    entry, pace = begin, finish - begin
    slowest = IN_BANKS if waits_for_banks(wires, parent, READ, through[0], turns[0]) else AT_PORT
    here, early = hand_on(begin, wires[2][parent, READ], at * ticks, ALL, ticks)
    for i in range(buses):
        first, per_word, load = _begin(wires, first_bus + i, through[2 + i], here)
        early = ALL if wires[5][first_bus + i] == ROUTED else early
        end = last_word(first, load, per_word, here, early, ticks)
        pace = max(load * per_word, through[1] * leaf[first_bus + i])
        if i == buses - 1:
            end = max(end, first + pace)
        if end > finish:
            finish, slowest = end, ON_BUS + i
        here, early = hand_on(first, per_word, here, early, ticks)
    if child >= 0:
        entry, end = hold_port(wires, child, FILL, through[1], turns[1], here, early, user, pace)
        if end > finish:
            finish, slowest = end, AT_CHILD
            if waits_for_banks(wires, child, FILL, through[1], turns[1]):
                slowest = IN_BANKS
        leave_port(wires, user, finish)
    for i in range(buses):
        _hold(wires, first_bus + i, through[2 + i], finish)
    return begin, finish, slowest, entry


@njit(cache=True, nogil=True)
def _begin(wires: Wires, bus: int, words: int, here: int) -> tuple[int, int, int]:
    """Return when ``words`` may pass a bus, the ticks of each, and how many they are.

    On a routed network: when the pattern enters, the ticks of a cycle, and the cycles it is busy.
    """
    per_word = wires[5][bus]
    if per_word != ROUTED:
        return max(here, wires[4][wires[7][bus]]), per_word, words
    ticks, costs = wires[6], wires[11]
    start = enter(costs, wires[14], wires[15], words, -(-here // ticks))
    wires[16][bus] = start
    return start * ticks, ticks, costs[words, BUSY]


@njit(cache=True, nogil=True)
def _bus_ticks(wires: Wires, bus: int, words: int) -> int:
    """Return the ticks that ``words`` take on a bus; see ``_begin``."""
    per_word = wires[5][bus]
    taken: int = wires[11][words, BUSY] * wires[6] if per_word == ROUTED else words * per_word
    return taken


@njit(cache=True, nogil=True)
def _hold(wires: Wires, bus: int, words: int, finish: int) -> None:
    """Take a bus until tick ``finish``.

    A routed network is taken as much longer as whoever takes the words takes longer than it does.
    """
    if wires[5][bus] != ROUTED:
        wires[4][wires[7][bus]] = finish
        return
    ticks, costs = wires[6], wires[11]
    start = max(wires[16][bus], -(-finish // ticks) - costs[words, BUSY])
    leave(costs, wires[14], wires[15], words, start)


@njit(cache=True, nogil=True)
def pass_sideways(
    wires: Wires,
    at: int,
    child: int,
    link: int,
    words: tuple[int, int],
    turns: tuple[int, int],
    late: int,
    beside: bool,
) -> tuple[int, int, int, int, int]:
    """Bring words from neighbours.

    They leave a child and enter it at its ports towards the parent. Beside words of the same turn
    from the parent, they enter with those, whose transfer takes the port for all, from when both
    begin to come: ``enter_beside`` ends it.

    Args:
        wires: clocks; updated.
        at: cycle from which the words may move.
        child: memory.
        link: of the links among the buses.
        words: of the child that sends most, and of the one that takes most.
        turns: lines that the busiest bank opens at one that sends, at one that takes.
        late: by how many cycles words come later over a link than over the buses.
        beside: whether words come from the parent as well.

    Returns:
        (tick of the first word there, of the first one on links, of the last one on either; tick
        from which the children take them and to which, ``NOT_YET`` beside others, both told in the
        time of words that come over the buses).
    """
    ports, bus_free, bus_ticks, ticks, clock = wires[0], wires[4], wires[5], wires[6], wires[7]
    begin, finish = hold_port(
        wires, child, DRAIN, words[0], turns[0], at * ticks, ALL, EVERYBODY, 0
    )
    here, early = hand_on(begin, wires[2][child, DRAIN], at * ticks, ALL, ticks)
    first, per_word = max(here, bus_free[clock[link]]), bus_ticks[link]
    end = last_word(first, words[1], per_word, here, early, ticks)
    bus_free[clock[link]] = end
    finish = max(finish, end)
    here, early = hand_on(first, per_word, here, early, ticks)
    here += late * ticks
    slot = wires[1][child, FILL]
    if beside:
        ports[slot] = max(ports[slot], here)
        return begin, first, finish, ports[slot], NOT_YET
    entry, end = hold_port(wires, child, FILL, words[1], turns[1], here, early, EVERYBODY, 0)
    ports[slot] = max(end, finish + late * ticks)
    return begin, first, finish, entry, ports[slot]


@njit(cache=True, nogil=True)
def pass_up(
    wires: Wires,
    at: int,
    parent: int,
    child: int,
    first_bus: int,
    buses: int,
    through: Int,
    again: int,
    turns: Int,
    user: int,
) -> tuple[int, int, int, int]:
    """Bring results from children to their parent.

    Args:
        wires: see ``pass_down``, as the rest; ``first_bus`` is that of the way up.
        at: cycle.
        parent: memory.
        child: memory.
        first_bus: clock of the bus next to the parent.
        buses: how many follow each other.
        through: words that arrive at a parent, that a child sends, that pass a bus of each.
        again: words that a parent reads to add others to them.
        turns: int64 [3], lines that the busiest bank opens at a parent for words that arrive, for
            those that it reads, and at a child.
        user: of the child's port.

    Returns:
        (tick of the first word at the parent, tick of the last one, tick of the first one read
        again, tick from which the child's port is at it).
    """
    ticks, leaf = wires[6], wires[8]
    here, finish, early, words = at * ticks, at * ticks, ALL, through[1]
    sent = here
    if child >= 0:
        pace, near = through[0] * wires[2][parent, UPDATE], first_bus + buses - 1
        if buses:
            pace = max(_bus_ticks(wires, near, through[1 + buses]), through[1] * leaf[near])
        sent, finish = hold_port(wires, child, DRAIN, through[1], turns[2], here, ALL, user, pace)
        here, early = hand_on(sent, wires[2][child, DRAIN], here, ALL, ticks)
    for i in range(buses - 1, -1, -1):
        first, per_word, load = _begin(wires, first_bus + i, through[2 + i], here)
        early = ALL if wires[5][first_bus + i] == ROUTED else early
        early *= -(-load // max(1, words))  # of so many parts that send at a time
        words = load
        finish = max(finish, last_word(first, words, per_word, here, early, ticks))
        if i == buses - 1:
            finish = max(finish, first + through[1] * leaf[first_bus + i])
        here, early = hand_on(first, per_word, here, early, ticks)
    early *= -(-through[0] // max(1, words))
    read = here
    if again:
        read, end = hold_port(wires, parent, READ, again, turns[1], here, early, ALONE, 0)
        finish = max(finish, end)
        here, early = hand_on(read, wires[2][parent, READ], here, early, ticks)
        early += through[0] - again
    begin, end = hold_port(wires, parent, UPDATE, through[0], turns[0], here, early, ALONE, 0)
    finish = max(finish, end)
    if child >= 0:
        leave_port(wires, user, finish)
    for i in range(buses):
        _hold(wires, first_bus + i, through[2 + i], finish)
    return begin, finish, read, sent


@njit(cache=True, nogil=True)
def serve_macs(wires: Wires, memory: int, begin: int, out: int, back: int) -> int:
    """Feed MACs right below a memory from cycle ``begin`` on; return the cycle of the end.

    They have the port, or their part of it, for themselves, and are through with the step before.
    """
    whole, per_word = wires[3][memory], wires[20][memory]
    read, write = -(-out // whole) * whole * per_word[0], -(-back // whole) * whole * per_word[1]
    one_port = wires[1][memory, READ] == wires[1][memory, UPDATE]
    busy = read + write if one_port else max(read, write)
    done: int = begin - (-busy // wires[6])
    return done
