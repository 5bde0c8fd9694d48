"""Transfers that take turns at a port, against a port walked cycle by cycle."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.sim.analytical.transfers import Transfer, port_wait, windows_union


@st.composite
def ports(draw):
    """Transfers of one port: periods that divide each other, and one run."""
    factors = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    periods = [1]
    for factor in factors:
        periods.append(periods[-1] * factor)
    run = periods[-1] * draw(st.integers(1, 3))
    found = []
    for _ in range(draw(st.integers(1, 4))):
        period = draw(st.sampled_from(periods))
        window = draw(st.integers(1, period))
        found.append(Transfer(draw(st.integers(1, 9)), window, period, run // period))
    return found


def walked_union(transfers):
    """Cycles of the run with an open window, one by one."""
    run = max(x.period * x.count for x in transfers)
    return sum(any(cycle % x.period < x.window for x in transfers) for cycle in range(run))


@given(ports())
@settings(max_examples=300, deadline=None)
def test_the_union_of_windows_is_that_of_a_walk(transfers):
    assert windows_union(transfers) == walked_union(transfers)


def test_two_transfers_that_together_fit_a_cycle_take_two_when_each_takes_a_whole_one():
    each = Transfer(1, 1, 1, 1000)
    assert port_wait([each]) == 0
    assert port_wait([each, each]) == 998  # both in turn, all but the first ones


def test_a_port_of_its_own_waits_for_what_is_longer_than_its_window():
    assert port_wait([Transfer(5, 2, 10, 4)]) == 9
    assert port_wait([Transfer(5, 10, 10, 4)]) == -15


@given(ports(), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_longer_transfers_never_wait_less(transfers, more):
    slower = [Transfer(x.cycles + more, x.window, x.period, x.count) for x in transfers]
    assert port_wait(slower) >= port_wait(transfers)
