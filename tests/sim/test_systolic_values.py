"""Values carried through a systolic design equal the operator's definition."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systolic_designs import DATAFLOWS, any_design, stationary, systolic
from tiny import problem as any_problem

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import conv, matmul
from arraysmith.sim.cycle.carrying.reference import Drop, random_operands, reference_output
from arraysmith.sim.cycle.systolic.values import systolic_values


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=100)
def test_results_equal_the_reference_whatever_the_buffers_keep(seed):
    random = Random(seed)
    architecture, problem = any_design(random), any_problem(random)
    ifmap, weight = random_operands(problem, seed)
    try:
        got = systolic_values(
            architecture, problem, stationary(random.choice(DATAFLOWS)), ifmap, weight
        )
    except ArraysmithError:
        got = None
    assume(got is not None)
    assert np.array_equal(got, reference_output(problem, ifmap, weight))


@pytest.mark.parametrize("tensor", [0, 1, 2])
@pytest.mark.parametrize("transfer", [0, 3])
def test_a_transfer_that_is_left_out_is_noticed(tensor, transfer):
    problem = conv("c", height=6, width=6, in_channels=4, out_channels=8, window=(3, 3))
    architecture = systolic(4, 4, depth=(40, 40, 16))
    ifmap, weight = random_operands(problem, 1)
    mapping = stationary("ws")
    want = reference_output(problem, ifmap, weight)
    assert np.array_equal(systolic_values(architecture, problem, mapping, ifmap, weight), want)
    drop = Drop(tensor, transfer)
    got = systolic_values(architecture, problem, mapping, ifmap, weight, drop)
    assert not np.array_equal(got, want)


def test_operands_shared_by_all_groups_stay():
    # One right-hand side for all groups: the weight of this einsum has no G.
    batch = matmul("mm", m=3, n=4, k=5, batch=3)
    from dataclasses import replace

    shared = replace(batch, weight=replace(batch.weight, axes=batch.weight.axes[1:]))
    architecture = systolic(4, 4)
    random = np.random.default_rng(0)
    ifmap, weight = random.integers(-5, 5, (3, 3, 5)), random.integers(-5, 5, (4, 5))
    for dataflow in DATAFLOWS:
        got = systolic_values(architecture, shared, stationary(dataflow), ifmap, weight)
        assert np.array_equal(got, ifmap @ weight.T)
