"""The slow, obvious twin of the traces: every word that every instance of every memory moves.

``walker`` says which words move; this notes each of them where it moves. A word is (stream, number
of the instance, address in the frame of its tensor); times are not looked at.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from walker import Crossing, Words, cross_all

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.interconnect import DIRECTIONS
from arraysmith.arch.legality import tile_sizes
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import Problem

Listing = Counter[tuple[str, int, int]]

WAYS = {"read": "read", "drain": "read", "fill": "write", "update": "write"}


def list_words(architecture: Architecture, problem: Problem, mapping: Mapping) -> Listing:
    """Return how often every word moves at the memories on the chip, and over links."""
    found: Listing = Counter()
    levels = architecture.levels

    def note(x: Crossing, level: int, instance: dict[int, int], way: str, words: Words) -> None:
        """Note words: over a link at the child that takes them, at its addresses."""
        name = f"{levels[level].name}/{x.tensor.name}/{WAYS.get(way)}"
        if way in DIRECTIONS:
            name = f"network/{levels[level].name}/{x.tensor.name}/{way}"
            level = x.child
        if level == 0:
            return
        sizes = tile_sizes(architecture, problem, mapping, level)
        memory = levels[level]
        assert isinstance(memory, Memory)
        base = 0
        for tensor in kept_tensors(memory, mapping.at(memory.name)):
            frame = [axis.reach(sizes) for axis in problem.tensor(tensor).axes]
            if tensor == x.tensor.name:
                break
            base += prod(frame)
        number = number_of(x, instance, level)
        for word in words:
            address = 0
            for i, length in zip(word, frame, strict=True):
                address = address * length + i % length
            found[name, number, base + address] += 1

    cross_all(architecture, problem, mapping, note)
    return found


def number_of(crossing: Crossing, instance: dict[int, int], level: int) -> int:
    """Number of the instance of ``level``: mesh by mesh, row by row."""
    number = 0
    for i, fanout in enumerate(crossing.architecture.levels[:level]):
        if not isinstance(fanout, Fanout):
            continue
        at = {}
        for axis in "xy":
            at[axis] = 0
            for x, loop in enumerate(crossing.loops):
                if loop.level == i and loop.axis == axis:
                    at[axis] = at[axis] * loop.count + instance.get(x, 0)
        number = number * fanout.mesh_x * fanout.mesh_y + at["y"] * fanout.mesh_x + at["x"]
    return number
