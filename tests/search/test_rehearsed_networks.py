"""Rehearsals of networks, DRAMs, and memories that fill in turn, against the simulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arraysmith.arch.architecture import Architecture, Fanout, FlitWiring, Memory, Tree
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.dram import Dram
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.problem import conv
from arraysmith.search.calibration_sample import draw
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.run import rehearse
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.dram.device_file import load_device

LAYER = conv(
    "small",
    height=7,
    width=7,
    in_channels=16,
    out_channels=16,
    window=(3, 3),
    padding=(1, 1),
)


def errors(
    design: Architecture, dataflow: str, known: Architecture, samples: int
) -> tuple[float, float]:
    """Mean errors of random mappings of ``design``, rehearsed as ``design`` and as ``known``."""
    flow = load_dataflow(dataflow, design)
    drawn = draw(design, LAYER, flow, samples, 3000, np.random.SeedSequence(0))
    found = []
    for x in (design, known):
        these = []
        for mapping in drawn.mappings:
            report = AnalyticalModel().evaluate(x, LAYER, mapping)
            simulated = CycleModel().evaluate(design, LAYER, mapping).cycles
            these.append(abs(sum(rehearse(x, LAYER, mapping, report).cycles) / simulated - 1))
        found.append(float(np.mean(these)))
    mine, other = found
    return mine, other


def without_networks(design: Architecture) -> Architecture:
    """The design with buses that count like its networks; a tree's root rate for every tensor."""
    levels = []
    for level in design.levels:
        if isinstance(level, Fanout) and isinstance(level.network, Tree | FlitWiring):
            assert level.bus is not None
            rate = getattr(level.network, "down_words_per_cycle", None)
            bus = replace(level.bus, words_per_cycle=rate)
            levels.append(replace(level, network=bus))
        else:
            levels.append(level)
    return replace(design, levels=tuple(levels))


@pytest.mark.parametrize(
    ("name", "dataflow", "most"),
    [
        ("maeri-trees", "maeri_like", 0.03),
        ("simba-mesh", "simba_like", 0.08),
        ("simba-wireless", "simba_like", 0.03),
    ],
)
def test_trees_and_routed_networks_are_rehearsed_nearer_than_as_buses(name, dataflow, most):
    design = load_architecture(name)
    mine, as_buses = errors(design, dataflow, without_networks(design), 14)
    assert mine < most
    assert mine < as_buses


def test_words_that_neighbours_pass_on_are_rehearsed():
    design = load_architecture("shidiannao-like")
    levels = [
        replace(x, network=replace(x.bus, forwarding=None))
        if isinstance(x, Fanout) and x.bus is not None
        else x
        for x in design.levels
    ]
    plain = replace(design, levels=tuple(levels))
    mine, without = errors(design, "shidiannao_like", plain, 14)
    assert mine < 0.04
    assert mine < 0.5 * without


def test_memories_that_fill_after_others_are_rehearsed_so():
    plain = load_architecture("eyeriss")
    levels = [
        replace(x, fills_after="weight_spad")
        if isinstance(x, Memory) and x.name == "ifmap_spad"
        else x
        for x in plain.levels
    ]
    mine, side_by_side = errors(replace(plain, levels=tuple(levels)), "row_stationary", plain, 14)
    assert mine < 0.03
    assert mine < side_by_side


@pytest.mark.parametrize(("device", "most"), [("ddr4_2400", 0.08), ("hbm2_8ch", 0.1)])
def test_drams_are_rehearsed_nearer_than_at_their_peak_rate(device, most):
    plain = load_architecture("nvdla-like")
    memory = replace(plain.levels[0], dram=Dram(device, load_device(device)))
    memory = memory.with_dram_rates(plain.clock_hz)
    design = replace(plain, levels=(memory, *plain.levels[1:]))
    at_peak = replace(plain, levels=(replace(memory, dram=None), *plain.levels[1:]))
    mine, other = errors(design, "nvdla_like", at_peak, 14)
    assert mine < most
    assert mine < 0.3 * other
