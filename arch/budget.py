"""What a design may spend in total: MAC units, bits of storage, area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arraysmith.arch.architecture import Architecture

if TYPE_CHECKING:
    from arraysmith.arch.specs import BudgetSpec


@dataclass(frozen=True, slots=True)
class Excess:
    """One limit that a design breaks.

    Attributes:
        limit: name of the limit: ``pes``, ``max_pes``, ``storage_bits`` or ``area_um2``.
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
    """

    pes: int | None = None
    max_pes: int | None = None
    storage_bits: int | None = None
    area_um2: float | None = None

    @classmethod
    def of_spec(cls, spec: BudgetSpec) -> Budget:
        """Return the budget that a file states."""
        return cls(spec.pes, spec.max_pes, spec.storage, spec.area)

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
