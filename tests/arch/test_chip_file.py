"""Files of kind chip: what they give, and every fault at its place."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from arraysmith.arch.chip_file import load_chip
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
        ("architecture: eyeriss", "architecture: tpu-v1", 14, "cores[0].architecture", "systolic"),
        ("architecture: eyeriss", "architecture: eyeris", 14, "cores[0].architecture", "neither"),
        ("word: 16 bit", "word: 8 bit", 14, "cores[0].architecture", "words of one length"),
        ("    dataflow: row_stationary\n  - name", "  - name", 13, "cores[0]", "and not both"),
        ("latency: 30", "depth: 4\n  latency: 30", 11, "offchip.depth", "no bound"),
        ("  latency: 30 cycles", "  dram: DDR4", 11, "offchip.dram", "fixed rate"),
        ("read: 2 words/cycle", "reed: 2 words/cycle", 9, "offchip.reed", "unknown key"),
    ],
)
def test_a_fault_is_told_at_its_place(file, old, new, line, field, rule):
    assert CHIP.count(old) >= 1
    found = faults_of(file(CHIP.replace(old, new, 1)))
    assert any((line, field) == x[:2] and rule in x[2] for x in found), found


def test_cores_of_different_clocks_are_refused(file, tmp_path):
    path = file()
    text = (tmp_path / "small.yaml").read_text()
    (tmp_path / "small.yaml").write_text(text.replace("clock: 200 MHz", "clock: 100 MHz"))
    assert any("cores have one clock" in rule for _, _, rule in faults_of(path))


def test_the_kind_is_known_to_check_and_schema(file, capsys):
    assert run(["check", str(file())]) == 0
    assert run(["check", str(file(CHIP.replace("big", "small")))]) == 2
    assert "chip.yaml:17:" in capsys.readouterr().err
    assert run(["schema", "chip"]) == 0
    assert '"cores"' in capsys.readouterr().out
