"""One pattern of transfers over a routed network, simulated flit by flit from rest.

A pattern is all that one turn moves through one fan-out: the words of every tile, packed into flits
and packets, and the children that take them. It is busy until its last flit has left the memory;
up, for as long as flits come to the memory: the cycles of the memory's own link, which no other
link exceeds.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np

from arraysmith.arch.architecture import Fanout, Routed
from arraysmith.sim.cycle.nest.transfer_groups import Transfer
from arraysmith.sim.noc.network import Network
from arraysmith.sim.noc.occupancy import Span
from arraysmith.sim.noc.state import KINDS
from arraysmith.sim.routed import (
    build_network,
    child_terminals,
    flits_of,
    memory_terminal,
    packet_flits,
)

MEMORY = "memory"
"""Name of the memory's end of its link."""


@dataclass(frozen=True)
class Crossing:
    """One pattern, simulated.

    Attributes:
        busy_cycles: of the memory's link.
        late_cycles: from the end of these to the last word.
        flits: that the memory sends (takes).
        hops: flits times links, by kind of traffic.
        loads: (link, kind, flits) of every link that flits pass, that of the memory first.
        degrees: (targets, packets) of packets that fork.
        spans: of the channels that it takes.
    """

    busy_cycles: int
    late_cycles: int
    flits: int
    hops: tuple[int, ...]
    loads: tuple[tuple[str, str, int], ...]
    degrees: tuple[tuple[int, int], ...]
    spans: tuple[Span, ...]


@dataclass
class FlitNetwork:
    """The network of one fan-out, at rest; patterns are simulated on copies of it.

    Attributes:
        fanout: whose network.
        routed: its description.
    """

    fanout: Fanout
    routed: Routed
    _rest: Network = field(init=False)
    _ends: tuple[int, ...] = field(init=False)
    _memory: int = field(init=False)
    _known: dict[tuple[bool, int, tuple[Transfer, ...]], Crossing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = build_network(self.routed, self.fanout.instances)
        assert isinstance(network, Network)
        self._rest = network
        self._ends = child_terminals(self.routed, self.fanout.instances)
        self._memory = memory_terminal(self.routed, self.fanout.instances)

    @property
    def vcs(self) -> int:
        """Virtual channels of a channel."""
        return self._rest.router.num_vcs

    @property
    def channels(self) -> int:
        """Channels that ``Crossing.spans`` tells apart."""
        return self._rest.channels

    def crossing(self, transfers: tuple[Transfer, ...], word_bits: int, *, up: bool) -> Crossing:
        """Return how long transfers take together from rest."""
        key = (up, word_bits, transfers)
        if key not in self._known:
            self._known[key] = self._simulate(transfers, word_bits, up=up)
        return self._known[key]

    def at_rest(self) -> Network:
        """Return a network in which nothing has ever been."""
        shared = (self._rest.topology, self._rest.routing, self._rest.router)
        return copy.deepcopy(self._rest, {id(x): x for x in shared})

    def send(
        self,
        network: Network,
        transfers: tuple[Transfer, ...],
        word_bits: int,
        *,
        up: bool,
        release: int | None = None,
    ) -> tuple[dict[int, int], int]:
        """Queue the packets of a pattern.

        Args:
            network: of this fan-out.
            transfers: of the pattern.
            word_bits: of a word.
            up: whether children send.
            release: first cycle; None is the present one.

        Returns:
            (flits of every packet by its number, flits that the memory sends or takes).
        """
        memory, sent = self._memory, 0
        lengths: dict[int, int] = {}
        for words, members in transfers:
            ends = tuple(self._ends[x] for x in members)
            forks = self.forks(members, up=up)
            joins = up and self.routed.reduction and len(ends) > 1
            for flits in self._packets(words, word_bits, forks=forks):
                sent += flits * (1 if joins or forks else len(ends))
                if forks:
                    numbers = [network.multicast(memory, ends, flits, release)]
                elif joins:
                    numbers = network.reduce(ends, memory, flits, release).tolist()
                else:
                    here, there = np.array(ends), np.full(len(ends), memory)
                    sources, targets = (here, there) if up else (there, here)
                    numbers = network.inject(sources, targets, flits, release).tolist()
                lengths |= dict.fromkeys(numbers, flits)
        return lengths, sent

    def forks(self, members: tuple[int, ...], *, up: bool) -> bool:
        """Return whether packets for these children are copied in routers."""
        return not up and self.routed.multicast and len(members) > 1

    def _simulate(self, transfers: tuple[Transfer, ...], word_bits: int, *, up: bool) -> Crossing:
        network, memory = self.at_rest(), self._memory
        lengths, sent = self.send(network, transfers, word_bits, up=up)
        found = network.drain()
        arrived, flying = found.cycle, network.latencies(found)[1]
        taken = np.array([lengths[x] for x in found.packet.tolist()])
        last = int(arrived.max()) + 1
        # Packets on different virtual channels take turns at the memory's link.
        busy = (
            last - int((arrived - taken).min()) - 1 if up else int((arrived - flying + taken).max())
        )
        busy = max(busy, sent)
        assert busy <= last, "more flits than cycles at the memory's link"
        router = network.topology.name_router(network.topology.terminals[memory])
        link = f"{router}->{MEMORY}" if up else f"{MEMORY}->{router}"
        loads = {
            (name, kind): flits
            for name, by_kind in network.link_loads().items()
            for kind, flits in by_kind.items()
        }
        hops = network.flit_hops()
        return Crossing(
            busy,
            last - busy,
            sent,
            tuple(sum(hops[kind]) for kind in KINDS),
            ((link, "all", sent), *((a, b, n) for (a, b), n in sorted(loads.items()) if n)),
            tuple(network.degrees().items()),
            tuple(network.spans()),
        )

    def _packets(self, words: int, word_bits: int, *, forks: bool) -> list[int]:
        """Return the flits of every packet of words that go together."""
        flits, most = (
            flits_of(words, word_bits, self.routed),
            packet_flits(self.routed, forks=forks),
        )
        return [most] * (flits // most) + ([flits % most] if flits % most else [])
