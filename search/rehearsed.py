"""What a calibrated search records: mappings as rehearsed, and as simulated.

Plain numbers, so that the ledger holds them and losses under any correction follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arraysmith.sim.analytical.rehearsal.state import CAUSES


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One mapping of a layer on a design.

    Attributes:
        variant: how it was found: a row of ``run_spec.VARIANTS``.
        closed: cycles by the closed forms of the run's setting.
        least: cycles by those of the default setting: no run takes fewer.
        fixed_pj: energy of words and MACs, by the default setting.
        leak_pj: leakage per cycle.
        said: cycles by cause of the rehearsal, in the order of ``CAUSES``.
    """

    variant: int
    closed: int
    least: int
    fixed_pj: float
    leak_pj: float
    said: tuple[float, ...]

    def to_list(self) -> list[Any]:
        """Return plain data: the attributes in their order."""
        return [
            self.variant,
            self.closed,
            self.least,
            self.fixed_pj,
            self.leak_pj,
            list(self.said),
        ]

    @classmethod
    def from_list(cls, plain: list[Any]) -> Rehearsed:
        """Return what ``to_list`` made ``plain`` of; ValueError if it is something else."""
        variant, closed, least, fixed_pj, leak_pj, said = plain
        if len(said) != len(CAUSES):
            raise ValueError("causes are missing")
        numbers = (int(variant), int(closed), int(least), float(fixed_pj), float(leak_pj))
        return cls(*numbers, tuple(float(x) for x in said))


@dataclass(frozen=True, slots=True)
class Simulated:
    """One layer of a design, simulated.

    Attributes:
        layer: its number in ``Run.layers``.
        variant: of its mapping, see ``Rehearsed``.
        cycles: by cause, in the order of ``CAUSES``.
        energy_pj: of the run.
    """

    layer: int
    variant: int
    cycles: tuple[int, ...]
    energy_pj: float

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from the others of its design."""
        return self.layer, self.variant

    @property
    def total(self) -> int:
        """Cycles of the run."""
        return sum(self.cycles)

    def to_list(self) -> list[Any]:
        """Return plain data: the attributes in their order."""
        return [self.layer, self.variant, list(self.cycles), self.energy_pj]

    @classmethod
    def from_list(cls, plain: list[Any]) -> Simulated:
        """Return what ``to_list`` made ``plain`` of; ValueError if it is something else."""
        layer, variant, cycles, energy_pj = plain
        if len(cycles) != len(CAUSES):
            raise ValueError("causes are missing")
        return cls(int(layer), int(variant), tuple(int(x) for x in cycles), float(energy_pj))
