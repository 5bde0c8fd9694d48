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
    LATENCY,
    PORT,
    SIZE,
    TILE,
    TIME,
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
        self._runs = np.empty((records // 2 + _SPARE, HEAD + 4), np.int64)
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
        out: written with runs: the head of a segment and one loop.
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
    row[HEAD + 3] = 0
    return count + 1


@njit(cache=True, nogil=True)
def _nest(runs: Int, ports: int) -> Int:
    """Return int64 [n, WIDTH]: the runs as nests of ``LOOPS`` loops."""
    nests = _merge(runs, by_port(runs[:, PORT], ports), False)
    for _ in range(LOOPS - 3):
        nests = _merge(nests, np.arange(len(nests)), False)
    found: Int = _merge(nests, _as_lanes_agree(nests), True)
    return found


@njit(cache=True, nogil=True)
def _same(a: Int, b: Int, across: bool) -> bool:
    """Return whether two nests differ in their starts only; in the port only if that is asked."""
    same = across or a[PORT] == b[PORT]
    for k in range(SIZE, len(a)):
        same &= a[k] == b[k]
    return same


@njit(cache=True, nogil=True)
def _even(a: Int, b: Int, c: Int) -> bool:
    """Return whether the step from a to b is that from b to c."""
    even = True
    for k in range(SIZE):
        even &= b[k] - a[k] == c[k] - b[k]
    return even


@njit(cache=True, nogil=True)
def _merge(nests: Int, order: Int, across: bool) -> Int:
    """Return the nests with one loop more around them: neighbours that step evenly are one.

    A pair is one only if its second one does not begin a longer row.

    Args:
        nests: int64 [n, columns], head and loops, the outermost first.
        order: int64 [n], in which they are neighbours.
        across: whether neighbours may be of different ports.

    Returns:
        int64 [at most n, columns + 4].
    """
    count, width = nests.shape
    found = np.empty((count, width + 4), np.int64)
    kept, i = 0, 0
    while i < count:
        first = nests[order[i]]
        stop = i + 1
        while (
            stop < count
            and _same(first, nests[order[stop]], across)
            and (
                stop == i + 1
                or _even(nests[order[stop - 2]], nests[order[stop - 1]], nests[order[stop]])
            )
        ):
            stop += 1
        if (
            stop == i + 2
            and stop + 1 < count
            and _same(first, nests[order[stop]], across)
            and _same(first, nests[order[stop + 1]], across)
            and _even(nests[order[stop - 1]], nests[order[stop]], nests[order[stop + 1]])
        ):
            stop = i + 1
        row = found[kept]
        row[:HEAD] = first[:HEAD]
        row[HEAD] = stop - i
        for k in range(SIZE):
            row[HEAD + 1 + k] = nests[order[i + 1], k] - first[k] if stop > i + 1 else 0
        row[HEAD + 4 :] = first[HEAD:]
        kept += 1
        i = stop
    return found[:kept].copy()


@njit(cache=True, nogil=True)
def _as_lanes_agree(nests: Int) -> Int:
    """Return the order of the nests by tile, by their place in tile and port, and by port."""
    place = np.empty(len(nests), np.int64)
    for i in range(len(nests)):
        follows = i > 0 and nests[i, PORT] == nests[i - 1, PORT]
        place[i] = place[i - 1] + 1 if follows and nests[i, TILE] == nests[i - 1, TILE] else 0
    order = np.argsort(place, kind="mergesort")
    return order[np.argsort(nests[order, TILE], kind="mergesort")]
