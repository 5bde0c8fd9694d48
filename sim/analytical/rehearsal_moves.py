"""The transfers of a rehearsal, compiled: over the off-chip border, down and up on the chip.

Each waits for the latest of several times and sets others; see ``rehearsal``. Times are cycles, as
floating-point numbers: ports and buses share a cycle between transfers, and what has arrived is
there from the next whole cycle on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal_plan import (
    ABOVE,
    AT_CHILD,
    AT_MACS,
    AT_PARENT,
    BELOW,
    BUSES,
    CHILD,
    DEPTH,
    LATENCY,
    ON_BUS,
    PARENT,
    PARENT_SERIAL,
    SERIAL,
    TENSOR,
    Float,
)

CAUSES = ("compute", "fill", "offchip", "ports", "networks", "rooms", "drain")
"""What a cycle goes to: computing; the first fill; words that have not come from off-chip memory,
or results that have not left; ports of memories on the chip; buses; a memory that is not free yet;
the end of the run, when the last results leave."""

FILL_CAUSE, OFFCHIP_CAUSE, PORTS_CAUSE, NETWORKS_CAUSE, ROOMS_CAUSE, DRAIN_CAUSE = range(1, 7)

# Clocks of the run, then of each link, port, bus and memory, then the cycles by cause.
COMPUTED, CHANNEL_IN, CHANNEL_OUT, OUT, NEXT, RUN = 0, 1, 2, 3, 4, 7
ARRIVED, USED, LEFT, ROOM, READY, GONE, CLOCKS = 0, 1, 2, 3, 4, 12, 20
FILLED, SERVED = range(2)

LAST = 8
"""Tiles of results of a link that are remembered, the last one first: when ready, when gone."""

# Numbers of a plan, and where each kind of clock begins.
PHASE_LOOPS, OFFCHIP_LATENCY, PIPELINE, ONE_CHANNEL, AT_PORT, AT_BUS, AT_MEMORY, AT_CAUSE = range(8)

Arrays = tuple[Int, Int, Float, Float, Int, Float, Int, Float, Float, Int]
"""turns, links, words, up, again, per_word, port, bus, service of a ``Plan``; numbers."""


@njit(cache=True, nogil=True)
def _whole(cycles: float) -> float:
    """Return the whole cycles that a time takes up."""
    return float(np.ceil(cycles - 1e-6))


@njit(cache=True, nogil=True)
def words_down(arrays: Arrays, k: int, index: Int, turned: int) -> float:
    """Return the words that a turn brings down a link; of results, those that come back."""
    links, words, again = arrays[1], arrays[2], arrays[4]
    moved = float(words[k, AT_PARENT, turned])
    if links[k, TENSOR] != 2:
        return moved
    for j in range(links[k, DEPTH]):
        if again[k, j] and index[j] > 0:
            return moved
    return 0.0


@njit(cache=True, nogil=True)
def cross_border(arrays: Arrays, clock: Float, index: Int, turned: int) -> float:
    """Do the transfers that the end of a phase makes possible; return when the next one starts.

    Results go first. Then what is needed first: tiles without a half of their own now, others when
    their tensor's next one begins.
    """
    turns, links, numbers = arrays[0], arrays[1], arrays[9]
    start = 0.0
    need = np.full((6, 2), -1, np.int64)
    jobs = 0
    for rank in range(3):
        for k in range(len(links)):
            if links[k, PARENT] or links[k, TENSOR] != (2, 0, 1)[rank]:
                continue
            if turned >= links[k, DEPTH]:
                continue
            serial = links[k, SERIAL] == 1
            if rank == 0:
                if turned >= 0 and serial:
                    results_out(arrays, clock, k)
                start = max(start, clock[OUT])
                if turned >= 0 and not serial:
                    results_out(arrays, clock, k)
            if turned >= 0 and not serial:  # fetched ahead
                start = max(start, clock[NEXT + links[k, TENSOR]])
            if turned < 0 or serial:
                need[jobs, 0], need[jobs, 1] = 0, k
                jobs += 1
            if not serial:
                need[jobs, 0], need[jobs, 1] = 1, k
                for j in range(links[k, DEPTH], numbers[PHASE_LOOPS]):
                    need[jobs, 0] *= turns[j]
                jobs += 1
    later = np.empty(len(index), np.int64)
    for _ in range(jobs):
        first = -1
        for i in range(jobs):
            if need[i, 0] >= 0 and (first < 0 or need[i, 0] < need[first, 0]):
                first = i
        k, ahead = need[first, 1], need[first, 0] > 0
        need[first, 0] = -1
        later[:] = index
        turn = turned
        if ahead:
            turn = links[k, DEPTH] - 1
            while turn >= 0 and index[turn] + 1 == turns[turn]:
                turn -= 1
            if turn < 0:
                continue  # the last tile has begun
            later[turn] += 1
            later[turn + 1 :] = 0
        arrived = 0.0
        if words_down(arrays, k, later, turn) > 0.0:
            arrived = _tile_in(arrays, clock, k, turn)
        clock[NEXT + links[k, TENSOR]] = arrived
        if not ahead:
            start = max(start, arrived)
    return start


@njit(cache=True, nogil=True)
def _idle(arrays: Arrays, clock: Float, k: int) -> float:
    """Return when the memory at the near side of a border link was last at work."""
    links, service, below = arrays[1], arrays[8], arrays[1][k, BELOW]
    if below >= 0 and service[links[below, PARENT]] == 0.0:
        return float(clock[arrays[9][AT_MEMORY] + 2 * links[below, PARENT] + SERVED])
    return float(clock[COMPUTED])


@njit(cache=True, nogil=True)
def _busy(arrays: Arrays, k: int, slots: Float, far: int, near: int) -> float:
    """Return the cycles of a transfer over the border; ``far`` and ``near`` are its ports."""
    links, per_word, bus = arrays[1], arrays[5], arrays[7]
    busy = _whole(slots[AT_PARENT] * per_word[0, far])
    if links[k, CHILD] >= 0:
        busy = max(busy, _whole(slots[AT_CHILD] * per_word[links[k, CHILD], near]))
    for i in range(links[k, BUSES]):
        busy = max(busy, _whole(slots[ON_BUS + i] * bus[k, i]))
    return float(busy)


@njit(cache=True, nogil=True)
def results_out(arrays: Arrays, clock: Float, k: int) -> None:
    """Take the results of a tile over the border."""
    links, up, per_word, numbers = arrays[1], arrays[3], arrays[5], arrays[9]
    done = clock[COMPUTED] + numbers[PIPELINE] - 1
    if links[k, BELOW] >= 0:
        below = links[k, BELOW]
        done = clock[RUN + below * CLOCKS + GONE] + links[below, LATENCY]
        if links[k, SERIAL]:
            done = _idle(arrays, clock, k)
    channel = CHANNEL_IN if numbers[ONE_CHANNEL] else CHANNEL_OUT
    begin = max(done, clock[channel])
    if up[k, -1] > 0.0:  # sums that are added off-chip are read first
        begin += _whole(up[k, -1] * per_word[0, 0]) + numbers[OFFCHIP_LATENCY] + links[k, LATENCY]
    clock[channel] = clock[OUT] = begin + _busy(arrays, k, up[k], 1, 3)


@njit(cache=True, nogil=True)
def _tile_in(arrays: Arrays, clock: Float, k: int, turn: int) -> float:
    """Bring a tile over the border; return when it is there."""
    links, words, numbers = arrays[1], arrays[2], arrays[9]
    if links[k, SERIAL]:
        free = _idle(arrays, clock, k)
    elif links[k, BELOW] < 0:
        free = clock[COMPUTED]
    else:
        free = clock[RUN + links[k, BELOW] * CLOCKS + LEFT] if links[k, TENSOR] != 2 else 0.0
    if links[k, TENSOR] == 2:
        free = max(free, clock[OUT])
    clock[CHANNEL_IN] = max(clock[CHANNEL_IN], free) + _busy(arrays, k, words[k, :, turn], 0, 2)
    return float(clock[CHANNEL_IN] + numbers[OFFCHIP_LATENCY] + links[k, LATENCY])


@njit(cache=True, nogil=True)
def bring(
    arrays: Arrays, clock: Float, k: int, turned: int, room: float, start: float, blame: Int
) -> int:
    """Take a tile's new words down a link on the chip; return the cause that it is not earlier."""
    _, links, words, _, _, per_word, port, bus, _, numbers = arrays
    mine, parent, child = RUN + k * CLOCKS, links[k, PARENT], links[k, CHILD]
    memory, fanouts = numbers[AT_MEMORY], bus.shape[1]
    at, cause = start, OFFCHIP_CAUSE
    if room > at:
        at, cause = room, ROOMS_CAUSE
    above = links[k, ABOVE]
    if above >= 0 and clock[RUN + above * CLOCKS + ARRIVED] > at:
        at, cause = clock[RUN + above * CLOCKS + ARRIVED], blame[above]
    if links[k, PARENT_SERIAL] and clock[memory + 2 * parent + FILLED] > at:
        at, cause = clock[memory + 2 * parent + FILLED], PORTS_CAUSE
    slot = numbers[AT_PORT] + port[parent, 0]
    here = max(clock[slot], at)
    finish = here + words[k, AT_PARENT, turned] * per_word[parent, 0]
    clock[slot], slowest = finish, PORTS_CAUSE
    for i in range(links[k, BUSES]):
        here = max(here, clock[numbers[AT_BUS] + k * fanouts + i])
        end = here + words[k, ON_BUS + i, turned] * bus[k, i]
        if end > finish:
            finish, slowest = end, NETWORKS_CAUSE
    if child >= 0:
        slot = numbers[AT_PORT] + port[child, 2]
        end = max(here, clock[slot]) + words[k, AT_CHILD, turned] * per_word[child, 2]
        clock[slot] = end
        if end > finish:
            finish, slowest = end, PORTS_CAUSE
    for i in range(links[k, BUSES]):
        clock[numbers[AT_BUS] + k * fanouts + i] = finish
    left = _whole(finish)
    arrived = left + links[k, LATENCY]
    if at == start or at - clock[COMPUTED] <= arrived - at:
        cause = slowest
    clock[mine + LEFT], clock[mine + ARRIVED] = left, arrived
    clock[memory + 2 * parent + SERVED] = max(clock[memory + 2 * parent + SERVED], left)
    if child >= 0:
        clock[memory + 2 * child + FILLED] = max(clock[memory + 2 * child + FILLED], arrived)
    return int(cause)


