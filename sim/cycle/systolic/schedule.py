"""Where the folds stand on the one line of array time of a layer.

The distances that the array itself asks for are in ``sim.fold_times``. Memory asks for more where
folds overlap: a load or a chunk of results may be needed only when the array has passed what it
takes the place of; otherwise the array would wait for room that only its own progress can make.
All of it follows from the design and the mapping, never from a bandwidth or a wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from arraysmith.arch.problem import OFMAP, TENSORS
from arraysmith.sim.cycle.systolic.plan import FREE, OPERANDS, Meeting, Plan, Plans
from arraysmith.sim.cycle.systolic.wave import StepTimes, Wave
from arraysmith.sim.fold_times import FoldTimes
from arraysmith.sim.folding import Fold, Folding


@dataclass(frozen=True, slots=True)
class Placed:
    """A fold and its place.

    Attributes:
        number: counted from 0.
        fold: the fold.
        plan: what it meets.
        start: array cycle in which lane 0 takes step 0.
        meetings: those of the plan in array cycles of the run.
    """

    number: int
    fold: Fold
    plan: Plan
    start: int
    meetings: list[Meeting]

    @property
    def begin(self) -> int:
        """Array cycle of its first word at an edge, or of the first row it could load."""
        return self.start - self.plan.wave.lead

    @property
    def end(self) -> int:
        """Array cycle after its last one."""
        return self.begin + self.plan.wave.cycles


class Schedule:
    """Places all folds, one after the other; holds what a fold needs, whatever their number.

    Attributes:
        end: array cycle after the last one; known when all folds are placed.
        gaps: array cycles by which memory delays the folds, by tensor; then, too.
    """

    def __init__(
        self, folding: Folding, steps: StepTimes, plans: Plans, ahead: dict[str, int]
    ) -> None:
        """Take what decides.

        Args:
            folding: gives the folds.
            steps: when lane 0 takes the steps.
            plans: of the folds.
            ahead: per tensor, loads or chunks that have a place before any has been used up.
        """
        self._folding = folding
        self._times = FoldTimes(folding)
        self._steps = steps
        self._plans = plans
        self._rooms = {tensor: _Room(ahead[tensor]) for tensor in TENSORS}
        self._chunk = self._chunks = 0
        self._apart: dict[tuple[int, int], tuple[int, int]] = {}
        self.end = 0
        self.gaps = dict.fromkeys(TENSORS, 0)

    def placed(self) -> Iterator[Placed]:
        """Yield the folds in order, each once."""
        steps, times, plain = self._folding.steps, self._times, 0
        plain_end = 0
        before: Placed | None = None
        for number, fold in enumerate(self._folding.folds()):
            plan = self._plans.of(fold)
            used, lead = plan.wave.used, plan.wave.lead
            if before is None:
                start, plain = lead, times.lead(used)
                self._charge(start - plain, None)
            else:
                apart, ideal = self._distances(before.plan.wave, plan.wave)
                self._charge(apart - ideal, None)
                start, plain = before.start + apart, plain + ideal
                if times.overlapped:
                    start = self._room(plan, start)
            before = Placed(number, fold, plan, start, self._meetings(number, plan, start))
            if times.overlapped:
                self._enter(plan, start)
            self.end = max(self.end, before.end)
            plain_end = max(plain_end, plain + times.tail(used, steps))
            yield before
        self._charge(self.end - plain_end - sum(self.gaps.values()), None)

    @property
    def cycles(self) -> int:
        """Array cycles without the gaps; known when all folds are placed."""
        return self.end - sum(self.gaps.values())

    def _distances(self, wave: Wave, after: Wave) -> tuple[int, int]:
        """Return the cycles between the starts of two folds, with and without gaps in them."""
        key = wave.number, after.number
        found = self._apart.get(key)
        if found is None:
            steps, lead = self._folding.steps, self._times.lead(after.used)
            found = self._apart[key] = (
                self._times.distance(wave.used, after.used, self._steps.length, after.lead),
                self._times.distance(wave.used, after.used, steps, lead),
            )
        return found

    def _room(self, plan: Plan, start: int) -> int:
        """Return the first start from ``start`` on at which everything that is needed has room."""
        for tensor in TENSORS:
            needs = plan.opens if tensor == OFMAP else plan.needs[tensor]
            back = plan.waits_for if tensor == OFMAP else None
            earliest = self._rooms[tensor].earliest(needs, back)
            if earliest > start:
                self._charge(earliest - start, tensor)
                start = earliest
        return start

    def _meetings(self, number: int, plan: Plan, start: int) -> list[Meeting]:
        if plan.opens:
            self._chunk = self._chunks
            self._chunks += len(plan.opens)
        found, base = [], self._chunk
        for cycle, order, _, rank, tensor, chunk, part, words, last in plan.meetings:
            when = start + cycle
            if order == FREE and tensor != OFMAP:
                when = max(when, self._rooms[tensor].last_free)
            at = when, order, number, rank
            found.append(Meeting(*at, tensor, base + chunk, part, words, last))
        return found

    def _enter(self, plan: Plan, start: int) -> None:
        for tensor in OPERANDS:
            self._rooms[tensor].use(plan.needs[tensor], plan.frees[tensor], start, in_turn=True)
        self._rooms[OFMAP].use(plan.opens, plan.closes, start, in_turn=False)

    def _charge(self, cycles: int, tensor: str | None) -> None:
        """Count cycles that memory costs; gaps between chunks are shared as they come in a fold."""
        if cycles == 0:
            return
        if tensor is not None:
            self.gaps[tensor] += cycles
            return
        for name in (*self._steps.gaps, *TENSORS) if cycles > 0 else ():
            part = min(cycles, self._steps.gaps.get(name, 0))
            self.gaps[name] += part
            cycles -= part
        if cycles > 0:
            # More than the streaming operands explain: the stationary one was loaded with gaps.
            self.gaps[self._steps.stationary or OFMAP] += cycles
        for name in TENSORS if cycles < 0 else ():
            # A gap that a longer tail of an earlier fold hides.
            part = min(-cycles, self.gaps[name])
            self.gaps[name] -= part
            cycles += part


class _Room:
    """When places of one memory become free in array time.

    Attributes:
        last_free: latest cycle in which one became free.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._needed = 0
        self._last_need = 0
        self._freed: deque[int] = deque()
        self._forgotten = 0
        self.last_free = 0

    def earliest(self, needs: tuple[int, ...], back: int | None) -> int:
        """Return the earliest start of a fold that needs places in the given cycles of it.

        Needs come in order: none before one of an earlier fold.

        Args:
            needs: cycles from its start.
            back: how many uses before has to have ended; None: as many as have a place.
        """
        found = self._last_need - needs[0] if needs else 0
        for number, need in enumerate(needs, self._needed - (back or self._ahead)):
            index = number - self._forgotten
            # What is not freed yet is freed within the fold, in time (``StepTimes``).
            if 0 <= index < len(self._freed):
                found = max(found, self._freed[index] - need)
        return found

    def use(
        self, needs: tuple[int, ...], frees: tuple[int, ...], start: int, *, in_turn: bool
    ) -> None:
        """Take the places of a fold that starts in array cycle ``start``.

        Args:
            needs: cycles from its start in which it needs places.
            frees: cycles in which places become free.
            start: of the fold.
            in_turn: whether no place is free before all those of earlier folds are.
        """
        self._needed += len(needs)
        if needs:
            self._last_need = start + needs[-1]
        for free in frees:
            self._freed.append(max(start + free, self.last_free) if in_turn else start + free)
            self.last_free = max(self.last_free, self._freed[-1])
        while self._freed and self._forgotten < self._needed - self._ahead:
            self._freed.popleft()
            self._forgotten += 1
