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
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import DIMS
from arraysmith.search.mappers.exact_bounds import BoundTables, SpreadBounds
from arraysmith.search.mappers.exact_scores import OBJECTIVES, PICO, BatchScorer, loss_of
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.sim.analytical.encoding import NO_DIM, Int
from arraysmith.sim.analytical.scoring import Float

SLACK = 1e-12
"""Relative rounding of bounds and scores, which add the same terms in another order."""

LEAVES = 4096
"""Leaves at a time: bounds memory."""

FIRST = 16
"""Leaves scored before any other."""

_Rows = tuple[Int, Int, Int]
"""(turns [n, memories, dims], orders [n, memories, dims], spatial splits [n, slots])."""

EDP, ENERGY, LATENCY = range(len(OBJECTIVES))


@dataclass
class Incumbent:
    """The best mapping so far, and what it took.

    Attributes:
        space: of the mappings scored.
        objective: what is minimised.
        budget: mappings that may be scored.
        mapping: the best; None before the first legal one.
        cycles: of it.
        energy_pj: of it.
        loss: of it; infinite before.
        evaluations: mappings scored.
        curve: (evaluations, loss) whenever the best became better.
    """

    space: ExactSpace
    objective: str
    budget: int
    mapping: Mapping | None = None
    cycles: int = 0
    energy_pj: float = 0.0
    loss: float = np.inf
    evaluations: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.enter(self.space)

    def enter(self, space: ExactSpace) -> None:
        """Go on with mappings of another space of the same problem."""
        self.space = space
        self._scorer = BatchScorer(space.architecture, space.problem, space.setting)

    def score(self, temporal: Int, orders: Int, spread: Int) -> bool:
        """Score mappings; return whether the budget reached them all."""
        left = self.budget - self.evaluations
        whole = len(temporal) <= left
        for start in range(0, min(len(temporal), left), LEAVES):
            rows = slice(start, min(start + LEAVES, left, len(temporal)))
            loops = self.space.loops(temporal[rows], orders[rows], spread[rows])
            cycles, energy = self._scorer(loops)
            losses = loss_of(self.objective, cycles, energy)
            best = np.minimum.accumulate(np.concatenate([[self.loss], losses]))
            for row in np.flatnonzero(best[1:] < best[:-1]).tolist():
                self.curve.append((self.evaluations + row + 1, float(losses[row])))
            row = int(losses.argmin())
            if losses[row] < self.loss:
                self.loss = float(losses[row])
                self.cycles, self.energy_pj = int(cycles[row]), float(energy[row])
                self.mapping = self.space.mapping(loops, row)
            self.evaluations += len(losses)
        return whole


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
        nodes: nodes visited.
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
            lists = self._listed(number, bounds)
            if lists is not None and lists.most * (1 + SLACK) >= self._done:
                least = min(least, lists.least)
        return least

    def _within(self, limit: float) -> Iterator[_Lists]:
        """Yield the tiles of every spatial split whose bound lies below a limit."""
        for bound, number, bounds in self._spreads:
            if bound >= limit:
                break
            lists = self._listed(number, bounds)
            if lists is not None and lists.least < limit:
                yield lists

    def _loss(self, energy: float, cycles: float) -> float:
        return float(_loss(self._objective, energy, cycles, self._tables.leakage_pj))

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
        return self._score(waiting)

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
            count, nodes = _walk(
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


@njit(cache=True, nogil=True)
def _loss(objective: int, energy: float, cycles: float, leakage_pj: float) -> float:
    """Return the bound of the loss from bounds of energy and cycles."""
    if objective == LATENCY:
        return cycles
    whole = energy + leakage_pj * cycles
    return whole if objective == ENERGY else whole * PICO * cycles


@njit(cache=True, nogil=True)
def _walk(
    objective: int,
    leakage_pj: float,
    memories: int,
    left: Int,
    opened: Int,
    tiles: Int,
    energy: Float,
    cycles: Float,
    words: Float,
    word_pj: Float,
    roles: Int,
    first: Int,
    rest: Float,
    low: float,
    high: float,
    budget: int,
    at: Int,
    sums: Float,
    found: Int,
) -> tuple[int, int]:
    """Go on with a walk until it ends, ``found`` is full or the budget is spent.

    ``at`` holds the memory in hand (0 at the end) and, per memory, the next tile to try; ``sums``
    the energy and cycles of the tiles taken; both are changed. Returns (leaves, nodes).
    """
    count, nodes = 0, 0
    m = at[0]
    turns = np.ones((memories + 1, 8), np.int64)
    run = np.ones(3)
    for k in range(1, m):
        for d in range(8):
            outer = left[d] if k == 1 else tiles[at[k - 1] - 1, d]
            turns[k - 1, d] = outer // tiles[at[k] - 1, d]
    while m > 0 and count < len(found) and nodes < budget:
        i = at[m]
        if i >= first[m + 1]:
            m -= 1
            continue
        at[m] = i + 1
        nodes += 1
        whole = sums[0, m - 1] + energy[i]
        last = m == memories - 1
        least = whole if last else whole + rest[m + 1]
        if objective != LATENCY and _loss(objective, least, sums[1, m - 1], leakage_pj) >= high:
            m -= 1  # tiles come least energy first
            continue
        divides = True
        for d in range(8):
            around = left[d] if m == 1 else tiles[at[m - 1] - 1, d]
            inner = tiles[i, d]
            if around % inner or (around != inner and not opened[m - 1, d]):
                divides = False
                break
            turns[m - 1, d] = around // inner
        if not divides:
            continue
        # Whatever stands innermost above is one of the loops of the nearest memory with any.
        near = m - 1
        while near >= 0 and turns[near].max() == 1:
            near -= 1
        for t in range(3):
            # Turns that may cost the tensor nothing: out to the memory with loops that move it.
            run[t] = 1.0
            moved = False
            for q in range(near, -1, -1):
                for d in range(8):
                    if turns[q, d] > 1:
                        moved = moved or roles[t, d] != 0
                        if roles[t, d] == 0:
                            run[t] *= turns[q, d]
                if moved:
                    break
        cost, slow = np.inf, np.inf
        for d in range(9):
            if (near < 0) != (d == 8) or (d < 8 and turns[near, d] == 1):
                continue
            part = 0.0
            for t in range(3):
                moves = words[i, t, d]
                window = False
                for other in range(8):
                    window = window or roles[t, other] < 0
                if d < 8 and roles[t, d] == 0 and not window:
                    moves = max(moves, words[i, t, 8] / run[t])
                if word_pj[m, t] < 0:
                    moves = words[i, t, 8]
                part += moves * word_pj[m, t]
            cost = min(cost, part)
            slow = min(slow, cycles[i, d])
        whole = sums[0, m - 1] + cost
        slow = max(sums[1, m - 1], slow)
        bound = _loss(objective, whole if last else whole + rest[m + 1], slow, leakage_pj)
        if bound >= high or (last and bound < low):
            continue
        if last:
            for k in range(1, memories):
                found[count, k] = at[k] - 1
            count += 1
        else:
            sums[0, m], sums[1, m] = whole, slow
            m += 1
            at[m] = first[m]
    at[0] = m
    return count, nodes
