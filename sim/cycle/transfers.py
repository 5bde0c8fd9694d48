"""One transfer over an edge on the chip: how long it holds the ports and buses it passes. Compiled.

The one place that knows what a network costs: another kind of network takes the place of the buses
in ``pass_down`` and ``pass_up``, and of nothing else.

A transfer takes its parent's port for its words and hands them on as they come: a bus begins in the
cycle in which the first word can be there, and so does the child's port. A bus has no place for
words, so it is held until the child has taken the last one; the parent's port is not.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.boxes import Int

READ, UPDATE, FILL, DRAIN = range(4)
"""Ports of a memory: towards the children out and in, from the parent in, to the parent out."""

Wires = tuple[Int, Int, Int, Int, Int, Int, int]
"""Per clock of a port, the tick from which it is free; int64 [memories, 4], clock of each port;
int64 [memories, 4], ticks that a word takes there; int64 [memories], words of an access if each
transfer takes whole ones, else 1; per clock of a bus, the tick from which it is free; ticks that a
word takes on it; ticks of a cycle."""

AT_PORT, AT_CHILD, ON_BUS = range(3)
"""What a transfer was slowed by; ``ON_BUS + i`` is the i-th bus."""


@njit(cache=True, nogil=True)
def hold_port(wires: Wires, memory: int, port: int, words: int, at: int) -> tuple[int, int]:
    """Take ``words`` through a port from tick ``at`` on; return (first tick, tick of the end)."""
    clock, ports, per_word, access = wires[0], wires[1], wires[2], wires[3]
    slot = ports[memory, port]
    whole = access[memory]
    begin = max(clock[slot], at)
    end = begin + -(-words // whole) * whole * per_word[memory, port]
    clock[slot] = end
    return begin, end


@njit(cache=True, nogil=True)
def pass_down(
    wires: Wires, at: int, parent: int, child: int, first_bus: int, buses: int, through: Int
) -> tuple[int, int, int]:
    """Bring words from a parent to its children.

    Args:
        wires: clocks; updated.
        at: cycle from which the words may move.
        parent: memory.
        child: memory; -1 for the MACs.
        first_bus: clock of the first bus.
        buses: how many follow each other.
        through: int64 [2 + buses], words at the port of a parent, at a child, on a bus of each.

    Returns:
        (tick of the first word, tick of the last one, what it was slowed by).
    """
    bus_free, bus_ticks, ticks = wires[4], wires[5], wires[6]
    begin, finish = hold_port(wires, parent, READ, through[0], at * ticks)
    slowest = AT_PORT
    here = begin // ticks * ticks
    for i in range(buses):
        here = max(here, bus_free[first_bus + i])
        end = here + through[2 + i] * bus_ticks[first_bus + i]
        if end > finish:
            finish, slowest = end, ON_BUS + i
        here = here // ticks * ticks
    if child >= 0:
        _, end = hold_port(wires, child, FILL, through[1], here)
        if end > finish:
            finish, slowest = end, AT_CHILD
    for i in range(buses):
        bus_free[first_bus + i] = finish
    return begin, finish, slowest


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
) -> tuple[int, int, int]:
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

    Returns:
        (tick of the first word at the parent, tick of the last one, tick of the first one read
        again).
    """
    bus_free, bus_ticks, ticks = wires[4], wires[5], wires[6]
    here, finish = at * ticks, at * ticks
    if child >= 0:
        here, finish = hold_port(wires, child, DRAIN, through[1], here)
        here = here // ticks * ticks
    for i in range(buses - 1, -1, -1):
        here = max(here, bus_free[first_bus + i])
        finish = max(finish, here + through[2 + i] * bus_ticks[first_bus + i])
        here = here // ticks * ticks
    read = here
    if again:
        here, end = hold_port(wires, parent, READ, again, here)
        read, finish, here = here, max(finish, end), here // ticks * ticks
    begin, end = hold_port(wires, parent, UPDATE, through[0], here)
    finish = max(finish, end)
    for i in range(buses):
        bus_free[first_bus + i] = finish
    return begin, finish, read


@njit(cache=True, nogil=True)
def serve_macs(wires: Wires, memory: int, begin: int, out: int, back: int) -> int:
    """Feed MACs right below a memory from cycle ``begin`` on; return the cycle of the end."""
    ticks = wires[6]
    _, end = hold_port(wires, memory, READ, out, begin * ticks)
    _, last = hold_port(wires, memory, UPDATE, back, begin * ticks)
    done: int = -(-max(end, last) // ticks)
    return done
