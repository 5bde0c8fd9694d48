import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.search.pareto import crowding, dominates, front, fronts, hypervolume

vectors = st.integers(1, 3).flatmap(
    lambda k: st.lists(
        st.tuples(*[st.integers(0, 6)] * k).map(lambda x: tuple(map(float, x))),
        min_size=1,
        max_size=14,
    )
)


def beats(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@given(vectors)
def test_the_front_is_what_nobody_beats(rows):
    found = [rows[i] for i in front(np.array(rows))]
    expected = {x for x in rows if not any(beats(y, x) for y in rows)}
    assert set(found) == expected
    assert len(found) == len(expected)


@given(vectors)
def test_fronts_take_every_row_once_and_peel_like_an_onion(rows):
    values = np.array(rows)
    found = fronts(values)
    assert sorted(i for members in found for i in members) == list(range(len(rows)))
    left = list(range(len(rows)))
    for members in found:
        best = [i for i in left if not any(beats(rows[j], rows[i]) for j in left)]
        assert list(members) == best
        left = [i for i in left if i not in best]


@given(vectors)
def test_the_hypervolume_is_the_number_of_unit_cells_that_are_dominated(rows):
    values = np.array(rows)
    corner = (7.0,) * values.shape[1]
    cells = np.stack(np.meshgrid(*[np.arange(7)] * values.shape[1]), axis=-1)
    cells = cells.reshape(-1, values.shape[1])
    covered = sum(bool((values <= cell).all(axis=1).any()) for cell in cells)
    assert hypervolume(values, corner) == pytest.approx(covered)


def test_what_is_infinite_is_on_no_front_and_covers_nothing():
    values = np.array([[1.0, 2.0], [np.inf, np.inf], [2.0, 1.0]])
    assert list(front(values)) == [0, 2]
    assert hypervolume(values, (3.0, 3.0)) == 3.0
    assert hypervolume(np.empty((0, 2)), (3.0, 3.0)) == 0.0
    assert len(fronts(values)) == 2


def test_crowding_favours_the_ends_and_the_lonely():
    values = np.array([[0.0, 10.0], [1.0, 9.0], [2.0, 8.0], [7.0, 3.0], [10.0, 0.0]])
    alone = crowding(values)
    assert np.isinf(alone[[0, 4]]).all()
    assert alone[3] > alone[2] > alone[1]
    assert alone[1] == pytest.approx(0.2 + 0.2)


def test_dominance_needs_something_smaller():
    values = np.array([[1.0, 1.0], [1.0, 2.0], [0.0, 5.0]])
    assert list(dominates(values, np.array([1.0, 2.0]))) == [True, False, False]
