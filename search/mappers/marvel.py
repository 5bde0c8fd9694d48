"""Marvel's decomposition: off-chip traffic first, in blocks of the memory; then the rest given it.

Source: Chatarasi et al., "Marvel: A Data-centric Compiler for DNN Operators on Spatial
Accelerators" (arXiv 2002.07752): words off the chip cost far more than words on it, so the mapping
of the outermost on-chip memory is chosen first, and frozen, by a model of its own.

Off-chip phase. Every tile of the second memory (whose turns divide) is a candidate, with each
choice of the tensor that stays in place, the innermost turning loops being those that do not move
it. A tile of extents t_1 .. t_n along the axes of a tensor, axis j being contiguous in a memory
that moves blocks of b words, touches

    DB_j = ceil(t_j / b) x product of the other t

blocks; the layout is the axis of least blocks. All tiles together move DB_j x (turns of loops that
bring another tile), twice less the first time for results. Candidates are ranked by the blocks of
all tensors, then by fewer turns.

On-chip phase. For each of the best ``keep`` candidates, tile and loop order off the chip frozen:
spatial splits, tiles and orders below are searched by branch and bound (``exact_search``), scored
by the model. The best known mapping prunes all that follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from pydantic import Field

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import DIMS, TENSORS, Problem
from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.mappers.base import Found, LayerTask, Mapper
from arraysmith.search.mappers.exact_bounds import divisors
from arraysmith.search.mappers.exact_scores import Incumbent
from arraysmith.search.mappers.exact_search import BranchAndBound
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mapping_space import splits
from arraysmith.sim.analytical.encoding import Int, ProblemArrays

RESULTS = 2
"""Index of the results in ``TENSORS``."""


class MarvelSettings(Spec):
    """Effort and pruning switches."""

    keep: int = Field(default=8, ge=1, description="off-chip choices that are mapped on the chip")
    block_words: int | None = Field(
        default=None, ge=1, description="words of a block; by default a request of the memory"
    )
    layouts: bool = Field(
        default=True, description="choose each tensor's contiguous axis; else it is the last"
    )
    fit_twice: bool = Field(
        default=True, description="prune tiles that a double-buffered memory cannot hold twice"
    )
    whole_windows: bool = Field(
        default=True, description="prune off-chip loops over filter rows and columns"
    )
    least_use: float = Field(
        default=0.5, ge=0, le=1, description="prune splits with fewer PEs than this share of most"
    )


@dataclass(frozen=True)
class Phase:
    """What one phase looked at.

    Attributes:
        candidates: points of its subspace.
        pruned: (rule, candidates dropped by it), in the order of application.
        evaluated: candidates that its cost model saw: blocks off the chip, the model on it.
    """

    candidates: int
    pruned: tuple[tuple[str, int], ...]
    evaluated: int

    def __str__(self) -> str:
        """Return the phase as a sentence."""
        dropped = ", ".join(f"{rule} {number:,}" for rule, number in self.pruned) or "none"
        return f"{self.candidates:,} candidates, {self.evaluated:,} evaluated; dropped: {dropped}"


@dataclass(frozen=True)
class MarvelFound(Found):
    """What the decomposition found.

    Attributes:
        off_chip: candidates are tiles times tensors kept in place.
        on_chip: candidates are factorisations below the tiles that were kept.
        blocks: that the chosen tile and order move, by the distinct-block model.
        layouts: (tensor, dim of the contiguous axis), as the off-chip phase chose it.
    """

    off_chip: Phase = Phase(0, (), 0)
    on_chip: Phase = Phase(0, (), 0)
    blocks: int = 0
    layouts: tuple[tuple[str, str], ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Both phases."""
        laid = ", ".join(f"{tensor} along {dim}" for tensor, dim in self.layouts)
        return (
            f"off chip: {self.off_chip}; {self.blocks:,} blocks moved, {laid}",
            f"on chip: {self.on_chip}",
        )


@dataclass(frozen=True)
class _Choice:
    """An off-chip choice: the tile, the loops outside it, what it moves and how tensors lie."""

    tile: tuple[int, ...]
    order: tuple[int, ...]
    blocks: int
    layouts: tuple[int, ...]


