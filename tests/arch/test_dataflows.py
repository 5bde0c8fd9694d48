from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from chips import SPATIAL, SYSTOLIC
from hypothesis import given
from hypothesis import strategies as st

import arraysmith.arch.dataflows
from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import LevelRule
from arraysmith.arch.dataflows import (
    dataflow_names,
    dump_dataflow,
    load_dataflow,
    parse_dataflow,
    systolic_mapping,
)
from arraysmith.arch.errors import InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import placed_loops
from arraysmith.arch.problem import DIMS, Problem, conv, matmul

SMALL = """\
kind: dataflow
name: mine
note: for a test
levels:
  array: {x: [K], y: [S], whole: [S]}
  glb: {temporal: []}
"""

# Which dims stand on rows and columns and which stream, from the table of the SCALE-Sim paper.
SYSTOLIC_PLACES = {
    "os": ({"N", "P", "Q"}, {"K"}, {"R", "S", "C"}),
    "ws": ({"R", "S", "C"}, {"K"}, {"N", "P", "Q"}),
    "is": ({"R", "S", "C"}, {"N", "P", "Q"}, {"K"}),
}

DESIGNS = {
    "row_stationary": ("eyeriss", "eyeriss-poster-original", "eyeriss-poster-found"),
    "output_stationary": ("scalesim-default", "tpu-v1"),
    "weight_stationary": ("scalesim-default", "tpu-v1"),
    "input_stationary": ("scalesim-default", "tpu-v1"),
    "nvdla_like": ("nvdla-like",),
    "shidiannao_like": ("shidiannao-like",),
    "simba_like": ("simba-like",),
    "tpu_like": ("tpu-v1", "scalesim-default"),
    "maeri_like": ("maeri-like",),
    "no_local_reuse": ("diannao-like",),
}


def test_every_dataflow_is_for_designs_that_have_its_levels_in_places_that_exist():
    assert set(DESIGNS) == set(dataflow_names())
    for name, designs in DESIGNS.items():
        dataflow = load_dataflow(name)
        assert dataflow.name == name
        assert len({rule.level for rule in dataflow.rules}) == len(dataflow.rules)
        for design in designs:
            assert_places_exist(load_architecture(design), dataflow.rules)


def assert_places_exist(architecture: Architecture, rules: tuple[LevelRule, ...]) -> None:
    fanouts = {fanout.name for fanout in architecture.fanouts}
    others = {memory.name for memory in architecture.memories} | {architecture.compute.name}
    for rule in rules:
        assert rule.level in fanouts | others
        assert rule.level in fanouts or (rule.x, rule.y, rule.whole) == (None, None, ())
        assert rule.level in others or rule.temporal is None


@pytest.mark.parametrize("name", dataflow_names())
def test_every_dim_has_a_place_where_it_may_turn(name):
    for design in DESIGNS[name]:
        architecture, dataflow = load_architecture(design), load_dataflow(name)
        named = [level.name for level in architecture.levels] + [architecture.compute.name]
        fanouts = {fanout.name for fanout in architecture.fanouts}
        open_dims: set[str] = set()
        for level in named:
            rule = dataflow.rule(level)
            places = (rule.x, rule.y) if level in fanouts else (rule.temporal,)
            for place in places:
                open_dims |= set(DIMS if place is None else place)
        assert open_dims == set(DIMS)


@pytest.mark.parametrize("name", dataflow_names())
def test_a_dataflow_comes_back_from_its_yaml(name):
    dataflow = load_dataflow(name)
    assert parse_dataflow(dump_dataflow(dataflow)) == dataflow


def test_row_stationary_has_the_rules_of_the_poster():
    rules = {rule.level: rule for rule in load_dataflow("row_stationary").rules}
    assert rules["array"] == LevelRule("array", None, ("Q", "K"), ("S", "C", "K"), ("S",))
    assert rules["weight_spad"].temporal == ("C", "R")
    assert rules["psum_spad"].temporal == ("K",)
    assert rules["ifmap_spad"].temporal == ()
    assert set(rules) == {"array", "ifmap_spad", "weight_spad", "psum_spad"}


@pytest.mark.parametrize("short", ["os", "ws", "is"])
def test_short_names_mean_the_systolic_dataflows(short):
    dataflow = load_dataflow(short)
    rows, columns, stream = SYSTOLIC_PLACES[short]
    assert set(dataflow.rule("array").y or ()) == rows
    assert set(dataflow.rule("array").x or ()) == columns
    assert set(dataflow.rule("mac").temporal or ()) == stream


def test_the_dataflow_of_the_tpu_is_weight_stationary():
    assert load_dataflow("tpu_like").rules == load_dataflow("ws").rules


@pytest.mark.parametrize(("short", "name"), [("rs", "row_stationary"), ("nlr", "no_local_reuse")])
def test_spatial_dataflows_have_short_names_too(short, name):
    assert load_dataflow(short).name == name


