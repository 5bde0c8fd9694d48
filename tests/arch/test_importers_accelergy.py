"""Accelergy's reference tables and component classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import Compute, Memory
from arraysmith.arch.errors import InputError
from arraysmith.arch.importers.accelergy import read_accelergy, short_name, with_energies
from arraysmith.arch.importers.accelergy_classes import read_classes
from arraysmith.arch.importers.expressions import ExpressionError, evaluate
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.technology.arithmetic import address_pj, block
from arraysmith.arch.technology.class_device import class_device
from arraysmith.arch.technology.conformance import broken_by_device
from arraysmith.arch.technology.estimate import mac_cost, memory_cost
from arraysmith.arch.technology.node import node_of

ERT_04 = """
ERT:
  version: '0.4'
  tables:
  - name: top.shared_glb[1..1]
    actions:
    - {name: write, arguments: {}, energy: 14.1}
    - {name: read, arguments: {}, energy: 18.2}
    - {name: update, arguments: {}, energy: 14.1}
    - {name: leak, arguments: {global_cycle_seconds: 2e-09}, energy: 0.006}
  - name: top.column[1..14].psum[1..168]
    actions:
    - {name: read, arguments: {address_delta: 0, data_delta: 1}, energy: 0.2}
    - {name: read, arguments: {address_delta: 1, data_delta: 1}, energy: 0.3}
    - {name: fill, arguments: null, energy: 0.25}
    - {name: update, arguments: null, energy: 0.4}
    - {name: idle, arguments: null, energy: 0.001}
  - name: top.mac[1..168]
    actions:
    - {name: compute, arguments: {}, energy: 0.5}
"""
ERT_02 = """
ERT:
  version: 0.2
  tables:
    simple.glb:
      idle: {arguments: null, energy: 0}
      read:
      - {arguments: {data_delta: 0}, energy: 1}
      - {arguments: {data_delta: 1}, energy: 3}
      write:
      - {arguments: {data_delta: 1}, energy: 2}
"""
ART = """
ART:
  version: 0.3
  tables:
  - {name: 'top.shared_glb[1..1]', area: 5000}
