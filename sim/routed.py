"""Routed networks of fan-outs: built and checked, and how far words go over them.

Names and parameters are those of ``sim.noc``. What a design asks for that no such network can do is
refused here, before anything runs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from arraysmith.arch.architecture import Architecture, FlitWiring, Routed
from arraysmith.arch.errors import Fault, InputError, nearest

if TYPE_CHECKING:
    from arraysmith.sim.noc.topology import Topology

Profile = tuple[tuple[int, int, int, int], ...]
"""Links that words pass: rows of (words that pass all of these links, links side by side, weight of
a taker, steps), see ``sim.wires``."""

ROUTER_FIELDS = (
    "num_vcs", "vc_buffer_flits", "routing_cycles", "vc_allocation_cycles",
    "switch_allocation_cycles", "switch_traversal_cycles", "speculative", "allocator",
    "iterations", "credit_cycles", "input_speedup", "flow_control", "in_order", "terminal_cycles",
)  # fmt: skip
"""Parameters of routers that a description may give, as of ``sim.noc.router.Router``."""

SWITCHES = ("speculative", "in_order")
"""Of these, those that are 0 or 1."""


def require_networks(architecture: Architecture) -> None:
    """Refuse a routed network that cannot be built, or cannot do what the design says.

    Raises:
        InputError: a topology or routing that is not there or does not fit, a routing that can
            deadlock, too few terminals, multicast or reduction where packets have no single way;
            the faults of all fan-outs together.
    """
    faults: list[Fault] = []
    for fanout in architecture.fanouts:
        if isinstance(fanout.network, Routed):
            try:
                check_network(fanout.network, fanout.instances)
            except InputError as error:
                faults += [
                    Fault(f"{fanout.name}.network.routed.{x.field}", x.value, x.rule, x.hint)
                    for x in error.faults
                ]
    if faults:
        raise InputError(faults)


@lru_cache(maxsize=64)
def check_network(routed: Routed, children: int) -> None:
    """Refuse a network that cannot carry what it says to ``children``; InputError as above."""
    from arraysmith.sim.noc.network import Network  # it takes a second to import

    network = build_network(routed, children)
    assert isinstance(network, Network)
    terminals = terminals_of(routed)
    faults = []
    if routed.memory >= terminals:
        rule = f"terminals are numbered 0 to {terminals - 1}"
        faults.append(Fault("memory", str(routed.memory), rule))
    if terminals < children:
        size = "x".join(map(str, routed.size))
        rule = f"has {terminals} terminals for {children} children"
        faults.append(Fault("size", size, rule))
    if not faults:
        ends, memory = child_terminals(routed, children), memory_terminal(routed, children)
        try:
            if routed.multicast:
                network.multicast(memory, ends, 1)
        except InputError as error:
            faults += _cannot("multicast", "repeats packets", error)
        try:
            if routed.reduction:
                network.reduce(ends, memory, 1)
        except InputError as error:
            faults += _cannot("reduction", "leaves sums to the memory, see adds_above", error)
    if faults:
        raise InputError(faults)


def _cannot(key: str, instead: str, error: InputError) -> list[Fault]:
    return [Fault(key, "true", x.rule, f"{key}: false {instead}") for x in error.faults]


def build_network(routed: Routed, children: int) -> object:
    """Return an empty ``sim.noc.network.Network`` for so many children and the memory.

    Raises:
        InputError: see ``require_networks``.
    """
    from arraysmith.sim.noc.network import Network
    from arraysmith.sim.noc.router import Router
    from arraysmith.sim.noc.routing import build_routing

    faults: list[Fault] = []
    parameters: dict[str, int | str | bool] = {}
    for name, value in routed.router:
        if name not in ROUTER_FIELDS:
            rule = "routers have no such parameter"
            faults.append(Fault(f"router.{name}", str(value), rule, nearest(name, ROUTER_FIELDS)))
            continue
        words = name in ("allocator", "flow_control")
        if isinstance(value, str) != words:
            rule = "must be a name" if words else "must be a whole number"
            faults.append(Fault(f"router.{name}", str(value), rule))
            continue
        parameters[name] = bool(value) if name in SWITCHES else value
    router = topology = routing = None
    try:
        if not faults:
            router = Router(**parameters)  # type: ignore[arg-type]  # checked above, by name
    except InputError as error:
        faults += [Fault(f"router.{x.field}", x.value, x.rule, x.hint) for x in error.faults]
    try:
        topology = topology_of(routed, children)
    except InputError as error:
        faults += [_as_described(routed, x) for x in error.faults]
    try:
        routing = build_routing(routed.routing)
    except InputError as error:
        faults += error.faults
    if faults or router is None or topology is None or routing is None:
        raise InputError(faults)
    return Network(topology, routing, router, room=min(routed.packet_flits, router.vc_buffer_flits))


def _as_described(routed: Routed, fault: Fault) -> Fault:
    """Return a fault of a topology with the field that a description has for its parameter."""
    if fault.field in {"topology", "size"}:
        return fault
    if fault.field in dict(routed.options):
        return replace(fault, field=f"options.{fault.field}")
    size = "x".join(map(str, routed.size))
    return replace(fault, field="size", value=size, rule=f"{fault.field} {fault.rule}")


def topology_of(routed: Routed, children: int) -> Topology:
    """Return the routers, links and terminals for so many children and the memory.

    With as many terminals as children, the memory gets a terminal of its own at the router of that
    which its number says, the last one: else its words and a child's would share a port.
    """
    from arraysmith.sim.noc.topology import build_topology

    built = build_topology(routed.topology, routed.size, **dict(routed.options))
    if len(built.terminals) != children or routed.memory >= children:
        return built
    return replace(built, terminals=(*built.terminals, built.terminals[routed.memory]))


def memory_terminal(routed: Routed, children: int) -> int:
    """Return the terminal of the memory."""
    return children if terminals_of(routed) == children else routed.memory


def memory_link(routed: Routed) -> str:
    """Return the name of the memory's link towards the children, which no link is busier than."""
    topology = topology_of(routed, 0)
    return f"memory->{topology.name_router(topology.terminals[routed.memory])}"


