"""What periodic transfers make a port wait: whole cycles each, in windows, taking turns.

A memory's traffic in steady state is a set of transfers, each once per period: so many cycles of
the port, to be done in a window at the start of the period. Periods are products of inner loops of
one nest, so that of two periods one divides the other. The model is that of Mei et al., "A Uniform
Latency Model for DNN Accelerators with Diverse Architectures and Dataflows", DATE 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transfer:
    """One stream through a port.

    Attributes:
        cycles: that the port is busy, per period; whole cycles, the last one partly used.
        window: cycles of a period in which the data may move; 1 to ``period``.
        period: cycles from one transfer to the next; a multiple of every shorter period of its
            port.
        count: periods in the run.
    """

    cycles: int
    window: int
    period: int
    count: int

    @property
    def shortage(self) -> int:
        """Cycles that are missing in the windows of the run; negative when there is slack.

        The first transfer is the run's first fill (or last drain) and not counted here.
        """
        return (self.cycles - self.window) * (self.count - 1)


def port_wait(transfers: Sequence[Transfer]) -> int:
    """Return the cycles that the array waits for a port that serves ``transfers`` in turn.

    What each lacks by itself adds up; slack of the others makes up for overlapping windows only as
    far as their union reaches. Negative for a single transfer with slack.
    """
    if not transfers:
        return 0
    if len(transfers) == 1:
        return transfers[0].shortage
    missing = sum(max(0, x.shortage) for x in transfers)
    slack = sum(min(0, x.shortage) for x in transfers)
    windows = sum(x.window * (x.count - 1) for x in transfers)
    return missing + max(0, slack + windows - windows_union(transfers))


def windows_union(transfers: Sequence[Transfer]) -> int:
    """Return in how many cycles of the run at least one window is open; all begin together."""
    for transfer in transfers:
        if transfer.window == transfer.period:
            return transfer.period * transfer.count
    nested = sorted((x.period, x.window) for x in transfers)
    longest = max(transfers, key=lambda x: x.period)
    return _open(nested, longest.period) * longest.count


def _open(nested: list[tuple[int, int]], cycles: int) -> int:
    """Return the cycles among the first ``cycles`` in which a window is open.

    Args:
        nested: (period, window), shortest period first, each period a multiple of the one before.
        cycles: at most the last period.
    """
    if not nested or not cycles:
        return 0
    *inner, (period, window) = nested
    whole, rest = divmod(cycles, period)
    found = 0
    for turns, length in ((whole, period), (1, rest)):
        beyond = _open(inner, length) - _open(inner, min(length, window))
        found += turns * (min(length, window) + beyond)
    return found
