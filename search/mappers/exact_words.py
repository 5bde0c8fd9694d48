"""The kernel of ``exact_bounds``: least words, energy and cycles of n tiles of one memory."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import SLIDING, Int
from arraysmith.sim.analytical.scoring import Float

INPUTS, SUMS = 0, 2
"""Indices of the inputs and of the results."""

READ, WRITE = 0, 1
"""Columns of prices and rates."""


@njit(cache=True, nogil=True)
def boundary_words(
    extents: Int,
    left: Int,
    inside: Int,
    above: Int,
    used: Float,
    memory: int,
    at_macs: bool,
    capacity: int,
    parent: Int,
    roles: Int,
    axes: Int,
    terms: Int,
    coef: Int,
    place: Int,
    tiles: Float,
    union: Float,
    sent: Float,
    per_sum: float,
    price: Float,
    rate: Float,
    shared: Int,
    energy: Float,
    cycles: Float,
    known: Float,
) -> None:
    """Write the bounds of n tiles of one memory, as ``exact_bounds`` says, in its arrays' terms.

    ``energy`` and ``cycles`` [n, 9] by the innermost loop above, ``known`` [n, 3, 9] the words;
    what does not turn is left as it is.
    """
    e = np.ones(9, np.int64)
    n = np.ones(9, np.int64)
    full = np.zeros(3)
    least = np.zeros(3)
    tile = np.zeros(3)
    words = np.zeros(3)
    memories = len(used) - 1
    out = np.zeros(memories)
    into = np.zeros(memories)
    spread = 1.0
    for d in range(8):
        spread *= above[d]
    for i in range(len(extents)):
        steps = 1.0
        for d in range(8):
            e[d] = extents[i, d] * inside[d]
            n[d] = left[d] // extents[i, d]
            steps *= n[d]
        need = 0.0
        for t in range(3):
            if parent[t] < 0:
                continue
            full[t], least[t], tile[t] = 1.0, 1.0, 1.0
            for a in range(axes[t]):
                one, two = terms[t, a, 0], terms[t, a, 1]
                full[t] *= tiles[t, a, place[one, e[one]], place[two, e[two]]]
                if roles[t, one] == SLIDING or roles[t, two] == SLIDING:
                    least[t] *= union[t, a, place[one, e[one]], place[two, e[two]]]
                else:
                    least[t] *= tiles[t, a, place[one, e[one]], place[two, e[two]]]
                tile[t] *= 1 + coef[t, a, one] * (e[one] - 1) + coef[t, a, two] * (e[two] - 1)
            for d in range(8):
                if roles[t, d] == 0:
                    full[t] *= n[d] * above[d]
                    least[t] *= above[d]
            need += tile[t]
        if capacity >= 0 and need > capacity:
            continue
        for t in range(3):
            if parent[t] >= 0:
                known[i, t, 8] = full[t]
        for d0 in range(9):
            # The innermost loop that turns; the MACs, and a single step, take every tile in full.
            if d0 == 8:
                if not (at_macs or steps == 1):
                    continue
            elif at_macs or n[d0] == 1:
                continue
            cost = 0.0
            for p in range(memories):
                out[p], into[p] = 0.0, 0.0
            own_in, own_out = 0.0, 0.0
            for t in range(3):
                if parent[t] < 0:
                    continue
                p = parent[t]
                role = 1 if d0 == 8 else roles[t, d0]
                words[t] = full[t]
                if role == 0:
                    words[t] = least[t]
                elif role == SLIDING:
                    prime = 2
                    while n[d0] % prime:
                        prime += 1
                    fresh = 1.0
                    for a in range(axes[t]):
                        one, two = terms[t, a, 0], terms[t, a, 1]
                        long = 1 + coef[t, a, one] * (e[one] - 1) + coef[t, a, two] * (e[two] - 1)
                        if d0 in (one, two):
                            long = min(long, coef[t, a, d0] * e[d0])
                        fresh *= long
                    some = spread * steps * ((1 - 1 / prime) * fresh - tile[t]) + full[t]
                    words[t] = min(full[t], max(least[t], some))
                known[i, t, d0] = words[t]
                if t == SUMS:
                    # Drains that save energy are as many as there can be.
                    cost += per_sum * (words[t] if per_sum >= 0 else full[t])
                    into[p] += words[t] / sent[t]
                    own_out += words[t]
                else:
                    cost += words[t] / sent[t] * price[p, READ]
                    out[p] += words[t] / sent[t]
                    if not at_macs:
                        cost += words[t] * price[memory, WRITE]
                        own_in += words[t]
            slow = 0.0
            for p in range(memories):
                one_way = out[p] / used[p] / rate[p, READ]
                other = into[p] / used[p] / rate[p, WRITE]
                slow = max(slow, one_way + other if shared[p] else max(one_way, other))
            if not at_macs:
                one_way = own_out / used[memory] / rate[memory, READ]
                other = own_in / used[memory] / rate[memory, WRITE]
                slow = max(slow, one_way + other if shared[memory] else max(one_way, other))
            energy[i, d0], cycles[i, d0] = cost, slow
