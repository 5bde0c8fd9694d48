from __future__ import annotations

from math import prod

import pytest
from chips import SPATIAL
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping, from_factors, placed_loops
from arraysmith.arch.notation.timeloop import (
    CONVOLUTION,
    DEPTHWISE,
    EYERISS_NAMES,
    factors_of,
    format_mapping,
    parse_keep,
    parse_mapping,
    to_mapping,
)
from arraysmith.arch.problem import conv

ORIGINAL = (
    "DRAM:P8 DRAM:Q2 DRAM:M4 DRAM:R3 shared_glb:P28 shared_glb:Q28 shared_glb:M2sX shared_glb:Q4sX "
    "col:M4sY col:S3sY weights_spad:C3 psum_spad:M2"
)
OPTIMUM = (
    "DRAM:P2 DRAM:Q56 shared_glb:P112 shared_glb:Q4sX col:M4sY col:C3sY col:S3sY weights_spad:R3 "
    "psum_spad:M16"
)
POSTER = [("eyeriss-poster-original", ORIGINAL), ("eyeriss-poster-found", OPTIMUM)]
CONV1_1 = conv("conv1_1", height=226, width=226, in_channels=3, out_channels=64, window=(3, 3))


def test_words_become_loops_with_our_names():
    assert parse_mapping("DRAM:M4 shared_glb:M2sX\n col:S3sY psum_spad:M2", EYERISS_NAMES) == (
        ("dram", "t", "K", 4),
        ("array", "x", "K", 2),
        ("array", "y", "S", 3),
        ("psum_spad", "t", "K", 2),
    )


@pytest.mark.parametrize(("design", "text"), POSTER)
def test_both_mappings_of_the_poster_are_legal_on_their_designs(design, text):
    architecture = load_architecture(design)
    mapping = to_mapping(text, architecture)
    assert check_mapping(architecture, CONV1_1, mapping) == ()
    loops = placed_loops(architecture, CONV1_1.size, mapping)
    temporal = prod(loop.count for loop in loops if loop.axis == "t")
    assert temporal == {"eyeriss-poster-original": 903168, "eyeriss-poster-found": 602112}[design]


@pytest.mark.parametrize(("design", "text"), POSTER)
def test_both_mappings_of_the_poster_obey_the_row_stationary_rules(design, text):
    mapping = to_mapping(text, load_architecture(design))
    for rule in load_dataflow("row_stationary").rules:
        entry = mapping.at(rule.level)
        for loops, allowed in (
            (entry.temporal, rule.temporal),
            (entry.x, rule.x),
            (entry.y, rule.y),
        ):
            assert allowed is None or {loop.dim for loop in loops} <= set(allowed)
        for dim in rule.whole:
            [spread] = [loop for loop in (*entry.x, *entry.y) if loop.dim == dim]
            assert spread.tile == 1


@pytest.mark.parametrize(("design", "text"), POSTER)
def test_a_mapping_is_written_as_it_was_read(design, text):
    architecture = load_architecture(design)
    factors = factors_of(architecture, CONV1_1.size, to_mapping(text, architecture))
    assert format_mapping(factors, EYERISS_NAMES) == text


OURS = [("dram", "t"), ("glb", "t"), ("array", "x"), ("array", "y")] + [
    (name, "t") for name in ("ifmap_spad", "weight_spad", "psum_spad")
]
loops = st.lists(
    st.tuples(st.sampled_from(OURS), st.sampled_from("KCNPQRS"), st.integers(1, 12)), max_size=14
)


@given(loops)
def test_any_loops_come_back_from_their_text(raw):
    factors = tuple((*place, dim, turns) for place, dim, turns in raw)
    assert parse_mapping(format_mapping(factors, EYERISS_NAMES), EYERISS_NAMES) == factors


@given(loops)
def test_any_mapping_in_whole_factors_comes_back_from_its_text(raw):
    ordered = sorted(raw, key=lambda loop: OURS.index(loop[0]))
    factors = tuple((*place, dim, turns) for place, dim, turns in ordered)
    sizes = {dim: prod(f[3] for f in factors if f[2] == dim) for dim in "GNKCPQRS"}
    mapping = from_factors(SPATIAL, factors)
    text = format_mapping(factors_of(SPATIAL, sizes, mapping), EYERISS_NAMES)
    assert to_mapping(text, SPATIAL) == mapping


