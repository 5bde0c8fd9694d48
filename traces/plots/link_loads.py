"""What passed the links of a routed network: a map where routers stand in a grid, else bars."""

from __future__ import annotations

import re
from collections import Counter

import plotly.graph_objects as go

from arraysmith.sim.network_use import NetworkUse
from arraysmith.traces.plots.style import colours, figure, stacked_bars

MOST_BARS = 24
"""Links that bars show, the busiest ones."""

QUIET, BUSY = "rgba(128,128,128,0.22)", "#2f74d0"

Place = tuple[int, int]


def link_loads(use: NetworkUse) -> go.Figure:
    """Return the loads of a network's links.

    A map of routers in rows and columns: between two of them the flits of both links, of which the
    words under the pointer tell each; at the memory's router (M) those that it sends and takes.
    Links that close a ring stand outside the grid. Other networks: the busiest links by tensor.
    """
    ends = {link: _ends(link) for link in use.loads}
    if all(ends.values()):
        return _map(use, {link: x for link, x in ends.items() if x})
    return _bars(use)


def forks(use: NetworkUse) -> go.Figure:
    """Return the packets that fork by the number of their targets, a colour per tensor."""
    targets = sorted({targets for _, targets, _ in use.degrees})
    drawn = figure(300, barmode="stack", bargap=0.35)
    fills = colours(sorted({tensor for tensor, _, _ in use.degrees}))
    for tensor, fill in fills.items():
        packets = {x: n for name, x, n in use.degrees if name == tensor}
        drawn.add_bar(
            x=[str(x) for x in targets],
            y=[packets.get(x, 0) for x in targets],
            name=tensor,
            marker={"color": fill},
            hovertemplate=f"{tensor} to %{{x}}: %{{y:,}} packets<extra></extra>",
        )
    drawn.update_xaxes(title_text=f"targets of a packet that forks, {use.network}", type="category")
    drawn.update_yaxes(title_text="packets", tickformat="~s")
    return drawn


def _ends(link: str) -> tuple[Place | None, Place | None] | None:
    """Return columns and rows of both ends, None for the memory; None if it fits into no grid."""
    ends: list[Place | None] = []
    for name in link.split("->"):
        found = re.fullmatch(r"\((\d+),(\d+)\)", name)
        if not found and name != "memory":
            return None
        ends.append((int(found[1]), int(found[2])) if found else None)
    one, other = ends
    if one and other and one[0] != other[0] and one[1] != other[1]:
        return None  # levels of a tree
    return one, other


def _map(use: NetworkUse, ends: dict[str, tuple[Place | None, Place | None]]) -> go.Figure:
    places = [x for pair in ends.values() for x in pair if x]
    columns, rows = max(x for x, _ in places) + 1, max(y for _, y in places) + 1
    loads: Counter[Place] = Counter()
    said: dict[Place, list[str]] = {}
    for link, flits in sorted(use.loads.items()):
        cell = _cell(*ends[link])
        loads[cell] += flits
        said.setdefault(cell, []).append(f"{link}: {flits:,}")
    grid_x, grid_y = range(2 * columns), range(2 * rows)
    shown = [x for x in grid_x if x < 2 * columns - 1 or any(cell[0] == x for cell in loads)]
    lines = [y for y in grid_y if y < 2 * rows - 1 or any(cell[1] == y for cell in loads)]
    size_px = max(6, min(34, 560 // max(len(shown), len(lines))))
    drawn = figure(size_px * len(lines) + 126)
    drawn.add_heatmap(
        x=shown,
        y=lines,
        z=[[_value(loads, x, y) for x in shown] for y in lines],
        text=[["<br>".join(said.get((x, y), [])) for x in shown] for y in lines],
        zmin=0,
        zmax=max(loads.values(), default=1),  # without it the range begins at the least load
        colorscale=[[0, QUIET], [1, BUSY]],
        xgap=1,
        ygap=1,
        hoverongaps=False,
        colorbar={"title": {"text": "flits"}, "tickformat": "~s", "thickness": 12, "len": 1.0},
        hovertemplate="%{text}<extra></extra>",
    )
    routers = [(2 * x, 2 * y) for x in range(columns) for y in range(rows)]
    at_memory = {_cell(*pair) for pair in ends.values() if None in pair}
    drawn.add_scatter(
        x=[x for x, _ in routers],
        y=[y for _, y in routers],
        mode="markers+text",
        marker={
            "color": "#8a8f98",
            "size": [0 if place in at_memory else max(3, size_px // 4) for place in routers],
        },
        text=["M" if place in at_memory else "" for place in routers],
        hoverinfo="skip",
        showlegend=False,
    )
    for axis, count, name in (
        (drawn.update_xaxes, columns, f"column of a router of {use.network}"),
        (drawn.update_yaxes, rows, "row"),
    ):
        step = max(1, count // 12)
        axis(
            title_text=name,
            tickvals=[2 * i for i in range(0, count, step)],
            ticktext=[str(i) for i in range(0, count, step)],
            showgrid=False,
            zeroline=False,
            constrain="domain",
        )
    drawn.update_yaxes(autorange="reversed", scaleanchor="x")
    return drawn


def _cell(one: Place | None, other: Place | None) -> Place:
    """Return where a link is drawn: routers have even columns and rows."""
    if one is None or other is None:
        only = one or other
        assert only is not None, "a link has a router at one end"
        return 2 * only[0], 2 * only[1]
    along_x, low = int(one[0] != other[0]), min(one, other)
    if abs(one[0] - other[0]) + abs(one[1] - other[1]) > 1:  # closes a ring: behind the last router
        low = max(one, other)
    return 2 * low[0] + along_x, 2 * low[1] + 1 - along_x


def _value(loads: Counter[Place], x: int, y: int) -> int | None:
    """Return the flits of a cell; None where no link is drawn."""
    if x % 2 and y % 2:
        return None
    return loads.get((x, y), 0) if x % 2 or y % 2 else loads.get((x, y))


def _bars(use: NetworkUse) -> go.Figure:
    busiest = list(use.loads)[:MOST_BARS]
    tensors = sorted({tensor for _, _, tensor, _ in use.links})
    parts: dict[str, list[float]] = {tensor: [0.0] * len(busiest) for tensor in tensors}
    for link, _, tensor, flits in use.links:
        if link in busiest:
            parts[tensor][busiest.index(link)] += flits
    return stacked_bars(busiest, parts, axis=f"flits of {use.network}", unit="flits")
