"""What a design may spend in total: MAC units, bits of storage, area, power, pins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from arraysmith.arch.architecture import LEAKS_ALL, Architecture, Memory, Ports

if TYPE_CHECKING:
    from arraysmith.arch.specs import BudgetSpec


@dataclass(frozen=True, slots=True)
class Excess:
    """One limit that a design breaks.

    Attributes:
        limit: name of the limit, an attribute of ``Budget``.
        value: what the design has, in the unit of the name.
        allowed: what the budget allows.
        rule: how the two compare: ``exactly`` or ``at most``.
    """

    limit: str
    value: float
    allowed: float
    rule: str

    def __str__(self) -> str:
        return f"{self.limit}: {self.value:.15g}: must be {self.rule} {self.allowed:.15g}"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a design; a limit of None is no limit.

    Attributes:
        pes: MAC units, exactly: the product of all meshes, as the poster constrains it.
        max_pes: MAC units, at most.
        storage_bits: bits of on-chip storage over all instances, at most.
        area_um2: area of memories and MACs by the technology tables, at most, in square
            micrometres. Wires and control are not in the tables.
        power_mw: milliwatts of the chip at most, see ``peak_power_mw``.
        offchip_bits_per_s: bits per second to and from the off-chip memory, at most: what its pins
            have to carry. A memory without stated rates is never inside.
    """

    pes: int | None = None
    max_pes: int | None = None
    storage_bits: int | None = None
    area_um2: float | None = None
    power_mw: float | None = None
    offchip_bits_per_s: float | None = None

    @classmethod
    def of_spec(cls, spec: BudgetSpec) -> Budget:
        """Return the budget that a file states."""
        pins = None if spec.bandwidth is None else float(spec.bandwidth.amount)
        return cls(spec.pes, spec.max_pes, spec.storage, spec.area, spec.power, pins)

    def violations(self, architecture: Architecture) -> tuple[Excess, ...]:
        """Return every limit that the design breaks; empty when it is inside."""
        found = []
        if self.pes is not None and architecture.pes != self.pes:
            found.append(Excess("pes", architecture.pes, self.pes, "exactly"))
        spent: list[tuple[str, float, float | None]] = [
            ("max_pes", architecture.pes, self.max_pes),
            ("storage_bits", architecture.storage_bits, self.storage_bits),
        ]
        if self.area_um2 is not None:  # reads the tables: only when asked for
            spent.append(("area_um2", chip_area_um2(architecture), self.area_um2))
        if self.power_mw is not None:
            spent.append(("power_mw", peak_power_mw(architecture), self.power_mw))
        if self.offchip_bits_per_s is not None:
            rate = offchip_bits_per_s(architecture)
            spent.append(("offchip_bits_per_s", rate, self.offchip_bits_per_s))
        found += [
            Excess(limit, value, allowed, "at most")
            for limit, value, allowed in spent
            if allowed is not None and value > allowed
        ]
        return tuple(found)

    def admits(self, architecture: Architecture) -> bool:
        """Tell whether the design breaks no limit."""
        return not self.violations(architecture)


def chip_area_um2(architecture: Architecture) -> float:
    """Return the area of all on-chip memories and MACs in square micrometres."""
    # Not at the top: the tables are files, and most budgets do without.
    from arraysmith.arch.technology.estimate import mac_cost, memory_cost

    memories = sum(
        memory_cost(memory, architecture.technology).area_um2 * architecture.instances(memory.name)
        for memory in architecture.memories
        if memory.depth is not None
    )
    return memories + mac_cost(architecture.compute, architecture.technology).area_um2 * (
        architecture.pes
    )


def peak_power_mw(architecture: Architecture) -> float:
    """Return the power of the chip with everything at work in every cycle, in milliwatts.

    Every MAC multiplies; every on-chip memory reads and writes at its stated rates (one access of
    its width a cycle where none is stated), or does the dearer of both where they share a port;
    what leaks, leaks. No mapping takes more, most take far less. The off-chip memory is not on the
    chip.
    """
    from arraysmith.arch.technology.estimate import device_of, mac_cost, memory_cost

    leaks_all = architecture.leakage == LEAKS_ALL
    mac = mac_cost(architecture.compute, architecture.technology)
    pj_per_cycle = mac.read_pj * architecture.pes
    leakage_mw = mac.leakage_mw * architecture.pes if leaks_all else 0.0
    for memory in architecture.memories:
        if memory.depth is None:
            continue
        cost = memory_cost(memory, architecture.technology)
        copies = architecture.instances(memory.name)
        read = cost.read_pj * _accesses(memory, memory.read_words_per_cycle)
        write = cost.write_pj * _accesses(memory, memory.write_words_per_cycle)
        pj_per_cycle += copies * (
            max(read, write) if memory.ports == Ports.SHARED else read + write
        )
        if leaks_all or not device_of(memory.device).logic:
            leakage_mw += cost.leakage_mw * copies
    return pj_per_cycle * architecture.clock_hz * 1e-9 + leakage_mw  # pJ x 1/s = 1e-9 mW


def _accesses(memory: Memory, rate: Fraction | None) -> float:
    """Return accesses of the whole width per cycle at ``rate`` words per cycle."""
    return 1.0 if rate is None else float(rate / memory.words_per_access)


def offchip_bits_per_s(architecture: Architecture) -> float:
    """Return what passes to and from the off-chip memory at most; infinite without stated rates."""
    memory = architecture.memories[0]
    read, write = memory.read_words_per_cycle, memory.write_words_per_cycle
    if read is None or write is None:
        return math.inf
    words = max(read, write) if memory.ports == Ports.SHARED else read + write
    return float(words * memory.word_bits * architecture.clock_hz)
