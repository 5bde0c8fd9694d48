"""What the processes of a spatial run are at: tiles on their way, milestones, transfers under way.

The processes of ``engine`` keep it; ``repeats`` compares it between two moments and moves it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import simpy

from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.tree import O
from arraysmith.sim.cycle.offchip.protocol import Timing
from arraysmith.sim.cycle.offchip.schedule import Epoch, Epochs, Jump, Order, Program

V = TypeVar("V")

RELEASE, NEAR, ROOM, TRANSFER = "phase", "near", "out", "transfer"
"""What a channel waits for: a phase to end, the cycle in which the near side is ready, results to
leave, its own transfer."""


@dataclass(slots=True)
class Doing:
    """What a DMA channel is at.

    Attributes:
        order: the transfer.
        stage: what it waits for.
        asked: cycle in which it came to this order.
        until: cycle up to which it waits, where that is known.
        arrived: cycle in which the last word of its transfer arrives.
        landing: cycle in which the last word comes in through the port by which results leave, as
            far as that was known when it left off-chip memory.
        why: chain of its transfer.
        before: chain of the transfer before.
    """

    order: Order | None = None
    stage: str = RELEASE
    asked: int = 0
    until: int = 0
    arrived: int = 0
    landing: int = 0
    why: int = 0
    before: int = 0

    def begin(self, timing: Timing) -> None:
        """Note when a transfer that begins ends."""
        self.until, self.arrived = timing.left, timing.arrived


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """An epoch that somebody has in hand.

    Attributes:
        tensor: its code.
        epoch: the epoch; None: there is none left.
        release: phase before whose end nothing happens to it; None: it only tells how far its
            stream is.
        waits: whether it does nothing but wait for that.
    """

    tensor: int
    epoch: Epoch | None
    release: int | None
    waits: bool


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where all processes are at one moment.

    Attributes:
        numbers: per tensor, number of the next epoch of the array.
        index: turns of all loops in time.
        fixed: all that does not depend on which tensors a loop moves, counted from the moment.
        pending: what is in anybody's hand, in a fixed order.
    """

    numbers: tuple[int, ...]
    index: tuple[int, ...]
    fixed: tuple[object, ...]
    pending: tuple[Pending, ...]

    def moves_to(self, later: Place) -> tuple[int, ...]:
        """Return the epochs of each tensor up to a later moment."""
        return tuple(b - a for a, b in zip(self.numbers, later.numbers, strict=True))

    def relative(
        self, loop: int, turn: int, phase: int, moves: tuple[int, ...]
    ) -> tuple[object, ...] | None:
        """Return all of it as seen from a turn of a loop; None if it cannot repeat.

        Args:
            loop: that has just turned.
            turn: of it.
            phase: that begins.
            moves: per tensor, whether the loop moves it: then its epochs count from here.
        """
        parts: list[object] = []
        for x in self.pending:
            if x.epoch is None:
                parts.append(None)
                continue
            index, release = x.epoch.index.tolist(), x.release
            number, first = x.epoch.number, x.epoch.first
            if moves[x.tensor] and tuple(index[:loop]) == self.index[:loop]:
                index[loop] -= turn
                number, first = number - self.numbers[x.tensor], first - phase
                release = None if release is None else release - phase
            elif not x.waits:
                return None
            parts.append((number, first, release, x.epoch.turned, tuple(index)))
        return (self.fixed, *parts)

    def times(
        self, loop: int, phase: int, moves: tuple[int, ...], last: int, period: int, phases: int
    ) -> int:
        """Return how many periods may be skipped.

        Args:
            loop: that has just turned.
            phase: that begins.
            moves: per tensor, whether the loop moves it.
            last: turn of it up to which all are alike.
            period: turns of a period.
            phases: phases of a period.
        """
        found = (last - self.index[loop]) // period
        for x in self.pending:
            if x.epoch is None:
                continue
            index = x.epoch.index.tolist()
            if moves[x.tensor] and tuple(index[:loop]) == self.index[:loop]:
                found = min(found, (last - index[loop]) // period)
            elif x.release is not None:  # nothing may come of it before
                found = min(found, (x.release - phase) // phases - 1)
        return found


@dataclass
class Progress:
    """What all processes of a run are at.

    Attributes:
        coming: per tensor, the epochs of the array.
        upcoming: per tensor, its next epoch; None: there is none left.
        programs: of the channels, by name.
        doing: of those that are not through.
        arrived: succeeds when the tile (tensor, number) is in. Made by who comes first, as the
            next two.
        left: succeeds when the results of an epoch have left.
        ran: succeeds when a phase ran.
        landing: of tiles on their way or in, that the array has not taken: cycle and chain.
        milestones: of phases that channels may still ask for, ascending.
        out: results that have left so far.
        finished: cycle in which the last of them were written.
    """

    coming: list[Epochs]
    upcoming: list[Epoch | None]
    programs: dict[str, Program] = field(default_factory=dict)
    doing: dict[str, Doing] = field(default_factory=dict)
    arrived: dict[tuple[int, int], simpy.Event] = field(default_factory=dict)
    left: dict[int, simpy.Event] = field(default_factory=dict)
    ran: dict[int, simpy.Event] = field(default_factory=dict)
    landing: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    milestones: dict[int, Int] = field(default_factory=dict)
    out: int = 0
    finished: int = 0

    def asked_from(self, default: int) -> int:
        """Return the phase before which no channel asks for milestones any more."""
        releases = [x.order.release if x.order else -1 for x in self.doing.values()]
        return min(releases, default=default)

    def forget(self) -> None:
        """Drop the milestones that no channel will ask for again: releases never fall."""
        asked = self.asked_from(-1)
        while self.milestones and (first := next(iter(self.milestones))) < asked:
            del self.milestones[first]

    def place(self, now: int, phase: int, cause: int, index: Int) -> Place:
        """Return where everybody is before a phase begins in cycle ``now``.

        Args:
            now: cycle.
            phase: that begins.
            cause: chain of waiting for it; 0 if nothing waits.
            index: int64 [loops in time], turns.
        """
        numbers = []
        for stream, epoch in zip(self.coming, self.upcoming, strict=True):
            assert stream.last is not None
            numbers.append(stream.last.number + (epoch is None))
        fixed: list[object] = [cause, self.out - numbers[O], min(numbers[O], 2), *self.doing]
        fixed.append(max(0, self.finished - now))
        for x in self.doing.values():
            waits = [max(0, cycle - now) for cycle in (x.until, x.arrived, x.landing)]
            fixed.append((x.stage, *waits, x.why, x.before, x.asked < now))
        for (t, number), (cycle, why) in sorted(self.landing.items()):
            later = cycle > now
            fixed.append((t, number - numbers[t], later and cycle - now, later and why))
        asked = self.asked_from(phase)
        for at, found in self.milestones.items():
            if at >= asked:
                fixed.append((at - phase, *(max(0, x - now) for x in found.tolist())))
        return Place(tuple(numbers), tuple(index.tolist()), tuple(fixed), tuple(self._pending()))

    def jump(self, jump: Jump) -> None:
        """Move on by turns that are not simulated."""
        static = {
            x.order.release
            for x in self.doing.values()
            if x.order and not jump.moves(x.order.tensor, x.order.epoch)
        }
        for x in self.doing.values():
            x.order = x.order and jump.order(x.order)
        for program in self.programs.values():
            program.jump(jump)
        for t, epoch in enumerate(self.upcoming):
            self.coming[t].jump(jump)
            self.upcoming[t] = epoch and jump.epoch(t, epoch)
        for table in (self.arrived, self.landing):
            _rename(table, lambda x: (x[0], x[1] + jump.epochs[x[0]]))
        _rename(self.left, lambda x: x + jump.epochs[O])
        _rename(self.ran, lambda x: x if x in static else x + jump.phases)
        _rename(self.milestones, lambda x: x + jump.phases)
        self.out += jump.epochs[O]

    def _pending(self) -> Iterator[Pending]:
        for t, epoch in enumerate(self.upcoming):
            yield Pending(t, epoch, None if epoch is None else epoch.first, True)
        for name, x in self.doing.items():
            if x.order:
                stage = x.stage == RELEASE
                yield Pending(x.order.tensor, x.order.epoch, x.order.release, stage)
            for part in self.programs[name].parts:
                t, head = part.epochs.tensor, part.head
                if head:
                    yield Pending(t, head.epoch, head.release, True)
                    yield Pending(t, part.epochs.last, None, True)
                else:
                    yield Pending(t, None, None, True)


def _rename(table: dict[Any, V], name: Callable[[Any], object]) -> None:
    found = [(name(key), value) for key, value in table.items()]
    table.clear()
    table.update(found)
