"""Loops of a mapping, dim by dim: how often they turn, and how large the tiles are that they cut.

Dims are independent of each other, so that sums over a run are products of sums over the loops of
one dim. The first instance along every loop in space has the longest tiles and leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
from numba import njit

from arraysmith.arch.interconnect import XyBus
from arraysmith.arch.mapping import PlacedLoop
from arraysmith.arch.problem import DIMS, OFMAP, Axis, Problem, Tensor
from arraysmith.sim.analytical.encoding import Int

SPATIAL, NONE = -1, -2
"""In place of the number of a loop in time, in ``Plan.cuts``."""

APPLIES, SPREADS = 1, 2
"""What a loop does to the words of a transfer: it cuts the tile, or a transfer serves all of it."""


class Loops:
    """Loops of a mapped problem that turn more than once.

    Attributes:
        time: in time, outermost first.
        space: in space.
    """

    def __init__(self, problem: Problem, placed: Sequence[PlacedLoop]) -> None:
        """Take the loops, outermost first."""
        self._problem = problem
        self._placed = [x for x in placed if x.count > 1]
        self.time = [x for x in self._placed if x.axis == "t"]
        self.space = [x for x in self._placed if x.axis != "t"]

    def of(self, dim: str) -> list[PlacedLoop]:
        """Return the loops of a dim, outermost first."""
        return [x for x in self._placed if x.dim == dim]

    def ways(self, loops: int, dims: frozenset[str] = frozenset(DIMS)) -> int:
        """Return in how many ways the first loops in time turn.

        Args:
            loops: how many of them.
            dims: others stay at their first turn.
        """
        number = {id(x): j for j, x in enumerate(self.time)}
        return prod(
            _ways(
                [(number.get(id(x), SPATIAL), x.tile) for x in self.of(dim)],
                self._problem.size[dim],
                loops,
            )
            for dim in dims
        )

    def cuts(self, loops: int) -> Int:
        """Return ``Plan.cuts`` for the first loops in time."""
        most = max(len(self.of(dim)) for dim in DIMS)
        number = {id(x): j for j, x in enumerate(self.time)}
        found = np.full((len(DIMS), most + 1, 3), NONE, np.int64)
        for d, dim in enumerate(DIMS):
            around = found[d, 0] = self._problem.size[dim]
            for i, x in enumerate(self.of(dim)):
                place = number.get(id(x), SPATIAL)
                found[d, i + 1] = (place if place < loops else NONE, x.tile, around)
                around = x.tile
        return found

    def inside(self, loops: int) -> Int:
        """Return ``Plan.inside``, of what is left when the first loops in time have turned."""
        most = max(len(self.of(dim)) for dim in DIMS)
        number = {id(x): j for j, x in enumerate(self.time)}
        found = np.zeros((len(DIMS), most + 1, 2), np.int64)
        for d, dim in enumerate(DIMS):
            rows = [(number.get(id(x), SPATIAL), x.tile) for x in self.of(dim)]
            first = next((i for i, (j, _) in enumerate(rows) if j >= loops), len(rows))
            for i, (place, tile) in enumerate(rows[first:]):
                found[d, i] = tile, 0
                if place != SPATIAL:
                    found[d, i, 1] = _ways(rows[first + i + 1 :], tile, len(self.time))
        return found

    def parts(
        self, tensor: Tensor, parent: int, child: int, part: Int, axes: Int
    ) -> tuple[float, float]:
        """Write what ``Plan.part`` and ``Plan.axes`` say of a link; return its ``Plan.mean``.

        Args:
            tensor: that it moves.
            parent: level of the memory above.
            child: level of the memory below.
            part: int64 [dims, most + 1], written.
            axes: int64 [axes, 4], written.
        """
        sums = {}
        usual = dict(self._problem.size)
        for d, dim in enumerate(DIMS):
            part[d, 0] = dim in tensor.dims
            rows, around = [], usual[dim]
            for i, x in enumerate(self.of(dim)):
                if x.level < child:
                    spreads = x.axis != "t" and x.level >= parent
                    part[d, i + 1] = SPREADS if spreads else APPLIES
                    rows.append((int(part[d, i + 1]), x.tile, around, x.axis == "t"))
                    usual[dim] = x.tile
                around = x.tile
            sums[dim] = _tiles(rows, self._problem.size[dim], 1.0)
        each = cover = 1.0
        for a, axis in enumerate(tensor.axes):
            reach = 1.0
            for i, (dim, by) in enumerate(axis.terms):
                axes[a, 2 * i : 2 * i + 2] = (DIMS.index(dim), by)
                reach += by * (sums[dim][1] / sums[dim][0] - 1)
            each *= reach / axis.reach(usual)
        for dim in tensor.dims:
            cover *= sums[dim][2] / sums[dim][1]
        return (0.0, 0.0) if each == cover == 1.0 else (each * cover, each)


@njit(cache=True, nogil=True)
def find_turns(cuts: Int, index: Int, turns: Int) -> None:
    """Write how often every loop turns, given the turns of those outside it.

    Args:
        cuts: see ``Plan``.
        index: int64 [loops], turns.
        turns: int64 [loops], written.
    """
    for d in range(len(cuts)):
        extent = cuts[d, 0, 0]
        for i in range(1, cuts.shape[1]):
            number, tile = cuts[d, i, 0], cuts[d, i, 1]
            if number == NONE:
                break
            if number == SPATIAL:
                extent = min(tile, extent)
            else:
                turns[number] = -(-extent // tile)
                extent = min(tile, extent - index[number] * tile)


@njit(cache=True, nogil=True)
def count_rounds(cuts: Int, inside: Int, index: Int) -> int:
    """Return how often the loops inside a step turn.

    Args:
        cuts: see ``Plan``.
        inside: see ``Plan``.
        index: int64 [loops], turns of those outside it.
    """
    found = 1
    for d in range(len(cuts)):
        extent = cuts[d, 0, 0]
        for i in range(1, cuts.shape[1]):
            number, tile = cuts[d, i, 0], cuts[d, i, 1]
            if number == NONE:
                break
            extent = min(tile, extent - (0 if number == SPATIAL else index[number] * tile))
        ways = 1
        for i in range(inside.shape[1]):
            tile, full = inside[d, i, 0], inside[d, i, 1]
            if tile == 0:
                break
            if full > 0:
                turns = -(-extent // tile)
                ways += (turns - 1) * full
                extent -= (turns - 1) * tile
            extent = min(tile, extent)
        found *= ways
    return found


def _ways(rows: list[tuple[int, int]], extent: int, loops: int) -> int:
    """Return in how many ways the first loops in time turn, of one dim and its first instance."""
    if not rows:
        return 1
    (number, tile), rest = rows[0], rows[1:]
    if number == SPATIAL:
        return _ways(rest, min(tile, extent), loops)
    if number >= loops:
        return 1
    turns = -(-extent // tile)
    last = _ways(rest, extent - (turns - 1) * tile, loops)
    return (turns - 1) * _ways(rest, tile, loops) + last


def _tiles(
    rows: list[tuple[int, int, int, bool]], extent: int, cover: float
) -> tuple[float, float, float]:
    """Return the ways in which loops of a dim turn, the sum of their tiles, and that times cover.

    Args:
        rows: what each loop does (see ``Plan.part``), tile, tile around it, whether it is in time.
        extent: of what is around them.
        cover: of the spread loops before, what is covered as a share of what is usual, per tile.
    """
    if not rows or not rows[0][0]:
        return 1.0, float(extent), extent * cover
    (kind, tile, around, in_time), rest = rows[0], rows[1:]
    inside = min(tile, extent)
    if not in_time:
        if kind == SPREADS:
            cover *= extent / around * tile / inside
        return _tiles(rest, inside, cover)
    turns = -(-extent // tile)
    last = _tiles(rest, extent - (turns - 1) * tile, cover)
    full = _tiles(rest, tile, cover)
    ways, tiles, covered = ((turns - 1) * x + y for x, y in zip(full, last, strict=True))
    return ways, tiles, covered


def transfers_through(
    spread: Sequence[PlacedLoop], buses: dict[int, XyBus], tensor: Tensor, *, up: bool
) -> int:
    """Return how many transfers it takes to reach all children below a fan-out (or to hear them).

    Equal tiles are one transfer as far as networks recognise them: of one level, over the whole
    mesh, or along its rows and columns apart.

    Args:
        spread: loops in space between the fan-out and the children.
        buses: by level, what its network counts like.
        tensor: that is moved.
        up: results come up, else words go down.
    """
    found = prod(x.count for x in alone(spread, buses, tensor, up=up) if x.dim not in tensor.dims)
    for axis in tensor.axes:
        found *= len(served(spread, buses, tensor, axis, up=up))
    return found


def alone(
    spread: Sequence[PlacedLoop], buses: dict[int, XyBus], tensor: Tensor, *, up: bool
) -> list[PlacedLoop]:
    """Return the loops over which no transfer serves two; see ``transfers_through``."""
    if up:
        return [x for x in spread if not buses[x.level].reduction]
    return [x for x in spread if not (buses[x.level].multicast or tensor.name == OFMAP)]


def served(
    spread: Sequence[PlacedLoop], buses: dict[int, XyBus], tensor: Tensor, axis: Axis, *, up: bool
) -> list[tuple[int, ...]]:
    """Return the first child of every transfer that an axis tells apart: digits of its loops.

    Args:
        spread: see ``transfers_through``, as the rest.
        buses: by level.
        tensor: that is moved.
        axis: of the tensor; of ``spread``, the loops of its dims count.
        up: results come up, else words go down.
    """
    apart = alone(spread, buses, tensor, up=up)
    by = dict(axis.terms)
    mine = [x for x in spread if x.dim in by]
    found: dict[tuple[tuple[tuple[int, str], int], ...], tuple[int, ...]] = {}
    for digits in product(*(range(x.count) for x in mine)):
        key: dict[tuple[int, str], int] = {}
        for x, digit in zip(mine, digits, strict=True):
            if x in apart:
                at = x.level, x.dim
                key[at] = key.get(at, 0) * x.count + digit
                continue
            whole = up or tensor.name == OFMAP or buses[x.level].diagonal
            at = x.level, "" if whole else x.axis
            key[at] = key.get(at, 0) + digit * by[x.dim] * x.tile
        found.setdefault(tuple(sorted(key.items())), digits)
    return list(found.values())
