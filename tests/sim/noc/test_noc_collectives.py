import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.errors import InputError
from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.router import Router
from arraysmith.sim.noc.routing import RouteTable, Routing, build_routing
from arraysmith.sim.noc.topology import build_topology

MESH = build_topology("mesh", (4, 3))
TREE = build_topology("tree", (2, 3))


def network(topology=MESH, routing="xy", **router):
    return Network(topology, build_routing(routing), Router(**router), check_deadlock=False)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_packet_that_forks_reaches_exactly_its_targets(data):
    vcs = data.draw(st.integers(1, 3))
    flits = data.draw(st.integers(1, 4))
    allocator = data.draw(st.sampled_from(["separable_input_first", "islip"]))
    net = network(num_vcs=vcs, vc_buffer_flits=4, allocator=allocator)
    wanted = {}
    for _ in range(data.draw(st.integers(1, 8))):
        source = data.draw(st.integers(0, 11))
        targets = data.draw(st.sets(st.integers(0, 11), min_size=1, max_size=12))
        wanted[net.multicast(source, tuple(targets), flits)] = targets
    rest = net.inject(np.arange(12), np.arange(12)[::-1], 2)
    wanted |= {number: {11 - i} for i, number in enumerate(rest.tolist())}
    found = net.drain()
    got = {}
    for packet, terminal in zip(found.packet.tolist(), found.terminal.tolist(), strict=True):
        assert terminal not in got.setdefault(packet, set())
        got[packet].add(terminal)
    assert got == wanted
    assert net.flits_inside == 0
    assert sum(net.degrees().values()) == len(wanted) - 12


def test_a_row_hears_a_packet_without_waiting_for_each_other():
    net = network()
    number = net.multicast(0, (0, 1, 2, 3), 4)
    found = net.drain()
    cycles = dict(zip(found.terminal.tolist(), found.cycle.tolist(), strict=True))
    assert cycles == {hops: 6 + 4 * hops + 3 for hops in range(4)}
    assert set(found.packet.tolist()) == {number}
    # Each link once, whatever the number of targets behind it.
    assert net.flit_hops()["multicast"] == (3 * 4,)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_reduction_delivers_the_exact_sum_once(data):
    flits = data.draw(st.integers(1, 4))
    topology, routing = data.draw(st.sampled_from([(MESH, "xy"), (MESH, "yx"), (TREE, "up_down")]))
    net = network(
        topology,
        routing,
        num_vcs=data.draw(st.integers(1, 3)),
        vc_buffer_flits=2,
        speculative=data.draw(st.booleans()),
    )
    terminals = len(topology.terminals)
    groups = []
    for _ in range(data.draw(st.integers(1, 4))):
        sources = tuple(data.draw(st.sets(st.integers(0, terminals - 1), min_size=1)))
        target = data.draw(st.integers(0, terminals - 1))
        values = np.array(
            [[data.draw(st.integers(-999, 999)) for _ in range(flits)] for _ in sources]
        )
        when = data.draw(st.integers(0, 20))
        groups.append((net.reduce(sources, target, flits, when, values=values), target, values))
    found = net.drain()
    assert len(found.packet) == len(groups)
    for numbers, target, values in groups:
        (place,) = np.flatnonzero(np.isin(found.packet, numbers))
        assert found.terminal[place] == target
        assert net.value_of(int(found.packet[place])).tolist() == values.sum(axis=0).tolist()
    assert net.flits_inside == 0


def test_a_column_is_added_on_the_way_and_loads_each_link_once():
    net = network()
    net.reduce((0, 4, 8), 0, 2)
    net.drain()
    loads = net.link_loads()
    assert loads["(0,2)->(0,1)"]["reduction"] == loads["(0,1)->(0,0)"]["reduction"] == 2
    assert net.flit_hops() == {"unicast": (0,), "multicast": (0,), "reduction": (4,)}


def test_tags_are_counted_apart():
    net = network()
    net.inject(np.array([0]), np.array([3]), 2, tag=0)
    net.inject(np.array([0]), np.array([1]), 2, tag=2)
    net.drain()
    assert net.flit_hops()["unicast"] == (6, 0, 2)


