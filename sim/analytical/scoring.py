"""Cycles and energy of a batch of counted mappings on one architecture, without Reports.

The same arithmetic as ``latency.bounds`` and ``sim.pricing`` on arrays: a search asks for two
numbers a million times, and for a Report once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Fanout, Memory, Ports, XyBus
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import OFMAP, TENSORS
from arraysmith.arch.technology.wires import hop_pj_per_bit
from arraysmith.sim.analytical.encoding import (
    DRAIN,
    FILL,
    IFMAP,
    PASSES,
    READ,
    UPDATE,
    ChainArrays,
    Int,
)
from arraysmith.sim.analytical.lane_rates import LANES, SHARED_LANES, bus_rates
from arraysmith.sim.pricing import PriceList
from arraysmith.sim.wires import network_word_bits, profile_of, wires_of

Float = NDArray[np.float64]

AVERAGED = int(Ports.AVERAGED)
SHARED = int(Ports.SHARED)

EXACT = 1 << 53
"""Integers below it are floating-point numbers without rounding."""

UNLIMITED = -1
"""Stands for a capacity or a bandwidth without limit."""


@dataclass(frozen=True)
class Entries:
    """Which counts a table keeps: one entry per memory, tensor and direction that can be non-zero.

    Attributes:
        memory: int64 [E], memory index.
        tensor: int64 [E], tensor index.
        direction: int64 [E], direction code.
        span: int64 [E, 2], levels (first, past the last) between the memory and the next keeper
            below, whose networks the words cross; empty for words that do not. Links between
            neighbours are levels past the last, see ``lane_rates``.
    """

    memory: Int
    tensor: Int
    direction: Int
    span: Int

    @classmethod
    def of(cls, chain: ChainArrays) -> Entries:
        """Return the entries of a chain: every kept tensor in every direction."""
        rows = []
        linked = [i for i in range(chain.levels) if chain.network[i, PASSES] > 1]
        for m in range(len(chain.memory_level)):
            near = int(chain.memory_level[m]) - 1  # the fan-out right above
            while near > 0 and chain.network[near, PASSES] == 0:
                near -= 1
            for t in range(3):
                if not chain.keeps[m, t]:
                    continue
                below = [
                    int(chain.memory_level[k])
                    for k in range(m + 1, len(chain.memory_level))
                    if chain.keeps[k, t]
                ]
                first, past = int(chain.memory_level[m]), below[0] if below else chain.levels
                rows += [(m, t, d, first, past if d in (READ, UPDATE) else first) for d in range(4)]
                if t == IFMAP and near in linked:
                    link = chain.levels + linked.index(near)
                    rows[-1] = (m, t, DRAIN, link, link + 1)
        table = np.array(rows, np.int64)
        memory, tensor, direction = (np.ascontiguousarray(table[:, i]) for i in range(3))
        return cls(memory, tensor, direction, np.ascontiguousarray(table[:, 3:]))


Wiring = tuple[Int, Float]
"""Traffic of networks that take energy: int64 [n, 6], entry of the words sent, entry of those taken
(MACS: a word per MAC), a row of ``routed.Profile``; float64 [n], picojoules of a word's hop."""

MACS = -1
"""Stands for an entry where the MACs themselves take or send the words."""


