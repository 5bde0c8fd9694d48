"""Which column of a table, or which signal, a request has: its port, and its turn in the cycle.

A port of an SRAM has one request per cycle; the channel of an off-chip memory may have several.
Such a port gets a slot for each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import Fault, InputError
from arraysmith.traces.export import in_time
from arraysmith.traces.reader import StreamTrace
from arraysmith.traces.schema import Columns


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """The slots of a stream.

    Attributes:
        of_port: int64 [ports], slots of each port; 0 for a port without requests.
        first: int64 [ports], the first slot of each port.
    """

    of_port: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, stream: StreamTrace) -> Slots:
        """Return the slots that the stream needs; reads it once.

        Raises:
            InputError: requests are not in the order of cycle and port.
        """
        most = np.zeros(0, np.int64)
        for part in in_time((stream,)):
            port = part["port"].astype(np.int64)
            # Whole cycles, so the first request of each has no port before it.
            cycle = part["request_cycle"]
            if ((cycle[1:] == cycle[:-1]) & (port[1:] < port[:-1])).any():
                rule = "the requests of a cycle are not ordered by port"
                hint = "this format needs that; csv does not"
                raise InputError([Fault("stream", stream.name, rule, hint)])
            grown = np.zeros(max(len(most), int(port.max()) + 1), np.int64)
            grown[: len(most)] = most
            np.maximum.at(grown, port, turns(part) + 1)
            most = grown
        return cls(most, np.cumsum(most) - most)

    @property
    def count(self) -> int:
        """All slots."""
        return int(self.of_port.sum())

    def names(self) -> list[str]:
        """Return ``port`` for a port of one slot, ``port_turn`` else."""
        return [
            f"{port}" if slots == 1 else f"{port}_{turn}"
            for port, slots in enumerate(self.of_port.tolist())
            for turn in range(slots)
        ]

    def at(self, part: Columns, turn: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slot of each request of a part, given its turn."""
        found: NDArray[np.int64] = self.first[part["port"].astype(np.int64)] + turn
        return found


def turns(part: Columns) -> NDArray[np.int64]:
    """Return the turn of each request among those of its cycle and port, from 0.

    Args:
        part: whole cycles of a stream that is ordered by cycle and port.
    """
    key = part["request_cycle"].astype(np.int64) * (1 << 16) + part["port"].astype(np.int64)
    place = np.arange(len(key), dtype=np.int64)
    new = np.ones(len(key), np.bool_)
    new[1:] = key[1:] != key[:-1]
    return place - np.maximum.accumulate(np.where(new, place, 0))
