import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_samples import regular, requests

from arraysmith.traces.schema import COLUMNS, LOOPS, SEGMENT_COLUMNS
from arraysmith.traces.segment_expand import Encoded, expand
from arraysmith.traces.segments import Encoder

ENCODER = Encoder(1 << 16)


def assert_equal(got, want):
    assert list(got) == [column.name for column in COLUMNS]
    for name, column in want.items():
        assert got[name].dtype == column.dtype
        np.testing.assert_array_equal(got[name], column)


def by_hand(encoded):
    """The requests of a block by walking its loops, one at a time."""
    cycles = [a + s * k for a, s, n in encoded.cycles.tolist() for k in range(n)]
    rows = []
    for row in encoded.segments.tolist():
        time, address, port, size, latency, tile, *loops = row
        loops = [loops[4 * k : 4 * k + 4] for k in range(LOOPS)]
        for index in np.ndindex(*(loop[0] for loop in loops)):
            t, a, p = (
                start + sum(int(i) * loop[1 + c] for i, loop in zip(index, loops, strict=True))
                for c, start in enumerate((time, address, port))
            )
            rows.append((t, p, a, size, latency, tile))
    rows.sort(key=lambda row: row[:2])
    return [(cycles[t], cycles[t] + late, a, s, k, p) for t, p, a, s, late, k in rows]


@given(
    lanes=st.integers(1, 12),
    turns=st.integers(1, 20),
    taps=st.integers(1, 5),
    wait=st.integers(0, 9),
)
def test_lanes_that_do_the_same_are_one_segment(lanes, turns, taps, wait):
    columns = regular(lanes, turns, taps, wait)
    encoded = ENCODER.encode(columns)
    assert len(encoded.segments) == 1
    assert encoded.segments.shape[1] == len(SEGMENT_COLUMNS)
    assert len(encoded.cycles) <= 3
    assert_equal(expand(encoded, len(columns["tile"])), columns)
    want = zip(*(columns[x.name].tolist() for x in COLUMNS), strict=True)
    assert by_hand(encoded) == list(want)


# Few different values make many accidental runs, and breaks in every place.
steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # cycles later
        st.integers(-2, 2),  # bytes further
        st.integers(0, 2),  # port
        st.sampled_from((4, 4, 4, 8)),
        st.sampled_from((1, 1, 1, 2)),  # latency
        st.sampled_from((0, 0, 0, 1)),  # tile
    ),
    min_size=1,
    max_size=60,
)


def table(rows):
    cycle, address, port, size, latency, tile = np.array(rows).T
    cycle = np.cumsum(cycle)
    order = np.lexsort((port, cycle))
    values = (
        *(cycle, cycle + latency[order], (9000 + np.cumsum(address)).astype(np.uint64)),
        *(size, tile, port[order]),
    )
    return {c.name: x.astype(c.dtype) for c, x in zip(COLUMNS, values, strict=True)}


@settings(max_examples=300)
@given(steps, st.integers(1, 30))
def test_whatever_is_encoded_comes_back_equal(rows, repeat):
    columns = table(rows * repeat)
    encoded = ENCODER.encode(columns)
    if encoded is not None:
        assert_equal(expand(encoded, len(columns["tile"])), columns)
        want = zip(*(columns[x.name].tolist() for x in COLUMNS), strict=True)
        assert by_hand(encoded) == list(want)


def test_addresses_at_both_ends_of_their_range_survive():
    columns = regular(3, 20, 2)
    columns["address"] = columns["address"] - np.uint64(1200)  # wraps below zero
    encoded = ENCODER.encode(columns)
    assert encoded is not None
    assert_equal(expand(encoded, len(columns["tile"])), columns)


def test_irregular_requests_are_given_up():
    assert ENCODER.encode(requests(5000, 1)) is None


def test_requests_that_go_back_in_time_are_given_up():
    columns = regular(1, 50, 2)
    columns = {name: np.concatenate((x, x)) for name, x in columns.items()}
    assert ENCODER.encode(columns) is None


def test_another_order_within_a_cycle_is_given_up_not_changed():
    columns = regular(4, 50, 2)
    columns = {name: x[::-1].copy() for name, x in columns.items()}
    for name in ("request_cycle", "response_cycle"):
        columns[name] = columns[name].max() - columns[name]
    assert (np.diff(columns["request_cycle"]) >= 0).all()
    assert ENCODER.encode(columns) is None


def test_a_missing_word_costs_a_few_segments_only():
    columns = regular(16, 64, 3)
    encoded = ENCODER.encode({name: np.delete(x, 1500) for name, x in columns.items()})
    assert 1 < len(encoded.segments) <= 6


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("time", -1),
        ("time", 10_000),
        ("count_3", 0),
        ("count_3", 2**62),
        ("count_0", 13),
        ("port", 70_000),
        ("port_2", 1),
    ],
)
def test_segments_that_make_no_sense_are_refused(column, value):
    columns = regular(3, 20, 2)
    encoded = ENCODER.encode(columns)
    encoded.segments[0, SEGMENT_COLUMNS.index(column)] = value
    with pytest.raises(ValueError, match="do not add up"):
        expand(encoded, len(columns["tile"]))


def test_cycles_that_are_missing_are_refused():
    columns = regular(3, 20, 2)
    encoded = ENCODER.encode(columns)
    short = Encoded(encoded.segments, encoded.cycles - [0, 0, 1])
    with pytest.raises(ValueError, match="do not add up"):
        expand(short, len(columns["tile"]))
