"""Ports and networks that the border and the chip both use: whose which part of their cycles is.

What crosses the off-chip border ahead of its phase moves while the chip moves words of the phase
before, and both may need one port (of a memory that another one on the chip fills as well), the
root of one tree or the links of one routed network. If whoever came first went first, the order
would depend on speeds, and a faster part could make a design slower. So the cycles are divided, for
the whole run: of every ``PARTS`` the border has as many as it has of the words that pass, and the
chip the others, at least one each. Neither waits longer for its words in all than if everybody's
took turns; a transfer alone takes longer than it had to. (Time-division multiplexing, as slot
tables do it for links: K. Goossens, J. Dielissen, A. Radulescu, "AEthereal network on chip", IEEE
Design & Test of Computers 22(5), 2005.)

On a routed network (or the air) only the border is slowed down to its part, and the patterns of the
chip take as long as alone: routers let whoever is there pass, and in one network for all patterns,
flit by flit, they hardly meet (``tests/sim/test_portions.py``). Links would be divided by tables of
slots, which make every hop of everybody later.

A memory right above the MACs may send words to another one further in, too. MACs take theirs in
every cycle of a step; at a port that both use the others have the cycles that are left, or, if that
is more, as many of 16 as they have of the words: then the MACs wait.

Where no tile comes ahead (a memory without halves, or tiles that never change), border and chip
never meet, and each has all cycles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor, prod

import numpy as np

from arraysmith.arch.architecture import Fanout, FlitWiring, Routed, Wireless
from arraysmith.arch.architecture import Tree as TreeNetwork
from arraysmith.sim.cycle.nest.amounts import Amounts
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.passing import links_of
from arraysmith.sim.cycle.nest.ports import DRAIN, FILL, READ, UPDATE
from arraysmith.sim.cycle.nest.tree import COUNT, IN_TIME, NUMBER, TILE, Edge, O, Tree

PARTS = 16
"""Parts of a cycle's work that are given away; a power of two keeps most rates exact."""

SEVERAL_WAYS_ROUND = ("valiant",)
"""Routings whose ways down and up share channels: they are no shortest ones."""

CHIP, BORDER = range(2)

Words = list[int]
"""Words of the chip and of the border."""


@dataclass(frozen=True)
class Portions:
    """Who has which part of the cycles.

    Attributes:
        ports: int64 [memories, 4], parts that the chip has of a port's; PARTS: all. Of those
            towards the children, what memories further in have.
        macs: int64 [memories, 2], parts of ``READ`` and ``UPDATE`` that the MACs right below have.
        networks: int64 [levels, 2, 2], of what goes down through a fan-out, and up, the parts of
            the chip and of the border.
    """

    ports: Int
    macs: Int
    networks: Int

    @classmethod
    def of(cls, tree: Tree, amounts: Amounts, ahead: tuple[bool, ...]) -> Portions:
        """Return the portions of a mapped design.

        Args:
            tree: its loops and edges.
            amounts: what they move.
            ahead: per tensor, whether its next tile may cross the border while the last is in use.
        """
        memories, levels = tree.architecture.memories, tree.architecture.levels
        ports = np.full((len(memories), 4), PARTS, np.int64)
        networks = np.full((len(levels), 2, 2), PARTS, np.int64)
        edges = list(enumerate(tree.edges))
        for m, memory in enumerate(memories[1:], 1):
            level = levels.index(memory)
            at = [(e, x) for e, x in edges if x.child == level and not x.at_macs]
            for mine in ((FILL, DRAIN),) if memory.ports == 1 else ((FILL,), (DRAIN,)):
                users = [(e, x, p) for e, x in at for p in mine if _passes(tree, x, p)]
                if not _meet([x for _, x, _ in users], ahead):
                    continue
                words: Words = [0, 0]
                for e, x, port in users:
                    words[x.parent == 0] += _at_port(tree, amounts, e, port)
                ports[m, list(mine)] = _parts(words)
        macs = np.full((len(memories), 2), PARTS, np.int64)
        for m, shared, parts in _beside_macs(tree, amounts):
            ports[m, shared], macs[m, shared] = parts, PARTS - parts
        for level, fanout in enumerate(levels):
            if not isinstance(fanout, Fanout):
                continue
            for way in (0, 1):
                ways = _one_medium(fanout, way)
                crossing = [(e, x, w) for e, x in edges for w in ways if _crosses(x, level, w)]
                if not _meet([x for _, x, _ in crossing], ahead):
                    continue
                words = [0, 0]
                for e, x, w in crossing:
                    words[x.parent == 0] += _through(tree, amounts, e, level, w)
                chip = _parts(words)
                networks[level, way, BORDER] = _whose(chip, border=True)
                if not isinstance(fanout.network, FlitWiring):
                    networks[level, way, CHIP] = chip
        return cls(ports, macs, networks)

    @property
    def divided(self) -> tuple[int, ...]:
        """Parts of ports and roots that somebody on the chip has; none where it has all of all."""
        found = {*self.ports.ravel().tolist(), *self.networks[..., CHIP].ravel().tolist()}
        return tuple(sorted({*found, *self.macs.ravel().tolist()} - {PARTS}))

    def at_port(self, memory: int, port: int, *, border: bool) -> int:
        """Return the parts that the border (the chip) has of a port's cycles."""
        return _whose(int(self.ports[memory, port]), border=border)

    def of_network(self, level: int, *, up: bool, border: bool) -> int:
        """Return the parts that the border (the chip) has of those of a fan-out's network."""
        return int(self.networks[level, int(up), int(border)])


