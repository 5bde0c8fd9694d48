"""Designs and layers of Timeloop: read, refused at their place, and written."""

from __future__ import annotations

from fractions import Fraction

import pytest
from chips import SPATIAL, SYSTOLIC
from hypothesis import given, settings
from hypothesis import strategies as st
from timeloop_files import EYERISS, FRONT_END, LAYER

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, XyBus
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.importers.timeloop import (
    load_timeloop,
    parse_timeloop_architecture,
    parse_timeloop_problem,
)
from arraysmith.arch.importers.timeloop_text import architecture_text, problem_text
from arraysmith.arch.loader import load_architecture, preset_names
from arraysmith.arch.main import run
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import TENSORS, Axis, Problem, Tensor, WordBits, conv, matmul


def faults_of(text, parse=parse_timeloop_architecture):
    with pytest.raises(InputError) as caught:
        parse(text, file="it.yaml") if parse is parse_timeloop_architecture else parse(
            text, "layer", "it.yaml"
        )
    return {fault.field: fault for fault in caught.value.faults}


def test_the_design_of_the_poster_is_our_preset_but_for_names():
    found, assumptions = parse_timeloop_architecture(EYERISS)
    ours = load_architecture("eyeriss-poster-original")
    names = {"DRAM": "dram", "column-row": "array"}
    for level, mine in zip(found.levels, ours.levels, strict=True):
        assert names.get(level.name, level.name) == mine.name
        for field in type(mine).__dataclass_fields__:
            if field != "name":
                assert getattr(level, field) == getattr(mine, field)
    assert (found.compute, found.clock_hz) == (ours.compute, ours.clock_hz)
    assert (found.technology, found.name) == ("65nm", "eyeriss")
    assert len(assumptions) == 1
    assert assumptions[0].startswith("column and row are the columns and rows of one array")


def test_what_the_front_end_writes_is_read_too(tmp_path):
    path = tmp_path / "flat.yaml"
    path.write_text(FRONT_END)
    found = load_timeloop(path)
    names = [level.name for level in found.architecture.levels]
    assert names == ["DRAM", "column-row", "spad"]
    array, spad = found.architecture.levels[1:]
    assert (array.mesh_x, array.mesh_y, spad.holds) == (4, 3, ("ofmap",))
    assert found.architecture.compute == Compute("mac", 8, 16)
    assert "spad: left out: n_banks" in found.assumptions
    assert found.mapping is None


def test_a_mesh_at_a_component_and_a_design_without_mesh_are_fan_outs():
    text = EYERISS.replace("    spatial: {meshY: 12}\n", "").replace(
        "    class: intmac\n", "    class: intmac\n    spatial: {meshY: 3}\n"
    )
    text = text.replace("      spatial: {split: 0", "      temporal: {split: 0")
    fanouts = parse_timeloop_architecture(text)[0].fanouts
    assert [(x.name, x.mesh_x, x.mesh_y) for x in fanouts] == [
        ("column", 14, 1),
        ("mac_mesh", 1, 3),
    ]
    bare = text.replace("    spatial: {meshY: 3}\n", "").replace("    spatial: {meshX: 14}\n", "")
    found, assumptions = parse_timeloop_architecture(bare)
    assert [(x.name, x.instances) for x in found.fanouts] == [("single", 1)]
    assert any("no mesh is given" in text for text in assumptions)


