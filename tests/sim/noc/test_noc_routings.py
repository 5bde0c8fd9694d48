"""What every topology and routing has to keep; plug-ins are found by name."""

from collections import deque

import numpy as np
import pytest

from arraysmith.arch.errors import InputError
from arraysmith.arch.registry import registered
from arraysmith.sim.noc.deadlock import check_deadlock_free, dependencies, find_cycle
from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.router import Router
from arraysmith.sim.noc.routing import RouteTable, Routing, build_routing
from arraysmith.sim.noc.topology import Link, Topology, build_topology

SIZES = {
    "mesh": [(4, 3), (1, 5), (5, 5)],
    "torus": [(4, 3), (5, 5)],
    "ring": [(3,), (8,)],
    "crossbar": [(6,)],
    "tree": [(2, 3), (3, 2)],
    "fat_tree": [(2, 3), (3, 2), (4, 1)],
    "hierarchical_mesh": [(2, 2, 3, 2), (3, 1, 2, 2)],
}
ROUTINGS = {
    "mesh": [
        "xy", "yx", "o1turn", "valiant", "romm", "west_first", "odd_even", "adaptive_escape",
    ],
    "torus": ["dateline"],
    "ring": ["dateline"],
    "crossbar": ["direct"],
    "tree": ["up_down"],
    "fat_tree": ["up_down", "up_adaptive", "up_by_target"],
    "hierarchical_mesh": ["hierarchical_xy"],
}  # fmt: skip
MINIMAL = {"xy", "yx", "o1turn", "west_first", "odd_even", "adaptive_escape", "dateline"}
PAIRS = [(t, s, r) for t, sizes in SIZES.items() for s in sizes for r in ROUTINGS[t]]


def test_every_plug_in_is_tried_here():
    assert set(SIZES) == set(registered("topology"))
    assert {x for found in ROUTINGS.values() for x in found} == set(registered("routing"))


@pytest.mark.parametrize(("topology", "size"), [(t, s) for t in SIZES for s in SIZES[t]])
def test_links_of_a_topology_come_in_pairs_and_connect_it(topology, size):
    built = build_topology(topology, size)
    ends = {(link.source, link.target) for link in built.links}
    assert ends == {(target, source) for source, target in ends}
    assert len(set(built.coordinates)) == built.routers
    assert min(built.distances(built.terminals[0])) >= 0


@pytest.mark.parametrize(("topology", "size", "routing"), PAIRS)
def test_a_routing_is_free_of_deadlock(topology, size, routing):
    built = build_topology(topology, size)
    check_deadlock_free(built, build_routing(routing).compile(built, 4), 4)


@pytest.mark.parametrize(("topology", "size", "routing"), PAIRS)
def test_whatever_a_packet_chooses_it_arrives(topology, size, routing):
    built = build_topology(topology, size)
    table = build_routing(routing).compile(built, 4)
    by_entry = table.port.shape[2] > 1
    for target in set(built.terminals):
        distances = [built.distances(router)[target] for router in range(built.routers)]
        for source, entry in zip(built.terminals, built.terminal_ports, strict=True):
            frontier, seen = deque([(source, entry, 0)]), set()
            while frontier:
                router, port, hops = frontier.popleft()
                assert hops <= 4 * built.routers
                if router == target or (router, port) in seen:
                    continue
                seen.add((router, port))
                choices = table.port[-1, router, port if by_entry else 0, target]
                outs = [int(out) for out in choices if out >= 0]
                assert outs
                for out in outs:
                    link = built.links[built.link_at[router, out]]
                    if routing in MINIMAL:
                        assert distances[link.target] == distances[router] - 1
                    frontier.append((link.target, link.target_port, hops + 1))


