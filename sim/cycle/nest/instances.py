"""Which instance of a level an instance further down belongs to, and its number.

Instances of a level are numbered fan-out by fan-out, outermost first, row by row within a mesh:
number = (number of the instance that the mesh belongs to) x PEs of a mesh + row x columns + column.
The loops in space along one axis of a mesh form one index, the outermost slowest.
"""

from __future__ import annotations

from math import prod

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import DIMS
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.tree import Tree

MOST_INSTANCES = 1 << 16
"""Instances that the column ``port`` of requests tells apart."""


def instances_of(architecture: Architecture, level: int) -> int:
    """Return how many there are of the level, whether they take part or not.

    Raises:
        ArraysmithError: more than a trace can number.
    """
    found = prod(x.instances for x in architecture.levels[:level] if isinstance(x, Fanout))
    if found > MOST_INSTANCES:
        name = architecture.levels[level].name
        raise ArraysmithError(
            f"{name}: there are {found:,} of it; requests are recorded of {MOST_INSTANCES:,} at "
            f"most: leave it out of the levels that are traced"
        )
    return found


def instance_numbers(tree: Tree, child: int, level: int) -> Int:
    """Return what every place of every dim adds to the number of an instance.

    Args:
        tree: the mapped problem.
        child: level whose instances the places tell apart, see ``turns.many_places``.
        level: level that is numbered, at or above ``child``.

    Returns:
        int64 [dims, most places]; the number of the instance of ``level`` that an instance of
        ``child`` belongs to is the sum over dims, each at the child's place in it.
    """
    levels = tree.architecture.levels
    weights: dict[int, int] = {}  # of each loop in space, by its position in ``tree.space``
    for i, fanout in enumerate(levels[:level]):
        if not isinstance(fanout, Fanout):
            continue
        inside = prod(x.instances for x in levels[i + 1 : level] if isinstance(x, Fanout))
        for axis, step in (("x", 1), ("y", fanout.mesh_x)):
            here = [n for n, x in enumerate(tree.space) if x.level == i and x.axis == axis]
            weight = step * inside
            for n in reversed(here):
                weights[n] = weight
                weight *= tree.space[n].count
    dims = [
        [n for n, x in enumerate(tree.space) if x.level < child and x.dim == dim] for dim in DIMS
    ]
    counts = [[tree.space[n].count for n in mine] for mine in dims]
    found = np.zeros((len(DIMS), max(prod(x) for x in counts)), np.int64)
    for d, mine in enumerate(dims):
        digits = np.indices(counts[d]).reshape(len(mine), prod(counts[d]))
        for digit, n in zip(digits, mine, strict=True):
            found[d, : len(digit)] += digit * weights.get(n, 0)
    return found
