"""Which words a turn moves over an edge, one by one: boxes, and runs of addresses. Compiled.

The same places and groups that ``amounts`` adds up, so that what is listed is what was counted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.nest.amounts import modes_of
from arraysmith.sim.cycle.nest.boxes import AXES, Int, frame_address, next_row
from arraysmith.sim.cycle.nest.entries import factors_of
from arraysmith.sim.cycle.nest.groups import (
    G_HIGH,
    G_LOW,
    G_OLD_HIGH,
    G_OLD_LOW,
    count_taking_part,
    find_axis_groups,
)
from arraysmith.sim.cycle.nest.passing import (
    L_DIM,
    NEIGHBOUR,
    OWN,
    links_of,
    mark_axis,
)
from arraysmith.sim.cycle.nest.tree import Edge, O, Tree
from arraysmith.sim.cycle.nest.turns import (
    KEYS,
    find_places,
    many_places,
)

View = tuple[Int, Int, Int, Int, Int, Int, int, Int, int, Int, bool]
"""Loops, how many per dim, sizes (see ``Tree``); int64 [AXES, 5], per axis its dims (-1: none),
their coefficients and its first index; int64 [AXES], words stored; int64 [n], dims in space that
do not move the tensor; level of the child; modes (see ``turns``); ``NEW``, ``WHOLE`` or ``ALL``;
links between neighbours (see ``passing.links_of``); whether the words that these pass on are the
ones listed, else all others."""

NEW, WHOLE, ALL = range(3)
"""What moves: new words of a tile; the tile if it is another one; the tile in any case."""

ROWS = 1 << 62, 1
"""Limit of runs that only rows end: see ``list_runs``."""


def view_of(
    tree: Tree,
    edge: Edge,
    *,
    up: bool = False,
    tiles: bool = False,
    split: int | None = None,
    passed: bool = False,
) -> View:
    """Return what lists the transfers of an edge between its parent and its first fan-out.

    Args:
        tree: the mapped problem.
        edge: one of its edges.
        up: results on their way up.
        tiles: each different result tile once.
        split: level of another fan-out, whose transfers are listed; the child's: what every
            instance of it takes or gives by itself.
        passed: words that neighbours pass on, with the child's split; others leave these out.
    """
    if split is None:
        split = edge.fanouts[0] if edge.fanouts else edge.child
    modes = modes_of(tree, edge, split, up=up, tiles=tiles)
    axes = np.full((AXES, 5), -1, np.int64)
    axes[:, 2:] = 0
    extent = np.ones(AXES, np.int64)
    factors = factors_of(tree, edge)
    mine = [x for x in factors if x.extent]
    for a, factor in enumerate(mine, AXES - len(mine)):
        for k, (dim, by) in enumerate(zip(factor.dims, factor.by, strict=True)):
            axes[a, k], axes[a, 2 + k] = dim, by
        axes[a, 4], extent[a] = factor.offset, factor.extent
    others = np.array([x.dims[0] for x in factors if not x.extent], np.int64)
    kind = WHOLE if edge.tensor == O else NEW
    return (
        tree.loops, tree.many, tree.size, axes, extent, others, edge.child, modes,
        ALL if edge.at_macs else kind, links_of(tree, edge), passed,
    )  # fmt: skip


Scratch = tuple[Int, Int, Int, Int, Int, Int]
"""Room that listing works in: groups of every axis, places of one dim, places of another; of words
that neighbours pass on, int64 [links, places, NEIGHBOUR] (see ``passing.find_neighbours``), int64
[AXES, groups, words] (see ``passing.mark_passed``), and int64 [AXES, links], which of the axis's
dims a link is over (-1: none of them)."""


def scratch_of(view: View) -> Scratch:
    """Return room for a view."""
    loops, many, child = view[0], view[1], view[6]
    keys = KEYS + 2 * max(1, int(view[7][:, 1].max()) + 1)
    most = [many_places(loops[d, : many[d]], child) for d in range(len(many))]
    pairs = [
        most[one] * (most[other] if other >= 0 else 1)
        for one, other in view[3][:, :2].tolist()
        if one >= 0
    ]
    groups = np.zeros((AXES, max(pairs), keys), np.int64)
    places = np.zeros((2, max(most), keys), np.int64)
    links, axes = view[9], view[3]
    near = np.zeros((len(links), max(most), NEIGHBOUR), np.int64)
    of = np.full((AXES, len(links)), -1, np.int64)
    for k in (1, 0):
        of[axes[:, k, None] == links[None, :, L_DIM]] = k
    longest = int(view[4].max()) if len(links) else 0
    marks = np.zeros((AXES, max(pairs) if len(links) else 0, longest), np.int64)
    return groups, places[0], places[1], near, marks, of


@njit(cache=True, nogil=True)
def find_groups(view: View, index: Int, turned: int, scratch: Scratch, many: Int) -> int:
    """Write the groups of every axis and how many; return how often each product of them moves."""
    loops, loops_of, size, axes, extent, others, child, modes, _, links, _ = view
    groups, first, second, near, marks, of = scratch
    for a in range(AXES):
        one, other = axes[a, 0], axes[a, 1]
        if one < 0:
            groups[a, 0] = 0
            groups[a, 0, G_HIGH] = groups[a, 0, G_OLD_HIGH] = 1
            many[a] = 1
            continue
        rows = loops[one, : loops_of[one]], loops[other, : loops_of[other] if other >= 0 else 0]
        stored = axes[a, 4], extent[a]
        count = find_places(rows[0], size[one], child, index, turned, modes, axes[a, 2], first)
        many[a] = find_axis_groups(
            rows, (size[one], size[other]), child, index, turned, modes, axes[a, 2:4], stored,
            count, (first, second), groups[a],
        )  # fmt: skip
        if len(links):
            mark_axis(
                rows, (size[one], size[other]), child, index, turned, links, of[a],
                (first, second), count, axes[a, 2:4], stored, groups[a], many[a], near, marks[a],
            )  # fmt: skip
    copies = 1
    for d in others:
        count = find_places(loops[d, : loops_of[d]], size[d], child, index, turned, modes, 1, first)
        copies *= count_taking_part(first, count)[0]
    return copies


@njit(cache=True, nogil=True)
def cut_boxes(box: Int, old: Int, boxes: Int) -> int:
    """Write the boxes whose union is what ``box`` has and ``old`` has not; return how many.

    Cut axis by axis: what lies outside of ``old`` along an axis and inside along those before it.

    Args:
        box: int64 [AXES, 2], low and high.
        old: int64 [AXES, 2].
        boxes: int64 [2 AXES, AXES, 2], written.
    """
    count = 0
    for k in range(AXES):
        for side in range(2):
            empty = False
            for a in range(AXES):
                low, high = box[a, 0], box[a, 1]
                if a < k:
                    low, high = max(low, old[a, 0]), min(high, old[a, 1])
                elif a == k and side == 0:
                    high = min(high, old[a, 0])
                elif a == k:
                    low = max(low, old[a, 1], old[a, 0])
                empty = empty or low >= high
                boxes[count, a, 0], boxes[count, a, 1] = low, high
            if not empty:
                count += 1
    return count


@njit(cache=True, nogil=True)
def moved_boxes(
    kind: int, keeps: bool, groups: Int, chosen: Int, box: Int, old: Int, boxes: Int
) -> int:
    """Write the boxes of one product of groups that move; return how many.

    Args:
        kind: see ``View``.
        keeps: whether anything is kept from before.
        groups: see ``find_groups``.
        chosen: int64 [AXES], group along each axis.
        box: int64 [AXES, 2], written: the tile.
        old: int64 [AXES, 2], written: what was there.
        boxes: see ``cut_boxes``.
    """
    same, empty, nothing = True, False, False
    for a in range(AXES):
        group = groups[a, chosen[a]]
        box[a, 0], box[a, 1] = group[G_LOW], group[G_HIGH]
        old[a, 0], old[a, 1] = group[G_OLD_LOW], group[G_OLD_HIGH]
        same = same and box[a, 0] == old[a, 0] and box[a, 1] == old[a, 1]
        empty = empty or box[a, 0] >= box[a, 1]
        nothing = nothing or max(box[a, 0], old[a, 0]) >= min(box[a, 1], old[a, 1])
    if empty or (kind == WHOLE and keeps and same):
        return 0
    if kind != NEW or not keeps or nothing:
        boxes[0] = box
        return 1
    count: int = cut_boxes(box, old, boxes)
    return count


Boxes = tuple[Int, Int, Int, Int, Int]
"""Room for the boxes of one product of groups: int64 [n, AXES, 2], those that move; int64 [n, 2],
of words that neighbours pass on the axis along which they are new and the link; int64 [AXES, 2]
each, the tile and what was there; int64 [2 AXES, AXES, 2], pieces."""


@njit(cache=True, nogil=True)
def new_boxes(scratch: Scratch) -> Boxes:
    """Return room for boxes."""
    many = 2 * AXES
    if len(scratch[3]):  # what is new along one axis alone is cut by marks
        many += 4 * AXES * AXES + AXES * scratch[4].shape[2]
    return (
        np.empty((many, AXES, 2), np.int64),
        np.empty((many, 2), np.int64),
        np.empty((AXES, 2), np.int64),
        np.empty((AXES, 2), np.int64),
        np.empty((2 * AXES, AXES, 2), np.int64),
    )


@njit(cache=True, nogil=True)
def find_boxes(view: View, keeps: bool, scratch: Scratch, chosen: Int, room: Boxes) -> int:
    """Write the boxes of one product of groups that a view lists; return how many.

    Args:
        view: what moves.
        keeps: whether anything is kept from before.
        scratch: with the groups found.
        chosen: int64 [AXES], group along each axis.
        room: written.
    """
    boxes, ways, box, old, pieces = room
    groups, marks, passed = scratch[0], scratch[4], view[10]
    found: int = moved_boxes(view[8], keeps, groups, chosen, box, old, boxes)
    if found == 0 or len(view[9]) == 0 or not keeps:
        return 0 if passed else found
    for a in range(AXES):
        old[a, 0], old[a, 1] = max(old[a, 0], box[a, 0]), min(old[a, 1], box[a, 1])
        if old[a, 0] >= old[a, 1]:
            old[a, :] = box[a, 1]
    count = 0
    for b in range(cut_boxes(box, old, pieces)):
        piece = pieces[b]
        k = 0  # the first axis along which all of the piece is new
        while old[k, 0] <= piece[k, 0] and piece[k, 1] <= old[k, 1]:
            k += 1
        mine = marks[k, chosen[k]]
        low, high, shift = piece[k, 0], piece[k, 1], groups[k, chosen[k], G_LOW]
        alone, some = True, False
        for a in range(k + 1, AXES):
            alone = alone and old[a, 0] < old[a, 1]
        for x in range(low, high):
            some = some or mine[x - shift] > 0
        if not alone or not some:
            if not passed:
                boxes[count] = piece
                count += 1
            continue
        box[: k + 1], box[k + 1 :] = piece[: k + 1], old[k + 1 :]  # what is new along it alone
        if not passed:
            count += cut_boxes(piece, box, boxes[count:])
        begin = low
        while begin < high:
            mark, end = mine[begin - shift], begin + 1
            while end < high and mine[end - shift] == mark:
                end += 1
            if (mark > 0) == passed:
                boxes[count] = box
                boxes[count, k, 0], boxes[count, k, 1] = begin, end
                ways[count, 0], ways[count, 1] = k, mark - OWN - 1
                count += 1
            begin = end
    return count


@njit(cache=True, nogil=True)
def next_choice(chosen: Int, many: Int) -> bool:
    """Step to the next product of groups, ``chosen`` along each axis; return False after all."""
    for a in range(AXES - 1, -1, -1):
        chosen[a] += 1
        if chosen[a] < many[a]:
            return True
        chosen[a] = 0
    return False


@njit(cache=True, nogil=True)
def add_runs(
    box: Int, frame: Int, limit: tuple[int, int], row: Int, out: Int, room: int, count: int
) -> int:
    """Add the runs of consecutive addresses of a box; return how many there are then.

    Args:
        box: int64 [AXES, 2].
        frame: see ``list_runs``, as ``limit``, ``out`` and ``room``.
        limit: longest run.
        row: int64 [AXES], room to work in.
        out: written from row ``count`` on.
        room: rows.
        count: runs before.
    """
    last = AXES - 1
    row[:] = box[:, 0]
    while True:
        position, end = box[last, 0], box[last, 1]
        while position < end:
            row[last] = position
            first = frame_address(row, frame)
            most = max(1, (limit[0] - first * limit[1] % 8) // limit[1])
            length = min(end - position, frame[last] - position % frame[last], most)
            if count < room:
                out[count, 0], out[count, 1] = first, length
            count += 1
            position += length
        row[last] = box[last, 0]
        if not next_row(row, box):
            return count


@njit(cache=True, nogil=True)
def list_runs(
    view: View,
    index: Int,
    turned: int,
    frame: Int,
    limit: tuple[int, int],
    scratch: Scratch,
    out: Int,
    room: int,
) -> int:
    """List the runs of consecutive addresses of what a turn moves.

    Args:
        view: what moves.
        index: int64 [loops in time], turns.
        turned: the loop that has turned, -1 for the first turn of all.
        frame: int64 [AXES], lengths of the frame that addresses are taken in.
        limit: most bits of a run, those before it in its first byte included, and bits of a word; a
            run has a word at least, and rows end runs, too.
        scratch: see ``Scratch``.
        out: int64 [n, 2], written with (first address, words) as far as there is room.
        room: rows of ``out`` that may be written.

    Returns:
        Number of runs.
    """
    many = np.empty(AXES, np.int64)
    often = find_groups(view, index, turned, scratch, many)
    boxes = new_boxes(scratch)
    row = np.empty(AXES, np.int64)
    count = 0
    if many.min() == 0:
        return 0
    for _ in range(often):
        chosen = np.zeros(AXES, np.int64)
        while True:
            for b in range(find_boxes(view, turned >= 0, scratch, chosen, boxes)):
                count = add_runs(boxes[0][b], frame, limit, row, out, room, count)
            if not next_choice(chosen, many):
                break
    return count


def listed(
    view: View, index: Int, turned: int, frame: Int, limit: tuple[int, int], scratch: Scratch
) -> Int:
    """Return int64 [n, 2] of ``list_runs``."""
    out = np.empty((0, 2), np.int64)
    while True:
        many = list_runs(view, index, turned, frame, limit, scratch, out, len(out))
        if many <= len(out):
            return out
        out = np.empty((many, 2), np.int64)
