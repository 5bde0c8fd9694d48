"""Estimators: the rules all keep, banks and cells of SRAMs, small nodes, and files of one's own."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.architecture import Compute, Memory
from arraysmith.arch.errors import InputError
from arraysmith.arch.loader import dump_architecture, load_architecture, parse_architecture
from arraysmith.arch.registry import RegistryError, plugin_files
from arraysmith.arch.technology import tables
from arraysmith.arch.technology.conformance import broken_by_arithmetic, broken_by_device
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import Arithmetic, MemoryDevice
from arraysmith.arch.technology.estimate import (
    TECHNOLOGIES,
    arithmetic_of,
    device_of,
    devices,
    mac_cost,
    memory_cost,
    numbers,
)
from arraysmith.arch.technology.node import nodes
from arraysmith.arch.technology.table_device import table_device

QUANTITIES = ("read_pj", "write_pj", "leakage_mw", "area_um2")


def cost(device: str, depth: int, width: int, technology: str, banks: int = 1) -> ComponentCost:
    return memory_cost(
        Memory("buffer", device, ("ifmap",), width, 8, depth, banks=banks), technology
    )


@pytest.mark.parametrize("name", devices())
def test_every_memory_device_keeps_the_rules(name):
    assert broken_by_device(device_of(name)) == []


@pytest.mark.parametrize("name", numbers())
def test_every_type_of_numbers_keeps_the_rules(name):
    assert broken_by_arithmetic(arithmetic_of(name)) == []


def test_the_rules_notice_what_breaks_them():
    def falling(shape, node):
        del node
        return ComponentCost(1 / shape.depth, float(shape.width_bits**3), 0.0, 0.0, "?")

    text = "\n".join(broken_by_device(MemoryDevice(falling), depths=(64, 128), widths=(8, 16)))
    for part in ("read_pj falls with 128 lines", "has an area", "a source is a sentence"):
        assert part in text

    def jumping(shape, node):
        del node
        step = 2.0 if shape.width_bits > 100 else 1.0
        return ComponentCost(step, step, step, step, "invented for a test")

    broken = broken_by_device(MemoryDevice(jumping), depths=(64,), widths=(8,))
    assert any("jumps between" in x for x in broken)

    def free(multiply, accumulate, node):
        del multiply, accumulate
        return ComponentCost(0.0, 1.0, 1 / node.nm, 1.0, "invented for a test")

    text = "\n".join(broken_by_arithmetic(Arithmetic(free)))
    for part in ("an access takes energy", "a MAC has one energy", "leakage_mw falls with"):
        assert part in text


depths, widths = st.integers(1, 2**20), st.integers(1, 1200)
banks = st.sampled_from((1, 2, 3, 4, 8, 16))
technologies = st.sampled_from(TECHNOLOGIES)
cells = st.sampled_from(("sram", "sram_hp"))


@given(cells, depths, widths, banks, st.integers(1, 5000), technologies)
def test_a_deeper_or_wider_sram_of_any_cells_and_banks_costs_no_less(
    device, depth, width, count, more, technology
):
    small = cost(device, depth + 16, width, technology, count)
    for large in (
        cost(device, depth + 16 + more, width, technology, count),
        cost(device, depth + 16, width + more, technology, count),
    ):
        for name in QUANTITIES:
            assert getattr(large, name) >= getattr(small, name) > 0


@given(cells, depths, widths, banks, technologies)
def test_one_line_or_one_bit_more_is_no_step(device, depth, width, count, technology):
    small = cost(device, depth + 16, width, technology, count)
    deeper = cost(device, depth + 17, width, technology, count)
    wider = cost(device, depth + 16, width + 1, technology, count)
    for name in QUANTITIES:
        # Fastest rule: CACTI's write energy below 1000 lines, somewhat above linear in depth; one
        # address bit more at a power of two is a step of 0.004 pJ at most.
        assert getattr(deeper, name) <= getattr(small, name) * (1 + 3 / (depth + 16)) + 0.004
        assert getattr(wider, name) <= getattr(small, name) * (1 + 4 / width)


def test_high_performance_cells_cost_what_their_table_says():
    text = Path(tables.__file__).with_name("sram_cacti7_hp.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))
    checked = 0
    for row in rows:
        if row["valid"] == "0" or row["banks"] != "1" or row["tech_nm"] == "22":
            continue
        depth = 8 * int(row["capacity_bytes"]) // int(row["word_bits"])
        got = cost("sram_hp", depth, int(row["word_bits"]), f"{row['tech_nm']}nm")
        logic = 0.00203 * (depth - 1).bit_length() * nodes()[f"{row['tech_nm']}nm"].energy_factor
        logic /= nodes()["32nm"].energy_factor
        assert got.read_pj - logic == pytest.approx(float(row["read_energy_pJ"]), rel=1e-9)
        leakage = float(row["leakage_mW_per_bank"]) + float(row["gate_leakage_mW_per_bank"])
        assert got.leakage_mw == pytest.approx(leakage, rel=1e-9)
        assert got.area_um2 == pytest.approx(1e6 * float(row["array_area_mm2"]), rel=1e-9)
        # A larger memory that the tool writes more cheaply is held at the smaller one's energy.
        assert got.write_pj - logic >= float(row["write_energy_pJ"]) * (1 - 1e-9)
        checked += 1
    assert checked == 249


def test_banks_come_out_as_the_tool_says_within_the_error_the_readme_names():
    text = Path(tables.__file__).with_name("sram_cacti7_hp.csv").read_text(encoding="utf-8")
    errors: dict[str, list[float]] = {name: [] for name in QUANTITIES}
    for row in csv.DictReader(line for line in text.splitlines() if line[0] != "#"):
        count = int(row["banks"])
        if count == 1 or row["tech_nm"] == "22":
            continue
        depth = 8 * int(row["capacity_bytes"]) // 64
        got = cost("sram_hp", depth, 64, f"{row['tech_nm']}nm", count)
        leak = float(row["leakage_mW_per_bank"]) + float(row["gate_leakage_mW_per_bank"])
        told = (
            float(row["read_energy_pJ"]),
            float(row["write_energy_pJ"]),
            count * leak,
            1e6 * float(row["array_area_mm2"]),
        )
        for name, value in zip(QUANTITIES, told, strict=True):
            errors[name].append(abs(getattr(got, name) / value - 1))
    allowed = {"read_pj": 0.13, "write_pj": 0.16, "leakage_mw": 0.1, "area_um2": 0.12}
    for name, found in errors.items():
        assert len(found) == 99
        assert mean(found) < allowed[name]


def test_high_performance_cells_leak_thousands_of_times_as_much():
    calm, fast = (cost(x, 8192, 64, "45nm") for x in ("sram", "sram_hp"))
    assert fast.leakage_mw > 1000 * calm.leakage_mw


def test_a_bank_has_at_least_one_line():
    with pytest.raises(InputError, match=r"buffer\.banks: 4: .*at least one line"):
        cost("sram", 2, 64, "45nm", 4)


@pytest.mark.parametrize(("technology", "factor"), [("28nm", 0.5133), ("16nm", 0.1736)])
def test_an_sram_at_a_node_without_a_table_is_scaled_like_logic_and_says_so(technology, factor):
    for device in ("sram", "sram_hp"):
        small, tabled = (cost(device, 1024, 64, x) for x in (technology, "32nm"))
        for name in ("read_pj", "write_pj", "leakage_mw"):
            scale = getattr(small, name) / getattr(tabled, name)
            assert scale == pytest.approx(factor / 0.6593, rel=1e-6)
        assert f"scaled to {technology[:-2]} nm like logic" in small.source
        assert "scaled" not in tabled.source


def energy_at_08_v(a: float, b: float, c: float) -> float:
    return a * 0.64 + b * 0.8 + c


def test_node_factors_are_the_published_polynomials_at_08_v():
    # Coefficients of Stillmaker and Baas (2017); 28 nm lies a third of the way from 32 to 20 nm.
    found = {
        65: energy_at_08_v(3.755, -4.398, 1.975),
        45: energy_at_08_v(1.103, -0.362, 0.2767),
        32: energy_at_08_v(0.9559, -0.7823, 0.471),
        16: energy_at_08_v(0.2958, -0.1241, 0.03024),
        7: energy_at_08_v(0.1776, -0.09097, 0.02447),
    }
    found[28] = 2 / 3 * found[32] + 1 / 3 * energy_at_08_v(0.373, -0.1582, 0.04104)
    for nm, energy in found.items():
        assert nodes()[f"{nm}nm"].energy_factor == pytest.approx(energy / found[45], rel=5e-4)


def test_floating_point_costs_what_the_sources_say():
    single = mac_cost(Compute("mac", 32, 32, number="fp32"), "45nm")
    assert single.read_pj == pytest.approx(35.3 + 16.7)
    assert single.area_um2 == pytest.approx(8970 + 4360)
    half = mac_cost(Compute("mac", 16, 16, number="fp16"), "45nm")
    assert half.read_pj == pytest.approx(35.3 * 1.1 / 3.7 + 16.7 * 0.4 / 0.9, rel=1e-3)
    mixed = mac_cost(Compute("mac", 16, 32, number="bf16"), "45nm")
    assert mixed.read_pj == pytest.approx(35.3 * 0.21 / 1.31 + 16.7, rel=1e-3)
    assert "recalled, not verified" in half.source
    assert "recalled" not in single.source


def test_16_bit_floats_cost_less_than_fp32_and_bf16_less_than_fp16():
    got = [
        mac_cost(Compute("mac", bits, bits, number=number), "16nm").read_pj
        for number, bits in (("bf16", 16), ("fp16", 16), ("fp32", 32))
    ]
    assert got == sorted(got)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("multiply: 8 bit, accumulate: 16 bit, number: fp16", "compute.multiply: 8 bit: factors"),
        ("multiply: 16 bit, accumulate: 24 bit, number: bf16", "compute.accumulate: 24 bit: sums"),
        ("number: fp17", "compute.number: fp17: unknown type of numbers: did you mean fp16"),
    ],
)
def test_bits_that_a_type_does_not_have_are_refused_at_their_place(keys, text):
    document = dump_architecture(load_architecture("eyeriss"))
    head, _, _ = document.partition("compute:")
    with pytest.raises(InputError, match=text):
        parse_architecture(f"{head}compute: {{{keys}}}\n")


def test_numbers_leakage_and_wires_round_trip_through_a_file():
    document = dump_architecture(load_architecture("eyeriss"))
    head, _, _ = document.partition("compute:")
    head = head.replace("diagonal: true", "diagonal: true, wires: {hop: 90 um, routers: true}")
    design = parse_architecture(
        f"{head}compute: {{multiply: 16 bit, accumulate: 32 bit, number: bf16}}\nleakage: all\n"
    )
    assert (design.compute.number, design.leakage) == ("bf16", "all")
    network = design.fanouts[0].network
    assert network.wires.hop_um == 90
    assert network.wires.routers
    assert parse_architecture(dump_architecture(design)) == design


TABLE = """# invented
technology,depth,width_bits,read_pj,write_pj,leakage_mw,area_um2,source
45nm,64,32,1,2,0.001,100,invented for a test
45nm,1024,32,4,8,0.01,1600,invented for a test
45nm,64,64,2,4,0.002,200,invented for a test
45nm,1024,64,8,16,0.02,3200,invented for a test
"""


def test_a_table_of_ones_own_is_a_device_that_keeps_the_rules(tmp_path):
    path = tmp_path / "mram.csv"
    path.write_text(TABLE)
    assert broken_by_device(table_device(path)) == []


def test_a_table_with_faults_names_each_at_its_line(tmp_path):
    path = tmp_path / "mram.csv"
    path.write_text(
        TABLE.replace("45nm,1024,64,8,", "46nm,1024,64,8,").replace("2,4,0.002", "2,-4,0.002")
    )
    with pytest.raises(InputError) as caught:
        table_device(path)
    text = str(caught.value)
    assert "mram.csv:6:1: technology: 46nm: unknown technology" in text
    assert "mram.csv:5:1: write_pj: -4: must be a number above 0" in text
    path.write_text("technology,depth\n")
    with pytest.raises(InputError, match=r"source: .*column is missing"):
        table_device(path)


ESTIMATOR = """
from arraysmith.arch.registry import register
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import MEMORY_DEVICE, MemoryDevice


