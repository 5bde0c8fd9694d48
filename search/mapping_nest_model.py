"""Cycles and energy of nests in batches, whichever tensors pass by the memories."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.search.mapping_genes import Int
from arraysmith.sim.analytical.counting import count
from arraysmith.sim.analytical.encoding import ChainArrays, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.scoring import (
    Entries,
    Float,
    Machine,
    chain_of,
    cycles_of,
    energy_of,
    network_of,
)


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
        entries, machine = design.entries, design.machine
        counts = count(self.arrays, design.chain, loops, self._setting)
        cycles = np.zeros(len(counts.steps), np.int64)
        energy = np.zeros(len(counts.steps), np.float64)
        _score(
            counts.words[:, entries.memory, entries.tensor, entries.direction],
            counts.instances,
            (counts.tiles * design.chain.keeps).sum(axis=2),
            counts.steps,
            (entries.memory, entries.direction, entries.span),
            machine.capacity,
            machine.width,
            machine.price,
            (machine.bandwidth, machine.ports, machine.doubled, machine.by_side, machine.bus),
            machine.mac_pj * self._problem.macs,
            machine.leakage_pj,
            (*machine.wires, self._problem.macs),
            cycles,
            energy,
        )
        return cycles, energy

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


@njit(cache=True, nogil=True)
def _score(
    words: Int,
    instances: Int,
    need: Int,
    steps: Int,
    entries: tuple[Int, Int, Int],
    capacity: Int,
    width: Int,
    price: Float,
    rates: tuple[Int, Int, Int, bool, Int],
    mac_pj: float,
    leakage_pj: float,
    wires: tuple[Int, Float, int],
    cycles: Int,
    energy: Float,
) -> None:
    """Fill cycles and picojoules of every mapping."""
    memory, direction, span = entries
    bandwidth, ports, doubled, by_side, bus = rates
    for row in range(len(steps)):
        cycles[row] = cycles_of(
            row,
            steps,
            words,
            instances,
            need,
            memory,
            direction,
            span,
            capacity,
            bandwidth,
            ports,
            doubled,
            by_side,
            bus,
        )
        energy[row] = (
            energy_of(row, words, instances, memory, direction, width, price)
            + mac_pj
            + leakage_pj * cycles[row]
            + network_of(row, words, wires[0], wires[1], wires[2])
        )
