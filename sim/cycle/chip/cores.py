"""Several arrays on one chip, each with its own problem, that contend for one off-chip memory.

Every core runs as it would alone, in cycles of its own clock; only what stands behind its channel
is common (``sharing``). Spatial and systolic arrays may stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

import simpy

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.chip_network import ChipNetwork, Place
from arraysmith.arch.errors import ArraysmithError, UnsupportedDesignError
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.cycle.chip.array_runs import ArrayRun, machine_of, run_of, sums_bytes
from arraysmith.sim.cycle.chip.clocks import ClockDomain, tick_hz
from arraysmith.sim.cycle.chip.links import Links, NetworkChannel
from arraysmith.sim.cycle.chip.sharing import SharedDram, SharedRate
from arraysmith.sim.cycle.model import CycleModel, refuse_whole_words
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.streams import Region, address_map
from arraysmith.sim.cycle.tracing.waiting import NoProgressError
from arraysmith.sim.dram.use import DramUse
from arraysmith.sim.probe import Probe
from arraysmith.sim.report import Report


@dataclass(frozen=True, slots=True)
class Core:
    """One array of a chip and what it does.

    Attributes:
        name: unique on the chip.
        architecture: its tree; the off-chip memory is the one that all cores share, as it is under
            this core's clock and with words of its length.
        problem: what it computes.
        mapping: how; legal.
        at: where it stands in a mesh between cores and memory.
    """

    name: str
    architecture: Architecture
    problem: Problem
    mapping: Mapping
    at: Place = (0, 0)


@dataclass(frozen=True, slots=True)
class CoreResult:
    """What a core cost beside the others; cycles are its own.

    Attributes:
        name: of the core.
        report: of its run on the chip. The energy of a DRAM is not in it: it is the chip's.
        alone: of the same run with nobody else on the chip.
        offchip_bytes: that it moved over the border: of a memory of fixed rate those of its words,
            of a DRAM those that its requests ask for.
    """

    name: str
    report: Report
    alone: Report
    offchip_bytes: int

    @property
    def slowdown(self) -> float:
        """Cycles on the chip over cycles alone; at least 1, but for what a DRAM reorders."""
        return self.report.cycles / self.alone.cycles


@dataclass(frozen=True, slots=True)
class LinkUse:
    """What passed a link between cores and memory.

    Attributes:
        name: ``bus``, or ``(column,row)->(column,row)``.
        bits: that passed.
        busy: part of the time of the chip for which they took it, 0 to 1.
    """

    name: str
    bits: int
    busy: float


@dataclass(frozen=True, slots=True)
class ChipResult:
    """What a chip cost.

    Attributes:
        cores: in their order on the chip.
        offchip_words: that crossed the shared channel, both ways, of whatever length.
        dram: what a DRAM did for all cores together; None if there is none.
        links: of the network between cores and memory; none without.
    """

    cores: tuple[CoreResult, ...]
    offchip_words: int
    dram: DramUse | None = None
    links: tuple[LinkUse, ...] = ()

    @property
    def clock_hz(self) -> int:
        """The fastest of the clocks: the one whose cycles count for the chip."""
        return max(core.report.clock_hz for core in self.cores)

    @property
    def cycles(self) -> int:
        """Cycles of ``clock_hz`` until the last core is through."""
        return max(ceil(self._cycles(core.report)) for core in self.cores)

    @property
    def offchip_bytes(self) -> int:
        """Bytes of all cores over the border."""
        return sum(core.offchip_bytes for core in self.cores)

    @property
    def energy_pj(self) -> float:
        """Energy of all cores, each of which leaks until it is through, and of the DRAM."""
        shared = 0.0 if self.dram is None else self.dram.total_energy_pj
        return sum(core.report.energy_pj for core in self.cores) + shared

    @property
    def cycles_one_by_one(self) -> int:
        """Cycles of ``clock_hz`` if the cores ran one after the other."""
        return ceil(sum(self._cycles(core.alone) for core in self.cores))

    def _cycles(self, report: Report) -> Fraction:
        return Fraction(report.cycles * self.clock_hz, report.clock_hz)


def simulate_cores(
    cores: Sequence[Core],
    probes: Dict[str, Probe] | None = None,
    parameters: CycleParameters | None = None,
    network: ChipNetwork | None = None,
) -> ChipResult:
    """Return what it costs to run all cores at once.

    Args:
        cores: at least one, names unique; off-chip memories the same in bytes per second.
        probes: by core, who observes it, in cycles of the core; off-chip addresses are those of
            ``core_regions``.
        parameters: choices of the simulator; None takes the defaults.
        network: between cores and memory; None: every core has a way of its own, of any width.

    Raises:
        IllegalMappingError: naming every rule that is broken.
        UnsupportedDesignError: memories that are not one, or a design that the simulator refuses
            alone.
        NoProgressError: everybody waits; nothing is under way.
    """
    chosen, told = parameters or CycleParameters(), probes or {}
    _require_one_memory(cores)
    if network is not None:
        _require_places(cores, network)
    env = simpy.Environment()
    hz = tick_hz([core.architecture.clock_hz for core in cores])
    memory, regions = cores[0].architecture.memories[0], core_regions(cores, chosen)
    machines = [machine_of(x.architecture, x.problem, x.mapping, network) for x in cores]
    links = None if network is None else Links(network, hz)
    shared: SharedRate | SharedDram
    if memory.dram is None:
        shared = SharedRate(env, memory, machines)
    else:
        shared = SharedDram(env, memory, hz, len(cores))
    runs: list[ArrayRun] = []
    for core, machine in zip(cores, machines, strict=True):
        ticks = hz // core.architecture.clock_hz
        domain = env if ticks == 1 else ClockDomain(env, ticks)
        probe, base = told.get(core.name), {x: y.base for x, y in regions[core.name].items()}
        channel = shared.join(domain, core.architecture, probe)
        if links is not None:
            # A rate counts words of the memory, a DRAM the bytes that the tensors have.
            bits = {
                x.name: x.word_bits if memory.dram else core.architecture.memories[0].word_bits
                for x in core.problem.stored_tensors
            }
            channel = NetworkChannel(domain, links, core.at, bits, channel)
        design = core.architecture, core.problem, core.mapping
        runs.append(run_of(domain, design, machine, channel, base, probe, chosen, network))
        shared.watch(domain, runs[-1])
    for run in runs:
        run.start()
    env.run()
    found, end = [], 0
    for core, run in zip(cores, runs, strict=True):
        architecture = core.architecture
        try:
            report = run.finish()
        except NoProgressError as error:
            raise NoProgressError(error.cycle, error.chain, core.name) from None
        end = max(end, report.cycles * (hz // architecture.clock_hz))
        if memory.dram is not None:
            report = _without_energy(report, architecture.memories[0].name)
        alone = report
        if network is not None and len(cores) > 1:
            one = simulate_cores([core], None, chosen, network)
            alone = one.cores[0].report.with_dram(one.dram)
        elif network is None and (len(cores) > 1 or memory.dram is not None):
            model = CycleModel(None, chosen)
            alone = model.evaluate(architecture, core.problem, core.mapping)
        found.append((core, report, alone))
    words = sum(report.words(core.architecture.memories[0].name) for core, report, _ in found)
    moved = shared.bytes_moved([report for _, report, _ in found])
    return ChipResult(
        tuple(
            CoreResult(core.name, report, alone, count)
            for (core, report, alone), count in zip(found, moved, strict=True)
        ),
        words,
        shared.use(end),
        () if links is None else _links_used(links, end),
    )


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
        if core.architecture.systolic is not None:
            offset += sums_bytes(core.architecture, core.problem, core.mapping, chosen)
    return found


def _require_one_memory(cores: Sequence[Core]) -> None:
    names = [core.name for core in cores]
    if len(set(names)) < len(names) or not names:
        raise ArraysmithError(f"cores need names of their own: {', '.join(names) or 'none'}")
    first = cores[0].architecture
    for core in cores:
        design = core.architecture
        require_legal(design, core.problem, core.mapping)
        refuse_whole_words(design)
        if not _same_memory(first, design):
            rule = f"its off-chip memory is not that of {cores[0].name}"
            raise UnsupportedDesignError(f"{core.name}: {rule}: cores share one")


def _links_used(links: Links, ticks: int) -> tuple[LinkUse, ...]:
    return tuple(
        LinkUse(name, bits, links.busy_ticks[name] / ticks) for name, bits in links.bits.items()
    )


def _without_energy(report: Report, memory: str) -> Report:
    """Return a Report in which accesses to a memory cost nothing."""
    accesses = tuple(replace(x, energy_pj=0.0) if x.level == memory else x for x in report.accesses)
    return replace(report, accesses=accesses)


def _require_places(cores: Sequence[Core], network: ChipNetwork) -> None:
    places = [core.at for core in cores]
    for i, core in enumerate(cores):
        if network.is_bus:
            return
        if not network.has(core.at):
            raise ArraysmithError(f"{core.name}: {core.at} is no router of the mesh")
        if core.at in places[:i]:
            raise ArraysmithError(f"{core.name}: another core stands at {core.at}")


def _same_memory(one: Architecture, other: Architecture) -> bool:
    """Return whether the off-chip memories are one, seen with other clocks and words."""
    a, b = one.memories[0], other.memories[0]
    seen = {
        "name": "",
        "word_bits": 1,
        "read_words_per_cycle": None,
        "write_words_per_cycle": None,
        "latency_cycles": 0,
    }
    if replace(a, holds=b.holds, **seen) != replace(b, **seen):  # type: ignore[arg-type]
        return False
    fast, slow = max(one.clock_hz, other.clock_hz), min(one.clock_hz, other.clock_hz)
    if fast == slow and a.latency_cycles != b.latency_cycles:
        return False
    # A latency is whole cycles of each.
    apart = abs(a.latency_cycles * other.clock_hz - b.latency_cycles * one.clock_hz)
    return apart < fast and all(
        _bits_per_s(x, a, one) == _bits_per_s(y, b, other)
        for x, y in (
            (a.read_words_per_cycle, b.read_words_per_cycle),
            (a.write_words_per_cycle, b.write_words_per_cycle),
        )
    )


def _bits_per_s(rate: Fraction | None, memory: Memory, design: Architecture) -> Fraction | None:
    return None if rate is None else Fraction(rate) * memory.word_bits * design.clock_hz
