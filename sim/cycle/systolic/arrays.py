"""Cycle-accurate simulation of a systolic array with an SRAM for every tensor.

What runs when is in ``run``, what passes the edge when in ``wave``, what the
SRAMs keep in ``sim.residency``.

Stall causes: ``fill``, waiting before the first MAC; ``offchip_<tensor>``, waiting for a load, for
partial sums that come back or for the place that results need; ``sram_<tensor>``, the array's port
carries fewer words than a cycle of the wavefront asks for; ``bank_<tensor>``, what lines that lie
in one bank cost beyond that; ``drain``, from the last cycle of the array to the last word written
off-chip. ``gap_<tensor>`` are no waits: chunks are too short for the skew, so
that lanes are left empty while the array goes on.

Arrays that share their SRAMs run as one wide array. Of several with SRAMs of their own the one that
is through last has the cycles of the Report and their causes; waiting for the channel while it
serves others counts as waiting for off-chip memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import simpy

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import IFMAP, TENSORS, Problem
from arraysmith.sim.arrays import arrays_of
from arraysmith.sim.cycle.offchip.channel import offchip_channel
from arraysmith.sim.cycle.offchip.protocol import OffChip
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.systolic.addresses import Addresses, RequestLists
from arraysmith.sim.cycle.systolic.banks import BankedPorts
from arraysmith.sim.cycle.systolic.dma import Process, SharedChannel
from arraysmith.sim.cycle.systolic.edge import Edge
from arraysmith.sim.cycle.systolic.run import CAUSES, Outcome, SystolicRun
from arraysmith.sim.cycle.systolic.streams import SystolicStreams
from arraysmith.sim.cycle.systolic.sums import Adders
from arraysmith.sim.cycle.systolic.words import WordView
from arraysmith.sim.dram.use import chain_links
from arraysmith.sim.folding import LANES_AND_STEPS, Folding
from arraysmith.sim.operand_words import Moves, OperandWords, counts_of, offchip_moves
from arraysmith.sim.pricing import priced_report
from arraysmith.sim.probe import OneOfMany, Probe
from arraysmith.sim.report import Report
from arraysmith.sim.systolic_machine import SystolicMachine
from arraysmith.sim.systolic_wires import systolic_traffic

MOST_PORTS = 1 << 16
"""Ports that a probe can tell apart: see ``sim.probe``."""


def simulate_systolic(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    probe: Probe | None = None,
    parameters: CycleParameters | None = None,
) -> Report:
    """Return what a simulation of the mapped problem measured.

    Args:
        architecture: one off-chip memory, an SRAM per tensor, a systolic array; or several such
            arrays side by side, each with its SRAMs, that share the off-chip memory; or several
            arrays that share the SRAMs and run in lockstep.
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
    env = simpy.Environment()
    channel = offchip_channel(env, architecture, probe)
    run = SystolicArrays(env, architecture, problem, mapping, channel, probe, parameters)
    run.start()
    env.run()
    report = run.finish()
    return report.with_dram(channel.use(report.cycles))


