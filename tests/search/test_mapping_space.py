"""The space of mappings of a dataflow."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.problem import TENSORS, conv
from arraysmith.search.mapper import mapping_of
from arraysmith.search.mapping_space import MappingSpace, Points, splits

DESIGN = Architecture(
    name="row-stationary",
    clock_hz=10**9,
    technology="65nm",
    levels=(
        Memory("dram", "lpddr4", TENSORS, 64, 8),
        Memory(
            "glb",
            "sram",
            ("ifmap", "ofmap"),
            64,
            8,
            depth=128,
            read_words_per_cycle=Fraction(2),
            write_words_per_cycle=Fraction(2),
        ),
        Fanout("array", 6, 6),
        Memory("ifmap_spad", "regfile", ("ifmap",), 16, 8, depth=8),
        Memory("weight_spad", "regfile", ("weight",), 16, 8, depth=24),
        Memory("psum_spad", "regfile", ("ofmap",), 32, 16, depth=8),
    ),
)
ROW_STATIONARY = Dataflow(
    "row_stationary",
    "",
    (
        LevelRule("array", x=("Q", "K"), y=("S", "C", "K"), whole=("S",)),
        LevelRule("ifmap_spad", temporal=()),
        LevelRule("weight_spad", temporal=("C", "R")),
        LevelRule("psum_spad", temporal=("K",)),
    ),
)
LAYER = conv("c", height=8, width=8, in_channels=4, out_channels=6, window=(3, 3))
MESHES = [(6, 6), (12, 3)]


def space(layer=LAYER, meshes=MESHES, dataflow=ROW_STATIONARY):
    return MappingSpace.of(DESIGN, layer, dataflow, meshes)


@given(st.integers(1, 360), st.integers(1, 4))
def test_splits_are_all_factorisations_each_once(number, places):
    found = splits(number, places)
    assert len(set(found)) == len(found)
    assert all(prod(split) == number and len(split) == places for split in found)
    divisors = [d for d in range(1, number + 1) if number % d == 0]
    # One place more sums over the first factor: an independent count.
    assert len(splits(number, places + 1)) == sum(
        len(splits(number // d, places)) for d in divisors
    )


def test_every_point_covers_the_problem_and_keeps_the_dataflow():
    whole = space()
    (points,) = whole.points(np.random.default_rng(0), 300)
    for row in range(0, len(points), 7):
        mapping = mapping_of(whole, points.take(slice(row, row + 1)))
        places = [x for x in check_mapping(DESIGN, LAYER, mapping) if x.rule != "capacity"]
        assert all(x.rule == "fanout" for x in places), places
        array = mapping.at("array")
        assert any(loop.dim == "S" for loop in array.y)
        assert {loop.dim for loop in array.x} <= {"Q", "K"}
        assert not mapping.at("ifmap_spad").temporal
        assert {loop.dim for loop in mapping.at("psum_spad").temporal} <= {"K"}


def test_spatial_splits_fit_a_mesh_and_use_most_of_it():
    for split in space().splits:
        used = {"x": 1, "y": 1}
        for (_, axis, _), factor in zip(space().slots, split, strict=True):
            used["x" if axis == 1 else "y"] *= factor
        assert any(used["x"] <= x and used["y"] <= y for x, y in MESHES)
        assert used["x"] * used["y"] >= 0.75 * 18  # 18 of 36: the best on the worse mesh


def joined(chunks):
    parts = list(chunks)
    return Points(
        np.concatenate([x.temporal for x in parts]),
        np.concatenate([x.order for x in parts]),
        np.concatenate([x.spatial for x in parts]),
    )


def test_a_small_space_is_enumerated_whole_each_nest_once():
    small = conv("s", height=4, width=4, in_channels=2, out_channels=2, window=(3, 3))
    whole = space(small)
    points = joined(whole.points(np.random.default_rng(0), whole.factorisations))
    nests = [mapping_of(whole, points.take(slice(i, i + 1))) for i in range(len(points))]
    assert len(set(nests)) == len(nests)
    rows = np.concatenate([points.temporal.reshape(len(points), -1), points.spatial], axis=1)
    assert len(np.unique(rows, axis=0)) == whole.factorisations
    # Nothing is missing: whatever a sample draws is among them.
    drawn = whole._sample(np.random.default_rng(1), 200)
    assert {mapping_of(whole, drawn.take(slice(i, i + 1))) for i in range(200)} <= set(nests)


def test_a_large_space_is_sampled():
    assert space().factorisations > 10
    (points,) = space().points(np.random.default_rng(0), 10)
    assert len(points) == 10


def test_equal_seeds_sample_equal_points():
    first = joined(space().points(np.random.default_rng(5), 50))
    second = joined(space().points(np.random.default_rng(5), 50))
    assert np.array_equal(first.temporal, second.temporal)
    assert np.array_equal(first.order, second.order)
    assert np.array_equal(first.spatial, second.spatial)


def test_neighbours_cover_the_problem_and_differ_from_the_point():
    whole = space()
    (point,) = whole.points(np.random.default_rng(1), 1)
    around = whole.neighbours(point)
    for row in range(len(around)):
        turns = np.prod(around.temporal[row], axis=0)
        for (_, _, dim), factor in zip(whole.slots, around.spatial[row], strict=True):
            turns[dim] *= factor
        assert tuple(turns) == LAYER.sizes
        same = (
            np.array_equal(around.temporal[row], point.temporal[0])
            and np.array_equal(around.order[row], point.order[0])
            and np.array_equal(around.spatial[row], point.spatial[0])
        )
        assert not same


def test_a_dim_without_a_place_is_refused_by_name():
    rules = tuple(LevelRule(name, temporal=("K", "C", "R", "Q")) for name in ("dram", "glb"))
    dataflow = Dataflow("narrow", "", (*rules, *ROW_STATIONARY.rules))
    with pytest.raises(ArraysmithError, match="leaves no place for dim P"):
        space(dataflow=dataflow)


def test_a_mesh_that_no_split_fits_is_refused():
    with pytest.raises(ArraysmithError, match="fits the mesh"):
        space(meshes=[(36, 1)])  # S = 3 must stand on the rows
