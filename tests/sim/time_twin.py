"""The slow, obvious twin of the time of a spatial design: event by event, in exact fractions.

Which words a turn moves is found with the sets of words of ``walker``, one tile of one instance at
a time. When they move follows the rules of ``sim/cycle/array/README.md``, section "The machine":
every port and bus is a ``Part`` that tells from when on it is free, every tile a ``Tile`` that
knows when it came and when it was last used. Off-chip transfers are done as soon as what they wait
for is known. Fixed-rate off-chip memory, X and Y buses, two tiles of a kind at most in a memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from chip_twin import Chip
from twin_parts import Tile, Turn

from arraysmith.arch.problem import OFMAP, TENSORS


@dataclass
class BorderTile:
    """A tile on the near side of the border: its first phase, what moves, and when."""

    number: int
    first: int
    tile: Tile
    back: bool
    came: int | None = None
    gone: int | None = None


class Twin(Chip):
    """One run."""

    def run(self) -> tuple[int, dict[str, int]]:
        """Return the cycles, and those of them that wait, by cause."""
        phases: list[list[tuple[int, Turn, int]]] = []
        for step in self.turns():
            if not phases or step[0] < self.phase_depth:
                phases.append([])
            phases[-1].append(step)
        tiles = {t: self._border_tiles(t, phases) for t in TENSORS}
        self._channels(tiles, phases)
        self.stalls["drain"] += self.end_of_run - self.computed
        return self.end_of_run, {name: x for name, x in self.stalls.items() if x}

    def _border_tiles(self, tensor: str, phases: list) -> list[BorderTile]:
        edge = self.border[tensor]
        found: list[BorderTile] = []
        seen: set[object] = set()
        for p, steps in enumerate(phases):
            turned, index, _ = steps[0]
            if turned < edge.depth:
                tile = edge.turn(index, self)
                found.append(BorderTile(len(found), p, tile, tile.words in seen))
                seen.add(tile.words)
        return found

    # The border

    def _slots(self, tensor: str) -> int:
        edge = self.border[tensor]
        if edge.at_macs:
            return 1 if tensor == OFMAP else 2
        return 1 if edge.serial else 2

    def _channels(self, tiles: dict[str, list[BorderTile]], phases: list) -> None:
        """Do phases and off-chip transfers, whichever can be done, until all are."""
        dram = self.stores[0].memory
        results = self.border[OFMAP]
        shared = (
            dram.ports == 1
            or (results.place is not None and results.place.memory.ports == 1)
            or any(not self.architecture.levels[x].network.reduction for x in results.fanouts)
        )
        self.landing = 0  # when the last words are in through the one port of results
        orders = sorted(self._orders(tiles, len(phases)), key=lambda x: x[0])
        if shared:
            programs = [orders]
        else:
            programs = [[x for x in orders if x[2] == outward] for outward in (False, True)]
        clocks, places = [0] * len(programs), [0] * len(programs)
        now, phase = 0, 0
        marks: list[dict[str, int]] = []
        while True:
            moved = False
            for c, program in enumerate(programs):
                while places[c] < len(program):
                    after = self._transfer(program[places[c]], clocks[c], tiles, marks)
                    if after is None:
                        break
                    clocks[c] = after
                    places[c] += 1
                    moved = True
            if phase < len(phases):
                ready = self._phase_start(phase, tiles)
                if ready is not None:
                    when, cause = ready
                    now = max(now, when)
                    then = phases[phase + 1][0][0] if phase + 1 < len(phases) else -1
                    self._phase(now, f"offchip_{cause}", phases[phase], then)
                    marks.append(self._marks() | {("begun", ""): now})
                    phase += 1
                    moved = True
            if not moved:
                break
        assert phase == len(phases), "nothing moves any more"
        assert places == [len(x) for x in programs], "a transfer was never done"

    def _phase_start(self, phase: int, tiles: dict) -> tuple[int, str] | None:
        """When all that a phase begins with is there, and what of it came last."""
        start, cause = 0, OFMAP
        for tensor in (OFMAP, *(x for x in TENSORS if x != OFMAP)):
            for x in tiles[tensor]:
                if x.first != phase:
                    continue
                waits = []
                before = x.number - self._slots(tensor)
                if tensor == OFMAP and before >= 0:
                    waits.append(tiles[tensor][before].gone)
                if self._words_in(tensor, x):
                    waits.append(x.came)
                if None in waits:
                    return None
                for when in waits:
                    if when > start:
                        start, cause = when, tensor
        return start, cause

    def _words_in(self, tensor: str, x: BorderTile) -> int:
        if tensor == OFMAP and not x.back:
            return 0
        return x.tile.moved.all_down

    def _orders(self, tiles: dict, phases: int) -> Iterator[tuple]:
        """Transfers with their place in the program: (key, tensor, outward, tile)."""
        rank = {OFMAP: 1, "ifmap": 2, "weight": 3}
        for tensor in TENSORS:
            mine = tiles[tensor]
            for n, x in enumerate(mine):
                if tensor == OFMAP:
                    last = (mine[n + 1].first if n + 1 < len(mine) else phases) - 1
                    yield (last, 0, x.first, 0), tensor, True, x
                if self._words_in(tensor, x):
                    behind = n + 1 - self._slots(tensor)
                    release = mine[behind].first - 1 if behind >= 0 else -1
                    yield (release, 1, x.first, rank[tensor]), tensor, False, x

    def _transfer(self, order: tuple, free: int, tiles: dict, marks: list) -> int | None:
        """Do a transfer; return when the channel is free, None if it cannot be told yet."""
        (release, *_), tensor, outward, x = order
        start = free
        edge, slots = self.border[tensor], self._slots(tensor)
        if release >= 0:
            if release >= len(marks):
                return None
            start = max(start, marks[release]["begun", ""])
            if outward:
                serial = edge.below is not None and slots == 1
                start = max(start, marks[release]["idle" if serial else "done", tensor])
            elif slots == 1:
                start = max(start, marks[release]["idle", tensor])
            elif tensor != OFMAP or edge.below is None:
                start = max(start, marks[release]["used", tensor])
        if tensor == OFMAP and not outward and x.number >= slots:
            gone = tiles[tensor][x.number - slots].gone
            if gone is None:
                return None
            start = max(start, gone)
        results = self.border[OFMAP].place
        one_port = results is not None and results.memory.ports == 1 and edge.place is results
        if outward and one_port:  # nothing leaves while words are on their way in
            start = max(start, self.landing)
        dram, moved = self.stores[0].memory, x.tile.moved
        latency = dram.latency_cycles + edge.latency
        words = moved.all_up if outward else moved.all_down
        busy = _cycles(words, dram.write_words_per_cycle if outward else dram.read_words_per_cycle)
        for on_bus, rate in zip(
            moved.up_buses if outward else moved.buses, edge.rates, strict=True
        ):
            busy = max(busy, _cycles(on_bus, rate))
        if edge.place is not None:
            port = edge.place.drain if outward else edge.place.fill
            busy = max(busy, port.border_cycles(moved.each, moved.each_turns))
        added = moved.all_up - moved.all_down if outward else 0
        if added:
            start += _cycles(added, dram.read_words_per_cycle) + latency
        left = start + busy
        if outward:
            x.gone = left
            self.end_of_run = max(self.end_of_run, left + latency)
        else:
            x.came = left + latency
            self.landing = x.came if one_port else self.landing
        return left

    def _marks(self) -> dict[tuple[str, str], int]:
        """When the near side of the border was last used, at the end of a phase."""
        found = {}
        for tensor, edge in self.border.items():
            below = edge.below
            used = idle = done = self.computed
            if below is None:
                done += self.pipeline - 1
            else:
                used, done = below.left, below.landed
                if not any(store is edge.place for store, _ in self.served):
                    idle = max(edge.place.worked, edge.place.filled)
            found["used", tensor], found["idle", tensor], found["done", tensor] = used, idle, done
        return found


def _cycles(words: int, rate: Fraction | None) -> int:
    return 0 if rate is None else ceil(words / rate)
