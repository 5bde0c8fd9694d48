"""A read buffer of a layer with what it prefetches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.sim.cycle.scalesim.layer import Int, ReadPort
from arraysmith.sim.cycle.scalesim.reads import (
    CALC,
    MISSES,
    Reader,
    finish_calc,
    finish_user,
)
from arraysmith.sim.cycle.scalesim.streams import Stream, prefetch_list


@dataclass
class ReadBuffer:
    """The read buffer of one operand.

    Attributes:
        operand: name of the operand.
        port: its size and its port.
        reader: its state for the kernels.
        listed: what it prefetches in the mode USER: the order of the array's requests, or with a
            layout the words themselves, -1 for nulls; None in CALC.
    """

    operand: str
    port: ReadPort
    reader: Reader
    listed: Stream | Int | None = None

    def finish(self) -> tuple[int, int, int]:
        """Return first and last cycle in which off-chip words arrive, and how many words.

        To be called once, after the last cycle: in CALC what is left is fetched.

        Raises:
            UnsupportedByScaleSimError: where the tool divides by zero.
        """
        if self.reader.mode == CALC:
            start, stop = finish_calc(self.reader, self.port)
            return start, stop, int(self.reader.state[MISSES])
        return finish_user(self.reader, self.port)

    def prefetched(self, entries: int) -> Int:
        """Return the addresses of the first entries of the list, -1 for nulls; int64."""
        if self.listed is None:
            return np.zeros(0, np.int64)
        if isinstance(self.listed, Stream):
            head = prefetch_list(self.listed, entries)
        else:
            head = self.listed[:entries]
        return np.where(head < 0, -1, head + self.port.offset)
