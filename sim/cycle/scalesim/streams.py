"""Which address every port of the array asks for in every cycle of a fold.

A fold lasts ``T + R + C - 2`` cycles (``os``; defect 3: draining is free) or ``2 R + C + T - 2``
(``ws``, ``is``), whatever the fold uses of the array (defect 24). Every operand is a ``Stream``:
lane j takes step u in cycle ``delay + u`` (+ j when skewed), and the word's index is the sum of a
part that the lane knows and a part that the step knows:

| | ifmap | filter | ofmap |
| --- | --- | --- | --- |
| os | lanes pixels, steps window, skewed | lanes filters, steps window, skewed | lanes filters, steps pixels bottom first, from T - 1 (defect 4: before their last MAC) |
| ws | lanes window, steps pixels, from R, skewed | lanes filters, steps window bottom first | lanes filters, steps pixels, from 2 R - 1 |
| is | lanes pixels, steps window bottom first | lanes window, steps filters, from R, skewed | lanes pixels, steps filters, from 2 R - 1 |

Indices count words from the start of the operand: ifmap (row, column, channel), filter (filter,
window), ofmap (pixel, filter). A window that sticks out of the input has no word there: -1.
"""  # noqa: E501 - rows of a table

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.sim.cycle.scalesim.layer import Int, Shape


class Stream(NamedTuple):
    """Requests of one operand in one fold; or, over all folds, the order of its prefetches.

    Attributes:
        ports: lanes of the array; those from ``len(lane)`` on stay idle.
        delay: cycle of step 0 in lane 0.
        skewed: 1, a lane follows its neighbour a cycle later; 0, all lanes at once.
        lane: int64 [lanes], the lane's part of the word index.
        step: int64 [steps], the step's part.
        lane_place: int64 [2, lanes], (row, column) part of the input place; [2, 0] when every
            word exists.
        step_place: int64 [2, steps], the same of the step.
        height: rows of the input; 0 when every word exists.
        width: columns of the input.
    """

    ports: int
    delay: int
    skewed: int
    lane: Int
    step: Int
    lane_place: Int
    step_place: Int
    height: int
    width: int


NO_PLACE = np.zeros((2, 0), np.int64)


class Side(NamedTuple):
    """One index of an operand: pixels, window or filters, with its part of the word index."""

    part: Int
    place: Int = NO_PLACE

    def cut(self, start: int, stop: int, *, reverse: bool = False) -> Side:
        """Return the entries [start, stop), in reverse if asked; past the end there are none."""
        turn = slice(None, None, -1) if reverse else slice(None)
        place = self.place
        if place.shape[1]:
            place = np.ascontiguousarray(place[:, start:stop][:, turn])
        return Side(np.ascontiguousarray(self.part[start:stop][turn]), place)


