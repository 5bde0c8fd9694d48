"""A systolic array register by register: slow, plain, obviously right.

Every PE has a register for the operand that moves right, one for what moves down, and one that
stays. In every cycle each PE looks at what its neighbours' registers held after the last cycle, or
at the edge; None is a bubble. A run ends with the last cycle in which something useful happens.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Run:
    """What was seen: cycles, the results, and (cycle, lane, step) of every word at an edge."""

    cycles: int
    output: np.ndarray
    left: list[tuple[int, int, int]] = field(default_factory=list)
    top: list[tuple[int, int, int]] = field(default_factory=list)
    out: list[tuple[int, int, int]] = field(default_factory=list)


def output_stationary(a: np.ndarray, b: np.ndarray, *, shift: bool) -> Run:
    """a [rows, steps] enters left, b [steps, columns] on top, the sums stay.

    ``shift``: the array waits for its last MAC and then moves all sums down, one row a cycle;
    otherwise each sum is read where it lies once it is complete.
    """
    rows, steps = a.shape
    columns = b.shape[1]
    run = Run(0, np.zeros((rows, columns), int))
    right = [[None] * columns for _ in range(rows)]
    down = [[None] * columns for _ in range(rows)]
    sums = [[0] * columns for _ in range(rows)]
    done = [[0] * columns for _ in range(rows)]
    cycle = 0
    while any(done[i][j] < steps for i in range(rows) for j in range(columns)):
        new_right = [[None] * columns for _ in range(rows)]
        new_down = [[None] * columns for _ in range(rows)]
        for i in range(rows):
            for j in range(columns):
                if j > 0:
                    left = right[i][j - 1]
                elif 0 <= cycle - i < steps:
                    left = int(a[i, cycle - i])
                    run.left.append((cycle, i, cycle - i))
                else:
                    left = None
                if i > 0:
                    top = down[i - 1][j]
                elif 0 <= cycle - j < steps:
                    top = int(b[cycle - j, j])
                    run.top.append((cycle, j, cycle - j))
                else:
                    top = None
                assert (left is None) == (top is None), "operands do not meet"
                if left is not None:
                    sums[i][j] += left * top
                    done[i][j] += 1
                    if not shift and done[i][j] == steps:
                        run.output[i, j] = sums[i][j]
                        run.out.append((cycle, j, i))
                new_right[i][j], new_down[i][j] = left, top
        right, down = new_right, new_down
        cycle += 1
    if shift:
        for leaving in reversed(range(rows)):
            for j in range(columns):
                run.output[leaving, j] = sums[rows - 1][j]
                run.out.append((cycle, j, leaving))
            sums = [[0] * columns, *sums[:-1]]
            cycle += 1
    run.cycles = cycle
    return run


def operand_stationary(a: np.ndarray, b: np.ndarray) -> Run:
    """b [rows, columns] is loaded and stays, a [steps, rows] enters left, sums move down."""
    steps, rows = a.shape
    columns = b.shape[1]
    run = Run(0, np.zeros((steps, columns), int))
    held = [[None] * columns for _ in range(rows)]
    for cycle in range(rows):
        entering = rows - 1 - cycle
        run.top += [(cycle, j, entering) for j in range(columns)]
        held = [[int(x) for x in b[entering]], *held[:-1]]
    assert held == b.tolist()
    right = [[None] * columns for _ in range(rows)]
    down = [[None] * columns for _ in range(rows)]
    received = [0] * columns
    cycle = rows
    while min(received) < steps:
        new_right = [[None] * columns for _ in range(rows)]
        new_down = [[None] * columns for _ in range(rows)]
        for i in range(rows):
            step = cycle - rows - i
            for j in range(columns):
                if j > 0:
                    left = right[i][j - 1]
                elif 0 <= step < steps:
                    left = int(a[step, i])
                    run.left.append((cycle, i, step))
                else:
                    left = None
                if left is None:
                    assert i == 0 or down[i - 1][j] is None, "a sum meets no operand"
                    continue
                new_right[i][j] = left
                new_down[i][j] = (down[i - 1][j] if i else 0) + left * held[i][j]
        for j in range(columns):
            if new_down[-1][j] is not None:
                run.output[received[j], j] = new_down[-1][j]
                run.out.append((cycle, j, received[j]))
                received[j] += 1
        right, down = new_right, new_down
        cycle += 1
    run.cycles = cycle
    return run
