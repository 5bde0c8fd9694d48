"""MAESTRO's language: read, written, completed, checked, and turned into our mappings and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.notation.maestro import (
    TYPES,
    Amount,
    Cluster,
    Directives,
    Hardware,
    MaestroLayer,
    MaestroNetwork,
    Map,
    format_directives,
    format_hardware,
    format_network,
)
from arraysmith.arch.notation.maestro_convert import (
    architecture_of,
    from_mapping,
    layer_of,
    problem_of,
    to_mapping,
)
from arraysmith.arch.notation.maestro_file import load_maestro, parse_hardware, read_maestro
from arraysmith.arch.notation.maestro_levels import check_dataflow, resolve
from arraysmith.arch.notation.maestro_reader import parse_directives, parse_network
from arraysmith.arch.problem import conv, matmul

KCP = (
    "SpatialMap(1,1) K; TemporalMap(64,64) C; TemporalMap(Sz(R),Sz(R)) R; "
    "TemporalMap(Sz(S),Sz(S)) S; TemporalMap(Sz(R),1) Y; TemporalMap(8+Sz(S)-1,8) X; "
    "Cluster(64,P); SpatialMap(1,1) C;"
)

NETWORK = """\
Constant Tile 64;
Network my.net-1 { // a remark
  Layer CONV1-a {
    Type: CONV
    Stride { X: 1, Y: 2 }
    Dimensions { K 64, C: Tile, R: 3, S: 3, Y: 224, X: 224 }
    Dataflow {
      SpatialMap(Tile, 1) K; /* spread */
      Cluster(2*Sz(R), P);
      SpatialMap(1,1) C;
    }
  }
  Layer g { Type: GEMM Dimensions { M: 8, N: 16, K: 32 } }
}
"""

CONV = MaestroLayer(
    "c", "CONV", (("N", 1), ("K", 16), ("C", 8), ("R", 3), ("S", 3), ("Y", 18), ("X", 10))
)


def rules(text, layer=CONV, pes=None):
    return [x.rule for x in check_dataflow(parse_directives(text), layer, pes)]


def test_a_network_is_read_with_constants_remarks_and_both_ways_to_write_extents():
    network = parse_network(NETWORK)
    layer, product = network.layers
    assert (network.name, layer.name, layer.stride) == ("my.net-1", "CONV1-a", (2, 1))
    assert layer.size == {"N": 1, "K": 64, "C": 64, "R": 3, "S": 3, "Y": 224, "X": 224}
    assert layer.dataflow is not None
    assert layer.dataflow.items[0] == Map(True, Amount(64), Amount(1), "K")
    assert layer.dataflow.clusters == (Cluster(Amount(0, (("R", 2),))),)
    assert (product.size, product.dataflow) == ({"M": 8, "N": 16, "K": 32}, None)


def test_amounts_are_sums_of_numbers_and_extents():
    (only,) = parse_directives("SpatialMap(8+Sz(S)-1, 2*Sz(R)) X;").items
    assert isinstance(only, Map)
    assert only.size.value({"S": 3}) == 10
    assert only.offset.value({"R": 5}) == 10
    assert str(only) == "SpatialMap(Sz(S)+7,2*Sz(R)) X"


@st.composite
def amounts(draw):
    dims = draw(st.lists(st.sampled_from(["K", "R", "S"]), unique=True, max_size=2))
    extents = tuple((dim, draw(st.integers(1, 4))) for dim in sorted(dims))
    return Amount(draw(st.integers(0 if extents else 1, 99)), extents)


MAPS = st.builds(
    Map, st.booleans(), amounts(), amounts(), st.sampled_from([*TYPES["CONV"], "Y'", "X'"])
)
DIRECTIVES = st.builds(
    Directives, st.lists(st.one_of(MAPS, st.builds(Cluster, amounts())), min_size=1).map(tuple)
)


@given(DIRECTIVES)
def test_what_is_printed_reads_back_equal(directives):
    assert parse_directives(format_directives(directives)) == directives
    assert parse_directives(str(directives)) == directives


@given(DIRECTIVES, st.integers(1, 3), st.sampled_from(["CONV", "DSCONV", "GEMM", "BMM"]))
def test_networks_and_hardware_read_back_equal(directives, stride, kind):
    strides = (stride, 1) if "CONV" in kind else (1, 1)
    sizes = tuple((dim, 1 if (kind, dim) == ("DSCONV", "K") else 5) for dim in TYPES[kind])
    layer = MaestroLayer("a-b.c", kind, sizes, strides, directives)
    network = MaestroNetwork("net", (layer,))
    assert parse_network(format_network(network)) == network
    hardware = Hardware(stride, None, 7, 3, None, stride)
    assert parse_hardware(format_hardware(hardware)) == hardware


def test_every_fault_of_a_network_is_reported_at_its_place():
    text = (
        NETWORK.replace("(Tile, 1) K", "(Tile, 1) Q")
        .replace("Cluster(", "Clustr(")
        .replace("C: Tile", "C: Tyle")
        .replace("M: 8, ", "")
    )
    with pytest.raises(InputError) as caught:
        parse_network(text, "x.m")
    found = {(x.line, x.column): (x.value, x.rule) for x in caught.value.faults}
    assert {x.file for x in caught.value.faults} == {"x.m"}
    assert found[6, 27][0] == "Tyle"
    assert found[8, 27] == ("Q", "unknown dim")
    assert found[9, 7] == ("Clustr", "unknown directive")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Network n { }", "holds no layers"),
        ("Network n { Layer a { Type: TRCONV Dimensions { K: 1 } } }", "is not supported"),
        ("Network n { Layer a { Type: GEMM Dimensions { M: 1, N: 1, K: 1, Y: 1 } } }", "no such"),
        ("Network n { Layer a { Type: GEMM Dimensions { M: 1, K: 1 } } }", "extent is missing"),
        (
            "Network n { Layer a { Type: DSCONV Dimensions { K: 2 C: 2 R: 1 S: 1 Y: 1 X: 1 } } }",
            "a depthwise layer has K: 1",
        ),
        (
            "Network n { Layer a { Type: CONV Dimensions { K: 2 C: 2 R: 9 S: 1 Y: 1 X: 1 } } }",
            "does not fit",
        ),
        (NETWORK.rstrip().rstrip("}"), "expected }"),
        (NETWORK + "x", "nothing may follow"),
    ],
)
def test_networks_that_say_nothing_sensible_are_refused(text, rule):
    with pytest.raises(InputError, match=rule):
        parse_network(text)


def test_layers_of_one_name_are_told_apart_by_numbers():
    layer = "Layer a { Type: GEMM Dimensions { M: 1, N: 1, K: %d } }"
    layers = " ".join(layer % k for k in (1, 2, 3))
    network = parse_network(f"Network n {{ {layers} {layer.replace(' a ', ' a#2 ') % 4} }}")
    assert [x.name for x in network.layers] == ["a", "a#2", "a#3", "a#2#2"]
    assert [dict(x.sizes)["K"] for x in network.layers] == [1, 2, 3, 4]


def test_hardware_of_both_generations_is_read_and_its_faults_named():
    assert parse_hardware("NumPEs: 8\nNoC_BW: 4 // x\n\n") == Hardware(8, None, None, 4)
    with pytest.raises(InputError) as caught:
        parse_hardware("num_pes: 0\nnum_pess: 3\nwhat\n", "hw.m")
    assert [(x.line, x.field) for x in caught.value.faults] == [
        (1, "num_pes"),
        (2, "num_pess"),
        (3, "hardware"),
    ]


def test_levels_are_completed_by_the_rules_of_the_tool():
    text = (
        "SpatialMap(1,1) K; TemporalMap(2,2) Y'; TemporalMap(3,3) R; "
        "Cluster(4,P); SpatialMap(1,1) C;"
    )
    outer, inner = resolve(parse_directives(text), CONV, 35)
    assert (outer.units, inner.units) == (8, 4)
    assert [(x.dim, x.size, x.offset) for x in outer.maps][:3] == [
        ("K", 1, 1),
        ("Y", 4, 2),
        ("R", 3, 3),
    ]
    assert {(x.dim, x.size) for x in outer.maps[3:]} == {("N", 1), ("C", 8), ("S", 3), ("X", 10)}
    assert [x.dim for x in inner.maps][:4] == ["R", "Y", "K", "C"]
    assert inner.extent == {"N": 1, "K": 1, "C": 8, "R": 3, "S": 3, "Y": 4, "X": 10}


def test_offsets_count_steps_of_the_window_under_stride():
    layer = MaestroLayer(CONV.name, "CONV", CONV.sizes, (2, 2))
    (level,) = resolve(parse_directives("SpatialMap(1,1) K; TemporalMap(Sz(R),1) Y;"), layer, 4)
    assert [(x.size, x.offset) for x in level.maps if x.dim == "Y"] == [(3, 2)]
    assert level.extent["Y"] == 17  # the last row is reached by no window


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("SpatialMap(17,17) K;", "maps 17 indices of K, which has 16"),
        ("SpatialMap(1,2) K;", "leaves a gap: moves on by 2 and covers 1"),
        ("SpatialMap(1,1) K; TemporalMap(4,3) Y;", "leaves a gap: moves on by 3 and covers 2"),
        ("SpatialMap(1,1) K; TemporalMap(2,1) Y;", "the window of 3 R does not fit 2 Y"),
        ("SpatialMap(1,1) K; SpatialMap(2,2) K;", "K is mapped spatially twice"),
        ("SpatialMap(3,1) Y; TemporalMap(3,3) R; TemporalMap(1,1) Y';", "Y is mapped twice"),
        ("SpatialMap(1,1) K; SpatialMap(1,1) C;", "units share K and C"),
        ("TemporalMap(1,1) K;", "every level needs a SpatialMap"),
        ("SpatialMap(1,1) M;", "has no dim M"),
        ("SpatialMap(Sz(M),1) K;", "has no dim M"),
        ("SpatialMap(1,1) Y';", "needs R mapped"),
        ("SpatialMap(Sz(R)-3,1) K;", "must be at least 1"),
        ("SpatialMap(1,1) K; Cluster(3,P); SpatialMap(1,1) C;", "do not divide the 16 PEs"),
    ],
)
def test_each_rule_that_a_dataflow_can_break_is_named(text, rule):
    found = rules(text, pes=16)
    assert len(found) == 1
    assert rule in found[0]


def test_a_sound_dataflow_has_no_faults_and_clusters_beyond_the_pes_are_refused():
    text = "SpatialMap(1,1) K; TemporalMap(4,2) Y; Cluster(4,P); SpatialMap(1,1) C;"
    assert rules(text, pes=16) == []
    with pytest.raises(InputError, match="clusters hold 4 PEs, of 3"):
        resolve(parse_directives(text), CONV, 3)


def test_files_are_told_by_what_they_hold_and_dataflows_in_them_are_checked(tmp_path):
    for name, text, kind in (
        ("net.m", NETWORK, MaestroNetwork),
        ("flow.m", KCP, Directives),
        ("hw.m", "num_pes: 3\n", Hardware),
    ):
        (tmp_path / name).write_text(text)
        assert isinstance(read_maestro(tmp_path / name), kind)
    assert load_maestro(tmp_path / "net.m") == parse_network(NETWORK)
    (tmp_path / "gap.m").write_text(NETWORK.replace("SpatialMap(1,1) C", "SpatialMap(1,2) C"))
    with pytest.raises(InputError, match=r"gap\.m:10:7: .*leaves a gap"):
        load_maestro(tmp_path / "gap.m")


def test_layers_become_problems_and_problems_layers():
    layer, product = parse_network(NETWORK).layers
    assert problem_of(layer) == conv(
        "CONV1-a",
        height=224,
        width=224,
        in_channels=64,
        out_channels=64,
        window=(3, 3),
        stride=(2, 1),
    )
    assert problem_of(product) == matmul("g", m=8, n=16, k=32)
    padded = conv(
        "p", height=8, width=8, in_channels=2, out_channels=3, window=(3, 3), padding=(1, 1)
    )
    assert layer_of(padded).size == {"N": 1, "K": 3, "C": 2, "R": 3, "S": 3, "Y": 10, "X": 10}
    assert layer_of(padded).macs == padded.macs
    wide = conv(
        "d", height=9, width=9, in_channels=2, out_channels=3, window=(3, 3), dilation=(2, 2)
    )
    with pytest.raises(ArraysmithError, match="dilation"):
        layer_of(wide)
    grouped = conv("g", height=9, width=9, in_channels=4, out_channels=4, window=(3, 3), groups=2)
    with pytest.raises(ArraysmithError, match="groups"):
        layer_of(grouped)


def test_directives_become_a_legal_mapping_of_the_same_work_and_come_back():
    text = (
        "SpatialMap(1,1) K; TemporalMap(8,8) C; TemporalMap(2,2) Y'; TemporalMap(1,1) X'; "
        "TemporalMap(3,3) R; TemporalMap(3,3) S; Cluster(4,P); SpatialMap(1,1) C;"
    )
    hardware = Hardware(16, noc_elements_per_cycle=8)
    architecture, mapping, assumptions = to_mapping(parse_directives(text), CONV, hardware)
    problem = problem_of(CONV)
    assert check_mapping(architecture, problem, mapping) == ()
    assert any("L2 holds the whole layer" in x for x in assumptions)
    back, told = from_mapping(mapping, architecture, problem)
    assert any("order" in x for x in told)
    assert to_mapping(back, CONV, hardware)[1] == mapping


def test_units_that_share_taps_of_one_output_are_said_both_ways():
    text = (
        "SpatialMap(1,1) K; TemporalMap(1,1) Y'; TemporalMap(1,1) X'; TemporalMap(3,3) R; "
        "TemporalMap(3,3) S; Cluster(3,P); SpatialMap(1,1) Y; SpatialMap(1,1) R;"
    )
    architecture, mapping, _ = to_mapping(parse_directives(text), CONV, Hardware(48))
    assert [loop.dim for loop in mapping.at("units1").x] == ["R"]
    back, _ = from_mapping(mapping, architecture, problem_of(CONV))
    assert "SpatialMap(1,1) Y; SpatialMap(1,1) R;" in str(back)
    assert to_mapping(back, CONV, Hardware(48))[1] == mapping


def test_what_our_loops_cannot_say_is_refused():
    twice = "SpatialMap(1,1) K; TemporalMap(5,2) Y; TemporalMap(3,3) R;"
    with pytest.raises(InputError, match="computes outputs twice"):
        to_mapping(parse_directives(twice), CONV, Hardware(16))


def test_what_directives_cannot_say_is_refused():
    architecture, _ = architecture_of(Hardware(16), (16,))
    problem = problem_of(CONV)
    twice = from_factors(
        architecture, (("dram", "t", "K", 2), ("l2", "t", "K", 2), ("units0", "x", "C", 8))
    )
    with pytest.raises(ArraysmithError, match="twice in time"):
        from_mapping(twice, architecture, problem)
    window = from_factors(architecture, (("l2", "t", "R", 3), ("units0", "x", "C", 8)))
    with pytest.raises(ArraysmithError, match="windows stay whole"):
        from_mapping(window, architecture, problem)