@pytest.mark.parametrize(
    ("attributes", "depth", "width"),
    [
        ("entries: 131072, width: 64, datawidth: 8", 16384, 64),
        ("sizeKB: 128, block_size: 8, datawidth: 8", 16384, 64),
        ("memory_depth: 16384, memory_width: 64, word_bits: 8", 16384, 64),
        ("depth: lines, width: 64, datawidth: 8", 512, 64),
    ],
)
def test_sizes_have_several_spellings(attributes, depth, width):
    old = "depth: 16384, width: 64, datawidth: 8, read_bandwidth: 16, write_bandwidth: 16"
    text = "variables: {lines: 512}\n" + EYERISS.replace(
        old, f"{attributes}, shared_bandwidth: 0.5"
    )
    glb = parse_timeloop_architecture(text)[0].level("glb")
    assert (glb.depth, glb.width_bits, glb.word_bits) == (depth, width, 8)
    assert (glb.ports, glb.read_words_per_cycle) == (1, Fraction(1, 2))


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ("depth: 16384", "dept: 16384", "nodes[3].attributes.dept", "unknown attribute"),
        ("depth: 16384", "depth: 0", "nodes[3].attributes.depth", "at least 1"),
        ("read_bandwidth: 16", "read_bandwidth: no", "nodes[3].attributes.read_bandwidth",
         "words per cycle"),
        ("LPDDR4", "LPDDR9", "nodes[1].attributes.type", "unknown device"),
        ("65nm", "66nm", "nodes[2].attributes.technology", "unknown technology"),
        ("1e-9", "fast", "nodes[2].attributes.global_cycle_seconds", "seconds"),
        ("!Parallel", "!Paralel", "nodes[6]", "tag of a node"),
        ("!Parallel", "!Pipelined", "nodes[6]", "pipelined"),
        ("meshX: 14", "meshZ: 14", "nodes[4].spatial.meshZ", "unknown key"),
        ("meshX: 14", "meshX: 1.5", "nodes[4].spatial.meshX", "whole number"),
        ("[Inputs, Outputs], bypass", "[Input, Outputs], bypass",
         "nodes[3].constraints.dataspace.keep", "unknown data space"),
        ("Parallel\n    nodes:", "Parallel\n    nodes: [!Component {name: spad}]\n    nodes:",
         "nodes[6].nodes[0]", "which data spaces"),
        ("smartbuffer_SRAM", "smartbuffer", "nodes[3].class", "unknown class"),
        ("version: 0.4", "version: 0.3", "version", "only version 0.4"),
        ("name: glb\n", "energy_scale: 2\n    name: glb\n", "nodes[3].energy_scale", "cannot"),
        ("datawidth: 8, read", "datawidth: 8, cluster_size: 4, read",
         "nodes[3].attributes.cluster_size", "cannot be said"),
        ("name: mac\n    class: intmac", "name: glb\n    class: intmac", "nodes[7].name",
         "name is used twice"),
    ],
)  # fmt: skip
def test_a_fault_of_a_design_stands_at_its_place(old, new, field, rule):
    assert old in EYERISS
    text = EYERISS.replace(old, new, 1)
    fault = faults_of(text)[f"architecture.{field}"]
    assert fault.file == "it.yaml"
    assert fault.line - text[: text.index(new)].count("\n") in {1, 2}
    assert rule in fault.rule
    assert fault.column > 0


def test_all_faults_of_a_design_are_told_at_once():
    text = EYERISS.replace("16384", "0").replace("LPDDR4", "LPDDR9").replace("meshX", "meshZ")
    assert len(faults_of(text)) == 3


def test_a_layer_is_a_convolution_of_ours_with_the_coefficients_of_its_instance():
    found, assumptions = parse_timeloop_problem(LAYER, "conv1_1")
    whole = conv("conv1_1", height=226, width=226, in_channels=3, out_channels=64, window=(3, 3))
    assert found == whole
    strided, _ = parse_timeloop_problem(LAYER.replace("Hstride: 1, ", ""), "conv1_1")
    assert strided.ifmap.axes[3] == Axis((("P", 2), ("R", 1)), 449)
    assert any("Hpad" in text for text in assumptions)
    assert any("8 bits" in text for text in assumptions)


