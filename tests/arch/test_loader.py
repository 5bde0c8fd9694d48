from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from arraysmith.arch.architecture import (
    Architecture,
    Compute,
    Energy,
    Fanout,
    Memory,
    XyBus,
)
from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.loader import (
    Spec,
    SpecError,
    dump_architecture,
    load_architecture,
    parse_architecture,
    parse_document,
    parse_spec,
    read_spec,
)
from arraysmith.arch.problem import TENSORS

GOOD = """\
kind: architecture
name: tiny
source: invented for a test
clock: 200 MHz
technology: 65nm
levels:
  - {memory: dram, device: lpddr4, holds: [ifmap, weight, ofmap], width: 64 bit, word: 8 bit}
  - memory: glb
    device: sram
    holds: [ifmap, ofmap]
    capacity: 1 KiB
    width: 64 bit
    word: 8 bit
    read: 1.6 GB/s
    ports: 1
    latency: 2 cycles
  - fanout: array
    mesh_x: 4
    mesh_y: 3
    network: {xy_bus: {bandwidth: 2 words/cycle, diagonal: false}}
  - memory: spad
    device: regfile
    holds: [ofmap]
    depth: 16
    width: 16 bit
    word: 16 bit
    energy: {read: 0.5 pJ, write: 600 fJ}
compute: {name: mac, energy: 0.39082 pJ}
"""