@njit(cache=True, nogil=True)
def room_for_results(arrays: Arrays, clock: Float, k: int, index: Int, pending: Int) -> float:
    """Return when the next tile of results has room in the child of a link.

    MACs have as many places as stages, and one more. A tile that comes back to them has to have
    arrived above; the memory that is not there yet is waited for.
    """
    turns, links, again, numbers = arrays[0], arrays[1], arrays[4], arrays[9]
    mine = RUN + k * CLOCKS
    if not links[k, AT_MACS]:
        behind = 0 if links[k, SERIAL] or pending[k] else 1
        return float(clock[mine + GONE + behind] + links[k, LATENCY])
    room = clock[mine + GONE + min(LAST - 1, max(0, numbers[PIPELINE] - pending[k]))]
    ago, stride, inner = 0, 1, 0  # tiles since this one was there before
    for j in range(links[k, DEPTH] - 1, -1, -1):
        if again[k, j]:
            if index[j] > 0:
                ago = stride - inner
                break
            inner += (turns[j] - 1) * stride
        stride *= turns[j]
    if 0 < ago <= LAST:
        while pending[k] >= ago:
            send(arrays, clock, k, pending)
        room = max(room, clock[mine + GONE + ago - 1 - pending[k]] + links[k, LATENCY])
    return float(room)


