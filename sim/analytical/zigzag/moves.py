"""What moves at each memory of an operand, by the rules of ZigZag."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, prod

from arraysmith.arch.notation.zigzag import Loop, ZigzagMapping
from arraysmith.arch.notation.zigzag_machine import ZigzagMachine
from arraysmith.arch.problem import OFMAP, Problem, Tensor

Spread = dict[str, Fraction]
"""dim -> instances; a fraction where the array does not divide the extent."""


@dataclass(frozen=True, slots=True)
class Move:
    """One direction of an operand at one memory.

    Attributes:
        words: that an instance moves per period.
        bits: of a word.
        period: cycles from one transfer to the next.
        count: periods in the run.
        window: cycles of a period in which the words may move when there is one buffer.
    """

    words: int
    bits: int
    period: int
    count: int
    window: int

    @property
    def amount_bits(self) -> int:
        """Bits per period and instance."""
        return self.words * self.bits

    def cycles(self, bits_per_cycle: int) -> int:
        """Return the whole cycles of one transfer."""
        return -(-self.amount_bits // bits_per_cycle)


@dataclass(frozen=True, slots=True)
class OperandMoves:
    """An operand at all its memories.

    Attributes:
        tile: words an instance holds, per level; level 0 is the MAC, level i + 1 memory i.
        bits: of a word, per level.
        instances: of each level.
        top_relevant: turns of the outermost loops of a level that change the operand, per level.
        moves: per memory, the directions in which something moves.
    """

    tile: tuple[int, ...]
    bits: tuple[int, ...]
    instances: tuple[int, ...]
    top_relevant: tuple[int, ...]
    moves: tuple[dict[str, Move], ...]

    @property
    def changing_bits(self) -> tuple[int, ...]:
        """Bits per level that are replaced at a time: the tile less its outermost loops."""
        return tuple(
            words * bits // turns
            for words, bits, turns in zip(self.tile, self.bits, self.top_relevant, strict=True)
        )


def spread(mapping: ZigzagMapping, problem: Problem) -> dict[str, Spread]:
    """Return the instances along each dimension of the array.

    Extents that the array does not divide are spread evenly: 128 over 12 takes 11 turns of 11 7/11
    instances. Of a dim over several dimensions the one with most instances gives way.
    """
    found = {}
    largest: dict[str, tuple[int, str]] = {}
    for name, loops in mapping.spatial:
        for dim, count in loops:
            if count > largest.get(dim, (0, ""))[0]:
                largest[dim] = (count, name)
    for name, loops in mapping.spatial:
        found[name] = {dim: Fraction(count) for dim, count in loops}
    for dim, (_, name) in largest.items():
        others = prod(of[dim] for other, of in found.items() if other != name and dim in of)
        even = Fraction(problem.size[dim], mapping.turns(dim)) / others
        found[name][dim] = max(Fraction(1), even)
    return found


def operand_moves(
    machine: ZigzagMachine,
    problem: Problem,
    mapping: ZigzagMapping,
    tensor: str,
    over: dict[str, Spread],
    partial_bits: int,
) -> OperandMoves:
    """Return what moves of ``tensor``.

    Args:
        machine: gives the memories and whom they serve.
        problem: gives extents, strides and bits.
        mapping: loops and where they are cut.
        tensor: name.
        over: instances along the array, see ``spread``.
        partial_bits: bits of a partial sum.
    """
    of = problem.tensor(tensor)
    loops = mapping.levels(tensor)
    space = _space(machine, tensor, over)
    levels = range(len(loops) + 1)
    instances = tuple(round(prod(prod(x.values()) for x in space[k:])) for k in levels)
    unlike = [distinct(of, _product(space[:k])) for k in levels]
    whole = distinct(of, _product(space))
    unique = [whole / x for x in unlike]
    feeds = [round(unique[k] / unique[k + 1]) for k in levels[:-1]]
    tile = (
        1,
        *(round(distinct(of, _product(space[: k + 1], loops[: k + 1]))) for k in levels[:-1]),
    )
    periods = [_stationary(of, loops[0]) if tensor != OFMAP else 1]
    for level in loops:
        periods.append(prod(n for _, n in level) * (1 if len(periods) == 1 else periods[-1]))
    total = periods[-1]
    top = [1, *(_top(level, of, relevant=False) for level in loops)]
    partial = _partial(of, loops, space)
    if tensor == OFMAP:
        bits = tuple(partial_bits if flag else of.word_bits for flag in partial)
    else:
        bits = (of.word_bits,) * len(partial)
    moves = []
    for m in levels[:-1]:
        low, high = (
            Move(words, bits[k], periods[k], total // periods[k], periods[k] // top[k])
            for k, words in ((m, tile[m] * feeds[m]), (m + 1, tile[m + 1]))
        )
        here = {"fl" if tensor == OFMAP else "tl": low}
        if tensor == OFMAP and partial[m]:
            here["tl"] = low
        if m < len(loops) - 1:
            here["th" if tensor == OFMAP else "fh"] = high
            if tensor == OFMAP and partial[m + 1]:
                here["fh"] = high
        moves.append(here)
    relevant = (1, *(_top(level, of, relevant=True) for level in loops))
    return OperandMoves(tile, bits, instances, relevant, tuple(moves))


def distinct(tensor: Tensor, counts: dict[str, Fraction]) -> Fraction:
    """Return the words of ``tensor`` that ``counts`` indices of each dim touch.

    Of two dims on an axis, with coefficients s and t, a and b indices touch a b - max(0, b - s / g)
    (a - t / g) words, g = gcd(s, t): steps wider than the window leave words out. Fractions of
    indices are cut off there.
    """
    words = Fraction(1)
    for axis in tensor.axes:
        if len(axis.terms) == 1:
            words *= counts.get(axis.terms[0][0], 1)
            continue
        (first, s), (second, t) = axis.terms
        a, b, g = int(counts.get(first, 1)), int(counts.get(second, 1)), gcd(s, t)
        words *= min(axis.extent, a * b - max(0, b - s // g) * (a - t // g))
    return words


def _space(machine: ZigzagMachine, tensor: str, over: dict[str, Spread]) -> list[Spread]:
    """Return the instances below each memory, and those above the last: level by level.

    A dimension stands below the innermost memory that serves it.
    """
    left = dict(over)
    levels: list[Spread] = []
    for memory in machine.chain(tensor):
        here = [left.pop(name) for name in memory.serves if name in left]
        levels.append(_product(here))
    return [*levels, _product(list(left.values()))]


def _product(space: list[Spread], loops: tuple[tuple[Loop, ...], ...] = ()) -> Spread:
    found: Spread = {}
    for entry in space:
        for dim, count in entry.items():
            found[dim] = found.get(dim, Fraction(1)) * count
    for level in loops:
        for dim, turns in level:
            found[dim] = found.get(dim, Fraction(1)) * turns
    return found


def _stationary(tensor: Tensor, loops: tuple[Loop, ...]) -> int:
    """Return the turns of the innermost loops that do not move ``tensor``: it stays at the MAC."""
    turns = 1
    for dim, count in loops:
        if dim in tensor.dims:
            break
        turns *= count
    return turns


def _top(loops: tuple[Loop, ...], tensor: Tensor, *, relevant: bool) -> int:
    """Return the turns of the outermost loops that move ``tensor`` plainly, or do not move it.

    Loops that slide a window do neither.
    """
    sliding = {dim for axis in tensor.axes if len(axis.terms) > 1 for dim, _ in axis.terms}
    turns = 1
    for dim, count in reversed(loops):
        if dim in sliding or (dim in tensor.dims) != relevant:
            break
        turns *= count
    return turns


def _partial(
    tensor: Tensor, loops: tuple[tuple[Loop, ...], ...], space: list[Spread]
) -> tuple[bool, ...]:
    """Return per level whether sums leave it unfinished: something above still adds to them."""
    adds = []
    for level in range(len(space)):
        here = list(space[level].items())
        here += [(dim, Fraction(turns)) for dim, turns in (loops[level - 1] if level else ())]
        adds.append(any(dim not in tensor.dims and count > 1 for dim, count in here))
    return tuple(any(adds[level + 1 :]) for level in range(len(space)))
