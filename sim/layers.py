"""Evaluating the layers of a network in turn, and the one document both commands print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.legality import Violation
from arraysmith.arch.problem import Layer, Network, Problem
from arraysmith.sim.pool import InlineExecutor
from arraysmith.sim.report import Report, total

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerReport:
    """The cost of one run of a layer.

    Attributes:
        layer: the layer; its ``repeat`` counts the runs in one inference.
        report: of one run.
    """

    layer: Layer
    report: Report


def distinct_layers(network: Network) -> tuple[Layer, ...]:
    """Return the first of each set of layers that are equal but for their names.

    Its ``repeat`` is the sum over the set: how often this problem runs in one inference.
    """
    found: dict[Problem, Layer] = {}
    for layer in network.layers:
        key = layer.problem.renamed("")
        first = found.get(key)
        found[key] = (
            layer
            if first is None
            else Layer(first.problem, first.repeat + layer.repeat, first.inputs)
        )
    return tuple(found.values())


def evaluate_layers(
    network: Network,
    evaluate: Callable[[Layer], Report],
    advance: Callable[[], None],
    executor: Executor | None = None,
    keep: Callable[[Layer], None] | None = None,
) -> tuple[LayerReport, ...]:
    """Return the Report of every layer of the network; equal layers are evaluated once.

    Args:
        network: at least one layer.
        evaluate: Report of one run of a layer out of ``distinct_layers``; for an executor of
            processes it must be picklable.
        advance: called after each distinct layer, for a progress bar.
        executor: evaluates distinct layers side by side; None, one after the other, here. The
            result is the same.
        keep: called with each distinct layer when it and all before it are done, in their order.
    """
    distinct = distinct_layers(network)
    reports = dict(
        zip(
            (layer.problem.renamed("") for layer in distinct),
            evaluate_each(distinct, evaluate, advance, executor, keep),
            strict=True,
        )
    )
    return tuple(LayerReport(x, reports[x.problem.renamed("")]) for x in network.layers)


def evaluate_each(
    layers: Sequence[Layer],
    evaluate: Callable[[Layer], T],
    advance: Callable[[], None],
    executor: Executor | None = None,
    keep: Callable[[Layer], None] | None = None,
) -> tuple[T, ...]:
    """Return what ``evaluate`` gives for each layer; see ``evaluate_layers``."""
    futures = []
    for layer in layers:
        future = (executor or InlineExecutor()).submit(evaluate, layer)
        future.add_done_callback(lambda _: advance())
        futures.append(future)
    found = []
    for layer, future in zip(layers, futures, strict=True):
        found.append(future.result())
        if keep is not None:
            keep(layer)
    return tuple(found)


def total_of(layers: Sequence[LayerReport]) -> Report:
    """Return the cost of one inference: every layer as often as it repeats."""
    return total((x.report, x.layer.repeat) for x in layers)


def result_document(
    architecture: str, workload: str, layers: Sequence[LayerReport], provenance: dict[str, Any]
) -> dict[str, Any]:
    """Return what ``--json`` prints: the Reports' field names, per layer and in total."""
    return {
        "architecture": architecture,
        "workload": workload,
        "layers": [
            {"layer": x.layer.name, "repeat": x.layer.repeat, **x.report.to_dict()} for x in layers
        ],
        "total": total_of(layers).to_dict(),
        "provenance": provenance,
    }


def mapping_error(file: str, layer: str, violations: Sequence[Violation]) -> InputError:
    """Return the error of a mapping file that breaks rules on a layer: one fault per rule."""
    return InputError(
        Fault(x.where, x.value, f"{x.rule}: {x.limit}", f"on layer {layer}", file)
        for x in violations
    )
