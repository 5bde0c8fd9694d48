"""Designs simulated during a search: cycles as they were foretold, against the simulation."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from arraysmith.traces.page import Foretold
from arraysmith.traces.plots.style import PALETTE, figure


def foretold_figure(rows: Sequence[Foretold]) -> go.Figure:
    """Return how far each model was off, design by design in the order of the rounds.

    Args:
        rows: at least one.
    """
    drawn = figure(360)
    numbers = list(range(1, len(rows) + 1))
    notes = [f"after generation {x.when}, {x.why}: {x.simulated:,} cycles simulated" for x in rows]
    for name, colour, symbol, foretold in (
        ("closed forms", PALETTE[0], "circle", [x.closed for x in rows]),
        ("corrected, before the fit", PALETTE[1], "diamond", [x.corrected for x in rows]),
    ):
        drawn.add_scatter(
            x=numbers,
            y=[100 * (y / x.simulated - 1) for y, x in zip(foretold, rows, strict=True)],
            name=name,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 8},
            customdata=notes,
            hovertemplate="%{y:+.2f} %<br>%{customdata}<extra></extra>",
        )
    drawn.update_xaxes(title_text="designs simulated on the way, in order")
    drawn.update_yaxes(title_text="cycles foretold beyond simulated (%)", ticksuffix=" %")
    return drawn
