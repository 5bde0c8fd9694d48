from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, Systolic
from arraysmith.arch.errors import InputError
from arraysmith.arch.layout import AXES, LINE, WORD, Layout
from arraysmith.arch.loader import dump_architecture, parse_architecture
from arraysmith.arch.problem import TENSORS, conv, matmul
from arraysmith.arch.show import find

GOOD = """\
kind: architecture
name: banked
source: invented for a test
clock: 200 MHz
technology: 45nm
levels:
  - {memory: dram, device: lpddr4, holds: [ifmap, weight, ofmap], width: 64 bit, word: 8 bit,
     request: 128 B, requests_in_flight: 4}
  - memory: sram
    device: sram
    holds: [ifmap, weight]
    depth: 64
    width: 64 bit
    word: 8 bit
    banks: 4
    layout:
      ifmap: {in_line: [Q:2, C:4], line_order: [P, Q]}
      weight: {}
    partition: {ifmap: 40, weight: 24}
  - {memory: last, device: sram, holds: [ofmap], width: 64 bit, word: 8 bit, capacity: 1 KiB}
  - {fanout: array, mesh_x: 4, mesh_y: 4, network: {systolic: {}}}
"""
SYSTOLIC = "network: {systolic: {}}"


def test_a_file_becomes_the_memories_that_it_describes():
    dram, sram, last = parse_architecture(GOOD).memories
    assert dram == Memory("dram", "lpddr4", TENSORS, 64, 8, request_bytes=128, requests_in_flight=4)
    assert sram == Memory(
        "sram",
        "sram",
        ("ifmap", "weight"),
        64,
        8,
        64,
        banks=4,
        layouts=(("ifmap", Layout((("Q", 2), ("C", 4)), ("P", "Q"))), ("weight", Layout())),
        partition=(("ifmap", 40), ("weight", 24)),
    )
    assert last == Memory("last", "sram", ("ofmap",), 64, 8, 128)


def test_a_memory_knows_the_lines_and_the_layout_of_every_tensor():
    dram, sram, last = parse_architecture(GOOD).memories
    assert (sram.lines("ifmap"), sram.first_line("ifmap")) == (40, 0)
    assert (sram.lines("weight"), sram.first_line("weight")) == (24, 40)
    assert (last.lines("ofmap"), last.first_line("ofmap")) == (128, 0)
    assert dram.lines("ofmap") is None
    assert sram.layout("ifmap").block_words == 8
    assert sram.layout("ifmap").blocked
    assert not sram.layout("weight").blocked
    assert last.layout("ofmap") == Layout()
    assert (sram.banked("weight"), last.banked("ofmap")) == (True, False)


