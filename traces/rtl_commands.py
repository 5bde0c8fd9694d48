"""From the requests of a systolic layer to what the ports of the array do in every clock cycle.

Everything comes from a trace: requests with their stamps and lanes, folds, step cycles and stalls.
What has no request follows from the folds: a lane that takes a step but asks for nothing gets a
zero (padding, and lanes that a fold does not use but is timed with), and the flags that tell the
array where a fold begins and ends. ``README.md`` here describes the file that is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import ArraysmithError

Int = NDArray[np.int64]

IDLE, ZERO, READ, KEPT = range(4)
"""What a lane takes: nothing, a zero, the word at its address, the word read before."""

LAST, FIRST = 8, 4
"""Flags of a lane on the left: its word is of the last step, of the first step of a fold."""

DRAIN, LOAD = 8, 4
"""Flags of a lane on top: the column begins to shift its sums down, loads what the lane takes."""

SHOWS, KEPT_SUM, READ_SUM, WRITE = 8, 4, 2, 1
"""Flags of a result port: the array shows a result, what the old sum is, the result is written."""

CHUNK_CYCLES = 4096
"""Array cycles worked out at a time."""


@dataclass(frozen=True, slots=True)
class ArrayKind:
    """What array to drive.

    Attributes:
        dataflow: ``os``, ``ws`` or ``is``.
        rows: of the array.
        columns: of the array.
        drain: ``shift``, ``bus`` or ``free``; acts in ``os``.
        overlapped: what the dataflow needs twice for overlapping folds is there twice.
        full: folds are timed with the whole array, whatever they use of it.
    """

    dataflow: str
    rows: int
    columns: int
    drain: str
    overlapped: bool
    full: bool

    @property
    def number(self) -> int:
        """Which array of ``replay.sv`` this is: its argument ``+array``."""
        if self.dataflow != "os":
            return 5 if self.overlapped else 4
        if self.drain == "shift":
            return 1 if self.overlapped else 0
        return {"bus": 2, "free": 3}[self.drain]


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests of one port of the array, in any order.

    Attributes:
        clock: int64 [n], clock cycle.
        lane: int64 [n], row or column of the array.
        word: int64 [n], index of the word in its tensor.
        fold: int64 [n], number of the fold.
    """

    clock: Int
    lane: Int
    word: Int
    fold: Int

    @classmethod
    def none(cls) -> Requests:
        """Return no requests."""
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty, empty)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayTrace:
    """All that a trace says of the array in one layer.

    Attributes:
        kind: the array.
        tau: int64 [T], array cycle in which lane 0 takes each step, from step 0.
        fold_rows: int64 [folds], rows used.
        fold_columns: int64 [folds], columns used.
        start: int64 [folds], array cycle in which lane 0 takes step 0; ascending.
        stall_clock: int64 [n], clock cycle in which a wait begins; ascending, the final drain
            included.
        stall_cycles: int64 [n], cycles that it lasts.
        left: words that enter the rows.
        top: words that enter the columns.
        old: partial sums read at the result ports.
        out: results written there.
    """

    kind: ArrayKind
    tau: Int
    fold_rows: Int
    fold_columns: Int
    start: Int
    stall_clock: Int
    stall_cycles: Int
    left: Requests
    top: Requests
    old: Requests
    out: Requests

    @property
    def array_cycles(self) -> int:
        """Cycles in which the array advances: up to the last result of any fold."""
        kind, length = self.kind, int(self.tau[-1]) + 1
        rows, columns = _extents(self)
        extra = np.zeros_like(rows)
        if kind.dataflow == "os":
            extra = {"shift": rows, "bus": extra + 1, "free": extra}[kind.drain]
        ends: Int = self.start + length + rows + columns - 2 + extra
        return int(ends.max())

    @property
    def clock_cycles(self) -> int:
        """Clock cycles of the layer, the final drain included."""
        return self.array_cycles + int(self.stall_cycles.sum())

    @property
    def last_advance(self) -> int:
        """Clock cycle in which the array advances for the last time."""
        at = self.array_cycles - 1
        before = self.stall_clock - np.cumsum(self.stall_cycles) + self.stall_cycles <= at
        return at + int(self.stall_cycles[before].sum())


