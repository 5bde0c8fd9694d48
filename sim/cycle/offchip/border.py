"""A spatial design's transfers over the off-chip border: their requests, and their near side.

Requests have exact addresses, in program order. The near side is what they take below the border:
ports of the memory there, trees and routed networks, or the border's part of them (``portions``).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from arraysmith.arch.architecture import FlitWiring
from arraysmith.arch.architecture import Tree as TreeNetwork
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.array.holding import Wires
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.nest.boxes import Int, padded
from arraysmith.sim.cycle.nest.listing import listed, scratch_of, view_of
from arraysmith.sim.cycle.nest.portions import PARTS, stretched
from arraysmith.sim.cycle.nest.ports import DRAIN, FILL
from arraysmith.sim.cycle.nest.tree import O
from arraysmith.sim.cycle.networks import channels
from arraysmith.sim.cycle.offchip.protocol import Bursts
from arraysmith.sim.cycle.offchip.rates import whole_cycles
from arraysmith.sim.cycle.offchip.schedule import Epoch, Order


class BorderRequests:
    """Lists what crosses the border between off-chip memory and the rest."""

    def __init__(self, problem: Problem, machine: Machine, base: dict[str, int]) -> None:
        """Take a mapped design; ``base`` is the byte address of each tensor's first word."""
        tree = machine.tree
        self._bits = [tensor.word_bits for tensor in problem.tensors]
        self._base = [base[name] for name in TENSORS]
        self._extent = [padded([x.extent for x in t.axes], 1) for t in problem.tensors]
        self._request_bits = 8 * tree.memory(0).request_bytes
        edges = [tree.edges[e] for e in machine.borders]
        self._down = [view_of(tree, edge, tiles=edge.tensor == O) for edge in edges]
        self._up = view_of(tree, edges[O], up=True)
        self._scratch = [scratch_of(view) for view in self._down]

    def base(self, tensor: int) -> int:
        """Return the byte address of a tensor's first word off-chip."""
        return self._base[tensor]

    def in_bytes(self, tensor: int, base: int, table: Int, words: Int) -> Bursts:
        """Return runs of words, int64 [n, 2] of (first word, words), as requests from ``base``."""
        bits = self._bits[tensor]
        first = table[:, 0] * bits // 8
        end = -(-(table[:, 0] + table[:, 1]) * bits // 8)
        return Bursts((base + first).astype(np.uint64), (end - first).astype(np.uint32), words)

    def runs(self, tensor: int, epoch: Epoch, frame: Int, limit: tuple[int, int], *, outward: bool
        ) -> Int:  # fmt: skip
        """Return the runs of one transfer over the border, int64 [n, 2] of (address, words)."""
        view = self._up if outward else self._down[tensor]
        scratch = self._scratch[tensor]
        return listed(view, epoch.index, epoch.turned, frame, limit, scratch)

    def bursts(self, tensor: int, epoch: Epoch, *, outward: bool) -> Callable[[], Bursts]:
        """Return a function that lists the off-chip requests of one transfer."""

        def listing() -> Bursts:
            limit = (self._request_bits, self._bits[tensor])
            table = self.runs(tensor, epoch, self._extent[tensor], limit, outward=outward)
            return self.in_bytes(tensor, self._base[tensor], table, np.cumsum(table[:, 1]))

        return listing


class NearSide:
    """What transfers over the border hold on the chip, and for how long.

    Ports and trees are held for their words. A pattern enters a routed network when it meets no
    other one from off-chip memory there, as on the chip (``channels``); nobody else has the cycles
    that the border has.
    """

    def __init__(self, machine: Machine, wires: Wires) -> None:
        """Take the design and the clocks of a run, changed by patterns that enter."""
        self._machine, self._wires = machine, wires

    def enter(self, order: Order, cycle: int) -> tuple[int, int]:
        """Begin a transfer; return how long it holds the channel at least, and what comes after.

        Args:
            order: the transfer.
            cycle: in which it begins.
        """
        machine, epoch, t, out = self._machine, order.epoch, order.tensor, order.outward
        tree, edge = machine.tree, machine.tree.edges[machine.borders[order.tensor]]
        near, latency = [0], sum(tree.bus(level).latency_cycles for level in edge.fanouts)
        for i, level in enumerate(edge.fanouts):
            network = tree.network(level)
            if isinstance(network, FlitWiring):
                at = self._pattern(order, i)
                self._wires[12][at] += 1
                busy, late = machine.crossings.costs[at, :2].tolist()
                waits = channels.enter(*self._channels(), at, cycle) - cycle
                near.append(int(waits) + busy)
                latency += late
                continue
            part = Fraction(machine.portions.of_network(level, up=out, border=True), PARTS)
            moved = int((epoch.up_buses if out else epoch.down_buses)[i])
            near.append(whole_cycles(moved, _of(network.rate(TENSORS[t], up=out), part)))
            if isinstance(network, TreeNetwork) and level == edge.fanouts[-1]:
                near.append(whole_cycles(epoch.most, _of(network.leaf_words_per_cycle, part)))
        if not edge.at_macs:
            child = machine.buffer(edge.child)
            memory = tree.architecture.memories.index(child.memory)
            parts = machine.portions.at_port(memory, DRAIN if out else FILL, border=True)
            rate = _of(child.read_rate if out else child.write_rate, Fraction(parts, PARTS))
            near.append(whole_cycles(child.whole(epoch.most), rate))
            turns = machine.bank_turns(t, epoch.index, epoch.turned)
            near.append(stretched(turns, parts) if turns > 1 else 0)
        return max(near), latency

    def leave(self, order: Order, cycle: int) -> None:
        """Note that the last word of a transfer left its sender before ``cycle``."""
        tree = self._machine.tree
        for i, level in enumerate(tree.edges[self._machine.borders[order.tensor]].fanouts):
            if isinstance(tree.network(level), FlitWiring):
                at = self._pattern(order, i)
                busy = int(self._machine.crossings.costs[at, channels.BUSY])
                channels.leave(*self._channels(), at, cycle - busy)

    def _pattern(self, order: Order, place: int) -> int:
        machine, epoch = self._machine, order.epoch
        return machine.crossings.pattern(
            machine.amounts.tables, machine.borders[order.tensor], place, epoch.index,
            epoch.turned, up=order.outward,
        )  # fmt: skip

    def _channels(self) -> tuple[Int, Int, Int]:
        """Return what ``channels`` takes: costs, spans and clocks."""
        return self._wires[11], self._wires[14], self._wires[15]


def _of(rate: Fraction | None, part: Fraction) -> Fraction | None:
    return None if rate is None else rate * part
