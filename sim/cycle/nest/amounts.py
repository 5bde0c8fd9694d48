"""How many words every turn of every loop moves over every edge: tables, made before the run.

Per edge, *factors* are the axes of the tensor and the dims in space that do not move it. A turn's
words are a product over factors, less the same product of what was there before. A *column* is a
point of view:

* ``down + i``: transfers through the i-th fan-out of the edge; for results, of different tiles;
* ``each``: every instance of the child by itself;
* ``up + i``: results that come up through the i-th fan-out;
* ``back + i``: result tiles that come back because they were in the i-th memory above before: of
  parents with equal tiles, one has them;
* further ones where tiles do not divide: see ``Amounts.kept``.

Where neighbours pass words of an edge on, those are left out of ``down``; ``up`` has them by who
takes them, ``up + 1`` by who sends them.

The number of an entry follows from the turns of the loops down to the one that has just turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.architecture import Fanout
from arraysmith.arch.problem import DIMS
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.entries import (
    ALONE_LEFT,
    BY_SENDER,
    LEFT_OUT,
    STAY,
    View,
    factors_of,
    fill,
)
from arraysmith.sim.cycle.nest.lookups import Tables
from arraysmith.sim.cycle.nest.passing import (
    links_of,
)
from arraysmith.sim.cycle.nest.tree import Edge, O, Tree
from arraysmith.sim.cycle.nest.turns import (
    ALONE,
    BY_AXIS,
    FAMILY,
    TOGETHER,
)


def modes_of(tree: Tree, edge: Edge, split: int, *, up: bool, tiles: bool) -> Int:
    """Return int64 [levels, 2], the modes of the levels as ``turns`` takes them.

    Args:
        tree: the mapped problem.
        edge: of which child.
        split: level below which digits tell transfers apart, above it families.
        up: results come up, else words go down.
        tiles: equal tiles are one whatever the networks do.
    """
    levels = tree.architecture.levels
    modes = np.zeros((len(levels) + 1, 2), np.int64)
    modes[:, 0] = FAMILY
    for key, level in enumerate(x for x in range(len(levels)) if isinstance(levels[x], Fanout)):
        modes[level, 1] = key
        if level < split or level >= edge.child:
            continue
        bus = tree.bus(level)
        if tiles or (bus.reduction if up else bus.multicast and bus.diagonal):
            modes[level, 0] = TOGETHER
        elif not up and bus.multicast:
            modes[level, 0] = BY_AXIS
        else:
            modes[level, 0] = ALONE
    return modes


@dataclass(frozen=True)
class Amounts:
    """The tables of all edges of a tree.

    Attributes:
        fanouts: fan-outs of the design.
        base: int64 [edges, factors, loops in time + 1], first entry by the loop that has turned;
            the last one is that of the first turn of all.
        stride: int64 [edges, factors, loops in time], entries between neighbouring turns.
        factors: int64 [edges], how many.
        words: int64 [columns, entries], over all families.
        known: int64 [columns, entries], of these, words that were there before.
        passed: int64 [columns, entries], along one axis, words that neighbours pass on.
        first: int64 [columns, entries], first row in ``pairs``.
        many: int64 [columns, entries], rows there.
        pairs: int64 [n, 3], (words, known, passed) of single families, as far as no other beats
            them.
        kept: int64 [edges, loops in time, ancestors, 2], columns of what comes back when a loop
            turns: of each memory above the child, the tiles that it has kept since the last turn,
            and those of them that one further in has as well; -1 where there are none. Where tiles
            divide, one memory has kept all and ``back`` tells.
    """

    fanouts: int
    base: Int
    stride: Int
    factors: Int
    words: Int
    known: Int
    first: Int
    many: Int
    pairs: Int
    kept: Int
    passed: Int

    @property
    def each(self) -> int:
        """Column of every child by itself."""
        return self.fanouts

    @property
    def up(self) -> int:
        """Column of what comes up through the first fan-out."""
        return self.fanouts + 1

    @property
    def back(self) -> int:
        """Column of what comes back from the parent's own tile."""
        return 2 * self.fanouts + 1

    @property
    def tables(self) -> Tables:
        """What the kernels take."""
        return (
            self.base,
            self.stride,
            self.factors,
            self.words,
            self.known,
            self.first,
            self.many,
            self.pairs,
            self.passed,
        )

    @classmethod
    def of(cls, tree: Tree) -> Amounts:
        """Return the tables of all edges."""
        fanouts = len(tree.architecture.fanouts)
        columns = 2 * fanouts + 1 + len(tree.keepers[O])  # the last edge has as many ancestors
        times = len(tree.time)
        counts, edges = tree.counts, tree.edges
        kept, extra = _kept_views(tree, columns)
        columns += sum(len(views) for views in extra)
        factors = [factors_of(tree, edge) for edge in edges]
        shape = (len(edges), max(map(len, factors)), times)
        base = np.zeros((*shape[:2], times + 1), np.int64)
        stride = np.zeros(shape, np.int64)
        parts: list[tuple[Int, ...]] = []
        pool = np.empty((1024, 3), np.int64)
        used = entries = 0
        for e, edge in enumerate(edges):
            links = links_of(tree, edge)
            views = _views(tree, edge, fanouts, linked=len(links) > 0) | extra[e]
            for f, factor in enumerate(factors[e]):
                mine = [j for j in range(edge.depth) if DIMS.index(tree.time[j].dim) in factor.dims]
                steps = 1
                for j in mine:
                    stride[e, f, j] = steps
                    steps *= int(counts[j])
                plan = []  # (loop that turned, loops that count, entries)
                at = entries
                known: dict[tuple[int, bool], int] = {}
                for q in (-1, *range(edge.depth)):
                    inside = [j for j in mine if j <= q] if not edge.at_macs else mine
                    key = (len(inside), q in mine) if q >= 0 and not edge.at_macs else (0, False)
                    if key == (0, False) and q >= 0 and not edge.at_macs:
                        key = (0, True)  # not the first turn of all
                    if key not in known:
                        size = int(np.prod([counts[j] for j in inside], dtype=np.int64))
                        known[key] = at
                        plan.append((q, inside, size))
                        at += size
                    base[e, f, q] = known[key]
                found = np.zeros((5, columns, at - entries), np.int64)
                for q, inside, size in plan:
                    start = int(base[e, f, q]) - entries
                    for column, view in views.items():
                        part = found[:, column, start : start + size]
                        pool, used = fill(
                            tree, edge, links, factor, q, inside, view, part, pool, used
                        )
                if edge.fanouts == ():
                    found[:, 0] = found[:, fanouts]
                    if fanouts:
                        found[:, fanouts + 1] = found[:, fanouts]
                parts.append(tuple(found))
                entries = at
        words, known_words, first, many, passed = (
            np.concatenate(x, axis=1) for x in zip(*parts, strict=True)
        )
        return cls(
            fanouts,
            base,
            stride,
            np.array([len(x) for x in factors], np.int64),
            words,
            known_words,
            first,
            many,
            pool[:used].copy(),
            kept,
            passed,
        )


