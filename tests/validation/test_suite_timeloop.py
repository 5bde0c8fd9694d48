"""The comparison with the tool behind the poster, and the words a suite reports in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from arraysmith.arch.errors import InputError
from arraysmith.validation.comparison import Comparison, Outcome, summary
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
