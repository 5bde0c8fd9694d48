"""Averages over networks that all tensors share: trees, memory's links of routed networks, the air.

Over the run, what enters a root (leaves it) per cycle is at most its rate; a routed network's
memory sends (takes) a flit per cycle, with the words of a transfer packed into flits. On the air
both directions share the flits; the rounds of the token are not in the average. Tensors that come
from on-chip memories take turns. One that comes straight from the off-chip memory has a part of
its own in the simulator, which plans the two sides of a phase apart, so it is bounded alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from arraysmith.arch.architecture import Architecture, Fanout, FlitWiring, Tree, Wireless
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.pricing import Count
from arraysmith.sim.report import Traffic
from arraysmith.sim.wires import network_word_bits


@dataclass(frozen=True, slots=True)
class Lanes:
    """Rates of the two directions that all tensors of a network share.

    Attributes:
        down: units per cycle towards the children; None is unlimited.
        up: units per cycle towards the memory; None is unlimited.
        units: of a word of each tensor: 1, or its bits.
        one: whether both directions are one lane, ``down``; then ``up`` is the same rate.
    """

    down: Fraction | None
    up: Fraction | None
    units: tuple[int, ...]
    one: bool = False

    def cycles(self, tensor: str, words: int | Fraction, *, up: bool) -> Fraction:
        """Return the cycles of words of one tensor; 0 without limit."""
        rate = self.up if up else self.down
        return Fraction(words) * self.units[TENSORS.index(tensor)] / rate if rate else Fraction(0)


def lanes_of(architecture: Architecture, fanout: Fanout) -> Lanes | None:
    """Return the lanes of a tree, routed network or the air; None for other networks."""
    network = fanout.network
    if isinstance(network, Tree):
        return Lanes(network.down_words_per_cycle, network.up_words_per_cycle, (1, 1, 1))
    if isinstance(network, FlitWiring):
        bits = tuple(network_word_bits(architecture, fanout.name, x) for x in TENSORS)
        air = isinstance(network, Wireless)
        rate = Fraction(
            network.flit_bits, network.flit_cycles if isinstance(network, Wireless) else 1
        )
        return Lanes(rate, rate, bits, air)
    return None


def least_cycles(
    architecture: Architecture,
    fanout: Fanout,
    lanes: Lanes,
    counts: Iterable[Count],
    traffic: Iterable[Traffic],
) -> int:
    """Return the least cycles that a shared network lets the run take.

    Fan-outs inside others have a network each; the mean of all of them bounds the busiest.

    Args:
        architecture: gives the memories above.
        fanout: whose network.
        lanes: of it.
        counts: words per memory; they tell which memories keep a tensor.
        traffic: words per network and tensor.
    """
    names = [level.name for level in architecture.levels]
    place = names.index(fanout.name)
    near = {x.tensor for x in counts if 0 < names.index(x.level) < place}
    together = {False: Fraction(0), True: Fraction(0)}
    most = Fraction(0)
    for part in traffic:
        if part.network != fanout.name:
            continue
        up = part.kind == "reduction"
        cycles = lanes.cycles(part.tensor, part.words, up=up)
        most = max(most, cycles)
        if part.tensor in near:
            together[up and not lanes.one] += cycles
    most = max(most, *together.values()) / architecture.instances(fanout.name)
    return -(-most.numerator // most.denominator)
