"""Repair of loop nests as genes: every memory holds its tiles, every mesh its instances.

One compiled pass per candidate, repeated until nothing changes. A tile that is too large shrinks at
the nearest loop in time around it, and the degrees of loops in space between stay as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from arraysmith.search.mapping_genes import Bool, Int

FIXED, FREE, UNIT = 0, 1, 2
"""Modes of a dim at a place: as the tile around it, any, or one index."""

NEVER, ALWAYS, PICKED = -2, -1, 0
"""Who decides whether a memory keeps a tensor: nobody, the memory, or the pick of this number."""


class Rules(NamedTuple):
    """What a nest has to keep.

    Attributes:
        extents: int64 [dims].
        mode: int64 [places, dims], one of FIXED, FREE, UNIT.
        mesh: int64 [places], most instances at a place in space; 0 at places in time.
        before: int64 [memories], place whose tiles a memory holds; -1 for whole extents.
        capacity: int64 [memories], words; -1 for no limit.
        keeper: int64 [memories, 3], NEVER, ALWAYS, or the number of a pick (0 keeps).
        axes: int64 [3], axes of each tensor.
        terms: int64 [3, axes, 2], the dims that move an axis; -1 for none.
        coefs: int64 [3, axes, 2], how far an index of each moves.
        sites: int64 [sites], place of each site.
        movable: bool [sites], whether loops may be reordered there.
        divide: whether every tile has to divide the one around it.
        least: int64 [places, dims], the smallest tiles: legal whatever the picks.
    """

    extents: Int
    mode: Int
    mesh: Int
    before: Int
    capacity: Int
    keeper: Int
    axes: Int
    terms: Int
    coefs: Int
    sites: Int
    movable: Bool
    divide: bool
    least: Int


@njit(cache=True, nogil=True)
def words_held(tile: Int, tensor: int, axes: Int, terms: Int, coefs: Int) -> int:
    """Return the words of a tensor's bounding box over a tile."""
    words = 1
    for a in range(axes[tensor]):
        reach = 1
        for k in range(2):
            d = terms[tensor, a, k]
            if d >= 0:
                reach += coefs[tensor, a, k] * (tile[d] - 1)
        words *= reach
    return words


@njit(cache=True, nogil=True)
def _need(rules: Rules, tile: Int, picks: Int, memory: int) -> int:
    """Return the words that ``memory`` has to hold."""
    need = 0
    for t in range(3):
        keeper = rules.keeper[memory, t]
        if keeper == ALWAYS or (keeper >= PICKED and picks[keeper] == 0):
            need += words_held(tile, t, rules.axes, rules.terms, rules.coefs)
    return need


@njit(cache=True, nogil=True)
def _nest(rules: Rules, tiles: Int) -> None:
    """Make every tile at most the one around it, and a divisor of it where they divide."""
    for d in range(len(rules.extents)):
        around = rules.extents[d]
        for p in range(len(rules.mode)):
            if rules.mode[p, d] == FIXED:
                tiles[p, d] = around
            elif rules.mode[p, d] == UNIT:
                tiles[p, d] = 1
            else:
                tile = min(max(tiles[p, d], 1), around)
                if rules.divide:
                    while around % tile:
                        tile -= 1
                tiles[p, d] = tile
            around = tiles[p, d]


