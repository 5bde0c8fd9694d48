"""From counts to energy and area: the one place where both models price what they counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from arraysmith.arch.architecture import LEAKS_ALL, Architecture, Memory
from arraysmith.arch.problem import Problem
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.estimate import device_of, mac_cost, memory_cost
from arraysmith.sim.report import DRAIN, READ, Access, Component, Report, Traffic
from arraysmith.sim.wires import priced_traffic


@dataclass(frozen=True, slots=True)
class Count:
    """Words of one tensor moved at one memory in one direction, over all instances that take part.

    Attributes:
        level: memory name.
        tensor: tensor name.
        direction: see ``sim.report``.
        words: words over all instances.
        instances: instances that share them; each rounds its accesses up by itself.
        word_bits: bits of a word, when words are packed bit by bit whatever the memory's word is;
            None if every word takes one of the memory's.
    """

    level: str
    tensor: str
    direction: str
    words: int
    instances: int
    word_bits: int | None = None


@dataclass(frozen=True)
class PriceList:
    """Cost of every component of one architecture.

    Attributes:
        memories: cost of one instance of each memory, by name.
        mac: cost of one MAC unit.
    """

    memories: dict[str, ComponentCost]
    mac: ComponentCost

    @classmethod
    def of(cls, architecture: Architecture) -> PriceList:
        """Return the price list from the architecture's technology and stated energies.

        Leakage of what the architecture does not let leak (``leakage``) is 0 here.
        """
        memories = {x.name: memory_cost(x, architecture.technology) for x in architecture.memories}
        mac = mac_cost(architecture.compute, architecture.technology)
        if architecture.leakage != LEAKS_ALL:
            mac = replace(mac, leakage_mw=0.0)
            for memory in architecture.memories:
                if device_of(memory.device).logic:
                    memories[memory.name] = replace(memories[memory.name], leakage_mw=0.0)
        return cls(memories, mac)


def accesses_of(words: int, instances: int, words_per_access: int) -> int:
    """Return the accesses that move ``words`` spread evenly over ``instances``.

    Every instance moves whole accesses: instances x ceil(words / instances / words per access).
    """
    if words == 0:
        return 0
    return instances * -(-words // (instances * words_per_access))


def price(
    architecture: Architecture, prices: PriceList, counts: Iterable[Count]
) -> tuple[Access, ...]:
    """Return the counts with the accesses and the energy they take; empty counts are left out.

    Reads and drains cost a read; fills and updates cost a write. Counts of one memory, tensor and
    direction (words of different width) become one row.
    """
    rows: dict[tuple[str, str, str], tuple[int, int]] = {}
    for count in counts:
        if count.words == 0:
            continue
        memory = architecture.level(count.level)
        assert isinstance(memory, Memory)
        if count.word_bits is None:
            accesses = accesses_of(count.words, count.instances, memory.words_per_access)
        else:
            accesses = accesses_of(
                count.words * count.word_bits, count.instances, memory.width_bits
            )
        key = (count.level, count.tensor, count.direction)
        words, before = rows.get(key, (0, 0))
        rows[key] = words + count.words, before + accesses
    priced = []
    for (level, tensor, direction), (words, accesses) in rows.items():
        cost = prices.memories[level]
        each_pj = cost.read_pj if direction in (READ, DRAIN) else cost.write_pj
        energy_pj = accesses * each_pj
        priced.append(Access(level, tensor, direction, words, accesses, energy_pj))
    return tuple(priced)


def leakage_pj(
    architecture: Architecture, prices: PriceList, cycles: int
) -> tuple[tuple[str, float], ...]:
    """Return (component, picojoules) of what leaks over ``cycles``: mW x seconds = 10^9 pJ."""
    parts = [
        (name, cost.leakage_mw * architecture.instances(name))
        for name, cost in prices.memories.items()
    ]
    parts.append((architecture.compute.name, prices.mac.leakage_mw * architecture.pes))
    seconds = cycles / architecture.clock_hz
    return tuple((name, mw * seconds * 1e9) for name, mw in parts if mw)


def components(architecture: Architecture, prices: PriceList) -> tuple[Component, ...]:
    """Return the on-chip components with their areas, outermost first."""
    parts = [
        Component(memory.name, architecture.instances(memory.name), cost.area_um2)
        for memory in architecture.memories
        if memory.depth is not None
        for cost in (prices.memories[memory.name],)
    ]
    mac = Component(architecture.compute.name, architecture.pes, prices.mac.area_um2)
    return (*parts, mac)


def priced_report(
    architecture: Architecture,
    problem: Problem,
    counts: Iterable[Count],
    *,
    fidelity: str,
    setting: str,
    compute_cycles: int,
    stalls: tuple[tuple[str, int], ...],
    active_pes: int,
    traffic: tuple[Traffic, ...] = (),
    leaks: bool = True,
) -> Report:
    """Return the Report of what a model counted.

    Args:
        architecture: that ran.
        problem: that was run, once.
        counts: words per memory, tensor and direction.
        fidelity: this and the next five as in ``Report``.
        setting: rule set.
        compute_cycles: cycles in which the array computes.
        stalls: every other cycle by cause.
        active_pes: MAC units that have work.
        traffic: words per network and tensor.
        leaks: whether leakage over all cycles is priced.
    """
    prices = PriceList.of(architecture)
    cycles = compute_cycles + sum(stall for _, stall in stalls)
    leakage = leakage_pj(architecture, prices, cycles) if leaks else ()
    return Report(
        fidelity=fidelity,
        setting=setting,
        macs=problem.macs,
        flops=problem.flops,
        pes=architecture.pes,
        clock_hz=architecture.clock_hz,
        compute_cycles=compute_cycles,
        stalls=stalls,
        active_pes=active_pes,
        accesses=price(architecture, prices, counts),
        traffic=priced_traffic(architecture, traffic, simulated=fidelity == "cycle"),
        mac_energy_pj=problem.macs * prices.mac.read_pj,
        leakage_energy_pj=sum(energy_pj for _, energy_pj in leakage),
        area=components(architecture, prices),
        leakage=leakage,
    )
