"""Where loops of a design may stand under a dataflow, and nests that heuristics propose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import reduces
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.search.mapping_genes import Genes, Int, log_uniform
from arraysmith.search.mapping_repair import FIXED, FREE, UNIT
from arraysmith.sim.analytical.encoding import COLUMN, ROW, TEMPORAL

if TYPE_CHECKING:
    from arraysmith.search.mapping_nests import NestSpace

PASSING = 0.1
"""Share of tensors that pass by a memory in what heuristics propose."""

AXES = {TEMPORAL: "temporal", COLUMN: "x", ROW: "y"}
"""Axis of a place -> the field of ``LevelMapping`` that has its loops."""


@dataclass(frozen=True)
class Place:
    """Where loops stand.

    Attributes:
        level: index of the level.
        axis: TEMPORAL, COLUMN or ROW.
        dims: dims that may stand here (positions among the space's dims), in their fixed order;
            a free order for loops in time without one.
        ordered: whether the dataflow fixes the order.
    """

    level: int
    axis: int
    dims: tuple[int, ...]
    ordered: bool


def without_single_turns(architecture: Architecture, problem: Problem, mapping: Mapping) -> Mapping:
    """Return a mapping without the loops that turn once, and without kept tensors that are all."""
    around = dict(problem.size)
    entries = []
    for level in architecture.levels:
        entry = mapping.at(level.name)
        groups: dict[str, tuple[Loop, ...]] = {}
        for name in ("temporal", "x", "y"):
            kept = []
            for loop in getattr(entry, name):
                if loop.tile < around[loop.dim]:
                    kept.append(loop)
                around[loop.dim] = loop.tile
            if kept:
                groups[name] = tuple(kept)
        keep = entry.keep
        if isinstance(level, Memory) and keep is not None:
            keep = tuple(x for x in level.holds if x in keep)
            keep = None if keep == level.holds else keep
        if groups or keep is not None:
            entries.append(LevelMapping(level.name, **groups, keep=keep))
    return Mapping(tuple(entries))


def places_of(
    architecture: Architecture, problem: Problem, dataflow: Dataflow, names: tuple[int, ...]
) -> tuple[Place, ...]:
    """Return the places of a design; dims as positions in ``names``."""
    position = {DIMS[d]: i for i, d in enumerate(names)}
    whole = {(rule.level, x) for rule in dataflow.rules for x in rule.whole if x in position}
    elsewhere = {x for _, x in whole}
    found = []
    for index, level in enumerate(architecture.levels):
        rule = dataflow.rule(level.name)
        if isinstance(level, Fanout):
            for axis, allowed in ((COLUMN, rule.x), (ROW, rule.y)):
                dims = DIMS if allowed is None else allowed
                if not reduces(level):
                    dims = tuple(x for x in dims if x in problem.ofmap.dims)
                dims = tuple(
                    x
                    for x in dims
                    if x in position and (x not in elsewhere or (level.name, x) in whole)
                )
                found.append(Place(index, axis, tuple(position[x] for x in dims), ordered=True))
            continue
        dims = DIMS if rule.temporal is None else rule.temporal
        dims = tuple(x for x in dims if x in position and x not in elsewhere)
        placed = tuple(position[x] for x in dims)
        found.append(Place(index, TEMPORAL, placed, ordered=rule.temporal is not None))
    return tuple(found)


def modes_of(
    problem: Problem,
    dataflow: Dataflow,
    places: tuple[Place, ...],
    names: tuple[int, ...],
) -> Int:
    """Return FIXED, FREE or UNIT for every place and dim; ArraysmithError for a dim without any."""
    mode = np.full((len(places), len(names)), FIXED, np.int64)
    for d, name in enumerate(names):
        allowed = [p for p, place in enumerate(places) if d in place.dims]
        if not allowed:
            if problem.sizes[name] == 1:
                continue
            raise ArraysmithError(
                f"{problem.name}: dataflow {dataflow.name} leaves no place for dim {DIMS[name]}"
            )
        mode[allowed, d] = FREE
        mode[allowed[-1], d] = UNIT
    return mode


def nest_seeds(space: NestSpace, rng: np.random.Generator, count: int) -> Genes:
    """Return nests with full meshes, large tiles inside, and one tensor left in place."""
    genes = space.random(rng, count)
    shape = (count, len(space.places), space.dims)
    turns = np.ones(shape, np.int64)
    left = np.tile(space.extents, (count, 1))
    rows = np.arange(count)
    for p in range(len(space.places) - 1, -1, -1):
        place = space.places[p]
        if not place.dims:
            continue
        allowed = np.zeros(space.dims, np.bool_)
        allowed[list(place.dims)] = True
        if place.axis == TEMPORAL:
            # Outermost first place takes the rest; inside, as much as chance has it.
            most = np.where(allowed, left, 1)
            drawn = log_uniform(rng, most)
            whole = rng.random((count, space.dims)) < 0.3
            turns[:, p] = np.where(allowed, np.where(whole, most, drawn), 1)
            left = -(-left // turns[:, p])
            continue
        room = np.full(count, space.mesh[p])
        sequence = rng.permuted(np.tile(np.arange(space.dims), (count, 1)), axis=1)
        for k in range(space.dims):
            d = sequence[:, k]
            can = allowed[d] & (rng.random(count) < 0.85)
            here = left[rows, d]
            degree = np.where(can, np.minimum(room, here), 1)
            folds = -(-here // degree)
            degree = -(-here // folds)  # no more than the folds need
            turns[rows, p, d] = degree
            left[rows, d] = folds
            room //= degree
    inside = np.ones((count, space.dims), np.int64)
    for p in range(len(space.places) - 1, -1, -1):
        genes.tiles[:, p] = np.minimum(inside, space.extents)
        inside = np.minimum(inside * turns[:, p], space.extents)
    still = rng.integers(3, size=count)
    indexed = np.array(
        [[DIMS[d] in tensor.dims for d in space.names] for tensor in space.problem.tensors]
    )
    for site in range(len(space.sites)):
        keys = rng.random((count, space.dims)) - indexed[still]
        genes.orders[:, site] = np.argsort(keys, axis=1)
    genes.picks[:] = rng.random(genes.picks.shape) < PASSING
    return genes
