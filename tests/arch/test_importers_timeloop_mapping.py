"""Mappings and constraints of Timeloop: read, refused at their place, and written."""

from __future__ import annotations

import pytest
from chips import LAYER as SMALL
from chips import SPATIAL
from hypothesis import given, settings
from hypothesis import strategies as st
from timeloop_files import EYERISS, FRONT_END, LAYER, MAPPING

from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.importers.timeloop import (
    load_timeloop,
    parse_timeloop_architecture,
    parse_timeloop_dataflow,
    parse_timeloop_mapping,
)
from arraysmith.arch.importers.timeloop_names import DATA_SPACES, GROUPED, Names
from arraysmith.arch.importers.timeloop_text import dataflow_text, mapping_text
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import load_mapping
from arraysmith.arch.main import run
from arraysmith.arch.mapping import Loop, Mapping, from_factors
from arraysmith.arch.problem import conv

DESIGN = parse_timeloop_architecture(EYERISS)[0]
CONV1_1 = conv("conv1_1", height=226, width=226, in_channels=3, out_channels=64, window=(3, 3))


def test_a_mapping_is_read_with_what_is_left_worked_out():
    found, assumptions = parse_timeloop_mapping(LAYER + MAPPING, DESIGN)
    assert check_mapping(DESIGN, CONV1_1, found) == ()
    assert found.at("DRAM").temporal == (
        Loop("P", 28), Loop("Q", 112), Loop("K", 16), Loop("R", 1),
    )  # fmt: skip
    assert found.at("glb").temporal == (Loop("P", 1), Loop("Q", 4))
    assert found.at("glb").keep == ("ifmap", "ofmap")
    assert found.at("column-row").x == (Loop("K", 8), Loop("Q", 1))
    assert found.at("column-row").y == (Loop("K", 2), Loop("S", 1))
    assert found.at("psum_spad").keep == ("ofmap",)
    assert "factor 0 of P is what the others leave, 28" in assumptions


def test_a_mapping_without_its_layer_says_every_factor():
    text = MAPPING.replace("P=0", "P=28")
    found, _ = parse_timeloop_mapping(text, DESIGN)
    assert found == parse_timeloop_mapping(LAYER + MAPPING, DESIGN)[0]
    with pytest.raises(InputError, match="needs the extent of P: put the problem"):
        parse_timeloop_mapping(MAPPING, DESIGN)


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ("target: DRAM", "target: DRM", "mapping[0].target", "unknown level"),
        ("target: row, type: spatial", "target: rows, type: spatial", "mapping[4].target",
         "unknown level"),
        ("type: temporal, factors: C1", "type: temp, factors: C1", "mapping[0].type",
         "must be temporal"),
        ("M4 R3", "M4 M3", "mapping[0].factors", "M has two factors"),
        ("M4 R3", "M4 Z3", "mapping[0].factors", "unknown dim Z"),
        ("P8 Q2", "P8 2Q", "mapping[0].factors", "2Q is no factor"),
        ("P8 Q2", "P8 Q4", "mapping[0].factors", "factors of Q make 448, its extent is 224"),
        ("P8 Q2", "P9 Q2", "mapping[1].factors", "make 9, which does not divide 224"),
        ("C1 M4", "C1 M4 P=0", "mapping[0].factors", "P has two factors"),
        ("RMQPCSN", "RMQPCSM", "mapping[0].permutation", "M stands twice"),
        ("RMQPCSN", "RMQPCSX", "mapping[0].permutation", "unknown dim X"),
        ("permutation: QM, split: 2", "permutation: QM, split: 1", "mapping[3].split",
         "has no axis Y"),
        ("factors: [S=1, M=1]", "factors: [S=3, M=1]", "mapping[5].factors",
         "row takes no temporal loops"),
        ("factors: [M=2], permutation: M", "factors: [M<=2]", "mapping[7].factors[0]",
         "must say the factor itself"),
        ("keep: [Outputs], bypass", "keep: [Inputs], bypass", "mapping[8].keep",
         "psum_spad may hold only ofmap"),
        ("keep: [Outputs], bypass", "keep: [Sums], bypass", "mapping[8].keep",
         "unknown data space Sums"),
        ("type: datatype, keep", "type: datatype, kept: [], keep", "mapping[8].kept",
         "unknown key"),
        ("target: glb, type: dataspace", "target: DRAM, type: temporal, no_reuse: [Inputs]",
         "mapping[2].no_reuse", "cannot be said"),
        ("target: psum_spad, type: temporal", "target: weight_spad, type: temporal", "mapping[7]",
         "weight_spad has two temporal directives"),
    ],
)  # fmt: skip
def test_a_fault_of_a_mapping_stands_at_its_place(old, new, field, rule):
    assert old in MAPPING
    text = LAYER + MAPPING.replace(old, new)
    with pytest.raises(InputError) as caught:
        parse_timeloop_mapping(text, DESIGN, file="it.yaml")
    fault = {fault.field: fault for fault in caught.value.faults}[field]
    assert rule in fault.rule
    assert (fault.file, fault.line > LAYER.count("\n")) == ("it.yaml", True)


