"""Searches that simulate designs on the way, and correct their scores by them."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_run import RUN, content, write

from arraysmith.arch.errors import InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.search.alternatives import candidate_of, rehearsed_mappings, with_half
from arraysmith.search.corrected import Judge
from arraysmith.search.evaluate import mapped_by
from arraysmith.search.ledger import LEDGER, Ledger, LedgerError
from arraysmith.search.objective import Figures
from arraysmith.search.rehearsed import Rehearsed, Simulated
from arraysmith.search.remote import make_evaluator
from arraysmith.search.rounds import _gain, _information
from arraysmith.search.run_file import load_run
from arraysmith.search.runner import run_search
from arraysmith.search.text import result_text
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.state import CAUSES
from arraysmith.sim.calibration import CalibratedModel, Correction
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.pricing import PriceList
from arraysmith.traces.page import ReportPage

ASKED = "calibration: {every: 2, simulate: 3, informative: 1, mappings: 5, most_steps: 2000}\n"
CALIBRATED = RUN + ASKED + "traces: none\n"
FRONT = CALIBRATED.replace(
    "optimiser: {name: genetic, population: 8, parents: 3, generations: 6}",
    "optimiser: {name: nsga2, population: 6, generations: 4}\n"
    "objective: [latency, energy]\n"
    "repeats: 2",
).replace("mapper: {samples: 2000}", "mapper: {name: genetic, evaluations: 12}")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rounds")
    write(folder, CALIBRATED)
    return folder


@pytest.fixture(scope="module")
def run(home):
    return load_run(home / "run.yaml")


@pytest.fixture(scope="module")
def out(home, run):
    run_search(run, home / "out")
    return home / "out"


@pytest.fixture(scope="module")
def result(out):
    return json.loads((out / "result.json").read_text())


@pytest.fixture(scope="module")
def ledger(out, run):
    with Ledger.resume(out / LEDGER, run.digest(), run.space.values) as found:
        return found


@pytest.fixture(scope="module")
def evaluator(run):
    seed = np.random.SeedSequence(run.seed).spawn(4)[1]
    return make_evaluator(run, seed, Figures(1, 1.0, 1, 1, 1, 1), threads=1)


def mapping_of(run, evaluator, genome, layer, variant):
    design = run.space.architecture(genome)
    find = evaluator.finders(genome)[layer].best
    return candidate_of(find, design, mapped_by(run, genome), variant).mapping


def judge_of(run):
    """A judge before the first round; EDP is relative to nothing."""
    return Judge(run, Figures(1, 1.0, 1, 1, 1, 1))


def test_what_the_ledger_says_was_simulated_is_what_the_simulator_says(run, ledger, evaluator):
    points = [(g, x) for g, layers in ledger.simulated.items() for x in layers.values()]
    assert len(points) > 6
    for genome, point in points[::4]:
        design = run.space.architecture(genome)
        problem = run.layers[point.layer].problem
        mapping = mapping_of(run, evaluator, genome, point.layer, point.variant)
        report = CycleModel().evaluate(design, problem, mapping)
        assert (point.total, point.energy_pj) == (report.cycles, report.energy_pj)


def test_what_was_rehearsed_is_what_the_calibrated_model_says(run, ledger, evaluator):
    for genome, evaluation in list(ledger.evaluations.items())[::9]:
        design = run.space.architecture(genome)
        for layer, rows in enumerate(evaluation.options):
            problem = run.layers[layer].problem
            for row in rows:
                mapping = mapping_of(run, evaluator, genome, layer, row.variant)
                assert not check_mapping(design, problem, mapping)
                judge = judge_of(run)
                costed = judge.costed(row)
                report = CalibratedModel().evaluate(design, problem, mapping)
                assert costed.cycles == pytest.approx(report.cycles, abs=len(CAUSES))
                assert costed.energy_pj == pytest.approx(report.energy_pj)
                closed = AnalyticalModel(run.setting).evaluate(design, problem, mapping)
                assert row.closed == closed.cycles


def test_rounds_are_made_when_they_are_due_with_as_many_designs_as_asked(result):
    found = result["calibration"]
    assert [x["generation"] for x in found["rounds"]] == [2, 4, 6]
    for x in found["rounds"]:
        assert [y["why"] for y in x["designs"]] == ["best", "best", "informative"]
    assert found["simulated"] == 9
    points = [x["points"] for x in found["rounds"]]
    assert points == sorted(set(points))
    assert points[0] == 0


def test_errors_told_are_of_designs_that_the_fit_had_not_seen(run, result, ledger):
    """The rounds again, by hand: fit to what came before, foretell what came then."""
    judge = judge_of(run)
    genomes = {tuple(sorted(run.space.values(x).items())): x for x in ledger.evaluations}
    for rows in result["calibration"]["rounds"]:
        for told in rows["designs"]:
            genome = genomes[tuple(sorted(told["hardware"].items()))]
            evaluation = ledger.evaluations[genome]
            names = [x.name for x in run.layers]
            costs = judge.choice(evaluation)
            layers = [names.index(x) for x in told["layers"]]
            cycles = sum(run.layers[i].repeat * costs[i].cycles for i in layers)
            assert cycles == told["corrected_cycles"]
        for told in rows["designs"]:
            genome = genomes[tuple(sorted(told["hardware"].items()))]
            judge.learn(genome, list(ledger.simulated[genome].values()))
        judge.fit(ledger.evaluations)
    weights = result["calibration"]["correction"]
    assert [[weights[c][x] for x in CAUSES] for c in CAUSES] == [
        list(row) for row in judge.correction.weights
    ]
    assert judge.energy == result["calibration"]["energy"]


def test_losses_are_all_of_the_last_correction_and_the_best_are_simulated(run, out, result, ledger):
    losses = [x["loss"] for x in result["top"]]
    best = min(x["best"] for x in result["convergence"])
    assert min(losses) == best
    curve = [x["best"] for x in result["convergence"]]
    assert curve == sorted(curve, reverse=True)
    for x in result["top"]:
        assert x["cycle_loss"] == pytest.approx(x["cycle"]["edp_j_cycles"])
    text = result_text(result, out)
    assert "SIMULATED ON THE WAY" in text
    row = next(x.split() for x in text.splitlines() if x.startswith("all "))
    errors = result["calibration"]["errors"].values()
    assert row == ["all", "9", *(f"{x:.2%}" for x in errors)]


def test_the_winner_is_never_worse_than_what_was_simulated_on_the_way(run, result, ledger):
    judge = judge_of(run)
    for genome, layers in ledger.simulated.items():
        judge.learn(genome, list(layers.values()))
    judge.fit(ledger.evaluations)
    found = [ledger.evaluations[genome] for genome in judge.points]
    whole = [x for x in found if all(y.simulated for y in judge.choice(x))]
    least = min(judge.revised(x).loss for x in whole)
    assert result["top"][0]["cycle_loss"] <= least * (1 + 1e-9)


def test_it_finds_better_designs_where_the_closed_forms_mislead(run, result, tmp_path):
    plain = replace(run, calibration=None)
    run_search(plain, tmp_path / "plain")
    without = json.loads((tmp_path / "plain" / "result.json").read_text())
    assert without["calibration"] is None
    found, blind = (x["top"][0]["cycle"]["edp_j_cycles"] for x in (result, without))
    assert found < 0.95 * blind


def test_two_workers_give_the_same_bytes_as_one(run, out, home):
    run_search(run, home / "two", workers=2)
    assert content(home / "two") == content(out)


@pytest.mark.parametrize("share", [0.4, 0.75, 0.999])
def test_a_search_resumed_from_any_part_of_its_ledger_ends_with_the_same_bytes(
    run, out, tmp_path, share
):
    part = tmp_path / "part"
    part.mkdir()
    whole = (out / LEDGER).read_bytes()
    (part / LEDGER).write_bytes(whole[: int(share * len(whole))])
    run_search(run, part, resume=True)
    assert content(part) == content(out)


def test_a_resumed_search_simulates_nothing_twice(run, out, tmp_path, monkeypatch):
    shutil.copytree(out, tmp_path / "again")

    def never(*_):
        raise AssertionError("simulated again")

    monkeypatch.setattr("arraysmith.search.rounds.simulate_mapping", never)
    run_search(run, tmp_path / "again", resume=True)
    assert content(tmp_path / "again") == content(out)


def test_fronts_repeats_and_other_mappers_are_calibrated_too(tmp_path):
    write(tmp_path, FRONT)
    run = load_run(tmp_path / "run.yaml")
    run_search(run, tmp_path / "out")
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    rounds = [(x["search"], x["generation"]) for x in result["calibration"]["rounds"]]
    assert rounds == [(1, 2), (1, 4), (2, 2), (2, 4)]
    whole = (tmp_path / "out" / LEDGER).read_bytes()
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / LEDGER).write_bytes(whole[: int(0.7 * len(whole))])
    run_search(run, tmp_path / "part", resume=True)
    assert content(tmp_path / "part") == content(tmp_path / "out")
    with Ledger.resume(tmp_path / "out" / LEDGER, run.digest(), run.space.values) as ledger:
        judge = judge_of(run)
        for genome, layers in ledger.simulated.items():
            judge.learn(genome, list(layers.values()))
        judge.fit(ledger.evaluations)
        vectors = [judge.revised(x).losses for x in ledger.evaluations.values()]
    best = {
        x
        for x in vectors
        if not math.isinf(x[0])
        and not any(y != x and y[0] <= x[0] and y[1] <= x[1] for y in vectors)
    }
    points = result["front"]["points"]
    assert {(x["losses"]["latency"], x["losses"]["energy"]) for x in points} == best
    page = ReportPage.from_dict(result["page"])
    assert len(page.foretold) == result["calibration"]["simulated"]


def test_layers_of_too_many_steps_are_left_out_and_counted(home, tmp_path):
    write(tmp_path, CALIBRATED.replace("most_steps: 2000", "most_steps: 1"))
    run = load_run(tmp_path / "run.yaml")
    run_search(run, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "result.json").read_text())["calibration"]
    assert found["simulated"] == 0
    assert found["too_long"] > 3
    assert found["errors"] == {"closed": None, "rehearsed": None, "corrected": None}
    weights = tuple(tuple(row.values()) for row in found["correction"].values())
    assert weights == Correction.none().weights


ROW = Rehearsed(0, 90, 90, 50.0, 0.5, (80.0, 5.0, 10.0, 0.0, 0.0, 3.0, 2.0))


def test_a_simulated_layer_costs_what_the_simulation_said_and_the_others_follow_the_fit(run):
    judge = judge_of(run)
    point = Simulated(0, 0, (80, 5, 40, 0, 0, 3, 2), 130.0)
    costed = judge.chosen(((ROW,), (ROW,)), "edp", {point.key: point})
    assert (costed[0].cycles, costed[0].energy_pj, costed[0].simulated) == (130, 130.0, True)
    assert (costed[1].cycles, costed[1].energy_pj, costed[1].simulated) == (100, 100.0, False)
    weights = np.eye(len(CAUSES))
    weights[2, 2] = 4.0
    judge.correction = Correction(tuple(tuple(x) for x in weights.tolist()))
    assert judge.costed(ROW).cycles == 130
    weights[2, 2] = -9.0
    judge.correction = Correction(tuple(tuple(x) for x in weights.tolist()))
    assert judge.costed(ROW).cycles == 90  # never below the closed forms


def test_the_mapping_that_is_best_as_corrected_is_chosen(run):
    judge = judge_of(run)
    other = replace(ROW, variant=1, said=(80.0, 5.0, 0.0, 0.0, 14.0, 0.0, 0.0))
    assert judge.chosen(((ROW, other),), "latency")[0].row is other
    weights = np.eye(len(CAUSES))
    weights[4, 4] = 2.0
    judge.correction = Correction(tuple(tuple(x) for x in weights.tolist()))
    assert judge.chosen(((ROW, other),), "latency")[0].row is ROW


def test_what_a_run_tells_is_the_ratio_of_determinants():
    rng = np.random.default_rng(3)
    past = rng.random((9, len(CAUSES)))
    runs = rng.random((2, len(CAUSES)))
    known = 1e-3 * np.eye(len(CAUSES)) + _information(past.tolist())
    after = known + _information(runs.tolist())
    ratio = np.linalg.det(after) / np.linalg.det(known)
    assert _gain(known, runs.tolist()) == pytest.approx(math.log(ratio))


def test_half_a_memory_has_half_the_lines_and_the_same_prices(run):
    design = run.template
    half = with_half(design, ["glb"])
    before, after = (PriceList.of(x).memories["glb"] for x in (design, half))
    assert (before.read_pj, before.write_pj) == (after.read_pj, after.write_pj)
    changed = [
        (x.name, x.depth, y.depth)
        for x, y in zip(design.memories, half.memories, strict=True)
        if x.depth != y.depth
    ]
    assert changed == [("glb", 1024, 512)]


def test_more_ways_to_ask_never_cost_cycles_as_rehearsed(run, evaluator):
    design, table = run.template, evaluator.tables[0]
    problem = run.layers[0].problem
    found = table.best(design, "edp")
    best = []
    for most in (1, 3, 5):
        rows, scored, compared = rehearsed_mappings(
            table.best, problem, design, "edp", found, setting=run.setting, most=most
        )
        judge = judge_of(run)
        best.append(min(x.cycles * x.energy_pj for x in map(judge.costed, rows)))
        assert (scored > 0) == (compared > 0) == (most > 1)
    assert best == sorted(best, reverse=True)


def test_damage_to_a_simulated_line_is_told(run, out, tmp_path):
    lines = (out / LEDGER).read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith(b'{"simulated"'))
    lines[at] = lines[at].replace(b'"layers":[[', b'"layers":[[1', 1)
    path = tmp_path / LEDGER
    path.write_bytes(b"".join(lines))
    with pytest.raises(LedgerError, match=f"{LEDGER}:{at + 1}.*checksum"):
        Ledger.resume(path, run.digest(), run.space.values)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("{every: 0}", "calibration.every: 0: must be at least 1"),
        ("{every: 2, simulate: -1}", "calibration.simulate: -1: must be at least 1"),
        ("{every: 2, simulate: 2, informative: 3}", "informative, 3, must be at most simulate, 2"),
        ("{every: 2, mappings: 6}", "calibration.mappings: 6: must be at most 5"),
        ("{every: 2, evry: 3}", "calibration.evry"),
        ("{every: 7}", "no round is made: the optimiser has 6 generations"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused_at_its_place(tmp_path, asked, told):
    write(tmp_path, RUN + f"calibration: {asked}\n")
    with pytest.raises(InputError) as caught:
        load_run(tmp_path / "run.yaml")
    assert told in str(caught.value)
    assert "run.yaml:" in str(caught.value)


def test_proofs_of_closed_forms_are_refused_where_they_are_corrected(tmp_path):
    asked = RUN.replace("samples: 2000", "samples: 2000, refine: 5, prove: 7") + ASKED
    write(tmp_path, asked)
    with pytest.raises(InputError) as caught:
        load_run(tmp_path / "run.yaml")
    rules = [(fault.field, fault.value) for fault in caught.value.faults]
    assert rules == [("mapper.prove", "7")]


def test_a_corrected_run_refines_if_asked_and_proves_nothing(run, tmp_path):
    assert (run.mapper.refine, run.mapper.prove) == (0, 0)
    assert (run.document["mapper"]["refine"], run.document["mapper"]["prove"]) == (0, 0)
    write(tmp_path, CALIBRATED.replace("samples: 2000", "samples: 2000, refine: 0, prove: 0"))
    assert load_run(tmp_path / "run.yaml").digest() == run.digest()
    write(tmp_path, CALIBRATED.replace("samples: 2000", "samples: 2000, refine: 7"))
    asked = load_run(tmp_path / "run.yaml")
    assert (asked.mapper.refine, asked.mapper.prove) == (7, 0)
    assert asked.document["mapper"]["refine"] == 7


def test_an_optimiser_that_cannot_take_other_losses_is_refused(tmp_path):
    pytest.importorskip("nevergrad")
    write(
        tmp_path,
        RUN.replace("name: genetic, population: 8, parents: 3", "name: nevergrad, population: 8")
        + "calibration: {every: 2}\n",
    )
    with pytest.raises(InputError, match=r"optimiser nevergrad goes on from losses.*choose one of"):
        load_run(tmp_path / "run.yaml")
