"""Words of the tiles of an input with windows, turn by turn: what is new, padding left out.

At the edge of an input, tiles reach into padding, which is never fetched: such a turn moves fewer
words than the mean one, and sometimes none, so that nobody waits for it. Here the words of a turn
are counted as they are: per axis, what a tile reaches of the stored words, less what it had before.
Compiled, but for what is known before.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.interconnect import XyBus
from arraysmith.arch.mapping import PlacedLoop
from arraysmith.arch.problem import DIMS, OFMAP, Problem, Tensor
from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal.loops import NONE, SPATIAL, SPREADS, alone, served
from arraysmith.sim.analytical.rehearsal.words import Float, Link, bus_of

EXTENT, OFFSET, FIRST, SECOND = range(4)
"""Columns of ``Windows.edges``: words stored along an axis, where it begins, children that differ
by its first and its second dim."""


class Windows(NamedTuple):
    """What the words of every turn are counted from.

    Attributes:
        counted: int64 [links], 1 where they are; elsewhere turns have the mean words.
        edges: int64 [links, axes, 4], see ``EXTENT``.
        spots: int64 [links, axes, most, 2], children that get a transfer of their own along an
            axis, by the number of each of its dims.
        many: int64 [links, axes], how many they are.
        above: int64 [links, dims], parents that differ by a dim.
        whole: float64 [links, 2, loops + 1], what counts as the mean turn of a loop, of a parent
            and of a child.
        room: int64 [2, children, 4], what is worked in.
    """

    counted: Int
    edges: Int
    spots: Int
    many: Int
    above: Int
    whole: Float
    room: Int


def windows_of(
    architecture: Architecture,
    problem: Problem,
    links: Sequence[Link],
    space: Sequence[PlacedLoop],
    ragged: Float,
    whole: Float,
) -> Windows:
    """Return what the words of every turn are counted from.

    Operands are counted of which turns differ.

    Args:
        architecture: whose networks send.
        problem: the layer.
        links: of the plan.
        space: loops in space, outermost first.
        ragged: float64 [links], 0 where all tiles are as long.
        whole: see ``Windows``, of words that are sent once.
    """
    buses = {i: bus_of(x) for i, x in enumerate(architecture.levels) if isinstance(x, Fanout)}
    axes = max(len(x.axes) for x in problem.tensors)
    edges = np.zeros((len(links), axes, 4), np.int64)
    above = np.ones((len(links), len(DIMS)), np.int64)
    spots: dict[tuple[int, int], Int] = {}
    counted = np.zeros(len(links), np.int64)
    for k, link in enumerate(links):
        tensor = problem.tensors[link.tensor]
        if tensor.name == OFMAP or not (ragged[k] or _shifts(problem, tensor)):
            continue
        counted[k] = 1
        for x in space:
            if x.level < link.parent:
                above[k, DIMS.index(x.dim)] *= x.count
        spread = [x for x in space if link.parent <= x.level < link.child]
        for a, rows in enumerate(_children(spread, buses, tensor, edges[k])):
            spots[k, a] = rows
        whole[k, 0] /= _copies(spread, buses, tensor)
    many = np.zeros((len(links), axes), np.int64)
    every = np.zeros((*many.shape, max((len(x) for x in spots.values()), default=1), 2), np.int64)
    for (k, a), rows in spots.items():
        many[k, a] = len(rows)
        every[k, a, : len(rows)] = rows
    most = int((edges[:, :, FIRST:].max(axis=(1, 2)) * above.max(axis=1)).max())
    return Windows(counted, edges, every, many, above, whole, np.zeros((2, most, 4), np.int64))


def _shifts(problem: Problem, tensor: Tensor) -> bool:
    """Return whether windows of a tensor overlap or reach into padding."""
    return any(
        x.offset or (len(x.terms) > 1 and all(problem.size[dim] > 1 for dim, _ in x.terms))
        for x in tensor.axes
    )


def _children(
    spread: Sequence[PlacedLoop], buses: dict[int, XyBus], tensor: Tensor, edges: Int
) -> list[Int]:
    """Return ``Windows.spots`` of every axis; write how many children there are along each.

    Args:
        spread: loops in space between a parent and its children.
        buses: by level, what its network counts like.
        tensor: that goes down.
        edges: int64 [axes, 4], written.
    """
    spots = []
    for a, axis in enumerate(tensor.axes):
        edges[a] = axis.extent, axis.offset, 1, 1
        dims = [dim for dim, _ in axis.terms]
        mine = [x for x in spread if x.dim in dims]
        step = []
        for x in mine:
            column = FIRST + dims.index(x.dim)
            step.append((column - FIRST, int(edges[a, column])))
            edges[a, column] *= x.count
        rows = served(spread, buses, tensor, axis, up=False)
        found = np.zeros((len(rows), 2), np.int64)
        for row, digits in enumerate(rows):
            for (term, by), digit in zip(step, digits, strict=True):
                found[row, term] += by * digit
        spots.append(found)
    return spots


def _copies(spread: Sequence[PlacedLoop], buses: dict[int, XyBus], tensor: Tensor) -> int:
    """Return how often equal tiles are sent, one after the other."""
    mine = alone(spread, buses, tensor, up=False)
    return prod(x.count for x in mine if x.dim not in tensor.dims)


@njit(cache=True, nogil=True)
def counted_words(
    windows: Windows, cuts: Int, part: Int, axes: Int, k: int, index: Int, turned: int, every: bool
) -> tuple[float, float]:
    """Return the words that a parent sends, each tile once, and those of the child that takes most.

    Args:
        windows: of the plan.
        cuts: see ``Plan``.
        part: of the link, see ``Plan``.
        axes: of the link, see ``Plan``.
        k: the link.
        index: int64 [loops], turns.
        turned: the loop that has turned; negative at the start.
        every: whether all words of a tile are needed, also those that were there before.
    """
    edges, spots, room = windows.edges, windows.spots, windows.room
    sent = taken = 1.0
    sent_before = taken_before = 1.0
    for a in range(edges.shape[1]):
        extent, offset = edges[k, a, EXTENT], edges[k, a, OFFSET]
        if extent == 0:
            break
        one, by, two, more = axes[a, 0], axes[a, 1], axes[a, 2], axes[a, 3]
        children, parents, more_parents = edges[k, a, FIRST], windows.above[k, one], 1
        _tiles_of(cuts, part, one, index, turned, children, parents, room[0])
        room[1, 0, 0], room[1, 0, 1], room[1, 0, 2], room[1, 0, 3] = 0, 1, 0, 1
        if more:
            more_parents = windows.above[k, two]
            _tiles_of(cuts, part, two, index, turned, edges[k, a, SECOND], more_parents, room[1])
        most = most_before = most_one = most_one_before = 0
        for above in range(parents * more_parents):
            at_one = above % parents * children
            at_two = above // parents * edges[k, a, SECOND]
            whole = before = 0
            for spot in range(windows.many[k, a]):
                x, y = at_one + spots[k, a, spot, 0], at_two + spots[k, a, spot, 1]
                own = kept = 0
                if room[0, x, 1] and room[1, y, 1]:
                    low = offset + by * room[0, x, 0] + more * room[1, y, 0]
                    reach = by * (room[0, x, 1] - 1) + more * (room[1, y, 1] - 1) + 1
                    low, high = max(0, low), min(extent, low + reach)
                    own = max(0, high - low)
                    was = offset + by * room[0, x, 2] + more * room[1, y, 2]
                    reach = by * (room[0, x, 3] - 1) + more * (room[1, y, 3] - 1) + 1
                    if room[0, x, 3] and room[1, y, 3]:
                        kept = max(0, min(high, was + reach) - max(low, was))
                whole, before = whole + own, before + kept
                if own > most_one or (own == most_one and kept < most_one_before):
                    most_one, most_one_before = own, kept
            if whole > most or (whole == most and before < most_before):
                most, most_before = whole, before
        sent, sent_before = sent * most, sent_before * most_before
        taken, taken_before = taken * most_one, taken_before * most_one_before
    if turned < 0 or every:
        sent_before = taken_before = 0.0
    return sent - sent_before, taken - taken_before


@njit(cache=True, nogil=True)
def _tiles_of(
    cuts: Int, part: Int, d: int, index: Int, turned: int, many: int, above: int, found: Int
) -> None:
    """Write where a dim's tile begins and its size, now and in the turn before, of all children.

    Those of one parent stand side by side; a child whose tiles have ended has none.

    Args:
        cuts: see ``counted_words``, as the next four.
        part: of the link.
        d: the dim.
        index: turns.
        turned: the loop that has turned.
        many: children of a parent that differ by the dim.
        above: parents that do.
        found: int64 [above * many, 4], written.
    """
    for child in range(above * many):
        below, mine = child % many, child // many
        start = was = 0
        extent = had = cuts[d, 0, 0]
        for i in range(1, cuts.shape[1]):
            number, tile = cuts[d, i, 0], cuts[d, i, 1]
            if number == NONE or part[d, i] == 0:
                break
            if number != SPATIAL:
                digit = old = index[number]
                if number == turned:
                    old -= 1
                elif number > turned:
                    old = -(-had // tile) - 1
            else:
                count = -(-cuts[d, i, 2] // tile)
                if part[d, i] == SPREADS:
                    digit, below = below % count, below // count
                else:
                    digit, mine = mine % count, mine // count
                old = digit
            start, extent = start + digit * tile, max(0, min(tile, extent - digit * tile))
            was, had = was + old * tile, max(0, min(tile, had - old * tile))
        found[child, 0], found[child, 1], found[child, 2], found[child, 3] = start, extent, was, had
