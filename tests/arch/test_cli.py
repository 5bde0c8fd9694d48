from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arraysmith.arch.loader import load_architecture, preset_names, preset_path
from arraysmith.arch.main import run
from arraysmith.search.run_file import RUNS

DRAM = "  - {memory: dram, device: lpddr4, holds: [ifmap, weight, ofmap], width: 64, word: 8}\n"
BAD = (
    "kind: architecture\nname: bad\nsource: none\nclock: 1 GHz\ntechnology: 65nm\n"
    f"levels:\n{DRAM}"
    "  - {fanout: array, mesh_x: 0, mesh_y: 3}\n"
    "  - {memory: spad, devise: sram, holds: [ofmap], width: 8, word: 8, depth: 4}\n"
)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


def shell(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


def test_a_good_file_is_said_to_be_good_and_the_exit_code_is_0(tmp_path: Path):
    path = preset_path("eyeriss")
    done = shell("check", str(path), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}: architecture: ok\n", "")


def test_every_fault_of_a_bad_file_is_printed_in_its_exact_form_and_the_exit_code_is_2(bad: Path):
    done = shell("check", bad.name, cwd=bad.parent)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "bad.yaml:8:29: levels[1].mesh_x: 0: must be at least 1",
        "bad.yaml:9:5: levels[2].device: (none): key is missing: add device: ...",
        "bad.yaml:9:20: levels[2].devise: devise: unknown key: did you mean device?",
    ]


def test_a_missing_file_is_bad_input(tmp_path: Path):
    done = shell("check", "none.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "none.yaml: (whole file): none.yaml: file does not exist: check the path\n"
    )


def test_all_files_are_checked_even_after_a_bad_one(bad: Path, capsys):
    good = preset_path("tpu-v1")
    assert run(["check", str(bad), str(good)]) == 2
    assert capsys.readouterr().out == f"{good}: architecture: ok\n"


def test_check_as_json_is_one_document_with_every_fault(bad: Path, capsys):
    assert run(["check", "--json", str(bad), str(preset_path("eyeriss"))]) == 2
    first, second = json.loads(capsys.readouterr().out)["files"]
    assert (first["ok"], first["kind"]) == (False, "architecture")
    assert first["faults"][0] == {
        "field": "levels[1].mesh_x",
        "value": "0",
        "rule": "must be at least 1",
        "hint": "",
        "file": str(bad),
        "line": 8,
        "column": 29,
    }
    assert (second["ok"], second["faults"]) == (True, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\n", ":1:1: kind: (none): key is missing: start with kind:"),
        ("kind: archtecture\n", ":1:7: kind: archtecture: unknown kind of file: did you mean arch"),
        ("kind: [a]\n", ":1:7: kind: [a]: must name the kind of file"),
    ],
)
def test_a_file_of_no_known_kind_is_bad_input(tmp_path: Path, capsys, text, message):
    path = tmp_path / "f.yaml"
    path.write_text(text)
    assert run(["check", str(path)]) == 2
    assert capsys.readouterr().err.startswith(str(path) + message)


def test_a_file_that_is_called_like_a_preset_is_read_as_a_file(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "eyeriss").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    assert run(["check", "eyeriss"]) == 2
    assert capsys.readouterr().err.startswith("eyeriss:8:29: levels[1].mesh_x")


