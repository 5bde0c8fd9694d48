"""Operators on genes: GAMMA's, and beyond. Each makes a child of every parent of a batch.

Kao and Krishna, GAMMA, ICCAD 2020: crossover per dim, reorder, mutation of tiles and of shared
dims, growing and aging of levels. An operator takes (space, parents, mates, generator) and returns
as many children, before repair; it draws from the generator only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arraysmith.search.mapping_genes import Bool, Genes, GeneSpace, Int, log_uniform

Operator = Callable[[GeneSpace, Genes, Genes, np.random.Generator], Genes]


def cross(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Take all tiles of one dim from the mate."""
    tiles = parents.tiles.copy()
    rows, dims = np.arange(len(parents)), _drawn_dims(space, rng, len(parents))
    tiles[rows, :, dims] = mates.tiles[rows, :, dims]
    return Genes(tiles, parents.orders.copy(), parents.picks.copy())


def blend(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Take every dim's tiles, every order and all picks from either parent."""
    n = len(parents)
    dims = rng.random((n, 1, space.dims)) < 0.5
    sites = rng.random((n, len(space.sites), 1)) < 0.5
    picks = rng.random((n, 1)) < 0.5
    return Genes(
        np.where(dims, mates.tiles, parents.tiles),
        np.where(sites, mates.orders, parents.orders),
        np.where(picks, mates.picks, parents.picks),
    )


def reorder(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Swap two loops of a site, or move one to another position."""
    del mates
    orders = parents.orders.copy()
    movable, n = np.flatnonzero(space.movable), len(parents)
    if len(movable):
        rows, sites = np.arange(n), movable[rng.integers(len(movable), size=n)]
        source, target = rng.integers(space.dims, size=(2, n))
        swap = rng.random(n) < 0.5
        keys = np.tile(np.arange(space.dims, dtype=np.float64), (n, 1))
        keys[rows, source] = np.where(swap, target, target + np.where(target > source, 0.5, -0.5))
        keys[rows[swap], target[swap]] = source[swap]
        order = np.argsort(keys, axis=1)
        orders[rows, sites] = np.take_along_axis(orders[rows, sites], order, axis=1)
    return Genes(parents.tiles.copy(), orders, parents.picks.copy())


def resize(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Change one to three tiles: a step, half or double, log-uniform, balanced, whole, or one."""
    del mates
    tiles = parents.tiles.copy()
    n = len(parents)
    many = rng.choice(3, size=n, p=(0.6, 0.25, 0.15)) + 1
    for turn in range(3):
        rows = np.flatnonzero(many > turn)
        places, dims = _drawn_cells(space, rng, len(rows))
        tiles[rows, places, dims] = _resized(space, tiles, rows, places, dims, rng)
    return Genes(tiles, parents.orders.copy(), parents.picks.copy())


def exchange(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Make the tile of one dim larger and of another one smaller at the same place, as much."""
    del mates
    tiles = parents.tiles.copy()
    n = len(parents)
    rows = np.arange(n)
    places, grown = _drawn_cells(space, rng, n)
    shrunk = _drawn_dims(space, rng, n)
    factor = np.exp(rng.random(n) * np.log(4.0)) * 1.0
    larger = np.ceil(tiles[rows, places, grown] * factor).astype(np.int64)
    tiles[rows, places, grown] = np.minimum(larger, space.extents[grown])
    other = shrunk != grown
    smaller = np.floor(tiles[rows, places, shrunk] / factor).astype(np.int64)
    tiles[rows[other], places[other], shrunk[other]] = np.maximum(smaller, 1)[other]
    _open_outside(tiles, rows, places, grown)
    return Genes(tiles, parents.orders.copy(), parents.picks.copy())


def share(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Share another dim, or by another degree."""
    del mates
    return space.parallelise(parents, rng)


def grow(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Draw the tiles of one site anew between those around it, so that it has loops again."""
    del mates
    tiles = parents.tiles.copy()
    rows, places, around = _drawn_sites(space, tiles, rng)
    last = tiles.shape[1] - 1
    inside = tiles[rows, np.minimum(places + 1, last)]
    inside = np.where(places[:, None] == last, 1, inside)
    drawn = inside * log_uniform(rng, np.maximum(around // inside, 1))
    tiles[rows, places] = np.where(space.free[places], drawn, tiles[rows, places])
    return Genes(tiles, parents.orders.copy(), parents.picks.copy())


def age(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Take the loops of one site away: its tiles become those around it."""
    del mates
    tiles = parents.tiles.copy()
    rows, places, around = _drawn_sites(space, tiles, rng)
    tiles[rows, places] = np.where(space.free[places], around, tiles[rows, places])
    return Genes(tiles, parents.orders.copy(), parents.picks.copy())


def repick(space: GeneSpace, parents: Genes, mates: Genes, rng: np.random.Generator) -> Genes:
    """Draw one of the other choices anew."""
    del mates
    picks = parents.picks.copy()
    n, sizes = len(parents), np.array(space.pick_sizes, np.int64)
    if len(sizes):
        columns = rng.integers(len(sizes), size=n)
        picks[np.arange(n), columns] = (rng.random(n) * sizes[columns]).astype(np.int64)
    return Genes(parents.tiles.copy(), parents.orders.copy(), picks)


def _drawn_dims(space: GeneSpace, rng: np.random.Generator, count: int) -> Int:
    """Return dims of more than one index."""
    open_dims = np.flatnonzero(space.extents > 1)
    open_dims = open_dims if len(open_dims) else np.zeros(1, np.int64)
    drawn: Int = open_dims[rng.integers(len(open_dims), size=count)]
    return drawn


def _drawn_cells(space: GeneSpace, rng: np.random.Generator, count: int) -> tuple[Int, Int]:
    """Return places and dims whose tile is free."""
    rows, columns = np.nonzero(space.free & (space.extents > 1))
    if not len(rows):
        rows, columns = np.zeros(1, np.int64), np.zeros(1, np.int64)
    drawn = rng.integers(len(rows), size=count)
    return rows[drawn], columns[drawn]


def _drawn_sites(space: GeneSpace, tiles: Int, rng: np.random.Generator) -> tuple[Int, Int, Int]:
    """Return every row, the place of a site drawn for it, and the tiles around that."""
    rows = np.arange(len(tiles))
    places = np.array(space.sites, np.int64)[rng.integers(len(space.sites), size=len(tiles))]
    outer = tiles[rows, np.maximum(places - 1, 0)]
    return rows, places, np.where(places[:, None] == 0, space.extents, outer)


def _around(space: GeneSpace, tiles: Int, rows: Int, places: Int, dims: Int) -> Int:
    """Return the tile around each of some cells."""
    outer = tiles[rows, np.maximum(places - 1, 0), dims]
    return np.where(places == 0, space.extents[dims], outer)


def _resized(
    space: GeneSpace, tiles: Int, rows: Int, places: Int, dims: Int, rng: np.random.Generator
) -> Int:
    n = len(rows)
    here, around = tiles[rows, places, dims], _around(space, tiles, rows, places, dims)
    # Balanced: as few as possible above an equal share of one turn more or fewer, or of any number.
    turns = -(-around // here)
    drawn_turns = np.where(
        rng.random(n) < 0.6,
        np.maximum(turns + rng.choice((-2, -1, 1, 2), size=n), 1),
        log_uniform(rng, around),
    )
    choices = np.stack(
        [
            here + rng.choice((-1, 1), size=n),
            np.where(rng.random(n) < 0.5, here * 2, here // 2),
            log_uniform(rng, around),
            log_uniform(rng, np.broadcast_to(space.extents[dims], n)),
            -(-around // drawn_turns),
            -(-around // drawn_turns),
            around,
        ]
    )
    drawn = choices[rng.integers(len(choices), size=n), np.arange(n)]
    result: Int = np.minimum(np.maximum(drawn, 1), space.extents[dims])
    above: Bool = result > around
    if above.any():
        tiles[rows, places, dims] = result
        _open_outside(tiles, rows[above], places[above], dims[above])
    return result


def _open_outside(tiles: Int, rows: Int, places: Int, dims: Int) -> None:
    """Make tiles around some cells large enough to hold them."""
    inside = tiles[rows, places, dims]
    for place in range(tiles.shape[1]):
        outer = place < places
        here = tiles[rows[outer], place, dims[outer]]
        tiles[rows[outer], place, dims[outer]] = np.maximum(here, inside[outer])


OPERATORS: dict[str, Operator] = {
    "cross": cross,
    "blend": blend,
    "reorder": reorder,
    "resize": resize,
    "exchange": exchange,
    "share": share,
    "grow": grow,
    "age": age,
    "repick": repick,
}
"""By name; ``cross``, ``reorder``, ``resize``, ``share``, ``grow`` and ``age`` are GAMMA's."""
