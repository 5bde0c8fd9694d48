from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import Compute, Energy
from arraysmith.arch.errors import InputError
from arraysmith.arch.technology.arithmetic import address_bits, block, mac
from arraysmith.arch.technology.estimate import mac_cost
from arraysmith.arch.technology.node import node_of


def test_a_byte_multiplier_and_a_16_bit_adder_take_08975_pj_at_45_nm():
    assert mac_cost(Compute(), "45nm").read_pj == pytest.approx(0.8975)


def test_the_same_mac_takes_0592_pj_at_32_nm():
    assert mac_cost(Compute(), "32nm").read_pj == pytest.approx(0.592, rel=1e-3)


def test_two_adders_alone_are_the_mac_energy_that_the_poster_contains():
    adders = block("adder", 16).energy_pj + block("adder", 32).energy_pj
    assert adders * 1.2407 == pytest.approx(0.39082, rel=1e-4)


def test_a_16_bit_mac_at_5_ns_has_the_published_energy_and_area():
    got = mac(16, 16, node_of("45nm"), delay_ns=5)  # Accelergy 2022
    assert got.read_pj == pytest.approx(2.2, rel=1e-3)
    assert got.area_um2 == pytest.approx(1240, abs=0.6)


@given(st.integers(1, 64))
def test_doubling_the_bits_doubles_an_adder_and_quadruples_a_multiplier(bits):
    for name, factor in (("adder", 2), ("comparator", 2), ("register", 2), ("multiplier", 4)):
        once, twice = block(name, bits), block(name, 2 * bits)
        assert twice.energy_pj == pytest.approx(factor * once.energy_pj)
        assert twice.area_um2 == pytest.approx(factor * once.area_um2)


def test_a_stated_mac_energy_wins_and_the_area_stays():
    got = mac_cost(Compute(energy=Energy(0.39082, 0.39082)), "65nm")
    assert got.read_pj == got.write_pj == 0.39082
    assert got.area_um2 == mac_cost(Compute(), "65nm").area_um2 > 0


def test_an_unknown_technology_is_refused():
    with pytest.raises(InputError, match="unknown technology"):
        mac_cost(Compute(), "9nm")


@pytest.mark.parametrize(("depth", "bits"), [(1, 0), (2, 1), (3, 2), (12, 4), (16, 4), (17, 5)])
def test_address_bits_tell_all_lines_apart(depth, bits):
    assert address_bits(depth) == bits
