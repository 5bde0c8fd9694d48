"""Energy tables against the reference tables of the tool that the poster used."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import Compute, Energy, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.technology.arithmetic import mac_unit_cost
from arraysmith.arch.technology.estimate import DEVICES, TECHNOLOGIES, mac_cost, memory_cost
from arraysmith.arch.technology.regfile import regfile_cost
from arraysmith.arch.technology.sram import sram_cost

# (technology, depth, width, read pJ, write pJ): measured, from
# validation/reference/timeloop/poster_reproduction.yaml
REGFILES = [
    ("65nm", 12, 16, 0.38075, 0.33234),
    ("65nm", 192, 16, 3.71931, 3.54065),
    ("65nm", 16, 16, 0.47269, 0.4121),
    ("65nm", 6, 64, 0.49353, 0.38075),
    ("65nm", 48, 64, 2.46363, 1.89263),
    ("65nm", 8, 128, 0.75595, 0.47365),
    ("32nm", 12, 16, 0.20233, 0.1766),
    ("32nm", 192, 16, 1.97642, 1.88148),
    ("32nm", 8, 128, 0.4017, 0.25169),
]
SRAMS = [
    ("65nm", 16384, 64, 59.38928, 49.64848),
    ("65nm", 512, 512, 73.86718, 185.47138),
    ("32nm", 16384, 64, 18.18382, 14.13792),
    ("32nm", 512, 512, 22.47057, 55.59467),
]


@pytest.mark.parametrize(("technology", "depth", "width", "read", "write"), REGFILES)
def test_register_files_equal_the_reference_tables(technology, depth, width, read, write):
    cost = regfile_cost(depth, width, technology)
    assert cost.read_pj == pytest.approx(read, rel=1e-3)
    assert cost.write_pj == pytest.approx(write, rel=1e-3)


@pytest.mark.parametrize(("technology", "depth", "width", "read", "write"), SRAMS)
def test_srams_equal_the_reference_tables(technology, depth, width, read, write):
    cost = sram_cost(depth, width, technology)
    assert cost.read_pj == pytest.approx(read, rel=1e-3)
    assert cost.write_pj == pytest.approx(write, rel=1e-3)


def test_an_8_bit_mac_costs_what_its_adder_and_multiplier_cost():
    # 0.21 x 16/32 + 12.68 x (8/32)^2 at 45 nm
    assert mac_unit_cost(8, 16, "45nm").read_pj == pytest.approx(0.105 + 0.7925)
    assert mac_unit_cost(8, 16, "32nm").read_pj == pytest.approx(0.592, abs=5e-4)


@given(
    st.sampled_from(TECHNOLOGIES),
    st.integers(1, 40_000),
    st.integers(1, 700),
)
def test_sram_energy_is_positive_and_finite_for_any_size(technology, depth, width):
    cost = sram_cost(depth, width, technology)
    for value in (cost.read_pj, cost.write_pj, cost.leakage_mw, cost.area_um2):
        assert value > 0
        assert math.isfinite(value)


@given(
    st.sampled_from(TECHNOLOGIES),
    st.integers(0, 8),
    st.floats(0.0, 1.0),
    st.sampled_from([64, 128, 256, 512]),
)
def test_a_depth_between_two_tabulated_ones_costs_between_them(technology, step, share, width):
    low, high = 64 << step, 128 << step
    depth = round(low + share * (high - low))
    ends = sorted(sram_cost(d, width, technology).area_um2 for d in (low, high))
    assert ends[0] * (1 - 1e-9) <= sram_cost(depth, width, technology).area_um2
    assert sram_cost(depth, width, technology).area_um2 <= ends[1] * (1 + 1e-9)


@given(st.integers(1, 63))
def test_small_srams_shrink_with_the_stated_power_of_depth(depth):
    whole = sram_cost(64, 64, "65nm")
    part = sram_cost(depth, 64, "65nm")
    assert part.leakage_mw == pytest.approx(whole.leakage_mw * (depth / 64) ** 0.78)


def test_a_wide_sram_is_built_of_macros_and_a_deep_one_of_banks():
    one = sram_cost(1024, 512, "45nm")
    assert sram_cost(1024, 1024, "45nm").area_um2 == pytest.approx(2 * one.area_um2)
    deep, bank = sram_cost(65536, 64, "45nm"), sram_cost(32768, 64, "45nm")
    assert deep.leakage_mw == pytest.approx(2 * bank.leakage_mw)
    assert deep.read_pj == pytest.approx(bank.read_pj, rel=1e-3)  # one more address bit


def test_register_file_area_counts_every_bit():
    shallow, deep = regfile_cost(16, 16, "45nm"), regfile_cost(32, 16, "45nm")
    assert deep.area_um2 - shallow.area_um2 > 16 * 16 * 5.98


def test_stated_energies_replace_the_tables_and_say_so():
    memory = Memory("glb", "sram", ("ifmap",), 64, 8, depth=64, energy=Energy(1.5, 2.5))
    cost = memory_cost(memory, "65nm")
    assert (cost.read_pj, cost.write_pj) == (1.5, 2.5)
    assert "stated" in cost.source
    assert mac_cost(Compute(energy=Energy(3.0, 3.0)), "65nm").read_pj == 3.0


def test_off_chip_energy_is_per_bit_of_the_access():
    memory = Memory("dram", "lpddr4", ("ifmap",), 64, 8)
    assert memory_cost(memory, "45nm").read_pj == 512.0
    assert memory_cost(memory, "45nm").area_um2 == 0.0


def test_every_device_has_a_source():
    for device in DEVICES:
        cost = memory_cost(Memory("m", device, ("ifmap",), 64, 8, depth=64), "45nm")
        assert cost.source


@pytest.mark.parametrize(
    ("device", "technology", "expected"),
    [("srma", "65nm", "did you mean sram"), ("sram", "64nm", "did you mean 65nm")],
)
def test_unknown_names_are_refused_with_near_matches(device, technology, expected):
    with pytest.raises(ArraysmithError, match=expected):
        memory_cost(Memory("m", device, ("ifmap",), 64, 8, depth=64), technology)
