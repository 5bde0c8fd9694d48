"""Repair of MAESTRO's directives as genes: L1 and L2 hold what the rules say they need.

The rules, and the numbers of the defects of that tool, are those of ``sim.analytical.maestro``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.search.mapping_genes import Bool, Int


@njit(cache=True, nogil=True)
def l1_elements_of(tile: Int, depthwise: bool, taps_y: int, taps_x: int) -> int:
    """Return the elements of L1 that a PE's tile takes, twice for double buffering."""
    k, c, y, x = tile[0], tile[1], tile[2] + taps_y - 1, tile[3] + taps_x - 1
    weights: int = c * taps_y * taps_x * (1 if depthwise else k)
    results: int = y * x * (c if depthwise else k)  # defect 7
    inputs: int = c * y * x
    return 2 * (inputs + weights + results)


@njit(cache=True, nogil=True)
def l2_elements_of(
    tile: Int, whole: Int, shared: int, units: int, depthwise: bool, taps_y: int, taps_x: int
) -> int:
    """Return at least the elements of L2 that the first case takes; twice for double buffering.

    The last unit may have less: what it lacks of inputs and weights is taken off, of results not.
    """
    turns = -(-whole[shared] // tile[shared])
    active = min(units, turns)
    total = 0
    for tensor in range(3):
        ragged = whole[shared] < tile[shared] * units
        for last in range(2):
            times = 1 if last else active - 1
            words = 1
            spread = False
            for d in range(4):
                if depthwise:
                    owns = d == 1 or (d >= 2 and tensor != 1)
                else:
                    owns = d != 0 if tensor == 0 else (d < 2 if tensor == 1 else d != 1)
                if not owns:
                    continue
                held = tile[d]
                if d == shared:
                    spread = True
                    if last and ragged and tensor < 2:
                        held = whole[d] - (turns - 1) * tile[d]
                if d == 2 and tensor < 2:
                    held += taps_y - 1
                if d == 3 and tensor < 2:
                    held += taps_x - 1
                words *= held
            if tensor == 1:
                words *= taps_y * taps_x
            if not spread:
                times = last
            total += times * words
    return 2 * total


@njit(cache=True, nogil=True)
def grow_tiles(
    tiles: Int,
    picks: Int,
    extents: Int,
    shareable: Int,
    sequence: Int,
    grown: Bool,
    pes: int,
    depthwise: bool,
    taps_y: int,
    taps_x: int,
    l2_elements: int,
) -> None:
    """Grow outer tiles of dims that are not shared, in the sequence given, while L2 holds them."""
    for i in range(len(tiles)):
        if not grown[i]:
            continue
        outer = tiles[i, 0]
        shared = shareable[picks[i, 0]]
        units = pes // (picks[i, 2] + 1)
        for k in range(4):
            d = sequence[i, k]
            if d == shared:
                continue
            low, high = outer[d], extents[d]
            while low < high:
                outer[d] = (low + high + 1) // 2
                if (
                    l2_elements_of(outer, extents, shared, units, depthwise, taps_y, taps_x)
                    <= l2_elements
                ):
                    low = outer[d]
                else:
                    high = outer[d] - 1
            # Equal shares: as many turns with less to hold.
            outer[d] = -(-extents[d] // (-(-extents[d] // low)))


@njit(cache=True, nogil=True)
def loses_work(whole: int, tile: int, units: int) -> bool:
    """Return whether the rules leave work out: defect 3 of them, on the outer level."""
    turns = -(-whole // tile)
    last = (turns - 1) % units + 1
    return whole % tile != 0 and turns > units and last > 1


@njit(cache=True, nogil=True)
def repair_directives(
    tiles: Int,
    orders: Int,
    picks: Int,
    extents: Int,
    shareable: Int,
    pes: int,
    depthwise: bool,
    taps_y: int,
    taps_x: int,
    l1_elements: int,
    l2_elements: int,
    changed: Bool,
) -> None:
    """Make candidates legal, in place, and write each in the one way that equal ones share.

    Tiles shrink, the largest dim first, until L1 and L2 hold them; a shared tile shrinks until the
    rules count all of its work.
    """
    for i in range(len(tiles)):
        outer, inner = tiles[i, 0], tiles[i, 1]
        picks[i, 2] = min(max(picks[i, 2], 0), pes - 1)
        for d in range(4):
            outer[d] = min(max(outer[d], 1), extents[d])
            inner[d] = min(max(inner[d], 1), outer[d])
        while l1_elements_of(inner, depthwise, taps_y, taps_x) > l1_elements:
            changed[i] = True
            d = int(np.argmax(inner))
            inner[d] = _cut(inner, d, extents, 0, 0, True, depthwise, taps_y, taps_x, l1_elements)
        shared = shareable[picks[i, 0]]
        units = pes // (picks[i, 2] + 1)
        while (
            l2_elements_of(outer, extents, shared, units, depthwise, taps_y, taps_x) > l2_elements
        ):
            changed[i] = True
            if outer.max() == 1:
                # Not even one index a group fits: more units in a group, so fewer groups.
                picks[i, 2] = min(pes - 1, 2 * picks[i, 2] + 1)
                units = pes // (picks[i, 2] + 1)
                continue
            d = int(np.argmax(outer))
            outer[d] = _cut(
                outer, d, extents, shared, units, False, depthwise, taps_y, taps_x, l2_elements
            )
        # The rules lose work where the last of several folds of groups has a ragged end.
        while loses_work(extents[shared], outer[shared], units):
            changed[i] = True
            outer[shared] -= 1
        for d in range(4):
            inner[d] = min(inner[d], outer[d])
        # One way to write a mapping: loops that hold their dim whole change nothing where they
        # stand, unless units share them.
        for level in range(2):
            at = 0
            kept = np.empty(4, np.int64)
            shared = shareable[picks[i, level]]
            for whole in range(2):
                for k in range(4):
                    d = orders[i, level, k]
                    around = extents[d] if level == 0 else outer[d]
                    still = tiles[i, level, d] == around and d != shared
                    if still == (whole == 1):
                        kept[at] = d
                        at += 1
                if whole == 0:
                    turning = at
            kept[turning:] = np.sort(kept[turning:])
            orders[i, level] = kept


@njit(cache=True, nogil=True)
def _cut(
    tile: Int,
    d: int,
    extents: Int,
    shared: int,
    units: int,
    private: bool,
    depthwise: bool,
    taps_y: int,
    taps_x: int,
    limit: int,
) -> int:
    """Return a smaller tile of dim ``d``: the largest that fits, but no less than half of it."""
    before = tile[d]
    least = before // 2 if before > 1 else 1
    low, high = max(least, 1), before - 1
    while low < high:
        tile[d] = (low + high + 1) // 2
        if private:
            need = l1_elements_of(tile, depthwise, taps_y, taps_x)
        else:
            need = l2_elements_of(tile, extents, shared, units, depthwise, taps_y, taps_x)
        if need <= limit:
            low = tile[d]
        else:
            high = tile[d] - 1
    tile[d] = before
    return low
