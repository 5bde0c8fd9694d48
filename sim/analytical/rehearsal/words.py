"""How many words the turns of loops move over the links of a rehearsal.

Means over a run, from the counts of a Report, in the shape of the turn: what is new in a tile when
a loop turns. A child has what the one that leads has, since transfers take as long as for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout, Level, XyBus
from arraysmith.arch.legality import tile_sizes, tile_words
from arraysmith.arch.mapping import Mapping, PlacedLoop
from arraysmith.arch.problem import IFMAP, TENSORS, Problem
from arraysmith.sim.analytical.rehearsal.loops import Loops, transfers_through
from arraysmith.sim.report import FILL, READ, UPDATE, Report

Float = NDArray[np.float64]

O = 2  # noqa: E741 - named as in every formula of the field; position in TENSORS

# Slots of ``Plan.words``: at a port of the parent, at one of a child, on a bus of each fan-out.
AT_PARENT, AT_CHILD, ON_BUS = range(3)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a tensor moves from one memory to the next.

    Attributes:
        tensor: its position in ``TENSORS``.
        parent: level of the memory above.
        child: level of the memory below; ``macs``, see ``Words``.
        above: loops in time above the child.
        depth: of them, those down to the innermost that moves the tile.
        fanouts: levels of the fan-outs on the way.
    """

    tensor: int
    parent: int
    child: int
    above: int
    depth: int
    fanouts: tuple[int, ...]


