"""A spatial design with a mapping on it: every number that the engine and the kernel run with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.architecture import Architecture, Memory, Routed, Wireless
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.legality import tile_words
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.array import columns
from arraysmith.sim.cycle.array.causes import Causes, place_name
from arraysmith.sim.cycle.array.memory import Buffer
from arraysmith.sim.cycle.array.wiring import add_links, ticks_of, wires_of
from arraysmith.sim.cycle.banks.bank_lookups import ALL_LINES, AT_CHILD_SIDE
from arraysmith.sim.cycle.banks.bank_turns import BankTurns
from arraysmith.sim.cycle.nest.amounts import Amounts
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.portions import Portions
from arraysmith.sim.cycle.nest.tree import Edge, I, O, Tree, W
from arraysmith.sim.cycle.nest.turns import count_rounds, find_limits
from arraysmith.sim.cycle.networks.air import AIR
from arraysmith.sim.cycle.networks.crossings import Crossings
from arraysmith.sim.routed import memory_link


@dataclass(frozen=True)
class Machine:
    """One mapped design.

    Attributes:
        tree: its loops and edges.
        amounts: what their turns move.
        crossings: how long that takes on routed networks.
        banks: how long in banks.
        portions: whose which part of the cycles is that border and chip both use.
        buffers: per level, the memory with all that it keeps; None for fan-outs.
        inner: numbers of the edges on the chip, parents first.
        borders: per tensor, number of the edge over the off-chip border.
        ahead: per tensor, whether its next tile may cross the border while the last is in use.
        ragged: whether some tile does not divide the one around it.
        ticks: of a cycle; every rate on the chip moves a word in a whole number of them.
        causes: names of the stall causes, by code.
        numbers: int64 [columns.NUMBERS].
        edges: int64 [edges on the chip, columns.EDGE].
        service: int64 [memories, 2], see ``columns.Plan``.
        one_channel: whether off-chip reads and writes take turns.
        one_port: per tensor, whether it comes in through the port by which results leave.
    """

    tree: Tree
    amounts: Amounts
    crossings: Crossings
    banks: BankTurns
    portions: Portions
    buffers: tuple[Buffer | None, ...]
    inner: tuple[int, ...]
    borders: tuple[int, ...]
    ahead: tuple[bool, ...]
    ragged: bool
    ticks: int
    causes: tuple[str, ...]
    numbers: Int
    edges: Int
    service: Int
    one_channel: bool
    one_port: tuple[bool, ...]

    @classmethod
    def of(cls, architecture: Architecture, problem: Problem, mapping: Mapping) -> Machine:
        """Return the machine of a legal mapping; refuses designs as ``Tree.of`` does."""
        tree = Tree.of(architecture, problem, mapping)
        buffers = tuple(
            Buffer(level, _kept_words(tree, i)) if isinstance(level, Memory) else None
            for i, level in enumerate(architecture.levels)
        )
        inner = _in_turn(tree)
        borders = tuple(
            next(e for e, x in enumerate(tree.edges) if x.tensor == t and x.parent == 0)
            for t in range(3)
        )
        causes = Causes(tree)
        ragged = tree.ragged
        numbers = np.zeros(columns.NUMBERS, np.int64)
        numbers[columns.PHASE_LOOPS] = tree.phase_loops
        numbers[columns.STEP_LOOPS] = tree.step_loops
        numbers[columns.PIPELINE] = architecture.compute.pipeline_cycles
        numbers[columns.RAGGED] = ragged
        start = np.zeros(len(tree.time), np.int64)
        numbers[columns.ROUNDS] = count_rounds(
            tree.loops, tree.many, tree.size, start, tree.step_loops
        )
        numbers[columns.FANOUTS] = len(architecture.fanouts)
        numbers[columns.FILL_CAUSE] = causes.code("fill")
        numbers[columns.PORT_CAUSES] = causes.ports
        amounts = Amounts.of(tree)
        banks = BankTurns.of(tree, amounts)
        edges = _edge_rows(tree, buffers, banks, inner, causes)
        result = tree.edges[borders[O]]
        adds = any(not tree.bus(level).reduction for level in result.fanouts)
        below = buffers[result.child] if not result.at_macs else None
        ahead = tuple(_slots(tree.edges[e], buffers) > 1 for e in borders)
        portions = Portions.of(tree, amounts, ahead)
        narrow = below is not None and below.one_port
        return cls(
            tree=tree,
            amounts=amounts,
            crossings=Crossings.of(tree, amounts, portions),
            banks=banks,
            portions=portions,
            buffers=buffers,
            inner=tuple(inner),
            borders=borders,
            ahead=ahead,
            ragged=ragged,
            ticks=ticks_of(architecture, portions),
            causes=causes.names,
            numbers=numbers,
            edges=edges,
            service=_service(tree),
            one_channel=architecture.memories[0].ports == 1 or narrow or adds,
            one_port=tuple(narrow and tree.edges[e].child == result.child for e in borders),
        )

    @property
    def compute_cycles(self) -> int:
        """Cycles in which the leading MAC works."""
        tree = self.tree
        start = np.zeros(len(tree.time), np.int64)
        return int(count_rounds(tree.loops, tree.many, tree.size, start, 0))

    @property
    def phases(self) -> int:
        """Turns of the loops that make the phases."""
        tree = self.tree
        found = 1
        for d, size in enumerate(tree.size.tolist()):
            rows = tree.loops[d, : tree.many[d]].tolist()
            found *= _rounds(rows, size, tree.phase_loops)
        return found

    def room_cause(self, tensor: int) -> int:
        """Return the code of waiting for a tensor's place on the near side of the border."""
        return self.causes.index(
            f"{place_name(self.tree, self.tree.edges[self.borders[tensor]])}_room"
        )

    def buffer(self, level: int) -> Buffer:
        """Return the memory at a level."""
        found = self.buffers[level]
        assert found is not None
        return found

    def bank_turns(self, tensor: int, index: Int, turned: int) -> int:
        """Return the lines that the busiest bank at the border opens for a transfer over it.

        Args:
            tensor: its code.
            index: int64 [loops in time], turns.
            turned: the loop that has turned.
        """
        edge, tables = self.borders[tensor], self.amounts.tables
        return self.banks.of_turn(tables, edge, AT_CHILD_SIDE, ALL_LINES, index, turned)

    def innermost(self, tensor: int) -> bool:
        """Return whether MACs work with the tensor where it comes in over the border."""
        return self.below(tensor) < 0

    def below(self, tensor: int) -> int:
        """Return the row in ``edges`` of the edge out of the child of the border; -1: none."""
        child = self.tree.edges[self.borders[tensor]].child
        for k, e in enumerate(self.inner):
            if (self.tree.edges[e].tensor, self.tree.edges[e].parent) == (tensor, child):
                return k
        return -1

    def limits(self) -> Int:
        """Return int64 [loops in time], how often they turn at first."""
        tree = self.tree
        found = np.zeros(len(tree.time), np.int64)
        find_limits(tree.loops, tree.many, tree.size, np.zeros_like(found), found)
        return found

    def plan(self) -> columns.Plan:
        """Return what the kernel runs with and never changes."""
        tree = self.tree
        again = np.full((max(1, len(self.inner)), len(tree.time)), -1, np.int64)
        for k, e in enumerate(self.inner):
            for j, ancestor in tree.edges[e].again:
                again[k, j] = ancestor
        tables = self.amounts.tables
        return (
            tree.loops, tree.many, tree.size, self.numbers, self.edges, again, self.service, tables,
            self.amounts.kept[list(self.inner)],
        )  # fmt: skip

    def clocks(self) -> columns.Clocks:
        """Return what it changes, as it is at cycle 0."""
        times, count = len(self.tree.time), max(1, len(self.inner))
        state = np.zeros(columns.STATE, np.int64)
        state[columns.OPENING], state[columns.TURNED] = 1, -1
        known = np.zeros((count, columns.KNOWN), np.int64)
        known[:, columns.EPOCH] = -1
        width = columns.E_THROUGH + 2 + len(self.tree.architecture.fanouts) + times
        memories = len(self.tree.architecture.memories)
        return (
            state,
            np.zeros(times, np.int64),
            self.limits(),
            known,
            np.zeros((count, columns.RING, width), np.int64),
            np.full((count, columns.VISITS), -columns.RING, np.int64),
            np.zeros((memories, 2), np.int64),
            wires_of(self.tree, self.crossings, self.banks, self.portions, self.inner, self.ticks),
        )