def test_a_stated_layout_makes_a_single_bank_count():
    assert Memory("m", "sram", ("ifmap",), 8, 8, 8, layouts=(("ifmap", Layout()),)).banked("ifmap")
    assert Memory("m", "sram", ("ifmap",), 8, 8, 8, banks=2).banked("ifmap")
    assert not Memory("m", "sram", ("ifmap",), 8, 8, 8).banked("ifmap")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("banks: 4", "banks: 0", "15:12: levels[1].banks: 0: must be at least 1"),
        ("banks: 4", "banks: 5", "15:12: levels[1].banks: 5: must divide the lines, 64"),
        (
            "in_line: [Q:2, C:4]",
            "in_line: [Q:2, C:3]",
            ("17:24: levels[1].layout.ifmap.in_line: [Q:2, C:3]: must fill the line, 8 words: "
            "its parts make 6"),
        ),
        (
            "in_line: [Q:2, C:4], ",
            "",
            ("17:14: levels[1].layout.ifmap.in_line: (none): must fill the line, 8 words: "
            "its parts make 1"),
        ),
        (
            "in_line: [Q:2, C:4]",
            "in_line: [Q:2, K:4]",
            ("17:30: levels[1].layout.ifmap.in_line[1]: K:4: ifmap has no such axis: "
            "known: C, G, N, P, Q"),
        ),
        (
            "in_line: [Q:2, C:4]",
            "in_line: [Q:2, Q:4]",
            ("17:24: levels[1].layout.ifmap.in_line: [Q:2, Q:4]: must name each once: "
            "remove the repetition"),
        ),
        (
            "in_line: [Q:2, C:4]",
            "in_line: [Q:2, C]",
            ("17:30: levels[1].layout.ifmap.in_line[1]: C: must be a part of a line, axis:words: "
            "for example C:4"),
        ),
        (
            "in_line: [Q:2, C:4]",
            "in_line: [Q:8, C:0]",
            ("17:30: levels[1].layout.ifmap.in_line[1]: C:0: words must be at least 1 and below "
            "10^15: for example C:4"),
        ),
        (
            "line_order: [P, Q]",
            "line_order: [P, R]",
            ("17:52: levels[1].layout.ifmap.line_order[1]: R: ifmap has no such axis: "
            "known: C, G, N, P, Q"),
        ),
        (
            "line_order: [P, Q]",
            "line_order: [P, P]",
            ("17:48: levels[1].layout.ifmap.line_order: [P, P]: must name each once: "
            "remove the repetition"),
        ),
        (
            "line_order: [P, Q]",
            "interleave: bit",
            ("17:48: levels[1].layout.ifmap.interleave: bit: must be one of line, word: "
            "known: line, word"),
        ),
        (
            "line_order: [P, Q]",
            "interleave: word",
            ("17:7: levels[1].layout: ifmap: {in_line: [Q:2, C:4], interleave: word}"
            " weight: {}: must all go round the banks alike: here ifmap by word, weight by line"),
        ),
        (
            "weight: {}\n",
            "ofmap: {}\n",
            "18:14: levels[1].layout.ofmap: {}: is not held here: holds ifmap, weight",
        ),
        (
            "partition: {ifmap: 40, weight: 24}",
            "partition: {ifmap: 40, weight: 25}",
            ("19:16: levels[1].partition: {ifmap: 40, weight: 25}: must not add up to more than "
            "the lines, 64: here 65"),
        ),
        (
            "partition: {ifmap: 40, weight: 24}",
            "partition: {ifmap: 40}",
            ("19:16: levels[1].partition: {ifmap: 40}: must give lines to every tensor held here: "
            "add weight"),
        ),
        (
            "partition: {ifmap: 40, weight: 24}",
            "partition: {ifmap: 30, weight: 20, ofmap: 2}",
            "19:47: levels[1].partition.ofmap: 2: is not held here: holds ifmap, weight",
        ),
        (
            "request: 128 B",
            "request: 12 bit",
            "8:15: levels[0].request: 12 bit: must be whole bytes",
        ),
        (
            "requests_in_flight: 4",
            "requests_in_flight: 0",
            "8:42: levels[0].requests_in_flight: 0: must be at least 1",
        ),
        (
            "requests_in_flight: 4",
            "banks: 4",
            "8:29: levels[0].banks: 4: counts on the chip only: remove banks",
        ),
        (
            "capacity: 1 KiB",
            "capacity: 1 KiB, request: 8 B",
            ("20:104: levels[2].request: 8 B: only the off-chip memory takes DMA requests: "
            "remove request"),
        ),
    ],
)  # fmt: skip
def test_every_wrong_field_is_reported_with_place_value_rule_and_hint(old, new, expected):
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        parse_architecture(GOOD.replace(old, new, 1), "banked.yaml")
    assert [str(fault) for fault in caught.value.faults] == ["banked.yaml:" + expected]


def test_words_go_round_as_many_banks_as_divide_a_line():
    text = GOOD.replace("line_order: [P, Q]", "interleave: word").replace(
        "weight: {}\n", "weight: {interleave: word}\n"
    )
    assert parse_architecture(text).memories[1].layout("weight") == Layout(interleave=WORD)
    with pytest.raises(InputError, match="must divide the words of a line, 8"):
        parse_architecture(text.replace("banks: 4", "banks: 16"))


