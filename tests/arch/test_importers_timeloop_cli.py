"""Files of Timeloop all the way through the commands: its design, its layer, its mapping."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from timeloop_files import EYERISS, LAYER, MAPPING

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.importers.timeloop import (
    parse_timeloop_architecture,
    parse_timeloop_mapping,
)
from arraysmith.arch.importers.timeloop_text import (
    architecture_text,
    mapping_text,
    problem_text,
)
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.main import run
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.networks import load_network
from arraysmith.sim.analytical.model import AnalyticalModel

PRESET = load_architecture("eyeriss-poster-original")
CONV1_1 = load_network("vgg16_prepadded:conv1_1").layers[0].problem


def renamed(architecture: Architecture, mapping: Mapping, old: str, new: str):
    """Return a design and its mapping, a level called otherwise."""
    levels = [replace(x, name=new) if x.name == old else x for x in architecture.levels]
    loops = [replace(x, level=new) if x.level == old else x for x in mapping.levels]
    return replace(architecture, levels=tuple(levels)), Mapping(tuple(loops))


def ours():
    """Return the report of the same mapping on our preset."""
    mapping, _ = parse_timeloop_mapping(LAYER + MAPPING, parse_timeloop_architecture(EYERISS)[0])
    for old, new in (("column-row", "array"), ("DRAM", "dram")):
        _, mapping = renamed(PRESET, mapping, old, new)
    return mapping, AnalyticalModel().evaluate(PRESET, CONV1_1, mapping)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the poster's design, layer and mapping in the words of that tool."""
    for name, text in (("arch", EYERISS), ("conv1", LAYER),
                       ("map", LAYER + MAPPING)):  # fmt: skip
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def arguments(folder, command="estimate", *more):
    files = (str(folder / f"{name}.yaml") for name in ("arch", "conv1", "map"))
    design, layer, mapping = files
    return [command, design, layer, "--mapping", mapping, *more]


def test_the_rows_of_the_poster_come_out_of_that_tool_s_own_files(folder, capsys):
    assert run(arguments(folder, "estimate", "--setting", "timeloop")) == 0
    row = capsys.readouterr().out.splitlines()[2].split()
    assert row[2:6] == ["903,168", "57.14", "188.44", "724.12"]


def test_a_result_keeps_the_assumptions_of_the_files_it_came_from(folder, capsys):
    assert run(arguments(folder, "estimate", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assumptions = document["provenance"]["assumptions"]
    assert sorted(assumptions) == [str(folder / f"{x}.yaml") for x in ("arch", "conv1", "map")]
    assert any("column and row" in text for text in assumptions[str(folder / "arch.yaml")])
    assert document["layers"][0]["cycles"] == ours()[1].cycles


def test_what_we_write_in_their_language_estimates_the_same(tmp_path, capsys):
    mapping, report = ours()
    # K goes along both axes: in that language columns and rows must be containers of their own.
    design, mapping = renamed(PRESET, mapping, "array", "col-row")
    for name, text in (
        ("arch", architecture_text(design)),
        ("conv1", problem_text(CONV1_1)),
        ("map", mapping_text(mapping, design, CONV1_1)),
    ):
        (tmp_path / f"{name}.yaml").write_text(text)
    assert run(arguments(tmp_path, "estimate", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    layer = document["layers"][0]
    assert (layer["cycles"], layer["energy_pj"]) == (report.cycles, report.energy_pj)


def test_constraints_are_searched_like_a_dataflow_of_ours(folder, capsys):
    design, layer = (str(folder / f"{name}.yaml") for name in ("arch", "conv1"))
    options = ["--dataflow", design, "--search", "300", "--json"]
    assert run(["estimate", design, layer, *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["provenance"]["mapping"] == {"dataflow": "arch", "searched": 300}
    assert document["total"]["utilization"] > 0.5
