"""Designs that no other beats in everything."""

from __future__ import annotations

import plotly.graph_objects as go

from arraysmith.traces.page import Front
from arraysmith.traces.plots.style import PALETTE, figure


def front_figure(front: Front) -> go.Figure:
    """Return a point per design, two objectives along the axes, a third as colour; a ring: best."""
    drawn = figure(440)
    third = len(front.objectives) > 2
    marker: dict[str, object] = {"size": 10, "color": PALETTE[0]}
    if third:
        marker["color"] = [point.values[2] for point in front.points]
        marker["colorscale"] = [[0, PALETTE[0]], [1, PALETTE[1]]]
        marker["colorbar"] = {"title": {"text": front.objectives[2]}, "thickness": 12}
    rows = [
        "<br>".join(
            (
                f"{point.label}: {point.note}" if point.note else point.label,
                *(
                    f"{name}: {value:,.6g}"
                    for name, value in zip(front.objectives, point.values, strict=True)
                ),
            )
        )
        for point in front.points
    ]
    drawn.add_scatter(
        x=[point.values[0] for point in front.points],
        y=[point.values[1] for point in front.points],
        mode="markers" if third else "lines+markers",
        line={"shape": "hv", "width": 1},
        marker=marker,
        text=rows,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    for point in front.points:
        if point.label == front.chosen:
            drawn.add_scatter(
                x=point.values[:1],
                y=point.values[1:2],
                mode="markers",
                marker={
                    "size": 18,
                    "symbol": "circle-open",
                    "line": {"width": 2},
                    "color": PALETTE[2],
                },
                name=f"best by simulation ({point.label})",
                hoverinfo="skip",
            )
            drawn.update_layout(legend={"orientation": "h", "y": 1.08})
    drawn.update_xaxes(title_text=front.objectives[0], tickformat="~s")
    drawn.update_yaxes(title_text=front.objectives[1], tickformat="~s")
    return drawn
