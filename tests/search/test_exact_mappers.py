"""The conformance suite on the exact mapper and on Marvel's decomposition; the latter's gap."""

from __future__ import annotations

import random

import numpy as np
import pytest
from exact_cases import FREE
from mapper_conformance import MapperConformance

from arraysmith.arch.architecture import Architecture, Energy, Fanout, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import DIMS, TENSORS, conv, matmul
from arraysmith.arch.registry import lookup, registered
from arraysmith.search.mappers.base import LayerTask
from arraysmith.search.mappers.exact import Exact, ExactSettings
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.search.mappers.exhaustive import Exhaustive, ExhaustiveSettings, space_size
from arraysmith.search.mappers.marvel import Marvel, MarvelSettings, _extents
from arraysmith.search.mappers.named import mapper_function

MANY = 10**9

DESIGN = Architecture(
    "edge",
    10**9,
    "65nm",
    (
        Memory("dram", "lpddr4", TENSORS, 64, 8, energy=Energy(512.0, 512.0)),
        Memory("l2", "sram", TENSORS, 64, 8, depth=64, energy=Energy(8.0, 9.0)),
        Fanout("array", 4, 4),
        Memory("l1", "regfile", TENSORS, 8, 8, depth=64, energy=Energy(0.2, 0.2)),
    ),
)
LAYERS = {
    "conv": conv("conv", height=6, width=6, in_channels=4, out_channels=8, window=(3, 3)),
    "pointwise": conv("pw", height=4, width=4, in_channels=8, out_channels=8, window=(1, 1)),
    "depthwise": conv(
        "dw", height=6, width=6, in_channels=8, out_channels=8, groups=8, window=(3, 3)
    ),
    "gemm": matmul("gemm", m=16, n=8, k=16),
}


class TestExact(MapperConformance):
    mapper = Exact
    settings = ExactSettings()


class TestMarvel(MapperConformance):
    mapper = Marvel
    settings = MarvelSettings()


def find(mapper, layer, *, architecture=DESIGN, objective="edp", most=MANY):
    task = LayerTask(architecture, layer, FREE, "default", objective, most)
    return mapper.find(task, np.random.default_rng(0))


def test_mappers_are_found_by_name():
    assert {"exact", "exhaustive", "marvel"} <= set(registered("mapper"))
    assert lookup("mapper", "exact") is Exact
    assert lookup("mapper", "marvel") is Marvel
    assert lookup("mapper", "exhaustive") is Exhaustive


@pytest.mark.parametrize("name", LAYERS)
def test_the_decomposition_is_near_the_joint_optimum_with_far_fewer_evaluations(name):
    layer = LAYERS[name]
    optimum, found = find(Exact(), layer), find(Marvel(), layer)
    assert optimum.proven
    assert optimum.loss <= found.loss * (1 + 1e-9)
    assert found.loss <= 1.05 * optimum.loss
    everything = space_size(ExactSpace.of(DESIGN, layer, FREE, "default"), FREE)
    assert found.evaluations * 100 <= everything


def test_phases_account_for_every_candidate():
    for layer in LAYERS.values():
        found = find(Marvel(MarvelSettings(keep=3)), layer)
        for phase in (found.off_chip, found.on_chip):
            assert all(number >= 0 for _, number in phase.pruned)
        off = found.off_chip
        assert off.candidates == sum(number for _, number in off.pruned) + 3
        assert off.evaluated <= off.candidates
        assert found.on_chip.evaluated == found.evaluations


def test_a_command_tells_what_each_phase_looked_at():
    told = []
    found = find(Marvel(), LAYERS["conv"], most=10**6)
    mapper_function("marvel")(
        DESIGN, LAYERS["conv"], FREE, setting="default", samples=10**6, told=told.append
    )
    assert [x.split(":")[2] for x in told] == [
        f" {found.evaluations:,} mappings scored; nothing proven of the best",
        " off chip",
        " on chip",
    ]
    assert f"{found.off_chip.candidates:,} candidates" in told[1]
    assert f"{found.blocks:,} blocks" in told[1]
    assert all(f"{rule} {number:,}" in told[2] for rule, number in found.on_chip.pruned)


