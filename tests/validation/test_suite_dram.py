"""The comparison with DRAMsim3: micro traces and a few large ones; wrong numbers are noticed."""

from __future__ import annotations

import json
import shutil

import pytest
from case_files import read, write
from click.testing import CliRunner

from arraysmith.arch.errors import InputError
from arraysmith.validation.cli import validate
from arraysmith.validation.suites.dram import REFERENCE, dram
from arraysmith.validation.suites.dram_traces import requests

TRACES = {"seq_read", "seq_write", "rand_mix33", "micro_wr_then_rd", "micro_idle_miss"}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with some rows of the summary and two micro traces."""
    rows = [row for row in read(REFERENCE / "summary.csv") if row["trace"] in TRACES]
    write(tmp_path / "summary.csv", rows)
    (tmp_path / "micro").mkdir()
    for name in ("hbm2_8ch__micro_wr_then_rd", "ddr4_2400_closed__micro_burst16"):
        for kind in ("requests", "commands"):
            file = REFERENCE / "micro" / f"{name}.{kind}.csv"
            shutil.copy(file, tmp_path / "micro" / file.name)
    return tmp_path


def test_every_stamp_count_and_energy_is_exact(folder):
    shutil.rmtree(folder / "micro")
    shutil.copytree(REFERENCE / "micro", folder / "micro")
    outcome = dram(folder)
    assert [x for x in outcome.comparisons if not x.exact] == []
    assert len(outcome.quantities["commands"]) == 24
    assert sum(x.expected for x in outcome.quantities["commands"]) > 900
    assert len(outcome.quantities["total_energy_pJ"]) > 10
    devices = {x.case.split()[0] for x in outcome.quantities["end_cycle"]}
    assert len(devices) == 6


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_one_command_a_cycle_late_is_out_of_tolerance(folder):
    edit(folder / "micro" / "hbm2_8ch__micro_wr_then_rd.commands.csv", "\n117,write", "\n118,write")
    done = CliRunner().invoke(validate, ["dram", "--cases", str(folder), "--json"])
    assert done.exit_code == 3
    worst = json.loads(done.output)["quantities"]["commands"]["worst"]
    assert [x["case"] for x in worst] == ["hbm2_8ch micro_wr_then_rd"]
    assert worst[0]["got"] == worst[0]["expected"] - 1


def test_one_request_a_cycle_early_is_out_of_tolerance(folder):
    file = folder / "micro" / "ddr4_2400_closed__micro_burst16.requests.csv"
    edit(file, ",R,100,100,140", ",R,100,100,139")
    assert {x.quantity for x in dram(folder).beyond} == {"request_returned"}


def test_a_wrong_count_in_the_summary_is_out_of_tolerance(folder):
    rows = read(folder / "summary.csv")
    rows[0]["num_act_cmds"] = str(int(rows[0]["num_act_cmds"]) + 1)
    beyond = dram(write(folder / "summary.csv", rows)).beyond
    assert [x.quantity for x in beyond] == ["num_act_cmds"]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("trace_sha256", "0" * 64, "the trace made by its rule has"),
        ("trace", "spiral", "no such rule"),
        ("device", "ddr9", "no such device"),
        ("n", "0", "must be a whole number from 1"),
        ("issue_width", "x", "must be a whole number from 1"),
    ],
)
def test_cases_that_cannot_be_run_are_refused(folder, column, value, rule):
    rows = read(folder / "summary.csv")
    rows[0][column] = rows[2][column] = value
    with pytest.raises(InputError) as caught:
        dram(write(folder / "summary.csv", rows))
    assert [(x.field, x.line) for x in caught.value.faults] == [(column, 2), (column, 4)]
    assert rule in caught.value.faults[0].rule


def test_a_folder_may_bring_its_own_device(folder):
    row = next(r for r in read(folder / "summary.csv") if r["device"] == "ddr4_2400")
    file = write(folder / "one.csv", [{**row, "device": "mine"}])
    text = "kind: dram\nname: mine\nbase: ddr4_2400\n"
    (folder / "mine.yaml").write_text(text)
    assert not dram(file).beyond
    (folder / "mine.yaml").write_text(text + "timing: {tCCD_L: 8}\n")
    assert "end_cycle" in {x.quantity for x in dram(file).beyond}


def test_a_list_of_commands_that_is_missing_is_named(folder):
    (folder / "micro" / "hbm2_8ch__micro_wr_then_rd.commands.csv").unlink()
    with pytest.raises(InputError, match=r"micro_wr_then_rd\.commands\.csv"):
        dram(folder)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("addr_hex", "-0x40", "from 0 to 0x3ffffffc0"),
        ("addr_hex", "0x" + "f" * 20, "from 0 to 0x3ffffffc0"),
        ("arrive", "9" * 20, "must be a whole number of base 10"),
        ("op", "Q", "must be R or W"),
    ],
)
def test_requests_that_no_memory_takes_are_refused_with_their_place(folder, column, value, rule):
    file = folder / "micro" / "ddr4_2400_closed__micro_burst16.requests.csv"
    rows = read(file)
    rows[3][column] = value
    write(file, rows)
    with pytest.raises(InputError, match=rule) as caught:
        dram(folder)
    assert [(x.field, x.value, x.line) for x in caught.value.faults] == [(column, value, 5)]


def test_writes_that_stay_buffered_for_good_issue_no_command(folder):
    (folder / "summary.csv").unlink()
    for file in (folder / "micro").glob("hbm2*"):
        file.unlink()
    name = "ddr4_2400_closed__micro_burst16"
    rows = read(folder / "micro" / f"{name}.requests.csv")[:8]
    rows = [{**x, "op": "W", "returned": str(int(x["accepted"]) + 2)} for x in rows]
    write(folder / "micro" / f"{name}.requests.csv", rows)
    commands = folder / "micro" / f"{name}.commands.csv"
    commands.write_text(commands.read_text().splitlines()[0] + "\n")
    outcome = dram(folder)
    assert outcome.beyond == ()
    assert [x.expected for x in outcome.quantities["request_returned"]] == [8]


def test_rules_make_the_lines_that_they_promise():
    gap = requests("seq_read_gap16", 3, 64)
    assert gap.text() == "0x0 READ 0\n0x40 READ 16\n0x80 READ 32\n"
    assert requests("stride_0", 3, 64) is None
    assert requests("micro_burst7", 2, 128).text() == "0x0 READ 100\n0x80 READ 100\n"
