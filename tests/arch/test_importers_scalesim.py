from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import InputError
from arraysmith.arch.importers.scalesim import parse_topology, read_topology, topology_text
from arraysmith.arch.networks import dump_network, load_network, parse_network
from arraysmith.arch.problem import Layer, Network, conv, matmul
from arraysmith.arch.sparsity import StructuredSparsity

CONV_HEAD = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, "
    "Channels, Num Filter, Strides,\n"
)
GEMM_HEAD = "Layer, M, N, K,\n"

sizes = st.integers(1, 60_000)


def places(text, **options):
    """Return line:column:field of every fault of a topology."""
    with pytest.raises(InputError) as caught:
        parse_topology(text, "t", "t.csv", **options)
    assert all(fault.file == "t.csv" for fault in caught.value.faults)
    return [f"{x.line}:{x.column}:{x.field}" for x in caught.value.faults]


def test_a_convolution_row_is_the_convolution_without_padding():
    network = parse_topology(CONV_HEAD + "c1, 30, 28, 5, 3, 16, 32, 2,\n", "t")
    expected = conv(
        "c1", height=30, width=28, in_channels=16, out_channels=32, window=(5, 3), stride=(2, 2)
    )
    assert [layer.problem for layer in network.layers] == [expected]
    assert network.layers[0].repeat == 1
    assert network.layers[0].inputs == ()


def test_a_product_row_is_m_by_k_times_k_by_n():
    network = parse_topology(GEMM_HEAD + "g, 30, 20, 40,\n", "t")
    assert network.layers[0].problem == matmul("g", m=30, n=20, k=40)


@given(sizes, sizes, sizes)
def test_products_have_m_times_n_times_k_macs(m, n, k):
    network = parse_topology(f"{GEMM_HEAD}g,{m},{n},{k}", "t")
    assert network.macs == m * n * k


def test_output_sizes_are_rounded_down():
    network = parse_topology(CONV_HEAD + "c, 8, 8, 3, 3, 1, 1, 2,\n", "t")
    assert (network.layers[0].problem.size["P"], network.layers[0].problem.size["Q"]) == (3, 3)


@pytest.mark.parametrize(
    "text",
    [
        CONV_HEAD + "a,8,8,3,3,4,5,1,\nb,6,6,1,1,5,7,1,\n",
        CONV_HEAD + "a,8,8,3,3,4,5,1\nb,6,6,1,1,5,7,1",
        CONV_HEAD + "\n,,,,,,,,\n  a , 8,8, 3,3 ,4,5,1,\n\n\tb,6,6,1,1,5,7,1, \n\n",
        CONV_HEAD.strip(" ,\n") + "\r\na,8,8,3,3,4,5,1,\r\nb,6,6,1,1,5,7,1,\r\n",
        "a,8,8,3,3,4,5,1,\nb,6,6,1,1,5,7,1,\n",
        CONV_HEAD + "a,8,8,3,3,4,5,1,#first\nb,6,6,1,1,5,7,1,,# second, last\n",
        CONV_HEAD + "a,8,8,3,3,4,5,1,4:4,\nb,6,6,1,1,5,7,1,1:1,\n",
        CONV_HEAD + "a,8,8,3,3,4,5,1,1,\nb,6,6,1,1,5,7,1,1,\n",
    ],
    ids=[
        "plain", "no trailing comma", "blank lines", "windows line ends", "no heading", "remarks",
        "dense ratio", "both strides",
    ],
)  # fmt: skip
def test_all_ways_to_write_the_same_two_layers_are_read_alike(text):
    expected = (
        conv("a", height=8, width=8, in_channels=4, out_channels=5, window=(3, 3)),
        conv("b", height=6, width=6, in_channels=5, out_channels=7, window=(1, 1)),
    )
    assert tuple(layer.problem for layer in parse_topology(text, "t").layers) == expected


def test_a_second_stride_column_is_the_stride_of_the_columns():
    head = CONV_HEAD.strip().replace("Strides", "Stride height, Stride width") + "\n"
    network = parse_topology(head + "a, 9, 9, 3, 3, 1, 1, 1, 2,\n", "t")
    assert (network.layers[0].problem.size["P"], network.layers[0].problem.size["Q"]) == (7, 4)


def test_dp_in_a_name_means_depthwise_with_the_filters_of_each_channel():
    network = parse_topology(CONV_HEAD + "DP1, 10, 10, 3, 3, 32, 2, 1,\n", "t")
    problem = network.layers[0].problem
    assert problem.size["G"] == 32
    assert (problem.size["C"], problem.size["K"]) == (1, 2)
    assert network.macs == 32 * (8 * 8 * 3 * 3 * 1 * 2), "one layer of one channel, 32 times"


def test_names_that_come_again_are_numbered_and_barred_letters_replaced():
    text = GEMM_HEAD + "a,1,1,1\na,2,2,2\na#2,3,3,3\na,4,4,4\nx/y:z,1,1,1\n"
    names = [layer.name for layer in parse_topology(text, "t").layers]
    assert names == ["a", "a#2", "a#2#2", "a#3", "x_y_z"]


def test_the_number_of_columns_tells_the_kind_where_the_heading_does_not():
    assert parse_topology("g,3,4,5,\n", "t").layers[0].problem.operator == "gemm"
    assert parse_topology("c,3,4,1,1,5,6,1,\n", "t").layers[0].problem.operator == "conv"


