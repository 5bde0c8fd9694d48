"""The design that gains are measured from, and why a design has no legal mapping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from arraysmith.arch.architecture import Architecture, Energy, Memory
from arraysmith.arch.errors import InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.search.evaluate import (
    Finder,
    MappedDesign,
    Scored,
    best_candidates,
    build_tables,
    evaluate_design,
)
from arraysmith.search.finders import PlugInFinder
from arraysmith.search.mapper import mapping_of
from arraysmith.search.objective import Objective
from arraysmith.search.run import Run
from arraysmith.sim.ports import Model

NO_LIMIT_DEPTH = 1 << 40
"""Lines of a memory into which any tile fits."""


@dataclass(frozen=True)
class Baselines:
    """The template's hardware, twice.

    Attributes:
        original: as it was mapped originally, see ``Run.baseline``.
        remapped: with the best mapping found for it.
    """

    original: Scored
    remapped: Scored

    def remapped_as(self, better: Scored) -> Baselines:
        """Return them with better mappings of the template.

        Where no mapping is stated as the original one, the best is the original.
        """
        alike = self.original.design == self.remapped.design
        return Baselines(better if alike else self.original, better)


def score_baselines(
    run: Run,
    model: Model,
    tables: Sequence[Finder],
    seed: np.random.SeedSequence,
) -> Baselines:
    """Return the template with its original and with its best mappings.

    An original mapping that beats the best of the tables is the best: mapping never loses.

    Raises:
        InputError: some layer has no legal mapping on the template.
    """
    best = _best_mappings(run, tables)
    if run.baseline.mapping is not None:
        stated = [run.baseline.mapping]
    elif run.baseline.samples:
        stated = _drawn_mappings(run, model, best, seed)
    else:
        stated = best
    original = evaluate_design(model, MappedDesign(run.template, tuple(stated)), run.layers)
    found = evaluate_design(model, MappedDesign(run.template, tuple(best)), run.layers)
    rank = Objective(run.mapper.objective)
    better = [
        mine if rank.loss(new, old) <= rank.loss(old, old) else theirs
        for mine, theirs, new, old in zip(best, stated, found.layers, original.layers, strict=True)
    ]
    remapped = evaluate_design(model, MappedDesign(run.template, tuple(better)), run.layers)
    return Baselines(original, remapped)


def _drawn_mappings(
    run: Run, model: Model, best: Sequence[Mapping], seed: np.random.SeedSequence
) -> list[Mapping]:
    """Return for every layer the best legal one of ``run.baseline.samples`` random mappings.

    What a mapper finds that draws at random and does not refine. Where none is legal, the best
    mapping stands: that layer then gains nothing from mapping.
    """
    sides = tuple(side for x in run.template.fanouts for side in (x.mesh_x, x.mesh_y))
    table_seed, pick_seed = seed.spawn(2)
    samples = run.baseline.samples
    tables = build_tables(run, table_seed, meshes=(sides,), samples=samples, threads=1)
    rng = np.random.default_rng(pick_seed)
    rank = Objective(run.mapper.objective)
    drawn = []
    for layer, table, fallback in zip(run.layers, tables, best, strict=True):
        found, least = fallback, math.inf
        for row in rng.permutation(len(table))[:samples]:
            mapping = mapping_of(table.space, table.points.take(slice(row, row + 1)))
            if check_mapping(run.template, layer.problem, mapping):
                continue
            report = model.evaluate(run.template, layer.problem, mapping)
            loss = rank.loss(report, report)
            if loss < least:
                found, least = mapping, loss
        drawn.append(found)
    return drawn


def _best_mappings(run: Run, tables: Sequence[Finder]) -> list[Mapping]:
    found = best_candidates(run, tables, run.template)
    if found is None:
        faults = [
            run.positions.fault("architecture", rule, "enlarge it, or choose another layer")
            for layer, table in zip(run.layers, tables, strict=True)
            if (rule := why_unmappable(table, layer.problem, run.template, run.mapper.objective))
        ]
        raise InputError(faults)
    return [candidate.mapping for candidate in found]


def why_unmappable(
    table: Finder, problem: Problem, architecture: Architecture, objective: str
) -> str | None:
    """Return why ``table`` has no legal mapping of ``problem`` on a design; None if it has one.

    The reason is what one mapping breaks that needs little: of the memories that are too small,
    all others are taken as unbounded in turn, and the first that alone makes everything illegal is
    named. With several of them too small the mapping that all would need is named.
    """
    if table.best(architecture, objective) is not None:
        return None
    if isinstance(table, PlugInFinder):
        return table.why(architecture, objective)
    bounded = [memory.name for memory in architecture.memories if memory.depth is not None]
    for kept in bounded:
        others = _unbounded(architecture, [x for x in bounded if x != kept])
        if table.best(others, objective) is not None:
            continue
        free = table.best(_unbounded(architecture, bounded), objective)
        if free is None:
            break
        broken = check_mapping(architecture, problem, free.mapping)
        told = next((str(x) for x in broken if x.where == kept), f"{kept} is too small")
        return f"{problem.name} has no legal mapping: no tile fits {kept}: for one mapping, {told}"
    free = table.best(_unbounded(architecture, bounded), objective)
    if free is None:
        return f"{problem.name} has no mapping that fits the mesh"
    broken = check_mapping(architecture, problem, free.mapping)
    told = "; ".join(str(x) for x in broken)
    return (
        f"{problem.name} has no legal mapping: tiles fit no memory at once: for one mapping, {told}"
    )


def _unbounded(architecture: Architecture, names: Sequence[str]) -> Architecture:
    """Return the design with the named memories without practical bound and free of charge.

    They are built of what the off-chip memory is, since no table prices such a size on the chip.
    """
    off_chip = architecture.memories[0].device
    levels = tuple(
        replace(level, depth=NO_LIMIT_DEPTH, device=off_chip, energy=Energy(0.0, 0.0))
        if isinstance(level, Memory) and level.name in names
        else level
        for level in architecture.levels
    )
    return replace(architecture, levels=levels)
