"""Our analytical model in batches, with the clock running (``bench_mappers``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction

from arraysmith.arch.architecture import Architecture, Memory, XyBus
from arraysmith.arch.problem import Problem
from arraysmith.sim.analytical.counting import Counts, count
from arraysmith.sim.analytical.encoding import ChainArrays, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.scores import Scores, score
from arraysmith.sim.analytical.scoring import Entries, Machine, chain_of
from arraysmith.validation.bench_counting import draw, tree

CHUNK = 1 << 13
"""Mappings at a time."""

WORDS_PER_CYCLE = Fraction(16)
"""What every memory reads, and writes, per cycle and instance, and a bus carries."""


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
        return score(self.problem, self.macs, self.chain, self.entries, self.machine, mappings)


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
