"""Requests of one DMA engine, as fast as it and the memory can: when each is back (kernel).

What ``sim.cycle.offchip.dram_channel`` does with the transfers of one engine: requests are issued
in order, at most so many are under way, and they come back in order. Words that are read pass the
near side at its pace; words that are written have passed it before the memory is asked. Who works
with the words is known by a pace alone (``Turns``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.sim.dram.columns import (
    DONE_IDENT,
    DONE_RETURN,
    N_DONE,
    NEVER,
    NEXT_IDENT,
)
from arraysmith.sim.dram.controller import Controller, ControllerState
from arraysmith.sim.dram.kernel import AT_COMPLETION, NO_PROGRESS, advance
from arraysmith.sim.dram.requests import submit

Int = NDArray[np.int64]
Float = NDArray[np.float64]

ADDRESS, SIZE, WRITE, AWAITED, OPENS, USED, PHASE, ASK = range(8)
"""Columns of requests: byte address; bytes; 1 for a write; how many of the first ones have to be
back before it is issued; 1 for the first of a transfer; how many have to be back for the phase
before it to begin, whose end makes it possible; number of its phase."""


class Turns(NamedTuple):
    """Work with the words, phase by phase; what it makes room for, or results in, is asked then.

    Attributes:
        phase_cycles: from the beginning of a phase to that of the next one, at least.
        travel_cycles: from words to the beginning of the phase that works with them.
        lag: float64 [n], cycles from the beginning of the phase before a request's to when it is
            possible.
    """

    phase_cycles: float
    travel_cycles: float
    lag: Float


def times_in_order(
    controller: Controller,
    requests: Int,
    near: Float,
    late: Float,
    most: int,
    turns: Turns | None = None,
) -> tuple[Float, Float]:
    """Return when each of some requests is issued and when it is back, in the engine's cycles.

    Args:
        controller: of a memory at rest that nobody has asked yet; its cycles of the caller are the
            engine's.
        requests: int64 [n, ASK].
        near: float64 [n], cycles that the near side takes for each.
        late: float64 [n], cycles between near side and engine.
        most: requests that may be under way, at least 1.
        turns: of who works with the words; None: nobody does.

    Returns:
        float64 [n] each; neither ever falls. A write is back when the buffer has it.

    Raises:
        DramError: an address beyond the memory, or a controller that does not get on.
    """
    issued, back = np.zeros((2, len(requests)))
    if len(requests):
        address, size = (np.ascontiguousarray(requests[:, x]) for x in (ADDRESS, SIZE))
        first, bursts = controller.place(address, size)
        ratio = float(controller.cycles_per_own)
        if turns is None:
            turns = Turns(0.0, 0.0, np.zeros(len(requests)))
        given = requests, first, bursts, near, late, turns, most, ratio, controller.state
        if _serve(*given, issued, back):
            raise controller.stuck()
    return issued, back


@njit(cache=True, nogil=True)
def _serve(
    requests: Int,
    first: Int,
    bursts: Int,
    near: Float,
    late: Float,
    turns: Turns,
    most: int,
    ratio: float,
    memory: ControllerState,
    issued: Float,
    back: Float,
) -> bool:
    """Issue everything and write the times; return whether the memory does not get on."""
    slot, ask, done, waiting, queue, bank, group, rank, channel, table, log, whole, par = memory
    count, landed, now, passed = len(first), 0, 0.0, 0.0
    one = np.empty((4, 1), np.int64)
    returned = np.full(count, -1, np.int64)
    start = whole[NEXT_IDENT]
    phase, began = 0, 0.0  # of the last request, and when the one before began
    for k in range(count + 1):
        awaited = count
        if k < count:
            awaited = max(requests[k, AWAITED], requests[k, USED], k + 1 - most)
        while landed < awaited:
            if whole[N_DONE] == 0:
                status = advance(
                    NEVER - 1, AT_COMPLETION, slot, ask, done, waiting, queue, bank, group, rank,
                    channel, table, log, whole, par,
                )  # fmt: skip
                if status == NO_PROGRESS:
                    return True
            for i in range(whole[N_DONE]):
                returned[done[i, DONE_IDENT] - start] = done[i, DONE_RETURN]
            whole[N_DONE] = 0
            while landed < k and returned[landed] >= 0:
                last = 0.0 if landed == 0 else back[landed - 1]
                at = np.ceil(returned[landed] / ratio - 1e-6)
                if not requests[landed, WRITE]:
                    passed = max(passed, at) + near[landed]
                    at = np.ceil(passed - 1e-6)
                back[landed] = max(last, at + late[landed])
                landed += 1
        if k == count:
            break
        if k and requests[k, OPENS]:
            now = np.ceil(now) + 1.0
        awaited = max(requests[k, AWAITED], k + 1 - most)
        if awaited > 0:
            now = max(now, back[awaited - 1])
        if requests[k, PHASE] > phase:
            began += turns.phase_cycles * (requests[k, PHASE] - phase)
            if requests[k, USED] > 0:
                began = max(began, back[requests[k, USED] - 1] + turns.travel_cycles)
            phase = requests[k, PHASE]
        now = max(now, began + turns.lag[k])
        if requests[k, OPENS]:
            now = np.ceil(now)
        issued[k] = now
        if requests[k, WRITE]:
            now += near[k]
        one[0, 0], one[1, 0], one[2, 0] = first[k], bursts[k], requests[k, WRITE]
        one[3, 0] = int(np.ceil(np.ceil(now - 1e-6) * ratio - 1e-6))
        submit(one[0], one[1], one[2], one[3], slot, ask, whole, par)
    return False
