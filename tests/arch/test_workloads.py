from __future__ import annotations

from math import prod

import pytest

from arraysmith.arch.importers.scalesim import parse_topology
from arraysmith.arch.network_file import read_network
from arraysmith.arch.network_specs import NetworkSpec
from arraysmith.arch.networks import (
    dump_network,
    load_network,
    parse_network,
    workload_names,
    workload_path,
)
from arraysmith.arch.problem import output_extent
from arraysmith.arch.spec_reader import read_spec

SCALESIM = tuple(name for name in workload_names() if name.startswith("scalesim_"))
UNCONNECTED = (*SCALESIM, "vgg16_prepadded")
"""Their tables tell no graph, or results are stored in another shape than they are read."""
OURS = tuple(name for name in workload_names() if name not in UNCONNECTED)

POOLED = {
    # (network, consumer): extent after pooling and channels before flattening.
    ("alexnet", "conv2"): 27,
    ("alexnet", "conv3"): 13,
    ("alexnet", "fc6"): 6,
    ("vgg16", "conv2_1"): 112,
    ("vgg16", "conv3_1"): 56,
    ("vgg16", "conv4_1"): 28,
    ("vgg16", "conv5_1"): 14,
    ("vgg16", "fc6"): 7,
    ("resnet18", "conv2_1a"): 56,
    ("resnet18", "fc"): 1,
    ("resnet50", "conv2_1a"): 56,
    ("resnet50", "conv2_1s"): 56,
    ("resnet50", "fc"): 1,
    ("mobilenet_v2", "fc"): 1,
}


def conv_macs(out_extent, out_channels, in_channels, window):
    return out_extent**2 * out_channels * in_channels * window**2


def test_the_promised_networks_ship():
    assert workload_names() == (
        "alexnet",
        "bert_base",
        "gpt2_decode",
        "gpt2_prefill",
        "mobilenet_v2",
        "resnet18",
        "resnet50",
        "scalesim_alphagozero",
        "scalesim_deepspeech2",
        "scalesim_fasterrcnn",
        "scalesim_ncf",
        "scalesim_resnet50",
        "scalesim_sentimental_seqcnn",
        "scalesim_transformer",
        "vgg16",
        "vgg16_prepadded",
    )


@pytest.mark.parametrize("name", workload_names())
def test_every_network_loads_round_trips_and_names_its_source(name):
    network = load_network(name)
    assert network.name == name
    assert read_network(workload_path(name)) == network
    assert parse_network(dump_network(network)) == network
    spec, _ = read_spec(workload_path(name), NetworkSpec)
    assert len(spec.source) > 40, "a source is a sentence, not a word"


@pytest.mark.parametrize("name", workload_names())
def test_every_input_is_an_earlier_layer(name):
    earlier = set()
    for layer in load_network(name).layers:
        assert set(layer.inputs) <= earlier
        earlier.add(layer.name)


@pytest.mark.parametrize("name", OURS)
def test_every_layer_but_first_ones_of_a_pass_has_an_input_and_every_result_but_one_is_read(name):
    network = load_network(name)
    starts = [layer.name for layer in network.layers if not layer.inputs]
    assert starts == {
        "bert_base": ["query", "key", "value"],
        "gpt2_prefill": ["qkv"],
        "gpt2_decode": ["qkv"],
    }.get(name, [network.layers[0].name])
    read = {source for layer in network.layers for source in layer.inputs}
    assert [x.name for x in network.layers if x.name not in read] == [network.layers[-1].name]


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet18", "resnet50", "mobilenet_v2"])
def test_shapes_chain_from_each_producer_to_its_reader(name):
    found = {layer.name: layer for layer in load_network(name).layers}
    for layer in list(found.values())[1:]:
        problem = layer.problem
        made = found[layer.inputs[0]].problem.size
        channels = made["G"] * made["K"]
        extent = POOLED.get((name, layer.name), made["P"])
        if problem.operator == "fc":
            assert problem.size["C"] == channels * extent**2
        else:
            assert problem.size["G"] * problem.size["C"] == channels
            assert [axis.extent for axis in problem.ifmap.axes[3:]] == [extent] * 2


@pytest.mark.parametrize(
    ("name", "shortcuts"), [("resnet18", 8), ("resnet50", 16), ("mobilenet_v2", 10)]
)
def test_a_shortcut_has_the_shape_of_the_result_that_it_is_added_to(name, shortcuts):
    found = {layer.name: layer for layer in load_network(name).layers}
    added = [layer for layer in found.values() if len(layer.inputs) > 1]
    assert len(added) == shortcuts, "one for each block that keeps its shape or has a projection"
    for layer in added:
        [shortcut] = layer.inputs[1:]
        extents = [axis.extent for axis in found[shortcut].problem.ofmap.axes]
        if shortcut == "conv1":  # pooled on the way, to the input of the block's first layer
            extents[3:] = [POOLED[name, "conv2_1a"]] * 2
        assert extents == [axis.extent for axis in layer.problem.ofmap.axes]


