"""Words of an operand in a block of a folded matrix product, without walking over the block.

A block is a range of lanes times a range of steps. Each range is a few boxes of dims (ragged ends
and a full middle), so a block is a union of at most 25 boxes, and a box of dims touches a product
of index sets, one per axis of the tensor. Per axis every index gets the set of boxes that touch it
as bits; combining the axes and summing where a common bit is left counts the union.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.problem import DIMS, Problem, Tensor
from arraysmith.sim.side import Side

Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WordCounter:
    """Counts words of one tensor of one group.

    Attributes:
        lanes: index that picks the lane.
        steps: index within a lane.
        injective: every (lane, step) is a stored word of its own: no window overlaps, no padding.
        dim: int64 [axes, 2], index into ``DIMS`` of each term.
        coef: int64 [axes, 2], its coefficient, 0 where there is no term.
        extent: int64 [axes], stored words along the axis.
        offset: int64 [axes], minus the padding.
    """

    lanes: Side
    steps: Side
    injective: bool
    dim: Int
    coef: Int
    extent: Int
    offset: Int

    @classmethod
    def of(cls, problem: Problem, tensor: Tensor, lanes: Side, steps: Side) -> WordCounter:
        """Encode the tensor; every dim of the two sides moves one of its axes."""
        dim = np.zeros((len(tensor.axes), 2), np.int64)
        coef = np.zeros((len(tensor.axes), 2), np.int64)
        injective = True
        for a, axis in enumerate(tensor.axes):
            for term, (name, factor) in enumerate(axis.terms):
                dim[a, term], coef[a, term] = DIMS.index(name), factor
            moving = [name for name, _ in axis.terms if problem.size[name] > 1]
            injective &= len(moving) <= 1 and axis.offset == 0
        return cls(
            lanes,
            steps,
            injective,
            dim,
            coef,
            np.array([axis.extent for axis in tensor.axes], np.int64),
            np.array([axis.offset for axis in tensor.axes], np.int64),
        )

    def distinct(self, lanes: tuple[int, int], steps: tuple[int, int]) -> int:
        """Return the distinct stored words in a block of lanes and steps, both [start, stop)."""
        if self.injective:
            return (lanes[1] - lanes[0]) * (steps[1] - steps[0])
        boxes = [
            {**one, **other}
            for one in self.lanes.boxes(*lanes)
            for other in self.steps.boxes(*steps)
        ]
        low = np.zeros((len(boxes), len(DIMS)), np.int64)
        high = np.ones((len(boxes), len(DIMS)), np.int64)
        for b, box in enumerate(boxes):
            for name, (start, stop) in box.items():
                low[b, DIMS.index(name)], high[b, DIMS.index(name)] = start, stop
        return int(_union(self.dim, self.coef, self.extent, self.offset, low, high))

    def stored_pairs(self, lanes: tuple[int, int], steps: tuple[int, int]) -> int:
        """Return the (lane, step) pairs of a block that are words, not padding."""
        if self.injective:
            return (lanes[1] - lanes[0]) * (steps[1] - steps[0])
        return sum(
            self._pairs({**one, **other})
            for one in self.lanes.boxes(*lanes)
            for other in self.steps.boxes(*steps)
        )

    def _pairs(self, box: dict[str, tuple[int, int]]) -> int:
        pairs = 1
        for a in range(len(self.extent)):
            first, second = (
                np.arange(*box.get(DIMS[d], (0, 1)), dtype=np.int64) * c
                if c
                else np.zeros(1, np.int64)
                for d, c in zip(self.dim[a], self.coef[a], strict=True)
            )
            index = self.offset[a] + first[:, None] + second[None, :]
            pairs *= int(np.count_nonzero((index >= 0) & (index < self.extent[a])))
        return pairs


@njit(cache=True, nogil=True)
def _union(dim: Int, coef: Int, extent: Int, offset: Int, low: Int, high: Int) -> int:
    boxes = len(low)
    masks = np.ones(1, np.int64)
    masks[0] = (np.int64(1) << boxes) - 1
    counts = np.ones(1, np.int64)
    for a in range(len(extent)):
        marks = np.zeros(extent[a], np.int64)
        for b in range(boxes):
            d0, d1 = dim[a, 0], dim[a, 1]
            c0, c1 = coef[a, 0], coef[a, 1]
            stop0 = high[b, d0] if c0 else low[b, d0] + 1
            stop1 = high[b, d1] if c1 else low[b, d1] + 1
            for x in range(low[b, d0], stop0):
                for y in range(low[b, d1], stop1):
                    index = offset[a] + c0 * x + c1 * y
                    if 0 <= index < extent[a]:
                        marks[index] |= np.int64(1) << b
        patterns = np.zeros(extent[a], np.int64)
        times = np.zeros(extent[a], np.int64)
        found = 0
        for index in range(extent[a]):
            if marks[index] == 0:
                continue
            p = 0
            while p < found and patterns[p] != marks[index]:
                p += 1
            if p == found:
                patterns[p] = marks[index]
                found += 1
            times[p] += 1
        new_masks = np.zeros(len(masks) * found, np.int64)
        new_counts = np.zeros(len(masks) * found, np.int64)
        filled = 0
        for m in range(len(masks)):
            for p in range(found):
                both = masks[m] & patterns[p]
                if both == 0:
                    continue
                k = 0
                while k < filled and new_masks[k] != both:
                    k += 1
                if k == filled:
                    new_masks[k] = both
                    filled += 1
                new_counts[k] += counts[m] * times[p]
        masks, counts = new_masks[:filled].copy(), new_counts[:filled].copy()
    return int(counts.sum())
