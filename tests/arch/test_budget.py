from __future__ import annotations

import pytest
from chips import SPATIAL
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.budget import Budget, chip_area_um2
from arraysmith.arch.errors import InputError
from arraysmith.arch.loader import load_architecture, parse_spec
from arraysmith.arch.specs import BudgetSpec

BITS = SPATIAL.storage_bits


def test_a_budget_without_limits_admits_every_design():
    assert Budget().violations(SPATIAL) == ()


@pytest.mark.parametrize(("pes", "inside"), [(11, False), (12, True), (13, False)])
def test_the_number_of_macs_is_met_exactly(pes, inside):
    assert Budget(pes=pes).admits(SPATIAL) == inside


@pytest.mark.parametrize(
    ("budget", "inside"),
    [
        (Budget(max_pes=12), True),
        (Budget(max_pes=11), False),
        (Budget(storage_bits=BITS), True),
        (Budget(storage_bits=BITS - 1), False),
    ],
)
def test_a_design_at_the_limit_is_inside_and_one_beyond_is_not(budget, inside):
    assert budget.admits(SPATIAL) == inside


def test_area_is_limited_by_the_technology_tables():
    area_um2 = chip_area_um2(SPATIAL)
    assert area_um2 > 0
    assert Budget(area_um2=area_um2).admits(SPATIAL)
    (excess,) = Budget(area_um2=area_um2 * 0.999).violations(SPATIAL)
    assert excess.limit == "area_um2"


def test_a_larger_buffer_takes_more_area():
    larger = SPATIAL.with_values({"glb.depth": 1024})
    assert chip_area_um2(larger) > chip_area_um2(SPATIAL)


def test_every_broken_limit_is_named_with_what_the_design_has():
    found = Budget(pes=168, storage_bits=100).violations(SPATIAL)
    assert [str(excess) for excess in found] == [
        "pes: 12: must be exactly 168",
        f"storage_bits: {BITS}: must be at most 100",
    ]


def test_the_budget_of_the_poster_is_what_its_original_design_spends():
    original = load_architecture("eyeriss-poster-original")
    assert Budget(pes=168, storage_bits=1_639_936).admits(original)
    assert not Budget(pes=168, storage_bits=1_639_935).admits(original)
    assert Budget(pes=168, storage_bits=1_639_936).admits(load_architecture("eyeriss-poster-found"))


@given(st.integers(1, 64), st.integers(1, 64))
def test_a_design_is_inside_the_budget_of_what_it_spends_and_no_bit_less(depth, mesh_x):
    design = SPATIAL.with_values({"glb.depth": depth, "array.mesh_x": mesh_x})
    assert Budget(pes=design.pes, storage_bits=design.storage_bits).admits(design)
    assert not Budget(pes=design.pes, storage_bits=design.storage_bits - 1).admits(design)


def test_a_budget_is_read_from_a_file_with_units():
    spec, _ = parse_spec("{pes: 168, storage: 1639936 bit, area: 2 mm2}", BudgetSpec)
    assert Budget.of_spec(spec) == Budget(168, None, 1_639_936, 2e6)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(InputError) as caught:
        parse_spec("{pes: 0, storage: 0 B, area: 0 mm2}", BudgetSpec)
    assert [(fault.field, fault.rule) for fault in caught.value.faults] == [
        ("pes", "must be at least 1"),
        ("storage", "must be at least 1"),
        ("area", "must be greater than 0"),
    ]
