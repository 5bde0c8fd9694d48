"""The write buffer, the same in both modes.

Words are packed into lines of ``bandwidth`` words in the order of the requests, nothing is merged:
every partial sum goes off-chip (defect 9). When less is free than the active half and no drain is
running, the line begun is closed (padding counts as words written, unless it is in the last line
drained) and ``ceil(half / bandwidth)`` lines are drained, one per cycle. Only a buffer without a
free word stalls the array. What is left after the last cycle is drained, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from arraysmith.sim.cycle.scalesim.layer import Int
from arraysmith.sim.cycle.scalesim.streams import Stream, lanes_at

IN_LINE, FREE, CLOSED, DRAINED, DRAIN_END, WRITTEN, STARTED, STOPPED, HEAD, TAIL, DRAINS = range(11)
"""State: words in the line begun; free words; lines closed and drained; last cycle of the drain;
words counted as written off-chip; first and last cycle of all drains; [HEAD, TAIL) of
``partial``; entries of ``drains``."""

BEFORE_ANY = -1


class Writer(NamedTuple):
    """The write buffer of a layer.

    Attributes:
        state: int64 [11], see above.
        words: size of the SRAM.
        active: words of its active half.
        bandwidth: words of a line.
        partial: int64 [n, 2], (line, words) of lines that were closed before they were full.
        drains: int64 [n, 3], (first cycle, first line, lines) of the drains in this fold; empty
            when nobody asks for them.
    """

    state: Int
    words: int
    active: int
    bandwidth: int
    partial: Int
    drains: Int


def writer_of(words: int, bandwidth: int) -> Writer:
    """Return an empty buffer of ``words`` words that writes ``bandwidth`` words per cycle."""
    state = np.zeros(11, np.int64)
    state[FREE], state[STARTED] = words, BEFORE_ANY
    none = np.zeros((0, 3), np.int64)
    return Writer(state, words, -(-words // 2), bandwidth, np.zeros((0, 2), np.int64), none)


def with_room(writer: Writer, words: int) -> Writer:
    """Return the buffer with room to note what a fold of ``words`` words can do to it."""
    state = writer.state
    head, tail = int(state[HEAD]), int(state[TAIL])
    if writer.partial.shape[0] - tail > words:
        return writer
    partial = np.zeros((2 * (tail - head) + words + 1, 2), np.int64)
    partial[: tail - head] = writer.partial[head:tail]
    state[HEAD], state[TAIL] = 0, tail - head
    return writer._replace(partial=partial)


@njit(cache=True, nogil=True)
def store(stream: Stream, writer: Writer, at: int, cycle: int) -> tuple[int, int]:
    """Take the words of cycle ``at`` of a fold, in clock cycle ``cycle``.

    Returns:
        (clock cycle in which the last of them was taken; 1 if there was any).
    """
    state = writer.state
    low, high = lanes_at(stream, at)
    now = cycle
    for _ in range(low, high):
        state[IN_LINE] += 1
        state[FREE] -= 1
        if state[IN_LINE] == writer.bandwidth:
            state[IN_LINE] = 0
            state[CLOSED] += 1
        if now < state[DRAIN_END]:
            if state[FREE] <= 0:
                now = state[DRAIN_END]
        elif state[FREE] < writer.active:
            close_line(writer)
            drain(writer, now)
    return now, 1 if high > low else 0


@njit(cache=True, nogil=True)
def close_line(writer: Writer) -> None:
    """Close the line begun, if any."""
    state = writer.state
    if state[IN_LINE] > 0:
        writer.partial[state[TAIL], 0] = state[CLOSED]
        writer.partial[state[TAIL], 1] = state[IN_LINE]
        state[TAIL] += 1
        state[IN_LINE] = 0
        state[CLOSED] += 1


@njit(cache=True, nogil=True)
def drain(writer: Writer, cycle: int) -> None:
    """Drain as much as the other half holds, from ``cycle`` on."""
    state = writer.state
    half = writer.words - writer.active
    lines = min(-(-half // writer.bandwidth), state[CLOSED] - state[DRAINED])
    end = state[DRAINED] + lines
    words = lines * writer.bandwidth
    while state[HEAD] < state[TAIL] and writer.partial[state[HEAD], 0] < end:
        if writer.partial[state[HEAD], 0] == end - 1:
            words -= writer.bandwidth - writer.partial[state[HEAD], 1]
        state[HEAD] += 1
    if writer.drains.size > 0:
        writer.drains[state[DRAINS], 0] = cycle
        writer.drains[state[DRAINS], 1] = state[DRAINED]
        writer.drains[state[DRAINS], 2] = lines
        state[DRAINS] += 1
    state[DRAINED] = end
    state[WRITTEN] += words
    state[FREE] += words
    state[DRAIN_END] = cycle + lines - 1
    if state[STARTED] == BEFORE_ANY:
        state[STARTED] = cycle
    state[STARTED] = min(state[STARTED], cycle)
    state[STOPPED] = max(state[STOPPED], state[DRAIN_END])


@njit(cache=True, nogil=True)
def drain_all(writer: Writer, cycle: int) -> None:
    """Drain what is left, from ``cycle`` on."""
    state = writer.state
    close_line(writer)
    while state[DRAINED] < state[CLOSED]:
        drain(writer, cycle)
        cycle = state[DRAIN_END] + 1


def finish(writer: Writer) -> tuple[int, int, int]:
    """Return first and last cycle of writes off-chip, and the words counted."""
    state = writer.state
    return int(state[STARTED]), int(state[STOPPED]), int(state[WRITTEN])
