"""Mappings as genes: repair, scores, operators, the flat view."""

import numpy as np
import pytest
from designs import DESIGN
from hypothesis import given, settings
from hypothesis import strategies as st
from mapper_conformance import ANY, CONV, FLAT, GEMM, ROWS

from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import check_mapping, division_violations
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import conv
from arraysmith.search.mapping_genes import FlatView, Genes, joined, log_uniform, tile_choices
from arraysmith.search.mapping_nests import NestSpace, NothingFitsError
from arraysmith.search.mapping_operators import OPERATORS
from arraysmith.search.mapping_scores import Scorer, losses_of
from arraysmith.sim.analytical.model import AnalyticalModel

PADDED = conv(
    "p",
    height=9,
    width=7,
    in_channels=3,
    out_channels=4,
    window=(3, 3),
    padding=(1, 1),
    stride=(2, 2),
)
SPACES = {
    f"{design.name} {layer.name} {dataflow.name} {setting}": NestSpace(
        design, layer, dataflow, setting
    )
    for design, layer, dataflow in (
        (DESIGN, CONV, ROWS),
        (DESIGN, PADDED, ANY),
        (FLAT, GEMM, ANY),
    )
    for setting in ("default", "timeloop")
}

names = st.sampled_from(sorted(SPACES))
seeds = st.integers(0, 2**32 - 1)


def candidates(space, seed, count=4):
    rng = np.random.default_rng(seed)
    return joined([space.random(rng, count), space.seeds(rng, count, "edp")])


@settings(max_examples=40, deadline=None)
@given(names, seeds)
def test_what_is_repaired_is_legal_and_is_not_repaired_again(name, seed):
    space = SPACES[name]
    legal, _ = space.repair(candidates(space, seed))
    again, changed = space.repair(legal)
    assert not changed.any()
    assert again.keys() == legal.keys()
    for row in range(len(legal)):
        mapping = space.mapping(legal, row)
        assert check_mapping(space.architecture, space.problem, mapping) == ()
        if space.setting == "timeloop":
            assert not division_violations(space.architecture, space.problem, mapping)


@settings(max_examples=25, deadline=None)
@given(names, seeds)
def test_scores_are_those_of_the_report_and_mappings_return_as_the_same_genes(name, seed):
    space = SPACES[name]
    legal, _ = space.repair(candidates(space, seed, 2))
    scores = space.score(legal)
    model = AnalyticalModel(space.setting)
    for row in range(len(legal)):
        mapping = space.mapping(legal, row)
        report = model.evaluate(space.architecture, space.problem, mapping)
        assert scores.cycles[row] == report.cycles
        assert scores.energy[row] == pytest.approx(report.energy_pj, rel=1e-9)
        back = space.genes(mapping)
        assert back.keys()[0] == legal.keys()[row]
        assert space.mapping(back) == mapping


@settings(max_examples=30, deadline=None)
@given(names, st.data())
def test_every_flat_genome_decodes_into_a_legal_mapping(name, data):
    space = SPACES[name]
    view = FlatView(space)
    sizes = view.domain.sizes
    genome = tuple(data.draw(st.integers(0, size - 1)) for size in sizes)
    legal, _ = space.repair(view.decode([genome, (0,) * len(sizes)]))
    for row in range(2):
        assert check_mapping(space.architecture, space.problem, space.mapping(legal, row)) == ()


def test_the_flat_view_knows_what_its_choices_stand_for():
    domain = FlatView(SPACES["flat g any default"]).domain
    assert len(domain.magnitudes) == len(domain.sizes)
    for size, magnitudes in zip(domain.sizes, domain.magnitudes, strict=True):
        assert len(magnitudes) in (0, size)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
@pytest.mark.parametrize("name", ["small c rows default", "flat g any timeloop"])
def test_operators_leave_their_parents_alone_and_change_some_children(operator, name):
    space = SPACES[name]
    parents, _ = space.repair(candidates(space, 1, 20))
    mates = parents.take(np.arange(len(parents))[::-1])
    before = parents.keys(), mates.keys()
    children = OPERATORS[operator](space, parents, mates, np.random.default_rng(0))
    assert (parents.keys(), mates.keys()) == before
    assert len(children) == len(parents)
    same = OPERATORS[operator](space, parents, mates, np.random.default_rng(0))
    assert children.keys() == same.keys()
    legal, _ = space.repair(children)
    assert any(key != old for key, old in zip(legal.keys(), parents.keys(), strict=True))


