"""Cycles in closed form: computing against the time that every port and bus needs.

Per memory, with the average rate over the run: reads + drains against the read port, fills +
updates against the write port, both against a single port; per network and tensor, words against
the bus. The run takes as long as the slowest (Timeloop v2.0 computes throttling the same way). What
an average cannot see (first fill, last drain, bursts, buffers too small to overlap) is left to the
simulator, which names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from arraysmith.arch.architecture import Architecture, XyBus
from arraysmith.sim.pricing import Count
from arraysmith.sim.report import DRAIN, READ, Traffic


def port_cycles(
    words_in: int, words_out: int, write: Fraction | None, read: Fraction | None, ports: int
) -> int:
    """Return the cycles one memory instance's ports are busy, rounded up per port.

    Args:
        words_in: words written.
        words_out: words read.
        write: words written per cycle; None is unlimited.
        read: words read per cycle; None is unlimited.
        ports: 2 for a port each way, 1 for a shared one.
    """
    busy_in = _ceil(words_in / write) if write else 0
    busy_out = _ceil(words_out / read) if read else 0
    return busy_in + busy_out if ports == 1 else max(busy_in, busy_out)


def bounds(
    architecture: Architecture, counts: Iterable[Count], traffic: Iterable[Traffic]
) -> dict[str, int]:
    """Return the least cycles that each memory and network needs, by name, outermost first."""
    moved: dict[str, list[Fraction]] = {x.name: [Fraction(0)] * 2 for x in architecture.memories}
    for count in counts:
        out = count.direction in (READ, DRAIN)
        moved[count.level][out] += Fraction(count.words, count.instances)
    need = {
        memory.name: port_cycles(
            _ceil(moved[memory.name][0]),
            _ceil(moved[memory.name][1]),
            memory.write_words_per_cycle,
            memory.read_words_per_cycle,
            memory.ports,
        )
        for memory in architecture.memories
    }
    for fanout in architecture.fanouts:
        bus = fanout.network
        if isinstance(bus, XyBus) and bus.words_per_cycle:
            words = [part.words for part in traffic if part.network == fanout.name]
            need[fanout.name] = _ceil(max(words, default=0) / bus.words_per_cycle)
    return need


def _ceil(value: Fraction | int) -> int:
    return -(-Fraction(value).numerator // Fraction(value).denominator)
