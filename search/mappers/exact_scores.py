"""Scores of a batch of mappings on one architecture, by the model's counts and its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.search.mappers.exact_space import ExactSpace
from arraysmith.sim.analytical.encoding import ChainArrays, Int, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.scores import score
from arraysmith.sim.analytical.scoring import Entries, Float, Machine, chain_of

OBJECTIVES = ("edp", "energy", "latency")
"""What can be minimised; the index is the kernels' code."""

LEAVES = 4096
"""Mappings at a time: bounds memory."""

PICO = 1e-12
"""Joules per picojoule."""


@dataclass(frozen=True)
class BatchScorer:
    """Counts mappings of one problem on one architecture and prices them.

    Attributes:
        architecture: all numbers fixed.
        problem: the operator.
        setting: of the analytical model.
    """

    architecture: Architecture
    problem: Problem
    setting: str

    @cached_property
    def _parts(self) -> tuple[ProblemArrays, ChainArrays, Entries, Machine]:
        """What all batches share."""
        chain = chain_of(self.architecture)
        machine = Machine.of(self.architecture, self.setting)
        return ProblemArrays.of(self.problem), chain, Entries.of(chain), machine

    def __call__(self, loops: MappingArrays) -> tuple[Int, Float]:
        """Return (cycles, picojoules) of each mapping; 0 cycles where a memory is too small.

        Args:
            loops: legal but for the capacity of memories.
        """
        problem, chain, entries, machine = self._parts
        found = score(
            problem, self.problem.macs, chain, entries, machine, loops, setting=self.setting
        )
        return np.where(found.fits, found.cycles, 0), found.energy_pj


def loss_of(objective: str, cycles: Int, energy_pj: Float) -> Float:
    """Return float64 [n], what is minimised; infinite at 0 cycles, which stand for no score."""
    if objective == "latency":
        loss = cycles.astype(np.float64)
    else:
        loss = energy_pj if objective == "energy" else energy_pj * PICO * cycles
    return np.where(cycles > 0, loss, np.inf)


@dataclass
class Incumbent:
    """The best mapping so far, and what it took.

    Attributes:
        space: of the mappings scored.
        objective: what is minimised.
        budget: mappings that may be scored.
        mapping: the best; None before the first legal one.
        cycles: of it.
        energy_pj: of it.
        loss: of it; infinite before.
        evaluations: mappings scored.
        curve: (evaluations, loss) whenever the best became better.
    """

    space: ExactSpace
    objective: str
    budget: int
    mapping: Mapping | None = None
    cycles: int = 0
    energy_pj: float = 0.0
    loss: float = np.inf
    evaluations: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.enter(self.space)

    def enter(self, space: ExactSpace) -> None:
        """Go on with mappings of another space of the same problem."""
        self.space = space
        self._scorer = BatchScorer(space.architecture, space.problem, space.setting)

    @property
    def scored(self) -> dict[str, Any]:
        """What a ``Found`` says of it, but for what is proven."""
        return {
            "mapping": self.mapping,
            "cycles": self.cycles,
            "energy_pj": self.energy_pj,
            "loss": self.loss,
            "evaluations": self.evaluations,
            "drawn": self.evaluations,
            "repaired": 0,
            "curve": tuple(self.curve),
        }

    def take(self, mapping: Mapping) -> None:
        """Note a legal mapping of the problem, of this space or not, which costs no evaluation."""
        space = self.space
        report = AnalyticalModel(space.setting).evaluate(space.architecture, space.problem, mapping)
        cycles, energy = np.array([report.cycles]), np.array([report.energy_pj])
        loss = float(loss_of(self.objective, cycles, energy)[0])
        if loss < self.loss:
            self.mapping, self.loss = mapping, loss
            self.cycles, self.energy_pj = report.cycles, report.energy_pj

    def score(self, temporal: Int, orders: Int, spread: Int) -> bool:
        """Score mappings; return whether the budget reached them all."""
        left = self.budget - self.evaluations
        whole = len(temporal) <= left
        for start in range(0, min(len(temporal), left), LEAVES):
            rows = slice(start, min(start + LEAVES, left, len(temporal)))
            loops = self.space.loops(temporal[rows], orders[rows], spread[rows])
            cycles, energy = self._scorer(loops)
            losses = loss_of(self.objective, cycles, energy)
            best = np.minimum.accumulate(np.concatenate([[self.loss], losses]))
            for row in np.flatnonzero(best[1:] < best[:-1]).tolist():
                self.curve.append((self.evaluations + row + 1, float(losses[row])))
            row = int(losses.argmin())
            if losses[row] < self.loss:
                self.loss = float(losses[row])
                self.cycles, self.energy_pj = int(cycles[row]), float(energy[row])
                self.mapping = self.space.mapping(loops, row)
            self.evaluations += len(losses)
        return whole
