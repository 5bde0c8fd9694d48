"""The result of a search as text for a terminal, from the content of result.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arraysmith.search.ledger import LEDGER
from arraysmith.search.round_results import calibration_text
from arraysmith.sim.tables import REPORT_HEADS, text_table

TIMES = "x"

FRONT_ROWS = 25
"""Most points of a front to print."""

NESTS = 3
"""Most mappings to print: those of the layers that take longest."""


def result_text(document: dict[str, Any], folder: Path, speed: str = "") -> str:
    """Return the tables and where the files are.

    Args:
        document: content of result.json.
        folder: that has the files.
        speed: a sentence; it differs from run to run, so no file has it.
    """
    parts = [
        document["summary"],
        _before_after(document),
        _front(document),
        _gain(document),
        _both_models(document),
        _differences(document),
        calibration_text(document),
        _layers(document),
        "\n".join(x for x in (_proof(document), speed) if x),
        _files(document, folder),
    ]
    return "\n\n".join(part for part in parts if part)


def _before_after(document: dict[str, Any]) -> str:
    rows = [(row["label"], *_cells(row), row["note"]) for row in document["table"]]
    table = text_table(("design", *REPORT_HEADS), [row[:-1] for row in rows])
    head, rule, *lines = table.split("\n")
    notes = [row[-1] for row in rows]
    noted = [f"{line}  {note}".rstrip() for line, note in zip(lines, notes, strict=True)]
    return "\n".join(["BEFORE AND AFTER", head, rule, *noted])


def _front(document: dict[str, Any]) -> str:
    """Return the front, at most ``FRONT_ROWS`` of its points, evenly chosen."""
    front = document["front"]
    if front is None:
        return ""
    points = front["points"]
    shown = points
    if len(points) > FRONT_ROWS:
        step = (len(points) - 1) / (FRONT_ROWS - 1)
        shown = [points[round(i * step)] for i in range(FRONT_ROWS)]
    names = front["objectives"]
    rows = [
        (
            *(f"{point['losses'][name]:,.6g}" for name in names),
            f"{point['edp_j_cycles']:,.4g}",
            f"{point['utilization'] * 100:.1f}",
            point["hardware_text"],
        )
        for point in shown
    ]
    units = [f"{name} {unit}" for name, unit in zip(names, front["units"], strict=True)]
    head = f"FRONT: {len(points):,} designs that no other beats in everything"
    if len(shown) < len(points):
        head += f", {len(shown)} of them"
    curve = [row["hypervolume"] for row in document["convergence"]]
    grown = (
        f"hypervolume: {curve[0]:.4f} after the first generation, {curve[-1]:.4f} after the last"
    )
    table = text_table((*units, "EDP", "utilisation %", "hardware"), rows)
    return f"{head}\n{table}\n{grown}"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    def cell(key: str, scale: float, form: str) -> str:
        return "-" if row[key] is None else format(row[key] * scale, form)

    return (
        cell("cycles", 1, ",d"),
        cell("utilization", 100, ".2f"),
        cell("gflops", 1, ",.2f"),
        cell("energy_pj", 1e-6, ",.2f"),
        cell("edp_j_cycles", 1, ",.2f" if (row["edp_j_cycles"] or 0) >= 1 else ".4g"),
    )


def _gain(document: dict[str, Any]) -> str:
    rows = [
        (name, *(f"{gain[part]:.3f}{TIMES}" for part in ("total", "mapping", "hardware")))
        for name, gain in document["gain"].items()
    ]
    heads = ("lower by", "total", "= mapping", "x hardware")
    return "GAIN OF THE BEST OVER THE ORIGINAL\n" + text_table(heads, rows)


def _designs(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    top = [(f"#{design['rank']}", design) for design in document["top"]]
    return top + [(rival["label"], rival) for rival in document["compared"]]


def _both_models(document: dict[str, Any]) -> str:
    rows = []
    for label, design in _designs(document):
        closed, cycle = design["analytical"], design["cycle"]
        rows.append(
            (
                label,
                f"{closed['cycles']:,}",
                f"{cycle['cycles']:,}",
                _percent(closed["cycles"], cycle["cycles"]),
                f"{closed['energy_pj'] * 1e-6:,.2f}",
                f"{cycle['energy_pj'] * 1e-6:,.2f}",
                _percent(closed["energy_pj"], cycle["energy_pj"]),
                f"{closed['edp_j_cycles']:,.4g}",
                f"{cycle['edp_j_cycles']:,.4g}",
            )
        )
    heads = (
        "design",
        "cycles",
        "simulated",
        "differs",
        "energy uJ",
        "simulated",
        "differs",
        "EDP",
        "simulated",
    )
    sizes = [f"  {name}  {design['hardware_text']}" for name, design in _designs(document)]
    return "\n".join(["CLOSED FORMS AND SIMULATION", text_table(heads, rows), *sizes])


def _percent(before: float, after: float) -> str:
    return f"{100 * (after / before - 1):+.2f}%"


def _differences(document: dict[str, Any]) -> str:
    """Return cycles by cause that the simulation has more; they add up to the difference."""
    designs = _designs(document)
    found = {
        cause: None
        for _, design in designs
        for cause, n in design["difference"]["cycles"].items()
        if n
    }
    rows = [
        (
            label,
            *(f"{design['difference']['cycles'].get(cause, 0):+,}" for cause in found),
            f"{sum(design['difference']['cycles'].values()):+,}",
        )
        for label, design in designs
    ]
    return "CYCLES OF THE SIMULATION BEYOND THE CLOSED FORMS, BY CAUSE\n" + text_table(
        ("design", *found, "sum"), rows
    )


def _layers(document: dict[str, Any]) -> str:
    """Return how far each layer of the best design is from its bounds, and the longest's loops."""
    mappings = [x for x in document["mappings"] if x["design"] == "best"]
    layers = {x["layer"]: x for x in document["layers"]}
    rows = [(layers[x["layer"]], x) for x in mappings]
    table = text_table(
        (
            "layer",
            "runs",
            "cycles",
            "least by PEs",
            "above",
            "mapping above all whose tiles divide",
        ),
        [
            (
                layer["layer"],
                f"{sum(layers[name]['repeat'] for name in mapping['equal_layers']):,}",
                f"{layer['cycles']:,}",
                f"{layer['least_cycles']:,}",
                _percent(layer["least_cycles"], layer["cycles"]),
                _gap(layer["gap"]),
            )
            for layer, mapping in rows
        ],
    )
    longest = sorted(rows, key=lambda x: -x[0]["cycles"])[:NESTS]
    nests = [f"{layer['layer']}:\n{_indented(mapping['nest'])}" for layer, mapping in longest]
    said = [f"{layer['layer']}: {x}" for layer, _ in rows for x in layer.get("notes", ())]
    head = "LOOPS OF THE BEST DESIGN"
    if len(longest) < len(rows):
        head += f": the {len(longest)} longest of {len(rows)} layers; report.html has them all"
    return "\n".join(["BEST DESIGN BY LAYER, CLOSED FORMS", table, *said, "", head, *nests])


