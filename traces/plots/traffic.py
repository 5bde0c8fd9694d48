"""Words that pass the networks: to one child or several, back, from neighbour to neighbour."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from arraysmith.sim.report import Traffic
from arraysmith.traces.plots.style import stacked_bars


def words_by_class(traffic: Sequence[Traffic]) -> go.Figure:
    """Return a stacked bar per network and tensor: words that entered it, by kind."""
    labels = list(dict.fromkeys(f"{x.network} {x.tensor}" for x in traffic))
    parts = {x.kind: [0.0] * len(labels) for x in traffic}
    for x in traffic:
        parts[x.kind][labels.index(f"{x.network} {x.tensor}")] += x.words
    return stacked_bars(labels, parts, axis="words over networks", unit="words")
