"""The comparison with GAMMA: its mappings scored by our rules, and a slice of the table."""

import shutil
from math import inf

import pytest

from arraysmith.arch.errors import InputError
from arraysmith.validation import bench_gamma
from arraysmith.validation.gamma_reference import GUARDED, REFERENCE, cases
from arraysmith.validation.suites.gamma import gamma


def test_the_mappings_that_gamma_found_score_as_they_did_there():
    outcome = gamma()
    assert not outcome.beyond
    assert len(outcome.comparisons) == 29 * 5 - 1
    assert list(outcome.skipped) == ["mobilenet_v2 8 edge168 latency runtime"]


def test_a_wrong_number_is_noticed(tmp_path):
    text = (REFERENCE / GUARDED).read_text(encoding="utf-8")
    (tmp_path / GUARDED).write_text(text.replace("508641.0", "508642.0"), encoding="utf-8")
    assert {x.quantity for x in gamma(tmp_path).beyond} == {"runtime"}


def test_hardware_that_is_not_known_is_refused(tmp_path):
    for path in REFERENCE.glob("*.csv"):
        shutil.copy(path, tmp_path / path.name)
    text = (tmp_path / GUARDED).read_text(encoding="utf-8")
    (tmp_path / GUARDED).write_text(text.replace(",edge168,", ",edge169,"), encoding="utf-8")
    with pytest.raises(InputError, match="no such hardware point"):
        cases(tmp_path)


def test_no_best_of_gamma_is_below_the_bound():
    assert all(case.best >= case.bound for case in cases())


def test_a_tenth_of_the_budget_beats_what_gamma_found_with_all_of_it():
    found = [x for x in cases() if x.point == "edge168 edp" and x.name != "resnet50 45"]
    names = (bench_gamma.OURS, bench_gamma.RANDOM)
    runs = bench_gamma.compare(names, found, seeds=1, budget=100)
    ours, random = (row for row in bench_gamma.point_rows("edge168 edp", found, runs))
    assert float(ours[3]) > 1.25
    assert float(random[3]) < 1
    table = bench_gamma.text(found, runs, 250, ablate=False)
    assert "at 250" in table
    assert "edge168 edp" in table
    assert bench_gamma.OURS in table


def test_equal_seeds_give_equal_runs_and_black_box_optimisers_keep_the_budget():
    case = next(x for x in cases() if x.point == "edge168_bw14 latency")
    assert bench_gamma.run("genetic", case, 3, 40) == bench_gamma.run("genetic", case, 3, 40)
    run = bench_gamma.run("annealing", case, 0, 50)
    assert run.evaluations == 50
    assert run.reached == inf or run.reached <= 50


def test_every_part_can_be_left_out():
    case = next(x for x in cases() if x.point == "edge168_bw14 latency")
    names = bench_gamma.methods(ablate=True)
    assert len(names) == 13
    runs = bench_gamma.compare(names, [case], seeds=1, budget=30)
    table = bench_gamma.text([case], runs, 30, ablate=True)
    assert all(name in table for name in names)
