"""Trees, routed networks and wireless channels in files: read, written, shown, refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from arraysmith.arch.architecture import Fanout, Routed, Tree, Wireless, Wires, XyBus
from arraysmith.arch.architecture_file import dump_architecture, parse_architecture
from arraysmith.arch.errors import InputError
from arraysmith.arch.interconnect import Forwarding
from arraysmith.arch.render import describe_network

DESIGN = """\
kind: architecture
name: t
source: a test
clock: 1 GHz
technology: 45nm
levels:
  - {memory: dram, device: lpddr4, holds: [ifmap, weight, ofmap], width: 64 bit, word: 16 bit}
  - fanout: pes
    mesh_x: 5
    mesh_y: 2
    network: NETWORK
"""

SMALL = "{tree: {}}"
FULL = """{tree: {arity: 4, down: 3/2 words/cycle, up: 2 words/cycle, leaf: 1 word/cycle,
      stage: 2 cycles, multicast: false, reduction: false, adds_above: true,
      wires: {hop: 50 um}}}"""
MESH = """{routed: {topology: mesh, size: [5, 2], options: {link_cycles: 2}, routing: yx,
      router: {num_vcs: 2, allocator: islip}, flit: 32 bit, packet: 2, memory: 3}}"""
AIR = """{wireless: {access: token, flit: 16 bit, on_air: 2 cycles, token: 0 cycles,
      latency: 3 cycles, adds_above: true, energy: 1.5 pJ}}"""
CASES = (
    (
        "{wireless: {}}",
        Wireless(),
        "wireless, flits of 64 bit, multicast, results by token, 1 a hop",
    ),
    (
        AIR,
        Wireless(16, 2, 0, 3, adds_above=True, wires=Wires(hop_pj_per_bit=1.5)),
        (
            "wireless, flits of 16 bit of 2 cycles, multicast, results by token, 0 a hop, "
            "partial sums added above, latency 3"
        ),
    ),
    (
        SMALL,
        Tree(),
        (
            "trees of 4 stages, 2 children a node, any words per cycle down, any up, multicast, "
            "reduction"
        ),
    ),
    (
        FULL,
        Tree(
            arity=4,
            down_words_per_cycle=Fraction(3, 2),
            up_words_per_cycle=Fraction(2),
            leaf_words_per_cycle=Fraction(1),
            stage_cycles=2,
            multicast=False,
            reduction=False,
            adds_above=True,
            wires=Wires(50),
        ),
        (
            "trees of 2 stages, 4 children a node, 1.5 words per cycle down, 2 up, 1 a leaf, "
            "2 cycles a stage, unicast, partial sums added above"
        ),
    ),
    (
        MESH,
        Routed(
            topology="mesh",
            size=(5, 2),
            options=(("link_cycles", 2),),
            routing="yx",
            router=(("allocator", "islip"), ("num_vcs", 2)),
            flit_bits=32,
            packet_flits=2,
            memory=3,
        ),
        (
            "mesh 5x2, yx routing, flits of 32 bit, memory at terminal 3, link_cycles 2, "
            "allocator islip, num_vcs 2, multicast, reduction"
        ),
    ),
)


@pytest.mark.parametrize(("text", "network", "shown"), CASES)
def test_a_network_is_read_written_and_shown(text, network, shown) -> None:
    design = parse_architecture(DESIGN.replace("NETWORK", text))
    fanout = design.levels[1]
    assert isinstance(fanout, Fanout)
    assert fanout.network == network
    assert parse_architecture(dump_architecture(design)) == design
    assert describe_network(fanout) == shown


def test_all_faults_of_a_network_are_reported_at_once_with_their_places() -> None:
    text = "{tree: {arity: 1, down: 0 words/cycle, leaves: 2, wires: {}}}"
    with pytest.raises(InputError) as caught:
        parse_architecture(DESIGN.replace("NETWORK", text), "t.yaml")
    assert [str(x).split(": ", 2)[1] for x in caught.value.faults] == [
        "levels[1].network.tree.arity",
        "levels[1].network.tree.down",
        "levels[1].network.tree.leaves",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{tree: {}, routed: {topology: mesh, size: [5, 2]}}",
            "must be exactly one of xy_bus, tree",
        ),
        ("{tree: {wires: {}}}", "must give the length of a hop or its energy"),
        ("{routed: {topology: mesh, size: []}}", "levels[1].network.routed.size"),
        ("{routed: {topology: mesh, size: [5, 2], flit: 0 bit}}", "levels[1].network.routed.flit"),
        ("{routed: {size: [5, 2]}}", "levels[1].network.routed.topology"),
        (
            "{wireless: {access: contention}}",
            "wireless.access: contention: what back-off costs depends on all before",
        ),
        ("{wireless: {access: tokens}}", "wireless.access: tokens: must be one of"),
        ("{wireless: {reduction: true}}", "wireless.reduction: true: who sends at once is not und"),
        ("{wireless: {on_air: 0 cycles}}", "levels[1].network.wireless.on_air"),
        ("{wireless: {flit: 0 bit}}", "levels[1].network.wireless.flit"),
        ("{wireless: {wires: {hop: 1 um}}}", "levels[1].network.wireless.wires"),
    ],
)
def test_a_wrong_network_is_refused_with_the_rule(text, expected) -> None:
    with pytest.raises(InputError) as caught:
        parse_architecture(DESIGN.replace("NETWORK", text))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("routed", "field", "value", "rule"),
    [
        ("topology: torus, size: [5, 3], routing: xy", "routing", "xy", "xy routes on mesh"),
        ("topology: torus, size: [5, 2]", "size", "[5, 2]", "height must be at least 3"),
        ("topology: mesh, size: [5, 2], options: {wrap: 1}", "options.wrap", "1", "no such"),
        ("topology: mush, size: [5, 2]", "topology", "mush", "no such topology"),
        ("topology: mesh, size: [2, 2]", "size", "[2, 2]", "has 4 terminals for"),
        ("topology: mesh, size: [5, 2], memory: 10", "memory", "10", "terminals are numbered"),
        (
            "topology: mesh, size: [5, 2], router: {num_vc: 1}",
            "router.num_vc",
            "1",
            "routers have no such parameter",
        ),
    ],
)
def test_what_only_the_simulator_knows_of_a_network_is_told_with_its_place(
    routed, field, value, rule
) -> None:
    text = DESIGN.replace("NETWORK", f"{{routed: {{{routed}}}}}")
    with pytest.raises(InputError) as caught:
        parse_architecture(text, "t.yaml")
    fault = caught.value.faults[0]
    assert fault.field == f"levels[1].network.routed.{field}"
    assert (fault.file, fault.value) == ("t.yaml", value)
    assert rule in fault.rule
    line = text.splitlines()[fault.line - 1]
    assert line[fault.column - 1 :].startswith(value)


def test_every_network_says_what_it_counts_like() -> None:
    assert Fanout("x", 3, 3, XyBus(latency_cycles=2)).bus == XyBus(latency_cycles=2)
    assert Fanout("x", 3, 3, Tree(3, stage_cycles=2)).bus == XyBus(latency_cycles=4)
    routed = Routed("mesh", (3, 3), multicast=False, reduction=False)
    assert Fanout("x", 3, 3, routed).bus == XyBus(multicast=False, reduction=False)
    air = Wireless(latency_cycles=2, adds_above=True)
    assert Fanout("x", 3, 3, air).bus == XyBus(reduction=False, adds_above=True)
    assert [Tree(2).stages(n) for n in (1, 2, 3, 4, 5)] == [0, 1, 2, 2, 3]


KEEPING = (
    DESIGN
    + """  - {memory: spad, device: regfile, holds: [ifmap], depth: 4, width: 16 bit, word: 16 bit}
