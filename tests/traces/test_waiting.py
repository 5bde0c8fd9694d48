"""What the report page shows of waits: over time, cause by cause, and as chains."""

from __future__ import annotations

import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_samples import DESIGN, LAYER, MAPPING, report

from arraysmith.arch.loader import dump_architecture, dump_mapping
from arraysmith.arch.main import run
from arraysmith.arch.networks import dump_network
from arraysmith.arch.problem import Layer, Network
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.wait_profile import MOST_BINS, WaitProfile
from arraysmith.traces.html import render_html
from arraysmith.traces.html_tables import chains_table, differences_table
from arraysmith.traces.page import LayerRow, Pair, ReportPage
from arraysmith.traces.plots.waiting import (
    OTHERS,
    SHOWN_BINS,
    cause_map,
    waiting_figure,
    waiting_over_time,
)
from arraysmith.traces.waiting import ChainRow, Waiting

NAMES = ("fill", "glb_ifmap", "drain")

WAITS = st.lists(
    st.tuples(st.integers(0, 900), st.integers(1, 700), st.integers(0, 2)), min_size=1, max_size=40
)
"""Of each wait: cycles since the one before was over, its cycles, its cause."""


def profile_of(waits, batch: int) -> tuple[WaitProfile, np.ndarray]:
    """A profile that was told of waits, and the cause in every cycle, -1 for none."""
    cycles, rows = [], []
    for gap, length, cause in waits:
        cycles += [-1] * gap
        rows.append((len(cycles), length, cause))
        cycles += [cause] * length
    profile = WaitProfile()
    for start in range(0, len(rows), batch):
        part = np.array(rows[start : start + batch], np.int64).T
        profile.stalls(part[0], part[1], part[2], NAMES)
    return profile, np.array(cycles)


@given(WAITS, st.integers(1, 7), st.integers(0, 9000))
@settings(max_examples=60, deadline=None)
def test_bins_hold_the_cycles_of_every_cause_of_runs_that_go_on_after_it(waits, batch, after):
    profile, cycles = profile_of(waits, batch)
    cycles = np.concatenate((cycles, np.full(after, -1)))
    bins = profile.over_time(len(cycles))
    assert len(bins.waiting[0]) <= MOST_BINS
    assert bins.bin_cycles * len(bins.waiting[0]) >= len(cycles)
    for name, row in zip(bins.causes, bins.waiting, strict=True):
        edges = range(0, len(cycles), bins.bin_cycles)
        mine = cycles == NAMES.index(name)
        assert row == tuple(int(mine[x : x + bins.bin_cycles].sum()) for x in edges)
    assert set(bins.causes) == {NAMES[x] for _, _, x in waits}


def test_a_long_run_takes_no_more_bins_than_a_short_one():
    profile = WaitProfile()
    for k in range(50):
        at = np.array([k * 10**9], np.int64)
        profile.stalls(at, np.array([10**6]), np.array([1]), NAMES)
    bins = profile.over_time(50 * 10**9)
    assert sum(bins.waiting[0]) == 50 * 10**6
    assert MOST_BINS // 2 < len(bins.waiting[0]) <= MOST_BINS


def test_a_profile_goes_from_process_to_process():
    profile, _ = profile_of([(3, 4, 1), (0, 2, 2)], 1)
    other = pickle.loads(pickle.dumps(profile))
    assert other.over_time(9) == profile.over_time(9)
    assert other.chains == profile.chains


def test_the_profile_of_a_run_is_its_report():
    profile = WaitProfile()
    found = CycleModel(profile).evaluate(DESIGN, LAYER, MAPPING)
    bins = profile.over_time(found.cycles)
    sums = {name: sum(row) for name, row in zip(bins.causes, bins.waiting, strict=True)}
    assert sums == {name: cycles for name, cycles in found.stalls if cycles}


