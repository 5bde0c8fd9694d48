from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.network_file import dump_network, parse_network
from arraysmith.arch.network_specs import LARGEST, NetworkSpec
from arraysmith.arch.problem import Layer, Network, WordBits, matmul
from arraysmith.arch.yaml_positions import dump_document

HEAD = "kind: network\nname: n\nsource: invented for a test\n"


def network_of(*rows, head=""):
    return parse_network(HEAD + head + "layers:\n" + "".join(f"  - {row}\n" for row in rows))


def faults_of(*rows, head=""):
    with pytest.raises(InputError) as caught:
        network_of(*rows, head=head)
    return [(f"{x.line}:{x.column}", x.field, x.rule) for x in caught.value.faults]


def test_a_row_reads_the_one_above_unless_it_says_otherwise():
    network = network_of(
        "{fc: a, in: 1, out: 2}",
        "{fc: b, in: 2, out: 3}",
        "{fc: c, in: 2, out: 3, inputs: [a]}",
        "{fc: d, in: 1, out: 2, inputs: []}",
    )
    assert [layer.inputs for layer in network.layers] == [(), ("a",), ("a",), ()]


def test_words_have_8_bits_and_a_layer_completes_the_bits_of_its_network():
    row = "{fc: a, in: 1, out: 2, bits: {ofmap: 32}}"
    plain, mixed = network_of(row), network_of(row, head="bits: {weight: 4}\n")
    bits = [[x.word_bits for x in network.layers[0].problem.tensors] for network in (plain, mixed)]
    assert bits == [[8, 8, 32], [8, 4, 32]]


def test_bits_go_through_a_file_also_when_layers_differ():
    layers = tuple(
        Layer(matmul(f"l{i}", m=2, n=3, k=4, bits=WordBits(*bits)))
        for i, bits in enumerate([(8, 4, 16), (8, 8, 16), (16, 4, 32)])
    )
    network = Network("n", layers)
    assert parse_network(dump_network(network)) == network


def test_a_pair_is_rows_and_columns_and_one_number_is_both():
    pair = network_of("{conv: a, height: 9, width: 8, in: 1, out: 1, window: [3, 2]}")
    assert pair.layers[0].problem.sizes[4:] == (7, 7, 3, 2)
    one = network_of("{conv: a, height: 9, width: 8, in: 1, out: 1, window: 3, padding: [0, 1]}")
    assert one.layers[0].problem.sizes[4:] == (7, 8, 3, 3)


def test_a_window_may_lie_on_padding_alone():
    network = network_of("{conv: a, height: 2, width: 2, in: 1, out: 1, window: 1, padding: 1}")
    assert network.layers[0].problem.sizes[4:6] == (4, 4)


def test_a_layer_with_faults_still_counts_as_an_input_and_as_a_name():
    assert faults_of(
        "{fc: a, in: 0, out: 2}", "{fc: b, in: 2, out: 2, inputs: [a]}", "{fc: a, in: 1, out: 1}"
    ) == [
        ("5:17", "layers[0].in", "must be at least 1"),
        ("7:10", "layers[2].fc", "name is used twice"),
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (
            "{conv: a, height: 5, width: 9, in: 1, out: 1, window: [6, 3]}",
            ("5:59", "layers[0].window", "does not fit the 5 padded rows"),
        ),
        (
            "{conv: a, height: 5, width: 5, in: 1, out: 1, window: 3, dilation: 3, padding: [1,0]}",
            ("5:59", "layers[0].window", "does not fit the 5 padded columns"),
        ),
        (
            "{conv: a, height: 5, width: 5, in: 4, out: 6, window: 1, groups: 4}",
            ("5:70", "layers[0].groups", "must divide out: 6"),
        ),
        (
            "{conv: a, height: 5, width: 5, in: 1, out: 1, window: 0}",
            (
                "5:59",
                "layers[0].window",
                "must be a whole number of at least 1, or two of them: [rows, columns]",
            ),
        ),
        (
            "{conv: a, height: 5, width: 5, in: 1, out: 1, window: 1, padding: -1}",
            (
                "5:71",
                "layers[0].padding",
                "must be a whole number of at least 0, or two of them: [rows, columns]",
            ),
        ),
        (
            "{fc: a, in: 1, out: 1, inputs: [a]}",
            ("5:37", "layers[0].inputs[0]", "must name an earlier layer"),
        ),
        (
            f"{{matmul: a, m: {LARGEST}, n: 2, k: 1}}",
            (
                "5:14",
                "layers[0].matmul",
                f"must have at most {LARGEST} MACs and as many words per tensor",
            ),
        ),
        (
            "{fc: a, matmul: b, in: 1, out: 1}",
            (
                "5:5",
                "layers[0]",
                "a layer must be one of conv: NAME, matmul: NAME and fc: NAME",
            ),
        ),
        ("{fc: ' a', in: 1, out: 1}", None),
        ("{fc: 'a:b', in: 1, out: 1}", None),
        ("{fc: a, in: 1, out: 1, repeat: 0}", ("5:36", "layers[0].repeat", "must be at least 1")),
        ("{fc: a, in: 1, out: 1, bits: {ofmap: 0}}", None),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_is_refused_at_its_place(row, fault):
    found = faults_of(row)
    if fault is None:
        assert len(found) == 1
    else:
        assert found == [fault]


def test_one_more_mac_than_allowed_is_too_many():
    assert network_of(f"{{matmul: a, m: {LARGEST}, n: 1, k: 1}}").macs == LARGEST
    faults_of(f"{{matmul: a, m: {LARGEST // 2 + 1}, n: 2, k: 1}}")


def test_an_input_named_twice_is_one_too_many():
    rows = ("{fc: a, in: 1, out: 1}", "{fc: b, in: 1, out: 1, inputs: [a, a]}")
    assert faults_of(*rows) == [("6:40", "layers[1].inputs[1]", "must name each input once")]


def test_a_network_without_layers_cannot_be_written():
    with pytest.raises(ArraysmithError, match="cannot be written"):
        dump_network(Network("n", ()))


def test_the_schema_tells_editors_the_keys_as_files_write_them():
    rows = NetworkSpec.model_json_schema()["$defs"]
    assert {"conv", "height", "width", "in", "out", "window"} <= set(rows["ConvSpec"]["required"])
    assert set(rows["FcSpec"]["required"]) == {"fc", "in", "out"}


keys = st.sampled_from(
    ["conv", "matmul", "fc", "height", "width", "in", "out", "window", "stride", "padding",
     "dilation", "groups", "batch", "repeat", "inputs", "bits", "m", "n", "k", "odd"]
)  # fmt: skip
scalars = st.one_of(
    st.integers(-2, 9),
    st.booleans(),
    st.none(),
    st.floats(),
    st.sampled_from(["a", "b", "", "x/y"]),
)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.sampled_from(["ifmap", "odd"]), scalars, max_size=2),
)
rows = st.one_of(st.dictionaries(keys, values, max_size=8), values)


@given(st.lists(rows, max_size=3))
def test_whatever_stands_in_a_row_is_a_network_or_faults_with_places(drawn):
    document = {"kind": "network", "name": "n", "source": "drawn", "layers": drawn}
    try:
        network = parse_network(dump_document(document), "n.yaml")
    except InputError as error:
        assert all(x.file == "n.yaml" and x.line > 0 for x in error.faults)  # noqa: PT017
    else:
        assert len(network.layers) == len(drawn)
