"""Better mappings for the best designs of a search, and what is proven of them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from exact_cases import FREE
from small_run import RUN, content, write
from test_exact import DESIGN, LAYER

from arraysmith.arch.problem import matmul
from arraysmith.search.evaluate import MappedDesign, evaluate_design
from arraysmith.search.explore import Silence
from arraysmith.search.finish import finish
from arraysmith.search.mappers.base import LayerTask
from arraysmith.search.mappers.exact import Exact, ExactSettings
from arraysmith.search.objective import Figures
from arraysmith.search.refine import Chosen, Refiner, gaps_of, prove_layer, refine_layer
from arraysmith.search.refine_corrected import Corrected, refine_corrected
from arraysmith.search.run_file import load_run
from arraysmith.search.runner import run_search
from arraysmith.search.text import result_text
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.state import CAUSES
from arraysmith.sim.calibration import CalibratedModel, Correction

PRIMES = matmul("primes", m=11, n=7, k=5)


def task(layer=LAYER, most=10**9, objective="edp"):
    return LayerTask(DESIGN, layer, FREE, "default", objective, most)


def find(work, known=(), **effort):
    return Exact(ExactSettings(**effort)).find(work, np.random.default_rng(0), known=known)


def edp(layer, mapping):
    return AnalyticalModel().evaluate(DESIGN, layer, mapping).edp_j_cycles


@pytest.fixture(scope="module")
def best():
    return find(task())


def test_a_known_optimum_is_proven_without_scoring_more(best):
    again = find(task(), known=[best.mapping])
    assert again.proven
    assert again.loss == pytest.approx(best.loss, rel=1e-12)
    assert again.evaluations <= best.evaluations


def test_a_bound_holds_wherever_the_effort_ends(best):
    for nodes in (1, 30, 300, 3000):
        stopped = find(task(), nodes=nodes)
        assert stopped.bound <= best.loss * (1 + 1e-9), nodes
        assert stopped.nodes >= min(nodes, best.nodes)
    assert not find(task(), nodes=1).proven


def test_ragged_tiles_beat_all_that_divide_and_the_proof_says_so():
    whole = find(task(PRIMES))
    ragged = refine_layer(task(PRIMES, 2000), whole.mapping, (1,))
    assert edp(PRIMES, ragged) < 0.99 * whole.loss  # 11, 7 and 5 leave a mesh of 4 x 3 idle
    kept, bound = prove_layer(task(PRIMES), ragged, 10**8)
    assert kept == ragged
    assert bound == pytest.approx(edp(PRIMES, ragged))


def test_a_poor_mapping_is_replaced_and_the_better_one_proven(best):
    poor = find(task(most=1)).mapping
    assert edp(LAYER, poor) > 1.01 * best.loss
    for better in (refine_layer(task(most=500), poor, (1,)), prove_layer(task(), poor, 10**8)[0]):
        assert edp(LAYER, better) < edp(LAYER, poor)
    mapping, bound = prove_layer(task(), poor, 10**8)
    assert edp(LAYER, mapping) == pytest.approx(best.loss)
    assert bound == pytest.approx(best.loss)


def test_equal_seeds_refine_alike_whatever_was_done_before(best):
    one = refine_layer(task(PRIMES, 300), find(task(PRIMES, 1)).mapping, (1, 2))
    refine_layer(task(most=100), best.mapping, (3,))
    assert refine_layer(task(PRIMES, 300), find(task(PRIMES, 1)).mapping, (1, 2)) == one


def search(folder, mapper, name="out"):
    run = load_run(write(folder, RUN.replace("{samples: 2000}", mapper) + "traces: none\n"))
    return run, run_search(run, folder / name)


def test_a_search_without_refinement_or_proof_says_that_nothing_is_known(tmp_path):
    _, document = search(tmp_path, "{samples: 3, refine: 0, prove: 0}")
    assert [x["gap"] for x in document["layers"]] == [None] * 3
    assert result_text(document, tmp_path).count("not known") == 2


def test_proofs_leave_the_exploration_and_the_original_as_they_are(tmp_path):
    _, plain = search(tmp_path, "{samples: 3, refine: 0, prove: 0}")
    _, document = search(tmp_path, "{samples: 3, refine: 0}", "proven")
    assert [x["gap"] for x in document["layers"]] == [0, 0, 0]
    for key in ("baseline", "effort", "convergence"):
        assert document[key] == plain[key]
    assert document["best"]["edp_j_cycles"] <= plain["best"]["edp_j_cycles"]
    assert document["top"][0]["loss"] == pytest.approx(document["best"]["edp_j_cycles"])


def test_designs_get_better_mappings_layer_by_layer_or_stay(tmp_path):
    run = load_run(write(tmp_path, RUN.replace("samples: 20}", "samples: 1}")))
    model = AnalyticalModel(run.setting)
    flows = tuple(run.dataflow_of(x.problem, None) for x in run.layers)
    tasks = (
        LayerTask(run.template, layer.problem, flow, run.setting, "edp", 1)
        for layer, flow in zip(run.layers, flows, strict=True)
    )
    poor = [find(x).mapping for x in tasks]
    scored = evaluate_design(model, MappedDesign(run.template, tuple(poor)), run.layers)
    with ThreadPoolExecutor(1) as pool:
        refiner = Refiner(run, model, scored.total, pool, (1,), Silence())
        chosen = Chosen.of(run, scored)
        assert chosen == Chosen(scored.design, flows)
        ((proven, bounds),) = refiner.proven([chosen])
        (refined,) = refiner.refined([chosen])
        ((kept, same),) = refiner.proven([Chosen.of(run, proven)])
    assert proven.total.edp_j_cycles <= refined.total.edp_j_cycles < scored.total.edp_j_cycles
    assert gaps_of(run, proven, bounds) == (0.0, 0.0)
    assert kept == proven
    assert same == pytest.approx(bounds)


def test_gaps_are_those_of_the_mappings_that_are_shown(tmp_path, monkeypatch):
    seen = []

    def noted(*args):
        seen.append(finish(*args))
        return seen[-1]

    monkeypatch.setattr("arraysmith.search.runner.finish", noted)
    run, document = search(tmp_path, "{samples: 50, refine: 20, prove: 200}")
    (done,) = seen
    assert [x["gap"] for x in document["layers"]] == [done.gaps[0], done.gaps[1], done.gaps[1]]
    scored = done.ranked[0].analytical
    bounds = tuple(x.edp_j_cycles / 1.25 for x in scored.layers)
    assert gaps_of(run, scored, bounds) == pytest.approx((0.25, 0.25))
    assert gaps_of(run, scored, (None, scored.layers[1].edp_j_cycles)) == (None, 0.0)


@pytest.fixture(scope="module")
def scores():
    weights = np.eye(len(CAUSES))
    weights[CAUSES.index("offchip")] *= 1.25
    correction = Correction(tuple(map(tuple, weights.tolist())))
    return Corrected(correction, 1.5, 3, Figures(1, 1.0, 1, 1, 1, 1))


def test_corrected_costs_are_those_of_the_calibrated_model(best, scores):
    cost = scores.cost(DESIGN, LAYER, best.mapping)
    report = CalibratedModel(scores.correction).evaluate(DESIGN, LAYER, best.mapping)
    assert cost.cycles == pytest.approx(report.cycles, rel=0.01)
    assert cost.energy_pj == pytest.approx(1.5 * report.energy_pj, rel=0.01)


def test_mappings_are_refined_by_corrected_scores(best, scores):
    def loss(layer, mapping):
        cost = scores.cost(DESIGN, layer, mapping)
        return cost.cycles * cost.energy_pj

    known = find(task(PRIMES, 1)).mapping
    refined = refine_corrected(task(PRIMES, 300), known, (1,), scores)
    assert loss(PRIMES, refined) < 0.9 * loss(PRIMES, known)
    assert refine_corrected(task(PRIMES, 300), known, (1,), scores) == refined
    again = refine_corrected(task(PRIMES, 2), refined, (2,), scores)
    assert loss(PRIMES, again) <= loss(PRIMES, refined)


POOR = "{samples: 3, refine: 0}"
CALIBRATED = "calibration: {every: 2, simulate: 2, mappings: 3}\ntraces: none\n"


def calibrated(folder, mapper, name, workers=1):
    run = load_run(write(folder, RUN.replace("{samples: 2000}", mapper) + CALIBRATED))
    return run_search(run, folder / name, workers=workers)


def test_a_calibrated_search_refines_its_best_and_simulates_no_worse(tmp_path):
    plain = calibrated(tmp_path, POOR, "plain")
    document = calibrated(tmp_path, "{samples: 3, refine: 300}", "refined")
    for key in ("baseline", "effort", "convergence"):
        assert document[key] == plain[key]
    before, after = (x["top"][0]["cycle"]["edp_j_cycles"] for x in (plain, document))
    assert after < before
    costs = {tuple(x["hardware"].items()): x["cycle"]["edp_j_cycles"] for x in plain["top"]}
    for design in document["top"]:
        assert design["cycle"]["edp_j_cycles"] <= costs[tuple(design["hardware"].items())]
    calibrated(tmp_path, "{samples: 3, refine: 300}", "apart", workers=2)
    assert content(tmp_path / "apart") == content(tmp_path / "refined")
