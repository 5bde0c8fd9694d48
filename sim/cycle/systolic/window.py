"""What the SRAM ports make of the waves of all folds that are alive between two fold starts.

A port moves so many words in a clock cycle, and a bank opens so many lines (``banks``). When an
array cycle asks for more, the whole array waits (global enable): its words come in as many clock
cycles as the slowest memory needs, and the array advances in the last of them.

Results that come straight from adders (weight and input stationary, and free drain) are right when
the last word of their array cycle has come, not before: their writes begin in that clock cycle.
Results from registers are there from the first clock cycle on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.systolic.banks import (
    STREAMS,
    BankedMemory,
    BankedPorts,
    Stream,
    demand_of,
    port_rates,
)
from arraysmith.sim.cycle.systolic.schedule import Placed
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]

READ, WRITE = 0, 2
BANK = 1
"""Kinds of waits, in the order in which they follow in an array cycle: ``READ``, for the rates of
ports that read, then ``READ + BANK``, for what their banks add; ``WRITE`` and ``WRITE + BANK``, the
same of what is written still."""

PORT_CAUSES = tuple(f"{where}_{tensor}" for where in ("sram", "bank") for tensor in TENSORS)
"""Causes of waits: ``sram_<tensor>``, a port moves fewer words; ``bank_<tensor>``, what conflicts
at banks cost beyond that."""


@dataclass(frozen=True)
class Window:
    """The array cycles between the first cycles of two neighbouring folds.

    Attributes:
        cycles: array cycles.
        offsets: int64 [cycles + 1], clock cycle in which each array cycle begins when the SRAM
            ports alone make the array wait, from the first one on.
        waiting: clock cycles of waiting.
        waits: int64 [4, cycles], the same per array cycle and kind, see ``READ``.
        cause: int64 [4, cycles], index into ``PORT_CAUSES``.
        by_cause: cycles of waiting by ``PORT_CAUSES``.
        read_turn: int64 [cycles], clock cycle of each array cycle in which writes begin: results
            come straight from adders, or reads go first through a single port.
        taken: int64 [cycles] per stream of a memory that keeps several tensors: what other
            tensors' words have taken of each array cycle before its own, in units of the inverse
            numerator of their rate (``port_rates``).
    """

    cycles: int
    offsets: Int
    waiting: int
    waits: Int
    cause: Int
    by_cause: dict[str, int]
    read_turn: Int
    taken: dict[Stream, Int]


class Windows:
    """Computes windows, each kind once unless its words have to be known."""

    def __init__(self, machine: SystolicMachine, ports: BankedPorts, *, registered: bool) -> None:
        """Take the parts, and whether results come from registers, not straight from adders."""
        self._registered = registered
        rates = port_rates(machine)
        self._rates = np.array([rates[stream] for stream in STREAMS], np.int64)
        buffers = {machine.buffer(s.tensor).name: machine.buffer(s.tensor) for s in STREAMS}
        names = list(buffers)
        of = [names.index(machine.buffer(stream.tensor).name) for stream in STREAMS]
        self._memory = np.array(of, np.int64)
        self._one_port = np.array([memory.ports == 1 for memory in buffers.values()])
        self._banked = [(names.index(banked.name), banked) for banked in ports.memories]
        self._found: dict[tuple[int, tuple[tuple[int, int], ...]], Window] = {}

    def of(self, alive: Sequence[Placed], begin: int, stop: int) -> Window:
        """Return the window of the array cycles [begin, stop).

        Args:
            alive: the folds that move in it, later ones first.
            begin: first array cycle.
            stop: array cycle after the last one.
        """
        if self._banked:
            return self._window(alive, begin, stop)
        key = stop - begin, tuple((one.plan.wave.number, begin - one.begin) for one in alive)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._window(alive, begin, stop)
        return found

    def _window(self, alive: Sequence[Placed], begin: int, stop: int) -> Window:
        cycles, demand = stop - begin, demand_of(alive, begin, stop)
        waits, cause = np.zeros((2, 4, cycles), np.int64)
        served = np.zeros((2, len(self._one_port), cycles), np.int64)
        for memory, banked in self._banked:
            served[:, memory] = _served(banked, alive, begin, stop, None)
        own = np.zeros(cycles, np.int64)
        _read(demand, self._rates, self._memory, served, waits, cause, own)
        turn = np.zeros(cycles, np.int64)
        if not self._registered:
            turn[:] = waits.sum(axis=0)
        results = self._memory[-1]
        written = np.zeros((2, cycles), np.int64)
        for memory, banked in self._banked:
            if memory == results:
                written = _served(banked, alive, begin, stop, turn)
        one_port = bool(self._one_port[results])
        _write(
            demand[-1],
            self._rates[-1],
            one_port,
            own,
            written,
            waits,
            cause,
            turn,
        )
        offsets = np.zeros(cycles + 1, np.int64)
        np.cumsum(1 + waits.sum(axis=0), out=offsets[1:])
        each = np.bincount(cause.ravel(), waits.ravel(), len(PORT_CAUSES))
        return Window(
            cycles,
            offsets,
            int(waits.sum()),
            waits,
            cause,
            {name: int(n) for name, n in zip(PORT_CAUSES, each, strict=True) if n},
            turn,
            self._taken(demand),
        )

    def _taken(self, demand: Int) -> dict[Stream, Int]:
        found: dict[Stream, Int] = {}
        for row, stream in enumerate(STREAMS):
            before = [
                other
                for other in range(row)
                if self._memory[other] == self._memory[row]
                and STREAMS[other].written == stream.written
            ]
            if before:
                found[stream] = self._rates[before, 1] @ demand[before]
        return found


def _served(
    banked: BankedMemory, alive: Sequence[Placed], begin: int, stop: int, ready: Int | None
) -> Int:
    """Return cycles that banks need and index of the tensor that needs them, int64 [2, cycles]."""
    found = np.zeros((2, stop - begin), np.int64)
    tensor = np.array([TENSORS.index(stream.tensor) for stream in banked.streams], np.int64)
    for piece in banked.pieces(alive, begin, stop, ready):
        at = slice(piece.begin - begin, piece.begin - begin + len(piece.service.cycles))
        found[0, at], found[1, at] = piece.service.cycles, tensor[piece.service.late]
    return found


@njit(cache=True, nogil=True)
def _read(
    demand: Int, rates: Int, memory: Int, served: Int, waits: Int, cause: Int, own: Int
) -> None:
    """Freeze the array in every cycle whose words take longer to be read.

    Args:
        demand: int64 [4, cycles], words of ``STREAMS``; the last one is written.
        rates: int64 [4, 2], see ``port_rates``.
        memory: int64 [4], number of the memory of each stream; the streams of one share its ports.
        served: int64 [2, memories, cycles], cycles in which banks have read and tensor that needs
            them; 0 cycles: no banks.
        waits: int64 [4, cycles], written: see ``Window``; the first of the slowest memories has
            the cycle.
        cause: int64 [4, cycles], written: see ``Window``; the tensor with most words.
        own: int64 [cycles], written: cycles that reads take by the rate of the results' memory.
    """
    for u in range(demand.shape[1]):
        longest = 1
        for m in range(served.shape[1]):
            read, most, common = 0, -1, 0
            for k in range(3):
                if memory[k] == m:
                    read += demand[k, u] * rates[k, 1]
                    common = rates[k, 0]
                    if most < 0 or demand[k, u] > demand[most, u]:
                        most = k
            busy = -(-read // common) if common > 0 else 0
            if m == memory[3]:
                own[u] = busy
            need = served[0, m, u] if served[0, m, u] > 0 else busy
            if need > longest:
                longest = need
                waits[READ, u] = max(1, min(busy, need)) - 1
                waits[READ + BANK, u] = need - 1 - waits[READ, u]
                cause[READ, u], cause[READ + BANK, u] = most, 3 + served[1, m, u]


@njit(cache=True, nogil=True)
def _write(
    demand: Int,
    rate: Int,
    one_port: bool,
    own: Int,
    served: Int,
    waits: Int,
    cause: Int,
    turn: Int,
) -> None:
    """Freeze the array longer where results are still being written.

    Args:
        demand: int64 [cycles], words written.
        rate: int64 [2], words per cycle as numerator and denominator; numerator 0: unlimited.
        one_port: whether reads and writes of the memory take turns.
        own: see ``_read``.
        served: int64 [2, cycles], cycles in which banks have read and written, from ``turn`` on,
            and tensor that needs them; 0 cycles: no banks.
        waits: int64 [4, cycles], updated: what writing takes longer than reading.
        cause: int64 [4, cycles], updated.
        turn: int64 [cycles], cycles by which results come late; updated by what reads through a
            single port take, but not where there are banks.
    """
    ofmap = 2
    for u in range(len(demand)):
        if demand[u] == 0:
            continue
        writing = -(-(demand[u] * rate[1]) // rate[0]) if rate[0] > 0 else 0
        begin = turn[u]
        if one_port and served[0, u] == 0:
            begin = max(begin, own[u] if writing > 0 else own[u] - 1)
            turn[u] = begin
        longest = 1 + waits[READ, u] + waits[READ + BANK, u]
        by_rate = max(0, begin + max(writing, 1) - longest)
        more = max(0, served[0, u] - longest) if served[0, u] > 0 else by_rate
        waits[WRITE, u] = min(by_rate, more)
        waits[WRITE + BANK, u] = more - waits[WRITE, u]
        cause[WRITE, u], cause[WRITE + BANK, u] = ofmap, 3 + served[1, u]
