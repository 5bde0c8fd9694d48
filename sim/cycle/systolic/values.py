"""Carrying values through a systolic design: what a load does not bring, no PE gets.

Every half of an input SRAM is an image of its tensor, full of poison except for the words that the
loads brought (the same that are counted, timed and traced); a load wipes what its half held before.
The array multiplies what it reads at the addresses of its streams; partial sums go where the
results' streams say, off-chip and back when they do not stay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem
from arraysmith.sim.arrays import arrays_of
from arraysmith.sim.cycle.carrying.reference import POISON, Drop
from arraysmith.sim.cycle.carrying.sparse import compressed, expanded
from arraysmith.sim.cycle.systolic.arrays import word_views
from arraysmith.sim.cycle.systolic.loads import LoadOrder, ResultOrder
from arraysmith.sim.cycle.systolic.words import WordView
from arraysmith.sim.folding import LANES_AND_STEPS, Fold, Folding
from arraysmith.sim.residency import Operand
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]


class _Sram:
    """The SRAM of one operand, filled by the loads of a run."""

    def __init__(self, folding: Folding, operand: Operand, view: WordView, values: Int) -> None:
        self._folding = folding
        self._view = view
        self._offchip = np.ascontiguousarray(values, np.int64).reshape(-1)
        self._order = LoadOrder(folding, operand)
        self._loads = self._order.loads()
        self._halves = [
            np.full(len(self._offchip), POISON, np.int64) for _ in range(operand.halves)
        ]
        self._held: list[list[Int]] = [[] for _ in range(operand.halves)]
        self._epoch = -1

    def block(self, fold: Fold, dropped: int) -> Int:
        """Return int64 [lanes, steps]: what the array reads in ``fold``; padding reads as zero."""
        operand, folding = self._order.operand, self._folding
        lanes, steps = (
            folding.needed(operand.tensor, side, folding.block(side, fold.row, fold.column))
            for side in (operand.lanes, operand.steps)
        )
        found = np.empty((lanes[1] - lanes[0], steps[1] - steps[0]), np.int64)
        news = self._order.news(fold)
        for first, stop in operand.pieces(self._folding, fold.row, fold.column):
            if news:
                self._load(lanes, fold.group, dropped)
            piece = folding.needed(operand.tensor, operand.steps, (first, stop))
            words = self._view.words(lanes, piece, fold.group)
            half = self._halves[self._epoch % len(self._halves)]
            found[:, piece[0] - steps[0] : piece[1] - steps[0]] = np.where(
                words < 0, 0, half[words]
            )
        return found

    def _load(self, lanes: tuple[int, int], group: int, dropped: int) -> None:
        load = next(self._loads)
        place = load.epoch % len(self._halves)
        if load.epoch != self._epoch:
            self._epoch = load.epoch
            for words in self._held[place]:
                self._halves[place][words] = POISON
            self._held[place].clear()
        operand = self._order.operand
        steps = self._folding.needed(operand.tensor, operand.steps, load.steps)
        words = self._view.distinct(lanes, steps, group, load.epoch + 1)
        if load.number != dropped:
            self._halves[place][words] = self._offchip[words]
            self._held[place].append(words)


def systolic_values(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    ifmap: Int,
    weight: Int,
    drop: Drop | None = None,
) -> Int:
    """Return the results that the machine leaves in off-chip memory.

    Args:
        architecture: a systolic design.
        problem: the operator.
        mapping: as for ``simulate_systolic``.
        ifmap: int64, of its tensor's shape.
        weight: int64, of its tensor's shape.
        drop: a transfer to leave out: a load of an operand, or the return of all partial sums of a
            fold.

    Raises:
        ArraysmithError: as ``simulate_systolic``.
    """
    require_legal(architecture, problem, mapping)
    machine = SystolicMachine.of(architecture, mapping, problem)
    if problem.weight_sparsity is not None:
        weight = compressed(problem, weight)
    total = np.full(problem.ofmap.words, POISON, np.int64)
    there = np.zeros(problem.ofmap.words, bool)
    for _, folding in arrays_of(Folding.of(machine, problem, mapping), machine.mesh):
        words, sums = _array_values(machine, folding, problem, (ifmap, weight), drop)
        # The first array writes, the others add.
        total[words] = np.where(there[words], total[words] + sums, sums)
        there[words] = True
    return total.reshape([axis.extent for axis in problem.ofmap.axes])


def _products(folding: Folding, used: tuple[int, int], blocks: dict[str, Int]) -> Int:
    """Return int64 [columns, rows or steps]: what leaves the arrays in a fold.

    Each array in lockstep multiplies what it takes; parts of one sum are added on the way.
    """
    ifmap, weight = blocks[IFMAP], blocks[WEIGHT]
    rows, columns, stream = folding.across
    if (rows, columns, stream) == (1, 1, 1):
        whole = slice(None)
        return _of_array(folding.dataflow, ifmap, weight, (whole, whole, whole))
    result = used[0] if folding.dataflow == "os" else folding.stream.size
    total = np.zeros((used[1], result), np.int64)
    for a, b, p in np.ndindex(rows, columns, stream):
        part = (
            slice(a * folding.array_rows, (a + 1) * folding.array_rows),
            slice(b * folding.array_columns, (b + 1) * folding.array_columns),
            slice(p, None, stream),
        )
        made = part[0] if folding.dataflow == "os" else part[2]
        total[part[1], made] += _of_array(folding.dataflow, ifmap, weight, part)
    return total


def _of_array(dataflow: str, ifmap: Int, weight: Int, part: tuple[slice, slice, slice]) -> Int:
    """Return what one array makes of its rows, columns and stream of the blocks of a fold."""
    rows, columns, stream = part
    if dataflow == "os":
        return weight[columns, stream] @ ifmap[rows, stream].T
    if dataflow == "ws":
        return weight[columns, rows] @ ifmap[rows, stream]
    return ifmap[columns, rows] @ weight[rows, stream]


def _array_values(
    machine: SystolicMachine,
    folding: Folding,
    problem: Problem,
    operands: tuple[Int, Int],
    drop: Drop | None,
) -> tuple[Int, Int]:
    """Return the words that one array writes and its sums for them, both int64 [n].

    Args:
        machine: the design.
        folding: what the array computes.
        problem: the operator.
        operands: ifmap and weight as they lie in memory.
        drop: see ``systolic_values``.
    """
    views = word_views(folding, problem)
    dropped = dict.fromkeys(TENSORS, -1)
    if drop:
        dropped[TENSORS[drop.tensor]] = drop.transfer
    srams = {
        tensor: _Sram(folding, Operand.of(machine, folding, problem, tensor), views[tensor], values)
        for tensor, values in zip((IFMAP, WEIGHT), operands, strict=True)
    }
    results = ResultOrder(machine, folding)
    offchip = np.full(problem.ofmap.words, POISON, np.int64)
    sums = np.full(problem.ofmap.words, POISON, np.int64)
    written = np.zeros(problem.ofmap.words, bool)
    returned = 0
    for fold in folding.folds():
        blocks = {tensor: sram.block(fold, dropped[tensor]) for tensor, sram in srams.items()}
        if folding.sparsity is not None:
            slots = folding.block(folding.reduction, fold.row, fold.column)
            first = folding.side(folding.reduction).first
            blocks[WEIGHT] = expanded(
                folding.sparsity,
                blocks[WEIGHT],
                (first + slots[0], first + slots[1]),
                folding.reduced.size,
            )
        new = _products(folding, folding.used(fold.row, fold.column), blocks)
        lanes, steps = (
            folding.block(side, fold.row, fold.column)
            for side in LANES_AND_STEPS[folding.dataflow, OFMAP]
        )
        words = views[OFMAP].words(lanes, steps, fold.group)
        if results.returns(fold):
            sums[words] = POISON if returned == dropped[OFMAP] else offchip[words]
            returned += 1
        sums[words] = new if folding.dataflow == "os" or fold.row == 0 else sums[words] + new
        if not results.stays(fold) or fold.row + 1 == folding.row_folds:
            offchip[words], sums[words] = sums[words], POISON
            written[words] = True
    at = np.flatnonzero(written)
    return at, offchip[at]
