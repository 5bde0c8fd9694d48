"""How the loss fell."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from arraysmith.traces.page import Convergence
from arraysmith.traces.plots.style import COMPUTE_COLOUR, PALETTE, figure


def convergence_figure(convergence: Convergence) -> go.Figure:
    """Return best-so-far, population best and population median over generations.

    Further seeds are drawn as the band between their quartiles and their median; a search that
    ended earlier stays at its best.
    """
    drawn = figure(360, hovermode="x unified")
    if convergence.seeds:
        _seeds(drawn, (convergence.best, *convergence.seeds))
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
    if len(convergence.best) <= 12:  # left to itself an axis this short marks half generations
        drawn.update_xaxes(tick0=0, dtick=1)
    drawn.update_yaxes(title_text=convergence.loss)
    return drawn


def _seeds(drawn: go.Figure, runs: tuple[tuple[float, ...], ...]) -> None:
    """Add quartiles and median over the runs."""
    longest = max(len(run) for run in runs)
    table = np.array([[*run, *[run[-1]] * (longest - len(run))] for run in runs])
    low, middle, high = np.quantile(table, (0.25, 0.5, 0.75), axis=0)
    band = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "showlegend": False}
    x = list(range(longest))
    drawn.add_scatter(x=x, y=high.tolist(), name="upper quartile", hovertemplate="%{y:.5g}", **band)
    drawn.add_scatter(
        x=x,
        y=low.tolist(),
        name="lower quartile",
        fill="tonexty",
        fillcolor="rgba(128,128,128,0.25)",
        hovertemplate="%{y:.5g}",
        **band,
    )
    drawn.add_scatter(
        x=x,
        y=middle.tolist(),
        name=f"median of {len(runs)} seeds",
        mode="lines",
        line={"color": COMPUTE_COLOUR, "shape": "hv", "width": 2},
        hovertemplate="%{y:.5g}",
    )
