"""Banks beside a spatial array: the lines that the busiest bank opens for every transfer.

A transfer moves a set of words through one port of a memory, and is over when the last one has
moved; so they may come in any order. In a cycle a port reaches one line of each bank (see
``banks``), and all words of that line that move come with it. The transfer then takes as many turns
as the busiest bank has lines of it, whatever is done first. Every instance of a memory has banks of
its own; the one that takes most turns counts, as all work in lock step.

Words lie in the frame in which a tile is kept in place (see ``boxes``), under the layout of the
memory as if the frame were the tensor. What one turn of the loops moves depends on nothing but the
turns; and the places of its words in lines depend on less: tiles further on by whole lines open as
many of them in every bank. So the turns are counted once per *class* of a turn, before the run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.legality import tile_sizes
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.banks.bank_keys import keys_of
from arraysmith.sim.cycle.banks.bank_lines import Leaving, Side, count_leaving, count_turns
from arraysmith.sim.cycle.banks.bank_lookups import (
    AT_CHILD_SIDE,
    AT_PARENT,
    EMPTY,
    BankTable,
    bank_turns,
    find_key,
)
from arraysmith.sim.cycle.banks.conflicts import Places
from arraysmith.sim.cycle.nest.amounts import Amounts, modes_of
from arraysmith.sim.cycle.nest.boxes import AXES, Int, padded
from arraysmith.sim.cycle.nest.entries import factors_of
from arraysmith.sim.cycle.nest.instance_runs import room_of
from arraysmith.sim.cycle.nest.instances import instance_numbers
from arraysmith.sim.cycle.nest.listing import (
    Scratch,
    scratch_of,
    view_of,
)
from arraysmith.sim.cycle.nest.lookups import Tables, find_entries
from arraysmith.sim.cycle.nest.passing import links_of
from arraysmith.sim.cycle.nest.transfer_groups import entries_of
from arraysmith.sim.cycle.nest.tree import Edge, O, Tree
from arraysmith.sim.cycle.nest.turns import (
    ALONE,
    find_limits,
    next_turn,
)

MOST_CODES = 1 << 62
"""Combinations of classes that a number can tell apart."""


@dataclass(frozen=True)
class BankTurns:
    """The turns of all transfers of a mapped design that meet banks.

    Attributes:
        code: int64 [2, entries], what an entry of ``Amounts`` adds to the number of a transfer, at
            the parent of its edge and at the child.
        base: int64 [edges, 2], number of the first transfer; -1: no banks.
        keys: int64 [n], numbers of the transfers that occur, -1 between them: see ``find_key``.
        turns: int64 [n, 2], their turns, see ``bank_lookups.ALL_LINES``.
    """

    code: Int
    base: Int
    keys: Int
    turns: Int

    @property
    def table(self) -> BankTable:
        """What the kernels take."""
        return self.code, self.base, self.keys, self.turns

    @classmethod
    def of(cls, tree: Tree, amounts: Amounts) -> BankTurns:
        """Return the turns of a mapped design.

        Raises:
            UnsupportedDesignError: a memory whose banks are not simulated.
        """
        _require_banks(tree)
        base = np.full((len(tree.edges), 2), -1, np.int64)
        keys, turns = np.full(2, EMPTY, np.int64), np.zeros((2, 2), np.int64)
        banked = [
            (number, side)
            for number, edge in enumerate(tree.edges)
            for side in (AT_PARENT, AT_CHILD_SIDE)
            if _banked(tree, edge, side)
        ]
        code = np.zeros((2, amounts.words.shape[1] if banked else 0), np.int64)
        first = used = 0
        for number, side in banked:
            base[number, side] = first
            first += _encode(tree, amounts, number, side, code[side])
            if first > MOST_CODES:
                raise UnsupportedDesignError(
                    f"{tree.architecture.name}: transfers differ in too many ways to count what "
                    "each asks of banks; let tiles divide"
                )
            edge = tree.edges[number]
            limits = np.zeros(len(tree.time), np.int64)
            find_limits(tree.loops, tree.many, tree.size, np.zeros_like(limits), limits)
            look, leave = _side_of(tree, edge, side), _leaving_of(tree, edge, side)
            keys, turns, used = _tabulate(
                -1, 0,
                (tree.loops, tree.many, tree.size), limits, edge.depth, tree.ragged, number,
                amounts.tables, code[side], int(base[number, side]), look, scratch_of(look[0]),
                leave, keys, turns, used,
            )  # fmt: skip
        return cls(code, base, keys, turns)

    def of_turn(
        self, tables: Tables, edge: int, side: int, what: int, index: Int, turned: int
    ) -> int:
        """Return the turns of what one turn of the loops moves: see ``bank_lookups.bank_turns``."""
        entries = np.zeros(16, np.int64)
        find_entries(tables, edge, index, turned, entries)
        found: int = bank_turns(self.table, edge, side, what, tables[2][edge], entries)
        return found


def _banked(tree: Tree, edge: Edge, side: int) -> bool:
    level = edge.parent if side == AT_PARENT else edge.child
    if level == 0 or (side == AT_CHILD_SIDE and edge.at_macs):
        return False
    return tree.memory(level).banked(TENSORS[edge.tensor])


def _require_banks(tree: Tree) -> None:
    """Refuse what is not simulated."""
    fed: dict[str, int] = {}
    for t in range(3):
        last = [edge for edge in tree.edges if edge.tensor == t][-1]
        if not last.at_macs:
            name = tree.memory(last.child).name
            fed[name] = fed.get(name, 0) + 1
    for memory in tree.architecture.memories:
        if memory.partition:
            raise UnsupportedDesignError(
                f"{memory.name}: a partition is simulated beside a systolic array only, whose "
                "operands pass in chunks that fit their parts; tiles of a mapping share the lines"
            )
        banked = any(memory.banked(name) for name in memory.holds)
        if banked and memory.depth is None:
            raise UnsupportedDesignError(f"{memory.name}: banks are simulated on the chip only")
        if banked and fed.get(memory.name, 0) > 1:
            raise UnsupportedDesignError(
                f"{memory.name}: MACs take words of {fed[memory.name]} tensors from its banks, one "
                "by one: what meets there is not simulated; give each tensor a memory of its own"
            )


def _side_of(tree: Tree, edge: Edge, side: int) -> Side:
    """Return what passes the port of the parent (the child) of an edge."""
    if side == AT_PARENT:
        level, view = edge.parent, view_of(tree, edge, up=edge.tensor == O)
    else:
        level, view = edge.child, view_of(tree, edge, tiles=edge.tensor == O)
        modes = modes_of(tree, edge, edge.child, up=False, tiles=False)
        # Children take all that is new to them, whoever it comes from.
        view = (*view[:7], modes, view[8], view[9][:0], view[10])
    reach, places = _places_of(tree, edge, side)
    axes = np.zeros((AXES, places.axes.shape[1]), np.int64)
    axes[:, :3] = 1  # axes in front have one index and add nothing
    axes[AXES - len(reach) :] = places.axes
    adds = edge.tensor == O and side == AT_PARENT and bool((view[7][:, 0] == ALONE).any())
    shape = np.array([tree.memory(level).banks, places.rows], np.int64)
    return view, padded(reach, 1), places.numbers, axes, adds, shape


def _leaving_of(tree: Tree, edge: Edge, side: int) -> tuple[bool, Leaving, Scratch, Int]:
    """Return whether children pass words on from banks, which, and room to list them."""
    passed = side == AT_CHILD_SIDE and len(links_of(tree, edge)) > 0
    view = view_of(tree, edge, split=edge.child if passed else None, passed=passed)
    tiles, numbers = (
        view_of(tree, edge, tiles=True)[7],
        instance_numbers(tree, edge.child, edge.child),
    )
    copies = room_of(view, 0)[0]
    return passed, (view, tiles, numbers, 64), scratch_of(view), copies


def _places_of(tree: Tree, edge: Edge, side: int) -> tuple[list[int], Places]:
    """Return the frame in which a memory keeps tiles of an edge's tensor, and where words lie."""
    level = edge.parent if side == AT_PARENT else edge.child
    tensor = tree.problem.tensors[edge.tensor]
    sizes = tile_sizes(tree.architecture, tree.problem, tree.mapping, level)
    frame = [axis.reach(sizes) for axis in tensor.axes]
    return frame, Places.of(tree.memory(level), tensor, frame)


