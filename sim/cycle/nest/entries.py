"""Entries of the tables in ``amounts``: one factor of an edge's words, turn by turn. Compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.arch.problem import DIMS
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.groups import (
    best_pairs,
    count_taking_part,
    find_axis_groups,
    set_turns,
    sum_groups,
)
from arraysmith.sim.cycle.nest.passing import (
    L_DIM,
    NEIGHBOUR,
    mark_axis,
    sum_marks,
    sum_sent,
)
from arraysmith.sim.cycle.nest.tree import Edge, O, Tree
from arraysmith.sim.cycle.nest.turns import (
    KEYS,
    find_places,
    leave_out_moved,
    many_places,
)

NO_DIM = -1

View = tuple[Int, int, int, int]
"""Modes of the levels; tiles are left out that a loop between these two has moved; what becomes of
words that neighbours pass on."""

STAY, LEFT_OUT, ALONE_LEFT, BY_SENDER = range(4)
"""Words that neighbours pass on: counted like others, left out, the only ones counted, at those who
take them or at those who send them."""


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


def fill(
    tree: Tree,
    edge: Edge,
    links: Int,
    factor: Factor,
    turned: int,
    inside: list[int],
    view: View,
    part: Int,
    pool: Int,
    used: int,
) -> tuple[Int, int]:
    """Fill the entries of one factor for one loop that turns; return the pool and its use."""
    mine = links[np.isin(links[:, L_DIM], factor.dims)] if view[3] else links[:0]
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
        (mine, np.array([0 if d == one else 1 for d in mine[:, L_DIM]], np.int64)),
        view[3],
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
    links: tuple[Int, Int],
    becomes: int,
    keys: int,
    part: Int,
    pool: Int,
    used: int,
) -> tuple[Int, int]:
    """Work out the entries, one per combination of turns of the loops ``inside``."""
    many, others = many_places(rows[0], child), many_places(rows[1], child)
    columns = KEYS + 2 * keys
    first, second = np.zeros((many, columns), np.int64), np.zeros((others, columns), np.int64)
    groups = np.empty((many * others, columns), np.int64)
    pairs = np.empty((many * others, 3), np.int64)
    passed = np.zeros(many * others, np.int64)
    near = np.zeros((len(links[0]), max(many, others), NEIGHBOUR), np.int64)
    marks = np.empty((many * others if len(near) else 0, stored[1]), np.int64)
    index = np.zeros(len(counts), np.int64)
    extent = stored[1]
    whole, keeps = kind
    only = becomes >= ALONE_LEFT
    for n in range(part.shape[1]):
        set_turns(n, inside, counts, index)
        find_places(rows[0], sizes[0], child, index, turned, modes, by[0], first)
        if between[1] > 0 and extent > 0:
            leave_out_moved(rows[0], sizes[0], child, index, between[0], between[1], first)
        if extent == 0:
            total, most = count_taking_part(first, many)
            words = known = total
            gone = 0
            pairs[0, 0] = pairs[0, 1] = most
            pairs[0, 2] = 0
            found = 1
        else:
            count = find_axis_groups(
                rows, sizes, child, index, turned, modes, by, stored, many, (first, second), groups
            )
            if len(near) > 0 and keeps:
                mark_axis(
                    rows, sizes, child, index, turned, links[0], links[1], (first, second), many,
                    by, stored, groups, count, near, marks,
                )  # fmt: skip
                sum_marks(groups, count, marks, passed)
            words, known, gone, found = sum_groups(
                groups, count, whole, keeps, extent, passed, pairs
            )
            if only:  # most known and passed on are best
                words, known = known, gone
                if becomes == ALONE_LEFT or not keeps or len(near) == 0:
                    pairs[:found, 0], pairs[:found, 1] = pairs[:found, 1], pairs[:found, 2]
                    pairs[:found, 2] = 0
                else:
                    found = many * others
                    sum_sent(groups, count, marks, near, links[1], others, pairs)
                pairs[:found, 1] *= -1
                gone = 0
            found = best_pairs(pairs, found)
            if only:
                pairs[:found, 1] *= -1
        if only and extent == 0:
            known = pairs[0, 1] = 0
        if used + found > len(pool):
            more = np.empty((2 * len(pool) + found, 3), np.int64)
            more[:used] = pool[:used]
            pool = more
        part[0, n], part[1, n], part[2, n], part[3, n] = words, known, used, found
        part[4, n] = gone
        pool[used : used + found] = pairs[:found]
        used += found
    return pool, used
