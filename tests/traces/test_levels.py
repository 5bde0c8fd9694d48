"""Which levels a trace file holds, and that what it holds adds up to the Report."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace

import pytest
from trace_samples import DESIGN, LAYER, simulate_command

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.main import run
from arraysmith.sim.cycle.nest.instances import instances_of
from arraysmith.traces.levels import traced_levels


@pytest.fixture
def job(tmp_path):
    return simulate_command(tmp_path)


def test_words_stand_for_memories_and_names_for_themselves():
    assert traced_levels(DESIGN) == {"dram", "glb"}
    assert traced_levels(DESIGN, ("offchip",)) == {"dram"}
    assert traced_levels(DESIGN, ("networks",)) == {"array"}
    assert traced_levels(DESIGN, ("every",)) == {"dram", "glb", "spad", "array"}
    assert traced_levels(DESIGN, ("offchip", "spad")) == {"dram", "spad"}


def test_every_memory_of_a_systolic_array_is_shared():
    design = load_architecture("scalesim-default")
    assert traced_levels(design) == {memory.name for memory in design.memories}


def test_levels_that_are_not_there_are_named_all_at_once():
    with pytest.raises(InputError) as error:
        traced_levels(DESIGN, ("spda", "glb", "nothing"))
    assert [fault.value for fault in error.value.faults] == ["spda", "nothing"]
    assert "spad" in str(error.value)


def test_more_instances_than_a_port_can_number_are_refused():
    big: list = [*DESIGN.levels[:2], Fanout("array", 512, 256), DESIGN.levels[3]]
    design = replace(DESIGN, levels=tuple(big))
    assert isinstance(design, Architecture)
    with pytest.raises(ArraysmithError, match="spad: there are 131,072 of it"):
        instances_of(design, 3)
    assert instances_of(DESIGN, 3) == 8


def test_traces_of_every_level_add_up_to_the_report(job, tmp_path, capsys):
    path = tmp_path / "t.h5"
    assert run([*job, "--traces", str(path), "--levels", "every", "--json"]) == 0
    (layer,) = json.loads(capsys.readouterr().out)["layers"]
    assert run(["trace", "info", str(path), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["layers"]
    want = defaultdict(int)
    for x in layer["accesses"]:
        way = "read" if x["direction"] in ("read", "drain") else "write"
        want[f"{x['level']}/{x['tensor']}/{way}"] += x["words"]
    for x in layer["traffic"]:
        way = "up" if x["kind"] == "reduction" else "down"
        want[f"network/{x['network']}/{x['tensor']}/{way}"] += x["words"]
    streams = {x["stream"]: x for x in told["streams"]}
    assert {name: x["words"] for name, x in streams.items()} == want
    assert streams["spad/ifmap/read"]["ports"] == 8
    assert streams["spad/ifmap/read"]["segment_requests"] > 0


def test_the_levels_asked_for_are_those_in_the_file(job, tmp_path, capsys):
    path = tmp_path / "t.h5"
    for levels, memories in ((None, {"dram", "glb"}), ("spad,offchip", {"dram", "spad"})):
        more = [] if levels is None else ["--levels", levels]
        assert run([*job, "--traces", str(path), *more]) == 0
        capsys.readouterr()
        assert run(["trace", "info", str(path), "--json"]) == 0
        (layer,) = json.loads(capsys.readouterr().out)["layers"]
        assert {x["stream"].split("/")[0] for x in layer["streams"]} == memories


def test_exports_take_the_instances_for_ports(job, tmp_path, capsys):
    path = tmp_path / "t.h5"
    assert run([*job, "--traces", str(path), "--levels", "every"]) == 0
    for name in ("csv", "perfetto", "scalesim"):
        command = ["trace", "export", str(path), "--format", name, "--out", str(tmp_path / name)]
        assert run([*command, "--stream", "spad/weight/read"]) == 0, name
    capsys.readouterr()
    (table,) = (tmp_path / "csv").iterdir()
    assert len(table.read_text().splitlines()) == 1 + LAYER.macs


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--levels", "spad"], "give --traces"),
        (["--traces", "x.h5", "--levels", "spda"], "did you mean spad"),
        (["--traces", "x.h5", "--levels", ""], "no such level"),
    ],
)
def test_nonsense_is_refused_before_anything_is_simulated(
    job, more, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run([*job, *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x.h5").exists()
