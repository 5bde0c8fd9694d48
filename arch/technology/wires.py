"""Energy of moving a bit to a neighbour: a piece of wire, and a router if there is one."""

from __future__ import annotations

from arraysmith.arch.architecture import Wires
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.technology.tables import rows


def hop_pj_per_bit(wires: Wires, technology: str) -> float:
    """Return the picojoules of one bit over one hop.

    The length of the hop times the wire's energy per millimetre, plus the router's per bit; or
    what the architecture states.

    Raises:
        InputError: unknown technology.
    """
    if wires.hop_pj_per_bit is not None:
        return wires.hop_pj_per_bit
    for row in rows("wires"):
        if row["technology"] == technology:
            router_pj = float(row["router_pj_per_bit"]) if wires.routers else 0.0
            return wires.hop_um / 1000 * float(row["wire_pj_per_bit_mm"]) + router_pj
    hint = nearest(technology, [row["technology"] for row in rows("wires")])
    raise InputError([Fault("technology", technology, "has no table of wires", hint)])


def wires_source(wires: Wires, technology: str) -> str:
    """Return where ``hop_pj_per_bit`` has its number from, in words."""
    if wires.hop_pj_per_bit is not None:
        return "energy as stated in the architecture"
    found = [row["source"] for row in rows("wires") if row["technology"] == technology]
    return found[0] if found else ""
