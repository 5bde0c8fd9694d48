"""Which children of one fan-out a transfer serves, with how many words each: for routed networks.

The same groups that ``turns`` finds and ``amounts`` adds up, with their members. What a turn moves
is a product over factors (see ``amounts.Factor``); so is the set of children that each part of it
goes to. Entries of a factor that move the same words to the same children have one *class*.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from arraysmith.arch.problem import DIMS
from arraysmith.sim.cycle.nest.amounts import Amounts, modes_of
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.entries import Factor, factors_of
from arraysmith.sim.cycle.nest.tree import Edge, O, Tree
from arraysmith.sim.cycle.nest.turns import (
    BASE,
    EXTENT,
    KEYS,
    LEADS,
    OF_FAMILY,
    OF_TRANSFER,
    OLD_BASE,
    OLD_EXTENT,
    find_places,
    many_places,
)

Group = tuple[int, int, int, tuple[tuple[int, int], ...]]
"""Family; words along a factor; of these, words there before; (column, row) of each member."""

Transfer = tuple[int, tuple[int, ...]]
"""Words, and the children of the fan-out that take (send) them, numbered row by row."""


@dataclass(frozen=True)
class Way:
    """One tensor through one fan-out in one direction.

    Attributes:
        edge: number of the edge.
        place: of the fan-out among those of the edge.
        up: whether results come up.
        classes: per factor, the different groups.
        codes: per factor, (entry, class) of every entry.
    """

    edge: int
    place: int
    up: bool
    classes: tuple[tuple[tuple[Group, ...], ...], ...]
    codes: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def patterns(self) -> int:
        """Combinations of classes."""
        return prod(len(x) for x in self.classes)

    def transfers(self, pattern: int, columns: int) -> tuple[tuple[Transfer, ...], ...]:
        """Return the transfers of a pattern: of each family of children, which has its own network.

        Args:
            pattern: 0 to ``patterns`` - 1, classes of the first factor fastest.
            columns: of the fan-out's mesh.
        """
        chosen = []
        for classes in self.classes:
            chosen.append(classes[pattern % len(classes)])
            pattern //= len(classes)
        families: dict[tuple[int, ...], list[Transfer]] = {}
        for groups in product(*chosen):
            words = prod(x[1] for x in groups) - prod(x[2] for x in groups)
            if not words:
                continue
            places = {(0, 0)}
            for x in groups:
                places = {(a + c, b + d) for a, b in places for c, d in x[3]}
            members = tuple(sorted(row * columns + column for column, row in places))
            family = tuple(x[0] for x in groups)
            families.setdefault(family, []).append((words, members))
        return tuple(tuple(x) for x in families.values())


def way_of(tree: Tree, amounts: Amounts, number: int, place: int, *, up: bool) -> Way:
    """Return the way of edge ``number`` through the ``place``-th of its fan-outs."""
    edge = tree.edges[number]
    level = edge.fanouts[place]
    tiles = edge.tensor == O and not up
    modes = modes_of(tree, edge, level, up=up, tiles=tiles)
    classes, codes = [], []
    for f, factor in enumerate(factors_of(tree, edge)):
        known: dict[tuple[Group, ...], int] = {}
        found: dict[int, int] = {}
        for turned, start, inside in entries_of(tree, amounts, number, f, factor):
            if start in found:
                continue
            counts = [int(tree.counts[j]) for j in inside]
            for n in range(prod(counts)):
                index = np.zeros(len(tree.counts), np.int64)
                rest = n
                for j, count in zip(inside, counts, strict=True):
                    index[j], rest = rest % count, rest // count
                groups = _groups(tree, edge, factor, level, modes, index, turned)
                if tiles:  # a tile that comes back goes to one of those that share it
                    groups = tuple((a, b, c, members[:1]) for a, b, c, members in groups)
                found[start + n] = known.setdefault(groups, len(known))
        classes.append(tuple(known))
        codes.append(tuple(found.items()))
    return Way(number, place, up, tuple(classes), tuple(codes))


def entries_of(
    tree: Tree, amounts: Amounts, number: int, f: int, factor: Factor
) -> list[tuple[int, int, list[int]]]:
    """Return (loop that turned, first entry, loops that count) of a factor's entries."""
    edge = tree.edges[number]
    mine = [j for j in range(edge.depth) if DIMS.index(tree.time[j].dim) in factor.dims]
    return [
        (
            -1 if edge.at_macs else turned,
            int(amounts.base[number, f, turned]),
            [j for j in mine if edge.at_macs or j <= turned],
        )
        for turned in (-1, *range(edge.depth))
    ]


