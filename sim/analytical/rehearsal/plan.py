"""What a rehearsal runs with: loops in time, the links that they move tiles over, and their words.

A *link* joins a memory that keeps a tensor and the next one below that does (or, over a network,
the MACs). When a loop turns, those inside it start again, and every tile that it moves needs the
words that it did not have. How many follows from the shift of the tile, axis by axis; the sum over
a run is then scaled to the words that the model counted, so that padding, ragged tiles and what
instances share are right on the average.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, Memory, Ports
from arraysmith.arch.legality import tile_words
from arraysmith.arch.mapping import Mapping, kept_tensors, placed_loops
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.latency import overlaps
from arraysmith.sim.analytical.rehearsal.dram import Dram, Questions, axes_of, no_dram, regions
from arraysmith.sim.analytical.rehearsal.loops import Loops
from arraysmith.sim.analytical.rehearsal.networks import Ways, filled_before, in_turn
from arraysmith.sim.analytical.rehearsal.portions import (
    User,
    at_ports,
    beside_macs,
    on_networks,
    ports_of,
    used,
)
from arraysmith.sim.analytical.rehearsal.requests import Border
from arraysmith.sim.analytical.rehearsal.windows import Windows, windows_of
from arraysmith.sim.analytical.rehearsal.words import (
    AT_CHILD,
    AT_PARENT,
    ON_BUS,
    Float,
    Link,
    O,
    Words,
    bus_of,
)
from arraysmith.sim.report import READ, UPDATE, Report

# Columns of ``Plan.links``; memories are numbered from the outermost, -1 are the MACs.
TENSOR = 0
DEPTH = 1  # loops down to the innermost that moves the tile
AT_MACS = 2
ABOVE = 3  # the same tensor's link into the parent; -1: the parent is off-chip
BELOW = 4  # the same tensor's link out of the child; -1: the MACs work with it
SLOTS = 5  # tiles that the child has room for; 1: filling (draining) excludes work with it
PARENT = 6
CHILD = 7
PARENT_SERIAL = 8
LATENCY = 9
BUSES = 10
AFTER = 11  # memory that fills before the child; -1: none
LINK = 12

NO_MEMORY = -2


@dataclass(frozen=True)
class Plan:
    """A mapped problem, ready to be rehearsed.

    Attributes:
        turns: int64 [loops], most turns of the loops in time that move anything, outermost first.
        cuts: int64 [dims, most + 1, 3], per dim its extent, then its loops in time and space,
            outermost first: number of the loop in time (SPATIAL: none; NONE: no more), tile, and
            the tile around it.
        part: int64 [links, dims, most + 1], what a loop of ``cuts`` does to a tile of the link's
            child: APPLIES, SPREADS or nothing; in the first column 1 if the dim moves the tensor.
        axes: int64 [links, axes, 4], per axis of the tensor two dims and their coefficients.
        mean: float64 [links, 2], mean of what ``shares_of`` says; 0 where all tiles are alike.
        windows: where turns of an input are counted one by one instead.
        phase_loops: of these, loops that move something over the off-chip border.
        phases: in how many ways they turn.
        inside: int64 [dims, most + 1, 2], per dim its loops inside a step, outermost first: tile
            (0: no more), and of a loop in time, how often those inside it turn in a whole one.
        links: int64 [links, LINK], parents first.
        words: float64 [links, slots, loops + 1], words down when a loop turns; last, at the start.
            Of results: what comes back to go on with it.
        up: float64 [links, slots + 1], words up per tile of results; last, those read again
            because the memory above adds them.
        again: int64 [links, loops], 1 where a turn of the loop comes back to a result tile.
        per_word: float64 [memories, 4], cycles that a word takes at each port: towards the
            children out and in, from the parent in, to the parent out; 0 is unlimited.
        port: int64 [memories, 4], number of each port; reads and writes may share one.
        users: int64 [links, 2], port of the child that a link on the chip uses down, and up; ALONE
            where no other link on the chip does.
        near: float64 [links, 2], the same at ports of the child, in and out.
        bus: float64 [links, fan-outs, 2], cycles that a word takes on each bus down, and up; on
            routed networks, a flit.
        wire: int64 [links, fan-outs, 2], clock of each bus; tensors may share one.
        ends: float64 [links, fan-outs, 4], see ``networks.LEAF``.
        service: float64 [memories], cycles of its busiest port per multiply-accumulate of the
            MACs right below.
        far: float64 [links, loops + 1], cycles that a word takes off-chip when a loop turns; last,
            at the start. Of links over the border.
        far_up: float64 [links], the same of words up.
        late: float64 [links, loops + 1], as ``far``, latency of the off-chip memory.
        dram: what else there is to know of a DRAM; ``offchip`` asks it.
        questions: for that; None: off-chip memory is no DRAM.
        latency: cycles of the off-chip memory.
        pipeline: cycles of the MACs.
        one_channel: whether off-chip reads and writes take turns.
        one_port: number of the memory by whose one port words come in over the border and results
            leave, one way only at a time; NO_MEMORY: there is none, or a DRAM knows of it.
    """

    turns: Int
    cuts: Int
    part: Int
    axes: Int
    mean: Float
    windows: Windows
    phase_loops: int
    phases: int
    inside: Int
    links: Int
    words: Float
    up: Float
    again: Int
    per_word: Float
    port: Int
    users: Int
    near: Float
    bus: Float
    wire: Int
    ends: Float
    service: Float
    far: Float
    far_up: Float
    late: Float
    dram: Dram
    latency: int
    pipeline: int
    one_channel: bool
    questions: Questions | None
    one_port: int

    @classmethod
    def of(
        cls, architecture: Architecture, problem: Problem, mapping: Mapping, report: Report
    ) -> Plan:
        """Return the plan of a legal mapping on a spatial design.

        Args:
            architecture: without systolic array.
            problem: was counted.
            mapping: was counted.
            report: of the analytical model, default setting.
        """
        return _Planner(architecture, problem, mapping).plan(report)


def steps_of(architecture: Architecture, problem: Problem, mapping: Mapping) -> int:
    """Return the turns of all loops in time that move a tile: what a simulation has to take.

    Args:
        architecture: without systolic array.
        problem: the layer.
        mapping: legal.
    """
    planner = _Planner(architecture, problem, mapping)
    return planner.ways(len(planner.turns))


class _Planner:
    """Gathers the numbers of one plan."""

    def __init__(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> None:
        self._architecture, self._problem, self._mapping = architecture, problem, mapping
        self._levels = architecture.levels
        self._macs = len(self._levels) + 1
        self._loops = Loops(problem, placed_loops(architecture, problem.size, mapping))
        self._time, self._space = self._loops.time, self._loops.space
        memories = [i for i, x in enumerate(self._levels) if isinstance(x, Memory)]
        self._number = {level: m for m, level in enumerate(memories)}
        self._links: list[Link] = []
        self._service = np.zeros((len(memories), 2))
        for t, name in enumerate(TENSORS):
            keepers = [i for i in memories if name in self._kept(i)]
            for parent, child in pairwise([*keepers, self._macs]):
                between = tuple(
                    i
                    for i in range(parent, min(child, self._macs - 1))
                    if isinstance(self._levels[i], Fanout)
                )
                if parent == 0 or child < self._macs or between:
                    self._links.append(self._link(t, parent, child, between))
            if keepers[-1] and self._links[-1].child != self._macs:
                self._service[self._number[keepers[-1]]] += (1, t == O)
        rows = [(x.parent, x.tensor, x.child) for x in self._links]
        self._links = [self._links[i] for i in in_turn(architecture, rows)]
        ways = [(TENSORS[x.tensor], x.parent, x.fanouts) for x in self._links]
        self._ways = Ways(architecture, ways, self._space)

    @property
    def turns(self) -> list[int]:
        """Turns of the loops that move anything."""
        return [x.count for x in self._time[: max(x.depth for x in self._links)]]

    def ways(self, loops: int) -> int:
        """Return in how many ways the first loops in time turn."""
        return self._loops.ways(loops)

    def plan(self, report: Report) -> Plan:
        """Return the plan with the words of ``report``."""
        counted = Words(self._architecture, self._problem, self._mapping, self._loops, report)
        turns = np.array(self.turns, np.int64)
        step_loops = len(turns)
        fanouts = max((len(x.fanouts) for x in self._links), default=0)
        shape = (len(self._links), ON_BUS + fanouts)
        words, up = np.zeros((*shape, step_loops + 1)), np.zeros((shape[0], shape[1] + 1))
        rows = np.zeros((len(self._links), LINK), np.int64)
        again = np.zeros((len(self._links), step_loops), np.int64)
        cuts = self._loops.cuts(step_loops)
        part = np.zeros((len(self._links), *cuts.shape[:2]), np.int64)
        axes = np.zeros(
            (len(self._links), max(len(x.axes) for x in self._problem.tensors), 4), np.int64
        )
        mean = np.zeros((len(self._links), 2))
        whole = np.ones((len(self._links), 2, step_loops + 1))
        for k, link in enumerate(self._links):
            rows[k] = self._row(link)
            tensor = self._problem.tensors[link.tensor]
            mean[k] = self._loops.parts(tensor, link.parent, link.child, part[k], axes[k])
            if link.tensor == O:
                again[k, : link.depth] = [
                    x.dim not in tensor.dims for x in self._time[: link.depth]
                ]
                counted.results(link, words[k], up[k], float(mean[k, 1]) or 1.0)
            else:
                whole[k] = counted.operands(link, words[k])
        loops = self._links, self._space
        windows = windows_of(self._architecture, self._problem, *loops, mean[:, 0], whole)
        memories = self._architecture.memories
        per_word, port = ports_of(memories)
        users = [self._user(x, words[k], up[k]) for k, x in enumerate(self._links)]
        near = at_ports(self._architecture, users, report) * per_word[rows[:, CHILD]][:, 2:]
        self._ways.slow_down(on_networks(self._architecture, users))
        beside = beside_macs(memories, self._service, self._further(report), self._problem.macs)
        out_in = self._service * per_word[:, :2] * beside[:, :, 1]
        per_word[:, :2] *= beside[:, :, 0]
        shared = np.array([x.ports == Ports.SHARED for x in memories])
        service = np.where(shared, out_in.sum(axis=1), out_in.max(axis=1))
        result = next(x for x in self._links if x.tensor == O and not x.parent)
        adds = any(not bus_of(self._levels[i]).reduction for i in result.fanouts)
        chip = result.child != self._macs
        narrow = chip and self._memory(result.child).ports == Ports.SHARED
        loads = self._loads(rows, words, up, near)
        phase_loops = max(x.depth for x in self._links if not x.parent)
        shape = (len(rows), step_loops + 1)
        one_channel = memories[0].ports == Ports.SHARED or memories[0].dram is not None
        turns_round = narrow and memories[0].dram is None
        return Plan(
            turns=turns,
            cuts=cuts,
            part=part,
            axes=axes,
            mean=mean,
            windows=windows,
            phase_loops=phase_loops,
            phases=self.ways(phase_loops),
            inside=self._loops.inside(step_loops),
            links=rows,
            words=words,
            up=up,
            again=again,
            per_word=per_word,
            port=port,
            users=used(users, again, port, self._number),
            near=near,
            bus=self._ways.bus,
            wire=self._ways.wire,
            ends=self._ways.ends,
            service=service,
            far=np.full(shape, per_word[0, 0]),
            far_up=np.full(len(rows), per_word[0, 1]),
            late=np.full(shape, float(memories[0].latency_cycles)),
            dram=no_dram(len(rows), step_loops),
            questions=self._questions(
                cuts, rows, part, again, words, up, loads, one_way=narrow or adds
            ),
            latency=memories[0].latency_cycles,
            pipeline=self._architecture.compute.pipeline_cycles,
            one_channel=one_channel or narrow or adds,
            one_port=self._number[result.child] if turns_round else NO_MEMORY,
        )

    def _further(self, report: Report) -> Float:
        """Return the words of memories that others take (give), ``words`` of ``beside_macs``."""
        found = np.zeros((len(self._number), 2))
        for link in self._links:
            if link.child != self._macs:
                name, tensor = self._memory(link.parent).name, TENSORS[link.tensor]
                for way, what in enumerate((READ, UPDATE)):
                    found[self._number[link.parent], way] += report.words(name, tensor, what)
        return found

    def _loads(self, rows: Int, words: Float, up: Float, near: Float) -> Float:
        """Return ``near`` of ``ask_dram``, by link."""
        found = np.zeros((len(rows), 3))
        found[:, 2] = rows[:, LATENCY]
        for way, moved in enumerate((words[:, :, -1], up[:, :-1])):
            buses = (moved[:, ON_BUS:] * self._ways.bus[:, :, way]).max(axis=1, initial=0.0)
            child = np.where(rows[:, CHILD] < 0, 0.0, moved[:, AT_CHILD] * near[:, way])
            found[:, way] = np.maximum(buses, child) / np.maximum(1.0, moved[:, AT_PARENT])
        return found

    def _questions(
        self,
        cuts: Int,
        rows: Int,
        part: Int,
        again: Int,
        words: Float,
        up: Float,
        loads: Float,
        *,
        one_way: bool,
    ) -> Questions | None:
        """Return what the off-chip memory is asked if it is a DRAM."""
        memory = self._memory(0)
        if memory.dram is None:
            return None
        mine = [k for k in np.argsort(rows[:, TENSOR], kind="stable") if rows[k, PARENT] == 0]
        border = Border(
            cuts,
            part[mine],
            rows[mine, DEPTH],
            again[mine],
            rows[mine, SLOTS] == 1,
            rows[mine, AT_MACS] == 1,
            axes_of(self._problem),
            np.array([x.word_bits for x in self._problem.tensors], np.int64),
            regions(self._problem),
            8 * memory.request_bytes,
            max(1, prod(x.count for x in self._space)),
        )
        clock_hz, links = self._architecture.clock_hz, np.array(mine, np.int64)
        loops = int(border.depth.max())
        usual = np.concatenate(
            (
                words[mine, AT_PARENT, :loops],
                words[mine, AT_PARENT, -1:],
                up[mine, AT_PARENT, None],
            ),
            1,
        )
        return Questions(memory, clock_hz, border, loads[mine], links, usual, one_way)

    def _user(self, link: Link, words: Float, up: Float) -> User:
        """Return what a link wants of cycles that border and chip divide."""
        turns = np.append(np.diff([self.ways(j) for j in range(words.shape[1])]), 1)
        parents = prod(x.count for x in self._space if x.level < link.parent)
        epochs = self.ways(link.depth)
        if link.tensor == O:  # in most turns nothing comes back
            turns[:] = 0
            turns[0] = epochs - self._loops.ways(link.depth, self._problem.tensors[O].dims)
        child = None if link.child == self._macs else link.child
        ahead = link.depth > 0 and self._slots_of(link) > 1
        down, back = parents * words[ON_BUS:] @ turns, parents * epochs * up[ON_BUS:-1]
        words_of = tuple(zip(down.tolist(), back.tolist(), strict=True))
        return User(link.tensor, not link.parent, ahead, child, link.fanouts, words_of)

    def _memory(self, level: int) -> Memory:
        found = self._levels[level]
        assert isinstance(found, Memory)
        return found

    def _kept(self, level: int) -> tuple[str, ...]:
        memory = self._memory(level)
        return kept_tensors(memory, self._mapping.at(memory.name))

    def _link(self, t: int, parent: int, child: int, fanouts: tuple[int, ...]) -> Link:
        above = sum(x.level < child for x in self._time)
        depth = above
        if child != self._macs:
            dims = self._problem.tensors[t].dims
            moving = [j for j, x in enumerate(self._time[:above]) if x.dim in dims]
            depth = max(moving, default=-1) + 1
        return Link(t, parent, child, above, depth, fanouts)

    def _slots(self, level: int) -> int:
        """Return the tiles of a tensor that a memory has room for; 1: no half to work ahead in."""
        memory = self._memory(level)
        words = tile_words(self._architecture, self._problem, self._mapping, level)
        kept = sum(words[x] for x in self._kept(level))
        if not overlaps(memory, kept):
            return 1
        most, capacity = memory.tiles_in_flight, memory.capacity_words
        return most if capacity is None else min(most, capacity // max(1, kept))

    def _slots_of(self, link: Link) -> int:
        """Return the tiles that the child of a link has room for.

        MACs take words one by one, and the next ones are under way; results that they send
        off-chip have no place of their own.
        """
        if link.child != self._macs:
            return self._slots(link.child)
        return 1 if link.tensor == O and not link.parent else 2

    def _row(self, link: Link) -> Int:
        row = np.zeros(LINK, np.int64)
        at_macs = link.child == self._macs
        row[TENSOR], row[DEPTH], row[AT_MACS] = link.tensor, link.depth, at_macs
        row[ABOVE] = row[BELOW] = -1
        for k, other in enumerate(self._links):
            if other.tensor == link.tensor and other.parent:
                if other.child == link.parent:
                    row[ABOVE] = k
                if other.parent == link.child:
                    row[BELOW] = k
        row[SLOTS] = self._slots_of(link)
        row[PARENT] = self._number[link.parent]
        row[CHILD] = -1 if at_macs else self._number[link.child]
        row[PARENT_SERIAL] = bool(link.parent) and self._slots(link.parent) == 1
        row[LATENCY] = sum(self._ways.latency(i) for i in link.fanouts)
        row[BUSES] = len(link.fanouts)
        before = None if at_macs else filled_before(self._architecture, link.child)
        row[AFTER] = -1 if before is None else self._number[before]
        return row
