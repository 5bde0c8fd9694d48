"""The hardware: a chain of memories and fan-outs from off-chip memory down to the MACs.

Every number a search may change has a path, ``glb.depth`` or ``array.mesh_x``: see ``paths``.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction
from math import prod

from arraysmith.arch.dram import Dram
from arraysmith.arch.errors import ArraysmithError, nearest
from arraysmith.arch.interconnect import (
    FREE_BUSES,
    FlitWiring,
    Routed,
    Tree,
    Wireless,
    Wires,
    XyBus,
)
from arraysmith.arch.layout import Layout

__all__ = [
    "COLUMNS",
    "LEAKS_ALL",
    "LEAKS_SRAM",
    "REQUEST_BYTES",
    "ROWS",
    "STREAM",
    "Architecture",
    "Compute",
    "Energy",
    "Fanout",
    "FlitWiring",
    "Level",
    "Memory",
    "Ports",
    "Routed",
    "ScaleOut",
    "Systolic",
    "Tree",
    "Wireless",
    "Wires",
    "Wiring",
    "XyBus",
]

REQUEST_BYTES = 64
"""Most bytes of one DMA request unless said otherwise: a cache line, and one burst of eight
beats on a 64-bit DDR channel (JESD79-4)."""


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy stated for one component, in place of what the technology tables would give.

    Attributes:
        read_pj: picojoules per read access (of the whole width), or per operation of the MACs.
        write_pj: picojoules per write access; equal to ``read_pj`` for the MACs.
    """

    read_pj: float
    write_pj: float


