"""Weights of structured sparsity as words: what a compressed tensor holds and a PE makes of it.

A stored word holds a weight and its position in its block, value x block + position, so that the
position travels with the word and a word that never came is noticed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.problem import Problem
from arraysmith.arch.sparsity import StructuredSparsity

Int = NDArray[np.int64]


def masked(problem: Problem, weight: Int, seed: int) -> Int:
    """Return ``weight`` with random weights of each block set to zero, so that the rest is kept.

    Args:
        problem: with sparsity.
        weight: int64, of its tensor's shape.
        seed: of the choice, which differs from filter to filter and block to block.
    """
    sparsity = problem.weight_sparsity
    assert sparsity is not None
    random = np.random.default_rng(seed)
    flat, back = _filters(problem, weight)
    for start in range(0, flat.shape[1], sparsity.block):
        block = flat[:, start : start + sparsity.block]
        rank = np.argsort(np.argsort(random.random(block.shape), axis=1), axis=1)
        block[rank >= sparsity.kept] = 0
    return _unfiltered(flat, back, weight.shape)


def compressed(problem: Problem, weight: Int) -> Int:
    """Return the words of ``problem.stored_weight``, int64 of its shape.

    Raises:
        ValueError: a block holds more non-zero weights than the sparsity keeps.
    """
    sparsity = problem.weight_sparsity
    assert sparsity is not None
    flat, _ = _filters(problem, weight)
    out = np.zeros((len(flat), problem.kept_reduction), np.int64)
    for number, start in enumerate(range(0, flat.shape[1], sparsity.block)):
        block = flat[:, start : start + sparsity.block]
        kept = min(sparsity.kept, block.shape[1])
        if (np.count_nonzero(block, axis=1) > kept).any():
            raise ValueError(f"{problem.name}: weights are not {sparsity} sparse")
        # Non-zero weights first, in their order; a stable sort fills up with zeros of the block.
        place = np.sort(np.argsort(block == 0, axis=1, kind="stable")[:, :kept], axis=1)
        words = np.take_along_axis(block, place, axis=1) * sparsity.block + place
        out[:, number * sparsity.kept : number * sparsity.kept + kept] = words
    shape = [axis.extent for axis in problem.stored_weight.axes]
    return out.reshape(shape)


def expanded(sparsity: StructuredSparsity, words: Int, slots: tuple[int, int], length: int) -> Int:
    """Return the weights at their positions: what the PEs that hold ``words`` pick and multiply.

    Args:
        sparsity: of the weights.
        words: int64 [filters, slots], stored words.
        slots: [start, stop) of the slots.
        length: extent of the reduction index.

    Returns:
        int64 [filters, covered], one column per value of the index that the slots cover.
    """
    start, stop = sparsity.covered(*slots, length)
    value, position = np.divmod(words, sparsity.block)
    column = np.arange(*slots) // sparsity.kept * sparsity.block - start + position
    out = np.zeros((len(words), stop - start), np.int64)
    np.add.at(out, (np.arange(len(words))[:, None], np.minimum(column, stop - start - 1)), value)
    return out


def _filters(problem: Problem, weight: Int) -> tuple[Int, tuple[int, ...]]:
    """Return int64 [filters, reduction], channels fastest, and the order of axes it was made by."""
    names = [axis.terms[0][0] for axis in problem.weight.axes]
    order = tuple(
        [i for i, name in enumerate(names) if name not in {"R", "S", "C"}]
        + [names.index(name) for name in ("R", "S", "C") if name in names]
    )
    return weight.transpose(order).reshape(-1, problem.reduction).copy(), order


def _unfiltered(flat: Int, order: tuple[int, ...], shape: tuple[int, ...]) -> Int:
    there = flat.reshape([shape[i] for i in order])
    return np.ascontiguousarray(there.transpose(np.argsort(order)))
