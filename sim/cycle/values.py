"""Carrying values: integers travel the way that the transfers take them, and nothing else.

Every memory has a frame per tensor, of its tile's size, kept in place (``boxes.frame_address``).
A frame is written only with the words that the transfers of ``boxes.fresh_boxes`` bring, the same
that are counted, timed and traced. A word that a transfer forgot leaves what was there before, and
the results differ from the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.legality import require_legal
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem, Tensor
from arraysmith.sim.cycle.boxes import Int, padded
from arraysmith.sim.cycle.carry import carry
from arraysmith.sim.cycle.nest import Chain, Nest
from arraysmith.sim.cycle.sparse import masked

POISON = -(1 << 40)
"""What a frame holds before anything was brought: far outside of what operands add up to."""


class WrongValuesError(ArraysmithError):
    """The simulated results are not those of the operator: a bug of the simulator."""


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
    ifmap = random.integers(-8, 8, _shape(problem.ifmap))
    weight = random.integers(-8, 8, _shape(problem.weight))
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
    out = np.zeros(_shape(problem.ofmap), np.int64)
    for tap in product(*(range(problem.size[dim]) for dim in taps)):
        at = dict(zip(taps, tap, strict=True))
        left, left_dims = _gather(problem, problem.ifmap, ifmap, at)
        right, right_dims = _gather(problem, problem.weight, weight, at)
        result = "".join(axis.terms[0][0] for axis in problem.ofmap.axes)
        out += np.einsum(f"{left_dims},{right_dims}->{result}", left, right, optimize=True)
    return out


def _shape(tensor: Tensor) -> tuple[int, ...]:
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


def simulate_values(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    ifmap: Int,
    weight: Int,
    drop: Drop | None = None,
) -> Int:
    """Return the results that the machine leaves in off-chip memory.

    Args:
        architecture: a spatial design.
        problem: the operator.
        mapping: legal, else ``IllegalMappingError``.
        ifmap: int64, of its tensor's shape.
        weight: int64, of its tensor's shape.
        drop: a transfer to leave out.
    """
    require_legal(architecture, problem, mapping)
    chain = Chain.of(architecture, mapping)
    nest = Nest.of(architecture, problem, mapping, chain)
    out = np.full(problem.ofmap.words, POISON, np.int64)
    offchip = (_flat(ifmap), _flat(weight), out)
    above = _frames(nest.shared_reach, 1, chain.in_shared)
    shared = (above[0][0], above[1][0], above[2][0])
    spads = _frames(nest.child_reach, nest.instances, (True, True, True))
    carry(
        nest.counts,
        nest.step_loops,
        nest.extent,
        nest.offset,
        (nest.shared_stride, nest.shared_reach, nest.shared_again),
        (nest.child_stride, nest.child_reach, nest.child_again),
        nest.mac_stride,
        np.array([padded([x.reach(problem.size) for x in t.axes], 1) for t in problem.tensors]),
        nest.retains,
        np.array(chain.in_shared),
        np.ascontiguousarray(nest.instance_shift.transpose(1, 0, 2)),
        offchip,
        shared,
        spads,
        (drop.tensor, drop.transfer) if drop else (-1, -1),
    )
    return out.reshape(_shape(problem.ofmap))


def verify_values(
    architecture: Architecture, problem: Problem, mapping: Mapping, seed: int = 0
) -> Int:
    """Run seeded random operands through the machine and compare with ``reference_output``.

    Returns:
        The results.

    Raises:
        WrongValuesError: naming the first word that differs.
    """
    ifmap, weight = random_operands(problem, seed)
    run = simulate_values
    if architecture.systolic:
        # Imported when needed: that module imports this one.
        from arraysmith.sim.cycle.systolic_values import systolic_values

        run = systolic_values
    got = run(architecture, problem, mapping, ifmap, weight)
    want = reference_output(problem, ifmap, weight)
    wrong = np.argwhere(got != want)
    if len(wrong):
        at = tuple(int(x) for x in wrong[0])
        raise WrongValuesError(
            f"{problem.name}: {len(wrong)} of {got.size} results are wrong, the first at {at}: "
            f"{got[at]} instead of {want[at]}"
        )
    return got


def _flat(values: Int) -> Int:
    return np.ascontiguousarray(values, np.int64).reshape(-1)


def _frames(reach: Int, instances: int, used: tuple[bool, ...]) -> tuple[Int, Int, Int]:
    """Return int64 [instances, words] per tensor, full of poison; unused ones hold one word."""
    words = [int(np.prod(reach[t])) if used[t] else 1 for t in range(3)]
    first, second, third = (np.full((instances, count), POISON, np.int64) for count in words)
    return first, second, third
