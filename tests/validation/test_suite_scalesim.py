"""A slice of the comparison with SCALE-Sim 3.0.0; ``validate scalesim`` runs all of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from case_files import read, write

from arraysmith.arch.errors import InputError
from arraysmith.arch.main import run
from arraysmith.validation.suites.scalesim import (
    REFERENCE,
    compare,
    compare_traces,
    read_cases,
    scalesim,
)

SLICE = [
    case
    for dataflow in ("os", "ws", "is")
    for case in read_cases(REFERENCE / f"cases_{dataflow}.csv")[::9]
    if int(case.row["demand_rows"]) < 20_000
]


@pytest.mark.parametrize("case", SLICE, ids=[case.name for case in SLICE])
def test_every_column_of_a_case_is_equal(case):
    found = list(compare(case))
    assert len(found) > 35
    assert [x for x in found if not x.exact] == []


def test_the_slice_has_both_modes_all_dataflows_and_stalls():
    rows = [case.row for case in SLICE]
    assert {row["bandwidth_mode"] for row in rows} == {"CALC", "USER"}
    assert {row["dataflow"] for row in rows} == {"os", "ws", "is"}
    assert {row["kind"] for row in rows} == {"conv", "gemm"}
    assert sum(row["stall_cycles"] != "0" for row in rows) >= 3


@pytest.mark.parametrize("name", ["conv10_8x8_os_calc", "gemm_30_20_40_6x5_ws_user"])
def test_every_row_of_every_trace_and_report_is_equal(name):
    found = list(compare_traces(REFERENCE / "traces" / name))
    assert len(found) == 9
    assert all(x.exact and x.expected > 1 for x in found)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of a few cases and one trace set."""
    for dataflow in ("os", "ws"):
        with (REFERENCE / f"cases_{dataflow}.csv").open(newline="") as file:
            head, *rows = file.readlines()
        (tmp_path / f"cases_{dataflow}.csv").write_text(head + "".join(rows[:3]))
    name = "gemm_30_20_40_6x5_ws_user"
    shutil.copytree(REFERENCE / "traces" / name, tmp_path / "traces" / name)
    return tmp_path


def validate(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", "validate", "scalesim", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_and_a_file_can_be_given(folder):
    whole = scalesim(folder)
    assert not whole.beyond
    quantities = whole.quantities
    assert len(quantities["stall_cycles"]) == 6
    assert len(quantities["dram_trace_rows"]) == 3
    one = scalesim(folder / "cases_os.csv")
    assert len(one.quantities["total_cycles"]) == 3
    assert set(one.quantities) < set(quantities)
    (traces,) = (folder / "traces").iterdir()
    assert set(scalesim(traces).quantities) == {"sram_trace_rows", "dram_trace_rows", "report_rows"}


def test_a_wrong_number_and_a_wrong_row_are_found(folder):
    path = folder / "cases_os.csv"
    rows = read(path)
    rows[1]["dram_ifmap_reads"] = str(int(rows[1]["dram_ifmap_reads"]) + 1)
    write(path, rows)
    (traces,) = (folder / "traces").iterdir()
    report = traces / "COMPUTE_REPORT.csv"
    report.write_text(report.read_text().replace("1265", "1266"))
    done = validate("--cases", folder, "--json")
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert told["suite"] == "scalesim"
    (worst,) = told["quantities"]["dram_ifmap_reads"]["worst"]
    assert worst["case"] == rows[1]["case"]
    assert worst["expected"] == worst["got"] + 1
    assert told["quantities"]["report_rows"]["exact"] == 2


@pytest.mark.parametrize(
    ("column", "text", "told"),
    [
        ("array_rows", "0", ":3:1: array_rows: 0: must be a whole number"),
        ("dataflow", "rs", ":3:1: dataflow: rs: must be one of os, ws, is"),
        ("filter_h", "99", ":3:1: filter_h: 99: a filter must fit the ifmap"),
        ("ifmap_bw", "", ":3:1: ifmap_bw: (none): must be a whole number"),
    ],
)
def test_a_bad_case_is_told_by_file_line_and_column(folder, column, text, told):
    path = folder / "cases_os.csv"
    rows = read(path)
    rows[1][column] = text
    write(path, rows)
    with pytest.raises(InputError) as caught:
        scalesim(path)
    assert f"{path}{told}" in str(caught.value)


def test_missing_columns_files_and_folders_are_told(tmp_path):
    bad = tmp_path / "cases.csv"
    bad.write_text("case,dataflow\nx,os\n")
    with pytest.raises(InputError, match=r"array_rows: .*column is missing"):
        scalesim(bad)
    bad.unlink()
    with pytest.raises(InputError, match="holds neither"):
        scalesim(tmp_path)
    (tmp_path / "config.cfg").write_text("[general]\n")
    with pytest.raises(InputError, match="key is missing"):
        scalesim(tmp_path)
    done = validate("--cases", tmp_path / "nowhere")
    assert done.returncode == 2
    assert "must be a file or folder that exists" in done.stderr


def test_a_folder_of_several_layers_as_the_tool_leaves_it_is_compared(tmp_path):
    source = REFERENCE / "traces" / "conv10_8x8_os_calc" / "config.cfg"
    topology = tmp_path / "topology.csv"
    topology.write_text("Layer,H,W,FH,FW,C,K,S,\na,6,6,3,3,2,4,1,\nDPb,5,5,3,3,2,1,2,\n")
    made = tmp_path / "made"
    command = ["simulate", str(source), str(topology), "--setting", "scalesim-3.0.0"]
    assert run([*command, "--scalesim-out", str(made)]) == 0
    shutil.copy(source, made / "config.cfg")
    shutil.copy(topology, made / "topology.csv")
    found = list(compare_traces(made))
    assert len(found) == 3 * 6 + 3
    assert all(x.exact for x in found)
    trace = made / "layer2" / "OFMAP_DRAM_TRACE.csv"
    trace.write_text(trace.read_text() + "1.0,2.0\n")
    (wrong,) = [x for x in compare_traces(made) if not x.exact]
    assert (wrong.quantity, wrong.expected - wrong.got) == ("dram_trace_rows", 1)