@pytest.mark.parametrize(
    ("dims", "spaces", "sizes"),
    [
        ("[M, N, K]", ("A [[[M]], [[K]]]", "B [[[N]], [[K]]]", "Z [[[M]], [[N]]]"),
         (1, 1, 3, 4, 2)),
        ("[M, N, K]", ("left [[[N]], [[K]]]", "right [[[K]], [[M]]]", "Z [[[N]], [[M]]]"),
         (1, 3, 2, 4, 1)),
        ("[G, N, C]", ("Inputs [[[G]], [[N]], [[C]]]", "Weights [[[G]], [[C]]]",
                       "Outputs [[[N]], [[G]]]"), (2, 3, 1, 4, 1)),
    ],
)  # fmt: skip
def test_dims_are_called_by_what_they_index(dims, spaces, sizes):
    listed = "\n".join(
        f"    - {{name: {space.split(' ', 1)[0]}, projection: {space.split(' ', 1)[1]}"
        + (", read_write: true}" if i == 2 else "}")
        for i, space in enumerate(spaces)
    )
    instance = "{M: 2, N: 3, K: 4}" if "M" in dims else "{G: 2, N: 3, C: 4}"
    text = (
        f"problem:\n  instance: {instance}\n  shape:\n    dimensions: {dims}\n"
        f"    data_spaces:\n{listed}\n"
    )
    found, _ = parse_timeloop_problem(text, "product")
    assert found.sizes == (*sizes, 1, 1, 1)
    assert found.macs == 24


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ("C: 3, M: 64", "C: 3, M: 0", "problem.instance.M", "at least 1"),
        ("C: 3, M: 64", "C: 3", "problem.instance.M", "missing"),
        ("[S], [Q]", "[S], [Y]", "problem.shape.data_spaces[1].projection[3][1]", "must be"),
        ("Hdilation], [P", "Hdil], [P", "problem.shape.data_spaces[1].projection[2][0]",
         "unknown coefficient"),
        (", read_write: True", "", "problem.shape.data_spaces", "two operands and one result"),
        ("[[C]], [[M]], ", "[[M]], ", "problem.shape.dimensions", "C must index two"),
        ("Hpad: 0", "densities: {Inputs: {density: 0.5}}",
         "problem.instance.densities.Inputs", "density below 1"),
        ("[[S], [Q]]", "[[S], [Q], [P]]", "problem.shape.data_spaces", "no window"),
    ],
)  # fmt: skip
def test_a_fault_of_a_layer_stands_at_its_place(old, new, field, rule):
    text = LAYER.replace(f"      - {old}" if old.startswith("[[S]") else old,
                         f"      - {new}" if old.startswith("[[S]") else new)  # fmt: skip
    assert text != LAYER
    fault = faults_of(text, parse_timeloop_problem)[field]
    assert rule in fault.rule
    assert fault.line > 1


BUSES = [
    x
    for x in preset_names()
    if all(isinstance(fanout.network, XyBus) for fanout in load_architecture(x).fanouts)
]


@pytest.mark.parametrize("name", BUSES)
def test_a_preset_comes_back_from_timeloop_as_it_was(name):
    ours = load_architecture(name)
    found, _ = parse_timeloop_architecture(architecture_text(ours))
    assert found == ours


@pytest.mark.parametrize("name", ["maeri-trees", "simba-mesh", "simba-wireless"])
def test_a_network_that_timeloop_does_not_know_is_not_written(name):
    with pytest.raises(ArraysmithError, match="array: Timeloop's language has no such network"):
        architecture_text(load_architecture(name))


names = st.sampled_from(["a", "b-c", "lanes_mesh"])
rates = st.one_of(st.none(), st.fractions(Fraction(1, 9), 64, max_denominator=12))
buses = st.builds(XyBus, rates, st.integers(0, 9), st.booleans(), st.booleans(), st.booleans(),
                  st.booleans())  # fmt: skip
meshes = st.integers(1, 9)


@st.composite
def designs(draw):
    dram = Memory("dram", draw(st.sampled_from(["lpddr4", "ddr3"])), TENSORS, 64, 8, None,
                  draw(rates), draw(rates), latency_cycles=draw(st.integers(0, 200)))  # fmt: skip
    levels = [dram]
    for index in range(draw(st.integers(1, 3))):
        holds = draw(st.lists(st.sampled_from(TENSORS), unique=True, min_size=1))
        memory = Memory(f"m{index}", draw(st.sampled_from(["sram", "regfile"])), tuple(holds), 64,
                        16, draw(st.integers(16, 512)), draw(rates), draw(rates),
                        draw(st.sampled_from([1, 2])), draw(st.booleans()))  # fmt: skip
        levels.append(memory)
        if index == 0 or draw(st.booleans()):
            levels.append(Fanout(f"{draw(names)}{index}", draw(meshes), draw(meshes), draw(buses)))
    mac = Compute("mac", 8, draw(st.sampled_from([16, 32])), draw(st.integers(1, 4)))
    return Architecture("any", draw(st.integers(10**6, 10**10)), "45nm", tuple(levels), mac)


