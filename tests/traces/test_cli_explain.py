"""``simulate --explain``: what waited for what, as text and JSON; runs without progress."""

import json
from dataclasses import replace

import pytest
from trace_samples import DESIGN, LAYER, MAPPING

from arraysmith.arch.architecture import Fanout
from arraysmith.arch.loader import dump_architecture, dump_mapping, load_architecture
from arraysmith.arch.main import run
from arraysmith.arch.networks import dump_network
from arraysmith.arch.problem import Layer, Network
from arraysmith.sim.cycle import model
from arraysmith.sim.cycle.offchip.protocol import FixedRate
from arraysmith.traces.reader import TraceFile


@pytest.fixture
def job(tmp_path):
    (tmp_path / "arch.yaml").write_text(dump_architecture(DESIGN))
    (tmp_path / "mapping.yaml").write_text(dump_mapping(MAPPING, DESIGN.name))
    (tmp_path / "net.yaml").write_text(dump_network(Network("net", (Layer(LAYER),))))
    files = [str(tmp_path / "arch.yaml"), str(tmp_path / "net.yaml")]
    return ["simulate", *files, "--mapping", str(tmp_path / "mapping.yaml")]


def test_explaining_names_every_cause_with_its_share_and_the_chains(job, capsys):
    assert run([*job, "--json"]) == 0
    (layer,) = json.loads(capsys.readouterr().out)["layers"]
    assert run([*job, "--explain"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    for cause, cycles in layer["stall_cycles"].items():
        assert [cause, f"{cycles:,}", f"{100 * cycles / layer['cycles']:.2f}"] in rows
    assert ["all", f"{layer['cycles']:,}", "100.00"] in rows
    assert "array <- fill <- " in out
    assert "longest wait: " in out


def test_explained_json_adds_up_and_is_what_the_trace_holds(job, tmp_path, capsys):
    path = tmp_path / "t.h5"
    assert run([*job, "--explain", "--json", "--traces", str(path)]) == 0
    document = json.loads(capsys.readouterr().out)
    waits = document["waits"]["one"]
    sums = {}
    for chain in waits:
        sums[chain["chain"][0]] = sums.get(chain["chain"][0], 0) + chain["cycles"]
        assert 0 < chain["longest"]["cycles"] <= chain["cycles"]
    assert sums == document["layers"][0]["stall_cycles"]
    with TraceFile(path) as traces:
        assert traces.layers[0].wait_totals().to_dict() == waits
    assert run(["trace", "info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"][0]["waits"] == waits
    assert run(["trace", "info", str(path)]) == 0
    assert "chain of waiting" in capsys.readouterr().out


def test_the_timeline_shows_every_wait_with_its_chain(job, tmp_path, capsys):
    path = tmp_path / "t.h5"
    assert run([*job, "--traces", str(path)]) == 0
    assert run(["trace", "export", str(path), "--format", "perfetto", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    events = json.loads((tmp_path / "one.perfetto.json").read_text())["traceEvents"]
    waits = [x for x in events if x["ph"] == "X"]
    with TraceFile(path) as traces:
        (layer,) = traces.layers
        assert sum(x["dur"] for x in waits) == sum(layer.stall_cycles().values())
    assert waits[0]["args"]["step"] == 0
    assert waits[0]["args"]["waits for"].startswith("fill <- ")
    tracks = {x["tid"]: x["args"]["name"] for x in events if x.get("name") == "thread_name"
        and x["pid"] == waits[0]["pid"]}  # fmt: skip
    assert {x["name"] for x in waits} == set(tracks.values())


def test_a_setting_of_another_tool_tells_no_waits(job, capsys):
    assert run([*job, "--explain", "--setting", "scalesim-3.0.0"]) == 2
    assert "leave out --explain" in capsys.readouterr().err


def test_a_run_without_progress_exits_with_1_and_says_who_waits(job, monkeypatch, capsys):
    class Stuck(FixedRate):
        def transfer(self, transfer):
            del transfer
            yield self._env.event()

    monkeypatch.setattr(
        model, "offchip_channel", lambda env, of, _: Stuck(env, of.memories[0], None)
    )
    assert run(job) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "makes no progress after cycle 0: array <- ifmap tile 0 to come in <- " in captured.err


def test_simulate_notes_an_overlap_that_has_no_effect(tmp_path, capsys):
    levels = []
    for level in load_architecture("scalesim-default").levels:
        if isinstance(level, Fanout):
            level = replace(level, network=replace(level.network, fold_overlap="weights"))  # noqa: PLW2901 - the copy stands for the original
        levels.append(level)
    design = replace(load_architecture("scalesim-default"), levels=tuple(levels))
    (tmp_path / "chip.yaml").write_text(dump_architecture(design))
    (tmp_path / "net.yaml").write_text(dump_network(Network("net", (Layer(LAYER),))))
    command = [str(tmp_path / "chip.yaml"), str(tmp_path / "net.yaml"), "--dataflow", "os"]
    notes = []
    for model_of in ("estimate", "simulate"):
        assert run([model_of, *command]) == 0
        notes.append(capsys.readouterr().err)
    assert notes[0] == notes[1]
    assert "has no effect" in notes[0]
