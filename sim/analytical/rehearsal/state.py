"""What a rehearsal runs with, and what a turn of a loop brings. Compiled, without times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.rehearsal.dram import Dram
from arraysmith.sim.analytical.rehearsal.loops import NONE, SPATIAL, SPREADS
from arraysmith.sim.analytical.rehearsal.networks import FLIT
from arraysmith.sim.analytical.rehearsal.plan import (
    AT_MACS,
    DEPTH,
    TENSOR,
)
from arraysmith.sim.analytical.rehearsal.windows import Windows, counted_words
from arraysmith.sim.analytical.rehearsal.words import AT_PARENT, Float

CAUSES = ("compute", "fill", "offchip", "ports", "networks", "rooms", "drain")
"""What a cycle goes to: computing; the first fill; words that have not come from off-chip memory,
or results that have not left; ports of memories on the chip; buses; a memory that is not free yet;
the end of the run, when the last results leave."""

FILL_CAUSE, OFFCHIP_CAUSE, PORTS_CAUSE, NETWORKS_CAUSE, ROOMS_CAUSE, DRAIN_CAUSE = range(1, 7)

# Clocks of the run, then of each link, port, bus and memory, then the cycles by cause.
COMPUTED, CHANNEL_IN, CHANNEL_OUT, OUT, NEXT, LANDED, BACK, PHASED, ASKED = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    9,
    10,
)
RUN = 11
ARRIVED, LEFT, ROOM, USED, READY, GONE, AT_CHILDS, CLOCKS = 0, 1, 2, 3, 11, 19, 27, 29
FILLED, SERVED = range(2)

LAST = 8
"""Tiles of a link that are remembered, the last one first: last used; results: ready, gone."""

# Numbers of a plan, and where each kind of clock begins.
(
    PHASE_LOOPS,
    OFFCHIP_LATENCY,
    PIPELINE,
    ONE_CHANNEL,
    ONE_PORT,
    AT_PORT,
    AT_BUS,
    AT_MEMORY,
    AT_CAUSE,
) = range(9)


class Arrays(NamedTuple):
    """What a rehearsal runs with.

    Attributes:
        cuts: this and all others but the last ones as in ``Plan``.
        numbers: int64 [9], see ``PHASE_LOOPS`` and the following.
        shares: float64 [links, LAST + 1, 2], ``shares_of`` the tile of each link, then of the last
            ones that ended; written.
        parts: float64 [links, 2], of a child's port that the last transfer down, and up, has;
            written.
        windows: as in ``Plan``.
        lags: float64 [links, 2, 2], of links over the border, cycles from the beginning of a phase
            until a tile may come, and results go; the sum, and of how many; written.
        travel: float64 [1], cycles from words at the border to the first phase; written.
    """

    cuts: Int
    links: Int
    words: Float
    up: Float
    again: Int
    per_word: Float
    port: Int
    near: Float
    bus: Float
    wire: Int
    ends: Float
    service: Float
    far: Float
    far_up: Float
    late: Float
    dram: Dram
    part: Int
    axes: Int
    mean: Float
    numbers: Int
    shares: Float
    users: Int
    parts: Float
    windows: Windows
    lags: Float
    travel: Float


@njit(cache=True, nogil=True)
def shares_of(arrays: Arrays, k: int, index: Int, turned: int) -> tuple[float, float]:
    """Return the words of a turn in those of the mean one: sent by the parent, and per child."""
    cuts, part, axes, mean = arrays.cuts, arrays.part[k], arrays.axes[k], arrays.mean[k]
    if arrays.windows.counted[k]:
        whole, every = arrays.windows.whole[k], arrays.links[k, AT_MACS] == 1
        sent, taken = counted_words(arrays.windows, cuts, part, axes, k, index, turned, every)
        mine = whole[0, turned], whole[1, turned]
        return sent / mine[0] if mine[0] else 0.0, taken / mine[1] if mine[1] else 0.0
    if mean[0] == 0.0:
        return 1.0, 1.0
    cover = 1.0
    tile, whole = np.empty(len(cuts)), np.empty(len(cuts))
    for d in range(len(cuts)):
        extent = usual = cuts[d, 0, 0]
        for i in range(1, cuts.shape[1]):
            number, size = cuts[d, i, 0], cuts[d, i, 1]
            if number == NONE or part[d, i] == 0:
                break
            usual = size
            if number != SPATIAL:
                extent = min(size, extent - index[number] * size)
            else:
                if part[d, i] == SPREADS and part[d, 0]:
                    cover *= extent / cuts[d, i, 2] * size / min(size, extent)
                extent = min(size, extent)
        tile[d], whole[d] = extent, usual
    share = 1.0
    for a in range(len(axes)):
        reach = usual_reach = 1.0
        for i in (0, 2):
            by, d = axes[a, i + 1], axes[a, i]
            reach += by * (tile[d] - 1)
            usual_reach += by * (whole[d] - 1)
        share *= reach / usual_reach
    return share * cover / mean[0], share / mean[1]


@njit(cache=True, nogil=True)
def words_down(arrays: Arrays, k: int, index: Int, turned: int) -> float:
    """Return the words that a turn brings down a link; of results, those that come back."""
    links, words, again = arrays.links, arrays.words, arrays.again
    moved = float(words[k, AT_PARENT, turned])
    if links[k, TENSOR] != 2:
        return moved
    for j in range(links[k, DEPTH]):
        if again[k, j] and index[j] > 0:
            return moved
    return 0.0


@njit(cache=True, nogil=True)
def load_of(ends: Float, k: int, i: int, words: float, each: float) -> float:
    """Return what passes a bus of a link: its words, or the flits that they fill.

    Words of equal tiles go together, in flits of their own.

    Args:
        ends: see ``Plan``.
        k: the link.
        i: the fan-out on its way.
        words: on the bus.
        each: that one child takes (gives).
    """
    per_flit = ends[k, i, FLIT]
    if per_flit == 0.0 or words <= 0.0 or each <= 0.0:
        return words
    return float(max(1.0, words / each) * np.ceil(min(each, words) / per_flit - 1e-6))
