"""When which word passes the array's edge in a fold, as if nothing ever waited.

Array cycles are counted from the one in which lane 0 takes step 0. With r' and c' the rows and
columns that a fold is timed with (``Folding.extent``):

* streaming operands: lane l takes step t in cycle tau(t) + l. tau(t) = t, unless a chunk boundary
  needs a gap: see ``StepTimes``;
* stationary operand: row i of the array passes in cycle -1 - i, all lanes together; with overlapped
  folds lane j passes it j cycles later. A gap between its chunks moves the rows before it back;
* results, ``os``, L = tau(T-1) + 1: ``free``, (i, j) in cycle L - 1 + i + j, with its last MAC;
  ``bus``, a cycle later; ``shift``, row i in cycle L + r' + c' - 2 + r' - 1 - i, all columns
  together; with overlapped folds column j in cycle L + r' - 1 + j + r' - 1 - i;
* results and partial sums, ``ws`` and ``is``: (t, j) is added to and written in cycle
  tau(t) + r' - 1 + j; from the second row fold on the partial sum is read in the same cycle.

Arrays in lockstep do all that at the same time, each with its own lanes and steps; where one has
fewer than others, it does nothing with the last of them.

A lane whose word is padding keeps its turn at the port: the sequencer injects a zero there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import ROWS, STREAM
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.sim.fold_times import FoldTimes
from arraysmith.sim.folding import Folding, Share
from arraysmith.sim.residency import Operand

Int = NDArray[np.int64]


@dataclass(frozen=True)
class StepTimes:
    """The steps of all folds in array cycles.

    A chunk may be needed only when the one whose place it takes (two before, or one when the
    memory is a single buffer) has passed the last lane; chunks shorter than the skew wait for that.
    The skew counted is that of a fold that fills the array, alike in all folds.

    Attributes:
        tau: int64 [T], cycle in which lane 0 takes each step, from step 0.
        loading: int64 [rows], cycle in which lane 0 takes each row of the stationary operand in the
            order of loading, from the first; a fold of fewer rows takes the first of them.
        gaps: cycles of ``tau`` that are gaps, by tensor.
        stationary: the operand that stays in the PEs; None for output stationary.
    """

    tau: Int
    loading: Int
    gaps: dict[str, int]
    stationary: str | None

    @classmethod
    def of(cls, folding: Folding, operands: dict[str, Operand]) -> StepTimes:
        """Return the step times of a run."""
        rows, columns = folding.most_used(folding.used(0, 0))
        streaming: dict[str, tuple[Operand, tuple[tuple[int, int], ...], int]] = {}
        loading, stationary = np.arange(rows, dtype=np.int64), None
        for tensor, operand in operands.items():
            if not operand.stationary:
                lanes = rows if operand.lanes == ROWS else columns
                together = folding.across[2]
                chunks = tuple((a // together, -(-b // together)) for a, b in operand.chunks)
                streaming[tensor] = operand, chunks, lanes
                continue
            stationary = tensor
            length = operand.chunk_rows
            chunks = tuple((i, min(i + length, rows)) for i in range(0, rows, length))
            lanes = columns if FoldTimes(folding).overlapped else 1
            loading, _ = _with_gaps(rows, {tensor: (operand, chunks, lanes)})
        tau, gaps = _with_gaps(folding.steps, streaming)
        return cls(tau, loading, gaps, stationary)

    @property
    def length(self) -> int:
        """Cycles in which lane 0 takes the steps of a fold; at least T."""
        return int(self.tau[-1]) + 1

    def row_passes(self, rows: int, row: int) -> int:
        """Return the cycle in which lane 0 takes a row of the stationary operand.

        Args:
            rows: rows that the fold uses, of the array with most.
            row: counted from the first row of the array.
        """
        return int(self.loading[rows - 1 - row] - self.loading[rows - 1]) - 1


def _with_gaps(
    steps: int, streamed: dict[str, tuple[Operand, tuple[tuple[int, int], ...], int]]
) -> tuple[Int, dict[str, int]]:
    """Return the cycle of every step, int64 [steps], and the cycles of gaps by tensor.

    Args:
        steps: number of steps.
        streamed: per tensor its operand, the steps of its chunks, and its lanes (1: no skew).
    """
    delay = np.zeros(steps, np.int64)
    gaps = dict.fromkeys(streamed, 0)
    starts = sorted(
        (start, order, tensor, number)
        for order, (tensor, (operand, chunks, _)) in enumerate(streamed.items())
        for number, (start, _) in enumerate(chunks)
        if number >= operand.halves
    )
    shift, last = 0, 0
    for start, _, tensor, number in starts:
        operand, chunks, lanes = streamed[tensor]
        delay[last:start] = shift
        last = start
        gone = chunks[number - operand.halves][1]
        free = gone - 1 + int(delay[gone - 1]) + lanes
        gap = max(0, free - (start + shift))
        shift += gap
        gaps[tensor] += gap
    delay[last:] = shift
    return np.arange(steps, dtype=np.int64) + delay, gaps


@dataclass(frozen=True)
class Passing:
    """When the words of one tensor pass the edge in a fold: at most one per lane and cycle.

    Attributes:
        first: cycle of the first word, from step 0 of the fold.
        step_of: int64 [n], the step that passes lane 0 of every array in each cycle from ``first``
            on, counted from the first of its share; -1 in a gap.
        shares: of the arrays.
        skew: cycles by which a lane follows the one before it, 0 or 1.
        per_lane: int64 [lanes], words that a lane takes at once; None: one.
        per_step: int64 [steps], words that every lane takes with a step; None: one.
    """

    first: int
    step_of: Int
    shares: list[Share]
    skew: int
    per_lane: Int | None = None
    per_step: Int | None = None

    @property
    def lanes(self) -> int:
        """Lanes in use of the array with most; the first one."""
        return self.shares[0].lanes

    @property
    def ports(self) -> int:
        """Lanes in use of all arrays."""
        return sum(share.lanes for share in self.shares)

    @property
    def cycles(self) -> int:
        """Cycles from the first word to the last one."""
        return len(self.step_of) + self.skew * (self.lanes - 1)

    @cached_property
    def words(self) -> Int:
        """Words per cycle, padding included, int64 [cycles]."""
        active = (self.step_of >= 0).astype(np.int64)
        if self.per_step is not None:
            active *= self.per_step[self.step_of]
        if self.per_lane is not None:
            return np.convolve(active, self.per_lane)
        words = np.zeros(self.cycles, np.int64)
        for (lanes, steps), many in Counter((x.lanes, x.steps) for x in self.shares).items():
            words += many * self._of_share(active * (self.step_of < steps), lanes)
        return words

    def _of_share(self, active: Int, lanes: int) -> Int:
        """Return the words per cycle of an array whose lane 0 takes ``active``, int64 [cycles]."""
        if not self.skew:
            return active * lanes
        total = np.zeros(self.cycles + 1, np.int64)
        total[1 : len(active) + 1] = np.cumsum(active)
        total[len(active) + 1 :] = total[len(active)]
        words = total[1:].copy()
        words[lanes:] -= total[1:-lanes]
        return words


def _steps_at(cycles: Int) -> Int:
    """Return, per cycle from 0 on, its index in ``cycles``; -1 where it does not stand there."""
    found = np.full(int(cycles.max()) + 1, -1, np.int64)
    found[cycles] = np.arange(len(cycles), dtype=np.int64)
    return found


@dataclass(frozen=True)
class Wave:
    """What passes the edge in a fold of one shape.

    Attributes:
        number: tells the waves of a run apart.
        used: rows and columns in use.
        lead: array cycles from the first one of the fold to step 0.
        cycles: array cycles from the first one of the fold to its end.
        passing: per tensor.
        accumulates: whether partial sums of an earlier row fold are read.
    """

    number: int
    used: tuple[int, int]
    lead: int
    cycles: int
    passing: dict[str, Passing]
    accumulates: bool

    @classmethod
    def of(
        cls,
        number: int,
        folding: Folding,
        steps: StepTimes,
        used: tuple[int, int],
        *,
        accumulates: bool,
        fetched: Int | None = None,
    ) -> Wave:
        """Return the wave of a fold.

        Args:
            number: tells waves apart.
            folding: gives dataflow and switches.
            steps: of the run.
            used: rows and columns that the fold uses.
            accumulates: whether partial sums of an earlier row fold are read.
            fetched: int64 [slots], words of the ifmap that come with each slot of sparse weights.
        """
        times = FoldTimes(folding)
        rows, _ = folding.most_used(used)
        lead = times.lead(used)
        passing = {}
        for tensor in (IFMAP, WEIGHT):
            shares = folding.shares(tensor, used)
            if tensor == steps.stationary:
                loads = steps.loading[:rows]
                lead = max(lead, int(loads[-1]) + 1)
                step_of = _steps_at(loads)
                step_of[step_of >= 0] = rows - 1 - step_of[step_of >= 0]
                first, skew = -len(step_of), int(times.overlapped)
            else:
                first, step_of, skew = 0, _steps_at(steps.tau), 1
            passing[tensor] = Passing(first, step_of, shares, skew)
            if tensor == IFMAP and fetched is not None:
                if folding.reduction == STREAM:
                    passing[tensor] = replace(passing[tensor], per_step=fetched)
                else:
                    passing[tensor] = replace(passing[tensor], per_lane=fetched)
        passing[OFMAP] = _results(folding, times, steps, used)
        cycles = lead + times.tail(used, steps.length)
        return cls(number, used, lead, cycles, passing, accumulates)

    @cached_property
    def demand(self) -> Int:
        """Words asked of the ports per cycle from the fold's first one on, int64 [4, cycles].

        Rows: ifmap read, weight read, ofmap read, ofmap written.
        """
        found = np.zeros((4, self.cycles), np.int64)
        for row, tensor in enumerate((IFMAP, WEIGHT, OFMAP, OFMAP)):
            if row == 2 and not self.accumulates:
                continue
            moved = self.passing[tensor]
            begin = self.lead + moved.first
            found[row, begin : begin + moved.cycles] = moved.words
        return found


def _results(
    folding: Folding, times: FoldTimes, steps: StepTimes, used: tuple[int, int]
) -> Passing:
    rows, _ = folding.most_used(used)
    high, wide = folding.extent(used)
    shares = folding.shares(OFMAP, used)
    if folding.dataflow != "os":
        return Passing(high - 1, _steps_at(steps.tau), shares, 1)
    upward = np.arange(rows, dtype=np.int64)
    if folding.wiring.drain != "shift":
        registered = int(folding.wiring.drain == "bus")
        return Passing(steps.length - 1 + registered, upward, shares, 1)
    skewed = times.skewed_results
    after = steps.length + high - 1 + (0 if skewed else wide - 1)
    return Passing(after + high - rows, upward[::-1].copy(), shares, int(skewed))
