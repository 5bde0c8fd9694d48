"""What a run did to routed networks: flits per link, packets that fork by the number of targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NetworkUse:
    """Loads of the routed network of one fan-out, over all its instances.

    Attributes:
        network: fan-out name.
        links: (link, kind, flits) of every link that flits passed; that of the memory is of kind
            ``all``.
        degrees: (targets, packets) of packets that fork in routers.
    """

    network: str
    links: tuple[tuple[str, str, int], ...]
    degrees: tuple[tuple[int, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {
            "network": self.network,
            "links": [dict(zip(("link", "kind", "flits"), x, strict=True)) for x in self.links],
            "degrees": {str(targets): packets for targets, packets in self.degrees},
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> NetworkUse:
        """Return what ``to_dict`` made ``plain`` of."""
        return cls(
            plain["network"],
            tuple((x["link"], x["kind"], x["flits"]) for x in plain["links"]),
            tuple((int(targets), packets) for targets, packets in plain["degrees"].items()),
        )


def total_network_use(
    parts: Iterable[tuple[tuple[NetworkUse, ...], int]],
) -> tuple[NetworkUse, ...]:
    """Return the loads of several runs, each so many times."""
    links: dict[str, Counter[tuple[str, str]]] = {}
    degrees: dict[str, Counter[int]] = {}
    for uses, repeat in parts:
        for use in uses:
            flits = links.setdefault(use.network, Counter())
            packets = degrees.setdefault(use.network, Counter())
            for link, kind, count in use.links:
                flits[link, kind] += repeat * count
            for targets, count in use.degrees:
                packets[targets] += repeat * count
    return tuple(
        NetworkUse(
            name,
            tuple((link, kind, count) for (link, kind), count in sorted(found.items())),
            tuple(sorted(degrees[name].items())),
        )
        for name, found in links.items()
    )
