"""What a network costs a transfer: the one place that knows buses from what may replace them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from arraysmith.arch.architecture import XyBus
from arraysmith.sim.cycle.boxes import Int


class Network(Protocol):
    """Carries one tensor's words between what is above the array and the PEs."""

    @property
    def rate(self) -> Fraction | None:
        """Words per cycle in each direction; None is unlimited."""
        ...

    @property
    def latency_cycles(self) -> int:
        """Cycles from the last word sent to the last word received."""
        ...

    def senders(self, instances: int, tiles: int) -> int:
        """Return the result tiles that arrive on top when ``instances`` PEs hold ``tiles`` of them.

        Args:
            instances: PEs that send.
            tiles: different tiles among theirs.
        """
        ...


@dataclass(frozen=True)
class Buses:
    """X and Y buses, one down and one up per tensor, so tensors never wait for each other here.

    Multicast and its reach are part of the transfer (``Nest.shifts``): the bus carries a word once
    for all PEs that share it.
    """

    bus: XyBus

    @property
    def rate(self) -> Fraction | None:
        """Words per cycle; None is unlimited."""
        return self.bus.words_per_cycle

    @property
    def latency_cycles(self) -> int:
        """Cycles along the bus."""
        return self.bus.latency_cycles

    def senders(self, instances: int, tiles: int) -> int:
        """Return one per different tile with reduction on the way, else one per PE."""
        return tiles if self.bus.reduction else instances


def rate_row(rate: Fraction | None) -> tuple[int, int]:
    """Return (numerator, denominator) for the kernels; (0, 1) is unlimited."""
    return (0, 1) if rate is None else (rate.numerator, rate.denominator)


def rate_rows(rates: list[Fraction | None]) -> Int:
    """Return int64 [n, 2] of ``rate_row``."""
    return np.array([rate_row(rate) for rate in rates], np.int64)


def whole_cycles(words: int, rate: Fraction | None) -> int:
    """Return the whole cycles that ``words`` take at ``rate``; 0 if it is unlimited."""
    return 0 if rate is None else -(-(words * rate.denominator) // rate.numerator)
