"""MAESTRO's two levels of directives as genes: what GAMMA searches, by the same rules.

Outer and inner level, each with a tile and an order of K, C, Y and X and one shared dim; the inner
units of a group (``Cluster``) are the degree. Y and X count outputs; R and S are held whole.

Limits are elements of L1 and L2 as the rules count them. A mapping is *valid* when the rules count
the true MACs and do not finish faster than the PEs can (the guard): they have defects that a search
finds. Energy is accesses of L2 alone, the figure that the tool prints for two levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.notation.maestro import Amount, Cluster, Directives, MaestroLayer, Map
from arraysmith.arch.notation.maestro_convert import problem_of
from arraysmith.search.mapping_directive_repair import (
    grow_tiles,
    l1_elements_of,
    repair_directives,
)
from arraysmith.search.mapping_genes import (
    Bool,
    Float,
    Genes,
    GeneSpace,
    Int,
    Scores,
    log_uniform,
)
from arraysmith.sim.analytical.maestro import kernel
from arraysmith.sim.analytical.maestro.cost import L2_UNITS, MEMBERS, ORDER, UNIT_PJ, Machine

NAMES = "KCYX"
"""Dims that are tiled, in the order of the genes."""

OUTER, INNER = 0, 1
"""Places and sites."""

SHARED_OUTER, SHARED_INNER, DEGREE = 0, 1, 2
"""Picks: the dim that groups share, the dim that units of a group share, units of a group - 1."""

RESULTS = 2
"""The tensor of results: every case sends them up."""

NJ_PER_ACCESS = L2_UNITS * UNIT_PJ / 1000
"""Energy of an access of L2 in nanojoules."""

DRAWN_PER_SEED = 40
"""Mappings drawn for each seed that is proposed."""

WORTH_A_TRY = 1.5
"""Seeds of a rough guess beyond this multiple of the best one's come last."""

GROWN = 0.8
"""Share of seeds whose outer tiles grow as far as L2 holds them."""


@dataclass(frozen=True)
class Limits:
    """Elements of the buffer of a PE and of the shared one."""

    l1_elements: int
    l2_elements: int


