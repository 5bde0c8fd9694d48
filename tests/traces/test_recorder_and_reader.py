import itertools
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_samples import DESIGN, LAYER, MAPPING, STREAMS, fill, regular, requests

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.loader import mapping_document
from arraysmith.sim.probe import Folds
from arraysmith.traces import recorder as recorder_module
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.schema import CHUNK_RECORDS, COLUMNS

PROVENANCE = {"tool": "arraysmith", "seed": 7, "nested": {"list": [1, 2.5, None]}}


def write(path, count=500, batch=100):
    with TraceWriter(path, PROVENANCE) as writer:
        fill(writer, "one", count, batch, repeat=3)
        fill(writer, "conv/2 at 50%", 20, 7)
    return path


def test_what_was_recorded_is_what_is_read(tmp_path):
    with TraceFile(write(tmp_path / "t.h5")) as traces:
        assert [layer.name for layer in traces.layers] == ["one", "conv/2 at 50%"]
        assert [layer.repeat for layer in traces.layers] == [3, 1]
        assert traces.provenance == PROVENANCE
        assert traces.seed == 7
        layer = traces.layer("one")
        assert layer.clock_hz == DESIGN.clock_hz
        assert layer.problem["sizes"] == LAYER.size
        assert layer.mapping == mapping_document(MAPPING, "tiny")
        assert layer.address_map == {"dram": {"ifmap": 0}}
        assert [stream.name for stream in layer.streams] == list(STREAMS)
        for seed, stream in enumerate(layer.streams):
            for name, expected in requests(500, seed).items():
                np.testing.assert_array_equal(stream.columns()[name], expected)


def test_columns_have_the_types_and_units_of_the_schema_for_plain_h5py(tmp_path):
    with h5py.File(write(tmp_path / "t.h5"), "r") as file:
        group = file["layers/one/dram/ifmap/read"]
        for column in COLUMNS:
            data = group[column.name]
            assert data.dtype == column.dtype
            assert data.attrs["unit"] == column.unit
            assert data.chunks == (500,)
            assert (data.compression, data.compression_opts, data.shuffle) == ("gzip", 1, True)
        assert file.attrs["schema_version"] == 3
        assert file["layers/one"].attrs["clock_hz"] == 200_000_000


@settings(max_examples=10, deadline=None)
@given(
    count=st.integers(1, 40),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    chunk=st.integers(1, 12),
)
def test_batches_of_any_size_give_the_same_columns(tmp_path_factory, count, cuts, chunk):
    path = tmp_path_factory.mktemp("batches") / "t.h5"
    columns = requests(count, 5)
    edges = sorted({0, count, *(cut for cut in cuts if cut < count)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder_module, "CHUNK_RECORDS", chunk)
        with TraceWriter(path, {}) as writer:
            probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
            for start, stop in itertools.pairwise(edges):
                probe.requests("dram/ifmap/read", *(x[start:stop] for x in columns.values()))
    with TraceFile(path) as traces:
        stream = traces.layer("one").stream("dram/ifmap/read")
        assert len(stream) == count
        parts = list(stream.chunks(chunk))
        assert all(len(part["tile"]) <= chunk for part in parts)
        for name, expected in columns.items():
            np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), expected)


def test_a_stream_longer_than_a_chunk_survives(tmp_path):
    count = CHUNK_RECORDS + 17
    columns = requests(count, 3)
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        probe.requests("dram/ifmap/read", *columns.values())
    with TraceFile(tmp_path / "t.h5") as traces:
        stream = traces.layer("one").stream("dram/ifmap/read")
        for name, expected in columns.items():
            np.testing.assert_array_equal(stream.columns()[name], expected)
        summary = stream.summary()
    assert summary.requests == count
    assert summary.total_bytes == int(columns["size"].sum())
    assert summary.first_cycle == columns["request_cycle"].min()
    assert summary.last_cycle == columns["response_cycle"].max()
    assert summary.tiles == columns["tile"].max() + 1