def test_pooled_extents_follow_from_the_pooling_that_the_sources_state():
    pool = {"window": 3, "stride": 2, "padding": 0, "dilation": 1}
    assert [output_extent(x, **pool) for x in (55, 27, 13)] == [27, 13, 6]
    assert [x // 2 for x in (224, 112, 56, 28, 14)] == [112, 56, 28, 14, 7]
    assert output_extent(112, **{**pool, "padding": 1}) == 56


def test_alexnet_has_the_macs_of_its_five_grouped_convolutions_and_three_full_layers():
    convolutions = (
        conv_macs(55, 96, 3, 11)
        + conv_macs(27, 256, 96 // 2, 5)
        + conv_macs(13, 384, 256, 3)
        + conv_macs(13, 384, 384 // 2, 3)
        + conv_macs(13, 256, 384 // 2, 3)
    )
    full = 256 * 6 * 6 * 4096 + 4096 * 4096 + 4096 * 1000
    assert convolutions == 665_784_864
    assert load_network("alexnet").macs == convolutions + full == 724_406_816


def test_vgg16_has_15_34_billion_macs_in_convolutions_and_0_12_in_full_layers():
    blocks = ((224, 3, 64, 2), (112, 64, 128, 2), (56, 128, 256, 3), (28, 256, 512, 3),
              (14, 512, 512, 3))  # fmt: skip
    convolutions = sum(
        conv_macs(extent, wide, first, 3) + (many - 1) * conv_macs(extent, wide, wide, 3)
        for extent, first, wide, many in blocks
    )
    full = 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000
    assert load_network("vgg16").macs == convolutions + full == 15_470_264_320
    assert load_network("vgg16_prepadded").macs == convolutions == 15_346_630_656


def test_vgg16_prepadded_differs_from_the_convolutions_of_vgg16_by_the_stored_halo_only():
    plain = load_network("vgg16").layers[:13]
    stored = load_network("vgg16_prepadded").layers
    assert [layer.name for layer in stored] == [layer.name for layer in plain]
    for one, other in zip(plain, stored, strict=True):
        assert one.problem.sizes == other.problem.sizes
        rows, columns = (axis.extent for axis in one.problem.ifmap.axes[3:])
        assert other.problem.ifmap.words == one.problem.size["C"] * (rows + 2) * (columns + 2)
        assert all(axis.offset == 0 for axis in other.problem.ifmap.axes)
    assert stored[0].problem.ifmap.words == 153_228, "as the tool behind the poster counts it"


def test_resnet18_has_the_macs_of_its_basic_blocks():
    stem = conv_macs(112, 64, 3, 7)
    stages = 0
    for extent, wide, before in ((56, 64, 64), (28, 128, 64), (14, 256, 128), (7, 512, 256)):
        stages += conv_macs(extent, wide, before, 3) + 3 * conv_macs(extent, wide, wide, 3)
        if before != wide:
            stages += conv_macs(extent, wide, before, 1)
    assert load_network("resnet18").macs == stem + stages + 512 * 1000


def bottleneck_macs(*, stride_in_3x3):
    """Return the MACs of the bottleneck stages of ResNet-50."""
    total = 0
    for extent, wide, before, blocks in ((56, 64, 64, 3), (28, 128, 256, 4), (14, 256, 512, 6),
                                         (7, 512, 1024, 3)):  # fmt: skip
        entry = 2 * extent if stride_in_3x3 and before != 64 else extent
        total += conv_macs(entry, wide, before, 1)
        total += (blocks - 1) * conv_macs(extent, wide, 4 * wide, 1)
        total += blocks * (conv_macs(extent, wide, wide, 3) + conv_macs(extent, 4 * wide, wide, 1))
        total += conv_macs(extent, 4 * wide, before, 1)
    return total


def test_resnet50_is_v1_5_with_the_stride_in_the_3_by_3():
    around = conv_macs(112, 64, 3, 7) + 2048 * 1000
    macs = load_network("resnet50").macs
    assert macs == around + bottleneck_macs(stride_in_3x3=True) == 4_089_184_256
    assert macs > around + bottleneck_macs(stride_in_3x3=False)


def test_mobilenet_v2_has_300_million_macs_from_its_table_of_blocks():
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
             (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
    extent, channels = 112, 32
    macs = conv_macs(112, 32, 3, 3)
    for factor, wide, blocks, first_stride in table:
        for block in range(blocks):
            inner = factor * channels
            macs += conv_macs(extent, inner, channels, 1) if factor > 1 else 0
            extent //= first_stride if block == 0 else 1
            macs += conv_macs(extent, inner, 1, 3) + conv_macs(extent, wide, inner, 1)
            channels = wide
    macs += conv_macs(7, 1280, 320, 1) + 1280 * 1000
    assert load_network("mobilenet_v2").macs == macs
    assert 300e6 < macs < 301e6


def test_bert_base_has_the_macs_of_twelve_encoder_blocks_of_384_tokens():
    hidden, tokens = 768, 384
    linear = tokens * (4 * hidden**2 + 2 * hidden * 4 * hidden)
    attention = 2 * tokens**2 * hidden
    assert load_network("bert_base").macs == 12 * (linear + attention) == 35_332_816_896


@pytest.mark.parametrize(("name", "rows"), [("gpt2_prefill", 1024), ("gpt2_decode", 1)])
def test_gpt2_has_the_macs_of_twelve_blocks_and_one_row_of_logits(name, rows):
    hidden, context, vocabulary = 768, 1024, 50_257
    linear = rows * (3 * hidden**2 + hidden**2 + 2 * hidden * 4 * hidden)
    attention = 2 * rows * context * hidden
    assert load_network(name).macs == 12 * (linear + attention) + hidden * vocabulary


@pytest.mark.parametrize("name", ["gpt2_prefill", "gpt2_decode"])
def test_gpt2_has_124_million_weights_with_its_position_table(name):
    products = [x for x in load_network(name).layers if x.name not in {"scores", "context"}]
    weights = sum(layer.problem.weight.words * layer.repeat for layer in products)
    biases = 12 * (3 * 768 + 768 + 4 * 768 + 768 + 4 * 768) + 2 * 768
    assert weights + 1024 * 768 + biases == 124_439_808


@pytest.mark.parametrize("name", ["bert_base", "gpt2_prefill", "gpt2_decode"])
def test_attention_is_per_head_and_reads_what_scores_and_values_give(name):
    found = {layer.name: layer for layer in load_network(name).layers}
    scores, context = (found[x].problem.size for x in ("scores", "context"))
    assert scores["G"] == context["G"] == 12
    assert scores["C"] == context["K"] == 768 // 12
    assert scores["P"] == context["P"]
    assert context["C"] == scores["K"], "every row of scores weighs that many values"
    assert found["context"].inputs[0] == "scores"
    assert {layer.repeat for layer in found.values() if layer.name != "lm_head"} == {12}


TABLES = {
    # Rows of the public tables that have a result to be told by hand, and the MACs of the whole.
    "scalesim_alphagozero": "Conv,19,19,3,3,17,256,1\nPolidyHead_FC,1,1,1,1,722,362,1",
    "scalesim_deepspeech2": "DeepSpeech_conv1,700,161,41,11,1,32,2\nFC,1,2560,1,2560,1,29,1",
    "scalesim_fasterrcnn": "Conv1,224,224,7,7,3,64,2\nRPN_Conv1,14,14,3,3,1024,512,1",
    "scalesim_ncf": "MF_Embedding_user,1,1,1,1,138000,8,1\nPredict_FC,1,1,1,1,16,1,1",
    "scalesim_resnet50": "CB3a_1,56,56,1,1,256,128,2\nFC6,1,1,1,1,2048,1000,1",
    "scalesim_sentimental_seqcnn": "Conv1,5,1024,3,3,1,1024,1\nFC,1,1,1,1,2048,2,1",
    "scalesim_transformer": "Embedding,512,1,1,1,1,33708,1\nFFN1,1,1,1,1,512,2048,1",
}


def test_every_scalesim_network_is_held_against_its_table():
    assert set(TABLES) == set(SCALESIM)


@pytest.mark.parametrize("name", SCALESIM)
def test_scalesim_networks_hold_the_rows_of_the_table_as_our_importer_reads_them(name):
    found = {layer.name: layer.problem for layer in load_network(name).layers}
    for layer in parse_topology(TABLES[name], "t").layers:
        assert found[layer.name] == layer.problem


@pytest.mark.parametrize("name", SCALESIM)
def test_scalesim_networks_have_no_padding_and_no_graph(name):
    assert name in UNCONNECTED
    for layer in load_network(name).layers:
        assert not layer.inputs
        assert all(axis.offset == 0 for axis in layer.problem.ifmap.axes)


def test_deepspeech2_rounds_its_output_sizes_down():
    first = load_network("scalesim_deepspeech2").layers[0].problem.size
    assert (first["P"], first["Q"]) == ((700 - 41) // 2 + 1, (161 - 11) // 2 + 1)
    assert (700 - 41) % 2, "rounding up would give one row more"


def test_scalesim_transformer_repeats_what_its_table_writes_out():
    network = load_network("scalesim_transformer")
    repeats = {layer.name: layer.repeat for layer in network.layers}
    assert repeats["Attn_Qmap"] == 18 * 8, "heads"
    assert repeats["FFN1"] == repeats["FFN2"] == 12
    assert network.macs == sum(prod(x.problem.sizes) * x.repeat for x in network.layers)