@pytest.mark.parametrize(
    ("topology", "size", "routing"), [pair for pair in PAIRS if pair[1] != (1, 5)]
)
def test_no_packet_is_lost_and_no_link_carries_two_flits_a_cycle(topology, size, routing):
    built = build_topology(topology, size)
    network = Network(built, build_routing(routing), Router(num_vcs=2, vc_buffer_flits=3))
    rng = np.random.default_rng(3)
    terminals = len(built.terminals)
    sources, targets = rng.integers(0, terminals, (2, 200))
    lengths = rng.integers(1, 6, 200)
    numbers = network.inject(sources, targets, lengths, np.sort(rng.integers(0, 60, 200)))
    found, before = [], network.link_loads()
    while not network.idle:
        found.append(network.advance(network.now + 1))
        loads = network.link_loads()
        assert all(sum(loads[x].values()) <= sum(before[x].values()) + 1 for x in loads)
        before = loads
    delivered = np.concatenate([x.packet for x in found])
    reached = np.concatenate([x.terminal for x in found])
    assert sorted(delivered.tolist()) == numbers.tolist()
    assert reached.tolist() == targets[delivered].tolist()
    assert network.flits_delivered == lengths.sum()
    network.advance(network.now + 50)
    assert network.flits_inside == 0


def around(count: int) -> Topology:
    links = tuple(Link(i, (i + 1) % count, 0, 0) for i in range(count))
    places = tuple((i,) for i in range(count))
    return Topology("circle", (count,), places, tuple(range(count)), links)


class OneWay(Routing):
    def compile(self, topology, num_vcs):
        port = np.zeros((1, topology.routers, 1, topology.routers, 1), np.int16)
        masks = np.array([(1 << num_vcs) - 1])
        return RouteTable(port, np.zeros_like(port), masks, masks)


def test_a_ring_in_one_direction_is_refused_with_its_circle():
    with pytest.raises(InputError) as caught:
        Network(around(4), OneWay(), Router(num_vcs=1))
    (fault,) = caught.value.faults
    assert (
        fault.value
        == "(0)->(1) vc 0 > (1)->(2) vc 0 > (2)->(3) vc 0 > (3)->(0) vc 0 > (0)->(1) vc 0"
    )


def test_a_deadlock_stops_with_its_cycle_and_the_chain_of_waiting():
    from arraysmith.sim.noc.network import NoProgressError

    network = Network(
        around(4), OneWay(), Router(num_vcs=1, vc_buffer_flits=2), check_deadlock=False
    )
    everyone = np.arange(4)
    network.inject(everyone, (everyone + 2) % 4, 8)
    with pytest.raises(NoProgressError) as caught:
        network.advance(10_000)
    assert caught.value.cycle < 100
    assert "waits for" in caught.value.chain[0]
    assert caught.value.chain[-1] == "which is the 1st of this chain"


def test_a_cycle_of_a_graph_by_hand_is_found_and_a_ladder_has_none():
    graph = {(0, 0): {(1, 0)}, (1, 0): {(2, 0), (3, 0)}, (3, 0): {(1, 0)}}
    assert find_cycle(graph) == [(1, 0), (3, 0)]
    assert find_cycle({(0, 0): {(1, 0), (2, 0)}, (1, 0): {(2, 0)}}) == []


def test_adaptive_ways_without_their_escape_channel_have_a_cycle():
    mesh = build_topology("mesh", (3, 3))
    table = build_routing("adaptive_escape").compile(mesh, 2)
    all_vcs = RouteTable(table.port, table.group, np.array([2, 2]), np.array([2]))
    assert find_cycle(dependencies(mesh, all_vcs, 2))


def test_a_topology_that_does_not_connect_names_the_pair():
    links = (Link(0, 1, 0, 0), Link(1, 0, 0, 0))
    apart = Topology("mesh", (3, 1), ((0,), (1,), (2,)), (0, 1, 2), links)
    with pytest.raises(InputError, match="terminal 0 to terminal 2: no links lead from router"):
        apart.check_connected()


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("mash", (4, 4), "did you mean mesh"),
        ("mesh", (4,), "takes 2 sizes"),
        ("mesh", (0, 4), "width: 0: must be at least 1"),
        ("torus", (2, 4), "width: 2: must be at least 3"),
    ],
)
def test_wrong_topologies_are_refused(name, size, message):
    with pytest.raises(InputError, match=message):
        build_topology(name, size)


def test_classes_need_virtual_channels_of_their_own():
    with pytest.raises(InputError, match="num_vcs: 1: dateline needs at least 2"):
        build_routing("dateline").compile(build_topology("ring", (4,)), 1)
