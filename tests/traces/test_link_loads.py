from dataclasses import replace

from test_page import PAGE

from arraysmith.sim.network_use import NetworkUse
from arraysmith.traces.html import render_html
from arraysmith.traces.page import Design, ReportPage
from arraysmith.traces.plots.link_loads import forks, link_loads


def use(*links, degrees=()):
    return NetworkUse("array", links, degrees)


MESH = use(
    ("memory->(0,0)", "all", "ifmap", 9),
    ("(0,0)->(1,0)", "multicast", "ifmap", 5),
    ("(1,0)->(0,0)", "reduction", "ofmap", 7),
    ("(1,0)->(1,1)", "unicast", "weight", 2),
    degrees=(("ifmap", 2, 3), ("ifmap", 4, 1), ("weight", 2, 6)),
)


def test_a_map_shows_every_flit_once_where_its_link_is() -> None:
    drawn, routers = link_loads(MESH).data
    assert [text for text in routers.text if text] == ["M"]
    cells = {
        (x, y): flits
        for y, row in zip(drawn.y, drawn.z, strict=True)
        for x, flits in zip(drawn.x, row, strict=True)
        if flits
    }
    assert cells == {(0, 0): 9, (1, 0): 12, (2, 1): 2}
    assert (drawn.zmin, drawn.zmax) == (0, 12), "the least load is not drawn as none"
    sizes = dict(zip(routers.text, routers.marker.size, strict=True))
    assert sizes["M"] == 0 < sizes[""], "a dot would hide the letter"
    assert drawn.text[0][1] == "(0,0)->(1,0): 5<br>(1,0)->(0,0): 7"
    assert drawn.z[1][1] is None, "no link passes between four routers"


def test_links_that_close_a_ring_stand_behind_the_last_router() -> None:
    torus = use(
        ("(0,0)->(1,0)", "unicast", "ifmap", 1),
        ("(0,0)->(2,0)", "unicast", "ifmap", 4),
        ("(2,2)->(2,0)", "unicast", "ifmap", 8),
    )
    drawn, _ = link_loads(torus).data
    assert drawn.z[0][list(drawn.x).index(5)] == 4
    assert drawn.z[list(drawn.y).index(5)][4] == 8


def test_networks_without_a_grid_have_bars_of_the_busiest_links_by_tensor() -> None:
    tree = use(
        ("(0,0)->(1,0)", "multicast", "ifmap", 3),
        ("(0,0)->(1,1)", "multicast", "ifmap", 5),
        ("(0,0)->(1,1)", "multicast", "weight", 1),
    )
    bars = {bar.name: dict(zip(bar.y, bar.x, strict=True)) for bar in link_loads(tree).data}
    assert bars == {
        "ifmap": {"(0,0)->(1,1)": 5, "(0,0)->(1,0)": 3},
        "weight": {"(0,0)->(1,1)": 1, "(0,0)->(1,0)": 0},
    }


def test_packets_that_fork_are_counted_by_targets_and_tensor() -> None:
    bars = {bar.name: dict(zip(bar.x, bar.y, strict=True)) for bar in forks(MESH).data}
    assert bars == {"ifmap": {"2": 3, "4": 1}, "weight": {"2": 6, "4": 0}}


def test_the_page_draws_the_networks_of_the_best_design_if_it_has_any() -> None:
    pair = PAGE.top[0]
    with_links = replace(pair, cycle=replace(pair.cycle, networks=(MESH,)))
    html = render_html(ReportPage("t", "s", top=(with_links,)))
    assert "<h3>Links</h3>" in html
    assert "packets that fork, array" in html
    simulated = Design("simulated", with_links.cycle)
    assert "<h3>Links</h3>" in render_html(ReportPage("t", "s", designs=(simulated,)))
    assert "<h3>Links</h3>" not in render_html(ReportPage("t", "s", top=PAGE.top))
    assert ReportPage.from_dict(replace(PAGE, top=(with_links,)).to_dict()).top == (with_links,)
