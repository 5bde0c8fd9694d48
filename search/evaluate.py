"""Scoring of hardware: every candidate with the best mapping out of one fixed set per layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.budget import chip_area_um2
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Layer
from arraysmith.search.ledger import Evaluation
from arraysmith.search.mapper import Candidate, MappingTable, build_table
from arraysmith.search.objective import Cost, Figures
from arraysmith.search.rehearsed import Rehearsed
from arraysmith.search.run import Rival, Run
from arraysmith.search.space import DATAFLOW, MAPPED_BY, Genome, MappingChoice, Space
from arraysmith.sim.ports import Model
from arraysmith.sim.report import Report, total


class Finder(Protocol):
    """Finds the mapping of one layer; a ``MappingTable``, or one of ``finders``."""

    def best(self, architecture: Architecture, objective: str) -> Candidate | None:
        """Return the best mapping on ``architecture``; None when none was found."""
        ...

    def __len__(self) -> int:
        """Return how many mappings it chooses from at most."""
        ...


@dataclass(frozen=True)
class MappedDesign:
    """Hardware with a mapping for every layer of ``Run.layers``."""

    architecture: Architecture
    mappings: tuple[Mapping, ...]


@dataclass(frozen=True)
class Scored:
    """What a model says of a mapped design.

    Attributes:
        design: the hardware and its mappings.
        layers: Report of one run of each layer of ``Run.layers``.
        total: of one inference.
    """

    design: MappedDesign
    layers: tuple[Report, ...]
    total: Report


def score(design: MappedDesign, layers: Sequence[Layer], reports: Sequence[Report]) -> Scored:
    """Return a design with its Reports, one per layer, and their total."""
    repeats = [layer.repeat for layer in layers]
    return Scored(design, tuple(reports), total(zip(reports, repeats, strict=True)))


def evaluate_design(model: Model, design: MappedDesign, layers: Sequence[Layer]) -> Scored:
    """Return what ``model`` says of ``design``."""
    pairs = zip(layers, design.mappings, strict=True)
    reports = [model.evaluate(design.architecture, layer.problem, x) for layer, x in pairs]
    return score(design, layers, reports)


def meshes_of(space: Space) -> tuple[tuple[int, ...], ...]:
    """Return every mesh shape in the space and the template's own, in a fixed order.

    A shape is (mesh_x, mesh_y) of each fan-out, outermost first, flattened.
    """
    template = space.template
    paths = [f"{x.name}.{axis}" for x in template.fanouts for axis in ("mesh_x", "mesh_y")]
    concerned = [
        x
        for x in space.parameters
        if not isinstance(x, MappingChoice) and any(path in paths for path in x.paths)
    ]
    shapes = [tuple(template.value(path) for path in paths)]
    for choice in product(*(parameter.choices for parameter in concerned)):
        values: dict[str, int] = {
            path: value
            for parameter, chosen in zip(concerned, choice, strict=True)
            for path, value in zip(parameter.paths, chosen, strict=True)
        }
        shapes.append(tuple(values.get(path, template.value(path)) for path in paths))
    return tuple(sorted(set(shapes)))


def build_tables(
    run: Run,
    seed: np.random.SeedSequence,
    *,
    meshes: Sequence[tuple[int, ...]],
    samples: int,
    threads: int,
    choice: str | None = None,
    rival: Rival | None = None,
) -> Iterator[MappingTable]:
    """Yield the table of every layer of ``run.layers`` in turn.

    Every layer draws from its own child of ``seed``, so the other layers do not change a table;
    nor do the threads. ``choice`` names one of ``run.dataflows``; for a ``rival`` its design and
    its dataflow stand in for the run's.

    Raises:
        InputError: the dataflow has no mapping of a layer on any of the meshes.
    """
    layers = run.layers
    for layer, child in zip(layers, seed.spawn(len(layers)), strict=True):
        dataflow = run.dataflow_of(layer.problem, choice)
        if rival is not None and rival.dataflow is not None:
            dataflow = rival.dataflow
        try:
            yield build_table(
                layer.problem,
                run.template if rival is None else rival.architecture,
                dataflow,
                setting=run.setting,
                meshes=meshes,
                seed=child,
                samples=samples,
                threads=threads,
            )
        except ArraysmithError as error:
            hint = "give it another dataflow, mesh or layer"
            place = "dataflow" if rival is None else f"compare[{run.rivals.index(rival)}].dataflow"
            raise InputError([run.positions.fault(place, str(error), hint)]) from None


@dataclass(frozen=True)
class Evaluator:
    """Scores genomes; the same answer from any thread.

    Attributes:
        run: the search.
        tables: finds the mapping of each layer of ``run.layers``.
        baseline: what the loss is relative to.
        choices: the same by the name of a dataflow, where genomes choose one.
    """

    run: Run
    tables: tuple[Finder, ...]
    baseline: Cost
    choices: dict[str, tuple[Finder, ...]] = field(default_factory=dict)

    def evaluate(self, genome: Genome) -> Evaluation:
        """Return the loss of a genome; infinite when some layer has no legal mapping."""
        run = self.run
        architecture = run.space.architecture(genome)
        found = self.found(genome, architecture)
        if found is None:
            return Evaluation(genome, math.inf, 0, 0.0, (math.inf,) * len(run.front))
        figures = figures_of(run, architecture, found)
        loss = run.objective.loss(figures, self.baseline)
        losses = tuple(objective.loss(figures, self.baseline) for objective in run.front)
        scored = sum(candidate.scored for candidate in found)
        compared = sum(candidate.compared for candidate in found)
        objective = mapped_by(run, genome)
        options, more, others = rehearsed_layers(
            run, self.finders(genome), architecture, objective, found
        )
        return Evaluation(
            genome,
            loss,
            figures.cycles,
            figures.energy_pj,
            losses,
            scored + more,
            compared + others,
            options,
        )

    def found(self, genome: Genome, architecture: Architecture) -> tuple[Candidate, ...] | None:
        """Return the mapping of every layer of a genome's design; None when one has none."""
        chosen = self.run.space.mapping(genome)
        return best_candidates(self.run, self.finders(genome), architecture, chosen.get(MAPPED_BY))

    def finders(self, genome: Genome) -> tuple[Finder, ...]:
        """Return what finds the mapping of each layer for a genome."""
        chosen = self.run.space.mapping(genome)
        return self.choices[chosen[DATAFLOW]] if DATAFLOW in chosen else self.tables