def test_pruning_switches_only_widen_what_is_looked_at():
    layer = LAYERS["conv"]
    tight = find(Marvel(), layer).off_chip
    wide = find(Marvel(MarvelSettings(fit_twice=False, whole_windows=False)), layer).off_chip
    assert wide.candidates == tight.candidates
    assert wide.evaluated > tight.evaluated
    assert {rule for rule, _ in wide.pruned} < {rule for rule, _ in tight.pruned}


def test_the_off_chip_choice_moves_the_fewest_blocks():
    # A slow twin: every tile and tensor in place, block by block.
    layer, block = LAYERS["gemm"], 8
    found = find(Marvel(MarvelSettings(keep=1, block_words=block, fit_twice=False)), layer)
    least = min(
        moved
        for k in (1, 2, 4, 8)
        for c in (1, 2, 4, 8, 16)
        for p in (1, 2, 4, 8, 16)
        if k * c + c * p + p * k <= 512
        for moved in [blocks_moved(k, c, p, still, block) for still in ("ifmap", "weight", "ofmap")]
    )
    assert found.blocks == least


def blocks_moved(k, c, p, still, block):
    """Return the blocks that walking all tiles moves while one tensor stays in place."""
    turns = {"K": 8 // k, "C": 16 // c, "P": 16 // p}
    total = 0
    for name, dims, extents in (
        ("ifmap", "PC", (p, c)),
        ("weight", "KC", (k, c)),
        ("ofmap", "PK", (p, k)),
    ):
        a, b = extents
        each = min(a * -(-b // block), b * -(-a // block))
        tiles = turns[dims[0]] * turns[dims[1]]
        visits = tiles if name == still else turns["K"] * turns["C"] * turns["P"]
        total += each * (2 * visits - tiles if name == "ofmap" else visits)
    return total


def test_a_wrong_layout_costs_a_block_a_word():
    layer = matmul("thin", m=64, n=64, k=1)
    right = find(Marvel(MarvelSettings(block_words=16)), layer)
    wrong = find(Marvel(MarvelSettings(block_words=16, layouts=False)), layer)
    assert dict(right.layouts)["ifmap"] == "P"
    assert dict(wrong.layouts)["ifmap"] == "C"  # one channel: each word is a block of its own
    assert wrong.blocks > right.blocks


def test_extents_of_tiles_are_those_of_the_words_they_touch():
    draw = random.Random(3)
    layer = conv(
        "c", height=9, width=8, in_channels=2, out_channels=2, window=(3, 2), stride=(2, 1)
    )
    for _ in range(30):
        tile = [draw.randint(1, size) for size in layer.sizes]
        found = _extents(layer, np.array([tile]))
        for tensor, extents in zip(layer.tensors, found, strict=True):
            for axis, extent in zip(tensor.axes, extents[0].tolist(), strict=True):
                reach = {0}
                for dim, by in axis.terms:
                    reach = {x + by * i for x in reach for i in range(tile[DIMS.index(dim)])}
                assert extent == max(reach) + 1


def test_without_a_memory_on_the_chip_there_is_nothing_to_decompose():
    bare = Architecture("bare", 10**9, "65nm", (DESIGN.levels[0], DESIGN.levels[2]))
    with pytest.raises(ArraysmithError, match="bare: no memory on the chip"):
        find(Marvel(), LAYERS["gemm"], architecture=bare)
    assert find(Exact(), LAYERS["gemm"], architecture=bare).proven


def test_a_small_space_is_enumerated_to_the_same_optimum():
    layer = matmul("g", m=4, n=2, k=2)
    whole = find(Exhaustive(ExhaustiveSettings(most=10**6)), layer)
    assert find(Exact(), layer).loss == pytest.approx(whole.loss, rel=1e-12)
    assert find(Marvel(), layer).loss <= 1.05 * whole.loss
