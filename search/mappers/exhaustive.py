"""The exhaustive mapper: scores every mapping of a small space, and refuses a larger one.

The space is that of ``exact``, nothing left out: every spatial split on every axis, every
factorisation, every permutation of the loops that turn at a memory whose order is free. It is slow
and obvious: what it finds is the optimum that the other mappers are held against.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from math import factorial, prod

import numpy as np
from pydantic import Field

from arraysmith.arch.architecture import Fanout
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import DIMS
from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.mappers.base import Found, LayerTask, Mapper
from arraysmith.search.mappers.exact_scores import Incumbent
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mapping_space import splits
from arraysmith.sim.analytical.encoding import COLUMN, Int


class ExhaustiveSettings(Spec):
    """What counts as a small space."""

    most: int = Field(default=2_000_000, ge=1, description="mappings of the largest space taken")


@register("mapper", "exhaustive")
class Exhaustive(Mapper):
    """Every mapping of a small space; deterministic, the generator is not used."""

    settings_type = ExhaustiveSettings
    settings: ExhaustiveSettings

    def find(self, task: LayerTask, rng: np.random.Generator) -> Found:
        """Return the optimum; without proof if ``task.evaluations`` did not reach all mappings.

        Raises:
            ArraysmithError: the space is too large, with its size; or there is none.
        """
        del rng
        space = ExactSpace.of(task.architecture, task.problem, task.dataflow, task.setting)
        size = space_size(space, task.dataflow)
        if size > self.settings.most:
            raise ArraysmithError(
                f"{task.problem.name}: {size} mappings on {task.architecture.name}, more than the "
                f"{self.settings.most} that the exhaustive mapper takes: use the mapper exact"
            )
        best = Incumbent(space, task.objective, task.evaluations)
        whole = all(best.score(*batch) for batch in _points(space, task.dataflow))
        return Found(
            **best.scored,
            bound=best.loss if whole else None,
            proven=whole,
        )


def space_size(space: ExactSpace, dataflow: Dataflow) -> int:
    """Return the mappings of a space when nothing is left out, those too large included."""
    return sum(_points_of(space, split) for split in _splits(space, dataflow))


def _points_of(space: ExactSpace, split: tuple[int, ...]) -> int:
    """Return the factorisations under one spatial split, each times its loop orders."""
    free = [m for m, order in enumerate(space.fixed) if order is None]
    known: Counter[tuple[int, ...]] = Counter({(0,) * len(free): 1})  # by dims that turn at each
    for d, rest in enumerate(_rests(space, split)):
        more: Counter[tuple[int, ...]] = Counter()
        for factors in splits(rest, len(_homes(space, d))):
            turning = {m for m, factor in zip(_homes(space, d), factors, strict=True) if factor > 1}
            for counts, number in known.items():
                more[tuple(c + (m in turning) for c, m in zip(counts, free, strict=True))] += number
        known = more
    return sum(number * prod(map(factorial, counts)) for counts, number in known.items())


def _homes(space: ExactSpace, d: int) -> list[int]:
    """Return the memories where dim ``d`` may turn."""
    return [m for m, dims in enumerate(space.open) if d in dims]


def _rests(space: ExactSpace, split: tuple[int, ...]) -> list[int]:
    """Return what a spatial split leaves of every dim."""
    rests = list(space.problem.sizes)
    for (_, _, d), factor in zip(space.slots, split, strict=True):
        rests[d] //= factor
    return rests


def _splits(space: ExactSpace, dataflow: Dataflow) -> Iterator[tuple[int, ...]]:
    """Yield every spatial split, one by one."""
    levels = space.architecture.levels
    whole = [
        (i, DIMS.index(x))
        for i, level in enumerate(levels)
        if isinstance(level, Fanout)
        for x in dataflow.rule(level.name).whole
    ]
    sizes = space.problem.sizes

    def extended(split: tuple[int, ...], each: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(split) == len(space.slots):
            pairs = list(zip(split, space.slots, strict=True))
            spread = all(
                prod(x for x, slot in pairs if (slot[0], slot[2]) == key) == sizes[key[1]]
                for key in whole
            )
            if spread and all(each[d] == sizes[d] or _homes(space, d) for d in range(len(DIMS))):
                yield split
            return
        level, axis, dim = space.slots[len(split)]
        fanout = levels[level]
        assert isinstance(fanout, Fanout)
        used = prod(
            x for x, slot in zip(split, space.slots, strict=False) if slot[:2] == (level, axis)
        )
        for factor in range(1, (fanout.mesh_x if axis == COLUMN else fanout.mesh_y) // used + 1):
            if sizes[dim] % (each[dim] * factor) == 0:
                wider = tuple(x * factor if d == dim else x for d, x in enumerate(each))
                yield from extended((*split, factor), wider)

    yield from extended((), (1,) * len(DIMS))


def _points(space: ExactSpace, dataflow: Dataflow) -> Iterator[tuple[Int, Int, Int]]:
    """Yield (temporal, orders, spread) of all mappings in batches."""
    memories = len(space.memories)
    for split in _splits(space, dataflow):
        options = [
            [
                (d, tuple(zip(_homes(space, d), factors, strict=True)))
                for factors in splits(rest, len(_homes(space, d)))
            ]
            for d, rest in enumerate(_rests(space, split))
        ]
        temporal, orders = [], []
        for pick in itertools.product(*options):
            turns = np.ones((memories, len(DIMS)), np.int64)
            for d, factors in pick:
                for m, factor in factors:
                    turns[m, d] = factor
            for order in itertools.product(*(_orders(space, m, turns[m]) for m in range(memories))):
                temporal.append(turns)
                orders.append(order)
        if temporal:
            spread = np.tile(np.array(split, np.int64), (len(temporal), 1))
            yield np.stack(temporal), np.array(orders, np.int64), spread


def _orders(space: ExactSpace, memory: int, turns: Int) -> list[tuple[int, ...]]:
    """Return every order of all dims in which the turning ones differ, outermost first."""
    turning = [d for d in range(len(DIMS)) if turns[d] > 1]
    still = [d for d in range(len(DIMS)) if turns[d] == 1]
    fixed = space.fixed[memory]
    if fixed is not None:
        return [(*still, *(d for d in fixed if d in turning))]
    return [(*still, *order) for order in itertools.permutations(turning)]
