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
# Entries of ``now``: next cycle, events on their way, cycle of the last move, deliveries not
# taken, flits inside, packets queued, free places that make a virtual channel ready for a packet.
NOW, EVENTS, LAST_MOVE, DELIVERED, FLITS_IN, QUEUED, ROOM = range(7)
# Columns of ``lanes``, side by side in memory those that every flit needs. Of an input: ring of
# flits, stage of the first packet, end of a stage of several cycles (-1 is none), virtual channel
# won and not taken yet, port and virtual channels bid for, virtual channel held, its port and
# router, pointer of the arbiter. Of an output: pointer, free places behind it, holder. LIST + i
# holds the i-th list of the router, from its first lane on; PLACE + i where this lane stands there.
# Of one that forks, branches (bits of local ports) and flits dropped; of an output, cycles of the
# first flit and of the last credit that made it ready (-1 is none). From BRANCH on two per port of
# the router, for a packet that forks; then the buffer.
FIRST, COUNT, STAGE, DUE, WON, OUT, MASK, OUT_VC, PORT_OF, ROUTER_OF, VC_IN = range(11)
VC_OUT, CREDITS, OWNER, LIST, PLACE = 11, 12, 13, 14, 19
BRANCHES, POPPED, V_FIRST, V_READY, BRANCH = range(24, 29)
# After BRANCH + 2 * port: virtual channel held, flits sent.
BRANCH_VC, BRANCH_SENT = range(2)
# Columns of ``gates``, the ports: router; other ends; latency of what leaves and of what comes in;
# virtual channels not held (bits), pointer of the switch, cycle of the last flit sent (-1 is none),
# flits sent by kind from LOADS on.
W_ROUTER_OF, W_TARGET, W_SOURCE, W_LATENCY, W_LATENCY_IN, FREE, SWITCH_OUT = range(7)
W_LAST, LOADS = range(7, 9)
# Columns of ``entries``, the inputs of the switch: pointers to outputs, and to lanes.
SWITCH_IN, SWITCH_VC = range(2)
# Columns of ``nodes``, the routers: first port, length of each list from LISTED on, and of all.
FIRST_PORT, LISTED = range(2)
# Columns of ``ends``, the terminals: port, router, packets queued, flits of the first sent, its
# virtual channel, the one before, those not held (bits), cycle as of a port; then free places
# behind each virtual channel, cycles of its first flit, and in which it was ready, as of a lane.
T_PORT, T_ROUTER, QUEUE, QUEUE_END, SENT, SEND_VC, LAST_VC, SEND_FREE = range(8)
T_LAST, SEND_CREDITS = range(8, 10)
# Columns of ``wheel``, cycles modulo its length: flits and credits that arrive, three columns per
# flit, then one per credit: a lane, or -1 - (terminal * vcs + vc).
FLITS, RETURNS = range(2)
AT, VC, FLIT = range(3)
# Columns of ``table``, the packets: terminals, flits, first cycle, kind, class, router on the way,
# row of ``trees``, first rows of ``arrived`` and ``joins``, tag, next in the queue, cycle in which
# the head left the terminal (-1 before), first of its ``values``.
P_SOURCE, P_TARGET, P_FLITS, P_RELEASE, P_KIND, P_ROUTE_CLASS, P_VIA, P_TREE, P_GROUP = range(9)
P_GROUP_FLITS, P_TAG, P_FOLLOWING, P_STARTED, P_VALUE_AT, PACKET_COLUMNS = range(9, 15)
# Third axis of ``trees``: output ports (bits); place among joining routers, packets that meet; of
# every output port from FORK_VCS on, the virtual channels that a branch may take (bits).
TREE_PORTS, JOIN_SLOT, EXPECTED, FORK_VCS = range(4)
# Columns of ``joins``: packets added, their sum.
SEEN, SUMS = range(2)
# Columns of ``deliveries``.
D_PACKET, D_CYCLE, D_TERMINAL = range(3)


class Settings(NamedTuple):
    """Parameters of the routers as numbers, and where columns of varying number begin.

    ``recorded`` is 1 where spans are noted, else None: a type of its own, for which the kernel is
    compiled without what notes them (a comparison with None is decided by types).
    """

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
    most_ports: int
    buffer: int
    returns: int
    port_bits: int
    recorded: int | None


class State(NamedTuple):
    """What the kernel works on; columns are named above; all int64 but ``ways``.

    Attributes:
        now: numbers of the whole network.
        lanes, gates, nodes, ends: of every virtual channel of a port, port, router (and one more
            row), terminal.
        entries: [ports * speed-up, columns], inputs of the switch.
        wheel: what arrives, by cycle.
        scratch: [8, ...], of the allocators.
        ways: int16 [classes, routers, input ports or 1, routers, choices, 2], port and row of
            ``masks[0]``.
        masks: [2, ...], virtual channels by group, and by class for injection.
        table: of every packet.
        trees: [trees, routers, columns].
        values: flits of packets that join.
        arrived: packets of a group met, per joining router.
        joins: per joining router and flit of a group.
        deliveries: not taken yet.
        hops: [tags, kinds], flits times links.
    """

    now: Int
    lanes: Int
    gates: Int
    entries: Int
    nodes: Int
    ends: Int
    wheel: Int
    scratch: Int
    ways: Small
    masks: Int
    table: Int
    trees: Int
    values: Int
    arrived: Int
    joins: Int
    deliveries: Int
    hops: Int


