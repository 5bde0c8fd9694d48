"""Where the time goes, and where the two models differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from arraysmith.sim.report import Report
from arraysmith.sim.tables import stall_causes
from arraysmith.traces.page import Design, LayerRow, Pair
from arraysmith.traces.plots.style import COMPUTE_COLOUR, PALETTE, colours, figure, stacked_bars

COMPUTE = "compute"


def cycles_by_cause(designs: Sequence[Design]) -> go.Figure:
    """Return a stacked bar per Report: computing cycles, then the stalls by cause."""
    reports = [design.report for design in designs]
    causes = stall_causes(reports)
    parts: dict[str, list[float]] = {COMPUTE: [float(x.compute_cycles) for x in reports]}
    for cause in causes:
        parts[cause] = [float(x.stall_cycles.get(cause, 0)) for x in reports]
    return stacked_bars(
        [design.label for design in designs],
        parts,
        axis="cycles",
        unit="cycles",
        fills={COMPUTE: COMPUTE_COLOUR, **colours(causes)},
    )


def both_models(pairs: Sequence[Pair]) -> go.Figure:
    """Return two stacked bars per design: closed form above simulation."""
    designs = []
    for pair in pairs:
        designs.append(Design(f"{pair.label} analytical", pair.analytical))
        designs.append(Design(f"{pair.label} simulated", pair.cycle))
    return cycles_by_cause(designs)


LEAST_SPAN = 1.5
"""Least ratio of the ends of an axis that compares models."""


def models_scatter(pairs: Sequence[Pair], layers: Sequence[LayerRow]) -> go.Figure:
    """Return a point per design and per simulated layer: cycles by both models.

    Points on the line agree. The cause that the closed form misses most is told when hovering. Axes
    span ``LEAST_SPAN`` at least, so that what agrees looks so.
    """
    drawn = figure(420)
    groups = [
        ("designs", [(pair.label, pair.analytical, pair.cycle) for pair in pairs]),
        ("layers of the best", [(x.name, x.best, x.cycle) for x in layers if x.cycle is not None]),
    ]
    shown = [point for _, points in groups for point in points]
    ends: list[float] = [
        min(min(closed.cycles, cycle.cycles) for _, closed, cycle in shown),
        max(max(closed.cycles, cycle.cycles) for _, closed, cycle in shown),
    ]
    middle = math.sqrt(ends[0] * ends[1])
    ends = [
        min(ends[0], middle / math.sqrt(LEAST_SPAN)),
        max(ends[1], middle * math.sqrt(LEAST_SPAN)),
    ]
    drawn.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        name="equal",
        line={"color": COMPUTE_COLOUR, "dash": "dot"},
        hoverinfo="skip",
    )
    for (name, points), colour in zip(groups, PALETTE, strict=False):
        if not points:
            continue
        drawn.add_scatter(
            x=[closed.cycles for _, closed, _ in points],
            y=[cycle.cycles for _, _, cycle in points],
            mode="markers",
            name=name,
            marker={"size": 9, "color": colour},
            text=[_missed(*point) for point in points],
            hovertemplate="%{text}<extra></extra>",
        )
    drawn.update_xaxes(type="log", title_text="cycles, closed form", tickformat="~s")
    drawn.update_yaxes(type="log", title_text="cycles, simulated", tickformat="~s")
    return drawn


def _missed(label: str, closed: Report, cycle: Report) -> str:
    """Return what a point tells: both numbers, the error, the longest wait."""
    error = 100 * (closed.cycles / cycle.cycles - 1)
    longest = max(cycle.stalls, key=lambda stall: stall[1], default=("none", 0))
    return (
        f"{label}: {closed.cycles:,} against {cycle.cycles:,} cycles, {error:+.2f} %"
        f"<br>longest wait: {longest[0]}, {longest[1]:,} cycles"
    )


def layer_bars(layers: Sequence[LayerRow], quantity: str) -> go.Figure:
    """Return bars per layer, original beside best, all runs of one inference counted.

    Args:
        layers: of a network.
        quantity: ``cycles`` or ``energy``.
    """
    drawn = figure(380, barmode="group", bargap=0.25)
    names = [layer.name for layer in layers]
    sides = [("best", [layer.best for layer in layers], PALETTE[0])]
    before = [layer.baseline for layer in layers if layer.baseline is not None]
    if len(before) == len(layers):
        sides.insert(0, ("original", before, PALETTE[1]))
    for label, reports, colour in sides:
        pairs = zip(layers, reports, strict=True)
        values = [_amount(report, quantity) * layer.repeat for layer, report in pairs]
        drawn.add_bar(
            x=names,
            y=values,
            name=label,
            marker={"color": colour},
            hovertemplate=f"%{{x}}, {label}: %{{y:,.6~g}}<extra></extra>",
        )
    drawn.update_layout(showlegend=len(sides) > 1)
    drawn.update_xaxes(type="category", tickangle=-45)
    title = "cycles" if quantity == "cycles" else "energy (µJ)"
    drawn.update_yaxes(title_text=title, tickformat="~s" if quantity == "cycles" else ",~g")
    return drawn


def _amount(report: Report, quantity: str) -> float:
    return float(report.cycles) if quantity == "cycles" else report.energy_pj * 1e-6
