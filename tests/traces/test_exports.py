import csv
import io
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from trace_samples import DESIGN, LAYER, MAPPING, regular

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.sim.probe import Folds
from arraysmith.traces import export_vcd as export_vcd_module
from arraysmith.traces.export import exporter, in_time, selected_streams
from arraysmith.traces.formats import FORMATS
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.schema import COLUMNS

TYPES = [column.dtype for column in COLUMNS]
OFFCHIP = (
    # request, response, address, size, tile, port
    ("dram/ifmap/read", [(0, 9, 100, 64, 0, 0), (0, 9, 192, 64, 0, 0), (7, 9, 256, 7, 1, 0)]),
    ("dram/ofmap/write", [(3, 4, 4096, 128, 0, 0), (7, 8, 64, 1, 1, 0)]),
)
SRAM = ("glb/ifmap/read", [(5, 6, 10, 1, 0, 0), (5, 6, 20, 1, 0, 2), (6, 7, 11, 1, 0, 0)])
FOLDS = [np.array(x) for x in ([0, 1], [0, 0], [0, 1], [0, 0], [2, 1], [3, 3], [0, 10])]


def tell(probe, stream, rows):
    columns = zip(*rows, strict=True)
    probe.requests(stream, *(np.array(x, t) for x, t in zip(columns, TYPES, strict=True)))


@pytest.fixture
def traces(tmp_path):
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        probe = writer.layer("a/b", DESIGN, LAYER, MAPPING, {"dram": {}})
        for stream, rows in (*OFFCHIP, SRAM):
            tell(probe, stream, rows)
        probe.stalls(*(np.array(x) for x in ([0, 9], [2, 3], [1, 0])), ("drain", "fill"))
        probe.folds(Folds(*FOLDS))
        probe.step_cycle(np.arange(5))
    with TraceFile(tmp_path / "t.h5") as opened:
        yield opened


def write(traces, tmp_path, name, **choice):
    files = exporter(name)(selected_streams(traces, **choice), tmp_path / "out")
    assert sorted(x.name for x in (tmp_path / "out").iterdir()) == sorted(x.name for x in files)
    return files


def test_transactions_of_64_bytes_in_time_for_the_dram_simulators(traces, tmp_path):
    reads = [(0x40, 0), (0x80, 0), (0xC0, 0), (0x100, 7)]
    writes = [(0x1000, 3), (0x1040, 3), (0x40, 7)]
    both = [*((c, "R", a) for a, c in reads), *((c, "W", a) for a, c in writes)]
    both.sort(key=lambda row: row[:2])
    for name, line in (
        ("ramulator", lambda c, way, a: f"0x{a:x} {way}"),
        ("ramulator2", lambda c, way, a: f"{'LD' if way == 'R' else 'ST'} 0x{a:x}"),
        ("dramsim3", lambda c, way, a: f"0x{a:x} {'READ' if way == 'R' else 'WRITE'} {c}"),
    ):
        (path,) = exporter(name)(selected_streams(traces), tmp_path / name)
        assert path.name == f"a-b.{name}.trace"
        assert path.read_text().splitlines() == [line(*row) for row in both]


def test_a_stream_on_chip_is_nothing_for_a_dram_simulator(traces, tmp_path):
    with pytest.raises(InputError, match="none of these is off-chip"):
        write(traces, tmp_path, "ramulator", stream="glb/ifmap/read")


def test_the_scalesim_layout_has_a_column_per_port_and_minus_one_for_none(traces, tmp_path):
    (path,) = write(traces, tmp_path, "scalesim", stream="glb/ifmap/read")
    # Port 1 never asks, so it has no column; port 2 is the second one.
    assert path.read_text() == "5,10,20\n6,11,-1\n"


def test_a_channel_with_two_requests_in_a_cycle_gets_two_columns(traces, tmp_path):
    (path,) = write(traces, tmp_path, "scalesim", stream="dram/ifmap/read")
    assert path.read_text() == "0,100,192\n7,256,-1\n"


def test_the_scalesim_layout_of_a_long_stream_holds_every_request_once(tmp_path):
    columns = regular(40, 900, 3, wait=4)
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        probe.requests("glb/ifmap/read", *columns.values())
    with TraceFile(tmp_path / "t.h5") as traces:
        (path,) = write(traces, tmp_path, "scalesim")
    with path.open(newline="") as file:
        table = np.array([[int(cell) for cell in row] for row in csv.reader(file)])
    row, port = np.nonzero(table[:, 1:] >= 0)
    np.testing.assert_array_equal(table[row, 0], columns["request_cycle"])
    np.testing.assert_array_equal(port, columns["port"])
    np.testing.assert_array_equal(table[row, 1 + port], columns["address"])


