"""Words at a port, in a rehearsal: from when on and until when it takes them. Compiled.

As in the simulator (``sim/cycle/array/holding.py``): of a child's port that several links use, each
transfer has the part that its words need at the pace of the bus next to it, until its last word is
through, and begins when those before it leave it that much.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.rehearsal.plan import CHILD
from arraysmith.sim.analytical.rehearsal.portions import ALONE
from arraysmith.sim.analytical.rehearsal.state import (
    AT_CHILDS,
    AT_PORT,
    CLOCKS,
    RUN,
    Arrays,
)
from arraysmith.sim.analytical.rehearsal.words import Float

SLACK = 1e-9
"""By which parts of a port may exceed it: they are rounded."""


@njit(cache=True, nogil=True)
def last_word(begin: float, words: float, per_word: float, at: float, early: float) -> float:
    """Return when the last of ``words`` has passed that begin at ``begin``.

    Only ``early`` of them are there in the cycle of ``at``.
    """
    end = begin + words * per_word
    if words > early + 1e-6:
        end = max(end, np.floor(at + 1e-6) + 1.0 + (words - early) * per_word)
    return float(end)


@njit(cache=True, nogil=True)
def hand_on(begin: float, per_word: float, at: float, early: float) -> tuple[float, float]:
    """Return when the next part may begin, with the cycle, and how many words come in that cycle.

    A part that begins in a later cycle than its words have found them waiting.
    """
    here = np.floor(begin + 1e-6)
    known = early if here == np.floor(at + 1e-6) else np.inf
    if per_word > 0.0:
        known = min(known, np.ceil((here + 1.0 - begin) / per_word - 1e-6))
    return float(here), float(known)


@njit(cache=True, nogil=True)
def _begin_beside(arrays: Arrays, clock: Float, k: int, way: int, part: float, at: float) -> float:
    """Return from when on, ``at`` or later, the others leave a link a part of its port."""
    users, parts = arrays.users, arrays.parts
    slot, own = users[k, way], RUN + k * CLOCKS + AT_CHILDS + way
    begin = max(at, clock[own], clock[arrays.numbers[AT_PORT] + slot])
    while True:
        taken, soonest = part, np.inf
        for other in range(len(users)):
            for side in range(2):
                until = clock[RUN + other * CLOCKS + AT_CHILDS + side]
                mine = other == k and side == way
                if users[other, side] == slot and not mine and until > begin:
                    taken += parts[other, side]
                    soonest = min(soonest, until)
        if taken <= 1.0 + SLACK:
            break
        begin = soonest
    parts[k, way] = part
    return float(begin)


@njit(cache=True, nogil=True)
def hold_port(
    arrays: Arrays,
    clock: Float,
    k: int,
    way: int,
    words: float,
    pace: float,
    at: float,
    early: float,
) -> tuple[float, float]:
    """Take words of a link through its child's port; return when they begin and end to pass.

    Args:
        arrays: the plan; parts are written.
        clock: of the run.
        k: the link.
        way: 0 down, 1 up.
        words: at the child that has most.
        pace: cycles that they take next to the port.
        at: from when on they can be there.
        early: how many are, in the cycle of ``at``.
    """
    per_word = arrays.near[k, way]
    busy = words * per_word
    if arrays.users[k, way] != ALONE:
        stay = max(busy, pace)
        part = busy / stay if busy > 0.0 else 0.0
        begin = _begin_beside(arrays, clock, k, way, part, at)
        return begin, max(begin + stay, last_word(begin, words, per_word, at, early))
    slot = arrays.numbers[AT_PORT] + arrays.port[arrays.links[k, CHILD], 2 + way]
    begin = max(at, clock[slot])
    end = last_word(begin, words, per_word, at, early)
    clock[slot] = end
    return begin, end


@njit(cache=True, nogil=True)
def leave_port(arrays: Arrays, clock: Float, k: int, way: int, finish: float) -> None:
    """Let a link have its part of a child's port until ``finish``."""
    if arrays.users[k, way] != ALONE:
        clock[RUN + k * CLOCKS + AT_CHILDS + way] = finish
