"""The comparison with the tool behind the poster, and the words a suite reports in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from case_files import read, write

from arraysmith.arch.errors import InputError
from arraysmith.validation.cli import text
from arraysmith.validation.comparison import Comparison, Outcome, summary
from arraysmith.validation.reference_files import case_rows
from arraysmith.validation.suites.timeloop import REFERENCE, timeloop


@pytest.fixture(scope="module")
def outcome():
    return timeloop()


def of(outcome, case, quantity):
    (found,) = [x for x in outcome.comparisons if (x.case, x.quantity) == (case, quantity)]
    return found


@pytest.mark.parametrize(
    ("design", "cycles", "utilization", "gflops", "energy_uj"),
    [
        ("original_14x12", 903_168, 0.5714, 188.44, 724.12),
        ("optimum_4x42", 602_112, 0.8571, 282.67, 313.45),
    ],
)
def test_both_designs_of_the_poster_are_reproduced(
    outcome, design, cycles, utilization, gflops, energy_uj
):
    case = f"poster {design}"
    assert of(outcome, case, "cycles").got == cycles
    assert of(outcome, case, "utilization").got == pytest.approx(utilization, abs=5e-5)
    assert of(outcome, case, "GFLOPs").got == pytest.approx(gflops, abs=6e-3)
    assert of(outcome, case, "energy_uJ").got == pytest.approx(energy_uj, rel=1e-3)


def test_every_access_count_and_energy_of_the_fixed_mappings_is_exact(outcome):
    groups = outcome.quantities
    assert len(groups["words"]) > 1500
    assert all(x.exact for x in groups["words"])
    assert all(x.exact for x in groups["energy_uJ"])
    assert not outcome.beyond
    assert len(outcome.skipped) == 1


def test_a_wrong_number_in_the_reference_is_found_and_the_exit_code_says_so(tmp_path):
    folder = tmp_path / "cases"
    shutil.copytree(REFERENCE, folder)
    file = folder / "fixed_summary.csv"
    text = file.read_text()
    assert ",688128.0," in text
    file.write_text(text.replace(",688128.0,", ",688129.0,", 1).replace(",987.89,", ",999.99,", 1))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "arraysmith.arch",
            "validate",
            "timeloop",
            "--json",
            "--cases",
            folder,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    worst = json.loads(done.stdout)["quantities"]["energy_uJ"]["worst"][0]
    assert worst["expected"] == 999.99
    assert worst["got"] == pytest.approx(987.89, abs=0.01)


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"architectures\.yaml"):
        timeloop(tmp_path)


def test_a_column_that_is_missing_is_named(tmp_path):
    for name in ("architectures.yaml", "layers.yaml"):
        shutil.copy(REFERENCE / name, tmp_path)
    (tmp_path / "fixed_levels.csv").write_text("case,level\n")
    with pytest.raises(InputError) as caught:
        timeloop(tmp_path)
    missing = [x.field for x in caught.value.faults]
    counts = ["reads_per_inst", "fills_per_inst", "updates_per_inst"]
    assert missing == ["tensor", "instances_used", *counts]


def test_cases_of_a_file_may_be_renamed_and_in_any_order(tmp_path):
    summary, levels = (read(REFERENCE / f"fixed_{x}.csv") for x in ("summary", "levels"))
    chosen = [x | {"case": f"my {x['case']}"} for x in summary[8:4:-1]]
    names = {x["case"] for x in chosen}
    told = [x | {"case": f"my {x['case']}"} for x in reversed(levels)]
    write(tmp_path / "fixed_levels.csv", [x for x in told if x["case"] in names])
    found = timeloop(write(tmp_path / "mine.csv", [dict(reversed(x.items())) for x in chosen]))
    assert {x.case for x in found.comparisons if x.quantity == "cycles"} == names
    assert len(found.quantities["words"]) > 50
    assert all(x.exact for x in found.comparisons)


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ({"arch": "nope"}, "arch: nope: is not described in architectures.yaml"),
        ({"layer": "nope"}, "layer: nope: is not described in layers.yaml"),
        ({"cycles": "nan"}, "cycles: nan: must be a number"),
        ({"link_transfers": ""}, "link_transfers: (none): must be a number"),
        ({"mapping": "DRAM:Q7"}, "innermost tile"),
        ({"keep": "glb"}, "machine and layer: "),
    ],
)
def test_a_cell_that_says_nothing_is_named_with_its_line(tmp_path, cell, rule):
    first, second = read(REFERENCE / "fixed_summary.csv")[:2]
    file = write(tmp_path / "mine.csv", [first, second | cell])
    with pytest.raises(InputError) as caught:
        timeloop(file)
    fault = str(caught.value.faults[0])
    assert fault.startswith(f"{file}:3:1: {second['case']} ")
    assert rule in fault


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"case,level\n", "column is missing"),
        (b"\xff\xfe", "must be UTF-8"),
        (b"a,b\n", "must have a case"),
        (b"a,b\n1\n", "cell is missing"),
    ],
)
def test_a_file_of_no_cases_is_refused(tmp_path, content, rule):
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=rule):
        list(case_rows(file, ("a", "b")))


def test_a_mark_of_utf_8_is_no_part_of_the_heading(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8-sig")
    assert list(case_rows(file, ("a",))) == [(2, {"a": "1", "b": "2"})]


def test_what_compares_nothing_is_not_said_to_be_within_tolerance():
    assert "0 of 0 cases exact, nothing compared" in text(Outcome("s", (), {"a": "why"}, {}))


def test_a_difference_within_the_reference_s_own_rounding_is_exact():
    assert Comparison("a", "q", 1.59, 1.5873, grain=5e-3).exact
    assert not Comparison("a", "q", 1.59, 1.5873).exact


def test_a_summary_counts_cases_and_names_the_worst():
    group = [
        Comparison("a", "q", 100, 100),
        Comparison("b", "q", 100, 110),
        Comparison("c", "q", 100, 95),
        Comparison("c", "r", 0, 0),
    ]
    sums = summary(group)
    assert (sums["cases"], sums["exact"]) == (3, 1)
    assert sums["mean_abs_error_pct"] == pytest.approx(15 / 4)
    assert [x["case"] for x in sums["worst"]] == ["b", "c"]
    outcome = Outcome("s", tuple(group), {}, {"q": 7.0})
    assert [x.case for x in outcome.beyond] == ["b"]


def test_an_error_against_a_reference_of_zero_is_relative_to_ours():
    assert Comparison("a", "q", 0, 5).error_pct == 100.0
