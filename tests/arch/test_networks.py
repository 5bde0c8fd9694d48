from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.networks import (
    dump_network,
    load_network,
    parse_network,
    workload_names,
)
from arraysmith.arch.problem import Layer, Network, Problem, WordBits, conv, matmul

SMALL = """\
kind: network
name: small
source: made up
layers:
  - {conv: first, height: 8, width: 6, in: 3, out: 4, window: 3, padding: 1}
  - {conv: second, height: 8, width: 6, in: 4, out: 4, window: [1, 3], stride: [2, 1], groups: 4}
  - {matmul: product, m: 2, n: 3, k: 4, batch: 5, repeat: 6, inputs: [first, second]}
  - {fc: last, in: 10, out: 7, batch: 2, bits: {ofmap: 32 bit}, inputs: []}
"""


def test_rows_become_problems_and_a_graph():
    network = parse_network(SMALL)
    first, second, product, last = network.layers
    assert network.name == "small"
    assert first.problem == conv(
        "first", height=8, width=6, in_channels=3, out_channels=4, window=(3, 3), padding=(1, 1)
    )
    assert second.problem == conv(
        "second",
        height=8,
        width=6,
        in_channels=4,
        out_channels=4,
        window=(1, 3),
        stride=(2, 1),
        groups=4,
    )
    assert product.problem == matmul("product", m=2, n=3, k=4, batch=5)
    bits = WordBits(8, 8, 32)
    assert last.problem == matmul("last", m=2, n=7, k=10, bits=bits, operator="fc")
    assert [layer.repeat for layer in network.layers] == [1, 1, 6, 1]
    assert [layer.inputs for layer in network.layers] == [(), ("first",), ("first", "second"), ()]


def test_bits_of_the_network_hold_where_a_layer_does_not_say_its_own():
    text = SMALL.replace("layers:", "bits: {ifmap: 16, weight: 4 bit}\nlayers:")
    first, *_, last = parse_network(text).layers
    assert [tensor.word_bits for tensor in first.problem.tensors] == [16, 4, 8]
    assert [tensor.word_bits for tensor in last.problem.tensors] == [16, 4, 32]


@pytest.mark.parametrize("name", workload_names())
def test_a_network_comes_back_from_its_yaml(name):
    network = load_network(name)
    assert parse_network(dump_network(network)) == network


sizes = st.integers(1, 40)
small = st.integers(1, 3)
word_bits = st.builds(WordBits, *(st.sampled_from([4, 8, 16, 32]) for _ in range(3)))
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,8}", fullmatch=True)
convolutions = st.builds(
    lambda name, rows, columns, c, k, groups, window, stride, padding, dilation, batch, bits: conv(
        name,
        height=rows + dilation[0] * window[0],
        width=columns + dilation[1] * window[1],
        in_channels=c * groups,
        out_channels=k * groups,
        window=window,
        stride=stride,
        padding=(padding[0] - 1, padding[1] - 1),
        dilation=dilation,
        groups=groups,
        batch=batch,
        bits=bits,
    ),
    names,
    sizes,
    sizes,
    small,
    small,
    small,
    *(st.tuples(small, small) for _ in range(4)),
    small,
    word_bits,
)
products = st.builds(
    lambda name, m, n, k, batch, bits: matmul(name, m=m, n=n, k=k, batch=batch, bits=bits),
    names,
    *(sizes for _ in range(3)),
    small,
    word_bits,
)
connected = st.builds(
    lambda name, m, n, k, bits: matmul(name, m=m, n=n, k=k, bits=bits, operator="fc"),
    names,
    *(sizes for _ in range(3)),
    word_bits,
)


@given(
    st.lists(
        st.tuples(st.one_of(convolutions, products, connected), small, st.sets(st.integers(0, 5))),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0].name,
    )
)
def test_any_network_comes_back_from_its_yaml(rows):
    problems = [problem for problem, _, _ in rows]
    layers = tuple(
        Layer(problem, repeat, tuple(problems[i].name for i in sorted(inputs) if i < index))
        for index, (problem, repeat, inputs) in enumerate(rows)
    )
    network = Network("drawn", layers)
    assert parse_network(dump_network(network)) == network


def test_an_operator_that_no_row_can_say_is_refused():
    odd = replace(matmul("odd", m=2, n=2, k=2), operator="outer")
    shifted = conv("shifted", height=8, width=8, in_channels=1, out_channels=1, window=(3, 3))
    ifmap = replace(
        shifted.ifmap, axes=(*shifted.ifmap.axes[:-1], replace(shifted.ifmap.axes[-1], extent=9))
    )
    for problem in (odd, replace(shifted, ifmap=ifmap)):
        with pytest.raises(
            ArraysmithError, match=r"odd: outer has no row|n has layers that no file can say"
        ):
            dump_network(Network("n", (Layer(problem),)))


def layer_problem(ref: str | Path) -> Problem:
    [layer] = load_network(ref).layers
    return layer.problem


def test_one_layer_of_a_network_is_a_network_of_that_layer_run_once():
    network = load_network("bert_base:scores")
    assert network.name == "bert_base:scores"
    [layer] = network.layers
    assert (layer.repeat, layer.inputs) == (1, ())
    assert layer.problem.sizes == (12, 1, 384, 64, 384, 1, 1, 1)