def test_equal_runs_give_equal_bytes_whatever_the_batches(tmp_path):
    first = write(tmp_path / "a.h5", batch=100).read_bytes()
    assert write(tmp_path / "b.h5", batch=33).read_bytes() == first
    assert write(tmp_path / "c.h5", count=499).read_bytes() != first


def test_other_processes_write_the_same_bytes(tmp_path):
    first = write(tmp_path / "a.h5").read_bytes()
    program = (
        "import sys; from pathlib import Path;"
        "from test_recorder_and_reader import write; write(Path(sys.argv[1]))"
    )
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.h5"
        here = str(Path(__file__).parent)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": here}
        subprocess.run([sys.executable, "-c", program, str(path)], check=True, env=environment)
        assert path.read_bytes() == first


def test_stalls_folds_and_step_cycles_read_back_and_give_the_clock(tmp_path):
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        names = ("fill", "sram_ifmap")
        for cycle, cycles, cause in (([0, 5], [2, 1], [0, 1]), ([9], [4], [1])):
            probe.stalls(np.array(cycle), np.array(cycles), np.array(cause), names)
        with pytest.raises(ArraysmithError, match="causes of stalls were"):
            probe.stalls(np.array([20]), np.array([1]), np.array([0]), ("drain",))
        for number in (0, 1):
            probe.folds(Folds(*(np.array([number + k]) for k in range(7))))
        probe.step_cycle(np.array([0, 1, 4]))
        with pytest.raises(ArraysmithError, match="recorded already"):
            probe.step_cycle(np.array([0]))
        told = frozenset({"stalls"})
        silent = writer.layer("silent", DESIGN, LAYER, MAPPING, {}, memories=told)
        assert silent.wants("stalls")
    with TraceFile(tmp_path / "t.h5") as traces:
        layer = traces.layer("one")
        assert layer.streams == ()
        assert layer.causes == names
        assert layer.stall_cycles() == {"fill": 2, "sram_ifmap": 5}
        assert layer.stalls()["cause"].tolist() == [0, 1, 1]
        assert [x.tolist() for x in layer.folds().values()] == [[k, k + 1] for k in range(7)]
        assert layer.step_cycle().tolist() == [0, 1, 4]
        # Waits delay array cycles 0 (by 2), 3 (clock 5 less 2, by 1) and 6 (clock 9 less 3, by 4).
        assert layer.clock_cycle(np.arange(8)).tolist() == [2, 3, 4, 6, 7, 8, 13, 14]
        layer = traces.layer("silent")
        assert (layer.stalls(), layer.folds(), layer.step_cycle()) == (None, None, None)
        assert (layer.causes, layer.stall_cycles(), layer.values()) == ((), {}, None)
        assert layer.clock_cycle(np.arange(3)).tolist() == [0, 1, 2]


def test_memories_may_have_the_names_that_a_layer_uses_itself(tmp_path):
    names = [f"{memory}/ifmap/read" for memory in ("stalls", "folds", "step_cycle", "values")]
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        probe.step_cycle(np.array([0]))
        for name in names:
            probe.requests(name, *requests(3, 1).values())
    with TraceFile(tmp_path / "t.h5") as traces:
        assert [stream.name for stream in traces.layer("one").streams] == names


def test_files_of_several_processes_become_one(tmp_path):
    for name in ("one", "two"):
        with TraceWriter(tmp_path / name, {}) as writer:
            fill(writer, name, 50)
    with TraceWriter(tmp_path / "both.h5", PROVENANCE) as writer:
        writer.adopt(tmp_path / "one")
        writer.adopt(tmp_path / "two")
        with pytest.raises(ArraysmithError, match="'one' is recorded already"):
            writer.adopt(tmp_path / "one")
    with TraceWriter(tmp_path / "alone.h5", PROVENANCE) as writer:
        fill(writer, "one", 50)
        fill(writer, "two", 50)
    assert (tmp_path / "both.h5").read_bytes() == (tmp_path / "alone.h5").read_bytes()


