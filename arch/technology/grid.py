"""Quantities of memories tabled over depth and width, interpolated and stretched without a step.

Inside the table: bilinear in the logarithms of depth and width, first along the depths that each of
the two neighbouring widths has. Outside:

- shallower than a width's first depth: all quantities go with depth^0.78, the exponent with which
  Accelergy 0.4 scales small memories;
- narrower than the first width: all go linearly with width (the same rule);
- wider than the last width: slices side by side, all go linearly with width;
- deeper than a width's last depth: parts. Leakage and area go linearly with the number of parts;
  energy with its square root, as the wires to a part get longer with the side of the array.

Every rule meets the table at its edge.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log

DEPTH_EXPONENT = 0.78
"""Power of depth below the table."""

PART_ENERGY_EXPONENT = 0.5
"""Power of the number of parts with which energy grows above the table (between 4096 and 32768
lines of 512 bits the table of the low-standby-power cells itself goes with 0.4 to 0.6)."""

Quantities = tuple[float, float, float, float]
"""Read energy (pJ), write energy (pJ), leakage (mW) and area (um2)."""

_ENERGIES = (True, True, False, False)


@dataclass(frozen=True)
class Grid:
    """A table of memories.

    Attributes:
        columns: by width in bits, (depth, logarithms of the quantities) in order of depth.
    """

    columns: dict[int, tuple[tuple[int, Quantities], ...]]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, Quantities]]) -> Grid:
        """Return the grid of (depth, width bits, quantities) rows; at least two widths.

        A quantity that falls where depth grows is held at its value before: tools that search for
        the best organisation of each size now and then find a cheaper one for the larger.
        """
        columns: dict[int, list[tuple[int, Quantities]]] = {}
        for depth, width, quantities in sorted(rows):
            column = columns.setdefault(width, [])
            a, b, c, d = (log(value) for value in quantities)
            if column:
                below = column[-1][1]
                a, b, c, d = (max(x, y) for x, y in zip((a, b, c, d), below, strict=True))
            column.append((depth, (a, b, c, d)))
        return cls({width: tuple(columns[width]) for width in sorted(columns)})

    def at(self, depth: float, width_bits: int) -> Quantities:
        """Return the quantities of ``depth`` lines (above 0) of ``width_bits`` (at least 1)."""
        widths = list(self.columns)
        inside = min(max(width_bits, widths[0]), widths[-1])
        high = min(bisect_right(widths, inside), len(widths) - 1)
        below, above = widths[high - 1], widths[high]
        part = (log(inside) - log(below)) / (log(above) - log(below))
        logs = _mix(
            _at_depth(self.columns[below], depth), _at_depth(self.columns[above], depth), part
        )
        slices = width_bits / inside
        a, b, c, d = (slices * exp(value) for value in logs)
        return a, b, c, d


def _at_depth(points: tuple[tuple[int, Quantities], ...], depth: float) -> Quantities:
    """Return the logarithms of one width at ``depth``, inside the table or beyond its ends."""
    first, last = points[0], points[-1]
    if depth <= first[0]:
        shift = DEPTH_EXPONENT * log(depth / first[0])
        return _shifted(first[1], (shift,) * 4)
    if depth >= last[0]:
        parts = log(depth / last[0])
        return _shifted(
            last[1], tuple(PART_ENERGY_EXPONENT * parts if e else parts for e in _ENERGIES)
        )
    high = bisect_right(points, depth, key=lambda point: point[0])
    (below, low), (above, up) = points[high - 1], points[high]
    return _mix(low, up, log(depth / below) / log(above / below))


def _mix(low: Quantities, high: Quantities, part: float) -> Quantities:
    a, b, c, d = (x + part * (y - x) for x, y in zip(low, high, strict=True))
    return a, b, c, d


def _shifted(logs: Quantities, shifts: tuple[float, ...]) -> Quantities:
    a, b, c, d = (x + y for x, y in zip(logs, shifts, strict=True))
    return a, b, c, d
