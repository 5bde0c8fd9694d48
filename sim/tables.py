"""Text tables of Reports for a terminal: numbers right-aligned, units in the heads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from arraysmith.arch.render import aligned
from arraysmith.sim.dram.use import DramUse
from arraysmith.sim.layers import LayerReport, total_of
from arraysmith.sim.report import EDGES, Report


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], labels: int = 1) -> str:
    """Return a table of text.

    Args:
        heads: one per column.
        rows: cells, as many as heads.
        labels: the first columns, which hold words and are left-aligned; the others are numbers.
    """
    return aligned([heads, *rows], [i >= labels for i in range(len(heads))], rule=True)


def report_cells(report: Report) -> tuple[str, ...]:
    """Return cycles, utilisation, GFLOPs, energy and EDP as ``REPORT_HEADS`` names them."""
    return (
        f"{report.cycles:,}",
        f"{100 * report.utilization:.2f}",
        f"{report.gflops:,.2f}",
        f"{report.energy_pj * 1e-6:,.2f}",
        f"{report.edp_j_cycles:,.4g}" if report.edp_j_cycles < 1 else f"{report.edp_j_cycles:,.2f}",
    )


REPORT_HEADS = ("cycles", "utilisation %", "GFLOPs", "energy uJ", "EDP J x cycle")
"""Heads of ``report_cells``."""


def layers_table(layers: Sequence[LayerReport]) -> str:
    """Return one line per layer, of one run each, and the total of one inference."""
    rows = [(x.layer.name, f"{x.layer.repeat:,}", *report_cells(x.report)) for x in layers]
    if len(layers) > 1 or layers[0].layer.repeat > 1:
        runs = sum(x.layer.repeat for x in layers)
        rows.append(("total", f"{runs:,}", *report_cells(total_of(layers))))
    return text_table(("layer", "runs", *REPORT_HEADS), rows)


def causes_table(layers: Sequence[LayerReport]) -> str:
    """Return the cycles of each layer by cause; causes that nowhere cost a cycle are left out."""
    causes = stall_causes([x.report for x in layers])
    uncounted = [cause for cause in EDGES if any(cause in dict(x.report.uncounted) for x in layers)]
    reports = [(x.layer.name, x.report) for x in layers]
    if len(layers) > 1 or layers[0].layer.repeat > 1:
        reports.append(("total", total_of(layers)))
    rows = [
        (
            name,
            f"{report.compute_cycles:,}",
            *(f"{report.stall_cycles.get(cause, 0):,}" for cause in causes),
            f"{report.cycles:,}",
            *(f"{dict(report.uncounted).get(cause, 0):,}" for cause in uncounted),
        )
        for name, report in reports
    ]
    apart = [f"{cause}, not counted" for cause in uncounted]
    return text_table(("cycles by cause", "compute", *causes, "sum", *apart), rows)


def stall_causes(reports: Sequence[Report]) -> list[str]:
    """Return the causes that cost a cycle in any Report, in the order in which people read time.

    ``fill`` comes first and ``drain`` last; between them causes of one place stand together.
    """
    return in_reading_order(
        {cause for report in reports for cause, cycles in report.stalls if cycles}
    )


def in_reading_order(causes: Iterable[str]) -> list[str]:
    """Return causes as ``stall_causes`` orders them."""
    ends = {"fill": 0, "drain": 2}
    return sorted(causes, key=lambda cause: (ends.get(cause, 1), cause))


def energy_table(report: Report) -> str:
    """Return the bill of a Report: component, tensor, action, how many, how much each, and all."""
    rows = [
        (
            x.component,
            x.tensor,
            x.action,
            x.unit,
            f"{x.count:,}",
            f"{x.each_pj:,.6g}",
            f"{x.energy_pj * 1e-6:,.6f}",
            f"{100 * x.energy_pj / report.energy_pj:.2f}",
        )
        for x in report.energy_rows()
    ]
    rows.append(("total", "", "", "", "", "", f"{report.energy_pj * 1e-6:,.6f}", "100.00"))
    heads = ("component", "tensor", "action", "unit", "count", "each pJ", "energy uJ", "%")
    return text_table(heads, rows, labels=4)


def dram_table(layers: Sequence[LayerReport]) -> str:
    """Return what each layer did to the DRAM; empty where none was simulated."""
    uses = [(x.layer.name, x.report.dram) for x in layers]
    if len(layers) > 1 or layers[0].layer.repeat > 1:
        uses.append(("total", total_of(layers).dram))
    return dram_uses_table(uses)


def dram_uses_table(uses: Sequence[tuple[str, DramUse | None]]) -> str:
    """Return what each, by its name, did to a DRAM; empty where none was simulated."""
    rows = [
        (
            name,
            f"{use.bytes_moved:,}",
            " ".join(f"{100 * part / (use.bytes_moved or 1):.0f}" for part in use.channel_bytes),
            f"{use.row_hits:,}",
            f"{use.activates:,}",
            f"{use.conflicts:,}",
            f"{use.refreshes:,}",
            f"{use.read_latency_mean_cycles:,.1f}",
            f"{use.total_energy_pj * 1e-6:,.2f}",
        )
        for name, use in uses
        if use is not None
    ]
    heads = ("bytes", "% by channel", "row hits", "activates", "conflicts", "refreshes")
    ends = ("read latency", "energy uJ")
    return text_table(("DRAM", *heads, *ends), rows) if rows else ""


def result_text(layers: Sequence[LayerReport]) -> str:
    """Return all tables."""
    tables = layers_table(layers), causes_table(layers), dram_table(layers)
    return "\n\n".join(table for table in tables if table)
