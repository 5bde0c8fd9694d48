"""The kernels that carry values; see ``values``."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.carrying.carry_links import find_fresh, take_words
from arraysmith.sim.cycle.carrying.multiply import Axes, multiply, new_room, tabulate
from arraysmith.sim.cycle.nest.boxes import AXES, Int, frame_address, next_row
from arraysmith.sim.cycle.nest.listing import cut_boxes
from arraysmith.sim.cycle.nest.tree import Flags
from arraysmith.sim.cycle.nest.turns import (
    BASE,
    EXTENT,
    WAITING,
    find_places,
    many_places,
    next_turn,
)

Nest = tuple[Int, Int, Int, Int, int, bool]
"""Loops, how many per dim, sizes (see ``Tree``); limits of the loops in time; loops in time that
make the steps; whether tiles are ragged."""

Places = tuple[Int, Int, Int]
"""Int64 [levels + 2, dims, most, ..], room for what instances at a level have of a dim; int64
[levels + 2, instances, dims], place of each instance; int64 [levels + 2], instances."""

Frames = tuple[Int, Flags, Int, Int, Int]
"""All words of all memories; whether a result is there; int64 [levels, 3], where the frames of a
tensor at a level begin; int64 [levels, 3], words of one; int64 [levels, 3, AXES], its lengths."""

# Columns of an edge.
TENSOR, PARENT, CHILD, AT_MACS, DEPTH, HELD, LINKED = range(7)

Scratch = tuple[Int, Int, Int, Int]
"""Room that the copies work in: boxes, row, tile, no tile."""


@njit(cache=True, nogil=True)
def _tile(place: Int, where: Int, axes: Axes, tensor: int, own: Flags, box: Int) -> bool:
    """Write the tile of one instance; return False if it keeps what it has."""
    for d in range(len(where)):
        extent = place[d, where[d], EXTENT]
        if extent == WAITING or (extent <= 0 and not own[tensor, d]):
            return False
    table, stored = axes[0], axes[1]
    for a in range(AXES):
        box[a, 0], box[a, 1] = 0, 1
        one, other = table[tensor, a, 0], table[tensor, a, 1]
        if one < 0:
            continue
        first = place[one, where[one]]
        low = table[tensor, a, 4] + table[tensor, a, 2] * first[BASE]
        high = low + table[tensor, a, 2] * (first[EXTENT] - 1) + 1
        empty = first[EXTENT] <= 0
        if other >= 0:
            second = place[other, where[other]]
            low += table[tensor, a, 3] * second[BASE]
            high += table[tensor, a, 3] * (second[BASE] + second[EXTENT] - 1)
            empty = empty or second[EXTENT] <= 0
        box[a, 0], box[a, 1] = max(low, 0), min(high, stored[tensor, a])
        if empty:
            box[a, 1] = box[a, 0]
    return True


@njit(cache=True, nogil=True)
def _differ(box: Int, old: Int) -> bool:
    differ = False
    for a in range(AXES):
        differ = differ or box[a, 0] != old[a, 0] or box[a, 1] != old[a, 1]
    return differ


@njit(cache=True, nogil=True)
def _copy(
    frames: Frames, source: Int, target: Int, now: Int, old: Int, forget: bool, scratch: Scratch
) -> int:
    """Bring the words of ``now`` that ``old`` has not from one frame to another.

    Args:
        frames: all frames.
        source: (tensor, level, instance).
        target: the same.
        now: int64 [AXES, 2], tile.
        old: int64 [AXES, 2], tile before.
        forget: leave the words where they are.
        scratch: room.

    Returns:
        Words of the transfer.
    """
    words, _, base, size, length = frames
    boxes, row = scratch[0], scratch[1]
    t, high, low = source[0], source[1], target[1]
    come = base[high, t] + source[2] * size[high, t]
    go = base[low, t] + target[2] * size[low, t]
    moved = 0
    for b in range(cut_boxes(now, old, boxes)):
        box = boxes[b]
        row[:] = box[:, 0]
        while True:
            for position in range(box[AXES - 1, 0], box[AXES - 1, 1]):
                row[AXES - 1] = position
                moved += 1
                if not forget:
                    word = words[come + frame_address(row, length[high, t])]
                    words[go + frame_address(row, length[low, t])] = word
            row[AXES - 1] = box[AXES - 1, 0]
            if not next_row(row, box):
                break
    return moved


@njit(cache=True, nogil=True)
def _give(
    frames: Frames, source: Int, target: Int, now: Int, first: bool, scratch: Scratch
) -> None:
    """Add a tile of results to another frame; write it if it is the ``first`` there."""
    words, there, base, size, length = frames
    row = scratch[1]
    t, low, high = source[0], source[1], target[1]
    come = base[low, t] + source[2] * size[low, t]
    go = base[high, t] + target[2] * size[high, t]
    for a in range(AXES):
        if now[a, 0] >= now[a, 1]:
            return
    row[:] = now[:, 0]
    while True:
        for position in range(now[AXES - 1, 0], now[AXES - 1, 1]):
            row[AXES - 1] = position
            word = words[come + frame_address(row, length[low, t])]
            at = go + frame_address(row, length[high, t])
            words[at] = word if first else words[at] + word
            there[at] = True
        row[AXES - 1] = now[AXES - 1, 0]
        if not next_row(row, now):
            return


@njit(cache=True, nogil=True)
def _begin(frames: Frames, target: Int, now: Int, scratch: Scratch) -> None:
    """Start a tile of results from zero."""
    words, there, base, size, length = frames
    row = scratch[1]
    t, level = target[0], target[1]
    go = base[level, t] + target[2] * size[level, t]
    row[:] = now[:, 0]
    while True:
        for position in range(now[AXES - 1, 0], now[AXES - 1, 1]):
            row[AXES - 1] = position
            at = go + frame_address(row, length[level, t])
            words[at] = 0
            there[at] = False
        row[AXES - 1] = now[AXES - 1, 0]
        if not next_row(row, now):
            return


@njit(cache=True, nogil=True)
def _known(frames: Frames, source: Int, now: Int, scratch: Scratch) -> bool:
    """Return whether a parent has partial sums of a tile (of all its words, or of none)."""
    _, there, base, size, length = frames
    row = scratch[1]
    for a in range(AXES):
        row[a] = now[a, 0]
    t, level = source[0], source[1]
    at = base[level, t] + source[2] * size[level, t] + frame_address(row, length[level, t])
    known: bool = there[at]
    return known


@njit(cache=True, nogil=True)
def _find(nest: Nest, places: Places, level: int, index: Int, modes: Int) -> None:
    """Work out what the instances at a level have of every dim."""
    loops, many, size = nest[0], nest[1], nest[2]
    for d in range(len(size)):
        find_places(loops[d, : many[d]], size[d], level, index, 0, modes, 1, places[0][level, d])


@njit(cache=True, nogil=True)
def _find_leaving(
    nest: Nest,
    edges: Int,
    leads: Int,
    axes: Axes,
    own: Flags,
    places: Places,
    index: Int,
    modes: Int,
    turned: int,
    over: bool,
    held: Int,
    leaving: Flags,
    scratch: Scratch,
) -> None:
    """Find whose results go up now.

    All that share a tile go with the one that goes first, also who has had no work in it for some
    turns; and all below a memory go with what it holds.
    """
    now = scratch[2]
    above = -1
    for e in range(len(edges)):  # parents first
        edge = edges[e]
        if edge[TENSOR] != 2 or edge[AT_MACS]:
            continue
        instances = places[2][edge[CHILD]]
        below = instances // places[2][edge[PARENT]]
        ends = over or turned < edge[DEPTH]
        if ends:
            _find(nest, places, edge[CHILD], index, modes)
        for i in range(instances):
            row = edge[HELD] + i
            if leads[row] == i:
                moves = over
                if ends and not over:
                    where = places[1][edge[CHILD], i]
                    moves = _tile(places[0][edge[CHILD]], where, axes, 2, own, now)
                    moves = moves and _differ(now, held[row])
                leaving[row] = moves or (above >= 0 and leaving[above + i // below])
        for i in range(instances):
            row = edge[HELD] + i
            if leads[row] != i:
                goes = leaving[edge[HELD] + leads[row]]
                leaving[row] = goes or (above >= 0 and leaving[above + i // below])
        above = edge[HELD]


@njit(cache=True, nogil=True)
def carry(
    nest: Nest,
    edges: Int,
    leads: Int,
    axes: Axes,
    own: Flags,
    places: Places,
    frames: Frames,
    macs: Int,
    modes: Int,
    drop: tuple[int, int],
    near: Int,
) -> None:
    """Walk all steps: bring new words down, multiply and add, take results up.

    Args:
        nest: loops.
        edges: int64 [edges, 7], parents first.
        leads: int64 [rows], per instance of every edge's child (at ``HELD``), the one whose result
            tile goes first into the parent.
        axes: see ``multiply``.
        own: bool [3, dims], whether a dim moves a tensor.
        places: room, and who is where.
        frames: memories.
        macs: int64 [3], level from which MACs take a tensor (to which they give it).
        modes: int64 [levels, 2], zeros.
        drop: (tensor, number) of a transfer to leave out; (-1, -1) for none.
        near: int64 [rows, NEIGHBOURS], per instance of every edge's child, those that pass words on
            to it; -1 for none.
    """
    loops, many, size, limits, steps, ragged = nest
    index = np.zeros(len(limits), np.int64)
    held = np.zeros((len(leads), AXES, 2), np.int64)
    open_tile = np.zeros(len(leads), np.bool_)  # holds results that the parent has not
    first_give = np.zeros(len(leads), np.bool_)
    leaving = np.zeros(len(leads), np.bool_)
    worked = np.full((len(leads), len(limits)), -1, np.int64)  # turns of the last tile
    fresh = np.zeros(len(leads), np.bool_)
    transfers = np.zeros(3, np.int64)
    scratch = (
        np.empty((2 * AXES, AXES, 2), np.int64),
        np.empty(AXES, np.int64),
        np.zeros((AXES, 2), np.int64),
        np.zeros((AXES, 2), np.int64),
    )
    now, nothing = scratch[2], scratch[3]
    bottom = len(places[2]) - 1
    source, target = np.zeros(3, np.int64), np.zeros(3, np.int64)
    turned, over = -1, False
    most = np.ones(len(size), np.int64)
    for d in range(len(size)):
        most[d] = many_places(loops[d, : many[d]], bottom)
    room = new_room(loops, many, steps, most, axes)
    length, base, frame = (
        np.empty((3, AXES), np.int64),
        np.empty(3, np.int64),
        np.empty(3, np.int64),
    )
    share = np.empty(3, np.int64)
    for t in range(3):
        length[t] = frames[4][macs[t], t]
        base[t], frame[t] = frames[2][macs[t], t], frames[3][macs[t], t]
        share[t] = places[2][bottom] // places[2][macs[t]]
    while True:
        if turned >= 0 or over:
            _find_leaving(nest, edges, leads, axes, own, places, index, modes, turned, over, held,
                          leaving, scratch)  # fmt: skip
            for e in range(len(edges) - 1, -1, -1):  # children first
                edge = edges[e]
                if edge[TENSOR] != 2 or edge[AT_MACS]:
                    continue
                below = places[2][edge[CHILD]] // places[2][edge[PARENT]]
                for i in range(places[2][edge[CHILD]]):
                    row = edge[HELD] + i
                    if leaving[row] and open_tile[row]:
                        source[0], source[1], source[2] = 2, edge[CHILD], i
                        target[0], target[1], target[2] = 2, edge[PARENT], i // below
                        _give(frames, source, target, held[row], first_give[row], scratch)
                        open_tile[row] = first_give[row] = False
        if over:
            return
        for e in range(len(edges)):
            edge = edges[e]
            if turned >= edge[DEPTH] or edge[AT_MACS]:
                continue
            t = edge[TENSOR]
            _find(nest, places, edge[CHILD], index, modes)
            instances = places[2][edge[CHILD]]
            below = instances // places[2][edge[PARENT]]
            kept, past = held[:0], frames[0][:0]
            if edge[LINKED]:  # neighbours pass on what they have now, before it changes
                rows = slice(edge[HELD], edge[HELD] + instances)
                find_fresh(worked[rows], index, turned, fresh)
                kept = held[rows].copy()
                first = frames[2][edge[CHILD], t]
                past = frames[0][first : first + instances * frames[3][edge[CHILD], t]].copy()
            for i in range(instances):
                row = edge[HELD] + i
                where = places[1][edge[CHILD], i]
                if not _tile(places[0][edge[CHILD]], where, axes, t, own, now):
                    continue
                empty = False
                for a in range(AXES):
                    empty = empty or now[a, 0] >= now[a, 1]
                source[0], source[1], source[2] = t, edge[PARENT], i // below
                target[0], target[1], target[2] = t, edge[CHILD], i
                forget = drop[0] == t and drop[1] == transfers[t]
                if t != 2:
                    if edge[LINKED]:
                        worked[row] = index
                        parent, child = edge[PARENT], edge[CHILD]
                        one = frames[3][child, t]
                        moved = take_words(
                            frames[0],
                            past,
                            (
                                frames[2][parent, t] + source[2] * frames[3][parent, t],
                                frames[2][child, t] + i * one,
                                one,
                            ),
                            (frames[4][parent, t], frames[4][child, t]),
                            near[row],
                            kept,
                            fresh,
                            now,
                            held[row],
                            forget,
                            (scratch[0], scratch[1]),
                        )
                        transfers[t] += moved > 0
                    elif not empty:
                        moved = _copy(frames, source, target, now, held[row], forget, scratch)
                        transfers[t] += moved > 0
                    held[row] = now
                    continue
                if not _differ(now, held[row]):
                    continue
                held[row] = now
                if empty:
                    continue
                open_tile[row], first_give[row] = True, leads[row] == i
                _begin(frames, target, now, scratch)
                if leads[row] == i and _known(frames, source, now, scratch):
                    _copy(frames, source, target, now, nothing, forget, scratch)
                    transfers[t] += 1
                    _mark(frames, target, now, scratch)
        tabulate(loops, many, size, steps, index, most, axes, length, room)
        multiply(axes, places[1][bottom], share, frames[0], base, frame, room)
        turned = next_turn(loops, many, size, index, limits, steps, ragged)
        over = turned < 0


@njit(cache=True, nogil=True)
def _mark(frames: Frames, target: Int, now: Int, scratch: Scratch) -> None:
    """Note that partial sums of a tile are there."""
    _, there, base, size, length = frames
    row = scratch[1]
    t, level = target[0], target[1]
    go = base[level, t] + target[2] * size[level, t]
    row[:] = now[:, 0]
    while True:
        for position in range(now[AXES - 1, 0], now[AXES - 1, 1]):
            row[AXES - 1] = position
            there[go + frame_address(row, length[level, t])] = True
        row[AXES - 1] = now[AXES - 1, 0]
        if not next_row(row, now):
            return
