"""What is written of a design reads back equal."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import (
    Architecture,
    Compute,
    Energy,
    Fanout,
    Memory,
    Ports,
    Systolic,
    XyBus,
)
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.loader import dump_architecture, load_architecture, parse_architecture
from arraysmith.arch.problem import TENSORS

RATES = st.none() | st.fractions(Fraction(1, 1000), 10**6, max_denominator=10**6)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
HOLDS = st.lists(st.sampled_from(TENSORS), min_size=1, unique=True).map(tuple)
ENERGIES = st.none() | st.builds(Energy, st.floats(0, 1e9), st.floats(0, 1e9))


@st.composite
def memories(draw, name: str, *, off_chip: bool):
    word = draw(st.integers(1, 64))
    return Memory(
        name=name,
        device=draw(st.sampled_from(["lpddr4"] if off_chip else ["sram", "regfile"])),
        holds=TENSORS if off_chip else draw(HOLDS),
        width_bits=word + draw(st.integers(0, 2**19)),
        word_bits=word,
        depth=None if off_chip else draw(st.integers(1, 2**48)),
        read_words_per_cycle=draw(RATES),
        write_words_per_cycle=draw(RATES),
        ports=draw(st.sampled_from(list(Ports))),
        whole_words=draw(st.booleans()),
        double_buffered=draw(st.booleans()),
        latency_cycles=draw(st.integers(0, 10**9)),
        energy=draw(ENERGIES),
    )  # fmt: skip


@st.composite
def architectures(draw):
    names = draw(st.lists(NAMES, min_size=5, max_size=5, unique=True))
    bus = st.builds(
        XyBus, RATES, st.integers(0, 10**9), st.booleans(), st.booleans(), st.booleans()
    )
    systolic = st.builds(
        Systolic,
        st.sampled_from(["shift", "bus", "free"]),
        st.sampled_from(["none", "weights", "accumulators"]),
        st.sampled_from(["used", "full"]),
        st.sampled_from(["accumulate", "spill"]),
    )
    mesh = st.integers(1, 2**20)
    levels = [
        draw(memories(names[0], off_chip=True)),
        draw(memories(names[1], off_chip=False)),
        Fanout(names[2], draw(mesh), draw(mesh), draw(bus)),
    ]
    if draw(st.booleans()):
        levels = [replace(x, whole_words=False) if isinstance(x, Memory) else x for x in levels]
        levels.append(Fanout(names[3], draw(mesh), draw(mesh), draw(systolic)))
    energy = draw(st.none() | st.floats(0, 1e9))
    bits = st.integers(1, 2**20)
    return Architecture(
        draw(NAMES),
        draw(st.integers(1, 10**12)),
        draw(st.sampled_from(["65nm", "45nm", "32nm"])),
        tuple(levels),
        Compute(
            names[4],
            draw(bits),
            draw(bits),
            draw(st.integers(1, 10**9)),
            None if energy is None else Energy(energy, energy),
        ),
    )


@given(architectures())
def test_every_design_that_is_written_reads_back_equal(architecture):
    assert parse_architecture(dump_architecture(architecture)) == architecture


def test_a_mac_with_two_energies_cannot_be_written():
    design = load_architecture("eyeriss")
    odd = Architecture(
        design.name, 1, "65nm", design.levels, Compute("mac", energy=Energy(1.0, 2.0))
    )
    with pytest.raises(ArraysmithError, match="mac: a MAC has one energy per operation"):
        dump_architecture(odd)