"""
)


def test_links_between_neighbours_are_read_written_and_shown() -> None:
    text = "{xy_bus: {forwarding: {ifmap: [y, -x], rate: 1/2 words/cycle, latency: 1 cycle}}}"
    design = parse_architecture(KEEPING.replace("NETWORK", text))
    (fanout,) = design.fanouts
    assert fanout.bus.forwarding == Forwarding(("-x", "-y", "+y"), Fraction(1, 2), 1)
    assert fanout.bus.forwarding.mask == 0b1101
    assert parse_architecture(dump_architecture(design)) == design
    shown = "ifmap words pass on to neighbours (-x -y +y), 0.5 per cycle and child after 1"
    assert describe_network(fanout).endswith(shown)


@pytest.mark.parametrize(
    ("text", "design", "expected"),
    [
        ("ifmap: [z]", KEEPING, "forwarding.ifmap[0]: z: must be one of"),
        ("ifmap: []", KEEPING, "levels[1].network.xy_bus.forwarding.ifmap"),
        ("weight: [x]", KEEPING, "levels[1].network.xy_bus.forwarding.weight"),
        ("ifmap: [x]", DESIGN, "a memory right below must hold ifmap"),
        ("ifmap: [x]", KEEPING.replace("[ifmap]", "[weight]"), "must hold ifmap"),
    ],
)
def test_wrong_links_are_refused_with_the_rule(text, design, expected) -> None:
    with pytest.raises(InputError) as caught:
        parse_architecture(design.replace("NETWORK", f"{{xy_bus: {{forwarding: {{{text}}}}}}}"))
    assert expected in str(caught.value)
