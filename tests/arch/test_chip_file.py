"""Files of kind chip: what they give, and every fault at its place."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from arraysmith.arch.chip_file import load_chip
from arraysmith.arch.chip_network import ChipNetwork
from arraysmith.arch.errors import InputError
from arraysmith.arch.loader import dump_architecture, load_architecture
from arraysmith.arch.main import run

CHIP = """\
kind: chip
name: duo
offchip:
  memory: lpddr
  device: lpddr4
  holds: [ifmap, weight, ofmap]
  width: 64 bit
  word: 16 bit
  read: 2 words/cycle
  write: 1 words/cycle
  latency: 30 cycles
cores:
  - name: big
    architecture: eyeriss
    workload: alexnet:conv3
    dataflow: row_stationary
  - name: small
    architecture: small.yaml
    workload: alexnet:conv5
    dataflow: row_stationary
"""


@pytest.fixture
def file(tmp_path):
    def write(text: str = CHIP):
        (tmp_path / "chip.yaml").write_text(text)
        return tmp_path / "chip.yaml"

    small = replace(load_architecture("eyeriss"), name="small")
    (tmp_path / "small.yaml").write_text(dump_architecture(small))
    return write


def faults_of(path):
    with pytest.raises(InputError) as refused:
        load_chip(path)
    return [(fault.line, fault.field, fault.rule) for fault in refused.value.faults]


def test_every_core_gets_the_memory_of_the_chip_under_the_name_of_its_own(file):
    chip = load_chip(file())
    big, small = chip.cores
    assert (chip.name, big.name, small.name) == ("duo", "big", "small")
    assert big.architecture.levels[1:] == load_architecture("eyeriss").levels[1:]
    for core in chip.cores:
        memory = core.architecture.memories[0]
        assert memory.name == load_architecture("eyeriss").memories[0].name
        assert replace(memory, name=chip.offchip.name) == chip.offchip
    rates = chip.offchip.read_words_per_cycle, chip.offchip.write_words_per_cycle
    assert rates == (Fraction(2), Fraction(1))
    assert (big.layer.name, small.layer.name, small.dataflow) == (
        "conv3",
        "conv5",
        "row_stationary",
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "rule"),
    [
        ("name: small", "name: big", 17, "cores[1].name", "another core has this name"),
        ("alexnet:conv5", "alexnet", 19, "cores[1].workload", "a core runs one"),
        ("alexnet:conv5", "alexnet:conv9", 19, "cores[1].workload", "no such layer"),
        ("architecture: eyeriss", "architecture: eyeris", 14, "cores[0].architecture", "neither"),
        (
            "width: 64 bit\n  word: 16",
            "width: 8 bit\n  word: 8",
            14,
            "cores[0].architecture",
            "wider",
        ),
        ("    dataflow: row_stationary\n  - name", "  - name", 13, "cores[0]", "and not both"),
        ("latency: 30", "depth: 4\n  latency: 30", 11, "offchip.depth", "no bound"),
        ("  latency: 30 cycles", "  dram: DDR4", 11, "offchip.dram", "neither a device"),
        ("  latency: 30 cycles", "  dram: ddr4_2400", 9, "offchip.read", "decides it"),
        ("read: 2 words/cycle", "reed: 2 words/cycle", 9, "offchip.reed", "unknown key"),
    ],
)
def test_a_fault_is_told_at_its_place(file, old, new, line, field, rule):
    assert CHIP.count(old) >= 1
    found = faults_of(file(CHIP.replace(old, new, 1)))
    assert any((line, field) == x[:2] and rule in x[2] for x in found), found


def slower(tmp_path, word: str = "16 bit"):
    """The small core at half the clock, with off-chip words of another length."""
    text = (tmp_path / "small.yaml").read_text().replace("clock: 200 MHz", "clock: 100 MHz")
    (tmp_path / "small.yaml").write_text(text.replace("word: 16 bit", f"word: {word}", 1))


def test_cycles_of_cores_with_clocks_of_their_own_are_ambiguous(file, tmp_path):
    path = file()
    slower(tmp_path)
    counted = [(9, "offchip.read"), (10, "offchip.write"), (11, "offchip.latency")]
    found = faults_of(path)
    assert [x[:2] for x in found] == counted
    assert all("cores run at 100,000,000, 200,000,000 Hz" in x[2] for x in found)
    per_second = CHIP.replace("2 words/cycle", "800 MB/s").replace("1 words/cycle", "400 MB/s")
    path = file(per_second.replace("  latency: 30 cycles\n", ""))
    big, small = load_chip(path).cores
    assert big.architecture.memories[0].read_words_per_cycle == 2
    assert small.architecture.memories[0].read_words_per_cycle == 4


def test_a_clock_of_the_memory_and_words_of_the_cores_give_each_core_its_view(file, tmp_path):
    path = file(CHIP.replace("name: duo", "name: duo\nclock: 400 MHz"))
    slower(tmp_path, "8 bit")
    chip = load_chip(path)
    assert (chip.clock_hz, chip.offchip.read_words_per_cycle) == (400_000_000, 2)
    big, small = (core.architecture.memories[0] for core in chip.cores)
    assert (big.word_bits, big.read_words_per_cycle, big.latency_cycles) == (16, 4, 15)
    assert (small.word_bits, small.read_words_per_cycle, small.latency_cycles) == (8, 16, 8)
    assert (big.write_words_per_cycle, small.write_words_per_cycle) == (2, 8)


def test_cores_may_be_systolic_and_share_a_dram(file, tmp_path):
    text = CHIP.replace("architecture: small.yaml", "architecture: tpu-v1")
    text = text.replace("conv5\n    dataflow: row_stationary", "conv5\n    dataflow: ws")
    for line in ("  read: 2 words/cycle\n", "  write: 1 words/cycle\n"):
        text = text.replace(line, "")
    chip = load_chip(file(text.replace("latency: 30 cycles", "dram: ddr4_2400")))
    clocks = [core.architecture.clock_hz for core in chip.cores]
    assert len(set(clocks)) == 2
    for core in chip.cores:
        memory, hz = core.architecture.memories[0], core.architecture.clock_hz
        assert memory.dram.ref == "ddr4_2400"
        assert memory.read_words_per_cycle == memory.dram.words_per_cycle(memory.word_bits, hz)


MESH = CHIP.replace(
    "cores:\n", "network: {mesh: {size: [3, 2], rate: 4 B/cycle, hop: 2, memory: [1, 0]}}\ncores:\n"
).replace("name: big", "name: big\n    at: [0, 1]")
PLACED = MESH.replace("name: small", "name: small\n    at: [2, 1]")


def test_a_mesh_stands_between_cores_and_memory(file):
    chip = load_chip(file(PLACED))
    assert chip.network == ChipNetwork(3, 2, Fraction(32 * 200_000_000), Fraction(1, 10**8), (1, 0))
    assert [core.at for core in chip.cores] == [(0, 1), (2, 1)]
    text = CHIP.replace("cores:\n", "network: {bus: {rate: 3 words/cycle}}\ncores:\n")
    chip = load_chip(file(text))
    assert chip.network == ChipNetwork(0, 0, Fraction(3 * 16 * 200_000_000), Fraction(0))
    assert (chip.network.is_bus, chip.cores[0].at) == (True, None)


@pytest.mark.parametrize(
    ("text", "field", "rule"),
    [
        (MESH, "cores[1]", "needs a place"),
        (PLACED.replace("[2, 1]", "[0, 1]"), "cores[1].at", "another core stands there"),
        (PLACED.replace("[2, 1]", "[2, 2]"), "cores[1].at", "not in the mesh"),
        (PLACED.replace("[1, 0]", "[3, 0]"), "network.mesh.memory", "not in the mesh"),
        (PLACED.replace("[3, 2]", "[9, 9]"), "network.mesh.size", "at most 64"),
        (PLACED.replace("{mesh", "{bus: {}, mesh"), "network", "and not both"),
        (CHIP.replace("name: big", "name: big\n    at: [0, 0]"), "cores[0].at", "only routers"),
    ],
)
def test_networks_and_places_that_do_not_fit_are_told(file, text, field, rule):
    assert any(x[1] == field and rule in x[2] for x in faults_of(file(text)))


def test_a_network_that_counts_in_cycles_needs_to_know_whose(file, tmp_path):
    path = file(PLACED)
    slower(tmp_path)
    fields = {x[1] for x in faults_of(path)}
    assert {"network.mesh.rate", "network.mesh.hop"} <= fields


def test_the_chip_of_the_readme_is_a_chip(tmp_path):
    readme = (Path(__file__).parents[2] / "arch" / "README.md").read_text()
    (text,) = [x for x in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL) if "kind: chip" in x]
    (tmp_path / "duo.yaml").write_text(text)
    chip = load_chip(tmp_path / "duo.yaml")
    assert [core.architecture.systolic is None for core in chip.cores] == [True, False]
    assert {core.architecture.memories[0].word_bits for core in chip.cores} == {8, 16}


def test_the_kind_is_known_to_check_and_schema(file, capsys):
    assert run(["check", str(file())]) == 0
    assert run(["check", str(file(CHIP.replace("big", "small")))]) == 2
    assert "chip.yaml:17:" in capsys.readouterr().err
    assert run(["schema", "chip"]) == 0
    assert '"cores"' in capsys.readouterr().out
