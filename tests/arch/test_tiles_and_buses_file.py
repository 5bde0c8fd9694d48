"""Files say how many tiles a memory holds, what fills first, and how wide each tensor's bus is."""

from __future__ import annotations

from fractions import Fraction

import pytest

from arraysmith.arch.architecture_file import dump_architecture, parse_architecture
from arraysmith.arch.errors import InputError
from arraysmith.arch.render import architecture_text

GOOD = """\
kind: architecture
name: chip
source: made up
clock: 200 MHz
technology: 65nm
levels:
  - {memory: dram, device: lpddr4, holds: [ifmap, weight, ofmap], width: 64 bit, word: 16 bit}
  - fanout: array
    mesh_x: 2
    mesh_y: 2
    network: {xy_bus: {bandwidth: 4 words/cycle, bandwidths: {ifmap: 1/2 words/cycle}}}
  - {memory: spad, device: regfile, holds: [ifmap], depth: 24, width: 16 bit, word: 16 bit,
     fills_after: weights}
  - {memory: weights, device: regfile, holds: [weight], depth: 24, width: 16 bit, word: 16 bit}
  - {memory: sums, device: regfile, holds: [ofmap], depth: 24, width: 16 bit, word: 16 bit,
     tiles_in_flight: 24}
compute: {name: mac, multiply: 16 bit, accumulate: 16 bit}
"""


def test_what_a_file_says_comes_back_from_its_dump():
    chip = parse_architecture(GOOD)
    assert chip.level("sums").tiles_in_flight == 24
    assert chip.level("weights").tiles_in_flight == 2
    assert chip.level("spad").fills_after == "weights"
    bus = chip.level("array").network
    assert (bus.rate("ifmap"), bus.rate("weight")) == (Fraction(1, 2), Fraction(4))
    assert parse_architecture(dump_architecture(chip)) == chip


def test_the_drawing_tells_them():
    text = architecture_text(parse_architecture(GOOD))
    for part in ("0.5 of ifmap", "spad: filled after weights", "sums: at most 24 tiles at a time"):
        assert part in text


@pytest.mark.parametrize("name", ["weight", "dram", "spad"])
def test_a_memory_fills_after_another_one_on_the_chip(name):
    with pytest.raises(InputError, match=r"levels\[2\]\.fills_after: .*must stand on the chip"):
        parse_architecture(GOOD.replace("fills_after: weights", f"fills_after: {name}"))


def test_a_queue_holds_two_tiles_at_least():
    with pytest.raises(InputError, match=r"levels\[4\]\.tiles_in_flight: 1"):
        parse_architecture(GOOD.replace("tiles_in_flight: 24", "tiles_in_flight: 1"))
