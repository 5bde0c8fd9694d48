"""A few turns of every loop, and what the others take if they go on alike: bursts in closed form.

Averages over a run do not see that one phase waits for off-chip words and the next one for a bus.
A rehearsal does: it takes the first turns of every loop and the last one, transfer by transfer,
with the mean words of each (``plan``). As soon as two turns took every clock on by as
much as the turn before, those between go on alike and are not taken: the work depends on the loops,
not on how often they turn.

What waits for what is the double-buffered pipeline: a tile may come when the one before the last
has left its half (or, without halves, when nobody works with the memory); ports and buses serve one
transfer after the other; off-chip channels do the transfers in the order in which they are possible
and needed. Everything is a maximum of sums, so that in the long run clocks go on evenly; means in
place of single transfers, and clocks taken to be even too early, are what ``sim.calibration`` fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal.dram import Pace
from arraysmith.sim.analytical.rehearsal.loops import count_rounds, find_turns
from arraysmith.sim.analytical.rehearsal.moves import (
    bring,
    cross_border,
    results_out,
    room_for_results,
    room_for_words,
    send_all,
)
from arraysmith.sim.analytical.rehearsal.offchip import behind_dram, on_chip
from arraysmith.sim.analytical.rehearsal.plan import (
    ABOVE,
    AT_MACS,
    BELOW,
    DEPTH,
    LATENCY,
    PARENT,
    SLOTS,
    TENSOR,
    Plan,
)
from arraysmith.sim.analytical.rehearsal.queue import cost_of_refreshes, refreshes_seen
from arraysmith.sim.analytical.rehearsal.state import (
    ARRIVED,
    AT_CAUSE,
    BACK,
    CAUSES,
    CLOCKS,
    COMPUTED,
    DRAIN_CAUSE,
    FILL_CAUSE,
    LAST,
    OFFCHIP_CAUSE,
    OFFCHIP_LATENCY,
    OUT,
    PHASE_LOOPS,
    PIPELINE,
    PORTS_CAUSE,
    READY,
    ROOM,
    ROOMS_CAUSE,
    RUN,
    Arrays,
    shares_of,
    words_down,
)
from arraysmith.sim.analytical.rehearsal.words import Float
from arraysmith.sim.report import Report

MOST_STEPS = 200_000
"""Steps after which every loop goes on as in its second turn, even or not."""

STEPS_ON_CHIP = 1000
"""The same where the off-chip memory takes no time."""

EVEN = 1e-3
"""Clocks that differ by no more than this share of a turn go on alike."""

EVEN_TURNS = 2
"""Turns that have to go on like the one before: one alone may do so by chance."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal says of a run.

    Attributes:
        cycles: cycles by cause, in the order of ``CAUSES``; fractions from means are kept.
        steps: steps that were taken.
    """

    cycles: tuple[float, ...]
    steps: int


def rehearse(
    architecture: Architecture, problem: Problem, mapping: Mapping, report: Report
) -> Rehearsal:
    """Return what the run takes by cause.

    Args:
        architecture: a spatial one.
        problem: the layer.
        mapping: legal.
        report: what the analytical model says of them, default setting.
    """
    plan = Plan.of(architecture, problem, mapping, report)
    if plan.questions is not None:
        plan = behind_dram(plan, _pace(plan))
    return rehearse_plan(plan)


def rehearse_plan(plan: Plan, *, whole: bool = False) -> Rehearsal:
    """Return what the run takes by cause; ``whole`` takes every turn."""
    arrays, cycles = _arrays(plan), np.zeros(len(CAUSES))
    steps = _rehearse(arrays, plan.inside, 1 << 62 if whole else MOST_STEPS, whole, cycles)
    return Rehearsal(tuple(cycles.tolist()), int(steps))


def _pace(plan: Plan) -> Pace:
    """Return how fast the chip is by itself; rows are links."""
    arrays, cycles = _arrays(on_chip(plan)), np.zeros(len(CAUSES))
    _rehearse(arrays, plan.inside, STEPS_ON_CHIP, False, cycles)
    lags = arrays.lags[:, :, 0] / np.maximum(1.0, arrays.lags[:, :, 1])
    return Pace(float(cycles.sum()) / plan.phases, float(arrays.travel[0]), lags)


def _arrays(plan: Plan) -> Arrays:
    """Return what the kernel runs with."""
    many, fanouts = plan.bus.shape[:2]
    memories = len(plan.per_word)
    at_port = RUN + many * CLOCKS
    at_bus = at_port + 4 * memories
    at_memory = at_bus + 2 * many * fanouts
    numbers = [plan.phase_loops, plan.latency, plan.pipeline, int(plan.one_channel), plan.one_port]
    numbers += [at_port, at_bus, at_memory, at_memory + 2 * memories]
    return Arrays(
        plan.cuts,
        plan.links,
        plan.words,
        plan.up,
        plan.again,
        plan.per_word,
        plan.port,
        plan.near,
        plan.bus,
        plan.wire,
        plan.ends,
        plan.service,
        plan.far,
        plan.far_up,
        plan.late,
        plan.dram,
        plan.part,
        plan.axes,
        plan.mean,
        np.array(numbers, np.int64),
        np.ones((many, LAST + 1, 2)),
        plan.users,
        np.zeros((many, 2)),
        plan.windows,
        np.zeros((many, 2, 2)),
        np.zeros(1),
    )


@njit(cache=True, nogil=True)
def _rehearse(arrays: Arrays, inside: Int, most: int, whole: bool, cycles: Float) -> int:
    """Take the turns; write the cycles by cause and return the steps taken.

    Args:
        arrays: the plan.
        inside: see ``Plan``.
        most: steps after which no turn is awaited.
        whole: whether every turn is taken.
        cycles: float64 [causes], written.
    """
    cuts, links, numbers = arrays.cuts, arrays.links, arrays.numbers
    loops, many, shares = arrays.again.shape[1], len(links), arrays.shares
    at_cause = numbers[AT_CAUSE]
    clock = np.zeros(at_cause + len(cycles) + 1)  # last, what refreshes cost
    before, steady = np.zeros((2, loops, len(clock)))
    alike = np.zeros(loops, np.int64)  # turns that went on like the one before, up to now
    index = np.zeros(loops, np.int64)
    blame = np.full(many, OFFCHIP_CAUSE, np.int64)
    pending = np.zeros(many, np.int64)  # tiles of results that wait to be sent
    stretch = max(1.0, arrays.service.max())
    turns = np.empty(loops, np.int64)
    find_turns(cuts, index, turns)
    turned, steps, over = -1, 0, False
    while not over:
        opening = turned < numbers[PHASE_LOOPS]
        start = cross_border(arrays, clock, index, turns, turned) if opening else 0.0
        best, binding = -1.0, OFFCHIP_CAUSE
        for k in range(many):
            if links[k, PARENT] == 0:
                if turned < links[k, DEPTH]:
                    shares[k, 0] = shares_of(arrays, k, index, turned)
                continue
            mine = RUN + k * CLOCKS
            if turned < links[k, DEPTH]:
                shares[k, 0] = shares_of(arrays, k, index, turned)
                if links[k, TENSOR] == 2:
                    room = room_for_results(arrays, clock, k, index, turns, pending)
                else:
                    room = room_for_words(arrays, clock, k)
                if words_down(arrays, k, index, turned) * shares[k, 0, 0] > 0.0:
                    blame[k] = bring(arrays, clock, k, turned, room, start, blame)
                elif links[k, TENSOR] == 2:
                    clock[mine + ARRIVED], blame[k] = room, ROOMS_CAUSE
            if links[k, BELOW] < 0 and clock[mine + ARRIVED] > best:
                best, binding = clock[mine + ARRIVED], blame[k]
        keep = min(numbers[PIPELINE], LAST) - 1
        for k in range(many):
            if pending[k] and not links[k, AT_MACS]:
                keep = 0
        send_all(arrays, clock, pending, keep)
        for k in range(many):  # the tile above that this turn's results go to
            if links[k, TENSOR] == 2 and links[k, ABOVE] >= 0 and turned < links[k, DEPTH]:
                above = RUN + links[k, ABOVE] * CLOCKS
                clock[RUN + k * CLOCKS + ROOM] = clock[above + ARRIVED]
        macs = count_rounds(cuts, inside, index)
        begin, waited = max(clock[COMPUTED], best), 0.0
        if opening:
            begin = max(begin, start)
            waited = max(0.0, start - clock[COMPUTED])
            clock[-1] += cost_of_refreshes(arrays, clock, begin, start)
        if steps == 0:
            clock[at_cause + FILL_CAUSE] = begin
            arrays.travel[0] = begin - start
        else:
            clock[at_cause + OFFCHIP_CAUSE] += waited
            clock[at_cause + binding] += begin - clock[COMPUTED] - waited
        clock[at_cause] += macs
        clock[at_cause + PORTS_CAUSE] += macs * (stretch - 1.0)
        clock[COMPUTED] = begin + macs * stretch
        steps += 1
        turned = loops - 1
        while turned >= 0 and index[turned] + 1 == turns[turned]:
            turned -= 1
        over = turned < 0
        early = turned < numbers[PHASE_LOOPS]
        for k in range(many):
            if links[k, TENSOR] == 2 and links[k, PARENT] > 0 and turned < links[k, DEPTH]:
                pending[k] += 1
                early = early or links[k, SLOTS] == 1
                ready = RUN + k * CLOCKS + READY
                for i in range(LAST - 1, 0, -1):
                    clock[ready + i] = clock[ready + i - 1]
                    shares[k, i + 1] = shares[k, i]
                shares[k, 1] = shares[k, 0]
                clock[ready] = clock[COMPUTED] + numbers[PIPELINE] - 1
        if early:
            send_all(arrays, clock, pending, 0)
        if over:
            break
        index[turned] += 1
        index[turned + 1 :] = 0
        find_turns(cuts, index, turns)
        # Over the border, the next to last turn brings the last tile, which may differ.
        left = turns[turned] - (2 if turned < numbers[PHASE_LOOPS] else 1) - index[turned]
        alike[turned + 1 :] = 0
        if index[turned] >= 2 and left > 0:
            even = _goes_on(clock, before[turned], steady[turned], at_cause)
            alike[turned] = alike[turned] + 1 if even else 0
            if (alike[turned] >= EVEN_TURNS and not whole) or steps > most:
                pace = clock[COMPUTED] - before[turned, COMPUTED]
                for i in range(len(clock)):
                    on = clock[i] - before[turned, i]
                    if i < at_cause and on != 0.0:
                        on = pace  # what moves at all keeps up in the long run
                    clock[i] += left * on
                index[turned] += left
                find_turns(cuts, index, turns)
        before[turned] = clock
    border = 0
    for k in range(many):
        if links[k, PARENT] == 0 and links[k, TENSOR] == 2:
            border = k
    results_out(arrays, clock, border)
    cycles[:] = clock[at_cause:-1]
    over = clock[OUT] + numbers[OFFCHIP_LATENCY] + links[border, LATENCY]
    if arrays.dram.buffered:
        over = max(clock[OUT], clock[BACK]) + arrays.dram.rest
    cycles[DRAIN_CAUSE] += over - clock[COMPUTED]
    cycles[OFFCHIP_CAUSE] += refreshes_seen(arrays, cycles.sum(), clock[-1])
    return steps


@njit(cache=True, nogil=True)
def _goes_on(clock: Float, before: Float, steady: Float, clocks: int) -> bool:
    """Return whether a turn took every clock on as the one before; keep by how much it did.

    A clock that goes faster than the computing is on its way to something else.
    """
    pace = clock[COMPUTED] - before[COMPUTED]
    slack = EVEN * pace + 1e-6
    even = True
    for i in range(clocks):
        on = clock[i] - before[i]
        even = even and abs(on - steady[i]) <= slack and on <= pace + slack
        steady[i] = on
    return even
