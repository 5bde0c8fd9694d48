"""Patterns on a routed network do not meet: from rest or in one network they take as long."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from joint_network import entered, lateness
from test_shared_networks import shared_case

from arraysmith.arch.architecture import Fanout, Routed
from arraysmith.sim.cycle.networks import channels
from arraysmith.sim.cycle.networks.crossings import _rows
from arraysmith.sim.cycle.networks.flit_network import FlitNetwork

NETWORKS = {
    "mesh xy": Routed("mesh", (4, 3)),
    "mesh yx": Routed("mesh", (3, 4), routing="yx"),
    "mesh o1turn": Routed("mesh", (4, 3), routing="o1turn"),
    "mesh romm": Routed("mesh", (4, 3), routing="romm"),
    "mesh west_first": Routed("mesh", (4, 3), routing="west_first"),
    "mesh odd_even": Routed("mesh", (4, 3), routing="odd_even"),
    "mesh adaptive_escape": Routed("mesh", (4, 3), routing="adaptive_escape"),
    "torus": Routed("torus", (4, 3), routing="dateline"),
    "ring": Routed("ring", (8,), routing="dateline"),
    "crossbar": Routed("crossbar", (6,), routing="direct"),
    "tree": Routed("tree", (2, 3), routing="up_down"),
    "fat tree": Routed("fat_tree", (2, 3), routing="up_by_target"),
    "fat tree, by the source": Routed("fat_tree", (2, 3), routing="up_down", reduction=False),
    "fat tree, adaptive": Routed("fat_tree", (2, 3), routing="up_adaptive"),
    "mesh of meshes": Routed("hierarchical_mesh", (2, 1, 2, 2), routing="hierarchical_xy"),
}
SEVERAL_WAYS = ("o1turn", "romm", "west_first", "odd_even", "adaptive_escape", "up_adaptive")
NETWORKS = {
    name: replace(x, multicast=False, reduction=False) if x.routing in SEVERAL_WAYS else x
    for name, x in NETWORKS.items()
}


def terminals(routed: Routed) -> int:
    one = FlitNetwork(Fanout("pes", 1, 1, routed), routed)
    return len(one.at_rest().topology.terminals)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_two_directions_share_no_channel_wherever_the_memory_is(name: str) -> None:
    everywhere = terminals(NETWORKS[name])
    for children in (everywhere, everywhere - 1):  # the memory beside a child, or alone
        for memory in range(everywhere):
            routed = replace(NETWORKS[name], memory=memory)
            network = FlitNetwork(Fanout("pes", children, 1, routed), routed)
            taken: dict[bool, set[int]] = {}
            for up in (False, True):
                one_by_one = tuple((16, (x,)) for x in range(children))
                together = ((8, tuple(range(children))),)
                # Several packets each, so that those that choose or draw a way take many.
                for transfers in (one_by_one, together):
                    spans = network.crossing(transfers, 64, up=up).spans
                    taken.setdefault(up, set()).update(x.channel for x in spans)
            assert not taken[False] & taken[True]


def test_ways_that_are_no_shortest_ones_share_channels() -> None:
    """So patterns of the two directions wait for each other there; nothing else is needed."""
    routed = Routed("mesh", (4, 3), routing="valiant", multicast=False, reduction=False)
    network = FlitNetwork(Fanout("pes", 11, 1, routed), routed)
    everybody = tuple((24, (x,)) for x in range(11))
    down, up = (
        {x.channel for x in network.crossing(everybody, 64, up=way).spans} for way in (False, True)
    )
    assert down & up


def random_pattern(random: Random, children: int):
    """Tiles for some children each, often for groups that have one each."""
    if random.random() < 0.4:
        share, words = random.choice((1, 2, 4, children)), random.randint(1, 24)
        groups = (range(i, min(children, i + share)) for i in range(0, children, share))
        return tuple((words, tuple(x)) for x in groups)
    return tuple(
        (random.randint(1, 24), tuple(sorted(random.sample(range(children), many))))
        for many in (random.randint(1, children) for _ in range(random.choice((1, 1, 2, 3))))
    )


def sequence(network: FlitNetwork, random: Random, length: int):
    """Patterns of both directions, as close behind each other as ``channels`` lets them."""
    children = network.fanout.instances
    pool = [(up, random_pattern(random, children)) for up in (False, True) for _ in range(3)]
    clocks = np.zeros((network.channels, channels.READY + network.vcs), np.int64)
    entries, at = [], {False: 0, True: 0}
    for _ in range(length):
        up, transfers = random.choice(pool)
        crossing = network.crossing(transfers, 16, up=up)
        rows = np.array(_rows(list(crossing.spans), 0, network.vcs))
        costs = np.array([[crossing.busy_cycles, crossing.late_cycles, 0, len(rows)]])
        ready = at[up] + random.choice((0, 0, 0, 1, 5, 50))
        start = channels.enter(costs, rows, clocks, 0, ready)
        channels.leave(costs, rows, clocks, 0, start)
        at[up] = start
        entries.append((up, transfers, 16, start))
    return entries


WEAK = (
    (),
    (("num_vcs", 1), ("vc_buffer_flits", 4)),
    (("num_vcs", 2), ("vc_buffer_flits", 4)),
    (("num_vcs", 2), ("vc_buffer_flits", 8), ("speculative", 1)),
)
MOST_CYCLES, MOST_MEAN_CYCLES = 16, 0.5
"""What the model leaves out, at most: arbiters and buffers that other patterns have left different
from rest, where packets wait for each other within a pattern."""


@pytest.mark.parametrize("name", [x for x in NETWORKS if "crossbar" not in x])
def test_patterns_as_close_as_they_get_take_as_long_as_from_rest(name: str) -> None:
    found = []
    for seed in range(8):
        random = Random(seed)
        least = 2 if NETWORKS[name].routing in (*SEVERAL_WAYS, "dateline") else 1
        strong = [x for x in WEAK if dict(x).get("num_vcs", 4) >= least]
        routed = replace(NETWORKS[name], router=strong[seed % len(strong)])
        everywhere = terminals(routed)
        routed = replace(routed, memory=random.randrange(everywhere))
        children = random.choice((everywhere, everywhere - 1))
        network = FlitNetwork(Fanout("pes", children, 1, routed), routed)
        found.append(lateness(network, sequence(network, random, 12)))
    late = np.concatenate(found)
    assert np.abs(late).max() <= MOST_CYCLES
    assert np.abs(late).mean() <= MOST_MEAN_CYCLES


def test_patterns_from_a_memory_take_exactly_as_long_as_from_rest() -> None:
    """One way to a child, one class of virtual channels, and room for more than credits take."""
    for name, routed in NETWORKS.items():
        if routed.routing in (*SEVERAL_WAYS, "dateline"):
            continue
        network = FlitNetwork(Fanout("pes", 6, 1, routed), routed)
        random = Random(name)
        entries = [x for x in sequence(network, random, 30) if not x[0]]
        assert not lateness(network, entries).any(), name


def test_the_schedule_of_the_engine_in_one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both directions, all tensors, released when the engine says: within two cycles."""
    patterns = late = 0
    for seed in range(6000, 6016):
        design = shared_case(seed)
        with monkeypatch.context() as context:
            networks = entered(context, design) if routes(design) else {}
        for name, entries in networks.items():
            fanout = design[0].level(name)
            found = lateness(FlitNetwork(fanout, fanout.network), entries)
            assert np.abs(found).max() <= 2, f"seed {seed}: {name}"
            patterns, late = patterns + len(found), late + np.count_nonzero(found)
    assert patterns > 400
    assert late < patterns // 50


def routes(design) -> bool:
    return any(isinstance(x.network, Routed) for x in design[0].fanouts)