def mapped_by(run: Run, genome: Genome) -> str:
    """Return what the mappings of a genome's design minimise."""
    return str(run.space.mapping(genome).get(MAPPED_BY, run.mapper.objective))


def best_candidates(
    run: Run,
    tables: Sequence[Finder],
    architecture: Architecture,
    objective: str | None = None,
) -> tuple[Candidate, ...] | None:
    """Return the best mapping of every layer, by the run's mapping objective or another.

    None when a layer has no legal mapping.
    """
    found = []
    for table in tables:
        candidate = table.best(architecture, objective or run.mapper.objective)
        if candidate is None:
            return None
        found.append(candidate)
    return tuple(found)


def rehearsed_layers(
    run: Run,
    tables: Sequence[Finder],
    architecture: Architecture,
    objective: str,
    found: Sequence[Candidate],
) -> tuple[tuple[tuple[Rehearsed, ...], ...], int, int]:
    """Return (mappings of every layer, rehearsed; mappings scored and compared for them).

    Args:
        run: the search; nothing is rehearsed without a calibration.
        tables: find the mappings of each layer.
        architecture: the design.
        objective: what mappings are compared by.
        found: the best of each layer by the closed forms.
    """
    if run.calibration is None:
        return (), 0, 0
    # Here, not above: a search without calibration does without rehearsals.
    from arraysmith.search.alternatives import rehearsed_mappings

    rows = [
        rehearsed_mappings(
            table.best,
            layer.problem,
            architecture,
            objective,
            candidate,
            setting=run.setting,
            most=run.calibration.mappings,
        )
        for layer, table, candidate in zip(run.layers, tables, found, strict=True)
    ]
    return tuple(x for x, _, _ in rows), sum(n for _, n, _ in rows), sum(n for _, _, n in rows)


class Mapped(Protocol):
    """Cost of a mapping: what is summed over layers."""

    @property
    def cycles(self) -> int:
        """Cycles of the run."""
        ...

    @property
    def energy_pj(self) -> float:
        """Energy of the run."""
        ...


def figures_of(run: Run, architecture: Architecture, found: Sequence[Mapped]) -> Figures:
    """Return the cost of one inference with the mappings ``found``, one per layer."""
    pairs = list(zip(run.layers, found, strict=True))
    asks_area = any(objective.needs_area for objective in (run.objective, *run.front))
    return Figures(
        cycles=sum(layer.repeat * candidate.cycles for layer, candidate in pairs),
        energy_pj=sum(layer.repeat * candidate.energy_pj for layer, candidate in pairs),
        macs=sum(layer.repeat * layer.problem.macs for layer, _ in pairs),
        flops=sum(layer.repeat * layer.problem.flops for layer, _ in pairs),
        pes=architecture.pes,
        clock_hz=architecture.clock_hz,
        area_um2=chip_area_um2(architecture) if asks_area else 0.0,
    )
