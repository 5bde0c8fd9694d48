"""Our loop nests as genes: the mappings of one layer on one design under a dataflow.

Places are the memories (loops in time) and both axes of every fan-out (loops in space), in the
order of the architecture; a tile there is what is left of a dim inside. Tiles need not divide,
except under ``timeloop``. Picks, where asked for, let a tensor pass by a memory.
"""

from __future__ import annotations

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping, kept_tensors
from arraysmith.arch.problem import DIMS, TENSORS, Problem
from arraysmith.search.mapping_genes import (
    Bool,
    Genes,
    GeneSpace,
    Int,
    Scores,
    log_uniform,
)
from arraysmith.search.mapping_nest_model import NestModel
from arraysmith.search.mapping_nest_places import (
    AXES,
    modes_of,
    nest_seeds,
    places_of,
    without_single_turns,
)
from arraysmith.search.mapping_repair import (
    ALWAYS,
    FIXED,
    FREE,
    NEVER,
    Rules,
    repair_nests,
)
from arraysmith.sim.analytical.counting import SETTINGS
from arraysmith.sim.analytical.encoding import (
    COLUMN,
    NO_DIM,
    TEMPORAL,
    MappingArrays,
)


class NothingFitsError(ArraysmithError):
    """Not even the smallest tiles of a dataflow fit a design."""


