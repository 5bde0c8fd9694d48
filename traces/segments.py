"""Finding affine segments in requests; what they are stands in ``segment_expand``.

Segments are found per port: runs of equal strides, runs of equal runs, runs of those; then equal
nests of neighbouring ports become one. A block is given up when it does not come back equal, or
when the segments do not pay.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.traces.schema import COLUMNS, LOOPS, Columns
from arraysmith.traces.segment_expand import (
    ADDRESS,
    HEAD,
    INNER,
    LATENCY,
    PORT,
    PORT_LOOP,
    SIZE,
    TILE,
    TIME,
    WIDTH,
    Encoded,
    by_port,
    signed,
    write_out,
)

Int = NDArray[np.int64]

SEGMENT_COST, RUN_COST = 4, 1
"""Requests that a segment, or a run of cycles, has to stand for on average: with fewer it takes
about as much of a compressed file as they do."""

_SPARE = 16
"""Room for short blocks, in which a run of one is no sign of irregularity."""


class Encoder:
    """Encodes blocks; holds the room that this needs.

    Attributes:
        records: most requests of a block.
    """

    def __init__(self, records: int) -> None:
        self.records = records
        self._runs = np.empty((records // 2 + _SPARE, HEAD + 3), np.int64)
        self._cycles = np.empty((records // RUN_COST + _SPARE, 3), np.int64)
        self._back = {x.name: np.empty(records, x.dtype) for x in COLUMNS}

    def encode(self, columns: Columns) -> Encoded | None:
        """Return the block as segments, or None when it is better kept as columns.

        Args:
            columns: at least one request, in the types of ``schema.COLUMNS``.
        """
        given = [columns[x.name] for x in COLUMNS]
        count = len(given[0])
        lanes = np.zeros((int(columns["port"].max()) + 1, _STATE), np.int64)
        lanes[:, _NT] = -1
        runs, spans = _find_runs(
            *signed(given), lanes, self._runs[: count // 2 + _SPARE], self._cycles
        )
        if runs < 0:
            return None
        found = _nest(self._runs[:runs], len(lanes))
        cycles = self._cycles[:spans].copy()
        if len(found) * SEGMENT_COST + spans * RUN_COST > count + SEGMENT_COST:
            return None
        back = [self._back[x.name][:count] for x in COLUMNS]
        if not write_out(found, cycles, *signed(back)):
            return None
        if not all(np.array_equal(a, b) for a, b in zip(given, back, strict=True)):
            return None
        return Encoded(found, cycles)


# What is known of the open run of a port, as pass one goes through the requests in their order:
# the time and address expected next (-1: none), the stride, size, latency, tile, how many requests,
# the first, and while it is open what a third request of another stride belongs to, that third one.
_NT, _NA, _DT, _DA, _S, _L, _K, _COUNT, _T0, _A0, _MIXED, _T2, _A2 = range(13)
_STATE = 13


@njit(cache=True, nogil=True)
def _find_runs(
    request: Int,
    response: Int,
    address: Int,
    size: NDArray[np.uint32],
    tile: NDArray[np.uint32],
    port: NDArray[np.uint16],
    lanes: Int,
    out: Int,
    cycles: Int,
) -> tuple[int, int]:
    """Find the runs of constant stride of every port, and the runs of request cycles.

    A run is one size, latency and tile. Where the stride changes after two requests, the third and
    fourth decide whether the second belongs to the first or to them.

    Args:
        request: int64 [n], request cycles; the others are the other columns.
        response: int64 [n].
        address: int64 [n].
        size: uint32 [n].
        tile: uint32 [n].
        port: uint16 [n].
        lanes: int64 [ports, _STATE], zero.
        out: written with runs: the head of a segment, count, time stride, address stride.
        cycles: written with runs of cycles: start, stride, count.

    Returns:
        (runs, runs of cycles), or (-1, 0): cycles go back, or there are too many runs.
    """
    count, spans, time = 0, 0, -1
    last = np.int64(0)
    for i in range(len(request)):
        now = request[i]
        if time < 0 or now != last:
            if time >= 0 and now < last:
                return -1, 0
            time += 1
            if spans and (cycles[spans - 1, 2] == 1 or now - last == cycles[spans - 1, 1]):
                cycles[spans - 1, 1] = now - last
                cycles[spans - 1, 2] += 1
            else:
                if spans == len(cycles):
                    return -1, 0
                cycles[spans, 0], cycles[spans, 1], cycles[spans, 2] = now, 1, 1
                spans += 1
            last = now
        p = port[i]
        here, late = address[i], response[i] - now
        alike = lanes[p, _S] == size[i] and lanes[p, _L] == late and lanes[p, _K] == tile[i]
        if alike and lanes[p, _NT] == time and lanes[p, _NA] == here:
            lanes[p, _COUNT] += 1
            lanes[p, _NT] += lanes[p, _DT]
            lanes[p, _NA] += lanes[p, _DA]
            continue
        if count + 3 > len(out):
            return -1, 0
        lane = lanes[p]
        had = lane[_COUNT]
        if had and not alike:
            count = _close(lane, p, out, count)
            had = 0
        if lane[_MIXED]:
            dt, da = time - lane[_T2], here - lane[_A2]
            second_t, second_a = lane[_T0] + lane[_DT], lane[_A0] + lane[_DA]
            if dt == lane[_T2] - second_t and da == lane[_A2] - second_a:
                # One, then three of a stride.
                count = _put(lane, p, 1, out, count)
                lane[_T0], lane[_A0], lane[_COUNT] = second_t, second_a, 3
            else:
                # Two, then two.
                count = _put(lane, p, 2, out, count)
                lane[_T0], lane[_A0], lane[_COUNT] = lane[_T2], lane[_A2], 2
            lane[_DT], lane[_DA], lane[_NT], lane[_NA] = dt, da, time + dt, here + da
            lane[_MIXED] = 0
        elif had == 1:
            dt, da = time - lane[_T0], here - lane[_A0]
            lane[_DT], lane[_DA], lane[_NT], lane[_NA] = dt, da, time + dt, here + da
            lane[_COUNT] = 2
        elif had == 2:
            lane[_MIXED], lane[_T2], lane[_A2], lane[_NT] = 1, time, here, -1
        else:
            if had:
                count = _put(lane, p, had, out, count)
            lane[_T0], lane[_A0], lane[_COUNT], lane[_NT] = time, here, 1, -1
            lane[_S], lane[_L], lane[_K] = size[i], late, tile[i]
    for number in range(len(lanes)):
        if lanes[number, _COUNT]:
            if count + 2 > len(out):
                return -1, 0
            count = _close(lanes[number], number, out, count)
    return count, spans


@njit(cache=True, nogil=True)
def _close(lane: Int, port: int, out: Int, count: int) -> int:
    """End the run of a port."""
    count = _put(lane, port, lane[_COUNT], out, count)
    if lane[_MIXED]:
        lane[_T0], lane[_A0], lane[_MIXED] = lane[_T2], lane[_A2], 0
        count = _put(lane, port, 1, out, count)
    return count


@njit(cache=True, nogil=True)
def _put(lane: Int, port: int, n: int, out: Int, count: int) -> int:
    """Write ``n`` requests from the first one of a port's run on."""
    row = out[count]
    row[TIME], row[ADDRESS], row[PORT] = lane[_T0], lane[_A0], port
    row[SIZE], row[LATENCY], row[TILE] = lane[_S], lane[_L], lane[_K]
    row[HEAD], row[HEAD + 1], row[HEAD + 2] = n, lane[_DT] * (n > 1), lane[_DA] * (n > 1)
    return count + 1


