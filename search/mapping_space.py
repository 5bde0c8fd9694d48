"""All mappings that a dataflow allows, as slots and factors; enumerated when few, else sampled.

Every dim is split into factors over the places where the dataflow lets it stand. Spatial splits are
listed first, those that use at least ``LEAST_SHARE`` of the PEs that the best split uses on some
mesh. The rest of a dim is split over the temporal places. Loop orders at free levels: only what
stands innermost decides reuse, so the orders tried are those with the loops that leave one tensor
in place innermost, and each of them last once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import reduces
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.sim.analytical.encoding import COLUMN, ROW, TEMPORAL, Int, MappingArrays

LEAST_SHARE = 0.75
"""Least share of the best split's PEs for a spatial split to be kept.

Fewer PEs cost cycles in proportion; energy cannot make that up, because off-chip traffic and MACs,
which no split changes, are most of it in every design worth finding.
"""

CHUNK = 1 << 16
"""Mappings at a time: bounds memory."""

Meshes = Sequence[tuple[int, ...]]
"""Meshes to cover: (mesh_x, mesh_y) of each fan-out, outermost first, flattened."""


@cache
def splits(number: int, places: int) -> tuple[tuple[int, ...], ...]:
    """Return all ordered factorisations of ``number`` into ``places`` factors."""
    if places == 0:
        return ((),) if number == 1 else ()
    if places == 1:
        return ((number,),)
    return tuple(
        (first, *rest)
        for first in range(1, number + 1)
        if number % first == 0
        for rest in splits(number // first, places - 1)
    )


@dataclass(frozen=True)
class Points:
    """n mappings of a space, as factors.

    Attributes:
        temporal: int64 [n, places, dims], turns of each dim at each temporal place.
        order: int64 [n, places], which of the place's loop orders.
        spatial: int64 [n, spatial slots], factor of each spatial slot.
    """

    temporal: Int
    order: Int
    spatial: Int

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: Int | slice) -> Points:
        """Return some of the points."""
        return Points(self.temporal[rows], self.order[rows], self.spatial[rows])


@dataclass(frozen=True)
class MappingSpace:
    """The mappings of one problem under one dataflow that fit at least one of some meshes.

    Attributes:
        architecture: gives the levels.
        problem: the operator.
        places: level of each temporal place: a memory where the dataflow lets loops stand.
        orders: per place, the loop orders to try; each a tuple of dim indices, outermost first.
        slots: spatial slots (level, axis code, dim index).
        splits: spatial splits worth sampling; factors of the slots.
        whole: dims that the dataflow spreads whole: their factors never move.
    """

    architecture: Architecture
    problem: Problem
    places: tuple[int, ...]
    orders: tuple[tuple[tuple[int, ...], ...], ...]
    slots: tuple[tuple[int, int, int], ...]
    splits: tuple[tuple[int, ...], ...]
    whole: frozenset[int]

    @classmethod
    def of(
        cls, architecture: Architecture, problem: Problem, dataflow: Dataflow, meshes: Meshes
    ) -> MappingSpace:
        """Return the space; ArraysmithError if some dim has no place or nothing fits a mesh."""
        active = [d for d, size in enumerate(problem.sizes) if size > 1]
        whole = frozenset(DIMS.index(x) for rule in dataflow.rules for x in rule.whole)
        slots = spatial_slots(architecture, problem, dataflow, active)
        places, orders = _temporal_orders(
            architecture, problem, dataflow, [d for d in active if d not in whole]
        )
        for d in active:
            spread = any(dim == d for _, _, dim in slots)
            if not spread and not any(d in choice[0] for choice in orders):
                raise ArraysmithError(
                    f"{problem.name}: dataflow {dataflow.name} leaves no place for dim {DIMS[d]}"
                )
        found = _spatial_splits(architecture, problem, dataflow, slots, meshes)
        if not found:
            raise ArraysmithError(
                f"{problem.name}: no spatial split of dataflow {dataflow.name} fits the mesh"
            )
        return cls(architecture, problem, places, orders, slots, found, whole)

    def open_to(self, dim: int) -> tuple[int, ...]:
        """Return the temporal places (indices) where ``dim`` may stand."""
        return tuple(i for i, orders in enumerate(self.orders) if dim in orders[0])

    @property
    def factorisations(self) -> int:
        """Ways to deal the factors of all dims out over the places, loop orders not counted."""
        return sum(prod(len(x) for x in self._rests(s)) for s in self.splits)

    def _rests(self, spatial: tuple[int, ...]) -> list[tuple[tuple[int, ...], ...]]:
        """Return, per dim, the temporal splits of what the spatial split leaves of it."""
        left = list(self.problem.sizes)
        for (_, _, dim), factor in zip(self.slots, spatial, strict=True):
            left[dim] //= factor
        return [splits(left[d], len(self.open_to(d))) for d in range(len(DIMS))]

    def points(self, rng: np.random.Generator, limit: int) -> Iterator[Points]:
        """Yield mappings in chunks: all, if there are at most ``limit`` factorisations.

        Else a sample of ``limit`` mappings: spatial splits, factors and orders drawn uniformly.
        """
        if self.factorisations <= limit:
            for split in self.splits:
                yield from self._all_of(split)
        else:
            sample = self._sample(rng, limit)
            for start in range(0, limit, CHUNK):
                yield sample.take(slice(start, start + CHUNK))

    def _all_of(self, split: tuple[int, ...]) -> Iterator[Points]:
        """Yield the mappings of one spatial split in every order that makes a difference."""
        rests = self._rests(split)
        shape = tuple(len(options) for options in rests)
        temporal = np.ones((prod(shape), len(self.places), len(DIMS)), np.int64)
        for d, (options, picks) in enumerate(zip(rests, np.indices(shape), strict=True)):
            factors = np.array(options, np.int64).reshape(len(options), -1)
            temporal[:, list(self.open_to(d)), d] = factors[picks.ravel()]
        turning = (temporal > 1) @ (1 << np.arange(len(DIMS)))  # [n, places], a bit per dim
        for order in itertools.product(*(range(len(orders)) for orders in self.orders)):
            first = np.ones(len(temporal), np.bool_)
            for place, number in enumerate(order):
                first &= _first_orders(self.orders[place])[number, turning[:, place]]
            rows = np.flatnonzero(first)
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                yield Points(
                    temporal[part],
                    np.tile(np.array(order, np.int64), (len(part), 1)),
                    np.tile(np.array(split, np.int64), (len(part), 1)),
                )

    def _sample(self, rng: np.random.Generator, limit: int) -> Points:
        which = np.sort(rng.integers(len(self.splits), size=limit))
        temporal = np.ones((limit, len(self.places), len(DIMS)), np.int64)
        start = 0
        for s, split in enumerate(self.splits):
            count = int(np.searchsorted(which, s, side="right")) - start
            for d, options in enumerate(self._rests(split)):
                pick = np.array(options, np.int64)[rng.integers(len(options), size=count)]
                for column, place in enumerate(self.open_to(d)):
                    temporal[start : start + count, place, d] = pick[:, column]
            start += count
        order = np.zeros((limit, len(self.places)), np.int64)
        for place, orders in enumerate(self.orders):
            order[:, place] = rng.integers(len(orders), size=limit)
        return Points(temporal, order, np.array(self.splits, np.int64)[which])

    def loops(self, points: Points) -> MappingArrays:
        """Return the points as loops, in the slots of the whole space."""
        n = len(points)
        columns: list[tuple[int, int, Int, Int]] = []
        for index, level in enumerate(self.architecture.levels):
            if isinstance(level, Fanout):
                for slot, (at, axis, d) in enumerate(self.slots):
                    if at == index:
                        columns.append((index, axis, np.full(n, d), points.spatial[:, slot]))
            elif index in self.places:
                place = self.places.index(index)
                order = np.array(self.orders[place], np.int64)[points.order[:, place]]
                turns = np.take_along_axis(points.temporal[:, place], order, axis=1)
                columns += [
                    (index, TEMPORAL, order[:, position], turns[:, position])
                    for position in range(order.shape[1])
                ]
        return MappingArrays(
            np.array([column[0] for column in columns], np.int64),
            np.array([column[1] for column in columns], np.int64),
            np.stack([column[2] for column in columns], axis=1),
            np.stack([column[3] for column in columns], axis=1),
        )

    def neighbours(self, point: Points) -> Points:
        """Return the points one move away: a prime factor moved, or another loop order.

        Args:
            point: one point.
        """
        temporal, order, spatial = [], [], []
        for d, size in enumerate(self.problem.sizes):
            if size == 1 or d in self.whole:
                continue
            homes = [(0, place) for place in self.open_to(d)]
            homes += [(1, slot) for slot, (_, _, dim) in enumerate(self.slots) if dim == d]
            for source, target in itertools.permutations(homes, 2):
                here = point.spatial[0, source[1]] if source[0] else point.temporal[0, source[1], d]
                for prime in _primes(int(here)):
                    t, s = point.temporal[0].copy(), point.spatial[0].copy()
                    for (kind, at), numerator, denominator in (
                        (source, 1, prime),
                        (target, prime, 1),
                    ):
                        if kind:
                            s[at] = s[at] * numerator // denominator
                        else:
                            t[at, d] = t[at, d] * numerator // denominator
                    temporal.append(t)
                    order.append(point.order[0])
                    spatial.append(s)
        for place, orders in enumerate(self.orders):
            for other in range(len(orders)):
                if other != point.order[0, place]:
                    changed = point.order[0].copy()
                    changed[place] = other
                    temporal.append(point.temporal[0])
                    order.append(changed)
                    spatial.append(point.spatial[0])
        return Points(
            np.array(temporal, np.int64).reshape(len(order), len(self.places), len(DIMS)),
            np.array(order, np.int64).reshape(len(order), len(self.places)),
            np.array(spatial, np.int64).reshape(len(order), len(self.slots)),
        )


@cache
def _primes(number: int) -> tuple[int, ...]:
    """Return the different prime factors of ``number``."""
    found = []
    prime = 2
    while number > 1:
        if number % prime == 0:
            found.append(prime)
            while number % prime == 0:
                number //= prime
        prime += 1
    return tuple(found)


@cache
def _first_orders(orders: tuple[tuple[int, ...], ...]) -> NDArray[np.bool_]:
    """Return [orders, sets of turning dims]: whether no earlier order is the same for the set.

    A set is a number with a bit per dim. Loops that turn once do not count, so that most orders
    coincide for most sets.
    """
    first = np.zeros((len(orders), 1 << len(DIMS)), np.bool_)
    for turning in range(1 << len(DIMS)):
        seen = set()
        for number, order in enumerate(orders):
            active = tuple(d for d in order if turning >> d & 1)
            first[number, turning] = active not in seen
            seen.add(active)
    return first


def spatial_slots(
    architecture: Architecture, problem: Problem, dataflow: Dataflow, active: list[int]
) -> tuple[tuple[int, int, int], ...]:
    """Return (level, axis, dim) of every place in space that a dataflow leaves ``active`` dims."""
    slots = []
    for index, level in enumerate(architecture.levels):
        if isinstance(level, Fanout):
            rule = dataflow.rule(level.name)
            for axis, allowed in ((COLUMN, rule.x), (ROW, rule.y)):
                names = DIMS if allowed is None else allowed
                if not reduces(level):
                    names = tuple(x for x in names if x in problem.ofmap.dims)
                slots += [(index, axis, DIMS.index(x)) for x in names if DIMS.index(x) in active]
    return tuple(slots)


def _temporal_orders(
    architecture: Architecture, problem: Problem, dataflow: Dataflow, active: list[int]
) -> tuple[tuple[int, ...], tuple[tuple[tuple[int, ...], ...], ...]]:
    """Return the levels with temporal loops and, for each, the loop orders to try."""
    levels, orders = [], []
    for index, level in enumerate(architecture.levels):
        if isinstance(level, Fanout):
            continue
        allowed = dataflow.rule(level.name).temporal
        if allowed is None:
            levels.append(index)
            orders.append(_reuse_orders(problem, active))
        else:
            fixed = tuple(d for x in allowed if (d := DIMS.index(x)) in active)
            if fixed:
                levels.append(index)
                orders.append((fixed,))
    return tuple(levels), tuple(orders)


def _reuse_orders(problem: Problem, active: list[int]) -> tuple[tuple[int, ...], ...]:
    """Return the orders with the loops that leave one tensor in place innermost."""
    orders: dict[tuple[int, ...], None] = {}
    for tensor in problem.tensors:
        still = [d for d in active if DIMS[d] not in tensor.dims]
        moving = [d for d in active if DIMS[d] in tensor.dims]
        for last in still:
            orders[(*moving, *(d for d in still if d != last), last)] = None
    return tuple(orders) or (tuple(active),)


def _spatial_splits(
    architecture: Architecture,
    problem: Problem,
    dataflow: Dataflow,
    slots: tuple[tuple[int, int, int], ...],
    meshes: Meshes,
) -> tuple[tuple[int, ...], ...]:
    """Return the factors of the spatial slots worth trying, see the module's description."""
    fanouts = [i for i, level in enumerate(architecture.levels) if isinstance(level, Fanout)]
    widest = [max(mesh[i] for mesh in meshes) for i in range(2 * len(fanouts))]
    must = {
        (i, DIMS.index(x))
        for i in fanouts
        for x in dataflow.rule(architecture.levels[i].name).whole
    }
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def extend(
        slot: int, factors: tuple[int, ...], left: tuple[int, ...], used: tuple[int, ...]
    ) -> None:
        if slot == len(slots):
            whole = all(
                prod(f for f, s in zip(factors, slots, strict=True) if s[0] == i and s[2] == d)
                == problem.sizes[d]
                for i, d in must
            )
            if whole:
                found.append((factors, used))
            return
        level, axis, dim = slots[slot]
        side = 2 * fanouts.index(level) + (0 if axis == COLUMN else 1)
        for factor in range(1, left[dim] + 1):
            if used[side] * factor > widest[side]:
                break
            if left[dim] % factor == 0:
                extend(
                    slot + 1,
                    (*factors, factor),
                    tuple(x // factor if i == dim else x for i, x in enumerate(left)),
                    tuple(x * factor if i == side else x for i, x in enumerate(used)),
                )

    extend(0, (), problem.sizes, (1,) * (2 * len(fanouts)))
    kept: dict[tuple[int, ...], None] = {}
    for mesh in meshes:
        fitting = [x for x in found if all(u <= m for u, m in zip(x[1], mesh, strict=True))]
        best = max((prod(used) for _, used in fitting), default=0)
        for factors, used in fitting:
            if prod(used) >= LEAST_SHARE * best:
                kept[factors] = None
    return tuple(kept)
