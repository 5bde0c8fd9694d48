"""Every total can be opened; networks take energy where their wires are stated, and only there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import poster_design
import pytest
from hypothesis import given
from hypothesis import strategies as st
from systolic_designs import DATAFLOWS, stationary, systolic

from arraysmith.arch.architecture import LEAKS_ALL, Fanout, Systolic, Wires, XyBus
from arraysmith.arch.errors import InputError
from arraysmith.arch.problem import conv, matmul
from arraysmith.arch.technology.wires import hop_pj_per_bit
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.explain import explain
from arraysmith.sim.report import Report, total
from arraysmith.sim.tables import energy_table
from arraysmith.sim.wires import bus_hops

POSTER = (poster_design.DESIGN, poster_design.LAYER, poster_design.MAPPING)


def with_wires(design, wires):
    levels = tuple(
        replace(level, network=replace(level.network, wires=wires))
        if isinstance(level, Fanout)
        else level
        for level in design.levels
    )
    return replace(design, levels=levels)


def assert_rows_add_up(report):
    rows = report.energy_rows()
    assert sum(row.energy_pj for row in rows) == pytest.approx(report.energy_pj, rel=1e-12)
    for row in rows:
        assert row.count * row.each_pj == pytest.approx(row.energy_pj, rel=1e-12)
        assert row.count > 0
    keys = Counter((row.component, row.tensor, row.action) for row in rows)
    assert set(keys.values()) == {1}


@pytest.mark.parametrize("setting", ["default", "timeloop"])
@pytest.mark.parametrize("leakage", ["sram", "all"])
@pytest.mark.parametrize("wires", [None, Wires(hop_um=100, routers=True)])
def test_the_bill_of_the_poster_design_adds_up_to_its_total(setting, leakage, wires):
    design, layer, mapping = POSTER
    design = with_wires(replace(design, leakage=leakage), wires)
    report = AnalyticalModel(setting).evaluate(design, layer, mapping)
    assert_rows_add_up(report)
    assert_rows_add_up(total([(report, 3), (report, 2)]))
    assert Report.from_dict(report.to_dict()) == report


def test_the_bill_prices_each_access_as_the_technology_does():
    report = AnalyticalModel("timeloop").evaluate(*POSTER)
    each = {(x.component, x.action): x.each_pj for x in report.energy_rows()}
    assert each["dram", "read"] == pytest.approx(512)
    assert each["glb", "read"] == pytest.approx(59.389, rel=1e-4)
    assert each["psum_spad", "update"] == pytest.approx(0.4121, rel=1e-4)
    assert each["mac", "mac"] == pytest.approx(0.39082)


def test_the_bill_is_printed_with_the_source_of_every_price():
    report = AnalyticalModel().evaluate(*POSTER)
    text = explain(*POSTER, report)
    assert energy_table(report) in text
    for part in ("CACTI 7", "Accelergy 0.4 register file", "no energy: the architecture states no"):
        assert part in text


def test_only_srams_leak_unless_all_shall():
    few = AnalyticalModel().evaluate(*POSTER)
    assert [name for name, _ in few.leakage] == ["glb"]
    design, layer, mapping = POSTER
    many = AnalyticalModel().evaluate(replace(design, leakage=LEAKS_ALL), layer, mapping)
    names = ["glb", "ifmap_spad", "weight_spad", "psum_spad", "mac"]
    assert [name for name, _ in many.leakage] == names
    # An adder of 16 bit and a multiplier of 8 bit at 65 nm, 168 of them, for 903168 ns.
    mac_mw = 1.2407 * (2.25e-3 / 2 + 7.79e-2 / 16)
    assert dict(many.leakage)["mac"] == pytest.approx(168 * mac_mw * 903168, rel=1e-6)


def test_networks_take_nothing_unless_their_wires_are_stated():
    free = AnalyticalModel().evaluate(*POSTER)
    assert sum(x.energy_pj for x in free.traffic) == sum(x.hops for x in free.traffic) == 0
    design, layer, mapping = POSTER
    wired = AnalyticalModel().evaluate(with_wires(design, Wires(hop_um=100)), layer, mapping)
    assert wired.energy_by_level()["array"] == pytest.approx(wired.energy_pj - free.energy_pj)
    assert [replace(x, hops=0, energy_pj=0.0) for x in wired.traffic] == list(free.traffic)
    # Psums travel with their 16 bit of the scratchpad, others with 8 bit.
    for part in wired.traffic:
        bits = 16 if part.tensor == "ofmap" else 8
        assert part.energy_pj == pytest.approx(part.hops * bits * 0.1 * 0.1347)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 50), st.data())
def test_a_bus_drives_its_column_and_the_rows_that_words_reach(columns, rows, words, data):
    takers = [data.draw(st.integers(1, rows * columns)) for _ in range(words)]
    hops = bus_hops(Fanout("array", columns, rows, XyBus()), words, sum(takers))
    one_by_one = sum(rows + min(rows, n) * columns for n in takers)
    # Words with as many takers are charged exactly; a mixture at most as if they had the mean.
    assert words * (rows + columns) <= hops
    assert hops >= one_by_one
    if len(set(takers)) == 1:
        assert hops == one_by_one


def hops_by_walking(design, problem, mapping):
    """Walk every fold of a single array: which MAC gets which word, and from where."""
    from arraysmith.sim.folding import Folding
    from arraysmith.sim.systolic_machine import SystolicMachine

    folding = Folding.of(SystolicMachine.of(design, mapping, problem), problem, mapping)
    hops: Counter[str] = Counter()
    moving = {"os": ("ifmap", "weight"), "ws": ("ifmap", "ofmap"), "is": ("weight", "ofmap")}
    for fold in folding.folds():
        rows, columns = folding.used(fold.row, fold.column)
        for row in range(rows):
            for _ in range(columns):
                for _ in range(folding.stream.size):
                    hops.update(moving[folding.dataflow])
                if folding.dataflow == "os":
                    hops["ofmap"] += rows - row  # down to the edge
                else:
                    hops["weight" if folding.dataflow == "ws" else "ifmap"] += row + 1
    return hops


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_hops_in_a_systolic_array_are_those_of_a_walk_in_both_models(dataflow):
    random = Random(7)
    for _ in range(6):
        design = systolic(random.randint(1, 5), random.randint(1, 5))
        problem = random.choice(
            [
                matmul("m", m=random.randint(1, 7), k=random.randint(1, 9), n=5),
                conv("c", height=5, width=5, in_channels=2, out_channels=3, window=(3, 3)),
            ]
        )
        mapping = stationary(dataflow)
        free = AnalyticalModel().evaluate(design, problem, mapping)
        assert free.traffic == ()
        wired = with_wires(design, Wires(hop_pj_per_bit=0.5))
        walked = hops_by_walking(wired, problem, mapping)
        for model in (AnalyticalModel(), CycleModel()):
            report = model.evaluate(wired, problem, mapping)
            assert {x.tensor: x.hops for x in report.traffic} == dict(walked)
            assert sum(x.energy_pj for x in report.traffic) == pytest.approx(
                0.5 * 8 * sum(walked.values())
            )
            assert report.cycles == model.evaluate(design, problem, mapping).cycles
            assert_rows_add_up(report)


def test_results_leave_over_a_bus_or_for_nothing_as_the_drain_says():
    problem = matmul("m", m=4, k=3, n=2)
    found = {}
    for drain in ("shift", "bus", "free"):
        network = Systolic(drain=drain, wires=Wires(hop_um=50))
        report = AnalyticalModel().evaluate(
            systolic(4, 2, network=network), problem, stationary("os")
        )
        found[drain] = {x.tensor: x.hops for x in report.traffic}["ofmap"]
    assert found == {"shift": 2 * (4 + 3 + 2 + 1), "bus": 8 * 4, "free": 0}


def test_a_hop_is_a_piece_of_wire_and_a_router():
    assert hop_pj_per_bit(Wires(hop_um=500), "45nm") == pytest.approx(0.5 * 0.1248)
    routed = hop_pj_per_bit(Wires(hop_um=500, routers=True), "32nm")
    assert routed == pytest.approx(0.5 * 0.1143 + 20.74 / 256, rel=1e-3)
    assert hop_pj_per_bit(Wires(hop_pj_per_bit=0.25), "45nm") == 0.25
    with pytest.raises(InputError, match="no table of wires"):
        hop_pj_per_bit(Wires(hop_um=1), "46nm")