class DirectiveSpace(GeneSpace):
    """See the module.

    Attributes:
        layer: the layer, of stride 1.
        machine: the hardware.
        limits: sizes of its buffers.
    """

    def __init__(
        self, layer: MaestroLayer, machine: Machine, limits: Limits, *, strict: bool = False
    ) -> None:
        """Prepare the space.

        Args:
            layer: the layer.
            machine: the hardware.
            limits: sizes of its buffers.
            strict: refuse, too, mappings that the rules finish in fewer cycles than the PE with
                most work computes, or for which they move less than every word once.

        Raises:
            ArraysmithError: a layer that is no convolution of stride 1 and batch 1, or for which
                L1 is too small even with every tile 1.
        """
        convolution = layer.type in {"CONV", "DSCONV"}
        if not convolution or layer.stride != (1, 1) or layer.size["N"] != 1:
            rule = "only convolutions of stride and batch 1 are searched by these rules"
            raise ArraysmithError(f"{layer.name}: {rule}")
        self.layer, self.machine, self.limits, self.strict = layer, machine, limits, strict
        size = layer.size
        self.window = (size["R"], size["S"])
        outputs = {**size, "Y": size["Y"] - size["R"] + 1, "X": size["X"] - size["S"] + 1}
        self.extents = np.array([outputs[d] for d in NAMES], np.int64)
        self.depthwise = layer.type == "DSCONV"
        self.free = np.ones((2, len(NAMES)), np.bool_)
        self.sites = (OUTER, INNER)
        self.movable = np.ones(2, np.bool_)
        self.shareable = np.flatnonzero(self.extents > 1)
        if not len(self.shareable):
            self.shareable = np.array([0])
        self.pick_sizes = (len(self.shareable), len(self.shareable), machine.pes)
        self.macs = layer.macs
        problem = problem_of(layer)
        self._moved_once = problem.ifmap.words + problem.weight.words
        dims = ORDER[layer.type]
        ofmap = problem.ofmap.words
        self._words = np.array([problem.ifmap.words, problem.weight.words, ofmap], np.float64)
        self._dims = {dim: i for i, dim in enumerate(dims)}
        self._codes = np.array([self._dims[d] for d in NAMES], np.int64)
        self._whole = np.array([size[d] for d in dims], np.int64)
        member = [[dim in owners for dim in dims] for owners in MEMBERS[layer.type]]
        self._member = np.array(member, np.int64)
        self._indexed = [np.array([d in owners for d in NAMES]) for owners in MEMBERS[layer.type]]
        taps = {"Y": "R", "X": "S"}
        self._window = np.array([self._dims[taps[d]] if d in taps else -1 for d in dims], np.int64)
        self._rates = np.array(
            [
                machine.noc_elements_per_cycle,
                machine.hop_cycles,
                machine.offchip_elements_per_cycle,
                machine.macs_per_cycle,
                1,
                1,
            ],
            np.int64,
        )
        least = np.ones(len(NAMES), np.int64)
        if l1_elements_of(least, self.depthwise, *self.window) > limits.l1_elements:
            raise ArraysmithError(f"{layer.name}: L1 is too small for one output")

    def repair(self, genes: Genes) -> tuple[Genes, Bool]:
        """See ``GeneSpace``; tiles shrink until L1 and L2 hold them."""
        tiles, orders, picks = genes.tiles.copy(), genes.orders.copy(), genes.picks.copy()
        changed = np.zeros(len(genes), np.bool_)
        repair_directives(
            tiles,
            orders,
            picks,
            self.extents,
            self.shareable,
            self.machine.pes,
            self.depthwise,
            self.window[0],
            self.window[1],
            self.limits.l1_elements,
            self.limits.l2_elements,
            changed,
        )
        return Genes(tiles, orders, picks), changed

    def counts(self, genes: Genes) -> Int:
        """Return the kernel's result rows of genes, see ``sim.analytical.maestro.kernel``."""
        n = len(genes)
        program = np.empty((n, 2, len(self._dims), 4), np.int64)
        shared = self.shareable[genes.picks[:, :2]]
        units = np.empty((n, 2), np.int64)
        units[:, INNER] = genes.picks[:, DEGREE] + 1
        units[:, OUTER] = self.machine.pes // units[:, INNER]
        held = np.zeros(len(NAMES), np.int64)
        held[2:] = np.array(self.window) - 1  # inputs of a tile of outputs
        for level in (OUTER, INNER):
            order = genes.orders[:, level]
            tile = np.take_along_axis(genes.tiles[:, level], order, axis=1)
            rows = program[:, level]
            rows[:, : len(NAMES), 0] = order == shared[:, level, None]
            rows[:, : len(NAMES), 1] = self._codes[order]
            rows[:, : len(NAMES), 2] = tile + held[order]
            rows[:, : len(NAMES), 3] = tile
            for at, (dim, whole) in enumerate((("R", self.window[0]), ("S", self.window[1]))):
                rows[:, len(NAMES) + at] = (0, self._dims[dim], whole, whole)
            rows[:, len(NAMES) + 2] = (0, self._dims["N"], 1, 1)
        extents = np.broadcast_to(self._whole, (n, len(self._whole))).copy()
        out = np.zeros((n, kernel.COLUMNS), np.int64)
        kernel.count(program, units, extents, self._member, self._window, self._rates, out)
        return out

    def score(self, genes: Genes) -> Scores:
        """See ``GeneSpace``; energy in nanojoules of L2 accesses."""
        out = self.counts(genes)
        cycles = out[:, kernel.RUNTIME]
        reads = out[:, kernel.INPUT_READS : kernel.OUTPUT_WRITES + 1]
        moved = reads.sum(axis=1)
        energy = (moved + self._moved_once) * NJ_PER_ACCESS
        l1 = 2 * out[:, kernel.L1_INPUT : kernel.L1_INPUT + 3].sum(axis=1)
        l2 = 2 * out[:, kernel.FIRST_INPUT : kernel.FIRST_INPUT + 3].sum(axis=1)
        valid = (
            (out[:, kernel.MACS] == self.macs)
            & (cycles * self.machine.pes >= self.macs)
            & (l1 <= self.limits.l1_elements)
            & (l2 <= self.limits.l2_elements)
        )
        if self.strict:
            valid &= cycles >= self.steps(genes)
            valid &= (reads >= self._words).all(axis=1)
        return Scores(cycles, energy, valid)

    def steps(self, genes: Genes) -> Float:
        """Return the cycles that the PE with most work computes, at a MAC a cycle."""
        n = len(genes)
        shared = self.shareable[genes.picks[:, :2]]
        inner = genes.picks[:, DEGREE] + 1
        outer = self.machine.pes // inner
        cycles = np.full(n, float(self.macs) / float(np.prod(self.extents)))  # taps
        for d, extent in enumerate(self.extents):
            tile, least = genes.tiles[:, OUTER, d], genes.tiles[:, INNER, d]
            inside = np.where(shared[:, INNER] == d, inner, 1)

            def alone(
                whole: Int | int, least: Int = least, inside: Int = inside
            ) -> Int:  # of the unit with most work in a group
                folds = whole // (least * inside)
                return folds * least + np.minimum(least, whole - folds * least * inside)

            groups = np.where(shared[:, OUTER] == d, outer, 1)
            folds = extent // (tile * groups)
            rest = np.minimum(tile, extent - folds * tile * groups)
            cycles *= folds * alone(tile) + alone(rest)
        return cycles

    def parallelise(self, genes: Genes, rng: np.random.Generator) -> Genes:
        """See ``GeneSpace``: swap the shared dims, draw one anew, or draw the degree."""
        picks = genes.picks.copy()
        n = len(genes)
        what = rng.integers(4, size=n)
        swap = what == 0
        picks[swap, :2] = picks[swap, 1::-1]
        for pick in (SHARED_OUTER, SHARED_INNER):
            rows = what == 1 + pick
            picks[rows, pick] = rng.integers(len(self.shareable), size=n)[rows]
        degree = self._degrees(rng, n)
        rows = (what == 3) | (rng.random(n) < 0.3)
        picks[rows, DEGREE] = degree[rows] - 1
        tiles = genes.tiles.copy()
        self._fill(tiles, picks, np.flatnonzero(rng.random(n) < 0.5), rng)
        return Genes(tiles, genes.orders.copy(), picks)

    def _fill(self, tiles: Int, picks: Int, rows: Int, rng: np.random.Generator) -> None:
        """Cut the shared dims of some rows so that their tiles fill whole folds of the units."""
        shared = self.shareable[picks[rows, :2]]
        inner = picks[rows, DEGREE] + 1
        around = self.extents[shared[:, OUTER]]
        for level, units in ((OUTER, self.machine.pes // inner), (INNER, inner)):
            if level == INNER:
                around = tiles[rows, OUTER, shared[:, INNER]]
            folds = log_uniform(rng, -(-around // units))
            tiles[rows, level, shared[:, level]] = -(-around // (units * folds))

    def _degrees(self, rng: np.random.Generator, count: int) -> Int:
        """Return units of a group: mostly divisors of the PEs, else log-uniform."""
        pes = self.machine.pes
        divisors = np.array([x for x in range(1, pes + 1) if pes % x == 0], np.int64)
        drawn = np.exp(rng.random(count) * np.log(pes + 1.0)).astype(np.int64)
        drawn = np.clip(drawn, 1, pes)
        pick = divisors[rng.integers(len(divisors), size=count)]
        return np.where(rng.random(count) < 0.7, pick, drawn)

    def seeds(self, rng: np.random.Generator, count: int, objective: str) -> Genes:
        """See ``GeneSpace``.

        Shared dims and degrees that fill the PEs, one tensor left in place by the order of the
        outer loops, outer tiles that grow as far as L2 holds them; ranked by ``promise``, the best
        of every choice of shared dims and degree first.
        """
        pool, _ = self.repair(self._filled(rng, DRAWN_PER_SEED * count))
        promise = self.promise(pool, objective)
        ranked = np.argsort(promise, kind="stable")
        seen: dict[bytes, int] = {}
        turn = np.empty(len(ranked), np.int64)  # how many of equal picks come before
        for row in ranked:
            key = pool.picks[row].tobytes()
            turn[row] = seen[key] = seen.get(key, -1) + 1
        worst = promise[ranked[0]] * WORTH_A_TRY
        order = np.lexsort((promise, turn, promise > worst))
        return pool.take(order[:count])

    def promise(self, genes: Genes, objective: str) -> Float:
        """Return a rough guess of the loss, from the steps and the words that have to move."""
        shared = self.shareable[genes.picks[:, OUTER]]
        units = self.machine.pes // (genes.picks[:, DEGREE] + 1)
        turns = -(-self.extents // genes.tiles[:, OUTER])
        rows = np.arange(len(genes))
        turns[rows, shared] = -(-turns[rows, shared] // units)
        position = np.argsort(genes.orders[:, OUTER], axis=1)
        words = np.zeros(len(genes))
        for tensor, indexed in enumerate(self._indexed):
            moving = np.where(indexed & (turns > 1), position, -1).max(axis=1)
            again = np.where(~indexed & (position < moving[:, None]), turns, 1)
            if tensor == RESULTS:
                again = np.where(~indexed, turns, 1)
            words += self._words[tensor] * again.prod(axis=1)
        cycles = np.maximum(self.steps(genes), words / self.machine.noc_elements_per_cycle)
        energy = words + self._moved_once
        if objective == "latency":
            return cycles
        return energy if objective == "energy" else cycles * energy

    def _filled(self, rng: np.random.Generator, count: int) -> Genes:
        genes = self.random(rng, count)
        tiles, picks = genes.tiles, genes.picks
        inner = self._degrees(rng, count)
        picks[:, DEGREE] = inner - 1
        self._fill(tiles, picks, np.arange(count), rng)
        still = rng.integers(3, size=count)
        keys = rng.random((count, len(NAMES))) + np.stack(self._indexed)[still] * -1.0
        orders = genes.orders
        orders[:, OUTER] = np.argsort(keys, axis=1)  # what moves the tensor stands outside
        grow_tiles(
            tiles,
            picks,
            self.extents,
            self.shareable,
            rng.permuted(np.tile(np.arange(len(NAMES)), (count, 1)), axis=1),
            rng.random(count) < GROWN,
            self.machine.pes,
            self.depthwise,
            self.window[0],
            self.window[1],
            self.limits.l2_elements,
        )
        return Genes(tiles, orders, picks)

    def directives(self, genes: Genes, row: int = 0) -> Directives:
        """Return one mapping as the tool's directives."""
        size = self.layer.size
        items: list[Map | Cluster] = []
        for level in (OUTER, INNER):
            if level == INNER:
                items.append(Cluster(Amount(int(genes.picks[row, DEGREE]) + 1)))
            shared = int(self.shareable[genes.picks[row, level]])
            items += [Map(False, Amount(size[d]), Amount(size[d]), d) for d in "RS"]
            for d in genes.orders[row, level]:
                tile = Amount(int(genes.tiles[row, level, d]))
                name = NAMES[d] + ("'" if NAMES[d] in "YX" else "")
                items.append(Map(int(d) == shared, tile, tile, name))
        return Directives(tuple(items))