@settings(max_examples=60, deadline=None)
@given(designs())
def test_a_design_comes_back_from_timeloop_as_it_was(architecture):
    assert parse_timeloop_architecture(architecture_text(architecture))[0] == architecture


sizes = st.integers(1, 5)
pairs = st.tuples(sizes, sizes)


@st.composite
def layers(draw):
    bits = WordBits(*(draw(st.sampled_from([4, 8, 16])) for _ in range(3)))
    if draw(st.booleans()):
        sides = {key: draw(sizes) for key in ("m", "n", "k", "batch")}
        return matmul("layer", **sides, bits=bits)
    window, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    groups = draw(sizes)
    reach = [dilation[i] * (window[i] - 1) + 1 for i in (0, 1)]
    return conv("layer", height=reach[0] + draw(sizes), width=reach[1] + draw(sizes),
                in_channels=groups * draw(sizes), out_channels=groups * draw(sizes), window=window,
                stride=stride, padding=padding, dilation=dilation, groups=groups,
                batch=draw(sizes), bits=bits)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(layers())
def test_a_layer_comes_back_from_timeloop_as_it_was(problem):
    assert parse_timeloop_problem(problem_text(problem), "layer")[0] == problem


def test_an_einsum_that_is_neither_convolution_nor_product_comes_back_as_it_was():
    ifmap = Tensor("ifmap", (Axis((("P", 1), ("R", 2)), 8), Axis((("S", 3),), 7)), 8)
    weight = Tensor("weight", (Axis((("R", 1),), 3), Axis((("S", 1),), 3)), 8)
    ofmap = Tensor("ofmap", (Axis((("P", 1),), 4),), 8)
    problem = Problem("odd", "einsum", (1, 1, 1, 1, 4, 1, 3, 3), ifmap, weight, ofmap)
    assert parse_timeloop_problem(problem_text(problem), "odd")[0] == problem


def test_what_the_language_cannot_say_is_refused():
    with pytest.raises(ArraysmithError, match="no such network"):
        architecture_text(SYSTOLIC)
    assert parse_timeloop_architecture(architecture_text(SPATIAL))[0] == SPATIAL


def test_files_are_loaded_checked_and_shown_like_our_own(tmp_path, capsys):
    design, layer = tmp_path / "design.yaml", tmp_path / "conv1.yaml"
    design.write_text(EYERISS)
    layer.write_text(LAYER)
    assert load_architecture(str(design)).name == "eyeriss"
    (found,) = load_network(str(layer)).layers
    assert (found.name, found.problem.macs) == ("conv1", 86704128)
    assert run(["check", str(design), str(layer)]) == 0
    told = capsys.readouterr().out
    assert f"{design}: timeloop: ok" in told
    assert "assumed: no projection uses Hpad" in told
    assert run(["show", str(design)]) == 0
    told = capsys.readouterr().out
    assert "14 columns x 12 rows" in told
    assert "over rows" in told
    assert "assumed: column and row" in told
    assert run(["show", str(layer), "--yaml"]) == 0
    ours = tmp_path / "ours.yaml"
    ours.write_text(capsys.readouterr().out)
    assert load_network(str(ours)).layers[0] == found


def test_a_file_without_the_section_asked_for_says_so(tmp_path):
    path = tmp_path / "layer.yaml"
    path.write_text(LAYER)
    with pytest.raises(InputError, match="holds no architecture"):
        load_architecture(str(path))
    path.write_text(EYERISS)
    with pytest.raises(InputError, match="holds no problem"):
        load_network(str(path))


def test_sections_that_say_nothing_here_are_assumptions_and_unknown_ones_faults(tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(LAYER + "mapper: {algorithm: random}\n")
    assert "section mapper is left out" in load_timeloop(path).assumptions
    path.write_text(LAYER + "maper: {}\nsparse_optimizations: {}\n")
    with pytest.raises(InputError) as caught:
        load_timeloop(path)
    assert [fault.field for fault in caught.value.faults] == ["maper", "sparse_optimizations"]
