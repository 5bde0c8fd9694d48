import json
import re
from dataclasses import replace

import pytest
from trace_samples import DESIGN, LAYER, MAPPING, report

from arraysmith.arch.architecture import Architecture, Fanout, Systolic
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping, from_factors
from arraysmith.arch.problem import conv
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.loop_nest import loop_nest
from arraysmith.sim.network_use import NetworkUse
from arraysmith.traces.describe import hardware_table, pe_use
from arraysmith.traces.html import SECTIONS, render_html, write_html
from arraysmith.traces.page import (
    Comparison,
    Convergence,
    Design,
    DesignRow,
    Foretold,
    Front,
    FrontPoint,
    LayerRow,
    Pair,
    PeUse,
    ReportPage,
    Sensitivity,
    Text,
)
from arraysmith.traces.plots.convergence import convergence_figure
from arraysmith.traces.plots.cycles import models_scatter
from arraysmith.traces.plots.foretold import foretold_figure
from arraysmith.traces.plots.front import front_figure
from arraysmith.traces.plots.roofline import roofline_figure
from arraysmith.traces.plots.sensitivity import sensitivity_figure
from arraysmith.traces.plots.timeline import timeline_figure

BEFORE, BETWEEN, AFTER = report(4000, 3.0), report(3000, 2.5), report(1234, 1.0)
PAGE = ReportPage(
    title="A better <design> & more",
    summary="It needs 1,234 cycles.",
    rows=(
        DesignRow("printed", 903168, 0.5714, 188.48, None, 651.0, "from a poster"),
        DesignRow.of("found", AFTER),
    ),
    comparison=Comparison(BEFORE, BETWEEN, AFTER),
    hardware=hardware_table(
        (("original", DESIGN), ("best", DESIGN.with_values({"glb.depth": 99})))
    ),
    convergence=Convergence(
        (1.0, 0.5), (1.0, 0.625), (2.0, 1.5), "loss", ((0.875,), (0.75, 0.625, 0.25))
    ),
    front=Front(
        ("latency, cycles", "energy, pJ", "area, um2"),
        (FrontPoint("#1", (10.0, 5.0, 7.0), "4 x 2"), FrontPoint("#2", (20.0, 2.5, 6.0))),
        "#2",
    ),
    sensitivity=(
        Sensitivity("glb.depth", "128", ("64", "128", "256"), (2.5, 2.0, 1.5), 2.0),
        Sensitivity("array.mesh_x", "8", ("4", "8"), (None, 2.0), 2.0),
    ),
    foretold=(
        Foretold("2", "best", 900, 1010, 1000),
        Foretold("4", "informative", 700, 2000, 2000),
    ),
    designs=(Design("original", BEFORE), Design("best", AFTER)),
    pe_use=(PeUse("best", ((1.0, 0.5), (0.0, 0.0))),),
    top=(Pair("#1", AFTER, report(1300, 1.0, "cycle"), "4 x 2"),),
    mappings=(Text("best", loop_nest(DESIGN, LAYER, MAPPING)),),
    layers=(
        LayerRow("one", 2, AFTER, BEFORE, report(1300, 1.0, "cycle")),
        LayerRow("two", 1, BETWEEN, BEFORE, report(3100, 2.5, "cycle")),
    ),
    files=(("traces", "best.h5"),),
    provenance={"tool": "arraysmith", "seed": 3},
)

CLOSED = AnalyticalModel().evaluate(DESIGN, LAYER, MAPPING)
BALANCED = Pair("#1", CLOSED, replace(CLOSED, fidelity="cycle", stalls=(("fill", 100),)))


def without_library(html):
    """Return the page without the figure library, whose source is full of addresses."""
    scripts = re.findall(r"<script>.*?</script>", html, flags=re.DOTALL)
    library = max(scripts, key=len)
    assert len(library) > 1_000_000
    return html.replace(library, "")


def cells(html):
    """Return the text of every table cell."""
    return [re.sub("<.*?>", " ", x).split() for x in re.findall(r"<td.*?>(.*?)</td>", html)]


def test_a_page_survives_json():
    plain = json.loads(json.dumps(PAGE.to_dict()))
    assert ReportPage.from_dict(plain) == PAGE
    bare = ReportPage("title", "summary")
    assert ReportPage.from_dict(json.loads(json.dumps(bare.to_dict()))) == bare


@pytest.mark.parametrize("plain", [{}, {"title": 1}, [], None, {**PAGE.to_dict(), "rows": [{}]}])
def test_other_data_is_no_page(plain):
    with pytest.raises(ArraysmithError, match="not the data of a report page"):
        ReportPage.from_dict(plain)


