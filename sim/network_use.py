"""What a run did to routed networks: flits per link, packets that fork by the number of targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

AT_MEMORY = "all"
"""Kind of the flits on the memory's own link, whatever they are behind it."""


@dataclass(frozen=True, slots=True)
class NetworkUse:
    """Loads of the routed network of one fan-out, over all its instances.

    Attributes:
        network: fan-out name.
        links: (link, kind, tensor, flits) of every link that flits passed; that of the memory is of
            kind ``all``.
        degrees: (tensor, targets, packets) of packets that fork in routers.
    """

    network: str
    links: tuple[tuple[str, str, str, int], ...]
    degrees: tuple[tuple[str, int, int], ...]

    @property
    def loads(self) -> dict[str, int]:
        """Flits of every link, the busiest first."""
        found: Counter[str] = Counter()
        for link, _, _, flits in self.links:
            found[link] += flits
        return dict(sorted(found.items(), key=lambda x: (-x[1], x[0])))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        heads, degree = ("link", "kind", "tensor", "flits"), ("tensor", "targets", "packets")
        return {
            "network": self.network,
            "links": [dict(zip(heads, x, strict=True)) for x in self.links],
            "degrees": [dict(zip(degree, x, strict=True)) for x in self.degrees],
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> NetworkUse:
        """Return what ``to_dict`` made ``plain`` of."""
        return cls(
            plain["network"],
            tuple((x["link"], x["kind"], x["tensor"], x["flits"]) for x in plain["links"]),
            tuple((x["tensor"], x["targets"], x["packets"]) for x in plain["degrees"]),
        )


def total_network_use(
    parts: Iterable[tuple[tuple[NetworkUse, ...], int]],
) -> tuple[NetworkUse, ...]:
    """Return the loads of several runs, each so many times."""
    links: dict[str, Counter[tuple[str, str, str]]] = {}
    degrees: dict[str, Counter[tuple[str, int]]] = {}
    for uses, repeat in parts:
        for use in uses:
            flits = links.setdefault(use.network, Counter())
            packets = degrees.setdefault(use.network, Counter())
            for link, kind, tensor, count in use.links:
                flits[link, kind, tensor] += repeat * count
            for tensor, targets, count in use.degrees:
                packets[tensor, targets] += repeat * count
    return tuple(
        NetworkUse(
            name,
            tuple((*key, count) for key, count in sorted(found.items())),
            tuple((*key, count) for key, count in sorted(degrees[name].items())),
        )
        for name, found in links.items()
    )
