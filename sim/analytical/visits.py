"""How often a tile changes: the number of transfers of a tensor at a memory."""

from __future__ import annotations

from math import prod

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.mapping import Mapping, PlacedLoop, kept_tensors, placed_loops
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE


def transfers_of(
    architecture: Architecture, problem: Problem, mapping: Mapping
) -> dict[tuple[str, str, str], int]:
    """Return per (memory, tensor, direction) how often words of it move in a run.

    A tile is moved when a loop above it turns that moves the tensor; loops that do not, inside the
    innermost one that does, leave it in place. What the MACs need is moved in every cycle.
    Instances are served together, and turns of ragged tiles count as full ones.
    """
    loops = placed_loops(architecture, problem.size, mapping)
    found = {}
    levels = architecture.levels
    for tensor in TENSORS:
        moving = problem.tensor(tensor).dims
        keepers = [
            (i, level.name)
            for i, level in enumerate(levels)
            if isinstance(level, Memory) and tensor in kept_tensors(level, mapping.at(level.name))
        ]
        inner = [i for i, _ in keepers[1:]]
        for (i, name), child in zip(keepers, [*inner, None], strict=True):
            down = _turns(loops, child, moving)
            up = _turns(loops, i, moving)
            found[name, tensor, READ] = found[name, tensor, UPDATE] = down
            found[name, tensor, FILL] = found[name, tensor, DRAIN] = up
    return found


def _turns(loops: tuple[PlacedLoop, ...], level: int | None, moving: frozenset[str]) -> int:
    """Return how often the tile at ``level`` changes; None is the MACs."""
    turning = [x for x in loops if x.axis == "t" and x.count > 1]
    above = [x for x in turning if level is None or x.level < level]
    while level is not None and above and above[-1].dim not in moving:
        above.pop()
    return prod(x.count for x in above)
