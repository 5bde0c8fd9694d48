"""What goes into a network and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.sim.noc.state import (
    INDEX_BITS,
    P_FOLLOWING,
    QUEUE,
    QUEUE_END,
    QUEUED,
    Int,
    State,
)
from arraysmith.sim.noc.topology import Topology


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

    @classmethod
    def joined(cls, parts: list[Deliveries]) -> Deliveries:
        """Return several, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(x, name) for x in parts] or [np.zeros(0, np.int64)])
                for name in ("packet", "terminal", "cycle")
            )
        )


def check_terminals(topology: Topology, name: str, terminals: Int) -> None:
    """Refuse terminals that are not there, with InputError."""
    count = len(topology.terminals)
    wrong = terminals[(terminals < 0) | (terminals >= count)]
    if len(wrong):
        rule = f"terminals are numbered 0 to {count - 1}"
        raise InputError([Fault(name, str(int(wrong[0])), rule)])


def check_packets(flits: Int, tag: int) -> None:
    """Refuse packets that are too short or long, and tags out of range, with InputError."""
    wrong = flits[(flits < 1) | (flits >= 1 << INDEX_BITS)]
    if len(wrong):
        rule = f"must be 1 to {(1 << INDEX_BITS) - 1}"
        raise InputError([Fault("flits", str(int(wrong[0])), rule)])
    if not 0 <= tag < 1 << 16:
        raise InputError([Fault("tag", str(tag), "must be 0 to 65535")])


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
