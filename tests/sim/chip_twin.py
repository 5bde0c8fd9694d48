"""The chip in ``time_twin``: what a phase does, transfer by transfer and step by step."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

from twin_parts import Come, Edge, Moved, Store, Tile, Turn
from walker import ABSENT, WAITING, Crossing, walk

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.legality import tile_words
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import OFMAP, TENSORS, Problem


class Chip:
    """A mapped design, and what is known of it during a run."""

    def __init__(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> None:
        self.architecture, self.problem, self.mapping = architecture, problem, mapping
        levels = architecture.levels
        macs = len(levels) + 1
        whole = Crossing(architecture, problem, mapping, problem.ofmap, 0, macs)
        self.loops = whole.loops
        self.time = [n for n, x in enumerate(self.loops) if x.axis == "t" and x.count > 1]
        self.stores: dict[int, Store] = {}
        for i, level in enumerate(levels):
            if isinstance(level, Memory):
                kept = tile_words(architecture, problem, mapping, i)
                words = sum(kept[x] for x in kept_tensors(level, mapping.at(level.name)))
                room = level.capacity_words
                halves = level.double_buffered and (room is None or 2 * words <= room)
                self.stores[i] = Store(level, halves)
        edges, self.served = [], []
        for tensor in TENSORS:
            keepers = [
                i
                for i, x in enumerate(levels)
                if isinstance(x, Memory) and tensor in kept_tensors(x, mapping.at(x.name))
            ]
            mine = []
            for parent, child in pairwise([*keepers, macs]):
                edge = Edge(self, tensor, parent, child)
                if parent == 0 or child < macs or edge.fanouts:
                    mine.append(edge)
            for a, b in pairwise(mine):
                a.below, b.above = b, a
            edges += mine
            if not mine[-1].at_macs:  # MACs take it from the memory right above them
                self.served.append((self.stores[mine[-1].child], tensor))
        self.border = {x.tensor: x for x in edges if x.parent == 0}
        for x in edges:
            if x.above is not None and x.above.parent == 0:
                x.above = None
        self.inner = sorted(
            (x for x in edges if x.parent > 0), key=lambda x: (x.parent, TENSORS.index(x.tensor))
        )
        self._divide()
        self._leave_to_macs()
        self._share()
        self.phase_depth = max(x.depth for x in self.border.values())
        self.step_depth = max(x.depth for x in edges)
        self.pipeline = architecture.compute.pipeline_cycles
        self.stalls: Counter[str] = Counter()
        self.computed = 0
        self.begun = False
        self.end_of_run = 0
        self.macs_edge = whole

    def _divide(self) -> None:
        """Divide the ports of memories that both the border and the chip fill or drain."""
        edges = [*self.border.values(), *self.inner]
        words = None
        for store in self.stores.values():
            mine = [x for x in edges if x.place is store]
            ways = (("fill", store.fill), ("drain", store.drain))
            for those in (ways,) if store.memory.ports == 1 else ((way,) for way in ways):
                border = [x for x in mine if x.parent == 0 and x.depth and not x.serial]
                if not border or len({x.parent == 0 for x in mine}) < 2:
                    continue
                words = words or walk(self.architecture, self.problem, self.mapping)
                many = {x: sum(words.get((store.memory.name, x.tensor, way), 0) for way, _ in those)
                        for x in mine}  # fmt: skip
                chip = sum(n for x, n in many.items() if x.parent)
                both = sum(many.values())
                if chip in (0, both) or not any(many[x] for x in border):
                    continue
                parts = max(1, min(15, floor(Fraction(16 * chip, both) + Fraction(1, 2))))
                for _, port in those:
                    port.divide(Fraction(parts, 16))

    def _leave_to_macs(self) -> None:
        """Divide the ports of memories right above the MACs that send words further in, too."""
        for level, store in self.stores.items():
            tensors = [t for x, t in self.served if x is store]
            further = [x for x in self.inner if x.parent == level and not x.at_macs]
            if not tensors or not further:
                continue
            words = walk(self.architecture, self.problem, self.mapping)
            memory = store.memory
            reads = (
                "read", store.read, store.to_macs, memory.read_words_per_cycle, len(tensors)
            )  # fmt: skip
            writes = (
                "update", store.update, store.from_macs, memory.write_words_per_cycle,
                tensors.count(OFMAP),
            )  # fmt: skip
            for those in ((reads, writes),) if memory.ports == 1 else ((reads,), (writes,)):
                of_macs = sum(each for *_, each in those) * self.problem.macs
                moved = sum(
                    words.get((memory.name, x.tensor, way), 0) for x in further for way, *_ in those
                )
                busy = sum((each / rate for *_, rate, each in those if rate), Fraction(0))
                if not busy or not of_macs or not moved:
                    continue
                by_words = floor(Fraction(16 * moved, moved + of_macs) + Fraction(1, 2))
                left = floor(16 * (1 - busy))
                parts = max(1, min(15, max(by_words, left)))
                for _, port, mine, _, _ in those:
                    port.divide(Fraction(parts, 16))
                    mine.divide(Fraction(16 - parts, 16))

    def _share(self) -> None:
        """Let edges that fill and drain the same memory share its ports."""
        for store in self.stores.values():
            limited = store.memory.banks > 1 or store.fill.per_word or store.drain.per_word
            mine = [x for x in self.inner if x.place is store]
            fills = [(x, "down") for x in mine if x.tensor != OFMAP or x.comes_back]
            drains = [(x, "up") for x in mine if x.tensor == OFMAP]
            users: dict[object, tuple[Fraction, Fraction]] = {}
            if store.memory.ports == 1:
                fills = drains = fills + drains
            if limited and len(fills) > 1:
                store.fill.users = users
            if limited and len(drains) > 1:
                store.drain.users = users if store.memory.ports == 1 else {}

    def turns(self) -> list[tuple[int, Turn, int]]:
        """Steps: the loop that turned (-1: first), indices of all loops, cycles of work."""
        found: list[list] = []
        last: Turn | None = None
        for time in self.macs_edge.times():
            _, extent = self.macs_edge.place(time, len(self.architecture.levels) + 1)
            if WAITING in extent.values() or ABSENT in extent.values():
                continue  # the leading MAC has no such turn
            index = tuple(time[x] for x in self.time)
            turned = -1
            if last is not None:
                turned = next(n for n, (a, b) in enumerate(zip(index, last, strict=True)) if a != b)
            last = index
            if turned < self.step_depth or not found:
                found.append([turned, index, 0])
            found[-1][2] += 1
        return [tuple(x) for x in found]

    def _phase(self, start: int, cause: str, steps: list, then: int) -> None:
        """Do the steps of a phase; ``then`` is the loop that turns to the next one."""
        following = [*(x[0] for x in steps[1:]), then]
        for number, (step, after) in enumerate(zip(steps, following, strict=True)):
            turned, index, work = step
            best, binding = -1, cause
            for edge in self.inner:
                if turned < edge.depth:
                    self._bring(edge, index, start, cause)
                if edge.below is None and edge.arrived > best:
                    best, binding = edge.arrived, edge.blame
            self._drain_before_work()
            begin, waited = max(self.computed, best), 0
            if number == 0:
                begin, waited = max(begin, start), max(0, start - self.computed)
            if self.begun:
                self.stalls[cause] += waited
                self.stalls[binding] += begin - self.computed - waited
            else:
                self.stalls["fill"] += begin
                self.begun = True
            self.computed = self._work(begin, work)
            self._end_tiles(after, over=number + 1 == len(steps))

    def _bring(self, edge: Edge, index: Turn, start: int, cause: str) -> None:
        """Bring a tile into the child of an edge, or find room for new sums."""
        tile = edge.turn(index, self)
        number = len(edge.tiles)
        edge.tiles.append(tile)
        if edge.tensor == OFMAP:
            self._bring_sums(edge, tile, number, start, cause)
            return
        last = self.computed if edge.below is None else edge.below.left
        if number:
            edge.tiles[number - 1].left = last  # it was of use until then
        room = edge.tiles[number - 2].left if number > 1 else 0
        if edge.serial:
            room = max(last, edge.place.worked)
        if edge.at_macs:
            room = max(0, room - edge.latency)
        if tile.moved.passed:
            self._pass_on(edge, tile.moved, room, start, cause)
        came, blame = edge.arrived, edge.blame
        if tile.moved.all_down:
            self._move_down(edge, tile.moved, room, start, cause)
            if tile.moved.passed:
                port = edge.place.fill
                through = max(edge.entering, edge.buses[-1].clock[0])
                port.clock[0] = max(port.clock[0], through)
        if edge.links_cause and came > edge.arrived:
            edge.arrived, edge.blame = came, blame

    def _pass_on(self, edge: Edge, moved: Moved, room: int, start: int, cause: str) -> None:
        """Take words from neighbours: what they hold has come, and there is room for it.

        With words from the parent beside them, they enter with those, from when both begin to come
        until both are through. The port of the child counts cycles before the latency of the buses.
        """
        at, blame = start, cause
        if room > at:
            at, blame = room, edge.room_cause
        if edge.arrived > at:
            at, blame = edge.arrived, edge.blame
        come = Come(at)
        _, finish, come = edge.place.drain.carry(moved.sent, come, moved.sent_turns)
        _, last, come = edge.links.carry(moved.passed, come)
        finish = max(finish, last)
        edge.arrived = ceil(finish) + edge.links_latency
        late, port = edge.links_latency - edge.latency, edge.place.fill
        come = Come(come.cycle + late, come.early)
        if moved.all_down:
            port.clock[0] = max(port.clock[0], Fraction(come.cycle))
            edge.entering = finish + late
        else:
            _, last, _ = port.carry(moved.passed, come, moved.each_turns)
            port.clock[0] = max(last, finish + late)
            edge.arrived = max(edge.arrived, ceil(port.clock[0]) + edge.latency)
        edge.place.filled = max(edge.place.filled, edge.arrived)
        if at == start or at - self.computed <= edge.arrived - at:
            blame = edge.links_cause
        edge.blame = blame

    def _bring_sums(self, edge: Edge, tile: Tile, number: int, start: int, cause: str) -> None:
        places = self.pipeline + 2 if edge.at_macs else 1 if edge.serial else 2
        room = edge.tiles[number - places].left if number >= places else 0
        if edge.at_macs:
            room = max(0, room - edge.latency)
        tile.above = edge.above.tiles[-1] if edge.above else None
        before = edge.seen.get(tile.words)
        edge.seen[tile.words] = number
        if before is None:
            edge.arrived, edge.blame = room, edge.room_cause
        else:
            if not edge.at_macs:  # what comes back has to be there; an adder forwards it
                while edge.sent <= before:
                    self._drain(edge)
                room = max(room, edge.tiles[before].landed)
            self._move_down(edge, tile.moved, room, start, cause)
        tile.came = edge.arrived

    def _move_down(self, edge: Edge, moved: Moved, room: int, start: int, cause: str) -> None:
        """Move words over an edge; note when they are there, and why not before."""
        source, above = edge.source, edge.above
        at, blame = start, cause
        if room > at:
            at, blame = room, edge.room_cause
        if above is not None and above.arrived > at:
            at, blame = above.arrived, above.blame
        if not source.halves and source.filled > at:
            at, blame = source.filled, edge.port_cause
        first, finish, come = source.read.carry(moved.down, Come(at), moved.turns)
        pace = finish - first
        held = source.read.banks_hold(moved.down, moved.turns)
        slowest = edge.bank_cause if held else edge.port_cause
        for bus, words, name in zip(edge.buses, moved.buses, edge.bus_causes, strict=True):
            _, last, come = bus.carry(words, come)
            pace = words * bus.per_word
            if last > finish:
                finish, slowest = last, name
        if edge.place is not None:
            port = edge.place.fill
            _, last, _ = port.carry(moved.each, come, moved.each_turns, (edge, "down"), pace)
            if last > finish:
                held = port.banks_hold(moved.each, moved.each_turns)
                finish, slowest = last, edge.bank_cause if held else edge.port_cause
            port.leave((edge, "down"), finish)
        for bus in edge.buses:
            bus.clock[0] = finish
        edge.left = ceil(finish)
        edge.arrived = edge.left + edge.latency
        if at == start or at - self.computed <= edge.arrived - at:
            blame = slowest
        edge.blame = blame
        source.worked = max(source.worked, edge.left)
        if edge.place is not None:
            edge.place.filled = max(edge.place.filled, edge.arrived)

    def _drain(self, edge: Edge) -> None:
        """Send the oldest tile of results that is complete to the parent."""
        tile = edge.tiles[edge.sent]
        edge.sent += 1
        moved, source = tile.moved, edge.source
        at = tile.ready
        if edge.below is not None:
            at = edge.below.landed
            if edge.serial:
                at = max(at, edge.place.worked)
        if tile.above is not None:
            at = max(at, tile.above.came)
        if not source.halves:
            at = max(at, source.filled)
        come, finish, there = Come(at), Fraction(at), moved.each
        if edge.place is not None:
            pace = moved.up * source.update.per_word
            if edge.buses_up:
                pace = moved.up_buses[-1] * edge.buses_up[-1].per_word
            _, finish, come = edge.place.drain.carry(
                moved.each, come, moved.each_turns, (edge, "up"), pace
            )
        for bus, words in reversed(list(zip(edge.buses_up, moved.up_buses, strict=True))):
            _, last, come = bus.carry(words, come.of_many(there, words))
            there, finish = words, max(finish, last)
        come = come.of_many(there, moved.up)
        again = moved.up - moved.down
        if again:
            _, last, come = source.read.carry(again, come, moved.again_turns)
            finish = max(finish, last)
            if come.early is not None:
                come = Come(come.cycle, come.early + moved.down)
        _, last, _ = source.update.carry(moved.up, come, moved.turns)
        finish = max(finish, last)
        if edge.place is not None:
            edge.place.drain.leave((edge, "up"), finish)
        for bus in edge.buses_up:
            bus.clock[0] = finish
        tile.left = ceil(finish)
        tile.landed = edge.landed = tile.left + edge.latency
        if edge.below is not None and edge.serial:
            edge.place.filled = max(edge.place.filled, tile.left)
        source.worked = max(source.worked, tile.landed)

    def _work(self, begin: int, work: int) -> int:
        """Feed MACs from the memories right above them; return when they are through."""
        end, slow = begin + work, None
        for level in sorted(self.stores):
            store = self.stores[level]
            tensors = [t for x, t in self.served if x is store]
            if not tensors:
                continue
            last = Fraction(0)
            for port, words in (
                (store.to_macs, len(tensors)),
                (store.from_macs, sum(t == OFMAP for t in tensors)),
            ):
                _, done, _ = port.carry(work * words, Come(begin))
                last = max(last, done)
            if ceil(last) > end:
                end, slow = ceil(last), store
        if slow is not None:
            self.stalls[f"{slow.memory.name}_port"] += end - begin - work
        return end

    def _drain_before_work(self) -> None:
        """Send the results of the step before; those of MACs go as many steps later as stages."""
        waiting = any(not x.at_macs and x.ended > x.sent for x in self.inner)
        for edge in reversed(self.inner):
            keep = self.pipeline - 1 if edge.at_macs and not waiting else 0
            while edge.ended - edge.sent > keep:
                self._drain(edge)

    def _end_tiles(self, turned: int, *, over: bool) -> None:
        """End the tiles of results that are complete; send them where their place is needed."""
        first = 0 if over else None
        for number, edge in enumerate(self.inner):
            if edge.tensor == OFMAP and turned < edge.depth:
                edge.tiles[-1].ready = self.computed + self.pipeline - 1
                edge.ended = len(edge.tiles)
                if first is None and edge.serial:
                    first = number
        if first is not None:
            for edge in reversed(self.inner[first:]):  # from the inside out
                while edge.ended > edge.sent:
                    self._drain(edge)
