"""Simulating a layer into a trace file, whole or only some memories of it."""

from __future__ import annotations

import numpy as np
import pytest
from trace_samples import DESIGN, LAYER, MAPPING

from arraysmith.arch.problem import Layer, Network, matmul
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.recording import LayerRun, layer_folder, simulate_layer, simulate_network


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
