"""Which instances share a transfer: offsets of the tiles over a mesh, and groups of equal ones."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import OFMAP, TEMPORAL, Int, NestTuple


@njit(cache=True, nogil=True)
def _add_offsets(values: Int, size: int, stride: int, turns: int) -> int:
    """Spread ``size`` values by 0, stride, ... (turns - 1) stride; return the new size."""
    for i in range(1, turns):
        for v in range(size):
            values[i * size + v] = values[v] + i * stride
    return size * turns


@njit(cache=True, nogil=True)
def _distinct(values: Int, size: int) -> int:
    """Sort ``values[:size]``, drop repetitions in place and return how many are left."""
    if size == 1:
        return 1
    ordered = np.sort(values[:size])
    kept = 0
    for v in range(size):
        if v == 0 or ordered[v] != ordered[v - 1]:
            values[kept] = ordered[v]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def mesh_offsets(
    network: Int,
    nest: NestTuple,
    t: int,
    a: int,
    lev: int,
    grouped: bool,
    out: Int,
    size: int,
    work: Int,
) -> int:
    """Extend ``out[:size]`` by the offsets along axis ``a`` of the children of fan-out ``lev``.

    Every instance counts or, if ``grouped``, instances with the same tile once, as far as the
    network recognises them. Returns the new size.
    """
    loops, level, axis, turns, stride, _, _, _ = nest
    multicast, diagonal = network[lev, 0], network[lev, 1]
    # Groups are looked for in the whole mesh (part 0), or in columns (1) and then in rows (2).
    for part in range(3):
        if (part == 0) != (grouped and multicast and diagonal):
            continue
        work[0] = 0
        count, spreading = 1, 0
        for s in range(loops):
            if level[s] == lev and axis[s] != TEMPORAL and (part in (0, axis[s])):
                by = stride[t, a, s]
                if by:
                    count = _add_offsets(work, count, by, turns[s])
                    spreading += 1
        if spreading == 0:
            continue
        if grouped and multicast and spreading > 1:
            count = _distinct(work, count)
        for v in range(count - 1, -1, -1):  # downwards: out[:size] is read until the end
            for o in range(size):
                out[v * size + o] = out[o] + work[v]
        size *= count
    return size


@njit(cache=True, nogil=True)
def spread(
    network: Int,
    nest: NestTuple,
    t: int,
    a: int,
    parent: int,
    child: int,
    grouped: bool,
    out: Int,
    work: Int,
) -> int:
    """Collect the tile offsets along axis ``a`` of the children that get a transfer each.

    Every instance of the parent counts; between parent and child see ``mesh_offsets``.
    Returns how many offsets were written to ``out``.
    """
    loops, level, axis, turns, stride, _, _, _ = nest
    out[0] = 0
    size = 1
    for s in range(loops):
        if axis[s] != TEMPORAL and level[s] < parent and stride[t, a, s]:
            size = _add_offsets(out, size, stride[t, a, s], turns[s])
    for lev in range(parent, child):
        size = mesh_offsets(network, nest, t, a, lev, grouped, out, size, work)
    return size


@njit(cache=True, nogil=True)
def tile_groups(
    axes: int, network: Int, nest: NestTuple, t: int, parent: int, child: int, scratch: Int
) -> int:
    """Return how many transfers one tile change of tensor ``t`` takes per parent instance.

    One per group of children with the same tile, as far as each fan-out's network recognises them.
    """
    loops, level, axis, turns, stride, moves, _, _ = nest
    groups = 1
    for lev in range(parent, child):
        for a in range(axes):
            alone, spreading = 1, 0
            for s in range(loops):
                if level[s] == lev and axis[s] != TEMPORAL and stride[t, a, s]:
                    alone *= turns[s]
                    spreading += 1
            if spreading > 1:  # two loops may bring the same tile to different instances
                scratch[0, a, 0] = 0
                alone = mesh_offsets(
                    network, nest, t, a, lev, True, scratch[0, a], 1, scratch[1, 0]
                )
            groups *= alone
        for s in range(loops):
            if level[s] == lev and axis[s] != TEMPORAL and not (network[lev, 0] or moves[t, s]):
                groups *= turns[s]
    return groups


@njit(cache=True, nogil=True)
def copies(
    network: Int,
    nest: NestTuple,
    t: int,
    parent: int,
    child: int,
    grouped: bool,
) -> int:
    """Return the factor by which spatial loops that do not move tensor ``t`` repeat a transfer."""
    loops, level, axis, turns, _, moves, _, _ = nest
    factor = 1
    for s in range(loops):
        if axis[s] == TEMPORAL or level[s] >= child or moves[t, s]:
            continue
        if level[s] < parent or not (grouped and network[level[s], 0]):
            factor *= turns[s]
    return factor


@njit(cache=True, nogil=True)
def result_groups(network: Int, nest: NestTuple, parent: int, child: int) -> tuple[int, int, int]:
    """Return (different tiles, tiles arriving, tiles sent) of results per parent instance."""
    loops, level, axis, turns, _, moves, _, _ = nest
    different, arriving, sent = 1, 1, 1
    for s in range(loops):
        if axis[s] != TEMPORAL and parent <= level[s] < child:
            different *= turns[s] if moves[OFMAP, s] else 1
            arriving *= turns[s] if moves[OFMAP, s] or not network[level[s], 2] else 1
            sent *= turns[s]
    return different, arriving, sent
