"""Requests of one stream from several sources, put in order before a probe is told of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.tracing.memory_runs import Q_PORT, Q_REQUEST

MOST_HELD = 1 << 20
"""Requests that wait for earlier ones. Beyond, they are told as they come: a stream is then not in
order where a source is further behind than that."""

LAST = 1 << 38
"""A cycle after all others."""

_SOURCE_BITS, _PORT_BITS = 8, 16


class Merger:
    """Holds requests back until nothing that is earlier can come."""

    def __init__(self, tell: Callable[[Int], None], most: int) -> None:
        """Take who is told, int64 [n, REQUEST], and how many requests to tell at once."""
        self._tell = tell
        self._most = most
        self._keys: list[Int] = []
        self._rows: list[Int] = []
        self._held = 0

    def push(self, source: int, rows: Int) -> None:
        """Take requests, int64 [n, REQUEST], of the source of that number, below 256."""
        if len(rows):
            cycles = rows[:, Q_REQUEST] << _PORT_BITS
            self._keys.append((cycles | rows[:, Q_PORT]) << _SOURCE_BITS | source)
            self._rows.append(rows)
            self._held += len(rows)

    def release(self, until: int) -> None:
        """Tell, in order, what is requested before a cycle; from now on nothing else will be."""
        if not self._held:
            return
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        if (np.diff(keys) < 0).any():
            order = np.argsort(keys, kind="stable")
            keys, rows = keys[order], rows[order]
        free = int(np.searchsorted(keys, until << (_PORT_BITS + _SOURCE_BITS)))
        if len(rows) - free > MOST_HELD:
            free = len(rows)
        self._keys, self._rows = [keys[free:]], [rows[free:]]
        self._held = len(rows) - free
        for start in range(0, free, self._most):
            self._tell(rows[start : min(start + self._most, free)])

    def finish(self) -> None:
        """Tell all that is left."""
        self.release(LAST)
