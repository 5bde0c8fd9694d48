"""From simulated transfers to the requests a probe sees: exact addresses, in program order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.interconnect import DIRECTIONS
from arraysmith.arch.legality import tile_sizes
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.array.columns import RECORD, RING, Clocks
from arraysmith.sim.cycle.array.machine import Machine
from arraysmith.sim.cycle.nest.boxes import Int, padded
from arraysmith.sim.cycle.nest.passing import L_WAY, links_of
from arraysmith.sim.cycle.nest.tree import Edge, O
from arraysmith.sim.cycle.offchip.border import BorderRequests
from arraysmith.sim.cycle.offchip.protocol import Timing
from arraysmith.sim.cycle.offchip.schedule import Epoch
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.coming_back import Back
from arraysmith.sim.cycle.tracing.link_sides import EnterSide, LinkSide
from arraysmith.sim.cycle.tracing.mac_words import OPERAND, SUM_READ, SUM_WRITE, MacWords
from arraysmith.sim.cycle.tracing.memory_runs import (
    Q_ADDRESS,
    Q_PORT,
    Q_REQUEST,
    Q_RESPONSE,
    Q_SIZE,
    Q_TILE,
)
from arraysmith.sim.cycle.tracing.merging import LAST, Merger
from arraysmith.sim.cycle.tracing.near_side import near_requests, near_transfers
from arraysmith.sim.cycle.tracing.sides import (
    EdgeSide,
    MacSide,
    Moves,
    NetworkSide,
    Side,
    sums_that_come_back,
)
from arraysmith.sim.probe import Probe

NETWORK = "network"
"""First part of the name of a network's stream."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where a tensor lies in off-chip memory: ``size`` bytes from byte ``base``."""

    base: int
    size: int


