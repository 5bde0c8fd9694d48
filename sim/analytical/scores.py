"""Cycles, energy and fit of a batch of mappings, counted and scored a block at a time.

The counts of a block stay in the processor's nearest cache; a batch leaves three numbers a mapping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.sim.analytical.counting import CountsTuple, count, count_rows, workspace
from arraysmith.sim.analytical.encoding import (
    ChainArrays,
    ChainTuple,
    Int,
    LoopsTuple,
    MappingArrays,
    ProblemArrays,
    ProblemTuple,
)
from arraysmith.sim.analytical.scoring import (
    UNLIMITED,
    Entries,
    Float,
    Machine,
    Wiring,
    cycles_of,
    energy_of,
    network_of,
)

BLOCK = 32
"""Mappings whose counts are in use at a time: some ten thousand bytes."""


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


def score(
    problem: ProblemArrays,
    macs: int,
    chain: ChainArrays,
    entries: Entries,
    machine: Machine,
    mappings: MappingArrays,
    setting: str = "default",
) -> Scores:
    """Return what a batch of legal mappings costs, capacities aside.

    Args:
        problem: the operator.
        macs: its multiply-accumulates.
        chain: memories, networks and kept tensors.
        entries: of the chain.
        machine: the numbers of the architecture, in the same setting.
        mappings: loops, n mappings.
        setting: of the analytical model.
    """
    n = len(mappings.dim)
    found = Scores(np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_))
    places = (entries.memory, entries.tensor, entries.direction, entries.span)
    numbers = (machine.capacity, machine.width, machine.bandwidth, machine.ports, machine.doubled)
    if setting != "default":  # counted by kernels of their own, all at once
        counts = count(problem, chain, mappings, setting)
        words = np.ascontiguousarray(
            counts.words[:, entries.memory, entries.tensor, entries.direction]
        )
        _score_rows(
            n, words, counts.instances, counts.steps, (counts.tiles * chain.keeps).sum(axis=2),
            places, numbers, machine.price, machine.by_side, machine.bus, machine.mac_pj * macs,
            machine.leakage_pj, machine.wires, macs, found.cycles, found.energy_pj, found.fits,
        )  # fmt: skip
        return found
    _score_batch(
        problem.kernel,
        chain.kernel,
        mappings.kernel,
        places,
        numbers,
        machine.price,
        machine.by_side,
        machine.bus,
        machine.mac_pj * macs,
        machine.leakage_pj,
        machine.wires,
        macs,
        found.cycles,
        found.energy_pj,
        found.fits,
    )
    return found


@njit(cache=True, nogil=True)
def _score_batch(
    problem: ProblemTuple,
    chain: ChainTuple,
    loops: LoopsTuple,
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
    memories = len(chain[0])
    work = workspace(False, problem, chain, loops)
    found = (
        np.zeros((BLOCK, memories, 3, 4), np.int64),
        np.ones((BLOCK, memories + 1), np.int64),
        np.ones((BLOCK, memories, 3), np.int64),
        np.ones(BLOCK, np.int64),
        np.ones(BLOCK, np.int64),
    )
    words = np.empty((BLOCK, len(entries[0])), np.int64)
    need = np.empty((BLOCK, memories), np.int64)
    for first in range(0, len(cycles), BLOCK):
        past = min(first + BLOCK, len(cycles))
        count_rows(False, problem, chain, loops, work, first, past, found)
        _gather(past - first, found, chain[1], entries, words, need)
        _score_rows(
            past - first, words, found[1], found[3], need, entries, numbers, price, by_side, bus,
            mac_pj, leakage_pj, wires, macs,
            cycles[first:past], energy[first:past], fits[first:past],
        )  # fmt: skip


@njit(cache=True, nogil=True, _nrt=False)
def _gather(
    rows: int,
    found: CountsTuple,
    keeps: Int,
    entries: tuple[Int, Int, Int, Int],
    words: Int,
    need: Int,
) -> None:
    """Bring counts in the order of entries; add up the kept tiles of every memory."""
    counted, _, tiles, _, _ = found
    memory, tensor, direction, _ = entries
    for row in range(rows):
        for e in range(len(memory)):
            words[row, e] = counted[row, memory[e], tensor[e], direction[e]]
        for m in range(len(keeps)):
            need[row, m] = 0
            for t in range(3):
                need[row, m] += keeps[m, t] * tiles[row, m, t]


@njit(cache=True, nogil=True, _nrt=False)
def _score_rows(
    rows: int,
    words: Int,
    instances: Int,
    steps: Int,
    need: Int,
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
    """Score the first ``rows`` rows of counts."""
    memory, _, direction, span = entries
    capacity, width, bandwidth, ports, doubled = numbers
    for row in range(rows):
        fits[row] = True
        for m in range(len(capacity)):
            fits[row] &= (capacity[m] == UNLIMITED) | (need[row, m] <= capacity[m])
        cycles[row] = cycles_of(
            row, steps, words, instances, need, memory, direction, span,
            capacity, bandwidth, ports, doubled, by_side, bus,
        )  # fmt: skip
        energy[row] = (
            energy_of(row, words, instances, memory, direction, width, price)
            + mac_pj
            + leakage_pj * cycles[row]
            + network_of(row, words, wires[0], wires[1], macs)
        )
