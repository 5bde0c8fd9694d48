"""The cycle-accurate model: simulate, count, price, report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import simpy

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import TENSORS, Problem, Tensor
from arraysmith.sim.cycle.array import columns
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.engine import Outcome, SpatialRun
from arraysmith.sim.cycle.nest.tree import O
from arraysmith.sim.cycle.offchip.border import BorderRequests
from arraysmith.sim.cycle.offchip.channel import offchip_channel
from arraysmith.sim.cycle.offchip.protocol import FixedRate
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.streams import Streams, address_map
from arraysmith.sim.cycle.tracing.waiting import Waits
from arraysmith.sim.pricing import Count, priced_report
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import DRAIN, FILL, FORWARD, READ, UPDATE, Report, Traffic


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
            IllegalMappingError: naming every rule that is broken.
            UnsupportedDesignError: a design that the simulator has no machine for.
            NoProgressError: everybody waits; nothing is under way.
        """
        require_legal(architecture, problem, mapping)
        refuse_whole_words(architecture)
        if architecture.systolic:
            # Imported when needed: most runs simulate one kind of array only.
            from arraysmith.sim.cycle.systolic.arrays import simulate_systolic

            return simulate_systolic(architecture, problem, mapping, self.probe, self.parameters)
        machine = Machine.of(architecture, problem, mapping)
        env = simpy.Environment()
        regions = address_map(problem, architecture, self.parameters)
        border = BorderRequests(problem, machine, {name: x.base for name, x in regions.items()})
        streams = waits = None
        if self.probe is not None:
            waits = Waits(self.probe, machine.causes, self.parameters.chunk_records)
            streams = Streams(problem, machine, border, self.probe, self.parameters)
        channel = offchip_channel(env, architecture, self.probe)
        skip = (
            self.parameters.skip
            and self.probe is None
            and type(channel) is FixedRate
            and architecture.memories[0].requests_in_flight is None
        )
        recall = self.parameters.recall if self.probe is None else 0
        run = SpatialRun(env, machine, channel, border, streams, waits, skip=skip, recall=recall)
        outcome = run.run()
        report = spatial_report(architecture, problem, machine, outcome)
        return report.with_dram(channel.use(outcome.cycles))


def refuse_whole_words(architecture: Architecture) -> None:
    """Raise UnsupportedDesignError where whole accesses are asked for and not simulated."""
    whole = [
        memory.name
        for memory in architecture.memories
        if memory.whole_words and (architecture.systolic or memory.depth is None)
    ]
    if whole:
        raise UnsupportedDesignError(f"whole_words of {', '.join(whole)} is not simulated")


def spatial_report(
    architecture: Architecture, problem: Problem, machine: Machine, outcome: Outcome
) -> Report:
    """Return the Report of a run of a spatial design."""
    compute, active = machine.compute_cycles, machine.tree.instances
    stalls = tuple(
        (name, int(cycles)) for name, cycles in zip(machine.causes, outcome.stalls, strict=True)
    )
    assert compute + sum(cycles for _, cycles in stalls) == outcome.cycles, "unexplained cycles"
    assert compute * active >= problem.macs, "work is not covered"
    report = priced_report(
        architecture,
        problem,
        _counts(problem, machine, outcome),
        fidelity="cycle",
        setting="default",
        compute_cycles=compute,
        stalls=tuple((name, cycles) for name, cycles in stalls if cycles),
        active_pes=active,
        traffic=_traffic(machine, outcome),
    )
    return replace(report, networks=machine.crossings.loads(machine.tree, outcome.patterns))


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
    tree = machine.tree
    found: dict[tuple[int, int, str], int] = {}

    def add(level: int, tensor: int, direction: str, moved: int) -> None:
        key = level, tensor, direction
        found[key] = found.get(key, 0) + int(moved)

    for edge, words in zip(tree.edges, outcome.words, strict=True):
        t, parent, child = edge.tensor, edge.parent, edge.child
        add(parent, t, READ, words[columns.DOWN_WORDS])
        if not edge.at_macs:
            add(child, t, FILL, words[columns.FILL_WORDS])
        if t != O:
            add(child, t, DRAIN, words[columns.DRAIN_WORDS])  # to neighbours
            continue
        # All but the first of the sums that meet in a word are added to what is read of it.
        add(parent, t, READ, words[columns.UP_WORDS] - words[columns.TILE_WORDS])
        add(parent, t, UPDATE, words[columns.UP_WORDS])
        if not edge.at_macs:
            add(child, t, DRAIN, words[columns.DRAIN_WORDS])
    for t, edge in {x.tensor: x for x in tree.edges}.items():
        if edge.at_macs:
            continue
        words = outcome.words[tree.edges.index(edge)]
        if t != O:
            add(edge.child, t, READ, multiplied_words(problem, problem.tensors[t]))
            continue
        from_zero = words[columns.DRAIN_WORDS] - words[columns.FILL_WORDS]
        add(edge.child, t, READ, problem.macs - from_zero)
        add(edge.child, t, UPDATE, problem.macs)
    return [
        Count(
            tree.memory(level).name,
            TENSORS[t],
            direction,
            found[level, t, direction],
            tree.copies(level),
        )
        for level in range(len(tree.architecture.levels))
        for t in range(3)
        for direction in (READ, FILL, UPDATE, DRAIN)
        if found.get((level, t, direction))
    ]


def _traffic(machine: Machine, outcome: Outcome) -> tuple[Traffic, ...]:
    """Return what entered every fan-out's network and what came out of it."""
    tree = machine.tree
    parts = []
    for level, fanout in enumerate(tree.architecture.levels):
        for edge, words in zip(tree.edges, outcome.words, strict=True):
            if level not in edge.fanouts:
                continue
            name, (down, took) = TENSORS[edge.tensor], words[: columns.FILL_WORDS + 1].tolist()
            if edge.tensor == O:
                up, sent = int(words[columns.UP_WORDS]), int(words[columns.DRAIN_WORDS])
                hops = machine.crossings.hops(tree, outcome.patterns, O, level, up=True)
                parts.append(Traffic(fanout.name, name, "reduction", up, max(up, sent), hops))
            elif level == edge.fanouts[-1] and (passed := int(words[columns.DRAIN_WORDS])):
                parts.append(Traffic(fanout.name, name, FORWARD, passed, passed))
            took -= 0 if edge.tensor == O else int(words[columns.DRAIN_WORDS])
            if down:
                kind = "multicast" if took > down else "unicast"
                hops = machine.crossings.hops(tree, outcome.patterns, edge.tensor, level, up=False)
                parts.append(Traffic(fanout.name, name, kind, down, took, hops))
    return tuple(parts)