def packet_flits(routed: Routed, *, forks: bool) -> int:
    """Return the most flits of a packet.

    A packet that forks, or whose flow control wants room for all of it, has to fit a buffer: words
    are cut to such packets.
    """
    from arraysmith.sim.noc.router import Router

    given = dict(routed.router)
    room = given.get("vc_buffer_flits", Router().vc_buffer_flits)
    whole = forks or given.get("flow_control") == "virtual_cut_through"
    return min(routed.packet_flits, int(room)) if whole else routed.packet_flits


def child_terminals(routed: Routed, children: int) -> tuple[int, ...]:
    """Return the terminal of every child: in order, without the memory's where it is its own."""
    count = terminals_of(routed)
    own = count > children
    free = [x for x in range(count) if not own or x != routed.memory]
    return tuple(free[:children])


@lru_cache(maxsize=256)
def unloaded_cycles(routed: Routed, children: int, used: tuple[int, ...]) -> int:
    """Return the cycles of a flit that meets nobody from the memory to the farthest child.

    Hops times the cycles of a hop: the way into the first router, routers, the way out of the last
    one (Dally, Towles: Principles and Practices of Interconnection Networks, 2004, chapter 3). Ways
    are shortest ones.

    Args:
        routed: the network.
        children: of its fan-out.
        used: numbers of those that count, at least one.
    """
    from arraysmith.sim.noc.router import Router

    given = {name: value for name, value in routed.router if isinstance(value, int)}
    router = Router(**given)  # type: ignore[arg-type]  # checked in build_network, by name
    topology = topology_of(routed, children)
    ends = child_terminals(routed, children)
    distance = topology.distances(topology.terminals[memory_terminal(routed, children)])
    far = max(distance[topology.terminals[ends[x]]] for x in used)
    wire = max((x.latency_cycles for x in topology.links), default=1)
    out = router.terminal_cycles
    return out + far * router.hop_cycles(wire) + router.hop_cycles(out)


@lru_cache(maxsize=256)
def terminals_of(routed: Routed) -> int:
    """Return how many terminals the topology has, without one that the memory gets."""
    return len(topology_of(routed, 0).terminals)


@lru_cache(maxsize=256)
def link_profile(routed: Routed, children: int) -> tuple[Profile, int]:
    """Return the profile of links between memory and children, and what its steps are parts of.

    The shortest ways form a tree of n_d links at distance d from the memory, with t_d of the N
    children behind them. Of words sent once for m takers in all, at most ``words * n_d`` hops are
    at that distance, and ``m * t_d / N`` where every taker has a way of its own and takers are
    spread evenly. The smaller of both is exact for words to one child each, and to all.
    """
    topology = topology_of(routed, children)
    ends = child_terminals(routed, children)
    distance = topology.distances(topology.terminals[routed.memory])
    far = [distance[topology.terminals[x]] for x in ends]
    rows = []
    for d in range(1, max(far, default=0) + 1):
        behind = sum(x >= d for x in far)
        links = min(behind, sum(x == d for x in distance))
        rows.append((0, links * children, behind, 1))
    return tuple(rows), children


def tree_profile(arity: int, stages: int, children: int) -> Profile:
    """Return the profile of links of a tree: a word with m takers passes min(m, links) a stage."""
    rows = []
    for stage in range(1, stages + 1):
        below = arity ** (stages - stage)
        rows.append((0, -(-children // below), 1, 1))
    return tuple(rows)


def hops_of(profile: Profile, parts: int, words: int, takers: int) -> int:
    """Return the hops of words sent once with so many takers together, rounded up."""
    most = max(words, takers)
    hops = sum(
        words * all_pass + min(words * side, most * weight) * steps
        for all_pass, side, weight, steps in profile
    )
    return -(-hops // parts)


def flits_of(words: int, word_bits: int, network: FlitWiring) -> int:
    """Return the flits that words sent together fill."""
    return -(-words * word_bits // network.flit_bits)
