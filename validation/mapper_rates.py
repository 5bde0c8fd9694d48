"""Our analytical model in batches, with the clock running (``bench_mappers``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Memory, XyBus
from arraysmith.arch.problem import Problem
from arraysmith.sim.analytical.counting import Counts, count
from arraysmith.sim.analytical.encoding import ChainArrays, Int, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.scoring import (
    UNLIMITED,
    Entries,
    Float,
    Machine,
    Wiring,
    chain_of,
    cycles_of,
    energy_of,
    network_of,
)
from arraysmith.validation.bench_counting import draw, tree

CHUNK = 1 << 13
"""Mappings at a time."""

WORDS_PER_CYCLE = Fraction(16)
"""What every memory reads, and writes, per cycle and instance, and a bus carries."""


@dataclass(frozen=True)
class Scores:
    """What n mappings cost.

    Attributes:
        cycles: int64 [n].
        energy_pj: float64 [n], without off-chip background power, as a search sees it.
        fits: bool [n], every kept tile in its memory.
    """

    cycles: Int
    energy_pj: Float
    fits: NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluator:
    """One layer on one machine, ready for batches of mappings."""

    problem: ProblemArrays
    macs: int
    chain: ChainArrays
    entries: Entries
    machine: Machine

    @classmethod
    def of(cls, architecture: Architecture, problem: Problem) -> Evaluator:
        """Return the evaluator of a layer, in the default setting."""
        chain = chain_of(architecture)
        return cls(
            ProblemArrays.of(problem),
            problem.macs,
            chain,
            Entries.of(chain),
            Machine.of(architecture, "default"),
        )

    def counts(self, mappings: MappingArrays) -> Counts:
        """Return what a batch of mappings moves."""
        return count(self.problem, self.chain, mappings, "default")

    def scores(self, mappings: MappingArrays) -> Scores:
        """Return what a batch of mappings costs, whether it fits or not."""
        counts = self.counts(mappings)
        machine, entries, n = self.machine, self.entries, len(counts.steps)
        found = Scores(np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_))
        _score(
            counts.words,
            counts.tiles,
            counts.instances,
            counts.steps,
            self.chain.keeps,
            (entries.memory, entries.tensor, entries.direction, entries.span),
            (machine.capacity, machine.width, machine.bandwidth, machine.ports, machine.doubled),
            machine.price,
            machine.by_side,
            machine.bus,
            machine.mac_pj * self.macs,
            machine.leakage_pj,
            machine.wires,
            self.macs,
            found.cycles,
            found.energy_pj,
            found.fits,
        )
        return found


@njit(cache=True, nogil=True)
def _score(
    counted: Int,
    tiles: Int,
    instances: Int,
    steps: Int,
    keeps: Int,
    entries: tuple[Int, Int, Int, Int],
    numbers: tuple[Int, Int, Int, Int, Int],
    price: Float,
    by_side: bool,
    bus: Int,
    mac_pj: float,
    leakage_pj: float,
    wires: Wiring,
    macs: int,
    cycles: Int,
    energy: Float,
    fits: NDArray[np.bool_],
) -> None:
    memory, tensor, direction, span = entries
    capacity, width, bandwidth, ports, doubled = numbers
    words = np.empty((1, len(memory)), np.int64)
    need = np.empty((1, len(capacity)), np.int64)
    for i in range(len(steps)):
        for e in range(len(memory)):
            words[0, e] = counted[i, memory[e], tensor[e], direction[e]]
        fits[i] = True
        for m in range(len(capacity)):
            need[0, m] = 0
            for t in range(3):
                need[0, m] += keeps[m, t] * tiles[i, m, t]
            fits[i] &= capacity[m] == UNLIMITED or need[0, m] <= capacity[m]
        used, step = instances[i : i + 1], steps[i : i + 1]
        cycles[i] = cycles_of(
            0, step, words, used, need, memory, direction, span,
            capacity, bandwidth, ports, doubled, by_side, bus,
        )  # fmt: skip
        energy[i] = (
            energy_of(0, words, used, memory, direction, width, price)
            + mac_pj
            + leakage_pj * cycles[i]
            + network_of(0, words, wires[0], wires[1], macs)
        )


@dataclass(frozen=True)
class Rate:
    """How fast mappings were evaluated: per second of CPU time, per second of wall-clock time."""

    per_cpu_s: float
    per_wall_s: float


def rate(
    evaluate: Callable[[MappingArrays], object], chunks: Sequence[MappingArrays], threads: int
) -> Rate:
    """Return the rate of one pass over the mappings."""
    number = sum(len(chunk.dim) for chunk in chunks)
    with ThreadPoolExecutor(threads) as pool:  # the kernels run outside the interpreter's lock
        start = time.process_time(), time.perf_counter()
        for _ in pool.map(evaluate, chunks):
            pass
        return Rate(
            number / (time.process_time() - start[0]), number / (time.perf_counter() - start[1])
        )


def machine_of(memories: int) -> Architecture:
    """Return the tree of ``bench_counting`` with ``WORDS_PER_CYCLE`` everywhere."""
    machine, words = tree(memories), WORDS_PER_CYCLE
    levels = tuple(
        replace(level, read_words_per_cycle=words, write_words_per_cycle=words)
        if isinstance(level, Memory)
        else replace(level, network=XyBus(words_per_cycle=words))
        for level in machine.levels
    )
    return replace(machine, levels=levels)


def drawn(memories: int, problem: Problem, number: int) -> list[MappingArrays]:
    """Return random mappings in chunks."""
    machine = tree(memories)
    starts = range(0, number, CHUNK)
    return [draw(machine, problem, min(CHUNK, number - i), seed=i) for i in starts]
