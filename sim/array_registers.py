"""Registers of an array of MACs and what they cost: when its results leave, tile by tile.

Two arrays of one size and dataflow differ in cycles by registers and conventions only. Here those
are numbers. Cycles are counted from 0, the one in which lane 0 takes the first step of a tile, and
S is the number of steps. With m rows and n columns in use, P the registers that a product passes up
to and with the one that holds the sum, O those between that one and the port, and with hops of
dr = ``row_hop`` a row and dc = ``column_hop`` a column:

* the words of the last step meet in PE (i, j) in cycle S - 1 + i dr + j dc; the sum is stored at
  the end of cycle S - 2 + i dr + j dc + P. Where ports serve several lanes each (``ports``), the
  words of a step come one after the other, and a PE waits for the later one: the longest way from
  any lane to it counts;
* its result is at the port in a_ij, O cycles after that, or later:

| drain | result (i, j) leaves in | tile ends with |
| --- | --- | --- |
| ``free`` | the cycle in which the last register takes it | the last of them |
| ``bus`` | a_ij, the cycle after that; a bus per column | the last of them |
| ``rows`` | a_max + m - 1 - i: a row at a time, when all are there | a_max + m - 1 |
| ``columns`` | a_max + n - 1 - j: a column at a time | a_max + n - 1 |
| ``lines`` | a_ij or when line (i ``columns`` + j) mod ``lines`` is free | the last stored |

Weight stationary, results (t, j) leave the last row, ``free``, and S is the length of the stream.

Where tiles overlap, step 0 of the next one comes max(S, h) cycles later: h is what the results hold
up. A chain that shifts takes the first result of a tile only when the last of the one before has
left: h = end - a_00, m + 2 n - 2 with ``columns``. A bus per column takes h = m. Weight stationary
with second registers, h is the preload.

``sim.fold_times`` takes its tails from here, so these are the times of the systolic simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from arraysmith.arch.errors import ArraysmithError

DRAINS = ("free", "bus", "rows", "columns", "lines")
"""Ways in which results leave."""

Tile = tuple[int, int]
"""Rows and columns that a tile uses."""


@dataclass(frozen=True, slots=True)
class ArrayRegisters:
    """Registers and conventions of one array.

    Attributes:
        rows: of the array.
        columns: of the array.
        dataflow: ``os``, sums stay; ``ws``, an operand stays and sums go down.
        lead_cycles: before the first step of every tile, for configuration.
        preload_rows_per_cycle: rows of the stationary operand that enter per cycle, before the
            first step.
        input_registers: of a PE, before its multiplier; they do not delay what goes on to the next.
        multiplier_registers: of a product on its way to the adder.
        accumulator_registers: of the adder, with the one that holds the sum; at least 1.
        output_registers: between sum and port.
        row_hop: cycles from a row to the next one, for what goes down and the skew of the rows'
            lanes; 0 is a broadcast. Sums go down in weight-stationary arrays: the registers of an
            adder.
        column_hop: the same from a column to the next one.
        drain: one of ``DRAINS``.
        overlap: a tile's steps may begin before the results of the one before have left.
        ports: that the words of a step come through, each for as many neighbouring lanes (columns
            first, then rows), one word per cycle; None: one for each lane.
        port_registers: between a port and its lanes, where it has several.
        lines: for results, one each per cycle; needed by drain ``lines``.
        stores_half: the memory behind the lines takes, per cycle, half of the results that wait
            there, rounded up; else all of them.
    """

    rows: int
    columns: int
    dataflow: str = "os"
    lead_cycles: int = 0
    preload_rows_per_cycle: int = 1
    input_registers: int = 0
    multiplier_registers: int = 0
    accumulator_registers: int = 1
    output_registers: int = 0
    row_hop: int = 1
    column_hop: int = 1
    drain: str = "free"
    overlap: bool = False
    ports: int | None = None
    port_registers: int = 0
    lines: int | None = None
    stores_half: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that describe no array."""
        for name, least in (
            *(("rows", 1), ("columns", 1), ("preload_rows_per_cycle", 1)),
            *(("accumulator_registers", 1), ("input_registers", 0), ("multiplier_registers", 0)),
            *(("lead_cycles", 0), ("output_registers", 0), ("port_registers", 0)),
            *(("row_hop", 0), ("column_hop", 0)),
        ):
            if getattr(self, name) < least:
                raise ArraysmithError(f"{name} {getattr(self, name)}: must be at least {least}")
        if self.dataflow not in {"os", "ws"}:
            raise ArraysmithError(f"dataflow {self.dataflow!r}: must be os or ws")
        if self.drain not in DRAINS:
            raise ArraysmithError(f"drain {self.drain!r}: must be one of {', '.join(DRAINS)}")
        if self.dataflow == "ws" and (self.drain != "free" or self.ports is not None):
            raise ArraysmithError(
                f"drain {self.drain}, ports {self.ports}: sums of a weight-stationary array leave "
                "its last row freely, and its lanes have a port each"
            )
        if self.dataflow == "ws" and self.row_hop != self.accumulator_registers:
            raise ArraysmithError(
                f"row_hop {self.row_hop}: must be accumulator_registers "
                f"{self.accumulator_registers}: a sum takes as long from row to row"
            )
        lanes = self.rows + self.columns
        if self.ports is not None and (self.ports < 1 or lanes % self.ports):
            raise ArraysmithError(f"ports {self.ports}: must divide the {lanes} lanes of the array")
        if (self.lines is None) != (self.drain != "lines") or (self.lines or 1) < 1:
            raise ArraysmithError(f"lines {self.lines}: stated, at least 1, with drain lines only")
        if self.overlap and (self.drain == "lines" or self.ports is not None):
            raise ArraysmithError("overlap: tiles overlap where nothing shares ports or lines")

    @property
    def product_registers(self) -> int:
        """Registers from the meeting of two words up to and with the sum's; P above."""
        return self.input_registers + self.multiplier_registers + self.accumulator_registers

    @property
    def lanes_per_port(self) -> int:
        """Neighbouring lanes that a port serves."""
        return 1 if self.ports is None else (self.rows + self.columns) // self.ports

    def lead(self, tile: Tile) -> int:
        """Return the cycles of a tile before its first step."""
        loads = -(-tile[0] // self.preload_rows_per_cycle) if self.dataflow == "ws" else 0
        return self.lead_cycles + loads

    def tail(self, tile: Tile, steps: int) -> int:
        """Return the cycles from the first step of a tile up to and with its last result."""
        return self._results(tile, steps)[1]

    def first(self, tile: Tile, steps: int) -> int:
        """Return the cycles from the first step of a tile up to and with its first result."""
        return self._results(tile, steps)[0]

    def distance(self, tile: Tile, after: Tile, steps: int) -> int:
        """Return the cycles from the first step of a tile to that of the next one."""
        if not self.overlap:
            return self.tail(tile, steps) + self.lead(after)
        if self.dataflow == "ws":
            # No two sums leave a column in one cycle.
            return max(self.lead(after), steps + max(0, tile[0] - after[0]) * self.row_hop)
        if self.drain in {"rows", "columns"}:
            here = steps + self.product_registers + self.output_registers - 1
            return max(steps, self.tail(tile, steps) - here)
        return max(steps, tile[0])

    def input_cycles(self, tile: Tile, steps: int) -> int:
        """Return the cycles in which the busiest port takes the words of a tile."""
        return steps * max(used for used, _ in self._turns(tile).values())

    def _results(self, tile: Tile, steps: int) -> tuple[int, int]:
        """Return when the first result of a tile has left, and the last one, in cycles."""
        m, n = tile
        if not (1 <= m <= self.rows and 1 <= n <= self.columns and steps >= 1):
            raise ArraysmithError(
                f"{m}x{n} PEs, {steps} steps: must be from 1x1, 1 to {self.rows}x{self.columns}"
            )
        kept = self.product_registers + self.output_registers
        if self.drain == "lines":
            return self._by_lines(tile, steps, kept)
        if self.dataflow == "ws":
            first = (m - 1) * self.row_hop + kept
            return first, first + steps - 1 + (n - 1) * self.column_hop
        low = self._meeting(tile, steps, 0, 0) + kept
        high = self._meeting(tile, steps, m - 1, n - 1) + kept
        if self.drain == "free":
            return low, high
        if self.drain == "bus":
            return low + 1, high + 1
        return high + 1, high + (m if self.drain == "rows" else n)

    def _meeting(self, tile: Tile, steps: int, row: int, column: int) -> int:
        """Return the cycle in which the words of the last step meet in a PE."""
        if self.ports is None:
            return steps - 1 + row * self.row_hop + column * self.column_hop
        later = self.port_registers if self.lanes_per_port > 1 else 0
        turns = self._turns(tile)
        down, across = row * self.row_hop, column * self.column_hop
        # A word is as late as its lane, or as the PE that passed it on and waited itself.
        ways = [(turns[j], down + (column - j) * self.column_hop) for j in range(column + 1)]
        ways += [
            (turns[self.columns + i], across + (row - i) * self.row_hop) for i in range(row + 1)
        ]
        return later + max((steps - 1) * used + turn + hops for (used, turn), hops in ways)

    def _turns(self, tile: Tile) -> dict[int, tuple[int, int]]:
        """Return, by lane in use, the lanes in use of its port and its turn among them."""
        lanes = [*range(tile[1]), *range(self.columns, self.columns + tile[0])]
        of: dict[int, list[int]] = {}
        for lane in lanes:
            of.setdefault(lane // self.lanes_per_port, []).append(lane)
        return {lane: (len(mine), mine.index(lane)) for mine in of.values() for lane in mine}

    def _by_lines(self, tile: Tile, steps: int, kept: int) -> tuple[int, int]:
        """Return the same as ``_results`` where results take turns on lines."""
        assert self.lines is not None  # said in the constructor
        coming: dict[int, list[int]] = {}
        for i in range(tile[0]):
            for j in range(tile[1]):
                line = (i * self.columns + j) % self.lines
                coming.setdefault(line, []).append(self._meeting(tile, steps, i, j) + kept)
        passed = []
        for cycles in coming.values():
            free = 0
            for cycle in sorted(cycles):
                passed.append(max(free, cycle))
                free = passed[-1] + 1
        passed.sort()
        first = cycle = passed[0]
        waiting = taken = 0
        while True:
            while taken < len(passed) and passed[taken] <= cycle:
                taken += 1
                waiting += 1
            waiting = waiting // 2 if self.stores_half else 0
            if taken == len(passed) and not waiting:
                return first + 1, cycle + 1
            cycle += 1


@dataclass(frozen=True, slots=True)
class ArrayRun:
    """What an array does with tiles, one after the other.

    Attributes:
        cycles: from the first one of the first tile up to and with the last result.
        first_result: cycles up to and with the first result.
        first_step: cycles before the first step.
        input_cycles: cycles in which the busiest port takes words.
        waits: cycles in which a next tile's words could come and had to wait.
    """

    cycles: int
    first_result: int
    first_step: int
    input_cycles: int
    waits: int


def run_tiles(registers: ArrayRegisters, tiles: Sequence[Tile], steps: int) -> ArrayRun:
    """Return the times of tiles of ``steps`` steps each, in their order; at least one tile."""
    start = first_step = registers.lead(tiles[0])
    end = waits = 0
    taken = registers.input_cycles(tiles[0], steps)
    for before, tile in pairwise(tiles):
        end = max(end, start + registers.tail(before, steps))
        apart = registers.distance(before, tile, steps)
        waits += apart - registers.input_cycles(before, steps)
        taken += registers.input_cycles(tile, steps)
        start += apart
    end = max(end, start + registers.tail(tiles[-1], steps))
    first = first_step + registers.first(tiles[0], steps)
    return ArrayRun(end, first, first_step, taken, waits)


def tiles_of(registers: ArrayRegisters, rows: int, columns: int) -> list[Tile]:
    """Return the tiles of a product of ``rows`` x ``columns`` results, row of tiles by row."""
    return [
        (min(registers.rows, rows - i), min(registers.columns, columns - j))
        for i in range(0, rows, registers.rows)
        for j in range(0, columns, registers.columns)
    ]
