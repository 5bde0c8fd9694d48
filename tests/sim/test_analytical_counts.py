"""Closed forms against a walker that counts every word one by one."""

from __future__ import annotations

from random import Random

import pytest
from tiny import mapping, memory, problem, ragged_mapping, spatial
from walker import walk, work

from arraysmith.arch.architecture import Architecture, Compute, Fanout, XyBus
from arraysmith.arch.legality import IllegalMappingError, division_violations
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import TENSORS, conv
from arraysmith.sim.analytical.model import AnalyticalModel

BUSES = [
    XyBus(multicast=multicast, diagonal=diagonal, reduction=reduction, adds_above=True)
    for multicast in (True, False)
    for diagonal in (True, False)
    for reduction in (True, False)
]


def chains(random: Random) -> Architecture:
    """A chain of one to four memories, tensors bypassing some of them, one or two fan-outs."""
    some = [("ifmap", "ofmap"), ("weight",), ("ifmap", "weight"), TENSORS, ("ofmap",)]
    levels = [memory("dram", TENSORS)]
    if random.random() < 0.7:
        levels.append(memory("glb", random.choice(some), depth=1 << 20))
    levels.append(Fanout("array", 4, 3, random.choice(BUSES)))
    if random.random() < 0.4:
        levels.append(memory("local", random.choice(some), depth=1 << 20))
        levels.append(Fanout("lanes", 2, 2, random.choice(BUSES)))
    if random.random() < 0.7:
        levels.append(memory("spad", random.choice(some), depth=1 << 20))
    return Architecture("chain", 10**9, "45nm", tuple(levels), Compute())


def counted(architecture, layer, loops, setting="default"):
    report = AnalyticalModel(setting).evaluate(architecture, layer, loops)
    return {(a.level, a.tensor, a.direction): a.words for a in report.accesses}


@pytest.mark.parametrize("seed", range(24))
def test_counts_equal_the_walker_on_row_stationary_designs(seed):
    random = Random(seed)
    for _ in range(6):
        glb = memory("glb", ("ifmap", "ofmap"), depth=1 << 20) if random.random() < 0.8 else None
        architecture = spatial(glb=glb, bus=random.choice(BUSES))
        layer = problem(random)
        if layer.macs > 6000:
            continue
        loops = mapping(random, architecture, layer)
        assert counted(architecture, layer, loops) == walk(architecture, layer, loops), loops


@pytest.mark.parametrize("seed", range(24))
def test_counts_equal_the_walker_on_any_chain_of_memories(seed):
    random = Random(1000 + seed)
    for _ in range(6):
        architecture = chains(random)
        layer = problem(random)
        if layer.macs > 6000:
            continue
        loops = mapping(random, architecture, layer)
        assert counted(architecture, layer, loops) == walk(architecture, layer, loops), loops


@pytest.mark.parametrize("seed", range(40))
def test_counts_and_cycles_equal_the_walker_where_tiles_do_not_divide(seed):
    random = Random(2000 + seed)
    for _ in range(8):
        architecture = chains(random) if seed % 2 else spatial(bus=random.choice(BUSES))
        layer = problem(random)
        if layer.macs > 1200:
            continue
        loops = ragged_mapping(random, architecture, layer)
        report = AnalyticalModel().evaluate(architecture, layer, loops)
        found = {(a.level, a.tensor, a.direction): a.words for a in report.accesses}
        assert found == walk(architecture, layer, loops), loops
        assert (report.compute_cycles, layer.macs) == work(architecture, layer, loops), loops


def test_random_ragged_mappings_are_ragged_more_often_than_not():
    random = Random(0)
    uneven = 0
    for _ in range(50):
        architecture, layer = chains(random), problem(random)
        loops = ragged_mapping(random, architecture, layer)
        uneven += bool(division_violations(architecture, layer, loops))
    assert uneven > 25


def ragged_rows():
    """Seven rows in tiles of three over a buffer: 3, 3 and 1 of them."""
    design = spatial(glb=memory("glb", TENSORS, depth=1 << 10))
    layer = conv("rows", height=9, width=1, in_channels=1, out_channels=2, window=(3, 1))
    loops = Mapping(
        (
            LevelMapping("dram", (Loop("P", 3),)),
            LevelMapping("glb", (Loop("P", 1), Loop("R", 1), Loop("K", 1))),
        )
    )
    return design, layer, loops


def test_the_last_tile_is_as_long_as_what_is_left():
    words = counted(*ragged_rows())
    assert words["dram", "ifmap", "read"] == 9  # 5, then 3 new rows, then 1
    assert words["dram", "ofmap", "update"] == 14  # 6, 6 and 2, not 18
    report = AnalyticalModel().evaluate(*ragged_rows())
    assert report.compute_cycles == report.macs == 42


def test_the_timeloop_setting_refuses_tiles_that_do_not_divide():
    with pytest.raises(IllegalMappingError, match="division"):
        counted(*ragged_rows(), setting="timeloop")


@pytest.mark.parametrize(("setting", "taken"), [("default", 2), ("timeloop", 8)])
def test_partial_sums_enter_a_network_once_however_many_children_take_them(setting, taken):
    levels = (memory("dram", TENSORS), Fanout("array", 1, 2), memory("spad", ("ofmap",), depth=1))
    design = Architecture("chain", 10**9, "45nm", levels, Compute())
    layer = conv("c", height=1, width=1, in_channels=4, out_channels=2, window=(1, 1))
    # Four visits of a result by two children each; two of them go on with sums of before.
    nest = Mapping(
        (
            LevelMapping("dram", temporal=(Loop("C", 2), Loop("K", 1))),
            LevelMapping("array", y=(Loop("C", 1),)),
        )
    )
    report = AnalyticalModel(setting).evaluate(design, layer, nest)
    found = [x for x in report.traffic if x.tensor == "ofmap" and x.kind != "reduction"]
    assert [(x.words, x.deliveries) for x in found] == [(2, taken)]
    assert report.words("dram", "ofmap", "read") == 2
