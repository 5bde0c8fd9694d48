"""From simulated transfers to the requests a probe sees: exact addresses, in program order."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.legality import tile_sizes
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.border import BorderRequests
from arraysmith.sim.cycle.boxes import Int, padded
from arraysmith.sim.cycle.columns import (
    PARENT,
    R_AGAIN,
    R_BEGIN,
    R_DONE,
    R_EDGE,
    R_LEFT,
    R_TILE,
    R_TURNED,
    R_UP,
    RECORD,
    RING,
)
from arraysmith.sim.cycle.listing import ROWS, Scratch, View, list_runs, scratch_of, view_of
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.offchip import Timing
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.schedule import Epoch
from arraysmith.sim.cycle.transfers import READ, UPDATE
from arraysmith.sim.cycle.tree import O
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


@dataclass(frozen=True)
class _Side:
    """What a probe is told of one memory when an edge's transfers pass it.

    Attributes:
        stream: name of the stream.
        up: whether results on their way up are told, else what goes down.
        parent: whether the memory is the edge's parent.
        again: whether it is what the parent reads to add to it.
        view: what moves.
        less: what of it does not (the first arrivals of what is read again).
        scratch: room to list it in.
        base: byte address of the tensor's frame in the memory.
        frame: int64 [AXES], the frame.
        per_word: ticks that a word takes at the port; 0: as fast as it comes.
    """

    stream: str
    up: bool
    parent: bool
    again: bool
    view: View
    less: View | None
    scratch: Scratch
    base: int
    frame: Int
    per_word: int


class Streams:
    """Tells a probe what crosses the off-chip border and what moves at the memories on the chip.

    Off-chip streams: ``<offchip>/<tensor>/read`` and ``write``. Memories on the chip that there are
    once: ``write`` of an operand is a fill, of results an update or partial sums that come back;
    ``read`` feeds children or takes results out. Addresses are those of the frame in which a tile
    is kept in place (see ``boxes.frame_address``), one frame per tensor after the other; which half
    of a ping-pong memory a tile is in follows from the parity of its number and is not part of the
    address.
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
        tree = machine.tree
        levels = tree.architecture.levels
        self._frames: dict[tuple[int, int], Int] = {}
        self._bases: dict[tuple[int, int], int] = {}
        self._told: set[int] = set()
        for level in range(1, len(levels)):
            kept = [t for t in range(3) if level in tree.keepers[t]]
            name = levels[level].name
            if not kept or tree.architecture.instances(name) > 1 or not probe.wants(name):
                continue
            self._told.add(level)
            sizes = tile_sizes(tree.architecture, problem, tree.mapping, level)
            base = 0
            for t in kept:
                tensor = problem.tensors[t]
                reach = [axis.reach(sizes) for axis in tensor.axes]
                self._frames[level, t], self._bases[level, t] = padded(reach, 1), base
                base += -(-prod(reach) * tensor.word_bits // 8)
        self._sides = [self._sides_of(k) for k in range(len(machine.inner))]
        width = RECORD + len(tree.time)
        rows = 4 * max(1, len(machine.inner)) * (RING + 2) + parameters.chunk_records
        self.room = np.empty((rows, width), np.int64)

    def _sides_of(self, k: int) -> list[_Side]:
        """Return what to tell of an edge on the chip."""
        machine, tree = self._machine, self._machine.tree
        edge = tree.edges[machine.inner[k]]
        t = edge.tensor
        found: list[_Side] = []
        per_word = machine.clocks()[7][2][machine.edges[k, PARENT]]

        def tell(level: int, way: str, view: View, port: int, less: View | None = None,
                 *, up: bool) -> None:  # fmt: skip
            parent = level == edge.parent
            name = f"{tree.architecture.levels[level].name}/{TENSORS[t]}/{way}"
            place = level, t
            found.append(
                _Side(
                    name,
                    up,
                    parent,
                    less is not None,
                    view,
                    less,
                    scratch_of(view),
                    self._bases[place],
                    self._frames[place],
                    int(per_word[port]) if parent else 0,
                )
            )

        if edge.parent in self._told:
            tell(edge.parent, "read", view_of(tree, edge, tiles=t == O), READ, up=False)
            if t == O:
                arriving = view_of(tree, edge, up=True)
                tiles = view_of(tree, edge, tiles=True)
                tell(edge.parent, "read", arriving, READ, tiles, up=True)
                tell(edge.parent, "write", arriving, UPDATE, up=True)
        if edge.child in self._told:
            tell(edge.child, "write", view_of(tree, edge, tiles=t == O), READ, up=False)
            if t == O:
                tell(edge.child, "read", view_of(tree, edge, tiles=True), READ, up=True)
        return found

    def tell_border(self, tensor: int, epoch: Epoch, timing: Timing, *, outward: bool) -> None:
        """Tell the near side of a border transfer."""
        tree = self._machine.tree
        level = tree.edges[self._machine.borders[tensor]].child
        if level not in self._told:
            return
        place = level, tensor
        table = self._border.runs(tensor, epoch, self._frames[place], ROWS, outward=outward)
        bursts = self._border.in_bytes(tensor, self._bases[place], table, np.cumsum(table[:, 1]))
        request, response = timing.spread(bursts.words, delayed=False)
        if not outward:
            request, response = request + timing.latency, response + timing.latency
        self._probe.requests(
            f"{tree.architecture.levels[level].name}/{TENSORS[tensor]}/"
            f"{'read' if outward else 'write'}",
            request,
            response,
            bursts.address,
            bursts.size,
            np.full(len(request), epoch.number, np.uint32),
            np.zeros(len(request), np.uint16),
        )

    def tell_inner(self, records: Int) -> None:
        """Tell what the kernel did: the records that ``spatial.run_phase`` wrote."""
        for k, sides in enumerate(self._sides):
            for side in sides:
                chosen = records[(records[:, R_EDGE] == k) & (records[:, R_UP] == side.up)]
                tensor = self._machine.tree.edges[self._machine.inner[k]].tensor
                self._tell_side(side, tensor, chosen)

    def _tell_side(self, side: _Side, tensor: int, records: Int) -> None:
        """Tell one memory's part of the transfers of an edge."""
        start, room = 0, self._parameters.chunk_records
        while start < len(records):
            table, stamps = np.empty((room, 2), np.int64), np.empty((room, 3), np.int64)
            less = side.less if side.less is not None else side.view
            following, count = _requests(
                start, records, side.view, less, side.again, side.parent, side.frame,
                side.scratch, side.per_word, self._machine.ticks, table, stamps,
            )  # fmt: skip
            if following == start:
                room *= 2  # one transfer alone asks for more
                continue
            start = following
            if count == 0:
                continue
            bursts = self._border.in_bytes(tensor, side.base, table[:count], np.empty(0, np.int64))
            self._probe.requests(
                side.stream,
                stamps[:count, 0].copy(),
                stamps[:count, 1].copy(),
                bursts.address,
                bursts.size,
                stamps[:count, 2].astype(np.uint32),
                np.zeros(count, np.uint16),
            )


@njit(cache=True, nogil=True)
def _requests(
    start: int,
    records: Int,
    view: View,
    less: View,
    again: bool,
    parent: bool,
    frame: Int,
    scratch: Scratch,
    per_word: int,
    ticks: int,
    table: Int,
    stamps: Int,
) -> tuple[int, int]:
    """List the requests of the records from ``start`` on, as far as there is room.

    Writes ``table`` (first address, words) and ``stamps`` (request, response, tile). At the parent,
    words are asked for as fast as its port goes; they move on at the pace of the whole transfer.

    Returns:
        (first record that is not listed, requests listed).
    """
    count = 0
    while start < len(records):
        record = records[start]
        index, turned = record[RECORD:], record[R_TURNED]
        more = list_runs(
            view, index, turned, frame, ROWS, scratch, table[count:], len(table) - count
        )
        if count + more > len(table):
            return start, count
        begin = record[R_AGAIN] if again else record[R_BEGIN]
        if again:
            # Of words that arrive more than once, all but the first are read; firsts come first.
            first = list_runs(less, index, turned, frame, ROWS, scratch, table[count:], 0)
            for i in range(first, more):
                table[count + i - first] = table[count + i]
            more -= first
        total = table[count : count + more, 1].sum()
        from_cycle = begin // ticks
        busy, delay, moved = record[R_LEFT] - from_cycle, record[R_DONE] - record[R_LEFT], 0
        for _ in range(more):
            if parent:
                stamps[count, 0] = (begin + moved * per_word) // ticks
            else:
                stamps[count, 0] = from_cycle + moved * busy // total + delay
            moved += table[count, 1]
            stamps[count, 1] = from_cycle - (-(moved * busy) // total) + delay
            stamps[count, 2] = record[R_TILE]
            count += 1
        start += 1
    return start, count
