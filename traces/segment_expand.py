"""Affine segments: what they are, and how they become requests again.

A block is some tens of thousands of consecutive requests of a stream, ordered by cycle and, within
a cycle, by port. Its segments are loop nests: the requests of a segment are

    time, address, port = start + sum over the four loops of index * stride

with one size, latency (response less request) and tile. ``time`` counts the different request
cycles of the block; the cycles themselves are a table of runs beside the segments, so that a wait
of the array, which delays every lane alike, breaks no segment. The loops go from the outermost
(ports, when lanes do the same one after the other) to the innermost.

``expand`` writes the segments out and restores the order by a counting sort: by time, then by port,
then as the segments stand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.traces.schema import COLUMNS, LOOPS, SEGMENT_COLUMNS, Columns

Int = NDArray[np.int64]

TIME, ADDRESS, PORT, SIZE, LATENCY, TILE = range(6)
HEAD = 6
WIDTH = len(SEGMENT_COLUMNS)
PORT_LOOP = 0


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A block as segments.

    Attributes:
        segments: int64 [n, WIDTH], see ``schema.SEGMENT_COLUMNS``.
        cycles: int64 [m, 3], runs of the different request cycles: start, stride, count.
    """

    segments: Int
    cycles: Int


def expand(encoded: Encoded, records: int) -> Columns:
    """Return the ``records`` requests of a block in their order.

    Raises:
        ValueError: the segments do not give so many requests, or name a cycle that is not there.
    """
    columns: Columns = {x.name: np.empty(records, x.dtype) for x in COLUMNS}
    if not write_out(encoded.segments, encoded.cycles, *signed(list(columns.values()))):
        raise ValueError("segments do not add up to their block")
    return columns


def signed(columns: list[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    """Return the columns with the address as int64: arithmetic that wraps, for any address."""
    return [
        column.view(np.int64) if column.dtype.kind == "u" and column.itemsize == 8 else column
        for column in columns
    ]


@njit(cache=True, nogil=True)
def by_port(port: Int, ports: int) -> Int:
    """Return the order that sorts by port and keeps the order within a port."""
    first = np.zeros(ports + 1, np.int64)
    for p in port:
        first[p + 1] += 1
    first = np.cumsum(first)
    order = np.empty(len(port), np.int64)
    for i in range(len(port)):
        order[first[port[i]]] = i
        first[port[i]] += 1
    return order


@njit(cache=True, nogil=True)
def write_out(
    segments: Int,
    cycles: Int,
    request: Int,
    response: Int,
    address: Int,
    size: NDArray[np.uint32],
    tile: NDArray[np.uint32],
    port: NDArray[np.uint16],
) -> bool:
    """Write the requests of a block into columns; return False if they do not fit."""
    total, lanes, alike = 0, 0, True
    for k in range(len(segments)):
        row = segments[k]
        n = 1
        for loop in range(LOOPS):
            repeat = row[HEAD + 4 * loop]
            # Counts of a damaged file must not overflow.
            if repeat < 1 or repeat > len(request) or n > len(request):
                return False
            if loop != PORT_LOOP and row[HEAD + 4 * loop + 3] != 0:
                return False
            n *= repeat
        total += n
        lanes += row[HEAD]
        alike &= row[SIZE] == segments[0, SIZE] and row[LATENCY] == segments[0, LATENCY]
        alike &= row[TILE] == segments[0, TILE]
    times = 0
    for k in range(len(cycles)):
        if cycles[k, 2] < 1 or cycles[k, 2] > len(request):
            return False
        times += cycles[k, 2]
    if total != len(request) or times > total:
        return False
    # One row per segment and port, by port.
    starts = np.empty((lanes, 4), np.int64)  # time, address, port, segment
    at, ports = 0, 0
    for k in range(len(segments)):
        row = segments[k]
        low, high = row[TIME], row[TIME]
        for loop in range(LOOPS):
            reach = (row[HEAD + 4 * loop] - 1) * row[HEAD + 4 * loop + 1]
            low, high = low + min(reach, 0), high + max(reach, 0)
        last = row[PORT] + (row[HEAD] - 1) * row[HEAD + 3]
        if low < 0 or high >= times or min(row[PORT], last) < 0 or max(row[PORT], last) > 65535:
            return False
        ports = max(ports, row[PORT] + 1, last + 1)
        for index in range(row[HEAD]):
            for c in range(SIZE):
                starts[at, c] = row[c] + index * row[HEAD + 1 + c]
            starts[at, 3] = k
            at += 1
    order = by_port(starts[:, PORT], ports)
    place = np.zeros(times + 1, np.int32)
    for i in range(lanes):
        row = segments[starts[i, 3]]
        for x in range(row[HEAD + 4]):
            for y in range(row[HEAD + 8]):
                time = starts[i, TIME] + x * row[HEAD + 5] + y * row[HEAD + 9]
                for _ in range(row[HEAD + 12]):
                    place[time + 1] += 1
                    time += row[HEAD + 13]
    at = 0
    for k in range(len(cycles)):
        cycle = cycles[k, 0]
        for _ in range(cycles[k, 2]):
            place[at + 1] += place[at]
            request[place[at] : place[at + 1]] = cycle
            cycle += cycles[k, 1]
            at += 1
    if alike and len(segments):
        size[:] = segments[0, SIZE]
        tile[:] = segments[0, TILE]
        response[:] = segments[0, LATENCY]
    for o in order:
        row = segments[starts[o, 3]]
        lane = starts[o, PORT]
        for x in range(row[HEAD + 4]):
            for y in range(row[HEAD + 8]):
                time = starts[o, TIME] + x * row[HEAD + 5] + y * row[HEAD + 9]
                byte = starts[o, ADDRESS] + x * row[HEAD + 6] + y * row[HEAD + 10]
                for _ in range(row[HEAD + 12]):
                    i = place[time]
                    place[time] = i + 1
                    address[i] = byte
                    port[i] = lane
                    if not alike:
                        size[i], tile[i], response[i] = row[SIZE], row[TILE], row[LATENCY]
                    time += row[HEAD + 13]
                    byte += row[HEAD + 14]
    response += request
    return True