@register("mapper", "marvel")
class Marvel(Mapper):
    """Off-chip subspace first, on-chip subspace given it; the generator is not used."""

    settings_type = MarvelSettings
    settings: MarvelSettings

    def find(self, task: LayerTask, rng: np.random.Generator) -> MarvelFound:
        """Return the best mapping of the decomposed space.

        Raises:
            ArraysmithError: no memory on the chip, or no tile that fits it; and as ``exact``.
        """
        del rng
        space = ExactSpace.of(task.architecture, task.problem, task.dataflow, task.setting)
        if len(space.memories) < 2:
            raise ArraysmithError(f"{task.architecture.name}: no memory on the chip to tile for")
        choices, off_chip = self._off_chip(space)
        best = Incumbent(space, task.objective, task.evaluations)
        chosen, candidates, unused = choices[0], 0, 0
        for choice in choices:
            before = best.loss
            spreads, dropped = self._splits(space, choice.tile)
            below = [_factorisations(space, split, choice.tile) for split in (*spreads, *dropped)]
            candidates += sum(below)
            unused += sum(below[len(spreads) :])
            if not spreads:
                continue
            part = replace(space, spreads=spreads, fixed=(choice.order, *space.fixed[1:]))
            search = BranchAndBound(part, best, nodes=10**8, growth=1.05, tile=choice.tile)
            search.run()
            if best.loss < before:
                chosen = choice
        ruled_out = max(0, candidates - unused - best.evaluations)
        return MarvelFound(
            **best.scored,
            off_chip=off_chip,
            on_chip=Phase(
                candidates,
                (("least_use", unused), ("capacity or bound", ruled_out)),
                best.evaluations,
            ),
            blocks=chosen.blocks,
            layouts=tuple(
                (name, tensor.axes[axis].terms[0][0])
                for name, tensor, axis in zip(
                    TENSORS, task.problem.tensors, chosen.layouts, strict=True
                )
            ),
        )

    def _off_chip(self, space: ExactSpace) -> tuple[list[_Choice], Phase]:
        """Return the best off-chip choices and the report of the phase."""
        problem, architecture = space.problem, space.architecture
        memory, outer = architecture.memories[1], architecture.memories[0]
        block = self.settings.block_words or max(1, outer.request_bytes * 8 // outer.word_bits)
        options = [
            divisors(size)
            if d in space.open[0]
            or any(s[2] == d and s[0] < space.memories[1] for s in space.slots)
            else (size,)
            for d, size in enumerate(problem.sizes)
        ]
        picks = np.indices([len(x) for x in options]).reshape(len(DIMS), -1)
        tiles = np.stack(
            [np.array(x, np.int64)[pick] for x, pick in zip(options, picks, strict=True)], axis=1
        )
        pruned: list[tuple[str, int]] = []
        candidates = len(tiles) * len(TENSORS)

        def prune(rule: str, keep: np.ndarray) -> None:
            nonlocal tiles
            pruned.append((rule, int((~keep).sum()) * len(TENSORS)))
            tiles = tiles[keep]

        if self.settings.whole_windows:
            on_chip = frozenset[int]().union(*space.open[1:])
            windows = [d for d in (DIMS.index("R"), DIMS.index("S")) if d in on_chip]
            sizes = np.array(problem.sizes)
            prune("whole_windows", (tiles[:, windows] == sizes[windows]).all(axis=1))
        extents = _extents(problem, tiles)
        kept = memory.holds
        need = sum(extents[t].prod(axis=1) for t, name in enumerate(TENSORS) if name in kept)
        if memory.capacity_words is not None:
            prune("capacity", np.asarray(need <= memory.capacity_words))
            twice = self.settings.fit_twice and memory.double_buffered
            need = sum(
                x.prod(axis=1) for t, x in enumerate(_extents(problem, tiles)) if TENSORS[t] in kept
            )
            if twice and (2 * need <= memory.capacity_words).any():
                prune("fit_twice", np.asarray(2 * need <= memory.capacity_words))
        if len(tiles) == 0:
            raise ArraysmithError(
                f"{problem.name}: no tile with whole windows fits {memory.name} of "
                f"{architecture.name}; without whole_windows smaller ones count"
            )
        choices = self._ranked(space, tiles, block)
        evaluated = len(tiles) * len(TENSORS)
        pruned.append(("blocks", evaluated - len(choices)))
        return choices, Phase(candidates, tuple(pruned), evaluated)

    def _ranked(self, space: ExactSpace, tiles: Int, block: int) -> list[_Choice]:
        """Return the ``keep`` choices of tile and tensor in place that move fewest blocks."""
        problem = space.problem
        roles = ProblemArrays.of(problem).plain
        turns = np.array(problem.sizes, np.int64) // tiles
        each, layout = [], []
        for extents in _extents(problem, tiles):
            rest = extents.prod(axis=1)[:, None] // extents
            blocks = rest * -(-extents // block)
            axis = blocks.argmin(axis=1) if self.settings.layouts else -np.ones(len(tiles), int)
            axis = axis % extents.shape[1]
            layout.append(axis)
            each.append(blocks[np.arange(len(tiles)), axis])
        rows = []
        for still in range(len(TENSORS)):
            total = np.zeros(len(tiles), np.int64)
            for t in range(len(TENSORS)):
                moving = turns[:, roles[t] != 0].prod(axis=1)
                often = moving if t == still else turns.prod(axis=1)
                total += each[t] * (2 * often - moving if t == RESULTS else often)
            rows.append(total)
        totals = np.concatenate(rows)
        steps = np.tile(turns.prod(axis=1), len(TENSORS))
        found: dict[tuple[object, ...], _Choice] = {}
        for index in np.lexsort((steps, totals)).tolist():
            still, row = divmod(index, len(tiles))
            order = _order(space, roles[still], turns[row])
            choice = _Choice(
                tuple(tiles[row].tolist()),
                order,
                int(totals[index]),
                tuple(int(x[row]) for x in layout),
            )
            found.setdefault((choice.tile, order), choice)
            if len(found) == self.settings.keep:
                break
        return list(found.values())

    def _splits(
        self, space: ExactSpace, tile: tuple[int, ...]
    ) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """Return the spatial splits that divide a tile: those that use enough PEs, and the rest."""
        fitting = []
        for split in space.spreads:
            spread = space.spread_of(split)
            inside = spread[space.memories[1] :].prod(axis=0)
            outside = np.array(space.problem.sizes) // np.array(tile)
            above = spread[: space.memories[1]].prod(axis=0)
            if not (np.array(tile) % inside).any() and not (outside % above).any():
                fitting.append(split)
        most = max((prod(x) for x in fitting), default=1)
        enough = tuple(x for x in fitting if prod(x) >= self.settings.least_use * most)
        return enough, tuple(x for x in fitting if x not in set(enough))


def _extents(problem: Problem, tiles: Int) -> list[Int]:
    """Return int64 [n, axes] per tensor: words of tiles along its axes, if there."""
    found = []
    for tensor in problem.tensors:
        columns = []
        for axis in tensor.axes:
            reach = 1 + sum(by * (tiles[:, DIMS.index(d)] - 1) for d, by in axis.terms)
            columns.append(np.minimum(reach, max(axis.extent, 1)))
        found.append(np.stack(columns, axis=1))
    return found


def _order(space: ExactSpace, roles: Int, turns: Int) -> tuple[int, ...]:
    """Return the loops off the chip with those innermost that leave a tensor in place."""
    if space.fixed[0] is not None:
        return space.fixed[0]
    turning = [d for d in range(len(DIMS)) if turns[d] > 1]
    return (
        *(d for d in turning if roles[d] != 0),
        *(d for d in turning if roles[d] == 0),
    )


def _factorisations(space: ExactSpace, split: tuple[int, ...], tile: tuple[int, ...]) -> int:
    """Return the ways to deal a tile out over the memories on the chip under a spatial split."""
    inside = space.spread_of(split)[space.memories[1] :].prod(axis=0)
    return prod(
        len(splits(extent // int(spread), sum(d in dims for dims in space.open[1:])))
        for d, (extent, spread) in enumerate(zip(tile, inside, strict=True))
    )
