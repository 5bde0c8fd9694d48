"""The slow, obvious twin of the traces: every word that every instance of every memory moves.

``walker`` counts; this lists, with the same rules and the same sets of words, in the same order of
turns. A word is (stream, number of the instance, address in the frame of its tensor); times are not
looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from math import prod

from walker import Crossing, Entries, Indices

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.legality import tile_sizes
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import OFMAP, TENSORS, Problem

Listing = Counter[tuple[str, int, int]]


def list_words(architecture: Architecture, problem: Problem, mapping: Mapping) -> Listing:
    """Return how often every word moves at the memories on the chip."""
    found: Listing = Counter()
    for name in TENSORS:
        keepers = [
            index
            for index, level in enumerate(architecture.levels)
            if isinstance(level, Memory) and name in kept_tensors(level, mapping.at(level.name))
        ]
        entries: Entries = {}
        for parent, child in pairwise([*keepers, len(architecture.levels) + 1]):
            tensor = problem.tensor(name)
            crossing = _Listed(architecture, problem, mapping, tensor, parent, child)
            crossing.found = found
            crossing.problem, crossing.mapping = problem, mapping
            if name == OFMAP:
                entries = crossing.list_results(entries)
            else:
                crossing.list_operand()
    return found


class _Listed(Crossing):
    found: Listing
    problem: Problem
    mapping: Mapping

    def _number(self, instance: dict[int, int], level: int) -> int:
        """Number of the instance of ``level``: mesh by mesh, row by row."""
        number = 0
        for i, fanout in enumerate(self.architecture.levels[:level]):
            if not isinstance(fanout, Fanout):
                continue
            at = {}
            for axis in "xy":
                at[axis] = 0
                for x, loop in enumerate(self.loops):
                    if loop.level == i and loop.axis == axis:
                        at[axis] = at[axis] * loop.count + instance.get(x, 0)
            number = number * fanout.mesh_x * fanout.mesh_y + at["y"] * fanout.mesh_x + at["x"]
        return number

    def _note(self, level: int, instance: dict[int, int], way: str, words: Iterable[Indices]):
        if level == 0 or level >= len(self.architecture.levels):
            return
        sizes = tile_sizes(self.architecture, self.problem, self.mapping, level)
        memory = self.architecture.levels[level]
        assert isinstance(memory, Memory)
        base = 0
        for name in kept_tensors(memory, self.mapping.at(memory.name)):
            frame = [axis.reach(sizes) for axis in self.problem.tensor(name).axes]
            if name == self.tensor.name:
                break
            base += prod(frame)
        number = self._number(instance, level)
        for word in words:
            address = 0
            for i, length in zip(word, frame, strict=True):
                address = address * length + i % length
            self.found[f"{memory.name}/{self.tensor.name}/{way}", number, base + address] += 1

    def list_operand(self) -> None:
        instances = self.instances(self.child)
        held: list[frozenset[Indices]] = [frozenset() for _ in instances]
        for time in self.times():
            sent = defaultdict(frozenset)
            whose = {}
            for number, instance in enumerate(instances):
                now = self.tile({**time, **instance}, self.child)
                if now is None or (not now and self.at_macs):
                    continue
                new = now if self.at_macs else now - held[number]
                held[number] = now
                key = self.family(instance), self.network_key(instance, upwards=False), now
                sent[key] |= new
                whose[key] = instance
                self._note(self.child, instance, "write", new)
            for key, new in sent.items():
                self._note(self.parent, whose[key], "read", new)

    def list_results(self, parents: Entries) -> Entries:
        present: dict[Indices, set[Indices]] = defaultdict(set)
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
            entered: dict[tuple[Indices, frozenset[Indices]], dict[int, int]] = {}
            arriving = {}
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
                    self._note(self.parent, instance, "read", tile)
                    self._note(self.child, instance, "write", tile)
                entries[tuple(time.values()), me] = back
                entered.setdefault((family, tile), instance)
                arriving[family, self.network_key(instance, upwards=True)] = tile
                self._note(self.child, instance, "read", tile)
            for (family, _), tile in arriving.items():
                self._note(self.parent, entered[family, tile], "write", tile)
                self._note(self.parent, entered[family, tile], "read", tile)
            for (family, tile), instance in entered.items():
                for word in tile:  # the first that arrives is not added to anything
                    self._forget(instance, word)
                present[family] |= tile
        return entries

    def _forget(self, instance: dict[int, int], word: Indices) -> None:
        kept, self.found = self.found, Counter()
        self._note(self.parent, instance, "read", [word])
        listed, self.found = self.found, kept
        self.found.subtract(listed)