class NestSpace(GeneSpace):
    """See the module.

    Attributes:
        architecture: the design.
        problem: the layer.
        setting: of the analytical model.
        places: where loops stand, outermost first.
        names: index in ``DIMS`` of each of the space's dims: those of more than one index.
        mesh: int64 [places], most instances at a place in space; 0 at places in time.
        bypasses: (memory, tensor) of each pick; 0 keeps, 1 lets it pass by.
    """

    def __init__(
        self,
        architecture: Architecture,
        problem: Problem,
        dataflow: Dataflow,
        setting: str,
        *,
        bypass: bool = True,
    ) -> None:
        """Prepare the space.

        Args:
            architecture: a spatial one.
            problem: the layer.
            dataflow: what mappings may look like.
            setting: of the analytical model.
            bypass: whether tensors may pass by memories that could keep them.

        Raises:
            NothingFitsError: see there.
            ArraysmithError: a systolic array; a dim without a place.
        """
        if architecture.systolic:
            raise ArraysmithError(f"{architecture.name}: a systolic array has no mappings")
        if setting not in SETTINGS:
            raise ArraysmithError(f"the setting {setting} has no loop nests to search")
        self.architecture, self.problem, self.setting = architecture, problem, setting
        self.names = tuple(d for d, size in enumerate(problem.sizes) if size > 1) or (0,)
        self.extents = np.array([problem.sizes[d] for d in self.names], np.int64)
        self.places = places_of(architecture, problem, dataflow, self.names)
        mode = modes_of(problem, dataflow, self.places, self.names)
        self.free: Bool = mode == FREE
        self.sites = tuple(p for p, x in enumerate(self.places) if x.axis == TEMPORAL)
        self.movable = np.array([not self.places[p].ordered for p in self.sites])
        self.bypasses = tuple(
            (m, t)
            for m, memory in enumerate(architecture.memories)
            for t, tensor in enumerate(TENSORS)
            if bypass and m and tensor in memory.holds
        )
        self.pick_sizes = (2,) * len(self.bypasses)
        self._model = NestModel(architecture, problem, setting)
        self._problem = self._model.arrays
        self._rules = self._made_rules(mode)
        self.mesh = self._rules.mesh
        self._check_least()

    def _made_rules(self, mode: Int) -> Rules:
        memories = self.architecture.memories
        levels = self.architecture.levels
        mesh = np.zeros(len(self.places), np.int64)
        for p, place in enumerate(self.places):
            level = levels[place.level]
            if isinstance(level, Fanout):
                mesh[p] = level.mesh_x if place.axis == COLUMN else level.mesh_y
        at = [i for i, level in enumerate(levels) if isinstance(level, Memory)]
        before = [
            max((p for p, x in enumerate(self.places) if x.level < i), default=-1) for i in at
        ]
        keeper = np.full((len(memories), 3), NEVER, np.int64)
        for m, memory in enumerate(memories):
            for t, tensor in enumerate(TENSORS):
                if tensor in memory.holds:
                    keeper[m, t] = ALWAYS
        for k, (m, t) in enumerate(self.bypasses):
            keeper[m, t] = k
        position = {d: i for i, d in enumerate(self.names)}
        terms = np.full(self._problem.terms.shape, -1, np.int64)
        coefs = np.zeros(self._problem.terms.shape, np.int64)
        for (t, a, k), dim in np.ndenumerate(self._problem.terms):
            if dim != NO_DIM and int(dim) in position:
                terms[t, a, k] = position[int(dim)]
                coefs[t, a, k] = self._problem.coef[t, a, dim]
        least = np.ones(mode.shape, np.int64)
        for d in range(self.dims):
            around = int(self.extents[d])
            for p in range(len(mode)):
                keeps = mode[p, d] == FIXED or (mode[p, d] == FREE and mesh[p] > 0)
                least[p, d] = around = around if keeps else 1
        return Rules(
            self.extents,
            mode,
            mesh,
            np.array(before, np.int64),
            np.array(
                [-1 if x.capacity_words is None else x.capacity_words for x in memories], np.int64
            ),
            keeper,
            self._problem.axes,
            terms,
            coefs,
            np.array(self.sites, np.int64),
            self.movable,
            self.setting == "timeloop",
            least,
        )

    def _check_least(self) -> None:
        """Refuse a design on which not even the smallest tiles fit."""
        least = self._rules.least
        around = np.vstack([self.extents, least[:-1]])
        used = (-(-around // least)).prod(axis=1)
        over = [p for p, most in enumerate(self.mesh) if most and used[p] > most]
        if over:
            level = self.architecture.levels[self.places[over[0]].level].name
            raise NothingFitsError(
                f"{self.problem.name}: the dataflow spreads {used[over[0]]} indices over "
                f"{level}.{AXES[self.places[over[0]].axis]}, which has room for "
                f"{self.mesh[over[0]]}"
            )
        for m, memory in enumerate(self.architecture.memories):
            place = self._rules.before[m]
            tile = least[place] if place >= 0 else self.extents
            sizes = dict.fromkeys(DIMS, 1)
            sizes.update({DIMS[d]: int(x) for d, x in zip(self.names, tile, strict=True)})
            need = sum(
                int(np.prod([axis.reach(sizes) for axis in tensor.axes]))
                for name, tensor in zip(TENSORS, self.problem.tensors, strict=True)
                if name in memory.holds
            )
            if memory.capacity_words is not None and need > memory.capacity_words:
                raise NothingFitsError(
                    f"{self.problem.name}: {memory.name} holds {memory.capacity_words} words, the "
                    f"smallest tiles of the dataflow need {need}"
                )

    def repair(self, genes: Genes) -> tuple[Genes, Bool]:
        """See ``GeneSpace``; ``mapping_repair`` says how."""
        tiles, orders, picks = genes.tiles.copy(), genes.orders.copy(), genes.picks.copy()
        changed = np.zeros(len(genes), np.bool_)
        sizes = np.array(self.pick_sizes, np.int64)
        repair_nests(self._rules, tiles, orders, picks, sizes, changed)
        return Genes(tiles, orders, picks), changed

    def score(self, genes: Genes) -> Scores:
        """See ``GeneSpace``; energy in picojoules."""
        n = len(genes)
        cycles, energy = np.zeros(n, np.int64), np.zeros(n, np.float64)
        patterns: dict[bytes, list[int]] = {}
        for row in range(n):
            patterns.setdefault(genes.picks[row].tobytes(), []).append(row)
        for rows in patterns.values():
            part = genes.take(np.array(rows, np.int64))
            passing = frozenset(
                x for x, gone in zip(self.bypasses, part.picks[0], strict=True) if gone
            )
            cycles[rows], energy[rows] = self._model.score(self.loops(part), passing)
        return Scores(cycles, energy, np.ones(n, np.bool_))

    def loops(self, genes: Genes) -> MappingArrays:
        """Return genes as loops for the counting kernel."""
        n = len(genes)
        codes = np.array(self.names, np.int64)
        level, axis, dim, turns, tiles = [], [], [], [], []
        around = np.broadcast_to(self.extents, (n, self.dims))
        rows = np.arange(n)[:, None]
        site = 0
        for p, place in enumerate(self.places):
            here = genes.tiles[:, p]
            order = np.broadcast_to(np.array(place.dims, np.int64), (n, len(place.dims)))
            if place.axis == TEMPORAL:
                if self.movable[site]:
                    order = genes.orders[:, site]
                site += 1
            width = order.shape[1]
            if width:
                level += [place.level] * width
                axis += [place.axis] * width
                tile = here[rows, order]
                dim.append(codes[order])
                turns.append(-(-around[rows, order] // tile))
                tiles.append(tile)
            around = here
        return MappingArrays(
            np.array(level, np.int64),
            np.array(axis, np.int64),
            np.concatenate(dim, axis=1),
            np.concatenate(turns, axis=1),
            None if self.setting == "timeloop" else np.concatenate(tiles, axis=1),
        )

    def mapping(self, genes: Genes, row: int = 0) -> Mapping:
        """Return one legal candidate as a mapping; loops that turn once are left out."""
        groups: dict[int, dict[str, tuple[Loop, ...]]] = {}
        around = self.extents
        for p, place in enumerate(self.places):
            tile = genes.tiles[row, p]
            order: tuple[int, ...] = place.dims
            if place.axis == TEMPORAL and not place.ordered:
                order = tuple(genes.orders[row, self.sites.index(p)].tolist())
            loops = tuple(
                Loop(DIMS[self.names[d]], int(tile[d])) for d in order if tile[d] < around[d]
            )
            if loops:
                groups.setdefault(place.level, {})[AXES[place.axis]] = loops
            around = tile
        passing = {x for x, gone in zip(self.bypasses, genes.picks[row], strict=True) if gone}
        memories = [x.name for x in self.architecture.memories]
        entries = []
        for i, level in enumerate(self.architecture.levels):
            keep = None
            if isinstance(level, Memory):
                m = memories.index(level.name)
                kept = tuple(x for x in level.holds if (m, TENSORS.index(x)) not in passing)
                keep = kept if kept != level.holds else None
            if i in groups or keep is not None:
                entries.append(LevelMapping(level.name, **groups.get(i, {}), keep=keep))
        return Mapping(tuple(entries))

    def genes(self, mapping: Mapping) -> Genes:
        """Return a mapping as genes, a batch of one; the inverse of ``mapping``.

        Raises:
            ArraysmithError: the mapping is not of this space: a loop where the dataflow has none, a
                dim twice at a place, a tensor that passes by where that is not asked for, or tiles
                that break a rule.
        """
        legal, changed = self.repair(self.similar(mapping))
        if changed[0] or self.mapping(legal) != without_single_turns(
            self.architecture, self.problem, mapping
        ):
            raise ArraysmithError("the mapping is not one of the space")
        return legal

    def similar(self, mapping: Mapping) -> Genes:
        """Return a mapping, of this layer or another one, as genes before repair.

        Raises:
            ArraysmithError: a loop where the dataflow has none, a dim twice at a place, or a tensor
                that passes by where that is not asked for.
        """
        position = {DIMS[d]: i for i, d in enumerate(self.names)}
        tiles = np.ones((1, len(self.places), self.dims), np.int64)
        orders = np.tile(np.arange(self.dims), (1, len(self.sites), 1)).astype(np.int64)
        around = self.extents
        for p, place in enumerate(self.places):
            name = self.architecture.levels[place.level].name
            loops = getattr(mapping.at(name), AXES[place.axis])
            found = [position[x.dim] for x in loops if x.dim in position]
            if len(set(found)) < len(found) or not set(found) <= set(place.dims):
                raise ArraysmithError(f"{name}.{AXES[place.axis]}: loops that the space has not")
            here = np.array(around)
            for loop in loops:
                if loop.dim in position:
                    here[position[loop.dim]] = loop.tile
            tiles[0, p] = around = here
            if p in self.sites:
                rest = [d for d in range(self.dims) if d not in found]
                orders[0, self.sites.index(p)] = [*found, *rest]
        picks = np.zeros((1, len(self.bypasses)), np.int64)
        for m, memory in enumerate(self.architecture.memories):
            kept = kept_tensors(memory, mapping.at(memory.name))
            for t, tensor in enumerate(TENSORS):
                if tensor in memory.holds and tensor not in kept:
                    if (m, t) not in self.bypasses:
                        raise ArraysmithError(f"{memory.name}: {tensor} passes by")
                    picks[0, self.bypasses.index((m, t))] = 1
        return Genes(tiles, orders, picks)

    def parallelise(self, genes: Genes, rng: np.random.Generator) -> Genes:
        """See ``GeneSpace``: give an axis of a fan-out to another dim, or another degree."""
        tiles = genes.tiles.copy()
        spatial = [
            p for p, place in enumerate(self.places) if place.axis != TEMPORAL and place.dims
        ]
        if not spatial:
            return Genes(tiles, genes.orders.copy(), genes.picks.copy())
        for row in range(len(tiles)):
            p = spatial[rng.integers(len(spatial))]
            place = self.places[p]
            d = place.dims[rng.integers(len(place.dims))]
            most = int(min(self.mesh[p], self.extents[d]))
            degree = most if rng.random() < 0.5 else int(log_uniform(rng, np.array(most)))
            if rng.random() < 0.5:  # all others leave
                others = [x for x in place.dims if x != d and self.free[p, x]]
                outer = tiles[row, p - 1] if p else self.extents
                tiles[row, p, others] = outer[others]
            if self.free[p, d]:
                inside = tiles[row, p, d]
                if rng.random() < 0.5:
                    around = int(tiles[row, p - 1, d] if p else self.extents[d])
                    tiles[row, p, d] = -(-around // degree)
                    continue
            else:
                inside = 1
            outside = tiles[row, :p, d]
            outside[-1:] = min(int(self.extents[d]), int(inside) * degree)
            np.maximum(outside, outside[-1:], out=outside)
        return Genes(tiles, genes.orders.copy(), genes.picks.copy())

    def seeds(self, rng: np.random.Generator, count: int, objective: str) -> Genes:
        """See ``GeneSpace``: full meshes, large tiles inside, one tensor left in place."""
        del objective
        return nest_seeds(self, rng, count)
