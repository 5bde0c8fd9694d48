"""Simulating one layer, with its traces and its values if asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from collections.abc import Mapping as Dict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import TENSORS, Layer, Network, Problem
from arraysmith.sim.cycle import values
from arraysmith.sim.cycle.carrying.reference import random_operands
from arraysmith.sim.cycle.carrying.sparse import compressed
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.streams import address_map
from arraysmith.sim.layers import LayerReport, distinct_layers, evaluate_each
from arraysmith.sim.pool import process_pool
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import Report
from arraysmith.sim.wait_profile import WaitProfile
from arraysmith.sim.waits import WaitTotals, WithTotals
from arraysmith.traces.levels import SHARED, traced_levels
from arraysmith.traces.recorder import TraceWriter


def simulate_layer(
    architecture: Architecture,
    layer: Layer,
    mapping: Mapping,
    writer: TraceWriter | None = None,
    memories: frozenset[str] | None = None,
    values_seed: int | None = None,
    waits: WaitTotals | None = None,
    *,
    skip: bool = True,
) -> Report:
    """Return the simulated cost of one run of a layer.

    Args:
        architecture: to run on.
        layer: to run; its ``repeat`` is noted in the traces.
        mapping: a legal one.
        writer: takes the requests; None to record nothing.
        memories: whose requests to record; None for those that there are once.
        values_seed: carry values drawn with this seed, compare the results with the reference, and
            record operands and results; None carries none.
        waits: adds up what the array waits for; None: nobody asks.
        skip: do not simulate iterations again that repeat; results are the same. What is observed
            is never skipped.

    Raises:
        WrongValuesError: the results are not those of the operator.
    """
    problem = layer.problem
    results = None
    if values_seed is not None:
        results = values.verify_values(architecture, problem, mapping, values_seed)
    if writer is None:
        model = CycleModel(waits, CycleParameters(skip=skip))
        return model.evaluate(architecture, layer.problem, mapping)
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
        ifmap, weight = random_operands(problem, values_seed)
        if problem.weight_sparsity is not None:
            weight = compressed(problem, weight)  # as its words lie in memory
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
                for tensor in problem.stored_tensors
            },
        )
    observer: Probe = probe if waits is None else WithTotals(probe, waits)
    return CycleModel(observer).evaluate(architecture, problem, mapping)


def address_document(architecture: Architecture, problem: Problem) -> dict[str, Any]:
    """Return where each tensor lies off-chip: {memory: {tensor: {"base", "size"}}}, in bytes."""
    regions = address_map(problem, architecture)
    offchip = architecture.memories[0].name
    return {offchip: {tensor: asdict(region) for tensor, region in regions.items()}}


@dataclass(frozen=True)
class Simulated:
    """What one run of a layer gave.

    Attributes:
        report: of the run.
        waits: what the array waited for; None if nobody asked.
    """

    report: Report
    waits: WaitProfile | None


@dataclass(frozen=True)
class LayerRun:
    """Simulates any layer of a network; picklable, so that a process can take it.

    Attributes:
        architecture: to run on.
        mappings: of every layer, by its name.
        values_seed: see ``simulate_layer``.
        folder: where each layer's requests go, into a file of its own; None to record nothing.
        explained: whether to add up what the array waits for.
        levels: whose requests to record, see ``levels.traced_levels``.
        skip: see ``simulate_layer``.
    """

    architecture: Architecture
    mappings: Dict[str, Mapping]
    values_seed: int | None
    folder: Path | None
    explained: bool = False
    levels: tuple[str, ...] = (SHARED,)
    skip: bool = True

    def __call__(self, layer: Layer, writer: TraceWriter | None = None) -> Simulated:
        """Simulate one run; ``writer`` takes the requests in place of ``folder``."""
        mapping = self.mappings[layer.name]
        if self.folder is None or writer is not None:
            waits = WaitProfile() if self.explained else None
            report = simulate_layer(
                self.architecture,
                layer,
                mapping,
                writer,
                None if writer is None else traced_levels(self.architecture, self.levels),
                values_seed=self.values_seed,
                waits=waits,
                skip=self.skip,
            )
            return Simulated(report, waits)
        with TraceWriter(self.file_of(layer), {}) as own:
            return self(layer, own)

    def file_of(self, layer: Layer) -> Path:
        """Return where the requests of ``layer`` go when each has a file."""
        assert self.folder is not None
        return self.folder / f"{list(self.mappings).index(layer.name)}.h5"


def layer_folder(traces: Path) -> Path:
    """Return where layers are recorded before they are put together into the file ``traces``."""
    return traces.with_name(traces.name + ".layers")


def simulate_network(
    network: Network,
    run: LayerRun,
    writer: TraceWriter | None,
    workers: int,
    advance: Callable[[], None],
) -> tuple[tuple[LayerReport, ...], dict[str, WaitProfile]]:
    """Simulate every layer; results and traces are the same for any number of workers.

    With several workers every layer is recorded in a file of its own, in ``run.folder``, which is
    made and removed here; ``writer`` takes each of them when it and all before it are complete.

    Args:
        network: to run.
        run: simulates one layer.
        writer: takes the requests of all layers; None to record nothing.
        workers: processes; 1 runs the layers one after the other, here.
        advance: called after each distinct layer.

    Returns:
        The Report of every layer, and what the distinct ones waited for, by name, if asked.
    """
    distinct = distinct_layers(network)
    if workers == 1:
        found = evaluate_each(distinct, lambda layer: run(layer, writer), advance)
        return _by_layer(network, distinct, found)
    if run.folder is not None:
        shutil.rmtree(run.folder, ignore_errors=True)  # what a killed run left
        run.folder.mkdir()

    def keep(layer: Layer) -> None:
        if writer is not None:
            file = run.file_of(layer)
            writer.adopt(file)
            file.unlink()

    try:
        with process_pool(workers) as executor:
            found = evaluate_each(distinct, run, advance, executor, keep)
    finally:
        if run.folder is not None:
            # After an error others may still be writing there.
            shutil.rmtree(run.folder, ignore_errors=True)
    return _by_layer(network, distinct, found)


def _by_layer(
    network: Network, distinct: tuple[Layer, ...], found: tuple[Simulated, ...]
) -> tuple[tuple[LayerReport, ...], dict[str, WaitProfile]]:
    known = {
        layer.problem.renamed(""): one.report for layer, one in zip(distinct, found, strict=True)
    }
    reports = tuple(LayerReport(x, known[x.problem.renamed("")]) for x in network.layers)
    named = zip(distinct, found, strict=True)
    return reports, {x.name: one.waits for x, one in named if one.waits is not None}
