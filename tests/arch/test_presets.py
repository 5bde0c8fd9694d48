from __future__ import annotations

import pytest

from arraysmith.arch.architecture import XyBus
from arraysmith.arch.loader import (
    dump_architecture,
    load_architecture,
    parse_architecture,
    preset_names,
    preset_path,
    read_spec,
)
from arraysmith.arch.problem import TENSORS
from arraysmith.arch.specs import ArchitectureSpec


def test_the_promised_designs_ship():
    assert preset_names() == (
        "diannao-like",
        "eyeriss",
        "eyeriss-poster-found",
        "eyeriss-poster-original",
        "maeri-like",
        "maeri-trees",
        "nvdla-like",
        "scalesim-default",
        "shidiannao-like",
        "simba-like",
        "simba-mesh",
        "simba-wireless",
        "tpu-v1",
    )


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_round_trips_and_names_its_source(name):
    design = load_architecture(name)
    assert design.name == name
    assert parse_architecture(dump_architecture(design)) == design
    spec, _ = read_spec(preset_path(name), ArchitectureSpec)
    assert len(spec.source) > 40, "a source is a sentence, not a word"


@pytest.mark.parametrize("name", preset_names())
def test_level_names_are_those_that_dataflows_speak_of(name):
    design = load_architecture(name)
    names = [level.name for level in design.levels]
    if design.systolic:
        assert names == ["dram", "ifmap_sram", "weight_sram", "ofmap_sram", "array"]
    elif name == "diannao-like":
        assert names == ["dram", "glb", "array"]
    else:
        assert set(names) - {"lanes"} == {
            "dram", "glb", "array", "ifmap_spad", "weight_spad", "psum_spad",
        }  # fmt: skip
    assert design.compute.name == "mac"


@pytest.mark.parametrize("name", preset_names())
def test_every_tensor_has_a_place_on_the_chip(name):
    memories = load_architecture(name).memories[1:]
    assert {tensor for memory in memories for tensor in memory.holds} == set(TENSORS)


def test_the_poster_designs_have_the_storage_and_the_meshes_of_its_table():
    original = load_architecture("eyeriss-poster-original")
    found = load_architecture("eyeriss-poster-found")
    assert original.pes == found.pes == 168
    assert original.storage_bits == 1_048_576 + 591_360
    assert found.storage_bits == 262_144 + 752_640
    assert (original.value("array.mesh_x"), original.value("array.mesh_y")) == (14, 12)
    assert (found.value("array.mesh_x"), found.value("array.mesh_y")) == (4, 42)


def test_the_poster_designs_recognise_sharing_per_mesh_axis_only():
    for name in ("eyeriss-poster-original", "eyeriss-poster-found"):
        network = load_architecture(name).fanouts[0].network
        assert isinstance(network, XyBus)
        assert not network.diagonal


def test_the_eyeriss_chip_has_12_rows_of_14_and_108_kib():
    chip = load_architecture("eyeriss")
    assert (chip.value("array.mesh_x"), chip.value("array.mesh_y")) == (14, 12)
    assert chip.memories[1].capacity_bits == 108 * 1024 * 8
    assert chip.clock_hz == 200_000_000
    assert sum(memory.capacity_words or 0 for memory in chip.memories[2:]) == 12 + 224 + 24


def test_the_tpu_has_65536_macs_a_24_mib_buffer_and_4096_rows_of_sums():
    chip = load_architecture("tpu-v1")
    assert chip.pes == 65_536
    assert chip.memories[1].capacity_bits == 24 * 2**20 * 8
    assert chip.memories[3].capacity_words == 4096 * 256
