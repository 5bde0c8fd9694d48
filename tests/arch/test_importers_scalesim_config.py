from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import InputError
from arraysmith.arch.importers.scalesim_config import (
    BankedPort,
    SparsitySwitches,
    parse_config,
    read_config,
)
from arraysmith.arch.importers.scalesim_layout import COLUMNS, parse_layout, read_layout
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.problem import conv, matmul

TEXT = """[general]
run_name = r

[architecture_presets]
ArrayHeight: 8
ArrayWidth: 6
IfmapSramSzkB: 1
FilterSramSzkB: 2
OfmapSramSzkB: 3
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 7, 9
Dataflow: os
MemoryBanks: 1
ReadRequestBuffer: 32
WriteRequestBuffer: 32

[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 2
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 12
FilterSRAMBankNum: 3
FilterSRAMBankPort: 1

[sparsity]
SparsitySupport : false
SparseRep : ellpack_block
OptimizedMapping : false
BlockSize : 8
RandomNumberGeneratorSeed : 40

[run_presets]
InterfaceBandwidth: USER
UseRamulatorTrace: False
"""


def faults(text):
    """Return line:field of every fault of a configuration."""
    with pytest.raises(InputError) as caught:
        parse_config(text, "a.cfg")
    assert all(fault.file == "a.cfg" and fault.rule for fault in caught.value.faults)
    return [f"{fault.line}:{fault.field}" for fault in caught.value.faults]


def swapped(old, new):
    assert old in TEXT
    return TEXT.replace(old, new)


def test_every_key_is_read():
    config = parse_config(TEXT)
    assert (config.run_name, config.rows, config.columns, config.dataflow) == ("r", 8, 6, "os")
    assert (config.ifmap_kib, config.filter_kib, config.ofmap_kib) == (1, 2, 3)
    assert (config.ifmap_offset, config.filter_offset, config.ofmap_offset) == (0, 10**7, 2 * 10**7)
    assert config.bandwidths == (7, 9)
    assert config.interface_user
    assert config.ifmap_banks == BankedPort(False, 10, 2, 2)
    assert config.filter_banks == BankedPort(False, 12, 3, 1)
    assert config.sparsity is None
    assert not config.ramulator


def test_keys_are_read_without_regard_to_case_and_in_both_spellings():
    spelt = TEXT.replace("ArrayHeight: 8", "  arrayheight = 8").replace("[layout]", "; x\n[layout]")
    assert parse_config(spelt) == parse_config(TEXT)


def test_sparsity_is_read_when_it_is_switched_on():
    text = swapped("SparsitySupport : false", "SparsitySupport : True")
    assert parse_config(text).sparsity == SparsitySwitches("ellpack_block", False, 0, 40)


def test_what_acts_with_another_program_only_may_be_left_out():
    text = swapped("UseRamulatorTrace: False\n", "").replace("ReadRequestBuffer: 32\n", "")
    assert parse_config(text) == parse_config(TEXT)