def test_the_kind_can_be_asked_for():
    assert parse_topology("g,3,4,5\n", "t", gemm=True).macs == 60
    assert places("g,3,4,5\n", gemm=False) == ["1:8:filter width"]
    assert places(CONV_HEAD + "c,3,4,1,1,5,6,1,\n", gemm=True) == [
        "2:9:sparsity",
        "2:11:(no such column)",
    ]


def test_a_ratio_keeps_some_of_every_block_of_weights():
    head = CONV_HEAD.strip() + " Sparsity,\n"
    network = parse_topology(head + "a,8,8,3,3,4,5,1,2:4,\nb,8,8,3,3,4,5,1,1:1,\n", "t")
    ratios = [layer.problem.weight_sparsity for layer in network.layers]
    assert ratios == [StructuredSparsity(2, 4), None]
    product = parse_topology("Layer, M, N, K, Sparsity\na,8,8,12,1:4\n", "t").layers[0].problem
    assert product.weight_sparsity == StructuredSparsity(1, 4)
    assert product.macs == 8 * 8 * 3


@pytest.mark.parametrize("ratio", ["0:4", "5:4", "0:0", "sparse", "2:", "2"])
def test_a_ratio_that_keeps_nothing_or_more_than_all_is_refused(ratio):
    head = CONV_HEAD.strip() + " Sparsity,\n"
    assert places(head + f"a,8,8,3,3,4,5,1,{ratio},\n") == ["2:17:sparsity"]
    assert places("Layer, M, N, K, Sparsity\n" + f"a,8,8,3,{ratio},\n") == ["2:9:sparsity"]


@pytest.mark.parametrize(
    "row",
    [
        conv("c", height=9, width=7, in_channels=3, out_channels=5, window=(3, 2), stride=(2, 2)),
        matmul("g", m=4, n=5, k=6),
        conv("DP", height=9, width=9, in_channels=4, out_channels=8, window=(3, 3), groups=4),
    ],
    ids=["convolution", "product", "depthwise"],
)
def test_a_network_is_written_as_rows_that_read_back_as_the_same_work(row):
    back = parse_topology(topology_text(Network("n", (Layer(row),))), "t").layers[0].problem
    assert back.macs == row.macs
    assert [x.words for x in back.tensors] == [x.words for x in row.tensors]


def test_padding_becomes_part_of_the_input():
    padded = conv(
        "c", height=8, width=8, in_channels=1, out_channels=1, window=(3, 3), padding=(1, 1)
    )
    assert "c, 10, 10, 3, 3, 1, 1, 1," in topology_text(Network("n", (Layer(padded),)))


def test_layers_without_a_row_are_all_named():
    wide = conv("wide", height=9, width=9, in_channels=4, out_channels=4, window=(3, 3), batch=2)
    loose = conv(
        "loose", height=9, width=9, in_channels=4, out_channels=4, window=(3, 3), dilation=(2, 2)
    )
    with pytest.raises(InputError) as caught:
        topology_text(Network("n", (Layer(wide), Layer(loose))))
    assert [fault.value for fault in caught.value.faults] == ["wide", "loose"]


def test_every_fault_of_a_file_is_told_at_its_line_and_column():
    text = CONV_HEAD + (
        "ok, 8, 8, 3, 3, 4, 5, 1,\n"
        "zero, 8, 0, 3, 3, 4, -5, 1,\n"
        "word, 8, 8, 3, 3.5, 4, five, 1,\n"
        "short, 8, 8, 3\n"
        ", 8, 8, 3, 3, 4, 5, 1,\n"
        "many, 8, 8, 3, 3, 4, 5, 1, , 9,\n"
        "window, 8, 8, 9, 3, 4, 5, 1,\n"
        "title,\n"
        "empty, 8, , 3, 3, 4, 5, 1,\n"
    )
    assert places(text) == [
        "3:10:ifmap width",
        "3:22:filters",
        "4:16:filter width",
        "4:24:filters",
        "5:15:filter width",
        "6:1:layer name",
        "7:30:(no such column)",
        "8:15:filter height",
        "9:6:ifmap height",
        "10:11:ifmap width",
    ]


def test_sizes_beyond_what_counts_can_hold_are_refused():
    many = 2**47
    assert places(f"g,{many},{many},1\n") == ["1:1:layer name"]
    assert places(f"g,{10**20},1,1\n") == ["1:3:M"]


@pytest.mark.parametrize("text", ["", "\n\n", CONV_HEAD, ",,,,\n"])
def test_a_file_without_layers_is_refused(text):
    assert places(text) == ["0:0:"]


def test_tabs_in_place_of_commas_are_named():
    with pytest.raises(InputError, match="separate values by commas"):
        parse_topology("Layer\tM\tN\tK\ng\t1\t2\t3\n", "t")


def test_a_file_is_named_after_itself_and_loads_by_path_and_by_layer(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(GEMM_HEAD + "g1, 3, 4, 5,\ng2, 1, 2, 3,\n")
    network = read_topology(path)
    assert network.name == "mine"
    assert load_network(str(path)) == load_network(path) == network
    assert load_network(f"{path}:g2").macs == 6


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_topology(tmp_path / "none.csv")


def test_what_was_imported_can_be_written_as_a_file_of_ours():
    text = CONV_HEAD + "Attn_QxK', 1, 64, 1, 1, 1, 64, 1,\nDP 2, 9, 9, 3, 3, 4, 2, 2,\n"
    network = parse_topology(text, "t")
    assert parse_network(dump_network(network)) == network
