"""From simulated transfers to the requests a probe sees: exact addresses, in program order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.boxes import (
    AXES,
    Int,
    frame_address,
    fresh_boxes,
    next_row,
    place,
)
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.nest import Flags, O
from arraysmith.sim.cycle.offchip import Bursts, Timing
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.schedule import Border, Epoch, turns_of
from arraysmith.sim.cycle.spatial import REC_DONE, REC_LEFT, REC_START, REC_TILE, RECORD
from arraysmith.sim.probe import Probe


@dataclass(frozen=True, slots=True)
class Region:
    """Where a tensor lies in off-chip memory: ``size`` bytes from byte ``base``."""

    base: int
    size: int


def address_map(
    problem: Problem, architecture: Architecture, parameters: CycleParameters | None = None
) -> dict[str, Region]:
    """Return where each tensor lies off-chip: one after the other, row-major, at aligned bases.

    The byte address of word w is base + w * word_bits / 8 rounded down. The architecture is named
    because a design may come to decide the layout; today's do not.
    """
    del architecture
    align = (parameters or CycleParameters()).region_align_bytes
    regions: dict[str, Region] = {}
    base = 0
    for tensor in problem.stored_tensors:
        size = -(-tensor.words * tensor.word_bits // 8)
        regions[tensor.name] = Region(base, size)
        base += -(-size // align) * align
    return regions


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
    most: int,
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
        most: most words of a run; rows end runs, too.
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
                        length = min(end - position, frame[last] - position % frame[last], most)
                        if len(out) > 0:
                            row[last] = position
                            out[count, 0] = frame_address(row, frame)
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


class Streams:
    """Tells a probe what crosses the off-chip border and what moves at the shared memory.

    Off-chip streams: ``<offchip>/<tensor>/read`` and ``write``. Shared memory: ``write`` of an
    operand is a fill, of results an update or partial sums that come back; ``read`` feeds the array
    or takes results out. Its addresses are those of the frame in which a tile is kept in place (see
    ``boxes.frame_address``), one frame per tensor after the other; which half of a ping-pong memory
    a tile is in follows from the parity of its number and is not part of the address.
    """

    def __init__(
        self,
        architecture: Architecture,
        problem: Problem,
        machine: Machine,
        probe: Probe,
        parameters: CycleParameters,
    ) -> None:
        self._machine = machine
        self._probe = probe
        self._parameters = parameters
        self._bits = [tensor.word_bits for tensor in problem.tensors]
        regions = address_map(problem, architecture, parameters)
        self._offchip_base = [regions[name].base for name in TENSORS]
        nest = machine.nest
        self._borders = [Border.of(nest, t, shared=machine.chain.in_shared[t]) for t in range(3)]
        self._shared_base = [0, 0, 0]
        base = 0
        for t in range(3):
            if machine.chain.in_shared[t]:
                self._shared_base[t] = base
                base += -(-prod(nest.shared_reach[t].tolist()) * self._bits[t] // 8)

    def _tiles(self, tensor: int, epoch: Epoch) -> tuple[Int, Int, bool]:
        """Return (tile, tile before, whether that is still there) at the border."""
        nest, border = self._machine.nest, self._borders[tensor]
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

    def _bytes(self, tensor: int, base: int, table: Int, words: Int) -> Bursts:
        bits = self._bits[tensor]
        first = table[:, 0] * bits // 8
        end = -(-(table[:, 0] + table[:, 1]) * bits // 8)
        return Bursts((base + first).astype(np.uint64), (end - first).astype(np.uint32), words)

    def border_bursts(self, tensor: int, epoch: Epoch, *, outward: bool) -> Callable[[], Bursts]:
        """Return a function that lists the off-chip requests of one transfer."""

        def bursts() -> Bursts:
            nest, border = self._machine.nest, self._borders[tensor]
            now, old, keeps = self._tiles(tensor, epoch)
            shifts, sizes, copies = border.groups
            if outward and not self._machine.chain.in_shared[O]:
                copies = self._machine.senders // nest.result_tiles
            most = max(1, self._parameters.burst_bytes * 8 // self._bits[tensor])
            extent = nest.extent[tensor]
            table = listed(
                now, old, keeps, border.reach, extent, shifts, sizes, copies, extent, most
            )
            return self._bytes(tensor, self._offchip_base[tensor], table, np.cumsum(table[:, 1]))

        return bursts

    def tell_border(self, tensor: int, epoch: Epoch, timing: Timing, *, outward: bool) -> None:
        """Tell the shared memory's side of a border transfer."""
        machine = self._machine
        if not machine.chain.in_shared[tensor]:
            return
        assert machine.shared is not None
        if not self._probe.wants(machine.shared.memory.name):
            return
        nest, border = machine.nest, self._borders[tensor]
        now, old, keeps = self._tiles(tensor, epoch)
        extent, reach = nest.extent[tensor], border.reach
        table = listed(now, old, keeps, reach, extent, *border.groups, reach, int(extent[-1]))
        bursts = self._bytes(tensor, self._shared_base[tensor], table, np.cumsum(table[:, 1]))
        request, response = timing.spread(bursts.words, delayed=False)
        if not outward:
            request, response = request + timing.latency, response + timing.latency
        self._probe.requests(
            f"{machine.shared.memory.name}/{TENSORS[tensor]}/{'read' if outward else 'write'}",
            request,
            response,
            bursts.address,
            bursts.size,
            np.full(len(request), epoch.number, np.uint32),
            np.zeros(len(request), np.uint16),
        )

    def new_records(self) -> Int:
        """Return room for what the kernel tells of the transfers of one phase."""
        return np.empty((self._machine.nest.steps_per_phase, 4, RECORD), np.int64)

    def tell_array(self, phase: int, before: Int, known: Flags, records: Int) -> None:
        """Tell the array side of one phase.

        Args:
            phase: its number.
            before: int64 [3, AXES], tiles of the step before its first.
            known: bool [3], whether there was one.
            records: what ``spatial.run_phase`` wrote.
        """
        machine, nest = self._machine, self._machine.nest
        if machine.shared is None or not self._probe.wants(machine.shared.memory.name):
            return
        index = turns_of(phase, nest.counts, nest.phase_loops)
        again = machine.senders // nest.result_tiles - 1
        for t, column, copies, direction in (
            (0, 0, int(nest.copies[0]), "read"),
            (1, 1, int(nest.copies[1]), "read"),
            (2, 2, 1, "read"),
            (2, 3, again, "read"),
            (2, 3, again + 1, "write"),
        ):
            if not machine.chain.in_shared[t] or copies == 0:
                continue
            step, room = 0, self._parameters.chunk_records
            while step < len(records):
                table, stamps = np.empty((room, 2), np.int64), np.empty((room, 3), np.int64)
                next_step, count = _array_requests(
                    step, column, index, before[t], bool(known[t]), t == O,
                    (nest.phase_loops, nest.step_loops), nest.counts,
                    (nest.child_stride[t], nest.child_reach[t], nest.extent[t], nest.offset[t]),
                    (nest.shifts[t], nest.shift_sizes[t], copies), bool(nest.retains[t]),
                    nest.shared_reach[t], records, table, stamps,
                )  # fmt: skip
                if next_step == step:
                    room *= 2  # one step alone asks for more
                    continue
                step = next_step
                if count == 0:
                    continue
                bursts = self._bytes(t, self._shared_base[t], table[:count], np.empty(0, np.int64))
                self._probe.requests(
                    f"{machine.shared.memory.name}/{TENSORS[t]}/{direction}",
                    stamps[:count, 0].copy(),
                    stamps[:count, 1].copy(),
                    bursts.address,
                    bursts.size,
                    stamps[:count, 2].astype(np.uint32),
                    np.zeros(count, np.uint16),
                )


