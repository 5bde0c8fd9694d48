"""Which levels of a design a trace file holds the requests of."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from math import prod

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.errors import Fault, InputError, nearest

OFFCHIP, SHARED, NETWORKS, EVERY = "offchip", "shared", "networks", "every"
WORDS = (OFFCHIP, SHARED, NETWORKS, EVERY)
"""What may stand for several levels: the off-chip memory; that and all memories that there are
once (of a systolic array: all); the networks of all fan-outs; all levels, memories inside PEs and
networks too."""


def traced_levels(architecture: Architecture, chosen: Sequence[str] = (SHARED,)) -> frozenset[str]:
    """Return the names of the levels whose requests are recorded.

    Args:
        architecture: the design.
        chosen: words of ``WORDS`` and names of memories and fan-outs.

    Raises:
        InputError: something else.
    """
    memories = [level.name for level in architecture.memories]
    networks = [level.name for level in architecture.fanouts]
    once = [
        level.name
        for i, level in enumerate(architecture.levels)
        if not isinstance(level, Fanout)
        and (
            architecture.systolic
            or prod(x.instances for x in architecture.levels[:i] if isinstance(x, Fanout)) == 1
        )
    ]
    names = [*memories, *networks]
    meant = {OFFCHIP: memories[:1], SHARED: once, NETWORKS: networks, EVERY: names}
    found: set[str] = set()
    faults = []
    for word in chosen:
        if word not in meant and word not in names:
            rule = f"{architecture.name} has no such level to trace"
            faults.append(Fault("levels", word, rule, nearest(word, [*WORDS, *names])))
        # A level may bear one of the words as its name: then it is meant.
        found |= {word} if word in names else set(meant.get(word, ()))
    if faults:
        raise InputError(faults)
    return frozenset(found)


def levels_of_cores(
    designs: Dict[str, Architecture], chosen: Sequence[str]
) -> dict[str, frozenset[str]]:
    """Return for every core of a chip the names of the levels whose requests are recorded.

    Args:
        designs: of the cores, by their names.
        chosen: words of ``WORDS``, for all cores, and names, which count where a core has them.

    Raises:
        InputError: no core has such a level.
    """
    names = {core: {x.name for x in design.levels} for core, design in designs.items()}
    known = set(WORDS).union(*names.values())
    found: dict[str, frozenset[str]] = {}
    faults = [
        Fault("levels", word, "no core has such a level to trace", nearest(word, sorted(known)))
        for word in chosen
        if word not in known
    ]
    if faults:
        raise InputError(faults)
    for core, design in designs.items():
        found[core] = traced_levels(design, [x for x in chosen if x in WORDS or x in names[core]])
    return found