def test_constraints_of_a_design_are_the_row_stationary_dataflow():
    found, _ = parse_timeloop_dataflow(EYERISS)
    ours = load_dataflow("row_stationary")
    for level in ("ifmap_spad", "weight_spad", "psum_spad"):
        assert found.rule(level).temporal == ours.rule(level).temporal
    array, mine = found.rule("column-row"), ours.rule("array")
    assert (array.x, set(array.y), array.whole) == (mine.x, set(mine.y), mine.whole)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("{target: glb, type: temporal, factors: [M=4]}", "leaves the factors of dims open"),
        ("{target: glb, type: temporal, factors: [M<=4]}", "leaves the factors of dims open"),
        ("{target: glb, type: temporal, factors: [P=0]}", "leaves the factors of dims open"),
        ("{target: glb, type: temporal, permutation: RS}", "dims in any order beside others"),
        ("{target: glb, type: temporal, default_max_factor: 3}", "cannot be said"),
        ("{target: glb, type: utilization, min: 0.5}", "must be temporal, spatial or dataspace"),
        ("{target: mac, type: temporal, permutation: CMRSNPQ}", "is no level for temporal loops"),
    ],
)
def test_constraints_that_are_no_dataflow_are_refused_as_one_and_told_with_the_file(
    target, rule, tmp_path
):
    text = f"{EYERISS}constraints:\n  targets:\n  - {target}\n"
    with pytest.raises(InputError) as caught:
        parse_timeloop_dataflow(text, file="it.yaml")
    (fault,) = caught.value.faults
    assert rule in fault.rule
    assert fault.line == text.count("\n")
    path = tmp_path / "it.yaml"
    path.write_text(text)
    found = load_timeloop(path)
    assert found.architecture == DESIGN
    assert found.dataflow is None
    assert any("constraints are no dataflow" in told for told in found.assumptions)