def test_a_timeline_shows_folds_stalls_and_tiles_at_their_cycles(traces, tmp_path):
    (path,) = write(traces, tmp_path, "perfetto")
    subprocess.run([sys.executable, "-m", "json.tool", path], check=True, capture_output=True)
    events = json.loads(path.read_text())["traceEvents"]
    stalls = [(x["name"], x["ts"], x["dur"]) for x in events if x["ph"] == "X"]
    assert stalls == [("fill", 0, 2), ("drain", 9, 3)]
    spans = {}
    for x in events:
        if x["ph"] in "be":
            spans.setdefault((x["cat"], x["name"], x["id"]), []).append(x["ts"])
    assert spans == {
        # Array cycles 0 to 7 and 10 to 16; the array waits before cycles 0 (2) and 7 (3).
        ("fold", "fold 0", 0): [2, 13],
        ("fold", "fold 1", 1): [15, 22],
        ("dram/ifmap/read", "tile 0", 0): [0, 9],
        ("dram/ifmap/read", "tile 1", 1): [7, 9],
        ("dram/ofmap/write", "tile 0", 0): [3, 4],
        ("dram/ofmap/write", "tile 1", 1): [7, 8],
        ("glb/ifmap/read", "tile 0", 0): [5, 7],
    }
    tracks = [x["args"]["name"] for x in events if x["ph"] == "M" and x["name"] == "thread_name"]
    assert tracks == ["folds", "drain", "fill", *(name for name, _ in (*OFFCHIP, SRAM))]


def test_waveforms_show_every_address_for_its_cycle(traces, tmp_path):
    (path,) = write(traces, tmp_path, "vcd")
    names, now, seen = {}, 0, []
    for line in io.StringIO(path.read_text()):
        words = line.split()
        if line.startswith("$scope"):
            scope = words[2]
        elif line.startswith("$var"):
            names[words[3]] = f"{scope}.{words[4]}"
        elif line.startswith("#"):
            now = int(line[1:])
        elif line.startswith("b"):
            seen.append((now, names[words[1]], words[0][1:]))
    period = 10**12 // DESIGN.clock_hz
    want = [
        (cycle * period, x)
        for cycle, x in (
            *((0, "read.port0_0 100"), (0, "read.port0_1 192"), (1, "read.port0_0 z")),
            *((1, "read.port0_1 z"), (3, "write.port0 4096"), (4, "write.port0 z")),
            *(
                (5, "read.port0 10"),
                (5, "read.port2 20"),
                (6, "read.port0 11"),
                (6, "read.port2 z"),
            ),
            *((7, "read.port0 z"), (7, "read.port0_0 256"), (7, "write.port0 64")),
            *((8, "read.port0_0 z"), (8, "write.port0 z")),
        )
    ]
    got = [
        (when, f"{name} {value if value == 'z' else int(value, 2)}")
        for when, name, value in seen
        if value != "z" or when > 0
    ]
    assert sorted(got) == sorted(want)
    assert [when for when, *_ in seen] == sorted(when for when, *_ in seen)


def test_waveforms_without_pyvcd_say_what_to_install(traces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vcd.writer", None)
    monkeypatch.delitem(sys.modules, "vcd", raising=False)
    with pytest.raises(ArraysmithError, match=r"pip install 'arraysmith\[vcd\]'"):
        export_vcd_module.export_vcd(selected_streams(traces), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scalesim", "cycle"),
        ("scalesim", "port"),
        ("ramulator", "cycle"),  # has no ports
        ("vcd", "cycle"),
        ("vcd", "port"),
    ],
)
def test_a_stream_out_of_order_is_refused_where_the_format_needs_order(name, kind, tmp_path):
    rows = [(5, 6, 0, 1, 0, 1), (4, 5, 0, 1, 0, 1) if kind == "cycle" else (5, 6, 9, 1, 0, 0)]
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        tell(writer.layer("one", DESIGN, LAYER, MAPPING, {"dram": {}}), "dram/ifmap/read", rows)
    message = "goes back in time" if kind == "cycle" else "not ordered by port"
    with TraceFile(tmp_path / "t.h5") as traces, pytest.raises(InputError, match=message):
        exporter(name)(selected_streams(traces), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_streams_merge_in_time_with_whole_cycles_whatever_the_chunks(tmp_path, monkeypatch):
    random = np.random.default_rng(3)
    rows = {}
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        for number, name in enumerate(("a/b/read", "c/d/read", "e/f/write")):
            cycles = np.sort(random.integers(0, 60, (300, 7, 120)[number]))
            rows[number] = [(int(c), int(c), k, 1, 0, 0) for k, c in enumerate(cycles)]
            tell(probe, name, rows[number])
    monkeypatch.setattr("arraysmith.traces.export.CHUNK_RECORDS", 16)
    with TraceFile(tmp_path / "t.h5") as traces:
        parts = list(in_time(traces.layers[0].streams))
    got = [
        row
        for part in parts
        for row in zip(
            *(part[x].tolist() for x in ("request_cycle", "stream", "address")), strict=True
        )
    ]
    assert got == sorted((c, number, k) for number in rows for c, _, k, *_ in rows[number])
    edges = [(x["request_cycle"][0], x["request_cycle"][-1]) for x in parts]
    assert len(parts) > 5
    assert all(before[1] < after[0] for before, after in itertools.pairwise(edges))


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"readmemh"}))  # that has its own tests
def test_every_format_refuses_to_overwrite_and_leaves_nothing_behind(name, traces, tmp_path):
    seen = []
    streams = selected_streams(traces)
    files = exporter(name)(streams, tmp_path / "out", advance=seen.append)
    content = [path.read_bytes() for path in files]
    assert all(content)
    assert sum(seen) == sum(
        len(x)
        for _, x in streams
        if x.memory == "dram" or name in {"csv", "scalesim", "perfetto", "vcd"}
    )
    with pytest.raises(InputError, match="is there already: add --overwrite"):
        exporter(name)(streams, tmp_path / "out")
    exporter(name)(streams, tmp_path / "out", overwrite=True)
    assert [path.read_bytes() for path in files] == content
    assert len(list((tmp_path / "out").iterdir())) == len(files)
