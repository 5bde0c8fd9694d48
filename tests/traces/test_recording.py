"""Simulating a layer into a trace file, whole or only some memories of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from trace_samples import DESIGN, LAYER, MAPPING

from arraysmith.arch.architecture import Memory
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import Layer, Network, conv, matmul
from arraysmith.sim.probe import LINK_BITS
from arraysmith.sim.waits import WaitTotals
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.recording import LayerRun, layer_folder, simulate_layer, simulate_network

TWO = (
    ("dram", "t", "P", 5),
    ("glb", "t", "C", 2),
    ("array", "x", "Q", 3),
    ("array", "y", "K", 2),
    ("spad", "t", "Q", 2),
    ("spad", "t", "K", 2),
)


def record(path, memories):
    with TraceWriter(path, {}) as writer:
        report = simulate_layer(DESIGN, Layer(LAYER), MAPPING, writer, memories)
    with TraceFile(path) as traces:
        (layer,) = traces.layers
        return report, {stream.name: stream.columns() for stream in layer.streams}


def test_only_the_memories_asked_for_are_recorded_and_their_requests_are_the_same(tmp_path):
    report, everything = record(tmp_path / "all.h5", None)
    offchip = DESIGN.memories[0].name
    same, some = record(tmp_path / "some.h5", frozenset({offchip}))
    assert same == report
    assert set(some) == {name for name in everything if name.startswith(f"{offchip}/")}
    assert set(everything) > set(some) > set()
    for name, columns in some.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(values, everything[name][column])


def test_recording_does_not_change_the_simulation(tmp_path):
    assert record(tmp_path / "t.h5", None)[0] == simulate_layer(DESIGN, Layer(LAYER), MAPPING)


def test_what_several_processes_have_done_when_one_fails_is_kept(tmp_path):
    path = tmp_path / "t.h5"
    layers = [Layer(LAYER), Layer(matmul("two", m=2, n=2, k=2))]
    run = LayerRun(DESIGN, {"one": MAPPING}, None, layer_folder(path))
    network = Network("both", tuple(layers))
    with pytest.raises(KeyError, match="two"), TraceWriter(path, {}) as writer:
        simulate_network(network, run, writer, 2, lambda: None)
    assert [x.name for x in tmp_path.iterdir()] == ["t.h5.part"]
    with TraceFile(f"{path}.part", part=True) as traces:
        (layer,) = traces.layers
        kept = {stream.name: len(stream) for stream in layer.streams}
    _, whole = record(tmp_path / "whole.h5", None)
    assert kept == {name: len(columns["tile"]) for name, columns in whole.items()}


def design_of(random):
    """A random rate, latency and buffering of DESIGN's memories."""
    levels = []
    for level in DESIGN.levels:
        if isinstance(level, Memory):
            level = replace(  # noqa: PLW2901 - the copy stands for the original
                level,
                read_words_per_cycle=random.choice((None, Fraction(1, 2), Fraction(2))),
                write_words_per_cycle=random.choice((None, Fraction(1), Fraction(3))),
                double_buffered=random.random() < 0.7,
                latency_cycles=0 if level.depth else random.choice((0, 10, 50)),
                ports=random.choice((1, 2)),
            )
        levels.append(level)
    return replace(DESIGN, levels=tuple(levels))


def test_the_waits_in_a_trace_add_up_to_the_causes_of_the_report_exactly(tmp_path):
    for seed in range(8):
        design, path = design_of(Random(seed)), tmp_path / f"{seed}.h5"
        waits = WaitTotals()
        with TraceWriter(path, {}) as writer:
            report = simulate_layer(design, Layer(LAYER), MAPPING, writer, waits=waits)
        with TraceFile(path) as traces:
            (layer,) = traces.layers
            told = {cause: cycles for cause, cycles in layer.stall_cycles().items() if cycles}
            assert told == {cause: cycles for cause, cycles in report.stalls if cycles}
            assert layer.wait_totals().chains == waits.chains
            chains = layer.chains()
        assert (chains.chain & ((1 << LINK_BITS) - 1) == layer_causes(path)).all()
        assert (np.diff(chains.step) >= 0).all()


def layer_causes(path):
    with TraceFile(path) as traces:
        return traces.layers[0].stalls()["cause"]


def test_what_layers_waited_for_is_the_same_for_any_number_of_processes(tmp_path):
    layers = [
        Layer(LAYER),
        Layer(conv("two", height=5, width=6, in_channels=2, out_channels=4, window=(1, 1))),
    ]
    network = Network("both", tuple(layers))
    mappings = {"one": MAPPING, "two": from_factors(DESIGN, TWO)}
    run = LayerRun(DESIGN, mappings, None, None, explained=True)
    alone = simulate_network(network, run, None, 1, lambda: None)
    together = simulate_network(network, run, None, 2, lambda: None)
    assert alone[0] == together[0]
    assert list(alone[1]) == ["one", "two"]
    assert [x.chains for x in alone[1].values()] == [x.chains for x in together[1].values()]
    assert simulate_network(network, replace(run, explained=False), None, 1, lambda: None)[1] == {}
