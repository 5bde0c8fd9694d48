"""How the loss fell."""

from __future__ import annotations

import plotly.graph_objects as go

from arraysmith.traces.page import Convergence
from arraysmith.traces.plots.style import PALETTE, figure


def convergence_figure(convergence: Convergence) -> go.Figure:
    """Return best-so-far, population best and population median over generations."""
    drawn = figure(360, hovermode="x unified")
    lines = (
        ("best so far", convergence.best, PALETTE[0], "solid", "hv"),
        ("best of population", convergence.population_best, PALETTE[2], "dot", "linear"),
        ("median of population", convergence.population_median, PALETTE[1], "dash", "linear"),
    )
    for name, values, colour, dash, shape in lines:
        drawn.add_scatter(
            x=list(range(len(values))),
            y=list(values),
            name=name,
            mode="lines+markers" if len(values) < 40 else "lines",
            line={"color": colour, "dash": dash, "shape": shape, "width": 2},
            marker={"size": 5},
            hovertemplate="%{y:.5g}",
        )
    drawn.update_xaxes(title_text="generation", rangemode="tozero")
    drawn.update_yaxes(title_text=convergence.loss)
    return drawn
