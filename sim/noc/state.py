"""Arrays of a network: how it is wired, what its routers hold, what its packets are.

Few arrays with named columns, since a kernel's compile time grows with the number of its arrays.
Ports of all routers are numbered through, inputs and outputs alike (``port``); a virtual channel
of one is ``port * vcs + vc`` (``lane``). Terminals stand where a port could as ``-1 - terminal``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.noc.router import ALLOCATORS, FLOW_CONTROLS, Router
from arraysmith.sim.noc.routing import RouteTable
from arraysmith.sim.noc.topology import Topology

Int = NDArray[np.int64]
Small = NDArray[np.int16]

NOWHERE = -(1 << 40)
"""Other end of a port that leads nowhere."""

INDEX_BITS = 20
"""Bits of a flit's place in its packet; the packet's number stands above them."""

# Stages of a lane's packet.
IDLE, ROUTING, WAITING, ACTIVE, FORKING, JOINING = range(6)
# Lists of a router: lanes by what they bid for; the row after them counts all.
BY_ROUTE, BY_VC, BY_SWITCH, BY_FORK, BY_JOIN, LISTS = range(6)
# Kinds of packets.
UNICAST, MULTICAST, REDUCTION = range(3)
KINDS = ("unicast", "multicast", "reduction")
# What ``advance`` says.
DONE, FULL, STUCK = range(3)
# Columns of ``Wiring.port`` (router; other ends; latency of what leaves and of what comes in) and
# of ``Wiring.terminal``.
W_ROUTER_OF, W_TARGET, W_SOURCE, W_LATENCY, W_LATENCY_IN = range(5)
T_PORT, T_ROUTER = range(2)
# Columns of ``State.now``: next cycle, events on their way, cycle of the last move, deliveries not
# taken, flits inside, packets queued.
NOW, EVENTS, LAST_MOVE, DELIVERED, FLITS_IN, QUEUED = range(6)
# Columns of ``State.lane``. Of an input: ring of flits, stage of the first packet, end of a stage of
# several cycles (-1 is none), virtual channel won and not taken yet, port and virtual channels bid
# for, virtual channel held, branches (bits of local ports) and flits dropped of a packet that forks
# or joins, pointer of the arbiter. Of an output: pointer, free places behind it, holder.
FIRST, COUNT, STAGE, DUE, WON, OUT, MASK, OUT_VC, BRANCHES, POPPED, VC_IN = range(11)
VC_OUT, CREDITS, OWNER, LANE_COLUMNS = range(11, 15)
# Columns of ``State.branch``: virtual channel held, flits sent.
BRANCH_VC, BRANCH_SENT = range(2)
# Columns of ``State.port``: virtual channels not held (bits), pointer, flits by kind from LOADS on.
FREE, SWITCH_OUT, LOADS = range(3)
# Columns of ``State.entry``: pointers to outputs, and to lanes.
SWITCH_IN, SWITCH_VC = range(2)
# Columns of ``State.arrivals`` and of ``State.due``.
AT, VC, FLIT = range(3)
FLITS, RETURNS = range(2)
# Columns of ``State.terminal``: packets queued, flits of the first sent, its virtual channel, the one
# before, those not held (bits), free places behind them from SEND_CREDITS on.
QUEUE, QUEUE_END, SENT, SEND_VC, LAST_VC, SEND_FREE, SEND_CREDITS = range(7)
# Columns of ``Packets.table``: terminals, flits, first cycle, kind, class, router on the way, row of
# ``trees``, first rows of ``arrived`` and ``joins``, tag, next in the queue, cycle in which the head
# left the terminal (-1 before), first of its ``values``.
P_SOURCE, P_TARGET, P_FLITS, P_RELEASE, P_KIND, P_ROUTE_CLASS, P_VIA, P_TREE, P_GROUP = range(9)
P_GROUP_FLITS, P_TAG, P_FOLLOWING, P_STARTED, P_VALUE_AT, PACKET_COLUMNS = range(9, 15)
# Columns of ``Packets.trees``: output ports (bits); place among the joining routers, packets that meet.
TREE_PORTS, JOIN_SLOT, EXPECTED = range(3)
# Columns of ``Packets.joins``: packets added, their sum.
SEEN, SUMS = range(2)
# Columns of ``Packets.deliveries``.
D_PACKET, D_CYCLE, D_TERMINAL = range(3)


class Wiring(NamedTuple):
    """How a network is wired; nothing here changes.

    Attributes:
        first_port: int64 [routers + 1].
        port, terminal: int64 [ports or terminals, columns].
        route_port, route_group, vc_masks, inject_vcs: as in ``RouteTable``.
    """

    first_port: Int
    port: Int
    terminal: Int
    route_port: Small
    route_group: Small
    vc_masks: Int
    inject_vcs: Int


class Settings(NamedTuple):
    """Parameters of the routers as numbers."""

    vcs: int
    depth: int
    routing: int
    vc_allocation: int
    switch_allocation: int
    traversal: int
    credit: int
    speedup: int
    speculative: int
    islip: int
    iterations: int
    cut_through: int
    in_order: int
    terminal: int
    two_phase: int
    slots: int
    patience: int


class State(NamedTuple):
    """What a network holds between two cycles; all int64.

    Attributes:
        now: [columns], numbers of the whole network.
        buffer: [lanes, depth], flits.
        lane, port: [lanes or ports, columns].
        branch: [lanes, ports of a router, columns].
        entry: [ports * speed-up, columns], inputs of the switch.
        lists: [LISTS, lanes], lanes on each list, from the router's first lane on.
        places: [LISTS, lanes], where a lane stands there; -1 is nowhere.
        listed: [LISTS + 1, routers].
        arrivals: [slots, flits, columns], flits by the cycle they arrive in, modulo slots.
        returns: [slots, credits], lanes; -1 - (terminal * vcs + vc) for terminals.
        due: [slots, columns], how many of both.
        terminal: [terminals, columns].
        scratch: [8, ...], -1 between allocations where it matters.
        tag_hops: [tags, kinds].
    """

    now: Int
    buffer: Int
    lane: Int
    branch: Int
    port: Int
    entry: Int
    lists: Int
    places: Int
    listed: Int
    arrivals: Int
    returns: Int
    due: Int
    terminal: Int
    scratch: Int
    tag_hops: Int


class Packets(NamedTuple):
    """Packets by number, and what several of them share; all int64.

    Attributes:
        table: [packets, columns].
        values: [...], flits of packets that join.
        trees: [trees, routers, columns].
        arrived: [...], packets of a group met, per joining router.
        joins: [..., columns], per joining router and flit of a group.
        deliveries: [..., columns].
    """

    table: Int
    values: Int
    trees: Int
    arrived: Int
    joins: Int
    deliveries: Int


def wiring_of(topology: Topology, table: RouteTable, router: Router) -> Wiring:
    """Return the wiring of a topology under a routing."""
    first = np.concatenate(([0], np.cumsum(topology.ports))).astype(np.int64)
    port = np.full((int(first[-1]), 5), NOWHERE, np.int64)
    port[:, W_ROUTER_OF] = np.repeat(np.arange(topology.routers), topology.ports)
    port[:, W_LATENCY] = port[:, W_LATENCY_IN] = router.terminal_cycles
    for link in topology.links:
        out, into = first[link.source] + link.source_port, first[link.target] + link.target_port
        port[out, W_TARGET], port[into, W_SOURCE] = into, out
        port[out, W_LATENCY] = port[into, W_LATENCY_IN] = link.latency_cycles
    terminal = np.zeros((len(topology.terminals), 2), np.int64)
    terminal[:, T_ROUTER] = topology.terminals
    terminal[:, T_PORT] = first[terminal[:, T_ROUTER]] + np.array(topology.terminal_ports)
    ends = -1 - np.arange(len(terminal))
    port[terminal[:, T_PORT], W_TARGET] = port[terminal[:, T_PORT], W_SOURCE] = ends
    return Wiring(
        first,
        port,
        terminal,
        np.ascontiguousarray(table.port),
        np.ascontiguousarray(table.group),
        table.vc_masks,
        table.inject_vcs,
    )


def settings_of(wiring: Wiring, table: RouteTable, router: Router) -> Settings:
    """Return the parameters as numbers.

    ``slots`` is longer than anything is on its way; after ``patience`` cycles without a move and
    with nothing on its way, nothing will ever move.
    """
    wires = int(max(wiring.port[:, W_LATENCY].max(), router.terminal_cycles))
    slots = 2 + wires + max(router.switch_traversal_cycles, router.credit_cycles)
    stages = router.routing_cycles + router.vc_allocation_cycles + router.switch_allocation_cycles
    return Settings(
        router.num_vcs,
        router.vc_buffer_flits,
        router.routing_cycles,
        router.vc_allocation_cycles,
        router.switch_allocation_cycles,
        router.switch_traversal_cycles,
        router.credit_cycles,
        router.input_speedup,
        int(router.speculative),
        ALLOCATORS.index(router.allocator),
        router.iterations,
        FLOW_CONTROLS.index(router.flow_control),
        int(router.in_order),
        router.terminal_cycles,
        int(table.two_phase),
        slots,
        slots + 2 * stages + 2,
    )


def fresh_state(wiring: Wiring, settings: Settings) -> State:
    """Return the state of an empty network at cycle 0."""
    ports, terminals = len(wiring.port), len(wiring.terminal)
    routers = len(wiring.first_port) - 1
    vcs, slots = settings.vcs, settings.slots
    lanes, most = ports * vcs, int(np.diff(wiring.first_port).max())
    everything = (1 << vcs) - 1

    def zeros(*shape: int) -> Int:
        return np.zeros(shape, np.int64)

    lane = zeros(lanes, LANE_COLUMNS)
    lane[:, [DUE, WON, OUT, OUT_VC, OWNER]] = -1
    lane[:, CREDITS] = settings.depth
    branch = zeros(lanes, most, 2)
    branch[:, :, BRANCH_VC] = -1
    port = zeros(ports, LOADS + len(KINDS))
    port[:, FREE] = everything
    entry = zeros(ports * settings.speedup, 2)
    entry[:, SWITCH_VC] = np.arange(len(entry)) % settings.speedup
    terminal = zeros(terminals, SEND_CREDITS + vcs)
    terminal[:, [QUEUE, QUEUE_END, SEND_VC, LAST_VC]] = -1
    terminal[:, SEND_FREE] = everything
    terminal[:, SEND_CREDITS:] = settings.depth
    return State(
        now=zeros(6),
        buffer=zeros(lanes, settings.depth),
        lane=lane,
        branch=branch,
        port=port,
        entry=entry,
        lists=zeros(LISTS, lanes),
        places=np.full((LISTS, lanes), -1, np.int64),
        listed=zeros(LISTS + 1, routers),
        arrivals=zeros(slots, ports + terminals, 3),
        returns=zeros(slots, lanes + terminals),
        due=zeros(slots, 2),
        terminal=terminal,
        scratch=np.full((8, most * max(vcs, most * settings.speedup)), -1, np.int64),
        tag_hops=zeros(1, len(KINDS)),
    )
