"""What an array waits for, cause by cause over the time of a run, in a bounded number of bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.probe import Chains
from arraysmith.sim.waits import WaitTotals

Int = NDArray[np.int64]

MOST_BINS = 256
"""Bins of a run, however long it is; an even number."""


@dataclass(frozen=True, slots=True)
class WaitBins:
    """Cycles of waiting over time.

    Attributes:
        cycles: of the run.
        bin_cycles: of each bin; the last one may be shorter.
        causes: that cost a cycle, in the order in which the simulator names them.
        waiting: per cause and bin, cycles in which the array waits for it.
    """

    cycles: int
    bin_cycles: int
    causes: tuple[str, ...]
    waiting: tuple[tuple[int, ...], ...]


class WaitProfile(WaitTotals):
    """Waits added up by chain, and by cause over time; a probe like its base. Picklable.

    Bins are a power of two of cycles long: when a run outgrows them, pairs become one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._width = 1
        self._bins = np.zeros((0, MOST_BINS), np.int64)

    def stalls(
        self,
        clock_cycle: Int,
        cycles: Int,
        cause: Int,
        names: tuple[str, ...],
        chains: Chains | None = None,
    ) -> None:
        """Add waits, which do not overlap: see ``sim.probe.Probe``."""
        super().stalls(clock_cycle, cycles, cause, names, chains)
        if not len(cycles):
            return
        if not len(self._bins):
            self._bins = np.zeros((len(names), MOST_BINS), np.int64)
        end = int((clock_cycle + cycles).max())
        self._hold(end)
        edges = np.arange(MOST_BINS + 1) * self._width
        for number in np.unique(cause).tolist():
            mine = np.flatnonzero(cause == number)
            mine = mine[np.argsort(clock_cycle[mine], kind="stable")]
            starts, lengths = clock_cycle[mine], cycles[mine]
            waited = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
            begun = np.searchsorted(starts, edges)  # waits that have begun before each edge
            last = np.maximum(begun - 1, 0)
            beyond = np.maximum(0, starts[last] + lengths[last] - edges)
            before = waited[begun] - np.where(begun > 0, beyond, 0)
            self._bins[number] += np.diff(before)

    def _hold(self, cycles: int) -> None:
        """Make bins longer until they hold so many cycles."""
        while cycles > MOST_BINS * self._width:
            pairs = self._bins.reshape(len(self._bins), MOST_BINS // 2, 2).sum(axis=2)
            self._bins = np.concatenate((pairs, np.zeros_like(pairs)), axis=1)
            self._width *= 2

    def over_time(self, cycles: int) -> WaitBins:
        """Return the cycles of waiting over a run of so many cycles."""
        self._hold(cycles)  # a run may go on long after its last wait
        bins = max(1, -(-cycles // self._width))
        chosen = [(name, row) for name, row in zip(self._names, self._bins, strict=False)
                  if row.any()]  # fmt: skip
        return WaitBins(
            cycles,
            self._width,
            tuple(name for name, _ in chosen),
            tuple(tuple(row[:bins].tolist()) for _, row in chosen),
        )