class Ports(IntEnum):
    """How what is read of a memory and what is written share its time.

    Two models of one machine may differ by two for nothing but this (Mei et al., DATE 2022, let
    transfers take turns at a port; others average), so it is a property of the memory, with a name.

    Attributes:
        SHARED: one port towards the parent, one towards the children: reads and writes take turns.
        DEDICATED: a port each way, towards the parent and towards the children alike. As with
            SHARED, filling and work exclude each other where there is no second half to fill.
        AVERAGED: a port each way for both sides together, of which closed forms see the mean only:
            all words out against the read rate, all words in against the write rate, and nothing
            waits for anything. The simulator knows which word passes when: DEDICATED to it.
    """

    SHARED = 1
    DEDICATED = 2
    AVERAGED = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory (off-chip, SRAM or scratchpad), replicated by the fan-outs above it.

    Attributes:
        name: level name, unique in the architecture.
        device: what it is built of, a name known to ``arch.technology``: ``lpddr4``, ``sram`` ...
        holds: names of the tensors it may keep; the others pass by.
        width_bits: bits moved by one access.
        word_bits: bits one word of any tensor takes here. Partial sums may be wider than results.
        depth: number of lines of ``width_bits``; None is unbounded (off-chip only).
        read_words_per_cycle: words that can leave per cycle; None is unlimited.
        write_words_per_cycle: words that can enter per cycle; None is unlimited.
        ports: how reads and writes share the time, one of ``Ports``.
        whole_words: whether every transfer of a tile takes whole accesses of ``width_bits``, so
            that a part of the last one is lost; else accesses are packed, as from a stream. Counts
            in closed forms, for time.
        double_buffered: the memory is two halves, one worked on while the other is filled or
            drained. A mapping whose tiles need more than a half then runs without that overlap.
        tiles_in_flight: most tiles of a mapping that a double-buffered memory holds at a time, as
            far as they fit. Two are its halves; more are a queue of tiles, some on their way in,
            some on their way out. Counts in the simulator, on the chip (over the off-chip border
            one tile comes ahead): closed forms see averages.
        fills_after: name of a memory beside this one that takes its words first: what a turn of a
            loop brings comes here when that one has what the turn brings there; None if the two
            fill side by side. Counts in simulator and rehearsal, where both fill on the chip.
        latency_cycles: cycles from request to first word.
        energy: stated energies; None to take them from the technology.
        banks: parts that are accessed side by side. Per cycle, each port reaches one line of each
            bank. Counts when a layout is stated or there are several banks.
        layouts: (tensor, layout) of tensors whose words lie otherwise than ``Layout()`` says, or
            that lie so and whose accesses to the banks count.
        partition: (tensor, lines) of a memory in which each tensor has its own lines, in the order
            in which they lie; empty: any tensor may take any place.
        request_bytes: most bytes of one DMA request; counts off-chip.
        requests_in_flight: DMA requests that a channel may have under way; None is unlimited;
            counts off-chip. An off-chip memory with two ports has a channel each way.
        dram: the DRAM that an off-chip memory is; None: rates and latency say all. Rates and
            latency beside it are its peak and its unloaded latency: see ``with_dram_rates``.
    """

    name: str
    device: str
    holds: tuple[str, ...]
    width_bits: int
    word_bits: int
    depth: int | None = None
    read_words_per_cycle: Fraction | None = None
    write_words_per_cycle: Fraction | None = None
    ports: int = Ports.DEDICATED
    double_buffered: bool = True
    latency_cycles: int = 0
    energy: Energy | None = None
    banks: int = 1
    layouts: tuple[tuple[str, Layout], ...] = ()
    partition: tuple[tuple[str, int], ...] = ()
    request_bytes: int = REQUEST_BYTES
    requests_in_flight: int | None = None
    whole_words: bool = False
    tiles_in_flight: int = 2
    fills_after: str | None = None
    dram: Dram | None = None

    def with_dram_rates(self, clock_hz: int) -> Memory:
        """Return the memory with what its DRAM allows at most, under a design's clock.

        Both rates are the peak bandwidth; the data bus of a DRAM carries one direction at a time,
        so that they share it. A memory without DRAM stays as it is.
        """
        if self.dram is None:
            return self
        rate = self.dram.words_per_cycle(self.word_bits, clock_hz)
        return replace(
            self,
            read_words_per_cycle=rate,
            write_words_per_cycle=rate,
            ports=Ports.SHARED,
            latency_cycles=self.dram.latency_cycles(clock_hz),
            requests_in_flight=self.requests_in_flight or self.dram.device.read_places,
        )

    def layout(self, tensor: str) -> Layout:
        """Return where the words of ``tensor`` lie."""
        return dict(self.layouts).get(tensor, Layout())

    def banked(self, tensor: str) -> bool:
        """Return whether accesses to ``tensor`` meet banks: several, or a stated layout."""
        return self.banks > 1 or tensor in dict(self.layouts)

    def lines(self, tensor: str) -> int | None:
        """Return the lines that ``tensor`` may take; None when unbounded."""
        return dict(self.partition).get(tensor, self.depth)

    def first_line(self, tensor: str) -> int:
        """Return the first line of the part of ``tensor``; 0 without partition."""
        names = [name for name, _ in self.partition]
        before = names.index(tensor) if tensor in names else 0
        return sum(lines for _, lines in self.partition[:before])

    @property
    def words_per_access(self) -> int:
        """Words moved by one access; at least 1."""
        return max(1, self.width_bits // self.word_bits)

    @property
    def capacity_words(self) -> int | None:
        """Words that fit: depth x width / word bits, rounded down; None when unbounded."""
        return None if self.depth is None else self.depth * self.width_bits // self.word_bits

    @property
    def capacity_bits(self) -> int:
        """Bits of storage of one instance; 0 when unbounded (it is not on the chip)."""
        return 0 if self.depth is None else self.depth * self.width_bits


@dataclass(frozen=True, slots=True)
class Systolic:
    """Store-and-forward neighbours: operands enter at the left and the top, skewed by a cycle a PE.

    Attributes:
        drain: how outputs leave an output-stationary array: ``shift``, down the columns, one row
            per cycle after the last MAC; ``bus``, over a bus per column, the cycle after the last
            MAC; ``free``, at once.
        fold_overlap: what the PEs hold twice, so that a fold begins before the last one is over:
            ``none``; ``weights``, the stationary operand (acts weight and input stationary);
            ``accumulators``, the results (acts output stationary).
        partial_folds: extents that a fold's time is counted with when it does not fill the array:
            ``used`` rows and columns, or ``full``.
        partial_sums: where sums over row folds are kept, weight and input stationary:
            ``accumulate``, in the SRAM when all of a column fold fit; ``spill``, off-chip always.
        wires: what moving words takes; None counts no energy for it.
    """

    drain: str = "shift"
    fold_overlap: str = "none"
    partial_folds: str = "used"
    partial_sums: str = "accumulate"
    wires: Wires | None = None


ROWS, COLUMNS, STREAM = "rows", "columns", "stream"
"""The three flattened indices of a product on a systolic array: see ``sim.folding``."""


@dataclass(frozen=True, slots=True)
class ScaleOut:
    """Systolic arrays side by side, each with a part of the product (Samajdar et al., ISPASS 2020).

    Each axis of the mesh cuts one flattened index: ``rows``, ``columns`` (a partition in space) or
    ``stream`` (in time). Memories below this fan-out are private to an array: parts are contiguous
    and of nearly equal size, and where the cut index is added up (the stream of output stationary
    arrays, the rows of the others), sums of arrays are added off-chip. Memories above it are shared
    by all arrays, which then run in lockstep: arrays take turns over the index, block by block or,
    over the stream, value by value, and sums are added by a tree on the way to the memory.

    Attributes:
        y: index that the rows of the mesh cut.
        x: index that its columns cut; when it is that of ``y``, every array has a part of its own.
    """

    y: str = ROWS
    x: str = COLUMNS


Wiring = XyBus | Tree | Routed | Wireless | Systolic | ScaleOut


@dataclass(frozen=True, slots=True)
class Fanout:
    """A mesh of mesh_x columns by mesh_y rows of everything below this level, and its network."""

    name: str
    mesh_x: int
    mesh_y: int
    network: Wiring = FREE_BUSES

    @property
    def instances(self) -> int:
        """Number of children."""
        return self.mesh_x * self.mesh_y

    @property
    def bus(self) -> XyBus | None:
        """What the network counts like: who shares a transfer, and the fixed latency.

        None for what is no network between a memory and its children (systolic, scale-out).
        """
        network = self.network
        if isinstance(network, XyBus):
            return network
        if isinstance(network, Tree):
            return network.as_bus(self.instances)
        return network.as_bus() if isinstance(network, FlitWiring) else None


@dataclass(frozen=True, slots=True)
class Compute:
    """The MAC unit at the bottom: one multiply-accumulate per cycle.

    Attributes:
        name: level name.
        multiply_bits: bits of each factor.
        accumulate_bits: bits of the adder.
        pipeline_cycles: cycles from operands to result; at least 1.
        energy: stated energy per MAC; None to take it from the technology.
        number: type of its numbers, known to ``arch.technology``: ``int``, ``fp16`` ... It decides
            energy and area, nothing else.
    """

    name: str = "mac"
    multiply_bits: int = 8
    accumulate_bits: int = 16
    pipeline_cycles: int = 1
    energy: Energy | None = None
    number: str = "int"


Level = Memory | Fanout

LEAKS_SRAM, LEAKS_ALL = "sram", "all"
"""Values of ``Architecture.leakage``."""


@dataclass(frozen=True)
class Architecture:
    """A chain of levels, off-chip memory first, MACs last.

    Attributes:
        name: of the design.
        clock_hz: array clock; every cycle count is in its cycles.
        technology: name of the energy and area table, for example ``65nm``.
        levels: memories and fan-outs, outermost first; the first is the off-chip memory.
        compute: the MAC unit below the last level.
        leakage: what leaks: ``sram``, memories that are not made of gates; ``all``, MACs and
            register files, too.
    """

    name: str
    clock_hz: int
    technology: str
    levels: tuple[Level, ...]
    compute: Compute = Compute()
    leakage: str = LEAKS_SRAM

    @property
    def memories(self) -> tuple[Memory, ...]:
        """Memories, outermost first."""
        return tuple(level for level in self.levels if isinstance(level, Memory))

    @property
    def fanouts(self) -> tuple[Fanout, ...]:
        """Fan-outs, outermost first."""
        return tuple(level for level in self.levels if isinstance(level, Fanout))

    @property
    def systolic(self) -> Fanout | None:
        """The systolic array, if the MACs form one (rows are mesh_y, columns are mesh_x)."""
        last = self.levels[-1]
        return last if isinstance(last, Fanout) and isinstance(last.network, Systolic) else None

    @property
    def scale_out(self) -> Fanout | None:
        """The mesh of systolic arrays, if there is one."""
        for fanout in self.fanouts:
            if isinstance(fanout.network, ScaleOut):
                return fanout
        return None

    @property
    def pes(self) -> int:
        """Number of MAC units."""
        return prod(fanout.instances for fanout in self.fanouts)

    def level(self, name: str) -> Level:
        """Return the level called ``name``; raises ArraysmithError with the near matches."""
        for level in self.levels:
            if level.name == name:
                return level
        raise ArraysmithError(
            f"{self.name} has no level {name!r}: {nearest(name, [x.name for x in self.levels])}"
        )

    def instances(self, name: str) -> int:
        """Return how many copies of the level called ``name`` the chip has."""
        count = 1
        for level in self.levels:
            if level.name == name:
                return count
            if isinstance(level, Fanout):
                count *= level.instances
        return count

    @property
    def storage_bits(self) -> int:
        """Bits of on-chip storage: every instance of every bounded memory."""
        return sum(memory.capacity_bits * self.instances(memory.name) for memory in self.memories)

    def value(self, path: str) -> int:
        """Return the number at ``path`` (``level.field``), see ``paths.value_at``."""
        from arraysmith.arch.paths import value_at  # it needs these types

        return value_at(self, path)

    def with_values(self, values: Dict[str, int]) -> Architecture:
        """Return a copy with the numbers at the given paths replaced."""
        from arraysmith.arch.paths import with_values  # it needs these types

        return with_values(self, values)