def test_a_mapping_file_is_checked_against_the_design_it_names(tmp_path: Path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text("kind: mapping\narchitecture: eyeriss\nlevels: {glb: {temporal: [P:1]}}\n")
    assert run(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: mapping: ok\n"


def test_the_names_of_the_presets_are_listed_one_per_line(capsys):
    assert run(["list", "presets"]) == 0
    assert capsys.readouterr().out.splitlines() == list(preset_names())


def test_lists_are_available_as_json(capsys):
    assert run(["list", "technologies", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ["65nm", "45nm", "32nm", "28nm", "16nm", "7nm"]


def test_without_a_kind_the_kinds_are_listed(capsys):
    assert run(["list"]) == 0
    assert {"presets", "workloads", "dataflows", "technologies", "commands"} <= set(
        capsys.readouterr().out.split()
    )
    assert run(["list", "commands"]) == 0
    assert "check" in capsys.readouterr().out.split()


def test_an_unknown_kind_to_list_gets_the_near_matches(capsys):
    assert run(["list", "preset"]) == 2
    assert capsys.readouterr().err.startswith("input: KIND: preset: unknown kind: did you mean p")


def test_a_preset_is_shown_as_a_table_of_its_levels(capsys):
    assert run(["show", "eyeriss-poster-original"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "eyeriss-poster-original: 168 MACs at 1 GHz, 200.2 KiB on chip, 65nm"
    glb = next(line for line in lines if line.startswith("glb"))
    assert " ".join(glb.split()) == "glb 1 sram 128 KiB (16384 x 64 bit) 8 bit 16 / 16 ifmap ofmap"
    assert any(line.startswith("source: ") for line in lines)


def test_a_preset_is_shown_as_json_with_what_follows_from_it(capsys):
    assert run(["show", "eyeriss", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    design = load_architecture("eyeriss")
    assert document["name"] == "eyeriss"
    assert document["derived"]["storage_bits"] == design.storage_bits
    assert document["derived"]["instances"]["ifmap_spad"] == 168


def test_a_preset_shown_as_yaml_is_a_file_to_start_from(tmp_path: Path, capsys):
    assert run(["show", "eyeriss", "--yaml"]) == 0
    path = tmp_path / "mine.yaml"
    path.write_text(capsys.readouterr().out)
    assert load_architecture(path) == load_architecture("eyeriss")


def test_a_technology_is_shown_with_the_source_of_every_number(capsys):
    assert run(["show", "65nm", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert all(sample["source"] for sample in document["samples"])
    assert run(["show", "65nm"]) == 0
    assert "sram 16384 x 64 bit" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["row_stationary", "ws"])
def test_a_dataflow_is_shown_with_its_rules(capsys, name):
    assert run(["show", name]) == 0
    assert "over columns" in capsys.readouterr().out
    assert run(["show", name, "--yaml"]) == 0
    assert capsys.readouterr().out.startswith("kind: dataflow\n")


def test_a_workload_and_a_layer_of_it_are_shown_layer_by_layer(capsys):
    assert run(["show", "vgg16:conv1_1"]) == 0
    assert "86,704,128" in capsys.readouterr().out
    assert run(["show", "vgg16", "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert len(layers) >= 13
    assert layers[0]["problem"]["sizes"] == [1, 1, 64, 3, 224, 224, 3, 3]


def test_a_layer_of_a_file_is_shown_by_file_and_name(tmp_path: Path, capsys):
    assert run(["show", "vgg16", "--yaml"]) == 0
    path = tmp_path / "mine.yaml"
    path.write_text(capsys.readouterr().out)
    assert run(["show", f"{path}:conv1_1"]) == 0
    assert "86,704,128" in capsys.readouterr().out
    assert run(["show", f"{path}:conv1_0"]) == 2
    assert "did you mean conv" in capsys.readouterr().err


def test_names_that_ship_are_unique_across_kinds(capsys):
    names = []
    for kind in ("presets", "workloads", "dataflows", "technologies"):
        assert run(["list", kind]) == 0
        names += capsys.readouterr().out.split()
    assert len(names) == len(set(names))


def test_a_file_of_an_upper_layer_is_shown_as_it_is(capsys):
    path = RUNS / "poster.yaml"
    assert run(["show", str(path)]) == 0
    assert capsys.readouterr().out.rstrip() == path.read_text().rstrip()


def test_a_mapping_file_is_shown_level_by_level(tmp_path: Path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text("kind: mapping\nlevels: {glb: {temporal: [P:4, K:1], keep: []}}\n")
    assert run(["show", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["glb", "P:4", "K:1", "nothing"]
    assert run(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["levels"] == {
        "glb": {"temporal": ["P:4", "K:1"], "keep": []}
    }


def test_a_name_that_means_nothing_gets_the_near_matches(capsys):
    assert run(["show", "eyeris"]) == 2
    assert capsys.readouterr().err.startswith(
        "input: NAME: eyeris: is neither a file nor the name of anything that ships: did you mean"
    )


def test_the_schema_of_a_kind_of_file_names_its_keys(tmp_path: Path, capsys):
    assert run(["schema", "architecture"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["required"]) == {"kind", "name", "source", "clock", "technology", "levels"}
    assert schema["additionalProperties"] is False
    out = tmp_path / "schema.json"
    assert run(["schema", "mapping", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["properties"]["kind"]["const"] == "mapping"


def test_the_schema_of_an_unknown_kind_gets_the_near_matches(capsys):
    assert run(["schema", "architectur"]) == 2
    assert "unknown kind of file: did you mean architecture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "typed", "expected"),
    [
        ("arraysmith", "sc", ["schema"]),
        ("arraysmith list", "pre", ["presets"]),
        ("arraysmith schema", "map", ["mapping"]),
    ],
)
def test_shells_complete_commands_and_kinds(tmp_path: Path, words, typed, expected):
    script = "from arraysmith.arch.main import main; main()"
    environment = {
        **os.environ,
        "_ARRAYSMITH_COMPLETE": "bash_complete",
        "COMP_WORDS": f"{words} {typed}",
        "COMP_CWORD": str(len(words.split())),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert [line.partition(",")[2] for line in done.stdout.split()] == expected


CHECKED = ("check", "--architecture", "eyeriss", "--workload", "vgg16:conv1_1")


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ('dram: {temporal: ["K:300"]}', "3:21: levels.dram.temporal[0]: tile 300: tile: 1 to 64"),
        ('dram: {temporal: ["P:28"]}', "3:21: levels.dram.temporal[0]: innermost tile 28: cov"),
        ('array: {x: ["Q:1"]}\n  psum_spad: {temporal: ["C:1", "R:1", "S:1", "P:1", "K:1"]}',
         "3:14: levels.array.x: 224 instances: fanout: 14"),
        ('psum_spad: {temporal: ["K:1", "C:1", "R:1", "S:1", "P:1", "Q:1"]}',
         "3:3: levels.glb: needs 53859520 b, has 884736 b"),
    ],
)  # fmt: skip
def test_check_names_every_rule_that_a_mapping_breaks_on_a_design(tmp_path, capsys, levels, told):
    path = tmp_path / "m.yaml"
    path.write_text(f"kind: mapping\nlevels:\n  {levels}\n")
    assert run(["check", str(path)]) == 0
    capsys.readouterr()
    assert run([*CHECKED, str(path)]) == 2
    assert f"{path}:{told}" in capsys.readouterr().err


def test_check_finds_nothing_wrong_with_a_legal_mapping(tmp_path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text(
        'kind: mapping\nlevels:\n  dram: {temporal: ["K:1", "P:1", "Q:1", "C:1", "R:1", "S:1"]}\n'
    )
    assert run([*CHECKED, str(path)]) == 0
    assert "ok" in capsys.readouterr().out


def test_check_takes_one_layer_and_a_design_together(tmp_path, capsys):
    path = tmp_path / "m.yaml"
    path.write_text("kind: mapping\nlevels: {}\n")
    assert run(["check", "--architecture", "eyeriss", str(path)]) == 2
    assert "go together" in capsys.readouterr().err
    assert run(["check", "--architecture", "eyeriss", "--workload", "vgg16", str(path)]) == 2
    assert "a mapping is for one layer" in capsys.readouterr().err
