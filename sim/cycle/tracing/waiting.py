"""What waits for what: told to a probe while a run goes on, and to the user when it does not."""

from __future__ import annotations

import numpy as np

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.array import columns
from arraysmith.sim.cycle.array.blame import (
    FIRST_LINK,
    W_CHAIN,
    W_CYCLE,
    W_CYCLES,
    W_STEP,
    WAIT,
)
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.probe import Chains, Probe

MOST_AT_ONCE = 3
"""Waits before one step."""

ARRAY = "array"
"""Who waits, beside the channels, which are called ``in``, ``out`` or ``both``."""


class NoProgressError(ArraysmithError):
    """A simulation in which everybody waits and nothing is under way.

    Attributes:
        cycle: in which the last thing happened.
        chain: what the array waits for, what that waits for, and so on.
    """

    def __init__(self, cycle: int, chain: tuple[str, ...], array: str = "array") -> None:
        """Take the cycle, the chain, and the name of the array if there are several."""
        self.cycle = cycle
        self.chain = chain
        waiting = " <- ".join((array, *chain))
        super().__init__(f"the simulation makes no progress after cycle {cycle:,}: {waiting}")


def standing_chain(
    standing: dict[str, tuple[str, int, int]], *, one_channel: bool
) -> tuple[str, ...]:
    """Return what the array (or a channel) waits for, what that waits for, and so on.

    Args:
        standing: who waits, and for what: (what, tensor or -1, tile or phase); not empty.
        one_channel: whether off-chip reads and writes take turns.
    """
    who, found = ARRAY if ARRAY in standing else next(iter(standing)), []
    waiting = dict(standing)
    while who in waiting:
        what, t, number = waiting.pop(who)
        name = f"{TENSORS[t]} tile {number}"
        if what == "transfer":
            found.append(f"channel_{who}: the transfer of {name} does not end")
            return tuple(found)
        if what == "phase":
            found.append(f"channel_{who}: phase {number} to end")
            who = ARRAY
            continue
        found.append(f"{name} to come in" if what == "in" else f"room for {name}")
        who = "both" if one_channel else what
    return (*found, f"{who}, that waits as well" if who in standing else f"{who}: idle")


class Waits:
    """Hands the waits that the kernel notes to a probe.

    Attributes:
        room: int64 [n, blame.WAIT], where the kernel writes them.
    """

    def __init__(self, probe: Probe, names: tuple[str, ...], most: int) -> None:
        """Take who is told, the names of the causes by code, and how many waits to tell at once."""
        self.room = np.empty((max(most, MOST_AT_ONCE), WAIT), np.int64)
        self._probe = probe
        self._names = names

    def tell_full(self, state: Int) -> None:
        """Tell the waits if there is no room for those of one more step."""
        if state[columns.WAITS] + MOST_AT_ONCE > len(self.room):
            self.tell(state)

    def tell(self, state: Int) -> None:
        """Tell the waits that the kernel has noted; ``state`` is its own."""
        many = int(state[columns.WAITS])
        if many == 0:
            return
        found = self.room[:many].copy()
        state[columns.WAITS] = 0
        self._probe.stalls(
            found[:, W_CYCLE].copy(),
            found[:, W_CYCLES].copy(),
            found[:, W_CHAIN] & FIRST_LINK,
            self._names,
            Chains(found[:, W_STEP].copy(), found[:, W_CHAIN].copy()),
        )
