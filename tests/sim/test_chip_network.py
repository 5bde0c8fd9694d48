"""A bus or a mesh between the cores of a chip and its memory: links, and who waits for them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chips import mixed, on_dram, same, sharing
from test_cores import Listener, cores_of

from arraysmith.arch.chip_network import ChipNetwork
from arraysmith.arch.errors import ArraysmithError
from arraysmith.sim.cycle.chip.cores import simulate_cores
from arraysmith.sim.cycle.chip.links import Links

GBIT = 10**9
UNLIMITED = {"read_words_per_cycle": None, "write_words_per_cycle": None, "latency_cycles": 0}
places = st.tuples(st.integers(0, 3), st.integers(0, 2))


def mesh(rate=None, hop=0, memory=(0, 0)) -> ChipNetwork:
    """A mesh of 4 x 3 routers; ``rate`` in bits and ``hop`` in cycles of 1 GHz."""
    bits_per_s = None if rate is None else Fraction(rate) * GBIT
    return ChipNetwork(4, 3, bits_per_s, Fraction(hop, GBIT), memory)


def bus(rate=None, hop=0) -> ChipNetwork:
    return replace(mesh(rate, hop), mesh_x=0, mesh_y=0)


def at(cores, *where):
    return [replace(core, at=place) for core, place in zip(cores, where, strict=True)]


@given(places, places)
def test_ways_go_along_x_and_then_along_y_over_links_that_there_are(source, target):
    network = mesh()
    way = network.way(source, target)
    assert len(way) == abs(source[0] - target[0]) + abs(source[1] - target[1])
    assert set(way) <= set(network.links)
    assert len(network.links) == 2 * (3 * 3 + 4 * 2)
    ends = [link.split("->") for link in way]
    assert all(a[1] == b[0] for a, b in pairwise(ends))
    if way:
        assert (ends[0][0], ends[-1][1]) == tuple(f"({x},{y})" for x, y in (source, target))
        columns = [end[0].strip("()").split(",")[0] != end[1].strip("()").split(",")[0]
                   for end in ends]  # fmt: skip
        assert columns == sorted(columns, reverse=True)


def test_the_ways_from_a_memory_share_links_from_its_side_on():
    network = mesh(memory=(1, 1))
    ways = [network.way((1, 1), (x, y)) for x in range(4) for y in range(3)]
    for one in ways:
        for other in ways:
            shared = [link for link in one if link in other]
            assert list(one[: len(shared)]) == list(other[: len(shared)]) == shared


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_a_link_passes_one_transfer_after_the_other_at_its_rate(seed):
    random = Random(seed)
    rate, hop = random.choice((1, 3, 64)), random.choice((0, 2))
    network = mesh(rate, hop, memory=(2, 1))
    links, fast = Links(network, GBIT), Links(mesh(2 * rate, hop, memory=(2, 1)), GBIT)
    taken = {name: [] for name in network.links}
    now = 0
    for _ in range(20):
        now += random.choice((0, 1, 30))
        last, bits = now + random.choice((0, 5, 40)), random.randint(1, 400)
        way = network.way(*random.sample([(2, 1), (random.choice((0, 3)), 2)], 2))
        found, sooner = (x.cross(way, now, last, bits) for x in (links, fast))
        need = -(-bits // rate)
        assert now + need <= found.tail - len(way) * hop
        assert last <= found.tail - len(way) * hop
        assert now <= found.head - len(way) * hop <= found.tail - len(way) * hop
        assert sooner.tail <= found.tail
        assert sooner.head <= found.head
        assert found.slowest in way
        # The last link, seen from where it ends: nobody before has it any more.
        end = found.tail - hop
        assert all(end - need >= before for before in taken[way[-1]])
        taken[way[-1]].append(end)
    assert sum(links.bits.values()) == sum(fast.bits.values()) > 0


def test_words_wait_for_the_link_that_another_transfer_has():
    links = Links(mesh(8, 1), GBIT)
    way = links.network.way((2, 0), (0, 0))
    first = links.cross(way, 0, 0, 800)
    assert (first.head, first.tail, first.slowest) == (2, 102, "(2,0)->(1,0)")
    behind = links.cross(links.network.way((1, 0), (0, 0)), 50, 60, 80)
    # The second link is free when the tail of the first transfer has passed it, in 101.
    assert (behind.head, behind.tail, behind.slowest) == (102, 112, "(1,0)->(0,0)")
    other_way = links.cross(links.network.way((0, 0), (2, 0)), 50, 60, 80)
    assert (other_way.head, other_way.tail) == (52, 62)


@pytest.mark.parametrize("memory", ["rate", "dram"])
def test_a_network_without_limits_changes_nothing(memory):
    for seed in range(3):
        cores = at(mixed(seed), (0, 0), (3, 2))
        if memory == "dram":
            cores = on_dram(cores, "ddr4_2400", 8)
        heard, plain = ({c.name: Listener() for c in cores} for _ in range(2))
        through = simulate_cores(cores, heard, None, mesh())
        without = simulate_cores(cores, plain)
        for one, other in zip(through.cores, without.cores, strict=True):
            assert one.report == other.report
            assert same(one.alone, other.alone)
            assert heard[one.name].rows == plain[one.name].rows
        assert through.dram == without.dram


@pytest.mark.parametrize("network", [bus(2), bus(16, 3), mesh(4, 1), mesh(1, 0, (1, 1))])
def test_cores_behind_links_move_the_same_words_and_every_cycle_has_a_cause(network):
    waited = set()
    slower = 0
    for seed in range(4):
        cores = at(sharing([*mixed(seed), *cores_of(seed)]), (0, 0), (3, 2), (1, 2), (0, 2))
        if seed % 2:
            cores = on_dram(cores, "ddr4_2400", 8)
        heard = {core.name: Listener() for core in cores}
        result = simulate_cores(cores, heard, None, network)
        free = simulate_cores(cores)
        most = least = 0
        for found, core, other in zip(result.cores, cores, free.cores, strict=True):
            report = found.report
            assert report.cycles == report.compute_cycles + sum(n for _, n in report.stalls)
            assert report.accesses == other.report.accesses
            told = {k: n for k, n in report.stalls if n and not k.startswith("gap_")}
            assert heard[core.name].cycles == told
            waited |= {x for chain in heard[core.name].chains for x in chain.links}
            slower += report.cycles > other.report.cycles
            bits = core.architecture.memories[0].word_bits
            most += report.words("dram") * bits
            # Sums to which the memory adds do not come over the links.
            least += (report.words("dram") - report.words("dram", "ofmap", "read")) * bits
        if network.is_bus:
            assert least <= result.links[0].bits <= most
            assert result.cycles * network.bits_per_s >= least * GBIT
        assert all(0 <= link.busy <= 1 for link in result.links)
    assert slower > 4
    assert any(x.startswith("network ") for x in waited)


def test_cores_whose_ways_share_no_link_do_not_meet_where_the_memory_has_no_limits():
    together = 0
    for seed in range(6):
        cores = mixed(seed, **UNLIMITED, requests_in_flight=None)
        network = mesh(4, 2, memory=(1, 1))
        apart = simulate_cores(at(cores, (0, 1), (3, 1)), None, None, network)
        for found in apart.cores:
            assert found.report == found.alone
        beside = simulate_cores(at(cores, (2, 1), (3, 1)), None, None, network)
        for found in beside.cores:
            assert found.report.cycles >= found.alone.cycles
            together += found.report.cycles > found.alone.cycles
    assert together > 3


def test_a_core_farther_from_its_memory_is_later_by_the_hops():
    (core,) = mixed(3, **UNLIMITED, requests_in_flight=None)[1:]
    cycles = [
        simulate_cores([replace(core, at=(x, 0))], None, None, mesh(64, 5)).cycles for x in range(4)
    ]
    assert cycles == sorted(set(cycles))


def test_places_that_are_none_are_refused():
    cores = mixed(1)
    with pytest.raises(ArraysmithError, match="c: another core stands at"):
        simulate_cores(at(cores, (1, 1), (1, 1)), None, None, mesh())
    with pytest.raises(ArraysmithError, match="is no router"):
        simulate_cores(at(cores, (4, 0), (1, 1)), None, None, mesh())