class Words:
    """Finds the words of links.

    Attributes:
        macs: level that stands for the MACs.
    """

    def __init__(
        self,
        architecture: Architecture,
        problem: Problem,
        mapping: Mapping,
        loops: Loops,
        report: Report,
    ) -> None:
        """Take a mapped problem, its loops, and what the analytical model counts."""
        self._architecture, self._problem, self._mapping = architecture, problem, mapping
        self._levels, self._loops, self._report = architecture.levels, loops, report
        self.macs = len(self._levels) + 1

    def _copies(self, level: int) -> int:
        return prod(x.count for x in self._loops.space if x.level < level)

    def _counted(self, level: int, tensor: int, direction: str) -> int:
        return self._report.words(self._levels[level].name, TENSORS[tensor], direction)

    def operands(self, link: Link, words: Float) -> Float:
        """Write the words down of an operand, see ``Plan.words``.

        Returns:
            float64 [2, loops + 1], the same of a parent and a child if neighbours pass on nothing.
        """
        fresh = self._fresh(link, words.shape[1] - 1)
        ways = [self._loops.ways(j) for j in range(words.shape[1])]
        often = [later - before for before, later in pairwise(ways)]
        total = float(np.dot(fresh, [*often, 1]))
        each = fresh / total
        sent = self._counted(link.parent, link.tensor, READ) / self._copies(link.parent)
        lacking = self._fresh(link, words.shape[1] - 1, passed=True)
        leaves = lacking / float(np.dot(lacking, [*often, 1])) * sent
        words[AT_PARENT] = leaves
        words[AT_CHILD] = fresh  # a word of every MAC
        if link.child != self.macs:
            taken = self._counted(link.child, link.tensor, FILL) / self._copies(link.child)
            words[AT_CHILD] = each * taken
        for i, share in enumerate(self._shares(link, up=False)):
            words[ON_BUS + i] = leaves * share
        passed = np.divide(fresh, lacking, out=np.zeros_like(fresh), where=lacking > 0)
        return np.array([leaves * passed, words[AT_CHILD]])

    def results(self, link: Link, words: Float, up: Float, usual: float) -> None:
        """Write the words of results, see ``Plan.words`` and ``Plan.up``.

        A child has as many as the one that leads: of equal tiles one takes all sums that come back.

        Args:
            link: of results.
            words: written.
            up: written.
            usual: mean tile of the child that leads, as a share of the largest one.
        """
        epochs = self._loops.ways(link.depth)
        parents, at_macs = self._copies(link.parent), link.child == self.macs
        arrived = self._counted(link.parent, O, UPDATE) / parents / epochs
        first = self._loops.ways(link.depth, self._problem.tensors[O].dims)
        read = self._counted(link.parent, O, READ) / parents
        back = read
        each = 1.0  # a word of every MAC
        if not at_macs:
            back = min(read, self._counted(link.child, O, FILL) / parents)
            tile = tile_words(self._architecture, self._problem, self._mapping, link.child)
            each = tile[TENSORS[O]] * usual
        elif link.fanouts:  # sums that meet in a word are read to be added to, all but the first
            met = self._transfers(link, up=True)[0] / self._transfers(link, up=False)[0]
            back = max(0.0, read - arrived * epochs * (1 - 1 / met))
        up[AT_CHILD] = each
        up[AT_PARENT] = arrived
        up[-1] = (read - back) / epochs
        for i, share in enumerate(self._shares(link, up=True)):
            up[ON_BUS + i] = arrived * share
        if first == epochs:
            return
        words[AT_PARENT] = sent = back / (epochs - first)
        words[AT_CHILD] = each
        for i, share in enumerate(self._shares(link, up=False)):
            words[ON_BUS + i] = sent * share

    def _transfers(self, link: Link, *, up: bool) -> list[int]:
        """Return how many transfers pass a bus of each fan-out for all children of a parent."""
        spread = [x for x in self._loops.space if link.parent <= x.level < link.child]
        buses = {level: bus_of(self._levels[level]) for level in link.fanouts}
        tensor = self._problem.tensors[link.tensor]
        return [
            transfers_through([x for x in spread if x.level >= level], buses, tensor, up=up)
            for level in link.fanouts
        ]

    def _shares(self, link: Link, *, up: bool) -> list[float]:
        """Return the words on a bus of each fan-out, in those at the parent's port."""
        different = self._transfers(link, up=up)
        return [x / different[0] for x in different]

    def _fresh(self, link: Link, loops: int, *, passed: bool = False) -> Float:
        """Return float64 [loops + 1], the share of a tile that is new when each loop turns.

        Args:
            link: of an operand.
            loops: in time.
            passed: whether what neighbours held in the turn before is not new, either: a mean over
                children, some of which have no such neighbour.
        """
        found = np.zeros(loops + 1)
        found[-1] = 1.0
        if link.child == self.macs:
            found[:] = 1.0
            return found
        sizes = tile_sizes(self._architecture, self._problem, self._mapping, link.child)
        axes = self._problem.tensors[link.tensor].axes
        steps = self._steps(link) if passed else ()
        for j in range(link.depth):
            shifts = []
            for axis in axes:
                by = dict(axis.terms)
                shift = by.get(self._loops.time[j].dim, 0) * self._loops.time[j].tile
                for x in self._loops.time[j + 1 : link.above]:
                    shift -= by.get(x.dim, 0) * (x.count - 1) * x.tile
                shifts.append(shift)
            reaches = [axis.reach(sizes) for axis in axes]
            own = [max(0, x - abs(y)) / x for x, y in zip(reaches, shifts, strict=True)]
            found[j] = 1.0 - prod(own)
            for x, higher in steps:
                for a, axis in enumerate(axes):
                    step = dict(axis.terms).get(x.dim, 0) * x.tile
                    if step:  # its tile lies beside the last one, along this axis alone
                        old = shifts[a] - step if higher else shifts[a] + step
                        more = _beside(reaches[a], shifts[a], old) / reaches[a]
                        others = prod(y for b, y in enumerate(own) if b != a)
                        found[j] -= more * others * (1 - 1 / x.count)
        return np.maximum(found, 0.0)

    def _steps(self, link: Link) -> tuple[tuple[PlacedLoop, bool], ...]:
        """Return over which loops in space a child has neighbours, and whether higher ones."""
        found = []
        for level in link.fanouts[-1:]:
            links = bus_of(self._levels[level]).forwarding
            if links is None or TENSORS[link.tensor] != IFMAP:
                continue
            for way in links.directions:
                mine = [x for x in self._loops.space if (x.level, x.axis) == (level, way[1])]
                found += [(x, way[0] == "-") for x in mine[-1:]]  # what moves down comes from above
        return tuple(found)


def _beside(reach: int, own: int, other: int) -> int:
    """Return how many places of [0, reach) one interval has that another one has not.

    Both are as long; the first begins at ``-other``, the second one at ``-own``.
    """
    low, high = max(0, -other), min(reach, reach - other)
    both = min(high, reach - own) - max(low, -own)
    return max(0, high - low) - max(0, both)


def bus_of(level: Level) -> XyBus:
    """Return what the network of a fan-out counts like."""
    assert isinstance(level, Fanout)
    assert level.bus is not None
    return level.bus
