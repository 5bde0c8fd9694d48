"""The exact mapper beside its twin that enumerates, and its bounds beside the model."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from exact_cases import FREE, drawn_architecture, drawn_layer
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.architecture import Architecture, Energy, Fanout, Memory
from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.problem import DIMS, TENSORS, conv, matmul
from arraysmith.search.mappers.base import LayerTask
from arraysmith.search.mappers.exact import Exact, ExactSettings
from arraysmith.search.mappers.exact_bounds import BoundTables
from arraysmith.search.mappers.exact_scores import BatchScorer, loss_of
from arraysmith.search.mappers.exact_search import SLACK, BranchAndBound
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mappers.exhaustive import Exhaustive, ExhaustiveSettings, space_size
from arraysmith.sim.analytical.model import AnalyticalModel

MANY = 10**9

DESIGN = Architecture(
    "small",
    10**9,
    "65nm",
    (
        Memory("dram", "lpddr4", TENSORS, 64, 8, energy=Energy(60.0, 60.0)),
        Memory("glb", "sram", TENSORS, 64, 8, depth=16, energy=Energy(4.0, 5.0)),
        Fanout("array", 4, 3),
        Memory("spad", "regfile", TENSORS, 8, 8, depth=12, energy=Energy(0.1, 0.1)),
    ),
)
LAYER = conv("c", height=8, width=8, in_channels=4, out_channels=6, window=(3, 3), padding=(1, 1))


def task(architecture=DESIGN, layer=LAYER, *, objective="edp", setting="default", most=MANY):
    return LayerTask(architecture, layer, FREE, setting, objective, most)


def find(work, **effort):
    return Exact(ExactSettings(**effort)).find(work, np.random.default_rng(0))


def enumerable(seed, setting, most=900):
    """Return a drawn case with its number of mappings, or None if they are too many."""
    draw = random.Random(seed)
    architecture, layer = drawn_architecture(draw), drawn_layer(draw)
    size = space_size(ExactSpace.of(architecture, layer, FREE, setting), FREE)
    return (architecture, layer, size) if 0 < size <= most else None


@pytest.mark.parametrize("setting", ["default", "timeloop"])
def test_the_exact_mapper_finds_what_enumeration_finds(setting):
    cases = 0
    for seed in range(45):
        case = enumerable(seed, setting)
        if case is None:
            continue
        for objective in ("edp", "energy", "latency"):
            work = task(*case[:2], objective=objective, setting=setting)
            whole = Exhaustive().find(work, np.random.default_rng(0))
            found = find(work)
            assert found.proven
            assert found.loss == pytest.approx(whole.loss, rel=1e-12), (seed, objective)
            assert found.bound == pytest.approx(found.loss, rel=2 * SLACK)
            assert whole.evaluations == case[2]
            assert (found.mapping is None) == (whole.mapping is None)
        cases += 1
    assert cases > 9


def random_leaf(draw, space):
    """Return (turns [1, memories, dims], orders, spatial split) of a random mapping."""
    split = draw.choice(space.spreads)
    left = np.array(space.problem.sizes) // space.spread_of(split).prod(axis=0)
    turns = np.ones((1, len(space.memories), len(DIMS)), np.int64)
    for d in range(len(DIMS)):
        homes = [m for m, dims in enumerate(space.open) if d in dims]
        prime = 2
        while left[d] > 1:
            if left[d] % prime:
                prime += 1
                continue
            turns[0, draw.choice(homes), d] *= prime
            left[d] //= prime
    orders = [draw.sample(range(len(DIMS)), len(DIMS)) for _ in space.memories]
    return turns, np.array([orders], np.int64), split


@given(st.integers(0, 10**6), st.sampled_from(["default", "timeloop"]))
@settings(max_examples=150, deadline=None)
def test_bounds_are_never_above_any_mapping(seed, setting):
    draw = random.Random(seed)
    space = ExactSpace.of(drawn_architecture(draw), drawn_layer(draw), FREE, setting)
    tables = BoundTables.of(space)
    scorer = BatchScorer(space.architecture, space.problem, setting)
    for _ in range(4):
        turns, orders, split = random_leaf(draw, space)
        loops = space.loops(turns, orders, np.array([split], np.int64))
        (cycles,), (energy,) = scorer(loops)
        if cycles == 0:
            continue  # a memory is too small
        bounds = tables.spread(split)
        least, slow = bounds.base_pj, bounds.floor
        for m in range(1, len(space.memories)):
            part, needed = bounds.boundary(m, turns[0, m:].prod(axis=0))
            least, slow = least + part, max(slow, needed)
        assert least + tables.leakage_pj * cycles <= energy * (1 + SLACK)
        assert slow <= cycles * (1 + SLACK)


def test_the_found_mapping_is_legal_and_costs_what_the_model_says():
    found = find(task())
    assert check_mapping(DESIGN, LAYER, found.mapping) == ()
    report = AnalyticalModel().evaluate(DESIGN, LAYER, found.mapping)
    assert report.cycles == found.cycles
    assert report.energy_pj == pytest.approx(found.energy_pj, rel=1e-12)
    assert report.edp_j_cycles == pytest.approx(found.loss, rel=1e-12)
    assert found.proven
    assert found.gap == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("effort", [{"most": 5}, {"most": 500}, {"nodes": 3}, {"nodes": 300}])
def test_a_stopped_run_bounds_the_optimum_from_both_sides(effort):
    optimum = find(task()).loss
    stopped = find(task(most=effort.pop("most", MANY)), **effort)
    assert not stopped.proven
    assert 0 < stopped.bound <= optimum * (1 + SLACK)
    assert optimum <= stopped.loss
    assert stopped.gap is None or stopped.gap > 0


def test_more_effort_never_loosens_the_bound():
    stopped = [find(task(most=most)) for most in (10, 100, 1000, 10_000)]
    bounds = [found.bound for found in stopped]
    losses = [found.loss for found in stopped]
    assert bounds == sorted(bounds)
    assert losses == sorted(losses, reverse=True)


def test_evaluations_stay_in_the_budget_and_the_curve_falls():
    found = find(task(most=777))
    assert found.evaluations == 777
    at, losses = zip(*found.curve, strict=True)
    assert list(at) == sorted(set(at))
    assert list(losses) == sorted(set(losses), reverse=True)
    assert losses[-1] == found.loss
    assert at[-1] <= 777


def test_an_interrupt_passes_on_unless_an_answer_is_wanted(monkeypatch):
    score = BranchAndBound._score
    calls = []

    def interrupted(self, waiting):
        calls.append(len(waiting))
        if len(calls) % 2 == 0:
            raise KeyboardInterrupt
        return score(self, waiting)

    monkeypatch.setattr(BranchAndBound, "_score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        find(task(), growth=1.01)
    calls.clear()
    stopped = find(task(), growth=1.01, answer_interrupt=True)
    assert len(calls) == 2
    assert not stopped.proven
    assert 0 < stopped.bound < stopped.loss < np.inf


def test_equal_tasks_have_equal_answers():
    one, other = (find(task(most=3000)) for _ in range(2))
    assert one == other


def test_a_dataflow_constrains_the_space():
    fixed = Dataflow(
        "fixed",
        "",
        (
            LevelRule("dram", temporal=("K", "C", "P")),
            LevelRule("glb", temporal=("P", "Q", "R")),
            LevelRule("array", x=("Q",), y=("S",), whole=("S",)),
        ),
    )
    work = LayerTask(DESIGN, LAYER, fixed, "default", "edp", MANY)
    found = find(work)
    assert found.proven
    array, dram = found.mapping.at("array"), found.mapping.at("dram")
    assert {loop.dim for loop in array.x} <= {"Q"}
    assert [(loop.dim, loop.tile) for loop in array.y] == [("S", 1)]
    assert [loop.dim for loop in dram.temporal] == [
        x for x in ("K", "C", "P") if x in {loop.dim for loop in dram.temporal}
    ]
    whole = Exhaustive().find(work, np.random.default_rng(0))
    assert found.loss == pytest.approx(whole.loss, rel=1e-12)


def test_a_memory_too_small_for_any_tile_leaves_nothing_to_find():
    tight = DESIGN.with_values({"spad.depth": 2})
    found = find(task(tight))
    assert found.mapping is None
    assert found.loss == np.inf
    assert found.evaluations == 0


def test_the_exhaustive_mapper_refuses_a_large_space_with_its_size():
    size = space_size(ExactSpace.of(DESIGN, LAYER, FREE, "default"), FREE)
    assert size > 10**8
    with pytest.raises(ArraysmithError, match=f"c: {size} mappings on small, more than the 100"):
        Exhaustive(ExhaustiveSettings(most=100)).find(task(), np.random.default_rng(0))


def test_orders_left_out_are_no_better():
    layer = matmul("g", m=4, n=4, k=4)
    space = ExactSpace.of(DESIGN, layer, FREE, "default")
    scorer = BatchScorer(DESIGN, layer, "default")
    turns = np.ones((1, 3, len(DIMS)), np.int64)
    turns[0, :2, [DIMS.index(x) for x in "KCP"]] = 2  # bits 2 to 4
    spread = np.ones((1, len(space.slots)), np.int64)
    kept = [space.order_rows(m, 0b11100)[0] for m in range(2)]
    assert [len(x) for x in kept] == [3, 3]  # any of three tensors in place, at two memories
    both = np.array([[a, b, range(8)] for a in kept[0] for b in kept[1]], np.int64)
    nine = np.repeat(turns, 9, axis=0), both, np.repeat(spread, 9, axis=0)
    best = loss_of("energy", *scorer(space.loops(*nine))).min()
    draw = random.Random(1)
    for _ in range(100):
        orders = np.array([[draw.sample(range(8), 8) for _ in range(3)]], np.int64)
        (loss,) = loss_of("energy", *scorer(space.loops(turns, orders, spread)))
        assert loss >= best


def test_tensors_that_pass_by_memories_are_searched_too():
    tight = Architecture(
        "tight",
        10**9,
        "65nm",
        (
            Memory("dram", "lpddr4", TENSORS, 64, 8, energy=Energy(60.0, 60.0)),
            Memory("glb", "sram", TENSORS, 64, 8, depth=2, energy=Energy(4.0, 5.0)),
            Fanout("array", 2, 2),
        ),
    )
    layer = matmul("g", m=4, n=4, k=4)
    kept, free = find(task(tight, layer)), find(task(tight, layer), bypass=True)
    assert kept.proven
    assert free.proven
    assert free.loss < kept.loss
    assert check_mapping(tight, layer, free.mapping) == ()
    assert AnalyticalModel().evaluate(tight, layer, free.mapping).edp_j_cycles == pytest.approx(
        free.loss, rel=1e-12
    )
    # A slow twin: the design as if its buffer held less, in every way.
    losses = []
    for size in range(4):
        for holds in itertools.combinations(TENSORS, size):
            levels = list(tight.levels)
            levels[1] = replace(levels[1], holds=holds)
            losses.append(find(task(replace(tight, levels=tuple(levels)), layer)).loss)
    assert free.loss == min(losses)
