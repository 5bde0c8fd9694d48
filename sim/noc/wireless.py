"""A wireless medium on chip: every packet reaches every terminal, one at a time.

Beside the wires, not part of them: one channel, on which a transmission is heard by all (broadcast
and multicast cost the same). Two ways to share it (survey: Abadal et al., Medium Access Control in
Wireless Network-on-Chip, IEEE Communications Magazine, 2018):

- ``token``: the token goes round the terminals, ``token_cycles`` to the next; who has it and has
  something to send sends one packet, then passes it on. No collisions.
- ``contention``: a terminal sends when the channel is idle. Who begins in the same cycle collides:
  all of them know after ``detect_cycles`` (the channel is wasted until then) and wait a random
  number of slots of that length, 0 to 2^c - 1 after the c-th collision of a packet, c at most
  ``backoff_limit`` (binary exponential back-off).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arraysmith.arch.errors import Fault, InputError, nearest

ACCESSES = ("token", "contention")
"""Ways to share the medium."""


@dataclass(frozen=True, kw_only=True)
class Wireless:
    """A shared broadcast medium.

    Attributes:
        terminals: that hear each other.
        access: one of ``ACCESSES``.
        flit_cycles: cycles on the air per flit.
        token_cycles: from one terminal to the next.
        detect_cycles: from the begin of a collision until all know; also a back-off slot.
        backoff_limit: doublings of the back-off at most.
    """

    terminals: int
    access: str = "token"
    flit_cycles: int = 1
    token_cycles: int = 1
    detect_cycles: int = 2
    backoff_limit: int = 8

    def __post_init__(self) -> None:
        faults = [
            Fault(name, str(getattr(self, name)), "must be at least 1")
            for name in ("terminals", "flit_cycles", "token_cycles", "detect_cycles")
            if getattr(self, name) < 1
        ]
        if not 1 <= self.backoff_limit <= 30:
            faults.append(Fault("backoff_limit", str(self.backoff_limit), "must be 1 to 30"))
        if self.access not in ACCESSES:
            faults.append(Fault("access", self.access, "unknown", nearest(self.access, ACCESSES)))
        if faults:
            raise InputError(faults)

    def run(
        self,
        packets: Sequence[tuple[int, int, int]],
        rng: np.random.Generator,
        until: int | None = None,
    ) -> tuple[tuple[int, ...], int]:
        """Send packets and return the cycle in which each has been heard by all, and collisions.

        Args:
            packets: (source, flits, first cycle); those of one source leave in this order.
            rng: for the back-off.
            until: cycle from which nobody begins any more; None is never. What has not been sent
                then is heard in cycle -1.

        Raises:
            InputError: a packet without flits, before cycle 0, or of a terminal that is not there.
        """
        faults = []
        for i, (source, flits, when) in enumerate(packets):
            if not 0 <= source < self.terminals:
                rule = f"terminals are numbered 0 to {self.terminals - 1}"
                faults.append(Fault(f"packets[{i}]", str(source), rule))
            if flits < 1 or when < 0:
                rule = "needs at least a flit, and a cycle of at least 0"
                faults.append(Fault(f"packets[{i}]", f"{flits} flits at {when}", rule))
        if faults:
            raise InputError(faults)
        queues: list[list[int]] = [[] for _ in range(self.terminals)]
        for number, (source, _, _) in enumerate(packets):
            queues[source].append(number)
        for queue in queues:
            queue.reverse()  # the next is the last
        last = until if until is not None else 1 << 62
        if self.access == "token":
            return self._by_token(packets, queues, last), 0
        return self._by_contention(packets, queues, rng, last)

    def _by_token(
        self, packets: Sequence[tuple[int, int, int]], queues: list[list[int]], until: int
    ) -> tuple[int, ...]:
        """Return when each packet is heard, the token at terminal 0 in cycle 0."""
        heard = [-1] * len(packets)
        left, cycle, holder = len(packets), 0, 0
        while left and cycle < until:
            queue = queues[holder]
            if queue and packets[queue[-1]][2] <= cycle:
                number = queue.pop()
                cycle += packets[number][1] * self.flit_cycles
                heard[number] = cycle
                left -= 1
            elif all(not x or packets[x[-1]][2] > cycle for x in queues):
                # Nobody has anything yet: whole rounds pass until somebody may have.
                following = min(packets[x[-1]][2] for x in queues if x)
                rounds = (following - cycle) // (self.terminals * self.token_cycles)
                cycle += rounds * self.terminals * self.token_cycles
            holder = (holder + 1) % self.terminals
            cycle += self.token_cycles
        return tuple(heard)

    def _by_contention(
        self,
        packets: Sequence[tuple[int, int, int]],
        queues: list[list[int]],
        rng: np.random.Generator,
        until: int,
    ) -> tuple[tuple[int, ...], int]:
        """Return when each packet is heard, and how often several began at once."""
        heard = [-1] * len(packets)
        tried = [0] * len(packets)
        earliest = [packets[number][2] for number in range(len(packets))]
        free, collisions, left = 0, 0, len(packets)
        while left:
            fronts = [queue[-1] for queue in queues if queue]
            begin = max(free, min(earliest[number] for number in fronts))
            if begin >= until:
                break
            senders = [number for number in fronts if earliest[number] <= begin]
            if len(senders) == 1:
                number = senders[0]
                free = begin + packets[number][1] * self.flit_cycles
                heard[number] = free
                queues[packets[number][0]].pop()
                left -= 1
                continue
            collisions += 1
            free = begin + self.detect_cycles
            for number in senders:
                tried[number] = min(tried[number] + 1, self.backoff_limit)
                slots = int(rng.integers(0, 1 << tried[number]))
                earliest[number] = free + slots * self.detect_cycles
        return tuple(heard), collisions
