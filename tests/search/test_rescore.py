from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.search.rescore import Difference
from arraysmith.sim.pool import InlineExecutor, process_pool
from arraysmith.sim.report import Access, Report

CAUSES = ("fill", "glb_ifmap", "offchip_ofmap", "drain", "bandwidth_glb")


@st.composite
def reports(draw):
    stalls = draw(st.dictionaries(st.sampled_from(CAUSES), st.integers(1, 10**6)))
    places = st.tuples(
        st.sampled_from(("dram", "glb")), st.sampled_from(("ifmap", "ofmap")), st.just("read")
    )
    words = draw(st.dictionaries(places, st.integers(1, 10**6)))
    return Report(
        fidelity="analytical",
        setting="default",
        macs=1,
        flops=2,
        pes=1,
        clock_hz=1,
        compute_cycles=draw(st.integers(1, 10**6)),
        stalls=tuple(stalls.items()),
        active_pes=1,
        accesses=tuple(Access(*place, n, n, 0.5 * n) for place, n in words.items()),
        traffic=(),
        mac_energy_pj=draw(st.integers(0, 100)) * 0.25,
        leakage_energy_pj=draw(st.integers(0, 100)) * 0.25,
    )


@given(reports(), reports())
def test_causes_and_parts_add_up_to_the_difference(closed, cycle):
    difference = Difference.of(closed, cycle)
    assert sum(difference.cycles.values()) == cycle.cycles - closed.cycles
    assert sum(difference.energy_pj.values()) == pytest.approx(cycle.energy_pj - closed.energy_pj)
    assert set(difference.cycles) == {"compute", *cycle.stall_cycles, *closed.stall_cycles}
    for (level, tensor, direction), words in difference.words.items():
        place = (level, tensor, direction)
        assert words == cycle.words(*place) - closed.words(*place) != 0


@given(reports())
def test_equal_reports_differ_in_nothing(report):
    difference = Difference.of(report, replace(report, fidelity="cycle"))
    assert not any(difference.cycles.values())
    assert not any(difference.energy_pj.values())
    assert difference.words == {}


def test_one_worker_runs_tasks_in_place_and_raises_where_they_fail():
    with process_pool(1) as executor:
        assert isinstance(executor, InlineExecutor)
        assert executor.submit(divmod, 7, 2).result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 7, 0)
