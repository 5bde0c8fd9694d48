"""The report page of a simulated network: ``simulate --report``."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.sim.layers import LayerReport
from arraysmith.sim.loop_nest import loop_nest
from arraysmith.sim.report import total
from arraysmith.sim.wait_profile import WaitProfile
from arraysmith.traces.describe import hardware_table, pe_use, total_pe_use
from arraysmith.traces.page import Design, DesignRow, LayerRow, ReportPage, Text
from arraysmith.traces.waiting import Waiting

LABEL = "simulated"
"""What the run is called in tables and figures."""


def simulated_page(
    architecture: Architecture,
    workload: str,
    mappings: Dict[str, Mapping],
    layers: Sequence[LayerReport],
    waits: Dict[str, WaitProfile],
    source: dict[str, Any],
    files: Sequence[tuple[str, str]] = (),
) -> ReportPage:
    """Return the page of a run.

    Args:
        architecture: that the layers ran on.
        workload: their network, as the user named it.
        mappings: of the distinct layers, by name.
        layers: all of them, at least one, with their simulated Reports.
        waits: of the distinct layers, by name.
        source: provenance.
        files: (what it is, path relative to the page) of other results.
    """
    problems = {x.layer.problem.renamed(""): x.layer.name for x in reversed(layers)}
    equal = [problems[x.layer.problem.renamed("")] for x in layers]
    whole = total((x.report, x.layer.repeat) for x in layers)
    uses = [
        pe_use(LABEL, architecture, x.layer.problem, mappings[name], x.report.cycles)
        for x, name in zip(layers, equal, strict=True)
    ]
    share = 100 * (1 - whole.compute_cycles / whole.cycles)
    return ReportPage(
        title=f"{workload} on {architecture.name}",
        summary=(
            f"Simulated cycle by cycle: {whole.cycles:,} cycles for one inference, "
            f"{100 * whole.utilization:.2f} % of the MAC units busy; in {share:.1f} % of the "
            "cycles the array waits."
        ),
        rows=(DesignRow.of(architecture.name, whole, "one inference, simulated"),),
        hardware=hardware_table(((architecture.name, architecture),)),
        designs=(Design(LABEL, whole),),
        pe_use=(
            total_pe_use(
                LABEL,
                uses,
                [x.layer.repeat * x.report.cycles for x in layers],
            ),
        ),
        mappings=tuple(
            Text(x.layer.name, loop_nest(architecture, x.layer.problem, mappings[x.layer.name]))
            for x in layers
            if x.layer.name in mappings
        ),
        layers=tuple(
            LayerRow(x.layer.name, x.layer.repeat, x.report, None, x.report) for x in layers
        ),
        waiting=tuple(
            Waiting.of(x.layer.name, x.layer.repeat, x.report.cycles, waits[name])
            for x, name in zip(layers, equal, strict=True)
        ),
        files=tuple(files),
        provenance=source,
    )
