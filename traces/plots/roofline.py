"""Where a design stands under the roofs of its parts, by both models."""

from __future__ import annotations

from math import log10

import plotly.graph_objects as go

from arraysmith.sim.report import Report
from arraysmith.traces.page import Pair
from arraysmith.traces.plots.style import COMPUTE_COLOUR, colours, figure

COMPUTING = "computing"


def roofline_figure(pair: Pair) -> go.Figure:
    """Return MACs per cycle over MACs per word: a roof per part, and what both models reach.

    A part's roof is a straight line: its words per cycle at full rate times the intensity. The roof
    of computing is flat: the MACs under the mapping. Parts without a limit have no roof.

    Args:
        pair: a design; its closed form has the balance.
    """
    report = pair.analytical
    rows = [row for row in report.roofline if row["words"]]
    drawn = figure(460)
    intensities = [float(row["macs_per_word"]) for row in rows]
    if not intensities:
        return drawn
    left, right = min(intensities) / 4, max(intensities) * 4
    peak = report.macs / report.compute_cycles
    drawn.add_scatter(
        x=[left, right],
        y=[peak, peak],
        mode="lines",
        name=COMPUTING,
        line={"color": COMPUTE_COLOUR, "width": 2},
        hovertemplate=f"computing: {peak:,.4g} MACs per cycle<extra></extra>",
    )
    fills = colours(str(row["part"]) for row in rows)
    for row in rows:
        name = str(row["part"])
        if row["reachable_macs_per_cycle"]:
            slope = float(row["reachable_macs_per_cycle"]) / float(row["macs_per_word"])
            drawn.add_scatter(
                x=[left, right],
                y=[slope * left, slope * right],
                mode="lines",
                name=name,
                line={"color": fills[name], "width": 1.5},
                hovertemplate=f"{name}: {slope:,.4g} words per cycle<extra></extra>",
            )
    for model, reached, symbol in (
        ("analytical", report, "circle"),
        ("simulated", pair.cycle, "x"),
    ):
        drawn.add_scatter(
            x=intensities,
            y=[_reached(reached)] * len(rows),
            mode="markers",
            name=model,
            text=[str(row["part"]) for row in rows],
            marker={"symbol": symbol, "size": 10, "color": [fills[str(x["part"])] for x in rows]},
            hovertemplate=f"%{{text}}, {model}: %{{y:,.4~g}} MACs per cycle at "
            "%{x:,.4~g} MACs per word<extra></extra>",
        )
    drawn.update_xaxes(type="log", title_text="intensity (MACs per word)")
    drawn.update_yaxes(type="log", title_text="MACs per cycle", range=_decades(peak, report))
    return drawn


def _reached(report: Report) -> float:
    return report.macs / report.cycles


def _decades(peak: float, report: Report) -> list[float]:
    """Return the ends of a logarithmic axis that shows the peak and what is reached."""
    return [log10(_reached(report)) - 1.2, log10(peak) + 0.4]
