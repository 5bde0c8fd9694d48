"""Load-latency curves: latency and throughput of a network under synthetic traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.traffic import Traffic

CHUNK = 256
"""Cycles of traffic drawn at a time."""


MOST_CYCLES = 10**9
"""Of each part of a measurement."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a point is measured.

    Packets created in ``measured_cycles`` after ``warmup_cycles`` are measured; traffic goes on
    until the last of them is delivered, for ``drain_cycles`` at most.

    Attributes:
        warmup_cycles, measured_cycles, drain_cycles: as said.
        unstable_latency: mean latency in cycles from which on a point counts as saturated.
        seed: of the traffic, and of what a routing draws.
    """

    warmup_cycles: int = 5_000
    measured_cycles: int = 10_000
    drain_cycles: int = 20_000
    unstable_latency: float = 500.0
    seed: int = 1

    def __post_init__(self) -> None:
        faults = [
            Fault(
                name,
                str(value),
                f"must be at least {least}" if value < least else f"must be at most {MOST_CYCLES}",
            )
            for name, value, least in (
                ("warmup_cycles", self.warmup_cycles, 0),
                ("measured_cycles", self.measured_cycles, 1),
                ("drain_cycles", self.drain_cycles, 0),
            )
            if not least <= value <= MOST_CYCLES
        ]
        if faults:
            raise InputError(faults)


@dataclass(frozen=True)
class Point:
    """One point of a curve.

    Attributes:
        offered: flits per terminal and cycle.
        accepted: flits delivered per terminal and cycle while packets were measured.
        stable: whether all measured packets were delivered, with a mean latency that is bounded.
        packets: measured and delivered.
        latency_cycles: mean over packets, from creation to the delivery of the last flit, waiting
            at the terminal with it; None unless stable.
        network_latency_cycles: the same from the head's departure.
        min_latency_cycles, max_latency_cycles: likewise.
        p95_latency_cycles: 95 of 100 packets take no longer.
        mean_hops: links on the way of a flit.
    """

    offered: float
    accepted: float
    stable: bool
    packets: int
    latency_cycles: float | None
    network_latency_cycles: float | None
    min_latency_cycles: int | None
    max_latency_cycles: int | None
    p95_latency_cycles: float | None
    mean_hops: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def measure(
    make: Callable[[], Network], traffic: Traffic, rate: float, protocol: Protocol
) -> Point:
    """Return one point, measured on a fresh network.

    Raises:
        InputError: a rate that is not above 0 and at most 1, or traffic that does not suit.
        NoProgressError: the network stopped.
    """
    if not 0.0 < rate <= 1.0:
        rule = "must be above 0 and at most 1 flit per terminal and cycle"
        raise InputError([Fault("rates", str(rate), rule)])
    network = make()
    terminals = len(network.topology.terminals)
    rng = np.random.default_rng(protocol.seed)
    begin = protocol.warmup_cycles
    end = begin + protocol.measured_cycles
    limit = end + protocol.drain_cycles
    created = 0
    delivered = 0
    flits = 0
    latencies, network_latencies = [], []
    while network.now < end or (delivered < created and network.now < limit):
        start = network.now
        stop = next(x for x in (begin, end, limit, limit + 1) if x > start)
        stop = min(stop, start + CHUNK)
        sources, targets, cycles = traffic.packets(network.topology, rate, start, stop, rng)
        network.inject(sources, targets, traffic.packet_flits, cycles)
        if begin <= start < end:
            created += len(sources)
        found = network.advance(stop)
        whole, inside = network.latencies(found)
        since = found.cycle - whole
        mine = (since >= begin) & (since < end)
        delivered += int(np.count_nonzero(mine))
        latencies.append(whole[mine])
        network_latencies.append(inside[mine])
        if begin <= start < end:
            flits += len(found.packet) * traffic.packet_flits
    taken = np.concatenate(latencies)
    mean = float(taken.mean()) if len(taken) else None
    stable = delivered == created and mean is not None and mean <= protocol.unstable_latency
    hops = sum(network.flit_hops()["unicast"])
    passed = max(network.flits_delivered, 1)
    return Point(
        offered=rate,
        accepted=flits / terminals / protocol.measured_cycles,
        stable=stable,
        packets=delivered,
        latency_cycles=mean if stable else None,
        network_latency_cycles=float(np.concatenate(network_latencies).mean()) if stable else None,
        min_latency_cycles=int(taken.min()) if stable else None,
        max_latency_cycles=int(taken.max()) if stable else None,
        p95_latency_cycles=float(np.quantile(taken, 0.95)) if stable else None,
        mean_hops=hops / passed,
    )


def curve(
    make: Callable[[], Network], traffic: Traffic, rates: Sequence[float], protocol: Protocol
) -> Iterator[Point]:
    """Yield a point per rate, in order."""
    for rate in rates:
        yield measure(make, traffic, rate, protocol)


def saturation(make: Callable[[], Network], traffic: Traffic, protocol: Protocol) -> float:
    """Return flits per terminal and cycle that are accepted when every terminal always has more."""
    without_drain = Protocol(**{**asdict(protocol), "drain_cycles": 0})
    return measure(make, traffic, 1.0, without_drain).accepted