def test_interleaved_streams_give_equal_bytes_whatever_the_batches(tmp_path):
    regulars, irregulars = regular(4, 9000, 3), requests(CHUNK_RECORDS + 900, 1)
    for name, batch in (("a", 10**6), ("b", 30_011), ("c", 70_001)):
        with TraceWriter(tmp_path / name, {}) as writer:
            probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
            for start in range(0, len(regulars["tile"]), batch):
                part = slice(start, start + batch)
                probe.requests("glb/ifmap/read", *(x[part] for x in regulars.values()))
                if start < len(irregulars["tile"]):
                    probe.requests("dram/ifmap/read", *(x[part] for x in irregulars.values()))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_when_something_was_flushed_does_not_change_the_bytes(tmp_path, monkeypatch):
    regulars, irregulars = regular(4, 9000, 3), requests(CHUNK_RECORDS + 900, 1)
    for name, seconds in (("never", 1e9), ("always", 0.0)):
        monkeypatch.setattr(recorder_module, "FLUSH_SECONDS", seconds)
        with TraceWriter(tmp_path / f"own-{name}", {}) as writer:
            fill(writer, "own", 50)
        with TraceWriter(tmp_path / name, {}) as writer:
            fill(writer, "one", 50)
            writer.adopt(tmp_path / f"own-{name}")
            probe = writer.layer("two", DESIGN, LAYER, MAPPING, {})
            for _ in range(3):
                for stream, columns in (("glb/ifmap/read", regulars), ("a/b/write", irregulars)):
                    probe.requests(stream, *columns.values())
                probe.stalls(*(np.arange(3) for _ in range(3)), ("one", "two", "three"))
                writer.wrote()
    assert (tmp_path / "never").read_bytes() == (tmp_path / "always").read_bytes()


def write_and_crash(path):
    with TraceWriter(path, {}) as writer:
        fill(writer)
        raise RuntimeError("boom")


