"""Branch and bound over the tiles of all memories, in bands of rising bounds.

A node fixes the spatial split and the tiles of the outermost memories; a leaf fixes all tiles. The
bound of a node adds up what its tiles have to move at least and the least that any tile of the
memories below does (``exact_bounds``), for energy, and takes the largest for cycles; for EDP the
bound is the product. Leaves are scored by the model in every loop order that the space holds.

Nodes are visited in bands: first every leaf whose bound lies below a limit near the least of all,
then those up to a higher limit, and so on. When a band is finished, every mapping not scored yet
costs at least its limit: as soon as the best known does not exceed that, it is proven, and whenever
the search stops before, the limit of the last finished band bounds the optimum from below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arraysmith.arch.problem import DIMS
from arraysmith.search.mappers.exact_bounds import BoundTables, SpreadBounds
from arraysmith.search.mappers.exact_scores import LEAVES, OBJECTIVES, PICO, Incumbent
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mappers.exact_walk import ENERGY, LATENCY, bound_of, walk
from arraysmith.sim.analytical.encoding import NO_DIM, Int
from arraysmith.sim.analytical.scoring import Float

SLACK = 1e-12
"""Relative rounding of bounds and scores, which add the same terms in another order."""

FIRST = 16
"""Leaves scored before any other."""

_Rows = tuple[Int, Int, Int]
"""(turns [n, memories, dims], orders [n, memories, dims], spatial splits [n, slots])."""


@dataclass(frozen=True)
class _Lists:
    """Tiles of every memory under one spatial split, least energy first.

    Attributes:
        bounds: of the split.
        tiles: int64 [n, dims], of memory 1, then of memory 2, and so on.
        energy: float64 [n], bounds.
        cycles: float64 [n, 9], likewise, by the innermost loop above.
        words: float64 [n, 3, 9], of each tensor, likewise; all tiles in the last column.
        word_pj: float64 [memories, 3], energy of them.
        first: int64 [memories + 1], where the tiles of a memory begin; index 0 is not used.
        rest: float64 [memories + 1], least energy of a memory and all below.
        least: bound of all its leaves.
        most: none of them has a larger bound.
    """

    bounds: SpreadBounds
    tiles: Int
    energy: Float
    cycles: Float
    words: Float
    word_pj: Float
    first: Int
    rest: Float
    least: float
    most: float


class BranchAndBound:
    """A search of one space; ``run`` goes on until it is proven or out of effort.

    Attributes:
        incumbent: the best so far.
        nodes: nodes visited, and tiles listed.
        leaves: leaves reached.
        bound: no mapping of the space has less loss.
        proven: whether the incumbent's loss is the least.
    """

    def __init__(
        self,
        space: ExactSpace,
        incumbent: Incumbent,
        *,
        nodes: int,
        growth: float,
        tile: tuple[int, ...] | None = None,
    ) -> None:
        """Take the space, where to note mappings, the most nodes, and how far a band reaches.

        Args:
            space: what is searched.
            incumbent: where mappings are scored; may know some already.
            nodes: visited, at most.
            growth: of the limit from band to band, above 1.
            tile: extent of every dim in the tile of the second memory; None leaves it free.
        """
        self.incumbent = incumbent
        self.nodes = 0
        self.leaves = 0
        self.proven = False
        self._space = space
        self._tile = tile
        self._limit = nodes
        self._growth = growth
        self._objective = OBJECTIVES.index(incumbent.objective)
        self._tables = BoundTables.of(space)
        self._lists: dict[int, _Lists | None] = {}
        self._spreads = sorted(
            (
                (self._loss(bounds.base_pj, bounds.floor), number, bounds)
                for number, bounds in enumerate(map(self._tables.spread, space.spreads))
            ),
            key=lambda x: x[:2],
        )
        self._done = self._spreads[0][0] * (1 - SLACK)

    @property
    def bound(self) -> float:
        """No mapping of the space has less loss."""
        return min(self._done, self.incumbent.loss)

    def run(self) -> None:
        """Search until the best is proven, or the budget of evaluations or nodes is spent."""
        known = self.incumbent
        known.enter(self._space)
        growth = self._growth
        while True:
            # Bounds of leaves add the same terms in another order.
            self._done = max(self._done, self._least() * (1 - SLACK))
            if self._done >= known.loss * (1 - SLACK):
                break  # or there is no mapping at all
            high = self._done * growth
            if not self._band(self._done, high):
                return
            self._done = high
            if known.loss <= high * (1 + SLACK):
                break
            if known.loss == np.inf:
                growth *= growth  # what fits may lie far above what bounds allow
        self.proven = True

    def _least(self) -> float:
        """Return the least bound of all leaves not scored yet; infinite if none is left."""
        least = np.inf
        for bound, number, bounds in self._spreads:
            if bound >= least:
                break
            if self._spent(number):
                least = bound
                break
            lists = self._listed(number, bounds)
            if lists is not None and lists.most * (1 + SLACK) >= self._done:
                least = min(least, lists.least)
        return least

    def _within(self, limit: float) -> Iterator[_Lists]:
        """Yield the tiles of every spatial split whose bound lies below a limit."""
        for bound, number, bounds in self._spreads:
            if bound >= limit or self._spent(number):
                break
            lists = self._listed(number, bounds)
            if lists is not None and lists.least < limit:
                yield lists

    def _spent(self, number: int) -> bool:
        """Return whether there is no effort left to list the tiles of a spatial split."""
        return number not in self._lists and self.nodes >= self._limit

    def _loss(self, energy: float, cycles: float) -> float:
        return float(bound_of(self._objective, energy, cycles, self._tables.leakage_pj))

    def _listed(self, number: int, bounds: SpreadBounds) -> _Lists | None:
        """Return the tiles under a spatial split; None if a memory is too small for any."""
        if number not in self._lists:
            self._lists[number] = self._new_lists(bounds)
        return self._lists[number]

    def _new_lists(self, bounds: SpreadBounds) -> _Lists | None:
        memories = len(self._space.memories)
        tiles, energy, cycles, words, first = [], [], [], [], [0, 0]
        rest = np.zeros(memories + 1, np.float64)
        floor = ceiling = bounds.floor
        most = bounds.base_pj
        for m in range(1, memories):
            choices = bounds.choices(m)
            self.nodes += len(choices)
            if m == 1 and self._tile is not None:
                choices = choices[(choices * bounds.inside[1] == self._tile).all(axis=1)]
            costs, slow, moved = bounds.by_loop(m, choices)
            cost = costs.min(axis=1)
            rows = np.argsort(cost, kind="stable")[: int(np.isfinite(cost).sum())]
            if len(rows) == 0:
                return None
            tiles.append(choices[rows])
            energy.append(cost[rows])
            cycles.append(slow[rows])
            words.append(moved[rows])
            first.append(first[-1] + len(rows))
            rest[m] = cost[rows[0]]
            floor = max(floor, float(slow[rows].min()))
            ceiling = max(ceiling, float(slow[rows][np.isfinite(slow[rows])].max()))
            most += cost[rows[-1]]
        for m in range(memories - 2, 0, -1):
            rest[m] += rest[m + 1]
        none = np.zeros((0, len(DIMS)), np.int64)
        return _Lists(
            bounds,
            np.concatenate([none, *tiles]),
            np.concatenate([np.zeros(0), *energy]),
            np.concatenate([np.zeros((0, NO_DIM + 1)), *cycles]),
            np.concatenate([np.zeros((0, 3, NO_DIM + 1)), *words]),
            np.array([bounds.word_pj(m) for m in range(memories)]),
            np.array(first, np.int64),
            rest,
            self._loss(bounds.base_pj + rest[min(1, memories)], floor),
            self._loss(most, ceiling),
        )

    def _band(self, low: float, high: float) -> bool:
        """Score every leaf with a bound from ``low`` to ``high``; return whether that was all."""
        waiting: list[_Rows] = []
        known = self.incumbent
        for lists in self._within(high):
            for tiles in self._leaves(lists, low, high):
                if known.loss == np.inf and not self._score([self._plain(lists.bounds, tiles)]):
                    return False
                waiting.append(self._expanded(lists.bounds, tiles))
                if sum(len(x[0]) for x in waiting) >= LEAVES:
                    if not self._score(waiting):
                        return False
                    waiting = []
                if self.incumbent.loss <= low * (1 + SLACK):
                    return True
            if self.nodes >= self._limit:
                return False
        return self._score(waiting) and self.nodes < self._limit

    def _score(self, waiting: list[_Rows]) -> bool:
        """Score what waits; return whether the budget reached it all."""
        if not waiting:
            return True
        temporal, orders, spread = (np.concatenate(x) for x in zip(*waiting, strict=True))
        return self.incumbent.score(temporal, orders, spread)

    def _plain(self, bounds: SpreadBounds, tiles: Int) -> _Rows:
        """Return leaves in one order each: a mapping to hold all other orders against."""
        orders = np.tile(np.arange(len(DIMS)), (len(tiles), len(self._space.memories), 1))
        for m, fixed in enumerate(self._space.fixed):
            if fixed is not None:
                orders[:, m] = [*(d for d in range(len(DIMS)) if d not in fixed), *fixed]
        spread = np.tile(np.array(bounds.factors, np.int64), (len(tiles), 1))
        return tiles[:, :-1] // tiles[:, 1:], orders, spread

    def _expanded(self, bounds: SpreadBounds, tiles: Int) -> _Rows:
        """Return the loop orders of leaves whose bound is below the best known loss.

        Memory by memory: the innermost loop above a memory decides what its tiles have to move.

        Args:
            bounds: of the spatial split.
            tiles: int64 [n, memories + 1, dims], turns at each memory and inside.
        """
        memories = len(self._space.memories)
        temporal = tiles[:, :-1] // tiles[:, 1:]
        turning = (temporal > 1) @ (1 << np.arange(len(DIMS)))  # [n, memories], a bit per dim
        parts = [bounds.by_loop(m, tiles[:, m])[:2] for m in range(1, memories)]
        rest = np.zeros((len(tiles), memories + 1))
        for m in range(memories - 1, 0, -1):
            rest[:, m] = rest[:, m + 1] + parts[m - 1][0].min(axis=1)
        leaf = np.arange(len(tiles))
        orders = np.zeros((len(tiles), 0, len(DIMS)), np.int64)
        last = np.full(len(tiles), NO_DIM)
        energy = np.full(len(tiles), bounds.base_pj)
        cycles = np.full(len(tiles), bounds.floor)
        for m in range(memories):
            kinds, which = np.unique(turning[leaf, m], return_inverse=True)
            choices = [self._space.order_rows(m, kind) for kind in kinds.tolist()]
            many = np.array([len(x) for x, _ in choices], np.int64)[which]
            again = np.repeat(np.arange(len(leaf)), many)
            number = np.arange(len(again)) - np.repeat(np.cumsum(many) - many, many)
            starts = np.cumsum([0, *(len(x) for x, _ in choices)])[which][again] + number
            order = np.concatenate([x for x, _ in choices])[starts]
            inner = np.concatenate([x for _, x in choices])[starts]
            leaf, energy, cycles = leaf[again], energy[again], cycles[again]
            orders = np.concatenate([orders[again], order[:, None]], axis=1)
            last = np.where(inner == NO_DIM, last[again], inner)
            if m + 1 < memories:
                energy += parts[m][0][leaf, last]
                cycles = np.maximum(cycles, parts[m][1][leaf, last])
                least = self._losses(energy + rest[leaf, m + 2], cycles)
                keep = least < self.incumbent.loss * (1 - SLACK)
                leaf, energy, cycles = leaf[keep], energy[keep], cycles[keep]
                orders, last = orders[keep], last[keep]
            if len(leaf) == 0:
                break
        spread = np.tile(np.array(bounds.factors, np.int64), (len(leaf), 1))
        return temporal[leaf], orders.reshape(len(leaf), memories, len(DIMS)), spread

    def _losses(self, energy: Float, cycles: Float) -> Float:
        if self._objective == LATENCY:
            return cycles
        whole = energy + self._tables.leakage_pj * cycles
        return whole if self._objective == ENERGY else whole * PICO * cycles

    def _leaves(self, lists: _Lists, low: float, high: float) -> Iterator[Int]:
        """Yield int64 [n, memories + 1, dims], turns at each memory and inside of leaves in a band.

        All of one spatial split; the last row is 1.
        """
        memories = len(self._space.memories)
        left = lists.bounds.left
        if memories == 1:
            if low <= lists.least < high:
                self.leaves += 1
                yield np.stack([left, np.ones(len(DIMS), np.int64)])[None]
            return
        opened = np.array(
            [[d in dims for d in range(len(DIMS))] for dims in self._space.open], np.int64
        )
        at = np.zeros(memories + 1, np.int64)
        at[0], at[1] = 1, lists.first[1]
        sums = np.zeros((2, memories + 1), np.float64)
        sums[0, 0], sums[1, 0] = lists.bounds.base_pj, lists.bounds.floor
        found = np.empty((LEAVES if self.incumbent.evaluations else FIRST, memories), np.int64)
        while True:
            limit = min(high, self.incumbent.loss * (1 - SLACK))
            count, nodes = walk(
                self._objective,
                self._tables.leakage_pj,
                memories,
                left,
                opened,
                lists.tiles,
                lists.energy,
                lists.cycles,
                lists.words,
                lists.word_pj,
                self._tables.roles,
                lists.first,
                lists.rest,
                low,
                limit,
                self._limit - self.nodes,
                at,
                sums,
                found,
            )
            self.nodes += int(nodes)
            self.leaves += int(count)
            if count:
                tiles = lists.tiles[found[:count, 1:]]  # [n, memories - 1, dims]
                ends = np.ones((count, 1, len(DIMS)), np.int64)
                yield np.concatenate([np.tile(left, (count, 1, 1)), tiles, ends], axis=1)
            if at[0] == 0 or self.nodes >= self._limit:
                return
