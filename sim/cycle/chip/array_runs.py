"""One array in a simulation, whatever its kind: set off, awaited, asked for its Report."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, Protocol

import simpy

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.chip_network import ChipNetwork
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.chip.links import link_cause
from arraysmith.sim.cycle.engine import SpatialRun
from arraysmith.sim.cycle.model import spatial_report
from arraysmith.sim.cycle.offchip.border import BorderRequests
from arraysmith.sim.cycle.offchip.protocol import OffChip
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.streams import Streams
from arraysmith.sim.cycle.tracing.waiting import Waits
from arraysmith.sim.operand_words import OperandWords
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import Report
from arraysmith.sim.systolic_machine import SystolicMachine

Design = tuple[Architecture, Problem, Mapping]


class ArrayRun(Protocol):
    """One array, or those of one design, in a simulation."""

    def start(self) -> None:
        """Set it off; it runs with the environment."""
        ...

    def ended(self) -> Generator[simpy.Event, Any, Any]:
        """Wait until arrays and channels have nothing more to do."""
        ...

    @property
    def through(self) -> int:
        """Cycle in which it is through, but for buffered writes, once it has ended."""
        ...

    def finish(self) -> Report:
        """Return what happened, when the environment has run.

        Raises:
            NoProgressError: somebody still waits.
        """
        ...


class SpatialArray:
    """A spatial design in a simulation: an ``ArrayRun``."""

    def __init__(
        self,
        env: simpy.Environment,
        design: Design,
        machine: Machine,
        channel: OffChip,
        base: dict[str, int],
        probe: Probe | None,
        parameters: CycleParameters,
    ) -> None:
        """Set it up; see ``run_of``."""
        self._design, self._machine = design, machine
        border = BorderRequests(design[1], machine, base)
        streams = waits = None
        if probe is not None:
            waits = Waits(probe, machine.causes, parameters.chunk_records)
            streams = Streams(design[1], machine, border, probe, parameters)
        recall = parameters.recall if probe is None else 0
        self._run = SpatialRun(env, machine, channel, border, streams, waits, recall=recall)
        self.start = self._run.start
        self.ended = self._run.ended

    @property
    def through(self) -> int:
        """Cycle in which the last word is written, but for buffers."""
        return self._run.through

    def finish(self) -> Report:
        """Return what happened: see ``ArrayRun``."""
        architecture, problem, _ = self._design
        return spatial_report(architecture, problem, self._machine, self._run.finish())


def machine_of(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    network: ChipNetwork | None = None,
) -> Machine | SystolicMachine:
    """Return the machine of a legal mapping; refuses what the simulators refuse.

    Links of ``network``, between it and its off-chip memory, may stand in its chains of waiting.
    """
    if architecture.systolic is not None:
        return SystolicMachine.of(architecture, mapping, problem)
    machine = Machine.of(architecture, problem, mapping)
    if network is None:
        return machine
    *causes, end = machine.causes
    return replace(machine, causes=(*causes, *(link_cause(x) for x in network.links), end))


def run_of(
    env: simpy.Environment,
    design: Design,
    machine: Machine | SystolicMachine,
    channel: OffChip,
    base: dict[str, int],
    probe: Probe | None,
    parameters: CycleParameters,
    network: ChipNetwork | None = None,
) -> ArrayRun:
    """Return a design that is set up in a simulation.

    Args:
        env: simulated time, in cycles of the design.
        design: architecture, problem and mapping.
        machine: of the three, see ``machine_of``.
        channel: to the off-chip memory.
        base: byte address of each tensor there.
        probe: None: nobody observes.
        parameters: choices of the simulator.
        network: between it and the memory, see ``machine_of``.
    """
    if isinstance(machine, Machine):
        return SpatialArray(env, design, machine, channel, base, probe, parameters)
    # Imported when needed: most runs simulate one kind of array only.
    from arraysmith.sim.cycle.systolic.arrays import SystolicArrays

    links = () if network is None else tuple(link_cause(link) for link in network.links)
    return SystolicArrays(env, *design, channel, probe, parameters, min(base.values()), links)


def sums_bytes(
    architecture: Architecture, problem: Problem, mapping: Mapping, parameters: CycleParameters
) -> int:
    """Return the bytes that sums of a systolic design take off-chip, behind its tensors."""
    from arraysmith.sim.cycle.systolic.addresses import Addresses

    machine = SystolicMachine.of(architecture, mapping, problem)
    arrays = 1 if machine.mesh is None else machine.mesh.instances
    sum_bits = OperandWords.of(problem, machine.ofmap).partial_sum
    return Addresses.sums_bytes(problem, sum_bits, parameters, arrays)
