"""The event engine of a spatial design: SimPy carries tiles, the kernel runs the steps between.

Two kinds of process: the array, which takes one phase after the other, and the DMA channels, which
take one transfer after the other in the order of their program (``schedule``). Off-chip reads and
writes have a channel each unless a memory on the way has a single port; then one does both.

A phase of the array starts when every off-chip word that it adds is in and its results have room.
From then on the kernel tells when every buffer is free again, and the channels wait for that.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import simpy

from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.array import columns, spatial
from arraysmith.sim.cycle.array.blame import FIRST_LINK, WAIT, add_wait, chained
from arraysmith.sim.cycle.array.machine import OFFCHIP, Machine
from arraysmith.sim.cycle.array.routes import USES
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.tree import I, O, W
from arraysmith.sim.cycle.offchip.border import BorderRequests, NearSide
from arraysmith.sim.cycle.offchip.protocol import OffChip, Timing, Transfer
from arraysmith.sim.cycle.offchip.schedule import Epoch, Epochs, Order, Program
from arraysmith.sim.cycle.progress import NEAR, RELEASE, ROOM, TRANSFER, Doing, Progress
from arraysmith.sim.cycle.recall import Recall
from arraysmith.sim.cycle.repeats import Repeats
from arraysmith.sim.cycle.tracing.streams import Streams
from arraysmith.sim.cycle.tracing.waiting import ARRAY, NoProgressError, Waits, standing_chain
from arraysmith.sim.probe import LINK_BITS

Process = Generator[simpy.Event, Any, Any]

# Milestones of a phase: per tensor, when the near side of the border was last read and when its
# memory was last at work; when the last results were there.
USED, IDLE, DONE, MILESTONES = 0, 3, 6, 7


@dataclass(frozen=True)
class Outcome:
    """What a run measured.

    Attributes:
        cycles: from the first request to the last word written off-chip.
        stalls: int64 [causes], cycles by ``Machine.causes``.
        words: int64 [edges, columns.WORDS], words over every edge.
        patterns: int64 [patterns], how often each crossed a routed network, see ``Crossings``.
    """

    cycles: int
    stalls: Int
    words: Int
    patterns: Int


class SpatialRun:
    """One run; build it, ``run`` it once, read the outcome."""

    def __init__(
        self,
        env: simpy.Environment,
        machine: Machine,
        channel: OffChip,
        border: BorderRequests,
        streams: Streams | None = None,
        waits: Waits | None = None,
        *,
        skip: bool = False,
        recall: int = 0,
    ) -> None:
        """Take the design, what stands behind its border, and who observes.

        Args:
            env: the simulation.
            machine: the mapped design.
            channel: to off-chip memory.
            border: lists its requests.
            streams: tells a probe of requests; None: nobody observes.
            waits: tells a probe of waits.
            skip: whether to skip what repeats: only where ``channel`` is a ``FixedRate`` whose
                requests nobody counts, nobody observes, and no other core shares it.
            recall: phases on the chip whose ends are remembered; 0 where anybody observes.
        """
        self._env = env
        self._machine = machine
        self._channel = channel
        self._border = border
        self._streams = streams
        self._waits = waits
        self._plan, self._clocks = machine.plan(), machine.clocks()
        self._clocks[0][columns.NOTING] = streams is not None and streams.steps
        self._stalls = np.zeros(len(machine.causes), np.int64)
        self._words = np.zeros((len(machine.tree.edges), columns.WORDS), np.int64)
        self._below = [machine.below(t) for t in range(3)]
        self._near = NearSide(machine, self._clocks[7])
        self._progress = Progress([Epochs(machine, t) for t in range(3)], [])
        self._repeats = (
            Repeats(machine, self._plan, self._clocks, (self._stalls, self._words))
            if skip
            else None
        )
        self._recall = (
            Recall(machine, self._plan, self._clocks, (self._stalls, self._words), recall)
            if recall
            else None
        )
        self._last = 0  # chain of the last results that were written
        # What everybody who is not through waits for: (what, tensor or -1, tile or phase).
        self._standing: dict[str, tuple[str, int, int]] = {}
        self._processes: list[simpy.Process] = []

    def run(self) -> Outcome:
        """Simulate to the last word written and return what happened; see ``finish``."""
        self.start()
        self._env.run()
        return self.finish()

    def start(self) -> None:
        """Begin; the environment has to run until nothing is under way."""
        if self._machine.one_channel:
            self._start_channel("both", inward=True, outward=True)
        else:
            self._start_channel("in", inward=True, outward=False)
            self._start_channel("out", inward=False, outward=True)
        self._processes.append(self._env.process(self._array()))

    def ended(self) -> Process:
        """Wait until the array and the channels have nothing more to do."""
        yield self._env.all_of(self._processes)

    @property
    def through(self) -> int:
        """Cycle in which the last word so far was written off-chip."""
        return self._progress.finished + self._skipped

    def finish(self) -> Outcome:
        """Return what happened, when nothing is under way any more.

        Raises:
            NoProgressError: somebody still waits.
        """
        if self._standing:
            chain = standing_chain(self._standing, one_channel=self._machine.one_channel)
            raise NoProgressError(int(self._env.now) + self._skipped, chain)
        finished = self._channel.flush(self._progress.finished)
        state, nothing = self._clocks[0], np.empty((0, WAIT), np.int64)
        computed = int(state[columns.COMPUTED])
        drain = chained(len(self._stalls) - 1, self._last)
        waits = self._waits.room if self._waits else nothing
        add_wait(self._stalls, waits, state, computed, finished - computed, drain)
        if self._waits:
            self._waits.tell(state)
        if self._streams:
            self._streams.finish()
        patterns = self._clocks[7][USES]
        assert isinstance(patterns, np.ndarray)
        return Outcome(finished + self._skipped, self._stalls, self._words, patterns)

    @property
    def _skipped(self) -> int:
        """Cycles by which the clocks lag behind the true time."""
        return self._repeats.skipped_cycles if self._repeats else 0

    def _event(self, table: dict[Any, simpy.Event], key: Any) -> simpy.Event:
        if key not in table:
            table[key] = self._env.event()
        return table[key]

    def _array(self) -> Process:
        """Take the phases in order."""
        progress = self._progress
        upcoming = progress.upcoming
        upcoming += [next(stream, None) for stream in progress.coming]
        phase, over = 0, False
        while not over:
            start, cause = 0, OFFCHIP + O
            for t in (O, I, W):
                epoch = upcoming[t]
                if epoch is None or epoch.first != phase:
                    continue
                upcoming[t] = next(progress.coming[t], None)
                waits = []
                if t == O and self._room(epoch) >= 0:
                    waits.append(("out", self._event(progress.left, self._room(epoch))))
                if epoch.words:
                    waits.append(("in", self._event(progress.arrived, (t, epoch.number))))
                for what, event in waits:
                    self._standing[ARRAY] = what, t, epoch.number
                    when, why = yield event
                    if when > start:
                        start, cause = when, why
                progress.arrived.pop((t, epoch.number), None)
                progress.landing.pop((t, epoch.number), None)
            now = int(self._env.now)
            if self._repeats and (jump := self._repeats.look(now, phase, cause, progress)):
                progress.jump(jump)
                phase += jump.phases
            if self._recall:
                over = self._recall.run(now, cause, partial(self._run_phase, now, cause))
            else:
                over = self._run_phase(now, cause)
            if phase >= progress.asked_from(phase + 1):
                progress.milestones[phase] = self._reached()
            if phase in progress.ran:
                progress.ran.pop(phase).succeed()
            phase += 1
        self._standing.pop(ARRAY, None)

    def _room(self, epoch: Epoch) -> int:
        """Return the result epoch that has to leave before ``epoch`` has room; negative if none."""
        return epoch.number - (2 if self._machine.ahead[O] else 1)

    def _run_phase(self, start: int, cause: int) -> bool:
        """Run the steps of a phase; return whether it was the last one."""
        state, streams = self._clocks[0], self._streams
        nothing, unseen = np.empty((0, columns.RECORD), np.int64), np.empty((0, WAIT), np.int64)
        while True:
            records = streams.room if streams else nothing
            waits = self._waits.room if self._waits else unseen
            many = spatial.run_phase(
                start, cause, self._plan, self._clocks, self._stalls, self._words, records, waits
            )
            if self._waits:
                self._waits.tell_full(state)
            if streams:
                streams.tell_inner(records[:many], self._clocks)
            if state[columns.OVER]:
                return bool(state[columns.TURNED] < 0)

    def _reached(self) -> Int:
        """Return the milestones of the phase that has just run."""
        machine = self._machine
        state, _, _, known, _, _, memories, _ = self._clocks
        found = np.full(MILESTONES, state[columns.COMPUTED])
        for t, below in enumerate(self._below):
            if below >= 0:
                found[USED + t] = known[below, columns.READ_LEFT]
                memory = machine.edges[below, columns.PARENT]
                if not machine.service[memory].any():  # else it works as long as the MACs do
                    found[IDLE + t] = memories[memory].max()
        if self._below[O] >= 0:
            found[DONE] = known[self._below[O], columns.LANDED]
        else:
            found[DONE] += machine.numbers[columns.PIPELINE] - 1
        return found

    def _start_channel(self, name: str, *, inward: bool, outward: bool) -> None:
        self._progress.programs[name] = Program(self._machine, inward=inward, outward=outward)
        self._progress.doing[name] = Doing()
        self._processes.append(self._env.process(self._dma(name)))

    def _dma(self, name: str) -> Process:
        """Do the transfers of one channel, one after the other."""
        env, machine, progress = self._env, self._machine, self._progress
        doing = progress.doing[name]
        for order in progress.programs[name]:
            # What this process does may be moved on while it waits: ``doing`` knows the order.
            doing.order, doing.stage, doing.asked = order, RELEASE, int(env.now)
            progress.forget()
            t, outward = order.tensor, order.outward
            if order.release >= 0:
                if order.release not in progress.milestones:
                    self._standing[name] = RELEASE, t, order.release
                    yield self._event(progress.ran, order.release)
                when = self._free_at(order, progress.milestones[doing.order.release])
                if outward:  # one port takes what is on its way first
                    when = max(when, doing.landing)
                if when > env.now:
                    doing.stage, doing.until = NEAR, when
                    yield env.timeout(when - int(env.now))
            room = self._room(doing.order.epoch)
            if t == O and not outward and room >= 0:
                doing.stage = ROOM
                self._standing[name] = ROOM, t, doing.order.epoch.number
                yield self._event(progress.left, room)
            doing.why = OFFCHIP + t
            if env.now > doing.asked and not (outward and env.now == doing.landing):
                doing.why = chained(doing.why, 0 if outward else machine.room_cause(t))
            elif doing.before:
                code = machine.causes.index(f"channel_{name}")
                doing.why = chained(doing.why, chained(code, doing.before))
            doing.before = OFFCHIP + t
            transfer = replace(self._transfer(doing.order), begun=doing.begin)
            doing.stage = TRANSFER
            self._standing[name] = TRANSFER, t, doing.order.epoch.number
            timing = yield from self._channel.transfer(transfer)
            if machine.one_port[t] and not outward and timing.landed is None:
                doing.landing = timing.arrived
            self._account(doing.order, transfer, timing, doing.why)
        del progress.doing[name]
        self._standing.pop(name, None)
        progress.forget()

    def _free_at(self, order: Order, milestones: Int) -> int:
        """Return when the near side can take (or has ready) the words of ``order``."""
        t = order.tensor
        if order.outward:
            serial = self._below[t] >= 0 and not self._machine.ahead[t]
            return int(milestones[IDLE + t] if serial else milestones[DONE])
        if not self._machine.ahead[t]:
            return int(milestones[IDLE + t])
        if t == O and self._below[t] >= 0:
            return 0  # room comes with the results that leave
        return int(milestones[USED + t])

    def _transfer(self, order: Order) -> Transfer:
        epoch, t = order.epoch, order.tensor
        near, latency = self._near.enter(order, int(self._env.now))
        return Transfer(
            tensor=TENSORS[t],
            outward=order.outward,
            words=epoch.up if order.outward else epoch.words,
            read_first=epoch.up - epoch.tiles if order.outward else 0,
            near_cycles=near,
            near_latency_cycles=latency,
            tile=epoch.number,
            bursts=self._border.bursts(t, epoch, outward=order.outward),
        )

    def _account(self, order: Order, transfer: Transfer, timing: Timing, why: int) -> None:
        """Count a transfer whose last word has left, and tell who waits for it."""
        env, epoch = self._env, order.epoch
        self._near.leave(order, timing.left)
        if order.outward:
            why = self._behind(why, timing)
        words = self._words[self._machine.borders[order.tensor]]
        if timing.landed is None:
            self._arrive(order, timing, why)
        else:
            timing.landed.callbacks.append(lambda _: self._arrive(order, timing, why))
        if order.outward:
            words[columns.UP_WORDS] += epoch.up
            words[columns.TILE_WORDS] += epoch.tiles
            words[columns.DRAIN_WORDS] += epoch.sent
            self._progress.out += 1
            self._event(self._progress.left, epoch.number).succeed((int(env.now), why))
            # Who waits for an epoch is at most two epochs behind.
            self._progress.left.pop(epoch.number - 4, None)
            return
        words[columns.DOWN_WORDS] += transfer.words
        words[columns.FILL_WORDS] += epoch.total

    def _behind(self, why: int, timing: Timing) -> int:
        """Return a chain of waiting for a transfer with what the memory says in second place."""
        if timing.blame is None:
            return why
        behind = why >> LINK_BITS
        for link in reversed(timing.blame()):
            behind = chained(self._machine.causes.index(link), behind)
        return int(chained(why & FIRST_LINK, behind))

    def _arrive(self, order: Order, timing: Timing, why: int) -> None:
        """Tell of a transfer of which it is known when its last word arrives."""
        env, epoch = self._env, order.epoch
        if not order.outward:
            why = self._behind(why, timing)
        if self._streams:
            self._streams.tell_border(order.tensor, epoch, timing, outward=order.outward)
        if order.outward:
            self._progress.finished = max(self._progress.finished, timing.arrived)
            self._last = why
            return
        self._progress.landing[order.tensor, epoch.number] = timing.arrived, why
        event = self._event(self._progress.arrived, (order.tensor, epoch.number))
        arrival = env.timeout(timing.arrived - int(env.now))
        arrival.callbacks.append(lambda _: event.succeed((timing.arrived, why)))