def faults(text: str, old: str = "", new: str = "") -> list[str]:
    """Return the faults of the text, after one change, as printed."""
    assert old in text
    with pytest.raises(InputError) as caught:
        parse_architecture(text.replace(old, new, 1), "tiny.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_a_file_becomes_the_design_that_it_describes():
    assert parse_architecture(GOOD) == Architecture(
        "tiny",
        200_000_000,
        "65nm",
        (
            Memory("dram", "lpddr4", TENSORS, 64, 8),
            Memory("glb", "sram", ("ifmap", "ofmap"), 64, 8, 128, Fraction(8), None, 1, True, 2),
            Fanout("array", 4, 3, XyBus(Fraction(2), diagonal=False)),
            Memory("spad", "regfile", ("ofmap",), 16, 16, 16, energy=Energy(0.5, 0.6)),
        ),
        Compute("mac", 8, 16, 1, Energy(0.39082, 0.39082)),
    )


def test_all_faults_of_a_file_are_reported_at_once_in_the_order_of_their_places():
    text = GOOD.replace("65nm", "66nm").replace("capacity: 1 KiB", "depht: 16")
    text = text.replace("name: mac", "name: spad").replace("word: 16 bit", "word: 17 bit")
    assert faults(text, "mesh_x: 4", "mesh_x: 0") == [
        "tiny.yaml:5:13: technology: 66nm: unknown technology: did you mean 65nm or 16nm or 7nm?",
        "tiny.yaml:11:5: levels[1].depht: depht: unknown key: did you mean depth?",
        "tiny.yaml:18:13: levels[2].mesh_x: 0: must be at least 1",
        (
            "tiny.yaml:26:11: levels[3].word: 17 bit: a word must not be wider than an "
            "access, 16 bit: raise width or lower word"
        ),
        "tiny.yaml:28:17: compute.name: spad: name is used twice: levels[3].memory has it too",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "clock: 200 MHz",
            "clock: 200 MHz\nclock: 1 GHz",
            "5:1: clock: clock: key is given twice: first given in line 4; remove one",
        ),
        (
            "source: invented for a test\n",
            "",
            "1:1: source: (none): key is missing: add source: ...",
        ),
        ("name: tiny", "name: 3", "2:7: name: 3: must be text"),
        ("mesh_y: 3", "mesh_y: -3", "19:13: levels[2].mesh_y: -3: must be at least 1"),
        ("mesh_y: 3", "mesh_y: 2.5", "19:13: levels[2].mesh_y: 2.5: must be a whole number"),
        ("mesh_y: 3", "mesh_y: yes", "19:13: levels[2].mesh_y: yes: must be a whole number"),
        ("mesh_y: 3", "mesh_y: true", "19:13: levels[2].mesh_y: true: must be a whole number"),
        (
            "ports: 1",
            "ports: 3",
            ("15:12: levels[1].ports: 3: must be one of shared, dedicated, averaged: "
            "1 port is shared, 2 are dedicated"),
        ),
        (
            "holds: [ifmap, ofmap]",
            "holds: [ifmap, wieght]",
            ("10:20: levels[1].holds[1]: wieght: must be one of ifmap, weight, ofmap: "
            "did you mean weight?"),
        ),
        (
            "holds: [ifmap, ofmap]",
            "holds: []",
            "10:12: levels[1].holds: []: must have at least 1 entry",
        ),
        (
            "holds: [ifmap, ofmap]",
            "holds: [ofmap, ofmap]",
            "10:12: levels[1].holds: [ofmap, ofmap]: must name each once: remove the repetition",
        ),
        ("holds: [ifmap, ofmap]", "holds: ofmap", "10:12: levels[1].holds: ofmap: must be a list"),
        (
            "diagonal: false",
            "diagnal: false",
            ("20:50: levels[2].network.xy_bus.diagnal: diagnal: unknown key: "
            "did you mean diagonal?"),
        ),
        (
            "xy_bus: {bandwidth: 2 words/cycle, diagonal: false}",
            "xy_bus: {}, systolic: {}",
            ("20:14: levels[2].network: {xy_bus: {}, systolic: {}}: must be exactly one of xy_bus, "
            "tree, routed, wireless, systolic and scale_out: for example network: {xy_bus: {}}"),
        ),
        (
            "xy_bus: {bandwidth: 2 words/cycle, diagonal: false}",
            "systolic: {}",
            ("20:25: levels[2].network.systolic: {}: a systolic array must be the last level: "
            "its MACs store nothing but a word"),
        ),
        (
            "bandwidth: 2 words/cycle",
            "bandwidth: 2 B/cycle",
            ("20:35: levels[2].network.xy_bus.bandwidth: 2 B/cycle: must be in words/cycle: "
            "words of each tensor differ in bits here"),
        ),
        (
            "capacity: 1 KiB",
            "capacity: 100 B",
            "11:15: levels[1].capacity: 100 B: must be a whole number of lines of 64 bit",
        ),
        (
            "capacity: 1 KiB",
            "capacity: 1 KiB\n    depth: 128",
            "11:15: levels[1].capacity: 1 KiB: give depth or capacity, not both: remove one",
        ),
        (
            "    capacity: 1 KiB\n",
            "",
            ("8:5: levels[1].depth: (none): key is missing: only the off-chip memory has no bound: "
            "add depth: ... or capacity: ..."),
        ),
        (
            "width: 64 bit, word: 8 bit}",
            "width: 64 bit, word: 8 bit, depth: 4}",
            "7:102: levels[0].depth: 4: off-chip memory has no bound: remove depth",
        ),
        (
            "holds: [ifmap, weight, ofmap]",
            "holds: [ifmap, weight]",
            ("7:43: levels[0].holds: [ifmap, weight]: off-chip memory must hold every tensor: "
            "add ofmap"),
        ),
        (
            "word: 16 bit",
            "word: 17 bit",
            ("26:11: levels[3].word: 17 bit: a word must not be wider than an "
            "access, 16 bit: raise width or lower word"),
        ),
        ("memory: spad", "memory: glb", ("21:13: levels[3].memory: glb: name is used twice: "
         "levels[1].memory has it too")),
        (
            "name: mac",
            "name: spad",
            "28:17: compute.name: spad: name is used twice: levels[3].memory has it too",
        ),
        (
            "technology: 65nm",
            "technology: 65 nm",
            "5:13: technology: 65 nm: unknown technology: did you mean 65nm",
        ),
        (
            "device: sram",
            "device: srm",
            "9:13: levels[1].device: srm: unknown device: did you mean sram",
        ),
        (
            "kind: architecture",
            "kind: mapping",
            "1:7: kind: mapping: must be architecture here",
        ),
        (
            "fanout: array",
            "fan_out: array",
            ("17:5: levels[2]: fan_out: array mesh_x: 4 mesh_y: 3 network: {xy_bus: {ban...: "
            "a level must be a memory (memory: NAME) or a fan-out (fanout: NAME)"),
        ),
        (
            "energy: {read: 0.5 pJ, write: 600 fJ}",
            "energy: 5 pJ",
            "27:13: levels[3].energy: 5 pJ: must be a mapping (key: value)",
        ),
        ("source: invented for a test", 'source: ""', ('3:9: source: "": must not be empty: '
         "say where the numbers come from")),
        ("clock: 200 MHz", "clock: 0 Hz", "4:8: clock: 0 Hz: must be at least 1"),
    ],
)  # fmt: skip
def test_every_wrong_field_is_reported_with_place_value_rule_and_hint(old, new, expected):
    found = faults(GOOD, old, new)
    assert len(found) == 1
    assert found[0].startswith("tiny.yaml:" + expected)


