"""What the SRAM ports make of the waves of all folds that are alive between two fold starts.

A port moves so many words in a clock cycle. When an array cycle asks for more, the whole array
waits (global enable): its words come in as many clock cycles as the port needs, and the array
advances in the last of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.network import rate_rows
from arraysmith.sim.cycle.systolic_wave import Wave
from arraysmith.sim.folding import SystolicMachine

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """The array cycles between the first cycles of two neighbouring folds.

    Attributes:
        cycles: array cycles.
        offsets: int64 [cycles + 1], clock cycle in which each array cycle begins when the SRAM
            ports alone make the array wait, from the first one on.
        waiting: clock cycles of waiting.
        waits: int64 [cycles], the same per array cycle.
        cause: int64 [cycles], index into ``TENSORS`` of the tensor whose port is the slowest.
        by_tensor: cycles of waiting by tensor.
        read_turn: int64 [cycles], cycles by which writes of partial sums follow reads through a
            single port.
    """

    cycles: int
    offsets: Int
    waiting: int
    waits: Int
    cause: Int
    by_tensor: dict[str, int]
    read_turn: Int


class Windows:
    """Computes windows, each kind once."""

    def __init__(self, machine: SystolicMachine) -> None:
        buffers = [machine.buffer(tensor) for tensor in TENSORS]
        self._rates = rate_rows(
            [
                *(memory.read_words_per_cycle for memory in buffers),
                buffers[2].write_words_per_cycle,
            ]
        )
        self._one_port = buffers[2].ports == 1
        self._found: dict[tuple[int, tuple[tuple[int, int], ...]], Window] = {}

    def of(self, cycles: int, alive: Sequence[tuple[Wave, int]]) -> Window:
        """Return the window of ``cycles`` array cycles.

        Args:
            cycles: array cycles.
            alive: the waves that move in it, each with the cycles since its fold's first one.
        """
        key = cycles, tuple((wave.number, age) for wave, age in alive)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._window(cycles, alive)
        return found

    def _window(self, cycles: int, alive: Sequence[tuple[Wave, int]]) -> Window:
        demand = np.zeros((4, cycles), np.int64)
        for wave, age in alive:
            part = wave.demand[:, age : age + cycles]
            demand[:, : part.shape[1]] += part
        offsets = np.zeros(cycles + 1, np.int64)
        cause, turn = np.zeros(cycles, np.int64), np.zeros(cycles, np.int64)
        _ports(demand, self._rates, self._one_port, offsets, cause, turn)
        waits = np.diff(offsets) - 1
        each = np.bincount(cause, waits, len(TENSORS)).astype(np.int64)
        by_tensor = {t: n for t, n in zip(TENSORS, each.tolist(), strict=True) if n}
        return Window(cycles, offsets, int(waits.sum()), waits, cause, by_tensor, turn)


@njit(cache=True, nogil=True)
def _ports(demand: Int, rates: Int, one_port: bool, offsets: Int, cause: Int, turn: Int) -> None:
    """Freeze the array in every cycle whose words the ports need longer for.

    Args:
        demand: int64 [4, cycles], words: ifmap read, weight read, ofmap read, ofmap write.
        rates: int64 [4, 2], words per cycle as numerator and denominator; numerator 0: unlimited.
        one_port: whether reads and writes of the ofmap take turns.
        offsets: int64 [cycles + 1], written: start of each cycle.
        cause: int64 [cycles], written: tensor of the slowest port; the first of equal ones.
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
                cause[u] = 0
            elif busy[1] == longest:
                cause[u] = 1
            else:
                cause[u] = 2
        offsets[u + 1] = offsets[u] + longest
