"""Several arrays on one chip, each with its own problem, that contend for one off-chip memory.

Every core runs as it would alone; only the channel to off-chip memory is common. It takes one
transfer after the other, in the order in which the cores ask for them (those of one cycle in the
order of the simulation): nobody waits for ever, and nobody is preferred. With a port for each
direction reads and writes have a queue each, unless some core's memory has one port or adds to sums
off-chip. A channel without limits serves everybody at once.

A core whose memory or buses are slower than the channel does not hold the others up: its words wait
on the way, and only its own next transfer waits for them. Where ``requests_in_flight`` limits the
channel, it does: the requests are issued at the pace of the near side.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from typing import Any

import simpy

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.cycle.border import BorderRequests
from arraysmith.sim.cycle.engine import SpatialRun
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.model import CycleModel, refuse_whole_words, spatial_report
from arraysmith.sim.cycle.offchip import FixedRate, Timing, Transfer
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.streams import Region, Streams, address_map
from arraysmith.sim.cycle.tree import UnsupportedDesignError
from arraysmith.sim.cycle.waiting import NoProgressError, Waits
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import Report


@dataclass(frozen=True, slots=True)
class Core:
    """One array of a chip and what it does.

    Attributes:
        name: unique on the chip.
        architecture: its tree; the off-chip memory is the one that all cores share.
        problem: what it computes.
        mapping: how; legal.
    """

    name: str
    architecture: Architecture
    problem: Problem
    mapping: Mapping


@dataclass(frozen=True, slots=True)
class CoreResult:
    """What a core cost beside the others.

    Attributes:
        name: of the core.
        report: of its run on the chip.
        alone: of the same run with nobody else on the chip.
    """

    name: str
    report: Report
    alone: Report

    @property
    def slowdown(self) -> float:
        """Cycles on the chip over cycles alone; at least 1."""
        return self.report.cycles / self.alone.cycles


@dataclass(frozen=True, slots=True)
class ChipResult:
    """What a chip cost.

    Attributes:
        cores: in their order on the chip.
        offchip_words: that crossed the shared channel, both ways.
    """

    cores: tuple[CoreResult, ...]
    offchip_words: int

    @property
    def cycles(self) -> int:
        """Cycles until the last core is through."""
        return max(core.report.cycles for core in self.cores)

    @property
    def energy_pj(self) -> float:
        """Energy of all cores; each leaks until it is through."""
        return sum(core.report.energy_pj for core in self.cores)

    @property
    def cycles_one_by_one(self) -> int:
        """Cycles if the cores ran one after the other."""
        return sum(core.alone.cycles for core in self.cores)


def simulate_cores(
    cores: Sequence[Core],
    probes: Dict[str, Probe] | None = None,
    parameters: CycleParameters | None = None,
) -> ChipResult:
    """Return what it costs to run all cores at once.

    Args:
        cores: at least one, names unique; clocks and off-chip memories equal.
        probes: by core, who observes it; off-chip addresses are those of ``core_regions``.
        parameters: choices of the simulator; None takes the defaults.

    Raises:
        IllegalMappingError: naming every rule that is broken.
        UnsupportedDesignError: a core that is a systolic array, a DRAM, unequal clocks or memories,
            or a design that the simulator refuses alone.
        NoProgressError: everybody waits; nothing is under way.
    """
    chosen, told = parameters or CycleParameters(), probes or {}
    _require_one_memory(cores)
    env = simpy.Environment()
    machines = [Machine.of(core.architecture, core.problem, core.mapping) for core in cores]
    queues = _Queues(env, cores[0].architecture.memories[0], machines)
    regions = core_regions(cores, chosen)
    runs: list[SpatialRun] = []
    first: FixedRate | None = None
    for core, machine in zip(cores, machines, strict=True):
        probe = told.get(core.name)
        bases = {name: region.base for name, region in regions[core.name].items()}
        border = BorderRequests(core.problem, machine, bases)
        streams = waits = None
        if probe is not None:
            waits = Waits(probe, machine.causes, chosen.chunk_records)
            streams = Streams(core.problem, machine, border, probe, chosen)
        rate = FixedRate(env, core.architecture.memories[0], probe, first)
        first = first or rate
        runs.append(SpatialRun(env, machine, _Channel(queues, rate), border, streams, waits))
    for run in runs:
        run.start()
    env.run()
    found = []
    model = CycleModel(None, chosen)
    for core, machine, run in zip(cores, machines, runs, strict=True):
        try:
            outcome = run.finish()
        except NoProgressError as error:
            raise NoProgressError(error.cycle, error.chain, core.name) from None
        report = spatial_report(core.architecture, core.problem, machine, outcome)
        alone = report
        if len(cores) > 1:
            alone = model.evaluate(core.architecture, core.problem, core.mapping)
        found.append(CoreResult(core.name, report, alone))
    words = sum(
        x.report.words(core.architecture.memories[0].name)
        for core, x in zip(cores, found, strict=True)
    )
    return ChipResult(tuple(found), words)


def core_regions(
    cores: Sequence[Core], parameters: CycleParameters | None = None
) -> dict[str, dict[str, Region]]:
    """Return where the tensors of each core lie off-chip: those of one core after the other's."""
    chosen = parameters or CycleParameters()
    align, offset = chosen.region_align_bytes, 0
    found: dict[str, dict[str, Region]] = {}
    for core in cores:
        own = address_map(core.problem, core.architecture, chosen)
        found[core.name] = {name: Region(offset + x.base, x.size) for name, x in own.items()}
        offset += -(-max(x.base + x.size for x in own.values()) // align) * align
    return found


def _require_one_memory(cores: Sequence[Core]) -> None:
    names = [core.name for core in cores]
    if len(set(names)) < len(names) or not names:
        raise ArraysmithError(f"cores need names of their own: {', '.join(names) or 'none'}")
    first = cores[0].architecture
    for core in cores:
        design, memory = core.architecture, core.architecture.memories[0]
        require_legal(design, core.problem, core.mapping)
        refuse_whole_words(design)
        if design.systolic is not None:
            rule = "is a systolic array: only other arrays are simulated side by side on a chip"
            raise UnsupportedDesignError(f"{core.name}: {rule}")
        if memory.dram is not None:
            rule = "its off-chip memory is a DRAM: cores share one of a fixed rate only"
            raise UnsupportedDesignError(f"{core.name}: {rule}")
        if design.clock_hz != first.clock_hz:
            rule = f"runs at {design.clock_hz:,} Hz, {cores[0].name} at {first.clock_hz:,} Hz"
            raise UnsupportedDesignError(f"{core.name}: {rule}: cores need one clock")
        theirs = first.memories[0]
        if replace(memory, name=theirs.name, holds=theirs.holds) != theirs:
            rule = f"its off-chip memory is not that of {cores[0].name}"
            raise UnsupportedDesignError(f"{core.name}: {rule}: cores share one")


class _Queues:
    """Whose turn it is on the channel.

    Attributes:
        env: the simulation.
        limited: whether only so many requests may be under way.
        free: whether nobody waits for anybody: one core, or nothing limits the channel.
        ways: queues of reads and of writes; one if the memory has one port, or if some core's
            writes read as well.
    """

    def __init__(self, env: simpy.Environment, memory: Memory, machines: Sequence[Machine]) -> None:
        inward, one = simpy.Resource(env), any(machine.one_channel for machine in machines)
        self.env = env
        self.limited = memory.requests_in_flight is not None
        rates = memory.read_words_per_cycle, memory.write_words_per_cycle
        self.free = len(machines) == 1 or (rates == (None, None) and not self.limited)
        self.ways = inward, inward if memory.ports == 1 or one else simpy.Resource(env)


class _Channel:
    """The shared channel as one core sees it: an ``OffChip``."""

    def __init__(self, queues: _Queues, rate: FixedRate) -> None:
        self._queues = queues
        self._rate = rate

    def transfer(self, transfer: Transfer) -> Generator[simpy.Event, Any, Timing]:
        """Run ``transfer`` when those before it are through: see ``OffChip``."""
        queues = self._queues
        if queues.free:
            return (yield from self._rate.transfer(transfer))
        near = 0 if queues.limited else transfer.near_cycles
        passed = transfer if queues.limited else replace(transfer, near_cycles=0)
        with queues.ways[int(transfer.outward)].request() as turn:
            yield turn
            timing = yield from self._rate.transfer(passed)
        if timing.busy >= near:
            return timing
        slow = replace(timing, busy=near)
        if slow.left > queues.env.now:
            yield queues.env.timeout(slow.left - int(queues.env.now))
        return slow

    def flush(self, cycle: int) -> int:
        """Return ``cycle``: nothing is buffered."""
        return cycle

    def use(self, cycles: int) -> None:
        """Return None: there are no banks."""
        del cycles
