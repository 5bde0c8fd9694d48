"""The report page: one self-contained HTML file, readable offline, light or dark."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from arraysmith.traces.html_style import CSS, POLICY, SCRIPT
from arraysmith.traces.html_tables import (
    chains_table,
    designs_table,
    differences_table,
    gain_table,
    layers_table,
    models_table,
    plain_table,
)
from arraysmith.traces.page import ReportPage
from arraysmith.traces.plots.convergence import convergence_figure
from arraysmith.traces.plots.cycles import (
    both_models,
    cycles_by_cause,
    layer_bars,
    models_scatter,
)
from arraysmith.traces.plots.energy import energy_by_level, energy_by_tensor
from arraysmith.traces.plots.foretold import foretold_figure
from arraysmith.traces.plots.front import front_figure
from arraysmith.traces.plots.link_loads import forks, link_loads
from arraysmith.traces.plots.pe_map import pe_map
from arraysmith.traces.plots.roofline import roofline_figure
from arraysmith.traces.plots.sensitivity import sensitivity_figure
from arraysmith.traces.plots.timeline import timeline_figure
from arraysmith.traces.plots.traffic import words_by_class
from arraysmith.traces.plots.waiting import cause_map, waiting_figure
from arraysmith.traces.schema import part_path


def write_html(page: ReportPage, path: str | Path) -> None:
    """Write the page to ``path``, replacing an older one; complete or not at all."""
    target = Path(path)
    aside = part_path(target)
    aside.write_text(render_html(page), encoding="utf-8", newline="\n")
    aside.replace(target)


def render_html(page: ReportPage) -> str:
    """Return the page as HTML; equal pages give equal text."""
    figures = _Figures()
    body = "\n".join(part for part in (section(page, figures) for section in SECTIONS) if part)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(page.title)}</title>
<style>{CSS}</style>
</head>
<body>
<h1>{escape(page.title)}</h1>
<p class="summary">{escape(page.summary)}</p>
{body}
{figures.scripts()}
</body>
</html>
"""


class _Figures:
    """Collects the figures of a page; their data goes to its end, behind the one library."""

    def __init__(self) -> None:
        self._specs: list[str] = []

    def place(self, figure: go.Figure, name: str) -> str:
        """Return the element that the figure will be drawn in; ``name`` is read to the blind."""
        self._specs.append(figure.to_json())
        spec = f"figure-{len(self._specs)}"
        height = figure.layout.height
        return (
            f'<div class="figure" role="img" aria-label="{escape(name)}" data-spec="{spec}" '
            f'style="min-height:{height}px"></div>'
        )

    def scripts(self) -> str:
        if not self._specs:
            return ""
        # "</" would end the element early.
        escaped = (spec.replace("</", r"<\/") for spec in self._specs)
        data = "\n".join(
            f'<script type="application/json" id="figure-{i}">{spec}</script>'
            for i, spec in enumerate(escaped, 1)
        )
        return f"{data}\n<script>{get_plotlyjs()}</script>\n<script>{SCRIPT}</script>"


def _section(title: str, *parts: str) -> str:
    return "\n".join((f"<h2>{escape(title)}</h2>", *parts))


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _before_after(page: ReportPage, figures: _Figures) -> str:  # noqa: ARG001  (one signature)
    parts = []
    if page.rows:
        parts.append(designs_table(page.rows))
    if page.comparison:
        parts += [
            "<h3>What the mapping gained, and what the hardware gained</h3>",
            _note(
                "By mapping: the original hardware with the best mapping found for it, against the "
                "same hardware as mapped originally. By hardware: the best hardware with its best "
                "mapping, against that."
            ),
            gain_table(page.comparison),
        ]
    title = "Before and after" if page.comparison else "Totals"
    return _section(title, *parts) if parts else ""


def _hardware(page: ReportPage, figures: _Figures) -> str:  # noqa: ARG001  (one signature)
    return _section("Hardware", plain_table(page.hardware)) if page.hardware else ""


def _convergence(page: ReportPage, figures: _Figures) -> str:
    if not page.convergence:
        return ""
    drawn = convergence_figure(page.convergence)
    return _section("Convergence of the search", figures.place(drawn, "loss per generation"))


def _front(page: ReportPage, figures: _Figures) -> str:
    if not page.front:
        return ""
    note = f"{len(page.front.points):,} designs, none of which is worse than another in everything."
    drawn = figures.place(front_figure(page.front), "Pareto front")
    return _section("Pareto front", _note(note), drawn)


def _sensitivity(page: ReportPage, figures: _Figures) -> str:
    if not page.sensitivity:
        return ""
    return _section(
        "What the best design leans on",
        _note(
            "One number changed at a time, the mappings chosen anew; a neighbour may break the "
            "budget. No bar: the end of the range, or nothing fits."
        ),
        figures.place(sensitivity_figure(page.sensitivity), "sensitivity of the best design"),
    )


def _foretold(page: ReportPage, figures: _Figures) -> str:
    if not page.foretold:
        return ""
    return _section(
        "Simulated on the way",
        _note(
            "How far each model was off before the design was simulated; then the correction was "
            "fitted to it as well."
        ),
        figures.place(foretold_figure(page.foretold), "designs simulated on the way"),
    )


def _roofline(page: ReportPage, figures: _Figures) -> str:
    if not page.top or not page.top[0].analytical.roofline:
        return ""
    return _section(
        "Roofline of the best design",
        _note("A roof per part of the machine; a point per part where each model puts the run."),
        figures.place(roofline_figure(page.top[0]), "roofline of the best design"),
    )


