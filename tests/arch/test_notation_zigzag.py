"""ZigZag's mappings and machines: reading, writing, and what a chain of levels can say."""

from __future__ import annotations

import json
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.legality import check_mapping as check_ours
from arraysmith.arch.notation.zigzag import (
    DIMS,
    OPERANDS,
    ZigzagMapping,
    check_mapping,
    format_mapping,
    parse_mapping,
)
from arraysmith.arch.notation.zigzag_convert import to_mapping
from arraysmith.arch.notation.zigzag_machine import read_machines
from arraysmith.arch.problem import conv

MACHINE = """
memories:
  spad: {size: 64, r_cost: 0.1, w_cost: 0.1, operands: [I2], served_dimensions: [],
    ports: [{name: rw, type: read_write, bandwidth_min: 8, bandwidth_max: 8,
             allocation: [I2, tl, I2, fh]}]}
  sums: {size: 64, r_cost: 0.2, w_cost: 0.2, operands: [O], served_dimensions: [D2],
    ports: [{name: rw, type: read_write, bandwidth_min: 16, bandwidth_max: 16,
             allocation: [O, tl, O, th, O, fl, O, fh]}]}
  glb: {size: 65536, r_cost: 1, w_cost: 1, operands: [I1, O], served_dimensions: [D1, D2],
    ports: [{name: r, type: read, bandwidth_min: 64, bandwidth_max: 64,
             allocation: [I1, tl, O, tl, O, th]},
            {name: w, type: write, bandwidth_min: 64, bandwidth_max: 64,
             allocation: [I1, fh, O, fl, O, fh]}]}
  dram: {size: 10000000, r_cost: 9, w_cost: 9, operands: [I1, I2, O], served_dimensions: [D1, D2],
    ports: [{name: rw, type: read_write, bandwidth_min: 64, bandwidth_max: 64, allocation:
             [I1, tl, I1, fh, I2, tl, I2, fh, O, tl, O, th, O, fl, O, fh]}]}
operational_array: {unit_energy: 0.5, dimensions: [D1, D2], sizes: [4, 3]}
"""
TEMPORAL = {
    "O": [["FX:3"], ["OX:8"], ["K:2"]],
    "W": [["FX:3", "OX:8"], ["K:2"]],
    "I": [["FX:3", "OX:8"], ["K:2"]],
}
SPATIAL = {"D1": {"K": 4}, "D2": {"C": 3}}
LAYER = conv("layer", height=1, width=10, in_channels=3, out_channels=8, window=(1, 3))


@pytest.fixture
def machine(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(MACHINE)
    (found,) = read_machines(path).values()
    return found


def read(temporal=TEMPORAL, spatial=SPATIAL):
    return parse_mapping(json.dumps(temporal), json.dumps(spatial))[0]


def faults(temporal, spatial=SPATIAL):
    with pytest.raises(InputError) as error:
        read(temporal, spatial)
    return [(x.field, x.rule) for x in error.value.faults]


def test_every_operand_cuts_the_one_nest_for_itself():
    mapping = read()
    assert mapping.nest == (("S", 3), ("Q", 8), ("K", 2))
    assert dict(mapping.cuts) == {"ofmap": (1, 2, 3), "weight": (2, 3), "ifmap": (2, 3)}
    assert mapping.levels("ofmap") == ((("S", 3),), (("Q", 8),), (("K", 2),))
    assert check_mapping(mapping, LAYER) == ()


loops = st.lists(st.tuples(st.sampled_from(list(DIMS.values())), st.integers(2, 9)), max_size=6)


@given(nest=loops, seed=st.randoms())
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back_equal(nest, seed):
    def cuts():
        inner = sorted(seed.randint(0, len(nest)) for _ in range(2))
        return (*inner, len(nest))

    spatial = (("D1", (("K", 4),)), ("D2", (("C", 2), ("R", 3))))
    mapping = ZigzagMapping(tuple(nest), tuple((t, cuts()) for t in OPERANDS.values()), spatial)
    assert parse_mapping(*format_mapping(mapping)) == (mapping, ())


def test_other_ways_of_writing_a_loop_are_read_and_loops_of_one_turn_are_an_assumption():
    other = {
        "O": [["('FX', 3)"], [["OX", 8]], ["B:1", "K:2"]],
        "W": [["FX:3", "OX:8"], ["B:1", "K:2"]],
        "I": [["FX:3", "OX:8"], ["B:1", "K:2"]],
    }
    mapping, assumptions = parse_mapping(json.dumps(other), json.dumps(SPATIAL))
    assert mapping == read()
    assert assumptions == ("loops that turn once are left out",)


def test_every_fault_is_told_at_once():
    wrong = {"O": [["OZ:3"]], "W": [["K"]], "I": "K:2", "X": []}
    assert [field for field, _ in faults(wrong, {"D1": {"K": 0}})] == [
        "temporal.X", "temporal.O[0][0]", "temporal.W[0][0]", "temporal.I", "spatial.D1.K",
    ]  # fmt: skip
    with pytest.raises(InputError, match="must be JSON"):
        parse_mapping("{", "{}")


def test_operands_with_other_loops_are_refused():
    wrong = {**TEMPORAL, "W": [["OX:8", "FX:3"], ["K:2"]]}
    assert faults(wrong) == [("temporal.W", "must have the loops of O, in their order")]


def test_loops_that_cover_too_little_or_too_much_are_told():
    short = {name: [[], *levels[1:]] for name, levels in TEMPORAL.items()}
    found = check_mapping(read({**short, "O": [[], [], ["K:2"]]}), LAYER)
    assert [x.rule for x in found] == ["must cover 8", "must cover 3"]
    twice = {name: [*levels[:-1], ["K:4"]] for name, levels in TEMPORAL.items()}
    (much,) = check_mapping(read(twice), LAYER)
    assert much.rule == "covers 8 more than once"


def test_faults_of_a_machine_stand_at_their_place(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(
        MACHINE.replace("served_dimensions: []", "served_dimensions: [D3]")
        .replace("allocation: [I2, tl, I2, fh]", "allocation: [I1, tl]")
        .replace("sizes: [4, 3]", "sizes: [4]")
    )
    with pytest.raises(InputError) as error:
        read_machines(path)
    assert [x.field for x in error.value.faults] == [
        "operational_array.sizes", "memories.spad.served_dimensions",
        "memories.spad.ports[0].allocation",
    ]  # fmt: skip
    assert all(x.line for x in error.value.faults)


def test_a_mapping_becomes_a_chain_with_a_level_for_every_operand_of_a_shared_memory(machine):
    architecture, mapping, assumptions = to_mapping(machine, LAYER, read())
    assert [x.name for x in architecture.levels] == [
        "dram", "glb_ifmap", "glb_ofmap", "D1", "sums", "D2", "spad",
    ]  # fmt: skip
    assert check_ours(architecture, LAYER, mapping) == ()
    turns = prod(count for _, count in read().nest)
    assert turns * 4 * 3 == LAYER.macs
    assert assumptions[0].startswith("each operand in glb has a level of its own")


def test_what_no_chain_says_is_refused_with_the_reason(machine):
    longer = {
        "O": [["FX:3"], ["OX:8"], ["K:2"]],
        "W": [["FX:3", "OX:8", "K:2"], []],
        "I": [["FX:3"], ["OX:8", "K:2"]],
    }
    with pytest.raises(ArraysmithError, match="spad keeps weight longer than a level above"):
        to_mapping(machine, LAYER, read(longer))