def test_a_crash_leaves_only_the_part_and_the_reader_says_so(tmp_path):
    path = tmp_path / "t.h5"
    with pytest.raises(RuntimeError, match="boom"):
        write_and_crash(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.h5.part"]
    with pytest.raises(InputError, match=r"no such file: t.h5.part is there: .* did not finish"):
        TraceFile(path)
    with pytest.raises(InputError, match="did not finish"):
        TraceFile(tmp_path / "t.h5.part")


def test_a_crash_leaves_an_older_file_alone(tmp_path):
    before = write(tmp_path / "t.h5").read_bytes()
    with pytest.raises(RuntimeError):
        write_and_crash(tmp_path / "t.h5")
    assert (tmp_path / "t.h5").read_bytes() == before


def test_a_run_that_fails_before_its_first_request_leaves_nothing(tmp_path):
    with (
        pytest.raises(ArraysmithError, match="unsupported"),
        TraceWriter(tmp_path / "t.h5", {}) as writer,
    ):
        fail_early(writer)
    assert list(tmp_path.iterdir()) == []


def fail_early(writer):
    writer.layer("one", DESIGN, LAYER, MAPPING, {})
    raise ArraysmithError("unsupported")


def test_files_that_are_no_traces_are_refused_with_the_reason(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        TraceFile(tmp_path / "none.h5")
    with pytest.raises(InputError, match="is not a file"):
        TraceFile(tmp_path)
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match="is not an HDF5 file"):
        TraceFile(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1]
    with pytest.raises(InputError, match="holds no traces of arraysmith"):
        TraceFile(tmp_path / "other.h5")


def test_files_of_the_version_before_are_read(tmp_path):
    path = tmp_path / "old.h5"
    with TraceWriter(path, {}) as writer:
        fill(writer, "one", 30)
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 2
        layer = file["layers/one"]
        layer.move("glb", "network")  # a name that version 2 did not quote
    with TraceFile(path) as traces:
        assert traces.schema_version == 2
        names = [stream.name for stream in traces.layers[0].streams]
        assert sorted(names) == sorted(STREAMS)


def test_networks_have_streams_of_their_own(tmp_path):
    path = tmp_path / "t.h5"
    columns = regular(6, 40, 3)
    with TraceWriter(path, {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        probe.requests("network/array/ifmap/down", *columns.values())
        probe.requests("network/ifmap/read", *columns.values())  # of a memory of this name
        for name in ("network/array/ifmap/read", "glb/ifmap/down", "network/ifmap/down"):
            with pytest.raises(ArraysmithError, match="is no stream"):
                probe.requests(name, *columns.values())
    with TraceFile(path) as traces:
        (layer,) = traces.layers
        parts = [(x.memory, x.tensor, x.direction) for x in layer.streams]
        assert parts == [("network/array", "ifmap", "down"), ("network", "ifmap", "read")]
        for stream in layer.streams:
            for name, column in stream.columns().items():
                np.testing.assert_array_equal(column, columns[name])


def test_another_schema_version_is_refused_by_number(tmp_path):
    path = write(tmp_path / "t.h5")
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(InputError, match="schema version is 99, this tool reads 2"):
        TraceFile(path)


@pytest.mark.parametrize("damage", ["seed", "cut", "attribute", "column"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = write(tmp_path / "t.h5")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        with h5py.File(path, "a") as file:
            if damage == "seed":
                file.attrs["provenance"] = "{"
            elif damage == "attribute":
                del file["layers/one"].attrs["clock_hz"]
            else:
                file["layers/one/dram/ifmap/read/tile"].resize((3,))
    with pytest.raises(InputError, match=r"damaged|unequal length"):
        TraceFile(path)


def test_damaged_data_is_told_when_it_is_read(tmp_path):
    path = write(tmp_path / "t.h5", count=5000)
    with h5py.File(path, "r") as file:
        chunk = file["layers/one/dram/ifmap/read/address"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with TraceFile(path) as traces, pytest.raises(InputError, match="damaged data"):
        traces.layer("one").stream("dram/ifmap/read").columns()


def test_unknown_layers_and_streams_name_the_near_ones(tmp_path):
    with TraceFile(write(tmp_path / "t.h5")) as traces:
        with pytest.raises(InputError, match="did you mean one"):
            traces.layer("onee")
        with pytest.raises(InputError, match=r"did you mean .*dram/ifmap/read"):
            traces.layer("one").stream("dram/ifmap/reed")


def test_the_writer_refuses_what_would_not_read_back(tmp_path):
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        fill(writer)
        with pytest.raises(ArraysmithError, match="recorded already"):
            writer.layer("one", DESIGN, LAYER, MAPPING, {})
        probe = writer.layer("two", DESIGN, LAYER, MAPPING, {})
        columns = list(requests(4, 1).values())
        with pytest.raises(ArraysmithError, match="unequal length"):
            probe.requests("dram/ifmap/read", columns[0][:2], *columns[1:])
        for stream in ("dram", "dram/ifmap/sideways", "dram//read", "a/b/c/read"):
            with pytest.raises(ArraysmithError, match="is no stream"):
                probe.requests(stream, *columns)
        with pytest.raises(ArraysmithError, match="address_map takes"):
            writer.layer("three", DESIGN, LAYER, MAPPING, {"x": "y" * 70_000})


def test_a_folder_that_does_not_exist_is_an_error_with_the_path(tmp_path):
    with pytest.raises(ArraysmithError, match=r"nowhere/t.h5: cannot be written"):
        TraceWriter(tmp_path / "nowhere" / "t.h5", {})


@pytest.mark.parametrize("name", [".", "..", "a/b", "100%", "a%2Fb", "é", "-"])
def test_layer_names_of_any_kind_read_back(tmp_path, name):
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        fill(writer, name, 5, 5)
    with TraceFile(tmp_path / "t.h5") as traces:
        assert len(traces.layer(name).stream(STREAMS[0])) == 5
