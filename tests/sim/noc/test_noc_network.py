from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.router import Router
from arraysmith.sim.noc.routing import build_routing
from arraysmith.sim.noc.topology import build_topology


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 5),
    height=st.integers(1, 4),
    link=st.integers(1, 3),
    routing_cycles=st.integers(0, 2),
    vc_cycles=st.integers(1, 3),
    switch_cycles=st.integers(1, 3),
    traversal=st.integers(1, 3),
    speculative=st.booleans(),
    data=st.data(),
)
def test_an_unloaded_network_takes_the_closed_form(
    width, height, link, routing_cycles, vc_cycles, switch_cycles, traversal, speculative, data
):
    if speculative:
        vc_cycles = switch_cycles = 1
    router = Router(
        vc_buffer_flits=64,
        routing_cycles=routing_cycles,
        vc_allocation_cycles=vc_cycles,
        switch_allocation_cycles=switch_cycles,
        switch_traversal_cycles=traversal,
        speculative=speculative,
    )
    mesh = build_topology("mesh", (width, height), link_cycles=link)
    net = Network(mesh, build_routing("xy"), router)
    terminals = width * height
    source = data.draw(st.integers(0, terminals - 1))
    target = data.draw(st.integers(0, terminals - 1))
    flits = data.draw(st.integers(1, 9))
    net.inject(np.array([source]), np.array([target]), flits, 10)
    found = net.drain()
    hops = abs(source % width - target % width) + abs(source // width - target // width)
    first = 2 + hops * router.hop_cycles(link) + router.hop_cycles(1)
    # Switch allocation of several cycles is not pipelined: the next flit bids after it.
    assert found.cycle.tolist() == [10 + first + (flits - 1) * switch_cycles]


@pytest.mark.parametrize("router", [{"num_vcs": 1}, {"num_vcs": 4, "in_order": True}])
def test_packets_of_a_flow_stay_in_order(router):
    net = Network(build_topology("mesh", (3, 3)), build_routing("xy"), Router(**router))
    rng = np.random.default_rng(1)
    sources, targets = rng.integers(0, 9, (2, 600))
    net.inject(sources, targets, rng.integers(1, 5, 600))
    found = net.drain()
    last = defaultdict(lambda: -1)
    for packet in found.packet.tolist():
        flow = sources[packet], targets[packet]
        assert packet > last[flow]
        last[flow] = packet
    assert len(found.packet) == 600


def test_advancing_in_steps_is_advancing_at_once():
    def run(step):
        net = Network(build_topology("mesh", (3, 3)), build_routing("odd_even"), Router(num_vcs=2))
        rng = np.random.default_rng(5)
        sources, targets = rng.integers(0, 9, (2, 300))
        net.inject(sources, targets, 3, np.sort(rng.integers(0, 200, 300)))
        found = []
        while net.now < 1000:
            delivered = net.advance(net.now + step)
            found += zip(delivered.packet.tolist(), delivered.cycle.tolist(), strict=True)
        return found

    assert run(1) == run(1000)
    assert len(run(1000)) == 300


def test_spans_are_noted_for_who_asks_and_move_no_flit():
    mesh, rng = build_topology("mesh", (3, 3)), np.random.default_rng(3)
    sources, targets, when = (
        rng.integers(0, 9, 200),
        rng.integers(0, 9, 200),
        rng.integers(0, 90, 200),
    )
    found = []
    for room in (None, 4):
        network = Network(mesh, build_routing("xy"), Router(num_vcs=2), room=room)
        network.inject(sources, targets, 3, np.sort(when))
        delivered = network.drain()
        found.append((delivered.packet.tolist(), delivered.cycle.tolist(), network.link_loads()))
        if room is None:
            with pytest.raises(ArraysmithError, match="only a network that is given"):
                network.spans()
        else:
            spans = network.spans()
            assert max(x.end for x in spans) <= network.now
            assert len({x.channel for x in spans}) == len(spans)
    assert found[0] == found[1]


def test_cut_through_waits_for_room_for_the_whole_packet():
    def finish(flow_control):
        router = Router(num_vcs=1, vc_buffer_flits=4, flow_control=flow_control)
        net = Network(build_topology("mesh", (4, 1)), build_routing("xy"), router)
        net.inject(np.array([0, 1, 0]), np.array([2, 3, 3]), np.array([4, 4, 3]), 0)
        return net.drain().cycle.max()

    assert finish("virtual_cut_through") > finish("wormhole")


def test_more_virtual_channels_and_speed_up_carry_more():
    from arraysmith.sim.noc.sweep import Protocol, saturation
    from arraysmith.sim.noc.traffic import Traffic

    mesh = build_topology("mesh", (4, 4))

    def throughput(**router):
        return saturation(
            lambda: Network(mesh, build_routing("xy"), Router(**router)),
            Traffic(),
            Protocol(warmup_cycles=500, measured_cycles=1500),
        )

    one, four, fast = throughput(num_vcs=1), throughput(), throughput(input_speedup=2)
    assert one < four < fast < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_vcs": 0}, "num_vcs: 0: must be at least 1"),
        ({"num_vcs": 33}, "must be at most 32"),
        ({"allocator": "ilsip"}, "did you mean islip"),
        ({"input_speedup": 5}, "must be at most the 4 virtual channels"),
        ({"credit_cycles": -1}, "credit_cycles: -1: must be at least 0"),
    ],
)
def test_wrong_routers_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Router(**options)


def test_wrong_packets_are_refused():
    net = Network(build_topology("mesh", (2, 2)), build_routing("xy"), Router())
    with pytest.raises(InputError, match="targets: 4: terminals are numbered 0 to 3"):
        net.inject(np.array([0]), np.array([4]), 1)
    with pytest.raises(InputError, match="flits: 0: must be 1 to"):
        net.inject(np.array([0]), np.array([1]), 0)
    with pytest.raises(InputError, match="takes allocations of one cycle each"):
        Network(
            build_topology("mesh", (2, 2)),
            build_routing("xy"),
            Router(speculative=True, vc_allocation_cycles=2),
        )
