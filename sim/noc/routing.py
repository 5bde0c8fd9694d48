"""How packets find their way: tables compiled by plug-ins of the kind ``routing``.

    @register("routing", "xy")
    @dataclass(frozen=True)
    class Xy(Routing): ...

A routing is compiled for one topology and number of virtual channels: for every router, target
router and class of packets, the output ports that a head may take, each with the virtual channels
that it may take there. One kernel serves all. Where a packet has several ports to choose from, it
asks for the one with the most free buffers among those with a virtual channel to give, the first
such in the table; a head that gets none chooses anew in the next cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.registry import declare_kind, lookup, registered
from arraysmith.sim.noc.topology import Topology

Int = NDArray[np.int64]
Small = NDArray[np.int16]

declare_kind("routing", "arraysmith.sim.noc.routings")


@dataclass(frozen=True, eq=False)
class RouteTable:
    """A routing for one topology.

    Attributes:
        port: int16 [classes, routers, input ports, routers, choices]: output ports of a head at
            the second axis' router on its way to the fourth axis' router; -1 ends the choices. The
            axis of input ports has length 1 where the way of a packet does not matter.
        group: int16, the same shape: row of ``vc_masks`` for each choice.
        vc_masks: int64 [groups]: virtual channels, a bit each.
        inject_vcs: int64 [classes]: virtual channels from the terminal to its router.
        two_phase: whether a packet of class 0 goes to a router on the way first, and is of class 1
            from there.
        escape: virtual channels that keep the rest free of deadlock, one bit each; 0 where every
            channel is part of an order that has no cycle.
    """

    port: Small
    group: Small
    vc_masks: Int
    inject_vcs: Int
    two_phase: bool = False
    escape: int = 0

    @property
    def single_path(self) -> bool:
        """Whether every packet of a flow takes the same way."""
        return bool(self.port.shape[0] == self.port.shape[4] == 1)


class Routing:
    """Base of routings: what they have in common."""

    def compile(self, topology: Topology, num_vcs: int) -> RouteTable:
        """Return the table for a topology.

        Raises:
            InputError: the routing does not fit the topology, or needs more virtual channels.
        """
        raise NotImplementedError

    def draw(
        self, rng: np.random.Generator, topology: Topology, sources: Int, targets: Int
    ) -> tuple[Int, Int]:
        """Return class and router on the way of every packet, drawn where the routing is random.

        Args:
            rng: to draw with.
            topology: of the network.
            sources: int64 [n], routers.
            targets: int64 [n], routers.
        """
        del rng, topology, targets
        return np.zeros_like(sources), np.full_like(sources, -1)


def build_routing(name: str) -> Routing:
    """Return a routing by name.

    Raises:
        InputError: no such name.
    """
    known = registered("routing")
    if name not in known:
        raise InputError([Fault("routing", name, "no such routing", nearest(name, known))])
    routing: Routing = lookup("routing", name)()
    return routing


def require_family(routing: str, topology: Topology, families: Iterable[str]) -> None:
    """Refuse a topology of another family.

    Raises:
        InputError: saying which families the routing is for.
    """
    families = tuple(families)
    if topology.family not in families:
        rule = f"{routing} routes on {' or '.join(families)}, not on {topology.family}"
        raise InputError([Fault("routing", routing, rule, "choose another routing or topology")])


def split_vcs(routing: str, num_vcs: int, parts: int) -> tuple[int, ...]:
    """Return masks that share the virtual channels out to ``parts`` classes, lowest first.

    Raises:
        InputError: fewer virtual channels than classes.
    """
    if num_vcs < parts:
        rule = f"{routing} needs at least {parts} to be free of deadlock"
        raise InputError([Fault("num_vcs", str(num_vcs), rule)])
    bounds = [num_vcs * part // parts for part in range(parts + 1)]
    return tuple((1 << high) - (1 << low) for low, high in pairwise(bounds))


def all_vcs(num_vcs: int) -> int:
    """Return the mask of all virtual channels."""
    return (1 << num_vcs) - 1


def grid_steps(topology: Topology) -> tuple[Int, Int]:
    """Return int64 [routers, routers] twice: steps along x and along y from first to second."""
    places = np.array(topology.coordinates, np.int64)
    x, y = places[:, 0], places[:, 1]
    return x[None, :] - x[:, None], y[None, :] - y[:, None]


def single_table(port: Int, mask: int) -> RouteTable:
    """Return a table of one class and one choice.

    Args:
        port: [routers, routers], -1 at the target.
        mask: virtual channels of every hop.
    """
    shaped = port.astype(np.int16)[None, :, None, :, None]
    masks = np.array([mask], np.int64)
    return RouteTable(shaped, np.zeros_like(shaped), masks, masks)


Choice = tuple[int, int]
"""Output port and mask of virtual channels."""


def table_of(
    topology: Topology,
    choices: Callable[[int, int], list[Choice]],
    inject: int,
) -> RouteTable:
    """Return the table of one class that a function of (router, target) describes."""
    routers = topology.routers
    found = [
        [choices(router, target) if router != target else [] for target in range(routers)]
        for router in range(routers)
    ]
    most = max((len(x) for row in found for x in row), default=0)
    port = np.full((1, routers, 1, routers, max(most, 1)), -1, np.int16)
    group = np.zeros_like(port)
    masks: dict[int, int] = {}
    for router, row in enumerate(found):
        for target, options in enumerate(row):
            for i, (out, mask) in enumerate(options):
                port[0, router, 0, target, i] = out
                group[0, router, 0, target, i] = masks.setdefault(mask, len(masks))
    vc_masks = np.array(list(masks) or [inject], np.int64)
    return RouteTable(port, group, vc_masks, np.array([inject], np.int64))
