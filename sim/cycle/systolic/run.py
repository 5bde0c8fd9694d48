"""The run of a systolic design on one line of array time.

One process is the array. It goes from window to window (``window``: the cycles between two
fold starts) and, inside, from one meeting with the memories to the next (``plan``), in
increasing array time over all folds that are alive. Where a load or a place has not come, the whole
array waits. Only then the array comes back to simulated time: SimPy carries the transfers
(``dma``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import simpy
from numpy.typing import NDArray

from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem
from arraysmith.sim.cycle.offchip.protocol import OffChip
from arraysmith.sim.cycle.systolic.addresses import RequestLists
from arraysmith.sim.cycle.systolic.banks import BankedPorts
from arraysmith.sim.cycle.systolic.dma import Dma, Job, Process
from arraysmith.sim.cycle.systolic.edge import Edge
from arraysmith.sim.cycle.systolic.loads import LoadOrder, ResultOrder
from arraysmith.sim.cycle.systolic.plan import FREE, OPERANDS, Meeting, Plans
from arraysmith.sim.cycle.systolic.schedule import Placed, Schedule
from arraysmith.sim.cycle.systolic.streams import SystolicStreams
from arraysmith.sim.cycle.systolic.sums import Adders
from arraysmith.sim.cycle.systolic.traffic import Traffic
from arraysmith.sim.cycle.systolic.wave import StepTimes
from arraysmith.sim.cycle.systolic.window import PORT_CAUSES, Window, Windows
from arraysmith.sim.cycle.systolic.words import WordView
from arraysmith.sim.cycle.tracing.waiting import NoProgressError
from arraysmith.sim.folding import LANES_AND_STEPS, Fold, Folding
from arraysmith.sim.operand_words import Moves, OperandWords
from arraysmith.sim.residency import Operand
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]

WAITS = ("fill", *(f"offchip_{tensor}" for tensor in TENSORS), *PORT_CAUSES, "drain")
"""Causes of waits, in which the array does not advance."""

CAUSES = (*WAITS[:-1], *(f"gap_{tensor}" for tensor in TENSORS), WAITS[-1])
"""Stall causes in the order of a report; ``gap_<tensor>`` are array cycles, not waits."""


@dataclass
class Outcome:
    """What a run measured.

    Attributes:
        cycles: from the first request to the last word written off-chip.
        compute_cycles: cycles in which the array advanced, gaps not included.
        stalls: cycles by cause.
        moves: words that moved.
    """

    cycles: int = 0
    compute_cycles: int = 0
    stalls: dict[str, int] = field(default_factory=dict)
    moves: Moves = field(default_factory=Moves)


class SystolicRun:
    """One array's run; build it, ``start`` it, run the environment, ``finish`` it."""

    def __init__(
        self,
        env: simpy.Environment,
        machine: SystolicMachine,
        folding: Folding,
        problem: Problem,
        channel: OffChip,
        views: dict[str, WordView],
        edge: Edge,
        ports: BankedPorts,
        requests: RequestLists | None,
        streams: SystolicStreams | None,
        adders: tuple[Adders, int] | None = None,
        named: tuple[str, ...] = (),
    ) -> None:
        """Take the parts; see ``Traffic`` for ``requests`` and ``adders``.

        ``streams`` is None if nobody observes; ``named`` are the links that may stand behind a
        cause, see ``Timing.blame``.
        """
        self._env = env
        self._folding = folding
        self._streams = streams
        self._named = named
        self._views = views
        self._outcome = Outcome()
        self._meets = "its first words"
        operands = {t: Operand.of(machine, folding, problem, t) for t in (IFMAP, WEIGHT)}
        orders = {t: LoadOrder(folding, operand) for t, operand in operands.items()}
        results = ResultOrder(machine, folding)
        self._steps = StepTimes.of(folding, operands)
        plans = Plans(folding, self._steps, orders, results)
        ahead = {t: operand.ahead(folding) for t, operand in operands.items()}
        ahead[OFMAP] = results.places
        self._schedule = Schedule(folding, self._steps, plans, ahead)
        held = folding.dataflow == "os" and machine.wiring.drain != "free"
        self._windows = Windows(machine, ports, registered=held)
        self._dma = Dma(env, channel, one_port=machine.one_channel)
        self._traffic = Traffic(
            machine,
            folding,
            self._dma,
            plans,
            orders,
            results,
            views,
            edge,
            requests,
            OperandWords.of(problem, machine.ofmap),
            adders,
        )
        self._process: simpy.Process | None = None
        self._stored: dict[tuple[str, tuple[int, int], tuple[int, int]], int] = {}

    def start(self) -> None:
        """Set the array off; it runs with the environment."""
        if self._streams is not None:
            self._streams.tell_steps(self._steps.tau, WAITS, self._named)
        self._traffic.begin()
        self._process = self._env.process(self._array())

    def ended(self) -> Process:
        """Wait until the array is through and its last results have left."""
        assert self._process is not None
        yield self._process
        yield from self._dma.settle()

    @property
    def through(self) -> int:
        """Cycle in which array and transfers are through, when the environment has run."""
        assert self._process is not None
        if not self._process.processed:
            raise NoProgressError(int(self._env.now), (self._meets,))
        return max(int(self._process.value), self._dma.last_write)

    def finish(self, flushed: int = 0) -> Outcome:
        """Return what happened, when the environment has run.

        Args:
            flushed: cycle in which the last word of all has been written off-chip.
        """
        out, array = self._outcome, self._process
        out.cycles = max(self.through, flushed)
        assert array is not None
        finished = int(array.value)
        self._stall(finished, out.cycles - finished, "drain")
        for tensor, cycles in self._schedule.gaps.items():
            if cycles:
                out.stalls[f"gap_{tensor}"] = cycles
        out.compute_cycles = self._schedule.cycles
        traffic = self._traffic
        out.moves.fetched = {tensor: traffic.fetched[tensor] for tensor in OPERANDS}
        out.moves.returned, out.moves.sent = traffic.fetched[OFMAP], traffic.written
        out.moves.complete = traffic.complete
        assert traffic.complete == self._folding.results, "results are missing"
        if self._streams is not None:
            self._streams.finish()
        assert out.cycles == out.compute_cycles + sum(out.stalls.values()), "a cycle has no cause"
        return out

    def _array(self) -> Process:
        """Go through the windows in order; ends with the clock cycle after the last one."""
        clock = 0
        alive: list[Placed] = []
        pending: list[Meeting] = []
        folds = self._schedule.placed()
        placed = next(folds)
        first_mac = placed.start
        while True:
            after = next(folds, None)
            begin = placed.begin
            alive = [placed, *(one for one in alive if one.end > begin)]
            stop = after.begin if after is not None else self._schedule.end
            window = self._windows.of(alive, begin, stop)
            self._count(placed)
            pending += placed.meetings
            pending.sort()
            due = len(pending)
            if after is not None:
                due = next((i for i, one in enumerate(pending) if one.cycle >= stop), due)
            meetings, pending = pending[:due], pending[due:]
            waits = yield from self._meet(meetings, window, begin, clock, first_mac)
            for cause, cycles in window.by_cause.items():
                self._outcome.stalls[cause] = self._outcome.stalls.get(cause, 0) + cycles
            if self._streams is not None:
                self._tell(alive, begin, window, clock, waits)
            clock += int(window.offsets[-1]) + sum(wait for _, wait, _ in waits)
            if after is None:
                return clock
            placed = after

    def _meet(
        self, meetings: list[Meeting], window: Window, begin: int, clock: int, first_mac: int
    ) -> Process:
        """Meet the memories in a window; return (array cycle, wait, chain) of every wait."""
        traffic, offsets = self._traffic, window.offsets
        waits: list[tuple[int, int, tuple[str, ...]]] = []
        waited = 0
        for meeting in meetings:
            cycle, tensor = meeting.cycle, meeting.tensor
            now = clock + waited
            now += int(offsets[cycle - begin]) if window.waiting else cycle - begin
            if meeting.order == FREE:
                if tensor == OFMAP:
                    traffic.send(meeting, now)
                else:
                    traffic.load(tensor, now)
                continue
            job: Job | None = traffic.opened(meeting) if tensor == OFMAP else traffic.loaded(tensor)
            if job is None:
                continue
            self._meets = f"offchip_{tensor}: a transfer that does not end"
            yield from self._dma.wait(job)
            # Results may come as soon as those whose place they take have left.
            ready = job.left if job.transfer is not None and job.transfer.outward else job.arrived
            if ready > now:
                cause = "fill" if cycle <= first_mac else f"offchip_{tensor}"
                behind = () if job.blame is None else job.blame()
                if behind and cause == "fill":
                    behind = (f"offchip_{tensor}", *behind)
                waits.append((cycle, ready - now, (cause, *behind)))
                self._outcome.stalls[cause] = self._outcome.stalls.get(cause, 0) + ready - now
                waited += ready - now
        return waits

    def _count(self, placed: Placed) -> None:
        """Count the words that a fold moves at the array's edge."""
        moves, fold, plan = self._outcome.moves, placed.fold, placed.plan
        for tensor in OPERANDS:
            moves.read[tensor] += self._words(tensor, fold)
        moves.updated += plan.results
        if plan.wave.accumulates:
            moves.read[OFMAP] += plan.results
        if self._streams is not None:
            self._streams.tell_fold(placed)

    def _words(self, tensor: str, fold: Fold) -> int:
        folding = self._folding
        lanes, steps = (
            folding.needed(tensor, side, folding.block(side, fold.row, fold.column))
            for side in LANES_AND_STEPS[self._folding.dataflow, tensor]
        )
        key = (tensor, lanes, steps)
        if key not in self._stored:
            self._stored[key] = self._views[tensor].stored(lanes, steps)
        return self._stored[key]

    def _tell(
        self,
        alive: list[Placed],
        begin: int,
        window: Window,
        clock: int,
        waits: list[tuple[int, int, tuple[str, ...]]],
    ) -> None:
        """Tell what happened in a window."""
        assert self._streams is not None
        waited = np.zeros(window.cycles + 1, np.int64)
        told: list[tuple[int, int, int, tuple[str, ...]]] = []
        for cycle, wait, chain in waits:
            at = clock + int(window.offsets[cycle - begin]) + int(waited[cycle - begin])
            told.append((at, 0, wait, chain))
            waited[cycle - begin :] += wait
        starts = clock + window.offsets[:-1] + waited[:-1]
        begins = starts
        for waited_for, causes in zip(window.waits, window.cause, strict=True):
            for cycle in np.flatnonzero(waited_for).tolist() if window.waiting else ():
                cause = PORT_CAUSES[causes[cycle]]
                told.append((int(begins[cycle]), 1, int(waited_for[cycle]), (cause,)))
            begins = begins + waited_for
        for at, _, wait, chain in sorted(told):
            self._streams.tell_stall(at, wait, chain)
        self._streams.tell_window(alive, begin, window, starts)

    def _stall(self, clock: int, cycles: int, cause: str) -> None:
        if cycles:
            self._outcome.stalls[cause] = self._outcome.stalls.get(cause, 0) + cycles
            if self._streams is not None:
                self._streams.tell_stall(clock, cycles, (cause,))
