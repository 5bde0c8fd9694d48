"""The command ``chip``: its table, its document and its traces."""

import json
from dataclasses import replace

import pytest
from trace_samples import DESIGN, LAYER, MAPPING

from arraysmith.arch.loader import dump_architecture, dump_mapping, load_architecture
from arraysmith.arch.main import run
from arraysmith.arch.networks import dump_network
from arraysmith.arch.problem import Layer, Network
from arraysmith.traces.levels import levels_of_cores
from arraysmith.traces.reader import TraceFile

CORE = "{{name: {}, architecture: ./arch.yaml, workload: ./net.yaml, mapping: ./mapping.yaml}}"


@pytest.fixture
def chip_of(tmp_path):
    (tmp_path / "arch.yaml").write_text(dump_architecture(DESIGN))
    (tmp_path / "mapping.yaml").write_text(dump_mapping(MAPPING, DESIGN.name))
    (tmp_path / "net.yaml").write_text(dump_network(Network("net", (Layer(LAYER),))))

    fixed = "latency: 10 cycles, read: 1 words/cycle, write: 1 words/cycle"

    def write(names: str, memory: str = fixed) -> str:
        cores = "".join(f"  - {CORE.format(name)}\n" for name in names)
        (tmp_path / "chip.yaml").write_text(
            "kind: chip\nname: duo\noffchip: {memory: dram, device: lpddr4, "
            f"holds: [ifmap, weight, ofmap], width: 64 bit, word: 8 bit, {memory}}}\n"
            f"cores:\n{cores}"
        )
        return str(tmp_path / "chip.yaml")

    return write


