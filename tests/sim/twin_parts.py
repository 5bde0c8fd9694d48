"""Ports, buses, memories, tiles and edges of the twins ``chip_twin`` and ``time_twin``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from slow_banks import slow_place
from walker import Crossing, Indices, turn_before

from arraysmith.arch.architecture import Fanout, Memory
from arraysmith.arch.legality import tile_sizes
from arraysmith.arch.problem import OFMAP, Axis, Tensor

Turn = tuple[int, ...]

PORT_PARTS = 720720
"""Parts of a port are multiples of this."""


@dataclass
class Part:
    """A port or bus.

    Attributes:
        per_word: cycles that a word takes.
        whole: words of an access, if a transfer takes whole ones.
        clock: holds the cycle, or part of one, from which it is free; one port has one both ways.
        whose: part of its cycles that the chip has; what crosses the border has the others.
        users: of a port that several edges use, until when each has which part of it.
    """

    per_word: Fraction
    whole: int = 1
    clock: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    whose: Fraction = Fraction(1)
    users: dict[object, tuple[Fraction, Fraction]] | None = None

    def divide(self, whose: Fraction) -> None:
        """Leave the chip a part of the cycles."""
        self.per_word, self.whose = self.per_word / whose, whose

    def border_cycles(self, words: int, turns: int) -> int:
        """Whole cycles that words take which cross the border, in its part of the cycles."""
        mine = 1 - self.whose or Fraction(1)
        taken = ceil(Fraction(words, self.whole)) * self.whole
        held = taken * self.per_word * self.whose / mine
        return ceil(max(held, turns / mine if turns > 1 else 0))

    def carry(
        self, words: int, come: Come, turns: int = 0, user: object = None, pace: Fraction | int = 0
    ) -> tuple[Fraction, Fraction, Come]:
        """Return when the first and the last word pass, and how they come to the next part.

        Banks that take turns, so many cycles, take the part for as long at least. Of a port that
        several use, a user has the part that the words need which take so many cycles next to it.
        """
        taken = ceil(Fraction(words, self.whole)) * self.whole
        first = max(self.clock[0], Fraction(come.cycle))
        held = max(taken * self.per_word, turns / self.whose if turns > 1 else Fraction(0))
        if self.users is None:
            stay = held
        elif user is None:  # nobody else may be there
            stay = held
            first = max(first, *(until for until, _ in self.users.values()), Fraction(0))
        else:
            stay = max(held, Fraction(pace))
            part = Fraction(ceil(PORT_PARTS * held / stay), PORT_PARTS) if held else Fraction(0)
            first = self._beside(user, part, first)
        last = first + max(taken * self.per_word, stay)
        if come.early is not None and taken > come.early:  # the others come in the next cycle
            last = max(last, come.cycle + 1 + (taken - come.early) * self.per_word)
        if self.users is None or user is None:
            self.clock[0] = last
        here = floor(first)
        early = come.early if here == come.cycle else None
        if self.per_word:
            begun = ceil((here + 1 - first) / self.per_word)
            early = begun if early is None else min(early, begun)
        return first, last, Come(here, early)

    def _beside(self, user: object, part: Fraction, at: Fraction) -> Fraction:
        """Return when, from ``at`` on, the others leave a user its part."""
        begin = max(at, self.users.get(user, (Fraction(0), part))[0])
        others = [x for name, x in self.users.items() if name != user]
        for moment in sorted({begin, *(until for until, _ in others if until > begin)}):
            if part + sum(taken for until, taken in others if until > moment) <= 1:
                begin = moment
                break
        self.users[user] = begin, part
        return begin

    def leave(self, user: object, finish: Fraction) -> None:
        """Let a user have its part until the last word has passed everywhere."""
        if self.users is not None:
            self.users[user] = finish, self.users[user][1]

    def banks_hold(self, words: int, turns: int) -> bool:
        """Whether banks need longer for some words than the port does."""
        taken = ceil(Fraction(words, self.whole)) * self.whole
        return turns > 1 and turns / self.whose > taken * self.per_word


@dataclass(frozen=True)
class Come:
    """How words come to a part: from which cycle on, and how many in that one (None: all)."""

    cycle: int
    early: int | None = None

    def of_many(self, there: int, here: int) -> Come:
        """Return how they come where ``here`` words meet, from parts that have ``there`` each."""
        parts = ceil(Fraction(here, max(1, there)))
        return self if self.early is None else Come(self.cycle, self.early * parts)


def part(rate: Fraction | None, whole: int = 1) -> Part:
    return Part(Fraction(0) if rate is None else 1 / rate, whole)


@dataclass
class Store:
    """A memory on the chip: its ports, and when it was last filled and worked on."""

    memory: Memory
    halves: bool
    filled: int = 0
    worked: int = 0
    read: Part = field(init=False)
    update: Part = field(init=False)
    fill: Part = field(init=False)
    drain: Part = field(init=False)
    to_macs: Part = field(init=False)
    from_macs: Part = field(init=False)

    def __post_init__(self) -> None:
        x = self.memory
        whole = x.words_per_access if x.whole_words else 1
        self.read, self.drain = (part(x.read_words_per_cycle, whole) for _ in range(2))
        self.update, self.fill = (part(x.write_words_per_cycle, whole) for _ in range(2))
        self.to_macs = part(x.read_words_per_cycle, whole)
        self.from_macs = part(x.write_words_per_cycle, whole)
        if x.ports == 1:
            self.update.clock, self.drain.clock = self.read.clock, self.fill.clock
            self.from_macs.clock = self.to_macs.clock

    def turns(self, tensor: Tensor, frame: list[int], words: Iterable[Indices]) -> int:
        """Lines that the busiest bank opens for words that move together; 0 without banks."""
        if self.memory.depth is None or not self.memory.banked(tensor.name):
            return 0
        lines = defaultdict(set)
        kept = Tensor(
            tensor.name,
            tuple(Axis(x.terms[:1], n) for x, n in zip(tensor.axes, frame, strict=True)),
            tensor.word_bits,
        )
        for word in words:
            at = tuple(i % n for i, n in zip(word, frame, strict=True))
            bank, row, _ = slow_place(self.memory, kept, at)
            lines[bank].add(row)
        return max(map(len, lines.values()), default=0)


@dataclass
class Moved:
    """Words of one turn over one edge.

    Attributes:
        down: at the parent's port; for results, of different tiles.
        each: at the child that takes (sends) most.
        buses: on the way down, on the fullest bus of every fan-out.
        up: of results that arrive at the parent.
        up_buses: on the way up, on the fullest bus of every fan-out.
        all_down: as ``down``, of all parents together.
        all_up: as ``up``.
        turns: lines that the busiest bank of a parent opens for all words.
        again_turns: for those that come up more than once.
        each_turns: that the busiest bank of a child opens.
        passed: at the child that takes most from its neighbours; ``each`` has these, too.
        sent: at the child that sends most to its neighbours.
        sent_turns: lines that the busiest bank of one opens for these.
    """

    down: int = 0
    each: int = 0
    buses: list[int] = field(default_factory=list)
    up: int = 0
    up_buses: list[int] = field(default_factory=list)
    all_down: int = 0
    all_up: int = 0
    turns: int = 0
    again_turns: int = 0
    each_turns: int = 0
    passed: int = 0
    sent: int = 0
    sent_turns: int = 0


@dataclass
class Tile:
    """A tile of an edge: when it has come (or has room), is complete, has left and landed.

    An operand has left when it is of no more use.
    """

    moved: Moved
    words: object
    above: Tile | None = None
    came: int = 0
    ready: int = 0
    left: int = 0
    landed: int = 0


class Edge:
    """One tensor between two neighbouring memories that keep it, or one and the MACs."""

    def __init__(self, twin, tensor: str, parent: int, child: int) -> None:
        levels = twin.architecture.levels
        self.tensor, self.parent, self.child = tensor, parent, child
        self.at_macs = child > len(levels)
        self.crossing = Crossing(
            twin.architecture,
            twin.problem,
            twin.mapping,
            twin.problem.tensor(tensor),
            parent,
            child,
        )
        self.fanouts = [
            x for x in range(parent, min(child, len(levels))) if isinstance(levels[x], Fanout)
        ]
        loops = self.crossing.loops
        dims = twin.problem.tensor(tensor).dims
        moving = [
            n
            for n, x in enumerate(twin.time)
            if loops[x].level < child and (self.at_macs or loops[x].dim in dims)
        ]
        self.depth = max(moving, default=-1) + 1
        self.comes_back = any(loops[n].dim not in dims for n in twin.time[: self.depth])
        nets = [levels[x].network for x in self.fanouts]
        self.latency = sum(x.latency_cycles for x in nets)
        self.rates = [x.rate(tensor) for x in nets]
        self.buses, self.buses_up = ([part(x) for x in self.rates] for _ in range(2))
        self.above: Edge | None = None
        self.below: Edge | None = None
        self.source = twin.stores.get(parent)
        self.place = None if self.at_macs else twin.stores[child]
        self.bank_cause = f"bank_{tensor}"
        self.serial = self.place is not None and not self.place.halves
        name = levels[parent].name
        self.port_cause = f"{name}_{tensor}"
        self.bus_causes = [f"{levels[x].name}_{tensor}" for x in self.fanouts]
        into = twin.architecture.compute.name if self.at_macs else levels[child].name
        self.room_cause = f"{into}_room"
        self.frames = [
            [x.reach(tile_sizes(twin.architecture, twin.problem, twin.mapping, level))
             for x in self.crossing.tensor.axes]
            for level in (parent, min(child, len(levels)))
        ]  # fmt: skip
        self.held: dict[Indices, frozenset[Indices]] = {}
        self.worked: dict[Indices, Indices] = {}
        self.before: Indices = ()
        links = None if self.at_macs or not nets else nets[-1].forwarding
        self.links = part(links.words_per_cycle if links else None)
        self.links_latency = links.latency_cycles if links else 0
        self.entering = Fraction(0)
        self.links_cause = f"{levels[self.fanouts[-1]].name}_links" if links else ""
        self.tiles: list[Tile] = []
        self.seen: dict[object, int] = {}
        self.ended = self.sent = 0
        self.arrived = self.left = self.landed = 0
        self.blame = ""

    def turn(self, index: Turn, twin) -> Tile:
        """Return the next tile and the words that every instance moves for it."""
        crossing, levels = self.crossing, twin.architecture.levels
        time = {
            x: i
            for x, i in zip(twin.time, index, strict=True)
            if crossing.loops[x].level < self.child
        }
        splits = [*self.fanouts, self.child]
        # Per bus of every fan-out, and per child: transfers and their words.
        down: list[dict[object, set[Indices]]] = [{} for _ in splits]
        up: list[dict[object, set[Indices]]] = [{} for _ in splits]
        lead: object = None
        instances, passed = crossing.instances(self.child), 0
        near = crossing.neighbours(instances)
        sent: Counter[int] = Counter()
        leaving: defaultdict[int, set[Indices]] = defaultdict(set)
        index = tuple(time.values())
        latest = turn_before(self.before, index)
        self.before = index
        old = dict(self.held) if latest else {}
        old = {me: x for me, x in old.items() if self.worked[me][: len(latest)] == latest}
        for number, instance in enumerate(instances):
            tile = crossing.tile({**time, **instance}, self.child)
            me = tuple(instance.values())
            if number == 0:
                lead = tile
            if tile is None:
                continue
            before = self.held.get(me, frozenset())
            if self.tensor == OFMAP and tile == before and not self.at_macs:
                continue
            new = tile if self.at_macs or self.tensor == OFMAP else tile - before
            every, passed_on = new, 0
            for _, x in near[number]:  # the first one that had a word sends it
                theirs = new & old.get(tuple(instances[x].values()), frozenset())
                sent[x] += len(theirs)
                leaving[x] |= theirs
                passed_on += len(theirs)
                new -= theirs
            passed = max(passed, passed_on)
            self.held[me] = tile
            self.worked[me] = index
            if not tile:
                continue
            for n, split in enumerate(splits):
                bus = tuple((x, i) for x, i in instance.items() if crossing.loops[x].level < split)
                inside = {x: i for x, i in instance.items() if crossing.loops[x].level >= split}
                if self.tensor == OFMAP:
                    down[n].setdefault((bus, tile), set()).update(tile)
                    key = self._key(split, inside, levels, upwards=True)
                    up[n].setdefault((bus, key, tile), set()).update(tile)
                else:
                    key = self._key(split, inside, levels, upwards=False)
                    words = every if split == self.child else new
                    down[n].setdefault((bus, key, tile), set()).update(words)
        lines = 0
        for words in leaving.values() if self.place is not None else ():
            lines = max(lines, self.place.turns(self.crossing.tensor, self.frames[1], words))
        most_down, most_up = [_most(x) for x in down], [_most(x) for x in up]
        return Tile(
            Moved(
                most_down[0], most_down[-1], most_down[:-1], most_up[0], most_up[:-1],
                sum(map(len, down[0].values())), sum(map(len, up[0].values())),
                *self._turns(down, up), passed, max(sent.values(), default=0), lines,
            ),
            lead,
        )  # fmt: skip

    def _turns(self, down: list, up: list) -> tuple[int, int, int]:
        """Turns in the banks of parents, of what they read again, and in those of children."""
        found = [0, 0, 0]
        if self.source is not None and self.parent:
            for moved, least, n in ((down[0], 1, 0), (up[0], 2, 1)):
                come: defaultdict[object, Counter] = defaultdict(Counter)
                for (bus, *_), words in moved.items():
                    come[bus].update(words)
                for words in come.values():
                    mine = [x for x, times in words.items() if times >= least]
                    turns = self.source.turns(self.crossing.tensor, self.frames[0], mine)
                    found[n] = max(found[n], turns)
        if self.place is not None:
            for words in down[-1].values():
                turns = self.place.turns(self.crossing.tensor, self.frames[1], words)
                found[2] = max(found[2], turns)
        return tuple(found)

    def _key(self, split: int, inside: Indices, levels: tuple, *, upwards: bool) -> object:
        """What tells one transfer from another on the buses from level ``split`` down."""
        crossing = self.crossing
        parent, crossing.parent = crossing.parent, split
        try:
            return crossing.network_key(inside, upwards=upwards)
        finally:
            crossing.parent = parent


def _most(transfers: dict[object, set[Indices]]) -> int:
    """Words of the bus that has most."""
    found: Counter[object] = Counter()
    for (bus, *_), words in transfers.items():
        found[bus] += len(words)
    return max(found.values(), default=0)
