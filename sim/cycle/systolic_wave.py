"""The wavefront of a fold: when which word passes the array's edge, and what the ports make of it.

Wavefront cycles count from the start of the fold as if nothing ever waited. With r' and c' the rows
and columns that a fold's time is counted with (``Folding.extent``):

* streaming operands: lane l takes step t in cycle first + tau(t) + l; first is 0 (``os``) or r'.
  tau(t) = t, unless a chunk boundary needs a gap: see ``step_cycles``;
* stationary operand: row i of the array passes in cycle r' - 1 - i, all lanes together;
* results, ``os`` with shift: row i leaves in cycle tau(T-1) + r' + c' - 1 + r' - 1 - i; free:
  result (i, j) leaves with its last MAC, tau(T-1) + i + j;
* results and partial sums, ``ws`` and ``is``: (t, j) is added to and written in cycle
  2 r' - 1 + tau(t) + j; from the second row fold on the partial sum is read in the same cycle.

A lane whose word is padding keeps its turn at the port: the sequencer injects a zero there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.problem import IFMAP, TENSORS, WEIGHT
from arraysmith.sim.cycle.network import rate_rows
from arraysmith.sim.folding import LANES_AND_STEPS, ROWS, Folding, SystolicMachine
from arraysmith.sim.residency import Operand

Int = NDArray[np.int64]


def step_cycles(folding: Folding, operands: dict[str, Operand]) -> tuple[Int, dict[str, int]]:
    """Return tau, int64 [T], and the cycles of gaps that each operand's chunks cause in a fold.

    A chunk may be needed only when the one whose place it takes (two before, or one when the
    memory is a single buffer) has passed the last lane; chunks shorter than the skew wait for
    that. The skew counted is that of a fold that fills the array, alike in all folds.
    """
    rows, columns = folding.used(0, 0)
    delay = np.zeros(folding.stream.size, np.int64)
    gaps = dict.fromkeys(operands, 0)
    starts: dict[int, list[str]] = {}
    for tensor, operand in operands.items():
        for start, _ in operand.chunks[operand.halves :]:
            starts.setdefault(start, []).append(tensor)
    shift, last = 0, 0
    for start in sorted(starts):
        delay[last:start] = shift
        last = start
        for tensor in starts[start]:
            operand = operands[tensor]
            lanes = rows if operand.lanes == ROWS else columns
            number = [first for first, _ in operand.chunks].index(start)
            gone = operand.chunks[number - operand.halves][1]
            free = gone - 1 + int(delay[gone - 1]) + lanes
            gap = max(0, free - (start + shift))
            shift += gap
            gaps[tensor] += gap
    delay[last:] = shift
    return np.arange(folding.stream.size, dtype=np.int64) + delay, gaps


@dataclass(frozen=True)
class Wave:
    """The wavefront of one shape of fold.

    Attributes:
        cycles: wavefront cycles, gaps included.
        stream_first: cycle in which lane 0 takes step 0.
        tau: int64 [T], see ``step_cycles``.
        load_last: cycle in which the first row of the array passes, when loading; r' - 1.
        out_first: cycle of the first result.
        out_words: int64 [n], results in each cycle from then on.
        offsets: int64 [cycles + 1], clock cycle in which each wavefront cycle starts when the SRAM
            ports alone make the array wait.
        port_waits: cycles of waiting for the SRAM ports, by tensor.
        read_turn: cycles by which writes of partial sums follow reads through a single port,
            int64 [n], per cycle as ``out_words``.
    """

    cycles: int
    stream_first: int
    tau: Int
    load_last: int
    out_first: int
    out_words: Int
    offsets: Int
    port_waits: dict[str, int]
    read_turn: Int


def wave(
    machine: SystolicMachine,
    folding: Folding,
    used: tuple[int, int],
    tau: Int,
    *,
    accumulate: bool,
) -> Wave:
    """Return the wavefront of a fold.

    Args:
        machine: gives the ports.
        folding: gives dataflow and switches.
        used: rows and columns that the fold uses.
        tau: see ``step_cycles``.
        accumulate: whether partial sums of an earlier row fold are read.
    """
    rows, columns = used
    extent_rows, extent_columns = folding.extent(used)
    cycles = folding.fold_cycles(used) + int(tau[-1]) - (folding.stream.size - 1)
    demand = np.zeros((4, cycles), np.int64)
    stream_first = 0 if folding.dataflow == "os" else extent_rows
    for row, tensor in enumerate((IFMAP, WEIGHT)):
        lanes, steps = LANES_AND_STEPS[folding.dataflow, tensor]
        if steps == ROWS:
            demand[row, extent_rows - rows : extent_rows] = columns
        else:
            window = _passing(tau, rows if lanes == ROWS else columns)
            demand[row, stream_first : stream_first + len(window)] = window
    if folding.dataflow != "os":
        out_first = 2 * extent_rows - 1
        out_words = _passing(tau, columns)
    elif folding.wiring.drain == "shift":
        out_first = int(tau[-1]) + extent_rows + extent_columns - 1 + extent_rows - rows
        out_words = np.full(rows, columns, np.int64)
    else:
        out_first = int(tau[-1])
        out_words = _passing(np.arange(rows, dtype=np.int64), columns)
    stop = out_first + len(out_words)
    demand[3, out_first:stop] = out_words
    if accumulate:
        demand[2, out_first:stop] = out_words
    buffers = [machine.buffer(tensor) for tensor in TENSORS]
    rates = rate_rows(
        [
            *(memory.read_words_per_cycle for memory in buffers),
            buffers[2].write_words_per_cycle,
        ]
    )
    offsets = np.zeros(cycles + 1, np.int64)
    waits, turn = np.zeros(3, np.int64), np.zeros(cycles, np.int64)
    _ports(demand, rates, buffers[2].ports == 1, offsets, waits, turn)
    return Wave(
        cycles,
        stream_first,
        tau,
        extent_rows - 1,
        out_first,
        out_words,
        offsets,
        dict(zip(TENSORS, waits.tolist(), strict=True)),
        turn[out_first:stop].copy(),
    )


def _passing(tau: Int, lanes: int) -> Int:
    """Return, per cycle, the number of lanes l and steps t with tau(t) + l in that cycle."""
    change = np.zeros(int(tau[-1]) + lanes + 1, np.int64)
    change[tau] += 1
    change[tau + lanes] -= 1
    return np.cumsum(change)[:-1]


@njit(cache=True, nogil=True)
def _ports(demand: Int, rates: Int, one_port: bool, offsets: Int, waits: Int, turn: Int) -> None:
    """Freeze the array in every cycle whose words the ports need longer for.

    Args:
        demand: int64 [4, cycles], words: ifmap read, weight read, ofmap read, ofmap write.
        rates: int64 [4, 2], words per cycle as numerator and denominator; numerator 0: unlimited.
        one_port: whether reads and writes of the ofmap take turns.
        offsets: int64 [cycles + 1], written: start of each cycle.
        waits: int64 [3], written: waiting by tensor; the first of the slowest has the cycle.
        turn: int64 [cycles], written: when writes of a single ofmap port may begin.
    """
    busy = np.zeros(4, np.int64)
    for u in range(demand.shape[1]):
        for k in range(4):
            busy[k] = 0
            if rates[k, 0] > 0:
                busy[k] = -(-(demand[k, u] * rates[k, 1]) // rates[k, 0])
        if one_port:
            turn[u] = busy[2]
            results = busy[2] + busy[3]
        else:
            results = max(busy[2], busy[3])
        longest = max(busy[0], busy[1], results, 1)
        if longest > 1:
            if busy[0] == longest:
                waits[0] += longest - 1
            elif busy[1] == longest:
                waits[1] += longest - 1
            else:
                waits[2] += longest - 1
        offsets[u + 1] = offsets[u] + longest
