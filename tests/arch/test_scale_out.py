from __future__ import annotations

import pytest
from chips import LAYER, SYSTOLIC

from arraysmith.arch.architecture import Fanout, ScaleOut
from arraysmith.arch.errors import InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import dump_architecture, parse_architecture
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.render import architecture_text

DESIGN = """\
kind: architecture
name: four
source: invented for a test
clock: 1 GHz
technology: 45nm
levels:
  - {memory: dram, device: lpddr4, holds: [ifmap, weight, ofmap], width: 64 bit, word: 8 bit}
  - {fanout: arrays, mesh_x: 3, mesh_y: 2, network: {scale_out: {y: stream}}}
  - {memory: ifmap_sram, device: sram, holds: [ifmap], width: 64 bit, word: 8 bit, depth: 8}
  - {memory: weight_sram, device: sram, holds: [weight], width: 64 bit, word: 8 bit, depth: 8}
  - {memory: ofmap_sram, device: sram, holds: [ofmap], width: 64 bit, word: 8 bit, depth: 8}
  - {fanout: array, mesh_x: 8, mesh_y: 4, network: NETWORK}
"""


def faults_of(text):
    with pytest.raises(InputError) as caught:
        parse_architecture(text)
    return [(x.field, x.rule) for x in caught.value.faults]


def test_a_mesh_of_arrays_stands_above_their_private_memories():
    design = parse_architecture(DESIGN.replace("NETWORK", "{systolic: {}}"))
    assert design.scale_out == Fanout("arrays", 3, 2, ScaleOut("stream", "columns"))
    assert design.pes == 6 * 32
    assert design.instances("ifmap_sram") == 6
    assert design.storage_bits == 6 * 3 * 512
    assert "rows of them cut stream, columns of them columns" in architecture_text(design)


def test_a_mesh_of_arrays_goes_through_a_file():
    design = parse_architecture(DESIGN.replace("NETWORK", "{systolic: {}}"))
    assert parse_architecture(dump_architecture(design)) == design


def test_only_systolic_arrays_stand_side_by_side():
    found = faults_of(DESIGN.replace("NETWORK", "{xy_bus: {}}"))
    rule = "must stand above a systolic array, the last level"
    assert found == [("levels[1].network.scale_out", rule)]


def test_arrays_stand_side_by_side_once():
    line = "  - {fanout: arrays, mesh_x: 3, mesh_y: 2, network: {scale_out: {y: stream}}}\n"
    text = DESIGN.replace("NETWORK", "{systolic: {}}").replace(
        line, line + line.replace("arrays", "more")
    )
    assert faults_of(text) == [("levels[2].network.scale_out", "must stand once")]


def test_an_unknown_index_is_a_fault_with_the_near_ones():
    (fault,) = faults_of(DESIGN.replace("NETWORK", "{systolic: {}}").replace("y: stream", "y: row"))
    assert fault[0] == "levels[1].network.scale_out.y"


def test_a_mapping_puts_no_loops_on_a_mesh_of_arrays():
    design = parse_architecture(DESIGN.replace("NETWORK", "{systolic: {}}"))
    mapping = Mapping((LevelMapping("arrays", x=(Loop("K", 1),)),))
    found = [(x.rule, x.where) for x in check_mapping(design, LAYER, mapping)]
    assert ("place", "arrays") in found
    assert SYSTOLIC.scale_out is None
