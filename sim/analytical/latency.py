"""Cycles in closed form: computing against the time that every port and bus needs.

Rates are averages over the run; what an average cannot see (first fill, last drain, bursts, which
transfer waits for which) is left to the simulator, which names it.

``timeloop``: reads + drains of a memory against its read port, fills + updates against its write
port, both against a single port; the run takes as long as the slowest. That tool assumes that a
memory can always be filled while it is worked on.

``default``: a memory has two sides, the parent's (fills, drains) and the children's (reads,
updates), each as wide as its ports.

* A double-buffered memory whose kept tiles fit twice works on one half while the other is filled:
  the slower side bounds the run.
* Otherwise filling excludes work: the parent's side comes on top of the children's side or of
  computing, whichever is longer.
* A memory whose ports are ``averaged`` goes by the rules of ``timeloop``.

A memory that takes ``whole_words`` loses the end of the last access of every transfer; so words
that pass it count as whole accesses, transfer by transfer (see ``sim.analytical.visits``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from arraysmith.arch.architecture import Architecture, Memory, Ports, XyBus
from arraysmith.sim.lanes import lanes_of, least_cycles
from arraysmith.sim.pricing import Count
from arraysmith.sim.report import DRAIN, FILL, FORWARD, READ, UPDATE, Traffic


@dataclass(frozen=True, slots=True)
class Bound:
    """The least cycles that one part of the machine lets the run take.

    Attributes:
        cause: ``bandwidth_<name>``, a port or bus that is too narrow; ``serial_<name>``, a memory
            that cannot be filled while it is worked on.
        cycles: least cycles of the run.
    """

    cause: str
    cycles: int


def overlaps(memory: Memory, kept_words: int) -> bool:
    """Return whether ``memory`` is filled while it is worked on: its kept tiles fit twice."""
    capacity = memory.capacity_words
    return memory.double_buffered and (capacity is None or 2 * kept_words <= capacity)


def bounds(
    architecture: Architecture,
    counts: Iterable[Count],
    traffic: Iterable[Traffic],
    compute_cycles: int,
    kept_words: dict[str, int],
    setting: str,
    transfers: Mapping[tuple[str, str, str], int] | None = None,
) -> tuple[Bound, ...]:
    """Return the bounds of every memory and network, outermost first.

    Args:
        architecture: rates and ports.
        counts: words per memory, tensor and direction.
        traffic: words per network and tensor.
        compute_cycles: product of all turns in time.
        kept_words: words of the kept tiles of one instance of each memory, by name.
        setting: whose rules.
        transfers: per (memory, tensor, direction), how often words move; see ``visits``. Needed
            when a memory takes whole words.
    """
    rounding = {x.name: x.words_per_access for x in architecture.memories if x.whole_words}
    moved: dict[tuple[str, str], int] = {}
    instances: dict[str, int] = {}
    rows = tuple(counts)
    for count in rows:
        key = (count.level, count.direction)
        words_moved = count.words
        if count.level in rounding:
            assert transfers is not None, "whole words need the number of transfers"
            often = transfers[count.level, count.tensor, count.direction]
            per_access = rounding[count.level]
            words_moved = whole_words(count.words, count.instances, often, per_access)
        moved[key] = moved.get(key, 0) + words_moved
        instances[count.level] = count.instances
    found = []
    for memory in architecture.memories:
        used = instances.get(memory.name, 1)
        words = {d: moved.get((memory.name, d), 0) for d in (READ, FILL, UPDATE, DRAIN)}
        if setting == "timeloop" or memory.ports == Ports.AVERAGED:
            both = (words[READ] + words[DRAIN], words[FILL] + words[UPDATE])
            found.append(Bound(f"bandwidth_{memory.name}", side_cycles(memory, *both, used)))
            continue
        children = side_cycles(memory, words[READ], words[UPDATE], used)
        parent = side_cycles(memory, words[DRAIN], words[FILL], used)
        slower = max(children, parent)
        found.append(Bound(f"bandwidth_{memory.name}", slower))
        if not overlaps(memory, kept_words[memory.name]):
            serial = max(compute_cycles, children) + parent
            found.append(Bound(f"serial_{memory.name}", serial))
    parts = tuple(traffic)
    for fanout in architecture.fanouts:
        bus = fanout.network
        if isinstance(bus, XyBus) and any(bus.rates):
            mine = [
                (part.words, bus.rate(part.tensor))
                for part in parts
                if part.network == fanout.name and part.kind != FORWARD
            ]
            # Fan-outs inside others have buses each; the mean of all of them bounds the busiest.
            many = architecture.instances(fanout.name)
            cycles = max((_ceil(moved / (rate * many)) for moved, rate in mine if rate), default=0)
            found.append(Bound(f"bandwidth_{fanout.name}", cycles))
        links = bus.forwarding if isinstance(bus, XyBus) else None
        if links is not None and links.words_per_cycle is not None:
            children = architecture.instances(fanout.name) * fanout.instances
            cycles = max(
                (
                    _ceil(part.words / (links.words_per_cycle * children))
                    for part in parts
                    if part.network == fanout.name and part.kind == FORWARD
                ),
                default=0,
            )
            found.append(Bound(f"bandwidth_{fanout.name}", cycles))
        lanes = lanes_of(architecture, fanout)
        if lanes is not None:
            cycles = least_cycles(architecture, fanout, lanes, rows, parts)
            found.append(Bound(f"bandwidth_{fanout.name}", cycles))
    return tuple(found)


def whole_words(words: int, instances: int, transfers: int, per_access: int) -> int:
    """Return the words that go by when every transfer takes whole accesses.

    Transfers of unequal size count as their average, rounded up.

    Args:
        words: over all instances; at least 1.
        instances: that share the words evenly.
        transfers: of an instance; more than it has words count as its words.
        per_access: words of an access.
    """
    each = -(-words // instances)
    often = max(1, min(transfers, each))
    return instances * often * per_access * -(-each // (often * per_access))


def side_cycles(memory: Memory, words_out: int, words_in: int, instances: int) -> int:
    """Return the cycles that one side of a memory is busy; rounded up per port.

    Args:
        memory: words per cycle and ports.
        words_out: words read, over all instances.
        words_in: words written, over all instances.
        instances: that share the words evenly.
    """
    read, write = memory.read_words_per_cycle, memory.write_words_per_cycle
    busy_out = _ceil(-(-words_out // instances) / read) if read else 0
    busy_in = _ceil(-(-words_in // instances) / write) if write else 0
    return busy_in + busy_out if memory.ports == Ports.SHARED else max(busy_in, busy_out)


def _ceil(value: Fraction | int) -> int:
    return -(-Fraction(value).numerator // Fraction(value).denominator)
