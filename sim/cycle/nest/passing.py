"""Words that neighbours pass on: who a child's neighbours are, and what they had. Compiled.

A neighbour stands one turn of the innermost loop over columns (rows) of the fan-out right above
the child further on, see ``arch.interconnect.Forwarding``. It passes on what it had in the turn
before, if it took part in it. Its tile and the child's own then differ along one axis, so of a new
word that a child lacks along one axis alone, that axis decides; one that it lacks along two, no
neighbour had. Of several neighbours that had it, the first one passes it on, in the order of
``arch.interconnect.DIRECTIONS``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.arch.interconnect import DIRECTIONS
from arraysmith.arch.problem import DIMS
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.groups import (
    G_FIRST,
    G_HIGH,
    G_LOW,
    G_OLD_HIGH,
    G_OLD_LOW,
    which_group,
)
from arraysmith.sim.cycle.nest.tree import COUNT, IN_TIME, LEVEL, NUMBER, TILE, Edge, I, Tree
from arraysmith.sim.cycle.nest.turns import (
    BASE,
    EXTENT,
    OLD_BASE,
    OLD_EXTENT,
    many_places,
)

# Columns of a link: number of its dim, row of its loop there, where words come from; where they
# move, a number in ``DIRECTIONS``.
L_DIM, L_ROW, L_STEP, L_WAY, LINK_COLUMNS = range(5)

# Columns of what a neighbour had of a dim: first index, extent, its place.
N_BASE, N_EXTENT, N_PLACE, NEIGHBOUR = range(4)

UNSEEN, OWN = -1, 1
"""Mark of a word that a child had itself; ``OWN`` + 1 + n: which the n-th link brings."""


def links_of(tree: Tree, edge: Edge) -> Int:
    """Return int64 [n, LINK_COLUMNS], the links over which words of an edge are passed on.

    There are mostly none.
    """
    found: list[tuple[int, int, int, int]] = []
    links = tree.bus(edge.fanouts[-1]).forwarding if edge.fanouts else None
    if links is not None and edge.tensor == I and not edge.at_macs:
        for way in DIRECTIONS:
            here = [x for x in tree.space if x.level == edge.fanouts[-1] and x.axis == way[1]]
            if way not in links.directions or not here:
                continue
            d = DIMS.index(here[-1].dim)
            number = next(n for n, x in enumerate(tree.space) if x is here[-1])
            rows = tree.loops[d, : tree.many[d]].tolist()
            k = next(k for k, x in enumerate(rows) if not x[IN_TIME] and x[NUMBER] == number)
            found.append((d, k, 1 if way[0] == "-" else -1, DIRECTIONS.index(way)))
    return np.array(found, np.int64).reshape(-1, LINK_COLUMNS)


@njit(cache=True, nogil=True)
def find_neighbours(
    rows: Int, size: int, child: int, index: Int, turned: int, link: Int, out: Int
) -> None:
    """Write what neighbours had of one dim: int64 [instances, NEIGHBOUR].

    Args:
        rows: see ``turns.find_places``, as the next four.
        size: extent of the dim.
        child: level of the memory.
        index: turns.
        turned: the loop that has turned.
        link: int64 [LINK_COLUMNS], a link over a loop of the dim.
        out: written; an extent of 0 where there is no neighbour, or it had no work.
    """
    total = many_places(rows, child)
    for c in range(total):
        base, extent, place = 0, size if turned >= 0 else 0, c
        stride, rest = total, c
        for k in range(len(rows)):
            tile, number = rows[k, TILE], rows[k, NUMBER]
            if rows[k, LEVEL] >= child:
                break
            if rows[k, IN_TIME]:
                before = index[number]
                if number == turned:
                    before -= 1
                elif number > turned:
                    before = (extent - 1) // tile
            else:
                stride //= rows[k, COUNT]
                before = rest // stride
                rest %= stride
                if k == link[L_ROW]:
                    before += link[L_STEP]
                    place += link[L_STEP] * stride
                    if before < 0 or before >= rows[k, COUNT]:
                        extent = 0
            if extent > 0:
                base += before * tile
                extent = max(0, min(tile, extent - before * tile))
        out[c, N_BASE], out[c, N_EXTENT], out[c, N_PLACE] = base, extent, place


@njit(cache=True, nogil=True)
def mark_axis(
    rows: tuple[Int, Int],
    sizes: tuple[int, int],
    child: int,
    index: Int,
    turned: int,
    links: Int,
    of: Int,
    places: tuple[Int, Int],
    many: int,
    by: Int,
    stored: tuple[int, int],
    groups: Int,
    count: int,
    near: Int,
    marks: Int,
) -> None:
    """Mark the words along one axis that neighbours pass on: see ``mark_passed``.

    Args:
        rows: see ``groups.find_axis_groups``, as others that are not told of.
        sizes: see there.
        child: see there.
        index: see there.
        turned: see there.
        links: int64 [links, LINK_COLUMNS].
        of: see ``mark_passed``.
        places: see there.
        many: see there.
        by: see there.
        stored: see there.
        groups: see there.
        count: of groups.
        near: int64 [links, places, NEIGHBOUR], written for links over the axis.
        marks: written.
    """
    for n in range(len(of)):
        if of[n] >= 0:
            which = of[n]
            find_neighbours(rows[which], sizes[which], child, index, turned, links[n], near[n])
    beside = many_places(rows[1], child)
    mark_passed(places[0], many, places[1], beside, by, stored, near, of, groups, count, marks)


@njit(cache=True, nogil=True)
def mark_passed(
    first: Int,
    many: int,
    second: Int,
    others: int,
    by: Int,
    stored: tuple[int, int],
    near: Int,
    of: Int,
    groups: Int,
    count: int,
    marks: Int,
) -> None:
    """Mark the words of every group's tile that all of it had, or a neighbour of each.

    Of a group of several it is one of them whose mark stands there.

    Args:
        first: see ``turns.group_axis``, as the next four.
        many: places of the first dim.
        second: places of the second.
        others: how many.
        by: coefficients.
        stored: first index along the axis, words stored along it.
        near: int64 [links, places, NEIGHBOUR], see ``find_neighbours``.
        of: int64 [links], 0 for a link over the first dim, 1 over the second, -1 over neither.
        groups: written by ``group_axis``.
        count: how many.
        marks: int64 [count, words along the axis], written from the first word on: ``OWN``, or
            more for a link, see there; 0 where somebody has to be sent the word.
    """
    offset, extent = stored
    several = many > 1 and others > 1
    marks[:count] = UNSEEN
    following = 0
    for i in range(many):
        if first[i, EXTENT] <= 0:
            continue
        for k in range(others):
            if second[k, EXTENT] <= 0:
                continue
            low = offset + by[0] * first[i, BASE] + by[1] * second[k, BASE]
            high = low + by[0] * (first[i, EXTENT] - 1) + by[1] * (second[k, EXTENT] - 1) + 1
            low, high = max(low, 0), min(high, extent)
            found = following
            following += 1
            if several:
                found = which_group(groups, count, low, high, first[i], second[k], many * others)
            for x in range(high - low):
                mark = 0
                for n in range(-1, len(of)):
                    at, long = first[i, OLD_BASE], first[i, OLD_EXTENT]
                    beside, wide = second[k, OLD_BASE], second[k, OLD_EXTENT]
                    if n >= 0 and of[n] == 0:
                        at, long = near[n, i, N_BASE], near[n, i, N_EXTENT]
                    elif n >= 0 and of[n] == 1:
                        beside, wide = near[n, k, N_BASE], near[n, k, N_EXTENT]
                    elif n >= 0:
                        continue
                    if long > 0 and wide > 0:
                        begin = offset + by[0] * at + by[1] * beside
                        end = begin + by[0] * (long - 1) + by[1] * (wide - 1) + 1
                        if begin <= low + x < end:
                            mark = OWN + 1 + n
                            break
                if mark == 0 or marks[found, x] == UNSEEN:
                    marks[found, x] = mark


@njit(cache=True, nogil=True)
def sum_marks(groups: Int, count: int, marks: Int, passed: Int) -> None:
    """Write how many marked words of each group not all of it had itself: int64 [count]."""
    for g in range(count):
        low, high = groups[g, G_LOW], groups[g, G_HIGH]
        own = max(0, min(high, groups[g, G_OLD_HIGH]) - max(low, groups[g, G_OLD_LOW]))
        passed[g] = -own
        for x in range(high - low):
            passed[g] += marks[g, x] > 0


@njit(cache=True, nogil=True)
def sum_sent(
    groups: Int, count: int, marks: Int, near: Int, of: Int, others: int, pairs: Int
) -> None:
    """Write what every child has of its tile and what it passes on, along one axis.

    Args:
        groups: see ``turns.group_axis``, a child each.
        count: how many.
        marks: see ``mark_passed``.
        near: see there.
        of: see there.
        others: places of the second dim.
        pairs: int64 [places of both dims, 3], written: words known, passed on, 0.
    """
    pairs[:] = 0
    for g in range(count):
        low, high, me = groups[g, G_LOW], groups[g, G_HIGH], groups[g, G_FIRST]
        pairs[me, 0] = max(0, min(high, groups[g, G_OLD_HIGH]) - max(low, groups[g, G_OLD_LOW]))
        for x in range(high - low):
            n = marks[g, x] - OWN - 1
            if n < 0:
                continue
            sender = near[n, me // others, N_PLACE] * others + me % others
            if of[n] == 1:
                sender = me // others * others + near[n, me % others, N_PLACE]
            pairs[sender, 1] += 1