def test_a_file_of_constraints_needs_a_design(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("constraints:\n  targets:\n  - {target: glb, type: temporal, factors: P=1}\n")
    with pytest.raises(InputError, match="constraints need their design"):
        load_dataflow(str(path))
    with pytest.raises(InputError, match="dims in any order"):
        load_dataflow(str(path), DESIGN)


TURNS = st.sampled_from([1, 2])


@st.composite
def mappings(draw):
    """Return a mapping of SMALL (K 4, C 2, P 4, Q 4, R 3, S 3): each dim dealt out in turns."""
    places = [("dram", "t"), ("glb", "t"), ("array", "x"), ("array", "y"), ("ifmap_spad", "t"),
              ("weight_spad", "t"), ("psum_spad", "t")]  # fmt: skip
    factors = []
    for dim, primes in (("K", (2, 2)), ("C", (2,)), ("P", (2, 2)), ("Q", (4,)), ("R", (3,)),
                        ("S", (3,))):  # fmt: skip
        chosen = draw(st.lists(st.sampled_from(places), min_size=len(primes), max_size=len(primes)))
        levels = [place[0] for place in chosen]
        if len(set(levels)) < len(levels):
            factors.append((*chosen[0], dim, 4))
            continue
        factors += [(*place, dim, prime) for place, prime in zip(chosen, primes, strict=True)]
    order = draw(st.permutations(factors))
    keep = {"glb": ("ifmap",), "weight_spad": ()} if draw(st.booleans()) else {}
    ordered = sorted(order, key=lambda factor: places.index(factor[:2]))
    return from_factors(SPATIAL, tuple(ordered), keep)


@settings(max_examples=150, deadline=None)
@given(mappings())
def test_a_mapping_comes_back_from_timeloop_as_it_was(mapping):
    text = mapping_text(mapping, SPATIAL, SMALL)
    names = Names(GROUPED, DATA_SPACES, SMALL.size)
    assert parse_timeloop_mapping(text, SPATIAL, names)[0] == mapping


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ((("dram", "t", "K", 4), ("glb", "t", "P", 3)), "does not divide"),
        ((("array", "x", "K", 2), ("array", "y", "K", 2)), "loops twice"),
        ((("mac", "t", "K", 4),), "no loops at the MACs"),
    ],
)
def test_mappings_that_the_language_lacks_are_refused(factors, told):
    mapping = from_factors(SPATIAL, factors)
    if told == "does not divide":
        mapping = Mapping(
            (mapping.levels[0], *from_factors(SPATIAL, (("glb", "t", "P", 1),)).levels)
        )
        mapping = Mapping(
            tuple(
                type(entry)(entry.level, (*entry.temporal, Loop("P", 3)))
                for entry in mapping.levels
            )
        )
    with pytest.raises(ArraysmithError, match=told):
        mapping_text(mapping, SPATIAL, SMALL)


@pytest.mark.parametrize("name", ["nvdla_like", "shidiannao_like"])
def test_a_dataflow_comes_back_from_timeloop_as_it_was(name):
    ours = load_dataflow(name)
    found, _ = parse_timeloop_dataflow(dataflow_text(ours, SPATIAL), SPATIAL)
    assert found.rules == tuple(
        sorted(ours.rules, key=lambda x: [y.name for y in SPATIAL.levels].index(x.level))
    )


def test_a_dim_along_both_axes_needs_two_containers():
    rules = load_dataflow("row_stationary").rules
    with pytest.raises(ArraysmithError, match="a dim goes along one axis"):
        dataflow_text(Dataflow("rs", "note", rules), SPATIAL)
    two = tuple(
        LevelRule("column-row", None, rule.x, rule.y, rule.whole) if rule.level == "array" else rule
        for rule in rules
    )
    found, _ = parse_timeloop_dataflow(dataflow_text(Dataflow("rs", "note", two), DESIGN), DESIGN)
    assert found.rules == two


def test_mappings_and_constraints_are_used_like_our_own(tmp_path, capsys):
    design, layer, loops = (tmp_path / f"{name}.yaml" for name in ("design", "conv1", "loops"))
    design.write_text(EYERISS)
    layer.write_text(LAYER)
    loops.write_text(LAYER + MAPPING)
    assert check_mapping(DESIGN, CONV1_1, load_mapping(str(loops), DESIGN)) == ()
    assert run(["check", str(loops)]) == 0
    assert "is for a design in another file" in capsys.readouterr().out
    with pytest.raises(InputError, match="needs the design that it is for"):
        load_mapping(str(loops))
    loops.write_text(EYERISS + LAYER + MAPPING)
    assert load_mapping(str(loops)) == load_timeloop(loops).mapping
    assert run(["show", str(loops)]) == 0
    told = capsys.readouterr().out
    assert "86,704,128" in told
    assert "column-row" in told
    assert load_dataflow(str(loops)).rule("psum_spad").temporal == ("K",)


def test_an_empty_mapping_of_the_front_end_is_none(tmp_path):
    path = tmp_path / "flat.yaml"
    path.write_text(LAYER + FRONT_END)
    assert load_timeloop(path).mapping is None
