"""The tables of the page as HTML: numbers right-aligned, units in the heads."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from arraysmith.sim.report import Report, total
from arraysmith.sim.tables import stall_causes
from arraysmith.traces.page import Comparison, DesignRow, LayerRow, Pair, Table
from arraysmith.traces.waiting import Waiting

MISSING = "–"

SHOWN_CHAINS = 12
"""Chains of waiting in a table; the rest are one line."""

DESIGN_HEADS = (
    ("cycles", ""),
    ("utilisation", "%"),
    ("speed", "GFLOPs"),
    ("energy", "µJ"),
    ("EDP", "J × cycle"),
)
"""(head, unit) of the quantities that a design is judged by."""


def html_table(
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    *,
    words: Sequence[int] = (),
    total_row: bool = False,
) -> str:
    """Return a table.

    Args:
        heads: (name, unit) per column; the unit stands below the name, in as many lines as it has
            parts between commas; may be empty.
        rows: cells that are HTML already.
        words: indices of columns besides the first that hold words, so are left-aligned.
        total_row: whether the last row is a sum.
    """
    head = "".join(
        f"<th>{escape(name)}"
        + "".join(f'<span class="unit">{escape(x)}</span>' for x in unit.split(", ") if x)
        + "</th>"
        for name, unit in heads
    )
    body = []
    for i, row in enumerate(rows):
        cells = "".join(
            f'<td class="word">{cell}</td>' if j in words else f"<td>{cell}</td>"
            for j, cell in enumerate(row)
        )
        kind = ' class="total"' if total_row and i == len(rows) - 1 else ""
        body.append(f"<tr{kind}>{cells}</tr>")
    inner = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="wide"><table>{inner}</table></div>'


def number(value: float | None, decimals: int = 0) -> str:
    """Return a number with thousands separated, or a dash for None."""
    return MISSING if value is None else f"{value:,.{decimals}f}"


def significant(value: float | None, digits: int = 4) -> str:
    """Return a number of any size with so many significant digits, never in powers of ten."""
    if value is None:
        return MISSING
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def designs_table(rows: Sequence[DesignRow]) -> str:
    """Return the before/after table."""
    return html_table(
        [("design", ""), *DESIGN_HEADS],
        [(_label(row.label, row.note), *_quantities(row)) for row in rows],
    )


def _quantities(row: DesignRow) -> tuple[str, ...]:
    return (
        number(row.cycles),
        number(None if row.utilization is None else 100 * row.utilization, 2),
        number(row.gflops, 2),
        number(None if row.energy_pj is None else row.energy_pj * 1e-6, 2),
        significant(row.edp_j_cycles),
    )


def _label(label: str, note: str) -> str:
    return escape(label) + (f'<span class="note">{escape(note)}</span>' if note else "")


def gain_table(gain: Comparison) -> str:
    """Return how many times better each quantity became, split into mapping and hardware.

    The factors multiply; the shares are of the amount saved, and add to 100 %. A quantity that the
    mapping made worse (it traded it for another) has a factor below 1 and a negative share.
    """
    rows = []
    for name, of in (
        ("cycles", lambda report: float(report.cycles)),
        ("energy", lambda report: report.energy_pj),
        ("EDP", lambda report: report.edp_j_cycles),
    ):
        before, between, after = of(gain.baseline), of(gain.remapped), of(gain.best)
        saved = before - after
        shares = (
            (
                number(100 * (before - between) / saved, 1),
                number(100 * (between - after) / saved, 1),
            )
            if saved > 0
            else (MISSING, MISSING)
        )
        factors = (before / between, between / after, before / after)
        rows.append((name, *(f"{factor:.3f} ×" for factor in factors), *shares))
    heads = (
        ("less", "original / best"),
        ("by mapping", "factor"),
        ("by hardware", "factor"),
        ("together", "factor"),
        ("mapping's share", "% of the saving"),
        ("hardware's share", "% of the saving"),
    )
    return html_table(heads, rows)


def plain_table(table: Table) -> str:
    """Return a table of text."""
    heads = [("component", ""), *((column, "") for column in table.columns)]
    return html_table(heads, [[escape(cell) for cell in row] for row in table.rows])


def models_table(pairs: Sequence[Pair]) -> str:
    """Return what both models say of each design, side by side."""
    rows = []
    for pair in pairs:
        a, c = pair.analytical, pair.cycle
        rows.append(
            (
                _label(pair.label, pair.note),
                number(a.cycles),
                number(c.cycles),
                _difference(c.cycles, a.cycles),
                number(a.energy_pj * 1e-6, 2),
                number(c.energy_pj * 1e-6, 2),
                _difference(c.energy_pj, a.energy_pj),
                significant(a.edp_j_cycles),
                significant(c.edp_j_cycles),
            )
        )
    heads = (
        ("design", ""),
        ("cycles", "analytical"),
        ("cycles", "simulated"),
        ("difference", "%"),
        ("energy", "µJ, analytical"),
        ("energy", "µJ, simulated"),
        ("difference", "%"),
        ("EDP", "J × cycle, analytical"),
        ("EDP", "J × cycle, simulated"),
    )
    return html_table(heads, rows)


def _difference(value: float, reference: float) -> str:
    return f"{100 * (value - reference) / reference:+.2f}"


def differences_table(pairs: Sequence[Pair]) -> str:
    """Return, cause by cause, the cycles by which simulation and closed form differ."""
    causes = stall_causes([report for x in pairs for report in (x.cycle, x.analytical)])
    differences: dict[str, list[int]] = {cause: [] for cause in ("compute", *causes)}
    for pair in pairs:
        a, c = pair.analytical, pair.cycle
        for cause in causes:
            differences[cause].append(c.stall_cycles.get(cause, 0) - a.stall_cycles.get(cause, 0))
        differences["compute"].append(c.compute_cycles - a.compute_cycles)
        assert sum(row[-1] for row in differences.values()) == c.cycles - a.cycles
    rows = [("closed form", *(number(x.analytical.cycles) for x in pairs))]
    rows += [
        (escape(cause), *(f"{x:+,}" if x else MISSING for x in row))
        for cause, row in differences.items()
        if any(row)
    ]
    rows.append(("simulation", *(number(x.cycle.cycles) for x in pairs)))
    heads = [("cycles", ""), *((pair.label, "") for pair in pairs)]
    return html_table(heads, rows, total_row=True)


def chains_table(layers: Sequence[Waiting]) -> str:
    """Return the chains of waiting that cost most, all runs of the layers counted."""
    found = [(layer.repeat * x.cycles, layer, x) for layer in layers for x in layer.chains]
    found.sort(key=lambda x: -x[0])
    whole = sum(layer.repeat * layer.cycles for layer in layers)
    several = len(layers) > 1
    rows = []
    for cycles, layer, x in found[:SHOWN_CHAINS]:
        cause, *behind = (escape(link) for link in x.links)
        links = f"<b>{cause}</b>" + "".join(f" \u2190 {link}" for link in behind)
        cells = (
            number(layer.repeat * x.waits),
            number(cycles),
            number(100 * cycles / whole, 2),
            number(x.longest_cycles),
            number(x.longest_at),
        )
        rows.append((links, *((escape(layer.layer),) if several else ()), *cells))
    if rest := found[SHOWN_CHAINS:]:
        cycles = sum(x[0] for x in rest)
        waits = sum(layer.repeat * x.waits for _, layer, x in rest)
        blank = ("",) * several
        label = f"{len(rest)} more"
        rows.append(
            (label, *blank, number(waits), number(cycles), number(100 * cycles / whole, 2), "", "")
        )
    heads = [("chain of waiting", "what the array waits for \u2190 what that waits for")]
    heads += [("layer", "")] * several
    heads += [("waits", ""), ("cycles", ""), ("share", "% of all cycles")]
    heads += [("longest wait", "cycles"), ("it begins", "cycle of a run")]
    return html_table(heads, rows, words=(1,) if several else ())


def layers_table(layers: Sequence[LayerRow]) -> str:
    """Return a line per layer, one run each, and the total of one inference."""
    both = all(layer.baseline is not None for layer in layers)
    rows = []
    for layer in layers:
        before = (layer.baseline,) if both else ()
        rows.append((escape(layer.name), number(layer.repeat), *_pair_cells((*before, layer.best))))
    sums: list[Report | None] = [total((x.best, x.repeat) for x in layers)]
    if both:
        sums.insert(0, total((x.baseline, x.repeat) for x in layers if x.baseline is not None))
    runs = sum(layer.repeat for layer in layers)
    rows.append(("total of one inference", number(runs), *_pair_cells(tuple(sums))))
    heads: list[tuple[str, str]] = [("layer", ""), ("runs", "")]
    for name, unit in (
        ("cycles", ""),
        ("utilisation", "%"),
        ("energy", "µJ"),
        ("EDP", "J × cycle"),
    ):
        if both:
            heads.append((name, f"{unit}, original".lstrip(", ")))
        heads.append((name, f"{unit}, best".lstrip(", ") if both else unit))
    return html_table(heads, rows, total_row=True)


def _pair_cells(reports: Sequence[Report | None]) -> list[str]:
    known = [report for report in reports if report is not None]
    cells = [number(x.cycles) for x in known]
    cells += [number(100 * x.utilization, 2) for x in known]
    cells += [number(x.energy_pj * 1e-6, 2) for x in known]
    return cells + [significant(x.edp_j_cycles) for x in known]
