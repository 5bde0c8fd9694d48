"""Rates of networks for a batch of mappings, as numbers for the kernels of ``scoring``."""

from __future__ import annotations

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout, XyBus
from arraysmith.arch.errors import ArraysmithError
from arraysmith.sim.analytical.encoding import UPDATE, Int
from arraysmith.sim.lanes import lanes_of

SHARED_LANES = -2
"""Marks a network that all tensors share."""

LANES = 6
"""First column of its entries."""

UNLIMITED = -1
"""Stands for a rate without limit, as in ``scoring``."""


def bus_rates(architecture: Architecture, tensor: Int, direction: Int, span: Int) -> Int:
    """Return ``scoring.Machine.bus``; the other arguments are those of ``scoring.Entries``.

    A tensor's buses in all instances of a fan-out count together. Where all tensors share a
    network, SHARED_LANES, its instances, the rate down and the rate up as fractions, and per entry
    what a word counts for: not negative down, negative up (not negative either where both ways are
    one lane). Last, a row for the links between the children of each fan-out that has them.

    Raises:
        ArraysmithError: the memory above such a network adds sums; what it reads for that alone is
            not told apart here.
    """
    shared = {
        i: (level, lanes)
        for i, level in enumerate(architecture.levels)
        if isinstance(level, Fanout) and (lanes := lanes_of(architecture, level)) is not None
    }
    columns = LANES + len(tensor) if shared else 2
    linked = [x for x in architecture.fanouts if x.bus and x.bus.forwarding is not None]
    bus = np.full((len(architecture.levels) + len(linked), columns), UNLIMITED, np.int64)
    for k, fanout in enumerate(linked, len(architecture.levels)):
        assert fanout.bus is not None
        assert fanout.bus.forwarding is not None
        rate = fanout.bus.forwarding.words_per_cycle
        if rate is not None:
            children = architecture.instances(fanout.name) * fanout.instances
            bus[k, :2] = rate.numerator * children, rate.denominator
    for i, level in enumerate(architecture.levels):
        if isinstance(level, Fanout) and isinstance(level.network, XyBus):
            rate = level.network.words_per_cycle
            if rate is not None:
                bus[i, :2] = rate.numerator * architecture.instances(level.name), rate.denominator
    for i, (fanout, lanes) in shared.items():
        if fanout.bus is not None and fanout.bus.adds_above and not fanout.bus.reduction:
            raise ArraysmithError(
                f"{architecture.name}: a search of mappings takes sums as added in the network "
                f"{fanout.name}; leave adds_above out there, and time what it finds with it by "
                "--mapping"
            )
        bus[i, :2] = SHARED_LANES, architecture.instances(fanout.name)
        for at, rate in ((2, lanes.down), (4, lanes.up)):
            if rate is not None:
                bus[i, at : at + 2] = (rate.numerator, rate.denominator)
        up = (direction == UPDATE) & (not lanes.one)
        units = np.array(lanes.units, np.int64)[tensor]
        crosses = (span[:, 0] <= i) & (i < span[:, 1])
        bus[i, LANES:] = np.where(crosses, np.where(up, -units, units), 0)
    return bus
