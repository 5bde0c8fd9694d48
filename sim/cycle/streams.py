"""From simulated transfers to the requests a probe sees: exact addresses, in program order."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.border import ROWS, BorderRequests, listed, runs
from arraysmith.sim.cycle.boxes import Int, place
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.nest import Flags, O
from arraysmith.sim.cycle.offchip import Timing
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.schedule import Epoch, turns_of
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
        problem: Problem,
        machine: Machine,
        border: BorderRequests,
        probe: Probe,
        parameters: CycleParameters,
    ) -> None:
        self._machine = machine
        self._border = border
        self._probe = probe
        self._parameters = parameters
        nest = machine.nest
        self._shared_base = [0, 0, 0]
        base = 0
        for t in range(3):
            if machine.chain.in_shared[t]:
                self._shared_base[t] = base
                base += -(-prod(nest.shared_reach[t].tolist()) * problem.tensors[t].word_bits // 8)

    def tell_border(self, tensor: int, epoch: Epoch, timing: Timing, *, outward: bool) -> None:
        """Tell the shared memory's side of a border transfer."""
        machine = self._machine
        if not machine.chain.in_shared[tensor]:
            return
        assert machine.shared is not None
        if not self._probe.wants(machine.shared.memory.name):
            return
        nest, border = machine.nest, self._border.borders[tensor]
        now, old, keeps = self._border.tiles(tensor, epoch)
        extent, reach = nest.extent[tensor], border.reach
        table = listed(now, old, keeps, reach, extent, *border.groups, reach, ROWS)
        bursts = self._border.in_bytes(
            tensor, self._shared_base[tensor], table, np.cumsum(table[:, 1])
        )
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
                bursts = self._border.in_bytes(
                    t, self._shared_base[t], table[:count], np.empty(0, np.int64)
                )
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
            more = runs(now, old, keeps, reach, extent, shifts, sizes, copies, frame, ROWS, nothing)
            if count + more > len(table):
                return step, count
            mine = table[count : count + more]
            runs(now, old, keeps, reach, extent, shifts, sizes, copies, frame, ROWS, mine)
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
