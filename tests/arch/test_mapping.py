from __future__ import annotations

from math import prod

from chips import GLB, LAYER, SPATIAL
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.mapping import (
    LevelMapping,
    Loop,
    Mapping,
    from_factors,
    kept_tensors,
    placed_loops,
)
from arraysmith.arch.problem import DIMS

PLACES = [("dram", "t"), ("glb", "t"), ("array", "x"), ("array", "y"), ("psum_spad", "t")]


def test_turns_are_the_tile_around_divided_by_the_own_tile_rounded_up():
    mapping = Mapping(
        (
            LevelMapping("dram", temporal=(Loop("P", 3),)),
            LevelMapping("glb", temporal=(Loop("P", 1), Loop("K", 1))),
        )
    )
    loops = placed_loops(SPATIAL, LAYER.size, mapping)
    assert [(x.level, x.axis, x.dim, x.count, x.tile) for x in loops] == [
        (0, "t", "P", 2, 3),  # 4 rows in tiles of 3: 3 and 1
        (1, "t", "P", 3, 1),
        (1, "t", "K", 4, 1),
    ]


def test_loops_come_in_the_order_of_the_design_whatever_the_order_of_the_entries():
    entries = (LevelMapping("mac", (Loop("C", 1),)), LevelMapping("dram", (Loop("K", 1),)))
    loops = placed_loops(SPATIAL, LAYER.size, Mapping(entries))
    assert [(loop.level, loop.dim) for loop in loops] == [(0, "K"), (6, "C")]


def test_a_level_that_the_mapping_does_not_name_has_no_loops():
    assert Mapping(()).at("glb") == LevelMapping("glb")


def test_a_memory_keeps_all_it_may_hold_unless_the_mapping_says_less():
    assert kept_tensors(GLB, LevelMapping("glb")) == ("ifmap", "ofmap")
    assert kept_tensors(GLB, LevelMapping("glb", keep=("ofmap",))) == ("ofmap",)
    assert kept_tensors(GLB, LevelMapping("glb", keep=())) == ()


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(DIMS), st.integers(1, 5))))
def test_factors_become_loops_with_exactly_those_turns(raw):
    order = {place: index for index, place in enumerate(PLACES)}
    factors = tuple(
        (*place, dim, turns) for place, dim, turns in sorted(raw, key=lambda x: order[x[0]])
    )
    sizes = {dim: prod(f[3] for f in factors if f[2] == dim) for dim in DIMS}
    loops = placed_loops(SPATIAL, sizes, from_factors(SPATIAL, factors))
    names = [*(level.name for level in SPATIAL.levels), "mac"]
    assert [(names[x.level], x.axis, x.dim, x.count) for x in loops] == [
        factor for factor in factors if factor[3] > 1
    ]


def test_factors_carry_what_each_level_keeps():
    mapping = from_factors(SPATIAL, (("dram", "t", "K", 4),), keep={"glb": ("ifmap",)})
    assert mapping.at("glb").keep == ("ifmap",)
    assert mapping.at("dram").keep is None
