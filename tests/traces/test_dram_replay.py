from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, Systolic
from arraysmith.arch.dataflows import load_dataflow, systolic_mapping
from arraysmith.arch.dram import read_dram
from arraysmith.arch.problem import TENSORS, Layer, matmul
from arraysmith.sim.dram.controller import Controller
from arraysmith.traces.export import exporter, in_time, selected_streams
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.recording import simulate_layer


def design(dram: str, most: int | None) -> Architecture:
    """A systolic array whose SRAMs take words as they come."""
    memory = replace(Memory("dram", "lpddr4", TENSORS, 64, 8), dram=read_dram(dram))
    return Architecture(
        name="replayed",
        clock_hz=700_000_000,
        technology="45nm",
        levels=(
            replace(memory, requests_in_flight=most).with_dram_rates(700_000_000),
            *(Memory(f"{x}_sram", "sram", (x,), 64, 8, 256) for x in TENSORS),
            Fanout("array", 16, 16, Systolic()),
        ),
        compute=Compute(),
    )


@pytest.mark.parametrize("dram", ["ddr4_2400", "lpddr4_2400_x32", "hbm2_1ch"])
def test_exported_requests_replayed_in_the_memory_come_back_as_the_trace_says(dram, tmp_path):
    chip = design(dram, 8)
    layer = Layer(matmul("mm", m=96, n=48, k=100))
    mapping = systolic_mapping(load_dataflow("weight_stationary", chip), chip, layer.problem)
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        report = simulate_layer(chip, layer, mapping, writer, frozenset({"dram"}))
    device = chip.levels[0].dram.device
    controller = Controller(device, device.cycles_per(chip.clock_hz))
    with TraceFile(tmp_path / "t.h5") as traces:
        (path,) = exporter("dramsim3")(selected_streams(traces), tmp_path / "out")
        columns = list(in_time([stream for _, stream in selected_streams(traces)]))
    address, size, back = (
        np.concatenate([part[name] for part in columns]).astype(np.int64)
        for name in ("address", "size", "response_cycle")
    )
    idents = []
    for line in path.read_text().splitlines():
        place, way, cycle = line.split()
        idents += controller.submit(int(place, 16), 64, way == "WRITE", int(cycle)).tolist()
    done = controller.finish()
    returned = np.empty(len(idents), np.int64)
    returned[done.ident] = done.returned
    # A request of the trace is one line per block that it touches, and comes back with the last;
    # requests come back in the order of the program.
    blocks = (address + size - 1) // 64 - address // 64 + 1
    last = np.maximum.reduceat(returned, np.cumsum(blocks) - blocks)
    assert blocks.sum() == len(idents) == report.dram.reads + report.dram.writes
    np.testing.assert_array_equal(np.maximum.accumulate(last), back)
    assert len(idents) > 300
    controller.advance(report.cycles)
    assert controller.stats().reads == report.dram.reads
