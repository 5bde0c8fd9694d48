"""How far words travel over the networks of an architecture, and what that takes.

A network counts energy only where its ``wires`` say so; else its words travel for nothing, as in
most peers, and the Report's rows show 0 hops.

Buses along rows and columns: every word drives the whole column bus, ``mesh_y`` hops, and the whole
row bus, ``mesh_x`` hops, of every row that takes it. A word with n takers is in min(n, mesh_y) rows
at most; that many are charged, as the counts do not tell takers of one row from those of several.
Sums that are added on the way up are charged alike.

Systolic arrays: see ``sim.systolic_wires``.

Links between arrays side by side (``scale_out``) are not modelled and take no energy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from arraysmith.arch.architecture import Architecture, Fanout, Memory, Systolic, Wires, XyBus
from arraysmith.arch.technology.wires import hop_pj_per_bit
from arraysmith.sim.report import Traffic


def priced_traffic(architecture: Architecture, traffic: Iterable[Traffic]) -> tuple[Traffic, ...]:
    """Return traffic with the hops and the energy it takes where wires are stated.

    Traffic of buses comes without hops, that of systolic arrays with them.
    """
    return tuple(_priced(architecture, part) for part in traffic)


def bus_hops(fanout: Fanout, words: int, deliveries: int) -> int:
    """Return the hops of ``words`` that have ``deliveries`` takers together on buses."""
    rows = min(words * fanout.mesh_y, max(words, deliveries))
    return words * fanout.mesh_y + rows * fanout.mesh_x


def network_word_bits(architecture: Architecture, network: str, tensor: str) -> int:
    """Return the bits of a word on a network: those of the next memory below that may hold it.

    Without one below, those of the next above.
    """
    names = [level.name for level in architecture.levels]
    place = names.index(network)
    below, above = architecture.levels[place + 1 :], architecture.levels[:place][::-1]
    for level in (*below, *above):
        if isinstance(level, Memory) and tensor in level.holds:
            return level.word_bits
    raise AssertionError("off-chip memory holds every tensor")


def _priced(architecture: Architecture, part: Traffic) -> Traffic:
    fanout = architecture.level(part.network)
    assert isinstance(fanout, Fanout)
    wires = wires_of(fanout)
    if wires is None:
        return part
    hops = part.hops
    if isinstance(fanout.network, XyBus):
        hops = bus_hops(fanout, part.words, part.deliveries)
    bits = network_word_bits(architecture, part.network, part.tensor)
    energy_pj = hops * bits * hop_pj_per_bit(wires, architecture.technology)
    return replace(part, hops=hops, energy_pj=energy_pj)


def wires_of(fanout: Fanout) -> Wires | None:
    """Return the wires of a network; None where it counts no energy."""
    return fanout.network.wires if isinstance(fanout.network, XyBus | Systolic) else None
