"""Which part of a product each array of a mesh of systolic arrays computes.

Arrays with SRAMs of their own run by themselves. A part is a range of each of the three flattened
indices. An axis of the mesh that cuts an index of S values into n parts gives part i the range
[ceil(i S / n), ceil((i + 1) S / n)): contiguous, sizes that differ by one at most, none larger than
ceil(S / n) (Samajdar et al., ISPASS 2020, cut so).
Arrays of E rows or columns whose fold times are counted with full extents gain nothing from a
shorter last fold: they cut between folds, which makes fewer folds in all and never more in one
array, because ceil(ceil(S / E) / n) = ceil(ceil(S / n) / E).

An array without work is left out.

Arrays that share their SRAMs run in lockstep, as one wide array in which each has a share of every
fold: see ``sim.folding``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from arraysmith.arch.architecture import COLUMNS, ROWS, STREAM, Fanout, ScaleOut

Range = tuple[int, int]

INDICES = (ROWS, COLUMNS, STREAM)
"""The flattened indices in the order of ``Part.ranges``."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one array computes.

    Attributes:
        y: row of the array in the mesh.
        x: column of the array in the mesh.
        ranges: [start, stop) of rows, columns and stream.
    """

    y: int
    x: int
    ranges: tuple[Range, Range, Range]

    @property
    def name(self) -> str:
        """Suffix of names that belong to this array: ``[y,x]``."""
        return f"[{self.y},{self.x}]"


def across(mesh: Fanout | None) -> tuple[int, int, int]:
    """Return how many arrays of ``mesh`` cut rows, columns and stream; one without a mesh."""
    many = dict.fromkeys(INDICES, 1)
    if mesh is not None:
        network = mesh.network
        assert isinstance(network, ScaleOut)
        many[network.y] *= mesh.mesh_y
        many[network.x] *= mesh.mesh_x
    return many[ROWS], many[COLUMNS], many[STREAM]


def cut(size: int, parts: int, unit: int = 1) -> list[Range]:
    """Return the ranges of ``parts`` parts of ``size`` values, cut at multiples of ``unit`` only.

    Some are empty when there are more parts than units.
    """
    units = -(-size // unit)
    ends = [min(size, -(-i * units // parts) * unit) for i in range(parts + 1)]
    return list(pairwise(ends))


def parts_of(mesh: Fanout, sizes: tuple[int, int, int], units: tuple[int, int, int]) -> list[Part]:
    """Return the parts that have work, by rows of the mesh.

    Args:
        mesh: a fan-out whose network is a ``ScaleOut``.
        sizes: values of rows, columns and stream.
        units: where each may be cut: between multiples of these.
    """
    network = mesh.network
    assert isinstance(network, ScaleOut)
    whole: dict[str, Range] = {name: (0, size) for name, size in zip(INDICES, sizes, strict=True)}
    unit = dict(zip(INDICES, units, strict=True))
    found = []
    for number in range(mesh.instances):
        y, x = divmod(number, mesh.mesh_x)
        ranges = dict(whole)
        if network.y == network.x:
            ranges[network.y] = cut(whole[network.y][1], mesh.instances, unit[network.y])[number]
        else:
            ranges[network.y] = cut(whole[network.y][1], mesh.mesh_y, unit[network.y])[y]
            ranges[network.x] = cut(whole[network.x][1], mesh.mesh_x, unit[network.x])[x]
        if all(start < stop for start, stop in ranges.values()):
            found.append(Part(y, x, (ranges[ROWS], ranges[COLUMNS], ranges[STREAM])))
    return found
