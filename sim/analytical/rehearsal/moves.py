"""The transfers of a rehearsal, compiled: over the off-chip border, down and up on the chip.

Each waits for the latest of several times and sets others; see ``rehearsal``. Times are cycles, as
floating-point numbers: ports and buses share a cycle between transfers, and what has arrived is
there from the next whole cycle on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal.networks import FLIT, LEAF, LEAF_UP, ROUND
from arraysmith.sim.analytical.rehearsal.plan import (
    ABOVE,
    AFTER,
    AT_MACS,
    BELOW,
    BUSES,
    CHILD,
    DEPTH,
    LATENCY,
    PARENT,
    PARENT_SERIAL,
    SLOTS,
    TENSOR,
)
from arraysmith.sim.analytical.rehearsal.ports import hand_on, hold_port, last_word, leave_port
from arraysmith.sim.analytical.rehearsal.queue import UPWARD, note_lag, wait_in_order
from arraysmith.sim.analytical.rehearsal.state import (
    ARRIVED,
    AT_BUS,
    AT_MEMORY,
    AT_PORT,
    BACK,
    CHANNEL_IN,
    CHANNEL_OUT,
    CLOCKS,
    COMPUTED,
    FILLED,
    GONE,
    LANDED,
    LAST,
    LEFT,
    NETWORKS_CAUSE,
    NEXT,
    OFFCHIP_CAUSE,
    OFFCHIP_LATENCY,
    ONE_CHANNEL,
    ONE_PORT,
    OUT,
    PHASE_LOOPS,
    PIPELINE,
    PORTS_CAUSE,
    READY,
    ROOM,
    ROOMS_CAUSE,
    RUN,
    SERVED,
    USED,
    Arrays,
    load_of,
    shares_of,
    words_down,
)
from arraysmith.sim.analytical.rehearsal.words import AT_CHILD, AT_PARENT, ON_BUS, Float


@njit(cache=True, nogil=True)
def _whole(cycles: float) -> float:
    """Return the whole cycles that a time takes up."""
    return float(np.ceil(cycles - 1e-6))


@njit(cache=True, nogil=True)
def cross_border(arrays: Arrays, clock: Float, index: Int, turns: Int, turned: int) -> float:
    """Do the transfers that the end of a phase makes possible; return when the next one starts.

    Results go first. Then what is needed first: tiles without a half of their own now, others when
    their tensor's next one begins.
    """
    links, numbers = arrays.links, arrays.numbers
    start = 0.0
    need = np.full((6, 2), -1, np.int64)
    jobs = 0
    for rank in range(3):
        for k in range(len(links)):
            if links[k, PARENT] or links[k, TENSOR] != (2, 0, 1)[rank]:
                continue
            if turned >= links[k, DEPTH]:
                continue
            serial = links[k, SLOTS] == 1
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
        arrived = _tile_in(arrays, clock, k, turn, later)
        clock[NEXT + links[k, TENSOR]] = arrived
        if not ahead:
            start = max(start, arrived)
    return start


@njit(cache=True, nogil=True)
def _idle(arrays: Arrays, clock: Float, k: int) -> float:
    """Return when the memory at the near side of a border link was last at work."""
    links, service, below = arrays.links, arrays.service, arrays.links[k, BELOW]
    if below >= 0 and service[links[below, PARENT]] == 0.0:
        return float(clock[arrays.numbers[AT_MEMORY] + 2 * links[below, PARENT] + SERVED])
    return float(clock[COMPUTED])


@njit(cache=True, nogil=True)
def _busy(
    arrays: Arrays, k: int, slots: Float, shares: tuple[float, float], far: float, up: int
) -> float:
    """Return the cycles of a transfer over the border; ``far`` are those of a word off-chip."""
    links, bus = arrays.links, arrays.bus
    busy = _whole(slots[AT_PARENT] * shares[0] * far)
    if links[k, CHILD] >= 0:
        busy = max(busy, _whole(slots[AT_CHILD] * shares[1] * arrays.near[k, up]))
    for i in range(links[k, BUSES]):
        moved, each = slots[ON_BUS + i] * shares[0], slots[AT_CHILD] * shares[1]
        load = load_of(arrays.ends, k, i, moved, each) + up * arrays.ends[k, i, ROUND]
        busy = max(busy, _whole(load * bus[k, i, up]))
        busy = max(busy, _whole(each * arrays.ends[k, i, LEAF + up]))
    return float(busy)


@njit(cache=True, nogil=True)
def results_out(arrays: Arrays, clock: Float, k: int) -> None:
    """Take the results of a tile over the border."""
    links, up, per_word, numbers = arrays.links, arrays.up, arrays.per_word, arrays.numbers
    done = clock[COMPUTED] + numbers[PIPELINE] - 1
    if links[k, BELOW] >= 0:
        below = links[k, BELOW]
        done = clock[RUN + below * CLOCKS + GONE] + links[below, LATENCY]
        if links[k, SLOTS] == 1:
            done = _idle(arrays, clock, k)
    note_lag(arrays, clock, k, 1, done)
    channel = CHANNEL_IN if numbers[ONE_CHANNEL] else CHANNEL_OUT
    begin = max(done, clock[channel], clock[LANDED])
    if up[k, -1] > 0.0:  # sums that are added off-chip are read first
        begin += _whole(up[k, -1] * per_word[0, 0]) + numbers[OFFCHIP_LATENCY] + links[k, LATENCY]
    shares = (arrays.shares[k, 0, 0], arrays.shares[k, 0, 1])
    if arrays.dram.buffered:
        near = _busy(arrays, k, up[k], shares, 0.0, 1)
        sent = up[k, AT_PARENT] * shares[0]
        begin = wait_in_order(arrays, clock, k, begin, UPWARD, near, sent)
        clock[channel] = clock[OUT] = begin
        return
    clock[channel] = clock[OUT] = begin + _busy(arrays, k, up[k], shares, arrays.far_up[k], 1)


@njit(cache=True, nogil=True)
def _tile_in(arrays: Arrays, clock: Float, k: int, turn: int, index: Int) -> float:
    """Bring a tile over the border; return when it is there, 0 if nothing comes."""
    links, words = arrays.links, arrays.words
    shares = shares_of(arrays, k, index, turn)
    if words_down(arrays, k, index, turn) * shares[0] == 0.0:
        return 0.0
    if links[k, SLOTS] == 1:
        free = _idle(arrays, clock, k)
    elif links[k, BELOW] < 0:
        free = clock[COMPUTED]
    else:
        free = clock[RUN + links[k, BELOW] * CLOCKS + LEFT] if links[k, TENSOR] != 2 else 0.0
    note_lag(arrays, clock, k, 0, free)
    if links[k, TENSOR] == 2:
        free = max(free, clock[OUT])
    if arrays.dram.buffered:
        near = _busy(arrays, k, words[k, :, turn], shares, 0.0, 0)
        begin, sent = max(clock[CHANNEL_IN], free), words[k, AT_PARENT, turn] * shares[0]
        clock[CHANNEL_IN] = wait_in_order(arrays, clock, k, begin, turn, near, sent)
        arrived = float(clock[BACK])
    else:
        busy = _busy(arrays, k, words[k, :, turn], shares, arrays.far[k, turn], 0)
        clock[CHANNEL_IN] = max(clock[CHANNEL_IN], free) + busy
        arrived = float(clock[CHANNEL_IN] + arrays.late[k, turn] + links[k, LATENCY])
    if links[k, CHILD] == arrays.numbers[ONE_PORT]:
        clock[LANDED] = arrived
    return arrived


@njit(cache=True, nogil=True)
def bring(
    arrays: Arrays, clock: Float, k: int, turned: int, room: float, start: float, blame: Int
) -> int:
    """Take a tile's new words down a link on the chip; return the cause that it is not earlier."""
    links, words, per_word = arrays.links, arrays.words, arrays.per_word
    port, bus, numbers = arrays.port, arrays.bus, arrays.numbers
    mine, parent, child = RUN + k * CLOCKS, links[k, PARENT], links[k, CHILD]
    memory, wire, ends = numbers[AT_MEMORY], numbers[AT_BUS] + arrays.wire[k], arrays.ends
    share, each = arrays.shares[k, 0, 0], words[k, AT_CHILD, turned] * arrays.shares[k, 0, 1]
    at, cause = start, OFFCHIP_CAUSE
    if room > at:
        at, cause = room, ROOMS_CAUSE
    after = links[k, AFTER]
    if after >= 0 and clock[memory + 2 * after + FILLED] > at:
        at, cause = clock[memory + 2 * after + FILLED], ROOMS_CAUSE
    above = links[k, ABOVE]
    if above >= 0 and clock[RUN + above * CLOCKS + ARRIVED] > at:
        at, cause = clock[RUN + above * CLOCKS + ARRIVED], blame[above]
    if links[k, PARENT_SERIAL] and clock[memory + 2 * parent + FILLED] > at:
        at, cause = clock[memory + 2 * parent + FILLED], PORTS_CAUSE
    slot = numbers[AT_PORT] + port[parent, 0]
    begin = max(clock[slot], at)
    finish = begin + words[k, AT_PARENT, turned] * share * per_word[parent, 0]
    clock[slot], slowest = finish, PORTS_CAUSE
    pace = finish - begin
    here, early = hand_on(begin, per_word[parent, 0], at, np.inf)
    for i in range(links[k, BUSES]):
        begin = max(here, clock[wire[i, 0]])
        moved = load_of(ends, k, i, words[k, ON_BUS + i, turned] * share, each)
        early = np.inf if ends[k, i, FLIT] > 0.0 else early
        end = max(
            last_word(begin, moved, bus[k, i, 0], here, early), begin + each * ends[k, i, LEAF]
        )
        pace = max(moved * bus[k, i, 0], each * ends[k, i, LEAF])
        if end > finish:
            finish, slowest = end, NETWORKS_CAUSE
        here, early = hand_on(begin, bus[k, i, 0], here, early)
    if child >= 0:
        _, end = hold_port(arrays, clock, k, 0, each, pace, here, early)
        if end > finish:
            finish, slowest = end, PORTS_CAUSE
        leave_port(arrays, clock, k, 0, finish)
    for i in range(links[k, BUSES]):
        clock[wire[i, 0]] = _whole(finish) if ends[k, i, FLIT] > 0.0 else finish
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
def room_for_words(arrays: Arrays, clock: Float, k: int) -> float:
    """Return when the next tile of an operand has room in the child of a link; note the last use.

    The oldest of the tiles that there is room for has to be of no more use. On the way to MACs
    there is room for what is under way.
    """
    links, numbers = arrays.links, arrays.numbers
    mine = RUN + k * CLOCKS
    last = clock[COMPUTED]
    if links[k, BELOW] >= 0:
        last = clock[RUN + links[k, BELOW] * CLOCKS + LEFT]
    room = clock[mine + USED + max(0, min(LAST, links[k, SLOTS] - 1) - 1)]
    if links[k, SLOTS] == 1:
        room = max(last, clock[numbers[AT_MEMORY] + 2 * links[k, CHILD] + SERVED])
    if links[k, AT_MACS]:
        room = max(0.0, room - links[k, LATENCY])
    for i in range(LAST - 1, 0, -1):
        clock[mine + USED + i] = clock[mine + USED + i - 1]
    clock[mine + USED] = last
    return float(room)


