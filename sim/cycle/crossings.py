"""Transfers over routed networks, simulated flit by flit, once per pattern.

A pattern is all that one turn moves through one fan-out: the words of every tile, packed into flits
and packets, and the children that take them. The network carries one pattern at a time and
direction, from rest; so the same pattern always takes the same cycles, and a design stays a system
of which no part that gets faster makes the run slower. What that leaves out: patterns of two
directions do not meet in a router, and the end of one does not meet the beginning of the next.

A pattern down holds the network until its last flit has left the memory; up, for as long as flits
come to the memory. These are the cycles of the memory's own link, which no other link exceeds.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture, Fanout, Routed
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.amounts import Amounts
from arraysmith.sim.cycle.boxes import Int
from arraysmith.sim.cycle.lookups import Tables, find_entries
from arraysmith.sim.cycle.transfer_groups import Transfer, Way, way_of
from arraysmith.sim.cycle.tree import O, Tree, UnsupportedDesignError
from arraysmith.sim.cycle.turns import next_turn
from arraysmith.sim.network_use import NetworkUse, total_network_use
from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.state import KINDS
from arraysmith.sim.routed import build_network, child_terminals, flits_of
from arraysmith.sim.wires import network_word_bits

MOST_PATTERNS = 1 << 22
"""Combinations of classes that a table of patterns may have."""

MEMORY = "memory"
"""Name of the memory's end of its link."""


@dataclass(frozen=True)
class Crossing:
    """One pattern, simulated.

    Attributes:
        busy_cycles: for how long no other pattern may begin.
        late_cycles: from the end of these to the last word.
        flits: that the memory sends (takes).
        hops: flits times links, by kind of traffic.
        loads: (link, kind, flits) of every link that flits pass, that of the memory first.
        degrees: (targets, packets) of packets that fork.
    """

    busy_cycles: int
    late_cycles: int
    flits: int
    hops: tuple[int, ...]
    loads: tuple[tuple[str, str, int], ...]
    degrees: tuple[tuple[int, int], ...]


