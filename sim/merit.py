"""Figures of merit: what cycles, energy and work of a run say together."""

from __future__ import annotations

from typing import Protocol


class _Counted(Protocol):
    """What the figures are made of."""

    @property
    def cycles(self) -> int: ...

    @property
    def energy_pj(self) -> float: ...

    @property
    def macs(self) -> int: ...

    @property
    def flops(self) -> int: ...

    @property
    def pes(self) -> int: ...

    @property
    def clock_hz(self) -> int: ...


class Merit:
    """Mixed into whatever has cycles, energy, work, MAC units and a clock."""

    __slots__ = ()

    @property
    def utilization(self: _Counted) -> float:
        """MACs / (cycles x MAC units); 0 to 1."""
        return self.macs / (self.cycles * self.pes)

    @property
    def gflops(self: _Counted) -> float:
        """10^9 operations per second at the array clock."""
        return self.flops / self.cycles * self.clock_hz / 1e9

    @property
    def edp_j_cycles(self: _Counted) -> float:
        """Energy in joules x cycles."""
        return self.energy_pj * 1e-12 * self.cycles
