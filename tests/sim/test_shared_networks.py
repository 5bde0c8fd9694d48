"""Trees and routed networks between memories and children: words, values, time, refusals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from chip_trees import changed, tree_case
from walker import walk

from arraysmith.arch.architecture import Architecture, Fanout, Routed, Tree, Wires, XyBus
from arraysmith.arch.architecture_file import dump_architecture, parse_architecture
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.legality import IllegalMappingError, check_mapping
from arraysmith.arch.problem import TENSORS
from arraysmith.sim.analytical.encoding import ChainArrays, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.scores import score
from arraysmith.sim.analytical.scoring import Entries, Machine
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.nest.amounts import Amounts
from arraysmith.sim.cycle.nest.lookups import find_entries, total_words
from arraysmith.sim.cycle.nest.transfer_groups import way_of
from arraysmith.sim.cycle.nest.tree import O
from arraysmith.sim.cycle.nest.tree import Tree as Loops
from arraysmith.sim.cycle.networks.flit_network import FlitNetwork
from arraysmith.sim.cycle.values import verify_values
from arraysmith.sim.network_text import networks_text
from arraysmith.sim.report import Report, total
from arraysmith.sim.routed import hops_of, link_profile, tree_profile

RATES = (None, Fraction(1, 2), Fraction(1), Fraction(4))


def some_tree(random: Random) -> Tree:
    return Tree(
        arity=random.choice((2, 4)),
        down_words_per_cycle=random.choice(RATES),
        up_words_per_cycle=random.choice(RATES),
        leaf_words_per_cycle=random.choice(RATES),
        stage_cycles=random.choice((0, 1, 2)),
        multicast=random.random() < 0.8,
        reduction=random.random() < 0.7,
        adds_above=True,
        wires=Wires(100),
    )


def some_routed(random: Random, children: int) -> Routed:
    """A network of any family for so many children."""
    kinds = ["mesh", "own", "crossbar", "tree", "fat_tree", "hierarchical_mesh"]
    kinds += ["ring", "torus"] if children >= 3 else []
    kind = random.choice(kinds)
    stages = max(1, (children - 1).bit_length())
    size, routing = {
        "mesh": ((children, 1), "xy"),
        "own": ((children + 1, 1), "xy"),
        "crossbar": ((max(2, children),), "direct"),
        "tree": ((2, stages), "up_down"),
        "fat_tree": ((2, stages), "up_by_target"),
        "hierarchical_mesh": ((2, 1, -(-children // 2), 1), "hierarchical_xy"),
        "ring": ((children,), "dateline"),
        "torus": ((3, max(3, -(-children // 3))), "dateline"),
    }[kind]
    return Routed(
        "mesh" if kind == "own" else kind,
        size,
        routing=routing,
        router=random.choice(((), (), (("num_vcs", 2), ("vc_buffer_flits", 4)))),
        flit_bits=random.choice((16, 64)),
        packet_flits=random.choice((4, 4, 6)),
        memory=random.randrange(children) if kind not in ("tree", "ring") else 0,
        multicast=random.random() < 0.8,
        reduction=random.random() < 0.7,
        adds_above=True,
        wires=Wires(100),
    )


def with_networks(architecture: Architecture, make) -> Architecture:
    levels = tuple(
        replace(x, network=make(x)) if isinstance(x, Fanout) else x for x in architecture.levels
    )
    return replace(architecture, levels=levels)


def shared_case(seed: int):
    """A random design whose fan-outs have trees or routed networks."""
    random = Random(seed)
    architecture, problem, mapping = tree_case(seed)
    pick = random.random()
    architecture = with_networks(
        architecture,
        lambda x: some_tree(random) if pick < 0.5 else some_routed(random, x.instances),
    )
    return architecture, problem, mapping


def words_of(report: Report) -> dict[tuple[str, str, str], int]:
    return {(x.level, x.tensor, x.direction): x.words for x in report.accesses}


@pytest.mark.parametrize("block", range(3))
def test_words_are_those_of_the_walker_and_no_average_is_beaten(block: int) -> None:
    for seed in range(6000 + 20 * block, 6020 + 20 * block):
        design = shared_case(seed)
        simulated, closed = CycleModel().evaluate(*design), AnalyticalModel().evaluate(*design)
        as_bus = (with_networks(design[0], lambda x: x.bus), *design[1:])
        assert words_of(simulated) == words_of(closed) == walk(*as_bus), f"seed {seed}"
        assert simulated.cycles >= closed.cycles, f"seed {seed}"
        assert simulated.cycles == simulated.compute_cycles + sum(simulated.stall_cycles.values())


def test_values_through_these_networks_are_those_of_the_operator() -> None:
    for seed in range(6100, 6130):
        verify_values(*shared_case(seed), seed)


def test_trees_without_limits_and_latency_are_buses_without() -> None:
    for seed in range(6200, 6240):
        architecture, problem, mapping = tree_case(seed)
        free = changed(
            architecture, bus=lambda x: replace(XyBus(), multicast=x.multicast, adds_above=True)
        )
        trees = changed(
            free, bus=lambda x: Tree(stage_cycles=0, multicast=x.multicast, adds_above=True)
        )
        assert CycleModel().evaluate(trees, problem, mapping) == CycleModel().evaluate(
            free, problem, mapping
        ), f"seed {seed}"
        assert AnalyticalModel().evaluate(trees, problem, mapping) == AnalyticalModel().evaluate(
            free, problem, mapping
        )


def test_a_faster_tree_is_never_slower() -> None:
    for seed in range(6300, 6330):
        random = Random(seed)
        architecture, problem, mapping = tree_case(seed)
        slow = with_networks(architecture, lambda _: some_tree(random))  # noqa: B023 - used at once
        fast = changed(slow, bus=lambda x: replace(x, down_words_per_cycle=None, stage_cycles=0))
        assert (
            CycleModel().evaluate(fast, problem, mapping).cycles
            <= CycleModel().evaluate(slow, problem, mapping).cycles
        ), f"seed {seed}"


def test_groups_with_members_move_the_words_that_tables_add_up() -> None:
    compared = 0
    for seed in range(6400, 6425):
        tree = Loops.of(*shared_case(seed))
        amounts = Amounts.of(tree)
        tables, fanouts = amounts.tables, len(tree.architecture.fanouts)
        for number, edge in enumerate(tree.edges):
            for place, level in enumerate(edge.fanouts):
                for up in (False, True) if edge.tensor == O else (False,):
                    way = way_of(tree, amounts, number, place, up=up)
                    codes = [dict(x) for x in way.codes]
                    column = fanouts + 1 + place if up else place
                    entries = np.zeros(16, np.int64)
                    for turned in (-1, *range(edge.depth)):
                        index = np.zeros(len(tree.time), np.int64)
                        if turned >= 0:
                            index[turned] = 1
                        find_entries(tables, number, index, turned, entries)
                        at, stride = 0, 1
                        for f, found in enumerate(codes):
                            at += stride * found[int(entries[f])]
                            stride *= len(way.classes[f])
                        fanout = tree.architecture.levels[level]
                        assert isinstance(fanout, Fanout)
                        families = way.transfers(at, fanout.mesh_x)
                        moved = sum(words for x in families for words, _ in x)
                        assert moved == total_words(tables, len(codes), column, entries)
                        members = [m for x in families for _, ms in x for m in ms]
                        assert all(0 <= m < fanout.instances for m in members)
                        compared += moved > 0
    assert compared > 500


def test_no_link_carries_more_than_a_flit_a_cycle_and_hops_are_link_loads() -> None:
    seen = 0
    for seed in range(6500, 6540):
        design = shared_case(seed)
        report = CycleModel().evaluate(*design)
        for use in report.networks:
            fanout = design[0].level(use.network)
            assert isinstance(fanout, Fanout)
            copies = design[0].instances(use.network)
            assert max(use.loads.values()) <= report.cycles * copies
            for tensor in TENSORS:
                between = sum(n for _, kind, x, n in use.links if kind != "all" and x == tensor)
                traffic = [x for x in report.traffic if x.network == use.network]
                assert between == sum(x.hops for x in traffic if x.tensor == tensor)
                seen += between > 0
            assert isinstance(fanout.network, Routed)
            bits = fanout.network.flit_bits
            sent = {x.tensor: x.words for x in report.traffic if x.network == use.network}
            at_memory = sum(n for _, kind, _, n in use.links if kind == "all")
            assert at_memory * bits >= max(sent.values()), "words fit in the flits that carry them"
    assert seen > 5


def test_a_single_transfer_takes_what_the_routers_take() -> None:
    """One flit to a child h links away: 2 + (h + 1) * hop cycles, as the network says."""
    fanout = Fanout("pes", 4, 1, Routed("mesh", (4, 1)))
    assert isinstance(fanout.network, Routed)
    network = FlitNetwork(fanout, fanout.network)
    for child in range(4):
        one = network.crossing(((4, (child,)),), 16, up=False)
        assert one.busy_cycles == 1
        assert one.busy_cycles + one.late_cycles == 2 + (child + 1) * 4 + 1
        assert sum(one.hops) == child
    everybody = network.crossing(((8, (0, 1, 2, 3)),), 16, up=False)
    assert (everybody.flits, sum(everybody.hops)) == (2, 2 * 3)
    assert everybody.degrees == ((4, 1),)
    added = network.crossing(((8, (0, 1, 2, 3)),), 16, up=True)
    assert (added.flits, sum(added.hops)) == (2, 2 * 3)
    alone = FlitNetwork(fanout, replace(fanout.network, reduction=False))
    each = alone.crossing(((8, (0, 1, 2, 3)),), 16, up=True)
    assert (each.flits, sum(each.hops)) == (8, 2 * (1 + 2 + 3))


def test_a_simulation_is_the_same_twice_and_its_report_survives_its_file() -> None:
    design = next(
        x
        for x in map(shared_case, range(6600, 6700))
        if isinstance(x[0].fanouts[0].network, Routed)
    )
    first, second = CycleModel().evaluate(*design), CycleModel().evaluate(*design)
    assert first == second
    assert first.networks
    assert Report.from_dict(first.to_dict()) == first
    twice = total([(first, 2)])
    assert twice.networks[0].links[0][3] == 2 * first.networks[0].links[0][3]
    loads = first.networks[0].loads
    assert "flits x links" in networks_text(first.networks, first.cycles)
    assert max(loads, key=lambda x: loads[x]) in networks_text(first.networks, first.cycles)


def test_profiles_are_exact_for_one_taker_and_for_all() -> None:
    profile, parts = link_profile(Routed("mesh", (4, 4)), 16)
    mean = Fraction(sum(x + y for x in range(4) for y in range(4)), 16)
    assert Fraction(hops_of(profile, parts, 16, 16)) == 16 * mean
    assert hops_of(profile, parts, 1, 16) == 15, "a tree over all routers has a link less"
    assert hops_of(tree_profile(2, 3, 8), 1, 1, 1) == 3
    assert hops_of(tree_profile(2, 3, 8), 1, 1, 8) == 2 + 4 + 8


def test_a_batch_costs_what_the_model_says_of_each() -> None:
    compared = 0
    for seed in range(6700, 6760):
        architecture, problem, mapping = shared_case(seed)
        own = {"reduction": True, "adds_above": False}
        architecture = changed(architecture, bus=lambda x: replace(x, **own))  # noqa: B023
        mapping = replace(mapping, levels=tuple(replace(x, keep=None) for x in mapping.levels))
        try:
            report = AnalyticalModel().evaluate(architecture, problem, mapping)
        except IllegalMappingError:
            continue  # it kept less where all does not fit
        chain = ChainArrays.of(architecture, mapping)
        found = score(
            ProblemArrays.of(problem), problem.macs, chain, Entries.of(chain),
            Machine.of(architecture, "default"),
            MappingArrays.of(architecture, problem, mapping),
        )  # fmt: skip
        assert int(found.cycles[0]) == report.cycles, f"seed {seed}"
        # A Report counts whole hops.
        slack = sum(x.energy_pj / x.hops for x in report.traffic if x.hops)
        assert found.energy_pj[0] == pytest.approx(report.energy_pj, abs=slack + 1e-6), seed
        compared += 1
    assert compared > 20


FAMILIES = (
    Routed("hierarchical_mesh", (2, 1, 3, 2), routing="hierarchical_xy", memory=7),
    Routed("fat_tree", (2, 4), routing="up_by_target", memory=15),
    Routed("fat_tree", (2, 4), routing="up_down", reduction=False, adds_above=True),
    Routed("tree", (2, 4), routing="up_down"),
    Routed("crossbar", (12,), routing="direct"),
    Routed("ring", (12,), routing="dateline", memory=4, packet_flits=20),
    Routed("torus", (4, 3), routing="dateline", memory=5, options=(("link_cycles", 2),)),
    Routed("mesh", (4, 3), routing="odd_even", multicast=False, reduction=False, adds_above=True),
)


@pytest.mark.parametrize("network", FAMILIES, ids=lambda x: f"{x.topology} {x.routing}")
def test_every_family_is_named_in_a_file_carries_values_and_counts_its_links(network) -> None:
    seed = next(
        s
        for s in range(200)
        if tree_case(s)[0].fanouts[0].instances == 12 and tree_case(s)[1].macs < 10_000
    )
    architecture, problem, mapping = tree_case(seed)
    design = changed(architecture, bus=lambda x: x)
    levels = tuple(
        replace(x, network=network) if x is design.fanouts[0] else x for x in design.levels
    )
    read = parse_architecture(dump_architecture(replace(design, levels=levels)), "t.yaml")
    assert read.fanouts[0].network == network
    verify_values(read, problem, mapping, seed)
    (use,) = CycleModel().evaluate(read, problem, mapping).networks
    assert use.network == read.fanouts[0].name
    kinds = {kind for _, kind, _, _ in use.links}
    assert network.reduction or "reduction" not in kinds
    assert network.multicast or kinds <= {"unicast", "all"}


WRONG = (
    (Routed("mash", (4, 3)), "topology: mash: no such topology: did you mean mesh"),
    (Routed("mesh", (4, 3), routing="xyz"), "routing: xyz: no such routing"),
    (Routed("mesh", (2, 3)), "size: 2x3: has 6 terminals for 12 children"),
    (Routed("mesh", (4, 3), memory=12), "memory: 12: terminals are numbered 0 to 11"),
    (Routed("mesh", (4, 3), router=(("num_vc", 2),)), "router.num_vc: 2: routers have no such"),
    (Routed("mesh", (4, 3), routing="odd_even"), "multicast: true: packets that fork or join"),
    (
        Routed("fat_tree", (2, 4), routing="up_down"),
        "reduction: true: ways from its sources part again in router",
    ),
)


@pytest.mark.parametrize(("network", "expected"), WRONG)
def test_what_no_network_can_do_is_refused_with_the_reason(network, expected) -> None:
    seed = next(s for s in range(100) if tree_case(s)[0].fanouts[0].instances == 12)
    architecture, problem, mapping = tree_case(seed)
    design = changed(architecture, bus=lambda x: x)
    levels = tuple(
        replace(x, network=network) if x is design.fanouts[0] else x for x in design.levels
    )
    for model in (AnalyticalModel(), CycleModel()):
        with pytest.raises((InputError, IllegalMappingError)) as caught:
            model.evaluate(replace(design, levels=levels), problem, mapping)
        if isinstance(caught.value, InputError):
            assert expected in str(caught.value)


def test_a_mapping_that_needs_a_reduction_is_refused_where_nothing_adds() -> None:
    found = 0
    for seed in range(80):
        architecture, problem, mapping = tree_case(seed)
        design = changed(architecture, bus=lambda _: Tree(reduction=False))
        reasons = [str(x) for x in check_mapping(design, problem, mapping)]
        if any("the network cannot add them" in x for x in reasons):
            with pytest.raises(IllegalMappingError, match="cannot add them"):
                CycleModel().evaluate(design, problem, mapping)
            found += 1
    assert found > 10


def test_a_search_refuses_sums_that_the_memory_adds() -> None:
    architecture = changed(
        tree_case(2)[0], bus=lambda _: Tree(Fraction(4), reduction=False, adds_above=True)
    )
    with pytest.raises(ArraysmithError, match="leave adds_above out"):
        Machine.of(architecture, "default")
    assert len(TENSORS) == 3
