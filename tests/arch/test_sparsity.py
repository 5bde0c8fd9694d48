from __future__ import annotations

from dataclasses import replace

import pytest
from chips import LAYER, SPATIAL, SYSTOLIC
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.network_file import dump_network, parse_network
from arraysmith.arch.problem import Layer, Network, WordBits, conv, matmul
from arraysmith.arch.sparsity import StructuredSparsity


@st.composite
def sparsities(draw):
    block = draw(st.integers(1, 9))
    return StructuredSparsity(draw(st.integers(1, block)), block)


@given(sparsities(), st.integers(1, 60))
def test_slots_are_counted_block_by_block(sparsity, length):
    blocks = [range(i, min(i + sparsity.block, length)) for i in range(0, length, sparsity.block)]
    owners = [block for block in blocks for _ in range(min(sparsity.kept, len(block)))]
    assert sparsity.slots(length) == len(owners)
    for start in range(len(owners)):
        for stop in range(start + 1, len(owners) + 1):
            needed = {i for block in owners[start:stop] for i in block}
            assert sparsity.covered(start, stop, length) == (min(needed), max(needed) + 1)


@given(sparsities())
def test_position_bits_name_every_place_of_a_block_and_no_fewer_do(sparsity):
    assert 2**sparsity.position_bits >= sparsity.block
    assert sparsity.position_bits == 0 or 2 ** (sparsity.position_bits - 1) < sparsity.block


@pytest.mark.parametrize("text", ["0:4", "5:4", "2", "2:4:8", "a:b", "", "-1:4"])
def test_a_ratio_that_keeps_nothing_or_too_much_is_refused(text):
    with pytest.raises(ValueError, match="sparsity"):
        StructuredSparsity.parse(text)


def test_weights_are_stored_compressed_with_their_positions():
    dense = matmul("m", m=3, n=5, k=10, bits=WordBits(8, 4, 8))
    sparse = replace(dense, weight_sparsity=StructuredSparsity(2, 4))
    # Blocks of 4, 4 and 2: slots 2 + 2 + 2.
    assert (sparse.reduction, sparse.kept_reduction) == (10, 6)
    assert (dense.macs, sparse.macs) == (150, 90)
    assert (sparse.weight.words, sparse.stored_weight.words) == (50, 30)
    assert (dense.stored_weight.word_bits, sparse.stored_weight.word_bits) == (4, 6)
    assert sparse.stored_tensors == (dense.ifmap, sparse.stored_weight, dense.ofmap)


def test_blocks_run_through_channels_and_window():
    layer = conv(
        "c", height=4, width=4, in_channels=6, out_channels=4, window=(3, 3), groups=2,
        weight_sparsity=StructuredSparsity(1, 4),
    )  # fmt: skip
    assert layer.reduction == 27
    assert layer.kept_reduction == 7
    assert layer.stored_weight.words == 2 * 2 * 7
    assert layer.macs == 2 * 2 * 2 * 2 * 2 * 7 // 2


def test_sparsity_goes_through_a_network_file():
    bits = WordBits(8, 4, 8)
    layers = (
        Layer(matmul("a", m=2, n=3, k=8, bits=bits, weight_sparsity=StructuredSparsity(2, 4))),
        Layer(
            conv(
                "b", height=5, width=5, in_channels=4, out_channels=2, window=(3, 3), bits=bits,
                weight_sparsity=StructuredSparsity(1, 8),
            ),
            inputs=("a",),
        ),
        Layer(
            matmul("c", m=1, n=3, k=8, operator="fc", weight_sparsity=StructuredSparsity(4, 4)),
            inputs=("b",),
        ),
    )  # fmt: skip
    network = Network("n", layers)
    text = dump_network(network)
    assert "weight_sparsity: '2:4'" in text
    assert parse_network(text) == network


def test_a_wrong_ratio_in_a_file_is_a_fault_at_its_place():
    text = "kind: network\nname: n\nsource: invented\nlayers:\n"
    text += "  - {fc: a, in: 8, out: 2, weight_sparsity: 5:4}\n"
    with pytest.raises(InputError) as caught:
        parse_network(text)
    (fault,) = caught.value.faults
    assert (fault.line, fault.rule) == (5, "must be kept:block with 1 <= kept <= block")


def test_spatial_designs_refuse_sparse_weights():
    layer = replace(LAYER, weight_sparsity=StructuredSparsity(1, 2))
    assert "sparsity" in {x.rule for x in check_mapping(SPATIAL, layer, Mapping(()))}
    assert "sparsity" not in {x.rule for x in check_mapping(SYSTOLIC, layer, Mapping(()))}
