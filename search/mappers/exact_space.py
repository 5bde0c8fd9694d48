"""The finite space that the exact mappers search, and which of its points are left out as equal.

A point of the space is

* for every dim, a split of its extent into whole factors: one for each memory where the dataflow
  lets it turn in time, one for each axis of each fan-out over which the dataflow lets it be spread
  (tiles whose turns divide; ragged tiles are not in the space);
* for every memory whose order the dataflow leaves free, any permutation of its turning loops.

Every memory keeps all that it may hold, unless bypasses are asked for: then the space is the union
over all ways in which tensors pass by memories on the chip; no loop turns at a memory that then
keeps nothing, if one may at the memory above.

Points left out, because another one is in that costs no more, whatever the numbers:

* Spatial splits that differ only in which axis of a fan-out a factor stands on. Counts depend on
  the instances of a dim alone, unless equal windows are recognised only along rows or columns.
* Loop orders that no tensor can tell apart. A tensor sees the loops of a memory from the inside
  outwards up to the first one that brings it tiles without a word of the last ones: of the loops up
  to there, the set if it moves no window, the sequence if it does.
* Loop orders with less reuse: another order keeps every tensor in place for the same loops and
  more. (An irrelevant loop further in never costs a tensor without window a word.) Where partial
  sums of several children meet below a memory, results have to stay in place for the same loops:
  each drain then spares reads of sums that begin at zero, so that more drains may be quicker.
* All orders of memories with no memory below: the MACs take every word anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, Memory, ScaleOut, XyBus
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping, from_factors
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.arch.problem import OFMAP as OFMAP_NAME
from arraysmith.search.mapping_space import spatial_slots
from arraysmith.sim.analytical.encoding import (
    AXIS_CODES,
    COLUMN,
    NO_DIM,
    OFMAP,
    SLIDING,
    TEMPORAL,
    Int,
    MappingArrays,
    ProblemArrays,
)

Order = tuple[int, ...]
"""Dim indices, outermost first."""

Slot = tuple[int, int, int]
"""(level, axis code, dim) of a place where a dim may be spread."""


@dataclass(frozen=True)
class ExactSpace:
    """The space of one problem on one architecture under one dataflow.

    Attributes:
        architecture: all numbers fixed.
        problem: the operator.
        setting: of the analytical model.
        memories: level index of each memory.
        slots: where dims may be spread, outermost first.
        open: per memory, the dims that may turn there.
        fixed: per memory, the order that the dataflow gives; None where it is free.
        spreads: factors of the slots: every spatial split that is not left out.
        keep: (memory, tensors) where a memory keeps less than the design says it may.
    """

    architecture: Architecture
    problem: Problem
    setting: str
    memories: tuple[int, ...]
    slots: tuple[Slot, ...]
    open: tuple[frozenset[int], ...]
    fixed: tuple[Order | None, ...]
    spreads: tuple[tuple[int, ...], ...]
    keep: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(
        cls, architecture: Architecture, problem: Problem, dataflow: Dataflow, setting: str
    ) -> ExactSpace:
        """Return the space.

        Raises:
            ArraysmithError: a systolic array; or a dim without a place, or no split fits the mesh.
        """
        if architecture.systolic or any(
            isinstance(x.network, ScaleOut) for x in architecture.fanouts
        ):
            raise ArraysmithError(
                f"{architecture.name}: a systolic array has no mappings to search"
            )
        active = [d for d, size in enumerate(problem.sizes) if size > 1]
        whole = {DIMS.index(x) for rule in dataflow.rules for x in rule.whole}
        memories, opened, fixed = [], [], []
        for index, level in enumerate(architecture.levels):
            if isinstance(level, Memory):
                allowed = dataflow.rule(level.name).temporal
                dims = DIMS if allowed is None else allowed
                order = tuple(d for x in dims if (d := DIMS.index(x)) in active and d not in whole)
                memories.append(index)
                opened.append(frozenset(order))
                fixed.append(None if allowed is None else order)
        slots = spatial_slots(architecture, problem, dataflow, active)
        for d in active:
            if not any(d in dims for dims in opened) and not any(dim == d for _, _, dim in slots):
                raise ArraysmithError(
                    f"{problem.name}: dataflow {dataflow.name} leaves no place for dim {DIMS[d]}"
                )
        spreads = _spreads(architecture, problem, dataflow, slots, frozenset().union(*opened))
        if not spreads:
            raise ArraysmithError(
                f"{problem.name}: no spatial split of dataflow {dataflow.name} fits the mesh"
            )
        return cls(
            architecture,
            problem,
            setting,
            tuple(memories),
            slots,
            tuple(opened),
            tuple(fixed),
            spreads,
        )

    def bypasses(self) -> Iterator[ExactSpace]:
        """Yield this space, then one for every way in which tensors pass by memories on the chip.

        The architecture of each keeps no more than its mappings do.
        """
        levels = self.architecture.levels
        choices = [
            [
                kept
                for size in range(len(memory.holds), -1, -1)
                for kept in itertools.combinations(memory.holds, size)
            ]
            for memory in self.architecture.memories[1:]
        ]
        for pick in itertools.product(*choices):
            kept = dict(zip(self.memories[1:], pick, strict=True))
            changed = tuple(
                replace(level, holds=kept[i]) if isinstance(level, Memory) and i in kept else level
                for i, level in enumerate(levels)
            )
            less = tuple(
                (now.name, now.holds)
                for now, was in zip(changed, levels, strict=True)
                if isinstance(now, Memory) and isinstance(was, Memory) and now.holds != was.holds
            )
            yield replace(self, architecture=replace(self.architecture, levels=changed), keep=less)

    def spread_of(self, spread: tuple[int, ...]) -> Int:
        """Return int64 [levels, dims]: how far a spatial split spreads each dim at each level."""
        factors = np.ones((len(self.architecture.levels), len(DIMS)), np.int64)
        for (level, _, d), factor in zip(self.slots, spread, strict=True):
            factors[level, d] *= factor
        return factors

    @cached_property
    def _roles(self) -> Int:
        return ProblemArrays.of(self.problem).plain

    @cached_property
    def _known(self) -> dict[tuple[int, int], tuple[Order, ...]]:
        return {}

    def orders(self, memory: int, turning: int) -> tuple[Order, ...]:
        """Return the loop orders of a memory that are not left out.

        Args:
            memory: which one.
            turning: a bit per dim that turns there.
        """
        key = (memory, turning)
        if key not in self._known:
            self._known[key] = self._orders(memory, turning)
        return self._known[key]

    def _orders(self, memory: int, turning: int) -> tuple[Order, ...]:
        dims = tuple(d for d in range(len(DIMS)) if turning >> d & 1)
        fixed = self.fixed[memory]
        if fixed is not None:
            return (tuple(d for d in fixed if d in dims),)
        if memory == len(self.memories) - 1 or len(dims) < 2:
            return (dims,)
        seen: dict[tuple[object, ...], Order] = {}
        for order in itertools.permutations(dims):
            seen.setdefault(self._reuse(order), order)
        apart = self._sums_apart
        return tuple(
            order
            for reuse, order in seen.items()
            if not any(
                other != reuse
                and _covers(other, reuse)
                and not (apart and other[OFMAP] != reuse[OFMAP])
                for other in seen
            )
        )

    @cached_property
    def _sums_apart(self) -> bool:
        """Whether a memory that holds results stands below a spread of added dims."""
        added = [level for level, _, d in self.slots if DIMS[d] not in self.problem.ofmap.dims]
        return any(
            OFMAP_NAME in memory.holds and added and level > min(added)
            for level, memory in zip(self.memories, self.architecture.memories, strict=True)
        )

    def _reuse(self, order: Order) -> tuple[object, ...]:
        """Return what each tensor sees of an order: a set, or a sequence where it has a window."""
        found: list[object] = []
        for roles in self._roles:
            seen: list[int] = []
            for d in reversed(order):
                if roles[d] > 0:
                    break
                seen.append(d)
            found.append(tuple(seen) if SLIDING in roles else frozenset(seen))
        return tuple(found)

    def loops(self, temporal: Int, orders: Int, spread: Int) -> MappingArrays:
        """Return mappings as loops.

        Args:
            temporal: int64 [n, memories, dims], turns.
            orders: int64 [n, memories, dims], dims of each memory's loops, outermost first.
            spread: int64 [n, slots], factors.
        """
        n = len(temporal)
        columns: list[tuple[int, int, Int, Int]] = []
        turns = np.take_along_axis(temporal, orders, axis=2)
        for index, level in enumerate(self.architecture.levels):
            if isinstance(level, Fanout):
                columns += [
                    (index, axis, np.full(n, d), spread[:, slot])
                    for slot, (at, axis, d) in enumerate(self.slots)
                    if at == index
                ]
            else:
                m = self.memories.index(index)
                columns += [
                    (index, TEMPORAL, orders[:, m, k], turns[:, m, k]) for k in range(len(DIMS))
                ]
        return MappingArrays(
            np.array([column[0] for column in columns], np.int64),
            np.array([column[1] for column in columns], np.int64),
            np.stack([column[2] for column in columns], axis=1),
            np.stack([column[3] for column in columns], axis=1),
        )

    def mapping(self, loops: MappingArrays, row: int) -> Mapping:
        """Return one of the mappings of ``loops``."""
        axes = {code: name for name, code in AXIS_CODES.items()}
        return from_factors(
            self.architecture,
            tuple(
                (self.architecture.levels[level].name, axes[int(axis)], DIMS[dim], int(turns))
                for level, axis, dim, turns in zip(
                    loops.level, loops.axis, loops.dim[row], loops.count[row], strict=True
                )
            ),
            dict(self.keep),
        )

    def order_rows(self, memory: int, turning: int) -> tuple[Int, Int]:
        """Return ``orders`` as arrays.

        Returns:
            int64 [n, dims], all dims, those that do not turn outermost; int64 [n], the innermost
            dim, ``NO_DIM`` where none turns.
        """
        key = (memory, turning)
        if key not in self._rows:
            orders = self.orders(memory, turning)
            whole = [
                (*(d for d in range(len(DIMS)) if not turning >> d & 1), *order) for order in orders
            ]
            last = [order[-1] if order else NO_DIM for order in orders]
            self._rows[key] = np.array(whole, np.int64), np.array(last, np.int64)
        return self._rows[key]

    @cached_property
    def _rows(self) -> dict[tuple[int, int], tuple[Int, Int]]:
        return {}


def _covers(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Return whether order ``one`` keeps every tensor in place wherever ``other`` does."""
    return all(
        a >= b if isinstance(a, frozenset) and isinstance(b, frozenset) else a == b
        for a, b in zip(one, other, strict=True)
    )


