import csv

import numpy as np
import pytest
from trace_samples import DESIGN, LAYER, MAPPING, STREAMS, fill

from arraysmith.arch.errors import InputError
from arraysmith.traces.export import selected_streams
from arraysmith.traces.export_csv import csv_name, export_csv
from arraysmith.traces.reader import StreamTrace, TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.schema import COLUMNS


@pytest.fixture
def traces(tmp_path):
    path = tmp_path / "t.h5"
    with TraceWriter(path, {}) as writer:
        fill(writer, "one", 300)
        fill(writer, "block/two", 40)
    with TraceFile(path) as opened:
        yield opened


def test_csv_holds_exactly_the_columns(traces, tmp_path):
    files = export_csv(selected_streams(traces), tmp_path / "out")
    assert len(files) == 2 * len(STREAMS)
    for layer in traces.layers:
        for stream in layer.streams:
            path = tmp_path / "out" / csv_name(layer.name, stream.name)
            with path.open(newline="") as file:
                head, *rows = csv.reader(file)
            assert head == [column.name for column in COLUMNS]
            table = np.array([[int(cell) for cell in row] for row in rows], dtype=np.uint64)
            for i, column in enumerate(COLUMNS):
                np.testing.assert_array_equal(table[:, i], stream.columns()[column.name])


def test_one_layer_and_one_stream_can_be_chosen(traces, tmp_path):
    names = [(x.name, y.name) for x, y in selected_streams(traces, layer="one")]
    assert names == [("one", stream) for stream in STREAMS]
    names = [(x.name, y.name) for x, y in selected_streams(traces, stream="glb/ofmap/write")]
    assert names == [("one", "glb/ofmap/write"), ("block/two", "glb/ofmap/write")]
    with pytest.raises(InputError, match="no such layer: did you mean one"):
        selected_streams(traces, layer="ones")
    with pytest.raises(InputError, match="no such stream"):
        selected_streams(traces, stream="glb/ofmap/wrote")


def test_a_stream_that_only_some_layers_have_is_exported_from_those(tmp_path):
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        fill(writer, "one", 5)
        writer.layer("silent", DESIGN, LAYER, MAPPING, {})
    with TraceFile(tmp_path / "t.h5") as traces:
        assert [x.name for x, _ in selected_streams(traces, stream=STREAMS[0])] == ["one"]


def test_existing_files_are_replaced_only_when_asked(traces, tmp_path):
    streams = selected_streams(traces, layer="one")
    first = export_csv(streams, tmp_path / "out")
    first[0].write_text("mine")
    with pytest.raises(InputError, match="is there already: add --overwrite") as refused:
        export_csv(streams, tmp_path / "out")
    assert len(refused.value.faults) == len(STREAMS)
    assert first[0].read_text() == "mine"
    export_csv(streams, tmp_path / "out", overwrite=True)
    assert first[0].read_text().startswith("request_cycle,")


def test_other_files_of_the_folder_stay(traces, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("keep")
    export_csv(selected_streams(traces, layer="one"), tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "keep"
    assert len(list((tmp_path / "out").iterdir())) == 1 + len(STREAMS)


def test_an_error_on_the_way_leaves_nothing(traces, tmp_path, monkeypatch):
    def fail_late(stream, records=0):
        del records
        if stream.name == STREAMS[-1]:
            raise RuntimeError("disk on fire")
        yield stream.columns()

    monkeypatch.setattr(StreamTrace, "chunks", fail_late)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="disk on fire"):
        export_csv(selected_streams(traces), tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_in_the_place_of_the_folder_is_refused(traces, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="is a file: give a folder"):
        export_csv(selected_streams(traces), tmp_path / "out")


def test_layers_that_would_share_a_file_are_refused(tmp_path):
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        fill(writer, "a/b", 5)
        fill(writer, "a-b", 5)
    with (
        TraceFile(tmp_path / "t.h5") as traces,
        pytest.raises(InputError, match="two layers give this file"),
    ):
        export_csv(selected_streams(traces), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_counts_every_request(traces, tmp_path):
    seen = []
    export_csv(selected_streams(traces), tmp_path / "out", advance=seen.append)
    assert sum(seen) == len(STREAMS) * (300 + 40)