def _gap(gap: float | None) -> str:
    """Return in words how far a mapping may be above the best one whose tiles divide.

    Not "optimum" where it is not above: its own tiles may not divide, and others like it were not
    looked at.
    """
    if gap is None:
        return "not known"
    return "proven: none is better" if gap == 0 else f"at most {gap:.2%}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _proof(document: dict[str, Any]) -> str:
    run = [check for check in document["values"] if check["words"]]
    words = sum(check["words"] for check in run)
    skipped = len(document["values"]) - len(run)
    effort = document["effort"]
    if run:
        values = f"{words:,} results of {len(run)} simulated layer(s) equal the reference"
        values += f"; {skipped} larger layer(s) not run with values" if skipped else ""
    else:
        values = f"not run: {skipped} layer(s) larger than rescore.values_macs"
    lines = [
        f"values: {values}",
        (
            f"effort: {effort['evaluations']:,} designs of {effort['genomes']:,}, "
            f"{effort['repaired']:,} of {effort['drawn']:,} drawn were shrunk into the budget"
        ),
    ]
    return "\n".join(lines)


def _files(document: dict[str, Any], folder: Path) -> str:
    names = ["report.html", "result.json", "architecture_best.yaml", "mappings", LEDGER]
    if document["traces"]:
        names.insert(1, document["traces"])
    return "\n".join(f"{name + ':':<24}{folder / name}" for name in names)