def test_the_page_holds_the_numbers_given():
    html = render_html(PAGE)
    shown = [" ".join(cell) for cell in cells(html)]
    expected = ("903,168", "57.14", "188.48", "651.0", "printed from a poster", "–", "1,234")
    for text in (*expected, "128 x 64", "99 x 64", "4 x 2"):
        assert text in shown, text
    assert f"{AFTER.energy_pj * 1e-6:,.2f}" in shown
    assert "A better &lt;design&gt; &amp; more" in html
    assert "<design>" not in html


def test_gains_of_mapping_and_hardware_multiply_to_the_whole():
    html = render_html(ReportPage("t", "s", comparison=PAGE.comparison))
    for row in re.findall(r"<tr>(<td>(?:cycles|energy|EDP)<.*?)</tr>", html):
        mapping, hardware, whole, share, rest = (float(cell[0]) for cell in cells(row)[1:])
        assert mapping * hardware == pytest.approx(whole, rel=2e-3)
        assert share + rest == pytest.approx(100, abs=0.11)
    assert f"{4000 / 3000:.3f} ×" in html


def test_the_difference_between_the_models_is_named_by_cause():
    html = render_html(ReportPage("t", "s", top=PAGE.top))
    # 1234 -> stall 123 = 62 fill + 61 drain; 1300 -> 130 = 65 + 65.
    assert report(1234).stall_cycles == {"fill": 62, "drain": 61}
    assert report(1300).stall_cycles == {"fill": 65, "drain": 65}
    causes = {"compute": 1170 - 1111, "fill": 3, "drain": 4}
    for cycles in causes.values():
        assert f"<td>{cycles:+,}</td>" in html
    assert sum(causes.values()) == 1300 - 1234


def test_the_page_asks_nothing_of_the_network():
    html = render_html(PAGE)
    assert html.count("plotly.js v") == 1
    rest = without_library(html)
    assert not re.search(r"https?:|//[a-z]", rest)
    assert "@import" not in rest
    assert "default-src 'none'" in rest
    assert re.findall(r'(?:src|href)="([^"]*)"', rest) == ["best.h5"]


def test_the_page_knows_light_and_dark():
    html = without_library(render_html(PAGE))
    assert "prefers-color-scheme: dark" in html
    assert "color-scheme: light dark" in html


def test_figures_hold_the_values_and_cannot_end_their_element():
    odd = replace(AFTER, stalls=(("</script><b>", 7), ("fill", 0)))
    html = without_library(render_html(replace(PAGE, designs=(Design("odd", odd),))))
    specs = re.findall(r'<script type="application/json" id="(.*?)">(.*?)</script>', html)
    assert [name for name, _ in specs] == re.findall(r'data-spec="(.*?)"', html)
    figures = [json.loads(spec) for _, spec in specs]
    names = [part["name"] for figure in figures for part in figure["data"] if "name" in part]
    assert "</script><b>" in names
    heat = [part for figure in figures for part in figure["data"] if part["type"] == "heatmap"]
    assert heat[-1]["z"] == [[1.0, 0.5], [0.0, 0.0]]  # behind that of the causes
    lines = [part for figure in figures for part in figure["data"] if part["type"] == "scatter"]
    assert [1.0, 0.5] in [part["y"] for part in lines]


def test_every_section_is_left_out_when_it_has_nothing_to_show():
    html = render_html(ReportPage("title", "summary"))
    assert "<h2>" not in html
    assert len(html) < 20_000
    links = NetworkUse("array", (("(0,0)->(1,0)", "unicast", "ifmap", 3),), ())
    routed = replace(BALANCED, cycle=replace(BALANCED.cycle, networks=(links,)))
    full = replace(PAGE, top=(routed,))
    assert render_html(full).count("<h2>") == len(SECTIONS)


