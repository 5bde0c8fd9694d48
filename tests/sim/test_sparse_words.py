"""Compressed weights hold every weight and its position, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import problem as any_problem

from arraysmith.arch.problem import Problem
from arraysmith.arch.sparsity import StructuredSparsity
from arraysmith.sim.cycle.carrying.reference import random_operands
from arraysmith.sim.cycle.carrying.sparse import compressed, expanded, masked


def sparse_problem(random: Random) -> Problem:
    block = random.randint(1, 6)
    return replace(
        any_problem(random),
        weight_sparsity=StructuredSparsity(random.randint(1, block), block),
    )


def filters_of(problem: Problem, weight: np.ndarray) -> list[list[int]]:
    """Every filter along the reduction index, from its definition."""
    size, found = problem.size, []
    names = [axis.terms[0][0] for axis in problem.weight.axes]
    for group in range(size["G"]):
        for k in range(size["K"]):
            row = []
            for r in range(size["R"]):
                for s in range(size["S"]):
                    for c in range(size["C"]):
                        at = {"G": group, "K": k, "R": r, "S": s, "C": c}
                        row.append(int(weight[tuple(at[name] for name in names)]))
            found.append(row)
    return found


@given(st.integers(0, 10**9))
@settings(deadline=None, max_examples=60)
def test_masks_keep_what_the_sparsity_allows_and_the_words_give_it_back(seed):
    random = Random(seed)
    problem = sparse_problem(random)
    sparsity = problem.weight_sparsity
    _, dense = random_operands(replace(problem, weight_sparsity=None), seed)
    weight = masked(problem, dense, seed)
    assert (weight == dense)[weight != 0].all()
    filters = filters_of(problem, weight)
    for row in filters:
        for start in range(0, len(row), sparsity.block):
            assert np.count_nonzero(row[start : start + sparsity.block]) <= sparsity.kept
    words = compressed(problem, weight)
    assert words.size == problem.stored_weight.words
    flat = words.reshape(-1, problem.kept_reduction)
    whole = expanded(sparsity, flat, (0, problem.kept_reduction), problem.reduction)
    assert whole.tolist() == filters
    first = random.randrange(problem.kept_reduction)
    stop = random.randint(first + 1, problem.kept_reduction)
    low, high = sparsity.covered(first, stop, problem.reduction)
    part = expanded(sparsity, flat[:, first:stop], (first, stop), problem.reduction)
    if first % sparsity.kept == 0 and (stop % sparsity.kept == 0 or stop == flat.shape[1]):
        assert part.tolist() == [row[low:high] for row in filters]


def test_weights_that_are_not_sparse_are_refused():
    problem = replace(any_problem(Random(3)), weight_sparsity=StructuredSparsity(1, 4))
    assert problem.reduction > 1
    weight = np.ones([axis.extent for axis in problem.weight.axes], np.int64)
    with pytest.raises(ValueError, match="not 1:4 sparse"):
        compressed(problem, weight)


def test_masks_differ_from_filter_to_filter():
    random = Random(1)
    problem = sparse_problem(random)
    while problem.size["K"] < 4 or problem.reduction < 8 or str(problem.weight_sparsity) != "1:4":
        problem = sparse_problem(random)
    dense = np.ones([axis.extent for axis in problem.weight.axes], np.int64)
    assert len({tuple(x) for x in filters_of(problem, masked(problem, dense, 0))}) > 1
