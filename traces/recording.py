"""Simulating one layer, with its traces and its values if asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Layer, Problem
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.streams import address_map
from arraysmith.sim.report import Report
from arraysmith.traces.recorder import TraceWriter


def simulate_layer(
    architecture: Architecture,
    layer: Layer,
    mapping: Mapping,
    writer: TraceWriter | None = None,
    memories: frozenset[str] | None = None,
) -> Report:
    """Return the simulated cost of one run of a layer.

    Args:
        architecture: to run on.
        layer: to run; its ``repeat`` is noted in the traces.
        mapping: a legal one.
        writer: takes the requests; None to record nothing.
        memories: whose requests to record; None for all.
    """
    if writer is None:
        return CycleModel().evaluate(architecture, layer.problem, mapping)
    probe = writer.layer(
        layer.name,
        architecture,
        layer.problem,
        mapping,
        address_document(architecture, layer.problem),
        layer.repeat,
        memories,
    )
    return CycleModel(probe).evaluate(architecture, layer.problem, mapping)


def address_document(architecture: Architecture, problem: Problem) -> dict[str, Any]:
    """Return where each tensor lies off-chip: {memory: {tensor: {"base", "size"}}}, in bytes."""
    regions = address_map(problem, architecture)
    offchip = architecture.memories[0].name
    return {offchip: {tensor: asdict(region) for tensor, region in regions.items()}}
