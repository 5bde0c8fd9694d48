"""``simulate`` on the files of SCALE-Sim, from outside."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from arraysmith.arch.main import run
from arraysmith.validation.suites.scalesim import REFERENCE

CONV = "Layer,IFMAP H,IFMAP W,FH,FW,C,K,S,\n"
TOOL = ("--setting", "scalesim-3.0.0")


@pytest.fixture
def files(tmp_path):
    """Return (configuration, topology): those of a trace set, to be edited."""
    source = REFERENCE / "traces" / "conv10_8x8_os_calc"
    config, topology = tmp_path / "a.cfg", tmp_path / "t.csv"
    config.write_text((source / "config.cfg").read_text())
    topology.write_text(CONV + "L,10,10,3,3,8,12,1,\n")
    return config, topology


def simulate(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", "simulate", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def document(capsys, *arguments):
    assert run(["simulate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_both_settings_take_the_files_as_they_are(files, capsys):
    ours = document(capsys, *files)
    theirs = document(capsys, *files, *TOOL)
    assert ours["total"]["setting"] == "default"
    assert theirs["total"]["setting"] == "scalesim-3.0.0"
    assert theirs["total"]["fidelity"] == "cycle"
    assert theirs["total"]["cycles"] == theirs["layers"][0]["scalesim"]["total_cycles"] == 1375
    assert theirs["provenance"]["setting"] == "scalesim-3.0.0"
    # Shifting out costs 8 rows per fold; the first fill, the last drain and the last cycle count.
    assert ours["total"]["cycles"] > 1376 + 16 * 8 - 16 * 4


def test_the_trailing_comma_is_not_needed(files, capsys):
    config, topology = files
    first = document(capsys, config, topology, *TOOL)
    topology.write_text(CONV.strip(",\n") + "\nL,10,10,3,3,8,12,1")
    assert document(capsys, config, topology, *TOOL)["layers"] == first["layers"]


def test_products_are_told_by_the_heading_or_by_an_option(files, capsys):
    config, topology = files
    topology.write_text("Layer,M,N,K,\ng,30,20,40,\n")
    told = document(capsys, config, topology, *TOOL)
    topology.write_text("who,knows,what,\ng,30,20,40,\n")
    asked = document(capsys, config, topology, "--gemm", *TOOL)
    assert told["layers"] == asked["layers"]
    assert run(["simulate", str(config), str(topology), "--conv"]) == 2


def test_all_files_of_the_tool_are_written(files, tmp_path, capsys):
    config, topology = files
    topology.write_text(CONV + "a,10,10,3,3,8,12,1,\nDPb,5,5,3,3,2,1,1,\nc,10,10,3,3,8,12,1,\n")
    out = tmp_path / "out"
    assert run(["simulate", str(config), str(topology), *TOOL, "--scalesim-out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert not (tmp_path / "out.part").exists()
    layers = sorted(x.name for x in out.iterdir() if x.is_dir())
    assert layers == ["layer0", "layer1", "layer2", "layer3"], "a layer per depthwise channel"
    assert all(len(list((out / layer).iterdir())) == 6 for layer in layers)
    rows = (out / "COMPUTE_REPORT.csv").read_text().splitlines()
    assert rows[1] == "0, 1457, 1375, 0, 62.836363636363636, 75.0, 62.79069767441862,"
    assert [row.split(",", 1)[1] for row in (rows[1], rows[2])] == [
        row.split(",", 1)[1] for row in (rows[4], rows[3])
    ]
    first = out / "layer0" / "IFMAP_SRAM_TRACE.csv"
    assert first.read_bytes() == (out / "layer3" / "IFMAP_SRAM_TRACE.csv").read_bytes()
    again = run(["simulate", str(config), str(topology), *TOOL, "--scalesim-out", str(out)])
    assert again == 2
    assert "is there already" in capsys.readouterr().err


def test_sparsity_acts_when_it_is_switched_on(files, tmp_path, capsys):
    config, topology = files
    edit(config, "Dataflow: os", "Dataflow: ws")
    topology.write_text("Layer,M,N,K,Sparsity,\ng,30,20,40,2:4,\n")
    dense = document(capsys, config, topology)
    tool_dense = document(capsys, config, topology, *TOOL)
    edit(config, "SparsitySupport : false", "SparsitySupport : true")
    sparse = document(capsys, config, topology)
    assert sparse["total"]["macs"] * 2 == dense["total"]["macs"]
    assert sparse["total"]["cycles"] < dense["total"]["cycles"]
    assert sparse["total"]["utilization"] <= 1
    tool = document(capsys, config, topology, *TOOL)
    assert tool["total"]["macs"] == tool_dense["total"]["macs"], "the tool counts dense MACs"
    storage = tool["layers"][0]["scalesim"]["sparse"]
    assert (storage["dense"], storage["metadata"]) == (800, 400 * 2 / 32)
    out = tmp_path / "out"
    command = ["simulate", str(config), str(topology), *TOOL, "--scalesim-out", str(out)]
    assert run(command) == 0
    assert "ellpack_block, 800, 425.0, 25.0," in (out / "SPARSE_REPORT.csv").read_text()


def test_a_preset_runs_under_the_setting_too(capsys):
    told = document(capsys, "scalesim-default", "alexnet:fc8", "--dataflow", "ws", *TOOL)
    assert told["layers"][0]["scalesim"]["groups"] == 1
    assert told["total"]["cycles"] == told["layers"][0]["scalesim"]["total_cycles"]


@pytest.mark.parametrize("setting", ["default", "scalesim-3.0.0"])
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("ArrayHeight: 8", "ArrayHeight: 0", ":5:14: architecture_presets.ArrayHeight: 0:"),
        ("IfmapSramSzkB: 1", "IfmapSramSzkB: -4", ":7:16: architecture_presets.IfmapSramSzkB: -4:"),
        ("Dataflow: os", "Dataflow: rs", ":14:11: architecture_presets.Dataflow: rs:"),
        ("ArrayWidth: 8\n", "", ":4:1: architecture_presets.ArrayWidth: (none): key is missing"),
        ("FilterOffset: 10000000", "FilterOffset: 799", ":11:1: architecture_presets.FilterOffset"),
        ("IfmapSRAMBankNum: 1", "IfmapSRAMBankNum: 3", ":21:25: layout.IfmapSRAMBankBandwidth: 10"),
        ("UseRamulatorTrace: False", "UseRamulatorTrace: True", "run_presets.UseRamulatorTrace"),
    ],
)
def test_a_bad_configuration_is_told_by_file_line_field_and_rule(files, setting, old, new, told):
    config, topology = files
    edit(config, old, new)
    done = simulate(config, topology, "--setting", setting)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert f"{config}:" in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("L,10,10,3,3,8,", ":2:14: filters: (none): value is missing"),
        ("L,10,10,3,3,8,12,0,", ":2:18: stride: 0:"),
        ("L,10,10,11,3,8,12,1,", ":2:9: filter height: 11:"),
        ("L,10,10,3,3,8,12,1,5:4,", ":2:20: sparsity: 5:4:"),
    ],
)
def test_a_bad_topology_line_is_told_by_file_line_field_and_rule(files, row, told):
    config, topology = files
    topology.write_text(CONV + row + "\n")
    done = simulate(config, topology, *TOOL)
    assert done.returncode == 2, done.stderr
    assert f"{topology}{told}" in done.stderr


def test_missing_files_are_told(files, tmp_path):
    config, topology = files
    for arguments in (
        (tmp_path / "none.cfg", topology),
        (config, tmp_path / "none.csv"),
        (config, topology, "--layout", tmp_path / "none.csv"),
    ):
        done = simulate(*arguments, *TOOL)
        assert done.returncode == 2, done.stderr
        assert "none.c" in done.stderr


def test_a_custom_layout_needs_a_layout_that_fits_its_banks(files, tmp_path, capsys):
    config, topology = files
    edit(config, "IfmapCustomLayout: False", "IfmapCustomLayout: True")
    edit(config, "InterfaceBandwidth: CALC", "InterfaceBandwidth: USER")
    assert run(["simulate", str(config), str(topology)]) == 2
    assert f"{config}:20:1: layout.IfmapCustomLayout: True:" in capsys.readouterr().err
    assert run(["simulate", str(config), str(topology), *TOOL]) == 2
    assert "there is no layout" in capsys.readouterr().err
    layout = tmp_path / "l.csv"
    row = "L, 2, 1, 1, 1, {}, 4, 0, 1, 2, 4, 5, 3, 3, 2, 1, 0, 4, 5, 6, 7,\n"
    layout.write_text("heading\n" + row.format(8))
    command = ["simulate", str(config), str(topology), *TOOL, "--layout", str(layout)]
    assert run(command) == 2
    assert f"{layout}:2:1: ifmap factors: 16:" in capsys.readouterr().err
    layout.write_text("heading\n" + row.format(4))
    assert run(command) == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--scalesim-out", "out"),
        ("--dataflow", "ws", *TOOL),
        ("--traces", "t.h5", *TOOL),
        ("--values", *TOOL),
    ],
)
def test_options_without_effect_are_refused(files, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    assert run(["simulate", *map(str, files), *options]) == 2
    assert not (tmp_path / "out").exists()


def test_a_layout_without_a_configuration_is_refused(capsys):
    assert run(["simulate", "scalesim-default", "alexnet", "--layout", "l.csv"]) == 2
    assert "--layout belongs to" in capsys.readouterr().err