@njit(cache=True, nogil=True)
def _array_requests(
    step: int,
    column: int,
    index: Int,
    before: Int,
    known: bool,
    results: bool,
    loops: tuple[int, int],
    counts: Int,
    geometry: tuple[Int, Int, Int, Int],
    groups: tuple[Int, Int, int],
    retains: bool,
    frame: Int,
    records: Int,
    table: Int,
    stamps: Int,
) -> tuple[int, int]:
    """List the requests of one column of the records from ``step`` on, as far as there is room.

    Writes ``table`` (first address, words) and ``stamps`` (request, response, tile).

    Returns:
        (first step that is not listed, requests listed).
    """
    first, last = loops
    stride, reach, extent, offset = geometry
    shifts, sizes, copies = groups
    count = 0
    nothing = np.empty((0, 2), np.int64)
    while step < len(records):
        record = records[step, column]
        if record[REC_TILE] >= 0:
            here = index.copy()
            _set_step(here, step, counts, first, last)
            now = place(stride, offset, here, last)
            old = before
            if step > 0:
                _set_step(here, step - 1, counts, first, last)
                old = place(stride, offset, here, last)
            keeps = retains and not results and (known or step > 0)
            most = extent[AXES - 1]
            more = runs(now, old, keeps, reach, extent, shifts, sizes, copies, frame, most, nothing)
            if count + more > len(table):
                return step, count
            mine = table[count : count + more]
            runs(now, old, keeps, reach, extent, shifts, sizes, copies, frame, most, mine)
            total = mine[:, 1].sum()
            busy = record[REC_LEFT] - record[REC_START]
            moved = 0
            for i in range(more):
                stamps[count, 0] = record[REC_START] + moved * busy // total
                moved += mine[i, 1]
                stamps[count, 1] = (
                    record[REC_START]
                    - (-(moved * busy) // total)
                    + record[REC_DONE]
                    - record[REC_LEFT]
                )
                stamps[count, 2] = record[REC_TILE]
                count += 1
        step += 1
    return step, count


@njit(cache=True, nogil=True)
def _set_step(index: Int, step: int, counts: Int, first: int, last: int) -> None:
    """Write the turns of loops ``first`` to ``last`` in step ``step`` of a phase."""
    for j in range(last - 1, first - 1, -1):
        index[j] = step % counts[j]
        step //= counts[j]
