"""The layers of a network one after the other, and what the array waits for in each."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from arraysmith.sim.report import Report
from arraysmith.sim.tables import stall_causes
from arraysmith.traces.page import LayerRow
from arraysmith.traces.plots.style import COMPUTE_COLOUR, colours, figure

COMPUTE = "compute"


def timeline_figure(layers: Sequence[LayerRow]) -> go.Figure:
    """Return a bar per layer at its place in time, all its runs together, cut up by cause.

    Causes stand in the order of the Report, not at the cycles in which they occur: those are in the
    traces.

    Args:
        layers: in the order in which they run, all with a simulated Report.
    """
    reports = [_simulated(layer) for layer in layers]
    causes = stall_causes(reports)
    fills = {COMPUTE: COMPUTE_COLOUR, **colours(causes)}
    starts = [0]
    for layer, report in zip(layers, reports, strict=True):
        starts.append(starts[-1] + layer.repeat * report.cycles)
    drawn = figure(140 + 26 * len(layers), barmode="overlay", bargap=0.25)
    names = [layer.name for layer in layers]
    before = starts[:-1]
    for part in (COMPUTE, *causes):
        lengths = [
            layer.repeat
            * (report.compute_cycles if part == COMPUTE else report.stall_cycles.get(part, 0))
            for layer, report in zip(layers, reports, strict=True)
        ]
        drawn.add_bar(
            y=names,
            x=lengths,
            base=before,
            name=part,
            orientation="h",
            marker={"color": fills[part]},
            customdata=lengths,
            hovertemplate=f"%{{y}}, {part}: %{{customdata:,}} cycles<extra></extra>",
        )
        before = [start + length for start, length in zip(before, lengths, strict=True)]
    drawn.update_xaxes(title_text="cycles", tickformat="~s")
    drawn.update_yaxes(autorange="reversed", type="category", ticksuffix="  ")
    return drawn


def _simulated(layer: LayerRow) -> Report:
    assert layer.cycle is not None, "only simulated layers have a place in time"
    return layer.cycle
