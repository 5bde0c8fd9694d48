"""A wireless channel between a memory and its children: words, values, time, refusals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from air_twin import Channel
from chip_trees import tree_case
from joint_network import entered
from long_cases import long_case
from test_crossings_meet import random_pattern, sequence
from test_repeats import Watched
from test_shared_networks import with_networks, words_of
from walker import walk

from arraysmith.arch.architecture import Fanout, Tree, Wireless, Wires
from arraysmith.arch.architecture_file import dump_architecture, parse_architecture
from arraysmith.arch.legality import IllegalMappingError, check_mapping
from arraysmith.sim.analytical.encoding import ChainArrays, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.scores import score
from arraysmith.sim.analytical.scoring import Entries, Machine
from arraysmith.sim.cycle.array.machine import Machine as Simulated
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.nest.portions import PARTS
from arraysmith.sim.cycle.networks.air import Air
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.values import verify_values
from arraysmith.sim.report import FORWARD


def some_air(random: Random) -> Wireless:
    return Wireless(
        flit_bits=random.choice((8, 16, 48, 64)),
        flit_cycles=random.choice((1, 1, 2)),
        token_cycles=random.choice((0, 1, 3)),
        latency_cycles=random.choice((0, 2)),
        adds_above=True,
        wires=Wires(hop_pj_per_bit=1.5),
    )


def air_case(seed: int):
    """A random design whose fan-outs have a wireless channel each."""
    random = Random(seed)
    architecture, problem, mapping = tree_case(seed)
    return with_networks(architecture, lambda _: some_air(random)), problem, mapping


def with_air(design, **changes):
    """The design with other numbers for all of its channels."""
    return (with_networks(design[0], lambda x: replace(x.network, **changes)), *design[1:])


def test_words_and_values_are_those_of_the_walker_and_no_average_is_beaten() -> None:
    for seed in range(7000, 7025):
        design = air_case(seed)
        simulated, closed = CycleModel().evaluate(*design), AnalyticalModel().evaluate(*design)
        as_bus = (with_networks(design[0], lambda x: x.bus), *design[1:])
        assert words_of(simulated) == words_of(closed) == walk(*as_bus), f"seed {seed}"
        assert simulated.cycles >= closed.cycles, f"seed {seed}"
        assert simulated.cycles == simulated.compute_cycles + sum(simulated.stall_cycles.values())
        verify_values(*design, seed)


def test_a_pattern_takes_what_the_stations_take() -> None:
    for seed in range(300):
        random = Random(seed)
        children, bits, up = random.randint(1, 9), random.choice((8, 16, 24)), seed % 2 > 0
        wireless, transfers = some_air(random), random_pattern(random, children)
        air = Air(Fanout("pes", children, 1, wireless), wireless)
        found = air.crossing(transfers, bits, up=up)
        _, over = Channel(wireless, children).take((up, transfers, bits, 0))
        assert found.busy_cycles + found.late_cycles == over, f"seed {seed}"
        assert sum(found.hops) == found.flits == sum(n for _, _, n in found.loads)


def test_patterns_as_close_as_they_get_begin_when_the_token_is_back() -> None:
    """Both directions; as soon as the stations let them, never sooner."""
    for seed in range(40):
        random = Random(seed)
        wireless = some_air(random)
        air = Air(Fanout("pes", 6, 1, wireless), wireless)
        channel, waited, free = Channel(wireless, 6), 0, 0
        for entry in sequence(air, random, 20):
            up, transfers, bits, start = entry
            waited += start == free
            begin, over = channel.take(entry)
            assert begin == start, f"seed {seed}: somebody else was on the air"
            crossing = air.crossing(transfers, bits, up=up)
            assert over == start + crossing.busy_cycles + crossing.late_cycles
            free = channel.now
        assert waited > 5, "some begin in the very cycle in which the channel is free"


def test_the_schedule_of_the_engine_among_stations(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = 0
    for seed in range(7000, 7010):
        design = air_case(seed)
        with monkeypatch.context() as context:
            networks = entered(context, design)
        for name, entries in networks.items():
            fanout = design[0].level(name)
            channel, air = Channel(fanout.network, fanout.instances), Air(fanout, fanout.network)
            for entry in entries:
                begin, over = channel.take(entry)
                crossing = air.crossing(entry[1], entry[2], up=entry[0])
                assert begin == entry[3], f"seed {seed}: somebody else was on the air"
                assert over == begin + crossing.busy_cycles + crossing.late_cycles
            patterns += len(entries)
    assert patterns > 200


def test_nothing_that_gets_faster_makes_a_design_slower() -> None:
    for seed in range(7100, 7115):
        slow = with_air(air_case(seed), flit_cycles=3, token_cycles=2, latency_cycles=3)
        cycles = CycleModel().evaluate(*slow).cycles
        for faster in ({"flit_cycles": 1}, {"token_cycles": 0}, {"latency_cycles": 0}):
            assert CycleModel().evaluate(*with_air(slow, **faster)).cycles <= cycles, f"seed {seed}"


def test_one_channel_for_both_ways_is_never_faster_than_a_root_for_each() -> None:
    """A tree without latency that takes a word a cycle, as the air takes flits of one word.

    Where border and chip divide the root of a tree, a transfer of the chip takes longer than on the
    air, of which the chip has all cycles: such designs are left out.
    """
    slower = 0
    for seed in range(7200, 7230):
        bits = 64  # no word is longer, so that each is a flit at least
        design = with_air(air_case(seed), flit_bits=bits, flit_cycles=1, latency_cycles=0)
        word = {x.word_bits for x in design[0].memories}
        one = Fraction(bits, min(word))
        tree = Tree(8, one, one, stage_cycles=0, reduction=False, adds_above=True)
        roots = (with_networks(design[0], lambda _: tree), *design[1:])  # noqa: B023 - used at once
        if (Simulated.of(*roots).portions.networks < PARTS).any():
            continue
        mine, theirs = (CycleModel().evaluate(*x).cycles for x in (design, roots))
        assert mine >= theirs, f"seed {seed}"
        slower += mine > theirs
    assert slower > 10


def test_flits_on_the_air_are_what_a_report_counts_and_prices() -> None:
    seen = 0
    for seed in range(7300, 7330):
        design = air_case(seed)
        report = CycleModel().evaluate(*design)
        for use in report.networks:
            fanout = design[0].level(use.network)
            (flits,) = use.loads.values()
            many = design[0].instances(use.network)
            assert flits * fanout.network.flit_cycles <= report.cycles * many
            mine = [x for x in report.traffic if x.network == use.network and x.kind != FORWARD]
            assert flits == sum(x.hops for x in mine)
            energy = 1.5 * fanout.network.flit_bits * flits
            assert sum(x.energy_pj for x in mine) == pytest.approx(energy)
            seen += 1
    assert seen > 30


def test_what_is_skipped_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    step_by_step = CycleModel(parameters=CycleParameters(skip=False))
    for seed in range(7400, 7412):
        random = Random(seed)
        architecture, problem, mapping = long_case(seed)
        design = with_networks(architecture, lambda _: some_air(random)), problem, mapping  # noqa: B023 - used at once
        assert CycleModel().evaluate(*design) == step_by_step.evaluate(*design), f"seed {seed}"
    assert watched.skipped + watched.recalled > 3


def test_a_batch_costs_what_the_model_says_of_each() -> None:
    compared = 0
    for seed in range(7500, 7600):
        architecture, problem, mapping = with_air(air_case(seed), adds_above=False)
        mapping = replace(mapping, levels=tuple(replace(x, keep=None) for x in mapping.levels))
        try:
            report = AnalyticalModel().evaluate(architecture, problem, mapping)
        except IllegalMappingError:
            continue  # it spreads sums, or kept less where all does not fit
        chain = ChainArrays.of(architecture, mapping)
        found = score(
            ProblemArrays.of(problem), problem.macs, chain, Entries.of(chain),
            Machine.of(architecture, "default"),
            MappingArrays.of(architecture, problem, mapping),
        )  # fmt: skip
        assert int(found.cycles[0]) == report.cycles, f"seed {seed}"
        assert found.energy_pj[0] == pytest.approx(report.energy_pj, rel=1e-9), seed
        compared += 1
    assert compared > 20


def test_a_channel_is_named_in_a_file_and_a_mapping_that_adds_on_it_is_refused() -> None:
    refused = 0
    for seed in range(7600, 7630):
        design = with_air(air_case(seed), adds_above=False)
        read = parse_architecture(dump_architecture(design[0]), "t.yaml")
        assert [x.network for x in read.fanouts] == [x.network for x in design[0].fanouts]
        reasons = [str(x) for x in check_mapping(*design)]
        if any("the network cannot add them" in x for x in reasons):
            with pytest.raises(IllegalMappingError, match="cannot add them"):
                CycleModel().evaluate(*design)
            refused += 1
    assert refused > 5
