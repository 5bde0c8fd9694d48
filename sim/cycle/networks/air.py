"""One pattern of transfers over a wireless channel: counted, since nobody is ever in the way.

As ``flit_network``, which see for what a pattern is. The memory has the token and sends every tile
once; for results the token leaves it, goes past all children by their number, and comes back, and
the pattern is over (``arch.interconnect.Wireless``). Patterns of both directions take turns, as
``channels`` lets them on every channel.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from arraysmith.arch.architecture import Fanout, Wireless
from arraysmith.sim.cycle.nest.transfer_groups import Transfer
from arraysmith.sim.cycle.networks.flit_network import Crossing
from arraysmith.sim.noc.occupancy import Span
from arraysmith.sim.noc.state import KINDS, MULTICAST, UNICAST
from arraysmith.sim.routed import flits_of

AIR = "air"
"""Name of the only link."""


@dataclass(frozen=True)
class Air:
    """The channel of one fan-out.

    Attributes:
        fanout: whose network.
        wireless: its description.
    """

    fanout: Fanout
    wireless: Wireless

    @property
    def vcs(self) -> int:
        """Virtual channels of a channel: one, itself."""
        return 1

    @property
    def channels(self) -> int:
        """Channels that ``Crossing.spans`` tells apart."""
        return 1

    def crossing(self, transfers: tuple[Transfer, ...], word_bits: int, *, up: bool) -> Crossing:
        """Return how long transfers take together on an idle channel."""
        kinds = [0] * len(KINDS)
        forks: Counter[int] = Counter()
        for words, members in transfers:
            flits = flits_of(words, word_bits, self.wireless)
            if up:
                kinds[UNICAST] += flits * len(members)
            elif len(members) > 1:
                kinds[MULTICAST] += flits
                forks[len(members)] += 1
            else:
                kinds[UNICAST] += flits
        sent = sum(kinds)
        hops = self.fanout.instances + 1 if up and sent else 0
        busy = sent * self.wireless.flit_cycles + hops * self.wireless.token_cycles
        return Crossing(
            busy,
            self.wireless.latency_cycles if sent else 0,
            sent,
            tuple(kinds),
            tuple((AIR, KINDS[k], n) for k, n in enumerate(kinds) if n),
            tuple(sorted(forks.items())),
            (Span(0, 0, busy, 1, (0,), (busy,)),) if busy else (),
        )