def _energy(page: ReportPage, figures: _Figures) -> str:
    if not page.designs:
        return ""
    return _section(
        "Where the energy goes",
        figures.place(energy_by_level(page.designs), "energy by level"),
        figures.place(energy_by_tensor(page.designs), "energy by tensor"),
    )


def _time(page: ReportPage, figures: _Figures) -> str:
    if not page.designs:
        return ""
    drawn = cycles_by_cause(page.designs)
    return _section("Where the time goes", figures.place(drawn, "cycles by cause"))


def _waiting(page: ReportPage, figures: _Figures) -> str:
    parts = []
    if page.waiting:
        drawn = figures.place(waiting_figure(page.waiting), "causes of waiting over time")
        parts += [
            _note(
                "What the array does or waits for in each part of the simulated run."
                + " Dotted: one layer ends and the next begins." * (len(page.waiting) > 1)
            ),
            drawn,
        ]
    simulated = [(x.name, x.cycle) for x in page.layers if x.cycle is not None]
    if not simulated and len(page.top) > 1:
        simulated = [(pair.label, pair.cycle) for pair in page.top]
    if simulated:
        what = "layers" if page.layers else "the best designs"
        parts += [
            f"<h3>Causes and {what}</h3>",
            figures.place(cause_map(simulated), f"causes of waiting by {what}"),
        ]
    if any(layer.chains for layer in page.waiting):
        parts += [
            "<h3>Chains of waiting that cost most</h3>",
            chains_table(page.waiting),
        ]
    return _section("What the array waits for", *parts) if parts else ""


def _pe_use(page: ReportPage, figures: _Figures) -> str:
    if not page.pe_use:
        return ""
    maps = []
    for use in page.pe_use:
        cells = [busy for row in use.busy for busy in row]
        active = sum(busy > 0 for busy in cells)
        share = 100 * sum(cells) / len(cells)
        note = f"{active:,} of {len(cells):,} PEs have work; {share:.2f} % busy on average."
        map_ = figures.place(pe_map(use), f"PE use of {use.label}")
        maps.append(f"<div><h3>{escape(use.label)}</h3>{_note(note)}{map_}</div>")
    return _section("Use of the PEs", f'<div class="figures">{"".join(maps)}</div>')


def _networks(page: ReportPage, figures: _Figures) -> str:
    reports = [x.cycle for x in page.top[:1]] + [x.report for x in page.designs[-1:]]
    uses = next((x.networks for x in reports if x.networks), ())
    traffic = next((x.traffic for x in reports if x.traffic), ())
    if not traffic:
        return ""
    words = (
        _note(
            "Words that entered each network, once each: to one child (unicast) or several "
            "(multicast), from the children (reduction), from neighbour to neighbour (forward)."
        ),
        figures.place(words_by_class(traffic), "words over networks"),
    )
    if not uses:
        return _section("Networks", *words)
    drawn = [figures.place(link_loads(x), f"loads of the links of {x.network}") for x in uses]
    degrees = [
        figures.place(forks(x), f"packets that fork, {x.network}") for x in uses if x.degrees
    ]
    return _section(
        "Networks",
        *words,
        "<h3>Links</h3>",
        _note("Flits, simulated, of all runs and of all instances of a network."),
        *drawn,
        *degrees,
    )


def _models(page: ReportPage, figures: _Figures) -> str:
    if not page.top:
        return ""
    return _section(
        "Closed form against simulation",
        models_table(page.top),
        figures.place(models_scatter(page.top, page.layers), "cycles by both models"),
        figures.place(both_models(page.top), "cycles by cause in both models"),
        "<h3>The difference by cause</h3>",
        _note("Cycles that the simulation has more (+) or fewer (-) than the closed form."),
        differences_table(page.top),
    )


def _layers(page: ReportPage, figures: _Figures) -> str:
    if not page.layers:
        return ""
    timed = all(layer.cycle is not None for layer in page.layers)
    timeline = (
        "<h3>Layers in time, simulated</h3>",
        figures.place(timeline_figure(page.layers), "layers in time"),
    )
    return _section(
        "Layers",
        layers_table(page.layers),
        *(timeline if timed else ()),
        "<h3>All runs of one inference</h3>",
        figures.place(layer_bars(page.layers, "cycles"), "cycles per layer"),
        figures.place(layer_bars(page.layers, "energy"), "energy per layer"),
    )


def _mappings(page: ReportPage, figures: _Figures) -> str:  # noqa: ARG001  (one signature)
    many = len(page.mappings) > 4
    blocks = []
    for block in page.mappings:
        label, text = escape(block.label), f"<pre>{escape(block.text)}</pre>"
        folded = f"<details><summary>{label}</summary>{text}</details>"
        blocks.append(folded if many else f"<h3>{label}</h3>{text}")
    return _section("Mappings", *blocks) if blocks else ""


def _files(page: ReportPage, figures: _Figures) -> str:  # noqa: ARG001  (one signature)
    lines = "".join(
        f'<li>{escape(what)}: <a href="{escape(path)}">{escape(path)}</a></li>'
        for what, path in page.files
    )
    parts = [f"<ul>{lines}</ul>"] if lines else []
    if page.provenance:
        text = escape(json.dumps(page.provenance, indent=2))
        parts.append(f"<details><summary>Provenance</summary><pre>{text}</pre></details>")
    return _section("Files and provenance", *parts) if parts else ""


SECTIONS: Sequence[Callable[[ReportPage, _Figures], str]] = (
    _before_after,
    _hardware,
    _convergence,
    _front,
    _sensitivity,
    _foretold,
    _roofline,
    _energy,
    _time,
    _waiting,
    _pe_use,
    _networks,
    _models,
    _layers,
    _mappings,
    _files,
)