OFFCHIP = 1
"""Code of the first stall cause that is an off-chip tensor."""


def _kept_words(tree: Tree, level: int) -> int:
    words = tile_words(tree.architecture, tree.problem, tree.mapping, level)
    memory = tree.memory(level)
    return sum(words[x] for x in kept_tensors(memory, tree.mapping.at(memory.name)))


def _in_turn(tree: Tree) -> list[int]:
    """Return the edges on the chip in the order in which a turn takes them.

    Parents before children and a memory that fills first before the one that fills after it; of
    these, the outermost first, and ifmap, weight, ofmap.
    """
    edges = tree.edges
    left = sorted(
        (e for e, edge in enumerate(edges) if edge.parent > 0),
        key=lambda e: (edges[e].parent, edges[e].tensor),
    )
    found: list[int] = []
    while left:
        for e in left:
            before = [
                x
                for x in left
                if x != e
                and (
                    (edges[x].tensor, edges[x].child) == (edges[e].tensor, edges[e].parent)
                    or (not edges[e].at_macs and edges[x].child == _after(tree, edges[e].child))
                )
            ]
            if not before:
                break
        else:
            names = ", ".join(
                {tree.memory(edges[x].child).name for x in left if not edges[x].at_macs}
            )
            raise UnsupportedDesignError(f"{names}: each would have to be filled before the other")
        left.remove(e)
        found.append(e)
    return found