"""


def written(tmp_path, *texts):
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"file{number}.yaml")
        paths[-1].write_text(text)
    return paths


def test_a_reference_table_becomes_costs_with_its_assumptions(tmp_path):
    tables = read_accelergy(*written(tmp_path, ERT_04, ART))
    assert set(tables.costs) == {"shared_glb", "psum", "mac"}
    glb, psum, mac = (tables.costs[x] for x in ("shared_glb", "psum", "mac"))
    assert (glb.read_pj, glb.write_pj, glb.area_um2) == (18.2, 14.1, 5000)
    assert glb.leakage_mw == pytest.approx(0.006 / 2)  # 0.006 pJ every 2 ns
    assert (psum.read_pj, psum.write_pj) == (0.3, 0.4)
    assert psum.leakage_mw == pytest.approx(0.001)
    assert mac.read_pj == mac.write_pj == 0.5
    text = "\n".join(tables.assumptions)
    for part in (
        "priced at their dearest",
        "psum: writes, fills and updates differ",
        "psum: leakage is per cycle of 1 ns",
        "mac: no area in an ART",
    ):
        assert part in text
    assert "shared_glb: no area" not in text


def test_the_older_form_of_the_table_is_read(tmp_path):
    tables = read_accelergy(*written(tmp_path, ERT_02))
    assert (tables.costs["glb"].read_pj, tables.costs["glb"].write_pj) == (3, 2)


def test_a_design_states_the_energies_of_a_table(tmp_path):
    tables = read_accelergy(*written(tmp_path, ERT_04))
    design = load_architecture("eyeriss-poster-original")
    names = {"shared_glb": "glb", "psum": "psum_spad", "mac": "mac"}
    stated = with_energies(design, tables, names)
    costs = {x.name: memory_cost(x, "65nm") for x in stated.memories}
    assert (costs["glb"].read_pj, costs["glb"].write_pj) == (18.2, 14.1)
    assert (costs["psum_spad"].read_pj, costs["psum_spad"].write_pj) == (0.3, 0.4)
    assert costs["ifmap_spad"] == memory_cost(design.memories[2], "65nm")
    assert mac_cost(stated.compute, "65nm").read_pj == 0.5
    # Without names, those called alike.
    alike = with_energies(design, tables)
    assert alike.compute == stated.compute
    assert alike.levels == design.levels


def test_components_and_levels_that_do_not_exist_are_refused(tmp_path):
    tables = read_accelergy(*written(tmp_path, ERT_04))
    design = load_architecture("eyeriss-poster-original")
    with pytest.raises(InputError, match="did you mean shared_glb"):
        with_energies(design, tables, {"shared_gb": "glb"})
    with pytest.raises(InputError, match="has no such level"):
        with_energies(design, tables, {"mac": "glbb"})
    with pytest.raises(InputError, match="none is called as a level"):
        with_energies(design, read_accelergy(*written(tmp_path, ERT_02.replace("glb", "l1"))))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: 1\n", "holds neither ERT nor ART"),
        ("ERT: {version: 0.4}\n", "ERT.tables: .*must hold tables"),
        (ERT_04.replace("energy: 18.2", "energy: much"), r"actions\[1\]: .*must have an energy"),
        (ERT_04.replace("top.mac[1..168]", "top.psum"), "two components are called psum"),
        (ERT_04.replace("name: read, arguments: {},", "arguments: {},"), "must be a named action"),
        (ART, "ERT: .*is missing"),
    ],
)
def test_faults_of_a_table_stand_at_their_place(tmp_path, text, rule):
    with pytest.raises(InputError, match=rule):
        read_accelergy(*written(tmp_path, text))


def test_names_lose_their_path_and_their_instances():
    assert short_name("a.b[0..3].glb[1..1]") == "glb"
    assert short_name("glb") == "glb"


SCRATCHPAD = """
compound_components:
  version: 0.4
  classes:
  - name: scratchpad
    attributes:
      technology: "must_specify"
      width: "must_specify"
      depth: "must_specify"
      full_width: max(32, width)
      full_depth: max(64, depth)
      share: (width / full_width) * (depth / full_depth) ** (1.56 / 2)
    subcomponents:
    - name: store
      class: regfile
      area_share: width * depth / (full_width * full_depth)
      attributes: {width: full_width, depth: full_depth}
    - name: pointer[0..1]
      class: intadder
      attributes:
        n_bits: max(1, ceil(log2(depth)))
    actions:
    - &put
      name: write
      subcomponents:
      - name: store
        actions: [{name: write, action_share: share}]
      - name: pointer[0]
        actions: [{name: add}]
    - name: read
      subcomponents:
      - name: store
        actions: [{name: read, action_share: share}]
      - name: pointer[1]
        actions: [{name: add}]
    - {name: update, <<: *put}
"""
TILE = """
name: tile
attributes: {technology: 40nm, lines: 8, n: 3}
subcomponents:
- name: pad[0..n-1]
  class: scratchpad
  attributes: {width: 16, depth: lines}
- {name: bus, class: wire, attributes: {length: 2mm, datawidth: 16}}
actions:
- name: read
  arguments: {rows: 0..n}
  subcomponents:
  - {name: 'pad[0..n-1]', actions: [{name: read}]}
  - {name: bus, actions: [{name: transfer, repeat: rows}]}
