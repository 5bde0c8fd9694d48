"""A network under the setting ``scalesim-3.0.0``, with that tool's files if asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.importers.scalesim import read_topology
from arraysmith.arch.importers.scalesim_config import ScaleSimConfig
from arraysmith.arch.importers.scalesim_layout import ScaleSimLayout, read_layout
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Layer, Network, Problem
from arraysmith.sim.cycle.scalesim.model import SETTING, ScaleSimModel, report
from arraysmith.sim.cycle.scalesim.result import ToolResult
from arraysmith.sim.layers import LayerReport, distinct_layers, result_document
from arraysmith.sim.tables import text_table
from arraysmith.traces.scalesim_csv import ScaleSimFolder


@dataclass(frozen=True, slots=True)
class ToolLayer:
    """A layer of the network and what the tool says of it.

    Attributes:
        layer: of the network.
        report: of one run, all its groups.
        result: of one group.
        groups: equal groups that the tool runs as layers of their own.
    """

    layer: Layer
    report: LayerReport
    result: ToolResult
    groups: int


def tool_network(
    config: ScaleSimConfig | None, workload: str, gemm: bool | None, setting: str
) -> Network:
    """Return a workload, checked against the configuration that it shall run under.

    Args:
        config: of the tool; None for an architecture of ours.
        workload: a topology file, or any workload of ours.
        gemm: how to read a topology file, see ``read_topology``.
        setting: ``default`` or ``scalesim-3.0.0``; the latter keeps ratios N:N, which it counts.

    Raises:
        InputError: a file with faults, or layers whose operands overlap in memory.
    """
    if Path(workload).suffix.lower() == ".csv":
        network = read_topology(workload, gemm=gemm, dense_ratios=setting == SETTING)
    elif gemm is not None:
        hint = "--gemm and --conv say how to read a topology CSV"
        raise InputError([Fault("gemm", workload, "is no topology file", hint)])
    else:
        network = load_network(workload)
    if config is None:
        return network
    if config.sparsity is None:  # without the switch the tool does not look at the ratios
        layers = (replace(x, problem=_dense(x.problem)) for x in network.layers)
        network = replace(network, layers=tuple(layers))
    faults = [fault for layer in network.layers for fault in config.region_faults(layer.problem)]
    if faults:
        raise InputError(faults)
    return network


def tool_layout(config: ScaleSimConfig, path: str | None) -> ScaleSimLayout | None:
    """Return the layout that acts on every layer (defect 20: the first one); None for none.

    Raises:
        InputError: a file with faults, or none where the configuration asks for a layout.
    """
    layouts = read_layout(path) if path is not None else ()
    custom = config.ifmap_banks.custom_layout or config.filter_banks.custom_layout
    if not custom:
        return None
    if not layouts:
        rule = "a custom layout is switched on, and there is no layout"
        hint = "give --layout FILE.csv with a row per layer, or set CustomLayout to False"
        operand = "Ifmap" if config.ifmap_banks.custom_layout else "Filter"
        raise InputError([config.fault(f"layout.{operand}CustomLayout", "True", rule, hint)])
    layout = layouts[0]
    faults = []
    for what, banks, factors, fits in (
        ("ifmap", config.ifmap_banks, layout.ifmap_factors, "at most"),
        ("filter", config.filter_banks, layout.filter_factors, "exactly"),
    ):
        words = prod(factors)
        wrong = words > banks.bandwidth or (what == "filter" and words < banks.bandwidth)
        if banks.custom_layout and wrong:
            rule = f"a line of the {what} must hold {fits} {banks.bandwidth} words"
            hint = "its factors multiplied are a line; SRAMBankBandwidth is what a line may hold"
            faults.append(
                Fault(f"{what} factors", str(words), rule, hint, path or "", layout.line, 1)
            )
    if config.ifmap_banks.custom_layout and config.ifmap_offset:
        rule = "must be 0 with a custom layout of the ifmap"
        hint = "the tool looks for the words at 0 and never ends"
        value = str(config.ifmap_offset)
        faults.append(config.fault("architecture_presets.IfmapOffset", value, rule, hint))
    if faults:
        raise InputError(faults)
    return layout


def run_tool(
    architecture: Architecture,
    network: Network,
    mapping_of: Callable[[Problem], Mapping],
    model: ScaleSimModel,
    out: str | None = None,
    advance: Callable[[], object] = lambda: None,
) -> tuple[ToolLayer, ...]:
    """Return what the tool says of every layer; equal layers are run once.

    Args:
        architecture: for names, energy and area; and the machine when the model has no config.
        network: to run.
        mapping_of: the mapping of a problem.
        model: with the tool's configuration, if any.
        out: folder for the tool's files; a layer runs in as many as it has groups.
        advance: called after each distinct layer, for a progress bar.

    Raises:
        InputError: ``out`` is there already or cannot be made.
        ArraysmithError: a layer that the tool cannot run.
    """
    distinct = distinct_layers(network)
    # All layers before the first: one that cannot run shall not cost the time of the others.
    for layer in distinct:
        model.parts(architecture, layer.problem, mapping_of(layer.problem))
    first_of: dict[Problem, int] = {}
    found: dict[Problem, tuple[ToolResult, int]] = {}
    results: list[ToolResult] = []
    layers = []
    with ExitStack() as stack:
        folder = stack.enter_context(ScaleSimFolder(out)) if out is not None else None
        for layer in network.layers:
            key, mapping = layer.problem.renamed(""), mapping_of(layer.problem)
            known = key in found
            if not known:
                first_of[key] = len(results)
                with ExitStack() as files:
                    probe = files.enter_context(folder.traces(len(results))) if folder else None
                    found[key] = model.run(architecture, layer.problem, mapping, probe)
                advance()
            result, groups = found[key]
            if folder is not None:
                for number in range(len(results), len(results) + groups):
                    if number != first_of[key]:
                        folder.copy_traces(number, first_of[key])
            results += [result] * groups
            cost = report(architecture, layer.problem, mapping, result, groups)
            layers.append(ToolLayer(layer, LayerReport(layer, cost), result, groups))
        if folder is not None:
            folder.reports(results)
    return tuple(layers)


def tool_document(
    architecture: str, workload: str, layers: Sequence[ToolLayer], provenance: dict[str, Any]
) -> dict[str, Any]:
    """Return what ``--json`` prints: Reports, and under ``scalesim`` what the tool reports."""
    reports = [x.report for x in layers]
    document = result_document(architecture, workload, reports, provenance)
    for plain, layer in zip(document["layers"], layers, strict=True):
        plain["scalesim"] = {"groups": layer.groups, **layer.result.to_dict()}
    return document


def tool_table(layers: Sequence[ToolLayer]) -> str:
    """Return the tool's COMPUTE report and its words off-chip as a table, of one group each."""
    heads = (
        "layer", "groups", "total cycles incl. prefetch", "total cycles", "stall cycles",
        "overall util %", "mapping eff. %", "compute util %", "ifmap DRAM", "filter DRAM",
        "ofmap DRAM",
    )  # fmt: skip
    rows = [
        (
            x.layer.name,
            f"{x.groups:,}",
            f"{x.result.total_cycles_incl_prefetch:,}",
            f"{x.result.total_cycles:,}",
            f"{x.result.stall_cycles:,}",
            f"{x.result.overall_util_pct:.2f}",
            f"{x.result.mapping_eff_pct:.2f}",
            f"{x.result.compute_util_pct:.2f}",
            *(f"{accesses.words:,}" for accesses in x.result.dram),
        )
        for x in layers
    ]
    return text_table(heads, rows)


def _dense(problem: Problem) -> Problem:
    return replace(problem, weight_sparsity=None)