def _views(tree: Tree, edge: Edge, fanouts: int, *, linked: bool) -> dict[int, View]:
    """Return the view of every column that the edge needs; ``linked``: neighbours pass words on."""
    results = edge.tensor == O
    found = {fanouts: modes_of(tree, edge, edge.child, up=False, tiles=False)}
    for i, level in enumerate(edge.fanouts):
        found[i] = modes_of(tree, edge, level, up=False, tiles=results)
        if results:
            found[fanouts + 1 + i] = modes_of(tree, edge, level, up=True, tiles=False)
    if results:
        for i, level in enumerate(_above(tree, edge)):
            found[2 * fanouts + 1 + i] = modes_of(tree, edge, level, up=False, tiles=True)
    down = LEFT_OUT if linked else STAY
    views = {column: (x, 0, 0, STAY if column == fanouts else down) for column, x in found.items()}
    if linked:
        views[fanouts + 1] = found[fanouts], 0, 0, ALONE_LEFT
        views[fanouts + 2] = found[fanouts], 0, 0, BY_SENDER
    return views


def _above(tree: Tree, edge: Edge) -> list[int]:
    """Return the levels that keep the results above the edge's child, innermost first."""
    return tree.keepers_above(edge)


def _kept_views(tree: Tree, columns: int) -> tuple[Int, list[dict[int, View]]]:
    """Return ``Amounts.kept`` and the views of its columns, edge by edge."""
    kept = np.full((len(tree.edges), len(tree.time), len(tree.keepers[O]), 2), -1, np.int64)
    found: list[dict[int, View]] = []
    for e, edge in enumerate(tree.edges):
        views: dict[int, View] = {}
        above = _above(tree, edge)
        for j, _ in edge.again if tree.ragged and len(above) > 1 else ():
            inner = -1
            for k, level in enumerate(above):
                modes = modes_of(tree, edge, level, up=False, tiles=True)
                depth = tree.depth(O, level)
                for n, last in enumerate((depth, inner)):
                    if last >= 0:
                        kept[e, j, k, n] = columns
                        views[columns] = modes, j, last, STAY
                        columns += 1
                inner = depth
        found.append(views)
    return kept, found