def _groups(
    tree: Tree, edge: Edge, factor: Factor, level: int, modes: Int, index: Int, turned: int
) -> tuple[Group, ...]:
    first, where = _places(tree, edge, factor, 0, level, modes, index, turned)
    if not factor.extent:
        lone: dict[tuple[int, int], set[tuple[int, int]]] = {}
        for place, at in zip(first, where, strict=True):
            if place[EXTENT] > 0:
                key = int(place[OF_FAMILY]), int(place[OF_TRANSFER])
                lone.setdefault(key, set()).add(at)
        return tuple((family, 1, 1, tuple(sorted(at))) for (family, _), at in lone.items())
    second, there = _places(tree, edge, factor, 1, level, modes, index, turned)
    by = (factor.by[0], factor.by[1] if len(factor.by) > 1 else 0)
    several = len(first) > 1 and len(second) > 1
    found: dict[tuple[int, ...], tuple[list[int], set[tuple[int, int]]]] = {}
    for i, one in enumerate(first):
        for k, other in enumerate(second):
            if one[EXTENT] <= 0 or other[EXTENT] <= 0:
                continue
            low, high = _interval(factor, by, one, other, BASE, EXTENT)
            old = _interval(factor, by, one, other, OLD_BASE, OLD_EXTENT)
            count = len(first) * len(second)
            family = int(one[OF_FAMILY]) * count + int(other[OF_FAMILY])
            transfer = int(one[OF_TRANSFER]) * count + int(other[OF_TRANSFER])
            same = tuple((one[KEYS:] + other[KEYS:]).tolist())
            key = (family, transfer, low, high, *same)
            if not several:
                key = (i, k)
            at = (where[i][0] + there[k][0], where[i][1] + there[k][1])
            if key not in found:
                found[key] = [family, low, high, *old], {at}
                continue
            kept, members = found[key]
            kept[3], kept[4] = max(kept[3], old[0]), min(kept[4], old[1])
            members.add(at)
    keeps = not edge.at_macs and turned >= 0
    groups = []
    for (family, low, high, old_low, old_high), members in found.values():
        here, both = max(0, high - low), 0
        if keeps and edge.tensor == O:
            both = here if (low, high) == (old_low, old_high) else 0
        elif keeps:
            both = max(0, min(high, old_high) - max(low, old_low))
        groups.append((family, here, both, tuple(sorted(members))))
    return tuple(groups)


def _interval(
    factor: Factor, by: tuple[int, int], one: Int, other: Int, base: int, extent: int
) -> tuple[int, int]:
    """Return the words along an axis that two places have together, as ``turns.group_axis``."""
    low = factor.offset + by[0] * int(one[base]) + by[1] * int(other[base])
    high = low
    if one[extent] > 0 and other[extent] > 0:
        high += by[0] * (int(one[extent]) - 1) + by[1] * (int(other[extent]) - 1) + 1
    return max(low, 0), min(high, factor.extent)


def _places(
    tree: Tree, edge: Edge, factor: Factor, which: int, level: int, modes: Int, index: Int,
    turned: int,
) -> tuple[Int, list[tuple[int, int]]]:  # fmt: skip
    """Return the places of one dim of a factor and their (column, row) below a fan-out."""
    width = KEYS + 2 * max(1, len(tree.architecture.fanouts))
    if which >= len(factor.dims):
        none = np.zeros((1, width), np.int64)
        none[0, [EXTENT, OLD_EXTENT, LEADS]] = 1
        return none, [(0, 0)]
    d, by = factor.dims[which], factor.by[which]
    rows = tree.loops[d, : tree.many[d]]
    out = np.zeros((many_places(rows, edge.child), width), np.int64)
    find_places(rows, int(tree.size[d]), edge.child, index, turned, modes, by, out)
    steps: list[tuple[int, int, int]] = []  # turns, columns and rows that one turn goes on
    spread = [x for x in tree.space if x.level < edge.child and DIMS.index(x.dim) == d]
    for loop in spread:
        column = row = 0
        if loop.level == level:
            inner = [x for x in tree.space if x.level == level and x.axis == loop.axis]
            after = next(n for n, x in enumerate(inner) if x is loop) + 1
            step = prod(x.count for x in inner[after:])
            column, row = (step, 0) if loop.axis == "x" else (0, step)
        steps.append((loop.count, column, row))
    where = []
    for c in range(len(out)):
        rest, stride, column, row = c, len(out), 0, 0
        for count, right, down in steps:
            stride //= count
            turn, rest = rest // stride, rest % stride
            column, row = column + turn * right, row + turn * down
        where.append((column, row))
    return out, where