def address_map(
    problem: Problem, architecture: Architecture, parameters: CycleParameters | None = None
) -> dict[str, Region]:
    """Return where each tensor lies off-chip: one after the other, row-major, at aligned bases.

    The byte address of word w is base + w * word_bits / 8 rounded down. The architecture is named
    because a design may come to decide the layout; today's do not.
    """
    del architecture
    align = (parameters or CycleParameters()).region_align_bytes
    regions: dict[str, Region] = {}
    base = 0
    for tensor in problem.stored_tensors:
        size = -(-tensor.words * tensor.word_bits // 8)
        regions[tensor.name] = Region(base, size)
        base += -(-size // align) * align
    return regions


class Streams:
    """Tells a probe what crosses the off-chip border and what moves at the memories on the chip.

    Off-chip streams: ``<offchip>/<tensor>/read`` and ``write``. Memories on the chip: ``write`` of
    an operand is a fill, of results an update or partial sums that come back; ``read`` feeds
    children or MACs or takes results out. The port is the number of the instance (see
    ``instances``). Addresses are those of the frame in which a tile is kept in place (see
    ``boxes.frame_address``), one frame per tensor after the other; which half of a ping-pong memory
    a tile is in follows from the parity of its number and is not part of the address.

    Networks of fan-outs: ``network/<fan-out>/<tensor>/down`` and ``up``, a request per transfer
    (see ``network_runs``) and instance of the network, whose number is the port; addresses are
    those of the parent's memory. Words that neighbours pass on: ``read`` and ``write`` of their
    memory, and ``network/<fan-out>/<tensor>/<direction>``, one of ``DIRECTIONS``, with the address
    that the words have at both ends; the port is the number of the child that takes them.
    """

    def __init__(
        self,
        problem: Problem,
        machine: Machine,
        border: BorderRequests,
        probe: Probe,
        parameters: CycleParameters,
    ) -> None:
        self._machine = machine
        self._border = border
        self._probe = probe
        self._most = parameters.chunk_records
        tree = machine.tree
        levels = tree.architecture.levels
        self._frames: dict[tuple[int, int], Int] = {}
        self._bases: dict[tuple[int, int], int] = {}
        self._told: set[int] = set()
        for level in range(1, len(levels)):
            kept = [t for t in range(3) if level in tree.keepers[t]]
            if probe.wants(levels[level].name):
                self._told.add(level)
            sizes = tile_sizes(tree.architecture, problem, tree.mapping, level)
            base = 0
            for t in kept:
                tensor = problem.tensors[t]
                reach = [axis.reach(sizes) for axis in tensor.axes]
                self._frames[level, t], self._bases[level, t] = padded(reach, 1), base
                base += -(-prod(reach) * tensor.word_bits // 8)
        for t, tensor in enumerate(problem.tensors):
            self._frames[0, t] = padded([axis.extent for axis in tensor.axes], 1)
            self._bases[0, t] = border.base(t)
        self._streams: dict[str, _Stream] = {}
        for k in range(len(machine.inner)):
            self._find_edge_sides(k)
        for edge in {edge.tensor: edge for edge in tree.edges}.values():
            if not edge.at_macs and edge.child in self._told:
                self._find_mac_sides(edge)
        self._near = self._near_sides()
        # The kernel notes steps only where somebody is told of them.
        self.steps = any(isinstance(y, MacSide) for x in self._streams.values() for y in x.sides)
        width = RECORD + len(tree.time)
        rows = 4 * max(1, len(machine.inner)) * (RING + 2) + parameters.chunk_records
        # Without room the kernel keeps no records: nobody is told of anything on the chip.
        self.room = np.empty((rows if self._streams else 0, width), np.int64)

    def _add(self, name: str, level: int, tensor: int, side: Side) -> None:
        """Add a source of the stream ``name``, with addresses in the memory at ``level``."""
        if name not in self._streams:
            tell = partial(self._tell, name, self._bases[level, tensor], tensor)
            self._streams[name] = _Stream([], Merger(tell, self._most))
        self._streams[name].sides.append(side)

    def _name(self, level: int, tensor: int, way: str) -> str:
        found = self._machine.tree.architecture.levels[level]
        network = f"{NETWORK}/" if isinstance(found, Fanout) else ""
        return f"{network}{found.name}/{TENSORS[tensor]}/{way}"

    def _find_edge_sides(self, k: int) -> None:
        """Add what to tell of an edge on the chip."""
        machine, tree = self._machine, self._machine.tree
        edge = tree.edges[machine.inner[k]]
        t, parent, child = edge.tensor, edge.parent, edge.child

        def add(level: int, way: str, moves: Moves, *, up: bool, again: bool = False,
                back: Back | None = None) -> None:  # fmt: skip
            through = level in edge.fanouts
            frame = self._frames[parent if through else level, t]
            kind = NetworkSide if through else EdgeSide
            side = kind(machine, k, level, moves, frame, up=up, again=again, back=back)
            self._add(self._name(level, t, way), parent if through else level, t, side)

        down = [(parent, "read"), *((x, "down") for x in edge.fanouts)]
        if not len(links_of(tree, edge)):  # else see ``EnterSide``
            down.append((child, "write"))
        for level, way in down:
            if level in self._told and t != O:
                split = None if level == parent else level
                moves = Moves.of(tree, edge, level, up=False, tiles=False, split=split)
                add(level, way, moves, up=False)
            elif level in self._told:
                for moves, back in sums_that_come_back(tree, edge, level):
                    add(level, way, moves, up=False, back=back)
        self._find_link_sides(k)
        if t != O:
            return
        if parent in self._told:
            arriving = Moves.of(tree, edge, parent, up=True, tiles=False)
            add(parent, "read", arriving, up=True, again=True)
            add(parent, "write", arriving, up=True)
        if child in self._told:
            moves = Moves.of(tree, edge, child, up=False, tiles=False, split=child)
            add(child, "read", moves, up=True)
        for level in edge.fanouts:
            if level in self._told:
                moves = Moves.of(tree, edge, level, up=True, tiles=False, split=level)
                add(level, "up", moves, up=True)

    def _find_link_sides(self, k: int) -> None:
        """Add what to tell of words that neighbours below an edge on the chip pass on."""
        machine, tree = self._machine, self._machine.tree
        edge = tree.edges[machine.inner[k]]
        links = links_of(tree, edge)
        if not len(links):
            return
        t, child, fanout = edge.tensor, edge.child, edge.fanouts[-1]
        frame = self._frames[child, t]
        sides: list[tuple[int, str, Side]] = []
        if child in self._told:
            sides.append((child, "read", LinkSide(machine, k, frame)))
            sides.append((child, "write", EnterSide(machine, k, frame)))
        if fanout in self._told:
            ways = links[:, L_WAY].tolist()
            sides += [(fanout, DIRECTIONS[n], LinkSide(machine, k, frame, n)) for n in ways]
        for level, way, side in sides:
            self._add(self._name(level, t, way), child, t, side)

    def _find_mac_sides(self, edge: Edge) -> None:
        """Add what to tell of a memory right above the MACs; ``edge`` is its tensor's last one."""
        ways = [("read", OPERAND)]
        if edge.tensor == O:
            ways = [("read", SUM_READ), ("write", SUM_WRITE)]
        for way, kind in ways:
            frame = self._frames[edge.child, edge.tensor]
            words = MacWords.of(self._machine.tree, edge, kind, frame)
            name = self._name(edge.child, edge.tensor, way)
            self._add(name, edge.child, edge.tensor, MacSide(self._machine, edge, words))

    def _near_sides(self) -> dict[tuple[int, bool], list[tuple[int, str, Moves]]]:
        """Return what moves below the border, by tensor and whether it goes out.

        Of each place its level, its way, and what moves there.
        """
        tree = self._machine.tree
        found: dict[tuple[int, bool], list[tuple[int, str, Moves]]] = {}
        for t, e in enumerate(self._machine.borders):
            edge = tree.edges[e]
            for outward in (False, True) if t == O else (False,):
                sums = t == O and not outward  # tiles that come back, each to one instance
                places = [(edge.child, "read" if outward else "write")]
                places += [(level, "up" if outward else "down") for level in edge.fanouts]
                for level, way in places:
                    if level not in self._told:
                        continue
                    moves = Moves.of(
                        tree, edge, level, up=outward and level != edge.child, tiles=sums,
                        split=None if sums else level,
                    )  # fmt: skip
                    found.setdefault((t, outward), []).append((level, way, moves))
        return found

    def tell_border(self, tensor: int, epoch: Epoch, timing: Timing, *, outward: bool) -> None:
        """Tell the near side of a border transfer."""
        edge = self._machine.tree.edges[self._machine.borders[tensor]]
        for level, way, moves in self._near.get((tensor, outward), ()):
            through = level in edge.fanouts
            place = 0 if through else level, tensor
            listed = near_transfers if through else near_requests
            rows = listed(moves, self._frames[place], epoch, timing, outward=outward)
            self._tell(self._name(level, tensor, way), self._bases[place], tensor, rows)

    def tell_inner(self, records: Int, clocks: Clocks) -> None:
        """Tell what the kernel did: the records that ``spatial.run_phase`` wrote.

        Args:
            records: int64 [n, RECORD + loops in time].
            clocks: see ``columns.Clocks``, as the kernel left them.
        """
        for stream in self._streams.values():
            stream.tell(records, clocks, self._most)

    def finish(self) -> None:
        """Tell what is left, at the end of the run."""
        for stream in self._streams.values():
            stream.merger.finish()

    def _tell(self, name: str, base: int, tensor: int, rows: Int) -> None:
        """Tell requests in words, int64 [n, REQUEST], in bytes."""
        bursts = self._border.in_bytes(
            tensor, base, rows[:, Q_ADDRESS : Q_SIZE + 1], np.empty(0, np.int64)
        )
        self._probe.requests(
            name,
            rows[:, Q_REQUEST].copy(),
            rows[:, Q_RESPONSE].copy(),
            bursts.address,
            bursts.size,
            rows[:, Q_TILE].astype(np.uint32),
            rows[:, Q_PORT].astype(np.uint16),
        )


@dataclass(frozen=True, eq=False)
class _Stream:
    """One stream: where its requests come from, and what puts them in order."""

    sides: list[Side]
    merger: Merger

    def tell(self, records: Int, clocks: Clocks, most: int) -> None:
        """Take the requests of records from all sides, earliest first, so that few are held."""
        later = [side.frontier(clocks) for side in self.sides]
        bounds, sources = list(later), []
        for i, side in enumerate(self.sides):
            chosen = side.chosen(records)
            sources.append(side.listed(chosen, most))
            if len(chosen):
                bounds[i] = min(bounds[i], int(side.first(chosen).min()))
        left = set(range(len(self.sides)))
        while left:
            i = min(left, key=lambda x: bounds[x])
            rows, following = next(sources[i], (None, LAST))
            if rows is None:
                left.remove(i)
                following = LAST
            else:
                self.merger.push(i, rows)
            bounds[i] = min(later[i], following)
            self.merger.release(min(bounds))
