"""What a probe is told of words that neighbours pass on; see ``sides``."""

from __future__ import annotations

import numpy as np

from arraysmith.sim.cycle.array.columns import (
    CHILD,
    LATENCY,
    LINK_LATENCY,
    R_BEGIN,
    R_EDGE,
    R_TO,
    R_UP,
    SIDEWAYS,
    Clocks,
)
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.instance_runs import RUN
from arraysmith.sim.cycle.nest.ports import DRAIN, FILL
from arraysmith.sim.cycle.tracing.passed_runs import LEAVING, find_entering, find_passed
from arraysmith.sim.cycle.tracing.sides import EdgeSide, Moves


def moves_below(machine: Machine, k: int, *, passed: bool) -> Moves:
    """Return what children of an edge with links take from neighbours, or from the parent."""
    edge = machine.tree.edges[machine.inner[k]]
    return Moves.of(
        machine.tree, edge, edge.child, up=False, tiles=False, split=edge.child, passed=passed
    )


class LinkSide(EdgeSide):
    """Words that neighbours pass on, as they leave one or pass a link."""

    def __init__(self, machine: Machine, k: int, frame: Int, way: int = LEAVING) -> None:
        """Take the edge's number on the chip, the frame of its children, and what to tell of.

        Args:
            machine: the mapped design.
            k: number of the edge on the chip.
            frame: int64 [AXES].
            way: see ``passed_runs.find_passed``.
        """
        moves = moves_below(machine, k, passed=True)
        edge = machine.tree.edges[machine.inner[k]]
        super().__init__(machine, k, edge.child, moves, frame, up=False)
        self._way = way
        wires, child = machine.clocks()[7], machine.edges[k, CHILD]
        self._clock = int(wires[1][child, DRAIN])
        self._per_word = int(wires[2][child, DRAIN])
        self._latency = int(machine.edges[k, LINK_LATENCY])

    def chosen(self, records: Int) -> Int:
        """Return what came to the edge's children from neighbours: see ``Side``."""
        found: Int = records[(records[:, R_EDGE] == self._k) & (records[:, R_UP] == SIDEWAYS)]
        return found

    def first(self, records: Int) -> Int:
        """Return the cycle in which the first word of each leaves: see ``Side``."""
        begins: Int = records[:, R_BEGIN] // self._ticks
        return begins

    def frontier(self, clocks: Clocks) -> int:
        """Return when the port is free through which words leave the children."""
        return int(clocks[7][0][self._clock]) // self._ticks

    def _find(self, start: int, records: Int, out: Int) -> tuple[int, int]:
        moves, table = self._moves, np.empty((len(out), RUN), np.int64)
        found: tuple[int, int] = find_passed(
            start, records, moves.view, moves.tiles, self._way, self._frame, moves.numbers,
            moves.scratch, moves.room, self._per_word, self._latency, self._ticks, table, out,
        )  # fmt: skip
        return found


class EnterSide(EdgeSide):
    """All words that children of an edge with links take."""

    def __init__(self, machine: Machine, k: int, frame: Int) -> None:
        """Take the edge's number on the chip and the frame of its children: see ``LinkSide``."""
        moves = moves_below(machine, k, passed=False)
        edge = machine.tree.edges[machine.inner[k]]
        super().__init__(machine, k, edge.child, moves, frame, up=False)
        self._passed = moves_below(machine, k, passed=True)
        self._clock = int(machine.clocks()[7][1][machine.edges[k, CHILD], FILL])
        self._latency = int(machine.edges[k, LATENCY])

    def chosen(self, records: Int) -> Int:
        """Return what enters by itself: see ``Side``."""
        mine = (records[:, R_EDGE] == self._k) & (records[:, R_TO] >= 0)
        found: Int = records[mine]
        return found

    def frontier(self, clocks: Clocks) -> int:
        """Return when the port is free through which words enter the children."""
        return int(clocks[7][0][self._clock]) // self._ticks

    def _find(self, start: int, records: Int, out: Int) -> tuple[int, int]:
        moves, table = self._moves, np.empty((len(out), RUN), np.int64)
        found: tuple[int, int] = find_entering(
            start, records, moves.view, self._passed.view, moves.tiles, self._frame, moves.numbers,
            moves.scratch, moves.room, self._latency, self._ticks, table, out,
        )  # fmt: skip
        return found
