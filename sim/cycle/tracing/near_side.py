"""What moves below the off-chip border in one transfer over it: at memories and on networks."""

from __future__ import annotations

import numpy as np

from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.instance_runs import list_instance_runs
from arraysmith.sim.cycle.offchip.protocol import Timing
from arraysmith.sim.cycle.offchip.schedule import Epoch
from arraysmith.sim.cycle.tracing.memory_runs import (
    Q_ADDRESS,
    Q_PORT,
    Q_REQUEST,
    Q_RESPONSE,
    Q_SIZE,
    Q_TILE,
    REQUEST,
)
from arraysmith.sim.cycle.tracing.sides import Moves


def near_requests(moves: Moves, frame: Int, epoch: Epoch, timing: Timing, *, outward: bool) -> Int:
    """Return the requests at the memory below the border, int64 [n, REQUEST] in words.

    The words of every instance are spread over those of the transfer.

    Args:
        moves: what moves there.
        frame: int64 [AXES], of the memory.
        epoch: the tile.
        timing: of the transfer.
        outward: results out, else words in.
    """
    table = _runs(moves, frame, epoch)
    count = len(table)
    table = table[np.argsort(table[:, 2], kind="stable")]
    rows = np.empty((count, REQUEST), np.int64)
    if not count:
        return rows
    ends = np.cumsum(table[:, 1])
    _, first, which = np.unique(table[:, 2], return_index=True, return_inverse=True)
    before = (ends - table[:, 1])[first]
    each = np.append(before[1:], ends[-1]) - before  # words of every instance
    words = epoch.up if outward else epoch.words
    done = ends - before[which]
    start, end = (done - table[:, 1]) * words // each[which], -(-done * words // each[which])
    points = np.unique(np.concatenate((start, end)))[1:]  # without 0
    request, response = timing.spread(points, delayed=False)
    delay = 0 if outward else timing.latency
    rows[:, Q_REQUEST] = request[np.searchsorted(points, start, side="right")] + delay
    rows[:, Q_RESPONSE] = response[np.searchsorted(points, end)] + delay
    rows[:, Q_ADDRESS : Q_SIZE + 1] = table[:, :2]
    rows[:, Q_TILE], rows[:, Q_PORT] = epoch.number, table[:, 2]
    return rows[np.lexsort((rows[:, Q_PORT], rows[:, Q_REQUEST]))]


def near_transfers(moves: Moves, frame: Int, epoch: Epoch, timing: Timing, *, outward: bool) -> Int:
    """Return a request per instance of a network at the border, int64 [n, REQUEST] in words.

    Args:
        moves: what moves through the network.
        frame: int64 [AXES], of the off-chip memory.
        epoch: the tile.
        timing: of the transfer.
        outward: results out, else words in.
    """
    table = _runs(moves, frame, epoch)
    table = table[np.argsort(table[:, 2], kind="stable")]
    mine, first = np.unique(table[:, 2], return_index=True)
    rows = np.empty((len(mine), REQUEST), np.int64)
    if not len(mine):
        return rows
    whole = np.array([epoch.up if outward else epoch.words])
    request, response = timing.spread(whole, delayed=False)
    delay = 0 if outward else timing.latency
    rows[:, Q_REQUEST], rows[:, Q_RESPONSE] = request[0] + delay, response[0] + delay
    rows[:, Q_ADDRESS] = table[first, 0]
    rows[:, Q_SIZE] = np.add.reduceat(table[:, 1], first)
    rows[:, Q_TILE], rows[:, Q_PORT] = epoch.number, mine
    return rows


def _runs(moves: Moves, frame: Int, epoch: Epoch) -> Int:
    room = 1024
    while True:
        table = np.empty((room, 3), np.int64)
        count = list_instance_runs(
            moves.view, moves.tiles, moves.between, False, epoch.index, epoch.turned, frame,
            moves.numbers, moves.scratch, moves.room[0], table,
        )  # fmt: skip
        if count <= room:
            return table[:count]
        room = count
