from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from cases import case
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_designs import DATAFLOWS, Kept, any_design, side_by_side, stationary, systolic
from systolic_designs import unless_refused as unless
from tiny import problem

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dram import Dram
from arraysmith.arch.problem import TENSORS, matmul
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle import values
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.dram.device_file import load_device
from arraysmith.sim.dram.use import REASONS
from arraysmith.sim.report import Report, total
from arraysmith.sim.waits import WaitTotals

seeds = st.integers(0, 10**9)
NAMES = ("ddr4_2400", "ddr4_2400_2ch", "lpddr4_2400", "hbm2_8ch")


def on(architecture: Architecture, name: str, most: int | None = None) -> Architecture:
    """The design with a DRAM in place of its rate."""
    memory = replace(
        architecture.levels[0], dram=Dram(name, load_device(name)), requests_in_flight=most
    ).with_dram_rates(architecture.clock_hz)
    return replace(architecture, levels=(memory, *architecture.levels[1:]))


def any_case(random: Random):
    """A design on a DRAM, spatial or systolic, with a problem and a mapping."""
    name, most = random.choice(NAMES), random.choice((None, 1, 3))
    if random.random() < 0.5:
        architecture, of, mapping = case(random.randrange(10**9))
        return on(architecture, name, most), of, mapping
    architecture = any_design(random)
    if random.random() < 0.2:
        architecture = side_by_side(architecture, 2, 1)
    return on(architecture, name, most), problem(random), stationary(random.choice(DATAFLOWS))


@given(seeds)
@settings(deadline=None, max_examples=60)
def test_bytes_words_cycles_and_energy_of_any_design_on_a_dram_add_up(seed):
    architecture, of, mapping = any_case(Random(seed))
    probe = Kept()
    report = unless(CycleModel(probe).evaluate, architecture, of, mapping)
    if report is None:
        return
    use, device = report.dram, architecture.levels[0].dram.device
    burst = device.organisation.burst_bytes
    asked = {"read": 0, "write": 0}
    for tensor in TENSORS:
        for way in asked:
            rows = probe.stream(f"dram/{tensor}/{way}")
            if len(rows):
                assert (np.diff(rows[:, 0]) >= 0).all()
                first, last = rows[:, 2] // burst, (rows[:, 2] + rows[:, 3] - 1) // burst
                asked[way] += int((last - first + 1).sum())
                assert rows[:, 1].max() <= report.cycles
    assert (use.reads, use.writes) == (asked["read"], asked["write"])
    moved = use.read_commands + use.write_commands
    assert moved + use.forwarded + use.merged == use.reads + use.writes
    assert use.bytes_moved == sum(use.channel_bytes) == moved * burst
    assert use.bytes_moved <= use.cycles * device.peak_bytes_per_cycle
    ratio = device.cycles_per(architecture.clock_hz)
    assert report.cycles * ratio <= use.cycles < report.cycles * ratio + 1
    rows = report.energy_rows()
    assert sum(row.energy_pj for row in rows) == pytest.approx(report.energy_pj)
    mine = [row for row in rows if row.component == "dram"]
    assert [row.action for row in mine] == ["activate", "read", "write", "refresh", "background"]
    assert report.energy_by_level()["dram"] == pytest.approx(sum(row.energy_pj for row in mine))
    assert CycleModel().evaluate(architecture, of, mapping) == report
    # Words are those of a memory of fixed rate: only time is another.
    plain = replace(
        architecture, levels=(replace(architecture.levels[0], dram=None), *architecture.levels[1:])
    )
    fixed = CycleModel().evaluate(plain, of, mapping)
    assert [(x.level, x.tensor, x.direction, x.words, x.accesses) for x in fixed.accesses] == [
        (x.level, x.tensor, x.direction, x.words, x.accesses) for x in report.accesses
    ]
    if architecture.scale_out is None:  # else another array may be through last
        assert fixed.compute_cycles == report.compute_cycles


def test_values_of_a_design_on_a_dram_equal_the_operator():
    for seed in range(3):
        architecture, of, mapping = case(seed)
        values.verify_values(on(architecture, "ddr4_2400"), of, mapping)
    of, mapping = problem(Random(5)), stationary("ws")
    values.verify_values(on(systolic(3, 3), "hbm2_1ch"), of, mapping)


def test_more_channels_make_a_memory_bound_array_faster_and_closed_forms_are_never_above():
    of, mapping = matmul("mm", m=64, n=64, k=64), stationary("os")
    cycles = {}
    for name in ("ddr4_2400", "ddr4_2400_bglow", "ddr4_2400_2ch"):
        design = replace(on(systolic(32, 32), name), clock_hz=2_000_000_000)
        design = on(design, name)
        cycles[name] = CycleModel().evaluate(design, of, mapping).cycles
        bound = AnalyticalModel().evaluate(design, of, mapping).cycles
        assert cycles[name] >= bound - design.levels[0].latency_cycles
    assert cycles["ddr4_2400"] >= cycles["ddr4_2400_bglow"] >= cycles["ddr4_2400_2ch"]
    assert cycles["ddr4_2400"] > cycles["ddr4_2400_2ch"]


def test_reports_on_a_dram_add_up_over_layers_and_survive_json():
    architecture, of, mapping = on(systolic(4, 4), "ddr4_2400_2ch"), problem(Random(1)), None
    mapping = stationary("os")
    report = CycleModel().evaluate(architecture, of, mapping)
    assert Report.from_dict(report.to_dict()) == report
    both = total([(report, 2), (report, 1)])
    assert both.energy_pj == pytest.approx(3 * report.energy_pj)
    assert both.dram.channel_bytes == tuple(3 * x for x in report.dram.channel_bytes)
    assert both.dram.read_latency_max == report.dram.read_latency_max
    assert both.dram.read_latency_mean_cycles == pytest.approx(report.dram.read_latency_mean_cycles)


def test_waits_for_a_dram_name_the_channel_and_what_it_was_busy_with():
    named = 0
    for seed in range(12):
        architecture, of, mapping = case(seed)
        totals = WaitTotals()
        design = replace(on(architecture, "ddr4_2400_2ch"), clock_hz=2_000_000_000)
        report = CycleModel(totals).evaluate(on(design, "ddr4_2400_2ch", 4), of, mapping)
        assert totals.cycles == {cause: n for cause, n in report.stalls if n}
        for chain in totals.chains:
            for link, behind in pairwise((*chain.links, "")):
                if behind.startswith("dram_channel_"):
                    assert link.startswith("offchip_")
                    named += chain.cycles
                if link.startswith("dram_channel_"):
                    assert link in {"dram_channel_0", "dram_channel_1"}
                    assert behind in {f"dram_{reason}" for reason in REASONS}
    assert named > 1000


def test_waits_of_a_systolic_array_name_the_channel_as_well():
    of, totals = matmul("mm", m=40, n=40, k=40), WaitTotals()
    design = replace(on(systolic(16, 16), "ddr4_2400_2ch"), clock_hz=2_000_000_000)
    design = on(design, "ddr4_2400_2ch")
    report = CycleModel(totals).evaluate(design, of, stationary("os"))
    assert totals.cycles == {cause: n for cause, n in report.stalls if n}
    chains = {chain.links[:-1] for chain in totals.chains}
    fill = {("fill", f"offchip_{x}", f"dram_channel_{c}") for x in TENSORS for c in (0, 1)}
    assert chains & fill
    assert all(chain.longest.step is None for chain in totals.chains)