def estimate(shape, node):
    pj = 0.01 * shape.width_bits * node.energy_factor
    area = 0.5 * shape.depth * shape.width_bits * node.area_factor
    return ComponentCost(pj, pj, 0.0, area, "invented for a test")


register(MEMORY_DEVICE, "glue")(MemoryDevice(estimate))
"""


def test_files_named_by_the_environment_are_plug_ins(tmp_path):
    (tmp_path / "mram.csv").write_text(TABLE)
    (tmp_path / "glue.py").write_text(ESTIMATOR)
    design = dump_architecture(load_architecture("eyeriss"))
    (tmp_path / "own.yaml").write_text(
        design.replace("device: sram", "device: mram").replace("device: regfile", "device: glue")
    )
    code = (
        "from arraysmith.arch.loader import load_architecture\n"
        "from arraysmith.sim.pricing import PriceList\n"
        f"prices = PriceList.of(load_architecture({str(tmp_path / 'own.yaml')!r}))\n"
        "print(*[prices.memories[x].source for x in ('glb', 'psum_spad')], sep='; ')\n"
    )
    named = os.pathsep.join(str(tmp_path / x) for x in ("mram.csv", "glue.py"))
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ARRAYSMITH_PLUGINS": named},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == (
        "invented for a test; scaled from 45 to 65 nm like logic; invented for a test\n"
    )


def test_a_plug_in_file_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("ARRAYSMITH_PLUGINS", str(tmp_path / "no.csv"))
    with pytest.raises(RegistryError, match=r"ARRAYSMITH_PLUGINS names .*no\.csv"):
        plugin_files(".csv")
