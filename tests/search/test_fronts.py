"""Searches for several objectives at once, with other mappers, and against other dataflows."""

import json
import math

import numpy as np
import pytest
from small_run import RUN, write

from arraysmith.arch.budget import chip_area_um2
from arraysmith.arch.errors import InputError
from arraysmith.arch.main import run as command
from arraysmith.search.explore import bounds_of, front_of
from arraysmith.search.ledger import LEDGER, Evaluation
from arraysmith.search.run_file import load_run
from arraysmith.search.runner import run_search

FRONT = RUN.replace(
    "optimiser: {name: genetic, population: 8, parents: 3, generations: 6}",
    "optimiser: {name: nsga2, population: 10, generations: 5}\n"
    "objective: [latency, energy, area]\n"
    "rank: energy*area\n"
    "repeats: 2\n"
    "traces: none\n"
    "compare:\n"
    "  - {label: rows again, dataflow: row_stationary}\n"
    "  - {label: like nvdla, dataflow: nvdla_like}",
).replace("samples: 2000", "samples: 2000, refine: 0, prove: 0")  # the best as the loop scored it


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fronts")
    write(folder, FRONT)
    return folder


@pytest.fixture(scope="module")
def out(home):
    run_search(load_run(home / "run.yaml"), home / "out")
    return home / "out"


@pytest.fixture
def result(out):
    return json.loads((out / "result.json").read_text())


def rows(out):
    return [json.loads(line) for line in (out / LEDGER).read_text().splitlines()[1:]]


def test_the_front_is_what_no_evaluated_design_beats(home, out, result):
    run = load_run(home / "run.yaml")
    vectors = {tuple(row["losses"]) for row in rows(out) if row["loss"] is not None}
    best = {
        x
        for x in vectors
        if not any(y != x and all(a <= b for a, b in zip(y, x, strict=True)) for y in vectors)
    }
    names = ["latency", "energy", "area"]
    assert result["front"]["objectives"] == names
    points = result["front"]["points"]
    assert {tuple(point["losses"][name] for name in names) for point in points} == best
    assert [x["losses"]["latency"] for x in points] == sorted(
        x["losses"]["latency"] for x in points
    )
    for point in points:
        assert point["losses"]["latency"] == point["cycles"]
        assert point["losses"]["energy"] == point["energy_pj"]
        design = run.template.with_values(point["hardware"])
        assert point["losses"]["area"] == point["area_um2"] == chip_area_um2(design)
        assert run.space.budget.admits(design)


def test_the_best_design_is_the_point_of_the_front_that_the_run_ranks_first(out, result):
    losses = [row["loss"] for row in rows(out) if row["loss"] is not None]
    assert min(x["loss"] for x in result["top"]) == min(losses)
    for row in rows(out):
        if row["loss"] is not None:
            assert row["loss"] == pytest.approx(row["losses"][1] * row["losses"][2])
    assert result["front"]["rank"] == "energy*area"


def test_the_page_rings_the_best_design_among_those_of_the_front(out):
    assert "best by simulation (#" in (out / "report.html").read_text()


def test_the_hypervolume_never_falls_and_is_a_share(result):
    for repeat in result["repeats"]:
        curve = [row["hypervolume"] for row in repeat["convergence"]]
        assert curve == sorted(curve)
        assert 0 < curve[0] <= curve[-1] <= 1
    assert [repeat["number"] for repeat in result["repeats"]] == [0, 1]
    first, second = (repeat["convergence"] for repeat in result["repeats"])
    assert first == result["convergence"] != second


def test_designs_to_compare_with_have_their_best_mapping_under_a_dataflow(result):
    found = {row["label"]: row["analytical"] for row in result["estimated"]}
    assert set(found) == {"rows again", "like nvdla"}
    # The same hardware and dataflow as the baseline's best, out of a sample for its mesh alone.
    assert found["rows again"]["edp_j_cycles"] <= result["remapped"]["edp_j_cycles"]
    assert found["rows again"]["macs"] == result["remapped"]["macs"]
    assert found["like nvdla"]["cycles"] != found["rows again"]["cycles"]
    assert {"rows again", "like nvdla"} <= {row["label"] for row in result["table"]}