def waiting(layer: str, cycles: int, causes=NAMES, repeat: int = 1) -> Waiting:
    width = max(1, cycles // 16)
    bins = -(-cycles // width)
    rows = tuple(tuple(min(width // 20, 3) for _ in range(bins)) for _ in causes)
    chain = ChainRow((causes[0], "glb_room"), 4, 40, 12, 7)
    return Waiting(layer, repeat, cycles, width, tuple(causes), rows, (chain,))


@pytest.mark.parametrize("count", [1, 3, 400])
def test_the_timeline_of_any_run_has_few_bins_and_all_its_cycles(count):
    layers = [waiting(f"l{k}", 1000 + 10 * k, repeat=1 + k % 3) for k in range(count)]
    edges, rows = waiting_over_time(layers)
    assert len(edges) == SHOWN_BINS + 1
    assert edges[-1] == sum(x.repeat * x.cycles for x in layers)
    for name, row in rows.items():
        assert sum(row) == sum(x.repeat * sum(x.waiting[x.causes.index(name)]) for x in layers)


def test_causes_beyond_the_colours_are_added_up():
    names = [f"cause {k}" for k in range(14)]
    edges, rows = waiting_over_time([waiting("one", 2000, names)])
    assert list(rows)[-1] == OTHERS
    assert sum(map(sum, rows.values())) == 14 * sum(waiting("one", 2000, names).waiting[0])
    drawn = waiting_figure([waiting("one", 2000, names)])
    assert len({trace.marker.color for trace in drawn.data}) == len(drawn.data)
    assert len(edges) == SHOWN_BINS + 1


def test_a_run_that_never_waits_has_a_timeline():
    drawn = waiting_figure([Waiting("one", 1, 100, 1, (), (), ())])
    assert [trace.name for trace in drawn.data] == ["compute"]
    assert set(drawn.data[0].y) == {1}


def test_the_map_of_causes_adds_up_to_every_run():
    found = [("a", report(1000)), ("b", report(2000, 2.0))]
    (heat,) = cause_map(found).data
    for column in zip(*heat.z, strict=True):
        assert sum(column) == pytest.approx(1, abs=1e-4)
    assert list(heat.y) == ["compute", "fill", "drain"]


def test_chains_are_ranked_over_all_runs_of_all_layers():
    text = chains_table([waiting("one", 1000), waiting("two", 500, ("drain",), repeat=3)])
    first, second = re.findall(r"<tr>(<td>.*?)</tr>", text)
    assert "<b>drain</b> \u2190 glb_room" in first
    assert "two" in first
    assert ">120<" in first  # 3 runs of 40 cycles
    assert "<b>fill</b>" in second


def test_differences_leave_out_causes_that_are_the_same():
    same = report(1000)
    text = differences_table([Pair("#1", same, same), Pair("#2", same, report(1100))])
    rows = re.findall(r"<tr[^>]*><td>(.*?)</td>", text)
    assert rows == ["closed form", "compute", "fill", "drain", "simulation"]
    assert re.findall(r"<tr[^>]*><td>(.*?)</td>", differences_table([Pair("#1", same, same)])) == [
        "closed form",
        "simulation",
    ]


def test_a_page_with_waits_survives_json_and_older_ones_are_read():
    page = ReportPage(
        "t",
        "s",
        layers=(LayerRow("one", 1, report(1000), None, report(1000)),),
        waiting=(waiting("one", 1000),),
    )
    plain = json.loads(json.dumps(page.to_dict()))
    assert ReportPage.from_dict(plain) == page
    del plain["waiting"]
    assert ReportPage.from_dict(plain).waiting == ()
    html = render_html(page)
    assert "What the array waits for" in html
    assert "Chains of waiting that cost most" in html


@pytest.fixture
def job(tmp_path):
    (tmp_path / "design.yaml").write_text(dump_architecture(DESIGN))
    (tmp_path / "mapping.yaml").write_text(dump_mapping(MAPPING))
    twice = (Layer(LAYER), Layer(LAYER.renamed("again"), 2))
    (tmp_path / "network.yaml").write_text(dump_network(Network("tiny", twice)))
    files = [str(tmp_path / name) for name in ("design.yaml", "network.yaml")]
    return ["simulate", *files, "--mapping", str(tmp_path / "mapping.yaml")]


def test_simulate_writes_a_page_of_what_it_prints(job, tmp_path, capsys):
    page, traces = tmp_path / "sub" / "page.html", tmp_path / "t.h5"
    page.parent.mkdir()
    assert run([*job, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert run([*job, "--json", "--report", str(page), "--traces", str(traces)]) == 0
    assert json.loads(capsys.readouterr().out) == alone
    html = page.read_text()
    assert f"{alone['total']['cycles']:,} cycles for one inference" in html
    assert 'href="../t.h5"' in html
    for title in ("Totals", "What the array waits for", "Use of the PEs", "Layers", "Mappings"):
        assert f"<h2>{title}</h2>" in html


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--report", "nowhere/page.html"], "its folder does not exist"),
        (["--report", "."], "is a folder"),
        (["--report", "both", "--traces", "./both"], "name the same file"),
        (["--setting", "scalesim-3.0.0", "--report", "page.html"], "tells no waits"),
    ],
)
def test_a_page_that_cannot_be_is_refused_before_simulating(
    job, more, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run([*job, *more]) == 2
    assert said in capsys.readouterr().err