def test_bandwidth_is_needed_in_user_mode_only():
    text = swapped("Bandwidth: 7, 9\n", "")
    assert faults(text) == ["4:architecture_presets.Bandwidth"]
    assert parse_config(text.replace("USER", "CALC")).bandwidths == ()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("ArrayHeight: 8\n", "", ["4:architecture_presets.ArrayHeight"]),
        ("ArrayHeight: 8", "ArrayHeight: 0", ["5:architecture_presets.ArrayHeight"]),
        ("IfmapSramSzkB: 1", "IfmapSramSzkB: -1", ["7:architecture_presets.IfmapSramSzkB"]),
        ("IfmapSramSzkB: 1", "IfmapSramSzkB: 1.5", ["7:architecture_presets.IfmapSramSzkB"]),
        ("OfmapOffset: 2", "OfmapOffset: -2", ["12:architecture_presets.OfmapOffset"]),
        ("Dataflow: os", "Dataflow: rs", ["14:architecture_presets.Dataflow"]),
        ("Dataflow: os", "Dataflow:", ["14:architecture_presets.Dataflow"]),
        ("Bandwidth: 7, 9", "Bandwidth: 7, 0", ["13:architecture_presets.Bandwidth"]),
        ("FilterSRAMBankNum: 3", "FilterSRAMBankNum: 5", ["25:layout.FilterSRAMBankBandwidth"]),
        ("IfmapCustomLayout: False", "IfmapCustomLayout: maybe", ["20:layout.IfmapCustomLayout"]),
        ("Bandwidth: USER", "Bandwidth: user", ["37:run_presets.InterfaceBandwidth"]),
        ("SparsitySupport : false\n", "", ["29:sparsity.SparsitySupport"]),
        ("run_name = r", "run_name = a/b", ["2:general.run_name"]),
        ("MemoryBanks: 1", "MemoryBank: 1", ["15:architecture_presets.MemoryBank"]),
        ("[sparsity]", "[sparse]", ["0:sparsity.SparsitySupport", "29:sparse"]),
        ("[general]", "[general", ["1:", "2:", "0:general.run_name"]),
        (
            "ArrayWidth: 6",
            "ArrayWidth 6",
            ["4:architecture_presets.ArrayWidth", "6:architecture_presets"],
        ),
        (
            "ArrayWidth: 6",
            "ArrayHeight: 6",
            ["4:architecture_presets.ArrayWidth", "6:architecture_presets.ArrayHeight"],
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_at_its_line(old, new, found):
    assert sorted(faults(swapped(old, new))) == sorted(found)


def test_all_faults_of_a_file_are_told_at_once():
    text = swapped("ArrayHeight: 8", "ArrayHeight: x").replace("Dataflow: os", "Dataflow: ?")
    text = text.replace("IfmapSRAMBankNum: 2", "IfmapSRAMBankNum: 4")
    assert faults(text) == [
        "5:architecture_presets.ArrayHeight",
        "14:architecture_presets.Dataflow",
        "21:layout.IfmapSRAMBankBandwidth",
    ]


def test_a_misspelt_key_is_named_where_it_is_missed():
    with pytest.raises(InputError, match="is ArrayHieght meant"):
        parse_config(swapped("ArrayHeight", "ArrayHieght"))


@pytest.mark.parametrize("text", ["", "nothing", "[general]\nrun_name"])
def test_a_file_that_is_no_configuration_lists_what_is_missing(text):
    assert len(faults(text)) > 10


@given(st.text(alphabet="[]=:;# \nab1", max_size=60))
def test_any_text_is_read_or_refused(text):
    with pytest.raises(InputError):
        parse_config(text)


def test_overlapping_regions_are_faults_of_the_offset_above():
    config = parse_config(swapped("FilterOffset: 10000000", "FilterOffset: 500"), "a.cfg")
    small = matmul("g", m=10, n=4, k=50)
    assert config.region_faults(small) == []
    (fault,) = config.region_faults(matmul("g", m=11, n=4, k=50))
    assert (fault.file, fault.line, fault.field) == (
        "a.cfg", 11, "architecture_presets.FilterOffset",
    )  # fmt: skip
    assert "at least 550" in fault.hint


def test_channels_of_a_depthwise_layer_share_their_addresses():
    config = parse_config(swapped("FilterOffset: 10000000", "FilterOffset: 100"))
    layer = conv("DP", height=10, width=10, in_channels=4, out_channels=4, window=(3, 3), groups=4)
    assert config.region_faults(layer) == []


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_the_architecture_has_the_sizes_of_the_file_and_our_own_defaults(dataflow):
    config = parse_config(swapped("Dataflow: os", f"Dataflow: {dataflow}"))
    architecture = config.architecture()
    array = architecture.systolic
    assert (array.mesh_y, array.mesh_x) == (8, 6)
    assert (array.network.drain, array.network.partial_folds) == ("shift", "used")
    capacity = {x.holds: x.capacity_words for x in architecture.memories[1:]}
    assert capacity == {("ifmap",): 1024, ("weight",): 2048, ("ofmap",): 3072}
    assert architecture.memories[0].read_words_per_cycle == Fraction(22)
    assert architecture.memories[0].write_words_per_cycle == Fraction(7)
    calc = parse_config(TEXT.replace("USER", "CALC")).architecture()
    assert calc.memories[0].read_words_per_cycle is None


def test_a_configuration_loads_where_an_architecture_is_asked_for(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text(TEXT)
    assert load_architecture(str(path)) == read_config(path).architecture()


ROW = [2, 2, 1, 1, 4, 3, 0, 1, 2, 4, 5, 3, 3, 2, 1, 0, 4, 5, 6, 7]


def row(numbers, name="conv"):
    return f"{name}, {', '.join(map(str, numbers))},\n"


def test_a_layout_row_is_cut_into_factors_and_orders():
    (layout,) = parse_layout("heading\n" + row(ROW))
    assert layout.name == "conv"
    assert layout.ifmap_factors == (2, 2, 4)
    assert layout.filter_factors == (3, 4, 1, 1)
    assert layout.ifmap_order == (4, 5, 3, 0, 1, 2)
    assert layout.filter_order == (4, 5, 6, 7, 3, 2, 1, 0)


def test_a_dummy_layout_has_no_rows(tmp_path):
    path = tmp_path / "dummy.csv"
    path.write_text("x\n\n , ,\n")
    assert read_layout(path) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (row([0, *ROW[1:]]), [f"2:{COLUMNS[0]}"]),
        (row([*ROW[:-1], "x"]), [f"2:{COLUMNS[-1]}"]),
        (row(ROW[:-2]), [f"2:{COLUMNS[-2]}"]),
        (row([*ROW, 1]), ["2:(no such column)"]),
        (row([*ROW[:6], 1, *ROW[7:]]), ["2:ifmap order"]),
        (row([*ROW[:-1], 9]) + row([*ROW[:9], 0, *ROW[10:]]), ["2:filter order", "3:ifmap order"]),
    ],
)
def test_every_fault_of_a_layout_is_told_at_its_line(text, found):
    with pytest.raises(InputError) as caught:
        parse_layout("heading\n" + text, "l.csv")
    assert [f"{x.line}:{x.field}" for x in caught.value.faults] == found