def test_a_spatial_design_may_have_banks_and_layouts_but_no_parts():
    spatial = GOOD.replace(SYSTOLIC, "network: {xy_bus: {}}")
    with pytest.raises(InputError) as caught:
        parse_architecture(spatial)
    assert [(fault.field, fault.rule) for fault in caught.value.faults] == [
        ("levels[1].partition", "counts beside a systolic array only")
    ]
    lines = [line for line in spatial.splitlines() if "partition" not in line]
    memory = parse_architecture("\n".join(lines)).memories[1]
    assert memory.banks == 4
    assert memory.layout("ifmap").line_order == ("P", "Q")


def test_banks_of_a_spatial_design_have_to_divide_its_lines():
    spatial = GOOD.replace(SYSTOLIC, "network: {xy_bus: {}}").replace("banks: 4", "banks: 7")
    with pytest.raises(InputError, match="banks: 7: must divide the lines, 64"):
        parse_architecture(spatial)


def test_show_tells_banks_layouts_parts_and_requests(tmp_path: Path):
    path = tmp_path / "banked.yaml"
    path.write_text(GOOD)
    assert (
        "dram: requests of 128 B, at most 4 under way\n"
        "sram: 4 banks, interleaved by line; ifmap lines of Q:2 C:4, in the order P Q; "
        "weight row-major; 40 lines of ifmap; 24 lines of weight\n"
    ) in find(str(path)).text()


def test_a_design_without_banks_is_shown_without_a_word_about_them():
    assert "banks" not in find("scalesim-default").text()


def test_the_axes_of_every_operator_have_their_names():
    window = conv("c", height=6, width=6, in_channels=4, out_channels=6, window=(3, 3), groups=2)
    for problem in (window, matmul("m", m=3, n=4, k=5, batch=2)):
        for name, tensor in zip(TENSORS, problem.tensors, strict=True):
            axes = [axis.terms[0][0] for axis in tensor.axes]
            assert [axis for axis in AXES[name] if axis in axes] == sorted(
                axes, key=AXES[name].index
            )
            assert set(axes) <= set(AXES[name])


@st.composite
def layouts(draw, tensor: str, words: int, interleave: str):
    if draw(st.booleans()):
        return Layout(interleave=interleave)
    axes = draw(st.permutations(AXES[tensor]))
    first = draw(st.sampled_from([n for n in range(1, words + 1) if words % n == 0]))
    order = draw(st.lists(st.sampled_from(AXES[tensor]), unique=True))
    return Layout(((axes[0], first), (axes[1], words // first)), tuple(order), interleave)


@st.composite
def memories(draw):
    holds = tuple(draw(st.lists(st.sampled_from(TENSORS), min_size=1, unique=True)))
    words, interleave = draw(st.integers(1, 64)), draw(st.sampled_from([LINE, WORD]))
    banks = draw(st.sampled_from([n for n in range(1, words + 1) if words % n == 0]))
    depth = banks * draw(st.integers(len(holds), 100))
    stated = [t for t in holds if interleave == WORD or draw(st.booleans())]
    parts = tuple((t, draw(st.integers(1, depth // len(holds)))) for t in holds)
    return Memory(
        "sram",
        "sram",
        holds,
        8 * words,
        8,
        depth,
        banks=banks,
        layouts=tuple((t, draw(layouts(t, words, interleave))) for t in stated),
        partition=parts if draw(st.booleans()) else (),
    )


@given(memories(), st.integers(1, 2**40), st.none() | st.integers(1, 2**40))
def test_what_is_written_reads_back_equal(memory, request_bytes, in_flight):
    dram = Memory(
        "dram",
        "lpddr4",
        TENSORS,
        64,
        8,
        request_bytes=request_bytes,
        requests_in_flight=in_flight,
    )
    array = Fanout("array", 2, 2, Systolic())
    design = Architecture("a", 1, "45nm", (dram, memory, array), Compute())
    assert parse_architecture(dump_architecture(design)) == design
