"""Iterations of a loop that repeat the one before are not simulated again, and why that is exact.

A spatial design with an off-chip memory of a fixed rate is a max-plus system: whatever waits, waits
for the latest of several times, or at a port that several use for the earliest of several such
times; the order in which transfers take turns follows from the mapping; nothing looks at the time
itself. So a state in which every clock is later by ``c`` cycles has the same future, later by ``c``
(homogeneity; F. Baccelli, G. Cohen, G. J. Olsder, J.-P. Quadrat, "Synchronization and Linearity",
1992, section 3.7; such systems become periodic after a while: G. Cohen, D. Dubois, J.-P. Quadrat,
M. Viot, IEEE Trans. Automatic Control 30(3), 1985).

When an outer loop turns between two phases, the state relative to the present cycle is compared
with that of up to ``MOST_PERIOD`` turns ago. If all of it is equal, and the turns to come move what
the turns since then have moved (``alike_turns``: looked up, never guessed), each of them takes as
many cycles, moves as many words and stalls for the same causes. Whole periods of them are added up
without being simulated; loops inside one another are each treated so.

What is compared: all clocks of the kernel, of every process and of every transfer on its way. A
clock that is not later than the present cycle counts as "past": whatever may still ask for it asks
for the latest of it and a cycle that is not past. Numbers of tiles and phases count from the
present one, result tiles (``columns.VISITS``) from the turn of the loop. Of the kernel's chains of
waiting the first link counts: those behind it are for observers, with whom nothing is skipped.

The clocks of the kernel and of SimPy are left as they are after a jump: they lag behind the true
time by ``Repeats.skipped_cycles`` from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.sim.cycle.array import columns
from arraysmith.sim.cycle.array.blame import FIRST_LINK
from arraysmith.sim.cycle.array.columns import (
    ABOVE,
    ARRIVED,
    AT_MACS,
    BLAME,
    COMPUTED,
    E_ABOVE,
    E_DRAINED,
    E_LATE,
    E_LEFT,
    E_ROOM,
    E_TILES,
    E_TURNS,
    ENDED,
    EPOCH,
    FANOUTS,
    KNOWN,
    LANDED,
    LATENCY,
    LINK,
    LINK_LATENCY,
    OPENING,
    OWN,
    READ_LEFT,
    RING,
    SENT,
    STARTED,
    STEP,
    TENSOR,
    VISITS,
    Clocks,
    Plan,
)
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.array.routes import USES
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.offchip.schedule import Jump
from arraysmith.sim.cycle.progress import Place, Progress

MOST_PERIOD = 4
"""Turns of a loop after which a state is looked for again."""

LEAST_LEFT = 3
"""Turns to come below which looking for a repetition cannot pay."""


def understood(plan: Plan, clocks: Clocks) -> bool:
    """Return whether the arrays of the kernel are those that this module was written for.

    What it does not know, it cannot compare: then nothing is skipped. A test says so.
    """
    shape = len(plan), len(plan[7]), len(clocks), len(clocks[7]), columns.EDGE, columns.NUMBERS
    return (*shape, KNOWN, columns.E_THROUGH, columns.STATE) == (9, 9, 8, 21, 23, 8, 8, 12, 10)


def alike_turns(machine: Machine) -> list[Int]:
    """Return per loop in time and turn the last turn that moves the same as all since this one.

    Turns 0 count as different from all others. Two turns are alike if they move the same words,
    known ones, families and patterns of routed networks over every edge, whatever the loops inside
    and outside; so where tiles do not divide, turns that are alike may count as different.
    """
    amounts, tree = machine.amounts, machine.tree
    counts = tree.counts
    same = [np.ones(max(0, int(x) - 1), np.bool_) for x in counts]
    for e, edge in enumerate(tree.edges):
        for f in range(int(amounts.factors[e])):
            mine = [j for j in range(edge.depth) if amounts.stride[e, f, j]]
            seen = set()
            for q in range(edge.depth):
                inside = mine if edge.at_macs else [j for j in mine if j <= q]
                start = int(amounts.base[e, f, q])
                if start in seen or not inside:
                    continue
                seen.add(start)
                shape = [int(counts[j]) for j in reversed(inside)]
                found = _contents(machine, start, int(np.prod(shape))).reshape(-1, *shape)
                for place, j in enumerate(reversed(inside)):
                    turns = np.moveaxis(found, place + 1, 0).reshape(shape[place], -1)
                    same[j] &= (turns[1:] == turns[:-1]).all(axis=1)
    last = []
    for part in same:
        if machine.ragged and len(part):
            part[-1] = False  # limits of the loops inside may change
        part[:1] = False
        end = np.arange(len(part) + 1)
        for i in range(len(part) - 1, -1, -1):
            if part[i]:
                end[i] = end[i + 1]
        last.append(end)
    return last


def _contents(machine: Machine, start: int, many: int) -> Int:
    """Return all that the tables say of so many entries, int64 [.., many]."""
    amounts, some = machine.amounts, slice(start, start + many)
    tables = amounts.words, amounts.known, amounts.passed, amounts.many
    parts = [x[:, some] for x in tables]
    parts += [x[:, some] for x in (machine.crossings.code, machine.banks.code) if x.shape[1]]
    first, rows = amounts.first[:, some], amounts.many[:, some]
    for m in range(int(rows.max(initial=0))):
        there = m < rows
        pairs = amounts.pairs[np.where(there, first + m, 0)]
        parts += [np.where(there, pairs[:, :, n], 0) for n in range(pairs.shape[2])]
    return np.concatenate(parts)


def tile_drift(machine: Machine) -> Int:
    """Return int64 [edges on the chip, loops in time]: by how much a turn moves a tile's number.

    Result tiles are told apart modulo ``columns.VISITS`` by numbers that are linear in the turns.
    """
    stride, count = machine.amounts.stride, max(1, len(machine.inner))
    found = np.zeros((count, len(machine.tree.time)), np.int64)
    for k, edge in enumerate(machine.edges):
        for f in range(int(edge[OWN])):
            found[k] = (found[k] * 31 + stride[edge[columns.NUMBER], f]) % VISITS
    return found


@njit(cache=True, nogil=True)
def relative_state(now: int, shift: Int, plan: Plan, clocks: Clocks, out: Int) -> None:
    """Write the state of the kernel between two phases, as seen from cycle ``now``.

    Args:
        now: start of the next phase, or a cycle before it: what is not later counts as past.
        shift: int64 [edges on the chip], numbers of result tiles count from here.
        plan: see ``Plan``.
        clocks: see ``Clocks``.
        out: int64 [``room_for``], written.
    """
    edges, again = plan[4], plan[5]
    state, _, limits, known, epochs, visits, memories, wires = clocks
    out[:] = 0
    out[0], out[1], out[2] = state[COMPUTED] - now, state[STARTED], state[OPENING]
    n = 3
    for j in range(len(limits)):
        out[n] = limits[j]
        n += 1
    for m in range(len(memories)):
        out[n], out[n + 1] = max(0, memories[m, 0] - now), max(0, memories[m, 1] - now)
        n += 2
    early = 0  # words over links take ports up to so many cycles before they could move
    for k in range(len(edges)):
        if edges[k, LINK] >= 0:
            early = max(early, edges[k, LATENCY] - edges[k, LINK_LATENCY])
    users = len(wires[0]) - len(wires[18])
    for i in range(len(wires[0])):
        out[n] = max(0, wires[0][i] - (now - early) * wires[6])
        if i >= users:
            out[n + len(wires[18])] = wires[19][i - users] if out[n] else 0
        n += 1
    n += len(wires[18])
    for i in range(len(wires[4])):
        out[n] = max(0, wires[4][i] - now * wires[6])
        n += 1
    for channel in wires[15]:
        for v in range(len(channel)):
            out[n] = max(0, channel[v] - now)
            n += 1
    for k in range(len(edges)):
        row, ring, last = known[k], epochs[k], known[k, EPOCH]
        out[n], out[n + 1] = max(0, row[ARRIVED] - now), max(0, row[READ_LEFT] - now)
        out[n + 2] = max(0, row[LANDED] - now)
        out[n + 3] = row[BLAME] & FIRST_LINK if row[ARRIVED] > now else 0
        n += 4
        sums = edges[k, TENSOR] == 2
        if sums and row[SENT] <= last:  # its results are still to go up: so many words
            epoch, above = ring[last % RING], edges[k, ABOVE]
            out[n] = 1 if row[ENDED] == row[SENT] else -now  # never the same: not between phases
            out[n + 1] = 0 if above < 0 else known[above, EPOCH] - epoch[E_ABOVE]
            out[n + 2], out[n + 3] = epoch[E_TILES], epoch[E_LATE]
            for i in range(5 + plan[3][FANOUTS]):
                out[n + 4 + i] = epoch[E_TURNS + i]
        n += 9 + plan[3][FANOUTS]
        # Epoch whose results are not in the parent yet, counted backwards.
        oldest = last - row[SENT] if sums else -1
        for r in range(RING):
            epoch = ring[(last - r) % RING]
            out[n], out[n + 1] = max(0, epoch[E_LEFT] - now), max(0, epoch[E_ROOM] - now)
            out[n + 2] = max(0, epoch[E_DRAINED] - now)
            if sums and epoch[E_DRAINED] > now:
                oldest = r
            n += 3
        returns = False
        for j in range(again.shape[1]):
            returns = returns or again[k, j] >= 0
        if returns and not edges[k, AT_MACS] and oldest >= 0:
            for tile in range(VISITS):
                r = last - visits[k, tile]
                if r <= oldest:
                    out[n + r] = 1 + (tile - shift[k]) % VISITS
        n += RING


def room_for(plan: Plan, clocks: Clocks) -> int:
    """Return the length of ``relative_state``'s ``out``."""
    _, _, limits, known, _, _, memories, wires = clocks
    fixed = 3 + len(limits) + 2 * len(memories) + len(wires[0]) + len(wires[4]) + wires[15].size
    fixed += len(wires[18])
    return fixed + len(known) * (4 + 9 + int(plan[3][FANOUTS]) + 4 * RING)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The state when a loop turned.

    Attributes:
        turn: of the loop.
        phase: that is about to begin.
        chip: see ``relative_state``.
        place: of the processes, see ``progress``.
        cycle: true one.
        counts: copies of all that is added up: stalls, words, uses of patterns.
        step: of the kernel.
    """

    turn: int
    phase: int
    chip: Int
    place: Place
    cycle: int
    counts: tuple[Int, ...]
    step: int


class Repeats:
    """Finds repetitions in one run and skips them.

    Attributes:
        skipped_cycles: by which the clocks lag behind the true time.
        skipped_phases: phases that were not simulated.
    """

    def __init__(
        self, machine: Machine, plan: Plan, clocks: Clocks, counts: tuple[Int, ...]
    ) -> None:
        """Take a design and what its run changes.

        Args:
            machine: the mapped design.
            plan: of its kernel.
            clocks: of its kernel; changed by jumps.
            counts: arrays that the run adds to, beside the uses of patterns; changed by jumps.
        """
        self.skipped_cycles = self.skipped_phases = 0
        uses = clocks[7][USES]
        assert isinstance(uses, np.ndarray)
        self._plan, self._clocks, self._counts = plan, clocks, (*counts, uses)
        self._loops = machine.tree.phase_loops if understood(plan, clocks) else 0
        self._alike = alike_turns(machine)[: self._loops] if self._loops else []
        self._drift = tile_drift(machine)
        self._seen: list[list[Seen]] = [[] for _ in range(self._loops)]

    def look(self, now: int, phase: int, cause: int, progress: Progress) -> Jump | None:
        """Compare the state before a phase with earlier ones; return the jump, done in the kernel.

        Args:
            now: cycle in which the phase starts.
            phase: its number.
            cause: chain of what the chip waits for before it.
            progress: what the processes are at.

        Returns:
            The jump that ``progress`` has to do; None if nothing repeats.
        """
        state, index = self._clocks[0], self._clocks[1]
        loop = int(state[columns.TURNED])
        for deeper in self._seen[loop + 1 :]:
            deeper.clear()
        if loop < 0 or loop >= self._loops:
            return None
        turn = int(index[loop])
        if self._alike[loop][turn] - turn < LEAST_LEFT:
            self._seen[loop].clear()
            return None
        chip = np.empty(room_for(self._plan, self._clocks), np.int64)
        shift = self._drift[:, loop] * turn % VISITS
        relative_state(now, shift, self._plan, self._clocks, chip)
        seen = Seen(
            turn,
            phase,
            chip,
            progress.place(now, phase, cause if now > state[COMPUTED] else 0, index),
            now + self.skipped_cycles,
            tuple(x.copy() for x in self._counts),
            int(state[STEP]),
        )
        history = self._seen[loop]
        for before in reversed(history):
            jump = self._jump(loop, before, seen)
            if jump is not None:
                history.clear()
                return jump
        history.append(seen)
        del history[:-MOST_PERIOD]
        return None

    def _jump(self, loop: int, before: Seen, seen: Seen) -> Jump | None:
        """Do the jump that two states allow; None if they differ or nothing is left to skip."""
        if not np.array_equal(before.chip, seen.chip):
            return None
        period, phases = seen.turn - before.turn, seen.phase - before.phase
        moves = before.place.moves_to(seen.place)
        here = seen.place.relative(loop, seen.turn, seen.phase, moves)
        if here is None or here != before.place.relative(loop, before.turn, before.phase, moves):
            return None
        last = int(self._alike[loop][before.turn])
        times = seen.place.times(loop, seen.phase, moves, last, period, phases)
        if times < 1:
            return None
        state, index, visits = self._clocks[0], self._clocks[1], self._clocks[5]
        self.skipped_cycles += times * (seen.cycle - before.cycle)
        self.skipped_phases += times * phases
        for total, now, then in zip(self._counts, seen.counts, before.counts, strict=True):
            np.add(total, times * (now - then), out=total)
        state[STEP] += times * (seen.step - before.step)
        index[loop] += times * period
        for k, drift in enumerate(self._drift[:, loop] * (times * period) % VISITS):
            visits[k] = np.roll(visits[k], int(drift))
        outer = tuple(index[:loop].tolist())
        return Jump(loop, outer, times * period, times * phases, tuple(times * x for x in moves))
