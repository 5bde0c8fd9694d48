"""Random legal mappings of a layer and what both models say of them: a calibration's training set.

Mappings come from two spaces in turn. Of a dataflow's own space, as the mapper samples it: tiles
that divide, spatial splits that keep most of the MACs busy. And loop nests as genes: tiles drawn
log-uniformly that need not divide, any order, tensors that pass by memories; without a dataflow
these alone. What would take too many steps to simulate is drawn again, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import IFMAP, Problem
from arraysmith.search.mapper import mapping_of
from arraysmith.search.mapping_nests import NestSpace
from arraysmith.search.mapping_space import MappingSpace
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.plan import steps_of
from arraysmith.sim.analytical.rehearsal.run import rehearse
from arraysmith.sim.calibration import cycles_by_cause
from arraysmith.sim.cycle.model import CycleModel

FREE = Dataflow("free", "no constraint", ())
"""What stands for no dataflow."""

BATCH = 64
"""Mappings drawn at a time; changes what is drawn."""

DRAWS = 50
"""Draws per mapping that is wanted before a layer is given up for too long ones."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Random mappings of a layer.

    Attributes:
        mappings: all different.
        too_long: how many more were drawn, but would take too many steps.
    """

    mappings: tuple[Mapping, ...]
    too_long: int


def draw(
    architecture: Architecture,
    problem: Problem,
    dataflow: Dataflow | None,
    samples: int,
    most_steps: int,
    seed: np.random.SeedSequence,
) -> Drawn:
    """Return random legal mappings, half of each space; fewer where too few are short enough.

    Args:
        architecture: a spatial one.
        problem: the layer.
        dataflow: constraints; None for none.
        samples: mappings wanted.
        most_steps: turns of all loops that move a tile, at most.
        seed: of the draw.

    Raises:
        ArraysmithError: the dataflow has no mapping of the layer that fits.
    """
    nests, splits = (np.random.default_rng(x) for x in seed.spawn(2))
    sources = [_nests(NestSpace(architecture, problem, dataflow or FREE, "default"), nests)]
    if dataflow is not None:
        meshes = tuple(x for f in architecture.fanouts for x in (f.mesh_x, f.mesh_y))
        space = MappingSpace.of(architecture, problem, dataflow, (meshes,))
        sources.append(_splits(space, splits))
    found: dict[Mapping, None] = {}
    too_long = draws = 0
    while len(found) < samples and draws < DRAWS * samples:
        mapping = next(sources[draws % len(sources)])
        draws += 1
        if mapping in found or check_mapping(architecture, problem, mapping):
            continue
        if not _simulated(architecture, mapping):
            continue
        if steps_of(architecture, problem, mapping) > most_steps:
            too_long += 1
            continue
        found[mapping] = None
    return Drawn(tuple(found), too_long)


def _simulated(architecture: Architecture, mapping: Mapping) -> bool:
    """Return whether neighbours pass on only what a memory on the chip above them keeps."""
    keepers = [
        i
        for i, x in enumerate(architecture.levels)
        if i and isinstance(x, Memory) and IFMAP in kept_tensors(x, mapping.at(x.name))
    ]
    passing = [
        i
        for i, x in enumerate(architecture.levels)
        if isinstance(x, Fanout) and x.bus is not None and x.bus.forwarding is not None
    ]
    return all(any(k < i for k in keepers) for i in passing)


def _nests(space: NestSpace, rng: np.random.Generator) -> Iterator[Mapping]:
    while True:
        genes, _ = space.repair(space.random(rng, BATCH))
        for row in range(len(genes)):
            yield space.mapping(genes, row)


def _splits(space: MappingSpace, rng: np.random.Generator) -> Iterator[Mapping]:
    while True:
        for points in space.points(rng, BATCH):
            for row in rng.permutation(len(points)).tolist():
                yield mapping_of(space, points.take(slice(row, row + 1)))


@dataclass(frozen=True, slots=True)
class Measured:
    """Cycles of one mapping by all models.

    Attributes:
        closed: of the analytical model, without edges.
        edges: its first fill and last drain.
        said: of the rehearsal, by cause.
        measured: of the simulator, by cause.
    """

    closed: int
    edges: int
    said: tuple[float, ...]
    measured: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "closed": self.closed,
            "edges": self.edges,
            "said": list(self.said),
            "measured": list(self.measured),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Measured:
        """Return what ``to_dict`` made ``plain`` of."""
        said = tuple(float(x) for x in plain["said"])
        measured = tuple(int(x) for x in plain["measured"])
        return cls(int(plain["closed"]), int(plain["edges"]), said, measured)


def measure(architecture: Architecture, problem: Problem, mapping: Mapping) -> Measured:
    """Return what all models say of a legal mapping; picklable, for processes."""
    report = AnalyticalModel().evaluate(architecture, problem, mapping)
    said = rehearse(architecture, problem, mapping, report).cycles
    simulated = CycleModel().evaluate(architecture, problem, mapping)
    return Measured(
        report.cycles,
        sum(cycles for _, cycles in report.uncounted),
        said,
        cycles_by_cause(architecture, simulated),
    )