def _encode(tree: Tree, amounts: Amounts, number: int, side: int, code: Int) -> int:
    """Write what every entry of an edge adds to the numbers of transfers; return how many."""
    edge = tree.edges[number]
    view, frame, places = _side_of(tree, edge, side)[0], *_places_of(tree, edge, side)
    total = 1
    for f, factor in enumerate(factors_of(tree, edge)):
        kept = (frame[f], places.periods()[f]) if factor.extent else (1, 1)
        known: dict[bytes, int] = {}
        done: set[int] = set()
        for turned, start, inside in entries_of(tree, amounts, number, f, factor):
            if start in done:
                continue
            done.add(start)
            for first, keys in keys_of(tree, edge, factor, view, kept, turned, inside):
                for n, key in enumerate(keys, start + first):
                    code[n] = known.setdefault(key.tobytes(), len(known)) * total
        total *= max(1, len(known))
    return total


@njit(cache=True, nogil=True)
def _tabulate(
    turned: int,
    stamp: int,
    nest: tuple[Int, Int, Int],
    limits: Int,
    depth: int,
    ragged: bool,
    edge: int,
    tables: Tables,
    code: Int,
    base: int,
    side: Side,
    scratch: Scratch,
    leave: tuple[bool, Leaving, Scratch, Int],
    keys: Int,
    turns: Int,
    used: int,
) -> tuple[Int, Int, int]:
    """Take all turns of the loops that move an edge's tile; return (keys, turns, how many).

    ``turned`` is -1 and ``stamp`` 0: written in here, they would be types of their own, and the
    kernels that they are handed on to be compiled twice.
    """
    index = np.zeros(len(limits), np.int64)
    entries = np.empty(16, np.int64)
    shape = side[5]
    seen = np.zeros((shape[0], shape[1]), np.int64)
    lines = np.zeros(shape[0], np.int64)
    while True:
        find_entries(tables, edge, index, turned, entries)
        at = base
        for f in range(tables[2][edge]):
            at += code[entries[f]]
        k = find_key(keys, at)
        if keys[k] != at:
            if 2 * used >= len(keys):
                fewer, less = keys, turns
                keys = np.full(2 * len(fewer), EMPTY, np.int64)
                turns = np.zeros((2 * len(fewer), 2), np.int64)
                for i in range(len(fewer)):
                    if fewer[i] != EMPTY:
                        k = find_key(keys, fewer[i])
                        keys[k], turns[k] = fewer[i], less[i]
                k = find_key(keys, at)
            used += 1
            keys[k] = at
            stamp = count_turns(index, turned, side, scratch, stamp, seen, lines, turns[k])
            if leave[0]:
                stamp = count_leaving(
                    index, turned, side, leave[1], leave[2], leave[3], stamp, seen, lines, turns[k]
                )
        turned = next_turn(nest[0], nest[1], nest[2], index, limits, depth, ragged)
        if turned < 0:
            return keys, turns, used