def test_the_first_level_must_be_the_off_chip_memory_and_a_fan_out_must_follow():
    text = GOOD[: GOOD.index("  - {memory: dram")]
    fanouts = "".join(f"  - {{fanout: {name}, mesh_x: 1, mesh_y: 1}}\n" for name in "ab")
    assert faults(text + fanouts) == [
        ("tiny.yaml:7:5: levels[0]: {fanout: a, mesh_x: 1, mesh_y: 1}: "
        "the first level must be the off-chip memory")
    ]  # fmt: skip
    dram = "  - {memory: m, device: lpddr4, holds: [ifmap, weight, ofmap], width: 8, word: 8}\n"
    sram = "  - {memory: s, device: sram, holds: [ifmap], width: 8, word: 8, depth: 8}\n"
    assert [x.split(": ")[1:3] for x in faults(text + dram + sram)] == [
        ["levels", "- {memory"],
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f.yaml: (whole file): (none): file is empty: it must hold a mapping"),
        ("# nothing\n", "f.yaml: (whole file): (none): file is empty: it must hold a mapping"),
        ("- a\n", "f.yaml:1:1: (whole file): - a: a mapping (key: value lines) must stand at the"),
        ("a: [1, 2\n", "f.yaml:2:1: (whole file): (none): is not YAML: expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "f.yaml:2:1: (whole file): (none): is not YAML: found character"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: (whole file): (none): is not YAML: but found another"),
        ("a: \x07\n", "f.yaml:1:4: (whole file): '\\x07': holds a character that YAML does not"),
        ("a: &x [*x]\n", "f.yaml:1:4: a[0]: &x [*x]: aliases expand without end"),
        ("a: *x\n", "f.yaml:1:4: (whole file): (none): is not YAML: found undefined alias 'x'"),
        ("[" * 5000, "f.yaml: (whole file): (none): is nested too deeply"),
    ],
)
def test_a_file_that_is_not_a_yaml_mapping_is_refused_at_the_place(text, expected):
    with pytest.raises(InputError) as caught:
        parse_document(text, "f.yaml")
    assert str(caught.value).startswith(expected)


def test_aliases_of_aliases_are_not_expanded_without_end():
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    with pytest.raises(InputError, match="aliases expand without end"):
        parse_document(text, "f.yaml")


def test_files_that_cannot_be_read_are_faults_and_not_tracebacks(tmp_path: Path):
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"kind: a\nname: \xff\xfe")
    missing = tmp_path / "missing.yaml"
    cases = {
        str(missing): f"{missing}: (whole file): {missing}: file does not exist",
        f"{tmp_path}/": "is a folder, not a file",
        str(binary): f"{binary}:2:7: (whole file): {binary}: byte 0xff is not UTF-8 text",
        str(tmp_path / "nul\0.yaml"): "cannot be read: embedded null byte",
    }
    for ref, expected in cases.items():
        with pytest.raises(InputError) as caught:
            load_architecture(ref)
        assert expected in str(caught.value)


