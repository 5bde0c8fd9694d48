import numpy as np
import pytest
from flit_twin import TwinMesh

from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.router import Router
from arraysmith.sim.noc.routing import build_routing
from arraysmith.sim.noc.topology import build_topology


@pytest.mark.parametrize(
    ("width", "height", "vcs", "depth", "link", "credit", "flits"),
    [
        (3, 3, 2, 3, 1, 1, 4),
        (4, 2, 1, 2, 2, 0, 3),
        (2, 3, 3, 8, 1, 2, 1),
    ],
)
def test_every_packet_arrives_in_the_cycle_of_the_twin(
    width, height, vcs, depth, link, credit, flits
):
    rng = np.random.default_rng(width * height * vcs)
    terminals = width * height
    count = 150
    packets = [
        (int(source), int(target), int(length), int(when))
        for source, target, length, when in zip(
            rng.integers(0, terminals, count),
            rng.integers(0, terminals, count),
            rng.integers(1, flits + 1, count),
            np.sort(rng.integers(0, 100, count)),
            strict=True,
        )
    ]
    expected = TwinMesh(width, height, vcs, depth, link, credit).run(packets)
    network = Network(
        build_topology("mesh", (width, height), link_cycles=link),
        build_routing("xy"),
        Router(num_vcs=vcs, vc_buffer_flits=depth, credit_cycles=credit),
    )
    numbers = network.inject(*np.array(packets).T)
    delivered = network.drain()
    got = dict(zip(delivered.packet.tolist(), delivered.cycle.tolist(), strict=True))
    assert [got[number] for number in numbers.tolist()] == expected


def test_the_twin_is_not_trivial():
    packets = [(0, 1, 4, 0), (0, 1, 4, 0), (1, 0, 1, 0)]
    alone = TwinMesh(2, 1, 1, 2).run(packets[:1])
    assert TwinMesh(2, 1, 1, 2).run(packets)[1] > alone[0] + 3
