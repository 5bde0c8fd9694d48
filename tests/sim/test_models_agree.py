"""Both models on the same cases: equal counts and energies, and a cause for every other cycle."""

from __future__ import annotations

import pytest
from cases import case

from arraysmith.arch.mapping import kept_tensors
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel


def traffic(report, design):
    """Traffic of the tensors that some scratchpad keeps.

    Whatever goes straight to the MACs is received by as many as multiply in that cycle, which
    neither model counts when padding is among them.
    """
    architecture, _, mapping = design
    kept = {
        tensor
        for memory in architecture.memories[2:]
        for tensor in kept_tensors(memory, mapping.at(memory.name))
    }
    return {x for x in report.traffic if x.tensor in kept}


@pytest.mark.parametrize("block", range(6))
def test_words_traffic_and_energy_of_accesses_are_equal(block):
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        design = case(seed)
        closed, simulated = AnalyticalModel().evaluate(*design), CycleModel().evaluate(*design)
        accesses = {(x.level, x.tensor, x.direction): x for x in closed.accesses}
        assert {(x.level, x.tensor, x.direction): x for x in simulated.accesses} == accesses
        assert traffic(simulated, design) == traffic(closed, design)
        assert simulated.mac_energy_pj == closed.mac_energy_pj
        assert simulated.area == closed.area


@pytest.mark.parametrize("block", range(6))
def test_the_simulation_is_never_faster_and_causes_explain_the_difference(block):
    for seed in range(2000 + 50 * block, 2050 + 50 * block):
        design = case(seed)
        closed, simulated = AnalyticalModel().evaluate(*design), CycleModel().evaluate(*design)
        assert simulated.compute_cycles == closed.compute_cycles
        assert simulated.cycles >= closed.cycles, f"seed {seed}"
        waits = sum(cycles for _, cycles in simulated.stalls)
        assert simulated.cycles == closed.compute_cycles + waits
        assert all(cycles >= 0 for _, cycles in simulated.stalls)
