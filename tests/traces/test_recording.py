"""Simulating a layer into a trace file, whole or only some memories of it."""

from __future__ import annotations

import numpy as np
from trace_samples import DESIGN, LAYER, MAPPING

from arraysmith.arch.problem import Layer
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.recording import simulate_layer


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
