"""What a run leaves that is killed: an older file, or a part that can be read."""

import multiprocessing
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_samples import DESIGN, LAYER, MAPPING, regular, requests

from arraysmith.arch.errors import InputError
from arraysmith.arch.main import run
from arraysmith.traces import recorder
from arraysmith.traces.journal import CommittedFile, journal_path
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter


def write_without_end(path, ready):
    """Write the file again and again, in small blocks, and commit as often as it can be done."""
    recorder.FLUSH_SECONDS, recorder.CHUNK_RECORDS = 0.0, 700
    regulars, irregulars = regular(4, 60, 3), requests(800, 2)
    ready.set()
    while True:
        with TraceWriter(path, {}) as writer:
            for number in range(12):
                probe = writer.layer(f"layer {number}", DESIGN, LAYER, MAPPING, {})
                for _ in range(4):
                    probe.requests("dram/ifmap/read", *regulars.values())
                    probe.requests("dram/weight/read", *irregulars.values())
                    probe.requests("glb/ifmap/read", *(x[:10] for x in regulars.values()))


def write(path, *, fails=False):
    with TraceWriter(path, {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        probe.requests("dram/ifmap/read", *regular(4, 60, 3).values())
        if fails:
            raise RuntimeError


def assert_sound(traces):
    regulars, irregulars = regular(4, 60, 3), requests(800, 2)
    for layer in traces.layers:
        for stream in layer.streams:
            want = regulars if stream.tensor == "ifmap" else irregulars
            got = stream.columns()
            for name, column in want.items():
                endless = np.tile(column[:10] if stream.memory == "glb" else column, 5)
                np.testing.assert_array_equal(got[name], endless[: len(stream)])


def test_a_run_killed_at_any_moment_leaves_a_file_or_a_part_that_reads(tmp_path):
    moments = random.Random(7)
    context = multiprocessing.get_context("fork")
    parts = 0
    for number in range(25):
        path = tmp_path / f"{number}.h5"
        ready = context.Event()
        process = context.Process(target=write_without_end, args=(path, ready))
        process.start()
        ready.wait()
        time.sleep(moments.uniform(0.01, 0.4))
        process.kill()
        process.join()
        whole, part = path.exists(), path.with_name(path.name + ".part").exists()
        if whole:
            with TraceFile(path) as traces:
                assert len(traces.layers) == 12
                assert_sound(traces)
        if part:
            parts += 1
            with TraceFile(f"{path}.part", part=True) as traces:
                assert not traces.complete
                assert_sound(traces)
    assert parts > 10


def test_info_opens_a_part_with_a_warning_and_others_refuse_it(tmp_path, capsys):
    path = tmp_path / "t.h5"
    with pytest.raises(RuntimeError):
        write(path, fails=True)
    part = f"{path}.part"
    assert run(["trace", "info", part]) == 0
    captured = capsys.readouterr()
    assert "720" in captured.out
    assert f"warning: {part} is incomplete" in captured.err
    assert run(["trace", "diff", part, part]) == 2
    export = ["trace", "export", part, "--format", "csv", "--out", str(tmp_path / "o")]
    assert run(export) == 2
    assert "did not finish" in capsys.readouterr().err
    (tmp_path / "other.part").write_text("no traces")
    assert run(["trace", "info", str(tmp_path / "other.part")]) == 2
    assert "is damaged" in capsys.readouterr().err


def test_a_failed_copy_at_the_end_leaves_the_part_and_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "t.h5"
    path.write_text("older")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(recorder, "pack", fail)
    with pytest.raises(OSError, match="disk full"):
        write(path)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["t.h5", "t.h5.part"]
    assert path.read_text() == "older"
    with TraceFile(f"{path}.part", part=True) as traces:
        assert len(traces.layer("one").stream("dram/ifmap/read")) == 720


writes = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"), st.integers(0, 20_000), st.integers(1, 9000), st.integers(1, 255)
        ),
        st.tuples(st.just("commit")),
        st.tuples(st.just("truncate"), st.integers(0, 30_000)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(writes)
def test_a_committed_file_reads_as_its_last_commit_and_writes_as_a_plain_one(
    tmp_path_factory, steps
):
    path = tmp_path_factory.mktemp("journal") / "f.part"
    plain, committed = bytearray(), None
    with CommittedFile(path, write=True) as file:
        for step in steps:
            if step[0] == "write":
                _, place, count, byte = step
                plain.extend(bytes(max(0, place + count - len(plain))))
                plain[place : place + count] = bytes([byte]) * count
                file.seek(place)
                file.write(bytes([byte]) * count)
            elif step[0] == "truncate":
                del plain[step[1] :]
                plain.extend(bytes(step[1] - len(plain)))
                file.truncate(step[1])
            else:
                file.commit()
                committed = bytes(plain)
            file.seek(0)
            assert file.read() == plain
            if committed is not None:
                with CommittedFile(path, write=False) as reader:
                    # What lies behind the last commit may be longer by now; HDF5 knows its length.
                    assert reader.read()[: len(committed)] == committed


@pytest.mark.parametrize("cut", [None, 1, 4096])
def test_a_journal_counts_only_when_it_is_whole(tmp_path, cut, monkeypatch):
    path = tmp_path / "f.part"
    with CommittedFile(path, write=True) as file:
        file.write(b"a" * 10_000)
        file.commit()
        file.seek(0)
        file.write(b"b" * 10_000)
        file._write_journal()  # and dies here
    if cut is not None:
        content = journal_path(path).read_bytes()
        journal_path(path).write_bytes(content[:-cut])
    with CommittedFile(path, write=False) as reader:
        assert reader.read() == (b"b" if cut is None else b"a") * 10_000


def test_a_new_run_starts_over_whatever_an_old_one_left(tmp_path):
    path = tmp_path / "t.h5"
    part = path.with_name("t.h5.part")
    part.write_text("left")
    journal_path(part).write_text("left")
    write(path)
    assert [x.name for x in tmp_path.iterdir()] == ["t.h5"]
    with pytest.raises(InputError, match="no such layer"), TraceFile(path) as traces:
        traces.layer("two")
