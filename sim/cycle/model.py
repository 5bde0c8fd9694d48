"""The cycle-accurate model: simulate, count, price, report."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import simpy

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.legality import require_division, require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import TENSORS, Problem, Tensor
from arraysmith.sim.cycle import spatial
from arraysmith.sim.cycle.border import BorderRequests
from arraysmith.sim.cycle.engine import Outcome, SpatialRun
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.nest import I, O, UnsupportedDesignError, W
from arraysmith.sim.cycle.offchip import FixedRate
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.streams import Streams, address_map
from arraysmith.sim.pricing import Count, priced_report
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE, Report, Traffic


@dataclass(frozen=True, slots=True)
class CycleModel:
    """Simulates a mapped problem cycle by cycle.

    Attributes:
        probe: told of every request; None to build none.
        parameters: choices of the machine around the design.

    Stall causes are documented in the README of this folder; they and the computing add up to the
    cycles exactly.
    """

    probe: Probe | None = None
    parameters: CycleParameters = field(default_factory=CycleParameters)

    def evaluate(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> Report:
        """Return the measured cost.

        Raises:
            IllegalMappingError: naming every rule that is broken; ``division`` is one here.
            UnsupportedDesignError: a design that the simulator has no machine for.
        """
        require_legal(architecture, problem, mapping)
        whole = [memory.name for memory in architecture.memories if memory.whole_words]
        if whole:
            raise UnsupportedDesignError(f"whole_words of {', '.join(whole)} is not simulated")
        if architecture.systolic:
            # Imported when needed: most runs simulate one kind of array only.
            from arraysmith.sim.cycle.systolic import simulate_systolic

            return simulate_systolic(architecture, problem, mapping, self.probe, self.parameters)
        require_division(architecture, problem, mapping)
        machine = Machine.of(architecture, problem, mapping)
        env = simpy.Environment()
        regions = address_map(problem, architecture, self.parameters)
        border = BorderRequests(problem, machine, {name: x.base for name, x in regions.items()})
        streams = None
        if self.probe is not None:
            streams = Streams(problem, machine, border, self.probe, self.parameters)
        channel = FixedRate(env, machine.chain.offchip, self.probe)
        outcome = SpatialRun(env, machine, channel, border, streams).run()
        return _report(architecture, problem, machine, outcome)


def _report(
    architecture: Architecture, problem: Problem, machine: Machine, outcome: Outcome
) -> Report:
    nest = machine.nest
    compute = nest.phases * nest.steps_per_phase * nest.macs_per_step
    stalls = tuple(
        (name, int(cycles)) for name, cycles in zip(spatial.CAUSES, outcome.stalls, strict=True)
    )
    assert compute + sum(cycles for _, cycles in stalls) == outcome.cycles, "unexplained cycles"
    assert compute * nest.instances == problem.macs, "work is not covered"
    return priced_report(
        architecture,
        problem,
        _counts(problem, machine, outcome),
        fidelity="cycle",
        setting="default",
        compute_cycles=compute,
        stalls=tuple((name, cycles) for name, cycles in stalls if cycles),
        active_pes=nest.instances,
        traffic=_traffic(machine, outcome),
    )


def multiplied_words(problem: Problem, tensor: Tensor) -> int:
    """Return how many MACs take a stored word of ``tensor``, not padding."""
    found = problem.macs
    for axis in tensor.axes:
        index = np.full(1, axis.offset)
        for dim, coefficient in axis.terms:
            index = np.add.outer(index, coefficient * np.arange(problem.size[dim]))
        inside = int(np.count_nonzero((index >= 0) & (index < axis.extent)))
        found = found // index.size * inside
    return found


def _counts(problem: Problem, machine: Machine, outcome: Outcome) -> list[Count]:
    chain, nest, words = machine.chain, machine.nest, outcome.array_words
    counts: list[Count] = []

    def add(level: str, tensor: int, direction: str, moved: int, instances: int = 1) -> None:
        counts.append(Count(level, TENSORS[tensor], direction, int(moved), instances))

    for t in (I, W, O):
        came = int(outcome.border_words[t])
        add(chain.offchip.name, t, READ, came + (outcome.result_reads if t == O else 0))
    add(chain.offchip.name, O, UPDATE, outcome.result_words)
    if chain.shared is not None:
        name = chain.shared.name
        for t in (I, W, O):
            if chain.in_shared[t]:
                again = words[spatial.AGAIN_WORDS] if t == O else 0
                add(name, t, READ, words[spatial.READ_WORDS + t] + again)
                add(name, t, FILL, outcome.border_fills[t])
        if chain.in_shared[O]:
            add(name, O, UPDATE, words[spatial.UPDATE_WORDS])
            add(name, O, DRAIN, outcome.result_drains)
    fills, drains = _scratchpad_moves(machine, outcome)
    for t in (I, W, O):
        spad = chain.spads[t]
        if spad is None:
            continue
        many = nest.instances
        add(spad.name, t, FILL, fills[t], many)
        if t != O:
            add(spad.name, t, READ, multiplied_words(problem, problem.tensors[t]), many)
            continue
        from_zero = drains - fills[t]
        add(spad.name, t, READ, problem.macs - from_zero, many)
        add(spad.name, t, UPDATE, problem.macs, many)
        add(spad.name, t, DRAIN, drains, many)
    return counts


def _scratchpad_moves(machine: Machine, outcome: Outcome) -> tuple[tuple[int, ...], int]:
    """Return (words that all PEs took, per tensor; words that they sent up)."""
    chain = machine.chain
    fills = tuple(
        int(
            outcome.array_words[spatial.FILL_WORDS + t]
            if chain.in_shared[t]
            else outcome.border_fills[t]
        )
        for t in range(3)
    )
    sent = outcome.array_words[spatial.DRAIN_WORDS] if chain.in_shared[O] else outcome.result_drains
    return fills, int(sent)


def _traffic(machine: Machine, outcome: Outcome) -> tuple[Traffic, ...]:
    """Return what entered the array's network and what came out of it."""
    chain, words = machine.chain, outcome.array_words
    fills, sent = _scratchpad_moves(machine, outcome)
    parts = []
    for t in range(3):
        down = int(words[spatial.READ_WORDS + t] if chain.in_shared[t] else outcome.border_words[t])
        if t == O:
            up = words[spatial.UPDATE_WORDS] if chain.in_shared[O] else outcome.result_words
            parts.append(Traffic(chain.fanout.name, TENSORS[t], "reduction", int(up), sent))
        if down:
            kind = "multicast" if fills[t] > down else "unicast"
            parts.append(Traffic(chain.fanout.name, TENSORS[t], kind, down, fills[t]))
    return tuple(parts)
