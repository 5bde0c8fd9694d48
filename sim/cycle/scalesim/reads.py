"""The read buffers: a miss counter (CALC), and a window over a list of prefetches (USER).

CALC. Addresses seen are kept in a set of ``50 floor(S / 100)`` words; a miss counts one off-chip
read, and a full set is emptied at once (defect 16). No cycle is ever lost. The words of a set are
fetched in the time in which the set before was in use.

USER. The prefetch list is one pass over the operand, fold after fold, nulls included, cut into
lines of ``ceil(S / 100)`` words that are not null. The window is the active half of the buffer, in
lines, and moves round the list by the other half, one move per missing half buffer until the word
is found (defect 14). A move takes ``ceil(half / bandwidth)`` cycles and one more, and counts
``ceil(half / bandwidth) bandwidth`` words (defect 12). The first half is there for nothing, before
cycle 0 (defect 18). The wait for a move is added twice when positive (defect 10); a negative one
takes the stamp of the request back in time (defect 11).

With a layout the list is the operand in the layout's order, a line is what all banks deliver in a
cycle, and every cycle costs the most lines that one bank is asked for, over its ports, less one.
A word's bank is that of its place in a hash set (defect 20), see ``hash_order``.

The window is kept as the number of lines moved so far, never wrapped, so that "in the window" is
one comparison with the next place at which the list has the word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.sim.cycle.scalesim.hash_order import hash_order
from arraysmith.sim.cycle.scalesim.layer import (
    CALC_FILL_WORDS,
    Int,
    ReadPort,
    UnsupportedByScaleSimError,
)
from arraysmith.sim.cycle.scalesim.streams import (
    Stream,
    lanes_at,
    listed_rows,
    listed_word,
    turn_start,
    turns,
    word,
)

Int32 = NDArray[np.int32]

CALC, USER, LAYOUT = 0, 1, 2

(EPOCH, IN_SET, MISSES, FIRST, FETCH_START, FETCH_END, SETS, STARTED, BROKEN, LOGGED, FETCHES) = (
    range(11)
)
"""State of a CALC buffer: number of the set; words in it; misses; cycle of the first request (-1
before); cycles between which the next set is fetched; sets filled; first cycle of all fetches;
1 when the tool would divide by zero; entries of ``log`` and of ``fetches``."""

MOVED, MOVES, LAST, SERIAL = range(4)
"""State of a USER buffer: lines moved; moves; cycle in which the last prefetch arrived; number of
the cycle being served (with a layout)."""


class Reader(NamedTuple):
    """One read buffer.

    Attributes:
        mode: ``CALC``, ``USER`` or ``LAYOUT``.
        state: int64 [11], see above.
        near: int64 [words of the operand]. CALC: set that has the word. USER: place in the list,
            counted in lines without wrapping, at which the word was found last.
        capacity: words of a set (CALC).
        lines: lines of the list.
        active: lines of the window.
        step: lines by which a move goes on.
        move_lines: off-chip transfers of a move.
        entries: entries of the list, nulls included.
        first_occurrence: int64 [words + 1], where each word's entries in ``occurrences`` begin.
        occurrences: int32, line numbers of each word, ascending.
        bank: int32 [words], bank of each word (LAYOUT).
        asked: int64 [banks, lines], number of the last cycle that asked for a bank's line.
        counts: int64 [banks, 2], (number of the last cycle that asked, lines that it asked for).
        banks: banks of a line.
        ports: ports of a bank.
        log: int64, words missed in this fold, in order; empty when nobody asks for them.
        fetches: int64 [n, 3], (first cycle, last cycle, words per cycle) of the sets fetched in
            this fold; empty when nobody asks for them.
    """

    mode: int
    state: Int
    near: Int
    capacity: int
    lines: int
    active: int
    step: int
    move_lines: int
    entries: int
    first_occurrence: Int
    occurrences: Int32
    bank: Int32
    asked: Int
    counts: Int
    banks: int
    ports: int
    log: Int
    fetches: Int


_NONE = np.zeros(0, np.int32)
_NO_WORDS = np.zeros(0, np.int64)
_NO_TABLE = np.zeros((0, 0), np.int64)


def calc_reader(port: ReadPort, footprint: int) -> Reader:
    """Return the buffer of a port in the mode CALC for an operand of ``footprint`` words."""
    state = np.zeros(11, np.int64)
    state[EPOCH], state[FIRST] = 1, -1
    capacity = 50 * (port.words // 100)
    return Reader(
        CALC, state, np.zeros(footprint, np.int64), capacity, 0, 0, 0, 0, 0,
        _NO_WORDS, _NONE, _NONE, _NO_TABLE, _NO_TABLE, 1, 1, _NO_WORDS, _NO_TABLE,
    )  # fmt: skip


def user_reader(port: ReadPort, footprint: int, prefetch: Stream) -> Reader:
    """Return the buffer of a port in the mode USER; ``prefetch`` is the order of its list."""
    line_words = -(-port.words // 100)
    counts, lines = _count(prefetch, footprint, line_words)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    occurrences = _fill(prefetch, first[:-1].copy(), int(first[-1]), line_words)
    entries = listed_rows(prefetch) * prefetch.ports
    return _windowed(USER, port, line_words, lines, entries, first, occurrences, _NONE)


def layout_reader(port: ReadPort, footprint: int, listed: Int) -> Reader:
    """Return the buffer of a port with a layout; ``listed`` are the words in layout order, or -1.

    Raises:
        UnsupportedByScaleSimError: the operand does not begin at 0: the tool leaves the offset of
            the ifmap out of the list and looks for its words for ever.
    """
    line_words = port.bandwidth
    words = listed[listed >= 0]
    line = np.empty(footprint, np.int64)
    line[words] = np.arange(len(words)) // line_words
    bank = np.empty(footprint, np.int32)
    for start in range(0, len(words), line_words):
        part = words[start : start + line_words]
        place = np.empty(len(part), np.int64)
        place[hash_order(part + port.offset)] = np.arange(len(part))
        bank[part] = place // (line_words // port.banks)
    # A list that ends with a full line has an empty one more; nulls at its end do not make lines.
    lines = len(words) // line_words + 1
    first = np.arange(footprint + 1, dtype=np.int64)
    return _windowed(
        LAYOUT, port, line_words, lines, len(listed), first, line.astype(np.int32), bank
    )


def _windowed(
    mode: int,
    port: ReadPort,
    line_words: int,
    lines: int,
    entries: int,
    first: Int,
    occurrences: Int32,
    bank: Int32,
) -> Reader:
    active_words, rest_words = halves(port.words)
    active = min(lines, -(-active_words // line_words))
    step = min(lines - active, -(-rest_words // line_words))
    state = np.zeros(11, np.int64)
    state[LAST] = -1
    asked = _NO_TABLE if mode == USER else np.zeros((port.banks, lines), np.int64)
    counts = _NO_TABLE if mode == USER else np.zeros((port.banks, 2), np.int64)
    return Reader(
        mode, state, np.full(len(first) - 1, -1, np.int64), 0, lines, active, step,
        -(-rest_words // port.bandwidth), entries, first, occurrences, bank, asked, counts,
        port.banks, port.ports, _NO_WORDS, _NO_TABLE,
    )  # fmt: skip


def halves(words: int) -> tuple[int, int]:
    """Return the words of the active and of the other half of a buffer."""
    active = -(-words // 2)
    return active, words - active


@njit(cache=True, nogil=True)
def serve(stream: Stream, reader: Reader, at: int, cycle: int) -> tuple[int, int]:
    """Serve the requests of cycle ``at`` of a fold, made in clock cycle ``cycle``.

    Returns:
        (cycles from the request to the answer, 1 without a wait; 1 if anything was asked for).
    """
    low, high = lanes_at(stream, at)
    if reader.mode == 0:
        answer: tuple[int, int] = _serve_calc(stream, reader, at, cycle, low, high)
    else:
        answer = _serve_user(stream, reader, at, cycle, low, high)
    return answer


@njit(cache=True, nogil=True)
def _serve_calc(
    stream: Stream, reader: Reader, at: int, cycle: int, low: int, high: int
) -> tuple[int, int]:
    state, near = reader.state, reader.near
    asked = 0
    for lane in range(low, high):
        index = word(stream, lane, at - stream.delay - (lane if stream.skewed else 0))
        if index < 0:
            continue
        asked = 1
        if near[index] == state[EPOCH]:
            continue
        if state[FIRST] < 0:
            state[FIRST] = cycle
        near[index] = state[EPOCH]
        state[MISSES] += 1
        state[IN_SET] += 1
        if reader.log.size > 0:
            reader.log[state[LOGGED]] = index
            state[LOGGED] += 1
        if state[IN_SET] == reader.capacity:
            fetch_set(reader, reader.capacity, state[FIRST] - 2)
            state[EPOCH] += 1
            state[IN_SET] = 0
            state[FETCH_START] = state[FETCH_END] + 1
            state[FETCH_END] = cycle
    return 1, asked


@njit(cache=True, nogil=True)
def fetch_set(reader: Reader, words: int, end: int) -> None:
    """Note between which cycles a set of ``words`` is fetched, and how wide.

    The first set ends in cycle ``end``; a later one takes the time in which the set before it was
    filled. A width of -1 stands for the tool's division by zero: no time at all.
    """
    state = reader.state
    if state[SETS] == 0:
        width = CALC_FILL_WORDS
        state[FETCH_END] = end
        state[FETCH_START] = end - -(-words // width) + 1
        state[STARTED] = state[FETCH_START]
    else:
        cycles = state[FETCH_END] - state[FETCH_START] + 1
        width = -(-words // cycles) if cycles > 0 else -1
        if width < 0:
            state[BROKEN] = 1
    state[SETS] += 1
    if reader.fetches.size > 0:
        reader.fetches[state[FETCHES], 0] = state[FETCH_START]
        reader.fetches[state[FETCHES], 1] = state[FETCH_END]
        reader.fetches[state[FETCHES], 2] = width
        state[FETCHES] += 1


@njit(cache=True, nogil=True)
def _serve_user(
    stream: Stream, reader: Reader, at: int, cycle: int, low: int, high: int
) -> tuple[int, int]:
    state, near = reader.state, reader.near
    layout = reader.mode == 2
    asked, wait, most = 0, 1, 0
    if layout:
        state[SERIAL] += 1
    for lane in range(low, high):
        index = word(stream, lane, at - stream.delay - (lane if stream.skewed else 0))
        if index < 0:
            continue
        asked = 1
        if near[index] < state[MOVED]:
            place = _next_place(reader, index)
            near[index] = place
            while place >= state[MOVED] + reader.active:
                state[MOVED] += reader.step
                state[MOVES] += 1
                state[LAST] += reader.move_lines + 1
                late = state[LAST] - (cycle + wait)
                if not layout:
                    wait += late  # defect 11: also when negative
                if late > 0:
                    wait += late  # defect 10: the second time, but for layouts
        if layout:
            most = max(most, _lines_asked(reader, index))
    if layout:
        # Also without any request: an idle cycle answers a cycle early.
        wait += -(-most // reader.ports) - 1
    return wait, asked


@njit(cache=True, nogil=True)
def _next_place(reader: Reader, index: int) -> int:
    """Return the first place of a word in the list from the window's start on, unwrapped."""
    moved, lines = reader.state[MOVED], reader.lines
    turn, start = moved // lines, moved % lines
    low, high = reader.first_occurrence[index], reader.first_occurrence[index + 1]
    first = reader.occurrences[low]
    while low < high:
        middle = (low + high) // 2
        if reader.occurrences[middle] < start:
            low = middle + 1
        else:
            high = middle
    if low == reader.first_occurrence[index + 1]:
        return int((turn + 1) * lines + first)
    return int(turn * lines + reader.occurrences[low])


