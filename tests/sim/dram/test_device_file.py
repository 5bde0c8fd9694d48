"""Files of DRAM devices: what ships, variants, and everything that is refused."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from click.testing import CliRunner

from arraysmith.arch.cli import check, list_, schema, show
from arraysmith.arch.errors import InputError
from arraysmith.sim.dram.device_file import device_names, device_path, load_device

VARIANT = "kind: dram\nname: mine\nbase: {base}\n"


def write(folder, text, base="ddr4_2400", name="mine.yaml"):
    path = folder / name
    path.write_text(VARIANT.format(base=base) + text)
    return path


def faults(path):
    with pytest.raises(InputError) as caught:
        load_device(path)
    return caught.value.faults


@pytest.mark.parametrize("name", device_names())
def test_every_device_that_ships_is_whole(name):
    device = load_device(name)
    assert device.name == name
    shape = device.organisation
    bits = sum((shape.size(x) - 1).bit_length() for x in device.address_map)
    assert shape.burst_bytes << bits == shape.capacity_bytes
    assert device.source


def test_a_device_says_what_its_numbers_mean():
    device = load_device("ddr4_2400")
    assert device.organisation.capacity_bytes == 16 << 30
    assert device.peak_bytes_per_cycle == 16
    assert device.clock_hz == Fraction(10**11, 83)
    assert load_device("hbm2_8ch").peak_bytes_per_cycle == 256


def test_a_variant_changes_what_it_says_and_keeps_the_rest(tmp_path):
    first = write(tmp_path, "timing: {CL: 18}\norganisation: {ranks: 1}\n", name="first.yaml")
    second = write(tmp_path, "timing: {CWL: 13}\n", base=first.name)
    base, device = load_device("ddr4_2400"), load_device(second)
    assert (device.timing.cl, device.timing.cwl, device.organisation.ranks) == (18, 13, 1)
    assert device.timing.t_rcd_read == base.timing.t_rcd_read
    assert device.organisation.rows == base.organisation.rows
    assert device.policy == base.policy
    assert device.address_map == base.address_map


@pytest.mark.parametrize(
    ("text", "field", "rule"),
    [
        ("timing: {tRAS: 16}", "timing.tRAS", "at least tRCD"),
        ("timing: {tRC: 55}", "timing.tRC", "at least tRAS + tRP"),
        ("timing: {tCCD_S: 7}", "timing.tCCD_L", "at least tCCD_S"),
        ("timing: {tRRD_L: 3}", "timing.tRRD_L", "at least tRRD_S"),
        ("timing: {tWTR_L: 2}", "timing.tWTR_L", "at least tWTR_S"),
        ("timing: {tFAW: 5}", "timing.tFAW", "at least tRRD"),
        ("timing: {tRRD_L: 57, tFAW: 99}", "timing.tRRD_L", "at most tRC"),
        ("timing: {tRFC: 9360}", "timing.tRFC", "less than tREFI"),
        ("timing: {tREFI: 400}", "timing.tRFC", "less than tREFI"),
        ("timing: {CWL: 22}", "timing.CWL", "less than CL"),
        ("timing: {AL: 17}", "timing.AL", "less than tRCD"),
        ("timing: {tPPD: 2}", "timing.tPPD", "only LPDDR4"),
        ("timing: {tRCDRD: 17}", "timing.tRCDRD", "only HBM2"),
        ("timing: {tRCD: 0}", "timing.tRCD", "at least 1"),
        ("timing: {tRCD: 17.5}", "timing.tRCD", "whole number"),
        ("timing: {tXYZ: 1}", "timing.tXYZ", "unknown key"),
        ("timing: 5", "timing", "must be a mapping"),
        ("organisation: {rows: 1000}", "organisation.rows", "power of two"),
        ("organisation: {columns: 4}", "organisation.columns", "at least burst_length"),
        ("organisation: {burst_length: 1}", "organisation.burst_length", "at least 2"),
        ("organisation: {device_width_bits: 128}", "organisation.device_width_bits", "at most"),
        ("organisation: {bus_width_bits: 4, device_width_bits: 4}", "organisation.bus_width_bits",
         "at least 8"),
        ("organisation: {rows: 1073741824, channels: 1073741824}", "organisation.rows", "62 bits"),
        ("power: {IDD4R: 42}", "power.IDD4R", "at least IDD3N"),
        ("power: {IDD3N: 30}", "power.IDD3N", "at least IDD2N"),
        ("power: {IDD0: 40}", "power.IDD0", "at least the mean"),
        ("controller: {drain_above: 33}", "controller.drain_above", "at most write_queue"),
        ("controller: {page: ajar}", "controller.page", "must be one of"),
        ("address_map: [row, rank, bank, column]", "address_map", "has no bank_group"),
        ("address_map: [row, rank, bank, bank, column]", "address_map", "each field once"),
        ("address_map: [raw, rank, bank, bank_group, column]", "address_map[0]", "must be one of"),
        ("standard: DDR9", "standard", "must be one of"),
        ("colour: red", "colour", "unknown key"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place_and_rule(tmp_path, text, field, rule):
    path = write(tmp_path, text)
    found = [x for x in faults(path) if x.field == field]
    assert found, faults(path)
    assert rule in found[0].rule
    assert found[0].file == str(path)
    assert found[0].line in {1, 4}


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    path = write(
        tmp_path,
        "timing: {tRAS: 5, tRFC: 99999}\naddress_map: [row]\npower: {vdd: 1}\ncolour: red\n",
    )
    found = {x.field: x.line for x in faults(path)}
    assert found == {
        "timing.tRAS": 4,
        "timing.tRFC": 4,
        "address_map": 5,
        "power.vdd": 6,
        "colour": 7,
    }


def test_hbm_needs_both_times_of_opening_a_row(tmp_path):
    text = device_path("hbm2_8ch").read_text().replace("  tRCDRD: 14\n", "  tRCD: 14\n")
    path = tmp_path / "hbm.yaml"
    path.write_text(text)
    assert {x.field for x in faults(path)} == {"timing.tRCDRD", "timing.tRCD"}


def test_a_base_that_is_not_there_or_builds_on_itself_is_refused(tmp_path):
    assert "did you mean ddr4_2400" in faults(write(tmp_path, "", base="ddr4_240"))[0].hint
    write(tmp_path, "", base="b.yaml", name="a.yaml")
    path = write(tmp_path, "", base="a.yaml", name="b.yaml")
    assert "builds on itself" in faults(path)[0].rule
    assert "builds on itself" in faults(write(tmp_path, "", base="mine.yaml"))[0].rule


def test_faults_of_the_base_are_told_in_its_own_file(tmp_path):
    base = write(tmp_path, "timing: {tRAS: 5}\n", name="base.yaml")
    path = write(tmp_path, "timing: {tRAS: 39}\n", base="base.yaml")
    assert [(x.field, x.file) for x in faults(path)] == [("timing.tRAS", str(base))]


def test_a_name_that_nothing_has_is_refused_with_the_near_ones():
    with pytest.raises(InputError, match=r"ddr5_2400.*neither a device nor a file.*ddr4_2400"):
        load_device("ddr5_2400")


def test_the_commands_know_the_kind(tmp_path):
    run = CliRunner().invoke
    assert set(run(list_, ["dram"]).output.split()) == set(device_names())
    assert ": dram: ok" in run(check, [str(device_path("hbm2_1ch"))]).output
    shown = run(show, ["ddr4_2400", "--json"]).output
    assert json.loads(shown)["timing"]["tRCD"] == 17
    assert {"DeviceSpec", "VariantSpec"} <= json.loads(run(schema, ["dram"]).output)["$defs"].keys()