def test_every_dataflow_has_a_drawing_in_the_readme():
    folder = Path(arraysmith.arch.dataflows.__file__).parent
    readme = (folder / "README.md").read_text(encoding="utf-8")
    drawings = {part.split("\n", 1)[0]: part for part in readme.split("\n### ")[1:]}
    assert set(drawings) == {f"`{name}`" for name in dataflow_names()}
    assert all(drawing.count("```") == 2 for drawing in drawings.values())


def test_a_level_without_a_rule_is_free_and_an_empty_list_allows_nothing():
    dataflow = parse_dataflow(SMALL)
    assert dataflow.rule("dram") == LevelRule("dram")
    assert dataflow.rule("glb").temporal == ()
    assert dataflow.rule("array") == LevelRule("array", None, ("K",), ("S",), ("S",))


def test_a_file_is_read_with_or_without_yaml_suffix(tmp_path: Path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "plain").write_text(SMALL, encoding="utf-8")
    assert load_dataflow(tmp_path / "plain") == load_dataflow(str(tmp_path / "mine.yaml"))
    monkeypatch.chdir(tmp_path)
    assert load_dataflow("plain").name == "mine"


def test_an_unknown_name_is_refused_with_the_near_ones():
    with pytest.raises(InputError, match=r"row_stationry: is neither.*did you mean row_stationary"):
        load_dataflow("row_stationry")


def test_every_fault_of_a_file_is_reported_at_its_place():
    text = """\
kind: dataflow
name: wrong
note: all of it
levels:
  glb: {temporal: [P, Z]}
  array: {x: [K, K], why: [S]}
  other: {y: [C], whole: [S]}
"""
    with pytest.raises(InputError) as caught:
        parse_dataflow(text, "wrong.yaml")
    places = [(fault.line, fault.field) for fault in caught.value.faults]
    assert places == [
        (5, "levels.glb.temporal[1]"),
        (6, "levels.array.x"),
        (6, "levels.array.why"),
        (7, "levels.other"),
    ]
    assert all(fault.file == "wrong.yaml" and fault.rule for fault in caught.value.faults)


extents = st.integers(1, 5)
problems = st.one_of(
    st.builds(
        lambda m, n, k, batch: matmul("product", m=m, n=n, k=k, batch=batch),
        *(extents for _ in range(4)),
    ),
    st.builds(
        lambda out, size, window, channels, groups, batch: conv(
            "layer",
            height=size + window,
            width=size + window + 1,
            in_channels=channels * groups,
            out_channels=out * groups,
            window=(window, window),
            groups=groups,
            batch=batch,
        ),
        *(extents for _ in range(6)),
    ),
)


@given(problems, st.sampled_from(["os", "ws", "is"]))
def test_a_systolic_mapping_is_legal_and_stands_every_dim_once_where_the_dataflow_says(
    problem: Problem, short
):
    mapping = systolic_mapping(short, SYSTOLIC, problem)
    assert check_mapping(SYSTOLIC, problem, mapping) == ()
    names = [*(level.name for level in SYSTOLIC.levels), "mac"]
    rows, columns, stream = SYSTOLIC_PLACES[short]
    wanted = {("array", "y"): rows, ("array", "x"): columns, ("mac", "t"): stream}
    wanted["dram", "t"] = {"G"}
    placed = placed_loops(SYSTOLIC, problem.size, mapping)
    assert {loop.dim: loop.count for loop in placed} == problem.size
    for loop in placed:
        assert loop.dim in wanted[names[loop.level], loop.axis]


def test_the_order_of_streams_and_folds_is_that_of_the_dataflow():
    layer = conv("layer", height=6, width=6, in_channels=2, out_channels=4, window=(3, 3))
    mapping = systolic_mapping(load_dataflow("os"), SYSTOLIC, layer)
    assert [loop.dim for loop in mapping.at("mac").temporal] == ["R", "S", "C"]
    assert [loop.dim for loop in mapping.at("array").y] == ["N", "P", "Q"]


def test_a_spatial_design_and_a_spatial_dataflow_have_no_systolic_mapping():
    product = matmul("product", m=2, n=2, k=2)
    with pytest.raises(InputError, match="small is not systolic"):
        systolic_mapping("os", SPATIAL, product)
    with pytest.raises(InputError) as caught:
        systolic_mapping("row_stationary", SYSTOLIC, product)
    assert [fault.rule.split()[1] for fault in caught.value.faults] == ["K", "P"]
    twice = replace(load_dataflow("ws"), rules=(LevelRule("array", None, ("K",), ("K", "C")),))
    with pytest.raises(InputError, match=r"dim K of layer product .* stands columns and rows"):
        systolic_mapping(twice, SYSTOLIC, product)
