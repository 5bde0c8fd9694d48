"""What the array waits for: over the time of a run, and cause by cause side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from arraysmith.sim.report import Report
from arraysmith.sim.tables import in_reading_order, stall_causes
from arraysmith.traces.plots.style import COMPUTE_COLOUR, PALETTE, colours, figure
from arraysmith.traces.waiting import Waiting

COMPUTE = "compute"

SHOWN_BINS = 240
"""Bins of the timeline."""

MOST_CAUSES = len(PALETTE) - 2
"""Causes with a colour of their own; the others share one, and the last one is for computing."""

OTHERS = "other causes"

NOTHING, FULL = "rgba(232,137,58,0.05)", "rgba(232,137,58,0.9)"
"""Ends of the colour scale; the page shines through, so that its ink can be read on both."""

BORDER = "#14171c"
"""Between layers: dark, for it stands on the fills of the bins."""


def waiting_over_time(layers: Sequence[Waiting]) -> tuple[list[int], dict[str, list[int]]]:
    """Return the edges of at most ``SHOWN_BINS`` bins over all layers, and cycles by cause in each.

    Layers follow each other, each as often as it runs; the runs of one are alike. Within a bin of a
    layer, waits count as spread evenly. Only the causes that cost most are told apart, the
    others are added up as ``OTHERS``.

    Args:
        layers: in the order in which they run, at least one.
    """
    ends = np.cumsum([x.repeat * x.cycles for x in layers])
    total = int(ends[-1])
    bins = min(SHOWN_BINS, total)
    edges = np.arange(bins + 1) * total // bins
    names: dict[str, None] = dict.fromkeys(cause for x in layers for cause in x.causes)
    found = {name: np.zeros(bins + 1) for name in names}
    for layer, end in zip(layers, ends.tolist(), strict=True):
        start = end - layer.repeat * layer.cycles
        inside = np.clip(edges, start, end) - start
        runs, at = np.minimum(inside // layer.cycles, layer.repeat), inside % layer.cycles
        places = np.arange(-(-layer.cycles // layer.bin_cycles) + 1) * layer.bin_cycles
        for cause, row in zip(layer.causes, layer.waiting, strict=True):
            waited = np.concatenate(([0], np.cumsum(row)))
            ticks = np.minimum(places, layer.cycles)
            found[cause] += runs * waited[-1] + np.interp(at, ticks, waited)
    # Rounded before they are told apart, so that the bins add up to the Report.
    each = {name: np.diff(np.rint(x).astype(np.int64)) for name, x in found.items()}
    order = sorted(each, key=lambda name: -int(each[name].sum()))
    told = in_reading_order(order[:MOST_CAUSES])
    rows: dict[str, list[int]] = {name: each[name].tolist() for name in told}
    if rest := order[MOST_CAUSES:]:
        rows[OTHERS] = np.sum([each[name] for name in rest], axis=0).tolist()
    return edges.tolist(), rows


def waiting_figure(layers: Sequence[Waiting]) -> go.Figure:
    """Return the share of computing and of each cause in every bin of the run.

    Args:
        layers: in the order in which they run, at least one.
    """
    edges, rows = waiting_over_time(layers)
    lengths = np.diff(edges)
    left = np.array(edges[:-1])
    drawn = figure(340, barmode="stack", bargap=0)
    waited = np.sum(list(rows.values()), axis=0) if rows else np.zeros_like(lengths)
    computing = np.maximum(0, lengths - waited)
    fills = {COMPUTE: COMPUTE_COLOUR, **colours(rows)}
    for name, row in ((COMPUTE, computing.tolist()), *rows.items()):
        drawn.add_bar(
            x=(left + lengths / 2).tolist(),
            width=lengths.tolist(),
            y=[round(cycles / length, 4) for cycles, length in zip(row, lengths, strict=True)],
            name=name,
            marker={"color": fills[name], "line": {"width": 0}},
            customdata=[
                [start, stop, layer]
                for start, stop, layer in zip(
                    edges, edges[1:], _running(layers, left + lengths // 2), strict=False
                )
            ],
            hovertemplate=(
                f"{name}: %{{y:.1%}} of cycles %{{customdata[0]:,}} to %{{customdata[1]:,}}"
                "<br>%{customdata[2]}<extra></extra>"
            ),
        )
    ends = np.cumsum([x.repeat * x.cycles for x in layers]).tolist()
    for end in ends[:-1]:
        drawn.add_vline(x=end, line={"width": 1.5, "dash": "dot", "color": BORDER})
    drawn.update_xaxes(title_text="cycle", tickformat="~s", range=[0, ends[-1]], showgrid=False)
    drawn.update_yaxes(title_text="share of the cycles", tickformat=".0%", range=[0, 1])
    return drawn


def _running(layers: Sequence[Waiting], at: NDArray[np.int64]) -> list[str]:
    """Return the layer that runs in each of some cycles."""
    ends = np.cumsum([x.repeat * x.cycles for x in layers])
    numbers = np.minimum(np.searchsorted(ends, at, side="right"), len(layers) - 1)
    return [layers[number].layer for number in numbers.tolist()]


def cause_map(columns: Sequence[tuple[str, Report]]) -> go.Figure:
    """Return a heat map: the share of a run that each cause costs, causes by runs.

    Args:
        columns: name and Report of each run, at least one.
    """
    reports = [report for _, report in columns]
    causes = [COMPUTE, *stall_causes(reports)]
    shares = [
        [
            (x.compute_cycles if cause == COMPUTE else x.stall_cycles.get(cause, 0)) / x.cycles
            for x in reports
        ]
        for cause in causes
    ]
    many = len(columns) > 12
    drawn = figure(130 + 24 * len(causes) + (70 if many else 0))
    drawn.add_heatmap(
        z=[[round(share, 5) for share in row] for row in shares],
        x=[name for name, _ in columns],
        y=causes,
        zmin=0,
        zmax=1,
        colorscale=[[0, NOTHING], [1, FULL]],
        xgap=1,
        ygap=1,
        text=[[f"{100 * share:.1f}" if share >= 0.0005 else "" for share in row] for row in shares],
        texttemplate="" if len(columns) > 16 else "%{text}",
        colorbar={"title": {"text": "share"}, "tickformat": ".0%", "thickness": 12, "len": 1.0},
        hovertemplate="%{x}, %{y}: %{z:.2%}<extra></extra>",
    )
    drawn.update_xaxes(type="category", tickangle=-45 if many else 0, showgrid=False)
    drawn.update_yaxes(autorange="reversed", type="category", ticksuffix="  ", showgrid=False)
    return drawn
