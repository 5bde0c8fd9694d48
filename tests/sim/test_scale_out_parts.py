"""Parts of a product cover it once, are nearly equal, and never fold more often than they must."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import Fanout, ScaleOut
from arraysmith.sim.scale_out import INDICES, cut, parts_of

SIZES = st.integers(1, 50)


@given(SIZES, st.integers(1, 12), st.integers(1, 9))
def test_a_cut_covers_every_value_once_in_order(size, parts, unit):
    ranges = cut(size, parts, unit)
    assert [i for start, stop in ranges for i in range(start, stop)] == list(range(size))
    assert len(ranges) == parts
    units = [-(-(stop - start) // unit) for start, stop in ranges]
    assert max(units) - min(units) <= 1


@given(SIZES, st.integers(1, 12), st.integers(1, 9))
def test_cutting_between_folds_makes_no_array_fold_more_often(size, parts, extent):
    folds = [
        max(-(-(stop - start) // extent) for start, stop in cut(size, parts, unit))
        for unit in (1, extent)
    ]
    assert folds[0] == folds[1] == -(-size // (parts * extent))


@given(
    st.tuples(SIZES, SIZES, SIZES),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(INDICES),
    st.sampled_from(INDICES),
)
def test_every_product_is_computed_by_one_array(sizes, mesh_x, mesh_y, y, x):
    mesh = Fanout("arrays", mesh_x, mesh_y, ScaleOut(y, x))
    parts = parts_of(mesh, sizes, (1, 1, 1))
    work = 0
    seen = set()
    for part in parts:
        volume = 1
        for start, stop in part.ranges:
            volume *= stop - start
        work += volume
        seen.add(part.ranges)
        assert 0 <= part.y < mesh_y
        assert 0 <= part.x < mesh_x
    assert work == sizes[0] * sizes[1] * sizes[2]
    assert len(seen) == len(parts) <= mesh_x * mesh_y
