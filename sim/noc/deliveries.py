"""What goes into a network and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.errors import ArraysmithError
from arraysmith.sim.noc.state import P_FOLLOWING, QUEUE, QUEUE_END, QUEUED, Int, State


class NoProgressError(ArraysmithError):
    """A network in which nothing moves any more.

    Attributes:
        cycle: when that was certain.
        chain: who waits for what, each entry the reason of the one before.
    """

    def __init__(self, cycle: int, chain: tuple[str, ...]) -> None:
        self.cycle = cycle
        self.chain = chain
        super().__init__(f"no progress since before cycle {cycle}:\n  " + "\n  ".join(chain))


@dataclass(frozen=True, eq=False)
class Deliveries:
    """Packets delivered since the last call, in order of time; int64 [n] each.

    Attributes:
        packet: number that ``inject`` returned; of a reduction the packet that carries the sum.
        terminal: where it was delivered.
        cycle: in which its last flit was.
    """

    packet: Int
    terminal: Int
    cycle: Int


def append_to_queues(state: State, sources: Int, numbers: Int) -> None:
    """Link packets into the queues of their terminals, in order."""
    if not len(sources):
        return
    order = np.argsort(sources, kind="stable")
    at, queued = sources[order], numbers[order]
    same = at[1:] == at[:-1]
    state.table[queued[:-1][same], P_FOLLOWING] = queued[1:][same]
    starts = np.flatnonzero(np.concatenate(([True], ~same)))
    ends = np.concatenate((starts[1:], [len(at)])) - 1
    terminals = at[starts]
    empty = state.ends[terminals, QUEUE] < 0
    state.ends[terminals[empty], QUEUE] = queued[starts[empty]]
    last = state.ends[terminals[~empty], QUEUE_END]
    state.table[last, P_FOLLOWING] = queued[starts[~empty]]
    state.ends[terminals, QUEUE_END] = queued[ends]
    state.now[QUEUED] += len(at)


def longer(array: Int, length: int) -> Int:
    """Return an array with at least ``length`` entries, its content kept, the rest zero."""
    if len(array) >= length:
        return array
    found = np.zeros((max(length, 2 * len(array)), *array.shape[1:]), np.int64)
    found[: len(array)] = array
    return found