def test_random_ways_and_long_packets_cannot_fork():
    with pytest.raises(InputError, match="need a routing with one way"):
        network(routing="o1turn").multicast(0, (1, 2), 1)
    with pytest.raises(InputError, match="has to fit a buffer of 8 flits"):
        network().multicast(0, (1, 2), 9)
    with pytest.raises(InputError, match="each once"):
        network().reduce((1, 1), 2, 1)


FAMILIES = [
    ("mesh", (4, 3), "yx"),
    ("ring", (3,), "dateline"),
    ("ring", (8,), "dateline"),
    ("torus", (4, 3), "dateline"),
    ("torus", (5, 4), "dateline"),
    ("crossbar", (6,), "direct"),
    ("tree", (2, 3), "up_down"),
    ("fat_tree", (2, 3), "up_by_target"),
    ("fat_tree", (3, 2), "up_by_target"),
    ("hierarchical_mesh", (2, 2, 2, 2), "hierarchical_xy"),
]


@pytest.mark.parametrize(("topology", "size", "routing"), FAMILIES)
def test_packets_that_fork_and_join_from_everywhere_at_once_all_arrive(topology, size, routing):
    """As many as two virtual channels of one packet each can make wait for each other."""
    built = build_topology(topology, size)
    terminals, rng = len(built.terminals), np.random.default_rng(5)
    net = Network(built, build_routing(routing), Router(num_vcs=2, vc_buffer_flits=3))
    wanted, sums = 0, []
    for source in list(range(terminals)) * 6:
        targets = rng.permutation(terminals)[: rng.integers(1, terminals + 1)]
        net.multicast(source, tuple(targets.tolist()), int(rng.integers(1, 4)))
        wanted += len(targets)
    for target in range(terminals):
        sources = tuple(rng.permutation(terminals)[: rng.integers(1, terminals + 1)].tolist())
        values = rng.integers(-99, 99, (len(sources), 2))
        sums.append((net.reduce(sources, target, 2, values=values), target, values))
    found = net.drain()
    assert len(found.packet) == wanted + len(sums)
    for numbers, target, values in sums:
        (place,) = np.flatnonzero(np.isin(found.packet, numbers))
        assert found.terminal[place] == target
        assert net.value_of(int(found.packet[place])).tolist() == values.sum(axis=0).tolist()
    assert net.flits_inside == 0


def test_a_packet_round_a_ring_forks_to_both_sides_and_takes_each_link_once():
    ring = build_topology("ring", (8,))
    net = Network(ring, build_routing("dateline"), Router())
    number = net.multicast(2, tuple(range(8)), 3)
    found = net.drain()
    assert set(found.packet.tolist()) == {number}
    hops = dict(zip(found.terminal.tolist(), found.cycle.tolist(), strict=True))
    near = {x: min((x - 2) % 8, (2 - x) % 8) for x in range(8)}
    assert hops == {x: 6 + 4 * away + 2 for x, away in near.items()}
    assert net.flit_hops()["multicast"] == (7 * 3,)


class Turned(Routing):
    """Dateline with its halves of the virtual channels exchanged."""

    def compile(self, topology, num_vcs):
        table = build_routing("dateline").compile(topology, num_vcs)
        masks = table.vc_masks[::-1].copy()
        return RouteTable(table.port, table.group, masks, table.inject_vcs)


def test_packets_that_fork_are_refused_where_they_could_close_a_circle():
    """Single packets could not: what forks takes the lowest channels that its targets ask for."""
    ring = build_topology("ring", (5,))
    net = Network(ring, Turned(), Router(num_vcs=2))
    net.inject(np.arange(5), (np.arange(5) + 2) % 5, 4)
    net.multicast(0, (0, 1, 2, 3, 4), 1)
    with pytest.raises(InputError, match="can wait for each other for ever"):
        net.multicast(1, (0, 1, 2, 3, 4), 1)
