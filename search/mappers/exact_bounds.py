"""Lower bounds on what the model will count, from the tile of one memory alone.

Between a memory c and the next one above that keeps a tensor, p, the words of a whole run are at
least those below, whatever loops stand above and below, in whatever order. Let the turns above c be
given, T steps in all, and d the innermost loop that turns there.

* Tensor without window: the tiles that differ, times the turns of loops above c that do not move
  it, of which those may be left out that lie inside all loops that do. If d moves it, none may:
  every step brings a full tile. Each dim leaves at most one operand of a convolution or a matrix
  product in place, so that at most one tensor escapes, which one depends on d.
* Tensor with a window moved by d: whenever d turns by itself, T (1 - 1/n) times for n turns, of
  which the least prime factor of what is left is the least, the part of the tile that is new along
  that axis comes; less the words of tiles that lie in the padding. And never less than the
  different words that all tiles hold.
* Tensor with a window not moved by d: the different words that all tiles hold.
* Memories above a network that multicasts send once per different tile; windows that two dims move
  coincide for at most as many instances as the smaller of both spreads.
* Where neighbours pass words of the inputs on, nothing is said of what is sent to them: only that
  it is filled.
* Results: D words drain, D / (instances added on the way) update the parent, reads are fewer by
  those that begin at zero. Everything is linear in D; where a drain saves more than it costs (a
  child dearer than its parent), D counts as the most it can be.

A mapping's energy is at least the sum over memories of their least; its cycles at least computing
and every port by itself. Every rounding in the model is upwards. See ``exact_search`` for the use,
``tests/search`` for the property.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from arraysmith.arch.architecture import Fanout, Ports
from arraysmith.arch.problem import DIMS
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mappers.exact_words import INPUTS, READ, SUMS, WRITE, boundary_words
from arraysmith.sim.analytical.encoding import MAX_AXES, NO_DIM, SLIDING, Int, ProblemArrays
from arraysmith.sim.analytical.scoring import Float, Machine, chain_of


def divisors(number: int) -> tuple[int, ...]:
    """Return the divisors of ``number``, rising."""
    return tuple(x for x in range(1, number + 1) if number % x == 0)


@dataclass(frozen=True)
class BoundTables:
    """What is the same for all spatial splits.

    Attributes:
        space: whose mappings are bounded.
        arrays: of the problem.
        roles: int64 [3, 9], ``arrays.plain`` with a column for ``NO_DIM``.
        machine: prices and rates.
        leakage_pj: per cycle.
        mac_pj: of all MACs.
        place: int64 [9, largest extent + 1], index of an extent among the divisors of its dim.
        tiles: float64 [3, MAX_AXES, d1, d2], words of all tiles along an axis, by their extents.
        union: likewise, different words that any of them holds.
        parent: int64 [memories + 1, 3], memory that feeds a memory's tensor, the MACs last; -1
            where the memory does not keep it.
    """

    space: ExactSpace
    arrays: ProblemArrays
    roles: Int
    machine: Machine
    leakage_pj: float
    mac_pj: float
    place: Int
    tiles: Float
    union: Float
    parent: Int

    @classmethod
    def of(cls, space: ExactSpace) -> BoundTables:
        """Return the tables of a space."""
        problem = space.problem
        arrays = ProblemArrays.of(problem)
        machine = Machine.of(space.architecture, space.setting)
        sizes = (*problem.sizes, 1)
        place = np.zeros((NO_DIM + 1, max(sizes) + 1), np.int64)
        choices = [divisors(size) for size in sizes]
        for d, options in enumerate(choices):
            for i, extent in enumerate(options):
                place[d, extent] = i
        most = max(len(x) for x in choices)
        tiles = np.ones((3, MAX_AXES, most, most), np.float64)
        union = np.ones((3, MAX_AXES, most, most), np.float64)
        clipped = space.setting != "timeloop"  # which counts padding as words
        for t in range(3):
            for a in range(int(arrays.axes[t])):
                one, two = (int(d) for d in arrays.terms[t, a])
                by, times = int(arrays.coef[t, a, one]), int(arrays.coef[t, a, two])
                for i, long in enumerate(choices[one]):
                    for k, wide in enumerate(choices[two]):
                        low = np.add.outer(
                            by * np.arange(0, sizes[one], long),
                            times * np.arange(0, sizes[two], wide),
                        ).ravel() + int(arrays.offset[t, a])
                        high = low + by * (long - 1) + times * (wide - 1) + 1
                        if clipped:
                            extent = int(arrays.extent[t, a])
                            low, high = np.clip(low, 0, extent), np.clip(high, 0, extent)
                        tiles[t, a, i, k] = (high - low).sum()
                        union[t, a, i, k] = _union(low, high)
        chain = chain_of(space.architecture)
        memories = len(space.memories)
        parent = np.full((memories + 1, 3), -1, np.int64)
        for t in range(3):
            above = 0
            for m in range(1, memories + 1):
                if m == memories or chain.keeps[m, t]:
                    parent[m, t] = above
                    above = m
        return cls(
            space,
            arrays,
            np.pad(arrays.plain, ((0, 0), (0, 1))),
            machine,
            machine.leakage_pj,
            machine.mac_pj * problem.macs,
            place,
            tiles,
            union,
            parent,
        )

    def spread(self, factors: tuple[int, ...]) -> SpreadBounds:
        """Return the bounds under one spatial split."""
        return SpreadBounds.of(self, factors)


def _union(low: Int, high: Int) -> int:
    """Return the integers in any of the intervals [low, high)."""
    order = np.argsort(low, kind="stable")
    low, high = low[order], high[order]
    reached = np.maximum.accumulate(np.concatenate([low[:1], high[:-1]]))
    return int(np.maximum(0, high - np.maximum(low, reached)).sum())


@dataclass(frozen=True)
class SpreadBounds:
    """Bounds under one spatial split.

    Attributes:
        tables: of the space.
        factors: of the slots.
        left: int64 [dims], turns in time of each dim.
        inside: int64 [memories + 1, dims], how far dims are spread below each memory.
        above: int64 [memories + 1, dims], likewise above.
        sent: float64 [memories + 1, 3], instances that one word out of the parent serves.
        per_sum: float64 [memories + 1], energy per word drained of results.
        base_pj: energy that no choice in time changes: MACs, what they take, sums from zero.
        steps: cycles of computing.
        floor: bound of cycles whatever the tiles.
    """

    tables: BoundTables
    factors: tuple[int, ...]
    left: Int
    inside: Int
    above: Int
    sent: Float
    per_sum: Float
    base_pj: float
    steps: int
    floor: float

    @classmethod
    def of(cls, tables: BoundTables, factors: tuple[int, ...]) -> SpreadBounds:
        """Return the bounds under the spatial split ``factors``."""
        space, problem = tables.space, tables.space.problem
        levels = space.architecture.levels
        spread = space.spread_of(factors)
        places = [*space.memories, len(levels)]
        inside = np.array([spread[at:].prod(axis=0) for at in places], np.int64)
        total = spread.prod(axis=0)
        above = total // inside
        left = np.array(problem.sizes, np.int64) // total
        sent = np.ones((len(places), 3), np.float64)
        added = np.ones(len(places), np.float64)
        roles = tables.arrays.plain
        for m in range(1, len(places)):
            for t in range(3):
                p = int(tables.parent[m, t])
                if p < 0:
                    continue
                window = np.ones(len(DIMS), np.int64)
                for at in range(places[p], places[m]):
                    level = levels[at]
                    if not isinstance(level, Fanout):
                        continue
                    still = int(spread[at][roles[t] == 0].prod())
                    bus = level.bus
                    shares = True
                    if bus is not None:
                        adds = t == SUMS and space.setting != "timeloop"  # which asks multicast
                        shares = bus.reduction if adds else bus.multicast
                    if t == SUMS:
                        added[m] *= still
                    if shares:
                        sent[m, t] *= still
                        window *= spread[at]
                    if t == INPUTS and bus is not None and bus.forwarding is not None:
                        sent[m, t] = np.inf
                for a in range(int(tables.arrays.axes[t])):
                    one, two = (int(d) for d in tables.arrays.terms[t, a])
                    if NO_DIM not in {one, two} and roles[t, one] == SLIDING:
                        sent[m, t] *= min(window[one], window[two])
        per_sum, constant = _sums(tables, sent, added, above)
        steps = int(left.prod())
        draft = cls(tables, factors, left, inside, above, sent, per_sum, 0.0, steps, float(steps))
        at_macs, cycles = draft.boundary(len(places) - 1, np.ones(len(DIMS), np.int64))
        return cls(
            tables,
            factors,
            left,
            inside,
            above,
            sent,
            per_sum,
            at_macs + constant + tables.mac_pj,
            steps,
            max(float(steps), cycles),
        )

    def boundary(self, memory: int, extents: Int) -> tuple[float, float]:
        """Return (picojoules, cycles), bounds of the words that cross into one memory.

        Args:
            memory: which one; the number of memories for the MACs.
            extents: int64 [dims], turns in time at the memory and inside.

        Returns:
            Infinite ones if the memory is too small.
        """
        energy, cycles, _ = self.by_loop(memory, np.asarray(extents, np.int64).reshape(1, -1))
        return float(energy.min()), float(cycles.min())

    def by_loop(self, memory: int, extents: Int) -> tuple[Float, Float, Float]:
        """Return float64 [n, 9] twice, bounds by the innermost loop that turns above n tiles.

        Args:
            memory: see ``boundary``.
            extents: int64 [n, dims].

        Returns:
            Picojoules and cycles per dim, infinite where it does not turn; in the last column where
            nothing turns. And float64 [n, 3, 9], the words of each tensor behind them, those of all
            tiles in the last column.
        """
        energy = np.full((len(extents), NO_DIM + 1), np.inf)
        cycles = np.full((len(extents), NO_DIM + 1), np.inf)
        words = np.zeros((len(extents), 3, NO_DIM + 1))
        tables, machine = self.tables, self.tables.machine
        memories = len(tables.space.memories)
        at_macs = memory == memories
        with np.errstate(divide="ignore"):
            rate = machine.bandwidth[:, :, 0] / machine.bandwidth[:, :, 1]
        rate = np.where(machine.bandwidth[:, :, 0] < 0, np.inf, rate)
        price = machine.price / machine.width[:, None]
        boundary_words(
            extents,
            self.left,
            self.inside[memory],
            self.above[memory],
            self.above.prod(axis=1).astype(np.float64),
            memory,
            at_macs,
            np.int64(-1) if at_macs else machine.capacity[memory],
            tables.parent[memory],
            tables.roles,
            tables.arrays.axes,
            tables.arrays.terms,
            tables.arrays.coef,
            tables.place,
            tables.tiles,
            tables.union,
            self.sent[memory],
            self.per_sum[memory],
            price,
            rate,
            machine.ports == int(Ports.SHARED),
            energy,
            cycles,
            words,
        )
        return energy, cycles, words

    def word_pj(self, memory: int) -> Float:
        """Return float64 [3], picojoules per word of each tensor that crosses into a memory."""
        machine = self.tables.machine
        price = machine.price / machine.width[:, None]
        found = np.zeros(3, np.float64)
        for t in range(3):
            p = int(self.tables.parent[memory, t])
            if p >= 0 and t == SUMS:
                found[t] = self.per_sum[memory]
            elif p >= 0:
                found[t] = price[p, READ] / self.sent[memory, t] + price[memory, WRITE]
        return found

    def choices(self, memory: int) -> Int:
        """Return int64 [n, dims]: every tile of a memory that the dataflow allows."""
        space = self.tables.space
        options: list[tuple[int, ...]] = []
        for d, whole in enumerate(self.left.tolist()):
            if not any(d in dims for dims in space.open[memory:]):
                options.append((1,))
            elif not any(d in dims for dims in space.open[:memory]):
                options.append((whole,))
            else:
                options.append(divisors(whole))
        shape = tuple(len(x) for x in options)
        picks = np.indices(shape).reshape(len(shape), prod(shape))
        return np.stack(
            [np.array(x, np.int64)[pick] for x, pick in zip(options, picks, strict=True)], axis=1
        )


def _sums(tables: BoundTables, sent: Float, added: Float, above: Int) -> tuple[Float, float]:
    """Return what a drained word of results takes at each memory, and what does not depend on it.

    By the rules of ``rules_default`` or ``rules_timeloop``.
    """
    memories = len(tables.space.memories)
    machine = tables.machine
    price = machine.price / machine.width[:, None]
    bounds = [m for m in range(1, memories + 1) if tables.parent[m, SUMS] >= 0]
    parents = [int(tables.parent[m, SUMS]) for m in bounds]
    footprint = float(tables.space.problem.ofmap.words)
    per_sum = np.zeros(memories + 1, np.float64)
    constant = 0.0
    roles = tables.arrays.plain[SUMS]
    if tables.space.setting == "timeloop":
        for m, p in zip(bounds, parents, strict=True):
            per_sum[m] = (price[p, READ] + price[p, WRITE]) / sent[m, SUMS]
            if m < memories:
                per_sum[m] += price[m, WRITE]
            constant -= price[p, READ] * footprint * float(above[p][roles == 0].prod())
        return per_sum, constant
    for i, (m, p) in enumerate(zip(bounds, parents, strict=True)):
        later = sum(
            price[parents[k], READ] + (price[bounds[k], WRITE] if bounds[k] < memories else 0.0)
            for k in range(i + 1, len(bounds))
        )
        here = price[p, READ] + (price[m, WRITE] if m < memories else 0.0)
        constant -= footprint * here
        per_sum[m] = (price[p, READ] + price[p, WRITE]) / sent[m, SUMS]
        if m < memories:
            per_sum[m] += price[m, WRITE] / added[m] + price[m, READ]
            per_sum[m] -= (1 - 1 / added[m]) * later
    return per_sum, constant
