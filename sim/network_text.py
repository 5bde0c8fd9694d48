"""What a run did to routed networks, as tables for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from arraysmith.sim.network_use import AT_MEMORY, NetworkUse
from arraysmith.sim.tables import text_table

MOST_LINKS = 5
"""Links that are shown of each network."""


def networks_text(uses: Sequence[NetworkUse], cycles: int) -> str:
    """Return tables for people: traffic by class and tensor, and the busiest links.

    Args:
        uses: of one run.
        cycles: of that run.
    """
    rows, busiest = [], []
    for use in uses:
        hops: Counter[tuple[str, str]] = Counter()
        for _, kind, tensor, flits in use.links:
            hops[tensor, kind] += flits
        for (tensor, kind), flits in sorted(hops.items()):
            forks = [(x, n) for name, x, n in use.degrees if name == tensor]
            degrees = ", ".join(f"{n:,} to {x}" for x, n in forks) if kind == "multicast" else ""
            name = "memory's link" if kind == AT_MEMORY else kind
            rows.append((use.network, tensor, name, f"{flits:,}", degrees or "-"))
        for link, flits in list(use.loads.items())[:MOST_LINKS]:
            busiest.append((use.network, link, f"{flits:,}", f"{flits / cycles:.3f}"))
    heads = ("network", "tensor", "class", "flits x links", "packets that fork, targets")
    links = ("network", "busiest links", "flits", "per cycle")
    return f"{text_table(heads, rows, 3)}\n\n{text_table(links, busiest, 2)}"