@njit(cache=True, nogil=True)
def _nest(runs: Int, ports: int) -> Int:
    """Return int64 [n, WIDTH]: the runs as nests of up to ``LOOPS`` loops."""
    order = by_port(runs[:, PORT], ports)
    nests = np.zeros((len(runs), WIDTH), np.int64)
    for i in range(len(runs)):
        row, run = nests[i], runs[order[i]]
        row[:HEAD] = run[:HEAD]
        for loop in range(LOOPS):
            row[HEAD + 4 * loop] = 1
        inner = HEAD + 4 * INNER
        row[inner], row[inner + 1], row[inner + 2] = run[HEAD], run[HEAD + 1], run[HEAD + 2]
    count = len(nests)
    for loop in range(INNER - 1, PORT_LOOP, -1):
        count = _merge(nests, count, loop)
    nests = _as_lanes_agree(nests[:count])
    count = _merge(nests, count, PORT_LOOP)
    found: Int = nests[:count].copy()
    return found


@njit(cache=True, nogil=True)
def _same(a: Int, b: Int, loop: int) -> bool:
    """Return whether two nests differ in their starts only (in the port, if that is the loop)."""
    if loop != PORT_LOOP and a[PORT] != b[PORT]:
        return False
    same = True
    for k in range(SIZE, HEAD):
        same &= a[k] == b[k]
    for k in range(HEAD + 4 * (loop + 1), WIDTH):
        same &= a[k] == b[k]
    return same


@njit(cache=True, nogil=True)
def _step(a: Int, b: Int, c: Int) -> bool:
    """Return whether the step from a to b is that from b to c."""
    same = True
    for k in range(SIZE):
        same &= b[k] - a[k] == c[k] - b[k]
    return same


@njit(cache=True, nogil=True)
def _merge(nests: Int, count: int, loop: int) -> int:
    """Merge neighbours that step evenly into one nest with ``loop`` around; return how many stay.

    A pair stands alone only if its second one does not begin a longer row.
    """
    kept, i = 0, 0
    while i < count:
        stop = i + 1
        if stop < count and _same(nests[i], nests[stop], loop):
            stop += 1
            while (
                stop < count
                and _same(nests[i], nests[stop], loop)
                and _step(nests[stop - 2], nests[stop - 1], nests[stop])
            ):
                stop += 1
            if (
                stop == i + 2
                and stop + 1 < count
                and _same(nests[i], nests[stop], loop)
                and _same(nests[i], nests[stop + 1], loop)
                and _step(nests[stop - 1], nests[stop], nests[stop + 1])
            ):
                stop = i + 1
        at = HEAD + 4 * loop
        steps = np.zeros(3, np.int64)
        if stop > i + 1:
            steps[:] = nests[i + 1, :SIZE] - nests[i, :SIZE]
        nests[kept] = nests[i]
        nests[kept, at] = stop - i
        nests[kept, at + 1 : at + 4] = steps
        kept += 1
        i = stop
    return kept


@njit(cache=True, nogil=True)
def _as_lanes_agree(nests: Int) -> Int:
    """Return the nests by tile, then by their place in tile and port, then by port."""
    place = np.empty(len(nests), np.int64)
    for i in range(len(nests)):
        follows = i > 0 and nests[i, PORT] == nests[i - 1, PORT]
        place[i] = place[i - 1] + 1 if follows and nests[i, TILE] == nests[i - 1, TILE] else 0
    order = np.argsort(place, kind="mergesort")
    order = order[np.argsort(nests[order, TILE], kind="mergesort")]
    return nests[order]
