"""Values through the simulated machine against the definition of the operator."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest
import tiny
from cases import case

from arraysmith.arch.problem import DIMS, TENSORS, Problem
from arraysmith.sim.cycle.carrying.reference import Drop, random_operands, reference_output
from arraysmith.sim.cycle.model import multiplied_words
from arraysmith.sim.cycle.values import (
    WrongValuesError,
    simulate_values,
    verify_values,
)


def loops(problem: Problem, ifmap: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The operator as plain nested loops."""
    out = np.zeros([axis.extent for axis in problem.ofmap.axes], np.int64)
    for point in product(*map(range, problem.sizes)):
        at = dict(zip(DIMS, point, strict=True))
        place = {
            tensor.name: tuple(
                axis.offset + sum(c * at[dim] for dim, c in axis.terms) for axis in tensor.axes
            )
            for tensor in problem.tensors
        }
        if all(
            0 <= i < axis.extent for i, axis in zip(place["ifmap"], problem.ifmap.axes, strict=True)
        ):
            out[place["ofmap"]] += ifmap[place["ifmap"]] * weight[place["weight"]]
    return out


@pytest.mark.parametrize("seed", range(20))
def test_the_reference_is_the_nested_loops(seed: int) -> None:
    problem = tiny.problem(Random(seed))
    ifmap, weight = random_operands(problem, seed)
    expected = loops(problem, ifmap, weight)
    assert np.array_equal(reference_output(problem, ifmap, weight), expected)


def test_words_multiplied_are_those_that_are_not_padding() -> None:
    problem = tiny.problem(Random(3))
    ones = np.ones([axis.extent for axis in problem.ifmap.axes], np.int64)
    weights = np.ones([axis.extent for axis in problem.weight.axes], np.int64)
    taken = int(loops(problem, ones, weights).sum())
    assert multiplied_words(problem, problem.ifmap) == taken
    assert multiplied_words(problem, problem.weight) == problem.macs


@pytest.mark.parametrize("block", range(4))
def test_simulated_results_equal_the_reference(block: int) -> None:
    for seed in range(50 * block, 50 * block + 50):
        architecture, problem, mapping = case(seed)
        verify_values(architecture, problem, mapping, seed)


def test_a_transfer_left_out_changes_the_results() -> None:
    noticed = dict.fromkeys(range(3), 0)
    for seed in range(60):
        architecture, problem, mapping = case(seed)
        if min(problem.size[dim] for dim in ("R", "S")) < 2:
            continue
        ifmap, weight = random_operands(problem, seed)
        # Every word differs from every other and from zero, so that no stale word can pass.
        ifmap = np.arange(1, ifmap.size + 1).reshape(ifmap.shape)
        want = reference_output(problem, ifmap, weight)
        for tensor in range(3):
            for transfer in range(6):
                drop = Drop(tensor, transfer)
                got = simulate_values(architecture, problem, mapping, ifmap, weight, drop)
                noticed[tensor] += not np.array_equal(got, want)
    # Words that padding hides, that stride skips or weights of zero keep some from showing.
    assert all(count > 20 for count in noticed.values()), noticed


def test_every_first_fill_of_a_dense_operator_matters() -> None:
    random = Random(1)
    architecture = tiny.spatial(glb=tiny.memory("glb", TENSORS, depth=4096))
    problem = tiny.problem(random)
    while problem.operator != "gemm" or problem.macs < 60:
        problem = tiny.problem(random)
    mapping = tiny.mapping(random, architecture, problem)
    ifmap = np.ones([axis.extent for axis in problem.ifmap.axes], np.int64)
    weight = np.ones([axis.extent for axis in problem.weight.axes], np.int64)
    want = reference_output(problem, ifmap, weight)
    assert np.array_equal(simulate_values(architecture, problem, mapping, ifmap, weight), want)
    for tensor in (0, 1):
        got = simulate_values(architecture, problem, mapping, ifmap, weight, Drop(tensor, 0))
        assert not np.array_equal(got, want)


def test_wrong_results_are_an_error_that_names_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    architecture, problem, mapping = case(0)
    monkeypatch.setattr(
        "arraysmith.sim.cycle.values.reference_output",
        lambda problem, ifmap, weight: reference_output(problem, ifmap, weight) + 1,
    )
    with pytest.raises(WrongValuesError, match=r"results are wrong, the first at \(0, 0"):
        verify_values(architecture, problem, mapping)
