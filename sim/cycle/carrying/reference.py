"""What carried values begin with and are compared with: operands, and results by definition."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from arraysmith.arch.problem import Problem, Tensor
from arraysmith.sim.cycle.carrying.sparse import masked
from arraysmith.sim.cycle.nest.boxes import Int

POISON = -(1 << 40)
"""What a frame holds before anything was brought: far outside of what operands add up to."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A transfer to leave out, to prove that it would be noticed.

    Attributes:
        tensor: tensor code, 0 ifmap, 1 weight, 2 ofmap (partial sums that come back).
        transfer: its number among all transfers of the tensor to any memory, from 0.
    """

    tensor: int
    transfer: int


def random_operands(problem: Problem, seed: int) -> tuple[Int, Int]:
    """Return int64 arrays (ifmap, weight) of their tensors' shapes, values -8 to 7.

    Weights of a sparse problem keep what their sparsity allows, at random places of each filter.
    """
    random = np.random.default_rng(seed)
    ifmap = random.integers(-8, 8, shape_of(problem.ifmap))
    weight = random.integers(-8, 8, shape_of(problem.weight))
    return ifmap, weight if problem.weight_sparsity is None else masked(problem, weight, seed)


def reference_output(problem: Problem, ifmap: Int, weight: Int) -> Int:
    """Return the operator's results, straight from the definition of its tensors' axes.

    For every tap (the second dim of an axis with two), the window's words are picked by index,
    padding as zero, and multiplied with the weights; everything else is a sum over dims.

    Args:
        problem: the operator.
        ifmap: int64, of its tensor's shape.
        weight: int64, of its tensor's shape.
    """
    taps = [axis.terms[1][0] for axis in problem.ifmap.axes if len(axis.terms) > 1]
    out = np.zeros(shape_of(problem.ofmap), np.int64)
    for tap in product(*(range(problem.size[dim]) for dim in taps)):
        at = dict(zip(taps, tap, strict=True))
        left, left_dims = _gather(problem, problem.ifmap, ifmap, at)
        right, right_dims = _gather(problem, problem.weight, weight, at)
        result = "".join(axis.terms[0][0] for axis in problem.ofmap.axes)
        out += np.einsum(f"{left_dims},{right_dims}->{result}", left, right, optimize=True)
    return out


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Return words along each axis."""
    return tuple(axis.extent for axis in tensor.axes)


def _gather(problem: Problem, tensor: Tensor, values: Int, at: dict[str, int]) -> tuple[Int, str]:
    """Return the words of ``tensor`` with the taps fixed, one axis per free dim, and the dims."""
    dims = ""
    for number, axis in reversed(list(enumerate(tensor.axes))):
        free = [dim for dim, _ in axis.terms if dim not in at]
        index = np.full(problem.size[free[0]] if free else 1, axis.offset)
        for dim, coefficient in axis.terms:
            index += coefficient * (np.arange(len(index)) if dim in free else at[dim])
        inside = (index >= 0) & (index < axis.extent)
        values = np.take(values, np.where(inside, index, 0), axis=number)
        shape = [1] * values.ndim
        shape[number] = len(index)
        values = values * inside.reshape(shape)
        if free:
            dims = free[0] + dims
        else:
            values = values.squeeze(number)
    return values, dims
