"""Ways to the mapping of one layer on a design: the layer's table, or a registered mapper.

A ``Finder`` answers for one layer and any hardware. Its answers depend on the run, the layer and
the hardware alone, not on what was asked before, nor by whom: so designs may be scored in any
order, by any number of processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import Problem
from arraysmith.search.evaluate import Finder, build_tables, meshes_of
from arraysmith.search.mapper import Candidate
from arraysmith.search.mappers.base import Found, LayerTask, Mapper
from arraysmith.search.run import Run
from arraysmith.search.run_spec import TABLE, mapper_class


@dataclass(frozen=True)
class PlugInFinder:
    """A registered mapper, asked anew for every design.

    Attributes:
        mapper: the plug-in.
        problem: the layer.
        dataflow: constraints.
        setting: of the analytical model.
        evaluations: mappings it may score per design.
        entropy: of the run; every design draws from a generator of its own.
    """

    mapper: Mapper
    problem: Problem
    dataflow: Dataflow
    setting: str
    evaluations: int
    entropy: tuple[int, ...]

    def __len__(self) -> int:
        return self.evaluations

    def best(self, architecture: Architecture, objective: str) -> Candidate | None:
        """Return what the mapper finds; None also where it says that nothing fits, see ``why``."""
        try:
            found = self._find(architecture, objective)
        except ArraysmithError:
            return None
        if found.mapping is None:
            return None
        scored = found.evaluations
        gap = 0.0 if found.proven else found.gap
        cycles, energy_pj, notes = found.cycles, found.energy_pj, found.notes
        return Candidate(found.mapping, cycles, energy_pj, scored, scored, gap, notes)

    def why(self, architecture: Architecture, objective: str) -> str:
        """Return what the mapper says of a design that it finds no mapping on."""
        try:
            self._find(architecture, objective)
        except ArraysmithError as error:
            return str(error)
        return f"the mapper found no legal mapping of {self.problem.name}"

    def _find(self, architecture: Architecture, objective: str) -> Found:
        digest = hashlib.sha256(repr(architecture).encode()).digest()
        words = np.frombuffer(digest, np.uint32).tolist()
        rng = np.random.default_rng([*self.entropy, *words])
        task = LayerTask(
            architecture, self.problem, self.dataflow, self.setting, objective, self.evaluations
        )
        return self.mapper.find(task, rng)


def finders(
    run: Run, seed: np.random.SeedSequence, *, threads: int, choice: str | None = None
) -> Iterator[Finder]:
    """Yield the finder of every layer of ``run.layers`` in turn.

    Args:
        run: the search.
        seed: of tables and mappers.
        threads: to build tables with; they change nothing but the time.
        choice: a name of ``run.dataflows``, or None for the run's own dataflow.

    Raises:
        InputError: the dataflow has no mapping of a layer on any mesh of the space.
    """
    if run.mapper.name == TABLE:
        yield from build_tables(
            run,
            seed,
            meshes=meshes_of(run.space),
            samples=run.mapper.samples,
            threads=threads,
            choice=choice,
        )
        return
    mapper = mapper_class(run.mapper.name)(run.mapper.settings)
    for layer, child in zip(run.layers, seed.spawn(len(run.layers)), strict=True):
        yield PlugInFinder(
            mapper,
            layer.problem,
            run.dataflow_of(layer.problem, choice),
            run.setting,
            run.mapper.evaluations,
            tuple(child.generate_state(4).tolist()),
        )
