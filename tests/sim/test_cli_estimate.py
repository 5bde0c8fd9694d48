import json
import subprocess
import sys

import pytest
from poster_design import DESIGN, MAPPING

from arraysmith.arch.loader import dump_mapping
from arraysmith.arch.main import run
from arraysmith.arch.mapping import Mapping
from arraysmith.sim.analytical.counting import SETTINGS as MODEL_SETTINGS
from arraysmith.sim.analytical.maestro.model import SETTING as MAESTRO
from arraysmith.sim.cli import SETTINGS

SPATIAL = ("estimate", "eyeriss-poster-original", "vgg16_prepadded:conv1_1")
SYSTOLIC = ("estimate", "scalesim-default", "vgg16", "--dataflow", "output_stationary")


@pytest.fixture
def mapping_file(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text(dump_mapping(MAPPING, DESIGN.name))
    return str(path)


def test_an_estimate_is_a_table_on_stdout(mapping_file, capsys):
    assert run([*SPATIAL, "--mapping", mapping_file, "--setting", "timeloop"]) == 0
    captured = capsys.readouterr()
    row = captured.out.splitlines()[2].split()
    assert row[0] == "conv1_1"
    # The published row of this design: 903,168 cycles, 57.14 %, 188.44 GFLOPs, 724.12 uJ.
    assert row[2:6] == ["903,168", "57.14", "188.44", "724.12"]
    assert captured.err == ""


def test_json_is_one_document_with_the_names_of_the_report(mapping_file, capsys):
    assert run([*SPATIAL, "--mapping", mapping_file, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["architecture"] == "eyeriss-poster-original"
    assert document["workload"] == "vgg16_prepadded:conv1_1"
    (layer,) = document["layers"]
    for key in ("cycles", "energy_pj", "utilization", "gflops", "edp_j_cycles", "stall_cycles"):
        assert layer[key] == document["total"][key]
    assert layer["fidelity"] == "analytical"
    assert document["provenance"]["mapping"]["kind"] == "mapping"
    assert document["provenance"]["setting"] == "default"


def test_equal_commands_print_equal_bytes(mapping_file, capsys):
    outputs = []
    for _ in range(2):
        assert run([*SPATIAL, "--mapping", mapping_file, "--json"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_explain_shows_nest_accesses_and_bounds(mapping_file, capsys):
    assert run([*SPATIAL, "--mapping", mapping_file, "--explain"]) == 0
    out = capsys.readouterr().out
    for text in ("spread K over x", "tile words", "bounds the time", "energy uJ"):
        assert text in out


def bounding(arguments, capsys):
    """Return the one line of the time table that is said to bound the time."""
    assert run([*arguments, "--explain"]) == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if x.endswith("bounds the time")]
    assert len(lines) == 1
    return lines[0].split()


def test_explain_names_the_longest_part_of_a_run_on_a_systolic_array(capsys):
    tpu = ("estimate", "tpu-v1", "vgg16:conv3_1", "--dataflow", "tpu_like")
    assert bounding(tpu, capsys)[:2] == ["stalled,", "bandwidth_dram"]
    free = ("estimate", "scalesim-default", "vgg16:conv3_1", "--dataflow", "os")
    assert bounding(free, capsys)[0] == "computing"


def test_a_network_on_a_systolic_array_is_summed(capsys):
    assert run([*SYSTOLIC, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["layers"]) > 1
    for key in ("cycles", "macs"):
        total = sum(layer[key] * layer["repeat"] for layer in document["layers"])
        assert total == document["total"][key]


def test_the_settings_are_those_of_the_model():
    assert set(SETTINGS) == {*MODEL_SETTINGS, MAESTRO}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["estimate", "eyeris", "vgg16:conv1_1", "--mapping", "m.yaml"], "did you mean eyeriss"),
        (["estimate", "eyeriss", "vgg16:conv9_9", "--mapping", "m.yaml"], "conv9_9"),
        (["estimate", "eyeriss", "nonet", "--mapping", "m.yaml"], "nonet"),
        ([*SPATIAL, "--mapping", "none.yaml"], "none.yaml"),
        ([*SPATIAL], "needs a dataflow or a mapping"),
        ([*SPATIAL, "--dataflow", "row_stationary", "--search", "0"], "--search"),
        (["estimate", "scalesim-default", "vgg16"], "needs a dataflow or a mapping"),
        ([*SYSTOLIC[:4], "output_stationery"], "output_stationary"),
        ([*SYSTOLIC[:4], "row_stationary"], "row_stationary"),
        ([*SYSTOLIC, "--mapping", "m.yaml"], "not both"),
        ([*SPATIAL, "--setting", "nonsense"], "nonsense"),
        ([*SPATIAL, "--explain", "--json"], "--explain prints text"),
        (["estimate", "eyeriss"], "Missing argument"),
    ],
)
def test_nonsense_is_named_and_exits_with_2(arguments, message, capsys):
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_a_dataflow_that_leaves_a_choice_is_searched_and_the_result_says_so(capsys):
    arguments = [*SPATIAL, "--dataflow", "row_stationary", "--search", "500", "--json"]
    assert run(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["provenance"]["mapping"] == {"dataflow": "row_stationary", "searched": 500}
    assert document["total"]["utilization"] > 0.5
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out) == document


def test_a_mapping_that_does_not_fit_the_layer_names_every_rule(tmp_path, capsys):
    path = tmp_path / "mapping.yaml"
    path.write_text(dump_mapping(Mapping(MAPPING.levels[:2])))
    assert run([*SPATIAL, "--mapping", str(path)]) == 2
    err = capsys.readouterr().err
    assert "coverage" in err
    assert str(path) in err
    assert len(err.splitlines()) > 1


def test_the_installed_command_estimates(mapping_file):
    done = subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", *SPATIAL, "--mapping", mapping_file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "conv1_1" in done.stdout


def test_ragged_tiles_are_estimated_and_refused_by_the_rules_of_timeloop(tmp_path, capsys):
    path = tmp_path / "ragged.yaml"
    path.write_text(
        "kind: mapping\nlevels:\n  dram: {temporal: [P:50, K:1, C:1, R:1]}\n"
        "  glb: {temporal: [P:1, Q:1]}\n  array: {y: [S:1]}\n"
    )
    estimate = ["estimate", "eyeriss-poster-found", "vgg16:conv1_1", "--mapping", str(path)]
    assert run(estimate) == 0
    capsys.readouterr()
    assert run([*estimate, "--setting", "timeloop"]) == 2
    told = "dram.P: tile 50: division: must divide the tile around it, 224"
    assert told in capsys.readouterr().err


def test_estimate_says_where_the_rules_of_zigzag_are(capsys):
    arguments = ["eyeriss", "vgg16:conv1_1", "--dataflow", "rs", "--setting", "zigzag"]
    assert run(["estimate", *arguments]) == 2
    assert "arraysmith validate zigzag" in capsys.readouterr().err


@pytest.mark.parametrize(("dataflow", "idle"), [("os", True), ("ws", False)])
def test_an_overlap_of_folds_without_effect_is_noted(tmp_path, capsys, dataflow, idle):
    assert run(["show", "scalesim-default", "--yaml"]) == 0
    text = capsys.readouterr().out
    wired = text.replace("systolic: {", "systolic: {fold_overlap: weights, ")
    assert wired != text
    path = tmp_path / "design.yaml"
    path.write_text(wired)
    assert run(["estimate", str(path), "vgg16:conv3_1", "--dataflow", dataflow]) == 0
    assert ("fold_overlap: weights has no effect" in capsys.readouterr().err) == idle
