"""Cycle-accurate simulation of a systolic array with a private SRAM per tensor.

What runs when is in ``systolic_run``, what passes the edge when in ``systolic_wave``, what the
SRAMs keep in ``sim.residency``.

Stall causes: ``fill``, waiting before the first MAC; ``offchip_<tensor>``, waiting for a load, for
partial sums that come back or for the place that results need; ``sram_<tensor>``, the array's port
needs more than a cycle for a cycle of the wavefront; ``drain``, from the last cycle of the array to
the last word written off-chip. ``gap_<tensor>`` are no waits: chunks are too short for the skew, so
that lanes are left empty while the array goes on.
"""

from __future__ import annotations

from dataclasses import replace

import simpy

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, Problem
from arraysmith.sim.cycle.offchip import FixedRate
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.systolic_addresses import Addresses, RequestLists
from arraysmith.sim.cycle.systolic_banks import BankedPorts
from arraysmith.sim.cycle.systolic_edge import Edge
from arraysmith.sim.cycle.systolic_run import CAUSES, Outcome, SystolicRun
from arraysmith.sim.cycle.systolic_streams import SystolicStreams
from arraysmith.sim.cycle.systolic_words import WordView
from arraysmith.sim.folding import LANES_AND_STEPS, Folding, SystolicMachine
from arraysmith.sim.pricing import Count, priced_report
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE, Report


def simulate_systolic(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    probe: Probe | None = None,
    parameters: CycleParameters | None = None,
) -> Report:
    """Return what a simulation of the mapped problem measured.

    Args:
        architecture: one off-chip memory, an SRAM per tensor, a systolic array.
        problem: the operator.
        mapping: output, weight or input stationary; see ``sim.folding``.
        probe: sees every off-chip request and every access of the array to the SRAMs.
        parameters: choices of the simulator; None takes the defaults.

    Raises:
        IllegalMappingError: the mapping breaks a rule.
        ArraysmithError: no systolic dataflow, an unsupported architecture, or a buffer too small
            for one step.
    """
    require_legal(architecture, problem, mapping)
    machine = SystolicMachine.of(architecture, mapping)
    folding = Folding.of(machine, problem, mapping)
    views = word_views(folding, problem)
    env = simpy.Environment()
    edge = Edge(folding, views)
    ports = BankedPorts(machine, edge, dict(zip(TENSORS, problem.stored_tensors, strict=True)))
    chosen = parameters or CycleParameters()
    addresses = Addresses.of(problem, architecture, chosen)
    requests = streams = None
    if probe is not None:
        streams = SystolicStreams(machine, ports, edge, addresses, probe, chosen.chunk_records)
    if probe is not None or machine.offchip.requests_in_flight is not None:
        requests = RequestLists(addresses, observed=probe is not None)
    channel = FixedRate(env, machine.offchip, probe)
    outcome = SystolicRun(
        env, machine, folding, problem, channel, views, edge, ports, requests, streams
    ).run()
    return _report(architecture, problem, machine, folding, outcome)


def word_views(folding: Folding, problem: Problem) -> dict[str, WordView]:
    """Return, per tensor, which word every lane of the array passes at every step."""
    views = {
        name: WordView.of(
            problem,
            tensor,
            *(folding.words_side(name, side) for side in LANES_AND_STEPS[folding.dataflow, name]),
        )
        for name, tensor in zip(TENSORS, problem.stored_tensors, strict=True)
    }
    if folding.sparsity is not None:  # folds and pieces share the block that they end in
        views[IFMAP] = replace(views[IFMAP], overlaps=True)
    return views


def _report(
    architecture: Architecture,
    problem: Problem,
    machine: SystolicMachine,
    folding: Folding,
    outcome: Outcome,
) -> Report:
    offchip = machine.offchip.name
    counts = [
        *(Count(offchip, tensor, READ, outcome.fetched[tensor], 1) for tensor in TENSORS),
        Count(offchip, OFMAP, UPDATE, outcome.written, 1),
    ]
    for tensor in TENSORS:
        name = machine.buffer(tensor).name
        counts.append(Count(name, tensor, READ, outcome.array_reads[tensor], 1))
        counts.append(Count(name, tensor, FILL, outcome.fetched[tensor], 1))
    counts += [
        Count(machine.ofmap.name, OFMAP, UPDATE, outcome.array_writes, 1),
        Count(machine.ofmap.name, OFMAP, DRAIN, outcome.written, 1),
    ]
    rows, columns = folding.used(0, 0)
    report = priced_report(
        architecture,
        problem,
        counts,
        fidelity="cycle",
        setting="default",
        compute_cycles=outcome.compute_cycles,
        stalls=tuple((cause, outcome.stalls[cause]) for cause in CAUSES if cause in outcome.stalls),
        active_pes=rows * columns,
    )
    assert report.cycles == outcome.cycles, "a stall has no name"
    assert report.cycles * report.pes >= report.macs, "faster than the MACs allow"
    assert outcome.written >= problem.ofmap.words, "results are missing"
    return report
