"""What tells the transfers of an edge apart for banks: see ``bank_turns``. Compiled."""

from __future__ import annotations

from math import prod

import numpy as np
from numba import njit

from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.entries import Factor
from arraysmith.sim.cycle.nest.groups import (
    G_FAMILY,
    G_HIGH,
    G_LOW,
    G_OLD_HIGH,
    G_OLD_LOW,
    count_taking_part,
    find_axis_groups,
    set_turns,
)
from arraysmith.sim.cycle.nest.listing import ALL, WHOLE, View
from arraysmith.sim.cycle.nest.passing import L_DIM, NEIGHBOUR, links_of, mark_axis
from arraysmith.sim.cycle.nest.tree import Edge, Tree
from arraysmith.sim.cycle.nest.turns import KEYS, find_places, many_places

KEYS_AT_ONCE = 1 << 22
"""Numbers of keys worked out at a time: a bound of memory, never seen in a result."""

# Columns of a group in a key: its family, where it begins, its words, and which were there before.
_K_FAMILY, _K_LOW, _K_WORDS, _K_OLD_LOW, _K_OLD_HIGH, _KEY = range(6)


def keys_of(
    tree: Tree, edge: Edge, factor: Factor, view: View, kept: tuple[int, int], turned: int,
    inside: list[int],
) -> list[tuple[int, Int]]:  # fmt: skip
    """Return (first entry, keys from there on): what tells the entries of a factor apart."""
    one = factor.dims[0]
    other = factor.dims[1] if len(factor.dims) > 1 else -1
    by = np.array([factor.by[0], factor.by[1] if other >= 0 else 0], np.int64)
    rows = tree.loops[one, : tree.many[one]]
    beside = tree.loops[other, : tree.many[other]] if other >= 0 else rows[:0]
    places = many_places(rows, edge.child), many_places(beside, edge.child)
    links = links_of(tree, edge)
    links = links[np.isin(links[:, L_DIM], factor.dims)]
    of = np.array([0 if d == one else 1 for d in links[:, L_DIM]], np.int64)
    width = (_KEY + (kept[0] if len(links) else 0)) * places[0] * places[1]
    entries = prod(int(tree.counts[j]) for j in inside)
    chunk = max(1, KEYS_AT_ONCE // width)
    found = []
    for first in range(0, entries, chunk):
        keys = np.zeros((min(chunk, entries - first), width), np.int64)
        _fill_keys(
            (rows, beside),
            (int(tree.size[one]), int(tree.size[other]) if other >= 0 else 1),
            by,
            (factor.offset, factor.extent),
            edge.child,
            turned,
            np.array(inside, np.int64),
            tree.counts,
            view[7],
            (view[8], not edge.at_macs and turned >= 0),
            max(1, len(tree.architecture.fanouts)),
            kept,
            (links, of),
            first,
            keys,
        )
        found.append((first, keys))
    return found


@njit(cache=True, nogil=True)
def _fill_keys(
    rows: tuple[Int, Int],
    sizes: tuple[int, int],
    by: Int,
    stored: tuple[int, int],
    child: int,
    turned: int,
    inside: Int,
    counts: Int,
    modes: Int,
    kind: tuple[int, bool],
    fanouts: int,
    kept: tuple[int, int],
    links: tuple[Int, Int],
    start: int,
    keys: Int,
) -> None:
    """Write what tells the entries of a factor apart; see ``entries`` for the arguments.

    Per group what is named above, then, where neighbours pass words on, which of its words.
    """
    many, others = many_places(rows[0], child), many_places(rows[1], child)
    columns = KEYS + 2 * fanouts
    first, second = np.zeros((many, columns), np.int64), np.zeros((others, columns), np.int64)
    groups = np.empty((many * others, columns), np.int64)
    index = np.zeros(len(counts), np.int64)
    frame, period = kept
    width = _KEY + (frame if len(links[0]) else 0)
    near = np.zeros((len(links[0]), max(many, others), NEIGHBOUR), np.int64)
    marks = np.zeros((many * others if len(near) else 0, stored[1]), np.int64)
    for n in range(len(keys)):
        set_turns(start + n, inside, counts, index)
        find_places(rows[0], sizes[0], child, index, turned, modes, by[0], first)
        if stored[1] == 0:
            keys[n, 0], keys[n, 1] = count_taking_part(first, many)
            continue
        count = find_axis_groups(
            rows, sizes, child, index, turned, modes, by, stored, many, (first, second), groups
        )
        if len(near) and kind[1]:
            mark_axis(
                rows, sizes, child, index, turned, links[0], links[1], (first, second), many, by,
                stored, groups, count, near, marks,
            )  # fmt: skip
        wraps, least = False, frame
        for g in range(count):
            low, high = groups[g, G_LOW], groups[g, G_HIGH]
            if high > low:
                least = min(least, low % frame)
                wraps = wraps or low % frame + high - low > frame
        shift = 0 if wraps else least // period * period
        for g in range(count):
            low, high = groups[g, G_LOW], groups[g, G_HIGH]
            old_low, old_high = groups[g, G_OLD_LOW], groups[g, G_OLD_HIGH]
            key = keys[n, width * g : width * (g + 1)]
            key[_K_FAMILY], key[_K_WORDS] = groups[g, G_FAMILY] + 1, max(0, high - low)
            if high > low:
                key[_K_LOW] = low % frame - shift
            if kind[0] == ALL or not kind[1]:
                continue
            if kind[0] == WHOLE:
                key[_K_OLD_HIGH] = low == old_low and high == old_high
            elif min(high, old_high) > max(low, old_low):
                key[_K_OLD_LOW] = max(low, old_low) - low
                key[_K_OLD_HIGH] = min(high, old_high) - low
            if len(near):
                for x in range(high - low):
                    key[_KEY + x] = marks[g, x]