def stretched(cycles: int, parts: int) -> int:
    """Return the cycles in which ``parts`` of every PARTS are as many as ``cycles``."""
    return -(-cycles * PARTS // parts)


def _whose(chip: int, *, border: bool) -> int:
    return PARTS - chip if border and chip < PARTS else chip


def _parts(words: Words) -> int:
    """Return the parts of the chip, nearest to its part of the words."""
    chip, border = words
    if not chip or not border:
        return PARTS
    return max(1, min(PARTS - 1, (2 * PARTS * chip + chip + border) // (2 * (chip + border))))


def _meet(users: list[Edge], ahead: tuple[bool, ...]) -> bool:
    """Return whether the border moves words ahead of a phase where the chip does."""
    comes = any(x.parent == 0 and x.depth > 0 and ahead[x.tensor] for x in users)
    return comes and any(x.parent > 0 for x in users)


def _beside_macs(tree: Tree, amounts: Amounts) -> Iterator[tuple[int, list[int], int]]:
    """Yield ports that memories share with the MACs right below: memory, ports, parts of theirs."""
    last = {x.tensor: x for x in tree.edges}.values()
    for m, memory in enumerate(tree.architecture.memories[1:], 1):
        level = tree.architecture.levels.index(memory)
        served = [x.tensor for x in last if not x.at_macs and x.child == level]
        rates = memory.read_words_per_cycle, memory.write_words_per_cycle
        for mine in ([READ, UPDATE],) if memory.ports == 1 else ([READ], [UPDATE]):
            words, busy = [0, 0], Fraction(0)
            for port in mine:
                each = len(served) if port == READ else served.count(O)
                rate = rates[port]
                busy += each / rate if rate else 0
                words[1] += each * tree.problem.macs
                for e, edge in enumerate(tree.edges):
                    if edge.parent == level and not edge.at_macs:
                        words[0] += _at_parent(tree, amounts, e, port)
            if busy and all(words):
                yield m, mine, max(_parts(words), min(PARTS - 1, floor(PARTS * (1 - busy))))


def _one_medium(fanout: Fanout, way: int) -> tuple[int, ...]:
    """Return the ways, 0 down and 1 up, that tensors of one way take turns with; none if none do.

    Buses are one for every tensor, a tree without a limit at its root holds nobody up.
    """
    network = fanout.network
    if isinstance(network, Wireless):
        return (0, 1)
    if isinstance(network, FlitWiring):
        both = isinstance(network, Routed) and network.routing in SEVERAL_WAYS_ROUND
        return (0, 1) if both else (way,)
    if isinstance(network, TreeNetwork) and network.rate("", up=bool(way)) is not None:
        return (way,)
    return ()


def _passes(tree: Tree, edge: Edge, port: int) -> bool:
    """Return whether words of an edge pass a port of its child."""
    if port == FILL:
        return edge.tensor != O or bool(edge.again)
    return edge.tensor == O or bool(len(links_of(tree, edge)))


def _crosses(edge: Edge, level: int, way: int) -> bool:
    if level not in edge.fanouts:
        return False
    return edge.tensor == O if way else edge.tensor != O or bool(edge.again)


def _at_port(tree: Tree, amounts: Amounts, number: int, port: int) -> int:
    """Return the words of an edge at a port of all children together, in the whole run."""
    edge, each = tree.edges[number], amounts.each
    if port == DRAIN:
        if edge.tensor == O:
            return _total(tree, amounts, number, each)
        return _total(tree, amounts, number, amounts.up, sideways=True)
    if edge.tensor != O:
        return _total(tree, amounts, number, each)
    return _back(tree, amounts, number, 0)


def _at_parent(tree: Tree, amounts: Amounts, number: int, port: int) -> int:
    """Return the words of an edge without fan-outs at a port of all parents, in the whole run."""
    if tree.edges[number].tensor != O:
        return _total(tree, amounts, number, amounts.each) if port == READ else 0
    if port == READ:
        return _back(tree, amounts, number, 0)
    return _total(tree, amounts, number, amounts.each)


def _through(tree: Tree, amounts: Amounts, number: int, level: int, way: int) -> int:
    """Return the words of an edge through a fan-out, in the whole run."""
    edge = tree.edges[number]
    place = edge.fanouts.index(level)
    if way:
        return _total(tree, amounts, number, amounts.up + place)
    if edge.tensor != O:
        return _total(tree, amounts, number, place)
    return _back(tree, amounts, number, place)


def _back(tree: Tree, amounts: Amounts, number: int, column: int) -> int:
    """Return the words of partial sums that come back: not those of the first turns."""
    loops = frozenset(j for j, _ in tree.edges[number].again)
    every = _total(tree, amounts, number, column)
    return every - _total(tree, amounts, number, column, loops)


def _total(
    tree: Tree,
    amounts: Amounts,
    number: int,
    column: int,
    still: frozenset[int] = frozenset(),
    *,
    sideways: bool = False,
) -> int:
    """Return the words of all turns of an edge.

    Args:
        tree: the mapped design.
        amounts: its tables.
        number: of the edge.
        column: of the tables.
        still: loops that do not turn.
        sideways: whether words count that neighbours pass on; see ``lookups.passed_words``.
    """
    found = 0
    tables = (amounts.words, amounts.known, amounts.passed)
    if sideways:
        tables = (amounts.words, amounts.words, amounts.known)
    for turned in range(-1, tree.edges[number].depth):
        turns = [_turns(tree, d, turned, still) for d in range(len(tree.many))]
        words, known, passed = 1, 1, 0
        moving: set[int] = set()
        for f in range(int(amounts.factors[number])):
            at = np.array([int(amounts.base[number, f, turned])])
            for d, (loops, index) in enumerate(turns):
                by = amounts.stride[number, f, loops]
                if by.any():
                    moving.add(d)
                    at = (at[:, None] + index @ by).ravel()
            of_words, of_known, of_passed = (int(x[column, at].sum()) for x in tables)
            passed = passed * of_known + known * of_passed
            words, known = words * of_words, known * of_known
        others = prod(len(index) for d, (_, index) in enumerate(turns) if d not in moving)
        found += others * (passed if sideways else words - known - passed)
    return max(0, found)


def _turns(tree: Tree, dim: int, turned: int, still: frozenset[int]) -> tuple[Int, Int]:
    """Return a dim's loops in time down to ``turned``, and their turns when that one has turned.

    Returns:
        int64 [loops], which; int64 [turns, loops], the turns that the leading instance has.
    """
    left = np.array([tree.size[dim]])
    loops: list[int] = []
    index = np.zeros((1, 0), np.int64)
    for row in tree.loops[dim, : tree.many[dim]]:
        j = int(row[NUMBER])
        if row[IN_TIME] and j <= turned:
            each = np.arange(int(j == turned), 1 if j in still else row[COUNT])
            mine = left[:, None] - each * row[TILE]
            before, turn = np.nonzero(mine > 0)
            left = mine[before, turn]
            index = np.column_stack([index[before], each[turn]])
            loops.append(j)
        left = np.minimum(left, row[TILE])
    return np.array(loops, np.int64), index
