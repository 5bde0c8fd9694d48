"""What every evaluation has to keep: a search finds every hole in a cost model.

1. The work counted is that of the problem, so that all of it is covered.
2. No run takes fewer cycles than its active PEs need for the work.
3. Every result leaves the chip.
4. No tensor takes fewer words from off-chip memory than the problem touches.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from arraysmith.arch.problem import Problem
from arraysmith.sim.analytical.counting import Counts
from arraysmith.sim.analytical.encoding import OFMAP, READ, UPDATE


@lru_cache(maxsize=256)
def touched_words(problem: Problem) -> tuple[int, int, int]:
    """Return how many different words of each tensor the problem reads or writes.

    Strides may jump over words; padding is no word.
    """
    found = []
    for tensor in problem.tensors:
        words = 1
        for axis in tensor.axes:
            index = np.full(1, axis.offset)
            for dim, coefficient in axis.terms:
                index = np.add.outer(index, coefficient * np.arange(problem.size[dim])).ravel()
            stored = index[(index >= 0) & (index < axis.extent)]
            words *= len(np.unique(stored))
        found.append(words)
    return (found[0], found[1], found[2])


def unsound(problem: Problem, counts: Counts) -> tuple[str, ...]:
    """Return what is wrong with the counts of a batch; empty when nothing is.

    Args:
        problem: the operator.
        counts: of mappings of it.
    """
    offchip = counts.words[:, 0]
    work = prod(problem.sizes)
    floor = touched_words(problem)
    rules = {
        "work is not covered": counts.macs == work,
        "faster than the active PEs allow": counts.steps * counts.instances[:, -1] >= work,
        "results are missing off-chip": offchip[:, OFMAP, UPDATE] >= floor[OFMAP],
        "a result is read before it is written": offchip[:, OFMAP, UPDATE] - floor[OFMAP]
        >= offchip[:, OFMAP, READ],
        "fewer ifmap words than the problem touches": offchip[:, 0, READ] >= floor[0],
        "fewer weight words than the problem touches": offchip[:, 1, READ] >= floor[1],
        "negative words": (counts.words >= 0).all(axis=(1, 2, 3)),
    }
    return tuple(
        f"{what}: mapping {int(np.argmin(kept))} of {len(kept)}"
        for what, kept in rules.items()
        if not kept.all()
    )
