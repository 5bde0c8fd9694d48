"""The off-chip requests of a spatial design's transfers: exact addresses, in program order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.boxes import AXES, Int, frame_address, fresh_boxes, next_row, place
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.nest import O
from arraysmith.sim.cycle.offchip import Bursts
from arraysmith.sim.cycle.schedule import Border, Epoch, turns_of

ROWS = 1 << 62, 1
"""Limit of runs that only rows end: see ``runs``."""


class BorderRequests:
    """Lists what crosses the border between off-chip memory and the rest.

    Attributes:
        borders: per tensor, what crosses.
    """

    def __init__(self, problem: Problem, machine: Machine, base: dict[str, int]) -> None:
        """Take a mapped design; ``base`` is the byte address of each tensor's first word."""
        self._machine = machine
        self._bits = [tensor.word_bits for tensor in problem.tensors]
        self._base = [base[name] for name in TENSORS]
        shared = machine.chain.in_shared
        self.borders = [Border.of(machine.nest, t, shared=shared[t]) for t in range(3)]

    def tiles(self, tensor: int, epoch: Epoch) -> tuple[Int, Int, bool]:
        """Return (tile, tile before, whether that is still there) at the border."""
        nest, border = self._machine.nest, self.borders[tensor]
        count = nest.phase_loops
        now = place(
            border.stride, nest.offset[tensor], turns_of(epoch.first, nest.counts, count), count
        )
        keeps = border.retains and epoch.first > 0 and tensor != O
        old = now
        if keeps:
            before = turns_of(epoch.first - 1, nest.counts, count)
            old = place(border.stride, nest.offset[tensor], before, count)
        return now, old, keeps

    def in_bytes(self, tensor: int, base: int, table: Int, words: Int) -> Bursts:
        """Return runs of words, int64 [n, 2] of (first word, words), as requests from ``base``."""
        bits = self._bits[tensor]
        first = table[:, 0] * bits // 8
        end = -(-(table[:, 0] + table[:, 1]) * bits // 8)
        return Bursts((base + first).astype(np.uint64), (end - first).astype(np.uint32), words)

    def bursts(self, tensor: int, epoch: Epoch, *, outward: bool) -> Callable[[], Bursts]:
        """Return a function that lists the off-chip requests of one transfer."""

        def listing() -> Bursts:
            machine, border = self._machine, self.borders[tensor]
            nest = machine.nest
            now, old, keeps = self.tiles(tensor, epoch)
            shifts, sizes, copies = border.groups
            if outward and not machine.chain.in_shared[O]:
                copies = machine.senders // nest.result_tiles
            limit = (8 * machine.chain.offchip.request_bytes, self._bits[tensor])
            extent = nest.extent[tensor]
            table = listed(
                now, old, keeps, border.reach, extent, shifts, sizes, copies, extent, limit
            )
            return self.in_bytes(tensor, self._base[tensor], table, np.cumsum(table[:, 1]))

        return listing


@njit(cache=True, nogil=True)
def runs(
    now: Int,
    old: Int,
    keeps: bool,
    reach: Int,
    extent: Int,
    shifts: Int,
    sizes: Int,
    copies: int,
    frame: Int,
    limit: tuple[int, int],
    out: Int,
) -> int:
    """List the runs of consecutive addresses of a group of tiles' new words.

    Args:
        now: int64 [AXES], first index of the tile without shift; see ``boxes`` up to ``extent``.
        old: int64 [AXES], the same of its predecessor.
        keeps: whether the predecessor's words are still there.
        reach: int64 [AXES].
        extent: int64 [AXES].
        shifts: int64 [AXES, most], shifts of the tiles; ``sizes`` [AXES] of them.
        sizes: int64 [AXES].
        copies: how often each tile is sent.
        frame: int64 [AXES], lengths of the frame that addresses are taken in.
        limit: most bits of a run, those before it in its first byte included, and bits of a word; a
            run has a word at least, and rows end runs, too.
        out: int64 [n, 2] written with (first address, words); [0, 2] to count only.

    Returns:
        Number of runs.
    """
    count = 0
    boxes = np.empty((AXES, AXES, 2), np.int64)
    tile, before, row = np.empty(AXES, np.int64), np.empty(AXES, np.int64), np.empty(AXES, np.int64)
    last = AXES - 1
    for _ in range(copies):
        index = np.zeros(AXES, np.int64)
        while True:
            for a in range(AXES):
                tile[a] = now[a] + shifts[a, index[a]]
                before[a] = old[a] + shifts[a, index[a]]
            for b in range(fresh_boxes(tile, before, keeps, reach, extent, boxes)):
                box = boxes[b]
                row[:] = box[:, 0]
                while True:
                    position, end = box[last, 0], box[last, 1]
                    while position < end:
                        row[last] = position
                        first = frame_address(row, frame)
                        room = max(1, (limit[0] - first * limit[1] % 8) // limit[1])
                        length = min(end - position, frame[last] - position % frame[last], room)
                        if len(out) > 0:
                            out[count, 0] = first
                            out[count, 1] = length
                        count += 1
                        position += length
                    row[last] = box[last, 0]
                    if not next_row(row, box):
                        break
            a = last
            while a >= 0:
                index[a] += 1
                if index[a] < sizes[a]:
                    break
                index[a] = 0
                a -= 1
            if a < 0:
                break
    return count


def listed(*where: object) -> Int:
    """Return int64 [n, 2] of ``runs`` (all arguments but ``out``)."""
    out = np.empty((runs(*where, np.empty((0, 2), np.int64)), 2), np.int64)
    runs(*where, out)
    return out