def test_the_channels_of_a_depthwise_layer_are_our_groups():
    assert parse_mapping("DRAM:C32", EYERISS_NAMES, DEPTHWISE) == (("dram", "t", "G", 32),)
    assert format_mapping((("dram", "t", "G", 32),), EYERISS_NAMES, DEPTHWISE) == "DRAM:C32"
    with pytest.raises(InputError, match=r"DRAM:M4: unknown dim M"):
        parse_mapping("DRAM:M4", EYERISS_NAMES, DEPTHWISE)


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("DRAM", "must be level:DIMturns"),
        ("DRAM:P", "must be level:DIMturns"),
        ("DRAM:P0", "must be level:DIMturns"),
        ("DRAM:P-2", "must be level:DIMturns"),
        ("DRAM:P2sZ", "must be level:DIMturns"),
        ("DRAM:P2.5", "must be level:DIMturns"),
        ("DRAM:X2", "unknown dim X"),
        ("shared_glob:P2", "unknown level: did you mean shared_glb"),
        ("col:P2", "unknown level: did you mean col.sY"),
        ("col:P2sX", "cannot spread over this mesh: did you mean col.sY"),
    ],
)
def test_a_word_that_is_no_loop_is_named_with_its_place(word, rule):
    with pytest.raises(InputError) as caught:
        parse_mapping(f"DRAM:Q2\n  {word} psum_spad:M2", EYERISS_NAMES)
    [fault] = caught.value.faults
    assert (fault.value, fault.line, fault.column) == (word, 2, 3)
    assert rule in str(fault)


def test_all_wrong_words_are_reported_at_once():
    with pytest.raises(InputError) as caught:
        parse_mapping("DRAM:X2 DRAM:P2 nowhere:P2 DRAM:", EYERISS_NAMES)
    assert [fault.value for fault in caught.value.faults] == ["DRAM:X2", "nowhere:P2", "DRAM:"]


def test_loops_out_of_the_order_of_the_levels_are_refused():
    with pytest.raises(InputError, match=r"DRAM:P2: loops of dram come before those of psum_spad"):
        to_mapping("psum_spad:M2 DRAM:P2", SPATIAL)
    with pytest.raises(InputError, match=r"loops of array.x come before those of array.y"):
        to_mapping("col:S3sY shared_glb:M2sX", SPATIAL)


def test_a_level_that_the_design_lacks_is_refused_with_its_places():
    names = {**EYERISS_NAMES, "L2": "l2", "glb": "glb.x"}
    with pytest.raises(InputError) as caught:
        to_mapping("L2:P2 glb:M2", SPATIAL, names)
    assert [fault.value for fault in caught.value.faults] == ["L2:P2", "glb:M2"]
    assert "array.x" in caught.value.faults[0].hint


def test_what_levels_keep_is_read_too():
    keep = "shared_glb:I+O;col:-;ifmap_spad:-;weights_spad:W;psum_spad:O"
    assert parse_keep(keep, EYERISS_NAMES) == {
        "glb": ("ifmap", "ofmap"),
        "ifmap_spad": (),
        "weight_spad": ("weight",),
        "psum_spad": ("ofmap",),
    }
    assert to_mapping("DRAM:P2", SPATIAL, keep=keep).at("ifmap_spad").keep == ()


@pytest.mark.parametrize("entry", ["glbb:I", "shared_glb:X", "shared_glb", "col:I", "glb:-"])
def test_an_entry_of_keep_that_cannot_be_read_is_named(entry):
    with pytest.raises(InputError) as caught:
        parse_keep(f"shared_glb:I;{entry}", EYERISS_NAMES)
    assert [fault.value for fault in caught.value.faults] == [entry]


def test_what_the_notation_cannot_say_is_refused():
    ragged = Mapping((LevelMapping("dram", (Loop("P", 3),)), LevelMapping("glb", (Loop("P", 1),))))
    with pytest.raises(ArraysmithError, match="does not divide 4"):
        factors_of(SPATIAL, {**dict.fromkeys("GNKCQRS", 1), "P": 4}, ragged)
    with pytest.raises(ArraysmithError, match="no name for mac"):
        format_mapping((("mac", "t", "K", 2),), EYERISS_NAMES)
    with pytest.raises(ArraysmithError, match="no name for dim G"):
        format_mapping((("dram", "t", "G", 2),), EYERISS_NAMES, CONVOLUTION)
