from fractions import Fraction

import pytest

from arraysmith.arch.architecture import Ports
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.budget import Budget, offchip_bits_per_s, peak_power_mw
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.paths import numbers_of, owner_of, value_at, with_values
from arraysmith.arch.technology.estimate import mac_cost, memory_cost

DESIGN = load_architecture("eyeriss-poster-original")


def paths(design):
    owners = [*design.levels, design.compute]
    return ["clock_hz", *(f"{x.name}.{field}" for x in owners for field in numbers_of(x))]


@pytest.mark.parametrize("path", paths(DESIGN))
def test_every_number_can_be_set_and_read_back_and_changes_nothing_else(path):
    changed = with_values(DESIGN, {path: 3})
    assert value_at(changed, path) == 3
    assert changed != DESIGN
    others = [x for x in paths(DESIGN) if x != path]
    for other in others:
        try:
            before = value_at(DESIGN, other)
        except ArraysmithError:  # no limit is stated
            with pytest.raises(ArraysmithError, match="not an integer"):
                value_at(changed, other)
        else:
            assert value_at(changed, other) == before


def test_rates_become_exact_fractions_and_networks_keep_the_rest():
    changed = DESIGN.with_values({"glb.read_words_per_cycle": 7, "array.words_per_cycle": 2})
    assert changed.level("glb").read_words_per_cycle == Fraction(7)
    network = changed.level("array").network
    assert network.words_per_cycle == Fraction(2)
    assert network.diagonal is False
    assert changed.value("glb.read_words_per_cycle") == 7


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("glb", "must be level.field"),
        ("glbb.depth", "no level 'glbb'"),
        ("glb.dept", "no field 'dept'.*depth"),
        ("array.words", "no field 'words'.*words_per_cycle"),
    ],
)
def test_a_path_to_nothing_is_refused_with_the_near_match(path, message):
    with pytest.raises(ArraysmithError, match=message):
        owner_of(DESIGN, path)


def by_hand_mw(design):
    """Every access that the stated rates allow, every MAC, at the clock; nothing shared."""
    total = mac_cost(design.compute, design.technology).read_pj * design.pes
    leakage = 0.0
    for memory in design.memories[1:]:
        cost, copies = memory_cost(memory, design.technology), design.instances(memory.name)
        reads = float(memory.read_words_per_cycle) / memory.words_per_access
        writes = float(memory.write_words_per_cycle) / memory.words_per_access
        total += copies * (reads * cost.read_pj + writes * cost.write_pj)
        leakage += copies * cost.leakage_mw * (memory.device == "sram")
    return total * 1e-12 * design.clock_hz * 1e3 + leakage


def test_peak_power_is_everything_at_work_and_falls_with_the_clock():
    assert peak_power_mw(DESIGN) == pytest.approx(by_hand_mw(DESIGN))
    slow = DESIGN.with_values({"clock_hz": DESIGN.clock_hz // 2})
    assert peak_power_mw(slow) < peak_power_mw(DESIGN)
    shared = DESIGN.with_values({"glb.ports": int(Ports.SHARED)})
    assert peak_power_mw(shared) < peak_power_mw(DESIGN)


def test_the_pins_carry_both_directions_and_without_rates_no_budget_holds():
    stated = DESIGN.with_values(
        {"dram.read_words_per_cycle": 8, "dram.write_words_per_cycle": 4, "clock_hz": 10**9}
    )
    assert offchip_bits_per_s(stated) == (8 + 4) * 8 * 1e9
    assert offchip_bits_per_s(stated.with_values({"dram.ports": 1})) == 8 * 8 * 1e9
    assert Budget(offchip_bits_per_s=96e9).admits(stated)
    (excess,) = Budget(offchip_bits_per_s=95e9).violations(stated)
    assert excess.limit == "offchip_bits_per_s"
    assert not Budget(offchip_bits_per_s=1e30).admits(DESIGN)
