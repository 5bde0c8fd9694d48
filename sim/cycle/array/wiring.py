"""Ports, and networks of any kind, of a mapped design as clocks, see ``holding.Wires``."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm

import numpy as np

from arraysmith.arch.architecture import Architecture, FlitWiring
from arraysmith.arch.architecture import Tree as TreeNetwork
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.interconnect import Forwarding
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.array import columns
from arraysmith.sim.cycle.array.holding import ALONE, Wires
from arraysmith.sim.cycle.array.transfers import ROUTED
from arraysmith.sim.cycle.banks.bank_turns import BankTurns
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.passing import links_of
from arraysmith.sim.cycle.nest.portions import PARTS, Portions
from arraysmith.sim.cycle.nest.ports import DRAIN, FILL, READ, UPDATE
from arraysmith.sim.cycle.nest.tree import O, Tree
from arraysmith.sim.cycle.networks.channels import READY
from arraysmith.sim.cycle.networks.crossings import Crossings

MOST_TICKS = 1 << 30
"""Most parts of a cycle that rates may need to be told exactly; 2^63 ticks are the longest run."""


def wires_of(
    tree: Tree,
    routes: Crossings,
    banks: BankTurns,
    portions: Portions,
    inner: tuple[int, ...],
    ticks: int,
) -> Wires:
    """Return the clocks of a design at cycle 0.

    Args:
        tree: the mapped design.
        routes: patterns on its routed networks.
        banks: turns in its banks.
        portions: who has which part of the cycles.
        inner: numbers of the edges on the chip, parents first.
        ticks: of a cycle.
    """
    architecture = tree.architecture
    memories = architecture.memories
    ports = np.arange(4 * len(memories)).reshape(-1, 4)
    per_word = np.zeros((len(memories), 4), np.int64)
    for m, memory in enumerate(memories):
        if memory.ports == 1:
            ports[m, UPDATE], ports[m, DRAIN] = ports[m, READ], ports[m, FILL]
        out, back = memory.read_words_per_cycle, memory.write_words_per_cycle
        per_word[m, READ] = per_word[m, DRAIN] = _per_word(out, ticks)
        per_word[m, UPDATE] = per_word[m, FILL] = _per_word(back, ticks)
    to_macs = per_word[:, [READ, UPDATE]] * PARTS // portions.macs
    per_word = per_word * PARTS // portions.ports
    access = [x.words_per_access if x.whole_words else 1 for x in memories]
    buses = [
        (e, level, up) for e in inner for up in (False, True) for level in tree.edges[e].fanouts
    ]
    clocks: dict[tuple[object, ...], int] = {}
    for bus in buses:
        clocks.setdefault(_bus_clock(tree, *bus), len(clocks))
    slots = [clocks[_bus_clock(tree, *bus)] for bus in buses]
    per_bus = [_bus_ticks(tree, ticks, portions, *bus) for bus in buses]
    links = [x for e in inner if (x := _links(tree, e)) is not None]
    slots += range(len(clocks), len(clocks) + len(links))
    per_bus += [_per_word(x.words_per_cycle, ticks) for x in links]
    users = _port_users(tree, inner, ports, per_word)
    return (
        np.zeros(4 * len(memories) + len(users), np.int64),
        ports,
        per_word,
        np.array(access, np.int64),
        np.zeros(len(clocks) + len(links), np.int64),
        np.array(per_bus, np.int64),
        ticks,
        np.array(slots, np.int64),
        np.array([_leaf_ticks(tree, ticks, portions, x, up) for _, x, up in buses], np.int64),
        routes.code,
        routes.base,
        routes.costs,
        np.zeros(len(routes.costs), np.int64),
        banks.table,
        routes.spans,
        np.zeros((routes.channels, READY + routes.vcs), np.int64),
        np.zeros(len(buses), np.int64),
        ticks * PARTS // portions.ports,
        users,
        np.zeros(len(users), np.int64),
        to_macs,
    )


def _port_users(tree: Tree, inner: tuple[int, ...], ports: Int, per_word: Int) -> Int:
    """Return int64 [2 x edges on the chip], the port of a child that each uses down and up.

    ALONE where nobody else uses it, or where it has no limit.
    """
    memories = tree.architecture.memories
    users = np.full(2 * len(inner), ALONE, np.int64)
    for k, e in enumerate(inner):
        edge = tree.edges[e]
        if edge.at_macs:
            continue
        m = memories.index(tree.memory(edge.child))
        if edge.tensor != O or edge.again:
            users[2 * k] = ports[m, FILL]
        if edge.tensor == O:
            users[2 * k + 1] = ports[m, DRAIN]
    limited = per_word.any(axis=1) | np.array([x.banks > 1 for x in memories])
    of_several = [x >= 0 and (users == x).sum() > 1 and limited[x // 4] for x in users.tolist()]
    return np.where(of_several, users, ALONE)


def add_links(tree: Tree, inner: list[int], rows: Int, code: Callable[[str], int]) -> None:
    """Write the columns of ``Machine.edges`` for links between neighbours, which follow all buses.

    Args:
        tree: the mapped design.
        inner: numbers of the edges on the chip.
        rows: int64 [edges on the chip, columns.EDGE], written.
        code: gives the code of a stall cause.

    Raises:
        UnsupportedDesignError: neighbours pass words on that come straight from off-chip memory.
    """
    for e, edge in enumerate(tree.edges):
        if edge.parent == 0 and _links(tree, e) is not None:
            raise UnsupportedDesignError(
                f"{tree.architecture.levels[edge.fanouts[-1]].name}: forwarding is simulated below "
                f"a memory on the chip that keeps the {TENSORS[edge.tensor]}"
            )
    rows[:, columns.LINK] = -1
    at = 2 * sum(len(tree.edges[e].fanouts) for e in inner)
    for row, e in zip(rows, inner, strict=True):
        links = _links(tree, e)
        if links is not None:
            name = tree.architecture.levels[tree.edges[e].fanouts[-1]].name
            row[columns.LINK], row[columns.LINK_LATENCY] = at, links.latency_cycles
            row[columns.LINK_CAUSE] = code(f"{name}_links")
            at += 1


def _links(tree: Tree, edge: int) -> Forwarding | None:
    """Return the links over which words of an edge are passed on; None if there are none."""
    if not len(links_of(tree, tree.edges[edge])):
        return None
    return tree.bus(tree.edges[edge].fanouts[-1]).forwarding


def _bus_clock(tree: Tree, edge: int, level: int, up: bool) -> tuple[object, ...]:
    """Return what shares a clock: a bus per tensor, but one tree or network for all."""
    network = tree.network(level)
    shared = isinstance(network, FlitWiring)
    if isinstance(network, TreeNetwork):
        shared = network.rate("", up=up) is not None  # without a limit nobody waits
    return (level, up) if shared else (edge, level, up)


def _bus_ticks(tree: Tree, ticks: int, portions: Portions, edge: int, level: int, up: bool) -> int:
    """Return the ticks of a word through a fan-out; ROUTED where it is."""
    network, tensor = tree.network(level), TENSORS[tree.edges[edge].tensor]
    if isinstance(network, FlitWiring):
        return ROUTED
    parts = portions.of_network(level, up=up, border=False)
    return _per_word(network.rate(tensor, up=up), ticks) * PARTS // parts


def _leaf_ticks(tree: Tree, ticks: int, portions: Portions, level: int, up: bool) -> int:
    network = tree.network(level)
    rate = network.leaf_words_per_cycle if isinstance(network, TreeNetwork) else None
    parts = portions.of_network(level, up=up, border=False)
    return _per_word(rate, ticks) * PARTS // parts


def ticks_of(architecture: Architecture, portions: Portions) -> int:
    """Return the parts of a cycle in which every rate on the chip moves whole words."""
    rates: list[Fraction | None] = []
    for memory in architecture.memories[1:]:
        rates += [memory.read_words_per_cycle, memory.write_words_per_cycle]
    for fanout in architecture.fanouts:
        rates += getattr(fanout.network, "rates", ())
    found = lcm(*(rate.numerator for rate in rates if rate is not None)) * lcm(*portions.divided)
    if found > MOST_TICKS:
        raise UnsupportedDesignError(
            f"{architecture.name}: rates on the chip need {found} parts of a cycle to be exact, "
            f"at most {MOST_TICKS} are simulated: round some"
        )
    return found


def _per_word(rate: Fraction | None, ticks: int) -> int:
    return 0 if rate is None else ticks // rate.numerator * rate.denominator
