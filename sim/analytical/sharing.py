"""Which instances share a transfer where tiles divide: the ``timeloop`` rules' part of it."""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import AXIS, LEVEL, TEMPORAL, TURNS, BoxTuple, Int


@njit(cache=True, nogil=True, _nrt=False)
def _add_offsets(values: Int, size: int, stride: int, turns: int) -> int:
    """Spread ``size`` values by 0, stride, ... (turns - 1) stride; return the new size."""
    for i in range(1, turns):
        for v in range(size):
            values[i * size + v] = values[v] + i * stride
    return size * turns


@njit(cache=True, nogil=True, _nrt=False)
def _distinct(values: Int, size: int) -> int:
    """Drop repetitions in ``values[:size]`` in place and return how many are left."""
    kept = 0
    for v in range(size):
        known = False
        for o in range(kept):
            known = known or values[o] == values[v]
        if not known:
            values[kept] = values[v]
            kept += 1
    return kept


@njit(cache=True, nogil=True, _nrt=False)
def mesh_offsets(
    network: Int,
    loops: int,
    nest: Int,
    boxes: BoxTuple,
    t: int,
    a: int,
    lev: int,
    out: Int,
    size: int,
    work: Int,
) -> int:
    """Extend ``out[:size]`` by the offsets along axis ``a`` of the children of fan-out ``lev``.

    Instances with the same tile count once, as far as the network recognises them. Returns the
    new size.
    """
    level, axis, turns = nest[LEVEL], nest[AXIS], nest[TURNS]
    stride = boxes[0]
    multicast, diagonal = network[lev, 0], network[lev, 1]
    # Groups are looked for in the whole mesh (part 0), or in columns (1) and then in rows (2).
    for part in range(3):
        if (part == 0) != (multicast and diagonal):
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
        if multicast and spreading > 1:
            count = _distinct(work, count)
        for v in range(count - 1, -1, -1):  # downwards: out[:size] is read until the end
            for o in range(size):
                out[v * size + o] = out[o] + work[v]
        size *= count
    return size


@njit(cache=True, nogil=True, _nrt=False)
def tile_groups(
    axes: int,
    network: Int,
    loops: int,
    nest: Int,
    boxes: BoxTuple,
    t: int,
    parent: int,
    child: int,
    scratch: Int,
) -> int:
    """Return how many transfers one tile change of tensor ``t`` takes per parent instance.

    One per group of children with the same tile, as far as each fan-out's network recognises them.
    """
    level, axis, turns = nest[LEVEL], nest[AXIS], nest[TURNS]
    stride, moves = boxes[0], boxes[1]
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
                    network, loops, nest, boxes, t, a, lev, scratch[0, a], 1, scratch[1, 0]
                )
            groups *= alone
        for s in range(loops):
            if level[s] == lev and axis[s] != TEMPORAL and not (network[lev, 0] or moves[t, s]):
                groups *= turns[s]
    return groups
