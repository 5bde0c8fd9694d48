"""The array side of a spatial design, compiled: fills, lock-step computing, drains, step by step.

``run_phase`` takes the steps of one phase, in order. It is a max-plus recurrence over a few clocks
(``state``), kept from phase to phase. Everything it decides lies at or after the phase's start, so
the event engine may run it at that moment and schedule what follows from it.

For step s, in this order on the shared memory's read port: new ifmap words, new weight words,
partial sums that come back; each tensor on its own bus. Partial sums are last because their room is
the last to be free: it comes with the drain of two epochs ago. Then the drain of an epoch that
ended with step s - 1 (before the fills, if the partial-sum scratchpad is a single buffer, or a
phase ends there).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.cycle.boxes import AXES, Int, fresh_words, most_fresh_words, place

CAUSES = (
    "fill",
    "offchip_ifmap",
    "offchip_weight",
    "offchip_ofmap",
    "glb_ifmap",
    "glb_weight",
    "glb_ofmap",
    "spad",
    "drain",
)
"""Causes of cycles without computing, see README; positions are the codes used here."""

FILL, OFFCHIP, GLB, SPAD, DRAIN = 0, 1, 4, 7, 8

# Places in the state vector.
COMPUTED = 0  # the last step computed so far ended
READ_FREE = 1  # shared memory's read port (the only port, if it has one)
WRITE_FREE = 2  # shared memory's write port
BUS_FREE = 3  # buses down, one per tensor
UP_FREE = 6  # bus up
USED = 7  # per tensor: the tile before the present one was last computed with
DRAINED = 10  # per parity of the epoch: its results had left the scratchpad
EPOCH = 12  # per tensor: number of the present tile, -1 before the first
STARTED = 15  # whether a step was computed
OPEN = 16  # whether the results of an epoch wait to be drained ...
OPEN_READY = 17  # ... since when ...
OPEN_EPOCH = 18  # ... and of which epoch
STATE = 19

# Rates: rows of int64 [.., 2], words per cycle as a fraction; 0 / 1 is unlimited.
SHARED_READ, SHARED_WRITE, BUS, SPAD_WRITE, SPAD_READ, RATES = 0, 1, 2, 3, 6, 7

# Numbers of the machine.
STEP_CYCLES = 0  # MACs of a PE in a step
STEP_EXTRA = 1  # cycles more that the scratchpads' ports need for them
PIPELINE = 2  # cycles from operands to result
BUS_LATENCY = 3
ONE_PORT = 4  # whether reads and writes of the shared memory share a port
SENDERS = 5  # result tiles that arrive at the shared memory per epoch
INSTANCES = 6  # PEs at work
NUMBERS = 7

# Milestones of a phase.
READ_DONE, IDLE, DRAINED_AT, COMPUTED_AT, MILESTONES = 0, 3, 4, 5, 6

# Words counted.
READ_WORDS = 0  # per tensor, sent to the array
FILL_WORDS = 3  # per tensor, received by all PEs
UPDATE_WORDS = 6  # results that arrived
AGAIN_WORDS = 7  # of these, words read first to be added to
DRAIN_WORDS = 8  # results sent by all PEs
WORDS = 9

# Columns of a record.
REC_START, REC_LEFT, REC_DONE, REC_TILE, RECORD = 0, 1, 2, 3, 4


def new_state() -> Int:
    """Return the clocks at cycle 0."""
    state = np.zeros(STATE, np.int64)
    state[EPOCH : EPOCH + 3] = -1
    return state


@njit(cache=True, nogil=True)
def cycles_for(words: int, rate: Int) -> int:
    """Return the whole cycles that ``words`` take at ``rate`` (numerator, denominator)."""
    return 0 if rate[0] == 0 else -(-(words * rate[1]) // rate[0])


@njit(cache=True, nogil=True)
def run_phase(
    start: int,
    cause: int,
    index: Int,
    following: Int,
    final: bool,
    old: Int,
    loops: tuple[int, int],
    counts: Int,
    geometry: tuple[Int, Int, Int, Int],
    groups: tuple[Int, Int, Int],
    everyone: tuple[Int, Int, Int],
    retains: Int,
    again: Int,
    in_shared: Int,
    serial: Int,
    rates: Int,
    numbers: Int,
    state: Int,
    stalls: Int,
    words: Int,
    milestones: Int,
    records: Int,
) -> None:
    """Run the steps of one phase.

    Args:
        start: cycle from which the array may work on the phase: all its off-chip words are in.
        cause: code of the stall cause if the array has to wait for ``start``.
        index: int64 [loops], turns of the phase's loops; inner ones are used and left at 0.
        following: int64 [loops], turns of the next phase's loops.
        final: whether there is none.
        old: int64 [3, AXES], tiles of the step before; updated.
        loops: (phase loops, step loops).
        counts: int64 [loops], turns.
        geometry: (stride, reach, extent, offset) of the scratchpads' tiles, see ``Nest``.
        groups: (shifts, sizes, copies) of the tiles with a transfer each.
        everyone: the same for every PE.
        retains: bool [3], see ``Nest``.
        again: bool [loops], see ``Nest.child_again``.
        in_shared: bool [3], tensors that come from the shared memory.
        serial: bool [3], whether filling (draining) a tensor's scratchpad and computing with it
            exclude each other.
        rates: int64 [RATES, 2].
        numbers: int64 [NUMBERS].
        state: int64 [STATE], clocks; updated.
        stalls: int64 [causes], added to.
        words: int64 [WORDS], added to.
        milestones: int64 [MILESTONES], written.
        records: int64 [steps, 4, RECORD] or [0, 4, RECORD]: written if there is room, per step the
            transfer of each tensor down and of the results up; tile -1 where there is none.
    """
    stride, reach, extent, offset = geometry
    shifts, sizes, copies = groups
    every_shift, every_sizes, every_copies = everyone
    first, last = loops
    now = np.empty((3, AXES), np.int64)
    for t in range(3):
        now[t] = place(stride[t], offset[t], index, last)
    tile = 1
    tiles = 1
    for a in range(AXES):
        tile *= reach[2, a]
        tiles *= sizes[2, a]
    write_port = READ_FREE if numbers[ONE_PORT] else WRITE_FREE
    recording = len(records) > 0
    early_drain = serial[2] or not retains[2]
    step = 0
    while True:
        best, binding = -1, 2
        for t in range(3):
            if recording:
                records[step, t, REC_TILE] = -1
                if t == 2:
                    records[step, 3, REC_TILE] = -1
            known = state[EPOCH + t] >= 0
            moved = not known or not retains[t]
            for a in range(AXES):
                moved = moved or now[t, a] != old[t, a]
            if not moved:
                continue
            state[EPOCH + t] += 1
            if not in_shared[t]:
                continue
            keeps = known and retains[t]
            if t == 2:
                epoch = state[EPOCH + 2]
                room = state[DRAINED + (epoch + 1 if early_drain else epoch) % 2]
                back = False
                for j in range(last):
                    back = back or (again[j] and index[j] > 0)
                if not back:
                    if room > best:
                        best, binding = room, 2
                    continue
                sent, most, total = tiles * tile, tile, tiles * tile
            else:
                room = state[COMPUTED] if serial[t] else state[USED + t]
                state[USED + t] = state[COMPUTED]
                sent = copies[t] * fresh_words(
                    now[t], old[t], keeps, reach[t], extent[t], shifts[t], sizes[t]
                )
                if sent == 0:
                    continue
                most = most_fresh_words(
                    now[t], old[t], keeps, reach[t], extent[t], shifts[t], sizes[t]
                )
                total = every_copies[t] * fresh_words(
                    now[t], old[t], keeps, reach[t], extent[t], every_shift[t], every_sizes[t]
                )
            port = cycles_for(sent, rates[SHARED_READ])
            busy = max(port, cycles_for(sent, rates[BUS]), cycles_for(most, rates[SPAD_WRITE + t]))
            begin = max(start, state[READ_FREE], state[BUS_FREE + t], room)
            state[READ_FREE] = begin + port
            state[BUS_FREE + t] = begin + busy
            done = begin + busy + numbers[BUS_LATENCY]
            milestones[READ_DONE + t] = begin + busy
            milestones[IDLE] = max(milestones[IDLE], begin + busy)
            words[READ_WORDS + t] += sent
            words[FILL_WORDS + t] += total
            if done > best:
                best, binding = done, t
            if recording:
                records[step, t, REC_START] = begin
                records[step, t, REC_LEFT] = begin + busy
                records[step, t, REC_DONE] = done
                records[step, t, REC_TILE] = state[EPOCH + t]
        if state[OPEN]:
            _drain(
                tile, tiles, step - 1, write_port, rates, numbers, state, words,
                milestones, records,
            )  # fmt: skip
            state[OPEN] = 0
        for t in range(3):
            for a in range(AXES):
                old[t, a] = now[t, a]
        begin = max(state[COMPUTED], best)
        waited = 0
        if step == 0:
            begin = max(begin, start)
            waited = max(0, start - state[COMPUTED])
        gap = begin - state[COMPUTED]
        if not state[STARTED]:
            stalls[FILL] += gap
            state[STARTED] = 1
        else:
            stalls[cause] += waited
            stalls[GLB + binding] += gap - waited
        stalls[SPAD] += numbers[STEP_EXTRA]
        state[COMPUTED] = begin + numbers[STEP_CYCLES] + numbers[STEP_EXTRA]
        step += 1
        j = last - 1
        while j >= first:
            index[j] += 1
            if index[j] < counts[j]:
                for t in range(3):
                    for a in range(AXES):
                        now[t, a] += stride[t, a, j]
                break
            for t in range(3):
                for a in range(AXES):
                    now[t, a] -= (counts[j] - 1) * stride[t, a, j]
            index[j] = 0
            j -= 1
        if j < first:
            now[2] = place(stride[2], offset[2], following, last)
        ended = not retains[2] or (j < first and final)
        for a in range(AXES):
            ended = ended or now[2, a] != old[2, a]
        if ended and in_shared[2]:
            state[OPEN] = 1
            state[OPEN_READY] = state[COMPUTED] + numbers[PIPELINE] - 1
            state[OPEN_EPOCH] = state[EPOCH + 2]
            if early_drain or j < first:
                _drain(
                    tile, tiles, step - 1, write_port, rates, numbers, state, words,
                    milestones, records,
                )  # fmt: skip
                state[OPEN] = 0
        if j < first:
            break
    milestones[COMPUTED_AT] = state[COMPUTED]


@njit(cache=True, nogil=True)
def _drain(
    tile: int,
    tiles: int,
    step: int,
    write_port: int,
    rates: Int,
    numbers: Int,
    state: Int,
    words: Int,
    milestones: Int,
    records: Int,
) -> None:
    """Send the results of the epoch that ended with ``step`` up to the shared memory.

    Called after the fills of the next step (their epoch may have begun) or right at the end.
    """
    arriving = numbers[SENDERS] * tile
    again = arriving - tiles * tile  # words added to what another PE has just written
    port = cycles_for(arriving, rates[SHARED_WRITE])
    read = cycles_for(again, rates[SHARED_READ])
    busy = max(port, cycles_for(arriving, rates[BUS]), cycles_for(tile, rates[SPAD_READ]))
    begin = max(state[OPEN_READY], state[write_port], state[UP_FREE])
    if again:
        begin = max(begin, state[READ_FREE])
    if numbers[ONE_PORT]:
        port += read
        busy = max(busy, port)
    elif again:
        state[READ_FREE] = begin + read
        busy = max(busy, read)
    state[write_port] = begin + port
    state[UP_FREE] = begin + busy
    done = begin + busy + numbers[BUS_LATENCY]
    state[DRAINED + state[OPEN_EPOCH] % 2] = done
    milestones[DRAINED_AT] = done
    milestones[IDLE] = max(milestones[IDLE], done)
    words[AGAIN_WORDS] += again
    words[UPDATE_WORDS] += arriving
    words[DRAIN_WORDS] += numbers[INSTANCES] * tile
    if len(records) > 0:
        records[step, 3, REC_START] = begin
        records[step, 3, REC_LEFT] = begin + busy
        records[step, 3, REC_DONE] = done
        records[step, 3, REC_TILE] = state[OPEN_EPOCH]
