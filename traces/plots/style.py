"""What all figures share. Text and grid colours come from the page, which knows light and dark."""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go

PALETTE = (
    "#4c86c6",
    "#e8893a",
    "#4fa46b",
    "#d2585f",
    "#9a76c4",
    "#a9805c",
    "#48a9b5",
    "#d98bb8",
    "#a3a83c",
    "#8a8f98",
)
"""Fills that keep a contrast of at least 2.2 against both a white and a near-black page."""

COMPUTE_COLOUR = "#8a8f98"
"""Fill of cycles that compute, so that stalls stand out."""


def colours(names: Iterable[str]) -> dict[str, str]:
    """Return a fill per name, in order; the palette repeats after ten."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def figure(height_px: int, **layout: object) -> go.Figure:
    """Return an empty figure in the house style: legend above, room for labels."""
    drawn = go.Figure()
    drawn.update_layout(
        template="none",
        height=height_px,
        showlegend=True,
        margin={"l": 16, "r": 16, "t": 60, "b": 16},
        legend={
            "orientation": "h",
            "traceorder": "normal",
            "x": 0,
            "xanchor": "left",
            "y": 1.0,
            "yanchor": "bottom",
        },
        font={"family": "system-ui, sans-serif", "size": 13},
        **layout,
    )
    drawn.update_xaxes(automargin=True, title_standoff=8)
    drawn.update_yaxes(automargin=True, title_standoff=8)
    return drawn


def stacked_bars(
    labels: list[str],
    parts: dict[str, list[float]],
    *,
    axis: str,
    unit: str,
    fills: dict[str, str] | None = None,
) -> go.Figure:
    """Return horizontal stacked bars, the first label on top.

    Args:
        labels: one per bar; equal labels are one bar.
        parts: per part of the stack its length in each bar.
        axis: title of the length axis.
        unit: after each number when hovering.
        fills: colour per part; the palette when None.
    """
    fills = fills or colours(parts)
    drawn = figure(126 + 44 * len(labels), barmode="stack", bargap=0.35)
    for part, lengths in parts.items():
        drawn.add_bar(
            y=labels,
            x=lengths,
            name=part,
            orientation="h",
            marker={"color": fills[part]},
            hovertemplate=f"%{{y}}, {part}: %{{x:,.6~g}} {unit}<extra></extra>",
        )
    drawn.update_xaxes(title_text=axis, tickformat="~s" if unit == "cycles" else ",~g")
    drawn.update_yaxes(autorange="reversed", type="category", ticksuffix="  ")
    return drawn
