"""A mapped layer as a program for ``chip.sv``: what moves where, in which order, after which event.

Orders:

* in: by the phase whose end makes room (a tile takes the place of the one before the last), then by
  the phase that needs it, ifmap before weights;
* fill: step by step: ifmap, weights, sums that come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.validation.spatial_rtl.configuration import configure, tags
from arraysmith.validation.spatial_rtl.loops import (
    IFMAP,
    RESULT,
    WEIGHT,
    Box,
    Nest,
    NoProgramError,
    Point,
)
from arraysmith.validation.spatial_rtl.program import (
    DEPTH,
    GLB_WORDS,
    LEAVES,
    OFFCHIP_WORDS,
    PHASES,
    POISON,
    PROGRAM,
    WAYS,
    Program,
)


def compile_layer(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    operands: tuple[NDArray[np.int64], NDArray[np.int64]],
    results: NDArray[np.int64],
) -> Program:
    """Return the program of a layer and the memory that it has to leave.

    Args:
        architecture: off-chip memory, a ping-pong buffer, X/Y buses with multicast and reduction,
            ping-pong scratchpads of unlimited ports; rates are whole words per cycle, or one word
            in so many cycles.
        problem: the layer.
        mapping: whose turns divide.
        operands: ifmap and weights.
        results: what the operator makes of them.

    Raises:
        NoProgramError: the array cannot run it.
    """
    nest = Nest.of(architecture, problem, mapping)
    program = Program()
    base = [0, operands[0].size, operands[0].size + operands[1].size]
    program.results = results.size
    shared = [int(x) for part in operands for x in part.ravel()]
    program.memory = [*shared, *[POISON] * results.size]
    program.expected = [*shared, *(int(x) for x in results.ravel())]
    if len(program.memory) > OFFCHIP_WORDS:
        raise NoProgramError(f"{len(program.memory)} words off-chip: at most {OFFCHIP_WORDS}")
    Compiler(nest, program, base).run()
    configure(architecture, nest, program)
    for name, most in (("phases", PHASES), ("ins", 4096), ("outs", 4096), ("leaves", LEAVES)):
        if program.count(name) >= most:
            raise NoProgramError(f"{name}: at most {most - 1}")
    for name in ("in_words", "fills", "fill_words", "steps", "drain_words", "out_words"):
        if program.count(name) > PROGRAM // 2 - WAYS:
            raise NoProgramError(f"{name}: at most {PROGRAM // 2 - WAYS}")
    for name in program.rows:
        if name not in {"config", "offchip", "tags", "loops"}:
            # The words behind the last are looked at, though never used.
            width = [bits for _, bits in program.rows[name][0]]
            program.rows[name] += [[(0, bits) for bits in width]] * WAYS
    return program


@dataclass
class _Tiles:
    """Tiles of one tensor at one level so far: their number and the last one."""

    number: int = -1
    last: Box | None = None
    first_phase: int = 0


class Compiler:
    """Walks the steps of a nest once and writes what happens in them.

    Attributes:
        sent: transfers to scratchpads so far, per tensor.
        drains: epochs of sums that have ended so far.
        visited: last epoch of each result tile so far.
    """

    def __init__(self, nest: Nest, program: Program, base: list[int]) -> None:
        self.nest = nest
        self.program = program
        self.base = base
        self.spad = [_Tiles() for _ in range(3)]
        self.glb = [_Tiles() for _ in range(3)]
        self.shifts = [nest.shifts(t) for t in range(3)]
        self.sent = [0, 0, 0]
        self.ins = [0, 0]
        self.drains = 0
        self.over: list[tuple[list[int], int]] = []
        self.visited: dict[Box, int] = {}
        self.orders: list[tuple[tuple[int, int, int], list[tuple[int, int]]]] = []
        self.place: list[dict[Point, int]] = [{}, {}]
        self.glb_words = [prod(nest.reach(t, nest.buffer)) for t in range(3)]
        words = self.glb_words
        self.glb_base = [0, 2 * words[0], 2 * (words[0] + words[1])]
        if 2 * sum(words) > GLB_WORDS:
            raise NoProgramError(f"glb: {2 * sum(words)} words: at most {GLB_WORDS}")
        self.free = [list(range(2 * words[t])) for t in (IFMAP, WEIGHT)]
        for t in range(3):
            if prod(nest.reach(t, nest.spads[t])) > DEPTH:
                raise NoProgramError(f"{nest.tensor(t).name}: at most {DEPTH} words of a tile")
        self.groups: dict[Point, list[tuple[int, int]]] = {}
        for at, shift in self.shifts[RESULT].items():
            self.groups.setdefault(shift, []).append(at)

    def run(self) -> None:
        """Write the program."""
        nest, spad = self.nest, self.spad
        turning = nest.time[nest.phase_loops : nest.step_loops]
        per_phase = prod(x.count for x in turning)
        steps: list[list[int]] = []
        before: Point = ()
        self._leaves()
        for step, turns in enumerate(nest.turns(nest.step_loops)):
            phase, first = divmod(step, per_phase)
            changed = [nest.tile(t, nest.spads[t], turns) != spad[t].last for t in range(3)]
            if steps:
                steps[-1][-1] = sum(bit << t for t, bit in enumerate(changed))
                if changed[RESULT]:
                    self._drain(before)
            if first == 0:
                if phase:
                    self.over.append((list(self.sent), self.drains))
                self._phase(phase, turns)
            for t in range(3):
                if changed[t]:
                    self._tile(t, turns, phase)
            numbers = [tiles.number for tiles in spad]
            steps.append([phase, *numbers, self.sent[RESULT], 0b111])
            before = turns
        self._drain(before)
        self.over.append((list(self.sent), self.drains))
        self._out(len(self.over) - 1)
        for row in steps:
            self.program.add("steps", *row)
        for (release, _, t), moves in sorted(self.orders, key=lambda x: x[0]):
            fills = self.over[release][0][t] if release >= 0 else 0
            self.program.add("ins", t, release + 1, fills, len(moves))
            for move in moves:
                self.program.add("in_words", *move)

    # Scratchpads.

    def _tile(self, t: int, turns: Point, phase: int) -> None:
        """Bring another tile of a tensor to the scratchpads."""
        nest, tiles = self.nest, self.spad[t]
        now, old = nest.tile(t, nest.spads[t], turns), tiles.last
        tiles.number += 1
        tiles.last = now
        sends: list[tuple[int, int, int, int]] = []
        back = 0
        if t == RESULT and nest.comes_back(nest.spads[t], turns):
            for point, (row, column), at in self._sums(turns):
                sends.append((self._glb_sum(point), row, column, at))
            back = self.visited[now] + 1
        elif t != RESULT:
            for shift, (row, column) in tags(self.shifts[t]).items():
                here = nest.tile(t, nest.spads[t], turns, shift)
                past = None if old is None else Box(_moved(old.start, shift), old.reach)
                for point in nest.fresh(t, here, past):
                    source = self.glb_base[t] + self.place[t][point]
                    sends.append((source, row, column, here.place(point)))
        if sends:
            self.program.add("fills", t, tiles.number, phase, back, len(sends))
            self.sent[t] += 1
            for send in sends:
                self.program.add("fill_words", *send, bits=(32, 16, 16, 32))
        if t == RESULT:
            self.visited[now] = tiles.number
        else:
            self._keep(t, now, old)

    def _keep(self, t: int, now: Box, old: Box | None) -> None:
        """Say which words of a tile are those of the one before, and how far they move."""
        mask = distance = 0
        for place, point in enumerate(now.points() if old is not None else ()):
            assert old is not None
            if point in old:
                mask |= 1 << place
                distance = old.place(point) - place
        row = self.sent[t], distance % DEPTH, mask
        self.program.add(("ifmap_tiles", "weight_tiles")[t], *row, bits=(32, 32, 64))

    def _leaves(self) -> None:
        """Say which PEs send which sums, and who adds: the rows of one column."""
        words = prod(self.nest.reach(RESULT, self.nest.spads[RESULT]))
        for members in self.groups.values():
            columns = {column for _, column in members}
            if len(columns) > 1:
                raise NoProgramError("sums are added down a column: dims added up go on y")
            rows = sum(1 << row for row, _ in members)
            for place in range(words):
                self.program.add("leaves", *columns, rows, place, bits=(16, 16, 32))

    def _sums(self, turns: Point) -> list[tuple[Point, tuple[int, int], int]]:
        """Return (word, the PE that takes it back, place) of all sums, in the order they leave."""
        nest, found = self.nest, []
        for shift, members in self.groups.items():
            tile = nest.tile(RESULT, nest.spads[RESULT], turns, shift)
            found += [(x, members[0], tile.place(x)) for x in tile.points()]
        return found

    def _drain(self, turns: Point) -> None:
        for point, _, _ in self._sums(turns):
            self.program.add("drain_words", self._glb_sum(point))
        self.drains += 1

    # The global buffer.

    def _phase(self, phase: int, turns: Point) -> None:
        """Bring what a phase needs that is not in the buffer, and say what it waits for."""
        nest = self.nest
        for t in range(3):
            tiles, now = self.glb[t], nest.tile(t, nest.buffer, turns)
            if now == tiles.last:
                continue
            if t != RESULT:
                self._order(t, phase, now)
            elif nest.comes_back(nest.buffer, turns):
                raise NoProgramError("sums come back from off-chip memory")
            elif phase:
                self._out(phase - 1)
            tiles.number += 1
            tiles.last = now
            tiles.first_phase = phase
        results = max(0, self.glb[RESULT].number - 1)
        self.program.add("phases", *self.ins, results)

    def _order(self, t: int, phase: int, now: Box) -> None:
        """Plan the words of a tile into places that the tile before the last one leaves."""
        nest, place, held = self.nest, self.place[t], self.glb[t].last
        words = nest.fresh(t, now, held)
        for point in [x for x in place if held is None or x not in held]:
            self.free[t].append(place.pop(point))
        moves = []
        for point in words:
            place[point] = self.free[t].pop(0)
            source = self.base[t] + nest.address(t, point)
            moves.append((source, self.glb_base[t] + place[point]))
        if moves:
            release = (self.glb[t].first_phase if held is not None else 0) - 1
            self.orders.append(((release, phase, t), moves))
            self.ins[t] += 1

    def _glb_sum(self, point: Point) -> int:
        tiles = self.glb[RESULT]
        assert tiles.last is not None
        half = tiles.number % 2 * self.glb_words[RESULT]
        return self.glb_base[RESULT] + half + tiles.last.place(point)

    def _out(self, phase: int) -> None:
        """Send the result tile out that the buffer works on up to the end of ``phase``."""
        tile = self.glb[RESULT].last
        assert tile is not None
        self.program.add("outs", phase + 1, self.over[phase][1], prod(tile.reach))
        for point in tile.points():
            target = self.base[RESULT] + self.nest.address(RESULT, point)
            self.program.add("out_words", self._glb_sum(point), target)


def _moved(start: Point, shift: Point) -> Point:
    return tuple(s + m for s, m in zip(start, shift, strict=True))
