"""Cycles and energy of nests in batches, whichever tensors pass by the memories."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.search.mapping_genes import Int
from arraysmith.sim.analytical.encoding import ChainArrays, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.scores import score
from arraysmith.sim.analytical.scoring import Entries, Float, Machine, chain_of


@dataclass(frozen=True)
class _Design:
    """An architecture whose memories hold no more than they keep, ready for the kernels."""

    chain: ChainArrays
    entries: Entries
    machine: Machine


class NestModel:
    """The analytical model of one layer on one design.

    Attributes:
        arrays: the layer, for kernels.
    """

    def __init__(self, architecture: Architecture, problem: Problem, setting: str) -> None:
        """Take what all batches share; ``setting`` is one of the analytical model's."""
        self._architecture, self._problem, self._setting = architecture, problem, setting
        self.arrays = ProblemArrays.of(problem)
        self._designs: dict[frozenset[tuple[int, int]], _Design] = {}

    def score(self, loops: MappingArrays, passing: frozenset[tuple[int, int]]) -> tuple[Int, Float]:
        """Return cycles and picojoules of legal mappings.

        Args:
            loops: n mappings.
            passing: (memory, tensor) of what is not kept though it could be.
        """
        design = self._design(passing)
        found = score(
            self.arrays,
            self._problem.macs,
            design.chain,
            design.entries,
            design.machine,
            loops,
            setting=self._setting,
        )
        return found.cycles, found.energy_pj

    def _design(self, passing: frozenset[tuple[int, int]]) -> _Design:
        if passing not in self._designs:
            levels = list(self._architecture.levels)
            memories = [i for i, level in enumerate(levels) if isinstance(level, Memory)]
            for m, memory in enumerate(self._architecture.memories):
                holds = tuple(x for x in memory.holds if (m, TENSORS.index(x)) not in passing)
                levels[memories[m]] = replace(memory, holds=holds)
            lean = replace(self._architecture, levels=tuple(levels))
            chain = chain_of(lean)
            machine = Machine.of(lean, self._setting)
            self._designs[passing] = _Design(chain, Entries.of(chain), machine)
        return self._designs[passing]
