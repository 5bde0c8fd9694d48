"""How far words travel over the networks of an architecture, and what that takes.

A network counts energy only where its ``wires`` say so; else its words travel for nothing, as in
most peers, and the Report's rows show 0 hops.

Buses along rows and columns: every word drives the whole column bus, ``mesh_y`` hops, and the whole
row bus, ``mesh_x`` hops, of every row that takes it. A word with n takers is in min(n, mesh_y) rows
at most; that many are charged, as the counts do not tell takers of one row from those of several.
Sums that are added on the way up are charged alike.

Links between neighbours (``Forwarding``): a hop a word.

Trees: a word with n takers passes min(n, links) links of every stage. Routed networks: in the
simulator, hops of flits are counted (whole flits take energy, of whatever they hold); in closed
form, see ``routed.link_profile``. On the air, a word (a flit) is a hop, whoever takes it.

Systolic arrays: see ``sim.systolic_wires``.

Links between arrays side by side (``scale_out``) are not modelled and take no energy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from arraysmith.arch.architecture import (
    Architecture,
    Fanout,
    FlitWiring,
    Memory,
    Routed,
    ScaleOut,
    Tree,
    Wireless,
    Wires,
)
from arraysmith.arch.technology.wires import hop_pj_per_bit
from arraysmith.sim.report import FORWARD, Traffic
from arraysmith.sim.routed import Profile, hops_of, link_profile, tree_profile


def priced_traffic(
    architecture: Architecture, traffic: Iterable[Traffic], *, simulated: bool = False
) -> tuple[Traffic, ...]:
    """Return traffic with the hops and the energy it takes where wires are stated.

    Traffic of buses and trees comes without hops, that of systolic arrays with them, and that of
    routed networks and the air with those of flits if they were simulated.
    """
    return tuple(_priced(architecture, part, simulated=simulated) for part in traffic)


def profile_of(fanout: Fanout) -> tuple[Profile, int]:
    """Return the links of the network of a fan-out, and the parts of a hop that they count in."""
    network = fanout.network
    if isinstance(network, Tree):
        children = fanout.instances
        return tree_profile(network.arity, network.stages(children), children), 1
    if isinstance(network, Routed):
        return link_profile(network, fanout.instances)
    if isinstance(network, Wireless):
        return ((1, 0, 0, 0),), 1
    return ((fanout.mesh_y, fanout.mesh_y, 1, fanout.mesh_x),), 1


def bus_hops(fanout: Fanout, words: int, deliveries: int) -> int:
    """Return the hops of ``words`` that have ``deliveries`` takers together."""
    return hops_of(*profile_of(fanout), words, deliveries)


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


def _priced(architecture: Architecture, part: Traffic, *, simulated: bool) -> Traffic:
    fanout = architecture.level(part.network)
    assert isinstance(fanout, Fanout)
    wires = wires_of(fanout)
    if wires is None:
        return part
    hops = part.hops
    bits = network_word_bits(architecture, part.network, part.tensor)
    if part.kind == FORWARD and fanout.bus is not None:
        hops = part.words
    elif isinstance(fanout.network, FlitWiring) and simulated:
        bits = fanout.network.flit_bits
    elif fanout.bus is not None:
        hops = hops_of(*profile_of(fanout), part.words, part.deliveries)
    energy_pj = hops * bits * hop_pj_per_bit(wires, architecture.technology)
    return replace(part, hops=hops, energy_pj=energy_pj)


def wires_of(fanout: Fanout) -> Wires | None:
    """Return the wires of a network; None where it counts no energy."""
    return None if isinstance(fanout.network, ScaleOut) else fanout.network.wires
