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
from arraysmith.sim.cycle import columns, spatial
from arraysmith.sim.cycle.border import BorderRequests
from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.machine import OFFCHIP, Machine
from arraysmith.sim.cycle.offchip import OffChip, Timing, Transfer
from arraysmith.sim.cycle.rates import whole_cycles
from arraysmith.sim.cycle.schedule import Epoch, Order, epochs, program
from arraysmith.sim.cycle.streams import Streams
from arraysmith.sim.cycle.tree import I, O, W

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
    """

    cycles: int
    stalls: Int
    words: Int


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
        self._plan, self._clocks = machine.plan(), machine.clocks()
        self._stalls = np.zeros(len(machine.causes), np.int64)
        self._words = np.zeros((len(machine.tree.edges), columns.WORDS), np.int64)
        self._below = [machine.below(t) for t in range(3)]
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
        machine = self._machine

        def orders(*, inward: bool, outward: bool) -> Iterator[Order]:
            streams = {t: epochs(machine, t) for t in (range(3) if inward else (O,))}
            return program(machine, streams, inward=inward, outward=outward)

        if machine.one_channel:
            self._start_channel("both", orders(inward=True, outward=True))
        else:
            self._start_channel("in", orders(inward=True, outward=False))
            self._start_channel("out", orders(inward=False, outward=True))
        self._env.process(self._array([epochs(machine, t) for t in range(3)]))
        self._env.run()
        self._finished = self._channel.flush(self._finished)
        self._stalls[-1] += self._finished - int(self._clocks[0][columns.COMPUTED])
        return Outcome(self._finished, self._stalls, self._words)

    def _event(self, table: dict[Any, simpy.Event], key: Any) -> simpy.Event:
        if key not in table:
            table[key] = self._env.event()
        return table[key]

    def _array(self, coming: list[Iterator[Epoch]]) -> Process:
        """Take the phases in order."""
        upcoming = [next(stream, None) for stream in coming]
        phase, over = 0, False
        while not over:
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
            over = self._run_phase(int(self._env.now), OFFCHIP + cause)
            if phase >= min(self._release.values(), default=phase + 1):
                self._milestones[phase] = self._reached()
            if phase in self._ran:
                self._ran.pop(phase).succeed()
            phase += 1

    def _room(self, epoch: Epoch) -> int:
        """Return the result epoch that has to leave before ``epoch`` has room; negative if none."""
        return epoch.number - (2 if self._machine.ahead[O] else 1)

    def _run_phase(self, start: int, cause: int) -> bool:
        """Run the steps of a phase; return whether it was the last one."""
        state, streams = self._clocks[0], self._streams
        nothing = np.empty((0, columns.RECORD), np.int64)
        while True:
            records = streams.room if streams else nothing
            many = spatial.run_phase(
                start, cause, self._plan, self._clocks, self._stalls, self._words, records
            )
            if streams:
                streams.tell_inner(records[:many])
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
                    found[IDLE + t] = memories[memory, 1]
        if self._below[O] >= 0:
            found[DONE] = known[self._below[O], columns.LANDED]
        else:
            found[DONE] += machine.numbers[columns.PIPELINE] - 1
        return found

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
        asked = min(self._release.values(), default=self._kept_from)
        while self._kept_from < asked:
            self._milestones.pop(self._kept_from, None)
            self._kept_from += 1

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
        machine, epoch, t = self._machine, order.epoch, order.tensor
        tree, edge = machine.tree, machine.tree.edges[machine.borders[order.tensor]]
        words = epoch.up if order.outward else epoch.words
        near = []
        for level, down, up in zip(edge.fanouts, epoch.down_buses, epoch.up_buses, strict=True):
            moved = int(up if order.outward else down)
            near.append(whole_cycles(moved, tree.bus(level).words_per_cycle))
        if not edge.at_macs:
            child = machine.buffer(edge.child)
            rate = child.read_rate if order.outward else child.write_rate
            near.append(whole_cycles(child.whole(epoch.most), rate))
        return Transfer(
            tensor=TENSORS[t],
            outward=order.outward,
            words=words,
            read_first=epoch.up - epoch.tiles if order.outward else 0,
            near_cycles=max(near, default=0),
            near_latency_cycles=sum(tree.bus(level).latency_cycles for level in edge.fanouts),
            tile=epoch.number,
            bursts=self._border.bursts(t, epoch, outward=order.outward),
        )

    def _account(self, order: Order, transfer: Transfer, timing: Timing) -> None:
        """Count a transfer whose last word has left, and tell who waits for it."""
        env, epoch = self._env, order.epoch
        words = self._words[self._machine.borders[order.tensor]]
        if timing.landed is None:
            self._arrive(order, timing)
        else:
            timing.landed.callbacks.append(lambda _: self._arrive(order, timing))
        if order.outward:
            words[columns.UP_WORDS] += epoch.up
            words[columns.TILE_WORDS] += epoch.tiles
            words[columns.DRAIN_WORDS] += epoch.sent
            self._event(self._out, epoch.number).succeed(int(env.now))
            # Who waits for an epoch is at most two epochs behind.
            self._out.pop(epoch.number - 4, None)
            return
        words[columns.DOWN_WORDS] += transfer.words
        words[columns.FILL_WORDS] += epoch.total

    def _arrive(self, order: Order, timing: Timing) -> None:
        """Tell of a transfer of which it is known when its last word arrives."""
        env, epoch = self._env, order.epoch
        if self._streams:
            self._streams.tell_border(order.tensor, epoch, timing, outward=order.outward)
        if order.outward:
            self._finished = max(self._finished, timing.arrived)
            return
        event = self._event(self._in, (order.tensor, epoch.number))
        arrival = env.timeout(timing.arrived - int(env.now))
        arrival.callbacks.append(lambda _: event.succeed(timing.arrived))
