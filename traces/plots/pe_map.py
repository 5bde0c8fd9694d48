"""Which PEs work, and how much."""

from __future__ import annotations

import plotly.graph_objects as go

from arraysmith.traces.page import PeUse
from arraysmith.traces.plots.style import figure

IDLE, BUSY = "rgba(128,128,128,0.22)", "#2f74d0"


def pe_map(use: PeUse) -> go.Figure:
    """Return a heat map of mesh_y rows by mesh_x columns; grey is idle, full blue always busy."""
    rows, columns = len(use.busy), len(use.busy[0])
    cell_px = max(2, min(22, 420 // max(rows, columns)))
    shown_px = max(1, min(cell_px, 300 // columns))  # two maps stand side by side
    drawn = figure(cell_px * rows + 126)
    drawn.add_heatmap(
        z=[list(row) for row in use.busy],
        zmin=0,
        zmax=1,
        colorscale=[[0, IDLE], [1, BUSY]],
        xgap=1 if cell_px > 5 else 0,
        ygap=1 if cell_px > 5 else 0,
        colorbar={"title": {"text": "busy"}, "tickformat": ".0%", "thickness": 12, "len": 1.0},
        hovertemplate="column %{x}, row %{y}: %{z:.2%}<extra></extra>",
    )
    drawn.update_xaxes(
        title_text="column",
        constrain="domain",
        showgrid=False,
        zeroline=False,
        tickangle=0,
        dtick=max(-(-24 // shown_px), -(-columns // 12)),
    )
    drawn.update_yaxes(
        title_text="row",
        autorange="reversed",
        dtick=max(-(-16 // shown_px), -(-rows // 20)),
        scaleanchor="x",
        constrain="domain",
        showgrid=False,
        zeroline=False,
    )
    return drawn
