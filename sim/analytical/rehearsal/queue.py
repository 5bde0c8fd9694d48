"""What a rehearsal does with a memory that answers in order of the requests, compiled.

A DMA engine issues what it can; answers wait for those before them. So there are two clocks: when
the next request may be issued, and when the last answer is there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.rehearsal.plan import LATENCY
from arraysmith.sim.analytical.rehearsal.state import ASKED, BACK, PHASED, Arrays
from arraysmith.sim.analytical.rehearsal.words import Float

UPWARD = -2
"""In place of a turn: results on their way up."""


@njit(cache=True, nogil=True)
def wait_in_order(
    arrays: Arrays, clock: Float, k: int, begin: float, turn: int, near: float, words: float
) -> float:
    """Ask for a transfer, which changes when the last answer is there; return when one may go on.

    Args:
        arrays: the plan.
        clock: see ``BACK`` and the following.
        k: link over the border.
        begin: when the first request is issued; all others are then, if so many may be under way.
        turn: loop that turned, or ``UPWARD``.
        near: cycles that the near side takes.
        words: that move.
    """
    held, after = arrays.dram.held[k], arrays.links[k, LATENCY]
    if turn == UPWARD:
        took, issued, free = words * arrays.far_up[k], near, held[-1]
    else:
        took, issued, free = words * arrays.far[k, turn], 0.0, held[turn if turn >= 0 else -2]
        after += arrays.late[k, turn]
    before = max(clock[BACK], begin)
    clock[BACK] = max(clock[BACK], begin + after) + max(near, took)
    clock[ASKED] += clock[BACK] - before
    return float(max(begin + 1.0 + issued, clock[BACK] - free))


@njit(cache=True, nogil=True)
def note_lag(arrays: Arrays, clock: Float, k: int, way: int, at: float) -> None:
    """Note from when on a transfer is possible, see ``Arrays.lags``."""
    if clock[PHASED] > 0.0:
        arrays.lags[k, way, 0] += max(0.0, at - clock[PHASED])
        arrays.lags[k, way, 1] += 1


@njit(cache=True, nogil=True)
def cost_of_refreshes(arrays: Arrays, clock: Float, begin: float, start: float) -> float:
    """Return by how much refreshes delay a phase: the mean over all times at which they may come.

    One that comes while an answer is awaited costs its own time less what the words would have come
    too early; one shortly before that costs less.

    Args:
        arrays: the plan.
        clock: the asking since the phase before is counted off.
        begin: of the phase.
        start: when the words for it are there.
    """
    lost = max(0.0, arrays.dram.refresh[0] - max(0.0, begin - start))
    whole = begin - clock[PHASED]
    asking = min(clock[ASKED], whole)
    clock[ASKED], clock[PHASED] = 0.0, begin
    idle = min(whole - asking, lost)
    return float((asking * lost + idle * (lost - idle / 2)) * arrays.dram.refresh[1])


@njit(cache=True, nogil=True)
def refreshes_seen(arrays: Arrays, cycles: float, cost: float) -> float:
    """Return what the refreshes of a run cost, which are a whole number.

    Args:
        arrays: the plan.
        cycles: of the run without them.
        cost: ``cost_of_refreshes`` of all phases.
    """
    if cost <= 0.0:
        return 0.0
    many = (cycles + cost) / arrays.dram.refresh[2]
    return float(cost * np.floor(many) / many)
