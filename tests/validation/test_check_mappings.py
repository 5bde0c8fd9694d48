from __future__ import annotations

from dataclasses import fields, replace
from math import prod

import numpy as np
import pytest

from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import conv
from arraysmith.sim.analytical.counting import count
from arraysmith.sim.analytical.encoding import (
    OFMAP,
    READ,
    UPDATE,
    ChainArrays,
    ProblemArrays,
)
from arraysmith.sim.analytical.soundness import touched_words, unsound
from arraysmith.validation.check_mappings import Batch, batches, check


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Legal mappings of one layer on one tree."""
    return next(batches(np.random.default_rng(3)))


def test_thousands_of_random_legal_mappings_are_sound() -> None:
    done, ragged, wrong = check(4000, seed=1)
    assert done >= 4000
    assert done // 10 < ragged < done
    assert wrong == []


def test_sound_counts_have_nothing_wrong(batch: Batch) -> None:
    assert unsound(batch.problem, batch.counts) == ()


@pytest.mark.parametrize(
    ("field", "told"),
    [("macs", "work is not covered"), ("steps", "faster than the active PEs allow")],
)
def test_one_mapping_with_too_little_work_or_time_is_found(batch, field, told) -> None:
    values = getattr(batch.counts, field).copy()
    values[-1] = 0 if field == "steps" else prod(batch.problem.sizes) - 1
    wrong = unsound(batch.problem, replace(batch.counts, **{field: values}))
    assert wrong == (f"{told}: mapping {len(values) - 1} of {len(values)}",)


@pytest.mark.parametrize(
    ("tensor", "direction", "told"),
    [
        (0, READ, "fewer ifmap words than the problem touches"),
        (1, READ, "fewer weight words than the problem touches"),
        (OFMAP, UPDATE, "results are missing off-chip"),
    ],
)
def test_one_word_less_than_the_footprint_is_found(batch, tensor, direction, told) -> None:
    words = batch.counts.words.copy()
    words[0, 0, tensor, direction] = touched_words(batch.problem)[tensor] - 1
    assert f"{told}: mapping 0 of {len(words)}" in unsound(
        batch.problem, replace(batch.counts, words=words)
    )


def test_a_copy_of_counts_has_all_their_fields(batch: Batch) -> None:
    assert {len(getattr(batch.counts, x.name)) for x in fields(batch.counts)} == {
        len(batch.mappings.dim)
    }


def test_words_that_a_stride_jumps_over_are_not_touched() -> None:
    layer = conv(
        "strided", height=9, width=4, in_channels=1, out_channels=1, window=(1, 1), stride=(2, 1)
    )
    assert touched_words(layer) == (5 * 4, 1, 5 * 4)
    wide = conv(
        "wide", height=3, width=3, in_channels=2, out_channels=1, window=(3, 3), padding=(1, 1)
    )
    assert touched_words(wide) == (2 * 9, 2 * 9, 9)


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_counts_the_same(batch: Batch, threads: int) -> None:
    chain = ChainArrays.of(batch.architecture, Mapping(()))
    problem = ProblemArrays.of(batch.problem)
    found = count(problem, chain, batch.mappings, "default", threads)
    for field in fields(found):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(batch.counts, field.name))


def test_a_batch_counts_what_its_mappings_count_one_by_one(batch: Batch) -> None:
    chain = ChainArrays.of(batch.architecture, Mapping(()))
    problem = ProblemArrays.of(batch.problem)
    for row in range(0, len(batch.mappings.dim), 97):
        one = count(problem, chain, batch.mappings.take(slice(row, row + 1)), "default")
        np.testing.assert_array_equal(one.words[0], batch.counts.words[row])