@njit(cache=True, nogil=True)
def _shrink(rules: Rules, tiles: Int, place: int, d: int, target: int) -> bool:
    """Make the tile of ``d`` inside ``place`` at most ``target``; False if no loop in time can."""
    anchor = place
    while anchor >= 0 and (rules.mesh[anchor] > 0 or rules.mode[anchor, d] != FREE):
        anchor -= 1
    if anchor < 0:
        return False
    degrees = np.ones(place + 1, np.int64)
    around = tiles[anchor, d]
    whole = target
    for p in range(anchor + 1, place + 1):
        degrees[p] = -(-around // tiles[p, d])
        around = tiles[p, d]
        whole *= degrees[p]
    tiles[anchor, d] = min(tiles[anchor, d], whole)
    for p in range(anchor + 1, place + 1):
        tiles[p, d] = -(-tiles[p - 1, d] // degrees[p])
    return True


@njit(cache=True, nogil=True)
def _fits_meshes(rules: Rules, tiles: Int) -> int:
    """Lower degrees until every mesh has room.

    Returns 0: nothing to do, 1: done, 2: tiles shrank, 3: impossible.
    """
    done = 0
    dims = len(rules.extents)
    for p in range(len(rules.mode)):
        if rules.mesh[p] == 0:
            continue
        while True:
            used, most, widest = 1, 1, -1
            for d in range(dims):
                around = tiles[p - 1, d] if p else rules.extents[d]
                degree = -(-around // tiles[p, d])
                used *= degree
                if degree > most:
                    most, widest = degree, d
            if used <= rules.mesh[p]:
                break
            target = max(1, rules.mesh[p] // (used // most))
            around = tiles[p - 1, widest] if p else rules.extents[widest]
            if rules.mode[p, widest] == FREE:
                tile = -(-around // target)
                if rules.divide:
                    while around % tile:
                        tile += 1
                tiles[p, widest] = tile
                done = 1
            elif p and _shrink(rules, tiles, p - 1, widest, target):
                return 2
            else:
                return 3
    return done


@njit(cache=True, nogil=True)
def _fits_memories(rules: Rules, tiles: Int, picks: Int) -> int:
    """Shrink one tile if a memory is too small; 0: nothing to do, 2: shrank, 3: impossible."""
    dims = len(rules.extents)
    for m in range(len(rules.before)):
        place = rules.before[m]
        if rules.capacity[m] < 0 or place < 0:
            continue
        tile = tiles[place].copy()
        need = _need(rules, tile, picks, m)
        if need <= rules.capacity[m]:
            continue
        tried = np.zeros(dims, np.bool_)
        spread = np.ones(dims, np.int64)  # what loops in space inside need to be full
        for p in range(place + 1, len(rules.mode)):
            if rules.mesh[p]:
                for d in range(dims):
                    spread[d] *= -(-tiles[p - 1, d] // tiles[p, d])
        while True:
            largest = -1
            for d in range(dims):
                if tried[d] or tile[d] == 1:
                    continue
                if largest >= 0 and tile[d] * spread[largest] <= tile[largest] * spread[d]:
                    continue
                before, tile[d] = tile[d], 1
                if _need(rules, tile, picks, m) < need:
                    largest = d
                tile[d] = before
            if largest < 0:
                return 3
            tried[largest] = True
            before = tile[largest]
            low, high = max(1, before // 2), before - 1
            while low < high:
                tile[largest] = (low + high + 1) // 2
                if _need(rules, tile, picks, m) <= rules.capacity[m]:
                    low = tile[largest]
                else:
                    high = tile[largest] - 1
            tile[largest] = before
            if _shrink(rules, tiles, place, largest, low):
                return 2
    return 0


@njit(cache=True, nogil=True)
def repair_nests(
    rules: Rules, tiles: Int, orders: Int, picks: Int, sizes: Int, changed: Bool
) -> None:
    """Make candidates legal, in place, and write each in the one way that equal ones share.

    Args:
        rules: what they have to keep.
        tiles: [n, places, dims].
        orders: [n, sites, dims].
        picks: [n, picks].
        sizes: [picks], choices of each pick.
        changed: [n] receives which had to be changed to be legal.
    """
    dims = len(rules.extents)
    kept = np.empty(dims, np.int64)
    for i in range(len(tiles)):
        for k in range(len(sizes)):
            picks[i, k] = min(max(picks[i, k], 0), sizes[k] - 1)
        while True:
            _nest(rules, tiles[i])
            state = _fits_meshes(rules, tiles[i])
            if state == 0:
                state = _fits_memories(rules, tiles[i], picks[i])
            if state == 0:
                break
            changed[i] = True
            if state == 3:
                tiles[i] = rules.least
        for site in range(len(rules.sites)):
            p = rules.sites[site]
            if not rules.movable[site]:
                orders[i, site] = np.arange(dims)
                continue
            at = 0
            for d in orders[i, site]:
                if tiles[i, p, d] < (tiles[i, p - 1, d] if p else rules.extents[d]):
                    kept[at] = d
                    at += 1
            for d in range(dims):
                if tiles[i, p, d] == (tiles[i, p - 1, d] if p else rules.extents[d]):
                    kept[at] = d
                    at += 1
            orders[i, site] = kept
