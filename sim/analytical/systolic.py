"""Cost of a problem on a systolic array in closed form.

Cycles of computing are those of ``sim.fold_times``; words off-chip follow the rules of
``sim.residency``. Accesses of the SRAMs by the array, per group (peers agree, but for padding,
which is neither fetched nor counted here):

| | ifmap reads | weight reads | ofmap updates | ofmap reads |
| --- | --- | --- | --- | --- |
| ``os`` | column folds x rows x T | row folds x columns x T | rows x columns | 0 |
| ``ws`` | column folds x rows x T | rows x columns | row folds x columns x T | one row fold less |
| ``is`` | rows x columns | column folds x rows x T | row folds x columns x T | one row fold less |

The run takes as long as the slowest of computing, off-chip memory and each SRAM's array side and
off-chip side at their average rates. First fill, last drain, latency, skew and waiting that an
average cannot see are left to the simulator, which names them.
"""

from __future__ import annotations

from dataclasses import replace

from arraysmith.arch.architecture import COLUMNS, ROWS, Architecture, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT, Problem
from arraysmith.sim.analytical.latency import side_cycles
from arraysmith.sim.analytical.systolic_words import WordCounter
from arraysmith.sim.arrays import arrays_of
from arraysmith.sim.fold_times import FoldTimes
from arraysmith.sim.folding import Folding
from arraysmith.sim.operand_words import (
    Moves,
    OffchipMove,
    OperandWords,
    counts_of,
    memory_words,
    offchip_moves,
)
from arraysmith.sim.pricing import priced_report
from arraysmith.sim.report import READ, UPDATE, Report
from arraysmith.sim.residency import Operand, partial_sums_stay, require_room_for_results
from arraysmith.sim.systolic_machine import SystolicMachine
from arraysmith.sim.systolic_wires import systolic_traffic


def evaluate_systolic(
    architecture: Architecture, problem: Problem, mapping: Mapping, setting: str = "default"
) -> Report:
    """Return the cost; stall causes are ``bandwidth_<memory>``, the slowest memory.

    Raises:
        IllegalMappingError: the mapping breaks a rule.
        ArraysmithError: no systolic dataflow, an unsupported architecture, a buffer too small for
            one step, or a setting that has no rules for systolic arrays.
    """
    if setting != "default":
        raise ArraysmithError(f"setting {setting!r} has no rules for systolic arrays")
    require_legal(architecture, problem, mapping)
    machine = SystolicMachine.of(architecture, mapping, problem)
    whole = Folding.of(machine, problem, mapping)
    arrays = [folding for _, folding in arrays_of(whole, machine.mesh)]
    for folding in arrays:
        require_room_for_results(machine, folding)
    each = [_moves(machine, folding, problem) for folding in arrays]
    moved = sum(each, Moves())
    border = offchip_moves(problem, OperandWords.of(problem, machine.ofmap), moved)
    counts = counts_of(architecture, machine.buffers, border, moved, len(arrays))
    compute = max(array_cycles(folding) for folding in arrays)
    need = _needed_cycles(machine, border, each)
    slowest = max(need, key=lambda name: need[name])
    stalls = ((f"bandwidth_{slowest}", need[slowest] - compute),) if need[slowest] > compute else ()
    report = priced_report(
        architecture,
        problem,
        counts,
        fidelity="analytical",
        setting=setting,
        compute_cycles=compute,
        stalls=stalls,
        active_pes=sum(folding.active_pes for folding in arrays),
        traffic=systolic_traffic(architecture, arrays),
    )
    assert report.cycles * report.pes >= report.macs, "faster than the MACs allow"
    written = report.words(machine.offchip.name, OFMAP, UPDATE)
    assert written >= problem.ofmap.words, "results are missing"
    return report


def array_cycles(folding: Folding) -> int:
    """Return the cycles in which all folds run when nothing ever waits, in closed form.

    Folds start ``FoldTimes.distance`` apart, which depends on the shapes of two neighbours only;
    of row folds all but the last are alike, and of column folds. The run ends with the fold that
    ends last: the last one of its shape.
    """
    times = FoldTimes(folding)
    rows, columns = folding.row_folds, folding.column_folds

    def apart(one: tuple[int, int], other: tuple[int, int]) -> int:
        used, after = folding.used(*one), folding.used(*other)
        return times.distance(used, after, folding.steps, times.lead(after))

    def down(row: int, column: int) -> int:
        """Cycles from the first row fold of a column fold to another of its row folds."""
        alike = max(0, min(row, rows - 2))
        found = alike * apart((0, column), (1, column)) if alike else 0
        return found + (apart((rows - 2, column), (rows - 1, column)) if row > alike else 0)

    def across(column: int) -> int:
        """Cycles from the first column fold of a group to another one."""
        alike = max(0, min(column, columns - 2))
        found = 0
        if alike:
            found = alike * (down(rows - 1, 0) + apart((rows - 1, 0), (0, 1)))
        if column > alike:
            one = columns - 2
            found += down(rows - 1, one) + apart((rows - 1, one), (0, one + 1))
        return found

    last = rows - 1, columns - 1
    group = across(last[1]) + down(*last) + apart(last, (0, 0))
    before = times.lead(folding.used(0, 0)) + (folding.groups - 1) * group
    return before + max(
        across(column) + down(row, column) + times.tail(folding.used(row, column), folding.steps)
        for row in {rows - 1, max(0, rows - 2)}
        for column in {columns - 1, max(0, columns - 2)}
    )


