"""Crossbar: one router for all terminals."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.registry import register
from arraysmith.sim.noc.topology import Topology, require_sizes


@register("topology", "crossbar")
@dataclass(frozen=True)
class Crossbar:
    """One router, no links between routers."""

    terminals: int

    def build(self) -> Topology:
        """Return the crossbar."""
        require_sizes(1, terminals=self.terminals)
        return Topology("crossbar", (self.terminals,), ((0,),), (0,) * self.terminals, ())