def test_age_takes_loops_away_and_grow_brings_them_back():
    space = SPACES["flat g any default"]
    parents, _ = space.repair(candidates(space, 2, 30))

    def turning(genes):
        around = np.concatenate(
            [np.broadcast_to(space.extents, (len(genes), 1, space.dims)), genes.tiles[:, :-1]],
            axis=1,
        )
        return int((genes.tiles < around)[:, list(space.sites)].sum())

    rng = np.random.default_rng(0)
    aged = OPERATORS["age"](space, parents, parents, rng)
    assert turning(aged) < turning(parents)
    assert turning(OPERATORS["grow"](space, aged, aged, rng)) > turning(aged)


def test_a_scorer_scores_nothing_twice_and_stops_at_its_budget():
    space = SPACES["flat g any default"]
    scorer = Scorer(space, "edp", 10)
    legal = scorer.legal(candidates(space, 0, 8))
    first = scorer.losses(legal.take(slice(0, 4)))
    assert scorer.evaluations == len(set(legal.take(slice(0, 4)).keys()))
    used = scorer.evaluations
    assert np.array_equal(scorer.losses(legal.take(slice(0, 4))), first)
    assert scorer.evaluations == used
    losses = scorer.losses(legal)
    assert scorer.evaluations == 10
    assert np.isnan(losses).any()
    assert scorer.left == 0
    assert scorer.loss == np.nanmin(losses)
    assert scorer.curve[-1][1] == scorer.loss
    assert scorer.drawn == len(legal)


def test_an_unknown_objective_is_refused():
    space = SPACES["flat g any default"]
    legal, _ = space.repair(candidates(space, 0, 1))
    with pytest.raises(ArraysmithError, match="unknown objective 'edq'"):
        losses_of(space.score(legal), "edq")


def test_log_uniform_draws_reach_both_ends_and_favour_no_decade():
    drawn = log_uniform(np.random.default_rng(0), np.full(20_000, 1000))
    assert drawn.min() == 1
    assert drawn.max() == 1000
    shares = [np.mean((drawn >= low) & (drawn < 10 * low)) for low in (1, 10, 100)]
    assert all(0.3 < share < 0.37 for share in shares)


@given(st.integers(1, 3000))
def test_tile_choices_rise_from_one_to_the_extent_and_hold_all_divisors(extent):
    choices = tile_choices(extent)
    assert choices[0] == 1
    assert choices[-1] == extent
    assert list(choices) == sorted(set(choices))
    assert {x for x in range(1, extent + 1) if extent % x == 0} <= set(choices)


def test_a_mapping_of_another_space_is_refused():
    space = SPACES["small c rows default"]
    wrong = Mapping((LevelMapping("weight_spad", temporal=(Loop("P", 1),)),))
    with pytest.raises(ArraysmithError, match="loops that the space has not"):
        space.genes(wrong)
    with pytest.raises(ArraysmithError, match="not one of the space"):
        space.genes(Mapping(()))


def test_a_dim_without_a_place_is_named():
    rules = tuple(LevelRule(x, temporal=("K",), x=(), y=()) for x in ("dram", "glb", "array"))
    narrow = Dataflow("narrow", "", (*rules, LevelRule("weight_spad", temporal=("K",))))
    with pytest.raises(ArraysmithError, match="leaves no place for dim C"):
        NestSpace(DESIGN, CONV, narrow, "default")


def test_a_whole_dim_that_no_mesh_holds_is_named():
    wide = Dataflow("wide", "", (LevelRule("array", x=(), y=("P",), whole=("P",)),))
    tall = conv("tall", height=32, width=4, in_channels=2, out_channels=2, window=(1, 1))
    with pytest.raises(NothingFitsError, match=r"spreads 32 indices over array\.y"):
        NestSpace(DESIGN, tall, wide, "default")


def test_keys_tell_mappings_apart_by_every_gene():
    genes = Genes(np.ones((1, 2, 3), int), np.zeros((1, 1, 3), int), np.zeros((1, 2), int))
    keys = set(genes.keys())
    for field in ("tiles", "orders", "picks"):
        changed = genes.take(slice(0, 1))
        getattr(changed, field)[..., -1] += 7
        keys |= set(changed.keys())
    assert len(keys) == 4
