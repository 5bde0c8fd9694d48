"""The energy suites: the poster's table, and Eyeriss by layer."""

from __future__ import annotations

import shutil
from math import inf
from pathlib import Path

import pytest
from click.testing import CliRunner

from arraysmith.arch.errors import InputError
from arraysmith.validation.cli import validate
from arraysmith.validation.suites import poster_energy as poster
from arraysmith.validation.suites import silicon as eyeriss


def folder(tmp_path: Path, rows: str) -> Path:
    place = tmp_path / "cases"
    shutil.copytree(eyeriss.REFERENCE, place)
    (place / "isca16_fig10.csv").write_text(f"layer,alu,dram,rf\n{rows}")
    return place


def test_both_designs_of_the_poster_come_out_with_their_prices_and_ours():
    outcome = poster.poster_energy()
    assert outcome.beyond == ()
    got = {(x.case, x.quantity): x.got for x in outcome.comparisons}
    assert got["original_14x12", "cycles"] == 903_168
    assert got["original_14x12", "utilization"] == pytest.approx(0.5714, abs=5e-5)
    assert got["original_14x12", "GFLOPs"] == pytest.approx(188.44, abs=5e-3)
    assert got["optimum_4x42", "cycles"] == 602_112
    for quantity in (poster.EXERCISE, poster.TABLES):
        assert got["original_14x12", quantity] == pytest.approx(724.12, abs=0.01)
        assert got["optimum_4x42", quantity] == pytest.approx(313.45, abs=0.01)
    # 86.7 M MACs, each 0.8975 - 0.315 pJ at 45 nm dearer.
    for case in ("original_14x12", "optimum_4x42"):
        more = got[case, poster.OWN_MAC] - got[case, poster.TABLES]
        assert more == pytest.approx(86.704128 * 1.2407 * (0.8975 - 0.315), rel=1e-3)


def test_the_account_of_the_poster_names_every_component_and_what_remains():
    text = "\n".join(poster.poster_energy().notes)
    for part in ("+3.13 uJ remain", "+8.07 uJ remain", "shared_glb 171.70", "no single price"):
        assert part in text


def test_layers_of_eyeriss_agree_with_the_figure(tmp_path):
    outcome = eyeriss.silicon(folder(tmp_path, "conv4,1.79,1.57,7.18\nfc3,0.07,0.84,0.26\n"))
    assert outcome.beyond == ()
    got = {(x.case, x.quantity): x for x in outcome.comparisons}
    # 192 x 384 x 169 x 9 MACs, 16 times; every word of DRAM about once in both.
    assert got["conv4", "ALU"].got == pytest.approx(16 * 192 * 384 * 169 * 9 / 1e9)
    for layer in ("conv4", "fc3"):
        assert got[layer, "DRAM"].error_pct < 1
        assert got[layer, "RF"].error_pct < 6
        # A MAC is a MAC; what else the tables price lower, relative to it.
        assert got[layer, "ALU by tables"].exact
        assert got[layer, "DRAM by tables"].got < 0.3 * got[layer, "DRAM"].got
    assert {q for q, allowed in outcome.tolerance_pct.items() if allowed == inf} == {
        "ALU by tables", "RF by tables", "DRAM by tables", "sum by tables"
    }  # fmt: skip
    assert any("by tables a MAC takes 4.06 pJ" in note for note in outcome.notes)


def test_a_wrong_number_of_the_figure_is_noticed(tmp_path):
    place = folder(tmp_path, "fc3,0.07,0.84,0.36\n")
    done = CliRunner().invoke(validate, ["silicon", "--cases", str(place)])
    assert done.exit_code == 3
    assert "1 out of tolerance" in done.output
    assert "note: fc3: figure: ALU 0.07, DRAM 0.84, RF 0.36" in done.output


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"isca16_fig10\.csv"):
        eyeriss.silicon(tmp_path)
    with pytest.raises(InputError, match=r"poster_reproduction\.yaml"):
        poster.poster_energy(tmp_path)
