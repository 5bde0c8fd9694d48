"""The comparison with ZigZag: a slice over machines, kinds of layer and orders; wrong numbers."""

from __future__ import annotations

import json

import pytest
from case_files import read, write
from click.testing import CliRunner

from arraysmith.arch.errors import InputError
from arraysmith.validation.cli import validate
from arraysmith.validation.suites.zigzag import CYCLES, FILE, REFERENCE, zigzag


def rows():
    return read(REFERENCE / FILE)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """One row per machine, kind of layer, stride and order."""
    chosen = {(r["arch"], r["kind"], r["stride"], r["loop_order"]): r for r in rows()}
    return write(tmp_path_factory.mktemp("zigzag") / "cases.csv", list(chosen.values()))


@pytest.fixture(scope="module")
def outcome(sample):
    return zigzag(sample)


def test_every_access_energy_and_cycle_is_exact(outcome):
    assert set(outcome.quantities) == {"word accesses", "energy", *CYCLES}
    assert all(x.exact for x in outcome.comparisons)
    assert not outcome.skipped
    assert len(outcome.quantities["cycles"]) >= 50


def test_every_difference_of_the_default_setting_has_a_class(outcome):
    classes = outcome.classes
    assert classes["counts of words equal"] > 0.8 * sum(
        n for name, n in classes.items() if name.startswith("count")
    )
    assert "counts that differ for another reason" not in classes
    left_out = sum(n for name, n in classes.items() if name.startswith("rows"))
    assert left_out == sum(not ours for ours in outcome.beside.values())


def test_a_wrong_number_is_found_and_the_exit_code_says_so(tmp_path):
    row = rows()[0]
    row["cycles_total"] = str(float(row["cycles_total"]) * 1.03)
    counts = json.loads(row["word_accesses"])
    counts["dram"]["W"][0] += 1
    row["word_accesses"] = json.dumps(counts)
    cases = write(tmp_path / "wrong.csv", [row])
    done = CliRunner().invoke(validate, ["zigzag", "--cases", str(cases), "--json"])
    assert done.exit_code == 3
    found = json.loads(done.output)
    assert found["quantities"]["word accesses"]["worst"][0]["case"] == "zzf_0000 dram weight tl"
    assert found["quantities"]["cycles"]["max_abs_error_pct"] == pytest.approx(2.9126, abs=1e-3)


def test_rows_that_nobody_can_run_are_left_out_with_the_reason(tmp_path):
    unknown, short = dict(rows()[0], arch="abacus"), dict(rows()[1], K="128")
    outcome = zigzag(write(tmp_path / "cases.csv", [unknown, short]))
    assert list(outcome.skipped.values()) == [
        "machine abacus is not described in architectures.yaml",
        "coverage: K:4 in time, 16 in space: must cover 128",
    ]


def test_a_malformed_row_is_refused_at_its_line(tmp_path):
    row = dict(rows()[0], OX="many", spatial="{")
    with pytest.raises(InputError) as error:
        zigzag(write(tmp_path / "cases.csv", [row]))
    assert [(x.field, x.line) for x in error.value.faults] == [("zzf_0000 spatial", 2)]
    row = dict(rows()[0], word_accesses='{"dram": {"W": [1]}}')
    with pytest.raises(InputError, match="memory, operand, four counts"):
        zigzag(write(tmp_path / "cases.csv", [row]))
    del row["spatial"]
    with pytest.raises(InputError, match=r"spatial: .*column is missing"):
        zigzag(write(tmp_path / "cases.csv", [row]))
