"""What a fold meets: in which array cycle it needs a load, gives a place back, or sends results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.sim.cycle.systolic.loads import LoadOrder, ResultOrder
from arraysmith.sim.cycle.systolic.wave import StepTimes, Wave
from arraysmith.sim.folding import Fold, Folding

Int = NDArray[np.int64]

SEND_PIECES, SEND_CYCLES = 8, 64
"""A chunk of results leaves in at most so many parts, each of so many cycles at least: a choice.
Finer parts would leave a little earlier and cost more events."""

OPERANDS = (IFMAP, WEIGHT)

FREE, NEED = 0, 1
"""Order of what happens in one array cycle: places are freed first."""


class Meeting(NamedTuple):
    """A meeting of the array with the memories, ordered in the way in which the array comes to it.

    Attributes:
        cycle: array cycle, from step 0 of the fold (in a plan) or of the run.
        order: ``FREE`` or ``NEED``.
        fold: number of the fold; 0 in a plan.
        rank: place among those of a fold and cycle.
        tensor: an operand: its next load is needed, or gets a place. ``ofmap``: a chunk of results
            opens, or a part of one is sent.
        chunk: number of the chunk, counted from 0 in a plan and over all folds in a run.
        part: of a part that is sent, [start, stop) of its cycles from the first result on.
        words: words of the part.
        last: whether the chunk ends with it.
    """

    cycle: int
    order: int
    fold: int
    rank: int
    tensor: str
    chunk: int = 0
    part: tuple[int, int] = (0, 0)
    words: int = 0
    last: bool = False


@dataclass(frozen=True)
class Plan:
    """What all folds of one kind have in common; cycles are counted from step 0.

    Attributes:
        wave: what passes the edge.
        meetings: in order.
        needs: per operand, the cycle of each load that the fold needs.
        frees: per operand, the cycle in which each next load gets a place or its turn.
        opens: cycle in which each chunk of results begins.
        closes: cycle in which each chunk has been written, where it leaves.
        waits_for: how many chunks before a chunk has to have left before it opens.
        results: words written.
    """

    wave: Wave
    meetings: tuple[Meeting, ...]
    needs: dict[str, tuple[int, ...]]
    frees: dict[str, tuple[int, ...]]
    opens: tuple[int, ...]
    closes: tuple[int, ...]
    waits_for: int
    results: int


class Plans:
    """Finds the plan of a fold; folds of one kind share it."""

    def __init__(
        self,
        folding: Folding,
        steps: StepTimes,
        orders: dict[str, LoadOrder],
        results: ResultOrder,
    ) -> None:
        self._folding = folding
        self._steps = steps
        self._orders = orders
        self._results = results
        self._waves: dict[tuple[tuple[int, int], bool, bytes], Wave] = {}
        self._fetches: dict[tuple[int, int], Int] = {}
        self._plans: dict[tuple[object, ...], Plan] = {}
        self._places: dict[tuple[int, ...], Plan] = {}

    def wave(self, fold: Fold) -> Wave:
        """Return the wave of a fold; folds of one shape share it."""
        used = self._folding.used(fold.row, fold.column)
        accumulates = self._folding.dataflow != "os" and fold.row > 0
        fetched = self._fetched(fold)
        key = used, accumulates, b"" if fetched is None else fetched.tobytes()
        found = self._waves.get(key)
        if found is None:
            found = self._waves[key] = Wave.of(
                len(self._waves),
                self._folding,
                self._steps,
                used,
                accumulates=accumulates,
                fetched=fetched,
            )
        return found

    def _fetched(self, fold: Fold) -> Int | None:
        """Return the words of the ifmap that come with each slot of sparse weights."""
        folding = self._folding
        if folding.sparsity is None:
            return None
        block = folding.block(folding.reduction, fold.row, fold.column)
        if block not in self._fetches:
            first, stop = folding.fetches(block).T
            self._fetches[block] = stop - first
        return self._fetches[block]

    def of(self, fold: Fold) -> Plan:
        """Return the plan of a fold."""
        of = self._folding
        if of.sparsity is not None:
            return self._of(fold)
        # What a fold meets follows from whether it is the first, the last, the last but one.
        place = (
            min(fold.row, 1),
            min(of.row_folds - fold.row, 3),
            min(fold.column, 1),
            min(of.column_folds - fold.column, 3),
            min(fold.group, 1),
            min(of.groups - fold.group, 2),
        )
        found = self._places.get(place)
        if found is None:
            found = self._places[place] = self._of(fold)
        return found

    def _of(self, fold: Fold) -> Plan:
        wave = self.wave(fold)
        stays = self._results.stays(fold)
        leaves = not stays or fold.row + 1 == self._folding.row_folds
        key: tuple[object, ...] = (
            wave.number,
            stays,
            leaves,
            self._results.returns(fold),
            *((o.news(fold), o.frees(fold), o.keeps_place(fold)) for o in self._orders.values()),
        )
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = self._plan(
                fold, wave, opens=not wave.accumulates or not stays
            )
        return found

    def _plan(self, fold: Fold, wave: Wave, *, opens: bool) -> Plan:
        found: list[Meeting] = []
        needs: dict[str, tuple[int, ...]] = {}
        frees: dict[str, tuple[int, ...]] = {}
        for tensor, order in self._orders.items():
            passes = [
                self._passes(order, fold, wave, *piece)
                for piece in order.operand.pieces(self._folding, fold.row, fold.column)
            ]
            needs[tensor] = tuple(need for need, _ in passes) if order.news(fold) else ()
            frees[tensor] = tuple(gone for _, gone in passes) if order.frees(fold) else ()
            found += [Meeting(need, NEED, 0, 0, tensor) for need in needs[tensor]]
            found += [Meeting(gone, FREE, 0, 0, tensor) for gone in frees[tensor]]
        moved = wave.passing[OFMAP]
        stays = self._results.stays(fold)
        pieces = self._results.pieces(moved.words, stays=stays)
        leaves = not stays or fold.row + 1 == self._folding.row_folds
        for chunk, ((first, stop), _) in enumerate(pieces):
            if opens:
                found.append(Meeting(moved.first + first, NEED, 0, 0, OFMAP, chunk))
            if not leaves:
                continue
            length = max(SEND_CYCLES, -(-(stop - first) // SEND_PIECES))
            for start in range(first, stop, length):
                part = start, min(start + length, stop)
                words = int(moved.words[slice(*part)].sum())
                when = moved.first + part[1]
                last = part[1] == stop
                found.append(Meeting(when, FREE, 0, 0, OFMAP, chunk, part, words, last))
        found.sort(key=lambda one: one[:2])  # stable: tensors keep their order
        places = self._results.places
        return Plan(
            wave,
            tuple(one._replace(rank=rank) for rank, one in enumerate(found)),
            needs,
            frees,
            tuple(moved.first + first for (first, _), _ in pieces) if opens else (),
            tuple(moved.first + stop for (_, stop), _ in pieces) if leaves else (),
            min(places, len(pieces)) if self._results.returns(fold) else places,
            int(moved.words.sum()),
        )

    def _passes(
        self, order: LoadOrder, fold: Fold, wave: Wave, first: int, stop: int
    ) -> tuple[int, int]:
        """Return the cycles in which a piece is first needed and in which it makes room."""
        operand, moved = order.operand, wave.passing[order.operand.tensor]
        if operand.stationary:
            top = self._folding.block(operand.steps, fold.row, fold.column)[0]
            rows, _ = self._folding.most_used(wave.used)
            # Arrays in lockstep load their rows at the same time.
            need = self._steps.row_passes(rows, min(stop - top, rows) - 1)
            last = self._steps.row_passes(rows, first - top)
        else:
            tau, together = self._steps.tau, self._folding.across[2]
            need, last = int(tau[first // together]), int(tau[(stop - 1) // together])
        later = 0 if order.keeps_place(fold) else moved.skew * (moved.lanes - 1)
        return need, last + 1 + later
