"""The setting scalesim-3.0.0 against a twin that follows the rules word by word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scalesim_twin as twin
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflows import systolic_mapping
from arraysmith.arch.importers.scalesim_config import BankedPort, ScaleSimConfig, SparsitySwitches
from arraysmith.arch.importers.scalesim_layout import ScaleSimLayout
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.problem import conv, matmul
from arraysmith.arch.sparsity import StructuredSparsity
from arraysmith.sim.cycle.scalesim.hash_order import hash_order
from arraysmith.sim.cycle.scalesim.layer import (
    ReadPort,
    Shape,
    ToolMachine,
    UnsupportedByScaleSimError,
    shape_of,
)
from arraysmith.sim.cycle.scalesim.layout import listed_filter
from arraysmith.sim.cycle.scalesim.model import ScaleSimModel
from arraysmith.sim.cycle.scalesim.run import run_layer
from arraysmith.sim.cycle.scalesim.streams import requests


@st.composite
def shapes(draw):
    window = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    block = draw(st.integers(1, 4))
    return Shape(
        window[0] + draw(st.integers(0, 5)),
        window[1] + draw(st.integers(0, 5)),
        *window,
        draw(st.integers(1, 6)),
        draw(st.integers(1, 9)),
        (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        draw(st.integers(1, block)),
        block,
    )


@st.composite
def machines(draw):
    columns, user = draw(st.integers(1, 9)), draw(st.booleans())
    words = st.integers(100, 400).map(lambda half: 2 * half)  # smaller than the tool's, to overflow
    return ToolMachine(
        draw(st.integers(1, 9)),
        columns,
        draw(st.sampled_from(["os", "ws", "is"])),
        user,
        ReadPort(draw(words), 0, draw(st.integers(1, 12))),
        ReadPort(draw(words), 10_000, draw(st.integers(1, 12))),
        draw(words),
        20_000,
        draw(st.integers(1, 12)) if user else columns,
    )


class Watch:
    """Keeps what a probe is told."""

    def __init__(self):
        self.asked = {"ifmap": [], "filter": [], "ofmap": []}
        self.stamps = {"ifmap": [], "filter": [], "ofmap": []}
        self.moved = {"ifmap": [], "filter": [], "ofmap": []}

    def sram(self, operand, stream, offset, stamps):
        table = requests(stream, 0, len(stamps))
        self.asked[operand] += table.tolist()
        self.stamps[operand] += stamps.tolist()

    def dram(self, operand, start, addresses):
        self.moved[operand] += [
            (start + i, [x for x in row if x >= 0]) for i, row in enumerate(addresses.tolist())
        ]


@settings(max_examples=150, deadline=None)
@given(machines(), shapes())
def test_every_request_stamp_and_count_equals_the_twin(machine, shape):
    expected = twin.run(machine, shape)
    watch = Watch()
    try:
        result = run_layer(machine, shape, watch)
    except UnsupportedByScaleSimError:
        assert expected["total"] == 0 or not machine.user
        return
    assert [watch.asked[x] for x in ("ifmap", "filter", "ofmap")] == list(expected["asked"])
    stamps = zip(*(watch.stamps[x] for x in ("ifmap", "filter", "ofmap")), strict=True)
    assert list(stamps) == expected["stamps"]
    assert (result.stall_cycles, result.total_cycles) == (expected["stalls"], expected["total"])
    assert tuple(x.words for x in result.dram) == expected["dram"]
    assert (result.dram[2].start, result.dram[2].stop) == expected["writes"]
    assert sum(result.stalls) == result.stall_cycles
    assert result == run_layer(machine, shape)


@settings(max_examples=60, deadline=None)
@given(machines(), shapes())
def test_traces_hold_the_words_that_the_report_counts(machine, shape):
    watch = Watch()
    machine = replace(machine, user=False, ofmap_bandwidth=machine.columns)
    try:
        result = run_layer(machine, shape, watch)
    except UnsupportedByScaleSimError:
        return
    for operand, dram in zip(("ifmap", "filter"), result.dram, strict=False):
        assert sum(len(words) for _, words in watch.moved[operand]) == dram.words
        assert watch.moved[operand][0][0] == dram.start
        assert watch.moved[operand][-1][0] == dram.stop
    written = [x for _, words in watch.moved["ofmap"] for x in words]
    asked = [x for line in watch.asked["ofmap"] for x in line if x >= 0]
    assert [x - machine.ofmap_offset for x in written] == asked


@given(st.lists(st.integers(0, 10**9), unique=True, max_size=400))
def test_the_hash_order_is_that_of_a_set_of_numbers(numbers):
    table = set()
    for number in numbers:
        table.add(number)
    order = hash_order(np.array(numbers, np.int64))
    assert [numbers[i] for i in order] == list(table)


def test_large_hash_tables_grow_slower():
    numbers = np.random.default_rng(0).permutation(200_000)[:130_000].astype(np.int64)
    table = set()
    for number in numbers.tolist():
        table.add(number)
    assert numbers[hash_order(numbers)].tolist() == list(table)


def config(**more):
    return ScaleSimConfig("r", 4, 5, "ws", 1, 1, 1, **more)


def test_a_layout_costs_the_lines_of_the_bank_that_is_asked_for_most():
    # Eight filters, one word each: a line of the layout holds two, every bank one of them.
    shape = Shape(1, 1, 1, 1, 1, 8)
    port = ReadPort(1024, 10, 2, banks=2, ports=1, factors=(2, 1, 1, 1), order=tuple(range(8)))
    machine = ToolMachine(1, 8, "ws", True, ReadPort(1024, 0, 4), port, 1024, 100, 8)
    assert listed_filter(shape, port).tolist() == list(range(8))
    # Cycle 0 asks for all eight: four lines at each of two banks with one port take four cycles.
    assert run_layer(machine, shape).stall_cycles == 3
    two = replace(machine, filter=replace(port, ports=2))
    assert run_layer(two, shape).stall_cycles == 1
    none = replace(machine, filter=ReadPort(1024, 10, 2))
    assert run_layer(none, shape).stall_cycles == 0


def test_only_operands_with_a_custom_layout_in_user_mode_are_laid_out():
    layout = ScaleSimLayout("l", (1, 1, 2), tuple(range(6)), (2, 1, 1, 1), tuple(range(8)))
    banks = BankedPort(True, 2, 1, 2)
    user = config(interface_user=True, bandwidths=(4,), ifmap_banks=banks)
    machine = ToolMachine.of_config(user, layout)
    assert machine.ifmap.factors == (1, 1, 2)
    assert machine.filter.factors == ()
    assert ToolMachine.of_config(replace(user, interface_user=False), layout).ifmap.factors == ()


def test_user_mode_reads_at_the_banks_bandwidth_and_writes_at_the_first_of_the_list():
    banks = BankedPort(False, 6, 1, 2), BankedPort(False, 8, 1, 2)
    user = config(
        interface_user=True, bandwidths=(3, 9), ifmap_banks=banks[0], filter_banks=banks[1]
    )
    machine = ToolMachine.of_config(user)
    assert (machine.ifmap.bandwidth, machine.filter.bandwidth) == (6, 8)
    assert machine.ofmap_bandwidth == 3
    assert ToolMachine.of_config(config()).ofmap_bandwidth == 5, "CALC: the columns of the array"


def architecture_and_mapping(problem, dataflow="ws") -> tuple[Architecture, object]:
    architecture = load_architecture("scalesim-default")
    return architecture, systolic_mapping(dataflow, architecture, problem)


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_the_report_says_what_the_tool_says(dataflow):
    problem = conv("c", height=9, width=9, in_channels=8, out_channels=40, window=(3, 3))
    architecture, mapping = architecture_and_mapping(problem, dataflow)
    model = ScaleSimModel()
    result, groups = model.run(architecture, problem, mapping)
    report = model.evaluate(architecture, problem, mapping)
    assert groups == 1
    assert (report.fidelity, report.setting) == ("cycle", "scalesim-3.0.0")
    assert report.cycles == result.total_cycles
    assert report.utilization * 100 == pytest.approx(result.overall_util_pct)
    assert report.words("dram", "ifmap", "read") == result.dram[0].words
    assert report.words("ifmap_sram", "ifmap", "read") == result.sram[0].words
    assert report.words("dram", "ofmap", "update") == result.dram[2].words
    assert report.energy_pj > 0


def test_a_machine_of_ours_gives_the_numbers_of_the_same_machine_in_a_config():
    problem = matmul("g", m=70, n=33, k=41)
    architecture, mapping = architecture_and_mapping(problem)
    same = ScaleSimConfig("r", 32, 32, "ws", 64, 64, 64)
    ours, _ = ScaleSimModel().run(architecture, problem, mapping)
    theirs, _ = ScaleSimModel(same).run(architecture, problem, mapping)
    assert ours == theirs


def test_groups_run_one_after_the_other():
    problem = conv("d", height=8, width=8, in_channels=6, out_channels=6, window=(3, 3), groups=6)
    one = conv("d", height=8, width=8, in_channels=1, out_channels=1, window=(3, 3))
    architecture, mapping = architecture_and_mapping(problem)
    all_groups = ScaleSimModel().evaluate(architecture, problem, mapping)
    single = ScaleSimModel().evaluate(architecture, one, mapping)
    assert all_groups.cycles == 6 * single.cycles
    assert all_groups.macs == 6 * single.macs == problem.macs


def test_output_sizes_are_rounded_up_and_padding_counts_as_words():
    problem = conv(
        "c", height=6, width=6, in_channels=2, out_channels=3, window=(3, 3), stride=(2, 2),
        padding=(1, 1),
    )  # fmt: skip
    shape, _ = shape_of(problem, sparsity=True)
    assert (shape.ifmap_height, shape.ifmap_width) == (8, 8)
    assert shape.output == (4, 4), "ceil((8 - 3 + 2) / 2), not 3"


def test_utilization_counts_the_weights_that_sparsity_leaves_out():
    problem = replace(matmul("g", m=64, n=32, k=64), weight_sparsity=StructuredSparsity(1, 4))
    shape, _ = shape_of(problem, sparsity=True)
    dense, _ = shape_of(problem, sparsity=False)
    machine = ToolMachine(
        8, 8, "ws", False, ReadPort(65536, 0), ReadPort(65536, 10**7), 65536, 2 * 10**7, 8, "csr"
    )
    result = run_layer(machine, shape)
    assert result.overall_util_pct > 100
    assert result.sparse.metadata == 16 * 32 + 64 + 1
    assert result.sram[1].words == 16 * 32
    assert run_layer(machine, dense).sparse is None


@pytest.mark.parametrize(
    ("word", "more"), [("batch", {"batch": 2}), ("dilation", {"dilation": (2, 2)})]
)
def test_what_the_tool_has_no_word_for_is_refused(word, more):
    problem = conv("c", height=9, width=9, in_channels=1, out_channels=1, window=(3, 3), **more)
    with pytest.raises(UnsupportedByScaleSimError, match=word):
        shape_of(problem, sparsity=False)


def test_where_the_tool_divides_by_zero_is_refused():
    one = ToolMachine(1, 1, "os", False, ReadPort(1024, 0), ReadPort(1024, 9), 1024, 99, 1)
    with pytest.raises(UnsupportedByScaleSimError, match="one cycle"):
        run_layer(one, Shape(1, 1, 1, 1, 1, 1))
    wide = ToolMachine(1, 2000, "ws", False, ReadPort(1024, 0), ReadPort(1024, 9), 4096, 9999, 2000)
    with pytest.raises(UnsupportedByScaleSimError, match="half a read buffer"):
        run_layer(wide, Shape(1, 1, 1, 1, 1, 2000))


def test_sparse_weights_at_address_zero_are_refused():
    switches = SparsitySwitches("csr", optimized_mapping=False, block=0, seed=0)
    sparse = config(filter_offset=0, ifmap_offset=5000, sparsity=switches)
    with pytest.raises(UnsupportedByScaleSimError, match="FilterOffset 0"):
        ToolMachine.of_config(sparse)
