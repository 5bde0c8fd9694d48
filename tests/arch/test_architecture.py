from __future__ import annotations

from dataclasses import replace

import pytest
from chips import GLB, PSUM_SPAD, SPATIAL, SYSTOLIC

from arraysmith.arch.architecture import Fanout, Memory
from arraysmith.arch.errors import ArraysmithError


def test_capacity_is_depth_times_width_in_bits_and_in_words_rounded_down():
    assert GLB.capacity_bits == 16 * 64
    assert GLB.capacity_words == 128
    assert GLB.words_per_access == 8
    assert replace(GLB, word_bits=24).capacity_words == 42
    assert replace(GLB, word_bits=24).words_per_access == 2


def test_a_word_wider_than_an_access_still_moves_one_at_a_time():
    assert replace(PSUM_SPAD, word_bits=32).words_per_access == 1


def test_off_chip_memory_has_no_capacity_and_counts_no_storage():
    dram = SPATIAL.levels[0]
    assert isinstance(dram, Memory)
    assert dram.capacity_words is None
    assert dram.capacity_bits == 0


def test_storage_counts_every_instance_of_every_bounded_memory():
    spads = 12 * (2 * 16 + 3 * 16 + 4 * 16)
    assert SPATIAL.storage_bits == 16 * 64 + spads


def test_instances_are_the_product_of_the_fan_outs_above():
    inner = Fanout("lanes", 2, 1)
    nested = replace(SPATIAL, levels=(*SPATIAL.levels, inner))
    assert nested.instances("glb") == 1
    assert nested.instances("array") == 1
    assert nested.instances("psum_spad") == 12
    assert nested.instances("lanes") == 12
    assert nested.instances("mac") == nested.pes == 24


def test_memories_and_fanouts_keep_the_order_of_the_levels():
    assert [memory.name for memory in SPATIAL.memories] == [
        "dram",
        "glb",
        "ifmap_spad",
        "weight_spad",
        "psum_spad",
    ]
    assert [fanout.name for fanout in SPATIAL.fanouts] == ["array"]


def test_only_a_design_that_ends_in_a_systolic_fan_out_is_systolic():
    assert SPATIAL.systolic is None
    assert SYSTOLIC.systolic is SYSTOLIC.levels[-1]


def test_a_number_is_read_and_replaced_by_its_path():
    assert SPATIAL.value("glb.depth") == 16
    assert SPATIAL.value("array.mesh_x") == 4
    assert SPATIAL.value("mac.pipeline_cycles") == 1
    changed = SPATIAL.with_values(
        {"glb.depth": 32, "glb.width_bits": 128, "array.mesh_x": 6, "mac.pipeline_cycles": 2}
    )
    assert (changed.value("glb.depth"), changed.value("glb.width_bits")) == (32, 128)
    assert changed.pes == 18
    assert changed.compute.pipeline_cycles == 2
    assert SPATIAL.value("glb.depth") == 16, "the original must not change"


def test_replacing_every_number_by_itself_gives_an_equal_design():
    paths = ["glb.depth", "array.mesh_x", "array.mesh_y", "psum_spad.width_bits"]
    same = SPATIAL.with_values({path: SPATIAL.value(path) for path in paths})
    assert same == SPATIAL
    assert hash(same) == hash(SPATIAL)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("glbb.depth", "no level 'glbb': did you mean glb"),
        ("glb.dept", "no field 'dept': did you mean depth"),
        ("depth", "must be level.field"),
        ("glb.name", "is not an integer"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error_with_the_near_matches(path, message):
    with pytest.raises(ArraysmithError, match=message):
        SPATIAL.value(path)


def test_replacing_a_field_that_does_not_exist_is_an_error():
    with pytest.raises(ArraysmithError, match="no field 'dept'"):
        SPATIAL.with_values({"glb.dept": 3})


def test_asking_for_an_unknown_level_names_the_design():
    with pytest.raises(ArraysmithError, match=r"^small has no level 'gbl'"):
        SPATIAL.level("gbl")
