"""The mappers that draw mappings: genetic and random."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from designs import DESIGN
from mapper_conformance import ANY, CONV, ROWS, TASKS, MapperConformance
from small_run import write

from arraysmith.arch.errors import InputError
from arraysmith.arch.problem import conv
from arraysmith.arch.registry import lookup, registered
from arraysmith.search.mappers.base import LayerTask
from arraysmith.search.mappers.genetic import GeneticMapper, GeneticMapperSettings
from arraysmith.search.mappers.random_search import RandomMapper, RandomSettings
from arraysmith.search.mapping_operators import OPERATORS
from arraysmith.sim.cli import estimate


class TestGenetic(MapperConformance):
    mapper = GeneticMapper
    settings = GeneticMapperSettings(children=12, first=24)


class TestRandom(MapperConformance):
    mapper = RandomMapper
    settings = RandomSettings(batch=50)


def find(task, seed=0, **settings):
    mapper = GeneticMapper(GeneticMapperSettings(**settings))
    return mapper.find(task, np.random.default_rng(seed))


def test_both_are_found_by_name():
    assert {"genetic", "random"} <= set(registered("mapper"))
    assert lookup("mapper", "genetic") is GeneticMapper


def test_the_genetic_mapper_beats_random_mappings_of_the_same_budget():
    task = TASKS["convolution, free"]
    random = [
        RandomMapper(RandomSettings(bypass=True)).find(task, np.random.default_rng(seed)).loss
        for seed in range(3)
    ]
    genetic = [find(task, seed).loss for seed in range(3)]
    assert max(genetic) < min(random)


def test_an_unknown_operator_is_refused_with_the_near_one():
    with pytest.raises(ValueError, match="unknown operator 'reordr'"):
        GeneticMapperSettings(operators=("reordr",))
    with pytest.raises(ValueError, match="every operator once"):
        GeneticMapperSettings(operators=("cross", "cross"))


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator_alone_finds_legal_mappings_within_the_budget(name):
    task = TASKS["product, cycles"]
    found = find(task, operators=(name,))
    assert found.mapping is not None
    assert found.evaluations <= task.evaluations


def test_the_mapping_of_a_similar_layer_is_where_the_search_begins():
    task = LayerTask(DESIGN, CONV, ROWS, "default", "edp", 400)
    best = find(task)
    wider = conv("wider", height=6, width=7, in_channels=4, out_channels=5, window=(3, 3))
    few = LayerTask(DESIGN, wider, ROWS, "default", "edp", 1)
    mapper = GeneticMapper()
    cold = mapper.find(few, np.random.default_rng(1))
    warm = mapper.find(few, np.random.default_rng(1), known=[best.mapping])
    assert warm.loss < cold.loss


def test_known_mappings_that_the_dataflow_forbids_are_left_out():
    free = find(LayerTask(DESIGN, CONV, ANY, "default", "latency", 200))
    task = LayerTask(DESIGN, CONV, ROWS, "default", "edp", 50)
    found = GeneticMapper().find(task, np.random.default_rng(0), known=[free.mapping])
    assert found.mapping is not None


def test_without_bypass_every_memory_keeps_all_it_may():
    found = find(TASKS["product, energy"], bypass=False)
    assert all(level.keep is None for level in found.mapping.levels)


def test_a_small_space_is_left_before_the_budget_is_spent():
    tiny = conv("t", height=2, width=1, in_channels=1, out_channels=1, window=(1, 1))
    task = LayerTask(DESIGN, tiny, ANY, "default", "edp", 100_000)
    found = find(task)
    assert found.mapping is not None
    assert found.evaluations < 2000
    random = RandomMapper().find(task, np.random.default_rng(0))
    assert random.evaluations < 2000


CALL = ("eyeriss", "vgg16:conv5_1", "--dataflow", "row_stationary", "--search", "300", "--json")


def test_estimate_maps_by_the_mapper_that_is_named():
    edp = {}
    for name in ("random", "genetic"):
        done = CliRunner().invoke(estimate, [*CALL, "--mapper", name])
        assert done.exit_code == 0, done.output
        document = json.loads(done.stdout)
        assert document["provenance"]["mapping"]["mapper"] == name
        edp[name] = document["layers"][0]["edp_j_cycles"]
    assert edp["genetic"] < edp["random"]


@pytest.mark.parametrize(("most", "told"), [("20000", "proven"), ("1", "above the optimum")])
def test_estimate_says_what_the_exact_mapper_proved(tmp_path, most, told):
    write(tmp_path)
    call = [str(tmp_path / "small.yaml"), str(tmp_path / "net.yaml:first"), "--mapper", "exact"]
    call += ["--dataflow", "row_stationary", "--search", most]
    done = CliRunner().invoke(estimate, call)
    assert done.exit_code == 0, done.output
    assert "first: exact: " in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    "call",
    [
        ("tpu-v1", "vgg16:conv5_1", "--dataflow", "weight_stationary"),
        ("eyeriss", "vgg16:conv5_1", "--mapping", "best.yaml"),
        ("eyeriss", "vgg16:conv5_1", "--mapping", "best.m", "--setting", "maestro"),
    ],
)
def test_a_mapper_that_would_have_nothing_to_choose_is_refused(call):
    done = CliRunner().invoke(estimate, [*call, "--mapper", "exact"])
    assert done.exit_code == 2
    assert "leaves no choice" in done.stderr or "leave no choice" in done.stderr


def test_a_mapper_that_is_not_there_is_said_with_the_near_one():
    done = CliRunner().invoke(estimate, [*CALL, "--mapper", "genetik"])
    assert isinstance(done.exception, InputError)
    assert "genetic" in str(done.exception)