@njit(cache=True, nogil=True)
def send_all(arrays: Arrays, clock: Float, pending: Int, keep: int) -> None:
    """Send results that wait, from the inside out; ``keep`` tiles of MACs may stay."""
    links = arrays[1]
    for k in range(len(pending) - 1, -1, -1):
        while pending[k] > (keep if links[k, AT_MACS] else 0):
            send(arrays, clock, k, pending)


@njit(cache=True, nogil=True)
def send(arrays: Arrays, clock: Float, k: int, pending: Int) -> None:
    """Take the results of the tile that waits longest up a link on the chip."""
    _, links, _, up, _, per_word, port, bus, _, numbers = arrays
    mine, parent, child = RUN + k * CLOCKS, links[k, PARENT], links[k, CHILD]
    memory, fanouts = numbers[AT_MEMORY], bus.shape[1]
    pending[k] -= 1
    at = clock[mine + READY + pending[k]]
    if links[k, BELOW] >= 0:
        below = links[k, BELOW]
        at = clock[RUN + below * CLOCKS + GONE] + links[below, LATENCY]
        if links[k, SERIAL]:
            at = max(at, clock[memory + 2 * child + SERVED])
    if links[k, ABOVE] >= 0:
        at = max(at, clock[mine + ROOM])
    if links[k, PARENT_SERIAL]:
        at = max(at, clock[memory + 2 * parent + FILLED])
    here, finish = at, at
    if child >= 0:
        slot = numbers[AT_PORT] + port[child, 3]
        here = max(here, clock[slot])
        finish = clock[slot] = here + up[k, AT_CHILD] * per_word[child, 3]
    first = numbers[AT_BUS] + (len(links) + k) * fanouts
    for i in range(links[k, BUSES] - 1, -1, -1):
        here = max(here, clock[first + i])
        finish = max(finish, here + up[k, ON_BUS + i] * bus[k, i])
    if up[k, -1] > 0.0:
        slot = numbers[AT_PORT] + port[parent, 0]
        here = max(here, clock[slot])
        clock[slot] = here + up[k, -1] * per_word[parent, 0]
        finish = max(finish, clock[slot])
    slot = numbers[AT_PORT] + port[parent, 1]
    clock[slot] = max(here, clock[slot]) + up[k, AT_PARENT] * per_word[parent, 1]
    finish = max(finish, clock[slot])
    for i in range(links[k, BUSES]):
        clock[first + i] = finish
    left = _whole(finish)
    landed = left + links[k, LATENCY]
    for i in range(LAST - 1, 0, -1):
        clock[mine + GONE + i] = clock[mine + GONE + i - 1]
    clock[mine + GONE] = left
    if links[k, BELOW] >= 0 and links[k, SERIAL]:
        clock[memory + 2 * child + FILLED] = max(clock[memory + 2 * child + FILLED], left)
    clock[memory + 2 * parent + SERVED] = max(clock[memory + 2 * parent + SERVED], landed)
