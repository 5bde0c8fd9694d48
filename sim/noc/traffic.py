"""Synthetic traffic: who sends to whom, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isqrt

import numpy as np

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.sim.noc.state import Int
from arraysmith.sim.noc.topology import Topology

MOST_FLITS = 10**6
"""Of a packet."""


@dataclass(frozen=True)
class Traffic:
    """Packets of one length from every terminal, each cycle with the same probability.

    Attributes:
        pattern: one of ``PATTERNS``.
        packet_flits: flits of every packet.
        weights: of targets, for ``hotspot``: terminal -> weight; the others weigh 1.
    """

    pattern: str = "uniform"
    packet_flits: int = 1
    weights: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = []
        if self.pattern not in PATTERNS:
            hint = nearest(self.pattern, PATTERNS)
            faults.append(Fault("traffic", self.pattern, "no such pattern", hint))
        if not 1 <= self.packet_flits <= MOST_FLITS:
            value = str(self.packet_flits)
            rule = (
                "must be at least 1" if self.packet_flits < 1 else f"must be at most {MOST_FLITS}"
            )
            faults.append(Fault("packet_flits", value, rule))
        if self.pattern == "hotspot" and not self.weights:
            rule, hint = "hotspot needs a terminal and its weight", "for example 5:5"
            faults.append(Fault("weights", "", rule, hint))
        if self.pattern != "hotspot" and self.weights:
            rule = f"{self.pattern} has no weights"
            faults.append(Fault("weights", str(dict(self.weights)), rule))
        if faults:
            raise InputError(faults)

    def targets(self, topology: Topology, sources: Int, rng: np.random.Generator) -> Int:
        """Return int64 [n]: the target of a packet from each of ``sources``.

        Raises:
            InputError: the pattern does not suit the number of terminals.
        """
        return PATTERNS[self.pattern](self, topology, sources, rng)

    def packets(
        self, topology: Topology, rate: float, start: int, end: int, rng: np.random.Generator
    ) -> tuple[Int, Int, Int]:
        """Return sources, targets and cycles of the packets of cycles ``start`` to ``end - 1``.

        Args:
            topology: of the network.
            rate: flits per terminal and cycle; a packet begins with probability
                ``rate / packet_flits`` (Bernoulli).
            start: first cycle.
            end: cycle after the last.
            rng: to draw with.
        """
        shape = (end - start, len(topology.terminals))
        cycles, sources = np.nonzero(rng.random(shape) < rate / self.packet_flits)
        return sources, self.targets(topology, sources, rng), cycles + start


def _uniform(_: Traffic, topology: Topology, sources: Int, rng: np.random.Generator) -> Int:
    """Any terminal, the source with them."""
    return rng.integers(0, len(topology.terminals), len(sources))


def _side(pattern: str, topology: Topology) -> int:
    count = len(topology.terminals)
    side = isqrt(count)
    if side * side != count:
        rule = f"{pattern} needs a square number of terminals, not {count}"
        raise InputError([Fault("traffic", pattern, rule)])
    return side


def _transpose(_: Traffic, topology: Topology, sources: Int, __: np.random.Generator) -> Int:
    """Terminal (x, y) to (y, x)."""
    side = _side("transpose", topology)
    return sources % side * side + sources // side


def _bits(pattern: str, topology: Topology) -> int:
    count = len(topology.terminals)
    bits = count.bit_length() - 1
    if 1 << bits != count:
        rule = f"{pattern} needs a power of two terminals, not {count}"
        raise InputError([Fault("traffic", pattern, rule)])
    return bits


def _bit_reverse(_: Traffic, topology: Topology, sources: Int, __: np.random.Generator) -> Int:
    """The source's number with its bits in reverse order."""
    bits = _bits("bit_reverse", topology)
    found = np.zeros_like(sources)
    for bit in range(bits):
        found |= (sources >> bit & 1) << (bits - 1 - bit)
    return found


def _bit_complement(_: Traffic, topology: Topology, sources: Int, __: np.random.Generator) -> Int:
    """The source's number with its bits inverted."""
    return sources ^ ((1 << _bits("bit_complement", topology)) - 1)


def _shuffle(_: Traffic, topology: Topology, sources: Int, __: np.random.Generator) -> Int:
    """The source's number with its bits rotated up by one."""
    bits = _bits("shuffle", topology)
    count = len(topology.terminals)
    return (sources << 1 & count - 1) | sources >> max(bits - 1, 0)


def _moved(pattern: str, topology: Topology, sources: Int, steps: Callable[[int], int]) -> Int:
    """Return terminals so many columns and rows further, round the edges."""
    if topology.family in {"mesh", "torus"}:
        width, height = topology.shape
    else:
        width = height = _side(pattern, topology)
    x, y = sources % width, sources // width
    return (y + steps(height)) % height * width + (x + steps(width)) % width


def _neighbour(_: Traffic, topology: Topology, sources: Int, __: np.random.Generator) -> Int:
    """Terminal (x, y) to (x + 1, y + 1), round the edges."""
    return _moved("neighbour", topology, sources, lambda _: 1)


def _tornado(_: Traffic, topology: Topology, sources: Int, __: np.random.Generator) -> Int:
    """Terminal (x, y) to that ceil(k / 2) - 1 further in each dimension of k, round the edges."""
    return _moved("tornado", topology, sources, lambda k: (k + 1) // 2 - 1)


def _hotspot(traffic: Traffic, topology: Topology, sources: Int, rng: np.random.Generator) -> Int:
    """Any terminal, with the probability of its weight."""
    count = len(topology.terminals)
    wrong = {k: v for k, v in traffic.weights.items() if not 0 <= k < count or v < 0}
    if wrong:
        rule = f"terminals are 0 to {count - 1}, weights at least 0"
        raise InputError([Fault("weights", str(wrong), rule)])
    weights = np.ones(count)
    for terminal, weight in traffic.weights.items():
        weights[terminal] = weight
    return rng.choice(count, len(sources), p=weights / weights.sum())


PATTERNS: dict[str, Callable[[Traffic, Topology, Int, np.random.Generator], Int]] = {
    "uniform": _uniform,
    "transpose": _transpose,
    "bit_complement": _bit_complement,
    "bit_reverse": _bit_reverse,
    "shuffle": _shuffle,
    "neighbour": _neighbour,
    "tornado": _tornado,
    "hotspot": _hotspot,
}
"""Patterns of traffic by name (Dally and Towles, 3.2)."""
