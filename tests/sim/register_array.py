"""A systolic array register by register: slow, plain, obviously right.

Every PE has a register for the operand that moves right, one for what moves down, and one that
stays; where folds overlap, a second one of those that stay. In every cycle each PE looks at what
its neighbours' registers held after the last cycle, or at the edge; None is a bubble. A run ends
with the last cycle in which something useful happens. Whatever would be lost or meet in one wire is
a ``HazardError``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


class HazardError(Exception):
    """Two words in one register or on one wire, or words of different steps that meet."""


@dataclass
class Run:
    """Cycles, results per fold, and (cycle, fold, lane, step) of the words at an edge."""

    cycles: int
    outputs: list[np.ndarray]
    left: list[tuple[int, int, int, int]] = field(default_factory=list)
    top: list[tuple[int, int, int, int]] = field(default_factory=list)
    out: list[tuple[int, int, int, int]] = field(default_factory=list)

    def leave(self, cycle: int, fold: int, lane: int, step: int, value: int) -> None:
        """Take a result off the port of column ``lane``."""
        if any(seen[0] == cycle and seen[2] == lane for seen in self.out[-400:]):
            raise HazardError("two results leave a column in one cycle")
        self.out.append((cycle, fold, lane, step))
        row = self.outputs[fold][step]
        row[lane] = value
        self.cycles = max(self.cycles, cycle + 1)


def _grid(rows: int, columns: int) -> list[list]:
    return [[None] * columns for _ in range(rows)]


def _entering(cycle: int, lane: int, starts: list[int], steps: int) -> tuple[int, int] | None:
    """(fold, step) of the word that the sequencer puts on a lane."""
    found = [
        (fold, cycle - start - lane)
        for fold, start in enumerate(starts)
        if 0 <= cycle - start - lane < steps
    ]
    if len(found) > 1:
        raise HazardError("two words on one lane")
    return found[0] if found else None


def output_stationary(
    blocks: list[tuple[np.ndarray, np.ndarray]], starts: list[int], drain: str, *, twice: bool
) -> Run:
    """Folds whose sums stay; a [rows, steps] enters left, b [steps, columns] on top.

    Args:
        blocks: (a, b) of every fold.
        starts: cycle in which lane 0 takes step 0, per fold.
        drain: ``free``, a sum is read where it lies in the cycle in which it is complete; ``bus``,
            it is put into a register that drives the bus of its column in the next cycle;
            ``shift``, sums move down a register a cycle and leave below.
        twice: with ``shift``, every PE copies its sum at its last MAC into a second register, and
            each column shifts once its last PE has done so. Otherwise all columns shift the sums
            themselves when the last MAC of the fold is over.
    """
    high, wide = max(len(a) for a, _ in blocks), max(b.shape[1] for _, b in blocks)
    steps = blocks[0][0].shape[1]
    run = Run(0, [np.zeros((len(a), b.shape[1]), int) for a, b in blocks])
    right, down, sums, held = (_grid(high, wide) for _ in range(4))
    shifting: list[list[int] | None] = [None] * wide  # per column: fold, rows still to leave
    made = [0] * len(blocks)
    total = sum(a.shape[0] * b.shape[1] for a, b in blocks)
    cycle = 0
    while len(run.out) < total:
        new_right, new_down = _grid(high, wide), _grid(high, wide)
        finished: list[tuple[int, int, int]] = []
        for i in range(high):
            for j in range(wide):
                left = right[i][j - 1] if j else None
                if j == 0 and (word := _entering(cycle, i, starts, steps)) is not None:
                    fold, step = word
                    if i < len(blocks[fold][0]):
                        left = fold, step, int(blocks[fold][0][i, step])
                        run.left.append((cycle, fold, i, step))
                top = down[i - 1][j] if i else None
                if i == 0 and (word := _entering(cycle, j, starts, steps)) is not None:
                    fold, step = word
                    if j < blocks[fold][1].shape[1]:
                        top = fold, step, int(blocks[fold][1][step, j])
                        run.top.append((cycle, fold, j, step))
                new_right[i][j], new_down[i][j] = left, top
                if left is None or top is None:
                    continue  # beyond the rows or columns that the fold uses
                if left[:2] != top[:2]:
                    raise HazardError("operands of different steps meet")
                fold, step = left[:2]
                if step == 0:
                    if not twice and sums[i][j] is not None:
                        raise HazardError("a sum is overwritten")
                    sums[i][j] = [fold, 0]
                sums[i][j][1] += left[2] * top[2]
                if step == steps - 1:
                    finished.append((fold, i, j))
        # What was held after the last cycle leaves, before anything is put into its place.
        if drain == "bus":
            for i in range(high):
                for j in range(wide):
                    if held[i][j] is not None:
                        run.leave(cycle, held[i][j][0], j, i, held[i][j][1])
                        held[i][j] = None
        place = held if twice else sums
        for j in range(wide) if drain == "shift" else ():
            if shifting[j] is None:
                continue
            fold, rest = shifting[j]
            rows = len(blocks[fold][0])
            # Row i passes on i + 1 sums, its own and those from above, and then holds still.
            still = rows - rest
            if any(place[i][j] is None or place[i][j][0] != fold for i in range(still, rows)):
                raise HazardError("sums of two folds in one chain")
            run.leave(cycle, fold, j, rest - 1, place[rows - 1][j][1])
            for i in reversed(range(still + 1, rows)):
                place[i][j] = place[i - 1][j]
            place[still][j] = None
            shifting[j] = [fold, rest - 1] if rest > 1 else None
        for fold, i, j in finished:
            value = sums[i][j][1]
            if drain == "free":
                run.leave(cycle, fold, j, i, value)
                sums[i][j] = None
            elif drain == "bus" or twice:
                if held[i][j] is not None:
                    raise HazardError("a result is overwritten before it was passed on")
                held[i][j] = [fold, value]
                sums[i][j] = None
            made[fold] += 1
            if drain != "shift":
                continue
            rows, columns = run.outputs[fold].shape
            ready = [j] if twice and i == rows - 1 else []
            if not twice and made[fold] == rows * columns:
                ready = list(range(columns))
            for column in ready:
                if shifting[column] is not None:
                    raise HazardError("two chains in one column")
                shifting[column] = [fold, rows]
        right, down = new_right, new_down
        cycle += 1
    return run


def operand_stationary(
    blocks: list[tuple[np.ndarray, np.ndarray]], starts: list[int], *, twice: bool
) -> Run:
    """Folds in which b [rows, columns] stays; a [steps, rows] enters left, sums move down.

    Args:
        blocks: (a, b) of every fold.
        starts: cycle in which lane 0 takes step 0, per fold.
        twice: every PE holds a second word of b, and one on its way down to its neighbour. The
            words of a column enter a cycle after those of the column to its left, last row first;
            a PE that takes one passes on the one before; it begins to use what it holds with step
            0. Otherwise all columns shift their words down together, and hold still afterwards.
    """
    high, wide = max(a.shape[1] for a, _ in blocks), max(b.shape[1] for _, b in blocks)
    steps = len(blocks[0][0])
    run = Run(0, [np.zeros((steps, b.shape[1]), int) for _, b in blocks])
    right, down, used, held, passed = (_grid(high, wide) for _ in range(5))
    total = sum(steps * b.shape[1] for _, b in blocks)
    cycle = min(start - b.shape[0] for start, (_, b) in zip(starts, blocks, strict=True))
    assert cycle == 0, "the first word enters in cycle 0"
    while len(run.out) < total:
        new_right, new_down, new_passed = (_grid(high, wide) for _ in range(3))
        for i in range(high):
            for j in range(wide):
                left = right[i][j - 1] if j else None
                if j == 0 and (word := _entering(cycle, i, starts, steps)) is not None:
                    fold, step = word
                    if i < blocks[fold][1].shape[0]:
                        left = fold, step, int(blocks[fold][0][step, i])
                        run.left.append((cycle, fold, i, step))
                above = down[i - 1][j] if i else None
                if left is None or j >= blocks[left[0]][1].shape[1]:
                    if above is not None:
                        raise HazardError("a sum meets no operand")
                    continue
                new_right[i][j] = left
                fold, step, value = left
                if step == 0 and twice:
                    used[i][j] = held[i][j]
                    held[i][j] = None
                word = used[i][j] if twice else held[i][j]
                if word is None or word[:2] != (fold, i):
                    raise HazardError("a PE has not the word that it needs")
                if (above is None) != (i == 0) or (above and above[:2] != (fold, step)):
                    raise HazardError("a sum meets an operand of another step")
                total_here = (above[2] if above else 0) + value * word[2]
                if i == blocks[fold][1].shape[0] - 1:
                    run.leave(cycle, fold, j, step, total_here)
                else:
                    new_down[i][j] = fold, step, total_here
        for j in range(wide):
            entering = []
            for fold, (start, (_, b)) in enumerate(zip(starts, blocks, strict=True)):
                row = start - 1 - cycle + (j if twice else 0)
                if 0 <= row < b.shape[0] and j < b.shape[1]:
                    entering.append((fold, row, int(b[row, j])))
            if len(entering) > 1:
                raise HazardError("two words on one lane")
            for fold, row, _ in entering:
                run.top.append((cycle, fold, j, row))
            if not twice and entering:
                for i in reversed(range(1, high)):
                    held[i][j] = held[i - 1][j]
                held[0][j] = entering[0]
            for i in range(high) if twice else ():
                came = (entering[0] if entering else None) if i == 0 else passed[i - 1][j]
                if came is None:
                    continue
                if held[i][j] is not None and held[i][j][0] != came[0]:
                    raise HazardError("a word is pushed on before it was used")
                new_passed[i][j], held[i][j] = held[i][j], came
        right, down, passed = new_right, new_down, new_passed
        cycle += 1
    return run
