"""One index made of several dims of a problem, or a part of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """One flattened index, or a part of it; values are counted from the first of the part.

    Attributes:
        dims: slowest first.
        sizes: of the dims.
        first: first value of the part.
        count: values of the part; None for all from ``first`` on.
    """

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    first: int = 0
    count: int | None = None

    @cached_property
    def size(self) -> int:
        """Number of values of the index; at least 1."""
        return prod(self.sizes) - self.first if self.count is None else self.count

    @property
    def whole(self) -> bool:
        """Whether it is the whole index."""
        return self.size == prod(self.sizes)

    def part(self, start: int, stop: int) -> Side:
        """Return the part with the values [start, stop)."""
        return replace(self, first=self.first + start, count=stop - start)

    def digits(self, index: Int) -> dict[str, Int]:
        """Return the value of every dim at the given flattened indices."""
        index = index + self.first
        found: dict[str, Int] = {}
        for dim, size in zip(reversed(self.dims), reversed(self.sizes), strict=True):
            found[dim] = index % size
            index = index // size
        return found

    def boxes(self, start: int, stop: int) -> list[dict[str, tuple[int, int]]]:
        """Return disjoint boxes, [start, stop) per dim, that make up the range [start, stop).

        At most 2 D - 1 for D dims: ragged ends and the full middle, per dim.
        """
        boxes = _boxes(self.sizes, self.first + start, self.first + stop)
        return [dict(zip(self.dims, box, strict=True)) for box in boxes]

    def spans(self, fold: int) -> set[tuple[int, ...]]:
        """Return the extents, per dim, of the bounding boxes of all blocks of ``fold`` values."""
        first = np.arange(0, self.size, fold, dtype=np.int64)
        last = np.minimum(first + fold, self.size) - 1
        low, high = self.digits(first), self.digits(last)
        same = np.ones(len(first), bool)
        columns = []
        for dim, size in zip(self.dims, self.sizes, strict=True):
            columns.append(np.where(same, high[dim] - low[dim] + 1, size))
            same = same & (high[dim] == low[dim])
        return set(zip(*(column.tolist() for column in columns), strict=True)) or {()}


def _boxes(sizes: tuple[int, ...], start: int, stop: int) -> list[tuple[tuple[int, int], ...]]:
    if start >= stop:
        return []
    if not sizes:
        return [()]
    inner = prod(sizes[1:])
    first, last = start // inner, (stop - 1) // inner
    if first == last:
        rest = _boxes(sizes[1:], start - first * inner, stop - first * inner)
        return [((first, first + 1), *box) for box in rest]
    found: list[tuple[tuple[int, int], ...]] = []
    full_from, full_to = first, last + 1
    if start % inner:
        head = _boxes(sizes[1:], start - first * inner, inner)
        found += [((first, first + 1), *box) for box in head]
        full_from += 1
    if stop % inner:
        full_to -= 1
    if full_from < full_to:
        found.append(((full_from, full_to), *((0, size) for size in sizes[1:])))
    if stop % inner:
        tail = _boxes(sizes[1:], 0, stop - last * inner)
        found += [((last, last + 1), *box) for box in tail]
    return found
