"""Phases that begin as an earlier one did are not run again on the chip: their end is recalled.

What the kernel does in a phase follows from five things only, and from nothing else: neither from
off-chip memory nor from how far the loops are.

* The state of the chip as seen from the present (``repeats.relative_state``, where it says why what
  is past does not count).
* What the turns within it move. They are looked up by the turns of all loops, those outside the
  phase too: turns of these count as one kind if everything that is looked up for them is equal
  (``repeats.alike_turns``). Where tiles do not divide, what is left of every dim counts as well.
* The loop that turns to the phase: it says which tiles are new.
* The loop that turns next: results whose tile changes then leave at the end of the phase.
* When the phase may begin, which is when its last off-chip word is in.

So where all that is equal to what it was for a phase that ran, the chip is left as that one left
it, later by as much as this one begins later; words, patterns and stalls are what that one added.
Numbers of epochs become those of the earlier phase: the kernel takes differences of them only. What
surrounds the chip, the border and the memory behind it, is simulated as ever, and may be anything.

Behind a DRAM, words come in a little earlier or later every time. When a phase may begin has to be
the same in two cases only if it matters:

* It may begin while the phase before still computes, and no transfer of it waited for that: each
  could move later only (``columns.EARLIEST``). Then it may begin at any time before the first of
  them could move. Times count from when the phase before ends, and past is what is not later than
  when that one began to compute, or than this one may begin if that is earlier: so what is past
  for a phase is past for all that follow.
* The phase before is over, and the chip waits for words. What it begins with is seen from when
  it may. Of how long it has waited by then, only comparisons with how long transfers take make
  use, and only before its first step: if it has waited as long as the longest of them
  (``columns.LONGEST``), they end as for any longer wait. The wait itself is added to the stalls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from numba import njit

from arraysmith.sim.cycle.array.blame import FIRST_LINK
from arraysmith.sim.cycle.array.columns import (
    ARRIVED,
    AT_MACS,
    COMPUTED,
    E_DRAINED,
    E_LEFT,
    E_READY,
    E_ROOM,
    EARLIEST,
    LANDED,
    LONGEST,
    OPENING,
    OVER,
    PHASE_LOOPS,
    RAGGED,
    READ_LEFT,
    STARTED,
    STEP,
    TENSOR,
    TURNED,
    VISITS,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.array.routes import USES
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.tree import IN_TIME, NUMBER, TILE, O
from arraysmith.sim.cycle.nest.turns import next_turn
from arraysmith.sim.cycle.repeats import (
    alike_turns,
    relative_state,
    room_for,
    tile_drift,
    understood,
)

LEAST_STEPS = 32
"""Steps of a phase below which running it is as quick as recalling it."""

PATIENCE = 4
"""As many times the phases that are remembered may run in a row, none of which is recalled; then
nothing is remembered any more."""

NEVER = 1 << 62
"""Cycles: after the end of any run."""

HEAD = 3
"""Numbers of a key before the kinds of turns: loop that has turned, loop that turns next, cause."""

Arrays = tuple[Int, Int, Int, Int, Int, Int, Int, Int]
"""Copies of what a phase changes: edges, epochs, rows of visits, memories, ports, buses,
channels, parts of ports; see ``columns.Clocks`` and ``holding.Wires``."""


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """How a phase ended.

    Attributes:
        least: it ends so if it may begin at least so many cycles after the phase before ends ...
        most: ... and at most so many; negative: before that.
        after: as many as it did.
        origin: cycle from which times count.
        index: int64 [loops in time], turns of those outside it.
        arrays: what it left.
        computed: cycle in which its last step ended.
        steps: that it took.
        counts: what it added to stalls, words and uses of patterns.
    """

    least: int
    most: int
    after: int
    origin: int
    index: Int
    arrays: Arrays
    computed: int
    steps: int
    counts: tuple[Int, ...]


class Recall:
    """Remembers phases of one run.

    Attributes:
        recalled: phases that were not run.
    """

    def __init__(
        self,
        machine: Machine,
        plan: Plan,
        clocks: Clocks,
        counts: tuple[Int, ...],
        most_kept: int,
    ) -> None:
        """Take a design and what its run changes.

        Args:
            machine: the mapped design.
            plan: of its kernel.
            clocks: of its kernel; changed where a phase is recalled.
            counts: arrays that the kernel adds to, beside the uses of patterns; the first one has
                the stalls; changed.
            most_kept: phases that are remembered, the last ones.
        """
        self.recalled = 0
        self._before = 0  # cycle in which the phase before began to compute
        uses = clocks[7][USES]
        assert isinstance(uses, np.ndarray)
        self._plan, self._clocks, self._counts = plan, clocks, (*counts, uses)
        self._most, self._left = most_kept, PATIENCE * most_kept
        tree = machine.tree
        outer = tree.phase_loops
        steps = prod(x.count for x in tree.time[outer : tree.step_loops])
        if steps < LEAST_STEPS or not understood(plan, clocks):
            self._left = 0
        if self._left:
            alike = alike_turns(machine)[:outer]
            self._kinds = np.zeros((outer, max(map(len, alike), default=1)), np.int64)
            for row, last in zip(self._kinds, alike, strict=True):
                row[: len(last)] = last
            self._drift = tile_drift(machine)
            again, edges = plan[5], plan[4]
            back = (edges[:, TENSOR] == O) & (edges[:, AT_MACS] == 0) & (again >= 0).any(axis=1)
            self._visited = np.flatnonzero(back)
            dims = len(plan[2]) if machine.ragged else 0
            self._key = np.empty(HEAD + outer + dims + room_for(plan, clocks), np.int64)
        self._ends: dict[bytes, _End] = {}

    @property
    def kept(self) -> int:
        """Phases that are remembered now."""
        return len(self._ends)

    def run(self, start: int, cause: int, kernel: Callable[[], bool]) -> bool:
        """Do a phase; return whether it was the last one.

        Args:
            start: cycle in which it may begin.
            cause: chain of what the chip waits for before it.
            kernel: runs it and returns whether it was the last one.
        """
        state = self._clocks[0]
        computed = int(state[COMPUTED])
        after = start - computed
        past = start if after > 0 else min(start, self._before)
        self._before = max(start, computed)
        if not self._left or state[TURNED] < 0:
            return kernel()
        begin_key(start, past, cause, self._plan, self._clocks, self._kinds, self._drift, self._key)
        if self._key[1] < 0:  # what follows the last phase is not looked at
            return kernel()
        key = self._key.tobytes()
        exactly = key + after.to_bytes(8, "little", signed=True)
        for known in (key, exactly):
            found = self._ends.get(known)
            if found is not None and found.least <= after <= found.most:
                self._ends[known] = self._ends.pop(known)  # the last ones are kept
                self._left = PATIENCE * self._most
                self.recalled += 1
                self._put(found, start, after, cause & FIRST_LINK)
                return False
        step, before = int(state[STEP]), [x.copy() for x in self._counts]
        turns = self._clocks[1].copy()
        state[EARLIEST], state[LONGEST] = NEVER, 0
        over = kernel()
        least, most = after, after
        if after > 0 and after >= state[LONGEST]:
            least, most = int(state[LONGEST]), NEVER
        elif after <= 0 and start < state[EARLIEST]:
            least, most = -NEVER, min(0, int(state[EARLIEST]) - computed - 1)
        self._left -= 1
        self._ends[key if least < most else exactly] = _End(
            least,
            most,
            after,
            max(start, computed),
            turns,
            self._copies(),
            int(state[COMPUTED]),
            int(state[STEP]) - step,
            tuple(x - y for x, y in zip(self._counts, before, strict=True)),
        )
        if len(self._ends) > self._most or not self._left:
            del self._ends[next(iter(self._ends))]
        return over

    def _copies(self) -> Arrays:
        _, _, _, known, epochs, visits, memories, wires = self._clocks
        return (
            known.copy(),
            epochs.copy(),
            visits[self._visited],
            memories.copy(),
            wires[0].copy(),
            wires[4].copy(),
            wires[15].copy(),
            wires[19].copy(),
        )

    def _put(self, end: _End, start: int, after: int, cause: int) -> None:
        """Leave the chip as an earlier phase did, as much later as this one begins later."""
        state, index = self._clocks[0], self._clocks[1]
        later = max(start, start - after) - end.origin
        drift = self._drift @ (index - end.index) % VISITS
        put_end(later, end.arrays, drift[self._visited], self._visited, self._plan, self._clocks)
        state[COMPUTED] = end.computed + later
        state[STEP] += end.steps
        for total, more in zip(self._counts, end.counts, strict=True):
            np.add(total, more, out=total)
        if after > 0:
            self._counts[0][cause] += after - end.after


@njit(cache=True, nogil=True)
def begin_key(
    start: int,
    past: int,
    cause: int,
    plan: Plan,
    clocks: Clocks,
    kinds: Int,
    drift: Int,
    out: Int,
) -> None:
    """Write what the end of the next phase follows from, but for when it may begin.

    Args:
        start: cycle in which it may begin.
        past: what is not later than this cycle counts as past; not after ``start``.
        cause: chain of what the chip waits for before it.
        plan: see ``Plan``.
        clocks: see ``Clocks``.
        kinds: int64 [loops outside a phase, turns], kind of each turn.
        drift: see ``repeats.tile_drift``.
        out: int64, written; [1] is negative before the last phase.
    """
    loops, many, size, numbers = plan[0], plan[1], plan[2], plan[3]
    state, index, limits = clocks[0], clocks[1], clocks[2]
    outer, ragged = numbers[PHASE_LOOPS], numbers[RAGGED] == 1
    out[0] = state[TURNED]
    out[1] = next_turn(loops, many, size, index.copy(), limits.copy(), outer, ragged)
    out[2] = cause & FIRST_LINK if start > state[COMPUTED] else -1
    n = HEAD
    for j in range(outer):
        out[n] = kinds[j, index[j]]
        n += 1
    if ragged:
        _write_left(loops, many, size, index, outer, out[n : n + len(size)])
        n += len(size)
    shift = np.zeros(len(drift), np.int64)
    for k in range(len(drift)):
        for j in range(outer):
            shift[k] += drift[k, j] * index[j]
        shift[k] %= VISITS
    relative_state(past, shift, plan, clocks, out[n:])
    if start > state[COMPUTED]:
        out[n] = -1  # how long it waits


@njit(cache=True, nogil=True)
def _write_left(loops: Int, many: Int, size: Int, index: Int, outer: int, out: Int) -> None:
    """Write what the leading instance has left of every dim inside the first loops in time."""
    for d in range(len(size)):
        extent = size[d]
        for k in range(many[d]):
            tile = loops[d, k, TILE]
            if not loops[d, k, IN_TIME]:
                extent = min(tile, extent)
            elif loops[d, k, NUMBER] < outer:
                extent = min(tile, extent - index[loops[d, k, NUMBER]] * tile)
            else:
                break
        out[d] = extent


@njit(cache=True, nogil=True)
def put_end(
    later: int, arrays: Arrays, drift: Int, visited: Int, plan: Plan, clocks: Clocks
) -> None:
    """Put the chip where an earlier phase left it.

    Args:
        later: cycles from then to now.
        arrays: what it left.
        drift: int64 [len(visited)], by which numbers of result tiles are higher now.
        visited: rows of visits that ``arrays`` have.
        plan: see ``Plan``.
        clocks: see ``Clocks``; written, but for ``COMPUTED`` and ``STEP``.
    """
    state, index, limits, known, epochs, visits, memories, wires = clocks
    known[:] = arrays[0]
    epochs[:] = arrays[1]
    for k in range(len(known)):
        for column in (ARRIVED, READ_LEFT, LANDED):
            known[k, column] += later
        for r in range(epochs.shape[1]):
            for column in (E_READY, E_ROOM, E_DRAINED, E_LEFT):
                epochs[k, r, column] += later
    for i in range(len(visited)):
        row = visits[visited[i]]
        for tile in range(VISITS):
            row[(tile + drift[i]) % VISITS] = arrays[2][i, tile]
    memories[:] = arrays[3] + later
    wires[0][:] = arrays[4] + later * wires[6]
    wires[4][:] = arrays[5] + later * wires[6]
    wires[15][:] = arrays[6] + later
    wires[19][:] = arrays[7]
    numbers = plan[3]
    state[STARTED] = state[OVER] = state[OPENING] = 1
    state[TURNED] = next_turn(
        plan[0], plan[1], plan[2], index, limits, numbers[PHASE_LOOPS], numbers[RAGGED] == 1
    )
