"""Load-latency curves of a wireless medium, by token or contention."""

from __future__ import annotations

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.sim.noc.sweep import Point, Protocol
from arraysmith.sim.noc.wireless import Wireless


def measure_air(medium: Wireless, packet_flits: int, rate: float, protocol: Protocol) -> Point:
    """Return one point, as ``sweep.measure`` does for networks.

    Everybody hears every packet, so there are no targets. Traffic ends with the measured packets'
    cycles and nothing more comes while the last of them are waited for.

    Args:
        medium: to be shared.
        packet_flits: of every packet, at least 1.
        rate: flits per terminal and cycle.
        protocol: how long, and with which seed.

    Raises:
        InputError: a rate that is not above 0 and at most 1, or a packet without flits.
    """
    faults = []
    if not 0.0 < rate <= 1.0:
        rule = "must be above 0 and at most 1 flit per terminal and cycle"
        faults.append(Fault("rates", str(rate), rule))
    if packet_flits < 1:
        faults.append(Fault("packet_flits", str(packet_flits), "must be at least 1"))
    if faults:
        raise InputError(faults)
    begin = protocol.warmup_cycles
    end = begin + protocol.measured_cycles
    rng = np.random.default_rng(protocol.seed)
    cycles, sources = np.nonzero(rng.random((end, medium.terminals)) < rate / packet_flits)
    packets = [(s, packet_flits, c) for c, s in zip(cycles.tolist(), sources.tolist(), strict=True)]
    found, _ = medium.run(packets, rng, until=end + protocol.drain_cycles)
    heard = np.array(found, np.int64)
    accepted = int(np.count_nonzero((heard > begin) & (heard <= end))) * packet_flits
    mine = cycles >= begin
    whole = mine & (heard >= 0)
    taken = (heard - cycles)[whole]
    mean = float(taken.mean()) if len(taken) else None
    stable = bool((whole == mine).all()) and mean is not None
    stable = stable and mean is not None and mean <= protocol.unstable_latency
    on_air = float(packet_flits * medium.flit_cycles)
    return Point(
        offered=rate,
        accepted=accepted / medium.terminals / protocol.measured_cycles,
        stable=stable,
        packets=len(taken),
        latency_cycles=mean if stable else None,
        network_latency_cycles=on_air if stable else None,
        min_latency_cycles=int(taken.min()) if stable else None,
        max_latency_cycles=int(taken.max()) if stable else None,
        p95_latency_cycles=float(np.quantile(taken, 0.95)) if stable else None,
        mean_hops=1.0,
    )