def test_a_name_that_is_neither_preset_nor_file_gets_the_near_matches():
    with pytest.raises(InputError) as caught:
        load_architecture("eyeris")
    assert str(caught.value).startswith(
        "input: architecture: eyeris: is neither a preset nor a file: did you mean eyeriss"
    )


def test_a_file_loads_by_path_text_and_name_without_suffix(tmp_path: Path, monkeypatch):
    path = tmp_path / "design"
    path.write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert load_architecture(path) == load_architecture("design") == parse_architecture(GOOD)


class Inner(Spec):
    size: int = Field(gt=0, lt=10)


class Outer(Spec):
    names: dict[str, Inner]
    either: int | str = 0
    ratio: float = 0.5


def test_any_model_can_be_read_and_its_faults_are_in_plain_words(tmp_path: Path):
    path = tmp_path / "spec.yaml"
    path.write_text("names:\n  a: {size: 10}\n  b: {sise: 1, size: 0}\neither: []\nratio: x\n")
    with pytest.raises(InputError) as caught:
        read_spec(path, Outer)
    assert [(x.line, x.column, x.field, x.rule, x.hint) for x in caught.value.faults] == [
        (2, 13, "names.a.size", "must be less than 10", ""),
        (3, 7, "names.b.sise", "unknown key", "did you mean size?"),
        (3, 22, "names.b.size", "must be greater than 0", ""),
        (4, 9, "either", "must be a whole number", ""),
        (4, 9, "either", "must be text", ""),
        (5, 8, "ratio", "must be a number", ""),
    ]


def test_checks_after_the_model_can_point_at_a_field_or_at_its_key():
    spec, positions = parse_spec("names: {a: {size: 1}}\n", Outer, "f.yaml")
    assert spec.names["a"].size == 1
    at_value = positions.fault("names.a.size", "must be 2", "write 2")
    assert str(at_value) == "f.yaml:1:19: names.a.size: 1: must be 2: write 2"
    at_key = positions.fault("names.a", "unknown", at_key=True)
    assert str(at_key) == "f.yaml:1:9: names.a: a: unknown"
    absent = positions.fault("names.a.depth", "key is missing")
    assert str(absent) == "f.yaml:1:12: names.a.depth: (none): key is missing"


def test_a_rule_raised_by_a_validator_reaches_the_user_in_its_own_words():
    error = SpecError("must be odd", "add one")
    assert (error.rule, error.hint, str(error)) == ("must be odd", "add one", "must be odd")


@given(
    st.integers(0, len(GOOD) - 1),
    st.integers(0, 12),
    st.sampled_from(
        ["", "-", "0", "[", "]", "{}", ": ", "\n", " ", "1e999", "*a", "&a ", "!!x ", "'"]
    )
    | st.text(max_size=6),
)
def test_a_damaged_file_is_read_or_refused_with_faults_but_never_crashes(at, length, patch):
    damaged = GOOD[:at] + patch + GOOD[at + length :]
    faults: tuple[Fault, ...] = ()
    try:
        design = parse_architecture(damaged, "tiny.yaml")
    except InputError as error:
        faults = error.faults
    else:
        assert parse_architecture(dump_architecture(design)) == design
        return
    assert faults
    assert all(fault.file == "tiny.yaml" and fault.rule for fault in faults)


def test_a_key_without_a_value_does_not_mean_its_default():
    text = dump_architecture(load_architecture("eyeriss"))
    text = text.replace("read: 6/5 words/cycle", "read:")
    with pytest.raises(InputError) as caught:
        parse_architecture(text)
    (fault,) = caught.value.faults
    assert fault.field == "levels[0].read"
    assert fault.rule == "value is missing"
    assert text.splitlines()[fault.line - 1].strip() == "read:"
