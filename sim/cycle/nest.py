"""A mapped problem on a spatial design, laid out as the arrays that the kernels read.

Three cuts through the temporal loops, outermost first:

* ``phase_loops``: one turn of them is a *phase*; between two phases something crosses the off-chip
  border, inside a phase nothing does;
* ``step_loops``: one turn of them is a *step*; inside a step no scratchpad's tile moves;
* the rest: the ``macs_per_step`` multiply-accumulates that a PE does one after the other in a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout, Memory, XyBus
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import tile_sizes
from arraysmith.arch.mapping import Mapping, PlacedLoop, kept_tensors, placed_loops
from arraysmith.arch.problem import TENSORS, Problem, Tensor
from arraysmith.sim.cycle.boxes import AXES, Int, padded

I, W, O = range(3)  # noqa: E741 - named as in every formula of the field; positions in TENSORS
"""Tensor codes: ifmap, weight, ofmap."""

Flags = NDArray[np.bool_]


class UnsupportedDesignError(ArraysmithError):
    """A design that the simulator has no machine for."""


@dataclass(frozen=True)
class Chain:
    """The parts of a spatial design that the simulator knows.

    Attributes:
        offchip: off-chip memory.
        shared: the on-chip memory above the fan-out; None if there is none, or it keeps nothing.
        fanout: the array.
        bus: its network.
        spads: per tensor, the scratchpad that keeps it; None if the MACs take it from the network.
        in_shared: per tensor, whether ``shared`` keeps it.
        shared_level: index of ``shared`` in the levels; that of the fan-out if there is none.
        child_level: per tensor, index of its scratchpad's level; for the MACs one past their own,
            so that loops at the MACs are outside of their word.
    """

    offchip: Memory
    shared: Memory | None
    fanout: Fanout
    bus: XyBus
    spads: tuple[Memory | None, ...]
    in_shared: tuple[bool, ...]
    shared_level: int
    child_level: tuple[int, ...]

    @classmethod
    def of(cls, architecture: Architecture, mapping: Mapping) -> Chain:
        """Return the chain.

        Raises:
            UnsupportedDesignError: anything but one off-chip memory, at most one shared memory, one
                fan-out with an ``XyBus`` and at most one scratchpad per tensor below it.
        """
        levels = architecture.levels
        arrays = [i for i, level in enumerate(levels) if isinstance(level, Fanout)]
        if len(arrays) != 1:
            raise UnsupportedDesignError(
                f"{architecture.name}: cycle simulation of a spatial design takes one fan-out, "
                f"this one has {len(arrays)}: {', '.join(levels[i].name for i in arrays)}"
            )
        fanout = levels[arrays[0]]
        assert isinstance(fanout, Fanout)
        if not isinstance(fanout.network, XyBus):
            raise UnsupportedDesignError(f"{fanout.name}: its network must be X and Y buses")
        keepers: list[list[int]] = [[], [], []]
        for i, level in enumerate(levels):
            if isinstance(level, Memory):
                for name in kept_tensors(level, mapping.at(level.name)):
                    keepers[TENSORS.index(name)].append(i)
        above = sorted({i for row in keepers for i in row if 0 < i < arrays[0]})
        below = [[i for i in row if i > arrays[0]] for row in keepers]
        if len(above) > 1 or any(len(row) > 1 for row in below):
            raise UnsupportedDesignError(
                f"{architecture.name}: cycle simulation takes one on-chip memory above the array "
                "and one scratchpad per tensor below it; let the mapping's keep pass the others"
            )
        first, shared = levels[0], levels[above[0]] if above else None
        assert isinstance(first, Memory)
        assert shared is None or isinstance(shared, Memory)
        spads = [levels[row[0]] if row else None for row in below]
        for memory in architecture.memories:
            if memory.banks > 1 or memory.layouts or memory.partition:
                raise UnsupportedDesignError(
                    f"{memory.name}: banks, layouts and parts are simulated beside a systolic "
                    "array only"
                )
        return cls(
            offchip=first,
            shared=shared,
            fanout=fanout,
            bus=fanout.network,
            spads=tuple(x if isinstance(x, Memory) else None for x in spads),
            in_shared=tuple(bool(above) and above[0] in row for row in keepers),
            shared_level=above[0] if above else arrays[0],
            child_level=tuple(row[0] if row else len(levels) + 1 for row in below),
        )


@dataclass(frozen=True)
class Nest:
    """Loops and tiles. Axis order [tensor, axis, loop]; see ``boxes`` for the axes.

    Attributes:
        counts: int64 [loops], turns of the temporal loops that turn more than once.
        phase_loops: how many of them make the phases.
        step_loops: how many of them make the steps.
        extent: int64 [3, AXES], stored words.
        offset: int64 [3, AXES], first index of the first tile (minus the padding).
        shared_stride: int64 [3, AXES, loops], by how much a loop moves the shared memory's tile.
        shared_reach: int64 [3, AXES], words of that tile along each axis.
        child_stride: int64 [3, AXES, loops], the same of the scratchpads (or MACs).
        child_reach: int64 [3, AXES].
        mac_stride: int64 [3, AXES, loops], by how much a loop moves the MAC's word.
        retains: bool [3], False for operands that MACs take from the network word by word.
        shifts: int64 [3, AXES, most], shifts of the tiles that get a transfer each.
        shift_sizes: int64 [3, AXES], how many along each axis.
        copies: int64 [3], transfers per such tile (more than one without multicast).
        every_shift: int64 [3, AXES, most], shifts of the tiles of all PEs, equal ones too.
        every_sizes: int64 [3, AXES].
        every_copies: int64 [3], PEs per such tile that differ in loops that do not move it.
        instance_shift: int64 [instances, 3, AXES], shift of every PE's tile.
        shared_again: bool [loops], a turn above 0 means: this result tile was in the shared
            memory before.
        child_again: bool [loops], the same of the scratchpads.
    """

    counts: Int
    phase_loops: int
    step_loops: int
    extent: Int
    offset: Int
    shared_stride: Int
    shared_reach: Int
    child_stride: Int
    child_reach: Int
    mac_stride: Int
    retains: Flags
    shifts: Int
    shift_sizes: Int
    copies: Int
    every_shift: Int
    every_sizes: Int
    every_copies: Int
    instance_shift: Int
    shared_again: Flags
    child_again: Flags

    @property
    def phases(self) -> int:
        """Number of phases."""
        return prod(int(x) for x in self.counts[: self.phase_loops])

    @property
    def steps_per_phase(self) -> int:
        """Steps in each phase."""
        return prod(int(x) for x in self.counts[self.phase_loops : self.step_loops])

    @property
    def macs_per_step(self) -> int:
        """Multiply-accumulates of each PE in a step."""
        return prod(int(x) for x in self.counts[self.step_loops :])

    @property
    def instances(self) -> int:
        """PEs at work."""
        return len(self.instance_shift)

    @property
    def result_tiles(self) -> int:
        """Different result tiles in the array at a time."""
        return prod(int(x) for x in self.shift_sizes[O])

    def tile_words(self, reach: Int) -> int:
        """Words of a tile, padding included."""
        return prod(int(x) for x in reach)

    @classmethod
    def of(
        cls, architecture: Architecture, problem: Problem, mapping: Mapping, chain: Chain
    ) -> Nest:
        """Return the nest of a legal mapping."""
        placed = placed_loops(architecture, problem.size, mapping)
        time = [x for x in placed if x.axis == "t" and x.count > 1]
        space = [x for x in placed if x.axis != "t" and x.count > 1]
        tensors = problem.tensors
        shared_level = [chain.shared_level if kept else 0 for kept in chain.in_shared]
        macs = len(architecture.levels) + 1

        def strides(levels: list[int]) -> Int:
            return np.array(
                [_strides(t, time, level) for t, level in zip(tensors, levels, strict=True)],
                np.int64,
            ).reshape(3, AXES, len(time))

        def reaches(levels: list[int]) -> Int:
            return np.array(
                [
                    padded(
                        [
                            axis.reach(tile_sizes(architecture, problem, mapping, level))
                            for axis in t.axes
                        ],
                        1,
                    )
                    for t, level in zip(tensors, levels, strict=True)
                ]
            )

        shared_stride = strides(shared_level)
        child_stride = strides(list(chain.child_level))
        retains = np.array([spad is not None for spad in chain.spads])
        # A MAC without scratchpad takes its word anew in every cycle: every loop is a step.
        moving = np.array(
            [child_stride[t].any(0) if retains[t] else np.ones(len(time), bool) for t in range(3)]
        ).reshape(3, len(time))
        phase_loops = 0
        for t in range(3):
            outside = shared_stride[t].any(0) if chain.in_shared[t] else moving[t]
            phase_loops = max(phase_loops, _innermost(outside))
        shifts = [_shifts(t, space, chain.bus, result=t is problem.ofmap) for t in tensors]
        every = [_shifts(t, space, XyBus(multicast=False), result=False) for t in tensors]
        return cls(
            counts=np.array([x.count for x in time], np.int64),
            phase_loops=phase_loops,
            step_loops=max([phase_loops, *(_innermost(row) for row in moving)]),
            extent=np.array([padded([axis.extent for axis in t.axes], 1) for t in tensors]),
            offset=np.array([padded([axis.offset for axis in t.axes], 0) for t in tensors]),
            shared_stride=shared_stride,
            shared_reach=reaches(shared_level),
            child_stride=child_stride,
            child_reach=reaches(list(chain.child_level)),
            mac_stride=strides([macs] * 3),
            retains=retains,
            shifts=_table([rows for rows, _ in shifts]),
            shift_sizes=np.array([[len(axis) for axis in rows] for rows, _ in shifts], np.int64),
            copies=np.array([copies for _, copies in shifts], np.int64),
            every_shift=_table([rows for rows, _ in every]),
            every_sizes=np.array([[len(axis) for axis in rows] for rows, _ in every], np.int64),
            every_copies=np.array([copies for _, copies in every], np.int64),
            instance_shift=_instances(tensors, space),
            shared_again=_again(time, shared_level[O], shared_stride[O].any(0), retains=True),
            child_again=_again(
                time, chain.child_level[O], child_stride[O].any(0), retains=bool(retains[O])
            ),
        )


def _innermost(flags: Flags) -> int:
    """Return how many loops there are down to the last True."""
    found = np.flatnonzero(flags)
    return int(found[-1]) + 1 if len(found) else 0


def _table(ragged: list[list[list[int]]]) -> Int:
    """Return the lists as one array, short ones filled up with zeros."""
    most = max(len(axis) for rows in ragged for axis in rows)
    return np.array(
        [[axis + [0] * (most - len(axis)) for axis in rows] for rows in ragged], np.int64
    )


def _coefficient(tensor: Tensor, axis: int, dim: str) -> int:
    return dict(tensor.axes[axis].terms).get(dim, 0)


def _strides(tensor: Tensor, loops: list[PlacedLoop], level: int) -> list[list[int]]:
    """Return [AXES][loops] moves of the tile at ``level``; loops at the level or below are 0."""
    rows = [[0] * len(loops) for _ in range(AXES - len(tensor.axes))]
    for a in range(len(tensor.axes)):
        moves = [_coefficient(tensor, a, x.dim) * x.tile if x.level < level else 0 for x in loops]
        rows += [moves]
    return rows


def _again(loops: list[PlacedLoop], level: int, moving: Flags, *, retains: bool) -> Flags:
    """Return the loops whose second turn comes back to result tiles that were there before.

    Loops above the level that do not move the tile, but have one inside them that does; MACs, which
    retain nothing, come back whatever turns.
    """
    innermost = _innermost(moving) if retains else len(loops)
    return np.array(
        [x.level < level and not moving[j] and j < innermost for j, x in enumerate(loops)], bool
    )


def _axis_shifts(tensor: Tensor, axis: int, loops: list[PlacedLoop]) -> list[int]:
    """Return the shifts of all instances along one axis, one per turn of the loops that move it."""
    shifts = [0]
    for x in loops:
        coefficient = _coefficient(tensor, axis, x.dim)
        if coefficient:
            shifts = [s + i * coefficient * x.tile for s in shifts for i in range(x.count)]
    return shifts


def _shifts(
    tensor: Tensor, loops: list[PlacedLoop], bus: XyBus, *, result: bool
) -> tuple[list[list[int]], int]:
    """Return the shifts along every axis of the tiles with a transfer of their own, and copies.

    For results: of the different tiles (they are told apart whatever the bus does).
    """
    columns = [x for x in loops if x.axis == "x"]
    rows = [x for x in loops if x.axis == "y"]
    found: list[list[int]] = [[0]] * (AXES - len(tensor.axes))
    for a in range(len(tensor.axes)):
        if result or (bus.multicast and bus.diagonal):
            found.append(sorted(set(_axis_shifts(tensor, a, loops))))
        elif bus.multicast:
            across = sorted(set(_axis_shifts(tensor, a, columns)))
            down = sorted(set(_axis_shifts(tensor, a, rows)))
            found.append([x + y for x in across for y in down])
        else:
            found.append(_axis_shifts(tensor, a, loops))
    still = prod(x.count for x in loops if x.dim not in tensor.dims)
    return found, 1 if result or bus.multicast else still


def _instances(tensors: tuple[Tensor, ...], loops: list[PlacedLoop]) -> Int:
    """Return int64 [instances, 3, AXES]: the shift of each PE's tile of each tensor."""
    table = np.zeros((1, 3, AXES), np.int64)
    for x in loops:
        step = np.array(
            [
                padded([_coefficient(t, a, x.dim) * x.tile for a in range(len(t.axes))], 0)
                for t in tensors
            ]
        )
        turns = np.arange(x.count).reshape(1, -1, 1, 1)
        table = (table[:, None] + turns * step).reshape(-1, 3, AXES)
    return table
