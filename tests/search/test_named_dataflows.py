"""Every named dataflow maps a layer on a design that it is for, and both models run it."""

from __future__ import annotations

import pytest

from arraysmith.arch.architecture import Fanout
from arraysmith.arch.dataflows import SYSTOLIC, dataflow_names, load_dataflow, systolic_mapping
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import placed_loops
from arraysmith.arch.problem import conv
from arraysmith.search.mapper import find_mapping
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel

LAYER = conv("layer", height=10, width=10, in_channels=8, out_channels=16, window=(3, 3))

DESIGNS = {
    "input_stationary": "scalesim-default",
    "maeri_like": "maeri-like",
    "no_local_reuse": "diannao-like",
    "nvdla_like": "nvdla-like",
    "output_stationary": "scalesim-default",
    "row_stationary": "eyeriss",
    "shidiannao_like": "shidiannao-like",
    "simba_like": "simba-like",
    "tpu_like": "tpu-v1",
    "weight_stationary": "scalesim-default",
}

TWO_ARRAYS = ("simba_like",)
"""Dataflows for designs with an array in each PE, which the simulator does not take."""


def mapped(name):
    architecture = load_architecture(DESIGNS[name])
    dataflow = load_dataflow(name)
    if name in SYSTOLIC:
        return architecture, dataflow, systolic_mapping(dataflow, architecture, LAYER)
    found = find_mapping(architecture, LAYER, dataflow, setting="default", samples=400)
    return architecture, dataflow, found


@pytest.mark.parametrize("name", dataflow_names())
def test_a_dataflow_has_a_legal_mapping_that_keeps_its_rules(name):
    architecture, dataflow, mapping = mapped(name)
    assert not check_mapping(architecture, LAYER, mapping)
    levels = [*architecture.levels, architecture.compute]
    turning = [x for x in placed_loops(architecture, LAYER.size, mapping) if x.count > 1]
    for loop in turning:
        level = levels[loop.level]
        rule = dataflow.rule(level.name)
        spatial = {"x": rule.x, "y": rule.y} if isinstance(level, Fanout) else {"t": rule.temporal}
        allowed = spatial[loop.axis]
        assert allowed is None or loop.dim in allowed
    assert any(isinstance(levels[x.level], Fanout) for x in turning)


@pytest.mark.parametrize("name", [x for x in dataflow_names() if x not in TWO_ARRAYS])
def test_both_models_run_it_and_count_the_same_work(name):
    architecture, _, mapping = mapped(name)
    estimated = AnalyticalModel().evaluate(architecture, LAYER, mapping)
    simulated = CycleModel().evaluate(architecture, LAYER, mapping)
    assert estimated.macs == simulated.macs == LAYER.macs
    assert estimated.compute_cycles <= estimated.cycles
    assert simulated.cycles * architecture.pes >= LAYER.macs
    words = {(x.level, x.tensor, x.direction): x.words for x in estimated.accesses if x.words}
    assert words == {
        (x.level, x.tensor, x.direction): x.words for x in simulated.accesses if x.words
    }