@njit(cache=True, nogil=True)
def _lines_asked(reader: Reader, index: int) -> int:
    """Note that a word's line is asked for in this cycle; return its bank's lines so far."""
    serial = reader.state[SERIAL]
    line, bank = reader.occurrences[index], reader.bank[index]
    counts = reader.counts[bank]
    if counts[0] != serial:
        counts[0], counts[1] = serial, 0
    if reader.asked[bank, line] != serial:
        reader.asked[bank, line] = serial
        counts[1] += 1
    return int(counts[1])


@njit(cache=True, nogil=True)
def _count(prefetch: Stream, footprint: int, line_words: int) -> tuple[NDArray[np.int64], int]:
    """Return how often each word stands in the list, and the number of lines."""
    counts = np.zeros(footprint, np.int64)
    rows = listed_rows(prefetch)
    listed = 0
    for turn in range(turns(prefetch)):
        row, lane = turn_start(prefetch, turn)
        while 0 <= row < rows and lane < prefetch.ports:
            index = listed_word(prefetch, row, lane)
            if index >= 0:
                counts[index] += 1
                listed += 1
            row -= prefetch.skewed
            lane += 1
    return counts, listed // line_words + 1


@njit(cache=True, nogil=True)
def _fill(
    prefetch: Stream, free: NDArray[np.int64], total: int, line_words: int
) -> NDArray[np.int32]:
    """Return the lines of every word, ``free`` being where each word's entries begin."""
    occurrences = np.empty(total, np.int32)
    rows = listed_rows(prefetch)
    listed = 0
    for turn in range(turns(prefetch)):
        row, lane = turn_start(prefetch, turn)
        while 0 <= row < rows and lane < prefetch.ports:
            index = listed_word(prefetch, row, lane)
            if index >= 0:
                occurrences[free[index]] = listed // line_words
                free[index] += 1
                listed += 1
            row -= prefetch.skewed
            lane += 1
    return occurrences


