"""The comparison with MAESTRO: a slice of every dataflow, and what a wrong number does."""

from __future__ import annotations

import json

import pytest
from case_files import read, write
from click.testing import CliRunner

from arraysmith.arch.errors import InputError
from arraysmith.validation.cli import validate
from arraysmith.validation.suites.maestro import FILE, QUANTITIES, REFERENCE, maestro


def rows():
    return read(REFERENCE / FILE)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """One row per dataflow, type, stride and hardware."""
    chosen = {(r["dataflow"], r["type"], r["stride"], r["hw"]): r for r in rows()}
    return write(tmp_path_factory.mktemp("maestro") / "cases.csv", list(chosen.values()))


@pytest.fixture(scope="module")
def outcome(sample):
    return maestro(sample)


def test_every_row_of_stride_one_is_compared_and_exact_in_every_quantity(outcome):
    compared = {x.case for x in outcome.comparisons}
    unit = {r["case"] for r in rows() if r["stride"] == "1"}
    assert set(outcome.quantities) == set(QUANTITIES)
    assert not set(outcome.skipped) & unit
    assert all(x.exact for x in outcome.comparisons)
    assert len(compared & unit) >= 50


def test_strided_rows_are_compared_where_the_tool_counts_the_right_work(outcome):
    compared = {x.case for x in outcome.comparisons}
    strided = {r["case"]: r for r in rows() if r["stride"] != "1"}
    assert [r for case, r in strided.items() if case in compared and r["macs_ok"] == "1"]
    assert all(why.startswith("stride: ") for why in outcome.skipped.values())
    assert set(outcome.skipped) <= set(strided)


def test_the_default_setting_stands_beside_and_counts_the_work_of_the_layer(outcome):
    true_macs = {r["case"]: int(r["macs_true"]) for r in rows()}
    said = {case: ours for case, ours in outcome.beside.items() if ours}
    assert len(said) >= 10
    assert all(ours["MACs"] == true_macs[case] for case, ours in said.items())
    assert any("default setting: runtime" in why for why in outcome.skipped.values())


def test_a_wrong_number_is_found_and_the_exit_code_says_so(tmp_path, sample):
    chosen = [r for r in read(sample) if r["stride"] == "1"][:2]
    chosen[1]["runtime_cycles"] = str(int(chosen[1]["runtime_cycles"]) + 1)
    path = write(tmp_path / "mine.csv", chosen)
    done = CliRunner().invoke(validate, ["maestro", "--json", "--cases", str(path)])
    assert done.exit_code == 3
    document = json.loads(done.stdout)
    (worst,) = document["worst"]
    assert worst["case"] == chosen[1]["case"]
    assert document["quantities"]["runtime"]["exact"] == 1
    assert set(document["beside"]) == {r["case"] for r in chosen}


def test_the_text_says_what_the_default_setting_makes_of_it(sample):
    done = CliRunner().invoke(validate, ["maestro", "--cases", str(sample)])
    assert done.exit_code == 0
    assert "default setting beside: runtime:" in done.stdout


def test_a_row_that_makes_no_case_is_named(tmp_path, sample):
    row = read(sample)[0]
    path = write(tmp_path / "cases.csv", [{**row, "directives": "SpatialMap(1,1) Q;"}])
    with pytest.raises(InputError, match="unknown dim"):
        maestro(path)
    path = write(tmp_path / "cases.csv", [{**row, "pes": "none"}])
    with pytest.raises(InputError, match="pes"):
        maestro(path)


def test_files_that_lack_columns_or_are_missing_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"maestro_cases\.csv"):
        maestro(tmp_path)
    (tmp_path / FILE).write_text("case,pes\na,1\n")
    with pytest.raises(InputError, match=r"type: .*column is missing"):
        maestro(tmp_path)
