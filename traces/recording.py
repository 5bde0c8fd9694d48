"""Simulating one layer, with its traces and its values if asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import TENSORS, Layer, Problem
from arraysmith.sim.cycle import values
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
    values_seed: int | None = None,
) -> Report:
    """Return the simulated cost of one run of a layer.

    Args:
        architecture: to run on.
        layer: to run; its ``repeat`` is noted in the traces.
        mapping: a legal one.
        writer: takes the requests; None to record nothing.
        memories: whose requests to record; None for all.
        values_seed: carry values drawn with this seed, compare the results with the reference, and
            record operands and results; None carries none.

    Raises:
        WrongValuesError: the results are not those of the operator.
    """
    problem = layer.problem
    results = None
    if values_seed is not None:
        results = values.verify_values(architecture, problem, mapping, values_seed)
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
    if results is not None and values_seed is not None:
        ifmap, weight = values.random_operands(problem, values_seed)
        images = (ifmap, weight, results)
        regions = address_map(problem, architecture)
        probe.values(
            {name: image.reshape(-1) for name, image in zip(TENSORS, images, strict=True)},
            values_seed,
            {
                tensor.name: {
                    "base": regions[tensor.name].base,
                    "word_bits": tensor.word_bits,
                }
                for tensor in problem.tensors
            },
        )
    return CycleModel(probe).evaluate(architecture, problem, mapping)


def address_document(architecture: Architecture, problem: Problem) -> dict[str, Any]:
    """Return where each tensor lies off-chip: {memory: {tensor: {"base", "size"}}}, in bytes."""
    regions = address_map(problem, architecture)
    offchip = architecture.memories[0].name
    return {offchip: {tensor: asdict(region) for tensor, region in regions.items()}}