def _moves(machine: SystolicMachine, folding: Folding, problem: Problem) -> Moves:
    """Return the words that one array moves."""
    moves = Moves()
    for tensor in (IFMAP, WEIGHT):
        operand = Operand.of(machine, folding, problem, tensor)
        counter = WordCounter.of(
            problem,
            problem.stored(tensor),
            folding.words_side(tensor, operand.lanes),
            folding.words_side(tensor, operand.steps),
        )
        again = 1
        if not operand.stationary:
            again = folding.column_folds if operand.lanes == ROWS else folding.row_folds
        moves.fetched[tensor] = _fetched(folding, operand, counter)
        moves.read[tensor] = folding.groups * again * _read(folding, operand, counter)
    results = folding.results
    moves.updated = moves.sent = moves.complete = results
    if folding.dataflow != "os":
        moves.updated = folding.row_folds * results
        moves.sent = folding.groups * sum(
            (1 if partial_sums_stay(machine, folding, column) else folding.row_folds)
            * (right - left)
            * folding.stream.size
            for column in range(folding.column_folds)
            for left, right in (folding.block(COLUMNS, 0, column),)
        )
    moves.returned = moves.sent - results
    moves.read[OFMAP] = moves.updated - results
    return moves


def _read(folding: Folding, operand: Operand, counter: WordCounter) -> int:
    """Return the words that all lanes take in one turn over a group; padding not counted."""
    lanes, steps = ((0, folding.side(name).size) for name in (operand.lanes, operand.steps))
    blocks = [lanes]
    if folding.sparsity is not None and operand.lanes == ROWS:
        # Blocks of weights that two folds share are read in both.
        blocks = [folding.block(ROWS, row, 0) for row in range(folding.row_folds)]
    needed = folding.needed(operand.tensor, operand.steps, steps)
    return sum(
        counter.stored_pairs(folding.needed(operand.tensor, operand.lanes, block), needed)
        for block in blocks
    )


def _fetched(folding: Folding, operand: Operand, counter: WordCounter) -> int:
    """Return the words of an operand that come from off-chip, by the rules of ``sim.residency``."""
    groups = folding.groups if operand.grouped else 1
    if operand.whole:
        lanes, steps = (
            folding.needed(operand.tensor, name, (0, folding.side(name).size))
            for name in (operand.lanes, operand.steps)
        )
        return groups * counter.distinct(lanes, steps)
    turns = folding.column_folds if operand.lanes == ROWS else folding.row_folds
    if operand.stationary:
        blocks = [
            (row, column)
            for row in range(folding.row_folds)
            for column in range(folding.column_folds)
        ]
        repeats, blocks_per_group = 1, len(blocks)
    else:
        by_row = operand.lanes == ROWS
        blocks_per_group = folding.row_folds if by_row else folding.column_folds
        blocks = [(i, 0) if by_row else (0, i) for i in range(blocks_per_group)]
        # The inner loop over the folds keeps a block of columns, the outer one returns to the same
        # block of rows only when it is the only one.
        stays = len(operand.chunks) == 1 and (not by_row or blocks_per_group == 1)
        repeats = 1 if stays else turns
    one_load = blocks_per_group == 1 and len(operand.pieces(folding, 0, 0)) == 1
    times = groups if one_load else folding.groups
    return (
        times
        * repeats
        * sum(
            counter.distinct(
                folding.needed(
                    operand.tensor, operand.lanes, folding.block(operand.lanes, row, column)
                ),
                folding.needed(operand.tensor, operand.steps, piece),
            )
            for row, column in blocks
            for piece in operand.pieces(folding, row, column)
        )
    )


def _needed_cycles(
    machine: SystolicMachine, border: list[OffchipMove], each: list[Moves]
) -> dict[str, int]:
    """Return the cycles that each memory's ports are busy at least, outermost first.

    All arrays share the off-chip memory; of their own SRAMs the busiest counts. The halves of an
    SRAM have a port each, so its array side (reads, updates) and its off-chip side (fills, drains)
    do not meet. Banks are taken to be free of conflicts, and with several of them one reads while
    another writes.
    """
    offchip = machine.offchip

    def busy(memory: Memory, outgoing: int, incoming: int) -> int:
        banked = any(memory.banked(tensor) for tensor in memory.holds)
        return side_cycles(replace(memory, ports=2) if banked else memory, outgoing, incoming, 1)

    out, into = (
        sum(memory_words(offchip, x.words, x.word_bits) for x in border if x.direction == direction)
        for direction in (READ, UPDATE)
    )
    need = {offchip.name: side_cycles(offchip, out, into, 1)}
    for name in dict.fromkeys(memory.name for memory in machine.buffers.values()):
        kept = {t: memory for t, memory in machine.buffers.items() if memory.name == name}
        memory = max(kept.values(), key=lambda one: one.word_bits)
        need[name] = 0
        for moves in each:
            # Array and off-chip side of a memory that is not halved take turns over loads, but a
            # load may wait behind another memory's, so that only the longer side is a bound.
            read = sum(moves.read[tensor] for tensor in kept)
            filled = sum(moves.fetched.get(tensor, moves.returned) for tensor in kept)
            updated, sent = (moves.updated, moves.sent) if OFMAP in kept else (0, 0)
            need[name] = max(need[name], busy(memory, read, updated), busy(memory, sent, filled))
    return need