"""


@pytest.mark.parametrize(("depth", "width"), [(12, 16), (192, 16), (8, 128), (6, 64)])
def test_a_compound_class_costs_the_sum_of_its_parts(tmp_path, depth, width):
    classes = read_classes(*written(tmp_path, SCRATCHPAD))
    priced = classes.price("scratchpad", {"width": width, "depth": depth}, "45nm")
    # The class scales a register file as our formula does; its adders replace our address logic.
    node = node_of("45nm")
    ours = memory_cost(Memory("m", "regfile", ("ifmap",), width, 8, depth), "45nm")
    bits = (depth - 1).bit_length()
    adder = block("adder", bits).energy_pj
    address = address_pj(depth, node)
    assert priced.actions["read"] == pytest.approx(ours.read_pj - address + adder)
    assert priced.actions["write"] == pytest.approx(ours.write_pj - address + adder)
    assert priced.actions["update"] == priced.actions["write"]
    assert "register file: our formula" in priced.assumptions
    cost = priced.cost("scratchpad")
    assert (cost.read_pj, cost.write_pj) == (priced.actions["read"], priced.actions["write"])


def test_classes_are_made_of_classes_and_actions_repeat_up_to_their_largest_argument(tmp_path):
    classes = read_classes(*written(tmp_path, SCRATCHPAD, TILE))
    pad = classes.price("scratchpad", {"width": 16, "depth": 8}, "32nm")
    tile = classes.price("tile", {}, "32nm")
    wire = 16 * 2 * 0.1143
    assert tile.actions["read"] == pytest.approx(3 * pad.actions["read"] + 3 * wire)
    assert tile.area_um2 == pytest.approx(3 * pad.area_um2)
    assert any("largest value" in x for x in tile.assumptions)
    more = classes.price("tile", {"n": 5}, "32nm")
    assert more.actions["read"] == pytest.approx(5 / 3 * tile.actions["read"])


def test_a_class_is_a_memory_device_that_keeps_the_rules(tmp_path):
    classes = read_classes(*written(tmp_path, SCRATCHPAD))
    device = class_device(classes, "scratchpad")
    broken = broken_by_device(device, depths=(2, 12, 64, 192, 500), widths=(8, 16, 32, 64))
    assert broken == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("class: regfile", "class: regfil", "unknown: did you mean regfile"),
        ("{name: read, action", "{name: fetch, action", "asks store to fetch, unknown"),
        ("width: full_width,", "width: fullwidth(2),", "calls fullwidth"),
        ("name: store\n        actions: [{name: read", "name: shop\n        actions: [{name: read",
         "no subcomponent"),
        ('width: "must_specify"\n      depth', "breadth: 1\n      depth", "names width"),
    ],
)  # fmt: skip
def test_what_a_class_cannot_say_is_refused_in_words(tmp_path, old, new, rule):
    assert old in SCRATCHPAD
    classes = read_classes(*written(tmp_path, SCRATCHPAD.replace(old, new)))
    with pytest.raises(InputError, match=rule):
        classes.price(
            "scratchpad", {"depth": 12} | ({} if "breadth" in new else {"width": 16}), "45nm"
        )


def test_a_class_made_of_itself_is_refused(tmp_path):
    text = TILE.replace("class: scratchpad", "class: tile")
    with pytest.raises(InputError, match="made of itself"):
        read_classes(*written(tmp_path, text)).price("tile", {}, "45nm")


def test_primitives_cost_what_our_tables_say(tmp_path):
    classes = read_classes(*written(tmp_path, TILE))
    mac = classes.price("intmac", {"datawidth": 8, "adder_width": 16}, "45nm")
    assert mac.actions["mac_random"] == pytest.approx(mac_cost(Compute(), "45nm").read_pj)
    assert mac.actions["mac_reused"] == pytest.approx(0.85 * mac.actions["mac_random"])
    dram = classes.price("DRAM", {"type": "HBM2", "width": 64}, "45nm")
    assert dram.actions["read"] == pytest.approx(64 * 3.9)
    sram = classes.price("SRAM", {"width": 64, "depth": 1024}, "32nm")
    ours = memory_cost(Memory("m", "sram", ("ifmap",), 64, 8, 1024), "32nm")
    address = address_pj(1024, node_of("32nm"))
    assert sram.actions["read"] == pytest.approx(ours.read_pj - address)


def test_files_without_classes_and_classes_given_twice_are_refused(tmp_path):
    with pytest.raises(InputError, match="must be a class"):
        read_classes(*written(tmp_path, "name: x\n"))
    with pytest.raises(InputError, match="two classes are called scratchpad"):
        read_classes(*written(tmp_path, SCRATCHPAD, SCRATCHPAD))


@given(st.integers(-50, 50), st.integers(1, 50))
def test_expressions_mean_what_they_mean_in_mathematics(a, b):
    names = {"a": a, "b": b, "node": "40nm"}
    assert evaluate("a + b * 2 - -a", names) == a + b * 2 + a
    assert evaluate("max(32, a) if a >= b else min(a, b)", names) == (
        max(32, a) if a >= b else min(a, b)
    )
    assert evaluate("a / b", names) == a / b
    assert evaluate("log2(2 ** b)", names) == pytest.approx(b)
    assert evaluate("node", names) == "40nm"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "a.b",
        "[1]",
        "lambda: 1",
        "open('x')",
        "1 / 0",
        "2 ** 9999",
        "node + 1",
        "(-8) ** 0.5",
        "1 +",
        "c",
        "(" * 300 + "1" + ")" * 300,
    ],
)
def test_what_is_no_plain_arithmetic_has_no_value(text):
    with pytest.raises(ExpressionError):
        evaluate(text, {"a": 1, "node": "40nm"})
