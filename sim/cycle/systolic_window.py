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
from arraysmith.sim.cycle.systolic_banks import (
    STREAMS,
    BankedPorts,
    Stream,
    demand_of,
    port_rates,
)
from arraysmith.sim.cycle.systolic_schedule import Placed
from arraysmith.sim.folding import SystolicMachine

Int = NDArray[np.int64]

RATE, BANK = 0, 1
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
        waits: int64 [2, cycles], the same per array cycle: what the rates of the ports make
            (``RATE``) and what banks add (``BANK``).
        cause: int64 [2, cycles], index into ``TENSORS`` of the tensor that the wait is for.
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
        served = np.zeros((2, len(self._one_port), cycles), np.int64)
        for memory, banked in self._banked:
            tensor = np.array([TENSORS.index(stream.tensor) for stream in banked.streams], np.int64)
            for piece in banked.pieces(alive, begin, stop):
                at = slice(piece.begin - begin, piece.begin - begin + len(piece.service.cycles))
                served[0, memory, at] = piece.service.cycles
                served[1, memory, at] = tensor[piece.service.late]
        waits, cause = np.zeros((2, cycles), np.int64), np.zeros((2, cycles), np.int64)
        turn = np.zeros(cycles, np.int64)
        _ports(
            demand,
            self._rates,
            self._memory,
            self._one_port,
            self._registered,
            served,
            waits,
            cause,
            turn,
        )
        offsets = np.zeros(cycles + 1, np.int64)
        np.cumsum(1 + waits[RATE] + waits[BANK], out=offsets[1:])
        many = len(TENSORS)
        kinds = cause + np.array([[0], [many]])
        each = np.bincount(kinds.ravel(), waits.ravel(), 2 * many)
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


@njit(cache=True, nogil=True)
def _ports(
    demand: Int,
    rates: Int,
    memory: Int,
    one_port: NDArray[np.bool_],
    registered: bool,
    served: Int,
    waits: Int,
    cause: Int,
    turn: Int,
) -> None:
    """Freeze the array in every cycle whose words the ports need longer for.

    Args:
        demand: int64 [4, cycles], words of ``STREAMS``; the last one is written.
        rates: int64 [4, 2], see ``port_rates``.
        memory: int64 [4], number of the memory of each stream; the streams of one share its ports.
        one_port: bool [memories], whether reads and writes take turns.
        registered: whether results are there before the words of their array cycle.
        served: int64 [2, memories, cycles], cycles that banks need and tensor that needs them; 0
            cycles: no banks.
        waits: int64 [2, cycles], written: see ``Window``; the first of the slowest memories has
            the cycle.
        cause: int64 [2, cycles], written: see ``Window``; the tensor with most words.
        turn: int64 [cycles], written: when writes begin; not where banks decide that.
    """
    tensor = np.array([0, 1, 2, 2])
    results = memory[3]
    for u in range(demand.shape[1]):
        longest, own, writing = 1, 0, 0
        if rates[3, 0] > 0:
            writing = -(-(demand[3, u] * rates[3, 1]) // rates[3, 0])
        for m in range(len(one_port)):
            read, most, common = 0, -1, 0
            for k in range(4):
                if memory[k] != m:
                    continue
                if k < 3:
                    read += demand[k, u] * rates[k, 1]
                    common = rates[k, 0]
                if most < 0 or demand[k, u] > demand[most, u]:
                    most = k
            busy = 0
            if common > 0:
                busy = -(-read // common)
            if m == results:
                own = busy
                if served[0, m, u] > 0:
                    busy = busy + writing if one_port[m] else max(busy, writing)
            need = served[0, m, u] if served[0, m, u] > 0 else busy
            if need > longest:
                longest = need
                waits[0, u] = max(1, min(busy, need)) - 1
                waits[1, u] = need - 1 - waits[0, u]
                cause[0, u] = tensor[most]
                cause[1, u] = served[1, m, u]
        if demand[3, u] == 0 or served[0, results, u] > 0:
            continue
        begin = 0 if registered else longest - 1
        if one_port[results]:
            begin = max(begin, own if writing > 0 else own - 1)
        turn[u] = begin
        more = begin + max(writing, 1) - longest
        if more > 0:
            # Who makes the array wait longer has the cycle.
            if registered or more >= waits[0, u]:
                cause[0, u] = 2
            waits[0, u] += more