def test_a_layer_that_does_not_exist_is_refused_with_the_near_ones():
    with pytest.raises(InputError, match=r"vgg16:conv1_9: vgg16 has no such layer: did you mean"):
        load_network("vgg16:conv1_9")
    with pytest.raises(InputError, match="conv1_1"):
        load_network("vgg16:conv1_9")


@pytest.mark.parametrize("ref", ["vgg61", "vgg61:conv1_1", "vgg:16:conv1_1"])
def test_a_network_that_does_not_exist_is_refused_with_the_near_ones(ref):
    with pytest.raises(InputError, match=r"is neither a network that ships nor a file: .*vgg16"):
        load_network(ref)


def test_files_are_read_by_path_whole_or_one_layer(tmp_path):
    yaml, csv, plain = (tmp_path / name for name in ("small.yaml", "topo.csv", "plain"))
    yaml.write_text(SMALL, encoding="utf-8")
    plain.write_text(SMALL, encoding="utf-8")
    csv.write_text("Layer,M,N,K,\nl1,2,3,4,\nl2,5,6,7,\n", encoding="utf-8")
    assert load_network(str(yaml)) == load_network(yaml) == load_network(plain)
    assert layer_problem(f"{yaml}:last").size["K"] == 7
    assert [layer.name for layer in load_network(str(csv)).layers] == ["l1", "l2"]
    assert load_network(csv).name == "topo"
    assert layer_problem(f"{csv}:l2").sizes == (1, 1, 6, 7, 5, 1, 1, 1)
    with pytest.raises(InputError, match="topo has no such layer: did you mean"):
        load_network(f"{csv}:l3")


def test_bare_names_are_files_too_when_nothing_that_ships_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plain").write_text(SMALL, encoding="utf-8")
    Path("topo.csv").write_text("Layer,M,N,K,\nl1,2,3,4,\n", encoding="utf-8")
    Path("odd:name.yaml").write_text(SMALL, encoding="utf-8")
    assert load_network("plain").name == load_network("odd:name.yaml").name == "small"
    assert load_network("topo.csv:l1").macs == 24


@pytest.mark.parametrize(
    "ref", ["nowhere/net.yaml", "net.yaml", "net.csv", "nowhere/net.yaml:conv1"]
)
def test_a_file_that_does_not_exist_is_named(ref, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"net\.(yaml|csv): file does not exist"):
        load_network(ref)


WRONG = """\
kind: network
name: wrong
source: made up
layers:
  - {conv: first, height: 8, width: 6, in: 3, out: 4, windov: 3}
  - {conv: second, height: 0, width: 6.5, in: 3, out: 4, window: [3, 3, 3]}
  - {conv: third, height: 2, width: 2, in: 3, out: 4, window: 3}
  - {conv: fourth, height: 8, width: 8, in: 3, out: 4, window: 3, groups: 2}
  - {matmul: fifth, m: 2, n: 2, k: 2, inputs: [first, later, frist]}
  - {fc: fifth, in: 2, out: 2, repeat: 0}
  - {pool: sixth, window: 2}
  - {fc: later, in: 2, out: 2, bits: {ofmap: 0}}
  - {fc: a/b, in: 2, out: 2}
"""


def test_every_fault_of_a_file_is_reported_at_its_place():
    with pytest.raises(InputError) as caught:
        parse_network(WRONG, "wrong.yaml")
    found = [(fault.line, fault.field, fault.rule) for fault in caught.value.faults]
    assert sorted({line for line, _, _ in found}) == list(range(5, 14))
    by_field = {field: rule for _, field, rule in found}
    assert by_field["layers[0].windov"] == "unknown key"
    assert by_field["layers[0].window"] == "key is missing"
    assert by_field["layers[1].height"] == "must be at least 1"
    assert by_field["layers[1].width"] == "must be a whole number"
    assert "layers[1].window" in by_field
    assert "does not fit" in by_field["layers[2].window"]
    assert by_field["layers[3].groups"] == "must divide in: 3"
    assert "earlier layer" in by_field["layers[4].inputs[1]"]
    assert "earlier layer" in by_field["layers[4].inputs[2]"]
    assert "layers[4].inputs[0]" not in by_field
    assert by_field["layers[5].fc"] == "name is used twice"
    assert by_field["layers[5].repeat"] == "must be at least 1"
    assert "layers[6]" in by_field
    assert "layers[7].bits.ofmap" in by_field
    assert "must not hold" in by_field["layers[8].fc"]
    [near] = [fault for fault in caught.value.faults if fault.field == "layers[4].inputs[2]"]
    assert near.hint.startswith("did you mean first")
    assert all(fault.file == "wrong.yaml" for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("layers: []", "layers"),
        ("layers: 3", "layers"),
        ("layers: [3]", "layers[0]"),
        ("layers: [{fc: [1], in: 1, out: 1}]", "layers[0].fc"),
        ("layers: [{fc: x, in: 1, out: 1, inputs: y}]", "layers[0].inputs"),
        ("layers: [{fc: x, in: 1, out: 1, inputs: [[y]]}]", "layers[0].inputs[0]"),
        ("other: 1", "layers"),
    ],
)
def test_a_file_of_the_wrong_form_is_refused_without_a_traceback(line, field):
    with pytest.raises(InputError) as caught:
        parse_network(f"kind: network\nname: n\nsource: made up\n{line}\n")
    assert field in [fault.field for fault in caught.value.faults]


def test_a_file_of_another_kind_is_told_so():
    with pytest.raises(InputError, match="must be network here"):
        parse_network(SMALL.replace("kind: network", "kind: mapping"))
