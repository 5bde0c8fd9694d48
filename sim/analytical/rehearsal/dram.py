"""What words take over the border to a DRAM: some phases of a run, asked of the memory itself.

How many bytes a cycle a DRAM moves depends on what is asked: runs shorter than a burst cost a whole
one, rows that are not open an activate, every change of direction a turn of the bus. A closed form
of all that would be a controller of its own. So a rehearsal lists some requests in their order
(``requests``), at the start of the run and from each loop on that moves a tile over the
border, and lets ``sim.dram`` serve them at the pace of the chip: a memory that is asked slowly
answers each request by itself, one that is asked fast fills its queues. ``seen`` takes
the means per tensor and loop that turned.

So short a time sees few refreshes; they are left out here, and each phase of the rehearsal adds
what they cost it (``queue``). Within a run, buffers hold as many writes at the beginning
as are left at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple, cast

import numpy as np

from arraysmith.arch.architecture import Memory
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal.requests import (
    ADDRESS,
    AFTER,
    CLASS,
    MINE,
    PHASE,
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
from arraysmith.sim.analytical.rehearsal.seen import (
    BEFORE,
    END,
    EXTRA,
    FIRST,
    HELD,
    ISSUED,
    LATER,
    LATER_WORDS,
    MOVED,
    PLACE,
    SEEN,
    TENSOR,
    Far,
    Seen,
    far_of,
)
from arraysmith.sim.analytical.rehearsal.words import Float, O
from arraysmith.sim.dram.columns import AT_RANK
from arraysmith.sim.dram.controller import Controller
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.in_order import ASK, AWAITED, OPENS, USED, Turns, times_in_order
from arraysmith.sim.dram.in_order import PHASE as ASK_PHASE
from arraysmith.sim.dram.parameters import parameters

REQUESTS = 16384
"""Requests that a rehearsal asks a DRAM for, about; half of them in the innermost loop."""

LONG = 8
"""Requests of a transfer from which on its second half tells how the rest of it goes on."""

TURNS = 2
"""Turns of a loop, about, for which there is room in the requests from it on."""

FEWEST = 256
"""Requests from each loop on, at least."""

PAGE = 4096
"""Tensors begin at multiples of so many bytes, one after the other."""


class Dram(NamedTuple):
    """What there is to know of an off-chip memory beside its rates; rows are links.

    Attributes:
        buffered: it is a DRAM: it answers in order and buffers writes.
        held: float64 [n, loops + 2], cycles for which as many requests as may be under way are when
            a loop turns; at the start; and of words up.
        rest: cycles that writes take which are in buffers when a run ends.
        refresh: float64 [3], cycles for which a refresh holds up all, refreshes per cycle in which
            there is none, and cycles before the first one.
    """

    buffered: bool
    held: Float
    rest: float
    refresh: Float


def no_dram(links: int, loops: int) -> Dram:
    """Return that there is none."""
    return Dram(False, np.zeros((links, loops + 2)), 0.0, np.zeros(3))


class Pace(NamedTuple):
    """How fast the chip is by itself.

    Attributes:
        phase_cycles: cycles of a turn of the loops that move something over the border.
        travel_cycles: from words at the border to the first MAC.
        lags: float64 [tensors or links, 2], cycles from the beginning of a turn until its end makes
            room for words down, and lets words go up.
    """

    phase_cycles: float
    travel_cycles: float
    lags: Float


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


@dataclass(frozen=True)
class Questions:
    """What a DRAM is asked.

    Attributes:
        memory: off-chip memory that names a DRAM.
        clock_hz: of the design.
        border: what lies on the near side.
        near: float64 [tensors, 3], cycles that the near side takes for a word down, and up; cycles
            between it and off-chip memory.
        links: int64 [tensors], links of the plan.
        words: float64 [tensors, loops + 2], words of a transfer when a loop turns, the mean; at the
            start; and up.
        one_way: the memory on the near side has one port for both ways.
    """

    memory: Memory
    clock_hz: int
    border: Border
    near: Float
    links: Int
    words: Float
    one_way: bool


def ask_dram(asks: Questions, pace: Pace) -> Far:
    """Return what words take off-chip, by tensor."""
    border, loops = asks.border, int(asks.border.depth.max())
    seen: list[Seen] = []
    other = max(FEWEST, REQUESTS // 2 // (loops + 1))
    tiles = np.array([first_requests(border, t) for t in range(len(border.depth))])
    for opening in (*range(-1, loops), loops):
        if opening == loops and any((x.rows[:, PLACE] == loops + 1).any() for x in seen):
            continue  # results have been seen on their way out
        most = REQUESTS // 2 if opening == loops - 1 else other
        in_turn = float(tiles[border.depth > opening].sum() + tiles[O])
        share = min(1.0, most / TURNS / max(1.0, in_turn))
        requests = np.empty((most, REQUEST), np.int64)
        transfers = np.empty((most, TRANSFER), np.int64)
        count, number = list_phases(border, loops, opening, share, requests, transfers)
        if count:
            listed = requests[:count], transfers[:number]
            of_part = Pace(pace.phase_cycles * share, pace.travel_cycles, pace.lags * share)
            seen.append(_ask(asks, *listed, of_part, begins=opening < 0))
    return far_of(seen, asks.words)


def _ask(asks: Questions, requests: Int, transfers: Int, pace: Pace, *, begins: bool) -> Seen:
    """Let the memory serve some transfers; return what they take.

    Args:
        asks: of whom.
        requests: int64 [n, REQUEST].
        transfers: int64 [n, TRANSFER].
        pace: of the chip.
        begins: the run begins with them; else writes are in the buffers already.
    """
    most, near = asks.memory.requests_in_flight, asks.near
    assert asks.memory.dram is not None
    assert most is not None
    device = cast(Device, asks.memory.dram.device)
    quiet = replace(device, policy=replace(device.policy, refresh=False))
    ratio = device.cycles_per(asks.clock_hz)
    opens = np.flatnonzero(np.diff(requests[:, MINE], prepend=-1))
    ends = np.append(opens[1:], len(requests)) - 1
    tensor, way = transfers[:, TENSOR_OF], (transfers[:, CLASS] == UP).astype(np.int64)
    mine, words, loops = requests[:, MINE], transfers[:, WORDS], asks.words.shape[1] - 2
    size = np.add.reduceat(requests[:, SIZE], opens)
    passes = (near[tensor, way] * words / size)[mine] * requests[:, SIZE]
    controller = Controller(quiet, ratio)
    issued, back = times_in_order(
        controller,
        _asked(requests, transfers, opens, one_way=asks.one_way),
        passes,
        near[tensor, 2][mine],
        most,
        Turns(pace.phase_cycles, pace.travel_cycles, pace.lags[tensor, way][mine]),
    )
    controller.finish(flush=True)
    rows = np.zeros((len(transfers), SEEN))
    rows[:, TENSOR], rows[:, MOVED] = tensor, words
    rows[:, PLACE] = np.where(way, loops + 1, transfers[:, CLASS] % (loops + 1))
    rows[:, ISSUED] = issued[opens] + near[tensor, 2]
    rows[:, FIRST] = back[opens] - passes[opens] * (1 - way)
    rows[1:, BEFORE], rows[:, END] = back[ends[:-1]], back[ends]
    rows[:, HELD] = np.where(
        ends >= most, back[ends] - back[np.maximum(0, ends + 1 - most)], np.inf
    )
    middle, sizes = (opens + ends) // 2, np.cumsum(requests[:, SIZE])
    long = ends - opens >= LONG - 1
    rows[long, LATER] = (back[ends] - back[middle])[long]
    rows[long, LATER_WORDS] = ((sizes[ends] - sizes[middle]) / size * words)[long]
    rest = 0.0
    if way.any():
        rest = max(0.0, float(controller.written() / ratio) - back[-1])
    if not begins:  # for as many the buffers would have had no room
        rows[:, EXTRA] = rest * words * way / max(1, int((words * way).sum()))
    return Seen(rows, rest, _refreshing(device, requests, most) / float(ratio))


def _asked(requests: Int, transfers: Int, opens: Int, *, one_way: bool) -> Int:
    """Return requests as ``times_in_order`` takes them."""
    found = np.zeros((len(requests), ASK), np.int64)
    found[:, : WRITE + 1] = requests[:, : WRITE + 1]
    found[opens, OPENS] = 1
    found[:, USED] = transfers[requests[:, MINE], AFTER]
    found[:, ASK_PHASE] = transfers[requests[:, MINE], PHASE]
    if one_way:
        turns = np.flatnonzero(requests[1:, WRITE] != requests[:-1, WRITE]) + 1
        found[turns, AWAITED] = turns
    return found


def _refreshing(device: Device, requests: Int, most: int) -> Float:
    """Return ``Dram.refresh`` in DRAM cycles; a rank that is refreshed holds up all.

    Its rows are closed for that, and opened again.

    Args:
        device: the memory.
        requests: int64 [n, REQUEST], in order.
        most: of them that are under way at a time.
    """
    if not device.policy.refresh:
        return np.zeros(3)
    values, timing = parameters(device), device.timing
    burst = requests[:, ADDRESS] // device.organisation.burst_bytes
    rank = burst >> values[AT_RANK] & values[AT_RANK + 1]
    ranks = float(np.mean([len(np.unique(rank[i : i + most])) for i in range(0, len(rank), most)]))
    closed = timing.t_rfc + timing.t_rp + timing.t_rcd_read
    return np.array([closed, max(closed, timing.t_refi - ranks * closed) / ranks, timing.t_refi])
