"""Where a mapping stands between computing and moving: demand of every part, and the two edges.

All of it follows from the tiles: a link joins a memory that keeps a tensor and the next one below
that does (or the MACs). Its tile is moved once per period, the cycles between two changes of it.

* **Peak demand** of a link is a whole tile per period: what the network has to carry so that the
  MACs never wait, when tiles have nothing in common with those before. The mean over a run is less
  by the words that stay.
* **First fill**: the first tile of every input goes down link by link; what leaves the same memory
  takes turns, and a memory passes on what is there as a whole. **Last drain**: the last results go
  up the same way. Both lie outside the run of ``latency``, which is a steady state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.mapping import Mapping, kept_tensors, placed_loops
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem, Tensor
from arraysmith.sim.analytical.latency import Bound
from arraysmith.sim.balance import Balance
from arraysmith.sim.lanes import lanes_of
from arraysmith.sim.pricing import Count
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE, Traffic

COMPUTING = "computing"


@dataclass(frozen=True, slots=True)
class Link:
    """A tensor between a memory and the next one below that keeps it.

    Attributes:
        tensor: its name.
        above: index of the level that feeds it (or takes its results).
        below: index of the level that keeps its tile; None for the MACs.
        tile_words: words of a tile below.
        first_words: words of the first of these tiles, padding left out.
        instances: tiles below.
        share: words sent / words taken: below 1 where several tiles share words.
        transfers: how often the tile changes in a run.
        both_ways: whether partial sums come back down.
    """

    tensor: str
    above: int
    below: int | None
    tile_words: int
    first_words: int
    instances: int
    share: Fraction
    transfers: int
    both_ways: bool

    @property
    def sent_first(self) -> Fraction:
        """Words above of the first transfer."""
        return self.first_words * self.instances * self.share

    def crosses(self, level: int, levels: int) -> bool:
        """Return whether the link passes the fan-out ``level`` of ``levels``."""
        return self.above < level < (levels if self.below is None else self.below)


def links_of(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    counts: Iterable[Count],
    tile_words: dict[tuple[str, str], int],
    active_pes: int,
    transfers: dict[tuple[str, str, str], int],
) -> tuple[Link, ...]:
    """Return the links of every tensor, outermost first.

    Args:
        architecture: gives the levels.
        problem: was counted.
        mapping: was counted.
        counts: words per memory, tensor and direction.
        tile_words: per (memory, tensor), words of a kept tile.
        active_pes: MACs that have work.
        transfers: per (memory, tensor, direction), how often words move; see ``visits``.
    """
    words = {(c.level, c.tensor, c.direction): c.words for c in counts}
    instances = {c.level: c.instances for c in counts}
    sizes = _tile_sizes(architecture, problem, mapping)
    found = []
    for tensor in TENSORS:
        keepers = [
            (i, level.name)
            for i, level in enumerate(architecture.levels)
            if isinstance(level, Memory) and tensor in kept_tensors(level, mapping.at(level.name))
        ]
        below: list[tuple[int | None, str]] = [*keepers[1:], (None, "")]
        for (above, name), (child, child_name) in zip(keepers, below, strict=True):
            up, down = (UPDATE, DRAIN) if tensor == OFMAP else (READ, FILL)
            sent = words.get((name, tensor, up), 0)
            taken = problem.macs
            tile, first, used = 1, 1, active_pes
            if child is not None:
                taken = words.get((child_name, tensor, down), 0)
                tile, used = tile_words[child_name, tensor], instances.get(child_name, 1)
                tile = min(tile, problem.tensor(tensor).words)
                first = _first_words(problem.tensor(tensor), sizes[child])
            share = min(Fraction(1), Fraction(sent, taken)) if taken else Fraction(0)
            back = tensor == OFMAP and bool(words.get((name, tensor, READ), 0))
            often = transfers[name, tensor, READ]
            found.append(Link(tensor, above, child, tile, first, used, share, often, back))
    return tuple(sorted(found, key=lambda link: link.above))


def _tile_sizes(
    architecture: Architecture, problem: Problem, mapping: Mapping
) -> list[dict[str, int]]:
    """Return the indices of each dim in a tile, per level: what the loops above it leave."""
    sizes = dict(problem.size)
    loops = placed_loops(architecture, problem.size, mapping)
    found = []
    for level in range(len(architecture.levels)):
        sizes = {**sizes, **{x.dim: x.tile for x in loops if x.level == level - 1}}
        found.append(sizes)
    return found


def _first_words(tensor: Tensor, sizes: dict[str, int]) -> int:
    """Return the words of the first tile of ``sizes`` indices of each dim, padding left out."""
    return prod(
        max(0, min(axis.extent, axis.offset + axis.reach(sizes)) - max(0, axis.offset))
        for axis in tensor.axes
    )


def balance_of(
    architecture: Architecture,
    links: tuple[Link, ...],
    bounds: tuple[Bound, ...],
    counts: Iterable[Count],
    traffic: Iterable[Traffic],
    compute_cycles: int,
) -> tuple[Balance, ...]:
    """Return computing, every memory and every network: least cycles, words, peak demand."""
    least = {bound.cause.partition("_")[2]: bound for bound in sorted(bounds, key=_cycles)}
    moved: dict[str, int] = {}
    for count in counts:
        moved[count.level] = moved.get(count.level, 0) + count.words
    for part in traffic:
        moved[part.network] = moved.get(part.network, 0) + part.words
    rates = []
    for link in links:
        per_cycle = (2 if link.both_ways else 1) * link.transfers / compute_cycles
        kept = per_cycle * link.tile_words * link.instances
        rates.append((link, kept * float(link.share), kept))
    found = [Balance(COMPUTING, COMPUTING, compute_cycles, 0, 0.0)]
    for index, level in enumerate(architecture.levels):
        peak = 0.0
        for link, sent, kept in rates:
            passes = isinstance(level, Fanout) and link.crosses(index, len(architecture.levels))
            if passes or index == link.above:
                peak += sent
            elif index == link.below:
                peak += kept
        bound = least.get(level.name)
        cause = bound.cause if bound else f"bandwidth_{level.name}"
        cycles = bound.cycles if bound else 0
        found.append(Balance(level.name, cause, cycles, moved.get(level.name, 0), peak))
    return tuple(found)


def edges_of(
    architecture: Architecture, links: tuple[Link, ...], counts: Iterable[Count]
) -> tuple[int, int]:
    """Return the cycles of the first fill and of the last drain, when nothing hides them.

    Args:
        architecture: rates and latencies.
        links: of every tensor.
        counts: how many instances of each memory take part.
    """
    instances = {count.level: count.instances for count in counts}
    ready: dict[tuple[str, int], int] = {}
    free: dict[int, int] = {}
    fill = 0
    for tensor in (IFMAP, WEIGHT):
        ready[tensor, 0] = 0
    for link in links:
        if link.tensor == OFMAP or link.below is None:
            continue
        start = max(ready[link.tensor, link.above], free.get(link.above, 0))
        leaves, takes = _times(architecture, link, instances)
        above = architecture.levels[link.above]
        assert isinstance(above, Memory)
        free[link.above] = start + leaves
        ready[link.tensor, link.below] = start + takes + above.latency_cycles
        fill = max(fill, ready[link.tensor, link.below])
    drain = sum(
        _times(architecture, link, instances)[1]
        for link in links
        if link.tensor == OFMAP and link.below is not None
    )
    return fill, drain


def _times(architecture: Architecture, link: Link, instances: dict[str, int]) -> tuple[int, int]:
    """Return the cycles that one transfer keeps the memory above busy, and that it takes."""
    above, below = architecture.levels[link.above], architecture.levels[link.below or 0]
    assert isinstance(above, Memory)
    assert isinstance(below, Memory)
    each = link.sent_first / instances.get(above.name, 1)
    if link.tensor == OFMAP:
        near = _cycles_of(each, above.write_words_per_cycle)
        far = _cycles_of(Fraction(link.first_words), below.read_words_per_cycle)
    else:
        near = _cycles_of(each, above.read_words_per_cycle)
        far = _cycles_of(Fraction(link.first_words), below.write_words_per_cycle)
    wires = [0]
    latency = 0
    for level in architecture.levels[link.above + 1 : link.below]:
        if isinstance(level, Fanout) and level.bus is not None:
            lanes = lanes_of(architecture, level)
            if lanes is None:
                wires.append(_cycles_of(each, level.bus.rate(link.tensor)))
            else:
                up = link.tensor == OFMAP
                wires.append(ceil(lanes.cycles(link.tensor, each, up=up)))
            latency += level.bus.latency_cycles
    return near, max(near, far, *wires) + latency


def _cycles(bound: Bound) -> int:
    return bound.cycles


def _cycles_of(words: Fraction, rate: Fraction | None) -> int:
    return 0 if rate is None else ceil(words / rate)
