"""Which model stands behind the off-chip memory of a design."""

from __future__ import annotations

import simpy

from arraysmith.arch.architecture import Architecture, Ports
from arraysmith.sim.cycle.offchip.protocol import FixedRate, OffChip
from arraysmith.sim.probe import Probe


def offchip_channel(
    env: simpy.Environment, architecture: Architecture, probe: Probe | None
) -> OffChip:
    """Return the channel to the off-chip memory: a DRAM if it is one, else a fixed rate."""
    memory = architecture.memories[0]
    if memory.dram is None:
        return FixedRate(env, memory, probe)
    # Imported when needed: its kernels take time to load.
    from arraysmith.sim.cycle.offchip.dram_channel import DramChannel

    one_way = goes_one_way(architecture)
    return DramChannel(env, memory, architecture.clock_hz, probe, one_way=one_way)


def goes_one_way(architecture: Architecture) -> bool:
    """Return whether words go one way only at a time at the near side of a DRAM's engine."""
    return any(memory.ports == Ports.SHARED for memory in architecture.memories[1:])
