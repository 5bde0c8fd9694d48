"""The event engine of a spatial design: SimPy carries tiles, the kernel runs the steps between.

Two kinds of process: the array, which takes one phase after the other, and the DMA channels, which
take one transfer after the other in the order of their program (``schedule``). Off-chip reads and
writes have a channel each unless a memory on the way has a single port; then one does both.

A phase of the array starts when every off-chip word that it adds is in and its results have room.
From then on the kernel tells when every buffer is free again, and the channels wait for that.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle import spatial
from arraysmith.sim.cycle.border import BorderRequests
from arraysmith.sim.cycle.boxes import AXES, Int
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.nest import I, O, W
from arraysmith.sim.cycle.offchip import OffChip, Timing, Transfer
from arraysmith.sim.cycle.schedule import Border, Epoch, Order, epochs, program, turns_of
from arraysmith.sim.cycle.streams import Streams

Process = Generator[simpy.Event, Any, Any]


@dataclass(frozen=True)
class Outcome:
    """What a run measured.

    Attributes:
        cycles: from the first request to the last word written off-chip.
        stalls: int64 [causes], cycles by ``spatial.CAUSES``.
        array_words: int64 [spatial.WORDS], words between shared memory and scratchpads.
        border_words: int64 [3], words into the near side per tensor (once per multicast).
        border_fills: int64 [3], words that the receivers took of them.
        result_words: words of results that went out over the border.
        result_reads: of these, words read first because another PE's were there already.
        result_drains: words that the near side sent for them.
    """

    cycles: int
    stalls: Int
    array_words: Int
    border_words: Int
    border_fills: Int
    result_words: int
    result_reads: int
    result_drains: int


class SpatialRun:
    """One run; build it, ``run`` it once, read the outcome."""

    def __init__(
        self,
        env: simpy.Environment,
        machine: Machine,
        channel: OffChip,
        border: BorderRequests,
        streams: Streams | None = None,
    ) -> None:
        self._env = env
        self._machine = machine
        self._channel = channel
        self._border = border
        self._streams = streams
        self._state = spatial.new_state()
        self._stalls = np.zeros(len(spatial.CAUSES), np.int64)
        self._words = np.zeros(spatial.WORDS, np.int64)
        self._border_words = np.zeros(3, np.int64)
        self._border_fills = np.zeros(3, np.int64)
        self._result_words = 0
        self._result_reads = 0
        self._result_drains = 0
        self._finished = 0
        # A tile is in; the results of an epoch have left; a phase ran. Made by who comes first.
        self._in: dict[tuple[int, int], simpy.Event] = {}
        self._out: dict[int, simpy.Event] = {}
        self._ran: dict[int, simpy.Event] = {}
        self._milestones: dict[int, Int] = {}
        self._release: dict[str, int] = {}
        self._kept_from = 0

    def run(self) -> Outcome:
        """Simulate to the last word written and return what happened."""
        machine, nest = self._machine, self._machine.nest
        borders = [Border.of(nest, t, shared=machine.chain.in_shared[t]) for t in range(3)]
        mine = [epochs(nest, t, border) for t, border in enumerate(borders)]

        def orders(*, inward: bool, outward: bool) -> Iterator[Order]:
            tensors = range(3) if inward else (O,)
            streams = {t: epochs(nest, t, borders[t]) for t in tensors}
            return program(nest, streams, ahead=machine.ahead, inward=inward, outward=outward)

        if machine.one_channel:
            self._start_channel("both", orders(inward=True, outward=True))
        else:
            self._start_channel("in", orders(inward=True, outward=False))
            self._start_channel("out", orders(inward=False, outward=True))
        self._env.process(self._array(mine))
        self._env.run()
        self._stalls[spatial.DRAIN] += self._finished - int(self._state[spatial.COMPUTED])
        return Outcome(
            self._finished,
            self._stalls,
            self._words,
            self._border_words,
            self._border_fills,
            self._result_words,
            self._result_reads,
            self._result_drains,
        )

    def _event(self, table: dict[Any, simpy.Event], key: Any) -> simpy.Event:
        if key not in table:
            table[key] = self._env.event()
        return table[key]

    def _array(self, coming: list[Iterator[Epoch]]) -> Process:
        """Take the phases in order."""
        nest = self._machine.nest
        old = np.zeros((3, AXES), np.int64)
        milestones = np.zeros(spatial.MILESTONES, np.int64)
        upcoming = [next(stream, None) for stream in coming]
        for phase in range(nest.phases):
            start, cause = 0, O
            for t in (O, I, W):
                epoch = upcoming[t]
                if epoch is None or epoch.first != phase:
                    continue
                upcoming[t] = next(coming[t], None)
                waits = []
                if t == O and self._room(epoch) >= 0:
                    waits.append(self._event(self._out, self._room(epoch)))
                if epoch.words:
                    waits.append(self._event(self._in, (t, epoch.number)))
                for event in waits:
                    when = yield event
                    if when > start:
                        start, cause = when, t
                self._in.pop((t, epoch.number), None)
            self._run_phase(int(self._env.now), spatial.OFFCHIP + cause, phase, old, milestones)
            if phase >= min(self._release.values(), default=phase + 1):
                self._milestones[phase] = milestones.copy()
            if phase in self._ran:
                self._ran.pop(phase).succeed()

    def _room(self, epoch: Epoch) -> int:
        """Return the result epoch that has to leave before ``epoch`` has room; negative if none."""
        return epoch.number - (2 if self._machine.ahead[O] else 1)

    def _run_phase(self, start: int, cause: int, phase: int, old: Int, milestones: Int) -> None:
        machine, nest = self._machine, self._machine.nest
        streams = self._streams
        nothing = np.empty((0, 4, spatial.RECORD), np.int64)
        records = streams.new_records() if streams else nothing
        before, known = old.copy(), self._state[spatial.EPOCH : spatial.EPOCH + 3] >= 0
        spatial.run_phase(
            start,
            cause,
            turns_of(phase, nest.counts, nest.phase_loops),
            turns_of(phase + 1, nest.counts, nest.phase_loops),
            phase + 1 == nest.phases,
            old,
            (nest.phase_loops, nest.step_loops),
            nest.counts,
            (nest.child_stride, nest.child_reach, nest.extent, nest.offset),
            (nest.shifts, nest.shift_sizes, nest.copies),
            (nest.every_shift, nest.every_sizes, nest.every_copies),
            nest.retains,
            nest.child_again,
            machine.in_shared,
            machine.serial,
            machine.rates,
            machine.numbers,
            self._state,
            self._stalls,
            self._words,
            milestones,
            records,
        )
        if streams:
            streams.tell_array(phase, before, known, records)

    def _start_channel(self, name: str, orders: Iterator[Order]) -> None:
        self._release[name] = -1
        self._env.process(self._dma(name, orders))

    def _dma(self, name: str, orders: Iterator[Order]) -> Process:
        """Do the transfers of one channel, one after the other."""
        env = self._env
        for order in orders:
            self._release[name] = order.release
            self._forget()
            if order.release >= 0:
                if order.release not in self._milestones:
                    yield self._event(self._ran, order.release)
                when = self._free_at(order, self._milestones[order.release])
                if when > env.now:
                    yield env.timeout(when - int(env.now))
            if order.tensor == O and not order.outward and self._room(order.epoch) >= 0:
                yield self._event(self._out, self._room(order.epoch))
            transfer = self._transfer(order)
            timing = yield from self._channel.transfer(transfer)
            self._account(order, transfer, timing)
        del self._release[name]
        self._forget()

    def _forget(self) -> None:
        """Drop the milestones that no channel will ask for again: releases never fall."""
        asked = min(self._release.values(), default=self._machine.nest.phases)
        while self._kept_from < asked:
            self._milestones.pop(self._kept_from, None)
            self._kept_from += 1

    def _free_at(self, order: Order, milestones: Int) -> int:
        """Return when the near side can take (or has ready) the words of ``order``."""
        machine = self._machine
        if not machine.chain.in_shared[order.tensor]:
            computed = int(milestones[spatial.COMPUTED_AT])
            return computed + (machine.pipeline_cycles - 1 if order.outward else 0)
        if not machine.ahead_shared:
            return int(milestones[spatial.IDLE])
        if order.outward:
            return int(milestones[spatial.DRAINED_AT])
        if order.tensor == O:
            return 0  # room comes with the results that leave
        return int(milestones[spatial.READ_DONE + order.tensor])

    def _transfer(self, order: Order) -> Transfer:
        machine, epoch, t = self._machine, order.epoch, order.tensor
        words, most = epoch.words, epoch.most
        if order.outward:
            words, most = machine.result_words, machine.nest.tile_words(machine.nest.child_reach[O])
        return Transfer(
            tensor=TENSORS[t],
            outward=order.outward,
            words=words,
            read_first=machine.result_again_words if order.outward else 0,
            near_cycles=machine.near_cycles(t, words, most, outward=order.outward),
            near_latency_cycles=machine.near_latency_cycles(t),
            tile=epoch.number,
            bursts=self._border.bursts(t, epoch, outward=order.outward),
        )

    def _account(self, order: Order, transfer: Transfer, timing: Timing) -> None:
        """Count a transfer whose last word has left, and tell who waits for it."""
        env, machine = self._env, self._machine
        if self._streams:
            self._streams.tell_border(order.tensor, order.epoch, timing, outward=order.outward)
        if order.outward:
            self._result_words += transfer.words
            self._result_reads += transfer.read_first
            self._result_drains += machine.result_drained_words
            self._finished = max(self._finished, timing.arrived)
            self._event(self._out, order.epoch.number).succeed(int(env.now))
            # Who waits for an epoch is at most two epochs behind.
            self._out.pop(order.epoch.number - 4, None)
            return
        self._border_words[order.tensor] += transfer.words
        self._border_fills[order.tensor] += order.epoch.total
        event = self._event(self._in, (order.tensor, order.epoch.number))
        arrival = env.timeout(timing.arrived - int(env.now))
        arrival.callbacks.append(lambda _: event.succeed(timing.arrived))
