"""Which levels of a design a trace file holds the requests of."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.errors import Fault, InputError, nearest

OFFCHIP, SHARED, EVERY = "offchip", "shared", "every"
WORDS = (OFFCHIP, SHARED, EVERY)
"""What may stand for several levels: the off-chip memory; that and all memories that there are
once (of a systolic array: all); all memories, those inside PEs too."""


def traced_levels(architecture: Architecture, chosen: Sequence[str] = (SHARED,)) -> frozenset[str]:
    """Return the names of the levels whose requests are recorded.

    Args:
        architecture: the design.
        chosen: words of ``WORDS`` and names of memories.

    Raises:
        InputError: something else.
    """
    names = [level.name for level in architecture.memories]
    once = [
        level.name
        for i, level in enumerate(architecture.levels)
        if not isinstance(level, Fanout)
        and (
            architecture.systolic
            or prod(x.instances for x in architecture.levels[:i] if isinstance(x, Fanout)) == 1
        )
    ]
    meant = {OFFCHIP: names[:1], SHARED: once, EVERY: names}
    found: set[str] = set()
    faults = []
    for word in chosen:
        if word not in meant and word not in names:
            rule = f"{architecture.name} has no such level to trace"
            faults.append(Fault("levels", word, rule, nearest(word, [*WORDS, *names])))
        # A memory may bear one of the words as its name: then it is meant.
        found |= {word} if word in names else set(meant.get(word, ()))
    if faults:
        raise InputError(faults)
    return frozenset(found)
