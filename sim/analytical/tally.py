"""Sums over the tiles of one dim, exact for tiles that do not divide.

A loop of tile t inside a tile of extent e turns ceil(e / t) times and its last turn covers what is
left. Tiles at one depth of a nest have few different extents (the full one, and at most one that is
shorter for every loop outside), so that counting tiles by extent is closed however long the loops.
"""

from __future__ import annotations

from numba import njit

from arraysmith.sim.analytical.encoding import (
    AXIS,
    CLASSES,
    DIM,
    LEVEL,
    PLAIN,
    SIZES,
    TEMPORAL,
    TILE,
    Int,
)


@njit(cache=True, nogil=True, _nrt=False)
def tally(
    nest: Int,
    d: int,
    above: int,
    cut: int,
    coefficient: int,
    single: int,
) -> int:
    """Return the sum of ``coefficient`` (extent - 1) + 1 over tiles of dim ``d``.

    Args:
        nest: the loops, see ``encoding``; those from ``above`` on are inside the tiles.
        d: the dim.
        above: number of loops that cut the dim into the tiles.
        cut: last loop in time of which every turn counts; later ones stand at their first turn.
        coefficient: words that one index more adds. Tiles that the turns of the loops after ``cut``
            change are then left out. 0 counts the tiles, changed or not.
        single: a bit per level, 1 for fan-outs of which only the first instance counts if tiles are
            counted.
    """
    nest[CLASSES, 0], nest[CLASSES + 1, 0] = nest[SIZES, d], 1
    found = 1
    for s in range(above):
        if nest[DIM, s] != d:
            continue
        tile = nest[TILE, s]
        in_time = nest[AXIS, s] == TEMPORAL
        full, kept = 0, 0
        for c in range(found):
            extent, number = nest[CLASSES, c], nest[CLASSES + 1, c]
            if (s > cut) if in_time else (coefficient == 0 and single >> nest[LEVEL, s] & 1 == 1):
                if extent >= tile:
                    full += number if coefficient == 0 or extent == tile or not in_time else 0
                    continue
            else:
                full += number * (extent // tile)
                extent %= tile
            if extent:
                nest[CLASSES, kept], nest[CLASSES + 1, kept] = extent, number
                kept += 1
        if full:
            nest[CLASSES, kept], nest[CLASSES + 1, kept] = tile, full
            kept += 1
        found = kept
    total = 0
    for c in range(found):
        total += nest[CLASSES + 1, c] * (coefficient * (nest[CLASSES, c] - 1) + 1)
    return total


@njit(cache=True, nogil=True, _nrt=False)
def tally_uneven(nest: Int, uneven: int, t: int, above: int, turned: int, single: int) -> int:
    """Return the product over the dims with tiles of unequal length, when a loop turns.

    Dims that move the tensor count the words of the tiles that stay, and so none if it is theirs
    that turns; others count tiles, those that turn if it is theirs.

    Args:
        nest: the loops, see ``encoding``.
        uneven: a bit per dim.
        t: the tensor.
        above: number of loops that cut the dims into the tiles.
        turned: the loop in time that turns.
        single: see ``tally``.
    """
    here = nest[DIM, turned]
    product = 1
    for d in range(8):
        if not uneven >> d & 1:
            continue
        role = nest[PLAIN + t, d]
        if role:
            product *= 0 if d == here else tally(nest, d, above, turned, role, single)
            continue
        number = tally(nest, d, above, turned, role, single)
        if d == here:
            number -= tally(nest, d, above, turned - 1, role, single)
        product *= number
    return int(product)
