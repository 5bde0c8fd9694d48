"""The slow, obvious twin of every access count: walks the nest with a set of words per instance.

Nothing here is clever. Every temporal loop turns, every instance of every memory holds a Python set
of the words (index tuples) of its tile, and words are counted one by one as they cross. The rules
are those of ``sim/cycle/README.md``, section "What is counted".
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise, product

from arraysmith.arch.architecture import Architecture, Fanout, Memory, XyBus
from arraysmith.arch.legality import require_legal, tile_sizes
from arraysmith.arch.mapping import Mapping, kept_tensors, placed_loops
from arraysmith.arch.problem import OFMAP, TENSORS, Problem, Tensor

Counts = dict[tuple[str, str, str], int]
Indices = tuple[int, ...]


def walk(architecture: Architecture, problem: Problem, mapping: Mapping) -> Counts:
    """Return the words moved, {(level, tensor, direction): words}, entries of zero left out.

    Any chain of memories and ``XyBus`` fan-outs; meant for some thousands of MACs at most.
    Directions are those of ``sim.report``.
    """
    require_legal(architecture, problem, mapping)
    counts: Counts = defaultdict(int)
    for name in TENSORS:
        keepers = [
            index
            for index, level in enumerate(architecture.levels)
            if isinstance(level, Memory) and name in kept_tensors(level, mapping.at(level.name))
        ]
        epochs: list[dict[Indices, bool]] = []
        for parent, child in pairwise([*keepers, len(architecture.levels) + 1]):
            crossing = Crossing(architecture, problem, mapping, problem.tensor(name), parent, child)
            if name == OFMAP:
                epochs = crossing.results(counts, epochs)
            else:
                crossing.operand(counts)
    return {key: words for key, words in counts.items() if words}


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
        self.sizes = {
            level: tile_sizes(architecture, problem, mapping, level) for level in (parent, child)
        }
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

    def starts(self, index: dict[int, int], level: int) -> Indices:
        """First index along every axis of the tile at ``level``, padding counted as negative."""
        base: dict[str, int] = defaultdict(int)
        for number, loop in enumerate(self.loops):
            if loop.level < level:
                base[loop.dim] += index.get(number, 0) * loop.tile
        return tuple(
            axis.offset + sum(coefficient * base[dim] for dim, coefficient in axis.terms)
            for axis in self.tensor.axes
        )

    def words(self, starts: Indices, level: int) -> frozenset[Indices]:
        """The stored words of the tile that begins at ``starts``."""
        ranges = [
            range(max(start, 0), min(start + axis.reach(self.sizes[level]), axis.extent))
            for start, axis in zip(starts, self.tensor.axes, strict=True)
        ]
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

    def operand(self, counts: Counts) -> None:
        """Count ifmap or weight: every instance takes the words that it did not have before."""
        held: list[frozenset[Indices]] = [frozenset() for _ in self.instances(self.child)]
        for time in self.times():
            sent: dict[tuple[object, ...], frozenset[Indices]] = {}
            for number, instance in enumerate(self.instances(self.child)):
                now = self.words(self.starts({**time, **instance}, self.child), self.child)
                new = now if self.at_macs else now - held[number]
                held[number] = now
                key = (self.family(instance), self.network_key(instance, upwards=False))
                assert sent.setdefault(key, new) == new
                if not self.at_macs:
                    counts[self.child_name, self.tensor.name, "fill"] += len(new)
            for new in sent.values():
                counts[self.parent_name, self.tensor.name, "read"] += len(new)

    def results(
        self, counts: Counts, parent_epochs: list[dict[Indices, bool]]
    ) -> list[dict[Indices, bool]]:
        """Count ofmap: tiles leave at the end of an epoch and come back when visited again.

        Args:
            counts: where to count.
            parent_epochs: per epoch of the parent: parent instance -> its partial sums came back.

        Returns:
            The same of the child.
        """
        name = self.tensor.name
        present: dict[Indices, set[Indices]] = defaultdict(set)  # partial sums at each parent
        epochs: list[dict[Indices, bool]] = []
        parent_epoch, parent_place, place = -1, None, None
        for time in self.times():
            parent_now = self.starts(time, self.parent)
            if parent_epochs and parent_now != parent_place:
                parent_epoch, parent_place = parent_epoch + 1, parent_now
                for instance in self.instances(self.parent):
                    inside = self.words(self.starts({**time, **instance}, self.parent), self.parent)
                    back = parent_epochs[parent_epoch][tuple(instance.values())]
                    present[tuple(instance.values())] = set(inside) if back else set()
            now = self.starts(time, self.child)
            if now == place and not self.at_macs:
                continue
            place = now
            # Enter: one instance of every group of equal tiles gets the partial sums, if any.
            entered: dict[Indices, bool] = {}
            tiles: dict[tuple[Indices, Indices], frozenset[Indices]] = {}
            arriving: dict[tuple[Indices, tuple[object, ...]], frozenset[Indices]] = {}
            for instance in self.instances(self.child):
                family = self.family(instance)
                starts = self.starts({**time, **instance}, self.child)
                tile = self.words(starts, self.child)
                back = (family, starts) not in tiles and bool(tile & present[family])
                if back:
                    assert tile <= present[family]
                    counts[self.parent_name, name, "read"] += len(tile)
                entered[tuple(instance.values())] = back
                tiles[family, starts] = tile
                arriving[family, self.network_key(instance, upwards=True)] = tile
                if not self.at_macs:
                    counts[self.child_name, name, "fill"] += len(tile) * back
                    counts[self.child_name, name, "drain"] += len(tile)
            epochs.append(entered)
            # Leave: what arrives updates the parent; all but the first at a word read it first.
            words = sum(map(len, arriving.values()))
            counts[self.parent_name, name, "update"] += words
            counts[self.parent_name, name, "read"] += words - sum(map(len, tiles.values()))
            for (family, _), tile in tiles.items():
                present[family] |= tile
        return epochs
