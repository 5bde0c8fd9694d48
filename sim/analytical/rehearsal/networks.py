"""What a rehearsal knows of the networks that links pass, and the order in which memories fill."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import (
    Architecture,
    Fanout,
    FlitWiring,
    Memory,
    Routed,
    Tree,
    Wireless,
)
from arraysmith.arch.mapping import PlacedLoop
from arraysmith.sim.routed import unloaded_cycles
from arraysmith.sim.wires import network_word_bits

LEAF, LEAF_UP, FLIT, ROUND = range(4)
"""Columns of ``Ways.ends``: cycles that a word takes into one child, and out of one, where that is
a limit of its own; words of a flit, on routed networks and the air only; flits for whose time
results keep the air besides, while the token goes round."""

Way = tuple[str, int, tuple[int, ...]]
"""Of a link: its tensor, the level of its parent, those of the fan-outs on its way."""


class Ways:
    """The networks of all links.

    A tree is a bus that all tensors share, a clock for each direction, with a rate of its own into
    each child (``arch.interconnect.Tree``).

    A routed network is held for the flits that pass the memory's own link, which no other link
    exceeds: what equal tiles need goes together, in flits of its own, and is copied (added) on the
    way. All tensors share that link. The last flit comes as many cycles later as a head takes from
    the memory to the farthest child that works. That is the time of a packet alone: hops times
    cycles of a hop, and its length once (Dally, Towles: Principles and Practices of Interconnection
    Networks, 2004, chapter 3). What packets take that meet is not seen.

    On the air, both ways share the flits that pass, and the round of a token that results take.

    Attributes:
        bus: float64 [links, fan-outs, 2], see ``Plan.bus``.
        wire: int64 [links, fan-outs, 2], see ``Plan.wire``.
        ends: float64 [links, fan-outs, 4], by ``LEAF``, ``LEAF_UP``, ``FLIT`` and ``ROUND``.
    """

    def __init__(
        self, architecture: Architecture, links: Sequence[Way], space: Sequence[PlacedLoop]
    ) -> None:
        """Take the links, parents first, and the loops in space of a mapping."""
        self._architecture, self._space = architecture, space
        fanouts = max((len(x) for _, _, x in links), default=0)
        self.bus = np.zeros((len(links), fanouts, 2))
        self.ends = np.zeros((len(links), fanouts, 4))
        own = np.arange(2 * len(links) * fanouts).reshape(2, len(links), fanouts)
        self.wire = own.transpose(1, 2, 0).copy()
        shared: dict[tuple[int, int], int] = {}
        for k, (tensor, parent, levels) in enumerate(links):
            for i, level in enumerate(levels):
                fanout = architecture.levels[level]
                assert isinstance(fanout, Fanout)
                network = fanout.network
                for up in (0, 1):
                    if isinstance(network, FlitWiring):
                        self.bus[k, i, up] = _flit_cycles(network)
                        limited = True
                    else:
                        rate = _rate(fanout, tensor, up=bool(up))
                        self.bus[k, i, up] = _per_word(rate)
                        limited = isinstance(network, Tree) and rate is not None
                    if limited and parent:  # over the border, transfers take turns anyway
                        way = 0 if isinstance(network, Wireless) else up
                        self.wire[k, i, up] = shared.setdefault(
                            (level, way), int(self.wire[k, i, up])
                        )
                if isinstance(network, Tree) and i == len(levels) - 1:
                    self.ends[k, i, LEAF : LEAF_UP + 1] = _per_word(network.leaf_words_per_cycle)
                if isinstance(network, FlitWiring):
                    bits = network_word_bits(architecture, fanout.name, tensor)
                    self.ends[k, i, FLIT] = network.flit_bits / bits
                if isinstance(network, Wireless):
                    hops = fanout.instances + 1
                    self.ends[k, i, ROUND] = hops * network.token_cycles / network.flit_cycles

    def slow_down(self, times: NDArray[np.float64]) -> None:
        """Take so many times longer; float64 [links, fan-outs, 2], see ``portions``."""
        self.bus *= times
        self.ends[:, :, LEAF : LEAF_UP + 1] *= times

    def latency(self, level: int) -> int:
        """Return the cycles after the last word has left the memory, or a bus."""
        fanout = self._architecture.levels[level]
        assert isinstance(fanout, Fanout)
        assert fanout.bus is not None
        if isinstance(fanout.network, Wireless):
            return fanout.network.latency_cycles
        if not isinstance(fanout.network, Routed):
            return fanout.bus.latency_cycles
        used = {
            axis: prod(x.count for x in self._space if (x.level, x.axis) == (level, axis))
            for axis in ("x", "y")
        }
        children = [y * fanout.mesh_x + x for y in range(used["y"]) for x in range(used["x"])]
        return unloaded_cycles(fanout.network, fanout.instances, tuple(children))


def in_turn(architecture: Architecture, links: Sequence[tuple[int, int, int]]) -> list[int]:
    """Return the order in which a turn takes links: numbers of rows (parent, tensor, child).

    Parents before children, and a memory that fills first before the one that fills after it; of
    these, the outermost first, and ifmap, weight, ofmap. Memories that would have to fill each
    before the other, which the simulator refuses, keep that order.
    """
    levels = architecture.levels
    after = {i: filled_before(architecture, i) for i in range(len(levels))}
    left = sorted(range(len(links)), key=lambda k: links[k][:2])
    found: list[int] = []
    while left:
        first = left[0]
        for k in left:
            parent, tensor, child = links[k]
            waits = any(
                x != k
                and (
                    links[x][1:] == (tensor, parent)
                    or (parent > 0 and links[x][0] > 0 and links[x][2] == after.get(child, -1))
                )
                for x in left
            )
            if not waits:
                first = k
                break
        left.remove(first)
        found.append(first)
    return found


def filled_before(architecture: Architecture, level: int) -> int | None:
    """Return the level of the memory that fills before the one at ``level``; None if none does."""
    memory = architecture.levels[level]
    if not isinstance(memory, Memory) or memory.fills_after is None:
        return None
    return architecture.levels.index(architecture.level(memory.fills_after))


def _flit_cycles(network: FlitWiring) -> float:
    return float(network.flit_cycles) if isinstance(network, Wireless) else 1.0


def _rate(fanout: Fanout, tensor: str, *, up: bool) -> Fraction | None:
    """Return the words per cycle of a bus or of the root of a tree; None is unlimited."""
    network = fanout.network
    if isinstance(network, Tree):
        return network.rate(tensor, up=up)
    assert fanout.bus is not None
    return fanout.bus.rate(tensor, up=up)


def _per_word(rate: Fraction | None) -> float:
    return 0.0 if rate is None else float(1 / rate)