class SystolicArrays:
    """One design's array, or all of several side by side, in a simulation.

    Build it, ``start`` it, run the environment, ``finish`` it.
    """

    def __init__(
        self,
        env: simpy.Environment,
        architecture: Architecture,
        problem: Problem,
        mapping: Mapping,
        channel: OffChip,
        probe: Probe | None,
        parameters: CycleParameters | None = None,
        base: int = 0,
        links: tuple[str, ...] = (),
    ) -> None:
        """Set up all parts; arguments and errors as of ``simulate_systolic``.

        Args:
            env: simulated time, in cycles of the design.
            architecture: the design.
            problem: the operator.
            mapping: a legal one.
            channel: to the off-chip memory.
            probe: None: nobody observes.
            parameters: None takes the defaults.
            base: byte address from which on the tensors lie off-chip.
            links: of a network before the memory, as chains of waiting name them.
        """
        self._design = architecture, problem
        self.machine = machine = SystolicMachine.of(architecture, mapping, problem)
        whole = Folding.of(machine, problem, mapping)
        parts = arrays_of(whole, machine.mesh)
        for tensor in TENSORS if probe is not None else ():
            if (number := whole.ports(tensor)) > MOST_PORTS:
                raise ArraysmithError(
                    f"{architecture.name}: {number:,} ports of {tensor}: a trace numbers "
                    f"{MOST_PORTS:,}"
                )
        chosen = parameters or CycleParameters()
        self._channel = channel
        if len(parts) > 1 and machine.offchip.dram is None:
            channel = SharedChannel(env, channel, one_port=machine.offchip.ports == 1)
        words = OperandWords.of(problem, machine.ofmap)
        adders: dict[tuple[object, ...], Adders] = {}
        self._foldings = [folding for _, folding in parts]
        self._runs: list[SystolicRun] = []
        self._told: list[OneOfMany | None] = []
        for part, folding in parts:
            group = None
            if folding.keeper[1] > 1:
                group = adders.setdefault(
                    folding.outputs, Adders(env, 0, words.partial_sum, words.ofmap)
                )
                group.arrays += 1
            addresses = Addresses.of(
                problem, architecture, chosen, words.partial_sum, folding.keeper, base
            )
            views = word_views(folding, problem)
            edge = Edge(folding, views)
            tensors = dict(zip(TENSORS, problem.stored_tensors, strict=True))
            ports = BankedPorts(machine, edge, tensors)
            requests = streams = None
            told = None if probe is None or part is None else OneOfMany(probe)
            self._told.append(told)
            if probe is not None:
                streams = SystolicStreams(
                    machine,
                    ports,
                    edge,
                    addresses,
                    told or probe,
                    chosen.chunk_records,
                    "" if part is None else part.name,
                )
            if probe is not None or machine.offchip.requests_in_flight is not None:
                exact = probe is not None or machine.offchip.dram is not None
                requests = RequestLists(addresses, observed=exact)
            self._runs.append(
                SystolicRun(
                    env, machine, folding, problem, channel, views, edge, ports, requests, streams,
                    None if group is None else (group, folding.keeper[0]),
                    (*chain_links(machine.offchip), *links),
                )
            )  # fmt: skip

    def start(self) -> None:
        """Set the arrays off; they run with the environment."""
        for run in self._runs:
            run.start()

    def ended(self) -> Process:
        """Wait until all arrays are through and their last results have left."""
        for run in self._runs:
            yield from run.ended()

    @property
    def through(self) -> int:
        """Cycle in which all arrays and transfers are through, when they have ended."""
        return max(run.through for run in self._runs)

    def finish(self) -> Report:
        """Return what happened, when the environment has run.

        Raises:
            NoProgressError: somebody still waits.
        """
        runs, (architecture, problem) = self._runs, self._design
        last = max(range(len(runs)), key=lambda i: runs[i].through)
        flushed = self._channel.flush(self.through)
        outcomes = [run.finish(flushed if run is runs[last] else 0) for run in runs]
        if (of_last := self._told[last]) is not None:
            of_last.release()
        return _report(
            architecture, problem, self.machine, self._foldings, outcomes, outcomes[last]
        )


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
    foldings: Sequence[Folding],
    outcomes: Sequence[Outcome],
    last: Outcome,
) -> Report:
    moves = sum((outcome.moves for outcome in outcomes), Moves())
    border = offchip_moves(problem, OperandWords.of(problem, machine.ofmap), moves)
    report = priced_report(
        architecture,
        problem,
        counts_of(architecture, machine.buffers, border, moves, len(outcomes)),
        fidelity="cycle",
        setting="default",
        compute_cycles=last.compute_cycles,
        stalls=tuple((cause, last.stalls[cause]) for cause in CAUSES if cause in last.stalls),
        active_pes=sum(folding.active_pes for folding in foldings),
        traffic=systolic_traffic(architecture, foldings),
    )
    assert report.cycles == last.cycles, "a stall has no name"
    assert report.cycles * report.pes >= report.macs, "faster than the MACs allow"
    assert moves.complete >= problem.ofmap.words, "results are missing"
    return report