def _spreads(
    architecture: Architecture,
    problem: Problem,
    dataflow: Dataflow,
    slots: tuple[Slot, ...],
    in_time: frozenset[int],
) -> tuple[tuple[int, ...], ...]:
    """Return the spatial splits: one axis at a time, equal ones dropped as soon as they are."""
    roles = ProblemArrays.of(problem).plain
    by_axis = {
        index
        for index, level in enumerate(architecture.levels)
        if isinstance(level, Fanout)
        and isinstance(level.network, XyBus)
        and not level.network.diagonal
    }
    windows = {d for d in range(len(DIMS)) if (roles[:, d] == SLIDING).any()}
    found: dict[tuple[int, ...], tuple[int, ...]] = {(): ()}
    sides = list(dict.fromkeys((level, axis) for level, axis, _ in slots))
    done: list[Slot] = []
    for level, axis in sides:
        fanout = architecture.levels[level]
        assert isinstance(fanout, Fanout)
        dims = [d for at, where, d in slots if (at, where) == (level, axis)]
        done += [(level, axis, d) for d in dims]
        limit = fanout.mesh_x if axis == COLUMN else fanout.mesh_y
        options = list(_factors(tuple(problem.sizes[d] for d in dims), limit))
        wider: dict[tuple[int, ...], tuple[int, ...]] = {}
        for split in found.values():
            for option in options:
                factors = (*split, *option)
                products: dict[tuple[int, ...], int] = {}
                each = [1] * len(DIMS)
                for (at, where, d), factor in zip(done, factors, strict=True):
                    apart = at in by_axis and d in windows
                    key = (at, where, d) if apart else (at, d)
                    products[key] = products.get(key, 1) * factor
                    each[d] *= factor
                if all(problem.sizes[d] % each[d] == 0 for d in dims):
                    wider.setdefault(
                        tuple(x for key in sorted(products) for x in (*key, products[key])), factors
                    )
        found = wider
    must = [
        (i, DIMS.index(x))
        for i, level in enumerate(architecture.levels)
        if isinstance(level, Fanout)
        for x in dataflow.rule(level.name).whole
    ]
    must += [(-1, d) for d, size in enumerate(problem.sizes) if size > 1 and d not in in_time]
    return tuple(
        factors
        for factors in found.values()
        if all(
            prod(f for f, s in zip(factors, slots, strict=True) if i in {-1, s[0]} and s[2] == d)
            == problem.sizes[d]
            for i, d in must
        )
    )


def _factors(sizes: tuple[int, ...], limit: int) -> list[tuple[int, ...]]:
    """Return a divisor of each size, in all ways with a product within the limit."""
    if not sizes:
        return [()]
    return [
        (first, *rest)
        for first in range(1, min(sizes[0], limit) + 1)
        if sizes[0] % first == 0
        for rest in _factors(sizes[1:], limit // first)
    ]
