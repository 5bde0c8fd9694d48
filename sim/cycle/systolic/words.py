"""Which stored word every lane of a systolic array needs at every step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.problem import Problem, Tensor
from arraysmith.sim.side import Side

Int = NDArray[np.int64]
Range = tuple[int, int]


@dataclass(frozen=True)
class WordView:
    """A tensor as a matrix of lanes by steps, per group; entries are indices of stored words.

    Along every axis of the tensor the index is offset + group part + lane part + step part.

    Attributes:
        tensor: the tensor.
        lane_part: int64 [axes, lanes], what the lane adds to each axis index.
        step_part: int64 [axes, steps].
        group_part: int64 [axes, groups].
        extent: int64 [axes], stored words along the axis.
        injective: every (lane, step) is a stored word of its own.
        linear: int64 [lanes], [steps] and [groups]: the parts as one sum of words.
        padded: axes along which an index may lie outside, int64 [n].
        overlaps: blocks that are asked for may have words in common even so.
    """

    tensor: Tensor
    lane_part: Int
    step_part: Int
    group_part: Int
    extent: Int
    injective: bool
    linear: tuple[Int, Int, Int]
    padded: Int
    overlaps: bool = False

    @classmethod
    def of(cls, problem: Problem, tensor: Tensor, lanes: Side, steps: Side) -> WordView:
        """Return the view in which every dim but G belongs to one of the two sides."""
        extent = np.array([axis.extent for axis in tensor.axes], np.int64)
        stride = np.ones(len(extent), np.int64)
        stride[:-1] = np.cumprod(extent[:0:-1])[::-1]
        group = Side(("G",), (problem.size["G"],))
        moving = [[dim for dim, _ in axis.terms if problem.size[dim] > 1] for axis in tensor.axes]
        offset = np.array([[axis.offset] for axis in tensor.axes], np.int64)
        parts = (_parts(tensor, lanes) + offset, _parts(tensor, steps), _parts(tensor, group))
        low = sum(part.min(axis=1) for part in parts)
        high = sum(part.max(axis=1) for part in parts)
        return cls(
            tensor,
            *parts,
            extent,
            all(len(dims) <= 1 for dims in moving)
            and all(axis.offset == 0 for axis in tensor.axes),
            (stride @ parts[0], stride @ parts[1], stride @ parts[2]),
            np.flatnonzero((low < 0) | (high >= extent)),
        )

    def words(self, lanes: Range, steps: Range, group: int) -> Int:
        """Return int64 [lanes, steps]: word indices, row-major in the tensor; -1 for padding."""
        found = np.empty((lanes[1] - lanes[0], steps[1] - steps[0]), np.int64)
        _words(*self._block(lanes, steps, group), found)
        return found

    def stored(self, lanes: Range, steps: Range) -> int:
        """Return the entries of a block that are no padding; alike in all groups."""
        if len(self.padded) == 0:
            return (lanes[1] - lanes[0]) * (steps[1] - steps[0])
        lane_part, lane_count = _counted(self._classes[0], self.lane_part, self.padded, lanes)
        step_part, step_count = _counted(self._classes[1], self.step_part, self.padded, steps)
        group = self.group_part[self.padded, :1]
        return int(
            _stored(lane_part + group, lane_count, step_part, step_count, self.extent[self.padded])
        )

    def distinct(self, lanes: Range, steps: Range, group: int, tag: int) -> Int:
        """Return the words of a block, each once, ascending; less those seen with this ``tag``.

        Args:
            lanes: [start, stop) of the lanes.
            steps: [start, stop) of the steps.
            group: number of the group.
            tag: at least 1; a new one forgets what was seen.
        """
        if self.injective and not self.overlaps:
            return np.sort(self.words(lanes, steps, group), axis=None)
        pairs = (lanes[1] - lanes[0]) * (steps[1] - steps[0])
        out = np.empty(min(pairs, self.tensor.words), np.int64)
        count = _fresh(*self._block(lanes, steps, group), tag, self._tags, out)
        return np.sort(out[:count])

    def distinct_count(self, lanes: Range, steps: Range, group: int, tag: int) -> int:
        """Return how many words ``distinct`` would return; those are then seen, too."""
        if self.injective and not self.overlaps:
            return (lanes[1] - lanes[0]) * (steps[1] - steps[0])
        out = np.empty(0, np.int64)
        return int(_fresh(*self._block(lanes, steps, group), tag, self._tags, out))

    @cached_property
    def _classes(self) -> tuple[tuple[Int, Int], tuple[Int, Int]]:
        """Lanes, and steps, that padding treats alike."""
        return _classes_of(self.lane_part[self.padded]), _classes_of(self.step_part[self.padded])

    @cached_property
    def _tags(self) -> Int:
        return np.zeros(self.tensor.words, np.int64)

    def _block(self, lanes: Range, steps: Range, group: int) -> tuple[Int, Int, Int, Int, Int]:
        """Return the parts of a block as sums of words, then along the axes that have padding."""
        lane_sum, step_sum, group_sum = self.linear
        padded = self.padded
        lane_part = self.lane_part[padded, slice(*lanes)]
        return (
            lane_sum[slice(*lanes)] + group_sum[group],
            step_sum[slice(*steps)],
            lane_part + self.group_part[padded, group : group + 1],
            self.step_part[padded, slice(*steps)],
            self.extent[padded],
        )


def _classes_of(parts: Int) -> tuple[Int, Int]:
    """Return the different columns of ``parts``, and the number of its class per column."""
    found, number = np.unique(parts, axis=1, return_inverse=True)
    return np.ascontiguousarray(found), number.reshape(-1)


def _counted(classes: tuple[Int, Int], parts: Int, padded: Int, block: Range) -> tuple[Int, Int]:
    """Return columns of ``parts`` that stand for those of a block, and how many each stands for."""
    found, number = classes
    length = block[1] - block[0]
    if found.shape[1] < length:
        return found, np.bincount(number[slice(*block)], minlength=found.shape[1])
    return parts[padded, slice(*block)], np.ones(length, np.int64)


def _parts(tensor: Tensor, side: Side) -> Int:
    digits = side.digits(np.arange(side.size, dtype=np.int64))
    parts = np.zeros((len(tensor.axes), side.size), np.int64)
    for a, axis in enumerate(tensor.axes):
        for dim, coef in axis.terms:
            if dim in digits:
                parts[a] += coef * digits[dim]
    return parts


@njit(cache=True, nogil=True)
def _inside(lane_part: Int, step_part: Int, extent: Int, lane: int, step: int) -> bool:
    for a in range(len(extent)):
        index = lane_part[a, lane] + step_part[a, step]
        if index < 0 or index >= extent[a]:
            return False
    return True


@njit(cache=True, nogil=True)
def _words(
    lane_sum: Int, step_sum: Int, lane_part: Int, step_part: Int, extent: Int, found: Int
) -> None:
    for lane in range(found.shape[0]):
        for step in range(found.shape[1]):
            inside = _inside(lane_part, step_part, extent, lane, step)
            found[lane, step] = lane_sum[lane] + step_sum[step] if inside else -1


@njit(cache=True, nogil=True)
def _stored(lane_part: Int, lane_count: Int, step_part: Int, step_count: Int, extent: Int) -> int:
    count = 0
    for lane in range(len(lane_count)):
        for step in range(len(step_count)):
            if _inside(lane_part, step_part, extent, lane, step):
                count += lane_count[lane] * step_count[step]
    return count


@njit(cache=True, nogil=True)
def _fresh(
    lane_sum: Int,
    step_sum: Int,
    lane_part: Int,
    step_part: Int,
    extent: Int,
    tag: int,
    tags: Int,
    out: Int,
) -> int:
    """Count the words without ``tag``, tag them, and list them if ``out`` has room."""
    count = 0
    for lane in range(len(lane_sum)):
        for step in range(len(step_sum)):
            if not _inside(lane_part, step_part, extent, lane, step):
                continue
            word = lane_sum[lane] + step_sum[step]
            if tags[word] != tag:
                tags[word] = tag
                if len(out) > 0:
                    out[count] = word
                count += 1
    return count
