"""The kernels that carry values; see ``values``."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import (
    AXES,
    Int,
    frame_address,
    fresh_boxes,
    next_row,
    place,
)
from arraysmith.sim.cycle.multiply import multiply, plan
from arraysmith.sim.cycle.nest import Flags

Scratch = tuple[Int, Int, Int, Int]
"""Room that the copies work in: boxes, row, tile, tile before."""

NOWHERE = np.zeros(AXES, np.int64)
"""The shift of a tile that there is once."""


@njit(cache=True, nogil=True)
def _copy(
    source: Int,
    source_frame: Int,
    target: Int,
    target_frame: Int,
    now: Int,
    old: Int,
    shift: Int,
    keeps: bool,
    reach: Int,
    extent: Int,
    forget: bool,
    scratch: Scratch,
) -> int:
    """Bring the new words of one tile from one frame to another, unless told to ``forget``.

    Returns:
        Words of the transfer.
    """
    boxes, row, tile, before = scratch
    last = AXES - 1
    words = 0
    for a in range(AXES):
        tile[a] = now[a] + shift[a]
        before[a] = old[a] + shift[a]
    for b in range(fresh_boxes(tile, before, keeps, reach, extent, boxes)):
        box = boxes[b]
        row[:] = box[:, 0]
        while True:
            for position in range(box[last, 0], box[last, 1]):
                row[last] = position
                words += 1
                if not forget:
                    word = source[frame_address(row, source_frame)]
                    target[frame_address(row, target_frame)] = word
            row[last] = box[last, 0]
            if not next_row(row, box):
                break
    return words


@njit(cache=True, nogil=True)
def _add(
    source: Int,
    source_frame: Int,
    target: Int,
    target_frame: Int,
    now: Int,
    shift: Int,
    reach: Int,
    extent: Int,
    first: bool,
    scratch: Scratch,
) -> None:
    """Add a whole tile of results to another frame, or write it if it is the ``first`` there."""
    boxes, row, tile, _ = scratch
    last = AXES - 1
    for a in range(AXES):
        tile[a] = now[a] + shift[a]
    for b in range(fresh_boxes(tile, tile, False, reach, extent, boxes)):
        box = boxes[b]
        row[:] = box[:, 0]
        while True:
            for position in range(box[last, 0], box[last, 1]):
                row[last] = position
                word = source[frame_address(row, source_frame)]
                there = frame_address(row, target_frame)
                if first:
                    target[there] = word
                else:
                    target[there] += word
            row[last] = box[last, 0]
            if not next_row(row, box):
                break


@njit(cache=True, nogil=True)
def _bring_operand(
    t: int,
    started: bool,
    extent: Int,
    shared_tile: tuple[Int, Int, Int],
    child_tile: tuple[Int, Int, Int],
    retains: bool,
    in_shared: bool,
    shifts: Int,
    offchip: Int,
    shared: Int,
    spads: Int,
    transfers: Int,
    drop: tuple[int, int],
    scratch: Scratch,
) -> None:
    """Bring the new words of one operand to the shared memory and to every scratchpad."""
    now, old, reach = shared_tile
    if in_shared and not (started and (now == old).all()):
        forget = drop[0] == t and drop[1] == transfers[t]
        words = _copy(
            offchip,
            extent,
            shared,
            reach,
            now,
            old,
            NOWHERE,
            started,
            reach,
            extent,
            forget,
            scratch,
        )
        transfers[t] += words > 0
    child_now, child_old, child_reach = child_tile
    if started and retains and (child_now == child_old).all():
        return
    for i in range(len(shifts)):
        forget = drop[0] == t and drop[1] == transfers[t]
        words = _copy(
            shared if in_shared else offchip,
            reach if in_shared else extent,
            spads[i],
            child_reach,
            child_now,
            child_old,
            shifts[i],
            started and retains,
            child_reach,
            extent,
            forget,
            scratch,
        )
        transfers[t] += words > 0


@njit(cache=True, nogil=True)
def _bring_results(
    started: bool,
    index: Int,
    extent: Int,
    shared_tile: tuple[Int, Int, Int],
    shared_again: Flags,
    child_tile: tuple[Int, Int, Int],
    child_again: Flags,
    retains: bool,
    in_shared: bool,
    shifts: Int,
    leads: Flags,
    offchip: Int,
    shared: Int,
    spads: Int,
    transfers: Int,
    drop: tuple[int, int],
    scratch: Scratch,
) -> None:
    """Bring partial sums back, or start from zero where there are none."""
    now, old, reach = shared_tile
    back, child_back = False, False
    for j in range(len(index)):
        back = back or (shared_again[j] and index[j] > 0)
        child_back = child_back or (child_again[j] and index[j] > 0)
    if in_shared and back and not (now == old).all():
        forget = drop[0] == 2 and drop[1] == transfers[2]
        _copy(
            offchip, extent, shared, reach, now, old, NOWHERE, False, reach, extent, forget, scratch
        )
        transfers[2] += 1
    child_now, child_old, child_reach = child_tile
    if started and retains and (child_now == child_old).all():
        return
    for i in range(len(shifts)):
        if not (child_back and leads[i]):
            spads[i, :] = 0
            continue
        forget = drop[0] == 2 and drop[1] == transfers[2]
        _copy(
            shared if in_shared else offchip,
            reach if in_shared else extent,
            spads[i],
            child_reach,
            child_now,
            child_old,
            shifts[i],
            False,
            child_reach,
            extent,
            forget,
            scratch,
        )
        transfers[2] += 1


@njit(cache=True, nogil=True)
def _take_results(
    final: bool,
    extent: Int,
    shared_tile: tuple[Int, Int, Int],
    child_tile: tuple[Int, Int, Int],
    retains: bool,
    in_shared: bool,
    shifts: Int,
    leads: Flags,
    offchip: Int,
    shared: Int,
    spads: Int,
    scratch: Scratch,
) -> None:
    """Take the results of epochs that ended with the last step up, from the inside out."""
    now, old, reach = shared_tile
    child_now, child_old, child_reach = child_tile
    if final or not retains or (child_now != child_old).any():
        for i in range(len(shifts)):
            _add(
                spads[i],
                child_reach,
                shared if in_shared else offchip,
                reach if in_shared else extent,
                child_old,
                shifts[i],
                child_reach,
                extent,
                leads[i],
                scratch,
            )
    if in_shared and (final or (now != old).any()):
        _add(shared, reach, offchip, extent, old, NOWHERE, reach, extent, True, scratch)


@njit(cache=True, nogil=True)
def carry(
    counts: Int,
    step_loops: int,
    extent: Int,
    offset: Int,
    shared_tiles: tuple[Int, Int, Flags],
    child_tiles: tuple[Int, Int, Flags],
    mac_stride: Int,
    whole: Int,
    retains: Flags,
    in_shared: Flags,
    shifts: Int,
    offchip: tuple[Int, Int, Int],
    shared: tuple[Int, Int, Int],
    spads: tuple[Int, Int, Int],
    drop: tuple[int, int],
) -> None:
    """Walk all steps: bring new words down, multiply and add, take results up.

    Args:
        counts: int64 [loops]; this and the next two as in ``Nest``.
        step_loops: loops that make the steps.
        extent: int64 [3, AXES].
        offset: int64 [3, AXES].
        shared_tiles: (stride, reach, again) of the shared memory's tiles, see ``Nest``.
        child_tiles: the same of the scratchpads' tiles.
        mac_stride: int64 [3, AXES, loops].
        whole: int64 [3, AXES], indices along each axis that the whole problem touches.
        retains: bool [3].
        in_shared: bool [3].
        shifts: int64 [3, instances, AXES], shift of every PE's tile of each tensor.
        offchip: int64 [words] per tensor; the last is written.
        shared: int64 [words] per tensor, frames.
        spads: int64 [instances, words] per tensor, frames.
        drop: (tensor, number) of a transfer to leave out; (-1, -1) for none.
    """
    shared_stride, shared_reach, shared_again = shared_tiles
    child_stride, child_reach, child_again = child_tiles
    steps = 1
    for j in range(step_loops):
        steps *= counts[j]
    instances = shifts.shape[1]
    index = np.zeros(len(counts), np.int64)
    above, above_old = np.empty((3, AXES), np.int64), np.zeros((3, AXES), np.int64)
    child, child_old = np.empty((3, AXES), np.int64), np.zeros((3, AXES), np.int64)
    word = np.empty((3, AXES), np.int64)
    transfers = np.zeros(3, np.int64)
    scratch = (
        np.empty((AXES, AXES, 2), np.int64),
        np.empty(AXES, np.int64),
        np.empty(AXES, np.int64),
        np.empty(AXES, np.int64),
    )
    room = (np.empty((3, AXES), np.int64), np.empty((3, AXES), np.int64), index.copy())
    where = plan(child_reach, extent, offset, whole, mac_stride)
    # Of PEs with equal result tiles the first gets the partial sums, and writes first.
    leads = np.ones(instances, np.bool_)
    for i in range(instances):
        for k in range(i):
            leads[i] = leads[i] and (shifts[2, i] != shifts[2, k]).any()
    for step in range(steps + 1):
        final = step == steps
        for t in range(3):
            above[t] = place(shared_stride[t], offset[t], index, step_loops)
            child[t] = place(child_stride[t], offset[t], index, step_loops)
            word[t] = place(mac_stride[t], offset[t], index, step_loops)
        if step > 0:
            _take_results(
                final,
                extent[2],
                (above[2], above_old[2], shared_reach[2]),
                (child[2], child_old[2], child_reach[2]),
                retains[2],
                in_shared[2],
                shifts[2],
                leads,
                offchip[2],
                shared[2],
                spads[2],
                scratch,
            )
        if final:
            return
        for t in range(2):
            _bring_operand(
                t,
                step > 0,
                extent[t],
                (above[t], above_old[t], shared_reach[t]),
                (child[t], child_old[t], child_reach[t]),
                retains[t],
                in_shared[t],
                shifts[t],
                offchip[t],
                shared[t],
                spads[t],
                transfers,
                drop,
                scratch,
            )
        _bring_results(
            step > 0,
            index,
            extent[2],
            (above[2], above_old[2], shared_reach[2]),
            shared_again,
            (child[2], child_old[2], child_reach[2]),
            child_again,
            retains[2],
            in_shared[2],
            shifts[2],
            leads,
            offchip[2],
            shared[2],
            spads[2],
            transfers,
            drop,
            scratch,
        )
        above_old[:] = above
        child_old[:] = child
        for i in range(instances):
            multiply(
                counts,
                step_loops,
                extent,
                child_reach,
                child,
                word,
                shifts,
                i,
                spads[0],
                spads[1],
                spads[2],
                where,
                room,
            )
        for j in range(step_loops - 1, -1, -1):
            index[j] += 1
            if index[j] < counts[j]:
                break
            index[j] = 0
