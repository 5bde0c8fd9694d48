"""Networks between the cores of a chip and its off-chip memory: a bus, or a mesh of routers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from arraysmith.arch.errors import Fault
from arraysmith.arch.spec_fields import Bandwidth, Cycles
from arraysmith.arch.spec_reader import Spec
from arraysmith.arch.yaml_positions import Positions

Place = tuple[int, int]

MOST_ROUTERS = 64
"""Of a mesh: every link has a name in chains of waiting."""


@dataclass(frozen=True, slots=True)
class ChipNetwork:
    """What lies between cores and memory: links, and the way of each core over them.

    Attributes:
        mesh_x: columns of routers; 0: a bus that all cores and both directions share.
        mesh_y: rows of routers; 0: a bus.
        bits_per_s: of a link in one direction, or of the bus; None: no limit.
        hop_s: seconds that a link, or the bus, takes to pass a word on.
        memory: router of the mesh that the memory stands at.
    """

    mesh_x: int
    mesh_y: int
    bits_per_s: Fraction | None
    hop_s: Fraction
    memory: Place = (0, 0)

    @property
    def is_bus(self) -> bool:
        """Whether it is a bus."""
        return self.mesh_x == 0

    def has(self, place: Place) -> bool:
        """Return whether there is a router at a place."""
        return _inside(place, (self.mesh_x, self.mesh_y))

    @property
    def links(self) -> tuple[str, ...]:
        """Names of all links."""
        if self.is_bus:
            return ("bus",)
        return tuple(
            link_name((x, y), (x + dx, y + dy))
            for y in range(self.mesh_y)
            for x in range(self.mesh_x)
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
            if 0 <= x + dx < self.mesh_x and 0 <= y + dy < self.mesh_y
        )

    def way(self, source: Place, target: Place) -> tuple[str, ...]:
        """Return the links from one router to another one: along x, then along y.

        Routing by dimensions is deterministic and free of deadlock. Of a bus, whatever the places
        are, the way is the bus.
        """
        if self.is_bus:
            return ("bus",)
        found, (x, y) = [], source
        while (x, y) != target:
            step = (_sign(target[0] - x), 0) if x != target[0] else (0, _sign(target[1] - y))
            found.append(link_name((x, y), (x + step[0], y + step[1])))
            x, y = x + step[0], y + step[1]
        return tuple(found)


def link_name(source: Place, target: Place) -> str:
    """Return the name of the link between two routers."""
    return f"({source[0]},{source[1]})->({target[0]},{target[1]})"


def _sign(value: int) -> int:
    return 1 if value > 0 else -1


class BusSpec(Spec):
    """One bus for all cores and both directions."""

    rate: Bandwidth | None = Field(default=None, description="no limit when left out")
    hop: Cycles = Field(default=0, description="latency, in cycles of the chip's clock")


Side = Annotated[int, Field(ge=1, le=MOST_ROUTERS)]
At = Annotated[tuple[int, int], Field(description="column and row of a router, counted from 0")]


class MeshSpec(Spec):
    """Routers in columns and rows, a link each way between neighbours."""

    size: tuple[Side, Side] = Field(description="columns, rows")
    rate: Bandwidth | None = Field(default=None, description="of a link; no limit when left out")
    hop: Cycles = Field(default=1, description="latency of a link, in cycles of the chip's clock")
    memory: At = Field(default=(0, 0), description="router that the off-chip memory stands at")


class ChipNetworkSpec(Spec):
    """A bus or a mesh: see ``network_faults``."""

    bus: BusSpec | None = None
    mesh: MeshSpec | None = None

    @property
    def stated(self) -> BusSpec | MeshSpec:
        """The one that it is."""
        found = self.bus or self.mesh
        assert found is not None
        return found

    @property
    def counted(self) -> Iterator[str]:
        """Paths of what counts in cycles; none of what is no network."""
        if (self.bus is None) == (self.mesh is None):
            return
        key = "bus" if self.mesh is None else "mesh"
        rate = self.stated.rate
        if rate is not None and rate.per != "bits/s":
            yield f"{key}.rate"
        if self.stated.hop:
            yield f"{key}.hop"

    def network(self, word_bits: int, clock_hz: int) -> ChipNetwork:
        """Return the network, with the chip's words and clock."""
        rate, hop = self.stated.rate, Fraction(self.stated.hop, clock_hz)
        bits = None if rate is None else rate.words_per_cycle(word_bits, clock_hz)
        bits_per_s = None if bits is None else bits * word_bits * clock_hz
        if self.mesh is None:
            return ChipNetwork(0, 0, bits_per_s, hop)
        return ChipNetwork(*self.mesh.size, bits_per_s, hop, self.mesh.memory)


def network_faults(
    spec: ChipNetworkSpec | None, places: Sequence[Place | None], positions: Positions
) -> Iterator[Fault]:
    """Yield what a chip's network and the places of its cores break together.

    Args:
        spec: the network; None: there is none.
        places: where the cores stand, as far as they say it.
        positions: where the fields stand.
    """
    if spec is not None and (spec.bus is None) == (spec.mesh is None):
        yield positions.fault("network", "must be a bus or a mesh, and not both", "")
        return
    mesh = None if spec is None else spec.mesh
    for i, place in enumerate(places):
        if mesh is None:
            if place is not None:
                rule = "only routers of a mesh have places"
                yield positions.fault(f"cores[{i}].at", rule, "remove at, or add a mesh")
        elif place is None:
            rule = "needs a place in the mesh"
            yield positions.fault(f"cores[{i}]", rule, "add at: [column, row]", at_key=True)
        elif not _inside(place, mesh.size):
            yield positions.fault(f"cores[{i}].at", "is not in the mesh", _size_hint(mesh))
        elif place in places[:i]:
            yield positions.fault(f"cores[{i}].at", "another core stands there", "")
    if mesh is not None:
        if mesh.size[0] * mesh.size[1] > MOST_ROUTERS:
            yield positions.fault("network.mesh.size", f"at most {MOST_ROUTERS} routers", "")
        if not _inside(mesh.memory, mesh.size):
            yield positions.fault("network.mesh.memory", "is not in the mesh", _size_hint(mesh))


def _inside(place: Place, size: Place) -> bool:
    return 0 <= place[0] < size[0] and 0 <= place[1] < size[1]


def _size_hint(mesh: MeshSpec) -> str:
    return f"columns 0 to {mesh.size[0] - 1}, rows 0 to {mesh.size[1] - 1}"