def command_digits(kind: ArrayKind) -> int:
    """Return the hexadecimal digits of a line, without the separators."""
    return 1 + 9 * (kind.rows + kind.columns) + 11 * kind.columns


def command_lines(trace: ArrayTrace) -> Iterator[bytes]:
    """Yield the command file in parts: a line per clock cycle; see ``README.md``.

    Raises:
        ArraysmithError: the trace asks for what one port cannot do, or does not say enough.
    """
    chunks = _Chunks(trace)
    for begin in range(0, trace.array_cycles, CHUNK_CYCLES):
        yield chunks.lines(begin, min(begin + CHUNK_CYCLES, trace.array_cycles))
    rest = trace.clock_cycles - trace.last_advance - 1
    if rest:
        yield chunks.idle_line() * rest


class _Chunks:
    def __init__(self, trace: ArrayTrace) -> None:
        self._trace = trace
        self._extent = _extents(trace)
        self._waited = np.concatenate(([0], np.cumsum(trace.stall_cycles)))
        # Array cycle in which each wait falls: it advances when the wait is over.
        self._wait_at = trace.stall_clock - self._waited[:-1]
        if np.any(np.diff(self._wait_at) < 0):
            raise ArraysmithError("waits of the array overlap")
        self._ports = {
            name: _Port(name, requests, self._array_cycle(requests.clock))
            for name, requests in (
                ("left", trace.left),
                ("top", trace.top),
                ("old", trace.old),
                ("out", trace.out),
            )
        }
        self._loads = _load_cycles(trace, self._ports["top"].cycle)

    def lines(self, begin: int, end: int) -> bytes:
        """Return the lines of the array cycles [begin, end) with the waits before each."""
        kind = self._trace.kind
        clock = np.arange(self._clock(begin - 1) + 1, self._clock(end - 1) + 1)
        at = self._array_cycle(clock) - begin
        now = clock[:, None]
        enable = np.append(np.diff(at) > 0, True)
        left, top, result, tap = self._flags(begin, end)
        digits = [enable.astype(np.int64)[:, None, None]]
        for name, flags in (("left", left), ("top", top)):
            when, word = (x[at] for x in self._ports[name].table(begin, end, flags.shape[1]))
            take = np.where(when < now, KEPT, np.where(when == now, READ, IDLE))
            take = np.where(when < 0, flags[at] & 3, take)
            digits.append(_digits((flags[at] & ~3) | take, 1))
            digits.append(_digits(np.where(take == READ, word, 0), 8))
        read_at, read_word = (x[at] for x in self._ports["old"].table(begin, end, kind.columns))
        out_at, out_word = (x[at] for x in self._ports["out"].table(begin, end, kind.columns))
        if np.any((read_at >= 0) & (out_at >= 0) & (read_word != out_word)):
            raise ArraysmithError("a result is written elsewhere than its old sum was read")
        flags = result[at]
        flags = flags | np.where(out_at == now, WRITE, 0) | np.where(read_at == now, READ_SUM, 0)
        flags |= np.where((read_at >= 0) & (read_at < now), KEPT_SUM, 0)
        word = np.where(flags & WRITE, out_word, np.where(flags & READ_SUM, read_word, 0))
        digits += [_digits(flags, 1), _digits(tap[at], 2), _digits(word, 8)]
        return _text(digits)

    def idle_line(self) -> bytes:
        """Return the line of a cycle in which nothing happens."""
        kind = self._trace.kind
        parts = [(1, 1), (1, kind.rows), (8, kind.rows), (1, kind.columns), (8, kind.columns)]
        parts += [(1, kind.columns), (2, kind.columns), (8, kind.columns)]
        return _text([np.zeros((1, lanes, many), np.int64) for many, lanes in parts])

    def _clock(self, array_cycle: int) -> int:
        """Return the clock cycle in which the array advances from ``array_cycle``."""
        return array_cycle + int(
            self._waited[np.searchsorted(self._wait_at, array_cycle, side="right")]
        )

    def _array_cycle(self, clock: Int) -> Int:
        """Return the array cycle to which each clock cycle belongs."""
        trace = self._trace
        waits = np.searchsorted(trace.stall_clock, clock, side="right")
        over = clock - self._waited[waits]
        # Inside a wait no array cycle goes by.
        if len(trace.stall_clock) == 0:
            return over
        return np.where(waits > 0, np.maximum(over, self._wait_at[waits - 1]), over)

    def _flags(self, begin: int, end: int) -> tuple[Int, Int, Int, Int]:
        """Return int64 [cycles, lanes]: flags on the left, on top, of results, and taps."""
        trace, kind, tau = self._trace, self._trace.kind, self._trace.tau
        left = np.zeros((end - begin, kind.rows), np.int64)
        top, result, tap = (np.zeros((end - begin, kind.columns), np.int64) for _ in range(3))
        length = int(tau[-1]) + 1
        lane_i, lane_j = np.arange(kind.rows), np.arange(kind.columns)

        def put(table: Int, cycle: Int, lane: Int, flag: int | Int) -> None:
            cycle, lane, flags = np.broadcast_arrays(cycle - begin, lane, flag)
            inside = (cycle >= 0) & (cycle < len(table))
            table[cycle[inside], lane[inside]] |= flags[inside]

        spread = length + 2 * (kind.rows + kind.columns)
        early = np.maximum.accumulate(trace.start + spread)
        first = int(np.searchsorted(early, begin, side="right"))
        last = int(np.searchsorted(trace.start - self._loads.lead - kind.columns, end))
        for fold in range(first, min(last, len(trace.start))):
            start = int(trace.start[fold])
            r, c = int(self._extent[0][fold]), int(self._extent[1][fold])
            i, j = lane_i[:r], lane_j[:c]
            some = slice(
                int(np.searchsorted(tau, begin - start - r - c)),
                int(np.searchsorted(tau, end - start)),
            )
            step = (start + tau[some])[:, None]
            put(left, step + i, i, ZERO)
            put(left, start + i, i, FIRST)
            put(left, start + length - 1 + i, i, LAST)
            if kind.dataflow != "os":
                skew = lane_j if kind.overlapped else 0 * lane_j
                load = (start + self._loads.of(fold))[:, None] + skew
                put(top, load, lane_j, np.where(lane_j < c, LOAD | ZERO, LOAD | IDLE))
                put(result, step + r - 1 + j, j, SHOWS)
                # The port stays at a row until the last result of a fold has left by it.
                since, until = self._port_stays(fold, length)
                stays = np.arange(max(since, begin - kind.columns), min(until, end))
                put(tap, stays[:, None] + lane_j, lane_j, r - 1)
                continue
            put(top, step + j, j, ZERO)
            if kind.drain == "shift":
                shift = start + length - 1 + r + (j if kind.overlapped else 0 * j + c - 1)
                put(top, shift, j, DRAIN)
                put(result, shift + i[:, None], j, SHOWS)
                put(tap, shift + i[:, None], j, r - 1)
            else:
                done = start + length - 1 + (kind.drain == "bus")
                put(result, done + i[:, None] + j, j, SHOWS)
        return left, top, result, tap

    def _port_stays(self, fold: int, length: int) -> tuple[int, int]:
        """Return the array cycles [from, to) in which column 0 gives the sums of a fold."""
        start, rows = self._trace.start, self._extent[0]
        since = int(start[fold - 1] + rows[fold - 1]) + length - 1 if fold else 0
        return since, int(start[fold] + rows[fold]) + length - 1


