from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.units import (
    QuantityError,
    Rate,
    format_bits,
    format_clock,
    format_energy_pj,
    format_rate,
    parse_area_um2,
    parse_bits,
    parse_clock,
    parse_cycles,
    parse_energy_pj,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parse_bits, "64 bit", 64),
        (parse_bits, "int4", 4),
        (parse_bits, "fp16", 16),
        (parse_bits, "64bits", 64),
        (parse_bits, "8 B", 64),
        (parse_bits, 16, 16),
        (parse_size, "128 KiB", 128 * 1024 * 8),
        (parse_size, "108 kB", 108_000 * 8),
        (parse_size, "0.5 MiB", 2**22),
        (parse_size, "1 Mibit", 2**20),
        (parse_size, "1 kbit", 1000),
        (parse_clock, "200 MHz", 200_000_000),
        (parse_clock, "1 GHz", 10**9),
        (parse_clock, "1.5GHz", 1_500_000_000),
        (parse_clock, 1e9, 10**9),
        (parse_cycles, "100 cycles", 100),
        (parse_cycles, "1 cycle", 1),
        (parse_cycles, 7, 7),
        (parse_energy_pj, "0.39082 pJ", 0.39082),
        (parse_energy_pj, "1.2 nJ", 1200.0),
        (parse_energy_pj, "380 fJ", 0.38),
        (parse_area_um2, "2.5 mm2", 2.5e6),
        (parse_rate, "16 words/cycle", Rate(Fraction(16), "words/cycle")),
        (parse_rate, "2/3 words/cycle", Rate(Fraction(2, 3), "words/cycle")),
        (parse_rate, "8 B/cycle", Rate(Fraction(64), "bits/cycle")),
        (parse_rate, "8 B / cycle", Rate(Fraction(64), "bits/cycle")),
        (parse_rate, "25.6 GB/s", Rate(Fraction(204_800_000_000), "bits/s")),
    ],
)
def test_a_quantity_with_its_unit_is_read_exactly(parse, text, expected):
    assert parse(text) == expected


def test_gigabytes_per_second_become_an_exact_number_of_words_per_cycle():
    assert parse_rate("25.6 GB/s").words_per_cycle(8, 10**9) == Fraction(128, 5)
    assert parse_rate("34 GB/s").words_per_cycle(8, 700_000_000) == Fraction(340, 7)


def test_bytes_per_cycle_become_words_by_the_width_of_a_word():
    assert parse_rate("8 B/cycle").words_per_cycle(16, 1) == 4


@pytest.mark.parametrize(
    ("parse", "text", "rule"),
    [
        (parse_size, 128, "must be a size with a unit"),
        (parse_size, "128", "must be a size with a unit"),
        (parse_size, "KiB", "must be a size with a unit"),
        (parse_size, "128 KB", "must be a size with a unit"),
        (parse_size, "1 furlong", "must be a size with a unit"),
        (parse_size, "-1 KiB", "must not be negative"),
        (parse_size, "0.3 bit", "must be a whole number of bit"),
        (parse_bits, True, "must be a number of bits"),
        (parse_bits, None, "must be a number of bits"),
        (parse_clock, "1.5 Hz", "must be a whole number of Hz"),
        (parse_cycles, "10 ns", "must be a number of cycles"),
        (parse_rate, 16, "must be a bandwidth with a unit"),
        (parse_rate, "16 GB", "must be a bandwidth with a unit"),
        (parse_rate, "1/0 words/cycle", "must not divide by zero"),
        (parse_energy_pj, "1 joule", "must be an energy with a unit"),
        (parse_size, "1e999999999 B", "must be a size with a unit"),
        (parse_rate, "1e25 GB/s", "is out of range"),
        (parse_rate, "1e-40 words/cycle", "is out of range"),
        (parse_energy_pj, "1e999 pJ", "is too large"),
    ],
)
def test_text_that_is_not_the_quantity_asked_for_is_refused_with_the_rule(parse, text, rule):
    with pytest.raises(QuantityError) as caught:
        parse(text)
    assert caught.value.rule == rule


def test_the_error_names_the_accepted_units_and_the_one_probably_meant():
    with pytest.raises(QuantityError) as caught:
        parse_size("128 KB")
    assert caught.value.hint.startswith("did you mean kB?")
    assert "KiB" in caught.value.hint
    with pytest.raises(QuantityError) as caught:
        parse_clock("3 parsec")
    assert caught.value.hint.endswith("units: Hz, kHz, MHz, GHz, THz; a bare number is in Hz")


@given(st.integers(0, 2**60))
def test_sizes_are_written_so_that_they_read_back_equal(bits):
    assert parse_size(format_bits(bits)) == bits


@given(st.integers(0, 10**13))
def test_clocks_are_written_so_that_they_read_back_equal(clock_hz):
    assert parse_clock(format_clock(clock_hz)) == clock_hz


@given(st.fractions(min_value=0, max_value=10**9, max_denominator=10**9))
def test_rates_are_written_so_that_they_read_back_equal(rate):
    assert parse_rate(format_rate(rate)).words_per_cycle(8, 1) == rate


@given(st.floats(0, 1e300))
def test_energies_are_written_so_that_they_read_back_to_the_last_bit(energy_pj):
    assert parse_energy_pj(format_energy_pj(energy_pj)) == energy_pj
