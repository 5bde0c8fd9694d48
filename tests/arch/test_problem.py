from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.problem import (
    DIMS,
    IFMAP,
    OFMAP,
    TENSORS,
    WEIGHT,
    Layer,
    Network,
    Tensor,
    WordBits,
    conv,
    matmul,
    output_extent,
)

SMALL = st.integers(1, 3)


@st.composite
def convolutions(draw):
    window = (draw(SMALL), draw(SMALL))
    dilation = (draw(SMALL), draw(SMALL))
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    reach = [d * (w - 1) + 1 for w, d in zip(window, dilation, strict=True)]
    height, width = (max(1, r - 2 * p) + draw(SMALL) for r, p in zip(reach, padding, strict=True))
    groups = draw(st.integers(1, 2))
    return conv(
        "layer",
        height=height,
        width=width,
        in_channels=groups * draw(st.integers(1, 2)),
        out_channels=groups * draw(st.integers(1, 2)),
        window=window,
        stride=(draw(SMALL), draw(SMALL)),
        padding=padding,
        dilation=dilation,
        groups=groups,
        batch=draw(st.integers(1, 2)),
    )


def touched(tensor: Tensor, size: dict[str, int]) -> set[tuple[int, ...]]:
    """Return every index of the tensor that some point of the iteration space touches."""
    indices = set()
    for values in product(*(range(size[dim]) for dim in DIMS)):
        point = dict(zip(DIMS, values, strict=True))
        indices.add(
            tuple(axis.offset + sum(c * point[d] for d, c in axis.terms) for axis in tensor.axes)
        )
    return indices


def test_vgg16_conv1_1_has_the_numbers_that_the_poster_was_computed_from():
    layer = conv(
        "conv1_1",
        height=224,
        width=224,
        in_channels=3,
        out_channels=64,
        window=(3, 3),
        padding=(1, 1),
    )
    assert layer.size == {"G": 1, "N": 1, "K": 64, "C": 3, "P": 224, "Q": 224, "R": 3, "S": 3}
    assert layer.macs == 86_704_128
    assert layer.ofmap.words == 3_211_264
    assert layer.flops == 2 * 86_704_128 - 3_211_264
    assert layer.ifmap.words == 3 * 224 * 224  # padding is not stored


@given(convolutions())
def test_every_output_index_is_touched_and_none_outside(layer):
    stored = set(product(*(range(axis.extent) for axis in layer.ofmap.axes)))
    assert touched(layer.ofmap, layer.size) == stored


@given(convolutions())
def test_every_weight_is_touched_and_none_outside(layer):
    stored = set(product(*(range(axis.extent) for axis in layer.weight.axes)))
    assert touched(layer.weight, layer.size) == stored


@given(convolutions())
def test_input_indices_stay_within_the_padded_image(layer):
    for index in touched(layer.ifmap, layer.size):
        for at, axis in zip(index, layer.ifmap.axes, strict=True):
            assert axis.offset <= at < axis.extent - axis.offset


@given(convolutions())
def test_reach_of_the_whole_space_spans_the_touched_indices(layer):
    for axis_number, axis in enumerate(layer.ifmap.axes):
        along = [index[axis_number] for index in touched(layer.ifmap, layer.size)]
        assert axis.reach(layer.size) == max(along) - min(along) + 1


@pytest.mark.parametrize(
    ("extent", "window", "stride", "padding", "dilation", "expected"),
    [
        (224, 3, 1, 1, 1, 224),
        (8, 3, 2, 0, 1, 3),  # SCALE-Sim rounds up and says 4
        (227, 11, 4, 0, 1, 55),
        (7, 3, 1, 0, 3, 1),
        (2, 3, 1, 0, 1, 0),
    ],
)
def test_output_extents_follow_the_standard_convolution_arithmetic(
    extent, window, stride, padding, dilation, expected
):
    assert output_extent(extent, window, stride, padding, dilation) == expected


def test_a_window_larger_than_its_padded_input_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        conv("c", height=2, width=9, in_channels=1, out_channels=1, window=(3, 3))


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match="groups 2 must divide"):
        conv("c", height=4, width=4, in_channels=3, out_channels=4, window=(1, 1), groups=2)


def test_one_channel_per_group_is_called_depthwise():
    layer = conv("d", height=4, width=4, in_channels=8, out_channels=8, window=(3, 3), groups=8)
    assert layer.operator == "depthwise"
    assert layer.size["G"] == 8
    assert layer.size["K"] == layer.size["C"] == 1


def test_a_matrix_product_names_its_dims_as_documented():
    product_ = matmul("g", m=5, n=7, k=3, batch=2)
    assert product_.size == {"G": 2, "N": 1, "K": 7, "C": 3, "P": 5, "Q": 1, "R": 1, "S": 1}
    assert product_.operator == "matmul"
    assert product_.macs == 2 * 5 * 7 * 3
    assert [t.words for t in product_.tensors] == [2 * 5 * 3, 2 * 7 * 3, 2 * 5 * 7]
    assert matmul("g", m=5, n=7, k=3).operator == "gemm"


def test_word_bits_are_kept_per_tensor():
    layer = matmul("g", m=1, n=1, k=1, bits=WordBits(4, 2, 16))
    assert [layer.tensor(name).word_bits for name in TENSORS] == [4, 2, 16]


def test_the_dims_of_a_tensor_are_those_that_move_its_index():
    layer = conv("c", height=4, width=4, in_channels=1, out_channels=1, window=(3, 3))
    assert layer.tensor(IFMAP).dims == frozenset("NGCPQRS")
    assert layer.tensor(WEIGHT).dims == frozenset("GKCRS")
    assert layer.tensor(OFMAP).dims == frozenset("NGKPQ")


def test_renaming_changes_nothing_but_the_name():
    layer = matmul("a", m=2, n=3, k=4)
    assert layer.renamed("b") != layer
    assert layer.renamed("b").renamed("a") == layer
    assert hash(layer.renamed("a")) == hash(layer)


def test_a_network_counts_repeated_layers():
    layer = Layer(matmul("a", m=2, n=3, k=4), repeat=3)
    assert layer.name == "a"
    assert Network("n", (layer,)).macs == 3 * 24
