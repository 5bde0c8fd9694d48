"""The slow, obvious twin of every access count: walks the nest with a set of words per instance.

Nothing here is clever. Every temporal loop turns, every instance of every memory holds a Python set
of the words (index tuples) of its tile, and words are counted one by one as they cross. The rules
are those of ``sim/cycle/nest/README.md``, section "What is counted". Tiles need not divide: the
last one of a dim is what is left of it, loop by loop from the outermost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import pairwise, product

from arraysmith.arch.architecture import Architecture, Fanout, Memory, XyBus
from arraysmith.arch.interconnect import DIRECTIONS
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping, kept_tensors, placed_loops
from arraysmith.arch.problem import DIMS, OFMAP, TENSORS, Problem, Tensor

Counts = dict[tuple[str, str, str], int]
Indices = tuple[int, ...]
Entries = dict[tuple[Indices, Indices], bool]
Words = Collection[Indices]
Moved = Callable[["Crossing", int, dict[int, int], str, Words], None]
"""Told of words that move: the crossing, the level, which of its instances (of a parent: a child of
it), the direction there (of ``sim.report``), and the words. Of those over a link to a neighbour:
the level of the fan-out, the child that takes them, the way that they move."""

ABSENT, WAITING = 0, -1
"""Extents that stand for no work in space, and for a loop that has ended for an instance."""


def walk(architecture: Architecture, problem: Problem, mapping: Mapping) -> Counts:
    """Return the words moved, {(level, tensor, direction): words}, entries of zero left out.

    Any chain of memories and ``XyBus`` fan-outs; meant for some thousands of MACs at most.
    Directions are those of ``sim.report``.
    """
    require_legal(architecture, problem, mapping)
    counts: Counts = defaultdict(int)

    def count(crossing: Crossing, level: int, _: dict[int, int], way: str, words: Words) -> None:
        if way not in DIRECTIONS:
            counts[architecture.levels[level].name, crossing.tensor.name, way] += len(words)

    cross_all(architecture, problem, mapping, count)
    return {key: words for key, words in counts.items() if words}


def cross_all(architecture: Architecture, problem: Problem, mapping: Mapping, moved: Moved) -> None:
    """Let every tensor cross between all neighbouring memories that keep it, outermost first."""
    for name in TENSORS:
        keepers = [
            index
            for index, level in enumerate(architecture.levels)
            if isinstance(level, Memory) and name in kept_tensors(level, mapping.at(level.name))
        ]
        entries: Entries = {}
        for parent, child in pairwise([*keepers, len(architecture.levels) + 1]):
            crossing = Crossing(architecture, problem, mapping, problem.tensor(name), parent, child)
            if name == OFMAP:
                entries = crossing.results(moved, entries)
            else:
                crossing.operand(moved)


def work(architecture: Architecture, problem: Problem, mapping: Mapping) -> tuple[int, int]:
    """Return (cycles of computing, MACs): the steps with work for any PE, and work of all PEs."""
    end = len(architecture.levels) + 1
    macs = Crossing(architecture, problem, mapping, problem.ofmap, 0, end)
    steps, done = 0, 0
    for time in macs.times():
        extents = [macs.place({**time, **x}, end)[1] for x in macs.instances(end)]
        busy = sum(all(extent == 1 for extent in x.values()) for x in extents)
        steps += busy > 0
        done += busy
    return steps, done


def turn_before(before: Indices, index: Indices) -> Indices:
    """Turns of the loops outside the one that has turned, and its turn before; empty at first."""
    for n, (was, now) in enumerate(zip(before, index, strict=False)):
        if was != now:
            return (*index[:n], now - 1)
    return ()


class Crossing:
    """One tensor crossing between two neighbouring keepers (the MACs are the last child)."""

    def __init__(
        self,
        architecture: Architecture,
        problem: Problem,
        mapping: Mapping,
        tensor: Tensor,
        parent: int,
        child: int,
    ) -> None:
        self.architecture = architecture
        self.tensor = tensor
        self.parent, self.child = parent, child
        self.at_macs = child > len(architecture.levels)  # inside the loops at the MACs too
        self.loops = placed_loops(architecture, problem.size, mapping)
        self.size = problem.size
        self.parent_name = architecture.levels[parent].name
        self.child_name = "" if self.at_macs else architecture.levels[child].name

    def times(self) -> list[dict[int, int]]:
        """Every combination of temporal indices above the child, in nest order."""
        return self._turns([x.axis == "t" and x.level < self.child for x in self.loops])

    def instances(self, level: int) -> list[dict[int, int]]:
        """Every combination of spatial indices above ``level``."""
        return self._turns([x.axis != "t" and x.level < level for x in self.loops])

    def _turns(self, chosen: list[bool]) -> list[dict[int, int]]:
        """Every combination of the indices of the chosen loops, by the loops' numbers."""
        numbers = [number for number, take in enumerate(chosen) if take]
        ranges = [range(self.loops[number].count) for number in numbers]
        return [dict(zip(numbers, index, strict=True)) for index in product(*ranges)]

    def place(self, index: dict[int, int], level: int) -> tuple[dict[str, int], dict[str, int]]:
        """First index and extent of every dim of the tile at ``level``.

        An extent of zero: the instance has no work in this dim (``ABSENT`` in space). ``WAITING``
        stands in place of an extent where a loop in time has ended for this instance already.
        """
        base = dict.fromkeys(DIMS, 0)
        extent = dict(self.size)
        for number, loop in enumerate(self.loops):
            if loop.level >= level or extent[loop.dim] <= 0:
                continue
            first = index.get(number, 0) * loop.tile
            left = extent[loop.dim] - first
            if left <= 0:
                left = WAITING if loop.axis == "t" else ABSENT
            base[loop.dim] += first
            extent[loop.dim] = min(loop.tile, left)
        return base, extent

    def starts(self, index: dict[int, int], level: int) -> Indices:
        """First index along every axis of the tile at ``level``, padding counted as negative."""
        base, _ = self.place(index, level)
        return tuple(
            axis.offset + sum(coefficient * base[dim] for dim, coefficient in axis.terms)
            for axis in self.tensor.axes
        )

    def tile(self, index: dict[int, int], level: int) -> frozenset[Indices] | None:
        """The stored words of the tile at ``level``; None if the instance keeps what it has.

        It does when it has no work in a dim that does not move the tensor, and when it waits for
        others; without work in a dim of the tensor its tile is empty.
        """
        base, extent = self.place(index, level)
        others = [x for d, x in extent.items() if d not in self.tensor.dims]
        if WAITING in extent.values() or ABSENT in others:
            return None
        if ABSENT in extent.values():
            return frozenset()
        ranges = []
        for axis in self.tensor.axes:
            start = axis.offset + sum(by * base[dim] for dim, by in axis.terms)
            end = start + axis.reach(extent)
            ranges.append(range(max(start, 0), min(end, axis.extent)))
        return frozenset(product(*ranges))

    def network_key(self, instance: dict[int, int], *, upwards: bool) -> tuple[object, ...]:
        """What tells one transfer from another between parent and child."""
        key: list[object] = []
        for level in range(self.parent, min(self.child, len(self.architecture.levels))):
            fanout = self.architecture.levels[level]
            if not isinstance(fanout, Fanout):
                continue
            bus = fanout.network
            assert isinstance(bus, XyBus)
            here = {x: i for x, i in instance.items() if self.loops[x].level == level}
            columns = {x: i for x, i in here.items() if self.loops[x].axis == "x"}
            rows = {x: i for x, i in here.items() if self.loops[x].axis == "y"}
            if not (bus.reduction if upwards else bus.multicast):
                key.append(tuple(here.items()))
            elif upwards or bus.diagonal:
                key.append(self.starts(here, self.child))
            else:
                key.append((self.starts(columns, self.child), self.starts(rows, self.child)))
        return tuple(key)

    def family(self, instance: dict[int, int]) -> Indices:
        """Which parent instance a child belongs to."""
        return tuple(i for x, i in instance.items() if self.loops[x].level < self.parent)

    def operand(self, moved: Moved) -> None:
        """Move ifmap or weight: every instance takes the words that it did not have before.

        What a neighbour had, the first one in the order of directions that had it passes on.
        """
        instances = self.instances(self.child)
        neighbours = self.neighbours(instances)
        held: list[frozenset[Indices]] = [frozenset() for _ in instances]
        worked: list[Indices] = [() for _ in instances]  # turns when it had a tile last
        before: Indices = ()
        for time in self.times():
            index = tuple(time.values())
            sent: dict[tuple[object, ...], set[Indices]] = defaultdict(set)
            whose: dict[tuple[object, ...], dict[int, int]] = {}
            old, then = list(held), list(worked)
            latest = turn_before(before, index)
            for number, instance in enumerate(instances):
                now = self.tile({**time, **instance}, self.child)
                if now is None or (not now and self.at_macs):
                    continue
                new = now if self.at_macs else now - old[number]
                held[number] = now
                worked[number] = index
                if not self.at_macs:
                    moved(self, self.child, instance, "fill", new)
                lacking = set(new)
                for way, x in neighbours[number]:
                    if latest and then[x][: len(latest)] == latest:
                        passed = lacking & old[x]
                        lacking -= passed
                        moved(self, self.child, instances[x], "drain", passed)
                        moved(self, self.linked, instance, way, passed)
                key = self.family(instance), self.network_key(instance, upwards=False), now
                sent[key] |= lacking
                whose[key] = instance
            for key, words in sent.items():
                moved(self, self.parent, whose[key], "read", words)
            before = index

    @property
    def linked(self) -> int:
        """Level of the fan-out right above the child."""
        levels = enumerate(self.architecture.levels[: self.child])
        return max(n for n, x in levels if n >= self.parent and isinstance(x, Fanout))

    def neighbours(self, instances: list[dict[int, int]]) -> list[list[tuple[str, int]]]:
        """Which instances each one may take words from, and which way these move."""
        levels = self.architecture.levels[self.parent : self.child]
        fanouts = [x for x in levels if isinstance(x, Fanout)]
        found: list[list[tuple[str, int]]] = [[] for _ in instances]
        links = getattr(fanouts[-1].network, "forwarding", None) if fanouts else None
        if links is None or self.tensor.name != "ifmap" or self.at_macs:
            return found
        level = self.linked
        numbers = {tuple(x.values()): n for n, x in enumerate(instances)}
        for way in links.directions:
            here = [
                n
                for n, x in enumerate(self.loops)
                if x.level == level and x.axis == way[1] and x.count > 1
            ]
            if not here:
                continue
            for number, instance in enumerate(instances):
                step = 1 if way[0] == "-" else -1  # where a word comes from
                other = {**instance, here[-1]: instance[here[-1]] + step}
                if tuple(other.values()) in numbers:
                    found[number].append((way, numbers[tuple(other.values())]))
        return found

    def results(self, moved: Moved, parents: Entries) -> Entries:
        """Move ofmap: tiles leave at the end of an epoch and come back when visited again.

        Args:
            moved: is told.
            parents: the entries of the parent; empty for the first memory.

        Returns:
            The entries of the child: (indices in time above it, instance) -> its partial sums
            came back, for every time when an instance enters a tile.
        """
        present: dict[Indices, set[Indices]] = defaultdict(set)  # partial sums at each parent
        entries: Entries = {}
        held: dict[Indices, frozenset[Indices]] = defaultdict(frozenset)
        above = [x for x, loop in enumerate(self.loops) if loop.level < self.parent]
        for time in self.times():
            then = tuple(i for x, i in time.items() if x in above)
            first = not any(i for x, i in time.items() if x not in above)
            for instance in self.instances(self.parent) if first else ():
                family = tuple(instance.values())
                if (then, family) in parents:
                    inside = self.tile({**time, **instance}, self.parent)
                    present[family] = set(inside or ()) if parents[then, family] else set()
            # Enter: one instance of every group of equal tiles gets the partial sums, if any.
            entered: dict[tuple[Indices, frozenset[Indices]], dict[int, int]] = {}
            arriving: dict[tuple[object, ...], tuple[Indices, frozenset[Indices]]] = {}
            for instance in self.instances(self.child):
                tile = self.tile({**time, **instance}, self.child)
                me = tuple(instance.values())
                if tile is None or (tile == held[me] and not self.at_macs):
                    continue
                held[me] = tile
                if not tile:
                    continue
                family = self.family(instance)
                back = (family, tile) not in entered and bool(tile & present[family])
                if back:
                    assert tile <= present[family]
                    moved(self, self.parent, instance, "read", tile)
                entries[tuple(time.values()), me] = back
                entered.setdefault((family, tile), instance)
                arriving[family, self.network_key(instance, upwards=True)] = family, tile
                if not self.at_macs:
                    if back:
                        moved(self, self.child, instance, "fill", tile)
                    moved(self, self.child, instance, "drain", tile)
            # Leave: what arrives updates the parent; all but the first at a word read it first.
            added = set()
            for group in arriving.values():
                moved(self, self.parent, entered[group], "update", group[1])
                if group in added:
                    moved(self, self.parent, entered[group], "read", group[1])
                added.add(group)
            for family, tile in entered:
                present[family] |= tile
        return entries
