"""What a systolic run orders from off-chip memory and sends there, in program order.

Loads and chunks of results are ordered as the array's progress gives them a place: that order
follows from the program, never from a race, so that a faster memory can never make a run slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.problem import OFMAP, TENSORS
from arraysmith.sim.cycle.offchip.protocol import Bursts, Transfer
from arraysmith.sim.cycle.offchip.rates import whole_cycles
from arraysmith.sim.cycle.systolic.addresses import PARTIAL_SUM, SHARED_SUM, RequestLists
from arraysmith.sim.cycle.systolic.dma import Dma, Job
from arraysmith.sim.cycle.systolic.edge import Edge
from arraysmith.sim.cycle.systolic.loads import Load, LoadOrder, ResultChunk, ResultOrder
from arraysmith.sim.cycle.systolic.plan import OPERANDS, Meeting, Plans
from arraysmith.sim.cycle.systolic.sums import Adders, BlockKey
from arraysmith.sim.cycle.systolic.words import WordView
from arraysmith.sim.folding import Fold, Folding
from arraysmith.sim.operand_words import OperandWords
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]


class Traffic:
    """Turns meetings of the array into jobs for the channels, and counts words.

    Attributes:
        fetched: words of each tensor that came from off-chip.
        written: words of results and partial sums that went off-chip.
        complete: those to which this array has nothing more to add.
    """

    def __init__(
        self,
        machine: SystolicMachine,
        folding: Folding,
        dma: Dma,
        plans: Plans,
        orders: dict[str, LoadOrder],
        results: ResultOrder,
        views: dict[str, WordView],
        edge: Edge,
        requests: RequestLists | None,
        words: OperandWords,
        adders: tuple[Adders, int] | None = None,
    ) -> None:
        """Take the parts of a run.

        ``requests`` is None when nobody observes or counts requests; ``adders`` tells of other
        arrays that have sums of the same outputs, and the number of this one among them.
        """
        self._machine = machine
        self._folding = folding
        self._dma = dma
        self._plans = plans
        self._orders = orders
        self._results = results
        self._views = views
        self._edge = edge
        self._requests = requests
        self._bits = words
        self._adders = adders
        self._exact = requests is not None and requests.observed
        # What loads, and chunks of results, have in common with their like in other groups.
        self._distinct: dict[tuple[str, Fold, tuple[int, int]], tuple[int, Bursts | None]] = {}
        self._sums: dict[tuple[str, int, int, tuple[int, int]], Bursts] = {}
        self._loads: dict[str, Iterator[Load]] = {t: o.loads() for t, o in orders.items()}
        self._in: dict[str, deque[Job]] = {t: deque() for t in OPERANDS}
        self._chunks = results.chunks(lambda fold: plans.wave(fold).passing[OFMAP].words)
        self._next_chunk = next(self._chunks, None)
        # Chunks that have a place, with the job that has to arrive before they open.
        self._places: dict[int, tuple[ResultChunk, Job | None]] = {}
        self._sent: dict[int, Job] = {}  # last job of the chunks that have been written
        self.fetched = dict.fromkeys(TENSORS, 0)
        self.written = 0
        self.complete = 0

    def begin(self) -> None:
        """Order every load that has a place from the start, in the order of need."""
        found: list[tuple[int, float, str]] = []
        for tensor, order in self._orders.items():
            operand = order.operand
            ahead = operand.ahead(self._folding)
            per_fold = ahead // operand.halves
            for number in range(ahead):
                half, piece = divmod(number, per_fold)
                # The stationary operand comes before anything streams.
                found.append((half, -1 if operand.stationary else piece / per_fold, tensor))
        for _, _, tensor in sorted(found):
            self.load(tensor, 0)
        self._place_chunks()

    def load(self, tensor: str, now: int) -> None:
        """Order the next load of an operand, if there is one: it has a place from ``now`` on."""
        load = next(self._loads[tensor], None)
        if load is None:
            return
        words, bursts = self._words_of(tensor, load)
        transfer = None
        if words:
            self.fetched[tensor] += words
            rate = self._machine.buffer(tensor).write_words_per_cycle
            bits = self._bits.bits(tensor)
            transfer = _transfer(tensor, words, load.number, bursts, rate, bits, outward=False)
        job = Job(transfer, now)
        self._in[tensor].append(job)
        self._dma.put(job, outward=False)

    def loaded(self, tensor: str) -> Job:
        """Return the job of the next load that the array needs."""
        return self._in[tensor].popleft()

    def opened(self, meeting: Meeting) -> Job | None:
        """Open a chunk of results; return what has to arrive before, None if nothing."""
        return self._places[meeting.chunk][1]

    def send(self, meeting: Meeting, now: int) -> None:
        """Send a part of an open chunk of results off-chip."""
        chunk, _ = self._places[meeting.chunk]
        fold = chunk.fold
        complete = not self._folding.spills(fold) or self._results.stays(fold)
        self.written += meeting.words
        self.complete += meeting.words if complete else 0
        transfer, turn = None, None
        if meeting.words:
            part = replace(chunk, cycles=meeting.part)
            region, bits = (
                (OFMAP, self._bits.ofmap) if complete else (PARTIAL_SUM, self._bits.partial_sum)
            )
            rate = self._machine.ofmap.read_words_per_cycle
            bursts = self._bursts(part, region)
            transfer = _transfer(
                OFMAP, meeting.words, chunk.number, bursts, rate, bits, outward=True
            )
            if complete and self._adders is not None:
                adders, number = self._adders
                sums = self._bursts(part, SHARED_SUM)
                block, words = _block_of(self._folding, fold)
                turn = adders.turn(number, block, words, transfer, sums)
        job = Job(transfer, now, turn=turn)
        self._dma.put(job, outward=True)
        if meeting.last:
            del self._places[meeting.chunk]
            self._sent[meeting.chunk] = job
            self._place_chunks()

    def _place_chunks(self) -> None:
        """Give the next chunks of results their places, as far as those before have been sent."""
        while (chunk := self._next_chunk) is not None:
            if chunk.after >= 0 and chunk.after not in self._sent:
                return
            before = self._sent.get(chunk.after)
            # No later chunk waits for one that is more than all places back.
            self._sent.pop(chunk.number - self._results.places, None)
            if chunk.returns:
                self.fetched[OFMAP] += chunk.words
                rate = self._machine.ofmap.write_words_per_cycle
                bursts, bits = self._bursts(chunk, PARTIAL_SUM), self._bits.partial_sum
                moved = _transfer(
                    OFMAP, chunk.words, chunk.number, bursts, rate, bits, outward=False
                )
                before = Job(moved, 0, before)
                self._dma.put(before, outward=False)
            self._places[chunk.number] = chunk, before
            self._next_chunk = next(self._chunks, None)

    def _words_of(self, tensor: str, load: Load) -> tuple[int, Callable[[], Bursts] | None]:
        """Return the words of a load, and its requests if somebody observes or counts them."""
        key = (tensor, self._orders[tensor].key(load.fold), load.steps)
        if self._exact or key not in self._distinct:
            operand, folding = self._orders[tensor].operand, self._folding
            block = folding.block(operand.lanes, load.fold.row, load.fold.column)
            lanes = folding.needed(tensor, operand.lanes, block)
            steps = folding.needed(tensor, operand.steps, load.steps)
            new = lanes, steps, load.fold.group, load.epoch + 1
            if self._requests is None:
                words = self._views[tensor].distinct_count(*new)
                self._distinct[key] = words, None
                return words, None
            found = self._views[tensor].distinct(*new)
            if self._exact:
                return len(found), partial(self._requests.of_words, tensor, found)
            listed = self._requests.of_words(tensor, found) if len(found) else None
            self._distinct[key] = len(found), listed
        words, listed = self._distinct[key]
        return words, None if listed is None else partial(_same, listed)

    def _bursts(self, chunk: ResultChunk, region: str) -> Callable[[], Bursts] | None:
        return None if self._requests is None else partial(self._list_results, chunk, region)

    def _list_results(self, chunk: ResultChunk, region: str) -> Bursts:
        fold = chunk.fold
        # Sums of all row folds lie at the same places, unless they are complete after one.
        row = fold.row if self._folding.dataflow == "os" else 0
        key = region, row, fold.column, chunk.cycles
        if not self._exact and key in self._sums:
            return self._sums[key]
        assert self._requests is not None
        words = self._edge.results(fold, self._plans.wave(fold), chunk.cycles)
        listed = self._requests.of_words(region, words)
        if not self._exact:
            self._sums[key] = listed
        return listed


def _block_of(folding: Folding, fold: Fold) -> tuple[BlockKey, int]:
    """Return which block of outputs a fold adds to, and its words."""
    rows, columns = folding.used(fold.row, fold.column)
    if folding.dataflow == "os":
        return (fold.group, fold.column, fold.row), rows * columns
    return (fold.group, fold.column, 0), columns * folding.stream.size


def _same(listed: Bursts) -> Bursts:
    return listed


def _transfer(
    tensor: str,
    words: int,
    tile: int,
    bursts: Callable[[], Bursts] | None,
    near_rate: Fraction | None,
    word_bits: int,
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
        word_bits=word_bits,
    )