class _Port:
    """Requests of one port, by array cycle."""

    def __init__(self, name: str, requests: Requests, cycle: Int) -> None:
        order = np.argsort(cycle, kind="stable")
        self._name = name
        self.cycle = cycle
        self._sorted = cycle[order]
        self._clock, self._lane = requests.clock[order], requests.lane[order]
        self._word = requests.word[order]

    def table(self, begin: int, end: int, lanes: int) -> tuple[Int, Int]:
        """Return int64 [cycles, lanes]: clock cycle of each request, -1 if none, and its word."""
        part = slice(*np.searchsorted(self._sorted, (begin, end)).tolist())
        clock = np.full((end - begin, lanes), -1, np.int64)
        word = np.zeros((end - begin, lanes), np.int64)
        place = self._sorted[part] - begin, self._lane[part]
        if len(place[1]) and int(place[1].max()) >= lanes:
            raise ArraysmithError(f"{self._name}: lane {place[1].max()} of {lanes}")
        np.maximum.at(clock, place, self._clock[part])
        word[place] = self._word[part]
        if np.count_nonzero(clock >= 0) != len(place[1]):
            raise ArraysmithError(f"{self._name}: a lane asks for two words in one array cycle")
        return clock, word


@dataclass(frozen=True, slots=True, eq=False)
class _Loads:
    """When lane 0 loads the stationary words of a fold, from step 0: ``cycles`` per fold."""

    cycles: tuple[Int, ...]
    lead: int

    def of(self, fold: int) -> Int:
        return self.cycles[fold]


