import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError
from arraysmith.search.objective import MAPPING_OBJECTIVES, OBJECTIVES, Figures, Objective, Weights
from arraysmith.sim.report import Report

BASELINE = Figures(
    cycles=903168,
    energy_pj=720.99e6,
    macs=86704128,
    flops=170196992,
    pes=168,
    clock_hz=10**9,
    area_um2=2.0,
)
FOUND = Figures(
    cycles=602112,
    energy_pj=305.38e6,
    macs=86704128,
    flops=170196992,
    pes=168,
    clock_hz=10**9,
    area_um2=1.0,
)


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(1, 1024), st.integers(1, 10**10))
def test_figures_agree_with_the_report_of_the_same_numbers(macs, stall, pes, clock):
    report = Report(
        fidelity="analytical", setting="default", macs=macs, flops=2 * macs, pes=pes,
        clock_hz=clock, compute_cycles=macs, stalls=(("bandwidth", stall),),
        active_pes=1, accesses=(), traffic=(), mac_energy_pj=0.25 * macs, leakage_energy_pj=0.0,
    )  # fmt: skip
    figures = Figures(report.cycles, report.energy_pj, macs, 2 * macs, pes, clock)
    for name in ("utilization", "gflops", "edp_j_cycles"):
        assert getattr(figures, name) == getattr(report, name)


def test_the_poster_rows_have_the_printed_figures():
    assert BASELINE.utilization == pytest.approx(0.5714, abs=5e-5)
    assert FOUND.utilization == pytest.approx(0.8571, abs=5e-5)
    assert FOUND.gflops == pytest.approx(282.67, abs=5e-3)
    assert Objective("edp").loss(FOUND, BASELINE) == pytest.approx(184.0, abs=0.2)


def test_the_posters_loss_of_the_baseline_is_zero_with_equal_weights():
    assert Objective("poster").loss(BASELINE, BASELINE) == 0


def test_the_posters_loss_is_the_weighted_sum_of_ratios_to_the_baseline():
    weights = Weights(cycles=2, energy=3, gflops=5, utilization=7)
    expected = 2 * (2 / 3) + 3 * (305.38 / 720.99) - 5 * 1.5 - 7 * 1.5
    assert Objective("poster", weights).loss(FOUND, BASELINE) == pytest.approx(expected)


def test_latency_and_energy_are_what_they_say():
    assert Objective("latency").loss(FOUND, BASELINE) == 602112
    assert Objective("energy").loss(FOUND, BASELINE) == 305.38e6


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_prefers_the_posters_find_and_says_how_to_choose_mappings(name):
    objective = Objective(name)
    assert objective.loss(FOUND, BASELINE) < objective.loss(BASELINE, BASELINE)
    assert objective.mapping_objective in MAPPING_OBJECTIVES
    assert objective.unit


def test_an_unknown_objective_is_refused_with_the_near_match():
    with pytest.raises(ArraysmithError, match="did you mean energy"):
        Objective("enrgy")
