"""Several mappings of a layer on a design, found by what the closed forms overlook, and rehearsed.

Closed forms see averages: they find mappings that fill a memory to its brim, where nothing can come
ahead. The next ones in their order are much the same. So the finder is asked again for a design
with less room, at the same prices: what it finds there leaves room on the real design for what
comes next. That works for every finder, and costs one more answer of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from arraysmith.arch.architecture import Architecture, Energy, Fanout, Memory
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.search.mapper import Candidate, rank_of
from arraysmith.search.rehearsed import Rehearsed, Simulated
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.run import rehearse
from arraysmith.sim.calibration import cycles_by_cause
from arraysmith.sim.pricing import PriceList
from arraysmith.sim.report import Report

Find = Callable[[Architecture, str], Candidate | None]
"""Finds the best mapping of a layer on a design by an objective: ``Finder.best``."""

DIGITS = 6
"""Decimals that are kept of cycles said: more are noise, and differ between machines."""


def candidate_of(
    find: Find, architecture: Architecture, objective: str, variant: int
) -> Candidate | None:
    """Return the mapping of one of ``run_spec.VARIANTS``; it is legal on ``architecture``.

    Cycles and energy are of the design that was asked for.
    """
    if variant == 3:
        return find(architecture, "edp" if objective == "latency" else "latency")
    inner = _in_pes(architecture)
    halved = {
        1: [x.name for x in architecture.memories],
        2: [x.name for x in architecture.memories if x.name not in inner],
        4: [x.name for x in architecture.memories if x.name in inner],
    }
    return find(with_half(architecture, halved.get(variant, [])), objective)


def with_half(architecture: Architecture, names: Sequence[str]) -> Architecture:
    """Return the design with half as many lines in the named memories, at the same energies.

    Memories without a bound, of one line, or divided among tensors stay as they are. What is halved
    is built of what the off-chip memory is, since tables may not price such a size on the chip.
    """
    prices = PriceList.of(architecture).memories
    offchip = architecture.memories[0].device
    levels = []
    for level in architecture.levels:
        smaller = level
        if isinstance(level, Memory) and level.name in names and not level.partition:
            cost = prices[level.name]
            energy = Energy(cost.read_pj, cost.write_pj)
            if level.depth is not None and level.depth > 1:
                smaller = replace(level, depth=level.depth // 2, energy=energy, device=offchip)
        levels.append(smaller)
    return replace(architecture, levels=tuple(levels))


def _in_pes(architecture: Architecture) -> set[str]:
    """Return the names of the memories below a fan-out."""
    above = [isinstance(x, Fanout) for x in architecture.levels]
    first = above.index(True) if True in above else len(above)
    return {x.name for x in architecture.levels[first:] if isinstance(x, Memory)}


def rehearsed_mappings(
    find: Find,
    problem: Problem,
    architecture: Architecture,
    objective: str,
    found: Candidate,
    *,
    setting: str,
    most: int,
) -> tuple[tuple[Rehearsed, ...], int, int]:
    """Return (mappings of a layer, rehearsed; mappings scored, and compared, beyond ``found``).

    Args:
        find: answers for the layer.
        problem: the layer.
        architecture: a spatial design.
        objective: what mappings are compared by.
        found: what ``find`` says of all that: the first variant.
        setting: of the run, whose closed forms are noted.
        most: of ``run_spec.VARIANTS`` to ask for. Mappings met before are left out, and so are
            those whose closed forms alone are beyond the best as rehearsed: none takes less.
    """
    model = AnalyticalModel()
    kept: list[Rehearsed] = []
    met: set[Mapping] = set()
    scored = compared = 0
    best: tuple[float, float] | None = None
    for variant in range(most):
        mine: Candidate | None = found
        if variant:
            mine = candidate_of(find, architecture, objective, variant)
            if mine is None:
                continue
            scored, compared = scored + mine.scored, compared + mine.compared
        assert mine is not None  # the first is there, the others were looked at
        if mine.mapping in met:
            continue
        met.add(mine.mapping)
        report = model.evaluate(architecture, problem, mine.mapping)
        if best is not None and rank_of(objective, report.cycles, report.energy_pj) >= best:
            continue
        # Other settings' cycles do not depend on how much room there is.
        closed = report.cycles if setting == "default" else mine.cycles
        row = rehearsed(architecture, problem, mine.mapping, report, variant, closed)
        kept.append(row)
        cycles = max(row.least, round(sum(row.said)))
        rank = rank_of(objective, cycles, row.fixed_pj + row.leak_pj * cycles)
        best = rank if best is None else min(best, rank)
    return tuple(kept), scored, compared


def rehearsed(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    report: Report,
    variant: int,
    closed: int,
) -> Rehearsed:
    """Return a mapping, rehearsed.

    Args:
        architecture: a spatial design.
        problem: the layer.
        mapping: legal.
        report: of the analytical model, default setting.
        variant: to note.
        closed: cycles by the closed forms of the run's setting, to note.
    """
    said = rehearse(architecture, problem, mapping, report).cycles
    leakage = report.leakage_energy_pj
    return Rehearsed(
        variant,
        closed,
        report.cycles,
        report.energy_pj - leakage,
        leakage / report.cycles,
        tuple(round(x, DIGITS) for x in said),
    )


def simulate_mapping(
    architecture: Architecture, problem: Problem, mapping: Mapping, layer: int, variant: int
) -> Simulated:
    """Return what the simulator says of a legal mapping; picklable, for processes."""
    # Here, not above: workers that only find mappings do without the simulator.
    from arraysmith.sim.cycle.model import CycleModel

    report = CycleModel().evaluate(architecture, problem, mapping)
    cycles = tuple(int(x) for x in cycles_by_cause(architecture, report))
    return Simulated(layer, variant, cycles, report.energy_pj)
