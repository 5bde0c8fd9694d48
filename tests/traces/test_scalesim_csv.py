from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import InputError
from arraysmith.sim.cycle.scalesim.layer import ReadPort, Shape, ToolMachine
from arraysmith.sim.cycle.scalesim.run import run_layer
from arraysmith.traces.scalesim_csv import TRACES, ScaleSimFolder, ScaleSimTraces

MACHINE = ToolMachine(4, 3, "ws", False, ReadPort(1024, 0), ReadPort(1024, 9000), 1024, 99000, 3)
SHAPE = Shape(7, 7, 3, 3, 4, 5)


def read(path):
    return [[float(x) for x in line.split(",")] for line in path.read_text().splitlines()]


def test_a_trace_has_a_row_per_cycle_and_a_column_per_port(tmp_path):
    with ScaleSimTraces(tmp_path) as probe:
        result = run_layer(MACHINE, SHAPE, probe)
    assert sorted(x.name for x in tmp_path.iterdir()) == sorted(TRACES)
    for name, ports in (("IFMAP", 4), ("FILTER", 3), ("OFMAP", 3)):
        rows = read(tmp_path / f"{name}_SRAM_TRACE.csv")
        assert len(rows) == result.demand_rows
        assert {len(row) for row in rows} == {1 + ports}
        assert "." not in (tmp_path / f"{name}_SRAM_TRACE.csv").read_text()
    moved = [x for row in read(tmp_path / "OFMAP_DRAM_TRACE.csv") for x in row[1:] if x >= 0]
    assert len(moved) == result.sram[2].words
    assert set(moved) == set(range(99000, 99000 + 25 * 5))


class Rows:
    """Transfers of given widths, for the operand that has them."""

    def __init__(self, probe):
        for start, width in ((-3, 2), (5, 0), (6, 3)):
            probe.dram("ifmap", start, np.full((2, width), 1234567, np.int64))


def test_rows_of_different_widths_are_filled_up_with_ones(tmp_path):
    with ScaleSimTraces(tmp_path) as probe:
        Rows(probe)
    assert (tmp_path / "IFMAP_DRAM_TRACE.csv").read_text() == (
        "-3.0,1234567.0,1234567.0,1.0\n-2.0,1234567.0,1234567.0,1.0\n"
        "5.0,1.0,1.0,1.0\n6.0,1.0,1.0,1.0\n"
        "6.0,1234567.0,1234567.0,1234567.0\n7.0,1234567.0,1234567.0,1234567.0\n"
    )


@given(st.lists(st.integers(-(10**17), 10**17), min_size=1, max_size=20))
def test_numbers_are_written_as_python_writes_them(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("n")
    with ScaleSimTraces(folder) as probe:
        probe.dram("ofmap", 0, np.array([numbers], np.int64))
    text = (folder / "OFMAP_DRAM_TRACE.csv").read_text()
    assert text == ",".join(f"{x}.0" for x in (0, *numbers)) + "\n"


def test_nothing_is_left_under_the_name_when_writing_fails(tmp_path):
    with (
        pytest.raises(RuntimeError),
        ScaleSimFolder(tmp_path / "out") as folder,
        folder.traces(0),
    ):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_leaves_a_part_that_the_next_run_replaces(tmp_path):
    program = """
import os, signal, sys
from arraysmith.traces.scalesim_csv import ScaleSimFolder
with ScaleSimFolder(sys.argv[1]) as folder, folder.traces(0):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", program, out], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [x.name for x in tmp_path.iterdir()] == ["out.part"]
    with ScaleSimFolder(out) as folder, folder.traces(0) as probe:
        folder.reports([run_layer(MACHINE, SHAPE, probe)])
    assert [x.name for x in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_there_or_nowhere_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "no" / "out"):
        with pytest.raises(InputError):
            ScaleSimFolder(path)