def empty_trees(topology: Topology) -> Int:
    """Return the table of a network without packets that fork or join."""
    return np.zeros((1, topology.routers, FORK_VCS + max(topology.ports)), np.int64)


def settings_of(
    topology: Topology, table: RouteTable, router: Router, *, recorded: bool
) -> Settings:
    """Return the parameters as numbers.

    The wheel has more ``slots`` than anything takes on its way; after ``patience`` cycles without a
    move and with nothing on its way, nothing will ever move.
    """
    wires = max([router.terminal_cycles, *(link.latency_cycles for link in topology.links)])
    longest = 2 + wires + max(router.switch_traversal_cycles, router.credit_cycles)
    slots = 1 << longest.bit_length()  # a power of two: the kernel takes the lower bits
    stages = router.routing_cycles + router.vc_allocation_cycles + router.switch_allocation_cycles
    most, ports = max(topology.ports), sum(topology.ports)
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
        most,
        BRANCH + 2 * most,
        2 + 3 * (ports + len(topology.terminals)),
        max(most - 1, 1).bit_length(),
        1 if recorded else None,
    )


def fresh_state(topology: Topology, table: RouteTable, settings: Settings, router: Router) -> State:
    """Return an empty network at cycle 0."""
    vcs, terminals = settings.vcs, len(topology.terminals)
    nodes = np.zeros((topology.routers + 1, LISTED + LISTS + 1), np.int64)
    nodes[1:, FIRST_PORT] = np.cumsum(topology.ports)
    first = nodes[:, FIRST_PORT]
    ports = int(first[-1])
    everything = (1 << vcs) - 1
    gates = np.zeros((ports, LOADS + len(KINDS)), np.int64)
    gates[:, [W_TARGET, W_SOURCE]] = NOWHERE
    gates[:, W_ROUTER_OF] = np.repeat(np.arange(topology.routers), topology.ports)
    gates[:, [W_LATENCY, W_LATENCY_IN]] = router.terminal_cycles
    gates[:, FREE] = everything
    gates[:, W_LAST] = -1
    for link in topology.links:
        out, into = first[link.source] + link.source_port, first[link.target] + link.target_port
        gates[out, W_TARGET], gates[into, W_SOURCE] = into, out
        gates[out, W_LATENCY] = gates[into, W_LATENCY_IN] = link.latency_cycles
    ends = np.full((terminals, SEND_CREDITS + 3 * vcs), -1, np.int64)
    ends[:, T_ROUTER] = topology.terminals
    ends[:, T_PORT] = first[ends[:, T_ROUTER]] + np.array(topology.terminal_ports)
    ends[:, SENT] = 0
    ends[:, SEND_FREE] = everything
    ends[:, SEND_CREDITS : SEND_CREDITS + vcs] = settings.depth
    numbers = -1 - np.arange(terminals)
    gates[ends[:, T_PORT], W_TARGET] = gates[ends[:, T_PORT], W_SOURCE] = numbers
    lanes = np.zeros((ports * vcs, settings.buffer + settings.depth), np.int64)
    lanes[:, [DUE, WON, OUT, OUT_VC, OWNER, V_FIRST, V_READY]] = -1
    lanes[:, CREDITS] = settings.depth
    lanes[:, PORT_OF] = np.arange(len(lanes)) // vcs
    lanes[:, ROUTER_OF] = gates[lanes[:, PORT_OF], W_ROUTER_OF]
    entries = np.zeros((ports * settings.speedup, 2), np.int64)
    entries[:, SWITCH_VC] = np.arange(len(entries)) % settings.speedup
    masks = np.zeros((2, max(len(table.vc_masks), len(table.inject_vcs))), np.int64)
    masks[0, : len(table.vc_masks)] = table.vc_masks
    masks[1, : len(table.inject_vcs)] = table.inject_vcs
    columns = max(
        settings.most_ports * vcs, settings.most_ports * settings.speedup << settings.port_bits
    )
    return State(
        now=np.zeros(ROOM + 1, np.int64),
        lanes=lanes,
        gates=gates,
        entries=entries,
        nodes=nodes,
        ends=ends,
        wheel=np.zeros((settings.slots, settings.returns + len(lanes) + terminals), np.int64),
        scratch=np.full((8, columns), -1, np.int64),
        ways=np.ascontiguousarray(np.stack([table.port, table.group], axis=-1)),
        masks=masks,
        table=np.zeros((16, PACKET_COLUMNS), np.int64),
        trees=empty_trees(topology),
        values=np.zeros(16, np.int64),
        arrived=np.zeros(16, np.int64),
        joins=np.zeros((16, 2), np.int64),
        deliveries=np.zeros((max(1024, 2 * terminals), 3), np.int64),
        hops=np.zeros((1, len(KINDS)), np.int64),
    )
