from __future__ import annotations

from dataclasses import replace

import pytest
from chips import LAYER, SPATIAL, SYSTOLIC

from arraysmith.arch.architecture import Fanout, Memory, XyBus
from arraysmith.arch.legality import (
    IllegalMappingError,
    check_mapping,
    division_violations,
    require_division,
    require_legal,
    tile_sizes,
    tile_words,
)
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping


def loops(*texts: str) -> tuple[Loop, ...]:
    """Return loops from ``dim:tile``."""
    return tuple(Loop(dim, int(tile)) for dim, tile in (text.split(":") for text in texts))


LEGAL = Mapping(
    (
        LevelMapping("dram", temporal=loops("P:1")),
        LevelMapping("glb", temporal=loops("C:1")),
        LevelMapping("array", x=loops("Q:1"), y=loops("S:1")),
        LevelMapping("weight_spad", temporal=loops("R:1")),
        LevelMapping("psum_spad", temporal=loops("K:1")),
    )
)
"""Fills the array (4 x 3) and the psum scratchpad (4 words); R and K need 12 words of weights."""


def with_level(mapping: Mapping, entry: LevelMapping) -> Mapping:
    """Return the mapping with one entry replaced."""
    entries = [entry if old.level == entry.level else old for old in mapping.levels]
    return Mapping(tuple(entries))


def with_depth(name: str, depth: int):
    """Return the spatial design with another depth at one level."""
    return SPATIAL.with_values({f"{name}.depth": depth})


ROOMY = with_depth("weight_spad", 6)


def rules(architecture, mapping, problem=LAYER):
    """Return the broken rules as (rule, where)."""
    return [(x.rule, x.where) for x in check_mapping(architecture, problem, mapping)]


def test_a_mapping_that_uses_every_limit_to_the_full_is_legal():
    assert rules(ROOMY, LEGAL) == []
    require_legal(ROOMY, LAYER, LEGAL)


def test_tiles_at_a_level_are_what_the_loops_at_and_below_it_cover():
    assert tile_sizes(ROOMY, LAYER, LEGAL, 1) == {
        "G": 1, "N": 1, "K": 4, "C": 2, "P": 1, "Q": 4, "R": 3, "S": 3,
    }  # fmt: skip
    assert tile_words(ROOMY, LAYER, LEGAL, 1) == {
        "ifmap": 2 * 3 * 6,  # rows 1 + 3 - 1, columns 4 + 3 - 1
        "weight": 4 * 2 * 3 * 3,
        "ofmap": 4 * 1 * 4,
    }


@pytest.mark.parametrize("name", ["ifmap_spad", "weight_spad", "psum_spad"])
def test_a_tile_that_just_fits_is_legal_and_one_line_less_is_not(name):
    index = [level.name for level in SPATIAL.levels].index(name)
    memory = SPATIAL.levels[index]
    assert isinstance(memory, Memory)
    need = tile_words(ROOMY, LAYER, LEGAL, index)[memory.holds[0]]
    roomy = ROOMY.with_values({f"{name}.width_bits": memory.word_bits})
    assert rules(roomy.with_values({f"{name}.depth": need}), LEGAL) == []
    found = check_mapping(roomy.with_values({f"{name}.depth": need - 1}), LAYER, LEGAL)
    assert [(x.rule, x.where, x.limit) for x in found] == [
        ("capacity", name, f"at most {need - 1} words of {memory.word_bits} b")
    ]


def test_a_shared_memory_must_fit_the_sum_of_what_it_keeps():
    need = 2 * 3 * 6 + 4 * 1 * 4  # ifmap and ofmap
    narrow = ROOMY.with_values({"glb.width_bits": 8})
    assert rules(narrow.with_values({"glb.depth": need}), LEGAL) == []
    assert rules(narrow.with_values({"glb.depth": need - 1}), LEGAL) == [("capacity", "glb")]
    bypass = with_level(LEGAL, LevelMapping("glb", loops("C:1"), keep=("ofmap",)))
    assert rules(narrow.with_values({"glb.depth": 16}), bypass) == []
    assert rules(narrow.with_values({"glb.depth": 15}), bypass) == [("capacity", "glb")]


def test_what_a_memory_needs_and_has_is_said_in_bits_tensor_by_tensor():
    narrow = ROOMY.with_values({"glb.width_bits": 8, "glb.depth": 51})
    (found,) = check_mapping(narrow, LAYER, LEGAL)
    assert str(found) == (
        "glb: needs 416 b, has 408 b: ifmap 288, ofmap 128: capacity: at most 51 words of 8 b"
    )


def test_a_dim_is_spread_once_over_an_axis():
    twice = with_level(LEGAL, LevelMapping("array", x=loops("Q:2", "Q:1"), y=loops("S:1")))
    assert rules(ROOMY, twice) == [("repeat", "array.x")]
    both = with_level(LEGAL, LevelMapping("array", x=loops("Q:2"), y=loops("Q:1", "S:1")))
    wide = ROOMY.with_values({"array.mesh_y": 6})
    assert rules(wide, both) == []


def with_bus(**flags: bool):
    """Return the roomy design with another network."""
    levels = tuple(
        replace(x, network=XyBus(**flags)) if isinstance(x, Fanout) else x for x in ROOMY.levels
    )
    return replace(ROOMY, levels=levels)


