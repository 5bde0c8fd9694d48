"""Process nodes: how energy and area scale between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.technology.tables import rows


@dataclass(frozen=True, slots=True)
class Node:
    """One process node.

    Attributes:
        technology: name of the table, for example ``65nm``.
        nm: feature size in nanometres.
        energy_factor: energy of logic relative to 45 nm.
        area_factor: area of logic relative to 45 nm.
        source: where the factors come from.
    """

    technology: str
    nm: int
    energy_factor: float
    area_factor: float
    source: str


@cache
def nodes() -> dict[str, Node]:
    """Return every known node by technology name."""
    return {
        row["technology"]: Node(
            row["technology"],
            int(row["nm"]),
            float(row["energy_factor"]),
            float(row["area_factor"]),
            row["source"],
        )
        for row in rows("nodes")
    }


def node_of(technology: str) -> Node:
    """Return the node called ``technology``.

    Raises:
        InputError: there is no such table; the hint has the near matches.
    """
    known = nodes()
    if technology not in known:
        hint = nearest(technology, known)
        raise InputError([Fault("technology", technology, "unknown technology", hint)])
    return known[technology]
