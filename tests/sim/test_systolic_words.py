"""Words of blocks, chunks of steps, and mappings that are refused."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_designs import DATAFLOWS, any_design, stationary, systolic
from tiny import problem as any_problem

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Systolic, XyBus
from arraysmith.arch.dataflows import systolic_mapping
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import matmul
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.analytical.systolic_words import WordCounter
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic, word_views
from arraysmith.sim.folding import LANES_AND_STEPS, Folding
from arraysmith.sim.residency import Operand, half_words
from arraysmith.sim.side import Side
from arraysmith.sim.systolic_machine import SystolicMachine

PROBLEM = matmul("mm", m=6, n=5, k=7)


def _folding(architecture, problem, dataflow):
    mapping = stationary(dataflow)
    machine = SystolicMachine.of(architecture, mapping)
    return machine, Folding.of(machine, problem, mapping)


@given(st.lists(st.integers(1, 5), max_size=3), st.data())
def test_boxes_of_a_range_hold_each_of_its_indices_once(sizes, data):
    side = Side(tuple("NPQ"[: len(sizes)]), tuple(sizes))
    start = data.draw(st.integers(0, side.size - 1))
    stop = data.draw(st.integers(start + 1, side.size))
    boxes = side.boxes(start, stop)
    assert len(boxes) <= max(1, 2 * len(sizes) - 1)
    found = []
    for box in boxes:
        axes = [np.arange(*box[dim]) for dim in side.dims]
        grid = np.meshgrid(*axes, indexing="ij") if axes else [np.zeros(1, int)]
        index = np.zeros_like(grid[0])
        for dim_values, size in zip(grid, side.sizes or (1,), strict=True):
            index = index * size + dim_values
        found += index.ravel().tolist()
    assert sorted(found) == list(range(start, stop))


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=150)
def test_words_of_a_block_in_closed_form_equal_those_found_one_by_one(seed):
    random = Random(seed)
    problem, dataflow = any_problem(random), random.choice(DATAFLOWS)
    _, folding = _folding(systolic(4, 4), problem, dataflow)
    views = word_views(folding, problem)
    for tensor in ("ifmap", "weight"):
        lanes, steps = (folding.side(s) for s in LANES_AND_STEPS[dataflow, tensor])
        counter = WordCounter.of(problem, problem.tensor(tensor), lanes, steps)
        everything = views[tensor].words((0, lanes.size), (0, steps.size), 0)
        pairs = counter.stored_pairs((0, lanes.size), (0, steps.size))
        assert pairs == np.count_nonzero(everything >= 0)
        for tag in range(1, 4):
            block = []
            for side in (lanes, steps):
                first = random.randrange(side.size)
                block.append((first, random.randint(first + 1, side.size)))
            inside = everything[slice(*block[0]), slice(*block[1])]
            words = np.unique(inside[inside >= 0])
            assert counter.distinct(*block) == len(words)
            assert np.array_equal(views[tensor].distinct(*block, 0, tag), words)
            assert views[tensor].stored(*block) == np.count_nonzero(inside >= 0)


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=100)
def test_no_load_brings_more_than_a_half_holds_and_chunks_make_up_the_steps(seed):
    random = Random(seed)
    architecture, problem = any_design(random), any_problem(random)
    machine, folding = _folding(architecture, problem, random.choice(DATAFLOWS))
    views = word_views(folding, problem)
    for tensor in ("ifmap", "weight"):
        try:
            operand = Operand.of(machine, folding, problem, tensor)
        except ArraysmithError:
            continue
        half = half_words(machine.buffer(tensor), tensor)
        tag = 0
        for fold in folding.folds():
            pieces = operand.pieces(folding, fold.row, fold.column)
            start, stop = folding.block(operand.steps, fold.row, fold.column)
            steps = [step for piece in pieces for step in range(*piece)]
            assert sorted(steps) == list(range(start, stop))
            for piece in pieces:
                tag += 1
                lanes = folding.block(operand.lanes, fold.row, fold.column)
                assert len(views[tensor].distinct(lanes, piece, fold.group, tag)) <= half


@pytest.mark.parametrize("model", [AnalyticalModel(), CycleModel()])
def test_both_models_take_systolic_designs(model):
    assert model.evaluate(systolic(4, 4), PROBLEM, stationary("os")).cycles > 0


def _with_array(network: Systolic) -> Architecture:
    architecture = systolic(4, 4)
    return replace(architecture, levels=(*architecture.levels[:-1], Fanout("array", 4, 4, network)))


def _mapping(y: str, x: str, stream: str, dram: str = "", tile: int = 1) -> Mapping:
    dram_loops, y_loops, x_loops, stream_loops = (
        tuple(Loop(dim, 1) for dim in dims) for dims in (dram, y, x, stream)
    )
    if tile > 1:
        y_loops, stream_loops = (Loop(y[0], tile),), (Loop(y[0], 1), *stream_loops)
    return Mapping(
        (
            LevelMapping("dram", temporal=dram_loops),
            LevelMapping("array", x=x_loops, y=y_loops),
            LevelMapping("mac", temporal=stream_loops),
        )
    )


REFUSED = {
    "no systolic dataflow": (systolic(4, 4), _mapping("K", "P", "C")),
    "no systolic dataflow (": (systolic(4, 4), _mapping("P", "", "KC")),
    "only G may stand at dram": (systolic(4, 4), _mapping("P", "K", "", dram="C")),
    "are not split": (systolic(4, 4), _mapping("P", "K", "C", tile=2)),
    "'up': must be one of shift, bus, free": (_with_array(Systolic(drain="up")), stationary("os")),
    "'both': must be one of none, weights, accumulators": (
        _with_array(Systolic(fold_overlap="both")),
        stationary("os"),
    ),
    "'drop': must be one of accumulate, spill": (
        _with_array(Systolic(partial_sums="drop")),
        stationary("os"),
    ),
    "'some': must be one of used, full": (
        _with_array(Systolic(partial_folds="some")),
        stationary("os"),
    ),
    "pipeline_cycles 2": (
        replace(systolic(4, 4), compute=Compute(pipeline_cycles=2)),
        stationary("os"),
    ),
    "half of it holds 3 words: one step of ifmap takes 4": (
        systolic(4, 4, depth=(7, 64, 64)),
        stationary("os"),
    ),
    "half of it holds 3 words: one cycle of results takes 4": (
        systolic(4, 4, depth=(64, 64, 7)),
        stationary("os"),
    ),
    "no SRAM keeps weight": (
        replace(systolic(4, 4), levels=tuple(systolic(4, 4).levels[i] for i in (0, 1, 3, 4))),
        stationary("os"),
    ),
    "already kept by ifmap_sram": (
        replace(
            systolic(4, 4),
            levels=(
                *systolic(4, 4).levels[:2],
                replace(systolic(4, 4).levels[1], name="second"),
                *systolic(4, 4).levels[2:],
            ),
        ),
        stationary("os"),
    ),
    "partition must say": (
        replace(
            systolic(4, 4),
            levels=(
                systolic(4, 4).levels[0],
                replace(systolic(4, 4).levels[1], holds=("ifmap", "weight")),
                *systolic(4, 4).levels[3:],
            ),
        ),
        stationary("os"),
    ),
    "one fan-out": (
        replace(
            systolic(4, 4),
            levels=(
                systolic(4, 4).levels[0],
                Fanout("cores", 2, 1, XyBus()),
                *systolic(4, 4).levels[1:],
            ),
        ),
        stationary("os"),
    ),
    "the last level is no systolic array": (_with_array(XyBus()), _mapping("", "", "KPC")),
}


@pytest.mark.parametrize("message", REFUSED)
@pytest.mark.parametrize("evaluate", [evaluate_systolic, simulate_systolic])
def test_what_this_path_does_not_know_is_refused_in_words(message, evaluate):
    architecture, mapping = REFUSED[message]
    with pytest.raises(ArraysmithError) as caught:
        evaluate(architecture, PROBLEM, mapping)
    assert message in str(caught.value)


def test_the_analytical_model_has_no_foreign_rules_for_systolic_arrays():
    with pytest.raises(ArraysmithError, match="'timeloop' has no rules"):
        evaluate_systolic(systolic(4, 4), PROBLEM, stationary("os"), "timeloop")


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=40)
def test_a_named_dataflow_is_the_one_that_runs_however_small_the_problem(dataflow, seed):
    random = Random(seed)
    problem = matmul("mm", m=random.randint(1, 2), n=random.randint(1, 2), k=random.randint(1, 2))
    architecture = systolic(2, 2)
    mapping = systolic_mapping(dataflow, architecture, problem)
    assert Folding.of(SystolicMachine.of(architecture, mapping), problem, mapping).dataflow == (
        dataflow
    )
