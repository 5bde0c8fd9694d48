"""Mappings as genes: a structure of integer arrays over a population, the same for every notation.

A *place* is where a tile is cut: the tile of every dim inside it. A *site* is a place with loops in
time, whose order is free. *Picks* are all other choices: shared dims, degrees, kept tensors. A
``GeneSpace`` says how many of each there are, what they may be, and what they mean; operators and
optimisers know no more than that. There are two: ``mapping_nests`` (our loop nests) and
``mapping_directives`` (MAESTRO's two levels of directives).

No candidate is evaluated that is not legal: ``repair`` turns any genes into those of a legal
mapping, written in one way, so that equal mappings have equal genes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.search.optimisers.base import Domain
from arraysmith.search.space import Genome

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

STEPS_PER_DOUBLING = 4
"""Tiles per doubling that the flat view offers, beside the divisors of the extent."""


@dataclass(frozen=True)
class Genes:
    """n mappings.

    Attributes:
        tiles: int64 [n, places, dims], indices of each dim inside each place, outermost first.
        orders: int64 [n, sites, dims], permutation of the dims at each site, outermost first.
        picks: int64 [n, picks], other choices, each from 0.
    """

    tiles: Int
    orders: Int
    picks: Int

    def __len__(self) -> int:
        return len(self.tiles)

    def take(self, rows: Int | slice) -> Genes:
        """Return some of the mappings, as copies."""
        return Genes(*(np.array(x[rows]) for x in (self.tiles, self.orders, self.picks)))

    def keys(self) -> list[bytes]:
        """Return one hashable key per mapping; equal ones for equal genes."""
        n = len(self)
        flat = np.concatenate(
            [x.reshape(n, prod(x.shape[1:])) for x in (self.tiles, self.orders, self.picks)], axis=1
        )
        rows = np.ascontiguousarray(flat.astype(np.int32))
        return [row.tobytes() for row in rows]


def joined(parts: list[Genes]) -> Genes:
    """Return the mappings of all parts, in order; at least one part."""
    columns = zip(*((x.tiles, x.orders, x.picks) for x in parts), strict=True)
    return Genes(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class Scores:
    """What a model says of n mappings.

    Attributes:
        cycles: int64 [n].
        energy: float64 [n], in the model's unit.
        valid: bool [n]; False where the model's own answer is wrong (a defect of its rules), so
            that the numbers do not count.
    """

    cycles: Int
    energy: Float
    valid: Bool


class GeneSpace(ABC):
    """Mappings of one layer on one machine, as genes.

    Attributes:
        extents: int64 [dims], extent of each dim.
        free: bool [places, dims], where a tile may differ from the one around it.
        sites: place of each site.
        movable: bool [sites], whether the order at a site is free.
        pick_sizes: number of choices of each pick.
    """

    extents: Int
    free: Bool
    sites: tuple[int, ...]
    movable: Bool
    pick_sizes: tuple[int, ...]

    @abstractmethod
    def repair(self, genes: Genes) -> tuple[Genes, Bool]:
        """Return legal genes, and which mappings had to be changed to be legal.

        Tiles above the extents or those around them are read as the largest allowed, which is no
        repair. Idempotent.
        """

    @abstractmethod
    def score(self, genes: Genes) -> Scores:
        """Return what the model says of legal genes."""

    @abstractmethod
    def parallelise(self, genes: Genes, rng: np.random.Generator) -> Genes:
        """Return genes with another shared dim, or another degree, somewhere."""

    @abstractmethod
    def seeds(self, rng: np.random.Generator, count: int, objective: str) -> Genes:
        """Return at most ``count`` mappings that heuristics propose, the most promising first."""

    @property
    def dims(self) -> int:
        """Number of dims."""
        return len(self.extents)

    def random(self, rng: np.random.Generator, count: int) -> Genes:
        """Return random genes: tiles log-uniform below the tile around, the rest uniform."""
        tiles = np.empty((count, len(self.free), self.dims), np.int64)
        around = np.broadcast_to(self.extents, (count, self.dims))
        for place, free in enumerate(self.free):
            drawn = log_uniform(rng, around)
            tiles[:, place] = around = np.where(free, drawn, around)
        orders = rng.permuted(
            np.tile(np.arange(self.dims), (count, len(self.sites), 1)), axis=2
        ).astype(np.int64)
        picks = np.empty((count, len(self.pick_sizes)), np.int64)
        for i, size in enumerate(self.pick_sizes):
            picks[:, i] = rng.integers(size, size=count)
        return Genes(tiles, orders, picks)


def log_uniform(rng: np.random.Generator, most: Int) -> Int:
    """Return whole numbers from 1 to ``most``, log-uniform: as often 1 to 2 as 50 to 100."""
    drawn = np.exp(rng.random(most.shape) * np.log(most + 1.0))
    within: Int = np.minimum(np.maximum(drawn.astype(np.int64), 1), most)
    return within


@cache
def tile_choices(extent: int) -> tuple[int, ...]:
    """Return the tiles that the flat view offers: spread evenly in logarithm, and all divisors."""
    steps = int(np.ceil(STEPS_PER_DOUBLING * np.log2(extent))) if extent > 1 else 0
    spread = {round(2 ** (i / STEPS_PER_DOUBLING)) for i in range(steps + 1)}
    divisors = {x for x in range(1, extent + 1) if extent % x == 0}
    return tuple(sorted(x for x in spread | divisors if x <= extent))


@dataclass(frozen=True)
class FlatView:
    """A space as plain integers, for optimisers that know only those.

    A gene per tile that may be chosen (an index into ``tile_choices``), one per dim and movable
    site (a rank: loops are sorted by it, ties by dim) and one per pick.
    """

    space: GeneSpace

    @property
    def domain(self) -> Domain:
        """Where an optimiser may look. Every genome decodes into a legal mapping."""
        space = self.space
        tiles = [len(tile_choices(int(space.extents[d]))) for _, d in self._tiles]
        ranks = [space.dims] * (int(space.movable.sum()) * space.dims)
        sizes = (*tiles, *ranks, *space.pick_sizes)
        known = [tile_choices(int(space.extents[d])) for _, d in self._tiles]
        magnitudes = (*known, *[()] * (len(sizes) - len(known)))
        return Domain(sizes, lambda genome: genome, magnitudes=magnitudes)

    @property
    def _tiles(self) -> list[tuple[int, int]]:
        rows, columns = np.nonzero(self.space.free & (self.space.extents > 1))
        return list(zip(rows.tolist(), columns.tolist(), strict=True))

    def decode(self, genomes: list[Genome]) -> Genes:
        """Return the genes of genomes, before repair."""
        space = self.space
        flat = np.array(genomes, np.int64).reshape(len(genomes), -1)
        n, cells = len(genomes), self._tiles
        tiles = np.ones((n, *space.free.shape), np.int64)
        chosen = {cell: column for column, cell in enumerate(cells)}
        around = np.broadcast_to(space.extents, (n, space.dims))
        for place in range(len(space.free)):
            inside = np.array(around)
            for d in range(space.dims):
                if (place, d) in chosen:
                    table = np.array(tile_choices(int(space.extents[d])), np.int64)
                    inside[:, d] = np.minimum(around[:, d], table[flat[:, chosen[place, d]]])
            tiles[:, place] = around = inside
        at = len(cells)
        orders = np.tile(np.arange(space.dims), (n, len(space.sites), 1)).astype(np.int64)
        for site in np.flatnonzero(space.movable):
            orders[:, site] = np.argsort(flat[:, at : at + space.dims], axis=1, kind="stable")
            at += space.dims
        return Genes(tiles, orders, np.array(flat[:, at:]))