def test_equal_pages_give_equal_files(tmp_path):
    write_html(PAGE, tmp_path / "a.html")
    write_html(ReportPage.from_dict(PAGE.to_dict()), tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(x.name for x in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_pes_under_a_mapping_are_busy_as_much_as_the_report_says():
    use = pe_use("it", DESIGN, LAYER, MAPPING, cycles=1000)
    active = [busy for row in use.busy for busy in row]
    assert (len(use.busy), len(use.busy[0])) == (2, 4)
    assert sum(active) / 8 == pytest.approx(LAYER.macs / (1000 * 8))
    assert set(active) == {LAYER.macs / 8 / 1000}


def test_pes_without_work_are_idle():
    few = from_factors(
        DESIGN,
        (
            ("glb", "t", "K", 4),
            ("glb", "t", "P", 4),
            ("glb", "t", "C", 2),
            ("array", "x", "S", 3),
            ("spad", "t", "Q", 4),
            ("spad", "t", "R", 3),
        ),
    )
    use = pe_use("it", DESIGN, LAYER, few, cycles=LAYER.macs // 3)
    assert use.busy == ((1.0, 1.0, 1.0, 0.0), (0.0, 0.0, 0.0, 0.0))


def test_a_folded_array_is_busy_where_more_folds_reach():
    array = Architecture(
        "s", 10**9, "45nm", (DESIGN.levels[0], Fanout("array", 3, 4, Systolic())), DESIGN.compute
    )
    layer = conv("l", height=3, width=3, in_channels=1, out_channels=4, window=(2, 2))
    mapping = Mapping(
        (
            LevelMapping("array", x=(Loop("K", 1),), y=(Loop("P", 1), Loop("Q", 1))),
            LevelMapping("mac", temporal=(Loop("R", 1), Loop("S", 1))),
        )
    )
    use = pe_use("it", array, layer, mapping, cycles=100)
    # 4 filters on 3 columns: the first column works twice; 4 outputs on 4 rows, 4 MACs each.
    assert use.busy == (((0.08, 0.04, 0.04),) * 4)
    assert sum(map(sum, use.busy)) * 100 == pytest.approx(layer.macs)


def test_the_band_of_seeds_lies_between_their_quartiles():
    drawn = convergence_figure(PAGE.convergence)
    high, low, middle = (list(trace.y) for trace in drawn.data[:3])
    assert middle == [0.875, 0.625, 0.5]
    assert all(a <= b <= c for a, b, c in zip(low, middle, high, strict=True))


def test_a_front_rings_the_design_that_is_best_by_simulation():
    (ring,) = front_figure(PAGE.front).data[1:]
    assert (list(ring.x), list(ring.y), ring.name) == ([20.0], [2.5], "best by simulation (#2)")


def test_a_front_rings_nothing_where_the_best_is_not_on_it():
    assert len(front_figure(replace(PAGE.front, chosen="")).data) == 1


def test_a_front_shows_every_design_and_colours_the_third_objective():
    points = front_figure(PAGE.front).data[0]
    assert (list(points.x), list(points.y)) == ([10.0, 20.0], [5.0, 2.5])
    assert list(points.marker.color) == [7.0, 6.0]
    assert "4 x 2" in points.text[0]


def test_sensitivity_is_the_change_of_the_loss_beside_the_chosen_value():
    lower, higher = sensitivity_figure(PAGE.sensitivity).data
    assert list(lower.x) == [25.0, None]
    assert list(higher.x) == [-25.0, None]


def test_beside_a_loss_of_0_sensitivity_is_a_difference():
    rows = [Sensitivity("glb.depth", "128", ("64", "128", "256"), (0.5, 0.0, 1.5), 0.0)]
    drawn = sensitivity_figure(rows)
    assert [list(trace.x) for trace in drawn.data] == [[0.5], [1.5]]
    assert "%" not in drawn.layout.xaxis.title.text


def test_the_timeline_puts_layers_one_after_the_other():
    drawn = timeline_figure(PAGE.layers)
    first = [min(trace.base[i] for trace in drawn.data) for i in range(2)]
    assert first == [0, 2 * 1300]
    lengths = [sum(trace.x[i] for trace in drawn.data) for i in range(2)]
    assert lengths == [2 * 1300, 3100]


def test_the_scatter_holds_designs_and_simulated_layers():
    drawn = models_scatter(PAGE.top, PAGE.layers)
    assert [len(trace.x) for trace in drawn.data] == [2, 1, 2]
    assert "1,234 against 1,300 cycles, -5.08 %" in drawn.data[1].text[0]


def test_no_point_lies_above_the_roof_of_computing():
    drawn = roofline_figure(BALANCED)
    roof = drawn.data[0].y[0]
    reached = [y for trace in drawn.data if trace.mode == "markers" for y in trace.y]
    assert reached
    assert max(reached) <= roof


def test_what_was_foretold_stands_beside_what_was_simulated_in_percent():
    closed, corrected = foretold_figure(PAGE.foretold).data
    assert list(closed.y) == pytest.approx([-10.0, -65.0])
    assert list(corrected.y) == pytest.approx([1.0, 0.0])
    assert "after generation 4, informative: 2,000 cycles" in closed.customdata[1]