@dataclass
class FlitNetwork:
    """The network of one fan-out, at rest; patterns are simulated on copies of it.

    Attributes:
        fanout: whose network.
        routed: its description.
    """

    fanout: Fanout
    routed: Routed
    _rest: Network = field(init=False)
    _ends: tuple[int, ...] = field(init=False)
    _known: dict[tuple[bool, int, tuple[Transfer, ...]], Crossing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = build_network(self.routed)
        assert isinstance(network, Network)
        self._rest = network
        self._ends = child_terminals(self.routed, self.fanout.instances)

    def crossing(self, transfers: tuple[Transfer, ...], word_bits: int, *, up: bool) -> Crossing:
        """Return how long transfers take together from rest."""
        key = (up, word_bits, transfers)
        if key not in self._known:
            self._known[key] = self._simulate(transfers, word_bits, up=up)
        return self._known[key]

    def _simulate(self, transfers: tuple[Transfer, ...], word_bits: int, *, up: bool) -> Crossing:
        network, memory = self._at_rest(), self.routed.memory
        sent = 0
        lengths: list[int] = []  # of packets, in the order of their numbers
        degrees: Counter[int] = Counter()
        for words, members in transfers:
            ends = tuple(self._ends[x] for x in members)
            joins = up and self.routed.reduction and len(ends) > 1
            forks = not up and self.routed.multicast and len(ends) > 1
            for flits in self._packets(words, word_bits):
                sent += flits * (1 if joins or forks else len(ends))
                lengths += [flits] * (1 if forks else len(ends))
                if joins:
                    network.reduce(ends, memory, flits)
                elif forks:
                    network.multicast(memory, ends, flits)
                    degrees[len(ends)] += 1
                elif up:
                    network.inject(np.array(ends), np.full(len(ends), memory), flits)
                else:
                    network.inject(np.full(len(ends), memory), np.array(ends), flits)
        found = network.drain()
        arrived, flying = found.cycle, network.latencies(found)[1]
        taken = np.array(lengths)[found.packet]
        last = int(arrived.max()) + 1
        # Packets on different virtual channels take turns at the memory's link.
        busy = (
            last - int((arrived - taken).min()) - 1 if up else int((arrived - flying + taken).max())
        )
        busy = max(busy, sent)
        assert busy <= last, "more flits than cycles at the memory's link"
        router = network.topology.name_router(network.topology.terminals[memory])
        link = f"{router}->{MEMORY}" if up else f"{MEMORY}->{router}"
        loads = {
            (name, kind): flits
            for name, by_kind in network.link_loads().items()
            for kind, flits in by_kind.items()
        }
        hops = network.flit_hops()
        return Crossing(
            busy,
            last - busy,
            sent,
            tuple(sum(hops[kind]) for kind in KINDS),
            ((link, "all", sent), *((a, b, n) for (a, b), n in sorted(loads.items()) if n)),
            tuple(sorted(degrees.items())),
        )

    def _at_rest(self) -> Network:
        shared = (self._rest.topology, self._rest.routing, self._rest.router)
        return copy.deepcopy(self._rest, {id(x): x for x in shared})

    def _packets(self, words: int, word_bits: int) -> list[int]:
        """Return the flits of every packet of words that go together."""
        flits, most = flits_of(words, word_bits, self.routed), self.routed.packet_flits
        return [most] * (flits // most) + ([flits % most] if flits % most else [])


@dataclass(frozen=True)
class Crossings:
    """The patterns of a mapped design.

    Attributes:
        ways: what goes through routed networks.
        code: int64 [2 x fan-outs, entries], what an entry adds to the number of a pattern: through
            the i-th fan-out of its edge down, and from ``fan-outs`` on up.
        base: int64 [edges, 2 x fan-outs], number of the first pattern; -1: no routed network.
        costs: int64 [patterns, 2], cycles busy and late.
        found: crossings of the patterns that occur, of every family of children.
    """

    ways: tuple[Way, ...]
    code: Int
    base: Int
    costs: Int
    found: dict[int, tuple[Crossing, ...]]

    @classmethod
    def of(cls, tree: Tree, amounts: Amounts) -> Crossings:
        """Return the patterns of a mapped design, every one that occurs simulated.

        Raises:
            UnsupportedDesignError: more patterns than a table holds.
        """
        architecture = tree.architecture
        fanouts = max(1, len(architecture.fanouts))
        ways = tuple(
            way_of(tree, amounts, number, place, up=up)
            for number, edge in enumerate(tree.edges)
            for place, level in enumerate(edge.fanouts)
            if isinstance(architecture.levels[level].network, Routed)  # type: ignore[union-attr]  # a fan-out
            for up in ((False, True) if edge.tensor == O else (False,))
        )
        base = np.full((len(tree.edges), 2 * fanouts), -1, np.int64)
        code = np.zeros((2 * fanouts, amounts.words.shape[1] if ways else 0), np.int64)
        first = 0
        for way in ways:
            column = way.place + fanouts * way.up
            base[way.edge, column] = first
            stride = 1
            for classes, codes in zip(way.classes, way.codes, strict=True):
                for entry, number in codes:
                    code[column, entry] = number * stride
                stride *= len(classes)
            first += way.patterns
            if first > MOST_PATTERNS:
                raise UnsupportedDesignError(
                    f"{architecture.name}: transfers over routed networks differ in too many ways "
                    f"(over {MOST_PATTERNS}); let tiles divide"
                )
        costs = np.zeros((first, 2), np.int64)
        found: dict[int, tuple[Crossing, ...]] = {}
        if ways:
            needed = _needed(tree, amounts.tables, code, base, first)
            networks = _networks(architecture)
            for way in ways:
                edge = tree.edges[way.edge]
                fanout = architecture.levels[edge.fanouts[way.place]]
                assert isinstance(fanout, Fanout)
                bits = network_word_bits(architecture, fanout.name, TENSORS[edge.tensor])
                start = int(base[way.edge, way.place + fanouts * way.up])
                for pattern in np.flatnonzero(needed[start : start + way.patterns]).tolist():
                    crossings = tuple(
                        networks[fanout.name].crossing(x, bits, up=way.up)
                        for x in way.transfers(pattern, fanout.mesh_x)
                    )
                    found[start + pattern] = crossings
                    busy = max((x.busy_cycles for x in crossings), default=0)
                    end = max((x.busy_cycles + x.late_cycles for x in crossings), default=0)
                    costs[start + pattern] = busy, end - busy
        return cls(ways, code, base, costs, found)

    def hops(self, tree: Tree, uses: Int, tensor: int, level: int, *, up: bool) -> int:
        """Return flits times links of a tensor through the fan-out at a level in one direction."""
        return sum(
            int(uses[at]) * sum(sum(x.hops) for x in self.found[at])
            for way in self.ways
            if way.up == up and tree.edges[way.edge].tensor == tensor
            if tree.edges[way.edge].fanouts[way.place] == level
            for at in self.way_patterns(way)
            if uses[at]
        )

    def loads(self, tree: Tree, uses: Int) -> tuple[NetworkUse, ...]:
        """Return what a run did to every routed network.

        Args:
            tree: the mapped problem.
            uses: int64 [patterns], how often each crossed.
        """
        parts = []
        for way in self.ways:
            name = tree.architecture.levels[tree.edges[way.edge].fanouts[way.place]].name
            for at in self.way_patterns(way):
                if uses[at]:
                    crossed = tuple(NetworkUse(name, x.loads, x.degrees) for x in self.found[at])
                    parts.append((crossed, int(uses[at])))
        return total_network_use(parts)

    def way_patterns(self, way: Way) -> range:
        """Return the numbers of the patterns of a way."""
        first = int(self.base[way.edge, way.place + self.base.shape[1] // 2 * way.up])
        return range(first, first + way.patterns)

    def pattern(
        self, tables: Tables, edge: int, place: int, index: Int, turned: int, *, up: bool
    ) -> int:
        """Return the pattern of a turn; -1 where the fan-out has no routed network."""
        column = place + self.base.shape[1] // 2 * up
        at = int(self.base[edge, column])
        if at < 0:
            return at
        entries = np.zeros(16, np.int64)
        find_entries(tables, edge, index, turned, entries)
        return at + int(self.code[column, entries[: tables[2][edge]]].sum())


def _networks(architecture: Architecture) -> dict[str, FlitNetwork]:
    return {
        x.name: FlitNetwork(x, x.network)
        for x in architecture.fanouts
        if isinstance(x.network, Routed)
    }


def _needed(tree: Tree, tables: Tables, code: Int, base: Int, patterns: int) -> Int:
    """Return int64 [patterns], 1 for those that occur in the run."""
    routed = [(e, x.depth, x.tensor == O) for e, x in enumerate(tree.edges) if (base[e] >= 0).any()]
    again = np.zeros((len(tree.edges), len(tree.time)), np.int64)
    for e, edge in enumerate(tree.edges):
        again[e, [j for j, _ in edge.again]] = 1
    limits = np.zeros(len(tree.time), np.int64)
    from arraysmith.sim.cycle.turns import find_limits

    find_limits(tree.loops, tree.many, tree.size, np.zeros_like(limits), limits)
    needed = np.zeros(patterns, np.int64)
    _mark(
        (tree.loops, tree.many, tree.size), limits, tree.step_loops, tree.ragged,
        np.array(routed, np.int64), again, tables, code, base, needed,
    )  # fmt: skip
    return needed


@njit(cache=True, nogil=True)
def _mark(
    nest: tuple[Int, Int, Int],
    limits: Int,
    last: int,
    ragged: bool,
    edges: Int,
    again: Int,
    tables: Tables,
    code: Int,
    base: Int,
    needed: Int,
) -> None:
    """Take all turns of the loops and mark the patterns that they move."""
    index = np.zeros(len(limits), np.int64)
    entries = np.empty(16, np.int64)
    half = base.shape[1] // 2
    turned = -1
    while True:
        for k in range(len(edges)):
            e = edges[k, 0]
            if turned >= edges[k, 1]:
                continue
            find_entries(tables, e, index, turned, entries)
            back = edges[k, 2] == 0
            for j in range(len(index)):
                back = back or (again[e, j] > 0 and index[j] > 0)
            for column in range(2 * half):
                if base[e, column] >= 0 and (back or column >= half):
                    at = base[e, column]
                    for f in range(tables[2][e]):
                        at += code[column, entries[f]]
                    needed[at] = 1
        turned = next_turn(nest[0], nest[1], nest[2], index, limits, last, ragged)
        if turned < 0:
            return
