"""Which turns bring partial sums back to where they were added to, and out of which memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.tree import Edge, O, Tree

ANY = -1
"""In place of a number that does not matter."""


@dataclass(frozen=True, eq=False)
class Back:
    """Result tiles that one of the memories above has had since they were here before.

    Attributes:
        again: int64 [loops in time], ``Edge.again``, ``ANY`` elsewhere.
        ancestor: turns count for which this memory had them all, by ``Edge.again``; ``ANY``.
        last: turns count of which this is the last loop to come back; ``ANY``.
        split: level of the memory that had them; one of those with equal tiles below it gets them.
        between: see ``instance_runs.list_instance_runs``.
    """

    again: Int
    ancestor: int
    last: int
    split: int
    between: tuple[int, int, int]

    def matches(self, index: Int) -> NDArray[np.bool_]:
        """Return which rows of turns, int64 [n, loops in time], are such ones."""
        turned = (index > 0) & (self.again >= 0)
        if self.last != ANY:
            last = np.where(turned, np.arange(len(self.again)), ANY).max(axis=1)
            return np.asarray(last == self.last)
        far = np.iinfo(np.int64).max
        return np.asarray(np.where(turned, self.again, far).min(axis=1) == self.ancestor)


def ways_back(tree: Tree, edge: Edge) -> list[Back]:
    """Return how result tiles come back over an edge.

    Where tiles divide, one memory had all of them; where they do not, every memory above has kept
    some: see ``Amounts.kept``.
    """
    again = np.full(len(tree.time), ANY, np.int64)
    for j, ancestor in edge.again:
        again[j] = ancestor
    above = tree.keepers_above(edge)
    if not tree.ragged or len(above) == 1:
        return [
            Back(again, ancestor, ANY, above[ancestor], (ANY, ANY, ANY))
            for ancestor in sorted({x for _, x in edge.again})
        ]
    found = []
    for j, _ in edge.again:
        inner = ANY
        for level in above:
            depth = tree.depth(O, level)
            found.append(Back(again, ANY, j, level, (j, depth, inner)))
            inner = depth
    return found
