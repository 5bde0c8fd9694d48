"""The kernel of ``exact_search``: a walk over the tiles of all memories, cut off by bounds."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.search.mappers.exact_scores import OBJECTIVES, PICO
from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.scoring import Float

EDP, ENERGY, LATENCY = range(len(OBJECTIVES))


@njit(cache=True, nogil=True)
def bound_of(objective: int, energy: float, cycles: float, leakage_pj: float) -> float:
    """Return the bound of the loss from bounds of energy and cycles."""
    if objective == LATENCY:
        return cycles
    whole = energy + leakage_pj * cycles
    return whole if objective == ENERGY else whole * PICO * cycles


@njit(cache=True, nogil=True)
def walk(
    objective: int,
    leakage_pj: float,
    memories: int,
    left: Int,
    opened: Int,
    tiles: Int,
    energy: Float,
    cycles: Float,
    words: Float,
    word_pj: Float,
    roles: Int,
    first: Int,
    rest: Float,
    low: float,
    high: float,
    budget: int,
    at: Int,
    sums: Float,
    found: Int,
) -> tuple[int, int]:
    """Go on with a walk until it ends, ``found`` is full or the budget is spent.

    ``at`` holds the memory in hand (0 at the end) and, per memory, the next tile to try; ``sums``
    the energy and cycles of the tiles taken; both are changed. Returns (leaves, nodes).
    """
    count, nodes = 0, 0
    m = at[0]
    turns = np.ones((memories + 1, 8), np.int64)
    run = np.ones(3)
    for k in range(1, m):
        for d in range(8):
            outer = left[d] if k == 1 else tiles[at[k - 1] - 1, d]
            turns[k - 1, d] = outer // tiles[at[k] - 1, d]
    while m > 0 and count < len(found) and nodes < budget:
        i = at[m]
        if i >= first[m + 1]:
            m -= 1
            continue
        at[m] = i + 1
        nodes += 1
        whole = sums[0, m - 1] + energy[i]
        last = m == memories - 1
        least = whole if last else whole + rest[m + 1]
        if objective != LATENCY and bound_of(objective, least, sums[1, m - 1], leakage_pj) >= high:
            m -= 1  # tiles come least energy first
            continue
        divides = True
        for d in range(8):
            around = left[d] if m == 1 else tiles[at[m - 1] - 1, d]
            inner = tiles[i, d]
            if around % inner or (around != inner and not opened[m - 1, d]):
                divides = False
                break
            turns[m - 1, d] = around // inner
        if not divides:
            continue
        # Whatever stands innermost above is one of the loops of the nearest memory with any.
        near = m - 1
        while near >= 0 and turns[near].max() == 1:
            near -= 1
        for t in range(3):
            # Turns that may cost the tensor nothing: out to the memory with loops that move it.
            run[t] = 1.0
            moved = False
            for q in range(near, -1, -1):
                for d in range(8):
                    if turns[q, d] > 1:
                        moved = moved or roles[t, d] != 0
                        if roles[t, d] == 0:
                            run[t] *= turns[q, d]
                if moved:
                    break
        cost, slow = np.inf, np.inf
        for d in range(9):
            if (near < 0) != (d == 8) or (d < 8 and turns[near, d] == 1):
                continue
            part = 0.0
            for t in range(3):
                moves = words[i, t, d]
                window = False
                for other in range(8):
                    window = window or roles[t, other] < 0
                if d < 8 and roles[t, d] == 0 and not window:
                    moves = max(moves, words[i, t, 8] / run[t])
                if word_pj[m, t] < 0:
                    moves = words[i, t, 8]
                part += moves * word_pj[m, t]
            cost = min(cost, part)
            slow = min(slow, cycles[i, d])
        whole = sums[0, m - 1] + cost
        slow = max(sums[1, m - 1], slow)
        bound = bound_of(objective, whole if last else whole + rest[m + 1], slow, leakage_pj)
        if bound >= high or (last and bound < low):
            continue
        if last:
            for k in range(1, memories):
                found[count, k] = at[k] - 1
            count += 1
        else:
            sums[0, m], sums[1, m] = whole, slow
            m += 1
            at[m] = first[m]
    at[0] = m
    return count, nodes