def test_the_front_and_the_speed_are_printed(home, tmp_path, capsys):
    arguments = ["search", str(home / "run.yaml"), "-j", "1", "--out", str(tmp_path / "out")]
    assert command(arguments) == 0
    printed = capsys.readouterr()
    assert "designs that no other beats in everything" in printed.out
    assert "scored in full" in printed.out
    for fact in ("design/s", "best=", "feasible=", "mappings/s="):
        assert fact in printed.err


def test_an_optimiser_of_one_objective_is_refused_for_several(tmp_path):
    text = FRONT.replace("name: nsga2, population: 10", "name: random, population: 10")
    with pytest.raises(InputError, match=r"minimises one objective, not 3: choose.*nsga2"):
        load_run(write(tmp_path, text))
    alone = RUN + "rank: edp\n"
    with pytest.raises(InputError, match="which point of a front"):
        load_run(write(tmp_path, alone))


@pytest.mark.parametrize(
    ("objective", "rule"),
    [
        ("[latency, enrgy]", "must be one of edp"),
        ("[latency, latency]", "each objective once"),
        ("[poster, area]", "stands alone"),
        ("latency*poster", "is a sum"),
        ("[3]", "must be the name of an objective"),
        ("[]", "must name an objective"),
    ],
)
def test_a_wrong_list_of_objectives_is_told(tmp_path, objective, rule):
    text = FRONT.replace("[latency, energy, area]", objective)
    with pytest.raises(InputError, match=rule):
        load_run(write(tmp_path, text))


def test_bounds_span_all_legal_designs_and_fronts_leave_out_the_others():
    evaluations = [
        Evaluation((0,), 1.0, 1, 1.0, (1.0, 5.0)),
        Evaluation((1,), 2.0, 1, 1.0, (3.0, 5.0)),
        Evaluation((2,), math.inf, 0, 0.0, (math.inf, math.inf)),
        Evaluation((3,), 2.0, 1, 1.0, (2.0, 1.0)),
    ]
    assert [x.genome for x in front_of(evaluations)] == [(0,), (3,)]
    corner, box = bounds_of(evaluations)
    assert corner == pytest.approx((3.2, 5.4))
    assert box == pytest.approx(2.2 * 4.4)
    assert front_of([]) == []


MAPPED = RUN.replace("mapper: {samples: 2000}", "mapper: {name: random, evaluations: 60}").replace(
    "population: 8, parents: 3, generations: 6", "population: 4, parents: 2, generations: 2"
)


def test_a_registered_mapper_finds_mappings_the_same_for_any_number_of_workers(tmp_path):
    run = load_run(write(tmp_path, MAPPED))
    assert run.mapper.name == "random"
    assert run.mapper.evaluations == 60
    one = run_search(run, tmp_path / "one")
    assert run_search(run, tmp_path / "two", workers=2) == one
    assert (tmp_path / "one" / LEDGER).read_bytes() == (tmp_path / "two" / LEDGER).read_bytes()
    effort = one["effort"]
    assert 0 < effort["mappings_scored"] <= 60 * 2 * effort["evaluations"]
    assert np.isfinite(one["top"][0]["loss"])


@pytest.mark.parametrize(
    ("mapper", "rule"),
    [
        ("{name: randon}", "must be one of .*table"),
        ("{name: random, samples: 5}", "unknown key"),
        ("{samples: 5, evaluations: 3}", "unknown key"),
        ("{name: random, evaluations: 0}", "at least 1"),
    ],
)
def test_a_wrong_mapper_is_told(tmp_path, mapper, rule):
    with pytest.raises(InputError, match=rule):
        load_run(write(tmp_path, MAPPED.replace("{name: random, evaluations: 60}", mapper)))