@dataclass(frozen=True)
class Machine:
    """The numbers of an architecture that turn counts into cycles and energy.

    Attributes:
        capacity: int64 [m], words of each memory; UNLIMITED for none.
        width: int64 [m], words per access.
        price: float64 [m, 2], picojoules per (read, write) access.
        bandwidth: int64 [m, 2, 2], words per cycle (read, write) as numerator and denominator.
        ports: int64 [m].
        doubled: int64 [m], 1 where the memory is double-buffered.
        by_side: whether cycles follow the default rules of ``latency``.
        bus: int64 [levels, 2], words per cycle of a tensor's buses in all instances of each
            fan-out, as a fraction; with columns for networks that all tensors share, see
            ``lane_rates``.
        mesh: int64 [f, 2], columns and rows of each fan-out.
        mac_pj: energy of one MAC.
        leakage_pj: leakage per cycle.
        wires: what buses whose wires take energy carry; see ``Wiring``.
    """

    capacity: Int
    width: Int
    price: Float
    bandwidth: Int
    ports: Int
    doubled: Int
    by_side: bool
    bus: Int
    mesh: Int
    mac_pj: float
    leakage_pj: float
    wires: Wiring

    @classmethod
    def of(cls, architecture: Architecture, setting: str) -> Machine:
        """Return the numbers of ``architecture``; the setting decides whether leakage counts.

        Raises:
            ArraysmithError: a memory takes whole words, buses differ in width by tensor, or links
                forward words beside wires that take energy, which these numbers do not hold.
        """
        whole = [memory.name for memory in architecture.memories if memory.whole_words]
        if whole:
            raise ArraysmithError(
                f"{architecture.name}: a search of mappings packs words; leave whole_words out of "
                f"{', '.join(whole)} there, and time what it finds with them by --mapping"
            )
        for fanout in architecture.fanouts:
            if isinstance(fanout.network, XyBus) and fanout.network.tensor_rates:
                raise ArraysmithError(
                    f"{architecture.name}: a search of mappings takes all buses of {fanout.name} "
                    "as equally wide; leave bandwidths out there, and time what it finds with them "
                    "by --mapping"
                )
            links = fanout.bus.forwarding if fanout.bus else None
            if links is not None and (wires_of(fanout) or setting == "timeloop"):
                raise ArraysmithError(
                    f"{architecture.name}: a search of mappings prices no wires of {fanout.name} "
                    "beside links that forward words, and knows these by the default rules only"
                )
        prices = PriceList.of(architecture)
        memories = architecture.memories
        bandwidth = np.full((len(memories), 2, 2), UNLIMITED, np.int64)
        for m, memory in enumerate(memories):
            for d, rate in enumerate((memory.read_words_per_cycle, memory.write_words_per_cycle)):
                if rate is not None:
                    bandwidth[m, d] = (rate.numerator, rate.denominator)
        entries = Entries.of(chain_of(architecture))
        costs = [prices.memories[memory.name] for memory in memories]
        leakage_mw = prices.mac.leakage_mw * architecture.pes + sum(
            cost.leakage_mw * architecture.instances(memory.name)
            for cost, memory in zip(costs, memories, strict=True)
        )
        return cls(
            np.array(
                [UNLIMITED if x.capacity_words is None else x.capacity_words for x in memories],
                np.int64,
            ),
            np.array([x.words_per_access for x in memories], np.int64),
            np.array([(cost.read_pj, cost.write_pj) for cost in costs], np.float64),
            bandwidth,
            np.array([x.ports for x in memories], np.int64),
            np.array([x.double_buffered for x in memories], np.int64),
            setting != "timeloop",
            bus_rates(architecture, entries.tensor, entries.direction, entries.span),
            np.array([(x.mesh_x, x.mesh_y) for x in architecture.fanouts], np.int64),
            prices.mac.read_pj,
            0.0 if setting == "timeloop" else leakage_mw / architecture.clock_hz * 1e9,
            _wiring(architecture, shared_sums=setting == "timeloop"),
        )


def _wiring(architecture: Architecture, *, shared_sums: bool) -> Wiring:
    """Return the traffic that ``model`` reports, as entries, where its wires take energy.

    ``shared_sums``: several children take one partial sum, as under ``timeloop``.
    """
    terms, hop_pj = [], []
    entries = Entries.of(chain_of(architecture))
    keys = zip(
        *(x.tolist() for x in (entries.memory, entries.tensor, entries.direction)), strict=True
    )
    place = {key: index for index, key in enumerate(keys)}
    memories = [x.name for x in architecture.memories]
    for i, level in enumerate(architecture.levels):
        wires = wires_of(level) if isinstance(level, Fanout) else None
        if wires is None or not isinstance(level, Fanout):
            continue
        each_pj = hop_pj_per_bit(wires, architecture.technology)
        profile, parts = profile_of(level)
        for t, tensor in enumerate(TENSORS):
            keepers = [
                (j, memories.index(x.name))
                for j, x in enumerate(architecture.levels)
                if isinstance(x, Memory) and tensor in x.holds
            ]
            above = [m for j, m in keepers if j < i][-1]
            below = next((m for j, m in keepers if j > i), None)
            taken = MACS if below is None else place[below, t, FILL]
            down = place[above, t, READ]
            word_pj = network_word_bits(architecture, level.name, tensor) * each_pj
            if tensor == OFMAP:
                sent = MACS if below is None else place[below, t, DRAIN]
                terms += [(place[above, t, UPDATE], sent, *x) for x in profile]
                hop_pj += [word_pj / parts] * len(profile)
                down = down if below is None or shared_sums else taken
            terms += [(down, taken, *x) for x in profile]
            hop_pj += [word_pj / parts] * len(profile)
    return np.array(terms, np.int64).reshape(-1, 6), np.array(hop_pj, np.float64)


def chain_of(architecture: Architecture) -> ChainArrays:
    """Return the chain of ``architecture`` when every memory keeps all that it may hold."""
    return ChainArrays.of(architecture, Mapping(()))


@njit(inline="always")
def fits(row: int, capacity: Int, mesh: Int, need: Int, extent: Int) -> bool:
    """Return whether mapping ``row`` is legal: kept tiles in capacity, extents in the mesh."""
    for m in range(len(capacity)):
        if capacity[m] >= 0 and need[row, m] > capacity[m]:
            return False
    for f in range(len(mesh)):
        if extent[row, f, 0] > mesh[f, 0] or extent[row, f, 1] > mesh[f, 1]:
            return False
    return True


