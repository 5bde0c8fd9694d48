"""The suite of the fabricated Eyeriss chip: mappings by the paper's rule, latency, power."""

from __future__ import annotations

import shutil
from math import inf
from pathlib import Path

import pytest
from click.testing import CliRunner

from arraysmith.arch.errors import InputError
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import Loop, placed_loops
from arraysmith.arch.networks import load_network
from arraysmith.validation.cli import validate
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.suites import silicon_latency as suite

HEAD = "layer,processing_ms,total_ms,power_mw,m,n,e,p,q,r,t\n"
CONV5 = "conv5,10.0,10.5,236,64,4,13,16,3,2,2\n"


def folder(tmp_path: Path, rows: str) -> Path:
    place = tmp_path / "cases"
    shutil.copytree(suite.REFERENCE, place)
    (place / "measured.csv").write_text(HEAD + rows)
    return place


def test_conv5_comes_within_the_tolerance(tmp_path):
    outcome = suite.silicon_latency(folder(tmp_path, CONV5))
    assert outcome.beyond == ()
    assert outcome.beyond_mean == ()
    got = {x.quantity: x for x in outcome.comparisons}
    # 256 passes of 4 images, 13 columns, 16 filters, 3 channels and 3 columns of a filter: 7,488
    # MACs each; a pass also loads 16 x 2 x 6 x 9 weights, four a cycle, before anything else.
    assert got["processing_ms"].got > 256 * (4 * 13 * 16 * 3 * 3 + 16 * 2 * 6 * 9 // 4) / 200e3
    assert got["processing_ms"].error_pct < 4.0
    assert got["total_ms"].got > got["processing_ms"].got
    assert 200 < got["power_mw"].got < 400
    assert {x for x, allowed in outcome.tolerance_pct.items() if allowed == inf} == {
        "total_ms", "power_mw"
    }  # fmt: skip
    assert "conv5: processing" in outcome.notes[0]
    assert "compute 1,916,928" in outcome.notes[0]


def test_a_latency_that_is_off_in_the_mean_alone_fails(tmp_path):
    place = folder(tmp_path, CONV5.replace("10.0,", "9.8,", 1))
    done = CliRunner().invoke(validate, ["silicon-latency", "--cases", str(place)])
    assert done.exit_code == 3
    assert "processing_ms out of tolerance in the mean" in done.output


def test_sets_lie_where_the_array_has_room():
    chip = load_architecture(suite.REFERENCE / "chip.yaml")
    problems = {
        x.problem.name: x.problem for x in load_network(suite.REFERENCE / "network.yaml").layers
    }
    stated = {
        # two sets of 11 rows beside each other; 27 columns folded into two rows of sets; 4 sets of
        # 3 rows; 2 x 2 of them. PEs at work, as the paper says.
        "conv1": ((96, 1, 7, 16, 1, 1, 2), ("K", "P"), 154),
        "conv2": ((64, 1, 27, 16, 2, 1, 1), ("P",), 140),
        "conv3": ((64, 4, 13, 16, 4, 1, 4), ("P",), 156),
        "conv4": ((64, 4, 13, 16, 3, 2, 2), ("P",), 156),
    }
    for layer, (values, columns, pes) in stated.items():
        problem = problems[layer]
        mapping = suite.mapping_of(chip, problem, dict(zip(suite.PARAMETERS, values, strict=True)))
        assert tuple(loop.dim for loop in mapping.at("array").x) == columns
        at_work = 1
        for loop in placed_loops(chip, problem.size, mapping):
            at_work *= loop.count if loop.axis != "t" else 1
        assert at_work == pes, layer
        assert mapping.at("psum_spad").temporal == (Loop("C", 1), Loop("S", 1))


def test_a_mean_beyond_its_bound_is_told_by_quantity():
    pair = (Comparison("a", "x", 100, 103), Comparison("b", "x", 100, 99))
    for bound, beyond in ((1.9, ("x",)), (2.0, ())):
        outcome = Outcome("s", pair, {}, {"x": 5.0}, mean_tolerance_pct={"x": bound})
        assert outcome.beyond == ()
        assert outcome.beyond_mean == beyond


def test_a_layer_that_the_network_lacks_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"measured\.csv:2:.*conv9: is no layer"):
        suite.silicon_latency(folder(tmp_path, CONV5.replace("conv5", "conv9")))


@pytest.mark.parametrize("wrong", ["0", "1.5"])
def test_a_number_of_a_mapping_that_is_no_count_is_refused(tmp_path, wrong):
    rows = CONV5.replace(",64,4,", f",64,{wrong},")
    with pytest.raises(InputError, match=r"measured\.csv:2:.*n: .*must be a whole number"):
        suite.silicon_latency(folder(tmp_path, rows))


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"measured\.csv"):
        suite.silicon_latency(tmp_path)
