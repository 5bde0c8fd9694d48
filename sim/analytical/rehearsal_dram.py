"""What words take over the border to a DRAM: some phases of a run, asked of the memory itself.

How many bytes a cycle a DRAM moves depends on what is asked: runs shorter than a burst cost a whole
one, rows that are not open an activate, every change of direction a turn of the bus. A closed form
of all that would be a controller of its own. So a rehearsal lists some requests in their order
(``rehearsal_requests``), at the start of the run and from each loop on that moves a tile over the
border, and lets ``sim.dram`` serve them as fast as tiles have room. What a transfer ends later than
the one before, it takes; what it takes more when nothing else is under way is latency. Both are
means per loop that turned, the first one per word.

So short a time sees no refreshes; what they take of the ranks in use is added. Buffered writes that
are left at the end are paid for by those seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import cast

import numpy as np

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal_requests import (
    ADDRESS,
    AFTER,
    CLASS,
    MINE,
    REQUEST,
    SIZE,
    TENSOR_OF,
    TRANSFER,
    UP,
    WORDS,
    WRITE,
    Border,
    first_requests,
    list_phases,
)
from arraysmith.sim.analytical.rehearsal_words import Float, O
from arraysmith.sim.dram.columns import AT_RANK
from arraysmith.sim.dram.controller import Controller
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.in_order import ASK, AWAITED, OPENS, times_in_order
from arraysmith.sim.dram.parameters import parameters

REQUESTS = 16384
"""Requests that a rehearsal asks a DRAM for, about; half of them in the innermost loop."""

TURNS = 4
"""Turns of a loop, about, for which there is room in the requests from it on."""

FEWEST = 256
"""Requests from each loop on, at least."""

PAGE = 4096
"""Tensors begin at multiples of so many bytes, one after the other."""


@dataclass(frozen=True)
class Far:
    """What the off-chip memory takes, in cycles of the design; rows are tensors or links.

    Attributes:
        down: float64 [n, loops + 1], cycles of a word down when a loop turns; last, at the start.
        up: float64 [n], cycles of a word up.
        late: as ``down``, latency of a transfer.
    """

    down: Float
    up: Float
    late: Float


def regions(problem: Problem) -> Int:
    """Return int64 [tensors], the byte address at which each tensor begins."""
    base, found = 0, {}
    for tensor in problem.stored_tensors:
        found[tensor.name] = base
        base += ceil(tensor.words * tensor.word_bits / (8 * PAGE)) * PAGE
    return np.array([found[x.name] for x in problem.tensors], np.int64)


def axes_of(problem: Problem) -> Int:
    """Return ``Border.axes`` of a problem."""
    most = max(len(x.axes) for x in problem.tensors)
    found = np.zeros((len(problem.tensors), most, 6), np.int64)
    for t, tensor in enumerate(problem.tensors):
        for a, axis in enumerate(tensor.axes, most - len(tensor.axes)):
            for i, (dim, by) in enumerate(axis.terms):
                found[t, a, 2 * i : 2 * i + 2] = DIMS.index(dim), by
            found[t, a, 4:] = axis.offset, axis.extent
    return found


def ask_dram(
    architecture: Architecture, border: Border, loops: int, near: Float, *, one_way: bool
) -> Far:
    """Return what words take off-chip, by tensor.

    Args:
        architecture: whose off-chip memory names a DRAM.
        border: what lies on the near side.
        loops: in time that move something over the border.
        near: float64 [tensors, 3], cycles that the near side takes for a word down, and up; cycles
            between it and off-chip memory.
        one_way: the memory on the near side has one port for both ways.
    """
    memory = cast(Memory, architecture.levels[0])
    many = len(border.depth)
    sums = _Sums(np.zeros((2, many, loops + 2)), np.zeros((2, many, loops + 1)))
    other = max(FEWEST, REQUESTS // 2 // (loops + 1))
    tiles = np.array([first_requests(border, t) for t in range(many)])
    for opening in (*range(-1, loops), loops):
        if opening == loops and sums.took[1, O, -1]:
            continue  # results have been seen on their way out
        most = REQUESTS // 2 if opening == loops - 1 else other
        in_turn = float(tiles[border.depth > opening].sum() + tiles[O])
        share = min(1.0, most / TURNS / max(1.0, in_turn))
        requests = np.empty((most, REQUEST), np.int64)
        transfers = np.empty((most, TRANSFER), np.int64)
        count, number = list_phases(border, loops, opening, share, requests, transfers)
        if count:
            listed = requests[:count], transfers[:number]
            _ask(memory, architecture.clock_hz, *listed, near, sums, one_way=one_way)
    return sums.means(float(memory.latency_cycles))


@dataclass(frozen=True)
class _Sums:
    """Cycles seen so far.

    Attributes:
        took: float64 [2, tensors, loops + 2], cycles, and the words that they were for; by loop,
            at the start, and up.
        late: float64 [2, tensors, loops + 1], latencies, and how many.
    """

    took: Float
    late: Float

    def means(self, latency_cycles: float) -> Far:
        """Return the means; of what has not been seen, those of its tensor, or of all."""
        took, moved = self.took
        each = took.sum() / moved.sum()
        down, up = np.full(took[:, :-1].shape, each), np.full(len(took), each)
        for t in range(len(took)):
            if moved[t, :-1].any():
                down[t] = took[t, :-1].sum() / moved[t, :-1].sum()
        np.divide(took[:, :-1], moved[:, :-1], out=down, where=moved[:, :-1] > 0)
        np.divide(took[:, -1], moved[:, -1], out=up, where=moved[:, -1] > 0)
        late, times = self.late
        away = np.full(late.shape, latency_cycles)
        np.divide(late, times, out=away, where=times > 0)
        return Far(down, up, np.maximum(0.0, away))


def _ask(
    memory: Memory,
    clock_hz: int,
    requests: Int,
    transfers: Int,
    near: Float,
    sums: _Sums,
    *,
    one_way: bool,
) -> None:
    """Let the memory serve some transfers; add what they take to ``sums``."""
    assert memory.dram is not None
    most = memory.requests_in_flight
    assert most is not None
    device = cast(Device, memory.dram.device)
    quiet = replace(device, policy=replace(device.policy, refresh=False))
    ratio = device.cycles_per(clock_hz)
    opens = np.flatnonzero(np.diff(requests[:, MINE], prepend=-1))
    ends = np.append(opens[1:], len(requests)) - 1
    up, loops = transfers[:, CLASS] == UP, sums.late.shape[2] - 1
    side = near[transfers[:, TENSOR_OF], up.astype(np.int64)] * transfers[:, WORDS]
    total = np.add.reduceat(requests[:, SIZE], opens)
    passes = (side / total)[requests[:, MINE]] * requests[:, SIZE]
    way = near[transfers[:, TENSOR_OF], 2]
    between = way[requests[:, MINE]]
    asked = _asked(requests, transfers, opens, one_way=one_way)
    controller = Controller(quiet, ratio)
    issued, back = times_in_order(controller, asked, passes, between, most)
    controller.finish(flush=True)
    alone = issued[opens] + np.where(up, 0, memory.latency_cycles) + way
    cycles = np.maximum(0, back[ends] - np.maximum(alone, np.append(0, back[ends[:-1]])))
    asked[opens, AWAITED] = opens
    issued, over = times_in_order(Controller(quiet, ratio), asked, passes, between, most)
    late = over[ends] - issued[opens] - way - cycles
    written = transfers[:, WORDS] * up
    if written.any():
        rest = float(controller.written() / ratio) - back[-1]
        cycles += max(0.0, rest) * written / written.sum()
    if device.policy.refresh:
        waits = _refreshing(device, requests, most)
        cycles += waits / (1.0 - waits) * np.maximum(0, cycles - side)
    place = np.where(up, loops + 1, transfers[:, CLASS] % (loops + 1))
    np.add.at(sums.took[0], (transfers[:, TENSOR_OF], place), cycles)
    np.add.at(sums.took[1], (transfers[:, TENSOR_OF], place), transfers[:, WORDS])
    reads = transfers[~up, TENSOR_OF], place[~up]
    np.add.at(sums.late[0], reads, late[~up])
    np.add.at(sums.late[1], reads, 1)


def _asked(requests: Int, transfers: Int, opens: Int, *, one_way: bool) -> Int:
    """Return requests as ``times_in_order`` takes them."""
    found = np.zeros((len(requests), ASK), np.int64)
    found[:, : WRITE + 1] = requests[:, : WRITE + 1]
    found[opens, OPENS] = 1
    found[opens, AWAITED] = transfers[:, AFTER]
    if one_way:
        turns = np.flatnonzero(requests[1:, WRITE] != requests[:-1, WRITE]) + 1
        found[turns, AWAITED] = turns
    return found


def _refreshing(device: Device, requests: Int, most: int) -> float:
    """Return the share of time in which a rank that is in use is refreshed: it holds up all.

    Its rows are closed for that, and opened again.

    Args:
        device: the memory.
        requests: int64 [n, REQUEST], in order.
        most: of them that are under way at a time.
    """
    values, timing = parameters(device), device.timing
    burst = requests[:, ADDRESS] // device.organisation.burst_bytes
    rank = burst >> values[AT_RANK] & values[AT_RANK + 1]
    many = [len(np.unique(rank[i : i + most])) for i in range(0, len(rank), most)]
    closed = timing.t_rfc + timing.t_rp + timing.t_rcd_read
    return min(0.5, float(np.mean(many)) * closed / timing.t_refi)
