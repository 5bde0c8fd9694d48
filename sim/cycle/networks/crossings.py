"""Transfers over routed networks and the air, each pattern simulated (counted) once.

Every pattern (``flit_network``, ``air``) that occurs in a run is simulated once, from rest. In the
run it enters as soon as it meets nothing of the patterns before it (``channels``), so that it takes
as long as from rest, and a design stays a system of which no part that gets faster makes the run
slower.
Patterns of the two directions never meet on a routed network: ways are shortest ones, so those from
the memory and those to it share no link (``tests/sim/test_crossings_meet.py``). On the air all
share the only one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numba import njit

from arraysmith.arch.architecture import Architecture, Fanout, FlitWiring, Wireless
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.nest.amounts import Amounts
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.lookups import Tables, find_entries
from arraysmith.sim.cycle.nest.portions import Portions, stretched
from arraysmith.sim.cycle.nest.transfer_groups import Way, way_of
from arraysmith.sim.cycle.nest.tree import O, Tree
from arraysmith.sim.cycle.nest.turns import next_turn
from arraysmith.sim.cycle.networks.air import Air
from arraysmith.sim.cycle.networks.channels import COSTS, TAKEN
from arraysmith.sim.cycle.networks.flit_network import Crossing, FlitNetwork
from arraysmith.sim.network_use import NetworkUse, total_network_use
from arraysmith.sim.noc.occupancy import Span
from arraysmith.sim.wires import network_word_bits

MOST_PATTERNS = 1 << 22
"""Combinations of classes that a table of patterns may have."""


@dataclass(frozen=True)
class Crossings:
    """The patterns of a mapped design.

    Attributes:
        ways: what goes through routed networks.
        code: int64 [2 x fan-outs, entries], what an entry adds to the number of a pattern: through
            the i-th fan-out of its edge down, and from ``fan-outs`` on up.
        base: int64 [edges, 2 x fan-outs], number of the first pattern; -1: no routed network.
        costs: int64 [patterns, COSTS], see ``channels``.
        spans: int64 [rows, ..], of the channels that patterns take.
        channels: of all routed networks, for the chip and, where it uses one, for the border.
        vcs: most virtual channels of one.
        found: crossings of the patterns that occur, of every family of children.
    """

    ways: tuple[Way, ...]
    code: Int
    base: Int
    costs: Int
    spans: Int
    channels: int
    vcs: int
    found: dict[int, tuple[Crossing, ...]]

    @classmethod
    def of(cls, tree: Tree, amounts: Amounts, portions: Portions) -> Crossings:
        """Return the patterns of a mapped design, every one that occurs simulated.

        What crosses the border has channels of its own. Where the chip uses the network as well,
        it is as much slower as it has less than all flits (``portions``).

        Raises:
            UnsupportedDesignError: more patterns than a table holds.
        """
        architecture = tree.architecture
        fanouts = max(1, len(architecture.fanouts))
        ways = tuple(
            way_of(tree, amounts, number, place, up=up)
            for number, edge in enumerate(tree.edges)
            for place, level in enumerate(edge.fanouts)
            if isinstance(architecture.levels[level].network, FlitWiring)  # type: ignore[union-attr]  # a fan-out
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
        costs = np.zeros((first, COSTS), np.int64)
        found: dict[int, tuple[Crossing, ...]] = {}
        networks = _networks(architecture) if ways else {}
        vcs = max((x.vcs for x in networks.values()), default=0)
        places = dict(zip(networks, _first_channels(networks), strict=True))
        channels = sum(x.channels for x in networks.values())
        rows: list[list[int]] = []
        if ways:
            needed = _needed(tree, amounts.tables, code, base, first)
            for way in ways:
                edge = tree.edges[way.edge]
                fanout = architecture.levels[edge.fanouts[way.place]]
                assert isinstance(fanout, Fanout)
                bits = network_word_bits(architecture, fanout.name, TENSORS[edge.tensor])
                start = int(base[way.edge, way.place + fanouts * way.up])
                level, border = edge.fanouts[way.place], edge.parent == 0
                parts = portions.of_network(level, up=way.up, border=border)
                offset = places[fanout.name] + channels * border
                for pattern in np.flatnonzero(needed[start : start + way.patterns]).tolist():
                    crossings = tuple(
                        networks[fanout.name].crossing(x, bits, up=way.up)
                        for x in way.transfers(pattern, fanout.mesh_x)
                    )
                    found[start + pattern] = crossings
                    busy = max((x.busy_cycles for x in crossings), default=0)
                    end = max((x.busy_cycles + x.late_cycles for x in crossings), default=0)
                    spans = [x for one in crossings for x in one.spans]
                    before = len(rows)
                    more = stretched(busy, parts) - busy
                    rows += [_longer(x, vcs, more) for x in _rows(spans, offset, vcs)]
                    costs[start + pattern] = busy + more, end - busy, before, len(rows)
        if any(tree.edges[way.edge].parent == 0 for way in ways):
            channels *= 2
        spans_table = np.array(rows, np.int64).reshape(-1, TAKEN + 1 + 2 * vcs)
        return cls(ways, code, base, costs, spans_table, channels, vcs, found)

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
            edge = tree.edges[way.edge]
            name, tensor = (
                tree.architecture.levels[edge.fanouts[way.place]].name,
                TENSORS[edge.tensor],
            )
            for at in self.way_patterns(way):
                if uses[at]:
                    crossed = tuple(
                        NetworkUse(
                            name,
                            tuple((link, kind, tensor, n) for link, kind, n in x.loads),
                            tuple((tensor, *degree) for degree in x.degrees),
                        )
                        for x in self.found[at]
                    )
                    parts.append((crossed, int(uses[at])))
        return total_network_use(parts)

    def word_bits(self, tree: Tree, way: Way) -> int:
        """Return the bits of a word on a way."""
        edge = tree.edges[way.edge]
        name = tree.architecture.levels[edge.fanouts[way.place]].name
        return network_word_bits(tree.architecture, name, TENSORS[edge.tensor])

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


def _first_channels(networks: dict[str, FlitNetwork | Air]) -> list[int]:
    """Return the number of the first channel of every network, among those of all."""
    return [0, *accumulate(x.channels for x in networks.values())][: len(networks)]


def _rows(spans: list[Span], first: int, vcs: int) -> list[list[int]]:
    """Return rows of the table of spans; what several families take of a channel as one.

    Each family of children has a network of its own, and they enter together.
    """
    channels: dict[int, list[Span]] = {}
    for span in spans:
        channels.setdefault(span.channel, []).append(span)
    found = []
    for channel, those in sorted(channels.items()):
        many = max(len(x.taken) for x in those)
        taken = [min(x.taken[v] for x in those if v < len(x.taken)) for v in range(many)]
        # Who takes fewer has those that are ready last in common with the others.
        ready = [
            max(x.ready[v - many] for x in those if many - v <= len(x.ready)) for v in range(many)
        ]
        begin, end = min(x.begin for x in those), max(x.end for x in those)
        row = [first + channel, begin, end, those[0].vcs, many]
        rest = [0] * (vcs - many)
        found.append([*row, *taken, *rest, *ready, *rest])
    return found


def _longer(row: list[int], vcs: int, more: int) -> list[int]:
    """Return a row of the table of spans of a pattern that ends ``more`` cycles later."""
    channel, begin, end, of, many, *times = row
    ready = [x + more for x in times[vcs:]]
    return [channel, begin, end + more, of, many, *times[:vcs], *ready]


def _networks(architecture: Architecture) -> dict[str, FlitNetwork | Air]:
    return {
        x.name: Air(x, x.network) if isinstance(x.network, Wireless) else FlitNetwork(x, x.network)
        for x in architecture.fanouts
        if isinstance(x.network, FlitWiring)
    }


def _needed(tree: Tree, tables: Tables, code: Int, base: Int, patterns: int) -> Int:
    """Return int64 [patterns], 1 for those that occur in the run."""
    routed = [(e, x.depth, x.tensor == O) for e, x in enumerate(tree.edges) if (base[e] >= 0).any()]
    again = np.zeros((len(tree.edges), len(tree.time)), np.int64)
    for e, edge in enumerate(tree.edges):
        again[e, [j for j, _ in edge.again]] = 1
    limits = np.zeros(len(tree.time), np.int64)
    from arraysmith.sim.cycle.nest.turns import find_limits

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
