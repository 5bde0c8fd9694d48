"""Clocks of several cores in one simulation: simulated time in ticks, of which each has its cycles.

A tick is so short that a cycle of every clock is a whole number of ticks; all clocks begin a cycle
in tick 0.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import lcm
from typing import Any

import simpy
from simpy.core import EventPriority, SimTime
from simpy.events import NORMAL


def tick_hz(clocks_hz: Sequence[int]) -> int:
    """Return the least number of ticks per second that makes every cycle whole ticks."""
    return lcm(*clocks_hz)


class ClockDomain(simpy.Environment):
    """Simulated time in cycles of one clock, on top of a simulation that counts ticks.

    What runs in it runs in the simulation below, at the same time. Its processes see whole cycles
    as long as they wait for each other and for times only; after waiting for anybody else they
    ``align``.
    """

    def __init__(self, below: simpy.Environment, ticks: int) -> None:
        """Take the simulation and the ticks of a cycle."""
        super().__init__()
        self.below = below
        self.ticks = ticks

    @property
    def now(self) -> SimTime:
        """The current cycle; inside of one, the next."""
        return -(-int(self.below.now) // self.ticks)

    def schedule(
        self, event: simpy.Event, priority: EventPriority = NORMAL, delay: SimTime = 0
    ) -> None:
        """Schedule an event in so many cycles."""
        self.below.schedule(event, priority, delay * self.ticks)

    def align(self) -> Generator[simpy.Event, Any, None]:
        """Wait for the beginning of a cycle."""
        late = int(self.now) * self.ticks - int(self.below.now)
        if late:
            yield self.below.timeout(late)
