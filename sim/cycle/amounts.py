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

The number of an entry follows from the turns of the loops down to the one that has just turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Fanout
from arraysmith.arch.problem import DIMS
from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.lookups import Tables
from arraysmith.sim.cycle.tree import Edge, O, Tree
from arraysmith.sim.cycle.turns import (
    ALONE,
    BY_AXIS,
    EXTENT,
    FAMILY,
    KEYS,
    TOGETHER,
    best_pairs,
    count_taking_part,
    find_places,
    group_axis,
    leave_out_moved,
    many_places,
    sum_groups,
)

NO_DIM = -1

View = tuple[Int, int, int]
"""Modes of the levels; tiles are left out that a loop between these two has moved."""


@dataclass(frozen=True)
class Factor:
    """One factor of an edge's words.

    Attributes:
        dims: numbers of its dims, one or two.
        by: their coefficients along the axis.
        offset: first index along the axis.
        extent: words stored along it; 0 for a dim that does not move the tensor.
    """

    dims: tuple[int, ...]
    by: tuple[int, ...]
    offset: int
    extent: int


def factors_of(tree: Tree, edge: Edge) -> list[Factor]:
    """Return the factors of an edge: axes of its tensor, then other dims in space above it."""
    tensor = tree.problem.tensors[edge.tensor]
    found = [
        Factor(
            tuple(DIMS.index(dim) for dim, _ in axis.terms),
            tuple(by for _, by in axis.terms),
            axis.offset,
            axis.extent,
        )
        for axis in tensor.axes
    ]
    spread = {x.dim for x in tree.space if x.level < edge.child}
    found += [
        Factor((d,), (1,), 0, 0)
        for d, dim in enumerate(DIMS)
        if dim in spread and dim not in tensor.dims
    ]
    return found


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
        first: int64 [columns, entries], first row in ``pairs``.
        many: int64 [columns, entries], rows there.
        pairs: int64 [n, 2], (words, known) of single families, as far as no other beats them.
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
        parts: list[tuple[Int, Int, Int, Int]] = []
        pool = np.empty((1024, 2), np.int64)
        used = entries = 0
        for e, edge in enumerate(edges):
            views = _views(tree, edge, fanouts) | extra[e]
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
                found = np.zeros((4, columns, at - entries), np.int64)
                for q, inside, size in plan:
                    start = int(base[e, f, q]) - entries
                    for column, view in views.items():
                        part = found[:, column, start : start + size]
                        pool, used = _fill(tree, edge, factor, q, inside, view, part, pool, used)
                if edge.fanouts == ():
                    found[:, 0] = found[:, fanouts]
                    if fanouts:
                        found[:, fanouts + 1] = found[:, fanouts]
                parts.append((found[0], found[1], found[2], found[3]))
                entries = at
        words, known_words, first, many = (
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
        )


def _views(tree: Tree, edge: Edge, fanouts: int) -> dict[int, View]:
    """Return the view of every column that the edge needs."""
    results = edge.tensor == O
    found = {fanouts: modes_of(tree, edge, edge.child, up=False, tiles=False)}
    for i, level in enumerate(edge.fanouts):
        found[i] = modes_of(tree, edge, level, up=False, tiles=results)
        if results:
            found[fanouts + 1 + i] = modes_of(tree, edge, level, up=True, tiles=False)
    if results:
        for i, level in enumerate(_above(tree, edge)):
            found[2 * fanouts + 1 + i] = modes_of(tree, edge, level, up=False, tiles=True)
    return {column: (modes, 0, 0) for column, modes in found.items()}


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
                        views[columns] = modes, j, last
                        columns += 1
                inner = depth
        found.append(views)
    return kept, found


def _fill(
    tree: Tree,
    edge: Edge,
    factor: Factor,
    turned: int,
    inside: list[int],
    view: View,
    part: Int,
    pool: Int,
    used: int,
) -> tuple[Int, int]:
    """Fill the entries of one factor for one loop that turns; return the pool and its use."""
    one = factor.dims[0]
    other = factor.dims[1] if len(factor.dims) > 1 else NO_DIM
    by = np.array([factor.by[0], factor.by[1] if other != NO_DIM else 0], np.int64)
    nothing = np.zeros((0, tree.loops.shape[2]), np.int64)
    beside = nothing if other == NO_DIM else tree.loops[other, : tree.many[other]]
    filled: tuple[Int, int] = _fill_entries(
        (tree.loops[one, : tree.many[one]], beside),
        (int(tree.size[one]), 1 if other == NO_DIM else int(tree.size[other])),
        by,
        (factor.offset, factor.extent),
        edge.child,
        -1 if edge.at_macs else turned,
        np.array(inside, np.int64),
        tree.counts,
        view[0],
        (view[1], view[2]),
        (edge.tensor == O, not edge.at_macs and turned >= 0),
        max(1, len(tree.architecture.fanouts)),
        part,
        pool,
        used,
    )  # fmt: skip
    return filled


@njit(cache=True, nogil=True)
def _fill_entries(
    rows: tuple[Int, Int],
    sizes: tuple[int, int],
    by: Int,
    stored: tuple[int, int],
    child: int,
    turned: int,
    inside: Int,
    counts: Int,
    modes: Int,
    between: tuple[int, int],
    kind: tuple[bool, bool],
    keys: int,
    part: Int,
    pool: Int,
    used: int,
) -> tuple[Int, int]:
    """Work out the entries, one per combination of turns of the loops ``inside``."""
    many, others = many_places(rows[0], child), many_places(rows[1], child)
    columns = KEYS + 2 * keys
    first, second = np.zeros((many, columns), np.int64), np.zeros((others, columns), np.int64)
    second[0, EXTENT] = 1
    groups = np.empty((many * others, columns), np.int64)
    pairs = np.empty((many * others, 2), np.int64)
    index = np.zeros(len(counts), np.int64)
    offset, extent = stored
    whole, keeps = kind
    for n in range(part.shape[1]):
        rest = n
        for j in inside:
            index[j] = rest % counts[j]
            rest //= counts[j]
        find_places(rows[0], sizes[0], child, index, turned, modes, by[0], first)
        if between[1] > 0 and extent > 0:
            leave_out_moved(rows[0], sizes[0], child, index, between[0], between[1], first)
        if extent == 0:
            total, most = count_taking_part(first, many)
            words = known = total
            pairs[0, 0] = pairs[0, 1] = most
            found = 1
        else:
            if len(rows[1]):
                find_places(rows[1], sizes[1], child, index, turned, modes, by[1], second)
            else:
                second[0, EXTENT] = sizes[1]
                second[0, EXTENT + 2] = sizes[1]
            count = group_axis(first, many, second, others, by, offset, extent, groups)
            words, known, found = sum_groups(groups, count, whole, keeps, extent, pairs)
            found = best_pairs(pairs, found)
        if used + found > len(pool):
            more = np.empty((2 * len(pool) + found, 2), np.int64)
            more[:used] = pool[:used]
            pool = more
        part[0, n], part[1, n], part[2, n], part[3, n] = words, known, used, found
        pool[used : used + found] = pairs[:found]
        used += found
    return pool, used
