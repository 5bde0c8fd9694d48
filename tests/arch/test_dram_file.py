from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from arraysmith.arch.architecture import Ports
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.importers.timeloop_text import architecture_text
from arraysmith.arch.loader import dump_architecture, load_architecture, parse_architecture
from arraysmith.arch.paths import numbers_of

GOOD = """\
kind: architecture
name: on-dram
source: invented for a test
clock: 1 GHz
technology: 45nm
levels:
  - {memory: dram, device: lpddr4, holds: [ifmap, weight, ofmap], width: 64 bit, word: 16 bit,
     dram: ddr4_2400}
  - {memory: sram, device: sram, holds: [ifmap, weight, ofmap], width: 64 bit, word: 16 bit,
     capacity: 1 KiB}
  - {fanout: array, mesh_x: 4, mesh_y: 4}
"""


def faults(text: str) -> list[tuple[str, str, int]]:
    with pytest.raises(InputError) as error:
        parse_architecture(text, "chip.yaml")
    return [(fault.field, fault.rule, fault.line) for fault in error.value.faults]


def test_a_dram_decides_rates_latency_and_direction():
    memory = parse_architecture(GOOD).memories[0]
    # 16 bytes a cycle of 0.83 ns are 8 words of 16 bit, in a cycle of 1 ns.
    assert memory.read_words_per_cycle == memory.write_words_per_cycle == Fraction(800, 83)
    assert memory.ports == Ports.SHARED
    # Two cycles to the first command, tRCD 17, CL 17: 36 x 0.83 = 29.88 ns.
    assert memory.latency_cycles == 30
    assert memory.requests_in_flight == 32
    assert memory.dram is not None
    assert memory.dram.device.name == "ddr4_2400"


def test_a_design_on_a_dram_is_written_and_read_back():
    chip = parse_architecture(GOOD)
    text = dump_architecture(chip)
    assert "dram: ddr4_2400" in text
    for key in ("read:", "write:", "latency:"):
        assert key not in text
    assert parse_architecture(text) == chip
    assert len({chip, parse_architecture(text)}) == 1


def test_a_device_of_ones_own_stands_beside_the_design(tmp_path):
    device = "kind: dram\nname: mine\nbase: ddr4_2400\ncontroller: {read_queue: 4}\n"
    (tmp_path / "mine.yaml").write_text(device)
    (tmp_path / "chip.yaml").write_text(GOOD.replace("ddr4_2400", "mine.yaml"))
    chip = load_architecture(tmp_path / "chip.yaml")
    memory = chip.memories[0]
    assert memory.requests_in_flight == 4
    assert memory.dram is not None
    assert memory.dram.ref == str((tmp_path / "mine.yaml").resolve())
    assert parse_architecture(dump_architecture(chip)) == chip
    (tmp_path / "mine.yaml").write_text(device + "timing: {tCCD_L: 1}\n")
    with pytest.raises(InputError) as error:
        load_architecture(tmp_path / "chip.yaml")
    assert [(x.file, x.field) for x in error.value.faults] == [
        (str((tmp_path / "mine.yaml").resolve()), "timing.tCCD_L")
    ]


def test_what_contradicts_a_dram_is_refused_at_its_place():
    assert faults(GOOD.replace("ddr4_2400", "ddr4_240")) == [
        ("levels[0].dram", "is neither a device nor a file", 8)
    ]
    assert faults(GOOD.replace("ddr4_2400", "./none.yaml"))[0][::2] == ("levels[0].dram", 8)
    more = "ddr4_2400, read: 1 GB/s, write: 1 GB/s, latency: 3 cycles, ports: 2"
    assert faults(GOOD.replace("ddr4_2400", more)) == [
        *(
            (f"levels[0].{key}", "must be left out: the DRAM ddr4_2400 decides it", 8)
            for key in ("read", "write", "latency")
        ),
        (
            "levels[0].ports",
            "must be shared: the data bus of a DRAM carries one direction at a time",
            8,
        ),
    ]
    below = GOOD.replace("capacity: 1 KiB", "capacity: 1 KiB, dram: ddr4_2400")
    assert faults(below) == [("levels[1].dram", "only the off-chip memory is a DRAM", 10)]


def test_a_search_changes_the_clock_and_the_dram_keeps_its_own():
    chip = parse_architecture(GOOD)
    slow = chip.with_values({"clock_hz": 500_000_000})
    assert slow.memories[0].read_words_per_cycle == 2 * Fraction(800, 83)
    assert slow.memories[0].latency_cycles == 15
    wide = chip.with_values({"dram.word_bits": 32})
    assert wide.memories[0].read_words_per_cycle == Fraction(400, 83)
    assert "read_words_per_cycle" not in numbers_of(chip.memories[0])
    with pytest.raises(ArraysmithError, match=r"dram\.latency_cycles: the DRAM ddr4_2400"):
        chip.with_values({"dram.latency_cycles": 1})


def test_a_language_without_drams_refuses_one():
    chip = replace(parse_architecture(GOOD), technology="45nm")
    with pytest.raises(ArraysmithError, match="no DRAM but by its rate"):
        architecture_text(chip)
