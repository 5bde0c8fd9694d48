"""The kernel of a table: its best row on one design."""

from __future__ import annotations

import numpy as np
from numba import njit

from arraysmith.sim.analytical.encoding import Int
from arraysmith.sim.analytical.scoring import Float, cycles_of, energy_of, fits, network_of


@njit(cache=True, nogil=True)
def best_row(
    objective: int,
    words: Int,
    instances: Int,
    need: Int,
    extent: Int,
    steps: Int,
    entry_memory: Int,
    entry_direction: Int,
    entry_span: Int,
    capacity: Int,
    width: Int,
    price: Float,
    bandwidth: Int,
    ports: Int,
    doubled: Int,
    by_side: bool,
    bus: Int,
    mesh: Int,
    mac_pj: float,
    leakage_pj: float,
    wires: tuple[Int, Float, int],
) -> tuple[int, int, float, int, int]:
    """Return (row, cycles, picojoules) of the best legal row; rows scored, and legal ones.

    The row is -1 when none is legal. What is legal and not scored, a bound sufficed for.
    """
    scored = legal = 0
    best, best_cycles, best_energy, best_loss, best_tie = -1, 0, 0.0, np.inf, np.inf
    offchip = np.searchsorted(entry_memory, 1)  # entries are in the order of memories
    for row in range(len(steps)):
        if not fits(row, capacity, mesh, need, extent):
            continue
        legal += 1
        # Bound: the steps take their time, off-chip accesses and MACs their energy.
        least = (
            energy_of(row, words, instances, entry_memory[:offchip], entry_direction, width, price)
            + mac_pj
        )
        if objective == 0:
            least *= steps[row]
        elif objective == 2:
            least = float(steps[row])
        if least > best_loss:
            continue
        scored += 1
        cycles = cycles_of(
            row,
            steps,
            words,
            instances,
            need,
            entry_memory,
            entry_direction,
            entry_span,
            capacity,
            bandwidth,
            ports,
            doubled,
            by_side,
            bus,
        )
        energy = (
            energy_of(row, words, instances, entry_memory, entry_direction, width, price)
            + mac_pj
            + leakage_pj * cycles
            + network_of(row, words, wires[0], wires[1], wires[2])
        )
        loss, tie = cycles * energy, energy
        if objective == 1:
            loss, tie = energy, float(cycles)
        elif objective == 2:
            loss = float(cycles)
        if loss < best_loss or (loss == best_loss and tie < best_tie):
            best, best_cycles, best_energy = row, cycles, energy
            best_loss, best_tie = loss, tie
    return best, best_cycles, best_energy, scored, legal
