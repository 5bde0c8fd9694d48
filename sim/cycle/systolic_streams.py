"""What a probe sees of a systolic design: every access of the array to its SRAMs, with its stamp.

Streams are ``<sram>/<tensor>/read`` and ``write``; one word per record, its address that of the
word off-chip, ``port`` its lane of the array, ``tile`` the number of the fold. A request is stamped
with the cycle in which the array passes the word, plus its turn when the port needs more than one
cycle for a cycle of the wavefront; the response comes the memory's latency later (the sequencer
asks that much ahead, so latency delays no cycle). Padding is not accessed, but keeps its turn.

The words of a block of sparse weights come together: weight stationary with the first row that
holds one of its slots, output stationary for every lane with the first step of the block. ``port``
then counts the words that a fold can take in a cycle.

Records come in the order of the port, by cycle and lane, straight from a compiled kernel: in any
cycle the lanes of a later fold lie before those of an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import STREAM
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.sim.cycle.network import rate_row
from arraysmith.sim.cycle.offchip import Bursts
from arraysmith.sim.cycle.systolic_addresses import Addresses
from arraysmith.sim.cycle.systolic_loads import ResultChunk
from arraysmith.sim.cycle.systolic_schedule import Placed
from arraysmith.sim.cycle.systolic_wave import Passing, Wave
from arraysmith.sim.cycle.systolic_window import Window
from arraysmith.sim.cycle.systolic_words import WordView
from arraysmith.sim.folding import LANES_AND_STEPS, Fold, Folding, SystolicMachine
from arraysmith.sim.probe import Folds, Probe

Int = NDArray[np.int64]

_ORIGIN, _AT, _COUNT, _SKEW, _LANE, _LANES, _STEP, _GROUP, _NUMBER, _FETCH = range(10)
"""Columns of the table of folds that ``_records`` takes."""

_PLAIN, _BY_LANE, _BY_STEP = range(3)
"""What a lane takes with a step: one word; the words of the block of sparse weights that begins in
this lane; or those of the block that begins with this step."""


class SystolicStreams:
    """Turns windows and chunks into requests and hands them to a probe."""

    def __init__(
        self,
        machine: SystolicMachine,
        folding: Folding,
        views: dict[str, WordView],
        addresses: Addresses,
        probe: Probe,
        chunk_records: int,
    ) -> None:
        self._machine = machine
        self._folding = folding
        self._views = views
        self._addresses = addresses
        self._probe = probe
        self._wide = 1 if folding.sparsity is None else folding.sparsity.block
        edge = machine.array.mesh_x + machine.array.mesh_y
        self._chunk = max(chunk_records, edge * self._wide)
        self._folds: list[tuple[int, ...]] = []
        self._stalls: list[tuple[int, int, int]] = []
        self._causes: dict[str, int] = {}

    def bursts(self, tensor: str, words: Int) -> Bursts:
        """Return the off-chip requests for a load of the given words."""
        return self._addresses.bursts(tensor, words)

    def result_bursts(self, chunk: ResultChunk, wave: Wave) -> Bursts:
        """Return the off-chip requests for a chunk of results."""
        moved, view = wave.passing[OFMAP], self._views[OFMAP]
        row = self._row(OFMAP, chunk.fold, 0, moved, 0, 0)
        found = np.empty(int(moved.words[slice(*chunk.cycles)].sum()), np.int64)
        empty = np.empty(0, np.int64)
        _, count = _records(
            *chunk.cycles, 0, row[None, :], moved.step_of, _geometry(view),
            np.zeros(moved.cycles, np.int64), (0, 1), (_PLAIN, 1), _NO_FETCHES,
            found, empty, empty, empty,
        )  # fmt: skip
        return self._addresses.bursts(OFMAP, np.sort(found[:count]))

    def tell_window(self, alive: Sequence[Placed], begin: int, window: Window, clock: Int) -> None:
        """Tell the array's accesses between two fold starts.

        Args:
            alive: the folds that move, later ones first.
            begin: array cycle in which the window begins.
            window: the window.
            clock: int64 [cycles], clock cycle in which each of its array cycles begins.
        """
        for tensor in (IFMAP, WEIGHT):
            self._tell(tensor, "read", alive, begin, clock)
        if not self._probe.wants(self._machine.ofmap.name):
            return
        adding = [placed for placed in alive if placed.plan.wave.accumulates]
        self._tell(OFMAP, "read", adding, begin, clock)
        self._tell(OFMAP, "write", alive, begin, clock + window.read_turn)

    def tell_fold(self, placed: Placed) -> None:
        """Tell that a fold was placed."""
        fold = placed.fold
        row = (placed.number, fold.group, fold.row, fold.column, *placed.plan.wave.used)
        self._folds.append((*row, placed.start))
        if len(self._folds) >= self._chunk:
            self._flush_folds()

    def tell_stall(self, clock: int, cycles: int, cause: str) -> None:
        """Tell a wait of the array; waits are told in order."""
        self._stalls.append((clock, cycles, self._causes[cause]))
        if len(self._stalls) >= self._chunk:
            self._flush_stalls()

    def tell_steps(self, tau: Int, causes: Sequence[str]) -> None:
        """Tell, first of all, the cycles of the steps; ``causes`` are those that will be told."""
        self._causes = {cause: number for number, cause in enumerate(causes)}
        self._probe.step_cycle(tau)

    def finish(self) -> None:
        """Tell what is left, last of all."""
        self._flush_folds()
        self._flush_stalls()

    def _flush_folds(self) -> None:
        if self._folds:
            table = np.array(self._folds, np.int64)
            self._probe.folds(Folds(*(column.copy() for column in table.T)))
            self._folds.clear()

    def _flush_stalls(self) -> None:
        if self._stalls:
            table = np.array(self._stalls, np.int64)
            columns = [column.copy() for column in table.T]
            self._probe.stalls(columns[0], columns[1], columns[2], tuple(self._causes))
            self._stalls.clear()

    def _row(
        self, tensor: str, fold: Fold, number: int, moved: Passing, origin: int, at: int
    ) -> Int:
        """Return a row of the table of ``_records``."""
        lanes, steps = (
            self._folding.block(side, fold.row, fold.column)
            for side in LANES_AND_STEPS[self._folding.dataflow, tensor]
        )
        row = np.zeros(10, np.int64)
        row[_ORIGIN], row[_AT], row[_COUNT] = origin, at, len(moved.step_of)
        row[_SKEW], row[_LANE], row[_LANES] = moved.skew, lanes[0], moved.lanes
        row[_STEP], row[_GROUP], row[_NUMBER] = steps[0], fold.group, number
        return row

    def _tell(
        self, tensor: str, direction: str, alive: Sequence[Placed], begin: int, clock: Int
    ) -> None:
        memory = self._machine.buffer(tensor)
        if not alive or not self._probe.wants(memory.name):
            return
        rows, steps_of, at, bound = [], [], 0, 0
        mode = self._mode(tensor)
        fetches: list[Int] = []
        wide = 1 if mode == _PLAIN else self._wide
        for placed in alive:
            moved = placed.plan.wave.passing[tensor]
            origin = placed.start + moved.first
            rows.append(self._row(tensor, placed.fold, placed.number, moved, origin, at))
            steps_of.append(moved.step_of)
            at += len(moved.step_of)
            bound += moved.lanes * len(moved.step_of) * wide
            if mode != _PLAIN:
                rows[-1][_FETCH] = sum(len(one) for one in fetches)
                fold = placed.fold
                block = self._folding.block(self._folding.reduction, fold.row, fold.column)
                fetches.append(self._folding.fetches(block))
        table = np.stack(rows)
        step_of = steps_of[0] if len(steps_of) == 1 else np.concatenate(steps_of)
        rate = rate_row(
            memory.read_words_per_cycle if direction == "read" else memory.write_words_per_cycle
        )
        geometry = _geometry(self._views[tensor])
        cycle, stop = begin, begin + len(clock)
        room = min(bound, self._chunk)
        fetched = np.concatenate(fetches) if fetches else _NO_FETCHES
        while cycle < stop:
            stamps, words = np.empty(room, np.int64), np.empty(room, np.int64)
            tile, port = np.empty(room, np.int64), np.empty(room, np.int64)
            cycle, count = _records(
                cycle, stop, begin, table, step_of, geometry, clock, rate,
                (mode, wide), fetched, words, stamps, tile, port,
            )  # fmt: skip
            if count == 0:
                continue
            self._probe.requests(
                f"{memory.name}/{tensor}/{direction}",
                stamps[:count],
                stamps[:count] + memory.latency_cycles,
                self._addresses.address(tensor, words[:count]),
                np.full(count, self._addresses.word_bytes(tensor), np.uint32),
                tile[:count].astype(np.uint32),
                port[:count].astype(np.uint16),
            )

    def _mode(self, tensor: str) -> int:
        if self._folding.sparsity is None or tensor != IFMAP:
            return _PLAIN
        return _BY_STEP if self._folding.reduction == STREAM else _BY_LANE


_NO_FETCHES = np.zeros((1, 2), np.int64)

_Geometry = tuple[Int, Int, Int, Int, Int, Int, Int, Int]


def _geometry(view: WordView) -> _Geometry:
    """Return what ``_records`` takes of a view: linear parts, then the axes that have padding."""
    padded = view.padded
    parts = (view.lane_part, view.step_part, view.group_part)
    inside = tuple(np.ascontiguousarray(part[padded]) for part in parts)
    return (*view.linear, *inside, view.extent[padded], padded)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def _records(
    first: int,
    stop: int,
    begin: int,
    table: Int,
    step_of: Int,
    geometry: _Geometry,
    clock: Int,
    rate: tuple[int, int],
    mode: tuple[int, int],
    fetches: Int,
    words: Int,
    stamps: Int,
    tile: Int,
    port: Int,
) -> tuple[int, int]:
    """List the words of one stream by cycle and lane, from cycle ``first`` on, as far as they fit.

    Args:
        first: array cycle to begin with.
        stop: array cycle to end before.
        begin: array cycle of ``clock[0]``.
        table: int64 [folds, 10], see ``_ORIGIN`` and what follows it; later folds first.
        step_of: int64 [n], the steps by cycle of all folds, see ``Passing``; -1 in a gap.
        geometry: see ``_geometry``.
        clock: int64 [cycles], clock cycle of each array cycle.
        rate: words per clock cycle as numerator and denominator; numerator 0: unlimited.
        mode: what a lane takes with a step, see ``_PLAIN``; and the most words of it.
        fetches: int64 [n, 2], unless plain: [start, stop) of the words that come with each lane or
            step, see ``Folding.fetches``; a fold's begin at its ``_FETCH``.
        words: int64 [room], written: index of each stored word.
        stamps: int64 [room], written: clock cycle; the next ones too, or empty for none of them.
        tile: int64 [room], written: number of the fold.
        port: int64 [room], written: lane.

    Returns:
        (first cycle that is not listed, words listed).
    """
    lane_sum, step_sum, group_sum, lane_part, step_part, group_part, extent, padded = geometry
    # A lane passes one word (or block) in a cycle, whatever its fold.
    most = table[:, _LANES].max() * mode[1]
    told = len(stamps) > 0
    count = 0
    for u in range(first, stop):
        if count > 0 and count + most > len(words) and told:
            return u, count
        turn = 0
        for f in range(len(table)):
            row = table[f]
            k = u - row[_ORIGIN]
            if k < 0:
                continue
            low, high = 0, row[_LANES]
            if row[_SKEW] == 0:
                if k >= row[_COUNT]:
                    continue
            else:
                low = max(low, k - row[_COUNT] + 1)
                high = min(high, k + 1)
            group = row[_GROUP]
            base = group_sum[group]
            for lane in range(low, high):
                step = step_of[row[_AT] + k - row[_SKEW] * lane]
                if step < 0:
                    continue
                one, last, port_of = 0, 1, lane
                if mode[0] == _BY_LANE:
                    one, last = fetches[row[_FETCH] + lane]
                    port_of = -fetches[row[_FETCH], 0]
                elif mode[0] == _BY_STEP:
                    one, last = fetches[row[_FETCH] + step]
                    port_of = lane * mode[1] - one
                step += row[_STEP]
                here = row[_LANE] + lane
                for word in range(one, last):
                    if mode[0] == _BY_LANE:
                        here = word
                    elif mode[0] == _BY_STEP:
                        step = word
                    inside = True
                    for a in range(len(padded)):
                        index = lane_part[a, here] + step_part[a, step] + group_part[a, group]
                        inside = inside and 0 <= index < extent[a]
                    if inside:
                        words[count] = base + lane_sum[here] + step_sum[step]
                        if told:
                            stamps[count] = clock[u - begin]
                            if rate[0] > 0:
                                stamps[count] += turn * rate[1] // rate[0]
                            tile[count] = row[_NUMBER]
                            port[count] = port_of + (word if mode[0] != _PLAIN else 0)
                        count += 1
                    turn += 1
    return stop, count