@njit(cache=True, nogil=True, _nrt=False)
def ceil_ratio(count: int, by: int) -> int:
    """Return ``count`` / ``by``, rounded up; ``count`` is not negative, ``by`` positive.

    Divided as floating-point numbers, several times as fast. That is exact below 2 ** 53: a
    quotient that is no integer is 1 / by from the next one at least, more than its last place
    holds.
    """
    if count < EXACT:
        whole = int(count / by)
        return whole + (whole * by < count)
    return -(-count // by)


@njit(cache=True, nogil=True, _nrt=False)
def _busy(words: int, used: int, over: int, under: int) -> int:
    """Return the cycles of ``words`` of ``used`` instances at over / under words per cycle each.

    0 when unlimited.
    """
    return 0 if over < 0 else ceil_ratio(ceil_ratio(words, used) * under, over)


@njit(cache=True, nogil=True, _nrt=False)
def _side(words_out: int, words_in: int, used: int, rates: Int, m: int, ports: int) -> int:
    """Return the cycles that one side of memory ``m`` is busy, as ``latency.side_cycles``."""
    busy_out: int = _busy(words_out, used, rates[m, 0, 0], rates[m, 0, 1])
    busy_in: int = _busy(words_in, used, rates[m, 1, 0], rates[m, 1, 1])
    return busy_out + busy_in if ports == SHARED else max(busy_out, busy_in)


@njit(inline="always")
def cycles_of(
    row: int,
    steps: Int,
    words: Int,
    instances: Int,
    need: Int,
    entry_memory: Int,
    entry_direction: Int,
    entry_span: Int,
    capacity: Int,
    bandwidth: Int,
    ports: Int,
    doubled: Int,
    by_side: bool,
    bus: Int,
) -> int:
    """Return the cycles of mapping ``row``: the largest of computing and ``latency.bounds``.

    Entries stand in the order of memories. Nothing is allocated, no row of an array taken: that
    took two thirds of the time.
    """
    cycles: int = steps[row]
    e = 0
    for m in range(len(ports)):
        reads = fills = updates = drains = 0
        while e < len(entry_memory) and entry_memory[e] == m:
            moved, direction = words[row, e], entry_direction[e]
            if direction == READ:
                reads += moved
            elif direction == FILL:
                fills += moved
            elif direction == UPDATE:
                updates += moved
            else:
                drains += moved
            e += 1
        used = instances[row, m]
        if not by_side or ports[m] == AVERAGED:
            busy = _side(reads + drains, fills + updates, used, bandwidth, m, ports[m])
            cycles = max(cycles, busy)
            continue
        children = _side(reads, updates, used, bandwidth, m, ports[m])
        parent = _side(drains, fills, used, bandwidth, m, ports[m])
        cycles = max(cycles, children, parent)
        twice = capacity[m] < 0 or 2 * need[row, m] <= capacity[m]
        if not (doubled[m] and twice):
            cycles = max(cycles, max(steps[row], children) + parent)
    for lev in range(len(bus)):
        if bus[lev, 0] == SHARED_LANES:
            down = up = alone_down = alone_up = 0
            for e in range(len(entry_memory)):
                units = bus[lev, LANES + e] * words[row, e]
                if units > 0 and entry_memory[e]:
                    down += units
                elif units > 0:
                    alone_down = max(alone_down, units)
                elif entry_memory[e]:
                    up -= units
                else:
                    alone_up = max(alone_up, -units)
            down, up = max(down, alone_down), max(up, alone_up)
            if bus[lev, 2] >= 0:
                cycles = max(cycles, ceil_ratio(down * bus[lev, 3], bus[lev, 2] * bus[lev, 1]))
            if bus[lev, 4] >= 0:
                cycles = max(cycles, ceil_ratio(up * bus[lev, 5], bus[lev, 4] * bus[lev, 1]))
        elif bus[lev, 0] >= 0:
            most = 0  # the busiest tensor and direction takes longest: one division a level
            for e in range(len(entry_memory)):
                if entry_span[e, 0] <= lev < entry_span[e, 1]:
                    most = max(most, words[row, e])
            cycles = max(cycles, ceil_ratio(most * bus[lev, 1], bus[lev, 0]))
    return cycles


@njit(inline="always")
def energy_of(
    row: int,
    words: Int,
    instances: Int,
    entry_memory: Int,
    entry_direction: Int,
    width: Int,
    price: Float,
) -> float:
    """Return the picojoules of all accesses of mapping ``row``."""
    energy = 0.0
    for e in range(len(entry_memory)):
        moved = words[row, e]
        if moved:
            m = entry_memory[e]
            used = instances[row, m]
            accesses = used * ceil_ratio(moved, used * width[m])
            energy += accesses * price[m, 0 if entry_direction[e] in (READ, DRAIN) else 1]
    return energy


@njit(inline="always")
def network_of(row: int, words: Int, terms: Int, hop_pj: Float, macs: int) -> float:
    """Return the picojoules of all hops on buses of mapping ``row``, as ``wires.bus_hops``."""
    energy = 0.0
    for n in range(len(terms)):
        sent = words[row, terms[n, 0]]
        if sent:
            taken = macs if terms[n, 1] == MACS else words[row, terms[n, 1]]
            some = min(sent * terms[n, 3], max(sent, taken) * terms[n, 4])
            energy += (sent * terms[n, 2] + some * terms[n, 5]) * hop_pj[n]
    return energy
