"""What a probe sees of a systolic design: every access of the array to its SRAMs, with its stamp.

Streams are ``<sram>/<tensor>/read`` and ``write``; one word per record, its address that of the
word off-chip. A request is stamped with the cycle in which the array passes the word, plus its turn
when the port needs more than one cycle for a cycle of the wavefront; the response comes the
memory's latency later (the sequencer asks that much ahead, so latency delays no cycle). ``tile`` is
the number of the fold, ``port`` the lane of the array. Padding is not accessed.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.sim.cycle.network import rate_row
from arraysmith.sim.cycle.offchip import Bursts
from arraysmith.sim.cycle.systolic_addresses import Addresses
from arraysmith.sim.cycle.systolic_loads import ResultChunk
from arraysmith.sim.cycle.systolic_wave import Wave
from arraysmith.sim.cycle.systolic_words import WordView
from arraysmith.sim.folding import LANES_AND_STEPS, ROWS, Fold, Folding, SystolicMachine
from arraysmith.sim.probe import Probe

Int = NDArray[np.int64]


class SystolicStreams:
    """Turns folds and chunks into requests and hands them to a probe."""

    def __init__(
        self,
        machine: SystolicMachine,
        folding: Folding,
        views: dict[str, WordView],
        addresses: Addresses,
        probe: Probe,
    ) -> None:
        self._machine = machine
        self._folding = folding
        self._views = views
        self._addresses = addresses
        self._probe = probe

    def bursts(self, tensor: str, words: Int) -> Bursts:
        """Return the off-chip requests for a load of the given words."""
        return self._addresses.bursts(tensor, words)

    def result_bursts(self, chunk: ResultChunk, moving: Wave) -> Bursts:
        """Return the off-chip requests for a chunk of results."""
        words, cycles = self._results(chunk.fold, moving)
        first, stop = chunk.cycles
        chosen = words[(cycles >= first) & (cycles < stop)]
        return self._addresses.bursts(OFMAP, np.sort(chosen, axis=None))

    def tell_fold(
        self, fold: Fold, number: int, moving: Wave, clock: Int, *, accumulate: bool
    ) -> None:
        """Tell the array's accesses of one fold.

        Args:
            fold: the fold.
            number: its number.
            moving: its wavefront.
            clock: int64 [cycles], clock cycle of every cycle of the wavefront.
            accumulate: whether partial sums were read.
        """
        for tensor in (IFMAP, WEIGHT):
            words, cycles = self._operand(tensor, fold, moving)
            rate = self._machine.buffer(tensor).read_words_per_cycle
            self._tell(tensor, "read", number, words, cycles, clock, rate)
        words, cycles = self._results(fold, moving)
        cycles = cycles + moving.out_first
        memory = self._machine.ofmap
        if accumulate:
            self._tell(OFMAP, "read", number, words, cycles, clock, memory.read_words_per_cycle)
        after_reads = clock.copy()
        after_reads[moving.out_first : moving.out_first + len(moving.read_turn)] += moving.read_turn
        self._tell(OFMAP, "write", number, words, cycles, after_reads, memory.write_words_per_cycle)

    def _operand(self, tensor: str, fold: Fold, moving: Wave) -> tuple[Int, Int]:
        """Return [lanes, steps] words and the cycles of the wavefront in which they pass."""
        sides = LANES_AND_STEPS[self._folding.dataflow, tensor]
        lanes, steps = (self._folding.block(side, fold.row, fold.column) for side in sides)
        words = self._views[tensor].words(lanes, steps, fold.group)
        lane, step = np.ogrid[: words.shape[0], : words.shape[1]]
        if sides[1] == ROWS:
            return words, np.broadcast_to(moving.load_last - step, words.shape)
        return words, moving.stream_first + moving.tau[step] + lane

    def _results(self, fold: Fold, moving: Wave) -> tuple[Int, Int]:
        """Return [columns, rows or steps] words and their cycles from the first result on."""
        folding = self._folding
        sides = LANES_AND_STEPS[folding.dataflow, OFMAP]
        lanes, steps = (folding.block(side, fold.row, fold.column) for side in sides)
        words = self._views[OFMAP].words(lanes, steps, fold.group)
        lane, step = np.ogrid[: words.shape[0], : words.shape[1]]
        if folding.dataflow != "os":
            return words, moving.tau[step] + lane
        if folding.wiring.drain == "shift":
            return words, np.broadcast_to(words.shape[1] - 1 - step, words.shape)
        return words, step + lane

    def _tell(
        self,
        tensor: str,
        direction: str,
        number: int,
        words: Int,
        cycles: Int,
        clock: Int,
        rate: Fraction | None,
    ) -> None:
        memory = self._machine.buffer(tensor)
        if not self._probe.wants(memory.name):
            return
        # By cycle, then by lane: the order at the port. Padding keeps its turn and is then dropped.
        flat = cycles.ravel()
        order = np.argsort(flat, kind="stable")
        passing = flat[order]
        numerator, denominator = rate_row(rate)
        stamps = clock[passing]
        if numerator:
            turn = np.arange(len(passing)) - np.searchsorted(passing, passing, side="left")
            stamps = stamps + turn * denominator // numerator
        asked = words.ravel()[order]
        stored = asked >= 0
        lanes = (order // words.shape[1])[stored].astype(np.uint16)
        stamps, asked = stamps[stored], asked[stored]
        if len(asked) == 0:
            return
        self._probe.requests(
            f"{memory.name}/{tensor}/{direction}",
            stamps,
            stamps + memory.latency_cycles,
            self._addresses.address(tensor, asked),
            np.full(len(asked), self._addresses.word_bytes(tensor), np.uint32),
            np.full(len(asked), number, np.uint32),
            lanes,
        )