@njit(cache=True, nogil=True)
def room_for_results(
    arrays: Arrays, clock: Float, k: int, index: Int, turns: Int, pending: Int
) -> float:
    """Return when the next tile of results has room in the child of a link.

    MACs have as many places as stages, and two more; what they add to passes their adder. Anywhere
    else, a tile that comes back has to have arrived above.
    """
    links, again, numbers = arrays.links, arrays.again, arrays.numbers
    mine = RUN + k * CLOCKS
    gone = links[k, SLOTS] - 1
    if links[k, AT_MACS]:
        gone = numbers[PIPELINE] + 1
    room = clock[mine + GONE + min(LAST - 1, max(0, gone - pending[k]))]
    if links[k, AT_MACS]:
        return float(max(0.0, room - links[k, LATENCY]))
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
    links = arrays.links
    for k in range(len(pending) - 1, -1, -1):
        while pending[k] > (keep if links[k, AT_MACS] else 0):
            send(arrays, clock, k, pending)


@njit(cache=True, nogil=True)
def send(arrays: Arrays, clock: Float, k: int, pending: Int) -> None:
    """Take the results of the tile that waits longest up a link on the chip."""
    links, up, per_word = arrays.links, arrays.up, arrays.per_word
    port, bus, numbers = arrays.port, arrays.bus, arrays.numbers
    mine, parent, child = RUN + k * CLOCKS, links[k, PARENT], links[k, CHILD]
    memory, wire, ends = numbers[AT_MEMORY], numbers[AT_BUS] + arrays.wire[k], arrays.ends
    pending[k] -= 1
    at = clock[mine + READY + pending[k]]
    share, each = arrays.shares[k, 1 + pending[k]]
    if links[k, BELOW] >= 0:
        below = links[k, BELOW]
        at = clock[RUN + below * CLOCKS + GONE] + links[below, LATENCY]
        if links[k, SLOTS] == 1:
            at = max(at, clock[memory + 2 * child + SERVED])
    if links[k, ABOVE] >= 0:
        at = max(at, clock[mine + ROOM])
    if links[k, PARENT_SERIAL]:
        at = max(at, clock[memory + 2 * parent + FILLED])
    here, finish, early, moved = at, at, np.inf, up[k, AT_CHILD] * each
    if child >= 0:
        i = links[k, BUSES] - 1
        pace = up[k, AT_PARENT] * share * per_word[parent, 1]
        if i >= 0:
            load = load_of(ends, k, i, up[k, ON_BUS + i] * share, moved) + ends[k, i, ROUND]
            pace = max(load * bus[k, i, 1], moved * ends[k, i, LEAF_UP])
        begin, finish = hold_port(arrays, clock, k, 1, moved, pace, here, early)
        here, early = hand_on(begin, arrays.near[k, 1], here, early)
    sent = moved
    for i in range(links[k, BUSES] - 1, -1, -1):
        begin = max(here, clock[wire[i, 1]])
        load = load_of(ends, k, i, up[k, ON_BUS + i] * share, sent) + ends[k, i, ROUND]
        early = np.inf if ends[k, i, FLIT] > 0.0 else early
        early *= np.ceil(load / max(1.0, moved) - 1e-6)  # sent side by side
        moved = load
        finish = max(finish, last_word(begin, moved, bus[k, i, 1], here, early))
        finish = max(finish, begin + sent * ends[k, i, LEAF_UP])
        here, early = hand_on(begin, bus[k, i, 1], here, early)
    early *= np.ceil(up[k, AT_PARENT] * share / max(1.0, moved) - 1e-6)
    if up[k, -1] > 0.0:
        slot = numbers[AT_PORT] + port[parent, 0]
        begin = max(here, clock[slot])
        clock[slot] = last_word(begin, up[k, -1] * share, per_word[parent, 0], here, early)
        finish = max(finish, clock[slot])
        here, early = hand_on(begin, per_word[parent, 0], here, early)
        early += (up[k, AT_PARENT] - up[k, -1]) * share
    slot = numbers[AT_PORT] + port[parent, 1]
    begin, moved = max(here, clock[slot]), up[k, AT_PARENT] * share
    clock[slot] = last_word(begin, moved, per_word[parent, 1], here, early)
    finish = max(finish, clock[slot])
    leave_port(arrays, clock, k, 1, finish)
    for i in range(links[k, BUSES]):
        clock[wire[i, 1]] = _whole(finish) if ends[k, i, FLIT] > 0.0 else finish
    left = _whole(finish)
    landed = left + links[k, LATENCY]
    for i in range(LAST - 1, 0, -1):
        clock[mine + GONE + i] = clock[mine + GONE + i - 1]
    clock[mine + GONE] = left
    if links[k, BELOW] >= 0 and links[k, SLOTS] == 1:
        clock[memory + 2 * child + FILLED] = max(clock[memory + 2 * child + FILLED], left)
    clock[memory + 2 * parent + SERVED] = max(clock[memory + 2 * parent + SERVED], landed)