def _after(tree: Tree, level: int) -> int | None:
    """Return the level of the memory that fills before the one at ``level``; None if none does."""
    name = tree.memory(level).fills_after
    if name is None:
        return None
    return tree.architecture.levels.index(tree.architecture.level(name))


def _slots(edge: Edge, buffers: tuple[Buffer | None, ...]) -> int:
    """Return the tiles that the child of an edge has room for; 1: filling excludes working.

    Without a memory, operands sit in a register pair; results over the border are added to one at a
    time.
    """
    if edge.at_macs:
        return 1 if edge.tensor == O else 2
    buffer = buffers[edge.child]
    assert buffer is not None
    if buffer.slots > columns.RING - 2:
        raise UnsupportedDesignError(
            f"{buffer.memory.name}: at most {columns.RING - 2} tiles in flight are simulated"
        )
    return buffer.slots


def _edge_rows(
    tree: Tree,
    buffers: tuple[Buffer | None, ...],
    banks: BankTurns,
    inner: list[int],
    causes: Causes,
) -> Int:
    levels = tree.architecture.levels
    number = {x.name: m for m, x in enumerate(tree.architecture.memories)}
    memory = {i: number[x.name] for i, x in enumerate(levels) if isinstance(x, Memory)}
    rows = np.zeros((len(inner), columns.EDGE), np.int64)
    add_links(tree, inner, rows, causes.code)
    buses = 0
    for k, e in enumerate(inner):
        edge, row, name = tree.edges[e], rows[k], TENSORS[tree.edges[e].tensor]

        def other(child: int, parent: int, t: int = edge.tensor) -> int:
            """Row of the tensor's edge into ``child`` or out of ``parent``; -1 if none."""
            for i, x in enumerate(inner):
                mine = tree.edges[x]
                if mine.tensor == t and (mine.child == child or mine.parent == parent):
                    return i
            return -1

        row[columns.NUMBER], row[columns.TENSOR] = e, edge.tensor
        row[columns.DEPTH], row[columns.AT_MACS] = edge.depth, edge.at_macs
        row[columns.ABOVE], row[columns.BELOW] = other(edge.parent, -1), other(-1, edge.child)
        row[columns.OWN] = len(tree.problem.tensors[edge.tensor].axes)
        row[columns.SLOTS] = 2 if edge.at_macs else _slots(edge, buffers)
        row[columns.SERIAL] = row[columns.SLOTS] == 1
        first = None if edge.at_macs else _after(tree, edge.child)
        row[columns.AFTER] = -1 if first is None else memory[first]
        row[columns.PARENT] = memory[edge.parent]
        row[columns.CHILD] = -1 if edge.at_macs else memory[edge.child]
        parent = buffers[edge.parent]
        assert parent is not None
        row[columns.PARENT_SERIAL] = not parent.ping_pong
        row[columns.LATENCY] = sum(tree.bus(level).latency_cycles for level in edge.fanouts)
        row[columns.BUSES], row[columns.FIRST_BUS] = len(edge.fanouts), buses
        buses += 2 * len(edge.fanouts)
        row[columns.PORT_CAUSE] = causes.code(f"{levels[edge.parent].name}_{name}")
        row[columns.ROOM_CAUSE] = causes.code(f"{place_name(tree, edge)}_room")
        row[columns.BANK_CAUSE] = row[columns.PORT_CAUSE]
        if banks.base[e].max() >= 0:
            row[columns.BANK_CAUSE] = causes.code(f"bank_{name}")
        row[columns.BUS_CAUSE] = causes.codes([_way_name(tree, x, name) for x in edge.fanouts])
    return rows


def _way_name(tree: Tree, level: int, tensor: str) -> str:
    """Return the stall cause of waiting for a fan-out, with the busiest link of a routed one."""
    network, name = tree.network(level), f"{tree.architecture.levels[level].name}_{tensor}"
    if isinstance(network, Wireless):
        return f"{name} {AIR}"
    return f"{name} {memory_link(network)}" if isinstance(network, Routed) else name


def _service(tree: Tree) -> Int:
    """Return the words per MAC at memories right above the MACs."""
    memories = tree.architecture.memories
    found = np.zeros((len(memories), 2), np.int64)
    for t in (I, W, O):
        last = [edge for edge in tree.edges if edge.tensor == t][-1]
        if not last.at_macs:
            m = memories.index(tree.memory(last.child))
            found[m] += (1, t == O)
    return found


def _rounds(rows: list[list[int]], extent: int, loops: int) -> int:
    """Return the turns of the leading instance's loops in time below number ``loops``."""
    if not rows:
        return 1
    (in_time, number, tile, *_), rest = rows[0], rows[1:]
    if not in_time:
        return _rounds(rest, min(tile, extent), loops)
    if number >= loops:
        return 1
    turns = -(-extent // tile)
    last = _rounds(rest, extent - (turns - 1) * tile, loops)
    return (turns - 1) * _rounds(rest, tile, loops) + last if turns > 1 else last