def document_of(command, capsys):
    assert run([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_core_alone_is_what_simulate_gives_and_two_slow_each_other_down(chip_of, capsys):
    alone = document_of(["chip", chip_of("a")], capsys)
    (core,) = alone["cores"]
    assert (core["slowdown"], core["cycles"]) == (1.0, core["cycles_alone"])
    both = document_of(["chip", chip_of("ab")], capsys)
    assert [x["cycles_alone"] for x in both["cores"]] == [core["cycles"]] * 2
    assert all(x["slowdown"] >= 1 for x in both["cores"])
    assert core["cycles"] < both["cycles"] <= both["cycles_one_by_one"] == 2 * core["cycles"]
    assert both["cycles"] == max(x["cycles"] for x in both["cores"])
    assert both["energy_pj"] == sum(x["energy_pj"] for x in both["cores"])
    assert both["offchip_words"] == 2 * alone["offchip_words"]


def test_the_table_names_cores_slowdowns_and_the_whole(chip_of, capsys):
    found = document_of(["chip", chip_of("ab")], capsys)
    assert run(["chip", chip_of("ab"), "--explain"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    for core in found["cores"]:
        assert [core["core"], "./net.yaml", f"{core['cycles']:,}"] in [row[:3] for row in rows]
    assert ["duo", f"{found['cycles']:,}"] in [row[:2] for row in rows]
    assert f"one after the other: {found['cycles_one_by_one']:,} cycles" in out
    assert out.count("longest wait: ") == 2


def test_traces_hold_every_core_as_a_layer_and_prove_its_causes(chip_of, tmp_path, capsys):
    path = tmp_path / "t.h5"
    command = ["chip", chip_of("ab"), "--traces", str(path), "--explain"]
    found = document_of(command, capsys)
    assert not list(tmp_path.glob("*.layers"))
    with TraceFile(path) as traces:
        assert [layer.name for layer in traces.layers] == ["a", "b"]
        moved = 0
        for layer, core in zip(traces.layers, found["cores"], strict=True):
            told = {cause: n for cause, n in layer.stall_cycles().items() if n}
            assert told == core["stall_cycles"]
            assert layer.wait_totals().to_dict() == core["waits"]
            offchip = [x for x in layer.streams if x.name.startswith("dram/")]
            moved += sum(x.summary().total_bytes for x in offchip)
        assert moved == found["offchip_words"]  # of a byte each
        first, second = (layer.address_map["dram"] for layer in traces.layers)
        ends = max(x["base"] + x["size"] for x in first.values())
        assert ends <= min(x["base"] for x in second.values())


def test_a_file_with_faults_exits_with_2(chip_of, capsys):
    assert run(["chip", chip_of("aa")]) == 2
    assert "another core has this name" in capsys.readouterr().err


def test_cores_on_a_dram_are_told_with_what_it_did(chip_of, tmp_path, capsys):
    path = tmp_path / "t.h5"
    command = ["chip", chip_of("ab", "dram: ddr4_2400"), "--traces", str(path)]
    found = document_of(command, capsys)
    dram = found["dram"]
    assert dram["device"] == "ddr4_2400"
    assert found["energy_pj"] == pytest.approx(
        sum(x["energy_pj"] for x in found["cores"]) + sum(dram["energy_pj"].values())
    )
    assert found["offchip_bytes"] == sum(x["offchip_bytes"] for x in found["cores"])
    with TraceFile(path) as traces:
        for layer, core in zip(traces.layers, found["cores"], strict=True):
            offchip = [x for x in layer.streams if x.name.startswith("dram/")]
            assert sum(x.summary().total_bytes for x in offchip) == core["offchip_bytes"]
    assert run(["chip", chip_of("ab", "dram: ddr4_2400"), "--explain"]) == 0
    out = capsys.readouterr().out
    assert any(line.startswith("duo  ") and "100" in line for line in out.splitlines())


def test_a_core_with_a_clock_of_its_own_counts_its_own_cycles(chip_of, tmp_path, capsys):
    chip = tmp_path / "chip.yaml"
    chip_of("ab", "read: 100 MB/s, write: 100 MB/s")
    (tmp_path / "fast.yaml").write_text(dump_architecture(replace(DESIGN, clock_hz=3 * 10**8)))
    text = chip.read_text().replace("./arch.yaml", "./fast.yaml", 1)
    chip.write_text(text)
    found = document_of(["chip", str(chip)], capsys)
    clocks = [x["clock_hz"] for x in found["cores"]]
    assert clocks == [3 * 10**8, DESIGN.clock_hz]
    seconds = max(x["cycles"] / x["clock_hz"] for x in found["cores"])
    assert found["clock_hz"] == max(clocks)
    assert found["cycles"] == pytest.approx(seconds * found["clock_hz"], abs=1)
    assert run(["chip", str(chip)]) == 0
    assert "cycles of a core are its own" in capsys.readouterr().out


def test_links_between_cores_and_memory_are_told_with_what_passed_them(chip_of, tmp_path, capsys):
    without = document_of(["chip", chip_of("ab")], capsys)
    chip = tmp_path / "chip.yaml"
    text = chip.read_text().replace("cores:", "network: {bus: {rate: 1 B/cycle, hop: 3}}\ncores:")
    chip.write_text(text)
    found = document_of(["chip", str(chip)], capsys)
    (bus,) = found["links"]
    assert (bus["name"], bus["bits"]) == ("bus", 8 * found["offchip_bytes"])
    assert 0 < bus["busy"] <= 1
    assert found["cycles"] > without["cycles"]
    assert without["links"] == []
    assert run(["chip", str(chip), "--traces", str(tmp_path / "t.h5")]) == 0
    assert "bus" in capsys.readouterr().out


def test_every_level_of_every_core_can_be_traced(chip_of, tmp_path, capsys):
    path = tmp_path / "t.h5"
    command = ["chip", chip_of("ab"), "--traces", str(path)]
    cores = document_of([*command, "--levels", "every"], capsys)["cores"]
    with TraceFile(path) as file:
        for core in cores:
            words: dict[str, int] = {}
            for x in core["accesses"]:
                way = "read" if x["direction"] in ("read", "drain") else "write"
                name = f"{x['level']}/{x['tensor']}/{way}"
                words[name] = words.get(name, 0) + x["words"]
            streams = [x for x in file.layer(core["core"]).streams if "network" not in x.name]
            told = {x.name: sum(int(c["size"].sum()) for c in x.chunks()) for x in streams}
            assert told == words
            assert any(name.startswith("spad/") for name in told)
    assert run([*command, "--levels", "offchip"]) == 0
    with TraceFile(path) as file:
        assert {x.name.split("/")[0] for y in file.layers for x in y.streams} == {"dram"}


def test_levels_of_a_chip_are_those_that_cores_have(chip_of, tmp_path, capsys):
    chip = chip_of("ab")
    path = tmp_path / "t.h5"
    assert run(["chip", chip, "--levels", "every"]) == 2
    assert "give --traces" in capsys.readouterr().err
    assert run(["chip", chip, "--traces", str(path), "--levels", "spda,offchip"]) == 2
    assert "spda: no core has such a level to trace: did you mean spad" in capsys.readouterr().err
    assert levels_of_cores({"a": DESIGN, "b": load_architecture("scalesim-default")}, ("glb",)) == {
        "a": frozenset({"glb"}),
        "b": frozenset(),
    }
