"""Where the energy goes."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from arraysmith.arch.problem import TENSORS
from arraysmith.sim.report import Report
from arraysmith.traces.page import Design
from arraysmith.traces.plots.style import stacked_bars


def energy_by_level(designs: Sequence[Design]) -> go.Figure:
    """Return a stacked bar per design: energy of each memory, the MACs and leakage."""
    shares = [design.report.energy_by_level() for design in designs]
    names = dict.fromkeys(name for share in shares for name in share)
    parts = {name: [share.get(name, 0.0) * 1e-6 for share in shares] for name in names}
    labels = [design.label for design in designs]
    return stacked_bars(labels, parts, axis="energy by level (µJ)", unit="µJ")


def energy_by_tensor(designs: Sequence[Design]) -> go.Figure:
    """Return a stacked bar per design: energy of moving each tensor, through all memories."""
    shares = [tensor_energy_pj(design.report) for design in designs]
    parts = {name: [share[name] * 1e-6 for share in shares] for name in TENSORS}
    labels = [design.label for design in designs]
    return stacked_bars(labels, parts, axis="memory energy by tensor (µJ)", unit="µJ")


def tensor_energy_pj(report: Report) -> dict[str, float]:
    """Return picojoules of all accesses of each tensor; MACs and leakage belong to none."""
    return {
        tensor: sum(x.energy_pj for x in report.accesses if x.tensor == tensor)
        for tensor in TENSORS
    }