def finish_calc(reader: Reader, port: ReadPort) -> tuple[int, int]:
    """Fetch what is left, as the tool does after the last cycle.

    Returns:
        first and last cycle in which off-chip words arrive.

    Raises:
        UnsupportedByScaleSimError: the tool divides by zero.
    """
    state = reader.state
    line = port.words // 100
    fetch_set(reader, line * -(-int(state[IN_SET]) // line), -2)
    if state[BROKEN]:
        raise UnsupportedByScaleSimError(
            "half a read buffer is missed within one cycle: the tool divides by zero there; give "
            "larger SRAMs or a smaller array"
        )
    return int(state[STARTED]) + 1, int(state[FETCH_END]) + 1


def finish_user(reader: Reader, port: ReadPort) -> tuple[int, int, int]:
    """Return first and last cycle in which off-chip words arrive, and how many words."""
    state = reader.state
    first = first_lines(reader, port)
    words = (first + int(state[MOVES]) * reader.move_lines) * port.bandwidth
    return -first, int(state[LAST]), words


def first_lines(reader: Reader, port: ReadPort) -> int:
    """Return the off-chip transfers that fill the first half, or take the whole list."""
    active, _ = halves(port.words)
    return min(-(-active // port.bandwidth), -(-reader.entries // port.bandwidth))
