"""Arrays of other people: all rows, sizes that are in no file, wrong numbers, bad descriptions."""

from __future__ import annotations

import json

import pytest
from case_files import read, write
from click.testing import CliRunner

from arraysmith.arch.errors import InputError
from arraysmith.validation.cli import validate
from arraysmith.validation.suites.spatial_rtl import ARRAYS, QUANTITIES, REFERENCE, spatial_rtl

OS, WS, MESH = "rtl_os_cycles.csv", "rtl_ws_cycles.csv", "stonne_os_mesh_cycles.csv"


def test_every_row_of_the_three_arrays_is_exact():
    outcome = spatial_rtl()
    assert set(outcome.quantities) == set(QUANTITIES)
    assert len(outcome.quantities["cycles"]) == 112 + 46 + 43
    assert all(x.exact for x in outcome.comparisons)
    assert not outcome.skipped


@pytest.mark.parametrize(
    ("name", "columns", "cycles"),
    [
        # Seen by running the sources: sizes and kinds of tile that the files do not have.
        (OS, {"rows": 2, "cols": 6, "K": 12, "tiles_back_to_back": 4}, {"total_cycles": 62}),
        (OS, {"rows": 3, "cols": 5, "K": 11, "tiles_back_to_back": 4}, {"total_cycles": 57}),
        (MESH, {"array": 4, "M": 1, "N": 1, "K": 1, "dn_bw": 8, "rn_bw": 16}, {"cycles": 5}),
        (MESH, {"array": 4, "M": 2, "N": 2, "K": 5, "dn_bw": 4, "rn_bw": 16}, {"cycles": 17}),
        (MESH, {"array": 4, "M": 4, "N": 4, "K": 5, "dn_bw": 1, "rn_bw": 16}, {"cycles": 49}),
        (MESH, {"array": 4, "M": 4, "N": 4, "K": 5, "dn_bw": 8, "rn_bw": 1}, {"cycles": 24}),
        (MESH, {"array": 4, "M": 6, "N": 6, "K": 5, "dn_bw": 8, "rn_bw": 16}, {"cycles": 56}),
    ],
)
def test_rows_that_are_in_no_file_are_exact(tmp_path, name, columns, cycles):
    row = {**read(REFERENCE / name)[0], **columns}
    row = {k: v for k, v in row.items() if "output" not in k and "input" not in k} | cycles
    path = write(tmp_path / name, [row])
    path.rename(tmp_path / name)
    outcome = spatial_rtl(tmp_path)
    assert [(x.quantity, x.exact) for x in outcome.comparisons] == [("cycles", True)]


def test_a_file_of_another_name_is_known_by_its_columns(tmp_path):
    outcome = spatial_rtl(write(tmp_path / "mine.csv", read(REFERENCE / WS)[:2]))
    assert outcome.comparisons[0].case == "mine:2 tinyTPU array 2 array 2 M 4"
    assert all(x.exact for x in outcome.comparisons)
    with pytest.raises(InputError, match="must have the columns of one array, not of 0"):
        spatial_rtl(write(tmp_path / "other.csv", [{"rows": 1, "cols": 2}]))


def test_a_wrong_number_is_found_and_the_exit_code_says_so(tmp_path):
    row = read(REFERENCE / OS)[5]
    row["total_cycles"] = str(int(row["total_cycles"]) + 1)
    cases = write(tmp_path / OS, [row])
    done = CliRunner().invoke(validate, ["spatial-rtl", "--cases", str(cases), "--json"])
    assert done.exit_code == 3
    found = json.loads(done.output)
    assert found["quantities"]["cycles"]["exact"] == 0
    assert found["quantities"]["cycle of the first result"]["exact"] == 1


def test_runs_that_failed_are_left_out_with_the_reason(tmp_path):
    row = dict(read(REFERENCE / MESH)[0], functional_check="fail")
    outcome = spatial_rtl(write(tmp_path / MESH, [row]))
    assert list(outcome.skipped.values()) == ["functional_check is fail, not pass"]


def test_bad_cases_and_bad_arrays_are_refused_with_their_place(tmp_path):
    row = dict(read(REFERENCE / OS)[0], K="0")
    with pytest.raises(InputError) as error:
        spatial_rtl(write(tmp_path / OS, [row]))
    assert [(x.field, x.value, x.line) for x in error.value.faults] == [("K", "0", 2)]
    row = dict(read(REFERENCE / MESH)[0], dn_bw="3")
    with pytest.raises(InputError, match="ports 3: must divide the 8 lanes"):
        spatial_rtl(write(tmp_path / MESH, [row]))
    text = (REFERENCE / ARRAYS).read_text()
    text = text.replace("output_registers: 1   ", "outputs: 1").replace("M: cycles}", "M: speed}")
    text = text.replace("{cycles: cycles}", "{cycles: speed}").replace("dataflow: ws", "drop: 1")
    (tmp_path / ARRAYS).write_text(text)
    with pytest.raises(InputError) as error:
        spatial_rtl(tmp_path)
    assert {"speed", "drop"} <= {x.value for x in error.value.faults}
