"""How much the winner leans on each number of its hardware."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from arraysmith.traces.page import Sensitivity
from arraysmith.traces.plots.style import PALETTE, figure


def sensitivity_figure(rows: Sequence[Sensitivity]) -> go.Figure:
    """Return two bars per number: loss with the next lower and the next higher value.

    In per cent of the winner's; as a difference where that is 0, as the poster's loss may be.

    Args:
        rows: of the winner; numbers that may not change, or whose neighbours have no legal
            mapping, have no bar.
    """
    drawn = figure(140 + 44 * len(rows), barmode="group", bargap=0.3)
    names = [f"{row.path} = {row.chosen}" for row in rows]
    relative = all(row.loss for row in rows)
    unit = " %" if relative else ""
    for name, step, colour in (
        ("next lower value", -1, PALETTE[0]),
        ("next higher value", 1, PALETTE[1]),
    ):
        found = [_neighbour(row, step) for row in rows]
        drawn.add_bar(
            y=names,
            x=[
                None if x is None else (x[1] - row.loss) * (100 / abs(row.loss) if relative else 1)
                for x, row in zip(found, rows, strict=True)
            ],
            name=name,
            orientation="h",
            marker={"color": colour},
            customdata=["" if x is None else x[0] for x in found],
            hovertemplate="%{y} → %{customdata}: %{x:+.4g}" + unit + "<extra></extra>",
        )
    title = "change of the loss (%)" if relative else "change of the loss, which is 0"
    drawn.update_xaxes(title_text=title, ticksuffix=unit)
    drawn.update_yaxes(autorange="reversed", type="category", ticksuffix="  ")
    return drawn


def _neighbour(row: Sensitivity, step: int) -> tuple[str, float] | None:
    """Return (value, loss) beside the chosen one; None at the end, or without a legal mapping."""
    place = row.values.index(row.chosen) + step
    if not 0 <= place < len(row.values):
        return None
    loss = row.losses[place]
    return None if loss is None else (row.values[place], loss)
