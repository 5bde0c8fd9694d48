"""The best mapping of a problem on any hardware of one shape, out of one fixed set of mappings.

A table holds, for every mapping of a dataflow's space (or a seeded sample of it), what does not
depend on buffer sizes: access counts, tiles, extents, steps. Scoring a hardware candidate is then
one pass over the table, and every candidate chooses from the same mappings: a hardware gain is
never mapper noise.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.mapping import Mapping, from_factors
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.search.best_row import best_row
from arraysmith.search.domination import undominated
from arraysmith.search.mapping_space import MappingSpace, Meshes, Points
from arraysmith.sim.analytical.counting import count
from arraysmith.sim.analytical.encoding import AXIS_CODES, COLUMN, Int, ProblemArrays
from arraysmith.sim.analytical.scoring import Entries, Machine, chain_of

OBJECTIVES = ("edp", "energy", "latency")
"""What ``best`` minimises; ties go to the other one of cycles and energy, then to the first row."""


KEPT_POINTS = 256
"""Points of a table whose neighbours are kept: some 30 KiB each."""


@dataclass(frozen=True)
class Candidate:
    """The best mapping found for one hardware.

    Attributes:
        mapping: the mapping.
        cycles: of it.
        energy_pj: of it.
        scored: mappings whose cycles and energy were computed in full to find it.
        compared: legal mappings that it was compared with; of those not scored in full, steps and
            off-chip traffic alone cost more than the best.
        gap: how far it may be above the optimum of its mapper's space, relative to it; 0 where it
            is proven, None where the mapper proves nothing.
        notes: what else its mapper says of it.
    """

    mapping: Mapping
    cycles: int
    energy_pj: float
    scored: int = 0
    compared: int = 0
    gap: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MappingTable:
    """Mappings of one problem on architectures that differ only in numbers, with their counts.

    Attributes:
        space: the mappings' space.
        setting: of the analytical model.
        points: n mappings.
        entries: which counts are kept.
        words: int64 [n, E], words per entry over all instances.
        instances: int64 [n, m + 1], used copies of each memory and of the MACs.
        need: int64 [n, m], words of kept tiles per memory instance.
        extent: int64 [n, f, 2], used columns and rows of each fan-out.
        steps: int64 [n], cycles of computing.
        around: what is one move away from a point, and the point as a mapping, of the points met
            last: designs that are alike ask for the same ones. Changes nothing but the time.
    """

    space: MappingSpace
    setting: str
    points: Points
    entries: Entries
    words: Int
    instances: Int
    need: Int
    extent: Int
    steps: Int
    around: dict[bytes, tuple[MappingTable, Mapping]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, rows: Int) -> MappingTable:
        """Return the table of some of the rows."""
        measured = (self.words, self.instances, self.need, self.extent, self.steps)
        return MappingTable(
            self.space,
            self.setting,
            self.points.take(rows),
            self.entries,
            *(np.ascontiguousarray(values[rows]) for values in measured),
        )

    def best(self, architecture: Architecture, objective: str) -> Candidate | None:
        """Return the best mapping on ``architecture``; None when none of the table fits.

        The best of the table, improved by single moves until none helps.

        Args:
            architecture: the table's, with other numbers.
            objective: one of ``OBJECTIVES``.
        """
        machine = _machine(architecture, self.setting)
        row, cycles, energy, scored, compared = _best(self, machine, objective)
        if row < 0:
            return None
        point = self.points.take(slice(row, row + 1))
        while True:
            around, mapping = self._around(point)
            row, near_cycles, near_energy, more, legal = _best(around, machine, objective)
            scored, compared = scored + more, compared + legal
            if row < 0 or not _better(objective, (near_cycles, near_energy), (cycles, energy)):
                return Candidate(mapping, cycles, energy, scored, compared)
            point = around.points.take(slice(row, row + 1))
            cycles, energy = near_cycles, near_energy

    def _around(self, point: Points) -> tuple[MappingTable, Mapping]:
        """Return what is one move away from a point, counted, and the point as a mapping."""
        key = point.temporal.tobytes() + point.order.tobytes() + point.spatial.tobytes()
        known = self.around.get(key)
        if known is None:
            near = _counted(self.space, self.space.neighbours(point), self.setting)
            known = (near, mapping_of(self.space, point))
            if len(self.around) >= KEPT_POINTS:  # threads may both drop: nothing else depends on it
                self.around.pop(next(iter(self.around)), None)
            self.around[key] = known
        return known


@lru_cache(maxsize=64)
def _machine(architecture: Architecture, setting: str) -> Machine:
    """Return the numbers of a design, which all layers are scored with."""
    return Machine.of(architecture, setting)


def build_table(
    problem: Problem,
    architecture: Architecture,
    dataflow: Dataflow,
    *,
    setting: str,
    meshes: Meshes,
    seed: np.random.SeedSequence | int,
    samples: int,
    threads: int = 1,
) -> MappingTable:
    """Return the table of a problem.

    Args:
        problem: the operator.
        architecture: gives the levels; its own numbers do not matter.
        dataflow: what mappings may look like.
        setting: of the analytical model.
        meshes: mesh shapes to cover.
        seed: of the sample, when the space has more than ``samples`` factorisations.
        samples: most factorisations to look at; a space with no more is counted whole.
        threads: threads to count with; they change nothing but the time.
    """
    if architecture.systolic:
        raise ArraysmithError(f"{architecture.name}: a systolic array has no mappings to search")
    space = MappingSpace.of(architecture, problem, dataflow, meshes)
    chunks = space.points(np.random.default_rng(seed), samples)
    with ThreadPoolExecutor(threads) as pool:  # the kernels run outside the interpreter's lock
        parts = list(pool.map(lambda x: thinned(_counted(space, x, setting)), chunks))
    return thinned(_joined(parts))


def find_mapping(
    architecture: Architecture,
    problem: Problem,
    dataflow: Dataflow,
    *,
    setting: str,
    samples: int,
) -> Mapping:
    """Return the mapping of least EDP that the mapper finds for one problem on one design.

    Args:
        architecture: the design.
        problem: the operator.
        dataflow: what mappings may look like.
        setting: of the analytical model.
        samples: see ``build_table``.

    Raises:
        InputError: a memory is too small for the least tile of any mapping looked at.
        ArraysmithError: no mapping found that fits all memories at once.
    """
    mesh = tuple(x for fanout in architecture.fanouts for x in (fanout.mesh_x, fanout.mesh_y))
    table = build_table(
        problem, architecture, dataflow, setting=setting, meshes=[mesh], seed=0, samples=samples
    )
    best = table.best(architecture, "edp")
    if best is None:
        raise _nothing_fits(table, architecture, problem, dataflow)
    return best.mapping


def _nothing_fits(
    table: MappingTable, architecture: Architecture, problem: Problem, dataflow: Dataflow
) -> ArraysmithError:
    """Return why no mapping of a table fits: a fault per memory that is too small by itself."""
    tried = f"{problem.name}: none of {len(table)} mappings of dataflow {dataflow.name} fits"
    small = [
        Fault(f"{memory.name}.depth", f"{memory.capacity_words} words", f"{tried}: {least} needed")
        for memory, least in zip(architecture.memories, table.need.min(axis=0), strict=True)
        if memory.capacity_words is not None and least > memory.capacity_words
    ]
    return InputError(small) if small else ArraysmithError(f"{tried} {architecture.name}")


def mapping_of(space: MappingSpace, point: Points) -> Mapping:
    """Return one point of a space as loops per level."""
    architecture = space.architecture
    axes = {code: name for name, code in AXIS_CODES.items()}
    loops = space.loops(point)
    return from_factors(
        architecture,
        tuple(
            (architecture.levels[level].name, axes[int(axis)], DIMS[dim], int(turns))
            for level, axis, dim, turns in zip(
                loops.level, loops.axis, loops.dim[0], loops.count[0], strict=True
            )
        ),
    )


def thinned(table: MappingTable) -> MappingTable:
    """Return the table without mappings that another one beats on every architecture.

    Among mappings with equal extents and equal tiles in the innermost memories, one is dropped when
    another needs no more room, steps or words in any entry: cycles and energy never fall when words
    grow, so the other is at least as good whatever the numbers of the hardware.
    """
    key = np.concatenate([table.extent.reshape(len(table), -1), table.need[:, 2:]], axis=1)
    measures = np.concatenate([table.steps[:, None], table.need[:, :2], table.words], axis=1)
    order = np.lexsort((measures.sum(axis=1), *key.T))
    group = np.zeros(len(order), np.int64)
    group[1:] = np.cumsum((key[order[1:]] != key[order[:-1]]).any(axis=1))
    keep = undominated(group, np.ascontiguousarray(measures[order]))
    kept = np.sort(order[keep])
    # Promising rows first: a search over the table then bounds most of the others away.
    offchip = table.words[kept][:, table.entries.memory == 0].sum(axis=1)
    return table.take(kept[np.lexsort((offchip, table.steps[kept]))])


def _counted(space: MappingSpace, points: Points, setting: str) -> MappingTable:
    chain = chain_of(space.architecture)
    entries = Entries.of(chain)
    loops = space.loops(points)
    counts = count(ProblemArrays.of(space.problem), chain, loops, setting)
    fanouts = [i for i, x in enumerate(space.architecture.levels) if isinstance(x, Fanout)]
    extent = np.ones((len(points), len(fanouts), 2), np.int64)
    for slot, (level, axis, _) in enumerate(space.slots):
        extent[:, fanouts.index(level), 0 if axis == COLUMN else 1] *= points.spatial[:, slot]
    return MappingTable(
        space=space,
        setting=setting,
        points=points,
        entries=entries,
        words=counts.words[:, entries.memory, entries.tensor, entries.direction],
        instances=counts.instances,
        need=(counts.tiles * chain.keeps).sum(axis=2),
        extent=extent,
        steps=counts.steps,
    )


def _joined(parts: list[MappingTable]) -> MappingTable:
    points = [(x.points.temporal, x.points.order, x.points.spatial) for x in parts]
    measured = [(x.words, x.instances, x.need, x.extent, x.steps) for x in parts]
    return MappingTable(
        parts[0].space,
        parts[0].setting,
        Points(*(np.concatenate(columns) for columns in zip(*points, strict=True))),
        parts[0].entries,
        *(np.concatenate(columns) for columns in zip(*measured, strict=True)),
    )


def rank_of(objective: str, cycles: int, energy_pj: float) -> tuple[float, float]:
    """Return what mappings are compared by, less is better: one of ``OBJECTIVES``, then ties."""
    if objective == "latency":
        return (float(cycles), energy_pj)
    return (energy_pj, float(cycles)) if objective == "energy" else (cycles * energy_pj, energy_pj)


def _better(objective: str, one: tuple[int, float], other: tuple[int, float]) -> bool:
    """Return whether (cycles, energy) ``one`` beats ``other``."""
    return rank_of(objective, *one) < rank_of(objective, *other)


def _best(
    table: MappingTable, machine: Machine, objective: str
) -> tuple[int, int, float, int, int]:
    """Return what ``best_row`` says of a table: row, cycles, picojoules, rows scored and legal."""
    row, cycles, energy, scored, legal = best_row(
        OBJECTIVES.index(objective),
        table.words,
        table.instances,
        table.need,
        table.extent,
        table.steps,
        table.entries.memory,
        table.entries.direction,
        table.entries.span,
        machine.capacity,
        machine.width,
        machine.price,
        machine.bandwidth,
        machine.ports,
        machine.doubled,
        machine.by_side,
        machine.bus,
        machine.mesh,
        machine.mac_pj * table.space.problem.macs,
        machine.leakage_pj,
        (*machine.wires, table.space.problem.macs),
    )
    return int(row), int(cycles), float(energy), int(scored), int(legal)