class Operands:
    """The address parts of a layer and the streams of its folds.

    Attributes:
        row_folds: blocks of rows.
        column_folds: blocks of columns.
        fold_cycles: cycles of every fold.
        spatial: extents (Sr, Sc, T) of the product on the array.
    """

    def __init__(self, shape: Shape, rows: int, columns: int, dataflow: str) -> None:
        """Prepare a layer for an array of ``rows`` x ``columns`` under a dataflow."""
        self.shape, self.rows, self.columns, self.dataflow = shape, rows, columns, dataflow
        width, channels = shape.ifmap_width, shape.channels
        pixel = np.arange(shape.pixels, dtype=np.int64)
        y, x = pixel // shape.output[1] * shape.stride[0], pixel % shape.output[1] * shape.stride[1]
        kept = shape.kept_window
        fy, rest = kept // (shape.filter_width * channels), kept % (shape.filter_width * channels)
        fx, c = rest // channels, rest % channels
        filters = np.arange(shape.filters, dtype=np.int64)
        out = shape.sticks_out
        self._ifmap = (
            Side((y * width + x) * channels, np.stack([y, x]) if out else NO_PLACE),
            Side((fy * width + fx) * channels + c, np.stack([fy, fx]) if out else NO_PLACE),
        )
        self._filter = Side(filters * shape.window), Side(kept)
        self._ofmap = Side(pixel * shape.filters), Side(filters)
        sizes = {"p": shape.pixels, "w": len(kept), "k": shape.filters}
        order = {"os": "pkw", "ws": "wkp", "is": "wpk"}[dataflow]
        self.spatial = (sizes[order[0]], sizes[order[1]], sizes[order[2]])
        self.row_folds = -(-self.spatial[0] // rows)
        self.column_folds = -(-self.spatial[1] // columns)
        self.fold_cycles = self.spatial[2] + rows + columns - 2 + (0 if dataflow == "os" else rows)

    def used(self, row: int, column: int) -> tuple[int, int]:
        """Return the rows and columns of the array that a fold uses."""
        return (
            min(self.rows, self.spatial[0] - row * self.rows),
            min(self.columns, self.spatial[1] - column * self.columns),
        )

    def ports(self) -> tuple[int, int, int]:
        """Return the lanes of ifmap, filter and ofmap."""
        if self.dataflow == "is":
            return self.columns, self.rows, self.columns
        return self.rows, self.columns, self.columns

    def fold(self, row: int, column: int) -> tuple[Stream, Stream, Stream]:
        """Return the streams of ifmap, filter and ofmap in a fold."""
        r, c, steps = self.rows, self.columns, self.spatial[2]
        empty = r - self.used(row, column)[0]
        over_rows = (row * r, row * r + r)
        over_columns = (column * c, column * c + c)
        (pixels, window), (filters, weights) = self._ifmap, self._filter
        out_pixels, out_filters = self._ofmap
        if self.dataflow == "os":
            return (
                self._stream(r, 0, 1, pixels.cut(*over_rows), window),
                self._stream(c, 0, 1, filters.cut(*over_columns), weights),
                self._stream(
                    c,
                    steps - 1 + empty,
                    1,
                    out_filters.cut(*over_columns),
                    out_pixels.cut(*over_rows, reverse=True),
                ),
            )
        if self.dataflow == "ws":
            return (
                self._stream(r, r, 1, window.cut(*over_rows), pixels),
                self._stream(
                    c, empty, 0, filters.cut(*over_columns), weights.cut(*over_rows, reverse=True)
                ),
                self._stream(c, 2 * r - 1, 1, out_filters.cut(*over_columns), out_pixels),
            )
        return (
            self._stream(
                c, empty, 0, pixels.cut(*over_columns), window.cut(*over_rows, reverse=True)
            ),
            self._stream(r, r, 1, weights.cut(*over_rows), filters),
            self._stream(c, 2 * r - 1, 1, out_pixels.cut(*over_columns), out_filters),
        )

    def prefetch(self) -> tuple[Stream, Stream]:
        """Return the order of prefetches of ifmap and filter in the mode USER.

        Row m of the list holds step m % steps of the lanes of fold m // steps; it is unrolled
        along anti-diagonals (``skewed``), the pinned operand row by row.
        """
        r, c = self.rows, self.columns
        (pixels, window), (filters, weights) = self._ifmap, self._filter
        if self.dataflow == "os":
            return self._stream(r, 0, 1, pixels, window), self._stream(c, 0, 1, filters, weights)
        if self.dataflow == "ws":
            return self._stream(r, 0, 1, window, pixels), self._stream(c, 0, 0, filters, weights)
        return self._stream(c, 0, 0, pixels, window), self._stream(r, 0, 1, weights, filters)

    def _stream(self, ports: int, delay: int, skewed: int, lanes: Side, steps: Side) -> Stream:
        exists = not lanes.place.shape[1] or not steps.place.shape[1]
        height = 0 if exists else self.shape.ifmap_height
        return Stream(
            ports,
            delay,
            skewed,
            lanes.part,
            steps.part,
            lanes.place,
            steps.place,
            height,
            self.shape.ifmap_width,
        )


@njit(cache=True, nogil=True)
def word(stream: Stream, lane: int, step: int) -> int:
    """Return the word index of a lane and a step, -1 outside the input."""
    if stream.height > 0 and (
        stream.lane_place[0, lane] + stream.step_place[0, step] >= stream.height
        or stream.lane_place[1, lane] + stream.step_place[1, step] >= stream.width
    ):
        return -1
    return int(stream.lane[lane] + stream.step[step])


@njit(cache=True, nogil=True)
def lanes_at(stream: Stream, cycle: int) -> tuple[int, int]:
    """Return [first, last) of the lanes that take a step in a cycle of the fold."""
    at = cycle - stream.delay
    lanes, steps = stream.lane.size, stream.step.size
    if stream.skewed:
        return max(0, at - steps + 1), min(lanes, at + 1)
    if 0 <= at < steps:
        return 0, lanes
    return 0, 0


@njit(cache=True, nogil=True)
def requests(stream: Stream, first: int, last: int) -> NDArray[np.int64]:
    """Return the word index per cycle [first, last) of a fold and port, -1 for none."""
    table = np.full((last - first, stream.ports), -1, np.int64)
    for cycle in range(first, last):
        low, high = lanes_at(stream, cycle)
        for lane in range(low, high):
            at = cycle - stream.delay - (lane if stream.skewed else 0)
            table[cycle - first, lane] = word(stream, lane, at)
    return table


@njit(cache=True, nogil=True)
def asked_words(stream: Stream, cycles: int) -> NDArray[np.int64]:
    """Return the word indices of a fold in the order of the requests, none left out but nulls."""
    found = np.empty(stream.lane.size * stream.step.size, np.int64)
    count = 0
    for cycle in range(cycles):
        low, high = lanes_at(stream, cycle)
        for lane in range(low, high):
            index = word(stream, lane, cycle - stream.delay - (lane if stream.skewed else 0))
            if index >= 0:
                found[count] = index
                count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def listed_rows(prefetch: Stream) -> int:
    """Return the rows of the prefetch list before it is unrolled; each has ``ports`` entries."""
    return int(-(-prefetch.lane.size // prefetch.ports) * prefetch.step.size)


@njit(cache=True, nogil=True)
def turns(prefetch: Stream) -> int:
    """Return the anti-diagonals, or the rows, in which the prefetch list is unrolled."""
    rows = listed_rows(prefetch)
    return int(rows + prefetch.ports - 1 if prefetch.skewed else rows)


@njit(cache=True, nogil=True)
def turn_start(prefetch: Stream, turn: int) -> tuple[int, int]:
    """Return (row, lane) of the first entry of a turn.

    The next one stands a lane further and, on a diagonal, a row up.
    """
    if not prefetch.skewed:
        return turn, 0
    row = min(turn, listed_rows(prefetch) - 1)
    return row, turn - row


@njit(cache=True, nogil=True)
def listed_word(prefetch: Stream, row: int, lane: int) -> int:
    """Return the word index of an entry of the prefetch list, -1 for a null."""
    steps = prefetch.step.size
    at = row // steps * prefetch.ports + lane
    if at >= prefetch.lane.size:
        return -1
    return int(word(prefetch, at, row % steps))


@njit(cache=True, nogil=True)
def prefetch_list(prefetch: Stream, entries: int) -> NDArray[np.int64]:
    """Return the first entries of the prefetch list as word indices, -1 for nulls."""
    rows = listed_rows(prefetch)
    found = np.full(min(entries, rows * prefetch.ports), -1, np.int64)
    count = 0
    for turn in range(turns(prefetch)):
        row, lane = turn_start(prefetch, turn)
        while row >= 0 and lane < prefetch.ports:
            if count == found.size:
                return found
            found[count] = listed_word(prefetch, row, lane)
            count += 1
            row -= prefetch.skewed
            lane += 1
    return found
