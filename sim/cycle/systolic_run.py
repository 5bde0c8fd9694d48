"""The event engine of a systolic design: SimPy carries folds, chunks and transfers.

One process is the array: it takes one fold after the other and, inside a fold, goes from one
meeting with the memories to the next (a chunk is needed, a chunk has passed); between them the
wavefront runs by itself (``systolic_wave``). One process per off-chip channel does the transfers
in the order in which their place became free, which is program order: the array's progress alone
fixes it, never a race, so that a faster memory can never make a run slower. Reads and writes have
a channel each unless the off-chip memory has one port.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem
from arraysmith.sim.cycle.network import whole_cycles
from arraysmith.sim.cycle.offchip import Bursts, OffChip, Transfer
from arraysmith.sim.cycle.systolic_loads import Load, LoadOrder, ResultChunk, ResultOrder
from arraysmith.sim.cycle.systolic_streams import SystolicStreams
from arraysmith.sim.cycle.systolic_wave import Wave, step_cycles, wave
from arraysmith.sim.cycle.systolic_words import WordView
from arraysmith.sim.folding import LANES_AND_STEPS, Fold, Folding, SystolicMachine
from arraysmith.sim.residency import Operand

Int = NDArray[np.int64]
Process = Generator[simpy.Event, Any, Any]

SEND_PIECES, SEND_CYCLES = 8, 64
"""A chunk of results leaves in at most so many parts, each of so many cycles at least: a choice.
Finer parts would leave a little earlier and cost more events."""

_FREE, _NEED = 0, 1  # what happens at one cycle of the wavefront: places are freed first


@dataclass
class Outcome:
    """What a run measured.

    Attributes:
        cycles: from the first request to the last word written off-chip.
        compute_cycles: cycles in which the wavefront moved, gaps not included.
        stalls: cycles by cause.
        array_reads: words that the array read from each SRAM.
        array_writes: words that the array wrote to the ofmap SRAM.
        fetched: words of each tensor that came from off-chip.
        written: words of results and partial sums that went off-chip.
    """

    cycles: int = 0
    compute_cycles: int = 0
    stalls: dict[str, int] = field(default_factory=dict)
    array_reads: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENSORS, 0))
    array_writes: int = 0
    fetched: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENSORS, 0))
    written: int = 0


@dataclass(frozen=True)
class _Job:
    """One transfer waiting for its channel.

    Attributes:
        transfer: what to move; None moves nothing.
        after: has to have happened before.
        left: succeeds when the last word has left its memory.
        arrived: succeeds then, too, with the cycle in which the last word arrives.
    """

    transfer: Transfer | None
    after: simpy.Event | None
    left: simpy.Event
    arrived: simpy.Event


class SystolicRun:
    """One run; build it, ``run`` it once."""

    def __init__(
        self,
        env: simpy.Environment,
        machine: SystolicMachine,
        folding: Folding,
        problem: Problem,
        channel: OffChip,
        streams: SystolicStreams | None,
        views: dict[str, WordView],
    ) -> None:
        self._env = env
        self._machine = machine
        self._folding = folding
        self._channel = channel
        self._streams = streams
        self._views = views
        self._outcome = Outcome()
        operands = {t: Operand.of(machine, folding, problem, t) for t in (IFMAP, WEIGHT)}
        self._tau, self._gaps = step_cycles(folding, operands)
        self._orders = {t: LoadOrder(folding, operand) for t, operand in operands.items()}
        self._results = ResultOrder(machine, folding)
        self._waves: dict[tuple[tuple[int, int], bool], Wave] = {}
        self._addresses: dict[tuple[str, int], Int] = {}
        self._distinct: dict[tuple[str, Fold, tuple[int, int]], int] = {}
        self._stored: dict[tuple[str, tuple[int, int], tuple[int, int]], int] = {}
        self._loads: dict[str, Iterator[Load]] = {t: o.loads() for t, o in self._orders.items()}
        self._in: dict[str, dict[int, simpy.Event]] = {IFMAP: {}, WEIGHT: {}}
        self._chunks = self._results.chunks(lambda fold: self._wave(fold).out_words)
        # Chunks that are open, or have been given a place, in order; and when they may open.
        self._places: deque[tuple[ResultChunk, simpy.Event]] = deque()
        self._opened = 0
        self._last_write = 0
        self._reads: simpy.Store = simpy.Store(env)
        one_port = machine.offchip.ports == 1
        self._writes: simpy.Store = self._reads if one_port else simpy.Store(env)

    def run(self) -> Outcome:
        """Simulate to the last word written and return what happened."""
        env, out = self._env, self._outcome
        channels = [self._reads] if self._reads is self._writes else [self._reads, self._writes]
        for queue in channels:
            env.process(self._serve(queue))
        for tensor in self._first_loads():
            self._push_load(tensor)
        for _ in range(2 if self._machine.ofmap.double_buffered else 1):
            self._push_chunk(None)
        array = env.process(self._array())
        env.run()
        assert array.processed, "the array waits for something that never comes"
        finished = int(array.value)
        out.cycles = max(finished, self._last_write)
        self._stall("drain", out.cycles - finished)
        assert out.cycles == out.compute_cycles + sum(out.stalls.values()), "a cycle has no cause"
        return out

    def _first_loads(self) -> list[str]:
        """Return the operand of each load that has a place from the start, in the order of need."""
        found: list[tuple[int, float, str]] = []
        for tensor, order in self._orders.items():
            operand = order.operand
            ahead = operand.ahead(self._folding)
            per_fold = ahead // operand.halves
            for number in range(ahead):
                half, piece = divmod(number, per_fold)
                # The stationary operand comes before anything streams.
                found.append((half, -1 if operand.stationary else piece / per_fold, tensor))
        return [tensor for _, _, tensor in sorted(found)]

    def _serve(self, queue: simpy.Store) -> Process:
        """Do the transfers of one channel, one after the other."""
        while True:
            job = yield queue.get()
            if job.after is not None:
                yield job.after
            arrived = int(self._env.now)
            if job.transfer is not None:
                timing = yield from self._channel.transfer(job.transfer)
                arrived = timing.arrived
                if job.transfer.outward:
                    self._last_write = max(self._last_write, arrived)
            job.left.succeed()
            job.arrived.succeed(arrived)

    def _array(self) -> Process:
        """Take the folds in order; ends with the cycle after the last one."""
        env = self._env
        used_loads = dict.fromkeys((IFMAP, WEIGHT), -1)
        for number, fold in enumerate(self._folding.folds()):
            moving = self._wave(fold)
            meetings = self._meetings(fold, moving, used_loads)
            first_mac = moving.stream_first if number == 0 else -1
            waited = np.zeros(moving.cycles, np.int64)
            start, position = int(env.now), 0
            for cycle, _, tensor, action in meetings:
                ahead = int(moving.offsets[cycle] - moving.offsets[position])
                if ahead:
                    yield env.timeout(ahead)
                position = cycle
                event = action()
                if event is not None:
                    before = int(env.now)
                    arrived = yield event
                    if arrived is not None and arrived > env.now:
                        yield env.timeout(arrived - int(env.now))
                    wait = int(env.now) - before
                    waited[cycle] += wait
                    self._stall("fill" if cycle <= first_mac else f"offchip_{tensor}", wait)
            rest = int(moving.offsets[-1] - moving.offsets[position])
            if rest:
                yield env.timeout(rest)
            self._end_fold(fold, number, moving, waited, start)
        return int(env.now)

    def _meetings(
        self, fold: Fold, moving: Wave, used_loads: dict[str, int]
    ) -> list[tuple[int, int, str, Callable[[], simpy.Event | None]]]:
        """Return (cycle, order, tensor, action) of everything the array meets inside a fold."""
        found: list[tuple[int, int, str, Callable[[], simpy.Event | None]]] = []
        for tensor, order in self._orders.items():
            operand = order.operand
            news = order.pieces(fold)
            pieces = operand.pieces(self._folding, fold.row, fold.column)
            for first, stop in pieces:
                need, gone = self._passes(operand, fold, moving, first, stop)
                if news:
                    used_loads[tensor] += 1
                    ready = partial(self._in[tensor].pop, used_loads[tensor])
                    found.append((need, _NEED, tensor, ready))
                if (len(pieces) > 1 and not operand.whole) or order.frees(fold):
                    found.append((gone, _FREE, tensor, partial(self._push_load, tensor)))
        stays = self._results.stays(fold)
        last_row = fold.row + 1 == self._folding.row_folds
        for (first, stop), _ in self._results.pieces(moving.out_words):
            if not stays or fold.row == 0:
                found.append((moving.out_first + first, _NEED, OFMAP, self._enter))
            if not stays or last_row:
                length = max(SEND_CYCLES, -(-(stop - first) // SEND_PIECES))
                for start in range(first, stop, length):
                    part = start, min(start + length, stop)
                    words = int(moving.out_words[slice(*part)].sum())
                    send = partial(self._send, part, words, last=part[1] == stop)
                    found.append((moving.out_first + part[1], _FREE, OFMAP, send))
        # A stable order: frees before needs, tensors in their order.
        found.sort(key=lambda meeting: meeting[:2])
        return found

    def _passes(
        self, operand: Operand, fold: Fold, moving: Wave, first: int, stop: int
    ) -> tuple[int, int]:
        """Return the cycles in which the first word of steps [first, stop) passes and all have."""
        if operand.stationary:
            top = self._folding.block(operand.steps, fold.row, fold.column)[0]
            # Row i of the array passes in cycle load_last - i: the last row comes first.
            return moving.load_last - (stop - 1 - top), moving.load_last - (first - top) + 1
        left, right = self._folding.block(operand.lanes, fold.row, fold.column)
        taus = moving.tau[first], moving.tau[stop - 1]
        return moving.stream_first + int(taus[0]), moving.stream_first + int(taus[1]) + right - left

    def _push_load(self, tensor: str) -> None:
        """Order the next load of an operand, if there is one: a place for it is free."""
        load = next(self._loads[tensor], None)
        if load is None:
            return
        words = self._load_words(tensor, load)
        transfer = None
        if words:
            self._outcome.fetched[tensor] += words
            rate = self._machine.buffer(tensor).write_words_per_cycle
            transfer = self._transfer(
                tensor, words, load.number, self._load_bursts(tensor, load), rate, outward=False
            )
        job = _Job(transfer, None, self._env.event(), self._env.event())
        self._in[tensor][load.number] = job.arrived
        self._reads.put(job)

    def _push_chunk(self, after: simpy.Event | None) -> None:
        """Give the next chunk of results the place that is free after ``after``."""
        chunk = next(self._chunks, None)
        if chunk is None:
            return
        if chunk.returns:
            self._outcome.fetched[OFMAP] += chunk.words
            rate = self._machine.ofmap.write_words_per_cycle
            transfer = self._transfer(
                OFMAP, chunk.words, chunk.number, self._chunk_bursts(chunk), rate, outward=False
            )
            job = _Job(transfer, after, self._env.event(), self._env.event())
            self._reads.put(job)
            self._places.append((chunk, job.arrived))
        else:
            self._places.append((chunk, after or self._env.event().succeed()))

    def _enter(self) -> simpy.Event:
        """Open the next chunk of results: return when there is a place, and what returns is in."""
        event = self._places[self._opened][1]
        self._opened += 1
        return event

    def _send(self, cycles: tuple[int, int], words: int, *, last: bool) -> None:
        """Send part of the oldest open chunk of results off-chip.

        Args:
            cycles: [start, stop) of the cycles, from the first result on, that wrote the part.
            words: words of it.
            last: whether the chunk ends here; its place then goes to another when all has left.
        """
        chunk, _ = self._places[0]
        self._outcome.written += words
        transfer = None
        if words:
            bursts = self._chunk_bursts(replace(chunk, cycles=cycles))
            rate = self._machine.ofmap.read_words_per_cycle
            transfer = self._transfer(OFMAP, words, chunk.number, bursts, rate, outward=True)
        job = _Job(transfer, None, self._env.event(), self._env.event())
        self._writes.put(job)
        if last:
            self._places.popleft()
            self._opened -= 1
            self._push_chunk(job.left)

    def _transfer(
        self,
        tensor: str,
        words: int,
        tile: int,
        bursts: Callable[[], Bursts] | None,
        near_rate: Fraction | None,
        *,
        outward: bool,
    ) -> Transfer:
        return Transfer(
            tensor=tensor,
            outward=outward,
            words=words,
            read_first=0,
            near_cycles=whole_cycles(words, near_rate),
            near_latency_cycles=0,
            tile=tile,
            bursts=bursts,
        )

    def _load_words(self, tensor: str, load: Load) -> int:
        """Return the words of a load; addresses are kept only if somebody observes."""
        key = (tensor, self._orders[tensor].key(load.fold), load.steps)
        if self._streams is not None or key not in self._distinct:
            lanes = self._folding.block(
                self._orders[tensor].operand.lanes, load.fold.row, load.fold.column
            )
            group = load.fold.group
            found = self._views[tensor].distinct(lanes, load.steps, group, load.epoch + 1)
            self._distinct[key] = len(found)
            if self._streams is not None:
                self._addresses[tensor, load.number] = found
        return self._distinct[key]

    def _load_bursts(self, tensor: str, load: Load) -> Callable[[], Bursts] | None:
        if self._streams is None:
            return None
        return partial(self._streams.bursts, tensor, self._addresses.pop((tensor, load.number)))

    def _chunk_bursts(self, chunk: ResultChunk) -> Callable[[], Bursts] | None:
        if self._streams is None:
            return None
        return partial(self._streams.result_bursts, chunk, self._wave(chunk.fold))

    def _end_fold(self, fold: Fold, number: int, moving: Wave, waited: Int, start: int) -> None:
        """Count what the array did in a fold, and tell it."""
        out, folding = self._outcome, self._folding
        used = folding.used(fold.row, fold.column)
        out.compute_cycles += folding.fold_cycles(used)
        for tensor in TENSORS:
            wait = moving.port_waits[tensor] + self._gaps.get(tensor, 0)
            self._stall(f"sram_{tensor}", wait)
        for tensor in (IFMAP, WEIGHT):
            lanes, steps = (
                folding.block(side, fold.row, fold.column)
                for side in LANES_AND_STEPS[folding.dataflow, tensor]
            )
            key = (tensor, lanes, steps)
            if key not in self._stored:
                self._stored[key] = self._views[tensor].stored(lanes, steps)
            out.array_reads[tensor] += self._stored[key]
        results = int(moving.out_words.sum())
        out.array_writes += results
        if self._accumulates(fold):
            out.array_reads[OFMAP] += results
        if self._streams is not None:
            clock = start + moving.offsets[:-1] + np.cumsum(waited)
            self._streams.tell_fold(fold, number, moving, clock, accumulate=self._accumulates(fold))

    def _accumulates(self, fold: Fold) -> bool:
        return self._folding.dataflow != "os" and fold.row > 0

    def _wave(self, fold: Fold) -> Wave:
        """Return the wavefront of a fold; folds of one shape share it."""
        used = self._folding.used(fold.row, fold.column)
        accumulate = self._accumulates(fold)
        if (used, accumulate) not in self._waves:
            self._waves[used, accumulate] = wave(
                self._machine, self._folding, used, self._tau, accumulate=accumulate
            )
        return self._waves[used, accumulate]

    def _stall(self, cause: str, cycles: int) -> None:
        if cycles:
            self._outcome.stalls[cause] = self._outcome.stalls.get(cause, 0) + cycles
