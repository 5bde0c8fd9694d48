"""MAESTRO's directives as genes: limits, the guard, and a walk over the PEs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.notation.maestro import MaestroLayer
from arraysmith.search.mapping_directives import NAMES, DirectiveSpace, Limits
from arraysmith.search.mapping_evolution import Effort, Evolution
from arraysmith.search.mapping_genes import Genes, joined
from arraysmith.search.mapping_scores import Scorer
from arraysmith.sim.analytical.maestro import kernel
from arraysmith.sim.analytical.maestro.cost import Machine, count


def layer(kind="CONV", *, k=6, c=5, y=9, x=8, r=3, s=2):
    sizes = {"N": 1, "K": 1 if kind == "DSCONV" else k, "C": c, "R": r, "S": s, "Y": y, "X": x}
    return MaestroLayer("l", kind, tuple(sizes.items()))


SPACES = {
    "conv": DirectiveSpace(layer(), Machine(12, 3), Limits(90, 700)),
    "depthwise": DirectiveSpace(layer("DSCONV", c=11), Machine(10), Limits(60, 400)),
    "narrow": DirectiveSpace(layer(k=40, c=30), Machine(64, 7), Limits(40, 300)),
}
STRICT = DirectiveSpace(layer(), Machine(12, 3), Limits(90, 700), strict=True)


def drawn(space, seed, count=6):
    rng = np.random.default_rng(seed)
    seeds = [space.seeds(rng, count, x) for x in ("edp", "latency", "energy")]
    legal, _ = space.repair(joined([space.random(rng, count), *seeds]))
    return legal


names = st.sampled_from(sorted(SPACES))
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(names, seeds)
def test_repaired_mappings_fit_the_buffers_and_do_all_the_work(name, seed):
    space = SPACES[name]
    legal = drawn(space, seed)
    out = space.counts(legal)
    assert (2 * out[:, kernel.L1_INPUT :][:, :3].sum(axis=1) <= space.limits.l1_elements).all()
    assert (2 * out[:, kernel.FIRST_INPUT :][:, :3].sum(axis=1) <= space.limits.l2_elements).all()
    assert (out[:, kernel.MACS] == space.macs).all()
    again, changed = space.repair(legal)
    assert not changed.any()
    assert again.keys() == legal.keys()


@settings(max_examples=15, deadline=None)
@given(names, seeds)
def test_counts_are_those_of_the_directives_written_out(name, seed):
    space = SPACES[name]
    legal = drawn(space, seed, 2)
    out = space.counts(legal)
    for row in range(len(legal)):
        cost = count(space.directives(legal, row), space.layer, space.machine)
        assert out[row, kernel.RUNTIME] == cost.cycles
        assert out[row, kernel.MACS] == cost.macs
        assert out[row, kernel.INPUT_READS] == cost.input_reads
        assert out[row, kernel.OUTPUT_WRITES] == cost.output_writes
        assert 2 * out[row, kernel.FIRST_INPUT :][:3].sum() == cost.l2_elements


def walked_steps(space, genes, row):
    """Walk the tiles of all units, slowly: steps of the unit that has most, by loops in time."""
    shared = [int(x) for x in space.shareable[genes.picks[row, :2]]]
    inner = int(genes.picks[row, 2]) + 1
    units = (space.machine.pes // inner, inner)

    def pieces(extent, tile):
        return [min(tile, extent - at) for at in range(0, extent, tile)]

    def steps(level, extents):
        if level == 2:
            return int(np.prod(extents))
        cut = [pieces(e, int(t)) for e, t in zip(extents, genes.tiles[row, level], strict=True)]
        n, d = units[level], shared[level]
        folds = [cut[d][i : i + n] for i in range(0, len(cut[d]), n)]
        total = 0
        for chosen in itertools.product(*(cut[x] for x in range(4) if x != d)):
            for fold in folds:
                tile = list(chosen)
                tile.insert(d, 0)
                total += max(steps(level + 1, [*tile[:d], part, *tile[d + 1 :]]) for part in fold)
        return total

    taps = space.macs // int(np.prod(space.extents))
    return taps * steps(0, [int(x) for x in space.extents])


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["conv", "depthwise"]), seeds)
def test_steps_are_those_of_a_walk_over_all_units(name, seed):
    space = SPACES[name]
    legal = drawn(space, seed, 1)
    for row in range(len(legal)):
        assert space.steps(legal)[row] == walked_steps(space, legal, row)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_strict_guard_only_refuses_what_the_rules_do_too_fast_or_with_too_few_words(seed):
    legal = drawn(STRICT, seed)
    plain = SPACES["conv"].score(legal)
    strict = STRICT.score(legal)
    assert np.array_equal(plain.cycles, strict.cycles)
    refused = plain.valid & ~strict.valid
    out = STRICT.counts(legal)
    words = (5 * 9 * 8, 6 * 5 * 3 * 2, 6 * 7 * 7)
    few = (out[:, kernel.INPUT_READS : kernel.OUTPUT_WRITES + 1] < words).any(axis=1)
    assert np.array_equal(refused, plain.valid & ((plain.cycles < STRICT.steps(legal)) | few))


def test_a_known_mapping_that_the_rules_run_too_fast_is_refused_by_the_strict_guard():
    # Rows in tiles of 14 leave 12, which the level below takes for a tile of 14.
    shape = layer(k=64, c=64, y=56, x=56, s=3)
    order = np.tile(np.arange(4), (1, 2, 1))
    genes = Genes(
        np.array([[[1, 1, 14, 1], [1, 1, 7, 1]]]),
        order,
        np.array([[NAMES.index("C"), NAMES.index("X"), 1]]),
    )
    for strict in (False, True):
        space = DirectiveSpace(shape, Machine(168), Limits(512, 108_000), strict=strict)
        legal, changed = space.repair(genes)
        assert not changed[0]
        scores = space.score(legal)
        assert scores.cycles[0] < space.steps(legal)[0]
        assert scores.valid[0] == (not strict)


def test_equal_mappings_have_equal_genes_wherever_unmoved_loops_stand():
    space = DirectiveSpace(layer(), Machine(12, 3), Limits(10**4, 10**6))
    tiles = np.array([[[2, 5, 7, 3], [1, 5, 7, 1]]])
    picks = np.array([[0, 3, 2]])
    keys, results = set(), set()
    for order in itertools.permutations(range(4)):
        if order.index(0) > order.index(3):
            continue  # K and X turn: their order matters
        orders = np.array([[order, order]])
        legal, _ = space.repair(Genes(tiles, orders, picks))
        keys.add(legal.keys()[0])
        results.add(space.counts(legal)[0].tobytes())
        results.add(space.counts(Genes(tiles, orders, picks))[0].tobytes())
    assert len(keys) == 1
    assert len(results) == 1


def test_evolution_finds_the_best_of_a_long_random_search_in_few_evaluations():
    space = SPACES["conv"]
    random = Scorer(space, "edp", 4000)
    random.losses(random.legal(space.random(np.random.default_rng(0), 12_000)))
    for seed in range(2):
        scorer = Scorer(space, "edp", 600)
        Evolution(scorer, np.random.default_rng(seed), Effort()).run()
        assert scorer.evaluations <= 600
        assert scorer.loss <= random.loss


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "GEMM"}, "only convolutions"),
        ({"limits": Limits(8, 700)}, "L1 is too small"),
    ],
)
def test_layers_that_cannot_be_searched_are_refused(wrong, words):
    shape = layer()
    if "kind" in wrong:
        shape = MaestroLayer("g", "GEMM", (("M", 4), ("N", 4), ("K", 4)))
    with pytest.raises(ArraysmithError, match=words):
        DirectiveSpace(shape, Machine(4), wrong.get("limits", Limits(512, 4096)))
