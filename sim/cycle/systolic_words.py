"""Which stored word every lane of a systolic array needs at every step."""

from __future__ import annotations

from dataclasses import dataclass, field

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
        stride: int64 [axes], words between neighbours along the axis.
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
    stride: Int
    injective: bool
    linear: tuple[Int, Int, Int]
    padded: Int
    overlaps: bool = False
    _seen: dict[str, Int] = field(default_factory=dict)

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
            stride,
            all(len(dims) <= 1 for dims in moving)
            and all(axis.offset == 0 for axis in tensor.axes),
            (stride @ parts[0], stride @ parts[1], stride @ parts[2]),
            np.flatnonzero((low < 0) | (high >= extent)),
        )

    def words(self, lanes: Range, steps: Range, group: int) -> Int:
        """Return int64 [lanes, steps]: word indices, row-major in the tensor; -1 for padding."""
        found = np.empty((lanes[1] - lanes[0], steps[1] - steps[0]), np.int64)
        _words(*self._block(lanes, steps, group), self.extent, self.stride, found)
        return found

    def stored(self, lanes: Range, steps: Range) -> int:
        """Return the entries of a block that are no padding; alike in all groups."""
        if self.injective:
            return (lanes[1] - lanes[0]) * (steps[1] - steps[0])
        return int(_stored(*self._block(lanes, steps, 0), self.extent))

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
        if "tags" not in self._seen:
            self._seen["tags"] = np.zeros(self.tensor.words, np.int64)
        pairs = (lanes[1] - lanes[0]) * (steps[1] - steps[0])
        out = np.empty(min(pairs, self.tensor.words), np.int64)
        block = self._block(lanes, steps, group)
        count = _fresh(*block, self.extent, self.stride, tag, self._seen["tags"], out)
        return np.sort(out[:count])

    def _block(self, lanes: Range, steps: Range, group: int) -> tuple[Int, Int]:
        lane_part = self.lane_part[:, slice(*lanes)] + self.group_part[:, group : group + 1]
        return lane_part, self.step_part[:, slice(*steps)]


def _parts(tensor: Tensor, side: Side) -> Int:
    digits = side.digits(np.arange(side.size, dtype=np.int64))
    parts = np.zeros((len(tensor.axes), side.size), np.int64)
    for a, axis in enumerate(tensor.axes):
        for dim, coef in axis.terms:
            if dim in digits:
                parts[a] += coef * digits[dim]
    return parts


@njit(cache=True, nogil=True)
def _word(lane_part: Int, step_part: Int, extent: Int, stride: Int, lane: int, step: int) -> int:
    word = 0
    for a in range(len(extent)):
        index = lane_part[a, lane] + step_part[a, step]
        if index < 0 or index >= extent[a]:
            return -1
        word += index * stride[a]
    return word


@njit(cache=True, nogil=True)
def _words(lane_part: Int, step_part: Int, extent: Int, stride: Int, found: Int) -> None:
    for lane in range(found.shape[0]):
        for step in range(found.shape[1]):
            found[lane, step] = _word(lane_part, step_part, extent, stride, lane, step)


@njit(cache=True, nogil=True)
def _stored(lane_part: Int, step_part: Int, extent: Int) -> int:
    count = 0
    for lane in range(lane_part.shape[1]):
        for step in range(step_part.shape[1]):
            inside = True
            for a in range(len(extent)):
                index = lane_part[a, lane] + step_part[a, step]
                if index < 0 or index >= extent[a]:
                    inside = False
                    break
            count += inside
    return count


@njit(cache=True, nogil=True)
def _fresh(
    lane_part: Int, step_part: Int, extent: Int, stride: Int, tag: int, tags: Int, out: Int
) -> int:
    count = 0
    for lane in range(lane_part.shape[1]):
        for step in range(step_part.shape[1]):
            word = _word(lane_part, step_part, extent, stride, lane, step)
            if word >= 0 and tags[word] != tag:
                tags[word] = tag
                out[count] = word
                count += 1
    return count
