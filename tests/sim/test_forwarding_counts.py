"""Words that neighbours pass on, counted by the closed forms and by a walker."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import tiny
from chip_trees import changed
from forwarding_cases import counting_case
from walker import walk

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.interconnect import Forwarding, Wires, XyBus
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import TENSORS, conv
from arraysmith.sim.analytical.encoding import MappingArrays, ProblemArrays
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.scores import score
from arraysmith.sim.analytical.scoring import Entries, Machine, chain_of
from arraysmith.sim.report import FORWARD


def counted(design):
    report = AnalyticalModel().evaluate(*design)
    return {(a.level, a.tensor, a.direction): a.words for a in report.accesses}


@pytest.mark.parametrize("block", range(8))
def test_counts_equal_the_walker_where_neighbours_pass_words_on(block):
    for seed in range(50 * block, 50 * block + 50):
        design = counting_case(seed)
        assert counted(design) == walk(*design), seed


def test_words_that_are_passed_on_are_read_less_often_above_and_filled_as_often():
    seen = 0
    for seed in range(200):
        architecture, problem, mapping = counting_case(seed)
        found = counted((architecture, problem, mapping))
        without = changed(architecture, bus=lambda x: replace(x, forwarding=None))
        plain = counted((without, problem, mapping))
        passed = {key for key in found if key[1:] == ("ifmap", "drain")}
        for key in plain:
            assert found.get(key, 0) <= plain[key]
            if key[1:] != ("ifmap", "read"):
                assert found[key] == plain[key]
        assert {**found, **plain}.keys() - plain.keys() == passed
        if not passed:
            assert found == plain
        seen += bool(passed)
    assert seen > 20


def test_searches_score_what_the_model_reports():
    slowest = set()
    for seed in range(120):
        architecture, problem, mapping = counting_case(seed)
        architecture = changed(
            architecture,
            memory=lambda x: replace(x, read_words_per_cycle=Fraction(8)),
            bus=lambda x: replace(x, words_per_cycle=Fraction(4)),
        )
        report = AnalyticalModel().evaluate(architecture, problem, mapping)
        chain = chain_of(architecture)
        found = score(
            ProblemArrays.of(problem),
            problem.macs,
            chain,
            Entries.of(chain),
            Machine.of(architecture, "default"),
            MappingArrays.of(architecture, problem, mapping),
        )
        assert found.cycles.tolist() == [report.cycles], seed
        assert found.energy_pj[0] == pytest.approx(report.energy_pj), seed
        traffic = [x for x in report.traffic if x.kind == FORWARD]
        assert sum(x.words for x in traffic) == sum(
            x.words for x in report.accesses if (x.tensor, x.direction) == ("ifmap", "drain")
        )
        slowest.add(bool(traffic) and bool(report.stalls))
    assert slowest == {True, False}


def test_a_slow_link_bounds_the_run():
    design, layer, loops = rows_of_pixels(Fraction(1, 4))
    report = AnalyticalModel().evaluate(design, layer, loops)
    assert report.compute_cycles == 9
    # Five of six columns take six words each of nine from the right, on the average of 6 PEs.
    assert report.stalls == (("bandwidth_array", -(-5 * 6 * 4 // 6) - 9),)


def test_other_rules_refuse_links():
    design, layer, loops = rows_of_pixels(None)
    with pytest.raises(ArraysmithError, match="default rules only"):
        AnalyticalModel("timeloop").evaluate(design, layer, loops)
    with pytest.raises(ArraysmithError, match="default rules only"):
        Machine.of(design, "timeloop")
    wired = changed(design, bus=lambda x: replace(x, wires=Wires(hop_pj_per_bit=0.5)))
    with pytest.raises(ArraysmithError, match="prices no wires"):
        Machine.of(wired, "default")


def test_a_word_from_a_neighbour_travels_one_hop():
    design, layer, loops = rows_of_pixels(None)
    wired = changed(design, bus=lambda x: replace(x, wires=Wires(hop_pj_per_bit=0.5)))
    report = AnalyticalModel().evaluate(wired, layer, loops)
    (row,) = [x for x in report.traffic if x.kind == FORWARD]
    assert (row.words, row.hops, row.energy_pj) == (30, 30, 30 * 8 * 0.5)
    (row,) = [x for x in report.traffic if x.kind != FORWARD and x.tensor == "ifmap"]
    assert row.deliveries == 54 - 30


def rows_of_pixels(rate):
    """Six neighbours on a row, one output pixel each; a window of 3 x 3 goes over them."""
    links = XyBus(forwarding=Forwarding(("-x",), rate))
    glb = tiny.memory("glb", TENSORS, depth=1 << 20)
    design = tiny.spatial(mesh=(6, 1), glb=glb, bus=links)
    layer = conv("pixels", height=3, width=8, in_channels=1, out_channels=1, window=(3, 3))
    loops = Mapping(
        (
            LevelMapping("glb", (Loop("R", 1), Loop("S", 1))),
            LevelMapping("array", x=(Loop("Q", 1),)),
        )
    )
    return design, layer, loops