def _load_cycles(trace: ArrayTrace, cycle: Int) -> _Loads:
    """Return when the stationary operand is loaded: row i in cycle -1 - i, if there are no gaps.

    Gaps between the rows are alike in all folds: a fold of fewer rows has the first of them. A row
    that is all padding has no request; other folds then tell when it is loaded.
    """
    kind = trace.kind
    if kind.dataflow == "os":
        return _Loads((), 0)
    since = cycle - trace.start[trace.top.fold]
    if kind.overlapped:
        since = since - trace.top.lane
    rows = trace.fold_rows[trace.top.fold]
    found: dict[int, Int] = {}
    most: Int | None = None
    for many in sorted(set(trace.fold_rows.tolist()), reverse=True):
        seen = np.unique(since[rows == many])
        choices = [np.arange(-many, 0)]
        if len(seen) == many:
            choices.insert(0, seen)
        elif most is not None:
            choices.insert(0, most[:many] - most[many - 1] - 1)
        fits = [choice for choice in choices if np.isin(seen, choice).all()]
        if not fits:
            raise ArraysmithError(
                f"folds of {many} rows: their stationary words come with gaps, and rows of padding "
                "hide where"
            )
        found[many] = fits[0]
        if most is None and len(seen) == many:
            most = seen
    cycles = tuple(found[many] for many in trace.fold_rows.tolist())
    return _Loads(cycles, -min(int(one[0]) for one in cycles))


def _extents(trace: ArrayTrace) -> tuple[Int, Int]:
    """Return the rows and columns that every fold is timed with."""
    if not trace.kind.full:
        return trace.fold_rows, trace.fold_columns
    return (
        np.full_like(trace.fold_rows, trace.kind.rows),
        np.full_like(trace.fold_columns, trace.kind.columns),
    )


def _digits(values: Int, many: int) -> Int:
    """Return int64 [cycles, lanes, many]: hexadecimal digits, the highest first."""
    return (values[..., None] >> (4 * np.arange(many - 1, -1, -1))) & 15


def _text(digits: list[Int]) -> bytes:
    """Return the lines of (enable, left flags, words, top flags, words, result flags, ...)."""
    enable, *lanes = digits
    groups = [
        np.concatenate(lanes[0:2], axis=2),
        np.concatenate(lanes[2:4], axis=2),
        np.concatenate(lanes[4:7], axis=2),
    ]
    count = len(enable)
    hexadecimal = np.frombuffer(b"0123456789abcdef", np.uint8)
    parts = [hexadecimal[enable[:, 0, :]]]
    for group in groups:
        text = np.full((count, group.shape[1], group.shape[2] + 1), ord("_"), np.uint8)
        text[:, :, 1:] = hexadecimal[group]
        parts.append(text.reshape(count, -1))
    parts.append(np.full((count, 1), ord("\n"), np.uint8))
    return np.concatenate(parts, axis=1).tobytes()