def test_partial_sums_need_a_network_or_a_memory_that_adds_them():
    assert rules(with_bus(reduction=False), LEGAL) == [("reduction", "array.y")]
    assert rules(with_bus(reduction=False, adds_above=True), LEGAL) == []
    assert rules(with_bus(reduction=True), LEGAL) == []
    results_only = with_level(LEGAL, LevelMapping("array", x=loops("Q:1")))
    results_only = with_level(results_only, LevelMapping("dram", loops("P:1", "S:1")))
    assert rules(with_bus(reduction=False), results_only) == []


@pytest.mark.parametrize(("axis", "size"), [("mesh_x", 4), ("mesh_y", 3)])
def test_as_many_instances_as_the_mesh_has_are_legal_and_one_more_is_not(axis, size):
    assert rules(ROOMY.with_values({f"array.{axis}": size}), LEGAL) == []
    found = rules(ROOMY.with_values({f"array.{axis}": size - 1}), LEGAL)
    assert found == [("fanout", f"array.{axis[-1]}")]


def test_a_tile_is_at_least_one_and_at_most_the_tile_around_it():
    whole = Mapping((LevelMapping("dram", loops("P:4", "P:1")), *LEGAL.levels[1:]))
    assert rules(ROOMY, whole) == []
    for tile in (0, 5):
        wrong = Mapping((LevelMapping("dram", loops(f"P:{tile}", "P:1")), *LEGAL.levels[1:]))
        assert ("tile", "dram.P") in rules(ROOMY, wrong)


def test_loops_that_stop_before_tile_one_leave_a_gap():
    short = with_level(LEGAL, LevelMapping("dram", loops("P:2")))
    assert rules(ROOMY, short) == [("coverage", "P")]


def test_tiles_need_not_divide_the_tile_around_them():
    ragged = with_level(LEGAL, LevelMapping("dram", loops("P:3", "P:1")))
    assert rules(ROOMY, ragged) == []
    found = division_violations(ROOMY, LAYER, ragged)
    assert [(x.rule, x.where) for x in found] == [("division", "dram.P")]
    with pytest.raises(IllegalMappingError, match=r"dram\.P: tile 3: division: must divide"):
        require_division(ROOMY, LAYER, ragged)
    even = with_level(LEGAL, LevelMapping("dram", loops("P:2", "P:1")))
    assert division_violations(ROOMY, LAYER, even) == ()
    require_division(ROOMY, LAYER, even)


def test_an_unknown_dim_is_named():
    wrong = with_level(LEGAL, LevelMapping("dram", loops("P:1", "M:1")))
    assert ("dim", "dram.M") in rules(ROOMY, wrong)


def test_a_level_that_the_design_lacks_is_named():
    wrong = Mapping((*LEGAL.levels, LevelMapping("l2", loops("K:1"))))
    assert ("level", "l2") in rules(ROOMY, wrong)


def test_levels_come_once_and_in_the_order_of_the_design():
    swapped = Mapping((LEGAL.levels[1], LEGAL.levels[0], *LEGAL.levels[2:]))
    assert rules(ROOMY, swapped) == [("level", "mapping")]
    twice = Mapping((LEGAL.levels[0], *LEGAL.levels))
    assert ("level", "mapping") in rules(ROOMY, twice)


def test_fan_outs_take_spatial_loops_only_and_memories_temporal_ones_only():
    in_time = with_level(LEGAL, LevelMapping("array", loops("Q:1"), y=loops("S:1")))
    assert ("place", "array") in rules(ROOMY, in_time)
    in_space = with_level(LEGAL, LevelMapping("dram", x=loops("P:1")))
    assert ("place", "dram") in rules(ROOMY, in_space)


def test_a_memory_keeps_only_what_it_may_hold():
    wrong = with_level(LEGAL, LevelMapping("glb", loops("C:1"), keep=("ifmap", "weight")))
    assert rules(ROOMY, wrong) == [("bypass", "glb")]


def test_off_chip_memory_keeps_every_tensor():
    wrong = with_level(LEGAL, LevelMapping("dram", loops("P:1"), keep=("ifmap", "weight")))
    found = check_mapping(ROOMY, LAYER, wrong)
    assert [(x.rule, x.where, x.value) for x in found] == [
        ("bypass", "dram", "does not keep ofmap")
    ]


def test_all_broken_rules_are_raised_together_and_named():
    wrong = Mapping((LevelMapping("dram", loops("P:9")), LevelMapping("l2")))
    with pytest.raises(IllegalMappingError) as caught:
        require_legal(ROOMY, LAYER, wrong)
    named = {violation.rule for violation in caught.value.violations}
    assert named == {"level", "tile", "coverage"}
    assert "dram.P: tile 9: tile: 1 to 4" in str(caught.value)


def test_a_systolic_array_folds_what_does_not_fit_and_does_not_need_divisors():
    mapping = Mapping(
        (
            LevelMapping("array", x=loops("K:1"), y=loops("P:1", "Q:1")),
            LevelMapping("mac", loops("C:1", "R:1", "S:1")),
        )
    )
    assert rules(SYSTOLIC, mapping) == []
    small = replace(SYSTOLIC).with_values({"array.mesh_x": 3, "array.mesh_y": 1})
    assert rules(small, mapping) == []
