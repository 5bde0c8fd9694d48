from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import InputError
from arraysmith.sim.noc.air_curves import measure_air
from arraysmith.sim.noc.sweep import Protocol
from arraysmith.sim.noc.wireless import Wireless

PACKETS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 60)), max_size=15)


@given(PACKETS, st.sampled_from(["token", "contention"]), st.integers(1, 3))
def test_packets_never_share_the_air_and_keep_the_order_of_their_source(packets, access, each):
    air = Wireless(terminals=4, access=access, flit_cycles=each)
    heard, _ = air.run(packets, np.random.default_rng(2))
    spans = sorted(
        (end - flits * each, end) for end, (_, flits, _) in zip(heard, packets, strict=True)
    )
    for (_, end), (begin, _) in pairwise(spans):
        assert begin >= end
    for (_, flits, when), end in zip(packets, heard, strict=True):
        assert end - flits * each >= when
    for source in range(4):
        mine = [end for end, packet in zip(heard, packets, strict=True) if packet[0] == source]
        assert mine == sorted(mine)


def test_a_token_visits_terminals_in_turn():
    air = Wireless(terminals=4, token_cycles=2)
    heard, collisions = air.run([(2, 3, 0), (1, 1, 0), (0, 2, 50)], np.random.default_rng(0))
    # At 1 in cycle 2, at 2 in cycle 5; after 8 rounds of 8 cycles from there, at 0 in cycle 52.
    assert heard[:2] == (8, 3)
    assert heard[2] == 54
    assert collisions == 0


def test_an_empty_channel_is_taken_at_once_and_two_collide():
    air = Wireless(terminals=4, access="contention", detect_cycles=3)
    assert air.run([(1, 4, 7)], np.random.default_rng(0)) == ((11,), 0)
    heard, collisions = air.run([(1, 4, 0), (2, 4, 0)], np.random.default_rng(0))
    assert collisions >= 1
    assert min(heard) >= 3 + 4


@given(PACKETS, st.sampled_from(["token", "contention"]), st.integers(0, 80))
def test_who_has_not_begun_by_the_end_is_not_heard_and_the_others_as_ever(packets, access, until):
    air = Wireless(terminals=4, access=access)
    whole, _ = air.run(packets, np.random.default_rng(2))
    found, _ = air.run(packets, np.random.default_rng(2), until=until)
    for (_, flits, _), end, cut in zip(packets, whole, found, strict=True):
        assert cut == (end if end - flits < until else -1)


def test_at_full_load_a_token_takes_a_hop_a_packet():
    protocol = Protocol(warmup_cycles=500, measured_cycles=4000, drain_cycles=0)
    air = Wireless(terminals=8, token_cycles=2)
    full = measure_air(air, 3, 1.0, protocol)
    assert full.accepted == pytest.approx(3 / (3 + 2) / 8, rel=0.01)
    assert not full.stable
    assert full.latency_cycles is None


def test_an_almost_empty_medium_takes_half_a_round_or_nothing_but_the_air():
    protocol = Protocol(warmup_cycles=0, measured_cycles=60_000, drain_cycles=500)
    token = measure_air(Wireless(terminals=8), 1, 0.0005, protocol)
    assert token.latency_cycles == pytest.approx(1 + 7 / 2, rel=0.1)
    contention = measure_air(Wireless(terminals=8, access="contention"), 1, 0.0005, protocol)
    assert contention.min_latency_cycles == 1
    assert contention.latency_cycles < 1.3, "two of them rarely begin together"
    with pytest.raises(InputError, match="above 0 and at most 1"):
        measure_air(Wireless(terminals=8), 1, 0.0, protocol)


def test_wrong_mediums_and_packets_are_refused():
    with pytest.raises(InputError, match="access: tokin: unknown: did you mean token"):
        Wireless(terminals=2, access="tokin")
    with pytest.raises(InputError, match="terminals are numbered 0 to 1"):
        Wireless(terminals=2).run([(2, 1, 0)], np.random.default_rng(0))
