import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from trace_samples import (
    DESIGN,
    LAYER,
    MAPPING,
    STREAMS,
    fill,
    regular,
    report,
    requests,
    simulate_command,
)

from arraysmith.arch.main import run
from arraysmith.arch.networks import dump_network
from arraysmith.arch.problem import Layer, Network, matmul
from arraysmith.sim.cycle import values
from arraysmith.sim.cycle.carrying.reference import random_operands, reference_output
from arraysmith.sim.cycle.values import WrongValuesError
from arraysmith.traces import recording
from arraysmith.traces.page import DesignRow, ReportPage
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter


@pytest.fixture
def traces_file(tmp_path):
    path = tmp_path / "t.h5"
    with TraceWriter(path, {"seed": 4}) as writer:
        fill(writer, "one", 300, repeat=2)
        fill(writer, "two", 30)
    return path


def test_info_counts_requests_and_bytes_per_stream(traces_file, capsys):
    assert run(["trace", "info", str(traces_file)]) == 0
    out = capsys.readouterr().out
    assert "one, 2 run(s) per inference, 200 MHz" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(STREAMS)]
    assert [row[:2] for row in rows] == [
        [stream, count] for count in ("300", "30") for stream in STREAMS
    ]
    assert run(["trace", "info", str(traces_file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["seed"] == 4
    with TraceFile(traces_file) as traces:
        for layer, told in zip(traces.layers, document["layers"], strict=True):
            for stream, row in zip(layer.streams, told["streams"], strict=True):
                columns = stream.columns()
                assert row["stream"] == stream.name
                assert row["total_bytes"] == int(columns["size"].sum())
                assert row["first_cycle"] == int(columns["request_cycle"].min())
                assert row["last_cycle"] == int(columns["response_cycle"].max())


def test_info_shows_how_streams_are_kept_and_what_the_array_waited_for(tmp_path, capsys):
    with TraceWriter(tmp_path / "t.h5", {}) as writer:
        probe = writer.layer("one", DESIGN, LAYER, MAPPING, {})
        probe.requests("glb/ifmap/read", *regular(4, 500, 3).values())
        probe.requests("dram/ifmap/read", *requests(70, 1).values())
        probe.stalls(*(np.array(x) for x in ([1, 9], [2, 30], [0, 1])), ("fill", "drain"))
    assert run(["trace", "info", str(tmp_path / "t.h5")]) == 0
    out = capsys.readouterr().out
    assert "stall cycles: fill 2, drain 30" in out
    assert run(["trace", "info", str(tmp_path / "t.h5"), "--json"]) == 0
    (layer,) = json.loads(capsys.readouterr().out)["layers"]
    glb, dram = layer["streams"]
    assert (glb["requests"], glb["segment_requests"], glb["segments"]) == (6000, 6000, 1)
    assert (glb["ports"], glb["words"], glb["total_bytes"]) == (4, 24_000, 24_000)
    assert (dram["requests"], dram["segment_requests"], dram["segments"]) == (70, 0, 0)
    assert 0 < glb["disk_bytes"] < dram["disk_bytes"] < 70 * 34 + 200
    assert layer["stall_cycles"] == {"fill": 2, "drain": 30}
    assert layer["values"] is False


def test_export_writes_the_files_it_names(traces_file, tmp_path, capsys):
    out = tmp_path / "csv"
    command = ["trace", "export", str(traces_file), "--format", "csv", "--out", str(out)]
    assert run([*command, "--layer", "two"]) == 0
    names = capsys.readouterr().out.split()
    assert sorted(names) == sorted(str(path) for path in out.iterdir())
    assert len(names) == len(STREAMS)
    assert run([*command, "--layer", "two"]) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert run([*command, "--layer", "two", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trace", "info", "none.h5"], "no such file"),
        (["trace", "info", "text.h5"], "is not an HDF5 file"),
        (["trace", "info"], "Missing argument"),
        (["trace", "export", "t.h5", "--format", "xml", "--out", "o"], "xml"),
        (["trace", "export", "t.h5", "--format", "csv"], "--out"),
        (["trace", "export", "none.h5", "--format", "csv", "--out", "o"], "no such file"),
        (["trace", "export", "t.h5", "--format", "csv", "--out", "o", "--layer", "x"], "no such"),
        (["trace", "export", "t.h5", "--format", "csv", "--out", "o", "--stream", "x"], "no such"),
        (["report", "nowhere"], "no such file"),
        (["report", "text"], "must be JSON"),
        (["report", "bytes"], "must be UTF-8"),
        (["report", "other"], "key is missing"),
        (["report", "halfway"], "not the data of a report page"),
    ],
)
def test_nonsense_is_named_and_exits_with_2(
    arguments, message, traces_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.h5").write_text("hello")
    for name, content in (
        ("text", b"hello"),
        ("bytes", b"\xff"),
        ("other", b"{}"),
        ("halfway", b'{"page": {"title": "t"}}'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before
    assert traces_file.exists()


def test_report_rebuilds_the_page_from_the_result_alone(tmp_path, capsys):
    page = ReportPage("title", "summary", rows=(DesignRow.of("best", report(4321)),))
    (tmp_path / "result.json").write_text(json.dumps({"page": page.to_dict()}))
    assert run(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert "4,321" in (tmp_path / "report.html").read_text()
    assert sorted(x.name for x in tmp_path.iterdir()) == ["report.html", "result.json"]


@pytest.fixture
def job(tmp_path):
    return simulate_command(tmp_path)


def test_simulate_prints_a_table_and_checks_values(job, capsys):
    assert run([*job, "--values"]) == 0
    captured = capsys.readouterr()
    assert "cycles by cause" in captured.out
    assert "equal the reference bit for bit" in captured.out
    assert captured.err == ""


def test_simulate_in_json_is_the_report_and_adds_up(job, capsys):
    assert run([*job, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (layer,) = document["layers"]
    assert layer["layer"] == "one"
    assert layer["fidelity"] == "cycle"
    assert layer["macs"] == LAYER.macs
    assert layer["cycles"] == layer["compute_cycles"] + sum(layer["stall_cycles"].values())
    assert document["provenance"]["model"] == "cycle"


def test_simulated_traces_cover_the_operands_and_do_not_change_the_cycles(job, tmp_path, capsys):
    path = tmp_path / "out.h5"
    assert run([*job, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert run([*job, "--json", "--traces", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == alone
    with TraceFile(path) as traces:
        layer = traces.layer("one")
        for tensor in LAYER.tensors[:2]:
            region = layer.address_map["dram"][tensor.name]
            columns = layer.stream(f"dram/{tensor.name}/read").columns()
            pairs = zip(columns["address"].tolist(), columns["size"].tolist(), strict=True)
            touched = {byte for start, size in pairs for byte in range(start, start + size)}
            assert touched == set(range(region["base"], region["base"] + region["size"]))
        last = max(stream.summary().last_cycle for stream in layer.streams)
        assert last <= alone["total"]["cycles"]
    first = path.read_bytes()
    assert run([*job, "--json", "--traces", str(path)]) == 0
    assert path.read_bytes() == first


@pytest.mark.parametrize("arch", ["design", "scalesim-default"])
def test_values_go_into_the_traces_and_belong_to_the_addresses(arch, job, tmp_path, capsys):
    command = list(job)
    if arch != "design":
        command[1] = arch
        command[command.index("--mapping") :] = ["--dataflow", "ws"]
    path = tmp_path / "out.h5"
    assert run([*command, "--values", "--traces", str(path)]) == 0
    with TraceFile(path) as traces:
        layer = traces.layer("one")
        kept = layer.values()
        ifmap, weight = random_operands(LAYER, kept.seed)
        np.testing.assert_array_equal(kept.images["ifmap"], ifmap.ravel())
        np.testing.assert_array_equal(kept.images["weight"], weight.ravel())
        results = reference_output(LAYER, ifmap, weight).ravel()
        np.testing.assert_array_equal(kept.images["ofmap"], results)
        for tensor, base in kept.base.items():
            assert layer.address_map["dram"][tensor]["base"] == base
        address = layer.stream("dram/ofmap/write").columns()["address"]
        words = (address.astype(np.int64) - kept.base["ofmap"]) * 8 // kept.word_bits["ofmap"]
        np.testing.assert_array_equal(kept.at("ofmap", address), results[words])
    assert run(["trace", "info", str(path)]) == 0
    assert "values of operands and results are stored" in capsys.readouterr().out


def test_wrong_values_exit_with_1_and_say_so(job, tmp_path, monkeypatch, capsys):
    def wrong(*_):
        raise WrongValuesError("one: 3 of 64 results are wrong")

    monkeypatch.setattr(values, "verify_values", wrong)
    assert run([*job, "--values", "--traces", str(tmp_path / "out.h5")]) == 1
    captured = capsys.readouterr()
    assert "3 of 64 results are wrong" in captured.err
    assert captured.out == ""
    assert not (tmp_path / "out.h5").exists()


def test_traces_into_nowhere_are_refused_before_simulating(job, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recording, "simulate_layer", None)  # would fail if it were called
    assert run([*job, "--traces", str(tmp_path / "no" / "out.h5")]) == 2
    assert "its folder does not exist" in capsys.readouterr().err
    assert run([*job, "--traces", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--traces", "--report"])
@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("", "is a folder"),
        ("pipe", "is no regular file"),
        ("n" * 250, "cannot be written: File name too long"),
        ("a\0b", "holds a byte 0"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_simulating(
    option, place, rule, job, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(recording, "simulate_layer", None)  # would fail if it were called
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    before = sorted(Path().iterdir())
    assert run([*job, option, place]) == 2
    assert f"{option[2:]}: {place or '(none)'}: {rule}" in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before
    assert Path("pipe").is_fifo()  # a file that is renamed onto it would put an end to it


def test_simulate_without_a_mapping_says_where_to_get_one(job, capsys):
    assert run(job[:3]) == 2
    assert "--dataflow row_stationary" in capsys.readouterr().err


def test_the_installed_command_simulates_a_systolic_network(tmp_path):
    layers = (Layer(LAYER, 2), Layer(matmul("two", m=40, n=33, k=20)), Layer(LAYER.renamed("too")))
    (tmp_path / "net.yaml").write_text(dump_network(Network("net", layers)))
    files = ["scalesim-default", str(tmp_path / "net.yaml"), "--traces", str(tmp_path / "t.h5")]
    options = ["--dataflow", "ws", "--values", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", "simulate", *files, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    cycles = {layer["layer"]: layer["cycles"] for layer in document["layers"]}
    assert cycles["one"] == cycles["too"]
    assert document["total"]["cycles"] == 3 * cycles["one"] + cycles["two"]
    assert document["values_equal"] == ["one", "two"]
    with TraceFile(tmp_path / "t.h5") as traces:
        assert [(layer.name, layer.repeat) for layer in traces.layers] == [("one", 3), ("two", 1)]


def test_processes_change_neither_reports_nor_traces(tmp_path, capsys):
    layers = (Layer(matmul("one", m=9, n=7, k=5)), Layer(matmul("two", m=40, n=33, k=20)))
    (tmp_path / "net.yaml").write_text(dump_network(Network("net", layers)))
    command = ["simulate", "scalesim-default", str(tmp_path / "net.yaml"), "--dataflow", "os"]
    found = []
    for workers in ("1", "2"):
        traces = tmp_path / f"{workers}.h5"
        options = ["--json", "--values", "-j", workers, "--traces", str(traces)]
        assert run([*command, *options]) == 0
        found.append((capsys.readouterr().out, traces.read_bytes()))
    assert found[0] == found[1]
    assert sorted(x.name for x in tmp_path.iterdir()) == ["1.h5", "2.h5", "net.yaml"]
